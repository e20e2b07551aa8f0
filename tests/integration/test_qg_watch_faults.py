# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch where calls fail, servers are hostile, and its own code has a defect: it goes on."""

from __future__ import annotations

import gc
import json
import logging
import os
import threading
import time
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch import poller
from simulator.fixture import Simulator
from support.playbooks import QUERY, QUOTA, assert_one_sentence
from support.vendor_faults import brief
from support.watching import (
    BALANCE,
    EVERYTHING,
    LIST,
    MIN_GAP,
    WATCHES,
    Watcher,
    Watching,
    common_args_fixture,
    fast_simulator_fixture,
    gaps,
    watching_fixture,
)

__all__ = ["common_args_fixture", "fast_simulator_fixture", "watching_fixture"]

PWD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'"

FAULTS: dict[str, tuple[dict[str, Any], int | None, str]] = {
    "lost": ({"kind": "reset_after"}, None, "no usable response"),
    "reset": ({"kind": "reset_before"}, None, "no usable response"),
    "slow": ({"kind": "hang_after", "seconds": 3}, None, "it took longer than 2 seconds"),
    "bad gateway": ({"kind": "status", "http_status": 502}, None, "HTTP 502, a server error"),
    "garbage": ({"kind": "garbage"}, None, "a response that is not the vendor's JSON"),
    "truncated": ({"kind": "truncate"}, None, ""),
    "unknown error": ({"kind": "code", "code": -1}, -1, "unknown error"),
    "expired": ({"kind": "code", "code": -100}, -100, "Check the key, or renew its plan in the vendor's console."),
    "too many": ({"kind": "code", "code": -11}, -11, "too many requests"),
    "not JSON of ours": ({"kind": "garbage", "body": '{"Code": 0, "TaskList": 7, "Data": 7}'}, None, "cannot be read"),
}
FAILING = [
    pytest.param(name, thing, id=f"{name}-{thing}")
    for name, thing in [*((name, "leases") for name in FAULTS), *(("lost", thing) for thing in ("quota", "whitelist"))]
]


@pytest.mark.parametrize(("name", "thing"), brief(FAILING, "lost-leases", "bad gateway", "too many"))
def test_a_failure_is_reported_once_and_costs_one_call(
    sim: Simulator,
    watching: Watching,
    minute: float,
    caplog: pytest.LogCaptureFixture,
    name: str,
    thing: str,
) -> None:
    caplog.set_level(logging.INFO, "qingguo.qgnet.qg_watch")
    fields, code, words = FAULTS[name]
    options, path = WATCHES[thing]

    async def story(watcher: Watcher) -> None:
        await watcher.polls(path)
        sim.control("DELETE", "/journal")
        sim.fault(path=path, times=2, **fields)
        event = await watcher.event("watch_failed")
        assert (event["watched"], event["endpoint"], event["code"]) == (thing, path, code)
        assert_one_sentence(event["msg"])
        assert words in event["msg"]
        event = await watcher.event("watch_recovered")
        assert (event["watched"], event["failures"]) == (thing, 2)
        await watcher.polls(path)
        assert watcher.quiet()

    watching(story, **options)
    faulty = [number for number, call in enumerate(sim.journal(path)) if call["fault"]]
    assert len(faulty) == 2
    # No call is sent again within a poll, and after the vendor's word on the rate not within its minute.
    assert min(gaps(sim, path)) >= (MIN_GAP if code != -11 else 0.1)
    if code == -11:
        assert min(gaps(sim, path)[number] for number in faulty) >= minute
        # The next poll waits for that, as the log shows.
        assert f"a minute is used up ({path}): about " in caplog.text


def test_one_thing_that_fails_does_not_keep_the_others_back(sim: Simulator, watching: Watching) -> None:
    sim.fault(path=LIST, kind="reset_after", times=-1)

    async def story(watcher: Watcher) -> None:
        assert (await watcher.event("watch_failed"))["watched"] == "leases"
        sim.configure(whitelist=["203.0.113.5"])
        await watcher.event("whitelist_added")
        await watcher.polls(QUERY, 6)
        assert watcher.quiet()

    watching(story, **EVERYTHING)
    # Tries come at polls 0, 1, 3, 7 and so on.
    assert len(sim.journal(LIST)) <= 4 < len(sim.journal(QUERY))


def test_a_new_code_of_the_vendor_is_news(sim: Simulator, watching: Watching) -> None:
    sim.fault(path=QUOTA, kind="reset_after")
    sim.fault(path=QUOTA, kind="code", code=-14)

    async def story(watcher: Watcher) -> None:
        assert (await watcher.event("watch_failed"))["code"] is None
        assert (await watcher.event("watch_failed"))["code"] == -14
        assert (await watcher.event("watch_recovered"))["failures"] == 2

    watching(story, quota_below=1)


def test_a_refusal_of_the_account_api(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        event = await watcher.event("watch_failed")
        assert (event["watched"], event["endpoint"]) == ("balance", "/merchant/getBalance")
        assert "check app_id, app_key and domain" in event["msg"]
        await watcher.polls(BALANCE, 1)
        assert watcher.quiet()

    watching(story, balance_below=10, app_key="not-the-appkey")
    assert {call["refusal"] for call in sim.journal(BALANCE)} == {"wrong_sign"}


@pytest.mark.parametrize("kind", brief(["msg", "garbage", "region"], "msg"))
def test_a_server_that_repeats_the_secrets_cannot_make_them_known(
    sim: Simulator, watching: Watching, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    sim.configure(pwd=PWD, api_auth=True)
    seen: list[str] = []
    secrets = f"{sim.key} {PWD} {sim.app_key}"
    for path in (QUOTA, LIST, QUERY, BALANCE):
        if kind == "msg":
            sim.fault(path=path, kind="code", code=-13, msg=secrets, body_extra={"TaskList": [secrets]})
        elif kind == "garbage":
            sim.fault(path=path, kind="garbage", body=f"<html>{secrets}</html>")
    if kind == "region":
        item = {"IP": "198.51.100.9", "port": "8000", "host": sim.key, "region": PWD, "deadline": PWD}
        task = {"TaskID": sim.key, "Data": [item]}
        answers = {LIST: {"Code": 0, "TaskList": [task]}, QUERY: {"Code": 0, "Data": [sim.key, PWD]}}
        for path, body in answers.items():
            text = json.dumps(body)
            sim.fault(path=path, kind="garbage", body=text, skip=1, times=2)

    async def story(watcher: Watcher) -> None:
        await watcher.polls(BALANCE, 4)
        while not watcher.quiet():
            seen.append(repr(await watcher.event()))

    caplog.clear()
    watching(story, pwd=PWD, **EVERYTHING)
    assert len(seen) >= 4
    reported = "\n".join(seen) + caplog.text
    signs = {call["params"]["sign"] for call in sim.journal(BALANCE)}
    for secret in (sim.key, PWD, repr(PWD)[1:-1], "SECRETPWD", sim.app_key, *signs):
        assert secret not in reported


def quota_of(total: str) -> str:
    return '{"Code": 0, "Available": 9, "Used": 0, "Total": ' + total + "}"


HOSTILE = {
    "number beyond 64 bits": quota_of(str(10**30)),
    "number of 5,000 digits": quota_of("9" * 5000),
    "code of 5,000 digits": '{"Code": "' + "9" * 5000 + '"}',
    "superscript digit": quota_of('"\u00b2"'),
    "number that is none": quota_of("NaN"),
    "infinite number": quota_of("1e999"),
    "900 lists": quota_of('9, "x": ' + "[" * 900 + "]" * 900),
    "half a surrogate pair": '{"Code": -10, "Msg": "\\ud800"}',
    "a field named twice": '{"Code": 0, "Code": -12, "Total": 9, "Available": 9, "Used": 0}',
    "entity of 5,000 digits": "&#" + "9" * 5000 + ";",
}


@pytest.mark.parametrize("name", brief(HOSTILE, "number of 5,000 digits", "a field named twice"))
def test_no_response_ends_the_event_source(sim: Simulator, watching: Watching, name: str) -> None:
    sim.fault(path=QUOTA, kind="garbage", body=HOSTILE[name])

    async def story(watcher: Watcher) -> None:
        event = await watcher.event("watch_failed")
        assert (event["watched"], event["endpoint"]) == ("quota", QUOTA)
        assert_one_sentence(event["msg"])
        assert event["msg"].isprintable()
        assert "defect" not in event["msg"]
        assert (await watcher.event("watch_recovered"))["failures"] == 1

    watching(story, quota_below=1)


@pytest.mark.parametrize("place", brief(["FETCHERS", "step", "run_in_thread"], "step"))
def test_no_defect_of_its_own_ends_the_event_source(
    sim: Simulator, watching: Watching, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    before, failures = getattr(poller, place), iter(range(4))

    def broken(*arguments: Any, **named: Any) -> Any:
        fine = before["quota"] if place == "FETCHERS" else before
        if getattr(arguments[0], "func", None) is poller.prepare or next(failures, None) is None:
            return fine(*arguments, **named)
        if place == "step" and arguments[2].failed:
            return fine(*arguments, **named)
        raise OverflowError(f"Python int too large: {sim.key}")

    monkeypatch.setattr(poller, place, {**before, "quota": broken} if place == "FETCHERS" else broken)

    async def story(watcher: Watcher) -> None:
        event = await watcher.event("watch_failed")
        assert event["watched"] == "quota"
        assert "unexpected OverflowError at test_qg_watch_faults.py, line" in event["msg"]
        assert sim.key not in str(event)
        await watcher.event("watch_recovered")
        await watcher.polls(QUOTA)

    watching(story, quota_below=1)


@pytest.mark.thorough
def test_threads_and_descriptors_do_not_grow_over_20_timed_out_polls(
    sim: Simulator, common_args: dict[str, Any]
) -> None:
    options = poller.WatchOptions.parse(
        poller.read_options({**common_args, "quota_below": 1, "timeout": 0.2, "interval": 60})
    )
    sim.fault(path=QUOTA, kind="trickle", seconds=0.05, times=-1)

    def poll() -> None:
        failed = poller.poll(options, ["quota"], poller.Pause(time.sleep)).failed["quota"]
        assert "longer than 0.2 seconds" in failed.message

    def settled(threads: int, descriptors: int) -> bool:
        end = time.monotonic() + 20
        while threading.active_count() > threads or len(os.listdir("/proc/self/fd")) > descriptors:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    poll()
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    for _poll in range(20):
        poll()
    assert settled(threads, descriptors)

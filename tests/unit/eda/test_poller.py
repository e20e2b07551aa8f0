# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source as asyncio code, with a vendor that a test plays itself."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    OptionError,
    QgError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import StateError
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch import poller
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import Snapshot, WatchState
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.options import read_options

KEY, PWD, APP_KEY = "QGSECRET1", "pwd-secret-2", "appkey-secret-3"


GOOD = {"key": KEY, "quota_below": 1}


class EnoughError(Exception):
    """The test has seen as many polls as it wants."""


class Vendor:
    """Answers each look with what the test wrote down, the last of it for ever, and counts them."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.calls: list[tuple[int, str]] = []
        self.pauses: list[float] = []
        self.threads: set[int] = set()

    def fetch(self, subject: str) -> Any:
        self.calls.append((len(self.pauses), subject))
        self.threads.add(threading.get_ident())
        answers = self.answers[subject]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer(subject) if callable(answer) else answer

    def polls_of(self, subject: str) -> list[int]:
        return [poll for poll, looked_at in self.calls if looked_at == subject]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Vendor:
    vendor = Vendor()
    for name in ("QG_KEY", "QG_PASSWORD", "QG_API_URL", "QG_APP_ID", "QG_APP_KEY", "QG_MINUTE_SECONDS", "QG_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QG_STATE_DIR", str(tmp_path / "state"))
    for subject in poller.FETCHERS:
        monkeypatch.setitem(
            poller.FETCHERS, subject, lambda _options, _pause, subject=subject: {subject: vendor.fetch(subject)}
        )
    return vendor


def watch(vendor: Vendor, polls: int, **options: Any) -> list[dict[str, Any]]:
    """The events of this number of polls, which follow each other immediately."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def pause(seconds: float) -> None:
        vendor.pauses.append(seconds)
        if len(vendor.pauses) >= polls:
            raise EnoughError

    with pytest.raises(EnoughError):
        asyncio.run(poller.watch(queue, {"key": KEY, **options}, pause))
    return [queue.get_nowait() for _number in range(queue.qsize())]


def quota(available: int) -> Quota:
    return Quota(10, available, 10 - available, {})


def test_each_poll_looks_once_at_each_thing(vendor: Vendor) -> None:
    vendor.answers = {"quota": [quota(9)], "leases": [[]], "whitelist": [[]]}
    events = watch(vendor, 3, quota_below=1, leases=True, whitelist=True)
    started = [(event["type"], event["watched"]) for event in events]
    assert started == [("watch_started", "leases"), ("watch_started", "whitelist")]
    assert vendor.calls == [(poll, subject) for poll in range(3) for subject in ("quota", "leases", "whitelist")]


def test_a_change_is_reported_once_at_the_poll_that_finds_it(vendor: Vendor) -> None:
    vendor.answers = {"quota": [quota(9), quota(1), quota(1), quota(2), quota(4), quota(4)]}
    events = watch(vendor, 8, quota_below=3)
    assert [(event["type"], event["available"]) for event in events] == [("quota_low", 1), ("quota_recovered", 4)]


async def begun(watcher: asyncio.Task[None], waiting: threading.Event) -> None:
    """Return once the watcher waits, in a thread of its own."""
    while not waiting.is_set():
        assert not watcher.done()
        await asyncio.sleep(0.01)


async def cancelled(watcher: asyncio.Task[None]) -> bool:
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    return watcher.cancelled()


def test_the_event_loop_is_free_while_the_vendor_is_slow(vendor: Vendor) -> None:
    waiting, answer = threading.Event(), threading.Event()

    def slow(_thing: str) -> Quota:
        waiting.set()
        assert answer.wait(10)
        return quota(0)

    vendor.answers = {"quota": [slow]}

    async def scene() -> dict[str, Any]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        watcher = asyncio.create_task(poller.watch(queue, GOOD))
        await begun(watcher, waiting)
        answer.set()
        event = await asyncio.wait_for(queue.get(), 10)
        await cancelled(watcher)
        return event

    assert asyncio.run(scene())["type"] == "quota_low"
    assert threading.get_ident() not in vendor.threads


def test_a_watcher_that_waits_for_a_response_is_cancelled_at_once(vendor: Vendor) -> None:
    waiting, answer, ended = threading.Event(), threading.Event(), threading.Event()

    def stuck(_thing: str) -> Quota:
        waiting.set()
        answer.wait(30)
        ended.set()
        return quota(0)

    vendor.answers = {"quota": [stuck]}

    async def scene() -> bool:
        watcher = asyncio.create_task(poller.watch(asyncio.Queue(), GOOD))
        await begun(watcher, waiting)
        return await cancelled(watcher)

    assert asyncio.run(scene())
    assert not ended.is_set()
    # The response that is not awaited any more does no harm.
    answer.set()
    assert ended.wait(30)


def test_a_watcher_that_waits_for_its_turn_lets_go_when_it_is_cancelled(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, ended, outcome = threading.Event(), threading.Event(), []

    def turn(_params: Any, pause: poller.Pause) -> None:
        waiting.set()
        try:
            pause.sleep(300)
        except QgError as error:
            outcome.append(error.message)
            ended.set()
            raise

    monkeypatch.setitem(poller.FETCHERS, "quota", turn)

    async def scene() -> bool:
        watcher = asyncio.create_task(poller.watch(asyncio.Queue(), GOOD))
        await begun(watcher, waiting)
        return await cancelled(watcher)

    assert asyncio.run(scene())
    assert ended.wait(30)
    assert outcome == ["The watcher was stopped."]


def test_a_full_queue_holds_the_next_poll_back(vendor: Vendor) -> None:
    vendor.answers = {"whitelist": [[], ["203.0.113.1", "203.0.113.2", "203.0.113.3"], []]}

    async def scene() -> list[str]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)

        async def pause(_seconds: float) -> None:
            await asyncio.sleep(0)

        watcher = asyncio.create_task(poller.watch(queue, {"key": KEY, "whitelist": True}, pause))
        assert (await queue.get())["type"] == "watch_started"
        while len(vendor.calls) < 2 or not queue.full():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(vendor.calls) == 2
        found = [(await queue.get())["ip"] for _number in range(3)]
        await cancelled(watcher)
        return found

    assert asyncio.run(scene()) == ["203.0.113.1", "203.0.113.2", "203.0.113.3"]


def test_a_failing_subject_is_polled_less_often_and_the_others_are_not(vendor: Vendor) -> None:
    lost = TransportError("/query: no usable response.", endpoint="/query", effect=Effect.UNKNOWN)
    vendor.answers = {"leases": [lost], "whitelist": [[]]}
    events = watch(vendor, 60, leases=True, whitelist=True)
    assert [(event["type"], event["watched"]) for event in events] == [
        ("watch_failed", "leases"),
        ("watch_started", "whitelist"),
    ]
    # At most 900 seconds apart, which are 15 polls.
    assert vendor.polls_of("leases") == [0, 1, 3, 7, 15, 30, 45]
    assert vendor.polls_of("whitelist") == list(range(60))


def test_a_recovered_watch_has_its_rhythm_back(vendor: Vendor) -> None:
    refused = ApiError(-1, "/query", effect=Effect.UNKNOWN)
    vendor.answers = {"leases": [refused, refused, [], refused, []]}
    events = watch(vendor, 7, leases=True)
    # The first successful poll may come after a failure. It is the only one that starts the watch.
    kinds = [event["type"] for event in events]
    assert kinds == ["watch_failed", "watch_recovered", "watch_started", "watch_failed", "watch_recovered"]
    assert vendor.polls_of("leases") == [0, 1, 3, 4, 5, 6]


def test_a_broken_disk_is_a_failure_and_not_the_end(vendor: Vendor) -> None:
    vendor.answers = {"quota": [StateError("state_dir /state cannot be used: database or disk is full."), quota(5)]}
    failed, recovered = watch(vendor, 2, quota_below=1)
    assert (failed["type"], recovered["type"]) == ("watch_failed", "watch_recovered")
    assert "state_dir /state cannot be used: database or disk is full" in failed["msg"]


def test_a_defect_of_the_code_is_a_failure_that_names_its_place_and_not_the_end(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answers = {"quota": [ZeroDivisionError(KEY), ZeroDivisionError(KEY), quota(5)]}
    events = watch(vendor, 4, quota_below=1)
    assert [event["type"] for event in events] == ["watch_failed", "watch_recovered"]
    assert "unexpected ZeroDivisionError at test_poller.py, line" in events[0]["msg"]
    assert vendor.polls_of("quota") == [0, 1, 3]
    assert "in fetch" in caplog.text
    assert KEY not in f"{events}{caplog.text}"


def test_the_interval_strays_by_a_tenth(vendor: Vendor) -> None:
    vendor.answers = {"quota": [quota(5)]}
    watch(vendor, 200, quota_below=1, interval=100)
    assert min(vendor.pauses) >= 90
    assert max(vendor.pauses) <= 110
    assert max(vendor.pauses) - min(vendor.pauses) > 10


def test_many_polls_leave_nothing_behind(vendor: Vendor) -> None:
    number = 0

    def another(_thing: str) -> list[str]:
        nonlocal number
        number += 1
        if number == 500:
            gc.collect()
            kept.extend(
                type(subject).__name__ for subject in gc.get_objects() if isinstance(subject, (WatchState, Snapshot))
            )
        return [f"198.18.{number // 250}.{number % 250 + 1}"]

    kept: list[str] = []
    threads = threading.active_count()
    vendor.answers = {"whitelist": [another]}
    assert len(watch(vendor, 501, whitelist=True)) == 1 + 2 * 500
    # No more than the last poll and the one before.
    assert kept.count("WatchState") <= 2
    assert kept.count("Snapshot") <= 2
    assert threading.active_count() <= threads + 1


def test_no_secret_reaches_an_event_or_the_log(vendor: Vendor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    error = QgError(f"the server said {KEY} {PWD} {APP_KEY}", endpoint=f"/{KEY}")
    vendor.answers = {"quota": [error, quota(0)], "whitelist": [[], [KEY]], "balance": [error]}
    secrets = {"password": PWD, "app_id": "agent", "app_key": APP_KEY}
    events = watch(vendor, 3, quota_below=1, whitelist=True, balance_below=1, **secrets)
    assert {event["type"] for event in events} >= {"watch_failed", "quota_low", "whitelist_added"}
    for secret in (KEY, PWD, APP_KEY):
        assert secret not in str(events)
        assert secret not in caplog.text
    assert "cannot be watched" in caplog.text


def test_options_may_be_text_as_variables_are(vendor: Vendor) -> None:
    vendor.answers = {"quota": [quota(1)], "leases": [[]], "whitelist": [[]]}
    texts = {"quota_below": "2", "lease_expires_within": "30s", "whitelist": "yes", "validate_certs": "false"}
    texts |= {"expected": "203.0.113.5,203.0.113.6", "interval": "30", "balance_below": ""}
    events = watch(vendor, 1, **texts)
    assert [event["type"] for event in events] == ["quota_low", "watch_started", "watch_started", "whitelist_drift"]
    assert events[3]["missing"] == ["203.0.113.5", "203.0.113.6"]
    assert 27 <= vendor.pauses[0] <= 33


def test_options_come_from_the_environment(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("QG_KEY", KEY),
        ("QG_PASSWORD", PWD),
        ("QG_TIMEOUT", "7"),
        ("QG_API_URL", "http://127.0.0.1:1"),
    ):
        monkeypatch.setenv(name, value)
    params = read_options({"whitelist": True})
    assert (params["key"], params["password"], params["timeout"], params["api_url"]) == (
        KEY,
        PWD,
        7.0,
        "http://127.0.0.1:1",
    )
    assert read_options({"key": 12345678})["key"] == "12345678"


ACCOUNT = {"balance_below": 1, "app_id": "agent", "app_key": APP_KEY}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"key": KEY},
            "qg_watch has nothing to watch: set at least one of quota_below, leases, lease_expires_within, ",
        ),
        ({"key": KEY, "whitelist": False}, "qg_watch has nothing to watch"),
        (
            {"quota_below": 1},
            "key is missing: give it as option of qg_watch or as QG_KEY in the environment of the control node.",
        ),
        ({**GOOD, "quota": 3}, "quota is not an option of qg_watch: did you mean quota_below?"),
        ({**GOOD, "quota_below": "few"}, "quota_below='few' cannot be used: give a whole number."),
        ({**GOOD, "quota_below": 0}, "quota_below=0 is out of range: give a number from 1 to 1000000000."),
        ({**GOOD, "lease_expires_within": "0s"}, "lease_expires_within=0s is out of range"),
        ({**GOOD, "lease_expires_within": {}}, "lease_expires_within={} cannot be used: give text in quotes."),
        ({**GOOD, "whitelist": "perhaps"}, "whitelist='perhaps' cannot be used: give true or false."),
        (
            {**GOOD, "expected": ["203.0.113.0/24"]},
            "expected contains '203.0.113.0/24': the whitelist takes single",
        ),
        ({**GOOD, "expected": {"a": 1}}, "expected={'a': 1} cannot be used: give a list."),
        ({**GOOD, "interval": 5}, "interval=5 is out of range: give a number from 10 to 86400."),
        ({**GOOD, "interval": "soon"}, "interval='soon' cannot be used: give a number."),
        ({**GOOD, "timeout": 0}, "timeout=0 is out of range"),
        ({**GOOD, "max_wait": -1}, "max_wait=-1 is out of range"),
        ({**GOOD, "api_url": "proxy.qg.net"}, "api_url 'proxy.qg.net' cannot be used: give scheme and host"),
        ({**GOOD, "ca_path": "/nowhere/ca.pem"}, "ca_path /nowhere/ca.pem cannot be used"),
        ({**GOOD, "state_dir": "/proc/nowhere"}, "state_dir /proc/nowhere cannot be used"),
        (
            {**GOOD, "password": [PWD]},
            "password cannot be used: give text in quotes, or set the environment variable QG_PASSWORD.",
        ),
        ({**GOOD, "key": 1e9}, "key cannot be used: give text in quotes, or set the environment variable QG_KEY."),
        ({**ACCOUNT, "balance_below": 0}, "balance_below=0 is out of range: give a number from 0.01 to 1000000000."),
        ({**ACCOUNT, "app_id": ""}, "app_id is missing: give it as option of qg_watch"),
        ({**ACCOUNT, "app_key": None}, "app_key is missing: give it as option of qg_watch"),
        ({**ACCOUNT, "domain": "no domain"}, "domain='...' is not a host name"),
        ({**ACCOUNT, "account_url": "ftp://x"}, "account_url '...' cannot be used"),
    ],
)
def test_an_invalid_option_is_an_error_before_any_call(vendor: Vendor, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        asyncio.run(poller.watch(asyncio.Queue(), options))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert vendor.calls == []
    for secret in (KEY, PWD, APP_KEY):
        assert secret not in str(caught.value)


def test_an_environment_that_cannot_be_used_is_an_error(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("QG_MINUTE_SECONDS", "an hour")
        with pytest.raises(OptionError, match="QG_MINUTE_SECONDS=an hour is not the length of a minute"):
            asyncio.run(poller.watch(asyncio.Queue(), GOOD))
    monkeypatch.setattr(poller, "REQUESTS_IMPORT_ERROR", "Traceback")
    with pytest.raises(
        OptionError,
        match=f"requests is missing where this runs: install it with `{sys.executable} -m pip install requests`.",
    ):
        asyncio.run(poller.watch(asyncio.Queue(), GOOD))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch as ansible-rulebook loads it, against the simulator: a call a poll, each change once."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import runpy
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE
from simulator.fixture import Simulator, running_simulator
from support.playbooks import QUERY, QUOTA, assert_one_sentence, operate
from support.vendor_faults import brief

LIST, BALANCE = "/query", "/api/merchant/getBalance"
COLLECTION = Path(os.environ.get("ANSIBLE_COLLECTIONS_PATH", ""), "ansible_collections", "qingguo", "qgnet")
SOURCE = COLLECTION / "extensions" / "eda" / "plugins" / "event_source" / "qg_watch.py"
PWD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'"
#: The minute of the simulator of these tests, which wait for polls most of the time.
MINUTE = 1
#: The shortest interval that this minute allows, and what must be between two polls then.
INTERVAL, MIN_GAP = 0.17, 0.12
WATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "quota": ({"quota_below": 2}, QUOTA),
    "leases": ({"lease_expires_within": 10}, LIST),
    "whitelist": ({"whitelist": True}, QUERY),
    "balance": ({"balance_below": 10}, BALANCE),
}
EVERYTHING: dict[str, Any] = {name: value for options, _path in WATCHES.values() for name, value in options.items()}
Event = dict[str, Any]


class Queue(asyncio.Queue[Event]):
    """Keeps the events of the start apart from the changes."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Event] = []

    async def put(self, item: Event) -> None:
        if item["type"] == "watch_started":
            self.started.append(item)
        else:
            await super().put(item)


@dataclass
class Watcher:
    """A running event source."""

    sim: Simulator
    queue: Queue
    task: asyncio.Task[None]

    async def event(self, kind: str | None = None) -> Event:
        """The next event, which has to be of this type."""
        found = await asyncio.wait_for(self._next(), 15)
        assert kind in (None, found["type"]), found
        return found

    async def _next(self) -> Event:
        getting = asyncio.create_task(self.queue.get())
        await asyncio.wait({getting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            getting.cancel()
            self.task.result()
        return await getting

    async def polls(self, path: str, number: int = 2) -> None:
        """Wait until so many more polls are over: the one after them has begun."""
        before = len(self.sim.journal(path))
        end = time.monotonic() + 20
        while len(self.sim.journal(path)) <= before + number:
            assert time.monotonic() < end, f"no more calls to {path}"
            assert not self.task.done(), self.task
            await asyncio.sleep(0.05)

    def quiet(self) -> bool:
        """Whether nothing more was reported."""
        return self.queue.empty()


Story = Callable[[Watcher], Awaitable[None]]
Watching = Callable[..., None]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A simulator whose minute is shorter than in other tests."""
    with running_simulator(["--minute", str(MINUTE)]) as running:
        yield running


@pytest.fixture
def common_args(sim: Simulator, tmp_path: Path) -> dict[str, Any]:
    return {
        "key": sim.key,
        "api_url": sim.api_url,
        "product": "classic",
        "app_id": sim.app_id,
        "app_key": sim.app_key,
        "account_url": sim.account_url,
        "state_dir": str(tmp_path / "state"),
        "timeout": 2,
        "interval": INTERVAL,
    }


@pytest.fixture
def watching(sim: Simulator, common_args: dict[str, Any], haste: None) -> Watching:
    """Run a story beside the event source, which is loaded as ansible-rulebook loads it."""

    def run(story: Story, **options: Any) -> None:
        async def scene() -> None:
            main = runpy.run_path(str(SOURCE))["main"]
            queue = Queue()
            watcher = Watcher(sim, queue, asyncio.create_task(main(queue, {**common_args, **options})))
            try:
                await story(watcher)
            finally:
                watcher.task.cancel()
                await asyncio.gather(watcher.task, return_exceptions=True)

        asyncio.run(scene())

    return run


def allocate(sim: Simulator, number: int = 1, **parameters: Any) -> list[dict[str, Any]]:
    """Lease as another client does."""
    query = {"Key": sim.key, "Num": number, **parameters}
    answer = requests.get(sim.api_url + "/allocate", params=query, timeout=5).json()
    assert answer["Code"] == 0, answer
    data: list[dict[str, Any]] = answer["Data"]
    return data


def gaps(sim: Simulator, path: str) -> list[float]:
    moments = [call["at"] for call in sim.journal(path)]
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_a_poll_makes_one_call_for_each_subject(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        await watcher.polls(BALANCE, 5)
        assert watcher.quiet()
        # Of what has no threshold, the first poll reports how much there is.
        assert watcher.queue.started == [
            {"type": "watch_started", "watched": "leases", "count": 1, "meta": {}},
            {"type": "watch_started", "watched": "whitelist", "count": 0, "meta": {}},
        ]

    allocate(sim)
    sim.control("DELETE", "/journal")
    watching(story, **EVERYTHING)
    counts = {path: len(sim.journal(path)) for _options, path in WATCHES.values()}
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(counts.values()) == len(sim.journal())
    assert all(min(gaps(sim, path)) >= MIN_GAP for path in counts)
    assert {call["code"] for call in sim.journal()} <= {0, None}


@pytest.mark.parametrize("thing", brief(WATCHES, "leases", "balance"))
def test_only_what_is_watched_is_asked_for(sim: Simulator, watching: Watching, thing: str) -> None:
    options, path = WATCHES[thing]

    async def story(watcher: Watcher) -> None:
        await watcher.polls(path)

    watching(story, **options)
    assert {call["path"] for call in sim.journal()} == {path}


def test_quota(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        await watcher.polls(QUOTA)
        sim.configure(used=4)
        event = await watcher.event("quota_low")
        numbers = {"unit": "channels", "available": 1, "used": 4, "total": 5, "below": 2}
        assert event == {"type": "quota_low", **numbers, "meta": {}}
        await watcher.polls(QUOTA)
        sim.configure(used=3)
        await watcher.polls(QUOTA)
        assert watcher.quiet()
        sim.configure(used=2)
        assert (await watcher.event("quota_recovered"))["available"] == 3

    watching(story, quota_below=2)


def test_leases(sim: Simulator, watching: Watching) -> None:
    first = allocate(sim, 1, KeepAlive=60, Isp=1)[0]

    async def story(watcher: Watcher) -> None:
        await watcher.polls(LIST)
        assert watcher.quiet()
        second = allocate(sim, 1, KeepAlive=9)[0]
        events = [await watcher.event(), await watcher.event()]
        assert [event["type"] for event in events] == ["lease_new", "lease_expiring"]
        assert {event["server"] for event in events} == {second["host"]}
        assert 500 < events[1]["remaining_seconds"] <= 540
        assert (events[1]["deadline"], events[1]["isp"] is None) == (second["deadline"], False)
        await watcher.polls(LIST)
        assert watcher.quiet()
        requests.get(sim.api_url + "/release", params={"Key": sim.key, "IP": first["IP"]}, timeout=5)
        event = await watcher.event("lease_gone")
        assert (event["ip"], event["port"], event["expired"]) == (first["IP"], int(first["port"]), False)
        await watcher.polls(LIST)
        assert watcher.quiet()

    watching(story, lease_expires_within=10)


def test_whitelist(sim: Simulator, watching: Watching) -> None:
    sim.configure(whitelist=["203.0.113.5"])

    async def story(watcher: Watcher) -> None:
        await watcher.event("whitelist_drift")
        sim.configure(whitelist=["203.0.113.5", "203.0.113.10", "203.0.113.9"])
        added = [await watcher.event("whitelist_added"), await watcher.event("whitelist_added")]
        assert [event["ip"] for event in added] == ["203.0.113.9", "203.0.113.10"]
        drift = await watcher.event("whitelist_drift")
        assert (drift["missing"], drift["unexpected"]) == (["203.0.113.6"], ["203.0.113.9", "203.0.113.10"])
        sim.configure(whitelist=["203.0.113.5", "203.0.113.6"])
        kinds = [(await watcher.event())["type"] for _number in range(4)]
        assert kinds == ["whitelist_removed", "whitelist_removed", "whitelist_added", "whitelist_recovered"]
        await watcher.polls(QUERY)
        assert watcher.quiet()

    watching(story, whitelist=True, expected=["203.0.113.5", "203.0.113.6"])


def test_a_purchase_that_a_cap_does_not_allow(sim: Simulator, watching: Watching, common_args: dict[str, Any]) -> None:
    options = {name: value for name, value in common_args.items() if name in ALLOCATE.spec}

    async def story(watcher: Watcher) -> None:
        assert "failed" not in operate(ALLOCATE, {**options, "count": 2, "max_new_per_day": 3})
        for _attempt in range(2):
            assert "max_new_per_day=3" in operate(ALLOCATE, {**options, "count": 4, "max_new_per_day": 3})["msg"]
        event = await watcher.event("cap_reached")
        assert {name: event[name] for name in ("option", "limit", "bought", "wanted")} == {
            "option": "max_new_per_day",
            "limit": 3,
            "bought": 2,
            "wanted": 2,
        }
        await watcher.polls(QUOTA)
        assert watcher.quiet()

    watching(story, caps=True, quota_below=1)
    assert len(sim.leases()) == 2


def test_balance(sim: Simulator, watching: Watching) -> None:
    sim.agent(balance="10.00")

    async def story(watcher: Watcher) -> None:
        await watcher.polls(BALANCE)
        sim.agent(balance="9.99")
        event = await watcher.event("balance_low")
        assert event == {"type": "balance_low", "balance": "9.99", "amount": 9.99, "below": 10.0, "meta": {}}
        sim.agent(balance="10.50")
        await watcher.polls(BALANCE)
        assert watcher.quiet()
        sim.agent(balance="11.00")
        assert (await watcher.event("balance_recovered"))["balance"] == "11.00"

    # The key is not needed for it.
    watching(story, balance_below=10, key=None)


FAULTS: dict[str, tuple[dict[str, Any], int | None, str]] = {
    "lost": ({"kind": "reset_after"}, None, "no usable response"),
    "reset": ({"kind": "reset_before"}, None, "no usable response"),
    "slow": ({"kind": "hang_after", "seconds": 3}, None, "it took longer than 2 seconds"),
    "bad gateway": ({"kind": "status", "http_status": 502}, None, "HTTP 502, a server error"),
    "garbage": ({"kind": "garbage"}, None, "a response that is not the vendor's JSON"),
    "truncated": ({"kind": "truncate"}, None, ""),
    "unknown error": ({"kind": "code", "code": -1}, -1, "unknown error"),
    "expired": ({"kind": "code", "code": -100}, -100, "Check the key, or renew its plan in the vendor's user centre."),
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


def test_a_refusal_of_the_account_api(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        event = await watcher.event("watch_failed")
        assert (event["watched"], event["endpoint"]) == ("balance", "/merchant/getBalance")
        assert "check app_id, app_key and domain" in event["msg"]
        await watcher.polls(BALANCE, 1)
        assert watcher.quiet()

    watching(story, balance_below=10, app_key="not-the-appkey")
    assert {call["refusal"] for call in sim.journal(BALANCE)} == {"wrong_sign"}


def test_a_server_that_repeats_the_secrets_cannot_make_them_known(
    sim: Simulator, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sim.configure(pwd=PWD, api_auth=True)
    seen: list[str] = []
    secrets = f"{sim.key} {PWD} {sim.app_key}"
    for path in (QUOTA, LIST, QUERY, BALANCE):
        sim.fault(path=path, kind="code", code=-13, msg=secrets, body_extra={"TaskList": [secrets]})

    async def story(watcher: Watcher) -> None:
        await watcher.polls(BALANCE, 4)
        while not watcher.quiet():
            seen.append(repr(await watcher.event()))

    caplog.clear()
    watching(story, password=PWD, **EVERYTHING)
    assert len(seen) >= 4
    reported = "\n".join(seen) + caplog.text
    signs = {call["params"]["sign"] for call in sim.journal(BALANCE)}
    for secret in (sim.key, PWD, repr(PWD)[1:-1], "SECRETPWD", sim.app_key, *signs):
        assert secret not in reported


def test_a_wrong_option_ends_it_before_any_call(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        await watcher.event()

    with pytest.raises(Exception, match=r"^quota_below=0 is out of range: give a number from 1 to") as caught:
        watching(story, quota_below=0)
    assert type(caught.value).__name__ == "OptionError"
    assert sim.journal() == []


#: Text that readers have failed on; the fuzzer has more.
HOSTILE = {
    "number of 5,000 digits": '{"Code": 0, "Available": 9, "Used": 0, "Total": ' + "9" * 5000 + "}",
    "code of 5,000 digits": '{"Code": "' + "9" * 5000 + '"}',
    "900 lists": '{"Code": 0, "Available": 9, "Used": 0, "Total": 9, "x": ' + "[" * 900 + "]" * 900 + "}",
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


def test_it_ends_at_once_when_it_is_cancelled_in_the_middle_of_a_call(sim: Simulator, watching: Watching) -> None:
    sim.fault(path=QUOTA, kind="hang_after", seconds=20)
    began = time.monotonic()

    async def story(watcher: Watcher) -> None:
        while not sim.journal(QUOTA):
            await asyncio.sleep(0.05)

    watching(story, quota_below=1, timeout=60)
    assert time.monotonic() - began < 8


# How ansible-rulebook loads it: by its path, in a Python that knows nothing of collections.

LOAD = """
import asyncio, runpy, sys
async def scene():
    await runpy.run_path(sys.argv[1])["main"](asyncio.Queue(), {"whitelist": True, "interval": 0})
asyncio.run(scene())
"""


def load(source: Path, cwd: Path, *path: Path) -> str:
    """What a Python of its own says to a bad option; its path has nothing but these, and what is installed."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-c", textwrap.dedent(LOAD), str(source)]
    outcome = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode == 1
    return outcome.stderr.strip().splitlines()[-1]


def test_it_finds_the_collection_that_it_belongs_to(tmp_path: Path) -> None:
    assert "interval=0 is out of range: give a number from 10 to 86400." in load(SOURCE, tmp_path)


@pytest.mark.thorough
def test_an_ordinary_package_of_that_name_does_not_hide_it(tmp_path: Path) -> None:
    package = tmp_path / "elsewhere" / "ansible_collections"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    assert "interval=0 is out of range" in load(SOURCE, tmp_path, tmp_path / "elsewhere")


@pytest.mark.thorough
def test_its_own_collection_comes_before_another_copy(tmp_path: Path) -> None:
    other = tmp_path / "other" / "ansible_collections" / "qingguo" / "qgnet" / "plugins" / "module_utils"
    (other / "_watch").mkdir(parents=True)
    (other / "_watch" / "poller.py").write_text("raise ImportError('the wrong copy')\n", encoding="utf-8")
    assert "interval=0 is out of range" in load(SOURCE, tmp_path, tmp_path / "other")


def test_away_from_its_collection_it_says_what_to_install(tmp_path: Path) -> None:
    lonely = tmp_path / "event_source" / "qg_watch.py"
    lonely.parent.mkdir()
    lonely.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    said = load(lonely, tmp_path)
    assert said.startswith("ImportError: qingguo.qgnet.qg_watch cannot be loaded (No module named 'ansible_collections")
    assert said.endswith(
        "install ansible-core, and the collection with ansible-galaxy, for the Python that runs ansible-rulebook."
    )


@pytest.mark.parametrize("product", ["share", "auto"])
def test_a_product_host_is_watched(sim: Simulator, watching: Watching, product: str) -> None:
    sim.configure(plan={"kind": "share", "channels": 3})

    async def story(watcher: Watcher) -> None:
        await watcher.polls("/share/query", 1)
        query = {"key": sim.key, "num": 2}
        leased = requests.get(f"{sim.api_url}/share/get", params=query, timeout=5).json()["data"]
        events = [await watcher.event() for _number in range(3)]
        (low,) = (event for event in events if event["type"] == "quota_low")
        assert (low["available"], low["total"]) == (1, 3)
        new = {event["server"] for event in events if event["type"] == "lease_new"}
        assert new == {lease["server"] for lease in leased}

    watching(story, product=product, leases=True, quota_below=2)
    # One read of the classic API shows that the key is not one of it.
    assert len(sim.journal("/query")) == (product == "auto")
    paths = {call["path"] for call in sim.journal()} - {"/query"}
    assert paths == {"/share/query", "/share/channels", "/share/get"}

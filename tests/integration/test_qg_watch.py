# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch against the simulator: a call a poll, each change once, and how it is loaded."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import INFO
from simulator.fixture import Simulator
from support.playbooks import QUERY, QUOTA, Result, operate
from support.vendor_faults import brief
from support.watching import (
    BALANCE,
    EVERYTHING,
    LIST,
    MIN_GAP,
    SOURCE,
    WATCHES,
    Watcher,
    Watching,
    allocate,
    common_args_fixture,
    fast_simulator_fixture,
    gaps,
    watching_fixture,
)

__all__ = ["common_args_fixture", "fast_simulator_fixture", "watching_fixture"]


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


def test_a_product_host_is_watched(sim: Simulator, watching: Watching) -> None:
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

    watching(story, product="share", leases=True, quota_below=2)
    assert {call["path"] for call in sim.journal()} == {"/share/query", "/share/channels", "/share/get"}


@pytest.mark.thorough
def test_watchers_and_playbooks_stay_within_the_limit_together(
    sim: Simulator, watching: Watching, common_args: dict[str, Any]
) -> None:
    options = {name: common_args[name] for name in ("key", "api_url", "state_dir", "timeout")}
    results: list[Result] = []
    stop = threading.Event()

    def play() -> None:
        while not stop.is_set():
            results.append(operate(INFO, {**options, "max_wait": 60}))

    players = [threading.Thread(target=play) for _number in range(3)]

    async def story(watcher: Watcher) -> None:
        for player in players:
            player.start()
        try:
            for _number in range(30):
                await asyncio.sleep(0.1)
                assert watcher.quiet()
        finally:
            stop.set()
        while any(player.is_alive() for player in players):
            await asyncio.sleep(0.1)

    watching(story, leases=True)
    assert len(results) >= 30
    assert not [result for result in results if "failed" in result]
    assert {call["code"] for call in sim.journal()} == {0}


def test_a_wrong_option_ends_it_before_any_call(sim: Simulator, watching: Watching) -> None:
    async def story(watcher: Watcher) -> None:
        await watcher.event()

    with pytest.raises(Exception, match=r"^quota_below=0 is out of range: give a number from 1 to") as caught:
        watching(story, quota_below=0)
    assert type(caught.value).__name__ == "OptionError"
    assert sim.journal() == []


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

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch as ansible-rulebook loads it, beside a story that changes what it watches."""

from __future__ import annotations

import asyncio
import itertools
import os
import runpy
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, running_simulator
from support.playbooks import QUERY, QUOTA

LIST, BALANCE = "/query", "/api/merchant/getBalance"
COLLECTION = Path(os.environ.get("ANSIBLE_COLLECTIONS_PATH", ""), "ansible_collections", "qingguo", "qgnet")
SOURCE = COLLECTION / "extensions" / "eda" / "plugins" / "event_source" / "qg_watch.py"
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


@pytest.fixture(name="simulator", scope="module")
def fast_simulator_fixture() -> Iterator[Simulator]:
    """A simulator whose minute is shorter than in other tests."""
    with running_simulator(["--minute", str(MINUTE)]) as running:
        yield running


@pytest.fixture(name="common_args")
def common_args_fixture(sim: Simulator, tmp_path: Path) -> dict[str, Any]:
    return {
        "key": sim.key,
        "api_url": sim.api_url,
        "app_id": sim.app_id,
        "app_key": sim.app_key,
        "account_url": sim.account_url,
        "state_dir": str(tmp_path / "state"),
        "timeout": 2,
        "interval": INTERVAL,
    }


@pytest.fixture(name="watching")
def watching_fixture(sim: Simulator, common_args: dict[str, Any], haste: None) -> Watching:
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

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One control node whose true time a test moves, and the stores that its processes open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.machine_clock import MachineClock
from support.stores import open_store

START = 1_800_000_000.0
DAY = 86400.0


class World:
    """A control node with the state that stands for a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.time = START
        self.machine = MachineClock(lambda: self.time)
        self._opened: list[Store] = []

    def store(self) -> Store:
        """The store as a new process opens it."""
        self._opened.append(open_store(self.directory, machine=self.machine))
        return self._opened[-1]

    def off(self, seconds: float) -> None:
        """Switch the machine off for so long."""
        self.time += seconds
        self.machine.reboot(uptime=0.0)

    def close(self) -> None:
        """End all processes."""
        while self._opened:
            self._opened.pop().close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def store(world: World) -> Store:
    return world.store()

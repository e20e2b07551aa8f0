# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time in which a state store measures, while wall clocks are set and machines are off."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.machine_clock import MachineClock

from .conftest import open_store

START = 1_800_000_000.0
DAY = 86400.0


class TimedNode:
    """A control node whose true time a test moves, and the stores that its processes open."""

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
def timed(tmp_path: Path) -> Iterator[TimedNode]:
    node = TimedNode(tmp_path)
    yield node
    node.close()


@pytest.fixture
def store(timed: TimedNode) -> Store:
    return timed.store()


def test_state_time_begins_as_unix_time(store: Store) -> None:
    assert store.now() == START
    assert store.wall_ahead() == 0.0


@pytest.mark.parametrize("step", [-DAY, -1.0, 1.0, 15 * 60.0, 2 * DAY])
def test_a_wall_clock_that_is_set_does_not_change_state_time(
    timed: TimedNode, store: Store, step: float
) -> None:
    timed.machine.set_wall(step)
    timed.time += 5
    assert store.now() == START + 5
    assert store.wall_ahead() == step
    later = timed.store()
    assert later.now() == START + 5


def test_time_goes_on_from_the_last_record_after_a_reboot(timed: TimedNode, store: Store) -> None:
    store.execute("DELETE FROM rate_calls")
    timed.off(3600)
    after = timed.store()
    assert after.now() == pytest.approx(START, abs=0.01)
    after.execute("DELETE FROM rate_calls")
    timed.time += 7
    assert after.now() == pytest.approx(START + 7, abs=0.01)
    later = timed.store()
    assert later.now() == pytest.approx(START + 7, abs=0.01)
    # Also if the machine has then been up for longer than before.
    later.execute("DELETE FROM rate_calls")
    timed.off(3600)
    timed.time += 3000
    assert timed.store().now() == pytest.approx(START + 7, abs=0.01)


class StateTimeMachine(RuleBasedStateMachine):
    """Wall clocks are set, machines are off, and processes come and go: nothing is taken for older
    than it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(
            dir="/dev/shm" if os.path.isdir("/dev/shm") else None
        )
        self.node = TimedNode(Path(self.directory.name))
        self.stores = [self.node.store()]
        #: The true time and the state time of what was recorded.
        self.recorded: list[tuple[float, float]] = []
        self.shown: list[float] = []

    def teardown(self) -> None:
        self.node.close()
        self.directory.cleanup()

    @rule(seconds=st.floats(0.0, 5000.0))
    def pass_time(self, seconds: float) -> None:
        self.node.time += seconds

    @rule(seconds=st.sampled_from([-30 * DAY, -DAY, -61.0, -1.0, 1.0, 90.0, 900.0, 2 * DAY]))
    def set_wall(self, seconds: float) -> None:
        self.node.machine.set_wall(seconds)

    @rule(seconds=st.floats(0.0, 3 * DAY))
    def reboot(self, seconds: float) -> None:
        self.node.close()
        self.node.off(seconds)
        self.stores = [self.node.store()]
        self.shown = []

    @rule()
    def start_process(self) -> None:
        self.stores.append(self.node.store())

    @rule(number=st.integers(0, 9))
    def record(self, number: int) -> None:
        store = self.stores[number % len(self.stores)]
        store.execute("DELETE FROM rate_calls")
        self.recorded.append((self.node.time, store.now()))

    @invariant()
    def nothing_is_taken_for_older_than_it_is(self) -> None:
        for opened in self.stores:
            now = opened.now()
            assert all(
                now - recorded <= self.node.time - at + 0.01 for at, recorded in self.recorded
            )

    @invariant()
    def state_time_does_not_run_backwards(self) -> None:
        shown = [store.now() for store in self.stores]
        assert all(now >= before for now, before in zip(shown, self.shown, strict=False))
        self.shown = shown


EXPLORES = "QGNET_EXPLORE" in os.environ


@pytest.mark.parametrize("runs", [8, pytest.param(400 if EXPLORES else 40, marks=pytest.mark.slow)])
def test_state_time_never_runs_backwards_and_nothing_is_taken_for_older_than_it_is(
    runs: int,
) -> None:
    explored = settings(
        max_examples=runs, stateful_step_count=30, deadline=None, derandomize=not EXPLORES
    )
    run_state_machine_as_test(StateTimeMachine, settings=explored)

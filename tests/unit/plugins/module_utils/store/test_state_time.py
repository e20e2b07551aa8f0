# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time in which a state store measures, while wall clocks are set and machines are off; and the vendor's clock."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store import schema
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.paid_calls import PaidCalls
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.vendor_clock import EARLIEST, LATEST, VendorClock
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.machine_clock import MachineClock
from support.stores import open_store

START = 1_800_000_000.0
DAY = 86400.0


class World:
    """One control node whose true time a test moves."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.time = START
        self.machine = MachineClock(lambda: self.time)

    def store(self) -> Store:
        return open_store(self.directory, machine=self.machine)

    def off(self, seconds: float) -> None:
        """Switch the machine off for so long."""
        self.time += seconds
        self.machine.reboot(uptime=0.0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def store(world: World) -> Iterator[Store]:
    with contextlib.closing(world.store()) as store:
        yield store


def test_state_time_begins_as_unix_time(store: Store) -> None:
    assert store.now() == START
    assert store.wall_ahead() == 0.0


@pytest.mark.parametrize("step", [-DAY, -1.0, 1.0, 15 * 60.0, 2 * DAY])
def test_a_wall_clock_that_is_set_does_not_change_state_time(world: World, store: Store, step: float) -> None:
    world.machine.set_wall(step)
    world.time += 5
    assert store.now() == START + 5
    assert store.wall_ahead() == step
    with contextlib.closing(world.store()) as later:
        assert later.now() == START + 5


def test_time_goes_on_from_the_last_record_after_a_reboot(world: World, store: Store) -> None:
    store.execute("DELETE FROM reported")
    world.off(3600)
    with contextlib.closing(world.store()) as after:
        assert after.gap_is_unknown()
        assert after.now() == pytest.approx(START, abs=0.01)
        after.execute("DELETE FROM reported")
        world.time += 7
        assert after.now() == pytest.approx(START + 7, abs=0.01)
    with contextlib.closing(world.store()) as later:
        assert later.now() == pytest.approx(START + 7, abs=0.01)
        assert later.gap_is_unknown()


def test_the_smaller_of_two_clocks_shows_for_how_long_a_machine_was_off(world: World, store: Store) -> None:
    store.execute("DELETE FROM reported")
    world.off(3600)
    world.machine.set_wall(-600)
    with contextlib.closing(world.store()) as after:
        assert after.close_gap(3600) == pytest.approx(START + 3000, abs=0.01), "the wall clock"
        assert not after.gap_is_unknown()
        assert after.close_gap(1000) == pytest.approx(START + 3000, abs=0.01), "once"


def test_a_wall_clock_that_was_set_forward_while_a_machine_was_off_does_not_count(world: World, store: Store) -> None:
    store.execute("DELETE FROM reported")
    world.off(60)
    world.machine.set_wall(DAY)
    with contextlib.closing(world.store()) as after:
        assert after.close_gap(60) == pytest.approx(START + 60, abs=0.01)


def test_what_was_recorded_since_a_reboot_does_not_age_when_the_gap_is_closed(world: World, store: Store) -> None:
    calls = PaidCalls(store, "k")
    calls.record("E", wanted=1, known=(), request={})
    world.off(3600)
    with contextlib.closing(world.store()) as after:
        calls = PaidCalls(after, "k")
        world.time += 2
        calls.record("E", wanted=2, known=(), request={})
        world.time += 3
        now = after.close_gap(3600)
        assert [call.age(now) for call in calls.unresolved("E")] == pytest.approx([3605, 3], abs=0.01)


def test_what_is_missing_of_a_gap_is_not_added_to_a_later_one(world: World, store: Store) -> None:
    VendorClock(store, "k").observe(START, 0.0)
    world.off(2)
    with contextlib.closing(world.store()) as after:
        row = PaidCalls(after, "k").record("E", wanted=1, known=(), request={})
        # The date is of the beginning of an exchange of one second, so that the gap may be as short as nothing.
        world.time += 1
        VendorClock(after, "k").observe(START + 2, 1.0)
    world.off(0)
    world.machine.set_wall(1)
    with contextlib.closing(world.store()) as last:
        VendorClock(last, "k").observe(START + 3, 0.0)
        ages = {call.id: call.age(last.now()) for call in PaidCalls(last, "k").unresolved("E")}
        assert ages[row] <= 1.01


def test_a_process_that_runs_on_learns_of_a_gap_that_another_one_has_closed(world: World, store: Store) -> None:
    store.execute("DELETE FROM reported")
    world.off(3600)
    with contextlib.closing(world.store()) as one, contextlib.closing(world.store()) as other:
        one.execute("DELETE FROM reported")
        other.close_gap(3600)
        PaidCalls(one, "k").record("E", wanted=1, known=(), request={})
        assert [call.age(other.now()) for call in PaidCalls(other, "k").unresolved("E")] == pytest.approx([0], abs=0.01)


def test_every_moment_in_a_table_is_known_to_be_one() -> None:
    """A new column of seconds must be sorted: a moment moves when a gap is closed, a duration does not."""
    durations = {
        *(("clock", column) for column in ("ahead", "last", "wall_ahead", "gap_at")),
        *(
            ("whitelist_writes", "timeout"),
            ("paid_calls", "timeout"),
            ("vendor_clocks", "least"),
            ("vendor_clocks", "most"),
        ),
        *(("write_requests", "max_wait"), ("write_requests", "timeout")),
        *(("lifetimes", "seconds"), ("whitelist_cache", "waited_seconds")),
    }
    found = {
        (table, column)
        for statement in schema.STATEMENTS
        for table in re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
        for column in re.findall(r"(\w+) REAL", statement)
    }
    assert found == durations | set(schema.MOMENTS)


class StateTimeMachine(RuleBasedStateMachine):
    """Wall clocks are set, machines are off, and processes come and go: nothing is taken for older than it is."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.world = World(Path(self.directory.name))
        self.stores = [self.world.store()]
        self.vendor = VendorClock(self.stores[0], "k")
        #: The true time and the state time of what was recorded.
        self.recorded: list[tuple[float, int]] = []
        self.shown: list[float] = []

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        self.directory.cleanup()

    @rule(seconds=st.floats(0.0, 5000.0))
    def pass_time(self, seconds: float) -> None:
        self.world.time += seconds

    @rule(seconds=st.sampled_from([-30 * DAY, -DAY, -61.0, -1.0, 1.0, 90.0, 900.0, 2 * DAY]))
    def set_wall(self, seconds: float) -> None:
        self.world.machine.set_wall(seconds)

    @rule(seconds=st.floats(0.0, 3 * DAY))
    def reboot(self, seconds: float) -> None:
        for store in self.stores:
            store.close()
        self.world.off(seconds)
        self.stores = [self.world.store()]
        self.vendor = VendorClock(self.stores[0], "k")
        self.shown = []

    @rule()
    def start_process(self) -> None:
        self.stores.append(self.world.store())

    @rule(number=st.integers(0, 9))
    def record(self, number: int) -> None:
        store = self.stores[number % len(self.stores)]
        row = PaidCalls(store, "k").record("E", wanted=1, known=(), request={})
        self.recorded.append((self.world.time, row))

    @rule(delay=st.floats(0.0, 5.0), part=st.floats(0.0, 1.0))
    def respond(self, delay: float, part: float) -> None:
        """Receive a response, whose date was written at some moment of the exchange, in whole seconds."""
        date = float(int(self.world.time + delay * part))
        self.world.time += delay
        self.vendor.observe(date, delay)
        assert self.world.time - 1 - delay <= self.vendor.now() <= self.world.time + 1 + delay

    @invariant()
    def nothing_is_taken_for_older_than_it_is(self) -> None:
        for store in self.stores:
            ages = {call.id: call.age(store.now()) for call in PaidCalls(store, "k").unresolved("E")}
            for at, row in self.recorded:
                assert ages[row] <= self.world.time - at + 0.01

    @invariant()
    def state_time_does_not_run_backwards(self) -> None:
        shown = [store.now() for store in self.stores]
        assert all(now >= before for now, before in zip(shown, self.shown, strict=False))
        self.shown = shown


TestStateTime = StateTimeMachine.TestCase
TestStateTime.settings = settings(
    max_examples=400 if "QG_EXPLORE" in os.environ else 40,
    stateful_step_count=30,
    deadline=None,
    derandomize="QG_EXPLORE" not in os.environ,
)


# The vendor's clock.


def test_the_wall_clock_stands_in_until_a_response_shows_the_vendors_time(world: World, store: Store) -> None:
    world.machine.set_wall(3600)
    clock = VendorClock(store, "k")
    assert (clock.now(), clock.is_known) == (START + 3600, False)
    clock.observe(START, 0.0)
    assert (clock.now(), clock.is_known) == (START, True)


def test_what_a_response_showed_counts_for_later_processes_of_the_key(world: World, store: Store) -> None:
    VendorClock(store, "k").observe(START + 500, 0.0)
    world.machine.set_wall(-DAY)
    world.time += 60
    with contextlib.closing(world.store()) as later:
        assert VendorClock(later, "k").now() == START + 560
        assert VendorClock(later, "other").now() == START + 60 - DAY


def test_a_date_of_whole_seconds_does_not_move_the_clock_to_and_fro(world: World, store: Store) -> None:
    clock = VendorClock(store, "k")
    clock.observe(START, 0.0)
    world.time += 0.9
    clock.observe(START, 0.0)
    assert clock.now() == START + 0.9
    world.time += 10
    clock.observe(START + 5, 3.0)
    assert clock.now() == START + 5, "its clock was set back"


def test_a_date_leaves_open_a_second_and_the_time_of_the_exchange(world: World, store: Store) -> None:
    clock = VendorClock(store, "k")
    clock.observe(START, 0.5)
    assert (clock.now(), clock.latest()) == (START, START + 1.5)
    world.time += 0.9
    clock.observe(START, 0.0)
    assert (clock.now(), clock.latest()) == (START + 0.9, START + 1.0)


@pytest.mark.parametrize("date", [0.0, EARLIEST - 1, LATEST + 1])
def test_a_date_of_a_server_whose_clock_is_not_set_is_ignored(store: Store, date: float) -> None:
    clock = VendorClock(store, "k")
    clock.observe(date, 0.0)
    assert not clock.is_known

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor reported counts beside a list that lags."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Connection, Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import LIST_LAG, WHITELIST, ReportedChanges
from simulator.clock import Clock
from support.machine_clock import MachineClock
from support.stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

IP, OTHER = "203.0.113.5", "203.0.113.6"


def test_one_list_that_lacks_a_removed_address_does_not_end_the_report_of_its_removal(tmp_path: Path) -> None:
    with contextlib.closing(open_store(tmp_path, now=lambda: 1_000.0)) as state:
        reported = ReportedChanges(state, "key", WHITELIST)
        reported.record(gone=[IP])
        assert reported.correct([]).gone == frozenset()
        # That list was wrong: this one still lags behind the removal.
        assert reported.correct([IP]).gone == {IP}


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def machine(clock: Clock) -> MachineClock:
    return MachineClock(clock.now)


@pytest.fixture
def state(tmp_path: Path, machine: MachineClock) -> Iterator[Store]:
    with contextlib.closing(open_store(tmp_path, machine=machine)) as state:
        yield state


@pytest.mark.parametrize("read", [lambda reported: reported.correct([OTHER]).gone, ReportedChanges.gone])
@pytest.mark.parametrize("step", [-86400.0, -1.0, 5 * 60.0])
def test_a_report_lasts_its_time_whatever_the_wall_clock_is_set_to(
    state: Store, clock: Clock, machine: MachineClock, step: float, read: Callable[[ReportedChanges], frozenset[str]]
) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record(gone=[OTHER])
    machine.set_wall(step)
    reported.record({IP: None})
    clock.advance(LIST_LAG - 0.5)
    assert read(reported) == {OTHER}
    clock.advance(1)
    assert read(reported) == frozenset()


def test_a_list_that_shows_a_reported_change_deletes_the_report(state: Store) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record({IP: None})
    assert not reported.correct([IP]).missing
    assert not reported.correct([]).missing


def test_a_report_deletes_none_that_another_process_wrote_while_it_waited(
    state: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = state.transaction

    @contextlib.contextmanager
    def delayed() -> Iterator[Connection]:
        """The transaction, once that of another process has ended."""
        monkeypatch.setattr(state, "transaction", transaction)
        clock.advance(5)
        with contextlib.closing(open_store(tmp_path, now=clock.now)) as other:
            ReportedChanges(other, "key", WHITELIST).record({OTHER: None})
        with transaction() as database:
            yield database

    monkeypatch.setattr(state, "transaction", delayed)
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record({IP: None})
    assert set(reported.correct([]).missing) == {IP, OTHER}

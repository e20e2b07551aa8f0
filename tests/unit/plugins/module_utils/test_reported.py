# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor reported counts beside a list that lags."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Connection, Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import (
    LIST_LAG,
    WHITELIST,
    ReportedChanges,
)
from simulator.clock import Clock
from stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

IP, OTHER, THIRD = "203.0.113.5", "203.0.113.6", "203.0.113.7"


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
def state(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with contextlib.closing(open_store(tmp_path, now=clock.now)) as state:
        yield state


@pytest.mark.parametrize("step", [0.001, 1.0, 86400.0])
def test_reports_count_if_the_clock_is_set_back(state: Store, clock: Clock, step: float) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record({IP: None}, gone=[OTHER])
    clock.advance(-step)
    assert reported.gone() == {OTHER}
    correction = reported.correct([OTHER])
    assert (set(correction.missing), correction.gone) == ({IP}, {OTHER})


@pytest.mark.parametrize("step", [1.0, 86400.0])
def test_a_report_deletes_none_from_before_the_clock_was_set_back(state: Store, clock: Clock, step: float) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record({IP: None}, gone=[OTHER])
    clock.advance(-step)
    reported.record({THIRD: None})
    correction = reported.correct([OTHER])
    assert (set(correction.missing), correction.gone) == ({IP, THIRD}, {OTHER})


@pytest.mark.parametrize("read", [lambda reported: reported.correct([OTHER]).gone, ReportedChanges.gone])
@pytest.mark.parametrize("step", [1.0, 86400.0])
def test_a_report_lasts_its_usual_time_from_when_the_clock_was_seen_to_be_set_back(
    state: Store, clock: Clock, step: float, read: Callable[[ReportedChanges], frozenset[str]]
) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record(gone=[OTHER])
    clock.advance(-step)
    assert read(reported) == {OTHER}
    clock.advance(LIST_LAG - 0.5)
    assert read(reported) == {OTHER}
    clock.advance(1)
    assert read(reported) == frozenset()


def test_a_list_that_shows_a_report_from_before_the_clock_was_set_back_deletes_it(state: Store, clock: Clock) -> None:
    reported = ReportedChanges(state, "key", WHITELIST)
    reported.record({IP: None})
    clock.advance(-1)
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

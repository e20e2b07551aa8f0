# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor reported counts beside a list that lags."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Connection
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import LIST_LAG, WHITELIST, ReportedChanges
from support.state_world import World, world
from support.stores import quick_over_both

__all__ = ["world"]
pytestmark = pytest.mark.usefixtures("every_store")

Read = Callable[[ReportedChanges], frozenset[str]]
IP, OTHER = "203.0.113.5", "203.0.113.6"


@pytest.fixture
def reported(world: World) -> ReportedChanges:
    return ReportedChanges(world.store(), "key", WHITELIST)


@pytest.mark.parametrize("read", [lambda reported: reported.differences_from([OTHER]).gone, ReportedChanges.gone])
@pytest.mark.parametrize("step", [-86400.0, -1.0, 5 * 60.0])
def test_a_report_lasts_its_time_whatever_the_wall_clock_is_set_to(
    reported: ReportedChanges, world: World, step: float, read: Read
) -> None:
    reported.record(gone=[OTHER])
    world.machine.set_wall(step)
    reported.record({IP: None})
    world.time += LIST_LAG - 0.5
    assert read(reported) == {OTHER}
    world.time += 1
    assert read(reported) == frozenset()


def test_a_list_that_shows_a_reported_change_deletes_the_report(reported: ReportedChanges) -> None:
    reported.record({IP: None})
    assert not reported.differences_from([IP]).missing
    assert not reported.differences_from([]).missing


@quick_over_both
def test_one_list_that_lacks_a_removed_address_does_not_end_the_report_of_its_removal(
    reported: ReportedChanges,
) -> None:
    reported.record(gone=[IP])
    assert reported.differences_from([]).gone == frozenset()
    # That list was wrong: this one still lags behind the removal.
    assert reported.differences_from([IP]).gone == {IP}


def test_a_report_deletes_none_that_another_process_wrote_while_it_waited(
    reported: ReportedChanges, world: World
) -> None:
    transaction = reported.state.transaction

    @contextlib.contextmanager
    def delayed() -> Iterator[Connection]:
        """The transaction, once that of another process has ended."""
        world.time += 5
        ReportedChanges(world.store(), "key", WHITELIST).record({OTHER: None})
        with transaction() as database:
            yield database

    reported.state.transaction = delayed
    reported.record({IP: None})
    reported.state.transaction = transaction
    assert set(reported.differences_from([]).missing) == {IP, OTHER}

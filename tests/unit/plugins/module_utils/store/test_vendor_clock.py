# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the vendor, as the dates of its responses show it."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.clocks import EARLIEST, LATEST, VendorClock
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.state_world import DAY, START, World, store, world

__all__ = ["store", "world"]


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
    later = world.store()
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

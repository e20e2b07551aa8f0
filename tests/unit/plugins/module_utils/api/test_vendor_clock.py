# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the vendor, as the dates of its responses show it."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import EARLIEST, LATEST, VendorClock

START, WRONG = 1_800_000_000.0, 1_700_000_000.0


class World:
    """A control node with a wrong wall clock."""

    def __init__(self) -> None:
        self.time = 5000.0
        self.clock = VendorClock(lambda: self.time, lambda: WRONG)


@pytest.fixture(name="world")
def world_fixture() -> World:
    return World()


def test_the_wall_clock_stands_in_until_a_response_shows_the_vendors_time(world: World) -> None:
    assert world.clock.now() == world.clock.latest() == WRONG
    world.clock.observe(START, 0.0)
    world.time += 60
    assert world.clock.now() == START + 60


def test_a_date_of_whole_seconds_does_not_move_the_clock_to_and_fro(world: World) -> None:
    world.clock.observe(START, 0.0)
    world.time += 0.9
    world.clock.observe(START, 0.0)
    assert world.clock.now() == pytest.approx(START + 0.9)
    world.time += 10
    world.clock.observe(START + 5, 3.0)
    assert world.clock.now() == pytest.approx(START + 5), "its clock was set back"


def test_a_date_leaves_open_a_second_and_the_time_of_the_exchange(world: World) -> None:
    world.clock.observe(START, 0.5)
    assert (world.clock.now(), world.clock.latest()) == (START, START + 1.5)
    world.time += 0.9
    world.clock.observe(START, 0.0)
    assert world.clock.now() == pytest.approx(START + 0.9)
    assert world.clock.latest() == pytest.approx(START + 1.0)


@pytest.mark.parametrize("date", [0.0, EARLIEST - 1, LATEST + 1])
def test_a_date_of_a_server_whose_clock_is_not_set_is_ignored(world: World, date: float) -> None:
    world.clock.observe(date, 0.0)
    assert world.clock.now() == WRONG

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the vendor, as the dates of its responses show it."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import (
    EARLIEST,
    LATEST,
    VendorClock,
)

START = 1_800_000_000.0
WRONG = 1_700_000_000.0


class Machine:
    """A control node with a wrong wall clock."""

    def __init__(self) -> None:
        self.time = 5000.0
        self.clock = VendorClock(lambda: self.time, lambda: WRONG)


@pytest.fixture(name="machine")
def machine_fixture() -> Machine:
    return Machine()


def test_the_wall_clock_stands_in_until_a_response_shows_the_vendors_time(machine: Machine) -> None:
    assert machine.clock.now() == machine.clock.latest() == WRONG
    machine.clock.observe(START, 0.0)
    machine.time += 60
    assert machine.clock.now() == START + 60


def test_a_date_of_whole_seconds_does_not_move_the_clock_to_and_fro(machine: Machine) -> None:
    machine.clock.observe(START, 0.0)
    machine.time += 0.9
    machine.clock.observe(START, 0.0)
    assert machine.clock.now() == pytest.approx(START + 0.9)
    machine.time += 10
    machine.clock.observe(START + 5, 3.0)
    assert machine.clock.now() == pytest.approx(START + 5), "its clock was set back"


def test_a_date_leaves_open_a_second_and_the_time_of_the_exchange(machine: Machine) -> None:
    machine.clock.observe(START, 0.5)
    assert machine.clock.now() == START
    assert machine.clock.latest() == START + 1.5
    machine.time += 0.9
    machine.clock.observe(START, 0.0)
    assert machine.clock.now() == pytest.approx(START + 0.9)
    assert machine.clock.latest() == pytest.approx(START + 1.0)


@pytest.mark.parametrize("date", [0.0, EARLIEST - 1, LATEST + 1])
def test_a_date_of_a_server_whose_clock_is_not_set_is_ignored(
    machine: Machine, date: float
) -> None:
    machine.clock.observe(date, 0.0)
    assert machine.clock.now() == WRONG

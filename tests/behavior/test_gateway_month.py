# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A month of a gateway with leases of a minute: what it buys while exits work, and while none can
be used.

Runs follow each other each 10 seconds for a part of each day; for the rest of it, the timer is
stopped. That takes two minutes instead of hours.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from behavior.gateway_fleet import IS_SILENT, REJECTS, WORKS, Fleet, State, gateway
from support.node import Node

INTERVAL = 10.0
LIFETIME = 60.0
COUNT = 4
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0
#: The part of a day in which runs follow each other.
PLAYED = 10 * MINUTE


class Month:
    """What was bought, and the seconds in which exits could be used while the timer ran."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.sold = 0
        self.seconds = 0.0

    @property
    def needed(self) -> float:
        """The leases that would do if each were replaced in the moment of its end."""
        return COUNT * self.seconds / LIFETIME

    def play(self) -> None:
        """Let runs follow each other for the part of a day in which they do, with exits that
        work.
        """
        self.sold += self.fleet.run()
        self.sold += self.fleet.run_for(PLAYED - INTERVAL, INTERVAL)
        self.seconds += PLAYED
        assert self.fleet.problem == ""
        assert len(self.fleet.host.exits) >= COUNT

    def day(self) -> None:
        """Let a day pass on which all exits work."""
        self.play()
        self.fleet.vendor.advance(DAY - PLAYED)

    def outage(self, state: State, seconds: float) -> int:
        """Let nobody through any exit for a time; returns how many leases QG.net sold meanwhile."""
        self.play()
        self.fleet.state_of = lambda _server: state
        sold = 0
        passed = 0.0
        while passed < seconds:
            passed += self.pause()
            bought = self.fleet.run()
            assert bought <= 1
            assert self.fleet.problem
            sold += bought
        self.fleet.state_of = lambda _server: WORKS
        return sold

    def pause(self) -> float:
        """Wait for the next run: for longer while there is no lease, so that nothing can happen but
        a probe.
        """
        seconds = INTERVAL if self.fleet.vendor.leases else MINUTE
        self.fleet.vendor.advance(seconds)
        return seconds

    def recovery(self) -> float:
        """Let runs follow each other until the gateway has recovered; returns the seconds that it
        took.
        """
        seconds = 0.0
        while self.fleet.problem:
            seconds += self.pause()
            self.fleet.run()
        assert len(self.fleet.host.exits) == COUNT
        return seconds


@pytest.mark.slow
def test_a_month_with_a_day_off_the_whitelist_and_an_hour_of_silent_exits(
    new_node: Callable[..., Node],
) -> None:
    fleet = Fleet(new_node("share", channels=20), gateway("share", count=COUNT))
    month = Month(fleet)
    for _day in range(10):
        month.day()

    off = month.outage(REJECTS, DAY)

    # After 1, 2, 4, 8, 16 and 32 minutes, and then each hour.
    assert 20 <= off <= 28
    assert month.recovery() <= HOUR + 2 * MINUTE
    fleet.vendor.advance(DAY)
    for _day in range(10):
        month.day()

    silent = month.outage(IS_SILENT, HOUR)

    # One at once, and then after 1, 2, 4, 8 and 16 minutes.
    assert 4 <= silent <= 6
    assert month.recovery() <= HOUR + 2 * MINUTE
    fleet.vendor.advance(DAY)
    for _day in range(7):
        month.day()

    assert month.sold <= 1.2 * month.needed
    assert month.sold >= month.needed
    assert fleet.vendor.paid >= month.sold + off + silent

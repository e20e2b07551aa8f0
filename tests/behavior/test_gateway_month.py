# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A month of two gateways, in which all goes wrong that does so in a month: :mod:`.gateway_month`
judges each refresh.

The seed determines what happens. A failure prints it; QGNET_EXPLORE adds months with other seeds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from behavior.gateway_fleet import IS_SILENT, REJECTS
from behavior.gateway_month import (
    ALONE,
    CALL,
    CAP,
    DAY,
    HOUR,
    KINDS,
    MINUTE,
    PLAN,
    SILENT,
    Kind,
    Month,
)
from behavior.gateway_month import REJECTED as ANSWERS_407
from support.parameters import first_by_day

SEEDS = range(1, 2 + int(os.environ.get("QGNET_EXPLORE", 0)))
#: When a paused pool buys its next probe at the latest, and until that is checked.
PROBED = HOUR + 10 * MINUTE
#: Bytes of a store after a month; SQLite's log beside it does not grow beyond 4 MB.
STORED = 1_500_000


def two_dead_hours(month: Month) -> None:
    """QG.net answers nobody, and meanwhile leases end that last for a day."""
    month.until_renewal(HOUR)
    month.is_dead = True
    month.play(2 * HOUR, CALL)
    month.is_dead = False
    month.recover()


def a_cap_that_is_reached(month: Month) -> None:
    """Beside those that still count in the end, each store may buy one lease, of more that are due.

    Nothing may be bought if no more are due.
    """
    month.until_renewal(MINUTE)
    end = month.now + month.kind.phase
    due = sum(lease.ends - month.kind.drain < end for lease in month.own)
    counted = [sum(at > end - DAY for at in bought) for bought in month.last_day.values()]
    month.cap = min(counted) + min(1, max(0, due - len(counted)))
    month.play(month.kind.phase, CAP)
    month.cap = month.kind.cap
    month.recover()


def a_plan_that_shrinks(month: Month) -> None:
    """It has fewer channels than the pools need leases."""
    month.until_renewal(MINUTE)
    month.vendor.configure(plan={"channels": 3})
    month.play(month.kind.phase, PLAN)
    month.restore_plan()
    month.recover()


def a_host_off_the_whitelist(month: Month) -> None:
    """The exits work for the other one, so that nothing is bought for it.

    Of a lease that the host itself has just bought, the other one does not know that yet, and with
    another store it never tells.
    """
    causes = [ALONE, ANSWERS_407]
    if len(month.stores) > 1:
        causes.reverse()
    month.until_renewal(MINUTE)
    month.fleets[1].state_on["web2"] = lambda _server: REJECTS
    month.play(10 * MINUTE, *causes)
    month.fleets[1].state_on.clear()
    month.recover()


def a_key_off_the_whitelist(month: Month, seconds: float) -> None:
    """No exit lets anybody through, which no purchase changes."""
    month.until_renewal(MINUTE)
    month.outage(REJECTS, seconds, ANSWERS_407, ALONE)
    month.recover(within=PROBED)


def an_hour_of_silent_exits(month: Month) -> None:
    month.until_renewal(MINUTE)
    month.outage(IS_SILENT, HOUR, SILENT)
    month.recover(within=PROBED)


def live(month: Month, between: int, off: float) -> None:
    """Let all of it happen, with so many ordinary days after each."""
    month.ordinary(1)
    for happens in (
        two_dead_hours,
        a_cap_that_is_reached,
        a_plan_that_shrinks,
        a_host_off_the_whitelist,
        an_hour_of_silent_exits,
    ):
        happens(month)
        month.ordinary(between)
    a_key_off_the_whitelist(month, off)
    month.ordinary(1)
    for fleet in month.stores:
        assert (fleet.node.store / "state.sqlite3").stat().st_size < STORED


@pytest.mark.parametrize("kind", first_by_day(KINDS))
def test_some_days(kind: Kind, folder: Path) -> None:
    live(Month(kind, 1, folder), 0, 1.5 * HOUR)


@pytest.mark.slow
@pytest.mark.parametrize("kind", first_by_day(KINDS))
def test_some_days_of_two_stores(kind: Kind, folder: Path) -> None:
    """The control nodes know of each other only what QG.net shows."""
    live(Month(kind, 1, folder, stores=2), 0, 1.5 * HOUR)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_month(kind: Kind, seed: int, folder: Path) -> None:
    live(Month(kind, seed, folder), 5, DAY)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A gateway of five leases of one minute, for hours: it buys what is missing and no more, and the
store stays small.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from support.node import Node
from support.vendor import PATHS, Answer, Call

DAY = 86400
HOUR = 3600
COUNT = 5
MARGIN = 35
INTERVAL = 30
#: Hours of the test, and those of them in which QG.net does not answer. The month of the release
#: took half an hour.
HOURS = 4
DEAD = (2,)
#: What a day needs, since each run finds the leases of the run before too old.
CAP = COUNT * DAY // INTERVAL
FAULTS = ("reset_before", "reset_after", "truncate", "garbage", "data_null")


@pytest.mark.slow
def test_a_gateway_pays_for_what_is_missing(new_node: Callable[..., Node]) -> None:
    """Two percent of the calls fail, QG.net is dead for an hour, and a cap holds."""
    chance = random.Random(1)
    node = new_node("share", lifetime=1, channels=2 * COUNT)
    vendor = node.vendor
    paths = PATHS["share"]
    began = vendor.clock.now()

    def live(margin: float) -> int:
        now = vendor.clock.now()
        return sum(lease.ends - now > margin for lease in vendor.leases)

    def unless_dead(call: Call) -> Answer:
        return (502, None) if (vendor.clock.now() - began) // HOUR in DEAD else call.carry_out()

    for path in (paths.get, paths.query):
        vendor.around(path, unless_dead)
    while vendor.clock.now() - began < HOURS * HOUR:
        next_run = vendor.clock.now() + INTERVAL
        if chance.random() < 0.02:
            vendor.fault(
                chance.choice([paths.get, paths.query, paths.quota or ""]), chance.choice(FAULTS)
            )
        before = live(0)
        result = node.run(
            "qg_proxy_allocate",
            count=COUNT,
            min_remaining=f"{MARGIN}s",
            max_wait=20,
            max_new_per_day=CAP,
        )
        assert live(MARGIN) <= COUNT
        assert live(0) <= max(before, 2 * COUNT)
        if not result.get("failed"):
            assert result["count"] == COUNT
        vendor.advance(max(0.0, next_run - vendor.clock.now()))
    assert 0.9 < vendor.paid / (CAP * (HOURS - len(DEAD)) * HOUR / DAY) <= 1
    # Beside it is SQLite's log, which does not grow beyond 4 MB.
    assert (node.store / "state.sqlite3").stat().st_size < 1_000_000

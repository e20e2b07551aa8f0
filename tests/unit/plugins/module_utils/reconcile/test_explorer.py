# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs of one key pay once, and lose nothing, in whatever order they and their disturbances come.

``tests/explorer`` visits every state that two runs for two leases can reach with two or three of these disturbances: a
call that is lost, late, carried out in part or answered in part; a list that lags; a death; a clock that is set, or a
machine that is suspended or off; or with a lock that is lost. Two things are left out, since nothing could tell: a
request that leaves long after its row was written, by a process that then dies or has lost its lock; and without a
quota, a list that has shown a lease and lacks it later.
"""

from __future__ import annotations

from functools import partial

import pytest
from explorer.engine import EVERYTHING, LOCK, Explorer
from explorer.leases import ensure, vendor
from support.state_machines import unmeasured

ONE_MACHINE = EVERYTHING - {LOCK}
#: Seconds for which a run waits at most: for a call of an earlier run, and then for its own to be listed.
LONGEST = 180.0
CASES = [
    # With a quota or without one, the disturbances, how many of them, and how many states there are at least.
    pytest.param(True, ONE_MACHINE, 2, 80_000, id="quota"),
    pytest.param(False, ONE_MACHINE, 3, 150_000, id="no_quota"),
    pytest.param(True, frozenset({LOCK}), 1, 500, id="lost_lock"),
    pytest.param(False, frozenset({LOCK}), 1, 500, id="lost_lock_and_no_quota"),
]


@pytest.mark.newest_core
@pytest.mark.parametrize(("has_quota", "kinds", "limit", "least"), CASES)
def test_no_order_of_two_runs_pays_twice_or_loses_anything(
    has_quota: bool, kinds: frozenset[str], limit: int, least: int
) -> None:
    explorer = Explorer(partial(ensure, 2), partial(vendor, has_quota), 2, limit, LONGEST, kinds)
    with unmeasured():
        explorer.explore()
    assert len(explorer.states) >= least

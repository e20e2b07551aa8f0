# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two runs of one key pay once, and lose nothing, in whatever order they and their disturbances come.

This visits every state that two runs can reach with some of these disturbances: a call that is lost, late, carried out
in part or answered in part; a list that lags; a death; a clock that is set, or a machine that is suspended or off; or a
lock that is lost. Three things are left out, since nothing could tell: a request that leaves long after its row was
written, by a process that then dies or has lost its lock; without a quota, a list that has shown a resource and lacks
it later; and a refused swap that has given up what is younger than lists may lag, by a process that then dies.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest
from explorer.engine import EVERYTHING, LOCK, Explorer, Kind
from explorer.paid import Paid
from explorer.replacing import Replacing
from explorer.runs import (
    apply,
    continue_by_vendor,
    ensure,
    ensure_and_continue,
    ensure_and_replace,
    replace_by_vendor,
    replace_named,
)

ONE_MACHINE, LOST_LOCK = EVERYTHING - {LOCK}, frozenset({LOCK})
leases, monopolies = partial(Paid, ensure), partial(Paid, apply)
named, by_vendor = partial(Replacing, replace_named), partial(Replacing, replace_by_vendor, continue_by_vendor)
#: How many disturbances happen at most: where QGNET_EXPLORE is set, one more.
LIMIT = 3 if "QGNET_EXPLORE" in os.environ else 2


def case(name: str, kind: Kind, least: int, kinds: frozenset[str] = ONE_MACHINE) -> Any:
    """A kind, the disturbances, and how many states there are at least."""
    return pytest.param(kind, kinds, least, id=name)


CASES = [
    case("quota", leases(has_quota=True, may_go_back=True), 100_000),
    case("no_quota", leases(has_quota=False), 15_000),
    case("lost_lock", leases(has_quota=True, may_go_back=True), 300, LOST_LOCK),
    case("lost_lock_and_no_quota", leases(has_quota=False), 300, LOST_LOCK),
    case("monopolies", monopolies(has_quota=True), 30_000),
    case("monopolies_without_quota", monopolies(has_quota=False), 30_000),
    case("replaced", named(has_quota=True), 10_000),
    case("replaced_without_quota", named(has_quota=False), 10_000),
    case("replaced_and_ensured", Replacing(replace_named, ensure, has_quota=True), 10_000),
    case("replaced_by_vendor", by_vendor(has_quota=True), 5_000),
    case("replaced_by_vendor_without_quota", by_vendor(has_quota=False), 5_000),
    case("bought_and_replaced", Replacing(ensure_and_replace, ensure_and_continue, has_quota=True, new=True), 50_000),
]


@pytest.mark.parametrize(("kind", "kinds", "least"), CASES)
def test_no_order_of_two_runs_pays_twice_or_loses_anything(kind: Kind, kinds: frozenset[str], least: int) -> None:
    explorer = Explorer(kind, min(LIMIT, len(kinds)), kinds)
    explorer.explore()
    assert len(explorer.states) >= least

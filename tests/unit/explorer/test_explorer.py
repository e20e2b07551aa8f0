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

ONE_MACHINE = EVERYTHING - {LOCK}
LOST_LOCK = frozenset({LOCK})
leases = partial(Paid, ensure)
monopolies = partial(Paid, apply)
named = partial(Replacing, replace_named)
by_vendor = partial(Replacing, replace_by_vendor, continue_by_vendor)
#: How many disturbances happen at most in a slow case: where QGNET_EXPLORE is set, one more.
LIMIT = 3 if "QGNET_EXPLORE" in os.environ else 2
#: How many states each case has at least with one disturbance alone.
LEAST_OF_ONE = 500


def case(name: str, kind: Kind, least: int, kinds: frozenset[str] = ONE_MACHINE, *, quick: bool = False) -> Any:
    """A kind, the disturbances, and how many states there are at least with two of these."""
    marks = () if quick else (pytest.mark.slow,)
    return pytest.param(kind, kinds, least, id=name, marks=marks)


CASES = [
    case("quota", leases(has_quota=True, may_go_back=True), 100_000),
    case("no_quota", leases(has_quota=False), 15_000, quick=True),
    case("monopolies", monopolies(has_quota=True), 30_000),
    case("monopolies_without_quota", monopolies(has_quota=False), 30_000),
    case("replaced", named(has_quota=True), 10_000, quick=True),
    case("replaced_without_quota", named(has_quota=False), 10_000),
    case("replaced_and_ensured", Replacing(replace_named, ensure, has_quota=True), 10_000),
    case("replaced_by_vendor", by_vendor(has_quota=True), 5_000),
    case("replaced_by_vendor_without_quota", by_vendor(has_quota=False), 5_000),
    case("bought_and_replaced", Replacing(ensure_and_replace, ensure_and_continue, has_quota=True, new=True), 50_000),
]


#: Here, nothing else happens.
LOST_LOCKS = [
    case("lost_lock", leases(has_quota=True, may_go_back=True), 300, LOST_LOCK),
    case("lost_lock_and_no_quota", leases(has_quota=False), 300, LOST_LOCK),
]


@pytest.mark.parametrize(
    ("kind", "kinds"), [pytest.param(*each.values[:2], id=each.id) for each in (*CASES, *LOST_LOCKS)]
)
def test_no_order_of_two_runs_with_one_disturbance_pays_twice(kind: Kind, kinds: frozenset[str]) -> None:
    assert explored(kind, 1, kinds) >= LEAST_OF_ONE


@pytest.mark.parametrize(("kind", "kinds", "least"), CASES)
def test_no_order_of_two_runs_pays_twice_or_loses_anything(kind: Kind, kinds: frozenset[str], least: int) -> None:
    assert explored(kind, LIMIT, kinds) >= least


def explored(kind: Kind, limit: int, kinds: frozenset[str]) -> int:
    """Visit all states, of which none may be wrong; returns how many there are."""
    explorer = Explorer(kind, limit, kinds)
    explorer.explore()
    return len(explorer.states)

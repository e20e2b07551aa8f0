# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases of the product hosts: lists that say little, static addresses, and plans by volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from support.in_process import KEY, PATHS, Vendor
from support.lease_runs import LeaseNode


def node_of(directory: Path, product: str, **plan: Any) -> LeaseNode:
    return LeaseNode(Vendor(kind=product, **plan), directory, product)


@pytest.mark.parametrize(
    ("product", "query"), [("exclusive", "list"), ("exclusive", "entries"), ("longterm", "entries")]
)
def test_no_paid_lease_is_a_surplus(tmp_path: Path, product: str, query: str) -> None:
    node = node_of(tmp_path, product, static=True)
    node.core.configure(options={"query_shape": query})
    for run in range(3):
        outcome = node.ensure(2, exact=True)
        assert (outcome.error, len(outcome.allocated), outcome.released) == (None, 2 if run == 0 else 0, ())
        node.core.clock.advance(20)
    assert node.core.paid == len(node.core.leases) == 2


@pytest.mark.parametrize("product", ["exclusive", "overseas"])
def test_leases_of_a_call_that_a_gateway_answered_are_paid_for_once(tmp_path: Path, product: str) -> None:
    core = Vendor(kind=product, lifetime=60)
    core.fault(PATHS[product].get, "status", http_status=403, executed=True)
    outcome = LeaseNode(core, tmp_path, product).ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)


def test_a_lease_that_is_held_after_its_deadline_is_not_replaced_for_min_remaining(tmp_path: Path) -> None:
    """The deadline of a static address may be the time from which it can be released: each run would pay again."""
    node = node_of(tmp_path, "longterm", static=True)
    node.core.configure(options={"static_deadline": "release"})
    node.ensure(1, min_remaining=60)
    # Before its deadline, and after it.
    for _run in range(2):
        node.core.clock.advance(84000)
        assert len(node.ensure(1, min_remaining=60).leases) == 1
    assert node.core.paid == 1


def by_volume(directory: Path, balance: int) -> LeaseNode:
    return node_of(directory, "share", billing="volume", balance=balance, lifetime=60)


@pytest.mark.slow
def test_a_second_batch_compares_with_the_balance_after_the_first(tmp_path: Path) -> None:
    node = by_volume(tmp_path, 200)
    node.core.keys[KEY].plan.stock[0].available = 500
    node.core.fault("/share/get", "reset_before", skip=1)
    outcome = node.ensure(110)
    assert (outcome.error, len(outcome.allocated), node.core.paid) == (None, 110, 110)


def test_more_leases_than_a_balance_has_are_refused_before_any_is_paid_for(tmp_path: Path) -> None:
    node = by_volume(tmp_path, 2)
    with pytest.raises(QgError, match="only 2 more can be leased within the plan's volume"):
        node.ensure(3)
    assert node.core.paid == 0

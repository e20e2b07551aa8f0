# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defects of money that were found once, each in the world in which it shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behavior import worlds
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from behavior.promises import judge
from behavior.worlds import World
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, PATHS, Answer, Call

Make = Callable[..., Node]
GET = PATHS[CLASSIC].get


#: Seeds of walks in which a defect once showed.
WALKS = (47299, 1463, 5940, 795, 2185, 891, 55, 118, 3190, 738, 317, 78, 5804015)


@pytest.mark.parametrize("seed", WALKS)
def test_a_walk_that_has_shown_a_defect(seed: int, folder: Path) -> None:
    walk = judge(seed, folder)
    assert walk.history


def run_often(node: Node, runs: int, **options: Any) -> None:
    """Lease as a timer does: two minutes later, only the list counts."""
    node.is_alone = False
    for _run in range(runs):
        node.run(ALLOCATE, **options)
        node.vendor.advance(120)


def test_another_replacement_after_one_that_the_list_does_not_show(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    node.run(REPLACE, count=2)
    assert len(node.vendor.leases) == 3


def test_lists_that_lack_more_than_a_replacement_removes(new_node: Make) -> None:
    """Two in a row lack the lease that stays, beside the one that QG.net has replaced."""
    node = new_node(lifetime=600)
    node.ok(ALLOCATE, count=1)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(120)
    lists: list[Call] = []

    def show_the_last_task(call: Call) -> Answer:
        if not node.vendor.calls("/replace") or len(lists) == 2:
            return call.carry_out()
        lists.append(call)
        return call.carry_out(**worlds.task_filter(CLASSIC, node.vendor.leases[-1].task_id))

    node.vendor.around(PATHS[CLASSIC].query, show_the_last_task)
    node.is_alone = False

    node.run(REPLACE, count=1, ignore_quota=True)

    assert len(lists) == 2
    assert node.vendor.paid == 3
    assert len(node.vendor.leases) == 2


def test_one_list_that_lacks_a_part_without_a_quota(new_node: Make) -> None:
    node = new_node("overseas", lifetime=600)
    node.ok(ALLOCATE, count=1)
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    first_task = worlds.task_filter("overseas", node.vendor.leases[0].task_id)
    node.vendor.once(PATHS["overseas"].query, lambda call: call.carry_out(**first_task))
    node.is_alone = False
    node.run(ALLOCATE, count=3)
    assert node.vendor.paid == 3


def test_an_area_that_is_not_honored_and_deadlines_that_differ(folder: Path) -> None:
    node = World(
        "exclusive", {"channels": 9}, ("areas are ignored", "ends differ by a second")
    ).node(folder)
    run_often(node, 3, count=2, areas=["440100"], on_uncertain="ignore")
    assert node.vendor.paid == 2


def test_addresses_that_no_program_can_use(folder: Path) -> None:
    node = World("overseas", {"lifetime": 600}, ("servers are unusable",)).node(folder)
    run_often(node, 2, count=2)
    assert node.vendor.paid == 2


def test_a_replacement_after_all_was_released(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    chosen = sorted(node.vendor.ips)[:2]
    node.vendor.kill("/release", carried_out=False)
    assert node.attempt(REPLACE, ips=chosen) is None
    paid = node.vendor.paid
    node.is_alone = False
    node.ok(RELEASE, all=True)
    node.run(REPLACE, ips=chosen)
    assert node.vendor.paid == paid


def test_a_response_that_repeats_a_name(folder: Path) -> None:
    node = World("overseas", {"lifetime": 600}, ("names are repeated",)).node(folder)
    run_often(node, 3, count=2)
    assert node.vendor.paid == 2


def test_exact_with_leases_that_share_an_exit(folder: Path) -> None:
    node = World(irregularities=("exits share addresses",)).node(folder)
    node.is_alone = False
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(120)
    result = node.run(ALLOCATE, count=1, exact=True)
    # Both are of one task, so nothing names the one alone.
    assert result["failed"] is True
    assert len(node.vendor.leases) == 2


def test_a_replacement_of_leases_that_share_an_address_that_is_reused(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    first, second, _third = node.vendor.leases
    second.ip = first.ip

    def reuse(lease: Any) -> None:
        lease.ip = first.ip

    worlds.when_opened(node.vendor, reuse)
    node.is_alone = False
    node.run(REPLACE, ips=[first.ip])
    assert len(node.vendor.leases) == 3


def test_another_buyer_whose_leases_the_list_does_not_show_yet(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=10)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(660)
    node.vendor.configure(options={"list_lag": 70})
    node.vendor.hold(2)
    node.is_alone = False
    node.run(ALLOCATE, count=2)
    assert node.vendor.paid == 4


def test_nearly_the_whole_lifetime_as_what_must_remain(new_node: Make) -> None:
    node = new_node("share", channels=9, lifetime=1)
    for _run in range(3):
        node.run(ALLOCATE, count=1, min_remaining="59s")
        node.vendor.advance(5)
    assert node.vendor.paid <= 1


def test_a_lifetime_by_a_clock_that_is_ahead(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=30)
    node.is_dated = False
    node.machine.set_wall(3 * 3600)
    node.is_alone = False
    node.run(ALLOCATE, count=1)
    result = node.run(ALLOCATE, count=2, min_remaining=5)
    assert "-" not in str(result.get("msg", ""))


def test_what_is_said_of_a_lost_call_that_has_paid(node: Node) -> None:
    node.vendor.configure(options={"list_lag": 400})

    def lose(call: Call) -> Answer:
        call.carry_out()
        return 502, None

    node.vendor.once(GET, lose)
    result = node.failed(ALLOCATE, count=2)
    assert node.vendor.paid == 2
    assert phrases.NOTHING_WAS_PAID_FOR not in result["msg"]


def test_exact_releases_what_the_list_shows_later(node: Node) -> None:
    node.vendor.configure(options={"list_lag": 2})
    assert node.vendor.leases == []
    node.vendor.hold(4)
    node.is_alone = False
    result = node.run(ALLOCATE, count=2, exact=True)
    assert len(node.vendor.leases) == 2
    assert result["changed"] is True


def test_a_replacement_of_nothing_while_a_swap_is_open(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    paid = node.vendor.paid
    result = node.failed(REPLACE, ips=["203.0.113.200"])
    assert result["changed"] is (node.vendor.paid > paid)


def test_leases_of_an_unknown_lifetime_that_end_too_soon(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=2)
    node.run(ALLOCATE, count=3, min_remaining=5)
    assert node.vendor.paid <= 1


def test_more_leases_while_a_swap_is_open(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    result = node.run(ALLOCATE, count=4)
    assert result.get("failed") or len(node.vendor.leases) >= 4

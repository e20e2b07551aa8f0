# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defects of money that are known and not mended yet, each in the world in which it shows.

They are expected to fail, so that whoever mends one has to take its mark away: that of its test, and its row of
:data:`WALKS`. What worlds or walks draw decides what a seed does; if that is changed, ``nox -s walks`` finds new seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behavior import promises, worlds
from behavior.promises import Broken, Promise, judge
from behavior.worlds import World
from support import phrases
from support.node import Node
from support.paid_calls import ALLOCATE, RELEASE, REPLACE
from support.vendor import CLASSIC, PATHS, Answer, Call

Make = Callable[..., Node]
GET = PATHS[CLASSIC].get


#: By defect: the seed of a walk that shows it, and the promise that breaks.
WALKS: dict[str, tuple[int, Promise]] = {
    "A1": (47299, promises.replaces_what_was_chosen),
    "A2": (1463, promises.pays_for_what_is_missing),
    "A3": (5940, promises.pays_for_what_is_missing),
    "A4": (795, promises.pays_for_what_is_missing),
    "A5": (2185, promises.replaces_what_was_chosen),
    "A6": (891, promises.pays_for_what_is_missing),
    "A8": (55, promises.keeps_what_must_stay),
    "A9": (118, promises.keeps_what_must_stay),
    "A10": (3190, promises.pays_for_what_is_missing),
    "A11": (738, promises.writes_no_nonsense),
    "A12": (317, promises.pays_for_what_lasts),
    "A13": (78, promises.claims_what_the_books_show),
}


@pytest.mark.xfail(strict=True, raises=Broken, reason="the walk of a known defect")
@pytest.mark.parametrize("number", WALKS)
def test_a_walk_that_shows_it(number: str, folder: Path) -> None:
    seed, promise = WALKS[number]
    try:
        judge(seed, folder)
    except Broken as broken:
        if broken.promise != promise.__name__:
            # Not the defect that was recorded: this is no expected failure.
            pytest.fail(str(broken))
        raise


def run_often(node: Node, runs: int, **options: Any) -> None:
    """Lease as a timer does: two minutes later, only the list counts."""
    node.is_alone = False
    for _run in range(runs):
        node.run(ALLOCATE, **options)
        node.vendor.advance(120)


def defect(number: str, what: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=f"{number}: {what}")


@defect("A1", "a different replacement counts its target while an earlier swap is open")
def test_another_replacement_after_one_that_the_list_does_not_show(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    node.run(REPLACE, count=2)
    assert len(node.vendor.leases) == 3


@defect("A2", "one list that lacks a part buys it again where no quota contradicts it")
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


@defect("A3", "a deadline that is a second later in the list makes another lease of it")
def test_an_area_that_is_not_honored_and_deadlines_that_differ(folder: Path) -> None:
    node = World("exclusive", {"channels": 9}, ("areas are ignored", "ends differ by a second")).node(folder)
    run_often(node, 3, count=2, areas=["440100"], on_uncertain="ignore")
    assert node.vendor.paid == 2


@defect("A4", "a lease whose address no program can use does not count")
def test_addresses_that_no_program_can_use(folder: Path) -> None:
    node = World("overseas", {"lifetime": 600}, ("servers are unusable",)).node(folder)
    run_often(node, 2, count=2)
    assert node.vendor.paid == 2


@defect("A5", "an interrupted replacement is continued after all was released")
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


@defect("A6", "leases of one name in a response are taken for one lease")
def test_a_response_that_repeats_a_name(folder: Path) -> None:
    node = World("overseas", {"lifetime": 600}, ("names are repeated",)).node(folder)
    run_often(node, 3, count=2)
    assert node.vendor.paid == 2


@defect("A8", "a release by address takes along a lease that must stay")
def test_exact_with_leases_that_share_an_exit(folder: Path) -> None:
    node = World(irregularities=("exits share addresses",)).node(folder)
    node.is_alone = False
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(120)
    node.run(ALLOCATE, count=1, exact=True)
    assert len(node.vendor.leases) == 1


@defect("A9", "a replacement by address takes along its own purchase")
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


@defect("A10", "another buyer and a list that lags are taken for a plan by volume")
def test_another_buyer_whose_leases_the_list_does_not_show_yet(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=10)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(660)
    node.vendor.configure(options={"list_lag": 70})
    node.vendor.hold(2)
    node.is_alone = False
    node.run(ALLOCATE, count=2)
    assert node.vendor.paid == 4


@defect("A12", "a lifetime that leaves a second is accepted, so that nearly each run buys")
def test_nearly_the_whole_lifetime_as_what_must_remain(new_node: Make) -> None:
    node = new_node("share", channels=9, lifetime=1)
    for _run in range(3):
        node.run(ALLOCATE, count=1, min_remaining="59s")
        node.vendor.advance(5)
    assert node.vendor.paid <= 1


@defect("A11", "the remembered lifetime is negative where responses have no date and the clock is ahead")
def test_a_lifetime_by_a_clock_that_is_ahead(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=30)
    node.is_dated = False
    node.machine.set_wall(3 * 3600)
    node.is_alone = False
    node.run(ALLOCATE, count=1)
    result = node.run(ALLOCATE, count=2, min_remaining=5)
    assert "-" not in str(result.get("msg", ""))


@defect("A13", "it says that nothing was paid for, although a lost call has paid")
def test_what_is_said_of_a_lost_call_that_has_paid(node: Node) -> None:
    node.vendor.configure(options={"list_lag": 400})

    def lose(call: Call) -> Answer:
        call.carry_out()
        return 502, None

    node.vendor.once(GET, lose)
    result = node.failed(ALLOCATE, count=2)
    assert node.vendor.paid == 2
    assert phrases.NOTHING_WAS_PAID_FOR not in result["msg"]


@defect("not numbered", "what was released is not reported if only the second reading of the list showed it")
def test_exact_releases_what_the_list_shows_later(node: Node) -> None:
    node.vendor.configure(options={"list_lag": 2})
    assert node.vendor.leases == []
    node.vendor.hold(4)
    node.is_alone = False
    result = node.run(ALLOCATE, count=2, exact=True)
    assert len(node.vendor.leases) == 2
    assert result["changed"] is True


@defect("not numbered", "a replacement of what is not held pays while a swap is open, and does not say so")
def test_a_replacement_of_nothing_while_a_swap_is_open(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    paid = node.vendor.paid
    result = node.failed(REPLACE, ips=["203.0.113.200"])
    assert result["changed"] is (node.vendor.paid > paid)


@defect("not numbered", "all leases of an unknown lifetime are bought before one shows that they end too soon")
def test_leases_of_an_unknown_lifetime_that_end_too_soon(new_node: Make) -> None:
    node = new_node(channels=9, lifetime=2)
    node.run(ALLOCATE, count=3, min_remaining=5)
    assert node.vendor.paid <= 1


@defect("not numbered", "a lease that a swap has released counts as held, together with its successor")
def test_more_leases_while_a_swap_is_open(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    node.vendor.configure(options={"list_lag": 2})
    node.failed(REPLACE, count=1, max_wait=1)
    node.is_alone = False
    result = node.run(ALLOCATE, count=4)
    assert result.get("failed") or len(node.vendor.leases) >= 4

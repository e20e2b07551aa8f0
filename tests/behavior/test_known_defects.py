# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Defects of money that are known and not mended yet, each in the world in which it shows.

They are expected to fail, so that whoever mends one has to take its mark away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import worlds
from support.node import Node
from support.paid_calls import ALLOCATE, RELEASE, REPLACE
from support.vendor import CLASSIC, PATHS, Answer, Call

Make = Callable[..., Node]
GET = PATHS[CLASSIC].get


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
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    worlds.list_lacks_a_part(node.vendor, "overseas", kept=1)
    node.is_alone = False
    node.run(ALLOCATE, count=3)
    assert node.vendor.paid == 3


@defect("A3", "a deadline that is a second later in the list makes another lease of it")
def test_an_area_that_is_not_honored_and_deadlines_that_differ(new_node: Make) -> None:
    node = new_node("exclusive", channels=9)
    worlds.areas_are_ignored(node.vendor, "exclusive", "area")
    worlds.ends_differ(node.vendor, "exclusive", 1)
    run_often(node, 3, count=2, areas=["440100"], on_uncertain="ignore")
    assert node.vendor.paid == 2


@defect("A4", "a lease whose address no program can use does not count")
def test_addresses_that_no_program_can_use(new_node: Make) -> None:
    node = new_node("overseas", lifetime=600)
    worlds.addresses_are_unusable(node.vendor, "overseas", "server")
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
def test_a_response_that_repeats_a_name(new_node: Make) -> None:
    node = new_node("overseas", lifetime=600)

    def repeat(body: Any) -> Any:
        first = next(worlds.rows(body), None)
        for row in worlds.rows(body):
            row.update(first or {})
        return body

    for path in (PATHS["overseas"].get, PATHS["overseas"].query):
        node.vendor.alter(path, repeat)
    run_often(node, 3, count=2)
    assert node.vendor.paid == 2


@defect("A8", "a release by address takes along a lease that must stay")
def test_exact_with_leases_that_share_an_exit(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(120)
    worlds.exits_are_shared(node.vendor, "203.0.113.9")
    node.is_alone = False
    node.run(ALLOCATE, count=1, exact=True)
    assert len(node.vendor.leases) == 1


@defect("A9", "a replacement by address takes along its own purchase")
def test_a_replacement_of_leases_that_share_an_address_that_is_reused(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    first, second, _third = node.vendor.leases
    second.ip = first.ip
    worlds.address_is_reused(node.vendor, first.ip)
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
    assert "Nothing was paid for" not in result["msg"]

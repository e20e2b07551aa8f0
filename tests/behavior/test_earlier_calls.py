# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run left behind that was killed, or had no time to wait: a later run adopts it, waits for
it or continues.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from behavior.outcomes import FAULTS
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from support.node import STORE, Node
from support.phrases import (
    DELETE_THE_FACT,
    EARLIER_PURCHASE,
    IS_UNKNOWN,
    NOT_KNOWN,
    ONE_WAS_BOUGHT,
    ROW_OF_FACTS,
    SENT_AGO,
    STORE_IS_FULL,
)
from support.vendor import Answer, Call, ips

GET = "/allocate"
GIVE_BACK = "/release"
QUANZHOU = "350500"
GUANGZHOU = "440100"


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    return new_node(channels=9)


def kill(node: Node, call: str, module: str, *, carried_out: bool = False, **options: Any) -> None:
    """Kill a run at its call, before or after the vendor carries it out."""
    node.vendor.kill(call, carried_out=carried_out)
    assert node.attempt(module, **options) is None


@pytest.mark.parametrize("step", [0, -86400, 86400])
@pytest.mark.parametrize(("timeout", "bound"), [(10, 90), (120, 180)])
def test_a_call_that_was_never_carried_out_is_repeated_in_time(
    node: Node, timeout: int, bound: int, step: float
) -> None:
    """When it can no longer be in flight, whatever the wall clock says."""
    began = node.vendor.clock.now()
    options: dict[str, Any] = {"count": 3, "timeout": timeout}
    kill(node, GET, ALLOCATE, **options)
    node.machine.set_wall(step)
    assert node.ok(ALLOCATE, check=True, **options)["missing"] == 3
    assert node.vendor.clock.now() == began, "check mode does not wait"
    assert len(node.ok(ALLOCATE, **options)["allocated"]) == node.vendor.paid == 3
    assert node.vendor.clock.now() - began == bound
    began = node.vendor.clock.now()
    node.ok(ALLOCATE, count=4)
    assert node.vendor.clock.now() == began, "it is resolved then"


def test_a_call_that_was_sent_long_after_its_record_is_waited_for(
    new_node: Callable[..., Node],
) -> None:
    """The machine was suspended in between. The product has no quota that shows the leases."""
    node = new_node("overseas")
    node.vendor.configure(options={"list_lag": 50})

    def send_late(call: Call) -> Answer:
        node.vendor.advance(7200)
        node.vendor.kill("/overseas/query", carried_out=False)
        return call.carry_out()

    node.vendor.once("/overseas/get", send_late)
    assert node.attempt(ALLOCATE, count=2) is None
    node.is_alone = False
    assert len(node.ok(ALLOCATE, count=2)["leases"]) == node.vendor.paid == 2


def test_a_call_whose_effect_is_open_is_named_with_its_age(node: Node) -> None:
    kill(node, GET, ALLOCATE, count=3)
    node.vendor.advance(20)
    result = node.failed(ALLOCATE, count=3, max_wait=7)
    assert SENT_AGO.format(27) in result["msg"]
    assert node.vendor.paid == 0


def test_leases_of_a_killed_run_are_adopted_with_their_terms(node: Node) -> None:
    options = {"count": 2, "areas": [QUANZHOU]}
    kill(node, GET, ALLOCATE, carried_out=True, **options)
    node.vendor.forget()
    began = node.vendor.clock.now()
    assert len(node.ok(ALLOCATE, **options)["leases"]) == node.vendor.paid == 2
    assert node.sent("/resources") == []
    assert node.vendor.clock.now() == began


@pytest.mark.parametrize(("stock", "missing"), [(True, 0), (False, 3)])
def test_late_leases_of_another_area_do_not_count(node: Node, stock: bool, missing: int) -> None:
    node.vendor.late = (GET, 30)
    node.failed(ALLOCATE, count=2, areas=[QUANZHOU], keep_alive=5, max_wait=5)
    if not stock:
        node.vendor.fault(GET, "code", code=-103, times=-1, skip=1)
    result = node.run(ALLOCATE, count=3, areas=[GUANGZHOU], keep_alive=60, min_remaining=30)
    assert result["missing"] == missing
    assert len(result["leases"]) == 3 - missing
    for lease in result["leases"]:
        assert lease["region"].startswith("广东省广州市")
    assert len(node.vendor.leases) == 5 - missing


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("call", [GIVE_BACK, GET])
def test_a_replacement_of_named_leases_is_continued(
    node: Node, call: str, carried_out: bool
) -> None:
    node.ok(ALLOCATE, count=3)
    old = node.vendor.ips
    options: dict[str, Any] = {"ips": sorted(old)}
    kill(node, call, REPLACE, carried_out=carried_out, **options)
    if call == GET and not carried_out:
        # The run that continues it is interrupted as well: both have left a record of what has no
        # successor yet.
        kill(node, GIVE_BACK, REPLACE, carried_out=True, **options)
    assert node.ok(REPLACE, **options)["missing"] == 0
    assert len(node.vendor.leases) == 3
    assert node.vendor.paid == 6
    assert not old & node.vendor.ips
    node.vendor.forget()
    node.run(REPLACE, **options)
    assert node.vendor.calls(GIVE_BACK, GET) == [], "it is over"


def test_a_damaged_record_of_an_interrupted_replacement_is_named_before_anything_is_paid(
    node: Node,
) -> None:
    node.ok(ALLOCATE, count=3)
    options: dict[str, Any] = {"ips": sorted(node.vendor.ips)}
    kill(node, GET, REPLACE, **options)
    with sqlite3.connect(node.store / "state.sqlite3") as database:
        database.execute("UPDATE facts SET value = '{' WHERE name = 'replacement'")

    message = node.failed(REPLACE, **options)["msg"]

    assert ROW_OF_FACTS.format("replacement") in message
    assert DELETE_THE_FACT.format("replacement") in message
    assert node.vendor.paid == 3


@pytest.mark.parametrize("by_name", [True, False])
def test_a_replacement_that_was_refused_is_begun_anew(node: Node, by_name: bool) -> None:
    """What was leased meanwhile is no successor of its old leases."""
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(120)
    call = GIVE_BACK if by_name else "/replace"
    options: dict[str, Any] = {"ips": sorted(node.vendor.ips)[:1]} if by_name else {"count": 1}
    node.vendor.fault(call, "code", code=-103)
    node.failed(REPLACE, **options)
    node.ok(ALLOCATE, count=4)

    result = node.ok(REPLACE, **options)

    assert len(result["allocated"]) == 1
    assert len(node.vendor.leases) == 4
    assert node.vendor.paid == 5


@pytest.mark.parametrize(("ahead", "after", "held"), [(400, 0, 3), (0, 0, 3), (0, 400, 0)])
def test_no_successor_of_a_lease_that_has_ended_since(
    node: Node, ahead: float, after: float, held: int
) -> None:
    node.is_dated = False
    node.machine.wall_error = ahead
    node.ok(ALLOCATE, count=3, keep_alive=5)
    options: dict[str, Any] = {"ips": sorted(node.vendor.ips), "keep_alive": 5}
    kill(node, GET, REPLACE, **options)
    node.vendor.advance(after)
    node.run(REPLACE, **options)
    assert len(node.vendor.leases) == held


def test_another_replacement_continues_none(node: Node) -> None:
    """Neither with other leases nor with other properties of the new ones is it the same task."""
    node.ok(ALLOCATE, count=3)
    first, second, _third = sorted(node.vendor.ips)
    kill(node, GET, REPLACE, ips=[first])
    node.run(REPLACE, ips=[first], isp="mobile")
    assert node.vendor.paid == 3
    assert len(node.ok(REPLACE, ips=[second])["allocated"]) == 1
    assert len(node.vendor.leases) == 2
    assert node.vendor.paid == 4


@pytest.mark.slow
@pytest.mark.parametrize("deadline", ["release", "expiry"])
def test_a_replacement_of_a_static_address_is_continued_from_any_step(
    new_node: Callable[..., Node], deadline: str
) -> None:
    """Its deadline may be the time from which it can be released, and has passed then."""
    for steps in range(2, 48):
        node = new_node("longterm", static=True)
        node.vendor.configure(options={"static_deadline": deadline})
        node.begin_store(node.store.with_name(str(steps)))
        node.ok(ALLOCATE, count=2)
        node.vendor.advance(90000)
        ip = node.vendor.leases[0].ip
        node.at_step(steps, node.die)
        node.attempt(REPLACE, ips=[ip])
        node.event = None
        node.is_alone = False
        node.run(REPLACE, ips=[ip])
        assert len(node.vendor.leases) == 2, steps
        assert node.vendor.paid == 3, steps
        assert ip not in node.vendor.ips


def test_what_an_earlier_run_has_bought_without_learning_it_is_named(node: Node) -> None:
    FAULTS["lost and list 50 s late"].happens_to(node, GET)
    node.failed(ALLOCATE, count=2, max_wait=0)
    result = node.ok(ALLOCATE, count=2)
    (warning,) = result["warnings"]
    assert warning.startswith(EARLIER_PURCHASE)
    for lease in result["leases"]:
        assert lease["ip"] in warning


# A store that fails


@pytest.mark.parametrize(
    ("module", "options"), [(ALLOCATE, {"count": 2}), (RELEASE, {"all": True})]
)
def test_what_was_done_is_returned_whichever_write_to_the_store_fails(
    new_node: Callable[..., Node], module: str, options: dict[str, Any]
) -> None:
    is_beyond_the_last = False
    writes = 0
    while not is_beyond_the_last:
        writes += 1
        assert writes < 60, "the run does not end"
        node = new_node(channels=9)
        node.begin_store(node.store.with_name(str(writes)))
        if module == RELEASE:
            node.vendor.hold(2)
        node.at_step(writes, node.fill_disk, (STORE,))
        # Node.run compares what the result claims with the books.
        result = node.run(module, **options)
        is_beyond_the_last = node.event is not None
        assert not result.get("failed") or STORE_IS_FULL in result["msg"]


@pytest.mark.parametrize(("module", "call", "held"), [(ALLOCATE, GET, 0), (REPLACE, "/replace", 2)])
def test_a_lost_purchase_is_named_if_the_store_fails_too(
    node: Node, module: str, call: str, held: int
) -> None:
    if held:
        node.vendor.hold(held)
    node.vendor.once(call, lose)
    node.vendor.after(call, node.fill_disk)
    result = node.failed(module, count=2)
    for part in (call, IS_UNKNOWN, STORE_IS_FULL):
        assert part in result["msg"]


def lose(call: Call, **changed: str) -> Answer:
    """Carry a call out, and lose its response."""
    call.carry_out(**changed)
    return 502, None


def test_the_part_of_a_purchase_that_the_list_shows_is_named_before_the_rest_is_known(
    node: Node,
) -> None:
    node.vendor.once(GET, lambda call: lose(call, Num="1"))

    result = node.failed(ALLOCATE, count=2, max_wait=0)

    assert IS_UNKNOWN in result["msg"]
    assert ips(result["allocated"]) == node.vendor.ips
    assert node.vendor.paid == 1


def test_a_lost_purchase_is_known_when_the_list_has_shown_it(node: Node) -> None:
    """One is bought first, since nothing says how long it lasts; then the store fails."""

    def lose_one(call: Call) -> Answer:
        node.vendor.after("/info/quota", node.fill_disk)
        return lose(call)

    node.vendor.once(GET, lose_one)
    result = node.failed(ALLOCATE, count=2, min_remaining=1)

    assert STORE_IS_FULL in result["msg"]
    assert ONE_WAS_BOUGHT in result["msg"]
    assert NOT_KNOWN not in result["msg"]
    assert node.vendor.paid == 1

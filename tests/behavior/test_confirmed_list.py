# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list of leases that a quota contradicts is no reason to pay, and what a response omits is not
bought again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from behavior.outcomes import FAULTS
from behavior.paid_calls import ALLOCATE, RELEASE
from behavior.worlds import old_lists_show_what_has_ended
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, PATHS, Answer, Call

LIST = "/query"
GET = "/allocate"
EMPTY: dict[str, Any] = {"Code": 0, "TaskList": [], "TaskNum": 0, "TotalNum": 0}
#: Lists as if nothing was held, or without a number of leases.
FORMS: dict[str, dict[str, Any]] = {
    "silent": {"Code": 0},
    "empty": EMPTY,
    "null": {"Code": 0, "TaskList": None, "TotalNum": 0},
    "contradictory": {"Code": 0, "Num": 2, "Data": None},
    "broken": {"Code": 0, "TaskList": [{}]},
}
Make = Callable[..., Node]


def wrong(node: Node, body: dict[str, Any], times: int = -1) -> None:
    node.vendor.fault(LIST, "replace", body=body, times=times)


@pytest.mark.parametrize("undetermined", ["fail", "match"])
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("form", ["silent", "empty", "null"])
def test_an_empty_list_that_the_quota_contradicts_is_waited_for(
    node: Node, form: str, times: int, undetermined: str
) -> None:
    node.ok(ALLOCATE, count=2)
    wrong(node, FORMS[form], times)
    result = node.other().ok(ALLOCATE, count=2, on_uncertain=undetermined)
    assert result["changed"] is False
    assert len(result["leases"]) == 2
    assert node.vendor.paid == 2


def test_a_list_that_lacks_some_leases_is_waited_for(node: Node) -> None:
    node.ok(ALLOCATE, count=3)
    full = node.vendor.call(LIST, Detail=1)
    task = full["TaskList"][0]
    part = {"TaskList": [{**task, "Num": 1, "Data": task["Data"][:1]}], "TaskNum": 1, "TotalNum": 1}
    wrong(node, {**full, **part}, times=3)
    assert len(node.other().ok(ALLOCATE, count=3)["leases"]) == node.vendor.paid == 3


@pytest.mark.parametrize("form", ["silent", "empty", "null"])
def test_a_list_that_stays_empty_is_no_reason_to_pay(node: Node, form: str) -> None:
    node.ok(ALLOCATE, count=2)
    wrong(node, FORMS[form])
    began = node.vendor.clock.now()
    result = node.other().failed(ALLOCATE, count=2)
    assert phrases.IS_UNKNOWN in result["msg"]
    assert "ignore_quota=true" in result["msg"]
    assert phrases.NOTHING_WAS_PAID_FOR in result["msg"]
    assert 60 <= node.vendor.clock.now() - began < 65
    assert phrases.IS_UNKNOWN in node.other().failed(ALLOCATE, count=2, max_wait=7)["msg"]
    assert len(node.sent(GET)) == 1
    assert node.vendor.paid == 2


def test_a_count_above_the_channels_is_refused_with_the_one_that_can_be_had(node: Node) -> None:
    node.ok(ALLOCATE, count=2)

    message = node.failed(ALLOCATE, count=9)["msg"]

    assert "count=9" in message
    assert "Set count=5, release" in message
    assert node.ok(ALLOCATE, count=5)["count"] == node.vendor.paid == 5


def test_too_few_channels_are_reported_rather_than_a_difference(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    wrong(node, EMPTY)

    result = node.other().failed(ALLOCATE, count=4)

    assert result["missing"] == 4
    assert result["quota"]["available"] == 3
    assert phrases.IS_UNKNOWN not in result["msg"]
    assert node.vendor.paid == 2


@pytest.mark.parametrize("form", ["contradictory", "broken"])
def test_a_list_that_contradicts_itself_cannot_be_read(node: Node, form: str) -> None:
    node.ok(ALLOCATE, count=2)
    wrong(node, FORMS[form])
    node.other().failed(ALLOCATE, count=2)
    assert node.vendor.paid == 2


def test_check_mode_reads_an_empty_list_once_more(node: Node) -> None:
    node.ok(ALLOCATE, count=2)
    wrong(node, EMPTY, times=1)
    began = node.vendor.clock.now()
    assert node.other().ok(ALLOCATE, count=3, check=True)["missing"] == 1
    assert node.vendor.clock.now() == began


def test_a_user_can_say_that_the_quota_counts_something_else(node: Node) -> None:
    node.vendor.configure(plan={"channels": 6}, used=2)
    began = node.vendor.clock.now()
    node.failed(ALLOCATE, count=2, on_uncertain="ignore", max_wait=0)
    assert len(node.ok(ALLOCATE, count=2, ignore_quota=True)["allocated"]) == 2
    assert node.vendor.clock.now() == began


@pytest.mark.parametrize("lag", [8, 30])
@pytest.mark.parametrize("fault", ["reset_after", "garbage"])
def test_what_a_user_ignores_does_not_decide_about_open_calls(
    new_node: Make, fault: str, lag: int
) -> None:
    node = new_node(channels=9)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(700)
    wrong(node, EMPTY, times=1)
    node.vendor.fault(GET, fault)
    node.vendor.configure(options={"list_lag": lag})
    assert len(node.ok(ALLOCATE, count=3, ignore_quota=True)["leases"]) == node.vendor.paid == 3


def test_a_classic_plan_by_volume_needs_to_be_named(node: Node) -> None:
    """Its quota counts what was ever leased, which nothing tells from channels that are in use."""
    node.vendor.configure(plan={"billing": "volume", "balance": 20})
    node.ok(ALLOCATE, count=2, keep_alive=5)
    node.vendor.advance(600)
    refused = node.failed(ALLOCATE, count=2, keep_alive=5)
    assert "ignore_quota=true" in refused["msg"]
    assert node.vendor.paid == 2
    for run in range(2, 5):
        began = node.vendor.clock.now()
        result = node.ok(ALLOCATE, count=2, keep_alive=5, ignore_quota=True)
        assert len(result["leases"]) == 2
        assert node.vendor.paid == 2 * run
        assert node.vendor.clock.now() == began
        node.vendor.advance(600)


def test_a_plan_of_channels_is_not_taken_for_one_by_volume(node: Node) -> None:
    """Leases of another client, which the list hides for good, have taken the channels of those
    that have ended.
    """
    node.vendor.configure(plan={"channels": 9})
    node.ok(ALLOCATE, count=2, keep_alive=5)
    node.other().ok(ALLOCATE, count=4, keep_alive=600)
    node.ok(ALLOCATE, count=5, keep_alive=600)
    node.vendor.advance(600)
    node.other().ok(ALLOCATE, count=5)
    wrong(node, EMPTY)
    node.failed(ALLOCATE, count=2)
    assert node.vendor.paid == 7


def test_the_balance_of_a_product_host_contradicts_no_list(new_node: Make) -> None:
    node = new_node("share", billing="volume", balance=9, lifetime=10)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(601)
    node.ok(ALLOCATE, count=2)
    assert node.vendor.paid == 4


def test_what_another_client_releases_or_gets_is_waited_for(new_node: Make) -> None:
    node = new_node(channels=6, free_delay=20)
    node.ok(ALLOCATE, count=2)
    node.ok(RELEASE, all=True)
    assert len(node.other().ok(ALLOCATE, count=2)["leases"]) == 2
    node.vendor.configure(options={"list_lag": 20})
    assert node.vendor.paid == 4
    node.ok(ALLOCATE, count=3)
    other = node.other().ok(ALLOCATE, count=4)
    assert len(other["leases"]) == 4
    assert len(other["allocated"]) == 1
    assert node.vendor.paid == 6


BROKEN: list[Any] = [
    [{}],
    [{"task_id": "T"}],
    {"ips": None},
    {"task_id": "T", "num": 2},
    {"tasks": None},
    {"tasks": [{}]},
    {"tasks": {"T": None}},
    [{"proxy_ip": "192.0.2.30"}, None],
]
NOTHING: list[Any] = [[], None, {}, {"ips": []}, {"tasks": []}, {"num": 0}]


@pytest.mark.parametrize("data", [*BROKEN, *NOTHING], ids=str)
@pytest.mark.parametrize("product", ["share", "longterm", "exclusive"])
def test_no_list_of_a_product_host_that_its_channels_contradict_is_a_reason_to_pay(
    new_node: Make, product: str, data: Any
) -> None:
    node = new_node(product, channels=6, lifetime=600)
    node.ok(ALLOCATE, count=2)
    node.vendor.fault(
        PATHS[product].query, "replace", body={"code": "SUCCESS", "data": data}, times=-1
    )
    node.other().failed(ALLOCATE, count=2)
    assert node.vendor.paid == 2


def test_no_single_list_ends_a_purchase_whose_run_was_killed(new_node: Make) -> None:
    """Its time is over, and the first list omits what it has bought.

    There is no quota that tells.
    """
    node = new_node("overseas", lifetime=600)
    node.vendor.kill("/overseas/get", carried_out=True)
    assert node.attempt(ALLOCATE, count=2) is None
    node.vendor.advance(200)
    node.vendor.fault("/overseas/query", "replace", body={"code": "SUCCESS", "data": []})
    assert len(node.ok(ALLOCATE, count=2)["leases"]) == node.vendor.paid == 2


# What a response omits


@pytest.mark.parametrize("quota", [True, False])
@pytest.mark.parametrize(
    ("shown", "number", "lag"), [(1, True, 0), (2, True, 0), (1, False, 30), (1, True, 50)]
)
def test_leases_that_a_response_omits_are_read_from_the_list(
    node: Node, shown: int, number: bool, lag: int, quota: bool
) -> None:
    node.vendor.configure(options={"list_lag": lag})
    assert node.vendor.paid == 0
    if not quota:
        node.vendor.fault("/info/quota", "code", code=-15, times=-1)

    def terse(body: Any) -> Any:
        short = {"Code": 0, "TaskID": body["TaskID"], "Data": body["Data"][:shown]}
        if number:
            short["Num"] = shown
        return short

    node.vendor.alter(GET, terse)
    node.run(ALLOCATE, count=3, max_wait=300)
    assert len(node.ok(ALLOCATE, count=3)["leases"]) == node.vendor.paid == 3
    assert len(node.sent(GET)) == 1


def test_the_last_look_is_at_the_end_of_max_wait(node: Node) -> None:
    """Looks are five seconds apart, and the list shows the leases after six."""
    replace(FAULTS["reset after"], list_lag=6).happens_to(node, GET)
    began = node.vendor.clock.now()

    result = node.ok(ALLOCATE, count=2, max_wait=7)

    assert len(result["leases"]) == node.vendor.paid == 2
    assert node.vendor.clock.now() == began + 7


@pytest.mark.parametrize("seconds", [60.0, 90.0, 86400.0])
def test_new_leases_that_seem_to_have_ended_are_not_leased_again(
    node: Node, seconds: float
) -> None:
    """The control node's clock is ahead, and no response has a date."""
    node.is_dated = False
    node.machine.wall_error = seconds
    node.vendor.configure(options={"list_lag": 30})
    assert len(node.ok(ALLOCATE, count=2, keep_alive=1)["allocated"]) == 2
    node.vendor.advance(20)
    assert len(node.ok(ALLOCATE, count=2, keep_alive=1)["leases"]) == node.vendor.paid == 2


@pytest.mark.parametrize("is_new", [False, True], ids=["same store", "new store"])
def test_what_an_old_list_shows_after_its_end_is_over(new_node: Make, is_new: bool) -> None:
    node = new_node()
    node.vendor.configure(options={"list_lag": 30})
    old_lists_show_what_has_ended(node.vendor, CLASSIC)
    node.ok(ALLOCATE, count=2, keep_alive=1)
    node.vendor.advance(70)
    later = node.other() if is_new else node
    assert later.ok("qg_proxy_info")["leases"] == []

    result = later.ok(ALLOCATE, count=2, keep_alive=1)

    assert result["leases"] == result["allocated"]
    assert len(result["leases"]) == 2
    assert node.vendor.paid == 4


def test_the_lease_of_another_client_is_not_the_effect_of_a_lost_call(node: Node) -> None:
    node.vendor.configure(options={"list_lag": 8})
    assert node.vendor.call(GET, Num=1)["Code"] == 0
    node.vendor.advance(5)
    node.vendor.fault(GET, "reset_after")
    # Otherwise the run would wait until the list shows it. Then, nothing tells the two apart.
    node.is_alone = False
    node.ok(ALLOCATE, count=3, ignore_quota=True)
    assert node.vendor.paid == 1 + 3


def test_what_an_earlier_call_paid_for_is_not_the_effect_of_a_lost_one(new_node: Make) -> None:
    """The product has no quota that contradicts a list which lacks a lease for a moment."""
    node = new_node("overseas")
    node.ok(ALLOCATE, count=1)
    node.vendor.advance(70)
    node.vendor.fault("/overseas/query", "data_null", times=2)
    node.vendor.fault("/overseas/get", "reset_before")
    result = node.ok(ALLOCATE, count=1)
    assert result["allocated"] == []
    assert len(result["leases"]) == 1
    assert node.vendor.paid == 1


def test_a_lease_that_ends_does_not_hide_a_lost_one_from_the_quota(node: Node) -> None:
    node.ok(ALLOCATE, count=1, keep_alive=1)
    node.vendor.advance(58)
    before = node.vendor.call(LIST, Detail=1)
    until = node.vendor.clock.now() + 20

    def lag(call: Call) -> Answer:
        if node.vendor.clock.now() < until:
            return 200, before
        return call.carry_out()

    node.vendor.around(LIST, lag)
    node.vendor.fault(GET, "reset_after")
    result = node.ok(ALLOCATE, count=1, min_remaining=1, keep_alive=3)
    assert len(result["leases"]) == 1
    assert node.vendor.paid == 1 + 1


@pytest.mark.parametrize("name", ["*", " * ", "all", "192.0.2.1,192.0.2.2", "192.0.2.0/24", ""])
@pytest.mark.parametrize("product", [CLASSIC, "exclusive"])
def test_a_release_names_nothing_but_addresses(new_node: Make, product: str, name: str) -> None:
    """An entry ``*`` in the vendor's list would release every lease."""
    node = new_node(product, channels=9)
    node.ok(ALLOCATE, count=3)
    node.vendor.advance(61)
    quoted = json.dumps(node.vendor.leases[0].ip)
    node.vendor.alter(
        PATHS[product].query,
        lambda body: json.loads(json.dumps(body).replace(quoted, json.dumps(name))),
    )
    node.is_alone = False
    node.run(RELEASE, all=True)
    for sent in node.sent(PATHS[product].release or ""):
        assert "*" not in str(sent)
        assert "/" not in str(sent)
    assert node.vendor.leases


@pytest.mark.parametrize("query", ["documented", "list"])
@pytest.mark.parametrize("product", ["longterm", "exclusive"])
def test_no_paid_lease_is_a_surplus(new_node: Make, product: str, query: str) -> None:
    node = new_node(product, static=True)
    node.vendor.configure(options={"query_shape": query})
    for _run in range(3):
        assert node.ok(ALLOCATE, count=2, exact=True)["released"] == []
        node.vendor.advance(20)
    assert node.vendor.paid == len(node.vendor.leases) == 2


def test_a_lease_that_is_held_after_its_deadline_is_not_replaced_for_min_remaining(
    new_node: Make,
) -> None:
    """The deadline of a static address may be the time from which it can be released: each run
    would pay again.
    """
    node = new_node("longterm", static=True)
    node.vendor.configure(options={"static_deadline": "release"})
    node.ok(ALLOCATE, count=1, min_remaining=60)
    # Before its deadline, and after it.
    for _run in range(2):
        node.vendor.advance(84000)
        assert len(node.ok(ALLOCATE, count=1, min_remaining=60)["leases"]) == 1
    assert node.vendor.paid == 1

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace leases: named ones by release and allocation, or as many as the vendor chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    QgError,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import replace_leases
from support.in_process import KEY, Vendor
from support.lease_runs import (
    EMPTY,
    LAGS,
    LOST,
    WRITING,
    LeaseNode,
    by_ip,
    list_as_of,
    list_late,
    uncertain,
)

#: The second plan has no channel left beside the leases.
PLANS = pytest.mark.parametrize(
    "plan",
    [{"channels": 9}, pytest.param({"channels": 3}, marks=pytest.mark.slow), {"billing": "volume", "balance": 9}],
    ids=["channels", "all channels in use", "volume"],
)


@pytest.mark.parametrize(("kind", "executed"), LOST)
def test_a_lost_replacement_is_adopted_or_repeated(
    core: Vendor, node: LeaseNode, kind: dict[str, Any], executed: bool
) -> None:
    node.ensure(3)
    core.fault("/replace", **kind)
    outcome = node.replace(2)
    assert outcome.error is None
    assert (len(outcome.allocated), len(outcome.released), len(core.leases), core.paid) == (2, 2, 3, 5)
    assert len(core.calls("/replace")) == (1 if executed else 2)


def test_leases_that_a_refused_replacement_lost_are_allocated_again(core: Vendor, node: LeaseNode) -> None:
    core.configure(options={"replace_failure": "drop"}, plan={"free_delay": 20})
    node.ensure(3)
    stock = core.stock
    left = [area.available for area in stock]
    for area in stock:
        area.available = 0
    api = node.client()
    pause = api.caller.budget.sleep

    def restock_and_pause(seconds: float) -> None:
        for area, available in zip(stock, left, strict=True):
            area.available = max(area.available, available)
        pause(seconds)

    api.caller.budget.sleep = restock_and_pause
    outcome = replace_leases(api, None, 2, AllocationParams())
    # The stock of the leases that were dropped serves at once, or the run says what is gone.
    assert len(outcome.released) >= 2
    assert outcome.error is None or outcome.missing == len(outcome.released) - len(outcome.allocated)
    assert len(core.leases) == 3 - outcome.missing


@pytest.mark.parametrize("replace_order", ["oldest", "random"])
def test_a_replacement_of_fewer_pays_for_no_more_than_requested(
    core: Vendor, node: LeaseNode, replace_order: str
) -> None:
    core.configure(options={"replace_order": replace_order, "list_lag": 3})
    for number in range(1, 5):
        node.ensure(number)
    core.fault("/replace", "partial", drop=1)
    outcome = node.replace(3)
    # The vendor released three and leased two. Its choice for the third may be a lease that was just paid for.
    assert (outcome.error, core.paid, len(core.leases)) == (None, 4 + 3, 4)


def test_more_than_are_held_cannot_be_replaced(core: Vendor, node: LeaseNode) -> None:
    node.ensure(1)
    with pytest.raises(QgError, match="count=2 leases cannot be replaced: the key holds 1"):
        node.replace(2)
    assert core.calls("/replace") == []


def test_named_leases_are_replaced_as_far_as_the_release_limit_allows(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"kind": "static_dedicated"})
    node.ensure(4)
    node.wire.advance(2 * 86400)
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert outcome.error is not None
    assert "2 leases are still held" in outcome.error.message
    assert (len(outcome.released), len(outcome.allocated), len(core.leases)) == (2, 2, 4)


def test_named_leases_are_replaced_one_first_then_the_others(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    core.journal.clear()
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert (outcome.error, len(outcome.released), len(outcome.allocated)) == (None, 3, 3)
    assert core.calls(*WRITING) == ["/release", "/allocate"] * 2
    assert [len(call["params"]["IP"].split(",")) for call in core.journal.select("/release")] == [1, 2]


def test_named_leases_that_are_too_young_do_not_keep_the_old_ones(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"kind": "static_dedicated"})
    node.ensure(2)
    node.wire.advance(2 * 86400)
    node.ensure(3)
    # The vendor promises no order.
    core.leases.reverse()
    old = {one.ip for one in core.leases[1:]}
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert "1 lease is still held" in outcome.error.message
    assert {one.ip for one in outcome.released} == old
    assert (len(outcome.allocated), outcome.missing) == (2, 0)


@pytest.mark.parametrize(("left", "swapped"), [(0, 0), (1, 1), (3, 1), (5, 5)])
def test_a_plan_by_volume_limits_a_named_replacement(core: Vendor, node: LeaseNode, left: int, swapped: int) -> None:
    core.configure(plan={"billing": "volume", "balance": 5 + left})
    node.ensure(5)
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert (len(outcome.allocated), len(core.leases)) == (swapped, 5 - outcome.missing)
    # Never more than the one that was tried.
    assert outcome.missing == (1 if left == 0 else 0)
    assert (outcome.error is None) is (left == 5)
    if left in (1, 3):
        assert "the other 4 leases were kept" in outcome.error.message
        assert f"it has {left - 1} left" in outcome.error.message
        assert outcome.error.details["quota"]["available"] == left


@pytest.mark.parametrize("used", [0, 2])
def test_named_leases_whose_channels_come_free_late_are_replaced(core: Vendor, node: LeaseNode, used: int) -> None:
    core.configure(plan={"channels": 6, "free_delay": 6}, used=used)
    node.ensure(4, on_uncertain="ignore")
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert (outcome.error, len(outcome.released), len(outcome.allocated)) == (None, 4, 4)


@pytest.mark.slow
def test_more_than_a_hundred_named_leases_are_replaced_in_calls_of_a_hundred(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 150})
    node.ensure(150, max_wait=600)
    core.journal.clear()
    outcome = node.replace(chosen=by_ip(*core.ips), max_wait=3600)
    assert (outcome.error, outcome.missing) == (None, 0)
    assert len(outcome.released) == len(outcome.allocated) == len(core.leases) == 150
    assert [call["params"]["Num"] for call in core.journal.select("/allocate")] == ["1", "100", "49"]


def test_a_named_replacement_with_a_lost_response_reads_the_quota_too(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 9, "free_delay": 6})
    node.ensure(1)
    list_late(core, 20)
    core.clock.advance(30)
    core.fault("/allocate", "reset_after")
    outcome = node.replace(chosen=by_ip(*core.ips))
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 1, 2)


def replace_all(node: LeaseNode, kind: str = "reset_after") -> Any:
    """Let the vendor replace all leases ten minutes later, by a call that a fault may meet."""
    node.core.clock.advance(600)
    node.core.journal.clear()
    if kind:
        node.core.fault("/replace", kind)
    return node.replace()


def is_replaced_once(core: Vendor, outcome: Any) -> bool:
    """Whether three leases were replaced, and each paid for once."""
    assert (outcome.error, len(outcome.allocated), len(outcome.released)) == (None, 3, 3)
    return (core.paid, core.calls(*WRITING)) == (6, ["/replace"])


@PLANS
@pytest.mark.parametrize("seconds", LAGS)
@pytest.mark.parametrize(("kind", "at_once"), [("", ()), ("reset_after", ()), ("reset_after", (0,))])
def test_a_replacement_whose_new_leases_are_listed_late_is_paid_for_once(
    core: Vendor, node: LeaseNode, plan: dict[str, Any], seconds: float, kind: str, at_once: Sequence[int]
) -> None:
    """The list leaves the old ones out at once, and has the new ones later, or one after the other."""
    core.configure(plan=plan)
    node.ensure(3)
    list_late(core, seconds, at_once)
    assert is_replaced_once(core, replace_all(node, kind))


@pytest.mark.parametrize("kind", ["", "reset_after"])
@pytest.mark.parametrize("seconds", LAGS)
def test_a_replacement_listed_late_is_not_repeated(core: Vendor, node: LeaseNode, seconds: float, kind: str) -> None:
    node.ensure(3)
    list_as_of(core, seconds)
    assert is_replaced_once(core, replace_all(node, kind))


@pytest.mark.parametrize("kind", ["", "reset_after"])
def test_a_replacement_whose_old_leases_stay_listed_is_not_repeated(core: Vendor, node: LeaseNode, kind: str) -> None:
    node.ensure(3)
    old = core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})[1]["TaskList"]

    def with_old(body: Any) -> Any:
        if not core.journal.select("/replace"):
            return body
        tasks = [*body.get("TaskList", []), *old]
        return {**body, "TaskList": tasks, "TaskNum": len(tasks), "TotalNum": body["TotalNum"] + 3}

    core.alter("/query", with_old)
    assert (replace_all(node, kind).error, core.paid, core.calls(*WRITING)) == (None, 6, ["/replace"])


def test_a_part_of_a_lost_replacement_is_returned_without_time_for_the_list(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    core.clock.advance(600)
    list_late(core, 8, at_once=[0, 1])
    core.fault("/replace", "reset_after")
    outcome = node.replace(max_wait=1)
    uncertain(outcome)
    assert (len(outcome.allocated), core.paid) == (2, 6)


@pytest.mark.parametrize(
    ("plan", "at_once", "reason"),
    [
        ({"channels": 9}, [0], ""),
        ({"channels": 9}, [], "the quota counts"),
        (
            {"billing": "volume", "balance": 9},
            [],
            "the quota counts",
        ),
    ],
    ids=["a part is listed", "nothing is listed", "nothing is listed, by volume"],
)
def test_a_replacement_whose_new_leases_are_never_all_listed_is_uncertain(
    core: Vendor, node: LeaseNode, plan: dict[str, Any], at_once: Sequence[int], reason: str
) -> None:
    core.configure(plan=plan)
    node.ensure(3)
    core.clock.advance(3600 - 600)
    list_late(core, 3600, at_once)
    outcome = replace_all(node)
    assert reason in uncertain(outcome)
    assert (len(outcome.allocated), core.paid, core.calls(*WRITING)) == (len(at_once), 6, ["/replace"])


@PLANS
def test_a_replacement_that_stopped_after_its_release_is_completed(
    core: Vendor, node: LeaseNode, plan: dict[str, Any]
) -> None:
    """The old leases are gone. With free channels nothing replaced them; by volume the outcome is unknown."""
    core.configure(plan=plan)
    node.ensure(3)
    core.before("/replace", lambda: core.handle("GET", "/release", {"Key": KEY, "IP": ",".join(core.ips)}))
    outcome = replace_all(node, "reset_before")
    is_unknown = "billing" in plan
    assert isinstance(outcome.error, UncertainOutcomeError) is is_unknown
    assert len(outcome.released) == 3
    assert (len(outcome.allocated), outcome.missing, core.paid) == ((0, 3, 3) if is_unknown else (3, 0, 6))
    assert core.calls(*WRITING) == ["/release", "/replace", *([] if is_unknown else ["/allocate"])]


def test_leases_that_the_list_omits_after_a_replacement_get_no_successors(core: Vendor, node: LeaseNode) -> None:
    node.ensure(5)
    node.wire.advance(61)
    core.fault("/query", "replace", body=EMPTY, times=3, skip=1)
    outcome = node.replace(2)
    assert (outcome.error, len(outcome.allocated), core.paid, len(core.leases)) == (None, 2, 7, 5)


def test_a_named_lease_gets_no_successor_because_the_list_omits_it(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    node.wire.advance(61)
    core.fault("/release", "reset_before")
    core.fault("/query", "replace", body=EMPTY, times=2, skip=1)
    ip = core.leases[0].ip
    outcome = node.replace(chosen=by_ip(ip))
    assert len(core.leases) == 2, outcome.error


def test_a_refused_replacement_that_lost_nothing_does_not_delay_the_next_run(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    core.fault("/replace", "code", code=-103)
    api = node.client()
    assert isinstance(replace_leases(api, None, None, AllocationParams()).error, CallError)
    began = core.clock.now()
    assert (node.ensure(2).error, core.clock.now()) == (None, began)


@pytest.mark.parametrize("lag", [3, 50])
def test_what_a_refused_replacement_has_released_is_replaced_although_the_list_lags(
    core: Vendor, node: LeaseNode, lag: int
) -> None:
    node.ensure(2)
    core.clock.advance(120)
    core.configure(options={"replace_failure": "drop", "list_lag": lag})
    for area in core.stock:
        area.available = 0
    assert (node.replace().error, len(core.leases), core.paid) == (None, 2, 4)
    assert (node.ensure(2).error, core.paid) == (None, 4)

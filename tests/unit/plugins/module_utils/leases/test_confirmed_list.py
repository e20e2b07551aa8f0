# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the list of leases omits is not paid for again: the quota, and numbers in the list itself, contradict it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import TransportError, UncertainOutcomeError
from support.in_process import KEY, NOW, PATHS, Vendor
from support.lease_runs import EMPTY, LeaseNode

#: Lists of the classic API that omit every lease.
FORMS: dict[str, dict[str, Any]] = {
    "no list and no number": {"Code": 0},
    "an empty list": EMPTY,
    "null": {**EMPTY, "TaskList": None},
}


def wrong(core: Vendor, body: Any, times: int = -1) -> None:
    core.fault("/query", "replace", body=body, times=times)


@pytest.mark.parametrize(
    ("form", "times", "undetermined"),
    [
        *((form, 3, "fail") for form in FORMS.values()),
        pytest.param(EMPTY, 1, "ignore", id="read once more with ignore"),
    ],
)
def test_an_empty_list_that_the_quota_contradicts_is_waited_for(
    core: Vendor, node: LeaseNode, form: dict[str, Any], times: int, undetermined: str
) -> None:
    node.ensure(2)
    wrong(core, form, times)
    outcome = node.other().ensure(2, on_uncertain=undetermined)
    assert (outcome.error, len(outcome.leases), outcome.allocated, core.paid) == (None, 2, (), 2)


def test_a_list_that_lacks_some_leases_is_waited_for(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    full = core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})[1]
    task = full["TaskList"][0]
    part = {"TaskList": [{**task, "Num": 1, "Data": task["Data"][:1]}], "TaskNum": 1, "TotalNum": 1}
    wrong(core, {**full, **part}, times=3)
    outcome = node.other().ensure(3)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 3, 3)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_list_that_stays_empty_is_no_reason_to_pay(core: Vendor, node: LeaseNode, form: dict[str, Any]) -> None:
    node.ensure(2)
    wrong(core, form)
    with pytest.raises(UncertainOutcomeError) as caught:
        node.other().ensure(2)
    assert caught.value.message.startswith(
        "Whether the key holds 2 more leases than the list of leases shows is unknown: the quota counts 2 more "
        "in use, and this has not changed for 60 seconds. Nothing was paid for. Set on_uncertain=ignore if"
    )
    assert (core.calls("/allocate"), core.paid) == (["/allocate"], 2)
    assert 60 <= core.clock.now() - NOW < 90


def test_without_time_to_wait_nothing_is_paid_for(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    wrong(core, EMPTY)
    with pytest.raises(UncertainOutcomeError, match="max_wait ends before they must agree"):
        node.other().ensure(2, max_wait=7)
    assert core.paid == 2


def test_check_mode_reads_an_empty_list_once_more(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    wrong(core, EMPTY, times=1)
    outcome = node.other().ensure(3, check=True)
    assert (outcome.missing, core.clock.now()) == (1, NOW)


def test_a_user_can_say_that_the_quota_counts_something_else(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 6}, used=2)
    outcome = node.ensure(2, on_uncertain="ignore")
    assert (outcome.error, len(outcome.allocated), core.clock.now()) == (None, 2, NOW)


def test_a_classic_plan_by_volume_is_found_out_once(core: Vendor, node: LeaseNode) -> None:
    """Its quota counts what was ever leased: it has not fallen although all leases of the last purchase have ended."""
    core.configure(plan={"billing": "volume", "balance": 20})
    for run in range(5):
        began = core.clock.now()
        outcome = node.ensure(2, params=AllocationParams(keep_alive=5))
        assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2 * (run + 1))
        assert ("counts what was ever paid for" in "".join(outcome.warnings)) is (run == 1)
        assert (core.clock.now() - began >= 60) is (run == 1)
        node.wire.advance(600)


def test_a_plan_of_channels_is_not_taken_for_one_by_volume(core: Vendor, node: LeaseNode) -> None:
    """Leases of another client, which the list hides for good, have taken the channels of those that have ended."""
    core.configure(plan={"channels": 9})
    node.ensure(2, params=AllocationParams(keep_alive=5))
    node.other().ensure(4, params=AllocationParams(keep_alive=600))
    node.ensure(5, params=AllocationParams(keep_alive=600))
    node.wire.advance(600)
    wrong(core, EMPTY)
    with pytest.raises(UncertainOutcomeError, match="Nothing was paid for"):
        node.ensure(2)
    assert core.paid == 5


def test_the_balance_of_a_product_host_contradicts_no_list(tmp_path: Path) -> None:
    core = Vendor(kind="share", billing="volume", balance=9, lifetime=10)
    node = LeaseNode(core, tmp_path, "share")
    node.ensure(2)
    node.wire.advance(601)
    assert (node.ensure(2).error, core.paid) == (None, 4)


def test_a_channel_that_another_client_has_released_is_waited_for(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 6, "free_delay": 20})
    node.ensure(2)
    node.release()
    outcome = node.other().ensure(2)
    assert (outcome.error, len(outcome.leases)) == (None, 2)


def test_leases_that_another_client_has_just_got_are_waited_for(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 6}, options={"list_lag": 20})
    node.ensure(2)
    outcome = node.other().ensure(3)
    assert (outcome.error, len(outcome.leases), len(outcome.allocated), core.paid) == (None, 3, 1, 3)


def held_elsewhere(product: str, directory: Path) -> LeaseNode:
    """Let a control node hold two leases of a product host, and return one that does not know of them."""
    node = LeaseNode(Vendor(kind=product, channels=6, lifetime=60), directory, product)
    node.ensure(2)
    return node.other()


@pytest.mark.parametrize(
    "data",
    [
        [{}],
        [{"task_id": "T"}],
        {"ips": None},
        {"task_id": "T", "num": 2},
        {"tasks": None},
        {"tasks": [{}]},
        {"tasks": {"T": None}},
        [{"proxy_ip": "192.0.2.30"}, None],
    ],
)
def test_a_broken_entry_in_the_list_of_a_product_host_is_not_an_empty_list(tmp_path: Path, data: Any) -> None:
    node = held_elsewhere("exclusive", tmp_path)
    node.core.fault("/exclusive/query", "replace", body={"code": "SUCCESS", "data": data}, times=-1)
    with pytest.raises(TransportError, match="the response cannot be read"):
        node.ensure(2)
    assert node.core.paid == 2


@pytest.mark.parametrize(
    ("product", "data"),
    [
        ("share", []),
        ("longterm", []),
        *(("exclusive", data) for data in ([], None, {}, {"ips": []}, {"tasks": []}, {"num": 0})),
    ],
)
def test_the_channels_of_a_product_host_contradict_an_empty_list(tmp_path: Path, product: str, data: Any) -> None:
    node = held_elsewhere(product, tmp_path)
    node.core.fault(PATHS[product].query, "replace", body={"code": "SUCCESS", "data": data}, times=-1)
    with pytest.raises(UncertainOutcomeError, match="Nothing was paid for"):
        node.ensure(2)
    assert node.core.paid == 2


@pytest.mark.parametrize("kind", ["data_null", "data_absent"])
def test_the_channels_of_a_product_host_contradict_a_list_of_nothing_for_a_while(tmp_path: Path, kind: str) -> None:
    node = held_elsewhere("share", tmp_path)
    node.core.fault("/share/query", kind, times=2)
    outcome = node.ensure(2)
    assert (len(outcome.leases), outcome.allocated, node.core.paid) == (2, (), 2)

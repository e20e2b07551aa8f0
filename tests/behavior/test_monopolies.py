# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive-occupancy resources: the vendor's rules of release and redial, and which resources count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.kinds import MONOPOLY, OCCUPANCY, two_resources
from support.node import Node

HOURS = 3600
APPLY, RELEASE, REDIAL = "POST /monopolies", "DELETE /monopolies", "PUT /monopolies/ips"


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    node = new_node(None, **OCCUPANCY)
    two_resources(node)
    return node


def test_a_young_resource_stays_and_is_named_without_a_call(node: Node) -> None:
    old = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.advance(11 * HOURS)
    (young,) = node.ok(MONOPOLY, count=3)["applied"]
    early = node.failed(MONOPOLY, state="absent", all=True)
    assert (len(early["refused"]), node.sent(RELEASE)) == (3, [])
    node.vendor.advance(2 * HOURS)
    result = node.failed(MONOPOLY, state="absent", all=True)
    assert (result["changed"], result["released"]) == (True, old)
    (refused,) = result["refused"]
    assert refused["uuid"] == young
    assert refused["possible_from"] in result["msg"]
    assert node.vendor.uuids == [young]
    node.vendor.advance(12 * HOURS)
    assert node.ok(MONOPOLY, state="absent", uuids=[young, old[0]])["released"] == [young]
    assert node.ok(MONOPOLY, state="absent", uuids=[young])["changed"] is False


def test_a_redial_waits_for_the_new_address_and_for_the_vendors_ten_seconds(node: Node) -> None:
    uuids = node.ok(MONOPOLY, count=2)["applied"]
    first = node.ok(MONOPOLY, state="redialed", all=True)
    assert [one["uuid"] for one in first["redialed"]] == uuids
    assert all(one["server_before"] != one["server_after"] for one in first["redialed"])
    began = node.vendor.clock.now()
    node.ok(MONOPOLY, state="redialed", uuids=uuids[:1])
    assert node.vendor.clock.now() - began >= 4
    assert len(node.sent(REDIAL)) == 2
    assert node.failed(MONOPOLY, state="redialed", uuids=["unknown"])["changed"] is False


@pytest.mark.parametrize("fault", ["reset_after", "truncate", "reset_before"])
def test_a_redial_whose_response_was_lost_is_made_once(node: Node, fault: str) -> None:
    node.ok(MONOPOLY, count=2)
    node.vendor.advance(60)
    before = {each.uuid: each.lease.ip for each in node.vendor.keys["QGDEMO01"].holdings.monopolies}
    node.vendor.fault(REDIAL, fault)
    result = node.run(MONOPOLY, state="redialed", all=True)
    after = {each.uuid: each.lease and each.lease.ip for each in node.vendor.keys["QGDEMO01"].holdings.monopolies}
    if not result.get("failed"):
        assert all(before[uuid] != after[uuid] for uuid in before)
    assert len([1 for record in node.vendor.journal if record.method == "PUT" and record.executed]) <= 1


def test_resources_of_another_area_or_provider_do_not_count(node: Node) -> None:
    first = node.ok(MONOPOLY, count=2, area="440100", isp="mobile")
    assert {(one["area_code"], one["isp"]) for one in first["monopolies"]} == {("440100", "mobile")}
    assert node.ok(MONOPOLY, count=2, area="440100", isp="mobile")["changed"] is False
    assert len(node.ok(MONOPOLY, count=1, area="350500")["applied"]) == 1
    assert node.ok(MONOPOLY, count=3)["changed"] is False
    assert len(node.vendor.uuids) == 3


def test_offline_resources_count_since_they_are_paid_for(node: Node) -> None:
    uuids = node.ok(MONOPOLY, count=2)["applied"]
    node.vendor.configure(offline=uuids[:1])
    result = node.ok(MONOPOLY, count=2)
    assert (result["changed"], result["offline"]) == (False, uuids[:1])


def test_what_is_not_online_in_time_is_paid_for_and_reported(node: Node) -> None:
    node.vendor.configure(options={"dial_seconds": 500})
    result = node.failed(MONOPOLY, count=2, max_wait=30)
    assert (result["applied"], result["changed"]) == (node.vendor.uuids, True)
    assert "max_wait" in result["msg"]
    again = node.ok(MONOPOLY, count=2, wait=False)
    assert (again["changed"], again["already_present"]) == (False, node.vendor.uuids)
    assert len(node.sent(APPLY)) == 1


def test_an_application_of_which_the_list_shows_a_part_is_not_over(node: Node) -> None:
    node.vendor.fault(APPLY, "partial", drop=1)
    node.run(MONOPOLY, count=3)
    node.vendor.advance(700)
    node.ok(MONOPOLY, count=3)
    assert len(node.vendor.uuids) == 3


@pytest.mark.parametrize("apply_data", ["uuids", "objects", "empty"])
def test_each_form_of_the_response_is_read(node: Node, apply_data: str) -> None:
    node.vendor.configure(options={"apply_data": apply_data})
    assert node.ok(MONOPOLY, count=2)["applied"] == node.vendor.uuids
    assert len(node.sent(APPLY)) == 1

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules for leases: a choice is what was chosen. For mistakes in them see ``test_mistakes.py``."""

from __future__ import annotations

from typing import Any

import pytest
from support.node import Node
from support.paid_calls import ALLOCATE, RELEASE, REPLACE
from support.vendor import KEY

UNKNOWN = "203.0.113.250"


@pytest.mark.parametrize(("way", "replaced"), [("count", 2), ("all", 3), ("ips", 1), ("task_ids", 2)])
def test_the_ways_to_choose_what_is_replaced(node: Node, way: str, replaced: int) -> None:
    first, second, third = node.vendor.hold(2, 1)
    chosen = {"count": 2, "all": True, "ips": [second.ip], "task_ids": [first.task_id]}[way]
    options = {way: chosen, "isp": "telecom", "keep_alive": 90, "distinct": True}
    predicted = node.ok(REPLACE, check=True, diff=True, **options)
    assert (predicted["changed"], predicted["missing"]) == (True, replaced)
    # Which leases the vendor gives up is its own choice: only all of them, or those that are named, can be reported.
    assert len(predicted["released"]) == (0 if way == "count" else replaced)

    done = node.ok(REPLACE, **options)
    by_vendor = way in ("count", "all")
    assert done["method"] == ("replace" if by_vendor else "release_and_allocate")
    # Of those that are named, one goes first.
    rounds = 2 if replaced > 1 else 1
    calls = node.vendor.calls("/allocate", "/release", "/replace")
    assert calls == (["/replace"] if by_vendor else ["/release", "/allocate"] * rounds)
    number = str(replaced if by_vendor else 1)
    sent = {"Num": number, "KeepAlive": "90", "Isp": "1", "Detail": "1", "Distinct": "1"}
    assert node.sent("/replace" if by_vendor else "/allocate")[0] == sent
    assert (len(done["allocated"]), len(done["released"]), done["held"]) == (replaced, replaced, 3)
    if not by_vendor:
        gone = {second.ip} if way == "ips" else {first.ip, second.ip}
        assert {lease["ip"] for lease in done["released"]} == gone
        assert third.ip in node.vendor.ips


def test_a_release_names_what_is_not_held(node: Node) -> None:
    one, other = node.vendor.hold(2)
    first = node.ok(RELEASE, ips=[one.ip, UNKNOWN, other.host])
    assert (len(first["released"]), first["not_held"]) == (2, [UNKNOWN])
    assert UNKNOWN in first["warnings"][0]
    again = node.ok(RELEASE, task_ids=[one.task_id])
    assert (again["changed"], again["not_held"]) == (False, [one.task_id])
    assert node.ok(RELEASE, all=True)["not_held"] == []


def test_a_replacement_of_leases_that_are_not_held_fails_unless_there_are_others(node: Node) -> None:
    held = node.vendor.hold(2)
    refused = node.failed(REPLACE, ips=[UNKNOWN])
    assert (refused["changed"], refused["not_held"]) == (False, [UNKNOWN])
    done = node.ok(REPLACE, ips=[held[0].ip, UNKNOWN])
    assert (len(done["allocated"]), done["not_held"], len(done["warnings"])) == (1, [UNKNOWN], 1)


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_an_empty_list_names_nothing(node: Node, module: str) -> None:
    """A playbook that computes the list may find nothing; that is not everything."""
    node.vendor.hold(2)
    for choice in ("ips", "task_ids"):
        assert node.ok(module, **{choice: []})["changed"] is False
    assert len(node.vendor.leases) == 2


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_all_false_is_the_same_as_leaving_it_out(node: Node, module: str) -> None:
    """A playbook may compute it."""
    one, other = node.vendor.hold(2)
    result = node.ok(module, all=False, ips=[one.ip])
    assert [lease["ip"] for lease in result["released"]] == [one.ip]
    assert other.ip in node.vendor.ips


def test_leases_that_end_too_soon_are_named_and_not_paid_for_again(node: Node) -> None:
    node.vendor.configure(plan={"kind": "dynamic_shared"})
    options = {"count": 2, "min_remaining": 30}
    first, again = node.failed(ALLOCATE, **options), node.failed(ALLOCATE, **options)
    assert (len(first["allocated"]), first["changed"]) == (2, True)
    # The second run knows how long such a lease lasts.
    assert "min_remaining of 30 minutes cannot be met" in again["msg"]
    assert node.vendor.paid == 2


def test_the_enterprise_pool_is_reached_by_another_host(node: Node) -> None:
    node.vendor.configure(plan={"enterprise_pool": True})
    result = node.ok(ALLOCATE, count=2)
    for lease in result["leases"]:
        assert lease["server"] == f"203.0.113.254:{lease['port']}"
        assert lease["ip"] != "203.0.113.254"
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    released = node.ok(RELEASE, ips=[result["leases"][0]["server"]])["released"]
    assert [lease["ip"] for lease in released] == [result["leases"][0]["ip"]]


def test_a_tunnel_gets_another_exit_each_time(node: Node) -> None:
    node.vendor.keys.create_tunnel(KEY)
    options = {"tunnel": "192.0.2.1", "password": "0123456789ab"}
    first, second = node.ok("qg_tunnel_exit", **options), node.ok("qg_tunnel_exit", **options)
    assert first["changed"] is second["changed"] is True
    assert first["exit"]["ip"] != second["exit"]["ip"]
    assert first["exit"]["server"].startswith(f"{first['exit']['ip']}:")
    assert first["exit"]["expires_at"].endswith("+08:00")
    for fault in ("reset_before", "reset_after", "truncate"):
        node.vendor.fault("PUT /proxyip", fault)
        result = node.ok("qg_tunnel_exit", **options)
        assert (bool(result["exit"]), result["api"]["retries"]) == (True, 1)
    refused = node.failed("qg_tunnel_exit", tunnel="192.0.2.1", password="Hush4Hush")
    assert (refused["error"]["code"], refused["error"]["http_status"]) == (400, 400)
    assert "Hush4Hush" not in str(refused)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tunnel": "http://tunnel.qg.net"}, "is not the address of a tunnel"),
        ({"tunnel": "tunnel.qg.net:99999"}, "is not the address of a tunnel"),
        ({"password": ""}, "password is empty"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_a_mistake_about_a_tunnel_is_found_before_any_call(node: Node, options: dict[str, Any], words: str) -> None:
    result = node.failed("qg_tunnel_exit", **{"tunnel": "192.0.2.1", "password": "0123456789ab", **options})
    assert words in result["msg"]
    assert node.vendor.calls() == []

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules for leases: a choice is what was chosen.

For mistakes in them see ``test_mistakes.py``.
"""

from __future__ import annotations

from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from support import phrases
from support.node import Node
from support.vendor import KEY, ips

UNKNOWN = "203.0.113.250"


TERMS = {"isp": "telecom", "keep_alive": 90, "distinct": True}
SENT = {"KeepAlive": "90", "Isp": "1", "Detail": "1", "Distinct": "1"}


@pytest.mark.parametrize(
    ("choice", "replaced", "named"), [({"count": 2}, 2, 0), ({"all": True}, 3, 3)], ids=str
)
def test_leases_that_are_not_named_are_replaced_by_the_vendor(
    node: Node, choice: dict[str, Any], replaced: int, named: int
) -> None:
    """Which leases it gives up is its own choice, so that only a replacement of all can name them
    before.
    """
    node.vendor.hold(2, 1)

    predicted = node.ok(REPLACE, check=True, diff=True, **choice, **TERMS)

    assert predicted["changed"] is True
    assert predicted["missing"] == replaced
    assert len(predicted["released"]) == named

    done = node.ok(REPLACE, **choice, **TERMS)

    assert done["method"] == "replace"
    assert node.vendor.calls("/allocate", "/release") == []
    assert node.sent("/replace") == [{"Num": str(replaced), **SENT}]
    assert len(done["allocated"]) == replaced
    assert len(done["released"]) == replaced
    assert done["held"] == 3


@pytest.mark.parametrize("way", ["ips", "task_ids"])
def test_named_leases_are_released_and_allocated_one_first(node: Node, way: str) -> None:
    first, second, third = node.vendor.hold(2, 1)
    choice = [second.ip]
    gone = {second.ip}
    if way == "task_ids":
        choice = [first.task_id]
        gone = {first.ip, second.ip}

    predicted = node.ok(REPLACE, check=True, diff=True, **{way: choice}, **TERMS)

    assert predicted["missing"] == len(gone)
    assert len(predicted["released"]) == len(gone)

    done = node.ok(REPLACE, **{way: choice}, **TERMS)

    assert done["method"] == "release_and_allocate"
    assert node.vendor.calls("/allocate", "/release", "/replace") == [
        "/release",
        "/allocate",
    ] * len(gone)
    assert node.sent("/allocate") == [{"Num": "1", **SENT}] * len(gone)
    assert len(done["allocated"]) == len(gone)
    assert ips(done["released"]) == gone
    assert third.ip in node.vendor.ips
    assert done["held"] == 3


def test_a_release_names_what_is_not_held(node: Node) -> None:
    one, other = node.vendor.hold(2)
    first = node.ok(RELEASE, ips=[one.ip, UNKNOWN, other.host])
    assert len(first["released"]) == 2
    assert first["not_held"] == [UNKNOWN]
    assert UNKNOWN in first["warnings"][0]
    again = node.ok(RELEASE, task_ids=[one.task_id])
    assert again["changed"] is False
    assert again["not_held"] == [one.task_id]
    assert node.ok(RELEASE, all=True)["not_held"] == []


def test_a_replacement_of_leases_that_are_not_held_fails_unless_there_are_others(
    node: Node,
) -> None:
    held = node.vendor.hold(2)
    refused = node.failed(REPLACE, ips=[UNKNOWN])
    assert refused["changed"] is False
    assert refused["not_held"] == [UNKNOWN]
    done = node.ok(REPLACE, ips=[held[0].ip, UNKNOWN])
    assert len(done["allocated"]) == 1
    assert done["not_held"] == [UNKNOWN]
    assert len(done["warnings"]) == 1


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
    assert ips(result["released"]) == {one.ip}
    assert other.ip in node.vendor.ips


def test_leases_that_end_too_soon_are_named_and_not_paid_for_again(node: Node) -> None:
    node.vendor.configure(plan={"kind": "dynamic_shared"})
    options = {"count": 2, "min_remaining": 30}
    first = node.failed(ALLOCATE, **options)
    again = node.failed(ALLOCATE, **options)
    # One is bought first, since nothing says how long it lasts.
    assert len(first["allocated"]) == 1
    assert first["changed"] is True
    assert f"min_remaining=30 minutes {phrases.CANNOT_BE_MET}" in again["msg"]
    assert node.vendor.paid == 1


def test_a_lease_that_only_the_list_shows_tells_how_long_others_last(node: Node) -> None:
    node.vendor.configure(plan={"kind": "dynamic_shared"})
    node.vendor.fault("/allocate", "reset_after")

    result = node.failed(ALLOCATE, count=2, min_remaining=30)

    assert f"min_remaining=30 minutes {phrases.CANNOT_BE_MET}" in result["msg"]
    assert node.vendor.paid == 1


def test_the_enterprise_pool_is_reached_by_another_host(node: Node) -> None:
    node.vendor.configure(plan={"enterprise_pool": True})
    result = node.ok(ALLOCATE, count=2)
    for lease in result["leases"]:
        assert lease["server"] == f"203.0.113.254:{lease['port']}"
        assert lease["ip"] != "203.0.113.254"
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    released = node.ok(RELEASE, ips=[result["leases"][0]["server"]])["released"]
    assert ips(released) == {result["leases"][0]["ip"]}


def test_a_tunnel_gets_another_exit_each_time(node: Node) -> None:
    node.vendor.keys.create_tunnel(KEY)
    options = {"tunnel": "192.0.2.1", "password": "0123456789ab"}
    first = node.ok("qg_tunnel_exit", **options)
    second = node.ok("qg_tunnel_exit", **options)
    assert first["changed"] is second["changed"] is True
    assert first["exit"]["ip"] != second["exit"]["ip"]
    assert first["exit"]["server"].startswith(f"{first['exit']['ip']}:")
    assert first["exit"]["expires_at"].endswith("+08:00")
    for fault in ("reset_before", "reset_after", "truncate"):
        node.vendor.fault("PUT /proxyip", fault)
        result = node.ok("qg_tunnel_exit", **options)
        assert result["exit"]
        assert result["api"]["retries"] == 1
    refused = node.failed("qg_tunnel_exit", tunnel="192.0.2.1", password="Hush4Hush")
    assert refused["error"]["code"] == 400
    assert refused["error"]["http_status"] == 400
    assert "Hush4Hush" not in str(refused)

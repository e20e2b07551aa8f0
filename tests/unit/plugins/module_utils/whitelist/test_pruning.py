# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run with prune removes the addresses of hosts that its inventory no longer has, and no others."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from support.in_process import Killed, calls, fault
from support.stores import quick_over_both
from support.whitelist import ADD, DEL, QUERY, ControlNode, node

__all__ = ["node"]
pytestmark = pytest.mark.usefixtures("every_store")

A, B, C, D = "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"


@pytest.mark.parametrize("size", [12, pytest.param(200, marks=pytest.mark.nightly)])
def test_hosts_that_left_the_inventory_are_pruned_with_one_query_one_removal_and_one_check(
    node: ControlNode, size: int
) -> None:
    hosts = {f"h{n}": f"203.0.113.{n}" for n in range(size)}
    gone = size // 4
    node.role(**hosts)
    left = {host: ip for host, ip in hosts.items() if int(host[1:]) % 4}
    node.wire.advance(60)
    before = len(calls(node.core))
    node.params["max_removals"] = gone - 1
    refusal = rf"prune would remove {gone} addresses of {gone} hosts .*max_removals={gone - 1}: h0, h"
    with pytest.raises(OptionError, match=refusal):
        node.role(inventory=left, **left)
    assert len(calls(node.core)) == before
    node.params["max_removals"] = gone
    results = node.role(inventory=left, **left)
    assert calls(node.core)[before:] == [QUERY, DEL, QUERY]
    assert node.on_list() == sorted(left.values())
    assert node.registered() == sorted(left.items())
    # The host that wrote reports the removals, as no host of the run is concerned.
    reports = [result["summary"] for result in results.values() if result["changed"]]
    assert [len(summary["pruned_hosts"]) for summary in reports] == [gone]
    again = node.role(inventory=left, **left)
    assert not any(result["changed"] for result in again.values())
    assert node.compared == 1, "each host has compared all hosts"
    assert calls(node.core, ADD, DEL)[-1] == DEL


@quick_over_both
def test_nothing_is_removed_with_prune_before_all_expected_hosts_have_reported(node: ControlNode) -> None:
    node.role(old=A, moved=B)
    everyone = ["new", "moved"]
    before = len(calls(node.core))
    results = node.role(inventory=everyone, expected=everyone, moved=C)
    assert calls(node.core)[before:] == [QUERY, ADD, QUERY]
    assert (node.on_list(), results["moved"]["removed"], results["moved"]["reasons"]) == ([A, B, C], [], [])
    # The former host has a new name, and no host has the former address of the other one.
    results = node.role(inventory=everyone, expected=everyone, moved=C, new=A)
    assert (node.on_list(), results["moved"]["removed"]) == ([A, C], [B])
    assert node.registered() == [("moved", C), ("new", A)]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_an_address_that_another_host_needs_is_not_pruned(node: ControlNode, state: str) -> None:
    node.role(gone=A, shared=B, other=B, moved=C)
    node.params["inventory_id"] = "another inventory"
    node.role(gone=A)
    node.params["inventory_id"] = "f"
    # C is the present address of a host that was registered with another one, and of one that is gone.
    node.role(new=C, moved=D)
    node.role(state, inventory=["other", "moved"], moved=D)
    assert node.on_list() == [A, B] + ([D] if state == "present" else [])
    assert [host for host, _ip in node.registered() if host in ("shared", "new")] == []


def test_a_host_that_another_run_registered_after_this_one_began_is_not_pruned(node: ControlNode) -> None:
    node.role(old=A, here=B)
    began = node.core.clock.now()
    node.wire.advance(60)
    node.role(new=C)
    results = node.role(inventory=["here"], began=began, here=B)
    assert results["here"]["summary"]["pruned_hosts"] == {"old": [A]}
    assert (node.on_list(), node.registered()) == ([B, C], [("here", B), ("new", C)])
    # The next run has read an inventory that may contain the host.
    node.wire.advance(60)
    assert node.role(inventory=["here"], here=B)["here"]["summary"]["pruned_hosts"] == {"new": [C]}


def test_a_host_that_another_run_registers_before_its_removal_is_not_pruned(node: ControlNode) -> None:
    node.role(old=A, moved=C, here=B)
    node.wire.advance(60)

    def register_the_moved_one() -> None:
        node.submit("another run", "moved", [D])
        node.report("another run", "moved")

    results = node.role(inventory=["here"], between=register_the_moved_one, here=B)
    assert results["here"]["summary"]["pruned_hosts"] == {"old": [A]}
    assert (node.on_list(), node.registered()) == ([B, D], [("here", B), ("moved", D)])


def test_a_host_is_forgotten_only_after_its_address_was_removed(node: ControlNode) -> None:
    node.role(gone=A, here=B)
    fault(node.core, {"path": DEL, "kind": "status", "http_status": 500, "times": -1})
    node.params["max_wait"] = 0.0
    assert node.role(inventory=["here"], here=B)["here"]["failed"] is True
    assert node.registered() == [("gone", A), ("here", B)]
    node.core.faults.clear()
    node.params["max_wait"] = 300.0
    node.wire.end_after(DEL)
    with pytest.raises(Killed):
        node.role(inventory=["here"], here=B)
    # The address is off the list, but no process has seen that yet.
    assert (node.on_list(), node.registered()) == ([B], [("gone", A), ("here", B)])
    for _run in range(3):
        assert node.role(inventory=["here"], here=B)["here"]["registered"] == [B]
        node.wire.advance(61)
    assert (node.on_list(), node.registered()) == ([B], [("here", B)])
    assert calls(node.core, ADD, DEL).count(ADD) == 1

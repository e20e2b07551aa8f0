# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps of the role for a host: which addresses are registered for it, kept and forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Wait
from support.in_process import calls, configure, fault
from support.stores import quick_over_both
from support.whitelist import ADD, DEL, QUERY, ControlNode, node, nothing

__all__ = ["node"]
pytestmark = pytest.mark.usefixtures("every_store")

A, B, C = "203.0.113.1", "203.0.113.2", "203.0.113.3"
RUN = "1 1 elsewhere"


def test_a_host_is_not_in_sync_while_its_address_may_still_be_removed(node: ControlNode) -> None:
    node.role(a=A)
    node.wire.late = (DEL, 12)
    node.task([A], "absent", max_wait=0.0)
    assert node.role(a=A)["a"]["registered"] == [A]
    node.wire.advance(600)
    assert node.on_list() == [A]


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [
        ("data_null", 0),
        ("data_absent", 5),
        *(pytest.param(*own, marks=pytest.mark.thorough) for own in (("data_null", 5), ("data_absent", 0))),
    ],
)
def test_a_list_without_data_makes_nothing_forgotten_however_often(node: ControlNode, kind: str, minutes: int) -> None:
    node.role(a=A, b=B)
    fault(node.core, {"path": QUERY, "kind": kind, "times": 8})
    for _run in range(3):
        node.role(a=A, b=B)
        node.wire.advance(60 * minutes)
    node.core.faults.clear()
    node.role(a=C, b=B)
    assert node.on_list() == [B, C], "the former address was recorded, and removed"


def test_a_list_that_lacks_addresses_once_makes_nothing_forgotten(node: ControlNode) -> None:
    node.role(a=A, b=B)
    for _run in range(3):
        fault(node.core, {"path": QUERY, "kind": "replace", "body": {"Code": 0, "Data": [C]}})
        for _reading in ("wrong", "right"):
            node.role(a=A, b=B)
            node.wire.advance(90)
    node.role(a=C, b=B)
    assert node.on_list() == [B, C]


def test_an_empty_list_is_read_once_more_where_hosts_are_registered(node: ControlNode) -> None:
    node.role(a=A, b=B)
    fault(node.core, {"path": QUERY, "kind": "data_null"})
    results = node.role(a=A, b=B)
    assert [results[host]["changed"] for host in "ab"] == [False, False]
    fault(node.core, {"path": QUERY, "kind": "data_null"})
    node.role("absent", a=A)
    assert node.on_list() == [B]
    assert calls(node.core, ADD, DEL) == [ADD, DEL]


def test_a_host_that_was_deregistered_by_a_wrong_list_is_still_registered(node: ControlNode) -> None:
    node.role(a=A, b=B)
    fault(node.core, {"path": QUERY, "kind": "data_null", "times": 2})
    node.role("absent", a=A)
    assert node.on_list() == [A, B], "nothing was there to be removed, as far as could be seen"
    node.role("absent", a="")
    assert node.on_list() == [B]


def test_hosts_whose_addresses_are_gone_for_good_are_forgotten(node: ControlNode) -> None:
    node.role(a=A, b=B)
    configure(node.core, whitelist=[B])
    for _run in range(2):
        node.role(b=B)
        node.wire.advance(61)
    assert node.registered() == [("b", B)]


@pytest.mark.parametrize("given", [True, False])
def test_a_found_address_of_a_host_in_sync_counts_as_registered_once_the_user_gives_it(
    node: ControlNode, given: bool
) -> None:
    configure(node.core, whitelist=[A])
    node.role(a=A, detected=True)
    node.role(a=A, detected=not given)
    node.params["max_removals"] = 0
    result = node.role(a=B, detected=True)["a"]
    assert result["registered"] == [B]
    assert result["obsolete"] == ([] if given else [A])
    assert node.on_list() == ([B] if given else [A, B])


def test_an_address_whose_adding_was_interrupted_is_not_found_on_the_list_later(node: ControlNode) -> None:
    node.params["max_removals"] = 0
    node.wire.break_stores_after(ADD)
    assert node.role(a=A, detected=True)["a"]["failed"] is True
    node.wire.after = nothing
    for ip in (A, B):
        node.role(a=ip, detected=True)
    assert node.on_list() == [B]


def test_a_host_reports_that_its_registration_could_not_be_kept(node: ControlNode) -> None:
    node.wire.break_stores_after(ADD)
    result = node.role(a=A)["a"]
    assert (result["failed"], result["changed"], result["registered"]) == (True, True, [A])
    assert "cannot be used" in result["msg"]
    node.wire.after = nothing
    node.role(a=B)
    assert node.on_list() == [B], "it was recorded before it was sent"


@pytest.mark.parametrize("detected", [True, False])
def test_an_address_that_another_host_of_the_run_requests_stays_while_the_first_one_is_deregistered(
    node: ControlNode, detected: bool
) -> None:
    node.role(old=A, alone=B, detected=detected)
    before = len(calls(node.core))
    results = node.role(absent=["old", "alone"], old=A, alone=B, new=A, detected=detected)
    assert calls(node.core)[before:] == [QUERY, DEL, QUERY, QUERY]
    assert node.on_list() == [A]
    assert not any("failed" in result for result in results.values())
    assert [(results[host]["changed"], results[host]["removed"]) for host in ("old", "alone")] == [
        (False, []),
        (True, [B]),
    ]
    assert (results["old"]["obsolete"], results["new"]["registered"]) == ([], [A])
    node.role("absent", old="")
    assert (node.on_list(), node.registered()) == ([A], [("new", A)])
    # It is registered as an address that was added, which no limit protects.
    node.params["max_removals"] = 0
    node.role("absent", new="")
    assert node.on_list() == []


def test_an_address_whose_second_host_is_never_registered_is_removed_by_the_next_run(node: ControlNode) -> None:
    node.role(old=A)
    node.role(absent=["old"], ended=["new"], old=A, new=A)
    assert (node.on_list(), node.registered()) == ([A], [("old", A)])
    node.role("absent", old="")
    assert node.on_list() == []


def test_an_address_that_a_host_leaves_stays_for_a_waiting_host_of_another_inventory(
    node: ControlNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.role(moved=A)
    node.submit("another run", "new", [A], inventory_id="another inventory")
    waiting = node.find("another run", "new", inventory_id="another inventory")
    assert waiting is not None

    def renew(_seconds: float, _wait: Wait) -> None:
        """The other host renews its claim while the leader waits for that."""
        node.wire.advance(1)
        claims.make(waiting, waits=True)

    claims = node.claims()
    claims.make(waiting, waits=True)
    with monkeypatch.context() as patch:
        leader = node.store()
        leader.wait_for_change = renew
        patch.setattr(node, "store", lambda: leader)
        results = node.role(moved=B)
    assert node.on_list() == [A, B]
    assert (results["moved"]["removed"], results["moved"]["obsolete"]) == ([], [])
    result = node.report("another run", "new", inventory_id="another inventory")
    assert result is not None
    assert result["registered"] == [A]
    assert DEL not in calls(node.core)
    node.role(moved=B)
    assert (node.on_list(), node.registered()) == ([A, B], [("moved", B), ("new", A)])


@pytest.mark.parametrize("path", [QUERY, ADD])
@quick_over_both
def test_a_host_that_is_deregistered_while_a_leader_still_registers_it_is_deregistered(
    node: ControlNode, path: str
) -> None:
    """Its task has ended before the leader was done, and the task's ``rescue`` takes the opposite decision."""

    def deregister(called: str, _parameters: Mapping[str, str]) -> None:
        if called == path:
            node.wire.before = nothing
            node.wire.advance(1)
            node.submit(RUN, "b", [B], state="absent")

    for host, ip in (("a", A), ("b", B)):
        node.submit(RUN, host, [ip])
    node.wire.before = deregister
    registered, removed = node.report(RUN, "a"), node.report(RUN, "b", state="absent")
    assert registered is not None
    assert registered["registered"] == [A]
    assert removed is not None
    assert (removed["removed"], removed["changed"]) == ([B], True)
    assert (node.on_list(), node.registered()) == ([A], [("a", A)])

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing is removed before its successor is on the whitelist, and no reported change is sent twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_whitelist import HeldWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.applier import reconcile
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.results import task_result
from simulator.core import Core
from support.in_process import KEY, Killed, calls, client, configure, fault
from support.whitelist import ADD, DEL, QUERY, WhitelistTransport, new_core, set_vendor

A, B, C, D = (f"203.0.113.{n}" for n in (5, 6, 9, 10))
WITHOUT_A = DesiredWhitelist("absent", (A,))
REPLACED = DesiredWhitelist("present", (C,), replaces=(A,))
in_both_ways = pytest.mark.parametrize(
    "desired", [REPLACED, DesiredWhitelist("exact", (B, C), max_removals=10)], ids=["replaces", "exact"]
)


@pytest.fixture
def core() -> Core:
    """A vendor whose whitelist has A and B."""
    core = new_core()
    configure(core, whitelist=[A, B])
    return core


def applied(core: Core, directory: Path, desired: DesiredWhitelist, **how: Any) -> dict[str, Any]:
    return task_result(reconcile(HeldWhitelist(client(core, directory, **how)), desired), diff=False)


def listed(core: Core) -> list[str]:
    return sorted(core.keys[KEY].whitelist)


@in_both_ways
def test_an_address_stays_while_its_successor_does_not_appear(
    core: Core, tmp_path: Path, desired: DesiredWhitelist
) -> None:
    fault(core, {"path": ADD, "kind": "partial", "drop": 1, "times": -1})
    result = applied(core, tmp_path, desired)
    assert (result["failed"], result["changed"]) == (True, False)
    assert listed(core) == result["whitelist"] == [A, B]
    assert calls(core, DEL) == []
    assert f"Not removed, because the new addresses must be on the whitelist first: {A}." in result["msg"]
    assert [entry["ip"] for entry in result["refused"]] == [C]


@in_both_ways
def test_an_address_stays_if_its_successor_is_bound_to_another_key(
    core: Core, tmp_path: Path, desired: DesiredWhitelist
) -> None:
    core.keys.get_or_create("OTHER001").configure({"whitelist": [C]})
    assert applied(core, tmp_path, desired)["code"] == -206
    assert listed(core) == [A, B]
    assert calls(core, DEL) == []


@in_both_ways
@pytest.mark.parametrize("answer", ["list", "number", "code"])
@pytest.mark.parametrize("lag", [0, pytest.param(20, marks=pytest.mark.thorough)])
def test_an_address_is_removed_once_its_successor_is_named_counted_or_seen(
    core: Core, tmp_path: Path, desired: DesiredWhitelist, answer: str, lag: int
) -> None:
    set_vendor(core, list_lag=lag, whitelist_answer=answer, absent_del="error", present_add="full")
    result = applied(core, tmp_path, desired)
    assert "failed" not in result, result["msg"]
    assert listed(core) == result["whitelist"] == [B, C]
    order = [path for path in calls(core) if path != QUERY]
    assert order == [ADD, DEL] if answer != "code" else order.index(DEL) > 0


def test_a_number_below_the_one_asked_for_is_looked_up(core: Core, tmp_path: Path) -> None:
    set_vendor(core, whitelist_answer="number")
    fault(core, {"path": ADD, "kind": "partial", "drop": 1})
    result = applied(core, tmp_path, DesiredWhitelist("present", (C, D), replaces=(A,)))
    assert set(listed(core)) == set(result["whitelist"]) == {B, C, D}
    assert calls(core) == [QUERY, ADD, QUERY, ADD, DEL, QUERY]


def test_all_batches_are_added_before_anything_is_removed(core: Core, tmp_path: Path) -> None:
    set_vendor(core, post="refuse")
    configure(core, capacity=1000)
    new = tuple(f"{net}.{n}" for net in ("192.0.2", "198.51.100") for n in range(1, 251))
    # The second of the batches is refused for good.
    fault(core, {"path": ADD, "kind": "code", "code": -10, "skip": 1, "times": -1})
    result = applied(core, tmp_path, DesiredWhitelist("exact", new, max_removals=10))
    assert result["failed"] is True
    assert {A, B} <= set(listed(core))
    assert calls(core, DEL) == []


def test_a_run_that_continues_an_interrupted_one_removes_nothing_before_it_sees_the_successor(
    core: Core, tmp_path: Path
) -> None:
    set_vendor(core, list_lag=20, present_add="zero")
    killed = WhitelistTransport(core)
    killed.end_after(ADD)
    with pytest.raises(Killed):
        applied(core, tmp_path, REPLACED, transport=killed)
    assert calls(core) == [QUERY, ADD]
    shown_at_removal: list[list[str]] = []

    def watch(path: str, _parameters: Mapping[str, str]) -> None:
        if path == DEL:
            shown_at_removal.append(list(core.keys[KEY].visible_lists(core.clock.now()).whitelist))

    watched = WhitelistTransport(core)
    watched.before = watch
    result = applied(core, tmp_path, REPLACED, transport=watched)
    assert "failed" not in result
    assert listed(core) == [B, C]
    assert [C in shown for shown in shown_at_removal] == [True]


def test_a_full_list_still_lets_the_old_address_go_first(core: Core, tmp_path: Path) -> None:
    configure(core, capacity=2)
    result = applied(core, tmp_path, REPLACED)
    assert "failed" not in result
    assert listed(core) == [B, C]
    assert calls(core, ADD, DEL) == [ADD, DEL, ADD]


@pytest.mark.parametrize("lag", [0, 20])
def test_a_removal_that_is_reported_by_its_number_is_sent_once(core: Core, tmp_path: Path, lag: int) -> None:
    set_vendor(core, list_lag=lag, whitelist_answer="number", absent_del="error")
    result = applied(core, tmp_path, WITHOUT_A)
    assert "failed" not in result
    assert (result["changed"], result["removed"], result["whitelist"]) == (True, [A], [B])
    assert calls(core, DEL) == [DEL]


#: What happens to the first removals, which are all carried out; a repeated one is refused with the code, if any.
UNANSWERED_REMOVALS: dict[str, tuple[dict[str, Any], int | None]] = {
    "lost response": ({"kind": "reset_after"}, None),
    "unnamed address": ({"kind": "unnamed", "drop": 1}, None),
    "garbage": ({"kind": "garbage"}, None),
    "lost response and an unknown error": ({"kind": "reset_after"}, -1),
    "lost response and an undocumented error": ({"kind": "reset_after"}, -999),
}


@pytest.mark.parametrize(("first", "code"), UNANSWERED_REMOVALS.values(), ids=UNANSWERED_REMOVALS)
def test_a_removal_that_is_refused_when_it_is_repeated_was_carried_out_before(
    core: Core, tmp_path: Path, first: dict[str, Any], code: int | None
) -> None:
    set_vendor(core, list_lag=20, absent_del="error")
    fault(core, {"path": DEL, **first})
    if code is not None:
        fault(core, {"path": DEL, "kind": "code", "code": code, "times": -1})
    result = applied(core, tmp_path, WITHOUT_A)
    assert "failed" not in result, result["msg"]
    assert (result["changed"], result["removed"], listed(core)) == (True, [A], [B])


def test_an_addition_that_is_refused_when_it_is_repeated_was_carried_out_before(core: Core, tmp_path: Path) -> None:
    set_vendor(core, list_lag=20, present_add="full")
    fault(core, {"path": ADD, "kind": "reset_after"})
    result = applied(core, tmp_path, REPLACED)
    assert "failed" not in result, result["msg"]
    assert (result["added"], result["removed"], listed(core)) == ([C], [A], [B, C])


def test_a_removal_that_is_refused_and_never_shows_fails_with_the_refusal(core: Core, tmp_path: Path) -> None:
    fault(core, {"path": DEL, "kind": "reset_before"})
    fault(core, {"path": DEL, "kind": "code", "code": -10, "times": -1})
    result = applied(core, tmp_path, WITHOUT_A)
    assert (result["failed"], result["changed"], result["code"]) == (True, False, -10)
    assert len(calls(core, DEL)) <= 3

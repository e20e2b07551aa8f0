# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of qg_whitelist with a list that shows changes late, responses that are lost, and a state that fails."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.retry_policy import POLL_INTERVAL
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import LIST_LAG, MAX_EXECUTION_DELAY
from support.in_process import Killed, calls, configure, fault
from support.stores import quick_over_both
from support.whitelist import ADD, DEL, QUERY, ControlNode, node, set_vendor

__all__ = ["node"]
pytestmark = pytest.mark.usefixtures("every_store")

A, B = "203.0.113.1", "203.0.113.2"


def listed_by(node: ControlNode) -> list[str]:
    whitelist: list[str] = node.info()["whitelist"]
    return whitelist


def test_the_wait_for_a_list_that_lags_is_announced(node: ControlNode) -> None:
    set_vendor(node.core, list_lag=30)
    shown: list[str] = []
    assert "failed" not in node.task([A], announcer=Announcer(shown.append, now=node.core.clock.now))
    begin = "waiting because the list does not show yet what the vendor has reported (/whitelist): at most "
    assert shown == [f"{begin}{seconds} s more (max_wait)" for seconds in (297, 287, 277)]


@pytest.mark.parametrize(
    "seconds", [3, 20, *(pytest.param(seconds, marks=pytest.mark.thorough) for seconds in (8, 55))]
)
def test_a_change_that_the_list_shows_late_is_sent_once_and_waited_for(node: ControlNode, seconds: int) -> None:
    set_vendor(node.core, list_lag=seconds)
    result = node.task([A, B])
    assert "failed" not in result
    assert (result["added"], result["whitelist"]) == ([A, B], [A, B])
    result = node.task([A], "absent")
    assert "failed" not in result
    assert (result["removed"], node.on_list()) == ([A], [B])
    assert calls(node.core, ADD, DEL) == [ADD, DEL]
    assert len(calls(node.core, QUERY)) <= 20


def test_an_address_that_a_stale_list_still_shows_is_added_again(node: ControlNode) -> None:
    node.task([A])
    node.wire.advance(600)
    set_vendor(node.core, list_lag=20)
    assert "max_wait" in node.task([A], "absent", max_wait=0.0)["msg"], "there is no time to see it"
    assert node.on_list() == []
    node.wire.advance(2)
    assert listed_by(node) == []
    assert node.task([A])["added"] == [A]
    node.wire.advance(60)
    assert node.on_list() == [A]


@quick_over_both
def test_an_address_that_the_list_does_not_show_yet_is_removed(node: ControlNode) -> None:
    set_vendor(node.core, list_lag=20)
    node.task([A], max_wait=0.0)
    node.wire.advance(2)
    assert listed_by(node) == [A]
    assert node.task([A])["already_present"] == [A]
    assert node.task([A], "absent")["removed"] == [A]
    assert node.on_list() == []


def test_a_list_that_is_as_old_as_both_of_two_changes_ends_neither(node: ControlNode) -> None:
    set_vendor(node.core, list_lag=20)
    node.task([A], max_wait=0.0)
    node.wire.advance(5)
    node.task([A], "absent", max_wait=0.0)
    node.wire.advance(1)
    assert listed_by(node) == [], "the list is from before both"
    node.wire.advance(15)
    assert listed_by(node) == [], "and now from between them"
    assert node.task([A])["added"] == [A]


def test_a_removal_in_the_console_is_seen_once_the_list_has_caught_up(node: ControlNode) -> None:
    set_vendor(node.core, list_lag=3)
    node.task([A])
    configure(node.core, whitelist=[])
    node.core.keys.process_due_events()
    node.wire.advance(4)
    assert listed_by(node) == []
    assert node.task([A])["added"] == [A]


@pytest.mark.parametrize(("state", "path"), [("present", ADD), ("absent", DEL)])
def test_a_vendor_that_acknowledges_and_does_nothing_is_reported(node: ControlNode, state: str, path: str) -> None:
    configure(node.core, whitelist=[B])
    ip = A if state == "present" else B
    body = {"Code": 0, "Data": [ip], "Num": 1}
    fault(node.core, {"path": path, "kind": "replace", "body": body, "executed": False, "times": -1})
    result = node.task([ip], state)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "The vendor reports success, but the whitelist does not show the change" in result["msg"]
    assert result["whitelist"] == listed_by(node) == [B], "what was reported is no longer believed"
    assert len(calls(node.core, path)) == 1


@pytest.mark.parametrize(("late", "wall_step"), [(12, 0), (30, 0), (12, -86400), (12, -1), (12, 300)])
def test_a_lost_removal_that_takes_effect_late_is_waited_for_whatever_the_wall_clock_is_set_to(
    node: ControlNode, late: int, wall_step: int
) -> None:
    node.task([A])
    node.wire.late = (DEL, late)
    node.task([A], "absent", max_wait=0.0)
    node.wire.machine.set_wall(wall_step)
    began = node.core.clock.now()
    assert "failed" not in node.task([A])
    assert node.on_list() == [A]
    assert node.core.clock.now() - began < LIST_LAG + MAX_EXECUTION_DELAY + POLL_INTERVAL
    node.wire.advance(600)
    assert node.on_list() == [A]


@pytest.mark.parametrize(("state", "path"), [("absent", DEL), ("present", ADD)])
def test_a_change_of_an_interrupted_run_is_waited_for_by_the_run_that_repeats_it(
    node: ControlNode, state: str, path: str
) -> None:
    configure(node.core, whitelist=[A] if state == "absent" else [])
    # What is there already, or is gone already, is not named in the response to the second run.
    set_vendor(node.core, list_lag=20, present_add="zero", absent_del="zero")
    node.wire.end_after(path)
    with pytest.raises(Killed):
        node.task([A], state)
    result = node.task([A], state)
    assert "failed" not in result, result["msg"]
    assert node.on_list() == result["whitelist"] == ([] if state == "absent" else [A])


@quick_over_both
def test_what_was_done_is_reported_if_the_state_fails_after_the_call(node: ControlNode) -> None:
    node.wire.break_stores_after(ADD)
    result = node.task([A])
    assert (result["failed"], result["changed"], result["added"]) == (True, True, [A])
    assert "cannot be used" in result["msg"]
    assert node.on_list() == [A]

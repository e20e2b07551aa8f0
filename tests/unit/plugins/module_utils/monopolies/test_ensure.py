# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold a number of resources: apply for what is missing, and wait until it is online."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.change import hold
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.caps import Caps
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from support.in_process import books
from support.monopoly_calls import APPLY, GUANGZHOU, HUAIAN, IDLE, LIST, QUOTA
from support.monopoly_runs import MonopolyNode, message, succeeded


def test_what_is_missing_is_applied_for_in_one_call_and_waited_for(node: MonopolyNode) -> None:
    progress: list[str] = []
    outcome = succeeded(node.hold(3, area_code=GUANGZHOU, isp="mobile", on_wait=progress.append))
    assert (outcome.applied, outcome.changed, outcome.missing) == (node.uuids, True, 3)
    assert {one.state for one in outcome.after} == {"online"}
    assert {one.area for one in outcome.after} == {"广东省广州市"}
    (call,) = node.sent(APPLY)
    assert call["params"] == {"Num": "3", "AreaCode": "440100", "Operator": "2"}
    begin = "resources are not online yet: "
    assert progress[0] == f"{begin}0 of 3 online, 3 queued"
    assert f"{begin}0 of 3 online, 2 queued, 1 redialling" in progress

    again = succeeded(node.hold(3, area_code=GUANGZHOU, isp="mobile"))
    assert (again.changed, [one.uuid for one in again.before]) == (False, outcome.applied)
    assert node.writes() == ["POST"]


def test_only_the_difference_is_applied_for_and_a_surplus_stays(node: MonopolyNode) -> None:
    node.hold(2)
    outcome = succeeded(node.hold(5))
    assert (outcome.missing, len(outcome.applied), len(outcome.before)) == (3, 3, 2)
    assert (succeeded(node.hold(1)).changed, len(node.uuids)) == (False, 5)


def test_a_cap_stops_an_application_and_its_prediction(node: MonopolyNode) -> None:
    node.hold(2)
    caps = Caps(per_day=3)
    for check in (True, False):
        outcome = hold(node.api(), Desired(4), check=check, caps=caps)
        assert message(outcome).startswith("max_new_per_day=3 does not allow 2 more resources: in the last 24 hours, 2")
    assert len(node.uuids) == 2
    assert len(succeeded(hold(node.api(), Desired(3), caps=caps)).applied) == 1


def test_without_waiting_the_current_states_are_returned(node: MonopolyNode) -> None:
    outcome = succeeded(node.hold(2, wait=False))
    assert [one.state for one in outcome.after] == ["queued", "queued"]
    assert ([one.server for one in outcome.after], len(node.sent(LIST))) == ([None, None], 2)


def test_another_run_waits_for_queued_resources(node: MonopolyNode) -> None:
    node.hold(2, wait=False)
    outcome = succeeded(node.hold(2))
    assert (outcome.changed, {one.state for one in outcome.after}) == (False, {"online"})


def test_a_run_does_not_wait_for_more_than_is_desired(node: MonopolyNode) -> None:
    node.hold(2)
    node.hold(4, wait=False)
    progress: list[str] = []
    outcome = succeeded(node.hold(2, on_wait=progress.append))
    assert sorted(one.state for one in outcome.after) == ["online", "online", "queued", "queued"]
    assert progress == []


def test_offline_ones_count_and_are_not_waited_for(node: MonopolyNode) -> None:
    node.hold(2)
    node.offline(node.uuids[0])
    outcome = succeeded(node.hold(2))
    assert (outcome.changed, [one.state for one in outcome.after]) == (False, ["offline", "online"])
    outcome = succeeded(node.hold(3))
    assert len(outcome.applied) == 1


def test_when_max_wait_is_used_up_all_paid_resources_are_named(node: MonopolyNode) -> None:
    outcome = node.hold(3, max_wait=6)
    assert (outcome.applied, outcome.changed) == (node.uuids, True)
    assert "1 of 3 online, 2 redialling, and max_wait (6 seconds) is used up" in message(outcome)
    assert "run the task again" in message(outcome)
    assert (succeeded(node.hold(3)).changed, node.writes()) == (False, ["POST"])


def test_new_resources_are_waited_for_in_any_state(node: MonopolyNode) -> None:
    outcome = node.hold(2, max_wait=20, on_wait=lambda _text: node.offline(node.uuids[0]))
    text = f"1 of 2 online, 1 offline, and max_wait (20 seconds) is used up; not ready: {node.uuids[0]}."
    assert text in message(outcome)
    assert outcome.applied == node.uuids


def test_new_resources_that_vanish_are_reported(node: MonopolyNode) -> None:
    def take_away(_text: str) -> None:
        books(node.core).monopolies[1:] = []

    outcome = node.hold(2, on_wait=take_away)
    assert "The list no longer contains resources that were applied for: " in message(outcome)
    assert len(outcome.applied) == 2


def test_the_idle_stock_shows_which_areas_do_not_match(node: MonopolyNode) -> None:
    node.hold(2, isp="telecom")
    elsewhere = [one.area for one in books(node.core).monopolies if one.area.area_id != int(HUAIAN)]
    outcome = succeeded(node.hold(3, area_code=HUAIAN))
    assert (len(outcome.applied), outcome.undetermined) == (3 - (2 - len(elsewhere)), [])


def test_own_applications_are_known_without_the_idle_stock(node: MonopolyNode) -> None:
    node.hide_stock()
    node.hold(2, area_code=GUANGZHOU)
    node.hold(1, area_code=HUAIAN)
    assert len(node.uuids) == 3
    outcome = succeeded(node.hold(2, area_code=HUAIAN))
    assert (len(outcome.applied), succeeded(node.hold(2, area_code=GUANGZHOU)).changed) == (1, False)


def test_the_idle_stock_is_not_read_if_enough_resources_match(node: MonopolyNode) -> None:
    node.hide_stock()
    node.hold(1)
    node.hold(1, area_code=GUANGZHOU, on_uncertain="ignore")
    node.core.journal.clear()
    assert (succeeded(node.hold(1, area_code=GUANGZHOU)).changed, node.sent(IDLE)) == (False, [])


def test_a_count_beyond_the_plan_fails_before_the_first_write(node: MonopolyNode) -> None:
    node.hold(4)
    for check in (True, False):
        outcome = node.hold(12, check=check)
        assert message(outcome) == (
            "8 more resources are needed to hold 12, and the plan has 6 of 10 free. Ask for less, release some, or "
            "extend the plan."
        )
        assert len(outcome.before) == 4
    assert node.writes() == ["POST"]


@pytest.mark.parametrize(
    "answer",
    [
        *({"kind": "code", "code": code, "times": -1} for code in (-1, -10, -15)),
        {"kind": "replace", "body": {"Code": 0, "Total": 0, "Available": 0, "Used": 0}},
    ],
    ids=["unknown error", "invalid parameter", "no permission", "no channels"],
)
def test_a_plan_without_a_quota_is_supported(node: MonopolyNode, answer: dict[str, Any]) -> None:
    node.core.fault(QUOTA, **answer)
    assert len(succeeded(node.hold(2)).applied) == 2


def test_an_expired_plan_fails_before_the_first_write(node: MonopolyNode) -> None:
    node.core.fault(QUOTA, "code", code=-100)
    assert "code -100" in message(node.hold(2))
    assert node.writes() == []


def test_a_refused_application_quotes_the_vendor(node: MonopolyNode) -> None:
    node.core.fault(QUOTA, "code", code=-15)
    outcome = node.hold(11)
    assert message(outcome).startswith("POST /monopolies was refused with HTTP 400")
    assert "Nothing was applied for." in message(outcome)
    assert (outcome.changed, node.writes()) == (False, ["POST"])


def test_an_empty_list_is_read_once_more(node: MonopolyNode) -> None:
    node.hold(2)
    node.core.fault(LIST, "data_null")
    outcome = succeeded(node.hold(2))
    assert (outcome.changed, node.writes()) == (False, ["POST"])


def test_check_mode_predicts_and_writes_nothing(node: MonopolyNode) -> None:
    node.hold(1, area_code=GUANGZHOU)
    node.core.journal.clear()
    outcome = succeeded(node.hold(3, area_code=GUANGZHOU, check=True))
    assert (outcome.missing, outcome.applied, outcome.warnings) == (2, [], [])
    assert (succeeded(node.hold(1, area_code=GUANGZHOU, check=True)).missing, node.writes()) == (0, [])


def test_an_empty_list_does_not_forget_what_resources_were_applied_for_with(node: MonopolyNode) -> None:
    node.hide_stock()
    node.hold(2, area_code=GUANGZHOU)
    node.core.fault(LIST, "data_null", times=2)
    assert not succeeded(node.release([])).changed
    assert not succeeded(node.hold(2, area_code=GUANGZHOU, on_uncertain="ignore")).changed
    assert node.writes() == ["POST"]


@pytest.mark.parametrize("what", ["area", "isp"])
def test_resources_elsewhere_than_applied_for_are_not_paid_for_again(node: MonopolyNode, what: str) -> None:
    other = {"AreaCode": HUAIAN} if what == "area" else {"Operator": "2"}
    node.core.around(APPLY, lambda call: call.carry_out(**other))
    desired = {"area_code": GUANGZHOU} if what == "area" else {"isp": "telecom"}
    for _run in range(3):
        outcome = succeeded(node.hold(2, **desired))
        assert (len(outcome.after), len(node.uuids)) == (2, 2)
        # The list shows the name of an area, but not its code.
        said = [text for text in outcome.warnings if "than was applied for. They count for this request" in text]
        assert len(said) == (what == "isp")

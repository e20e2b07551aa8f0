# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release resources: those that are old enough, verified on the list, and repeated if that shows no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.monopoly_calls import HOURS, LIST, RELEASE, lost
from support.monopoly_runs import MonopolyNode, message, occupancy, succeeded


def test_release_and_release_again(node: MonopolyNode) -> None:
    one, two, three = node.hold_old(3)
    outcome = succeeded(node.release([one, two, "gone:ppp1"]))
    assert outcome.released == [one, two]
    assert [left.uuid for left in outcome.after] == [three] == node.uuids
    assert (succeeded(node.release([one, two])).changed, node.writes()) == (False, ["POST", "DELETE"])
    assert (succeeded(node.release()).released, node.uuids) == ([three], [])
    assert (succeeded(node.release()).changed, succeeded(node.release([])).changed) == (False, False)


def test_only_resources_of_sufficient_age_are_released_and_the_others_named_with_the_time(node: MonopolyNode) -> None:
    old = node.hold(2).applied
    node.core.clock.advance(12 * HOURS)
    young = node.hold(3).applied
    outcome = node.release()
    assert (outcome.released, node.uuids) == (old, young)
    (refused,) = outcome.refused
    assert refused.uuid == young[0]
    assert refused.possible_from is not None
    assert f"1 of 3 resources cannot be released: {young[0]} (possible from 2030-01-02T08:00:" in message(outcome)
    assert message(outcome).count("+08:00 on)") == 1
    node.core.journal.clear()
    predicted = node.release(None, check=True)
    assert (message(predicted), node.writes()) == (message(node.release()), [])


def test_the_vendor_decides_if_a_time_cannot_be_read(node: MonopolyNode) -> None:
    node.hold(1)
    node.core.alter(LIST, lambda body: {"data": [{**body["data"][0], "monopolize_time": "a while ago"}]})
    outcome = node.release()
    assert outcome.refused[0].possible_from is None
    assert "12小时" in message(outcome)
    assert node.writes() == ["POST", "DELETE"]


def test_a_clock_that_is_behind_is_corrected_by_the_list(node: MonopolyNode) -> None:
    node.hold_old(1)
    node.wire.is_dated = False
    node.wire.machine.set_wall(-13 * HOURS)
    assert len(succeeded(node.release()).released) == 1


@lost
def test_a_lost_response_to_a_release(node: MonopolyNode, done: bool, fields: dict[str, Any]) -> None:
    uuids = node.hold_old(3)
    node.core.fault(RELEASE, **fields)
    outcome = succeeded(node.release(uuids[:2]))
    assert (outcome.released, node.uuids) == (uuids[:2], uuids[2:])
    assert node.writes() == ["POST"] + ["DELETE"] * (1 if done else 2)


def test_only_resources_that_are_still_held_are_released_again(node: MonopolyNode) -> None:
    uuids = node.hold_old(3)
    node.core.fault(RELEASE, "partial", drop=1)
    assert sorted(succeeded(node.release()).released) == sorted(uuids)
    assert [call["params"]["UUIDs"] for call in node.sent(RELEASE)] == [",".join(uuids), uuids[2]]


def test_the_last_of_three_lost_releases_is_verified_for_as_long_as_the_list_may_lag(node: MonopolyNode) -> None:
    uuids = node.hold_old(2)
    node.list_lag(50)
    node.core.fault(RELEASE, "reset_before", times=2)
    node.core.fault(RELEASE, "reset_after")
    outcome = succeeded(node.release())
    assert (outcome.released, node.uuids, node.writes()) == (uuids, [], ["POST"] + ["DELETE"] * 3)


@pytest.mark.slow
def test_many_are_released_in_few_calls(tmp_path: Path) -> None:
    node = MonopolyNode(occupancy(channels=60, queue_seconds=0.1), tmp_path)
    node.hold_old(60)
    assert len(succeeded(node.release()).released) == 60
    assert node.writes() == ["POST", "DELETE", "DELETE"]


def test_a_lost_release_that_the_list_shows_late_is_not_reported_as_refused(node: MonopolyNode) -> None:
    old = node.hold_old(2)
    node.list_lag(50)
    node.core.fault(RELEASE, "reset_after")
    outcome = succeeded(node.release())
    assert (outcome.released, node.uuids) == (old, [])


@pytest.mark.parametrize("check", [False, True])
def test_one_answer_without_data_does_not_mean_that_nothing_is_held(node: MonopolyNode, check: bool) -> None:
    held = node.hold_old(2)
    other = node.other()
    node.core.fault(LIST, "data_null")
    outcome = other.release(check=check)
    assert (outcome.error, outcome.released) == (None, held)

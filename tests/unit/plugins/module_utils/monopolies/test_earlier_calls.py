# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run left behind that was killed while it applied: a later run adopts it, or waits until it is known."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import (
    ApplicationParams,
    DesiredMonopolies,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.session import application_params
from support.failing_state import FailingState
from support.in_process import Answer, Call, Killed
from support.monopoly_calls import APPLY, GUANGZHOU, RELEASE, START
from support.monopoly_runs import MonopolyNode, message, occupancy, succeeded, uncertain


def kill_applying(node: MonopolyNode, *, done: bool) -> None:
    """Hold two in a process that is killed before the application is sent, or after it is done."""
    node.core.kill(APPLY, carried_out=done)
    with pytest.raises(Killed):
        node.hold(2, area_code=GUANGZHOU)


def test_the_next_run_adopts_what_a_killed_one_applied_for(node: MonopolyNode) -> None:
    node.list_lag(50)
    kill_applying(node, done=True)
    outcome = succeeded(node.hold(2, area_code=GUANGZHOU))
    assert (node.writes(), [one.uuid for one in outcome.before]) == (["POST"], node.uuids)
    assert not outcome.changed
    assert outcome.warnings == [
        f"An earlier run applied for 2 resources and did not learn the result: {', '.join(node.uuids)} are held."
    ]
    assert set(application_params(node.api()).values()) == {ApplicationParams(GUANGZHOU, None)}
    assert node.unresolved() == 0


def test_an_application_that_is_carried_out_after_its_process_was_killed_is_waited_for(node: MonopolyNode) -> None:
    def leave_in_flight(call: Call) -> Answer:
        node.wire.under_way.append((START + 14, call.method, call.path, dict(call.parameters)))
        raise Killed

    node.core.once(APPLY, leave_in_flight)
    with pytest.raises(Killed):
        node.hold(2, area_code=GUANGZHOU)
    outcome = succeeded(node.hold(2, area_code=GUANGZHOU))
    assert len(node.uuids) == len(outcome.before) == 2
    assert node.writes() == ["POST"]


def test_an_application_that_was_never_carried_out_is_repeated_when_the_list_must_show_it(node: MonopolyNode) -> None:
    kill_applying(node, done=False)
    began = node.core.clock.now()
    outcome = succeeded(node.hold(2, wait=False))
    assert (outcome.applied, len(node.uuids)) == (node.uuids, 2)
    assert 90 <= node.core.clock.now() - began <= 95
    assert node.unresolved() == 0


def test_a_wait_for_an_earlier_application_that_max_wait_does_not_cover_says_until_when(node: MonopolyNode) -> None:
    kill_applying(node, done=False)
    outcome = node.hold(2, max_wait=30)
    uncertain(outcome)
    assert message(outcome) == (
        "2 resources were applied for at 2030-01-01T08:00:00+08:00 without a known result; the list shows 0 of them, "
        "and whether more will be held is unknown until 2030-01-01T08:01:30+08:00. Nothing was applied for. Run "
        "the task again after that, or raise max_wait (30 seconds)."
    )
    assert (node.core.clock.now(), node.writes()) == (START + 30, [])
    assert len(succeeded(node.hold(2)).applied) == 2


def test_enough_resources_are_not_kept_waiting_by_an_earlier_application(node: MonopolyNode) -> None:
    node.hold(1, area_code=GUANGZHOU, wait=False)
    kill_applying(node, done=False)
    began = node.core.clock.now()
    assert (succeeded(node.hold(1, wait=False)).changed, node.core.clock.now()) == (False, began)


def test_check_mode_warns_of_an_earlier_application_and_does_not_wait(node: MonopolyNode) -> None:
    kill_applying(node, done=False)
    outcome = succeeded(node.hold(2, check=True))
    assert outcome.missing == 2
    assert outcome.warnings[0].startswith("2 resources were applied for at 2030-01-01T08:00:00+08:00 without a known")
    assert (node.core.clock.now(), node.unresolved()) == (START, 1)


def test_check_mode_counts_what_a_killed_run_applied_for_and_leaves_the_record(node: MonopolyNode) -> None:
    node.hide_stock()
    kill_applying(node, done=True)
    outcome = succeeded(node.hold(2, area_code=GUANGZHOU, check=True))
    assert (outcome.missing, outcome.undetermined, node.unresolved()) == (0, [], 1)


def test_a_quota_with_more_in_use_stops_the_next_application_for_ten_minutes(node: MonopolyNode) -> None:
    node.list_lag(3000)
    kill_applying(node, done=True)
    outcome = node.hold(2)
    assert "the quota has more in use than the list accounts for" in uncertain(outcome)
    assert "from 2030-01-01T08:10:00+08:00 on, only the list counts." in message(outcome)
    assert node.writes() == ["POST"]
    node.list_lag(0)
    assert len(succeeded(node.hold(2)).before) == 2


@pytest.mark.parametrize("step", [-86400, -3000, 86400])
def test_a_clock_that_is_set_does_not_change_the_wait(node: MonopolyNode, step: int) -> None:
    kill_applying(node, done=False)
    node.wire.machine.set_wall(step)
    api = node.api()
    succeeded(ensure_held(api, DesiredMonopolies(2), wait=False))
    assert 89 <= api.caller.budget.waited <= 95


def test_what_was_released_does_not_count_while_the_list_lags(node: MonopolyNode) -> None:
    old = node.hold_old(2)
    node.list_lag(50)
    assert succeeded(node.release()).released == old
    outcome = succeeded(node.hold(2))
    assert outcome.before == []
    assert len(outcome.applied) == len(node.uuids) == 2


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_release_without_a_response_is_waited_for_before_its_resources_count(
    node: MonopolyNode, carried_out: bool
) -> None:
    node.hold_old(2)
    node.list_lag(50)
    node.core.kill(RELEASE, carried_out=carried_out)
    with pytest.raises(Killed):
        node.release()
    outcome = node.hold(2, max_wait=30)
    assert "whether they are still held is unknown" in uncertain(outcome)
    assert len(succeeded(node.hold(2)).applied) == (2 if carried_out else 0)
    assert len(node.uuids) == 2


def test_a_release_whose_process_is_killed_at_its_last_write_counts(tmp_path: Path) -> None:
    def release_all(directory: Path, writes: int) -> tuple[MonopolyNode, FailingState]:
        """Release two in a process that is killed when it begins one write more."""
        node = MonopolyNode(occupancy(), directory)
        node.hold_old(2)
        node.list_lag(50)
        state = FailingState(node.directory, node.wire.machine, writes, Killed())
        node.store = state
        with contextlib.suppress(Killed):
            node.release()
        node.store = None
        return node, state

    _node, state = release_all(tmp_path / "undisturbed", many := 1000)
    assert state.left
    node, state = release_all(tmp_path / "killed", many - state.left - 1)
    assert state.has_failed
    assert len(succeeded(node.hold(2)).applied) == 2

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all runs for resources share: their messages and times."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.session import (
    MonopolyResult,
    held_monopolies,
    summary,
)
from support.failing_state import FailingState
from support.monopoly_calls import APPLY, REDIAL, RELEASE, START
from support.monopoly_runs import MonopolyNode, message


def test_messages_are_short() -> None:
    assert format_sample([str(n) for n in range(22)], 3) == "0, 1, 2 and 19 more"
    assert summary(["online", "queued", "online", "queued", "redialling"], 6) == "2 of 6 online, 2 queued, 1 redialling"
    assert summary(["", "拨号中"], 2) == "0 of 2 online, 1 in no known state, 1 拨号中"


def test_times_without_a_zone_are_those_of_beijing(node: MonopolyNode) -> None:
    node.hold(1)
    since = held_monopolies(node.api())[0].since
    assert since == datetime.datetime.fromtimestamp(START, datetime.timezone.utc)


def applied(outcome: MonopolyResult) -> list[str]:
    return outcome.applied


def released(outcome: MonopolyResult) -> list[str]:
    return outcome.released


def redialed(outcome: MonopolyResult) -> list[str]:
    return [one.uuid for one in outcome.redialed]


Run = Callable[[MonopolyNode], MonopolyResult]
RUNS: dict[str, tuple[Run, Callable[[MonopolyResult], list[str]]]] = {
    APPLY: (lambda node: node.hold(4), applied),
    RELEASE: (lambda node: node.release(), released),
    REDIAL: (lambda node: node.redial(), redialed),
}


@pytest.mark.parametrize("call", RUNS)
def test_a_blocked_key_is_reported_as_such(node: MonopolyNode, call: str) -> None:
    node.hold_old(2)
    node.core.fault(call, "replace", body={"Code": -12})
    assert f"{call} was refused with code -12 (key blocked" in message(RUNS[call][0](node))
    assert len(node.sent(call)) == 1 + (call == APPLY)


@pytest.mark.parametrize("call", RUNS)
def test_what_the_vendor_accepted_counts_if_the_state_cannot_be_written_then(node: MonopolyNode, call: str) -> None:
    old = node.hold_old(2)
    node.store = state = FailingState(node.directory, node.wire.machine)
    node.core.after(call, state.fill_up)
    run, names = RUNS[call]
    outcome = run(node)
    assert "the disk is full" in message(outcome)
    assert outcome.changed
    # The list alone names what was applied for.
    assert names(outcome) == ([] if call == APPLY else old)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("call", [RELEASE, REDIAL])
def test_a_call_is_verified_and_not_repeated_after_a_permanent_error(node: MonopolyNode, call: str, done: bool) -> None:
    old = node.hold_old(2)
    node.list_lag(50)
    sent = node.fail_for_good(call, done=done)
    run, names = RUNS[call]
    outcome = run(node)
    assert (names(outcome), outcome.error is None, len(sent)) == (old if done else [], done, 1)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An application whose response is lost, or that the list shows late, is not paid for twice."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from support.failing_state import FULL, FailingState
from support.in_process import Answer, Call
from support.monopoly_calls import APPLY, GUANGZHOU, LIST, QUOTA, lost
from support.monopoly_runs import MonopolyNode, message, succeeded, uncertain


@lost
def test_a_lost_response_to_an_application(node: MonopolyNode, done: bool, fields: dict[str, Any]) -> None:
    node.core.fault(APPLY, **fields)
    outcome = succeeded(node.hold(3, area_code=GUANGZHOU))
    assert (outcome.applied, len(outcome.applied), outcome.changed) == (node.uuids, 3, True)
    assert node.writes() == ["POST"] * (1 if done else 2)
    assert {call["params"]["Num"] for call in node.sent(APPLY)} == {"3"}


@pytest.mark.parametrize(("kind", "error"), [("reset_after", False), ("reset_before", True)])
def test_without_time_to_wait_the_list_is_read_once(node: MonopolyNode, kind: str, error: bool) -> None:
    node.core.fault(APPLY, kind)
    outcome = node.hold(1, wait=False, max_wait=0)
    assert bool(outcome.error) is error
    assert (node.writes(), outcome.applied) == (["POST"], node.uuids)


@pytest.mark.parametrize("answer", ["uuids", "objects", "empty"])
@pytest.mark.parametrize("kind", [None, "data_null", "data_absent", "strings"])
def test_the_response_to_an_application_may_have_any_format(node: MonopolyNode, answer: str, kind: str | None) -> None:
    node.core.configure(options={"apply_data": answer})
    if kind:
        node.core.fault(APPLY, kind)
    assert (succeeded(node.hold(2)).applied, node.writes()) == (node.uuids, ["POST"])


def test_without_a_quota_a_lost_application_is_repeated_only_when_the_list_must_show_it(node: MonopolyNode) -> None:
    node.core.fault(QUOTA, "code", code=-15, times=-1)
    node.list_lag(50)
    node.core.fault(APPLY, "reset_after")
    assert (len(succeeded(node.hold(2)).applied), node.writes()) == (2, ["POST"])
    node.core.fault(APPLY, "reset_before")
    assert (len(succeeded(node.hold(3)).applied), node.writes()) == (1, ["POST"] * 3)


def test_an_application_is_recorded_when_it_is_sent_and_not_before(node: MonopolyNode) -> None:
    api = node.api(max_wait=0)
    for _call in range(60):
        with api.caller.rate_limiter.slot(api.caller.key_digest, "POST /monopolies", 60, 10.0, api.caller.budget):
            pass
    assert "limit of" in message(node.hold(1, max_wait=0))
    assert (node.unresolved(), node.writes()) == (0, [])


def test_a_refused_application_leaves_no_record(node: MonopolyNode) -> None:
    node.core.fault(APPLY, "code", code=-103)
    assert "refused" in message(node.hold(1))
    assert node.unresolved() == 0


@pytest.mark.parametrize("data", [[], None])
def test_an_empty_list_of_resources_that_the_quota_contradicts_is_waited_for(node: MonopolyNode, data: Any) -> None:
    node.hold(2)
    node.core.fault(LIST, "replace", body={"data": data}, times=3)
    outcome = succeeded(node.other().hold(2))
    assert (outcome.applied, len(node.uuids)) == ([], 2)


@pytest.mark.parametrize(("max_wait", "undetermined", "held"), [(300, "fail", 2), (5, "fail", 2), (300, "ignore", 4)])
def test_resources_that_only_the_quota_counts_are_not_applied_for_again(
    node: MonopolyNode, max_wait: float, undetermined: str, held: int
) -> None:
    node.hold(2)
    node.core.fault(LIST, "replace", body={"data": []}, times=-1)
    text = uncertain(node.other().hold(2, max_wait=max_wait, on_uncertain=undetermined, wait=False))
    assert ("holds 2 more resources than the list of resources shows" in text) is (undetermined == "fail")
    assert len(node.uuids) == held


def test_a_lost_application_is_named_if_the_state_fails_at_the_same_moment(
    node: MonopolyNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store = state = FailingState(node.directory, node.wire.machine)

    def fail(*_arguments: object) -> NoReturn:
        raise FULL

    def lose_all(call: Call) -> Answer:
        call.carry_out()
        for name in ("transaction", "rows", "now"):
            monkeypatch.setattr(state, name, fail)
        return 502, None

    node.core.once(APPLY, lose_all)
    text = uncertain(node.hold(2))
    assert all(part in text for part in ("POST /monopolies", "the disk is full"))


@pytest.mark.parametrize("lag", [8.0, 30.0, 55.0])
def test_a_quota_that_lags_as_the_list_does_is_no_witness(node: MonopolyNode, lag: float) -> None:
    """Both may be read from the same replica."""
    node.core.configure(options={"list_lag": lag, "quota_lag": lag})
    node.core.fault(APPLY, "reset_after")
    assert (len(succeeded(node.hold(2)).applied), len(node.uuids)) == (2, 2)

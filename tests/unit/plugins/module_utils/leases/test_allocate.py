# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call that allocates did, if its response is lost or says less: the list and the quota show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import UncertainOutcomeError
from support.in_process import KEY, NOW, Answer, Call, Vendor
from support.lease_runs import LAGS, LOST, WRITING, LeaseNode, list_late, uncertain

BY_CHANNELS, BY_VOLUME = {"channels": 9}, {"billing": "volume", "balance": 9}


@pytest.mark.parametrize(("kind", "executed"), [*LOST, ({"kind": "code", "code": -104}, False)])
def test_leases_of_a_lost_response_are_adopted_or_the_call_is_repeated(
    core: Vendor, node: LeaseNode, kind: dict[str, Any], executed: bool
) -> None:
    core.fault("/allocate", **kind)
    outcome = node.ensure(3)
    assert outcome.error is None
    assert len(outcome.leases) == len(outcome.allocated) == 3
    assert (core.paid, core.calls("/allocate")) == (3, ["/allocate"] * (1 if executed else 2))


@pytest.mark.parametrize("status", [408, 502, 504])
def test_a_call_that_may_be_in_flight_is_not_repeated(core: Vendor, node: LeaseNode, status: int) -> None:
    core.fault("/allocate", "status", http_status=status)
    outcome = node.ensure(3)
    assert core.calls("/allocate") == ["/allocate"]
    assert "3 addresses were leased is unknown" in uncertain(outcome)
    assert "qg_proxy_info" in outcome.error.message


def test_a_call_carried_out_late_is_waited_for(core: Vendor, node: LeaseNode) -> None:
    node.wire.late = ("/allocate", 30)
    outcome = node.ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


def test_a_call_carried_out_late_is_uncertain_and_adopted_by_the_next_run(core: Vendor, node: LeaseNode) -> None:
    node.wire.late = ("/allocate", 30)
    outcome = node.ensure(2, max_wait=10)
    uncertain(outcome)
    node.wire.advance(60)
    again = node.ensure(2)
    assert (again.error, len(again.leases), again.allocated, core.paid) == (None, 2, (), 2)


def test_a_lost_response_is_uncertain_if_the_list_cannot_be_read(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "reset_after")
    core.fault("/query", "reset_before", skip=1, times=-1)
    outcome = node.ensure(2)
    assert "the list of leases cannot be read" in uncertain(outcome)


def test_a_lost_response_is_uncertain_without_time_to_read_the_list_again(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "reset_before")
    uncertain(node.ensure(2, max_wait=0))
    assert core.paid == 0


def test_a_call_that_always_fails_is_sent_three_times(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "code", code=-1, times=-1)
    outcome = node.ensure(1)
    assert (outcome.error.details["code"], len(core.calls("/allocate"))) == (-1, 3)


def test_a_call_that_was_lost_on_its_way_is_repeated_once_no_list_can_lag(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "reset_before")
    assert (node.ensure(3).error, core.paid) == (None, 3)
    assert 60 <= core.clock.now() - NOW < 61


def test_a_bare_429_without_an_effect_is_followed_by_another_attempt_in_a_minute(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "status", http_status=429)
    outcome = node.ensure(3)
    first, second = (record.at for record in core.journal if record.path == "/allocate")
    assert (outcome.error, core.paid) == (None, 3)
    assert second - first >= 60


def test_a_bare_403_without_an_effect_ends_the_task(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "status", http_status=403, times=-1)
    outcome = node.ensure(3)
    assert not isinstance(outcome.error, UncertainOutcomeError)
    assert "HTTP 403" in outcome.error.message
    assert (core.calls("/allocate"), core.paid) == (["/allocate"], 0)


@pytest.mark.parametrize(("shown", "number", "lag"), [(1, True, 0), (2, True, 0), (1, False, 30)])
def test_leases_that_a_response_omits_are_read_from_the_list_and_not_leased_again(
    core: Vendor, node: LeaseNode, shown: int, number: bool, lag: int
) -> None:
    core.configure(options={"list_lag": lag})

    def terse(body: Any) -> Any:
        short = {"Code": 0, "TaskID": body["TaskID"], "Data": body["Data"][:shown]}
        return {**short, "Num": shown} if number else short

    core.alter("/allocate", terse)
    outcome = node.ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)
    assert core.calls(*WRITING) == ["/allocate"]


@pytest.mark.parametrize("max_wait", [300, 30])
def test_without_a_quota_omitted_leases_are_looked_for_as_long_as_the_list_may_lag(
    core: Vendor, node: LeaseNode, max_wait: int
) -> None:
    core.configure(options={"list_lag": 50})
    core.fault("/info/quota", "code", code=-15, times=-1)
    core.alter("/allocate", lambda body: {**body, "Num": 1, "Data": body["Data"][:1]})
    node.ensure(3, max_wait=max_wait)
    outcome = node.ensure(3)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 3, 3)


@pytest.mark.parametrize(
    "plan", [{"channels": 5}, pytest.param({"billing": "volume", "balance": 5}, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("has_quota", [True, False])
def test_a_refusal_after_a_lost_response_is_uncertain(
    core: Vendor, node: LeaseNode, plan: dict[str, Any], has_quota: bool
) -> None:
    """The list lags behind for longer than it is looked at, and the second try finds the channels taken."""
    core.configure(plan=plan)
    core.alter("/query", lambda _body: {"Code": 0, "TaskList": []})
    if not has_quota:
        core.fault("/info/quota", "code", code=-15, times=-1)
    core.fault("/allocate", "reset_after")
    message = uncertain(node.ensure(3))
    assert "qg_proxy_info" in message
    assert has_quota or "an earlier attempt without a response may be the reason" in message
    assert core.paid == 3


@pytest.mark.parametrize("plan", [BY_CHANNELS, BY_VOLUME, None], ids=["channels", "volume", "no quota"])
@pytest.mark.parametrize("seconds", LAGS)
@pytest.mark.parametrize("at_once", [(), pytest.param((0,), id="one at once")])
def test_leases_of_a_lost_response_that_are_listed_late_are_paid_for_once(
    core: Vendor, node: LeaseNode, plan: dict[str, Any] | None, seconds: float, at_once: Sequence[int]
) -> None:
    if plan:
        core.configure(plan=plan)
    else:
        core.fault("/info/quota", "code", code=-15, times=-1)
    list_late(core, seconds, at_once)
    core.fault("/allocate", "reset_after")
    outcome = node.ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)
    assert core.calls(*WRITING) == ["/allocate"]


@pytest.mark.parametrize(
    ("shown", "lag", "run", "reason"),
    [
        (0, 3600, {}, "fewer free channels than the list of leases accounts for"),
        (1, 3600, {}, "shows only a part of it so far"),
        (1, 3600, {"plan": BY_VOLUME}, "shows only a part of it so far"),
        (2, 8, {"max_wait": 0}, "the list of leases does not show all of it so far"),
        (2, 8, {"max_wait": 1}, "the list of leases does not show all of it so far"),
        (2, 8, {"garbage": 20}, "the list of leases cannot be read"),
    ],
)
def test_leases_of_a_lost_response_that_are_not_all_listed_in_time_are_not_leased_again(
    core: Vendor, node: LeaseNode, shown: int, lag: float, run: dict[str, Any], reason: str
) -> None:
    core.configure(plan=run.get("plan", BY_CHANNELS))
    list_late(core, lag, at_once=range(shown))
    core.fault("/allocate", "reset_after")
    if "garbage" in run:
        core.fault("/query", "garbage", skip=2, times=run["garbage"])
    outcome = node.ensure(3, max_wait=run.get("max_wait", 300))
    assert reason in uncertain(outcome)
    assert (len(outcome.allocated), outcome.missing, core.paid) == (shown, 3 - shown, 3)
    assert core.calls(*WRITING) == ["/allocate"]


@pytest.mark.parametrize("step", [1.0, 3600.0])
def test_a_clock_that_is_set_back_leads_to_no_second_payment(core: Vendor, node: LeaseNode, step: float) -> None:
    list_late(core, 30)
    node.ensure(2)
    node.wire.machine.set_wall(-step)
    outcome = node.ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


@pytest.mark.parametrize("seconds", [60.0, 90.0, 86400.0])
def test_new_leases_that_seem_to_have_ended_are_not_leased_again(core: Vendor, node: LeaseNode, seconds: float) -> None:
    node.wire.is_dated, node.wire.machine.wall_error = False, seconds
    list_late(core, 30)
    terms = AllocationParams(keep_alive=1)
    assert len(node.ensure(2, params=terms).allocated) == 2
    core.clock.advance(20)
    outcome = node.ensure(2, params=terms)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


def test_a_new_lease_that_the_list_never_shows_is_held_until_its_deadline(core: Vendor, node: LeaseNode) -> None:
    node.wire.is_dated, node.wire.machine.wall_error = False, 30
    list_late(core, 3600)
    node.ensure(2, params=AllocationParams(keep_alive=1))
    core.clock.advance(29)
    assert len(node.client().held.read()) == 2
    core.clock.advance(1)
    assert node.client().held.read() == []


def test_the_lease_of_another_client_is_not_the_effect_of_a_lost_call(core: Vendor, node: LeaseNode) -> None:
    list_late(core, 8)
    core.handle("GET", "/allocate", {"Key": KEY, "Num": "1"})
    core.clock.advance(5)
    core.fault("/allocate", "reset_after")
    # Otherwise the run would wait until the list shows it.
    outcome = node.ensure(3, on_uncertain="ignore")
    assert (outcome.error, core.paid) == (None, 1 + 3)


def test_a_partly_executed_call_is_uncertain_and_completed_by_the_next_run(core: Vendor, node: LeaseNode) -> None:
    def in_parts(call: Call) -> Answer:
        rest = (core.clock.now() + 16, call.method, call.path, {**call.parameters, "Num": "3"})
        node.wire.under_way.append(rest)
        return call.carry_out(Num="1")

    core.once("/allocate", in_parts)
    node.wire.late = ("/allocate", 9)
    outcome = node.ensure(4, max_wait=5)
    assert "4 addresses were leased is unknown" in uncertain(outcome)
    assert (len(outcome.allocated), outcome.missing) == (1, 3)
    again = node.ensure(4)
    assert (again.error, len(again.leases), core.paid) == (None, 4, 4)


def test_a_lease_that_ends_does_not_hide_a_lost_one_from_the_quota(core: Vendor, node: LeaseNode) -> None:
    node.ensure(1, params=AllocationParams(keep_alive=1))
    core.clock.advance(58)
    before = core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})
    until = core.clock.now() + 20
    core.around("/query", lambda call: before if core.clock.now() < until else call.carry_out())
    core.fault("/allocate", "reset_after")
    outcome = node.ensure(1, min_remaining=1, params=AllocationParams(keep_alive=3))
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 1, 1 + 1)

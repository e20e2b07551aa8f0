# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call that allocates did, if its response is lost or says less: the list and the quota show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import UncertainOutcomeError
from support.in_process import KEY, NOW, Vendor
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


def test_a_call_carried_out_late_is_waited_for(core: Vendor, node: LeaseNode) -> None:
    node.wire.late = ("/allocate", 30)
    outcome = node.ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


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


def test_the_lease_of_another_client_is_not_the_effect_of_a_lost_call(core: Vendor, node: LeaseNode) -> None:
    list_late(core, 8)
    core.handle("GET", "/allocate", {"Key": KEY, "Num": "1"})
    core.clock.advance(5)
    core.fault("/allocate", "reset_after")
    # Otherwise the run would wait until the list shows it.
    outcome = node.ensure(3, on_uncertain="ignore")
    assert (outcome.error, core.paid) == (None, 1 + 3)


def test_a_lease_that_ends_does_not_hide_a_lost_one_from_the_quota(core: Vendor, node: LeaseNode) -> None:
    node.ensure(1, params=AllocationParams(keep_alive=1))
    core.clock.advance(58)
    before = core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})
    until = core.clock.now() + 20
    core.around("/query", lambda call: before if core.clock.now() < until else call.carry_out())
    core.fault("/allocate", "reset_after")
    outcome = node.ensure(1, min_remaining=1, params=AllocationParams(keep_alive=3))
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 1, 1 + 1)

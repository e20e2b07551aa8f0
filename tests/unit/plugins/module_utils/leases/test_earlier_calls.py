# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run left behind that was killed, or that had no time to wait: a later run adopts, waits or continues."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from support.in_process import NOW, Answer, Call, Killed, Vendor
from support.lease_runs import WRITING, LeaseNode, by_ip, uncertain
from support.slow import slow_cases

GUANGZHOU, QUANZHOU = "440100", "350500"


def kill_ensure(node: LeaseNode, count: int = 3, *, carried_out: bool = False, **desired: Any) -> None:
    """Kill a run at its call, before or after the vendor carries it out."""
    node.core.kill("/allocate", carried_out=carried_out)
    with pytest.raises(Killed):
        node.ensure(count, **desired)


@pytest.mark.parametrize(("timeout", "bound"), [(10.0, 90.0), (120.0, 180.0)])
def test_an_allocation_that_was_never_carried_out_is_repeated_when_it_can_no_longer_be_in_flight(
    core: Vendor, node: LeaseNode, timeout: float, bound: float
) -> None:
    node.wire.timeout = timeout
    kill_ensure(node)
    outcome = node.ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)
    (sent,) = core.journal.select("/allocate")
    assert bound <= sent["at"] - NOW < bound + 1
    # It is resolved then.
    began = core.clock.now()
    assert (len(node.ensure(4).leases), core.clock.now()) == (4, began)


@pytest.mark.parametrize("step", [-86400, -3000, 86400])
def test_a_clock_that_is_set_does_not_change_the_wait_for_an_earlier_call(
    core: Vendor, node: LeaseNode, step: int
) -> None:
    kill_ensure(node)
    node.wire.machine.set_wall(step)
    api = node.client()
    outcome = ensure_leases(api, Desired(3))
    assert (outcome.error, core.paid) == (None, 3)
    assert 89 <= api.caller.budget.waited <= 95


def test_an_allocation_that_was_sent_long_after_its_record_is_waited_for(tmp_path: Path) -> None:
    """The machine was suspended in between. The product has no quota that shows the leases."""
    core = Vendor(kind="overseas")
    core.configure(options={"list_lag": 50})
    node = LeaseNode(core, tmp_path, "overseas")

    def send_late(call: Call) -> Answer:
        node.wire.advance(7200)
        core.kill("/overseas/query", carried_out=False)
        return call.carry_out()

    core.once("/overseas/get", send_late)
    with pytest.raises(Killed):
        node.ensure(2)
    outcome = node.ensure(2)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)


def test_an_allocation_of_a_killed_run_is_adopted_with_its_origin(core: Vendor, node: LeaseNode) -> None:
    terms = AllocationParams(areas=(QUANZHOU,))
    kill_ensure(node, 2, carried_out=True, params=terms)
    outcome = node.ensure(2, params=terms)
    assert (outcome.error, len(outcome.leases), core.paid) == (None, 2, 2)
    assert (core.calls("/resources"), core.clock.now()) == ([], NOW)


@pytest.fixture
def leased_elsewhere(core: Vendor, node: LeaseNode) -> Callable[[], set[str]]:
    """Leave a call for two leases of another area to be carried out late, and return the addresses that it leased."""
    node.wire.late = ("/allocate", 30)
    uncertain(node.ensure(2, params=AllocationParams(areas=(QUANZHOU,), keep_alive=5), max_wait=5))
    return lambda: {one.ip for one in core.leases if one.area.area_id == int(QUANZHOU)}


def test_adopted_leases_of_another_area_do_not_match(node: LeaseNode, leased_elsewhere: Callable[[], set[str]]) -> None:
    outcome = node.ensure(1, params=AllocationParams(areas=(GUANGZHOU,)))
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 1)
    assert len(leased_elsewhere()) == 2
    assert leased_elsewhere().isdisjoint(one.ip for one in outcome.leases)
    assert leased_elsewhere().isdisjoint(one.ip for one in outcome.allocated)


def test_what_is_missing_is_counted_without_the_leases_of_an_earlier_call_for_another_area(
    core: Vendor, node: LeaseNode, leased_elsewhere: Callable[[], set[str]]
) -> None:
    core.fault("/allocate", "code", code=-103, times=-1, skip=1)
    outcome = node.ensure(3, params=AllocationParams(areas=(GUANGZHOU,)))
    assert outcome.error is not None
    assert (outcome.leases, outcome.missing, len(leased_elsewhere())) == ((), 3, 2)


@pytest.mark.usefixtures("leased_elsewhere")
def test_the_lifetime_of_the_leases_of_an_earlier_call_is_not_that_of_the_new_ones(node: LeaseNode) -> None:
    outcome = node.ensure(1, params=AllocationParams(areas=(GUANGZHOU,), keep_alive=60), min_remaining=30)
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 1)


def test_check_mode_does_not_wait_for_a_call_of_an_earlier_run(core: Vendor, node: LeaseNode) -> None:
    kill_ensure(node)
    outcome = node.ensure(3, check=True)
    assert (outcome.error, outcome.missing) == (None, 3)
    assert (core.clock.now(), core.calls(*WRITING)) == (NOW, [])


def chosen_of(core: Vendor) -> Any:
    """Choose, by their addresses, the leases that are held now."""
    ips = core.ips
    return by_ip(*ips)


def kill_replace(node: LeaseNode, chosen: Any, call: str, *, carried_out: bool = False, **terms: Any) -> None:
    """Kill a replacement at this call, before or after the vendor carries it out."""
    node.core.kill(call, carried_out=carried_out)
    with pytest.raises(Killed):
        node.replace(chosen=chosen, **terms)


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("call", ["/release", "/allocate"])
def test_an_interrupted_named_replacement_continues(
    core: Vendor, node: LeaseNode, call: str, carried_out: bool
) -> None:
    node.ensure(3)
    ips, chosen = core.ips, chosen_of(core)
    kill_replace(node, chosen, call, carried_out=carried_out)
    outcome = node.replace(chosen=chosen)
    assert (outcome.error, outcome.missing, len(core.leases), core.paid) == (None, 0, 3, 6)
    assert not ips & core.ips
    core.journal.clear()
    assert (node.replace(chosen=chosen).error, core.calls(*WRITING)) == (None, [])


@pytest.mark.parametrize(("ahead", "after", "held"), [(400.0, 0.0, 3), (0.0, 0.0, 3), (0.0, 400.0, 0)])
def test_an_interrupted_replacement_allocates_no_successor_of_a_lease_that_has_ended_since(
    core: Vendor, node: LeaseNode, ahead: float, after: float, held: int
) -> None:
    node.wire.is_dated, node.wire.machine.wall_error = False, ahead
    params = AllocationParams(keep_alive=5)
    node.ensure(3, params=params)
    chosen = chosen_of(core)
    kill_replace(node, chosen, "/allocate", params=params)
    core.clock.advance(after)
    assert (node.replace(chosen=chosen, params=params).error, len(core.leases)) == (None, held)


def test_a_successor_is_not_paid_twice_if_its_continuation_is_interrupted_too(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    ips, chosen = core.ips, chosen_of(core)
    kill_replace(node, chosen, "/allocate")
    kill_replace(node, chosen, "/release", carried_out=True)
    # Both runs have left a record of the lease that has no successor yet.
    assert (node.replace(chosen=chosen).error, len(core.leases), core.paid) == (None, 3, 6)
    assert not ips & core.ips


def test_a_replacement_of_other_leases_does_not_continue_an_interrupted_one(core: Vendor, node: LeaseNode) -> None:
    node.ensure(3)
    first, second = core.leases[0].ip, core.leases[1].ip
    kill_replace(node, by_ip(first), "/allocate")
    # Neither with other leases nor with other properties of the new ones is it the same task.
    other = node.replace(chosen=by_ip(first), params=AllocationParams(isp="mobile"))
    assert other.allocated == ()
    outcome = node.replace(chosen=by_ip(second))
    assert (outcome.error, len(outcome.allocated), len(core.leases), core.paid) == (None, 1, 2, 4)


@pytest.mark.parametrize("deadline", ["release", "expiry"])
@pytest.mark.parametrize("steps", [12, 24, *slow_cases(*(n for n in range(2, 48) if n not in (12, 24)))])
def test_an_interrupted_replacement_of_a_static_address_is_continued(tmp_path: Path, steps: int, deadline: str) -> None:
    """Its deadline may be the time from which it can be released, and has passed then."""
    core = Vendor(kind="longterm", static=True)
    core.configure(options={"static_deadline": deadline})
    node = LeaseNode(core, tmp_path, "longterm")
    node.ensure(2)
    core.clock.advance(90000)
    ip = core.leases[0].ip
    node.wire.killed_in = steps
    with contextlib.suppress(Killed):
        node.replace(chosen=by_ip(ip))
    node.wire.killed_in = None
    node.replace(chosen=by_ip(ip))
    assert (len(core.leases), core.paid) == (2, 3)
    assert ip not in core.ips

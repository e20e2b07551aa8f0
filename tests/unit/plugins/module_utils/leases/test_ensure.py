# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a number of leases: what counts, what is allocated and released, and what ends while the task waits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    CapReachedError,
    QgError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import ensure_leases, replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.lookup import _matching
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.caps import Caps
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import StateError
from support.failing_state import FailingState
from support.in_process import KEY, NOW, Vendor
from support.lease_runs import WRITING, LeaseNode, by_ip

GUANGZHOU = "440100"


@pytest.mark.parametrize(("areas", "leased"), [(9, 4), (2, 2)], ids=["in several calls", "in part"])
def test_a_short_response_is_completed_as_far_as_the_stock_reaches(
    core: Vendor, node: LeaseNode, areas: int, leased: int
) -> None:
    core.configure(options={"short_stock": "partial"})
    for place, area in enumerate(core.stock):
        area.available = int(place < areas)
    outcome = node.ensure(4)
    assert len(outcome.allocated) == len(outcome.leases) == core.paid == 4 - outcome.missing == leased
    assert outcome.error is None if leased == 4 else outcome.error.details["code"] == -103


def test_a_plan_without_room_is_refused_before_anything_is_written(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"channels": 3}, used=1)
    with pytest.raises(QgError, match=r"count=3 needs 3 more leases .*only 2 of the plan's 3 channels"):
        node.ensure(3)
    assert core.calls(*WRITING) == []


@pytest.mark.parametrize(
    ("lifetime", "min_remaining", "left"), [(1, 2, "60 seconds"), (10, 20, "10 minutes")], ids=["seconds", "minutes"]
)
def test_min_remaining_that_the_plan_cannot_meet_is_paid_for_once_at_most(
    core: Vendor, node: LeaseNode, lifetime: int, min_remaining: int, left: str
) -> None:
    core.configure(plan={"kind": "dynamic_shared", "lifetime": lifetime})
    outcome = node.ensure(1, min_remaining=min_remaining)
    assert f"1 new lease has less than min_remaining={min_remaining} minutes left" in outcome.error.message
    assert len(outcome.allocated) == 1
    with pytest.raises(QgError, match=rf"min_remaining of {min_remaining} minutes cannot be met: .* had {left} left"):
        node.ensure(1, min_remaining=min_remaining)
    assert core.paid == 1


def test_exact_releases_the_oldest_and_the_expiring_leases(core: Vendor, node: LeaseNode) -> None:
    node.ensure(1, params=AllocationParams(keep_alive=30))
    node.ensure(2, params=AllocationParams(keep_alive=60))
    node.ensure(4, params=AllocationParams(keep_alive=120))
    outcome = node.ensure(2, min_remaining=45, exact=True)
    assert outcome.error is None
    assert len(outcome.leases) == len(core.leases) == 2
    assert {one.expires.timestamp() for one in outcome.leases if one.expires} == {NOW + 7200}


def test_a_plan_by_volume_releases_at_most_one_lease_without_effect(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"billing": "volume", "balance": 3})
    node.ensure(3, params=AllocationParams(keep_alive=10))
    outcome = node.ensure(3, min_remaining=30, exact=True)
    assert "no channel came free for it" in outcome.error.message
    assert (len(outcome.released), len(core.leases), core.paid) == (1, 2, 3)


def test_names_of_areas_are_read_once_an_hour(core: Vendor, node: LeaseNode) -> None:
    node.other().ensure(3)
    desired = Desired(0, AllocationParams(areas=(GUANGZHOU,)))
    for _again in range(3):
        _matching(node.client(), desired, 0)
    assert core.calls("/resources") == ["/resources"]
    node.wire.advance(3601)
    _matching(node.client(), desired, 0)
    assert core.calls("/resources") == ["/resources"] * 2


def cached(node: LeaseNode) -> int:
    """How many leases a template finds that accepts a list of five minutes ago."""
    return len(_matching(node.client(), Desired(0), 300))


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("/allocate", lambda node: node.ensure(3)),
        ("/release", lambda node: node.release()),
        ("/replace", lambda node: node.replace(1)),
    ],
    ids=["allocate", "release", "replace"],
)
def test_a_list_that_was_read_while_a_call_was_on_its_way_is_not_used_after_it(
    core: Vendor, node: LeaseNode, path: str, change: Callable[[LeaseNode], object]
) -> None:
    node.ensure(2)
    seen = list[int]()
    core.before(path, lambda: seen.append(cached(node)))
    change(node)
    assert seen == [2]
    sent = len(core.calls("/query"))
    assert cached(node) == len(core.leases)
    assert len(core.calls("/query")) == sent


def test_a_list_whose_reading_began_before_a_call_is_not_used_after_it(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    # No response says what the call did, so only the list shows it.
    core.fault("/allocate", "reset_after")

    def allocate() -> None:
        core.clock.advance(1)
        node.ensure(3)

    core.after("/query", allocate)
    assert cached(node) == cached(node) == len(core.leases) == 3


def test_a_lease_that_was_listed_a_while_ago_is_not_used_after_its_deadline(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2, params=AllocationParams(keep_alive=1))
    assert cached(node) == 2
    core.clock.advance(200)
    assert cached(node) == 0


def test_a_refused_quota_is_an_unknown_quota(core: Vendor, node: LeaseNode) -> None:
    core.configure(plan={"billing": "volume", "balance": 2}, options={"volume_quota": "refuse"})
    assert node.ensure(2).error is None
    outcome = node.ensure(3)
    assert isinstance(outcome.error, CallError)
    assert outcome.error.details["code"] == -105


def test_a_refused_call_for_the_quota_stops_the_run(core: Vendor, node: LeaseNode) -> None:
    core.fault("/info/quota", "code", code=-12)
    with pytest.raises(CallError):
        node.ensure(1)
    assert core.calls(*WRITING) == []


@pytest.mark.parametrize("wanted", [4, 9])
def test_more_than_the_plan_can_ever_give_is_not_waited_for(core: Vendor, node: LeaseNode, wanted: int) -> None:
    core.configure(plan={"channels": 3})
    node.ensure(3)
    node.release()
    core.journal.clear()
    began = core.clock.now()
    with pytest.raises(QgError, match=f"count={wanted} needs {wanted} more leases .*only 3 of the plan's 3 channels"):
        node.ensure(wanted)
    assert (core.calls(), core.clock.now()) == (["/query", "/info/quota"], began)


def test_a_lease_that_ends_while_the_task_waits_is_not_counted(core: Vendor, node: LeaseNode) -> None:
    terms: dict[str, Any] = {"min_remaining": 1, "params": AllocationParams(keep_alive=2)}
    node.ensure(1, **terms)
    core.clock.advance(58)
    api = node.client()
    api.caller.rate_limiter.block(api.caller.key_digest, "/allocate", 70)
    outcome = ensure_leases(api, Desired(2, **terms))
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 2)
    assert ({one.ip for one in outcome.leases}, core.paid) == (core.ips, 3)


def test_what_was_paid_for_is_returned_whichever_write_to_the_state_fails(tmp_path: Path) -> None:
    for writes in itertools.count():
        core = Vendor()
        node = LeaseNode(core, tmp_path / str(writes))
        node.store = state = FailingState(node.directory, node.wire.machine, writes)
        try:
            outcome = node.ensure(2)
        except StateError:
            assert core.paid == 0
            continue
        assert {one.ip for one in outcome.allocated} == core.ips
        if not state.has_failed:
            break
        assert outcome.error is None or "the disk is full" in outcome.error.message


def test_a_key_that_a_new_lease_repeats_is_not_kept_in_the_state_directory(core: Vendor, node: LeaseNode) -> None:
    note = {"note": f"user {KEY}"}
    core.alter("/allocate", lambda body: {**body, "Data": [{**item, **note} for item in body["Data"]]})
    assert len(node.ensure(2).leases) == 2
    kept = b"".join(path.read_bytes() for path in node.directory.rglob("*") if path.is_file())
    assert core.leases[0].ip.encode() in kept
    assert KEY.encode() not in kept


# Caps


def test_no_lease_is_released_for_a_successor_that_a_cap_does_not_allow(core: Vendor, node: LeaseNode) -> None:
    held = node.ensure(3).leases
    caps = Caps(per_day=5)
    with pytest.raises(CapReachedError, match="max_new_per_day=5 does not allow 3 more leases"):
        replace_leases(node.client(), None, None, AllocationParams(), caps=caps)
    assert core.ips == {lease.ip for lease in held}
    first = held[0].ip
    replace_leases(node.client(), by_ip(first), None, AllocationParams(), caps=caps)
    assert (core.paid, len(core.ips)) == (4, 3)

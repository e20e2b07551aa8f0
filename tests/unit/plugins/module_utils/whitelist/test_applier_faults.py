# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop that applies a plan, against a vendor in memory with all known faults."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ReportedChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, OptionError, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_whitelist import WhitelistReading
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist, plan
from hypothesis import given, settings
from hypothesis import strategies as st
from support.whitelist_vendor import POOL, Ips, MemoryVendor, Script, apply, faults, ips, states


@given(
    current=ips,
    wanted=ips,
    replaces=ips,
    unconfirmed=ips,
    limit=st.integers(0, 4),
    script=faults,
    state=st.sampled_from(["absent", "present"]),
)
def test_addresses_that_only_hosts_reported_are_removed_up_to_a_limit_or_not_at_all(
    current: Ips, wanted: Ips, replaces: Ips, unconfirmed: Ips, limit: int, script: Script, state: str
) -> None:
    replaces = replaces if state == "present" else ()
    unwanted = set(wanted) if state == "absent" else set(replaces) - set(wanted)
    doubtful = unwanted & set(unconfirmed)
    desired = DesiredWhitelist(state, wanted, replaces=replaces, max_removals=limit, unconfirmed=tuple(doubtful))
    vendor = MemoryVendor(set(current), script=list(script))
    result = apply(vendor, desired)
    listed = doubtful & set(current)
    withheld = listed if len(listed) > limit else set()
    assert set(result.first.withheld) == withheld
    assert withheld | (set(current) - unwanted) <= vendor.whitelist_now
    if not script:
        assert vendor.whitelist_now & unwanted == withheld
        assert result.error is None


@settings(max_examples=400)
@given(
    current=ips,
    wanted=ips.filter(bool),
    replaces=ips,
    keep=ips,
    state=states,
    script=faults,
    bound=st.frozensets(st.sampled_from(POOL), max_size=2),
    room=st.integers(0, 12),
)
def test_whatever_happens_nothing_is_lost_or_extra_and_the_result_is_true(
    current: Ips, wanted: Ips, replaces: Ips, keep: Ips, state: str, script: Script, bound: frozenset[str], room: int
) -> None:
    before = set(current)
    vendor = MemoryVendor(set(current), list(script), capacity=len(current) + room, bound=bound - before)
    desired = DesiredWhitelist(state, wanted, keep=keep, replaces=replaces if state == "present" else ())
    result = apply(vendor, desired)
    after = vendor.whitelist_now
    may_go = set(plan(before, desired).remove)
    assert after <= before | set(wanted), "an address that no task requested"
    assert before - may_go <= after, "an address was lost"
    assert result.after == after
    assert set(result.added) == (after - before)
    assert set(result.removed) == (before - after)
    left = plan(after, desired)
    assert left.changes == (result.error is not None)
    assert result.error is None or result.refused or left.remove


def test_one_bound_address_in_a_batch_of_200_costs_only_itself() -> None:
    wanted = tuple(f"198.51.100.{n}" for n in range(1, 201))
    vendor = MemoryVendor(set(), bound=frozenset({"198.51.100.77"}))
    result = apply(vendor, DesiredWhitelist("present", wanted))
    assert vendor.whitelist_now == set(wanted) - {"198.51.100.77"}
    assert list(result.refused) == ["198.51.100.77"]
    assert "1 of 200 addresses were refused: 198.51.100.77" in str(result.error)
    assert vendor.calls.count("add") <= 20, "more than a minute's writes"


def test_a_new_fleet_costs_two_reads_and_one_write() -> None:
    vendor = MemoryVendor(set())
    apply(vendor, DesiredWhitelist("present", tuple(POOL)))
    assert vendor.calls == ["query", "add", "query"]
    apply(vendor, DesiredWhitelist("present", tuple(POOL)))
    assert vendor.calls[3:] == ["query"]


def test_a_full_list_says_how_many_slots_are_missing() -> None:
    result = apply(MemoryVendor(set(POOL[:5]), capacity=6), DesiredWhitelist("present", tuple(POOL[5:8])))
    assert result.error is not None
    assert "holds 5 addresses and needs 3 more slots" in result.error.message
    assert result.error.details["code"] == -202


@pytest.mark.parametrize(
    ("desired", "refusal"),
    [
        (
            DesiredWhitelist("present", tuple(POOL[5:8]), capacity=6),
            "would hold 8, its capacity is 6. Remove 2 addresses first",
        ),
        (DesiredWhitelist("exact", (POOL[0],), max_removals=3), "would remove 4 addresses, more than max_removals=3"),
    ],
    ids=["capacity", "max_removals"],
)
def test_limits_are_checked_before_anything_is_written(desired: DesiredWhitelist, refusal: str) -> None:
    vendor = MemoryVendor(set(POOL[:5]))
    with pytest.raises(OptionError, match=refusal):
        apply(vendor, desired)
    assert vendor.calls == ["query"]


@pytest.mark.parametrize("capacity", [None, 5])
def test_room_is_made_first_where_the_list_would_overflow(capacity: int | None) -> None:
    vendor = MemoryVendor(set(POOL[:5]), capacity=5)
    result = apply(vendor, DesiredWhitelist("exact", tuple(POOL[3:8]), capacity=capacity))
    assert result.error is None
    assert vendor.whitelist_now == set(POOL[3:8])


def test_nothing_is_removed_for_a_replacement_that_does_not_fit() -> None:
    vendor = MemoryVendor(set(POOL[:5]), capacity=5)
    result = apply(vendor, DesiredWhitelist("present", tuple(POOL[5:8]), replaces=(POOL[0],)))
    assert vendor.whitelist_now == set(POOL[:5])
    assert "needs 3 more slots" in str(result.error)
    result = apply(vendor, DesiredWhitelist("present", (POOL[5],), replaces=(POOL[0],)))
    assert result.error is None
    assert vendor.whitelist_now == set(POOL[1:6])


def test_otherwise_the_new_addresses_come_first() -> None:
    vendor = MemoryVendor(set(POOL[:3]))
    apply(vendor, DesiredWhitelist("exact", tuple(POOL[3:6])))
    assert vendor.calls == ["query", "add", "del", "query"]


def test_check_mode_predicts_and_writes_nothing() -> None:
    vendor = MemoryVendor({POOL[0], POOL[1]})
    result = apply(vendor, DesiredWhitelist("exact", (POOL[1], POOL[2])), check=True)
    assert (result.added, result.removed) == ([POOL[2]], [POOL[0]])
    assert vendor.calls == ["query"]


@pytest.mark.parametrize(
    ("desired", "message"),
    [
        (DesiredWhitelist("present", (POOL[0],)), "reports success, but the whitelist does not show the change"),
        (DesiredWhitelist("absent", (POOL[3],)), "1 addresses could not be removed: 203.0.113.4"),
    ],
    ids=["present", "absent"],
)
def test_a_success_that_the_list_does_not_show_is_an_error(desired: DesiredWhitelist, message: str) -> None:
    class Idle(MemoryVendor):
        def write(self, kind: str, batch: Sequence[str]) -> ReportedChange:
            return ReportedChange(frozenset(batch))

    result = apply(Idle({POOL[3]}), desired)
    assert (result.added, result.removed) == ([], [])
    assert message in str(result.error)


@pytest.mark.parametrize("retry_after", [None, 30.0])
def test_the_error_is_reported_if_no_time_is_left_for_another_attempt(retry_after: float | None) -> None:
    error = TransportError("HTTP 503", endpoint="/whitelist/add", effect=Effect.UNKNOWN, retry_after=retry_after)
    result = apply(MemoryVendor(set(), [error], budget=WaitBudget(0)), DesiredWhitelist("present", (POOL[0],)))
    assert result.error is error


def test_changes_before_an_error_are_reported() -> None:
    gone = TransportError("gone", endpoint="/whitelist/query", effect=Effect.UNKNOWN)

    class Breaks(MemoryVendor):
        def read(self, *, may_be_empty: bool = False) -> WhitelistReading:
            if "add" in self.calls:
                raise gone
            return super().read(may_be_empty=may_be_empty)

    result = apply(Breaks(set()), DesiredWhitelist("present", (POOL[0],)))
    assert (result.added, result.error) == ([POOL[0]], gone)

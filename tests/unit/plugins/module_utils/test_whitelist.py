# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plans for the whitelist and the loop that applies them, against a vendor with all known faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ReportedChange, WhitelistReading
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.exchange import PostRejected
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    OptionError,
    QgError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.whitelist_writes import WhitelistWrite
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.applier import reconcile
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.merge import (
    compatible_with_first,
    merge_desired,
    split_result,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import (
    DesiredWhitelist,
    WhitelistResult,
    plan,
)
from hypothesis import given, settings
from hypothesis import strategies as st

POOL = [f"203.0.113.{n}" for n in range(1, 25)]
ips = st.lists(st.sampled_from(POOL), unique=True, max_size=12).map(tuple)
states = st.sampled_from(["present", "absent", "exact"])


@dataclass
class Vendor:
    """A vendor in memory; ``script`` says, call by call, what goes wrong with a write."""

    whitelist_now: set[str]
    script: list[str] = field(default_factory=list)
    capacity: int = 1000
    bound: frozenset[str] = frozenset()
    forms: bool = True
    budget: WaitBudget = field(default_factory=lambda: WaitBudget(10_000, sleep=lambda _seconds: None))
    calls: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def read_whitelist(self, *, may_be_empty: bool = False) -> WhitelistReading:
        self.calls.append(("query", ()))
        return WhitelistReading(frozenset(self.whitelist_now))

    def settles_in(self, _conflicts: Callable[[WhitelistWrite], bool]) -> float:
        return 0.0

    def unresolved_writes(self) -> list[WhitelistWrite]:
        return []

    def add(self, batch: Sequence[str]) -> ReportedChange:
        assert not set(batch) & self.whitelist_now, "a present address was sent"
        return self._write("add", batch)

    def remove(self, batch: Sequence[str], _spellings: Mapping[str, Sequence[str]]) -> ReportedChange:
        return self._write("del", batch)

    def batches(self, wanted: Sequence[str], most: int | None = None) -> list[list[str]]:
        size = max(1, min(len(wanted), most or len(wanted), 5 if not self.forms else 1000))
        return [list(wanted[n : n + size]) for n in range(0, len(wanted), size)]

    def _write(self, kind: str, batch: Sequence[str]) -> ReportedChange:
        self.calls.append((kind, tuple(batch)))
        path = f"/whitelist/{kind}"
        fault = self.script.pop(0) if self.script else "none"
        if fault == "before":
            raise TransportError("lost", endpoint=path, effect=Effect.UNKNOWN)
        if fault == "unknown":
            raise ApiError(-1, path, effect=Effect.UNKNOWN)
        if fault == "form" and self.forms:
            self.forms = False
            raise PostRejected("no forms", effect=Effect.REJECTED, code=-10)
        done = list(batch)[: len(batch) // 2] if fault == "partial" else list(batch)
        if kind == "del":
            self.whitelist_now -= set(done)
        else:
            if set(done) & self.bound:
                raise ApiError(-206, path)
            if len(self.whitelist_now) + len(done) > self.capacity:
                raise ApiError(-202, path)
            self.whitelist_now |= set(done)
        if fault == "after":
            raise TransportError("lost", endpoint=path, effect=Effect.UNKNOWN)
        if fault == "garbage_after":
            raise TransportError("not JSON", endpoint=path, effect=Effect.UNKNOWN)
        return ReportedChange(frozenset() if fault == "silent" else frozenset(done))


faults = st.lists(
    st.sampled_from(["none", "before", "after", "unknown", "garbage_after", "partial", "form", "silent"]), max_size=6
)


def run(vendor: Any, desired: DesiredWhitelist, *, check: bool = False) -> WhitelistResult:
    """Apply with a Vendor, which has all that the loop needs of the API."""
    return reconcile(vendor, desired, check=check)


@given(current=ips, wanted=ips, keep=ips, replaces=ips, state=states)
def test_a_plan_is_the_smallest_change_to_the_desired_state(
    current: tuple[str, ...], wanted: tuple[str, ...], keep: tuple[str, ...], replaces: tuple[str, ...], state: str
) -> None:
    desired = DesiredWhitelist(state, wanted, keep=keep, replaces=replaces if state == "present" else ())
    made = plan(current, desired)
    after = (set(current) | set(made.add)) - set(made.remove)
    assert not set(made.add) & set(current)
    assert set(made.remove) <= set(current) - set(keep)
    assert made.size == len(after)
    if state == "absent":
        assert not after & set(wanted) - set(keep)
        assert made.add == ()
        assert set(current) - set(wanted) <= after
    else:
        assert set(wanted) <= after
    if state == "exact":
        assert after <= set(wanted) | set(keep)
    if state == "present":
        assert set(current) - set(replaces) <= after
    assert not plan(after, desired).changes, "a second run would change something"


@given(current=ips, wanted=ips, unconfirmed=ips, limit=st.integers(0, 4), script=faults)
def test_addresses_that_only_hosts_report_are_removed_up_to_a_limit_or_not_at_all(
    current: tuple[str, ...], wanted: tuple[str, ...], unconfirmed: tuple[str, ...], limit: int, script: list[str]
) -> None:
    doubtful = set(wanted) & set(unconfirmed)
    desired = DesiredWhitelist("absent", wanted, max_removals=limit, unconfirmed=tuple(doubtful))
    vendor = Vendor(set(current), script=list(script))
    result = run(vendor, desired)
    listed = doubtful & set(current)
    withheld = listed if len(listed) > limit else set()
    assert set(result.first.withheld) == withheld
    assert withheld | (set(current) - set(wanted)) <= vendor.whitelist_now
    if not script:
        assert vendor.whitelist_now & set(wanted) == withheld
        assert result.error is None


@given(current=ips, wanted=ips, replaces=ips, unconfirmed=ips, limit=st.integers(0, 4), script=faults)
def test_former_addresses_that_only_hosts_reported_are_replaced_up_to_a_limit_or_not_at_all(
    current: tuple[str, ...],
    wanted: tuple[str, ...],
    replaces: tuple[str, ...],
    unconfirmed: tuple[str, ...],
    limit: int,
    script: list[str],
) -> None:
    doubtful = set(replaces) & set(unconfirmed) - set(wanted)
    desired = DesiredWhitelist("present", wanted, replaces=replaces, max_removals=limit, unconfirmed=tuple(doubtful))
    vendor = Vendor(set(current), script=list(script))
    result = run(vendor, desired)
    listed = doubtful & set(current)
    withheld = listed if len(listed) > limit else set()
    assert set(result.first.withheld) == withheld
    assert withheld | (set(current) - set(replaces)) <= vendor.whitelist_now
    if not script:
        assert vendor.whitelist_now & set(replaces) - set(wanted) == withheld
        assert result.error is None


def test_plans_are_in_numeric_order() -> None:
    made = plan(["9.9.9.9", "100.1.1.1"], DesiredWhitelist("exact", ("20.0.0.1", "3.0.0.1")))
    assert made.add == ("3.0.0.1", "20.0.0.1")
    assert made.remove == ("9.9.9.9", "100.1.1.1")


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
    current: tuple[str, ...],
    wanted: tuple[str, ...],
    replaces: tuple[str, ...],
    keep: tuple[str, ...],
    state: str,
    script: list[str],
    bound: frozenset[str],
    room: int,
) -> None:
    before = set(current)
    vendor = Vendor(set(current), list(script), capacity=len(current) + room, bound=bound - before)
    desired = DesiredWhitelist(state, wanted, keep=keep, replaces=replaces if state == "present" else ())
    result = run(vendor, desired)
    after = vendor.whitelist_now
    may_go = set(plan(before, desired).remove)
    assert after <= before | set(wanted), "an address that no task requested"
    assert before - may_go <= after, "an address was lost"
    assert result.after == after
    assert set(result.added) == (after - before)
    assert set(result.removed) == (before - after)
    if result.error is None:
        assert not plan(after, desired).changes
    else:
        assert plan(after, desired).changes
        assert result.refused or set(plan(after, desired).remove)


def test_one_bound_address_in_a_batch_of_200_costs_only_itself() -> None:
    wanted = tuple(f"198.51.100.{n}" for n in range(1, 201))
    vendor = Vendor(set(), bound=frozenset({"198.51.100.77"}))
    result = run(vendor, DesiredWhitelist("present", wanted))
    assert vendor.whitelist_now == set(wanted) - {"198.51.100.77"}
    assert list(result.refused) == ["198.51.100.77"]
    assert result.error is not None
    assert "1 of 200 addresses were refused: 198.51.100.77" in result.error.message
    assert sum(kind == "add" for kind, _batch in vendor.calls) <= 20, "more than a minute's writes"


def test_a_new_fleet_costs_two_reads_and_one_write() -> None:
    vendor = Vendor(set())
    run(vendor, DesiredWhitelist("present", tuple(POOL)))
    assert [kind for kind, _batch in vendor.calls] == ["query", "add", "query"]
    vendor.calls.clear()
    run(vendor, DesiredWhitelist("present", tuple(POOL)))
    assert [kind for kind, _batch in vendor.calls] == ["query"]


def test_a_full_list_says_how_many_slots_are_missing() -> None:
    vendor = Vendor(set(POOL[:5]), capacity=6)
    result = run(vendor, DesiredWhitelist("present", tuple(POOL[5:8])))
    assert result.error is not None
    assert "holds 5 addresses and needs 3 more slots" in result.error.message
    assert result.error.details["code"] == -202


def test_a_known_capacity_is_checked_before_anything_is_written() -> None:
    vendor = Vendor(set(POOL[:5]), capacity=6)
    with pytest.raises(OptionError, match=r"would hold 8, its capacity is 6. Remove 2 addresses first"):
        run(vendor, DesiredWhitelist("present", tuple(POOL[5:8]), capacity=6))
    assert [kind for kind, _batch in vendor.calls] == ["query"]


@pytest.mark.parametrize("capacity", [None, 5])
def test_room_is_made_first_where_the_list_would_overflow(capacity: int | None) -> None:
    vendor = Vendor(set(POOL[:5]), capacity=5)
    result = run(vendor, DesiredWhitelist("exact", tuple(POOL[3:8]), capacity=capacity))
    assert result.error is None
    assert vendor.whitelist_now == set(POOL[3:8])


def test_nothing_is_given_up_for_a_replacement_that_does_not_fit() -> None:
    vendor = Vendor(set(POOL[:5]), capacity=5)
    result = run(vendor, DesiredWhitelist("present", tuple(POOL[5:8]), replaces=(POOL[0],)))
    assert vendor.whitelist_now == set(POOL[:5])
    assert result.error is not None
    assert "needs 3 more slots" in result.error.message
    result = run(vendor, DesiredWhitelist("present", (POOL[5],), replaces=(POOL[0],)))
    assert result.error is None
    assert vendor.whitelist_now == set(POOL[1:6])


def test_otherwise_the_new_addresses_come_first() -> None:
    vendor = Vendor(set(POOL[:3]))
    run(vendor, DesiredWhitelist("exact", tuple(POOL[3:6])))
    assert [kind for kind, _batch in vendor.calls] == ["query", "add", "del", "query"]


def test_exact_does_not_shrink_the_list_by_accident() -> None:
    vendor = Vendor(set(POOL))
    with pytest.raises(OptionError, match="would remove 23 addresses, more than max_removals=10"):
        run(vendor, DesiredWhitelist("exact", (POOL[0],), max_removals=10))
    assert vendor.whitelist_now == set(POOL)


def test_check_mode_predicts_and_writes_nothing() -> None:
    vendor = Vendor({POOL[0], POOL[1]})
    result = run(vendor, DesiredWhitelist("exact", (POOL[1], POOL[2])), check=True)
    assert result.added == [POOL[2]]
    assert result.removed == [POOL[0]]
    assert [kind for kind, _batch in vendor.calls] == ["query"]


def test_a_vendor_that_only_says_yes_is_not_believed() -> None:
    class Liar(Vendor):
        def _write(self, kind: str, batch: Sequence[str]) -> ReportedChange:
            self.calls.append((kind, tuple(batch)))
            return ReportedChange(frozenset(batch))

    liar = Liar({POOL[3]})
    result = run(liar, DesiredWhitelist("present", (POOL[0],)))
    assert result.added == []
    assert result.error is not None
    assert "reports success, but the whitelist does not show the change" in result.error.message
    result = run(liar, DesiredWhitelist("absent", (POOL[3],)))
    assert result.error is not None
    assert "1 addresses could not be removed: 203.0.113.4" in result.error.message


@pytest.mark.parametrize("retry_after", [None, 30.0])
def test_the_error_is_reported_if_no_time_is_left_for_another_attempt(retry_after: float | None) -> None:
    class Broken(Vendor):
        def _write(self, kind: str, batch: Sequence[str]) -> ReportedChange:
            raise TransportError("HTTP 503", endpoint="/whitelist/add", effect=Effect.UNKNOWN, retry_after=retry_after)

    result = run(Broken(set(), budget=WaitBudget(0)), DesiredWhitelist("present", (POOL[0],)))
    assert result.error is not None
    assert result.error.message == "HTTP 503"


def test_changes_before_an_error_are_reported() -> None:
    class Breaks(Vendor):
        def read_whitelist(self, *, may_be_empty: bool = False) -> WhitelistReading:
            if any(kind == "add" for kind, _batch in self.calls):
                raise TransportError("gone", endpoint="/whitelist/query", effect=Effect.UNKNOWN)
            return super().read_whitelist(may_be_empty=may_be_empty)

    vendor: Any = Breaks(set())
    result = run(vendor, DesiredWhitelist("present", (POOL[0],)))
    assert result.added == [POOL[0]]
    assert isinstance(result.error, QgError)


few = st.lists(st.sampled_from(POOL[:8]), unique=True, max_size=4).map(tuple)
crowd = st.lists(st.tuples(few, few), min_size=2, max_size=5)


def together(vendor: Vendor, states: Sequence[DesiredWhitelist], **options: bool) -> list[WhitelistResult]:
    result = reconcile(vendor, merge_desired(states), **options)
    return split_result(result, states, [()] * len(states), **options)


@given(current=few, parts=crowd, state=st.sampled_from(["present", "absent"]))
def test_merged_states_have_the_results_of_one_after_the_other(
    current: tuple[str, ...], parts: list[tuple[tuple[str, ...], tuple[str, ...]]], state: str
) -> None:
    states = [DesiredWhitelist(state, own, keep=keep) for own, keep in parts]
    assert compatible_with_first(states) == list(range(len(states)))
    alone, at_once = Vendor(set(current)), Vendor(set(current))
    expected = [reconcile(alone, desired) for desired in states]
    found = together(at_once, states)
    assert at_once.whitelist_now == alone.whitelist_now
    assert len(at_once.calls) <= 3
    for one, same in zip(found, expected, strict=True):
        assert (one.added, one.removed) == (same.added, same.removed)
        assert state == "absent" or one.first.unchanged == same.first.unchanged
        assert one.error is None
        assert one.after == at_once.whitelist_now
        assert one.before == (one.after - set(one.added)) | set(one.removed)


@given(current=few, parts=crowd, state=st.sampled_from(["present", "absent"]))
def test_merged_predictions_do_not_depend_on_each_other(
    current: tuple[str, ...], parts: list[tuple[tuple[str, ...], tuple[str, ...]]], state: str
) -> None:
    states = [DesiredWhitelist(state, own, keep=keep) for own, keep in parts]
    vendor = Vendor(set(current))
    found = together(vendor, states, check=True)
    assert vendor.calls == [("query", ())]
    for one, desired in zip(found, states, strict=True):
        same = reconcile(Vendor(set(current)), desired, check=True)
        assert (one.before, one.after, one.first) == (same.before, same.after, same.first)


@given(
    current=few,
    parts=st.lists(few, min_size=2, max_size=5),
    bound=st.frozensets(st.sampled_from(POOL[:8]), max_size=3),
    capacity=st.integers(2, 20),
    script=st.lists(st.sampled_from(["before", "after", "garbage_after", "unknown", "partial", "none"]), max_size=3),
)
def test_the_error_of_one_merged_state_is_not_reported_for_another(
    current: tuple[str, ...],
    parts: list[tuple[str, ...]],
    bound: frozenset[str],
    capacity: int,
    script: list[str],
) -> None:
    bound -= set(current)
    faults = bool(script)
    vendor = Vendor(set(current), script, max(capacity, len(current)), bound)
    states = [DesiredWhitelist("present", own) for own in parts]
    found = together(vendor, states)
    added = [ip for one in found for ip in one.added]
    assert sorted(added) == sorted(vendor.whitelist_now - set(current)), "each change is reported, and reported once"
    fits = len({*current}.union(*parts) - bound) <= vendor.capacity
    for one, desired in zip(found, states, strict=True):
        missing = set(desired.ips) - vendor.whitelist_now
        assert (one.error is not None) == bool(missing)
        if missing and not faults:
            assert missing == set(one.refused)
            assert all(ip in str(one.error) for ip in missing)
        assert set(one.refused) <= set(desired.ips)
        if fits and not faults:
            assert missing == set(desired.ips) & bound
    if not fits and not faults:
        assert len(vendor.whitelist_now) == vendor.capacity, "what fits is there"


@pytest.mark.parametrize(
    "desired",
    [
        DesiredWhitelist("exact", ("1",)),
        DesiredWhitelist("present", ("1",), capacity=5),
        DesiredWhitelist("present", ("1",), replaces=("2",)),
        DesiredWhitelist("absent", ("1",), unconfirmed=("1",)),
    ],
    ids=["exact", "capacity", "replaces", "unconfirmed"],
)
def test_a_state_that_depends_on_the_whole_list_is_exclusive(desired: DesiredWhitelist) -> None:
    others = [
        DesiredWhitelist("present", ("3",)),
        DesiredWhitelist("absent", ("3",)),
        DesiredWhitelist("present", ("4",), keep=("9",)),
    ]
    assert compatible_with_first([desired, *others]) == [0]
    assert compatible_with_first([others[0], desired, *others[1:]]) == [0, 3]
    assert compatible_with_first([others[1], desired, *others]) == [0, 3]


@given(current=few, wanted=few, seen=few, kept=few, state=st.sampled_from(["present", "absent"]))
def test_the_next_leader_reports_what_a_dead_leader_did(
    current: tuple[str, ...], wanted: tuple[str, ...], seen: tuple[str, ...], kept: tuple[str, ...], state: str
) -> None:
    desired = DesiredWhitelist(state, wanted, keep=kept)
    vendor = Vendor(set(current))
    # He found these in need of change, and changed them or did not come to it.
    found = split_result(reconcile(vendor, desired), [desired], [set(seen) & set(wanted) - set(kept)])[0]
    need = set(wanted) - set(current) if state == "present" else (set(wanted) & set(current)) - set(kept)
    expected = need | (set(seen) & set(wanted) - set(kept))
    assert {*found.added, *found.removed} == expected
    assert found.error is None
    assert not set(found.first.unchanged) & expected

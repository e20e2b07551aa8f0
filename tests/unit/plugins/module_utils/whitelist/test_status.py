# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Claims that are fulfilled together: which ones, and the result of each."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.groups import (
    compatible_with_first,
    merge_desired,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist, WhitelistResult
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.status import Changed, Round
from hypothesis import given
from hypothesis import strategies as st
from support.whitelist_vendor import POOL, Ips, MemoryVendor, Script, apply

A, B, C = POOL[:3]
few = st.lists(st.sampled_from(POOL[:8]), unique=True, max_size=4).map(tuple)
#: The addresses that each of several tasks wants, and those that it keeps.
Crowd = list[tuple[Ips, Ips]]
crowd = st.lists(st.tuples(few, few), min_size=2, max_size=5)
alike = st.sampled_from(["present", "absent"])


def apply_together(
    vendor: MemoryVendor, desired: Sequence[DesiredWhitelist], *, check: bool = False
) -> list[WhitelistResult]:
    result = apply(vendor, merge_desired(desired), check=check)
    # As it comes from the store.
    text = json.dumps(Round.of(result, predicted=check, shared=len(desired) > 1).as_json())
    found, claimed, parts = Round.from_json(json.loads(text)), set[str](), []
    changes = {*result.first.add, *result.first.remove}
    for own in desired:
        mine = frozenset(changes.intersection(own.ips).difference(own.keep if own.state == "absent" else (), claimed))
        claimed |= mine
        parts.append(found.part(own, Changed(mine, frozenset()) if own.state == "present" else Changed(removed=mine)))
    return parts


@pytest.mark.parametrize(
    "exclusive",
    [
        DesiredWhitelist("exact", (A,)),
        DesiredWhitelist("present", (A,), capacity=9),
        DesiredWhitelist("present", (A,), replaces=(B,)),
        DesiredWhitelist("present", (A,), unconfirmed=(B,)),
        DesiredWhitelist("absent", (A,), unconfirmed=(A,)),
    ],
    ids=["exact", "capacity", "replaces", "unconfirmed addition", "unconfirmed removal"],
)
def test_states_go_together_if_they_are_alike_and_do_not_depend_on_the_whole_list(exclusive: DesiredWhitelist) -> None:
    present, absent = DesiredWhitelist("present", (C,)), DesiredWhitelist("absent", (C,))
    keeping = DesiredWhitelist("present", (A,), keep=(B,))
    assert compatible_with_first([exclusive, present, absent, exclusive]) == [0]
    assert compatible_with_first([present, exclusive, absent, keeping]) == [0, 3]
    assert compatible_with_first([absent, exclusive, present, absent]) == [0, 3]


def test_states_are_merged_into_one_that_may_be_fulfilled_in_part() -> None:
    alone = DesiredWhitelist("present", (A,), keep=(A,))
    assert merge_desired([alone]) is alone
    present = merge_desired([alone, DesiredWhitelist("present", (B, A))])
    assert present == DesiredWhitelist("present", (A, B), allow_partial=True)
    # An address that one task keeps is removed only if another task wants it removed.
    absent = merge_desired([DesiredWhitelist("absent", (A, B), keep=(A,)), DesiredWhitelist("absent", (C,))])
    assert absent == DesiredWhitelist("absent", (B, C), allow_partial=True)


@given(current=few, parts=crowd, state=alike)
def test_merged_states_have_the_results_of_one_after_the_other(current: Ips, parts: Crowd, state: str) -> None:
    desired = [DesiredWhitelist(state, own, keep=keep) for own, keep in parts]
    assert compatible_with_first(desired) == list(range(len(desired)))
    alone, at_once = MemoryVendor(set(current)), MemoryVendor(set(current))
    expected = [apply(alone, own) for own in desired]
    found = apply_together(at_once, desired)
    assert at_once.whitelist_now == alone.whitelist_now
    assert len(at_once.calls) <= 3
    for one, same in zip(found, expected, strict=True):
        assert (one.added, one.removed) == (same.added, same.removed)
        assert state == "absent" or one.first.unchanged == same.first.unchanged
        assert one.error is None
        assert one.after == at_once.whitelist_now
        assert one.before == (one.after - set(one.added)) | set(one.removed)


@given(current=few, parts=crowd, state=alike)
def test_merged_predictions_do_not_depend_on_each_other(current: Ips, parts: Crowd, state: str) -> None:
    desired = [DesiredWhitelist(state, own, keep=keep) for own, keep in parts]
    vendor = MemoryVendor(set(current))
    found = apply_together(vendor, desired, check=True)
    assert vendor.calls == ["query"]
    for one, own in zip(found, desired, strict=True):
        same = apply(MemoryVendor(set(current)), own, check=True)
        assert (one.before, one.after, one.first) == (same.before, same.after, same.first)


@given(
    current=few,
    parts=st.lists(few, min_size=2, max_size=5),
    bound=st.frozensets(st.sampled_from(POOL[:8]), max_size=3),
    capacity=st.integers(2, 20),
    script=st.lists(st.sampled_from(["before", "after", "unknown", "partial", "none"]), max_size=3),
)
def test_the_error_of_one_merged_state_is_not_reported_for_another(
    current: Ips, parts: list[Ips], bound: frozenset[str], capacity: int, script: Script
) -> None:
    bound -= set(current)
    faults = bool(script)
    vendor = MemoryVendor(set(current), script, max(capacity, len(current)), bound)
    desired = [DesiredWhitelist("present", own) for own in parts]
    found = apply_together(vendor, desired)
    added = [ip for one in found for ip in one.added]
    assert sorted(added) == sorted(vendor.whitelist_now - set(current)), "each change is reported, and reported once"
    fits = len({*current}.union(*parts) - bound) <= vendor.capacity
    for one, own in zip(found, parts, strict=True):
        missing = set(own) - vendor.whitelist_now
        assert (one.error is not None) == bool(missing)
        if missing and not faults:
            assert missing == set(one.refused)
            assert all(ip in str(one.error) for ip in missing)
        assert set(one.refused) <= set(own)
        if fits and not faults:
            assert missing == set(own) & bound
    if not fits and not faults:
        assert len(vendor.whitelist_now) == vendor.capacity, "what fits is there"

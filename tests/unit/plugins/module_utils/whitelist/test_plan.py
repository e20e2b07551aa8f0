# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan of the whitelist adds, removes and leaves, case by case, and which plans are refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.view import OpenChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import (
    DesiredWhitelist,
    Plan,
    contradicts,
    plan,
)
from hypothesis import given
from support.whitelist_vendor import Ips, ips, states

A, B, C, D, E = (f"192.0.2.{number}" for number in range(1, 6))
NOTHING = DesiredWhitelist("present", ())
MANY = tuple(f"198.51.100.{number}" for number in range(1, 13))


def write(present: bool, *ips: str) -> OpenChange:
    return OpenChange(present, frozenset(ips), settles_in=10.0)


#: What is listed and desired, and what the plan adds, removes and leaves: by what the case shows.
PLANS: dict[str, tuple[list[str], DesiredWhitelist, tuple[Any, ...]]] = {
    "present adds what is missing": ([A], DesiredWhitelist("present", (A, B)), ((B,), (), (A,), 2)),
    "present leaves others": ([A, B], DesiredWhitelist("present", (A,)), ((), (), (A,), 2)),
    "present replaces": ([A, C], DesiredWhitelist("present", (B,), replaces=(A,)), ((B,), (A,), (), 2)),
    "wanted ones stay": ([A], DesiredWhitelist("present", (A, B), replaces=(A,)), ((B,), (), (A,), 2)),
    "kept ones stay": ([A, B], DesiredWhitelist("present", (C,), (A,), replaces=(A, B)), ((C,), (B,), (), 2)),
    "unlisted ones are replaced": ([C], DesiredWhitelist("present", (C,), replaces=(A,)), ((), (), (C,), 1)),
    "absent removes what is there": ([A, C], DesiredWhitelist("absent", (A, B)), ((), (A,), (B,), 1)),
    "absent but kept": ([A, B], DesiredWhitelist("absent", (A, B), keep=(B,)), ((), (A,), (), 1)),
    "absent from an empty list": ([], DesiredWhitelist("absent", (A,)), ((), (), (A,), 0)),
    "exact removes others": ([A, B], DesiredWhitelist("exact", (B, C)), ((C,), (A,), (B,), 2)),
    "exact but kept": ([A, B], DesiredWhitelist("exact", (C,), keep=(B,)), ((C,), (A,), (), 2)),
}


@pytest.mark.parametrize(("current", "desired", "expected"), PLANS.values(), ids=PLANS)
def test_a_plan_is_the_difference_between_the_list_and_the_desired_state(
    current: list[str], desired: DesiredWhitelist, expected: tuple[Any, ...]
) -> None:
    assert plan(current, desired) == Plan(desired, *expected)


@given(current=ips, wanted=ips, keep=ips, replaces=ips, state=states)
def test_a_plan_is_the_smallest_change_to_the_desired_state(
    current: Ips, wanted: Ips, keep: Ips, replaces: Ips, state: str
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


def test_refused_addresses_are_not_added_again_and_keep_what_they_would_replace() -> None:
    desired = DesiredWhitelist("present", (B, C), replaces=(A,))
    assert plan([A], desired, refused=[B]) == Plan(desired, (C,), (), (), 2)
    assert plan([A, B], desired) == Plan(desired, (C,), (A,), (B,), 2)
    exact = DesiredWhitelist("exact", (B, C))
    assert plan([A], exact, refused=[B]) == Plan(exact, (C,), (), (), 2)


def test_entries_beside_the_addresses_take_places_in_the_list() -> None:
    assert plan([A], DesiredWhitelist("present", (B,)), extra_entries=2).size == 4


@pytest.mark.parametrize(
    ("limit", "remove", "withheld"), [(None, (A, B, C), ()), (2, (A, B, C), ()), (1, (C,), (A, B)), (0, (C,), (A, B))]
)
def test_unconfirmed_removals_beyond_the_limit_are_all_withheld(limit: int | None, remove: Ips, withheld: Ips) -> None:
    desired = DesiredWhitelist("absent", (A, B, C), unconfirmed=(A, B, D), max_removals=limit)
    made = plan([A, B, C, E], desired)
    assert (made.remove, made.withheld) == (remove, withheld)
    assert made.size == 4 - len(remove)


def test_only_replaced_addresses_that_are_listed_and_not_kept_count_as_unconfirmed() -> None:
    unconfirmed = (A, B, C, D)
    desired = DesiredWhitelist("present", (D,), keep=(C,), replaces=(A, B, C), unconfirmed=unconfirmed, max_removals=1)
    # B is not listed, C is kept, and D is wanted: only A is a removal without confirmation.
    assert plan([A, C, D], desired) == Plan(desired, (), (A,), (D,), 2)
    assert plan([A, B, C, D], desired) == Plan(desired, (), (), (D,), 4, withheld=(A, B))


def test_wanted_addresses_count_as_unconfirmed_removals_of_absent() -> None:
    assert plan([A, B], DesiredWhitelist("absent", (A,), unconfirmed=(A,), max_removals=0)).withheld == (A,)
    assert plan([A, B], DesiredWhitelist("absent", (A,), unconfirmed=(A,), keep=(A,), max_removals=0)).withheld == ()


def test_a_plan_lists_addresses_in_numeric_order() -> None:
    low, high = "9.9.9.9", "100.1.1.1"
    assert plan([], DesiredWhitelist("present", (high, low))).add == (low, high)
    assert plan([high, low], DesiredWhitelist("present", (high, low))).unchanged == (low, high)
    assert plan([high, low], DesiredWhitelist("absent", (high, low))).remove == (low, high)
    doubtful = DesiredWhitelist("absent", (high, low), unconfirmed=(high, low), max_removals=1)
    assert plan([high, low], doubtful).withheld == (low, high)


@pytest.mark.parametrize(("capacity", "overflow"), [(None, 0), (0, 5), (3, 2), (4, 1), (5, 0), (6, 0)], ids=str)
def test_overflow_counts_the_addresses_beyond_the_capacity(capacity: int | None, overflow: int) -> None:
    assert Plan(DesiredWhitelist("present", (), capacity=capacity), size=5).overflow == overflow


@pytest.mark.parametrize(
    ("made", "changes"),
    [
        (Plan(NOTHING, (A,), (), (), 1), True),
        (Plan(NOTHING, (), (A,), (), 0), True),
        (Plan(NOTHING, (), (), (A,), 1), False),
        (Plan(NOTHING, (), (), (), 1, withheld=(A,)), False),
    ],
)
def test_a_plan_changes_something_if_it_adds_or_removes(made: Plan, changes: bool) -> None:
    assert made.changes is changes


# --- plans that are refused before anything is written --------------------------------------------------------------


def test_exact_may_remove_as_many_as_the_limit_and_no_more() -> None:
    Plan(DesiredWhitelist("exact", (), max_removals=12), remove=MANY).check_limits()
    Plan(DesiredWhitelist("exact", ()), remove=MANY).check_limits()
    with pytest.raises(OptionError) as caught:
        Plan(DesiredWhitelist("exact", (), max_removals=11), remove=MANY).check_limits()
    assert caught.value.message == (
        "state=exact would remove 12 addresses, more than max_removals=11: "
        f"{', '.join(MANY[:10])} and 2 more. Add those that must stay to ips or keep, or raise max_removals."
    )
    with pytest.raises(OptionError, match=rf", {MANY[9]}\. Add those"):
        Plan(DesiredWhitelist("exact", (), max_removals=0), remove=MANY[:10]).check_limits()


def test_the_limit_of_exact_does_not_stop_other_states() -> None:
    Plan(DesiredWhitelist("absent", (A, B), max_removals=1), remove=(A, B)).check_limits()
    Plan(DesiredWhitelist("present", (), replaces=(A, B), max_removals=0), remove=(A, B)).check_limits()


def test_additions_must_fit_into_the_capacity() -> None:
    Plan(DesiredWhitelist("present", (B, C, D), capacity=4), (B, C, D), size=4).check_limits()
    Plan(DesiredWhitelist("present", (B, C, D)), (B, C, D), size=4).check_limits()
    with pytest.raises(OptionError) as caught:
        Plan(DesiredWhitelist("present", (B, C, D), capacity=2), (B, C, D), size=4).check_limits()
    assert caught.value.message == (
        "3 more addresses do not fit: the whitelist would hold 4, its capacity is 2. Remove 2 addresses first."
    )
    assert caught.value.details["code"] == -202


def test_a_list_that_is_too_long_already_may_still_shrink() -> None:
    Plan(DesiredWhitelist("absent", (A,), capacity=2), remove=(A,), size=5).check_limits()


# --- earlier changes whose result is not known ----------------------------------------------------------------------


#: What is desired, an earlier change, and whether it may undo what is desired.
CONFLICTS: dict[str, tuple[DesiredWhitelist, OpenChange, bool]] = {
    "present while it is removed": (DesiredWhitelist("present", (A,)), write(False, A, B), True),
    "present while another is removed": (DesiredWhitelist("present", (A,)), write(False, B), False),
    "present while it is added": (DesiredWhitelist("present", (A,)), write(True, A, B), False),
    "replaced while it is added": (DesiredWhitelist("present", (A,), replaces=(B,)), write(True, B), True),
    "kept while it is added": (DesiredWhitelist("present", (A,), (B,), replaces=(B,)), write(True, B), False),
    "wanted and replaced": (DesiredWhitelist("present", (A,), replaces=(A,)), write(True, A), False),
    "absent while it is added": (DesiredWhitelist("absent", (A,)), write(True, A), True),
    "absent but kept": (DesiredWhitelist("absent", (A,), keep=(A,)), write(True, A), False),
    "absent while another is added": (DesiredWhitelist("absent", (A,)), write(True, B), False),
    "absent while it is removed": (DesiredWhitelist("absent", (A,)), write(False, A), False),
    "exact while another is added": (DesiredWhitelist("exact", (A,)), write(True, A, B), True),
    "exact while a kept one is added": (DesiredWhitelist("exact", (A,), keep=(B,)), write(True, A, B), False),
    "exact while it is removed": (DesiredWhitelist("exact", (A,)), write(False, A), True),
}


@pytest.mark.parametrize(("desired", "earlier", "conflict"), CONFLICTS.values(), ids=CONFLICTS)
def test_a_pending_write_conflicts_if_it_may_undo_the_desired_state(
    desired: DesiredWhitelist, earlier: OpenChange, conflict: bool
) -> None:
    assert contradicts(desired, earlier) is conflict

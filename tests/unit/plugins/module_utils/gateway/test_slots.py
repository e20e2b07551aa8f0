# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lease serves at which slot, while leases come and go, and several runs record it."""

from __future__ import annotations

from random import Random

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.slots import (
    SlotLease,
    assign,
    slots_as_json,
    slots_from_json,
    vacant,
)

NOW = 1_900_000_000.0


def lease(name: str, *, slot: int = 0, left: float | None = 60, server: str = "") -> SlotLease:
    """Return a lease that ends in so many seconds; its server has its name unless another one is
    given.
    """
    return SlotLease(slot, name, server or f"{name}:2000", None if left is None else NOW + left)


def following(
    recorded: list[SlotLease],
    leases: list[SlotLease],
    count: int = 2,
    bad: tuple[str, ...] = (),
    now: float = NOW,
    gone: tuple[str, ...] = (),
) -> list[SlotLease]:
    held = {entry.name for entry in (*recorded, *leases)} - set(gone)
    return assign(recorded, leases, held=held, count=count, bad=bad, now=now)


def places(slots: list[SlotLease]) -> dict[int, list[str]]:
    """Return the names of the leases of each slot, in the order in which they serve."""
    by_slot: dict[int, list[str]] = {}
    for entry in slots:
        by_slot.setdefault(entry.slot, []).append(entry.name)
    return by_slot


A = lease("a")
B = lease("b")
C = lease("c")
A1 = lease("a", slot=1)
B2 = lease("b", slot=2)


def test_what_is_recorded_is_read_as_it_was() -> None:
    assert slots_from_json(slots_as_json([A1, lease("b", slot=2, left=None)])) == [
        A1,
        lease("b", slot=2, left=None),
    ]
    assert slots_from_json({}) == []


def test_new_leases_take_the_slots_from_the_first_one_in_any_order_of_the_list() -> None:
    assert following([], [B, A]) == following([], [A, B]) == [A1, B2]


def test_a_run_that_changes_nothing_records_the_same() -> None:
    assert following([A1, B2], [B, A]) == [A1, B2]


def test_more_leases_than_slots_have_none_until_one_is_free() -> None:
    assert places(following([], [A, B, C])) == {1: ["a"], 2: ["b"]}
    assert places(following([lease("a", slot=1, left=-1), B2], [B, C])) == {1: ["c"], 2: ["b"]}


def test_a_successor_waits_beside_a_lease_that_ends_soon() -> None:
    assert places(following([lease("a", slot=1, left=10), B2], [B, C])) == {1: ["a", "c"], 2: ["b"]}


def test_a_lease_that_has_ended_goes() -> None:
    assert places(following([lease("a", slot=1, left=0), B2], [B])) == {2: ["b"]}


def test_a_slot_that_refuses_comes_first_and_then_the_one_that_ends_first() -> None:
    recorded = [lease("a", slot=1, left=20), lease("b", slot=2, left=10)]

    assert places(following(recorded, [C], count=3)) == {1: ["a"], 2: ["b"], 3: ["c"]}
    assert places(following(recorded, [C], count=2)) == {1: ["a"], 2: ["b", "c"]}


def test_a_bad_lease_leaves_its_slot_at_once_and_its_successor_has_it() -> None:
    assert places(following([A1, B2], [B, C], bad=("a:2000",))) == {1: ["c"], 2: ["b"]}


def test_a_successor_that_is_bad_is_replaced_before_it_serves() -> None:
    recorded = [lease("a", slot=1, left=10), B2, lease("c", slot=1)]

    assert places(following(recorded, [B, lease("d")], bad=("c:2000",))) == {
        1: ["a", "d"],
        2: ["b"],
    }


def test_leases_that_overlap_by_more_than_half_of_their_lives_queue_up() -> None:
    recorded = [lease("a", slot=1, left=10), lease("b", slot=1, left=30)]

    assert places(following(recorded, [C], count=1)) == {1: ["a", "b", "c"]}


def test_a_lease_that_another_run_has_recorded_keeps_its_slot() -> None:
    """The reading of this run is behind."""
    assert following([A1, B2], [B]) == [A1, B2]
    assert places(following([A1, B2], [B, C], count=3)) == {1: ["a"], 2: ["b"], 3: ["c"]}


def test_a_lease_that_was_released_leaves_its_slot_within_a_minute() -> None:
    once = following([A1, B2], [B], gone=("a",))
    longer = following(once, [B], gone=("a",), now=NOW + 59)
    seen_again = following(longer, [A, B], now=NOW + 59)

    assert places(longer) == {1: ["a"], 2: ["b"]}
    assert places(following(longer, [B], gone=("a",), now=NOW + 60)) == {2: ["b"]}
    assert seen_again == [A1, B2]


def test_a_run_whose_reading_is_behind_takes_no_successor_away() -> None:
    recorded = [lease("a", slot=1, left=16), lease("c", slot=1), B2]

    assert following(recorded, [lease("a", left=16), B]) == recorded


def test_two_runs_that_write_one_after_the_other_agree() -> None:
    first = following([], [A, B], count=3)
    second = following(first, [A, B, C], count=3)

    assert following(second, [A, B], count=3) == second
    assert places(second) == {1: ["a"], 2: ["b"], 3: ["c"]}


def test_with_a_higher_count_the_slots_stay_and_new_ones_follow() -> None:
    assert places(following([A1, B2], [A, B, C], count=3)) == {1: ["a"], 2: ["b"], 3: ["c"]}


def test_with_a_lower_count_no_lease_moves() -> None:
    """Other hosts may have more slots."""
    recorded = [A1, B2, lease("c", slot=3)]

    after = following(recorded, [B, C], count=2)

    assert places(after) == {1: ["a"], 2: ["b"], 3: ["c"]}
    assert vacant(after, {"b", "c"}, 2) == [1]


def test_a_lease_has_the_end_that_the_list_shows() -> None:
    assert following([A1], [lease("a", left=90)], count=1) == [lease("a", slot=1, left=90)]


def test_an_address_that_is_leased_again_stays_at_its_slot() -> None:
    """Of the classic API, it is another lease: two slots would have one exit."""
    recorded = [A1, lease("b", slot=2, left=5), lease("c", slot=3, left=9)]
    again = lease("task2", server="c:2000")

    assert places(following(recorded, [A, again], count=3)) == {
        1: ["a"],
        2: ["b"],
        3: ["c", "task2"],
    }


def test_an_address_that_is_leased_again_after_its_end_goes_to_any_slot() -> None:
    recorded = [lease("a", slot=1, left=-1), B2]

    assert places(following(recorded, [B, lease("a", left=60)])) == {1: ["a"], 2: ["b"]}


def test_two_leases_that_share_a_server_have_a_slot_each() -> None:
    leases = [lease("task1", server="a:2000"), lease("task2", server="a:2000")]

    assert places(following([], leases)) == {1: ["task1"], 2: ["task2"]}


def test_a_lease_without_an_end_goes_when_its_successor_has_come() -> None:
    old = lease("a", slot=1, left=None)

    assert places(following([old], [], count=1)) == {1: ["a"]}
    assert places(following([old], [B], count=1)) == {1: ["b"]}
    assert places(following([old], [lease("a", left=None), B], count=1)) == {1: ["a"]}


@pytest.mark.parametrize("seed", range(20))
def test_no_lease_moves_and_no_slot_stays_vacant_however_leases_come_and_go(seed: int) -> None:
    """Of two runs, one of which may be behind: a lease has one slot until its end, and each slot
    gets the next one.
    """
    chance = Random(seed)
    recorded: list[SlotLease] = []
    slot_of: dict[str, int] = {}
    leases: list[SlotLease] = []
    behind: list[SlotLease] = []
    for second in range(0, 3000, 5):
        now = NOW + second
        leases = [each for each in leases if each.until is not None and each.until > now + 15]
        while len(leases) < 5:
            leases.append(
                lease(f"{second}-{len(leases)}", left=second + chance.choice([60, 60, 90]))
            )
        reading = chance.choice([leases, leases, behind])
        recorded = following(recorded, reading, count=5, now=now)
        behind = [*leases]
        for entry in recorded:
            assert slot_of.setdefault(entry.name, entry.slot) == entry.slot
        assert len({entry.name for entry in recorded}) == len(recorded)
        if reading is leases:
            assert vacant(recorded, {each.name for each in leases}, 5) == []

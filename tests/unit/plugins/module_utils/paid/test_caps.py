# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Caps on what a key buys: all processes that share a state count together, in the transaction that records a call."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CapReachedError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.caps import DAY, Caps, bought_today
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import (
    LEASES,
    MONOPOLIES,
    Item,
    Journal,
    ledger,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store, StorePlace
from support.paid_calls import IN_FLIGHT, REFUSED, UNKNOWN, buy, send
from support.processes import run_together
from support.state_world import World, store, world
from support.stores import quick_over_both, state_place

__all__ = ["store", "world"]
pytestmark = pytest.mark.usefixtures("every_store")

PROCESSES, CAP = 12, 6


def capped(store: Store, per_day: int = 10**6, key: str = "key") -> Journal:
    return Journal(store, key, LEASES, caps=Caps(per_day))


def left(journal: Journal) -> int:
    """How many more a cap allows."""
    for number in range(1, 100):
        try:
            journal.check_caps(number)
        except CapReachedError:
            return number - 1
    raise AssertionError("there is no cap")


@quick_over_both
def test_what_was_received_counts_and_as_long_as_that_is_unknown_what_was_asked_for(store: Store) -> None:
    journal = capped(store, 20)
    buy(journal, 5, "a", "b", "c")
    assert left(journal) == 17
    send(journal, 10, fails=REFUSED)
    assert left(journal) == 17
    lost = send(journal, 4, fails=IN_FLIGHT)
    assert left(journal) == 13
    journal.close(lost, {"one": Item()}, whole=True)
    assert left(journal) == 16
    # Its time is over, and the list has shown only a part.
    journal.close(send(journal, 2, fails=UNKNOWN), {"part": Item()}, whole=False)
    assert left(journal) == 14 == 20 - bought_today(store, "key")
    assert left(capped(store, 20, key="another key")) == 20
    assert left(Journal(store, "key", MONOPOLIES, caps=Caps(20))) == 14, "a key pays for both"
    with pytest.raises(CapReachedError):
        send(journal, 15)
    assert len(ledger(store, {"key"})) == 4, "what a cap does not allow is not recorded"
    send(journal, 14)
    assert left(journal) == 0


def test_a_day_is_the_last_24_hours_of_state_time(store: Store, world: World) -> None:
    journal = capped(store, 10)
    buy(journal, 6, *"abcdef")
    world.time += DAY / 2
    buy(journal, 3, *"ghi")
    world.time += DAY / 2 - 1
    world.machine.set_wall(-3 * DAY)
    assert left(journal) == 1
    world.time += 2
    assert left(journal) == 7


def test_the_error_names_the_cap_and_the_fix(store: Store) -> None:
    buy(capped(store), 21, *"abcdefghijklmnopqrstu")
    with pytest.raises(CapReachedError) as caught:
        send(capped(store, 25), 5)
    assert caught.value.message == (
        "max_new_per_day=25 does not allow 5 more leases: in the last 24 hours, 21 were bought with this key, as "
        "qg_ledger_info shows. The call was not sent. Ask for less, or raise max_new_per_day (environment "
        "QG_MAX_NEW_PER_DAY)."
    )
    assert caught.value.details == {"cap": {"option": "max_new_per_day", "limit": 25, "bought": 21, "wanted": 5}}
    with pytest.raises(CapReachedError, match=r"=1 does not allow 2 more resources: .* 0 were bought with"):
        Journal(store, "another key", MONOPOLIES, caps=Caps(1)).check_caps(2)


def buy_one(place: StorePlace) -> None:
    with contextlib.closing(place.open()) as store, contextlib.suppress(CapReachedError):
        send(capped(store, CAP), 1)


@quick_over_both
def test_processes_do_not_exceed_a_cap_together(tmp_path: Path) -> None:
    place = state_place(tmp_path / "shared")
    run_together(buy_one, *[(place,)] * PROCESSES)
    with contextlib.closing(place.open()) as store:
        assert len(ledger(store, {"key"})) == CAP

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has bought what a key holds: random histories, in which the truth is known, and no false
alarm in any of them.

They have lost responses, lists that lag, killed processes and a second buyer.
``behavior/test_foreign_spending.py`` has the same from options to results.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from random import Random

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.origin import (
    BalanceReading,
    Origins,
    Purchases,
    next_reading,
    origins,
    unexplained,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.snapshot import OpenCall

#: QG.net's clock is so many seconds ahead of state time.
AHEAD = 1_800_000_000.0
HISTORIES = 10_000
HOUR = 3600.0


@dataclass
class Lease:
    name: str
    ends: float
    shown_at: float
    is_ours: bool
    #: Whether the journal has it, which may take one of another buyer for the effect of a call.
    is_recorded: bool = False


@dataclass
class History:
    """What this store and a second buyer do with a key."""

    random: Random
    now: float = 1000.0
    leases: list[Lease] = field(default_factory=list)
    open_calls: list[OpenCall] = field(default_factory=list)
    lost: list[OpenCall] = field(default_factory=list)
    first: frozenset[str] | None = None

    def lease(self, *, is_ours: bool, delay: float = 0.0, life: float = 600.0) -> Lease:
        begins = self.now + delay
        lag = self.random.choice((0, 0, 0, 5, 59, 300))
        lease = Lease(
            f"task 192.0.2.1:{len(self.leases)}", begins + life + AHEAD, begins + lag, is_ours
        )
        self.leases.append(lease)
        return lease

    def listed(self) -> list[Lease]:
        return [
            each
            for each in self.leases
            if each.shown_at <= self.now and each.ends > self.now + AHEAD
        ]

    def buy(self) -> None:
        """Make a call: its response arrives, or is lost, or the process is killed; it may be
        carried out late.
        """
        before = frozenset(lease.name for lease in self.listed())
        if self.first is None:
            self.first = before
        number = self.random.randint(1, 3)
        fate = self.random.choice(("answered", "answered", "lost", "killed", "late", "never"))
        delay = self.random.uniform(1, 29) if fate == "late" else 0.0
        life = self.random.choice((60.0, 600.0, 86400.0))
        if fate != "never":
            bought = [self.lease(is_ours=True, delay=delay, life=life) for _lease in range(number)]
        if fate == "answered":
            for lease in bought:
                lease.is_recorded = True
            return
        answered_at = self.now + 30 if fate == "lost" else None
        self.open_calls.append(
            OpenCall(len(self.leases), "/allocate", number, 0, before, self.now, 10.0, answered_at)
        )

    def settle(self) -> None:
        """End the calls whose effect the list shows, or no longer can."""
        for call in list(self.open_calls):
            new = [
                lease
                for lease in self.listed()
                if lease.name not in call.before and not lease.is_recorded
            ]
            effect = new[: call.adds]
            if len(effect) < call.adds and self.now < call.settles_at:
                continue
            for lease in effect:
                lease.is_recorded = True
            self.open_calls.remove(call)
            if len(effect) < call.adds:
                self.lost.append(
                    dataclasses.replace(call, adds=call.adds - len(effect), before=frozenset())
                )

    def read(self) -> Origins:
        bought = {
            lease.name.rpartition(" ")[2]: [lease.ends]
            for lease in self.leases
            if lease.is_recorded
        }
        purchases = Purchases(bought, [*self.open_calls, *self.lost], self.first)
        held = {lease.name: lease.ends for lease in self.listed()}
        return origins(held, purchases, self.now, self.now + AHEAD)


def test_no_history_raises_a_false_alarm() -> None:
    named = 0
    for seed in range(HISTORIES):
        random = Random(seed)
        history = History(random)
        has_second_buyer = seed % 2 == 0
        for _step in range(random.randint(3, 12)):
            step = random.choice(("buy", "buy", "settle", "settle", "foreign"))
            if step == "buy":
                history.buy()
            elif step == "settle":
                history.settle()
            elif has_second_buyer:
                history.lease(is_ours=False)
            history.now += random.choice((1, 5, 30, 61, 120, 700))
            read = history.read()
            accused = list(read.bought_here.values()).count(False)
            # One that was taken for the effect of a call leaves one of that call over.
            foreign = [lease for lease in history.leases if not lease.is_ours]
            true = [lease for lease in foreign if lease.is_recorded or lease in history.listed()]
            assert max(accused, read.foreign or 0) <= len(true), (seed, read, history)
            named += accused
    assert named > HISTORIES / 5


def test_a_call_has_not_bought_what_was_held_before_it() -> None:
    call = OpenCall(1, "/allocate", 1, 0, frozenset({"a"}), 0.0, 10.0, None)
    purchases = Purchases(calls=[call], first=frozenset())

    read = origins({"a": AHEAD + 60, "b": AHEAD + 60}, purchases, 0.0, AHEAD)

    assert read == Origins({"a": False, "b": None}, 1)


def test_a_lease_that_ends_too_late_for_a_lost_call_is_foreign() -> None:
    call = OpenCall(1, "/allocate", 1, 0, frozenset(), 0.0, 10.0, None)
    day = 86400.0
    purchases = Purchases(calls=[call], first=frozenset())

    early = origins({"a": AHEAD + day}, purchases, 3 * day, AHEAD + 3 * day)
    late = origins({"a": AHEAD + 4 * day}, purchases, 3 * day, AHEAD + 3 * day)

    assert early == Origins({"a": None}, 0)
    assert late == Origins({"a": False}, 1)


@pytest.mark.parametrize(
    ("balances", "bought", "expected"),
    [
        # The fall is what was bought.
        ((1000, 990), 10, 0),
        ((1000, 990), 4, 6),
        # Bought, and not counted yet.
        ((1000, 1000), 5, 0),
        # Topped up, and from there on.
        ((1000, 900, 2000), 0, 0),
        ((1000, 900, 2000, 1980), 5, 15),
        # Over several readings.
        ((1000, 990, 980, 970), 10, 20),
    ],
)
def test_the_fall_of_a_balance_beyond_what_was_bought(
    balances: tuple[int, ...], bought: int, expected: int
) -> None:
    reading: BalanceReading | None = None
    for hours, balance in enumerate(balances):
        reading = next_reading(reading, balance, hours * 3600.0)

    assert reading is not None
    assert unexplained(reading, bought) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (25 * HOUR, BalanceReading(1000, 0.0, 880, 25 * HOUR)),
        # From the last reading on, so that nothing falls between two of them.
        (30 * HOUR, BalanceReading(900, 10 * HOUR, 880, 30 * HOUR)),
        (40 * HOUR, BalanceReading(880, 40 * HOUR, 880, 40 * HOUR)),
        # State time was set back.
        (-1.0, BalanceReading(880, -1.0, 880, -1.0)),
    ],
)
def test_the_fall_of_a_balance_counts_anew_each_day(now: float, expected: BalanceReading) -> None:
    earlier = BalanceReading(1000, 0.0, 900, 10 * HOUR)

    assert next_reading(earlier, 880, now) == expected

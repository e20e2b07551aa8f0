# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has bought what a key holds: this store, or somebody else with the same key.

These are pure functions over data. Where the journal cannot tell, the answer is None: a false alarm
about a stolen key is worse than one that comes a day late.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from .._paid.snapshot import LIST_LAG, MAX_EXECUTION_DELAY, OpenCall

#: The seconds that a lease is taken to last at most, unless the journal has a longer one: twice the
#: longest of any plan that was observed.
LONG_LIFE = 2 * 86400.0
#: Seconds by which a list may show another end of a lease than the response that has bought it did.
SAME_END = 60.0

#: An end in QG.net's Unix time; None if it is unknown.
End: TypeAlias = "float | None"


@dataclass(frozen=True)
class Purchases:
    """What the journal knows of purchases.

    ``bought`` are the ends of what was bought, by server. ``calls`` may have bought more than is
    known: ``adds`` of each is the rest. What was held before the ``first`` purchase is older than
    the journal; None without a purchase. ``life`` are the seconds that what they have bought lasts
    at most.
    """

    bought: Mapping[str, Collection[End]] = field(default_factory=dict)
    calls: Sequence[OpenCall] = ()
    first: frozenset[str] | None = None
    life: float = LONG_LIFE


@dataclass(frozen=True)
class Origins:
    """Whether this store has bought what is held, by name; None if that cannot be known.

    ``foreign`` is how many others have bought at least, also of those of which it is not known who
    has bought which; None if nothing can be known about that.
    """

    bought_here: Mapping[str, bool | None]
    foreign: int | None


def origins(
    held: Mapping[str, End], purchases: Purchases, now: float, vendor_now: float
) -> Origins:
    """Return who has bought what is held, given the ends by name, the state time and QG.net's
    time.
    """
    bought_here: dict[str, bool | None] = {}
    doubtful = 0
    for name, end in held.items():
        if _is_bought(name, end, purchases, vendor_now):
            bought_here[name] = True
        elif purchases.first is None or name in purchases.first:
            bought_here[name] = None
        elif any(
            _may_have_bought(call, name, end, purchases.life, vendor_now - now)
            for call in purchases.calls
        ):
            bought_here[name] = None
            doubtful += 1
        else:
            bought_here[name] = False
    if purchases.first is None:
        return Origins(bought_here, None)
    foreign = sum(1 for answer in bought_here.values() if answer is False)
    # Together, these calls cannot have bought more than they have asked for.
    beyond = doubtful - sum(call.adds for call in purchases.calls)
    return Origins(bought_here, foreign + max(0, beyond))


def server_of(name: str) -> str:
    """Return the server in the name of a lease, which may have its task before it."""
    return name.rpartition(" ")[2]


def _is_bought(name: str, end: End, purchases: Purchases, vendor_now: float) -> bool:
    """Whether the journal has this lease, and not an earlier one with the same server."""
    for recorded in purchases.bought.get(server_of(name), ()):
        if (
            end is None
            or recorded is None
            or recorded > vendor_now
            or abs(end - recorded) <= SAME_END
        ):
            return True
    return False


def _may_have_bought(call: OpenCall, name: str, end: End, life: float, ahead: float) -> bool:
    """Whether a call may have bought a lease. QG.net's clock is ``ahead`` of state time."""
    if name in call.before:
        return False
    return end is None or end <= call.settles_at + ahead + life


@dataclass(frozen=True)
class BalanceReading:
    """The addresses that a plan by volume had left at a state time, and those that it had left at
    the last reading.
    """

    balance: int
    at: float
    last: int
    last_at: float


#: Seconds after which the fall of a balance is counted anew: a report each day compares two days.
BALANCE_WINDOW = 26 * 3600.0
#: Seconds before a reading in which what was bought may not have lowered the balance yet.
BALANCE_LAG = MAX_EXECUTION_DELAY + LIST_LAG + 30.0


def next_reading(
    earlier: BalanceReading | None, balance: int, now: float, window: float = BALANCE_WINDOW
) -> BalanceReading:
    """Return the reading from which on the fall of a balance counts; a higher balance was topped
    up.
    """
    if earlier is not None and balance <= earlier.last:
        for start, at in ((earlier.balance, earlier.at), (earlier.last, earlier.last_at)):
            if 0 <= now - at <= window:
                return BalanceReading(start, at, balance, now)
    return BalanceReading(balance, now, balance, now)


def unexplained(reading: BalanceReading, bought: int) -> int:
    """Return by how many addresses the balance fell beyond what this store has bought since, in
    doubt too few.
    """
    return max(0, reading.balance - reading.last - bought)

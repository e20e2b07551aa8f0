# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cap on what a key may buy in a day, for all processes that share the store.

The check before a call and the insertion of its row are one transaction, so that processes cannot
exceed a cap together.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._core.checks import check_range
from .._core.errors import CapReachedError
from .._core.text import counted
from .._store.store import Store

#: The seconds of the day of a cap: the last 24 hours of state time, whatever the time zone.
DAY = 86400.0
#: What was received counts, and as long as that is unknown, what was asked for.
AMOUNT = "CASE state WHEN 'settled' THEN got WHEN 'refused' THEN 0 ELSE buys END"
_SINCE = "FROM journal WHERE key = ? AND buys > 0 AND sent_at > ?"


@dataclass(frozen=True)
class Bought:
    """How many resources a key has bought for certain, and how many more calls without a known
    result may have bought.
    """

    known: int
    unknown: int

    @property
    def at_most(self) -> int:
        """How many count for a cap."""
        return self.known + self.unknown

    def in_a_day(self) -> str:
        """Return both numbers as a phrase."""
        phrase = f"{self.known} bought in 24 hours"
        if self.unknown:
            phrase += f", and up to {self.unknown} more by calls whose result is unknown"
        return phrase


def parse_cap(max_new_per_day: int | None) -> int | None:
    """Return the cap, or None if there is none; raises OptionError if it is out of range."""
    if max_new_per_day is not None:
        check_range("max_new_per_day", max_new_per_day, 1, 10**6)
    return max_new_per_day


def check_cap(store: Store, key: str, cap: int, wanted: int, kind: str) -> None:
    """Raise CapReachedError if ``wanted`` more resources would exceed the cap of a key.

    The cap is one for all kinds of resources, and counts those that replace others.
    """
    bought = bought_today(store, key)
    if bought.at_most + wanted > cap:
        noun = "lease" if kind == "leases" else "reserved line"
        raise CapReachedError(
            f"max_new_per_day={cap} does not allow {counted(wanted, f'more {noun}')}: "
            f"qg_ledger_info shows {bought.in_a_day()}. The call was not sent. Ask for less, or "
            "raise max_new_per_day (environment QG_MAX_NEW_PER_DAY).",
            cap={
                "option": "max_new_per_day",
                "limit": cap,
                "bought": bought.known,
                "unknown": bought.unknown,
                "wanted": wanted,
            },
        )


def recent_purchases(store: Store, key: str) -> list[tuple[float, int]]:
    """Return the ages in seconds and the numbers of what a key has bought in the last 24 hours, the
    oldest first.
    """
    now = store.now()
    rows = store.rows(f"SELECT sent_at, {AMOUNT} {_SINCE} ORDER BY sent_at", key, now - DAY)
    return [(max(0.0, now - sent_at), int(amount)) for sent_at, amount in rows]


def bought_today(store: Store, key: str) -> Bought:
    """Return how many resources a key has bought, or may have bought, in the last 24 hours."""
    return bought_since(store, key, store.now() - DAY)


def bought_since(store: Store, key: str, moment: float) -> Bought:
    """Return how many a key has bought, or may have bought, since a state time."""
    query = f"SELECT coalesce(sum(got), 0), coalesce(sum({AMOUNT} - got), 0) {_SINCE}"
    ((known, unknown),) = store.rows(query, key, moment)
    return Bought(int(known), int(unknown))

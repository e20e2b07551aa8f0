# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caps on what a key may buy, for all processes that share the state.

A cap counts the rows of paid calls in the journal: what a call has received, or as long as that is unknown, what it
asked for. The check before a call and the insertion of its row are one transaction, so that processes cannot exceed a
cap together.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.errors import CapReachedError
from .._core.text import counted, format_sample

if TYPE_CHECKING:
    from .interface import Store

    #: Runs a query with its parameters, within a transaction or without one.
    Read = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]

#: The seconds of the day of a cap: the last 24 hours, whatever the time zone.
DAY = 86400.0
#: The maximum number of buyers in a message.
MAX_BUYERS = 3
_QUERY = (
    "SELECT id, buys, received, sent_at, run_user, host, run FROM journal "
    "WHERE key = ? AND buys > 0 AND state != 'refused' AND "
)


@dataclass(frozen=True)
class _Purchase:
    """What a call has bought, or may have bought, at a state time. ``buyer`` is for messages."""

    number: int
    at: float
    buyer: str


@dataclass(frozen=True)
class Caps:
    """The maximum numbers of new resources of a key in 24 hours, and in one run; None without a cap."""

    per_day: int | None = None
    per_run: int | None = None

    @property
    def is_set(self) -> bool:
        return self.per_day is not None or self.per_run is not None

    def check(
        self, store: Store, read: Read, key: str, run: str, wanted: int, noun: str, without_effect: Collection[int] = ()
    ) -> None:
        """Raise CapReachedError if ``wanted`` more resources would exceed a cap.

        Of calls ``without_effect`` (numbers of rows), only what they have received counts: the call replaces them.
        """

        def found(condition: str, value: object) -> list[_Purchase]:
            rows = read(f"{_QUERY}{condition} ORDER BY id", (key, value))
            return [one for row in rows if (one := _purchase(store, row, without_effect)).number]

        if self.per_run is not None:
            in_run = found("run = ?", run)
            if sum(one.number for one in in_run) + wanted > self.per_run:
                raise _reached("max_new_per_run", self.per_run, wanted, noun, in_run, "in this run", "")
        if self.per_day is not None:
            now = store.now()
            today = found("sent_at > ?", now - DAY)
            if sum(one.number for one in today) + wanted > self.per_day:
                later = ""
                if (left := _seconds_until(today, self.per_day - wanted, now)) is not None:
                    moment = datetime.datetime.fromtimestamp(now + store.wall_ahead() + left, datetime.timezone.utc)
                    later = f", or run this again after {moment.isoformat(timespec='seconds')}"
                raise _reached("max_new_per_day", self.per_day, wanted, noun, today, "in the last 24 hours", later)


NO_CAPS = Caps()


def _purchase(store: Store, row: Sequence[Any], without_effect: Collection[int]) -> _Purchase:
    number, buys, received, sent_at, user, host, run = row
    known = store.decoded(received or "null")
    if known is not None:
        buys = len(known)
    elif number in without_effect:
        buys = 0
    process = run.partition(" ")[0]
    return _Purchase(buys, sent_at, f"{user}{f' for {host}' if host else ''} in process {process}")


def _seconds_until(purchases: Sequence[_Purchase], most: int, now: float) -> float | None:
    """Return the seconds until at most this many purchases are in the day of the cap; None if that is never."""
    left = sum(one.number for one in purchases)
    for one in sorted(purchases, key=lambda one: one.at):
        left -= one.number
        if left <= most:
            return one.at + DAY - now + 1 if most >= 0 else None
    return None


def _reached(
    option: str, limit: int, wanted: int, noun: str, purchases: Iterable[_Purchase], period: str, later: str
) -> CapReachedError:
    numbers = Counter[str]()
    for one in purchases:
        numbers[one.buyer] += one.number
    bought = sum(numbers.values())
    buyers = [f"{number} by {buyer}" for buyer, number in numbers.most_common()]
    by_whom = f" ({format_sample(buyers, MAX_BUYERS)})" if buyers else ""
    return CapReachedError(
        f"{option}={limit} does not allow {counted(wanted, f'more {noun}')}: {period}, {bought} "
        f"{'was' if bought == 1 else 'were'} bought with this key{by_whom}. The call was not sent. Ask for less, raise "
        f"{option} (environment QG_{option.upper()}){later}.",
        cap={"option": option, "limit": limit, "bought": bought, "wanted": wanted},
    )

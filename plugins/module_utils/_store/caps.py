# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caps on what a key may buy, for all processes that share the state.

A cap counts the rows of paid calls in the journal: what a call has received, or as long as that is unknown, what it
asked for. The check before a call and the insertion of its row are one transaction, so that processes cannot exceed a
cap together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.caller import current_caller
from .._core.errors import CapReachedError
from .._core.text import counted, format_sample
from .._core.validation import check_range
from .directory import after_the_call
from .facts import CAP, Facts

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

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Caps | None:
        """Return the caps that the options set, None if they set none; raises OptionError for one out of range."""
        given = {name: params[name] for name in ("max_new_per_day", "max_new_per_run") if params[name] is not None}
        for name, cap in given.items():
            check_range(name, cap, 0, 10**6)
        return cls(given.get("max_new_per_day"), given.get("max_new_per_run")) if given else None

    def check(
        self, store: Store, read: Read, key: str, run: str, wanted: int, noun: str, without_effect: Collection[int] = ()
    ) -> None:
        """Raise CapReachedError if ``wanted`` more resources would exceed a cap.

        Of calls ``without_effect`` (numbers of rows), only what they have received counts: the call replaces them.
        """
        if self.per_run is not None:
            in_run = _purchases(store, read, key, "run = ?", run, without_effect)
            if sum(one.number for one in in_run) + wanted > self.per_run:
                raise _reached("max_new_per_run", self.per_run, wanted, noun, in_run, "in this run", "")
        if self.per_day is not None:
            now = store.now()
            today = _purchases(store, read, key, "sent_at > ?", now - DAY, without_effect)
            if sum(one.number for one in today) + wanted > self.per_day:
                later = ""
                if (left := _seconds_until(today, self.per_day - wanted, now)) is not None:
                    moment = datetime.datetime.fromtimestamp(now + store.wall_ahead() + left, datetime.timezone.utc)
                    later = f", or run this again after {moment.isoformat(timespec='seconds')}"
                raise _reached("max_new_per_day", self.per_day, wanted, noun, today, "in the last 24 hours", later)

    @staticmethod
    @contextlib.contextmanager
    def noting_refusal(store: Store, key: str, run: str) -> Iterator[None]:
        """Store for watchers that a cap did not allow a purchase."""
        try:
            yield
        except CapReachedError as error:
            found, who = error.details["cap"], current_caller()
            with after_the_call():
                Facts(store, key).save(CAP, json.dumps({**found, "run": run, "user": who.user, "host": who.host}))
            raise


@dataclass(frozen=True)
class RefusedPurchase:
    """The last purchase that a cap did not allow, and who asked for it. ``bought`` is the number that counts by now."""

    option: str
    limit: int
    bought: int
    wanted: int
    run: str
    user: str
    host: str


def refused_purchase(store: Store, key: str) -> RefusedPurchase | None:
    """Return the last purchase of a day that a cap did not allow; None if there is none, or if it would allow it now.

    What a run has bought does not change afterwards.
    """
    text = Facts(store, key).get(CAP)
    if text is None:
        return None
    found = RefusedPurchase(**store.decoded(text))
    if found.option != "max_new_per_day":
        return found

    today = _purchases(store, lambda query, values: store.rows(query, *values), key, "sent_at > ?", store.now() - DAY)
    bought = sum(one.number for one in today)
    return dataclasses.replace(found, bought=bought) if bought + found.wanted > found.limit else None


def _purchases(
    store: Store, read: Read, key: str, condition: str, value: object, without_effect: Collection[int] = ()
) -> list[_Purchase]:
    """Return the purchases of a key that meet a condition; of calls ``without_effect``, only what they received."""
    rows = read(f"{_QUERY}{condition} ORDER BY id", (key, value))
    return [one for row in rows if (one := _purchase(store, row, without_effect)).number]


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

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cap on what a key may buy in a day, for all processes that share the state.

It counts the rows of paid calls in the journal: what a call has received, or if that is unknown, what it asked for. The
check before a call and the insertion of its row are one transaction, so that processes cannot exceed a cap together.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.caller import current_caller
from .._core.errors import CapReachedError
from .._core.text import counted
from .._core.validation import check_range
from .directory import after_the_call
from .facts import CAP, Facts
from .journal_rows import LOST, REFUSED

if TYPE_CHECKING:
    from .interface import Store

    #: Runs a query with its parameters, within a transaction or without one.
    Read = Callable[[str, Sequence[Any]], Iterable[Sequence[Any]]]

#: The seconds of the day of a cap: the last 24 hours, whatever the time zone.
DAY = 86400.0
_QUERY = "SELECT id, buys, received, state FROM journal WHERE key = ? AND buys > 0 AND state != ? AND sent_at > ?"


@dataclass(frozen=True)
class Caps:
    """The maximum number of new resources of a key in 24 hours."""

    per_day: int

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> Caps | None:
        """Return the cap that the option sets; None without one. Raises OptionError for one out of range."""
        cap = params["max_new_per_day"]
        return None if cap is None else cls(int(check_range("max_new_per_day", cap, 1, 10**6)))

    def check(
        self, store: Store, read: Read, key: str, wanted: int, noun: str, without_effect: Collection[int] = ()
    ) -> None:
        """Raise CapReachedError if ``wanted`` more resources would exceed the cap.

        Of calls ``without_effect`` (numbers of rows), only what they have received counts: the call replaces them.
        """
        bought = _bought(store, read, key, without_effect)
        if bought + wanted > self.per_day:
            raise CapReachedError(
                f"max_new_per_day={self.per_day} does not allow {counted(wanted, f'more {noun}')}: in the last 24 "
                f"hours, {bought} {'was' if bought == 1 else 'were'} bought with this key, as qg_ledger_info shows. "
                "The call was not sent. Ask for less, or raise max_new_per_day (environment QG_MAX_NEW_PER_DAY).",
                cap={"option": "max_new_per_day", "limit": self.per_day, "bought": bought, "wanted": wanted},
            )

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
    """Return the last purchase of a day that a cap did not allow; None if the cap would allow it now."""
    text = Facts(store, key).get(CAP)
    if text is None:
        return None
    found = RefusedPurchase(**store.decoded(text))
    bought = _bought(store, lambda query, values: store.rows(query, *values), key)
    return dataclasses.replace(found, bought=bought) if bought + found.wanted > found.limit else None


def _bought(store: Store, read: Read, key: str, without_effect: Collection[int] = ()) -> int:
    """Return how many resources the key has bought in 24 hours, or may have bought."""
    total = 0
    for number, buys, received, state in read(_QUERY, (key, REFUSED, store.now() - DAY)):
        if received is not None and state != LOST:
            total += len(store.decoded(received))
        elif number not in without_effect:
            total += buys
    return total

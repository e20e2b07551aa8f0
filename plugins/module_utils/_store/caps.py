# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cap on what a key may buy in a day, for all processes that share the state.

It counts the rows of paid calls in the journal: what a call has received, or if that is unknown, what it asked for. The
check before a call and the insertion of its row are one transaction, so that processes cannot exceed a cap together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._core.errors import CapReachedError
from .._core.text import counted
from .._core.validation import check_range
from .journal_rows import LOST, REFUSED

if TYPE_CHECKING:
    from .store import Store

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


def _bought(store: Store, read: Read, key: str, without_effect: Collection[int] = ()) -> int:
    """Return how many resources the key has bought in 24 hours, or may have bought."""
    total = 0
    for number, buys, received, state in read(_QUERY, (key, REFUSED, store.now() - DAY)):
        if received is not None and state != LOST:
            total += len(store.decoded(received))
        elif number not in without_effect:
            total += buys
    return total


def bought_today(store: Store, key: str) -> int:
    """Return how many resources a key has bought, or may have bought, in the last 24 hours."""
    return _bought(store, lambda query, values: store.rows(query, *values), key)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the journal says: which calls are open or lost, what each has bought and released, and how
long that lasts.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from .._api.leases import Terms
from .._spending.ledger import reading
from .._store.store import Store, mapping_in
from .paid_api import BUY, DROP, Item, Span
from .snapshot import OpenCall, Record

#: Seconds for which the effects of calls are kept at most, apart from what is held, and the rows of
#: calls that buy nothing: a lookup uses a list for as long.
HOUR = 3600.0
#: The number of purchases that show how long new resources last. If the plan is changed, what it
#: was before is forgotten after as many.
LAST_PURCHASES = 3
#: The seconds to which a life is rounded: plans have whole or half minutes.
LIFE_STEP = 5.0

#: The kinds of resources.
LEASES, MONOPOLIES = "leases", "monopolies"
#: The states of a call. It is ``SENT`` until its exchange has ended, and ``UNKNOWN`` if that does
#: not show the whole result: both are open. It is ``LOST`` if its time is over and the list has not
#: shown all that it may have bought.
SENT, UNKNOWN, SETTLED, LOST, REFUSED = "sent", "unknown", "settled", "lost", "refused"

_OF_KIND = "FROM journal WHERE key = ? AND kind = ?"
_OPEN = (
    "SELECT id, operation, endpoint, buys, before, sent_at, timeout, answered_at "
    f"{_OF_KIND} AND state IN ('{SENT}', '{UNKNOWN}') ORDER BY id"
)
#: The calls that are over, and may have bought more than any list has shown: the rest of it. Their
#: response says nothing about that.
_LOST = (
    "SELECT id, operation, endpoint, buys - got, '[]', sent_at, timeout, NULL "
    f"{_OF_KIND} AND state = '{LOST}' AND buys > got AND sent_at > ?"
)
_LIVES = (
    f"SELECT id, request, life {_OF_KIND} AND buys > 0 AND life IS NOT NULL "
    "AND (sent_at > ? OR sent_at + life > ?) ORDER BY id DESC LIMIT 100"
)
_FIRST = f"SELECT id, before {_OF_KIND} AND buys > 0 ORDER BY id LIMIT 1"
_LONGEST = (
    f"SELECT id, life {_OF_KIND} AND buys > 0 AND life IS NOT NULL ORDER BY life DESC LIMIT 1"
)
_RECORDS = (
    "SELECT resources.call, name, is_bought, at, missing_since, gone_at, gone_by_list, ends, item, "
    "request FROM resources JOIN journal ON journal.id = resources.call "
    "WHERE resources.key = ? AND resources.kind = ? ORDER BY coalesce(gone_at, at), resources.call"
)


class JournalReader:
    """The calls for one kind of resources of one key, as they are recorded."""

    def __init__(self, store: Store, key: str, kind: str) -> None:
        self.store = store
        self._key = key
        self._kind = kind

    def open(self) -> list[OpenCall]:
        """Return the calls whose whole result is not known, the earliest first."""
        return self._calls(_OPEN)

    def lost(self, since: float) -> list[OpenCall]:
        """Return the calls since a state time that have ended without their whole result, with the
        rest of it.
        """
        return self._calls(_LOST, since)

    def _calls(self, query: str, *values: object) -> list[OpenCall]:
        calls = []
        for row in self._rows(query, *values):
            number, operation, endpoint, amount, before, sent_at, timeout, answered_at = row
            with reading(self.store, number):
                names = _names(before)
                amount = int(amount)
                call = OpenCall(
                    id=number,
                    endpoint=endpoint,
                    adds=0 if operation == DROP else amount,
                    removes=0 if operation == BUY else amount or len(names),
                    before=names,
                    sent_at=float(sent_at),
                    timeout=float(timeout),
                    answered_at=_moment(answered_at),
                )
                calls.append(call)
        return calls

    def records(self, span: Callable[[Item], Span]) -> list[Record]:
        """Return what is recorded of resources, as far as it still matters, in the order of what
        happened last to each.

        ``span`` reads how long one lasts.
        """
        records = []
        for call, name, is_bought, at, missing, gone, by_list, ends, data, request in self._rows(
            _RECORDS
        ):
            with reading(self.store, call):
                record = Record(
                    name=name,
                    call=call,
                    at=float(at),
                    is_bought=bool(is_bought),
                    missing_since=_moment(missing),
                    gone_at=_moment(gone),
                    gone_by_list=bool(by_list),
                )
                if record.is_bought:
                    item = Item(ends, mapping_in(data))
                    lasting = span(item)
                    record = dataclasses.replace(
                        record,
                        ends=lasting.ends,
                        life=lasting.life,
                        data=item,
                        terms=Terms.from_json(mapping_in(request)["terms"]),
                    )
                records.append(record)
        return records

    def lifetime(self, keep_alive: int | None, within: float = HOUR) -> float | None:
        """Return the seconds that new ones with this keep_alive (minutes) last: the shortest that
        the last purchases had left.

        Those count that were made ``within`` so many seconds, or have not ended since. None without
        one: then nobody knows, since it is a setting of the plan.
        """
        now = self.store.now()
        lives: list[float] = []
        for number, request, life in self._rows(_LIVES, now - within, now):
            with reading(self.store, number):
                terms = mapping_in(request).get("terms", {})
                if terms.get("keep_alive") == keep_alive:
                    lives.append(float(life))
            if len(lives) == LAST_PURCHASES:
                break
        if not lives:
            return None
        # A moment passes before a response is read.
        return LIFE_STEP * round(min(lives) / LIFE_STEP)

    def held_at_first(self) -> frozenset[str] | None:
        """Return the names that were held before the first purchase that is recorded; None without
        any purchase.
        """
        for number, before in self._rows(_FIRST):
            with reading(self.store, number):
                return _names(before)
        return None

    def longest_life(self) -> float:
        """Return the seconds that the longest of what was bought had left when it was bought; 0 if
        none is known.
        """
        for number, life in self._rows(_LONGEST):
            with reading(self.store, number):
                return float(life)
        return 0.0

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.store.rows(query, self._key, self._kind, *values)


def _moment(value: Any) -> float | None:
    if value is None:
        return None
    return float(value)


def _names(text: str) -> frozenset[str]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError
    return frozenset(value)

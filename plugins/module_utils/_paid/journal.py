# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: a row for each call that changes something, from before it is sent, and a row for each of its effects.

A row that cannot be written stops its call. A failure after that must never hide what was paid for. The rows of paid
calls are kept: they are the ledger.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .._core.errors import CallError, Effect, OptionError
from .._core.runtime import current_caller
from .._store.store import Connection, Store, after_the_call
from .caps import bought_today, check_cap

#: The maximum seconds by which a list of the vendor may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: Seconds for which the effects of calls are kept at most, apart from what is held, and the rows of calls that buy
#: nothing: a lookup uses a list for as long.
HOUR = 3600.0

#: The kinds of resources.
LEASES, MONOPOLIES = "leases", "monopolies"
#: The states of a call. It is ``SENT`` until its exchange has ended, and ``UNKNOWN`` if that does not show the whole
#: result: both are open. It is ``LOST`` if its time is over and the list has not shown all that it may have bought.
SENT, UNKNOWN, SETTLED, LOST, REFUSED = "sent", "unknown", "settled", "lost", "refused"
_IS_OPEN = f"state IN ('{SENT}', '{UNKNOWN}')"
#: What a call has done to a resource, or may do. Of ``UNLISTED`` ones, only a list has shown that they are gone.
HELD, GONE, UNLISTED, MAYBE_GONE = "held", "gone", "unlisted", "maybe gone"

_CALL = (
    *("key", "kind", "operation", "endpoint", "product", "buys", "before", "request", "sent_at", "timeout", "state"),
    *("got", "received", "wall_at", "run_user", "run", "host", "inventory"),
)
_INSERT = f"INSERT INTO journal ({', '.join(_CALL)}) VALUES ({', '.join('?' * len(_CALL))})"
_EFFECT = (
    "INSERT INTO effects (call, name, key, kind, effect, at, ends, item) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (call, name) DO UPDATE SET effect = excluded.effect, at = excluded.at"
)


class Item(NamedTuple):
    """A resource as the journal contains it: its end in the vendor's words, and its data (JSON)."""

    ends: str | None = None
    data: Any = None


@dataclass(frozen=True)
class NewCall:
    """A call that is about to be sent: it ``buys`` at most so many resources, or may release those it ``drops``."""

    operation: str
    endpoint: str
    buys: int = 0
    before: Collection[str] = ()
    drops: Collection[str] = ()
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenCall:
    """A call whose whole result is not known. ``before`` are the names that were held before it."""

    id: int
    operation: str
    endpoint: str
    buys: int
    before: frozenset[str]
    sent_at: float
    timeout: float
    state: str
    answered_at: float | None

    @property
    def settles_at(self) -> float:
        """When the call can no longer be carried out, and a list must show its effect."""
        ended = self.sent_at + max(self.timeout, MAX_EXECUTION_DELAY) if self.answered_at is None else self.answered_at
        return ended + LIST_LAG


class ResourceEffect(NamedTuple):
    """What a call has done to a resource, or may do, when that was recorded, and what the call requested."""

    name: str
    call: int
    effect: str
    at: float
    item: Item
    request: Mapping[str, Any]


class Journal:
    """The calls for one kind of resources of one key. ``own`` are the numbers of the calls of this run."""

    def __init__(self, store: Store, key: str, kind: str, product: str = "classic", cap: int | None = None) -> None:
        self.store = store
        self.own: list[int] = []
        self._of = (key, kind)
        self._product = product
        self._cap = cap

    @contextlib.contextmanager
    def sending(self, call: NewCall, timeout: float, past: Iterable[ResourceEffect]) -> Iterator[None]:
        """Record a call before the body sends it, and what its error says of the effect.

        Delete what no longer matters: effects that are ``past``, and old rows of calls.
        """
        wall_ahead = self.store.wall_ahead()
        with self.store.transaction() as database:
            # Read in the transaction: another process may have written while this one waited for it.
            now = self.store.now()
            self.check_cap(call.buys)
            self._forget(database, now, past)
            database.execute(
                _INSERT,
                (
                    *(*self._of, call.operation, call.endpoint, self._product, call.buys),
                    *(_compact(sorted(call.before)), _compact(dict(call.request)), now, timeout, SENT, 0, None),
                    *(now + wall_ahead, *current_caller()),
                ),
            )
            number = int(database.execute("SELECT max(id) FROM journal").fetchone()[0])
            self.own.append(number)
            self._save(database, number, dict.fromkeys(call.drops, Item()), MAYBE_GONE)
        try:
            yield
        except CallError as error:
            with after_the_call(), self.store.transaction() as database:
                if not error.may_have_effect:
                    self._end(database, number, REFUSED)
                else:
                    # Its time starts anew: it may have been sent long after its row was written.
                    ended, now = error.effect is not Effect.IN_FLIGHT, self.store.now()
                    update = "UPDATE journal SET state = ?, sent_at = ?, answered_at = ? WHERE id = ?"
                    database.execute(update, (UNKNOWN if ended else SENT, now, now if ended else None, number))
            raise

    def check_cap(self, number: int) -> None:
        """Raise CapReachedError if the cap does not allow to buy this many."""
        if number and self._cap is not None:
            check_cap(self._cap, bought_today(self.store, self._of[0]), number, self._of[1])

    def answer(self, held: Mapping[str, Item], gone: Collection[str] = (), *, whole: bool) -> None:
        """Record what the response to the last call reports, and whether that is the whole result."""
        with after_the_call(), self.store.transaction() as database:
            self._save(database, self.own[-1], held, HELD)
            self._save(database, self.own[-1], dict.fromkeys(gone, Item()), GONE)
            self._end(database, self.own[-1], SETTLED if whole else UNKNOWN)

    def close(self, call: int, found: Mapping[str, Item], gone: Collection[str] = (), *, whole: bool) -> None:
        """Record that a call is over, and what a list has shown of its effect."""
        with self.store.transaction() as database:
            self._save(database, call, found, HELD)
            self._save(database, call, dict.fromkeys(gone, Item()), UNLISTED)
            self._end(database, call, SETTLED if whole else LOST)

    def open(self) -> list[OpenCall]:
        """Return the calls whose whole result is not known, the earliest first."""
        columns = "id, operation, endpoint, buys, before, sent_at, timeout, state, answered_at"
        query = f"SELECT {columns} FROM journal WHERE key = ? AND kind = ? AND {_IS_OPEN} ORDER BY id"
        return [
            OpenCall(number, operation, endpoint, buys, frozenset(json.loads(before)), *times)
            for number, operation, endpoint, buys, before, *times in self.store.rows(query, *self._of)
        ]

    def effects(self) -> list[ResourceEffect]:
        """Return what was done, as far as it still matters; the earliest first."""
        query = (
            "SELECT effects.name, effects.call, effects.effect, effects.at, effects.ends, effects.item, "
            "journal.request FROM effects JOIN journal ON journal.id = effects.call "
            "WHERE effects.key = ? AND effects.kind = ? ORDER BY effects.at, effects.call"
        )
        return [
            ResourceEffect(name, call, effect, at, Item(ends, json.loads(item)), json.loads(request))
            for name, call, effect, at, ends, item, request in self.store.rows(query, *self._of)
        ]

    def _save(self, database: Connection, call: int, items: Mapping[str, Item], effect: str) -> None:
        now = self.store.now()
        rows = [(call, name, *self._of, effect, now, item.ends, _compact(item.data)) for name, item in items.items()]
        database.executemany(_EFFECT, rows)

    def _end(self, database: Connection, call: int, state: str) -> None:
        """Record the state of a call whose exchange has ended, and if it is over what it has received."""
        update = "UPDATE journal SET state = ?, answered_at = coalesce(answered_at, ?) WHERE id = ?"
        database.execute(update, (state, self.store.now(), call))
        if state == UNKNOWN:
            return
        database.execute("DELETE FROM effects WHERE call = ? AND effect = ?", (call, MAYBE_GONE))
        held = list(database.execute("SELECT name, ends FROM effects WHERE call = ? AND effect = ?", (call, HELD)))
        database.execute(
            "UPDATE journal SET before = '[]', got = ?, received = ? WHERE id = ?",
            (len(held), _packed(held) if held else None, call),
        )

    def _forget(self, database: Connection, now: float, past: Iterable[ResourceEffect]) -> None:
        names = [(one.call, one.name) for one in past]
        database.executemany("DELETE FROM effects WHERE call = ? AND name = ?", names)
        database.execute("DELETE FROM journal WHERE buys = 0 AND sent_at < ?", (now - HOUR,))
        database.execute("DELETE FROM journal WHERE key = ? AND buys > 0 AND sent_at < ?", (self._of[0], now - _ttl()))


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _packed(held: Iterable[tuple[str, str | None]]) -> str:
    """Return names with their ends, compressed: a busy key buys tens of thousands a day.

    The names are without the task, which only distinguishes a lease from a later one.
    """
    text = _compact({name.rpartition(" ")[2]: ends for name, ends in held})
    return base64.b85encode(zlib.compress(text.encode())).decode()


def received_names(packed: str | None) -> dict[str, str | None]:
    """Return the names of what a call has received, with their ends."""
    return json.loads(zlib.decompress(base64.b85decode(packed))) if packed else {}


def _ttl() -> float:
    """Return for how many seconds paid calls are kept: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS") or "400"
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise OptionError(f"QG_LEDGER_DAYS={text!r} is not a number of days: set it to 1 to 36500, or leave it out.")
    return int(text) * 86400.0


def ledger(store: Store, keys: Collection[str], since: float = 0.0) -> list[dict[str, Any]]:
    """Return the paid calls of these keys since a Unix time, the earliest first, by the columns of the journal.

    What they have ``received`` are names with their ends.
    """
    columns = ("id", *_CALL)
    query = f"SELECT {', '.join(columns)} FROM journal WHERE key = ? AND buys > 0 AND sent_at >= ?"
    rows = sorted(row for key in sorted(keys) for row in store.rows(query, key, since - store.wall_ahead()))
    entries = (dict(zip(columns, row, strict=True)) for row in rows)
    return [{**entry, "received": received_names(entry["received"])} for entry in entries]

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: a row for each call that changes something, from before it is sent, and a row for each of its effects.

A row that cannot be written stops its call, and it outlasts a power failure before the call is sent. What the response
reports need not: without it, the call is open, and the next run finds out what it did. A failure after the call must
never hide what was paid for. The rows of paid calls are kept: they are the ledger.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .._api.parsing import BEIJING, parse_vendor_time
from .._core.errors import CallError, Effect, OptionError
from .._core.runtime import current_caller
from .._store.store import Connection, StateError, Store, after_the_call
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
#: What is read of an open call, and of one in the ledger.
_OPEN_CALL = ("id", "operation", "endpoint", "buys", "before", "sent_at", "timeout", "state", "answered_at")
_ENTRY = (
    *("id", "endpoint", "product", "buys", "state", "received", "wall_at"),
    *("run_user", "run", "host", "inventory"),
)
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

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> OpenCall:
        """Return the call of a row, by its columns."""
        names = json.loads(row["before"])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError
        return cls(
            id=row["id"],
            operation=row["operation"],
            endpoint=row["endpoint"],
            buys=int(row["buys"]),
            before=frozenset(names),
            sent_at=float(row["sent_at"]),
            timeout=float(row["timeout"]),
            state=row["state"],
            answered_at=None if row["answered_at"] is None else float(row["answered_at"]),
        )

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
        with self.store.transaction(durable=True) as database:
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
        query = f"SELECT {', '.join(_OPEN_CALL)} FROM journal WHERE key = ? AND kind = ? AND {_IS_OPEN} ORDER BY id"
        calls = []
        for row in self.store.rows(query, *self._of):
            with _reading(self.store, row[0]):
                calls.append(OpenCall.from_row(dict(zip(_OPEN_CALL, row, strict=True))))
        return calls

    def effects(self) -> list[ResourceEffect]:
        """Return what was done, as far as it still matters; the earliest first."""
        query = (
            "SELECT effects.call, effects.name, effects.effect, effects.at, effects.ends, effects.item, "
            "journal.request FROM effects JOIN journal ON journal.id = effects.call "
            "WHERE effects.key = ? AND effects.kind = ? ORDER BY effects.at, effects.call"
        )
        effects = []
        for call, name, effect, at, ends, item, request in self.store.rows(query, *self._of):
            with _reading(self.store, call):
                seen = Item(ends, json.loads(item))
                effects.append(ResourceEffect(name, call, effect, float(at), seen, _mapping(request)))
        return effects

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
        # This holds whoever has deleted rows of calls, and whatever a process that was stopped has recorded since.
        database.execute("DELETE FROM effects WHERE NOT EXISTS (SELECT 1 FROM journal WHERE id = effects.call)")


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _packed(held: Iterable[tuple[str, str | None]]) -> str:
    """Return names with their ends in ISO 8601, compressed: a busy key buys tens of thousands a day.

    The names are without the task, which only distinguishes a lease from a later one.
    """
    received = {}
    for name, ends in held:
        moment = parse_vendor_time(ends)
        received[name.rpartition(" ")[2]] = moment.isoformat() if moment else None
    return base64.b64encode(zlib.compress(_compact(received).encode())).decode()


def received_names(packed: str | None) -> dict[str, str | None]:
    """Return the names of what a call has received, with their ends."""
    return _mapping(zlib.decompress(base64.b64decode(packed, validate=True))) if packed else {}


def _mapping(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError
    return value


@contextlib.contextmanager
def _reading(store: Store, call: int) -> Iterator[None]:
    """Raise StateError if the body cannot read the row of a call, or of its effect, which somebody has damaged."""
    try:
        yield
    except (ArithmeticError, OSError, TypeError, ValueError, zlib.error):
        raise StateError(
            f"{store.place} cannot be used: row {call} of its table journal cannot be read. Restore a backup, or "
            f'delete the row with "DELETE FROM journal WHERE id = {call}": the ledger and caps then lack this call.'
        ) from None


def _ttl() -> float:
    """Return for how many seconds paid calls are kept: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS") or "400"
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise OptionError(f"QG_LEDGER_DAYS={text!r} is not a number of days: set it to 1 to 36500, or leave it out.")
    return int(text) * 86400.0


def ledger(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time, the earliest first, by the columns of the journal.

    What they have ``received`` are names with their ends in ISO 8601, and ``wall_at`` is a time in Beijing.
    """
    any_key = ", ".join("?" * len(keys))
    query = (
        f"SELECT {', '.join(_ENTRY)} FROM journal WHERE key IN ({any_key}) AND buys > 0 AND sent_at >= ? ORDER BY id"
    )
    for row in store.rows(query, *keys, since - store.wall_ahead()):
        entry = dict(zip(_ENTRY, row, strict=True))
        with _reading(store, entry["id"]):
            entry["received"] = received_names(entry["received"])
            entry["wall_at"] = datetime.datetime.fromtimestamp(entry["wall_at"], BEIJING)
        yield entry

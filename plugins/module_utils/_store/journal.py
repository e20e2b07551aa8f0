# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal, whose rows and rules are in :mod:`.journal_rows`. The rows of paid calls are kept: they are the ledger.

A row that cannot be written stops its call before it is sent. A failure after that must never hide what was paid for.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .._core.caller import current_caller
from .._core.chunks import chunks
from .._core.errors import OptionError
from .._core.processes import run_id
from .journal_rows import (
    LEASES,
    LEDGER_TTL,
    LIST_LAG,
    MEMORY_TTL,
    OPEN,
    REFUSED,
    SENT,
    SETTLED,
    Call,
    JournalRow,
    decided,
    distributed,
    lost,
    refused,
    reported,
    shown,
    unmarked,
)
from .store import after_the_call

if TYPE_CHECKING:
    from .caps import Caps, Read
    from .store import Store

#: The names that a call has paid for, with their ends in the vendor's words.
Received = Mapping[str, "str | None"]
_OPEN = ", ".join(f"'{state}'" for state in OPEN)
#: ``names`` (JSON) are those that a call names, or for a paid call those that were held before; ``request`` (JSON) is
#: what was asked for, ``asked`` how many, and ``buys`` how many the call may pay for. ``witness`` is a figure of the
#: quota before the call, see :attr:`JournalRow.witness`. ``marks`` (JSON) are HELD, GONE and so on by name, as long as
#: a list may not show it, and ``items`` (JSON) the data of held resources in the response. ``received`` (JSON) are the
#: names that were paid for, with their ends in the vendor's words. ``sent_at`` and ``answered_at`` are state time;
#: ``wall_at`` is Unix time, for people.
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, operation TEXT NOT NULL, endpoint TEXT NOT NULL,
  product TEXT NOT NULL, buys INTEGER NOT NULL, names TEXT NOT NULL, asked INTEGER NOT NULL, request TEXT NOT NULL,
  witness INTEGER, sent_at REAL NOT NULL, timeout REAL NOT NULL, state TEXT NOT NULL, answered_at REAL,
  marks TEXT NOT NULL, items TEXT NOT NULL, received TEXT, wall_at REAL NOT NULL, run_user TEXT NOT NULL,
  run TEXT NOT NULL, host TEXT NOT NULL, inventory TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS journal_open ON journal (key, kind) WHERE state IN ({_OPEN});
CREATE INDEX IF NOT EXISTS journal_answered ON journal (key, kind, answered_at);
CREATE INDEX IF NOT EXISTS journal_sent ON journal (sent_at);
CREATE INDEX IF NOT EXISTS journal_bought ON journal (key, sent_at) WHERE buys > 0;
"""
_INSERTED = (
    *("key", "kind", "operation", "endpoint", "product", "buys", "names", "asked", "request", "witness"),
    *("sent_at", "timeout", "state", "marks", "items", "wall_at", "run_user", "run", "host", "inventory"),
)
_INSERT = f"INSERT INTO journal ({', '.join(_INSERTED)}) VALUES ({', '.join('?' * len(_INSERTED))})"
_COLUMNS = (
    *("id", "operation", "endpoint", "names", "asked", "request", "witness", "sent_at", "timeout", "state"),
    *("answered_at", "marks", "items", "buys", "received"),
)
#: In the order of the fields of an entry of the ledger.
_LEDGER = "id, key, kind, product, endpoint, buys, state, wall_at, run_user, run, host, inventory, received"
_JSON = {"names", "request", "marks", "items", "received"}
#: The columns that change after a call was recorded.
_CHANGING = ("operation", "sent_at", "state", "answered_at", "marks", "items", "received")
_UPDATE = f"UPDATE journal SET {', '.join(f'{name} = ?' for name in _CHANGING)} WHERE id = ?"


@dataclass(frozen=True)
class Rows:
    """The rows of one kind of resource of one key, in the table. ``execute`` runs a query, or a statement."""

    store: Store
    key: str
    kind: str
    execute: Read

    def recent(self, read_at: float | None = None) -> list[JournalRow]:
        """Return the calls that a list may not show yet that was read now, or at a state time; the earliest first."""
        read_at = self.store.now() if read_at is None else read_at
        return self._read(f"state IN ({_OPEN}) OR answered_at > ?", read_at - LIST_LAG)

    def since(self, moment: float) -> list[JournalRow]:
        """Return the calls that were sent after this moment of state time, and may have had an effect."""
        return self._read("sent_at >= ? AND state != ?", moment, REFUSED)

    def numbered(self, numbers: Collection[int]) -> list[JournalRow]:
        """Return the calls with these numbers."""
        return self._read(f"id IN ({', '.join('?' * len(numbers))})", *numbers) if numbers else []

    def received_names(self, first: int) -> set[str]:
        """Return what paid calls of the key have received: those from a number on, and those of the last day."""
        query = "SELECT received FROM journal WHERE key = ? AND received IS NOT NULL AND (id >= ? OR sent_at > ?)"
        texts = self.execute(query, (self.key, first, self.store.now() - MEMORY_TTL))
        return {name for (text,) in texts for name in self.store.decoded(text)}

    def received_before(self, number: int | None, servers: Collection[str]) -> dict[str, str | None]:
        """Return what :meth:`bought` finds, with the ends."""
        return {name: end for received, _request in self.bought(servers, number) for name, end in received.items()}

    def bought(self, servers: Collection[str], before: int | None = None) -> list[tuple[Received, Mapping[str, Any]]]:
        """Return what paid calls of the key have received and requested, the earliest first: those before a number.

        Calls whose text contains none of these servers are left out: a ledger of a year is too long to decode.
        """
        found = {}
        # A statement must not grow with the number of leases: SQLite takes at most 1,000 terms.
        for part in chunks(sorted(servers), 100):
            query = "SELECT id, received, request FROM journal WHERE key = ? AND received IS NOT NULL"
            query += f" AND id < coalesce(?, id + 1) AND ({' OR '.join('received LIKE ?' for _server in part)})"
            for number, *texts in self.execute(query, (self.key, before, *(f"%{server}%" for server in part))):
                found[number] = tuple(map(self.store.decoded, texts))
        return [(found[number][0], found[number][1]) for number in sorted(found)]

    def insert(self, call: Call, product: str, now: float, wall_at: float) -> int:
        """Add a call that is about to be sent, and delete expired rows; returns its number."""
        self.execute("DELETE FROM journal WHERE sent_at < ? AND buys = 0", (now - MEMORY_TTL,))
        self.execute("DELETE FROM journal WHERE sent_at < ?", (now - ledger_ttl(),))
        who, texts = current_caller(), (json.dumps(sorted(call.names)), json.dumps(dict(call.request)))
        row: Any = self.execute(
            _INSERT,
            (
                *(self.key, self.kind, call.operation, call.endpoint, product, call.buys),
                *(texts[0], call.asked, texts[1], call.witness),
                *(now, call.timeout, SENT, json.dumps(call.marks), "{}", wall_at),
                *(who.user, run_id(), who.host, who.inventory),
            ),
        )
        return int(row.lastrowid or 0)

    def save(self, rows: Sequence[JournalRow]) -> None:
        """Store what has changed in these calls."""
        for row in rows:
            values = [getattr(row, name) for name in _CHANGING]
            texts = [
                json.dumps(value) if name in _JSON and value is not None else value
                for name, value in zip(_CHANGING, values, strict=True)
            ]
            self.execute(_UPDATE, (*texts, row.id))

    def _read(self, condition: str, *values: object) -> list[JournalRow]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM journal WHERE key = ? AND kind = ? AND ({condition}) ORDER BY id"
        return [self._row(values) for values in self.execute(query, (self.key, self.kind, *values))]

    def _row(self, values: Sequence[Any]) -> JournalRow:
        fields = {
            name: self.store.decoded(value) if name in _JSON and value is not None else value
            for name, value in zip(_COLUMNS, values, strict=True)
        }
        return JournalRow(**{**fields, "names": frozenset(fields["names"])})


@dataclass
class Journal:
    """The calls for one kind of resource of one key, which belongs to a plan of this product."""

    store: Store
    key: str
    kind: str
    product: str = "classic"
    caps: Caps | None = None

    def read(self) -> Rows:
        """Return the rows as they are, outside of a transaction."""
        return Rows(self.store, self.key, self.kind, lambda query, values: self.store.rows(query, *values))

    @contextlib.contextmanager
    def change(self) -> Iterator[Rows]:
        """Change rows in a transaction."""
        with self.store.transaction() as database:
            yield Rows(self.store, self.key, self.kind, database.execute)

    def check_caps(self, wanted: int) -> None:
        """Raise CapReachedError if a cap does not allow to buy this many, before a change of several calls."""
        if wanted:
            self._check_caps(self.read(), wanted)

    def _check_caps(self, rows: Rows, wanted: int, without_effect: Collection[int] = ()) -> None:
        if self.caps:
            noun = "lease" if self.kind == LEASES else "resource"
            self.caps.check(self.store, rows.execute, self.key, wanted, noun, without_effect)

    def record(self, call: Call, without_effect: Collection[int] = ()) -> int:
        """Record a call that is about to be sent; returns its number.

        Raises CapReachedError for a paid call that a cap does not allow. It replaces earlier calls ``without_effect``
        (their numbers).
        """
        wall_ahead = self.store.wall_ahead()
        with self.change() as rows:
            # Read in the transaction: another process may have written while this one waited for it.
            now = self.store.now()
            if call.buys:
                self._check_caps(rows, call.buys, without_effect)
            return rows.insert(call, self.product, now, now + wall_ahead)

    def report(
        self,
        number: int,
        held: Mapping[str, Any] | None = None,
        gone: Collection[str] = (),
        received: Mapping[str, str | None] | None = None,
        unmarked: Collection[str] = (),
    ) -> None:
        """Record what the response to a call reports as held now, with the data of each resource, and as gone.

        It also decides earlier calls of the same operation that have ended, as far as they concern the same names. What
        was reported of ``unmarked`` names before does not count any more. If the state fails, the call stays open, and
        later runs wait until it is settled.
        """
        held = held or {}
        with after_the_call(), self.change() as rows:
            recent = rows.recent()
            if unmarked:
                rows.save(_without(recent, unmarked))
                recent = rows.recent()
            for row in rows.numbered([number]):
                others = [other for other in recent if other.id != number]
                known = rows.received_names(number) if received else ()
                answered = reported(row, self.store.now(), held, gone, received, known)
                rows.save([answered, *decided(others, row.operation, {*held, *gone})])

    def observe(self, listed: Collection[str]) -> None:
        """Decide the ended calls whose effect a complete list shows."""
        for row in self.rows():
            if names := shown(row, listed):
                with self.change() as rows:
                    rows.save(decided(rows.recent(), row.operation, names))

    def forget(self, names: Collection[str], by_row: Mapping[int, Collection[str]] | None = None) -> None:
        """Let only the list count for these resources from now on, or for those of each row."""
        with self.change() as rows:
            recent = rows.recent()
            rows.save(_without(recent, names) if by_row is None else unmarked(recent, by_row))

    def lose(self, number: int, *, ended: bool) -> None:
        """Record that the response to a call was lost."""
        with after_the_call(), self.change() as rows:
            rows.save([lost(row, self.store.now(), ended=ended) for row in rows.numbered([number])])

    def refuse(self, number: int) -> None:
        """Record that a call certainly had no effect."""
        with after_the_call(), self.change() as rows:
            rows.save([refused(row) for row in rows.numbered([number])])

    def settle(self, *numbers: int, found: Received | None = None, state: str = SETTLED) -> None:
        """Record that calls are over: their results are known, and reported to the user, or ``LOST``.

        ``found`` is as for receive().
        """
        if numbers:
            with self.change() as rows:
                rows.save([replace(row, state=state) for row in rows.numbered(numbers)])
                self._receive(rows, numbers, found or {})

    def receive(self, numbers: Sequence[int], found: Mapping[str, str | None]) -> None:
        """Record the names that calls have paid for together, with their ends, whether a response named them or not."""
        if numbers:
            with self.change() as rows:
                self._receive(rows, numbers, found)

    def _receive(self, rows: Rows, numbers: Sequence[int], found: Mapping[str, str | None]) -> None:
        paid = [row for row in rows.numbered(numbers) if row.buys]
        if paid:
            # Another call of the same change, or a later one, may have received a part of it.
            rows.save(distributed(paid, found, rows.received_names(min(numbers))))

    def rename(self, number: int, operation: str) -> None:
        """Store a call under the name of another operation."""
        with self.change() as rows:
            rows.save([replace(row, operation=operation) for row in rows.numbered([number])])

    def unsettled(self, *operations: str) -> list[JournalRow]:
        """Return the calls of these operations that are not over, the earliest first."""
        return [row for row in self.rows() if row.is_open and row.operation in operations]

    def rows(self, read_at: float | None = None) -> list[JournalRow]:
        """Return the calls that a list may not show yet that was read now, or at a state time; the earliest first."""
        return self.read().recent(read_at)

    def since(self, moment: float) -> list[JournalRow]:
        """Return the calls that were sent after this moment of state time, and may have had an effect."""
        return self.read().since(moment)


def _without(rows: Sequence[JournalRow], names: Collection[str]) -> list[JournalRow]:
    return unmarked(rows, {row.id: names for row in rows})


def ledger_ttl() -> float:
    """Return for how many seconds paid calls are kept: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS", "")
    if not text:
        return LEDGER_TTL
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise OptionError(f"QG_LEDGER_DAYS={text!r} is not a number of days: set it to 1 to 36500, or leave it out.")
    return int(text) * 86400.0


class LedgerEntry(NamedTuple):
    """A paid call. ``at`` is Unix time.

    ``received`` are the names of what it has paid for, with their ends in the vendor's words; None while that is
    unknown, and after a refusal.
    """

    id: int
    key: str
    kind: str
    product: str
    endpoint: str
    asked: int
    state: str
    at: float
    user: str
    run: str
    host: str
    inventory: str
    received: Received | None


def ledger(store: Store, keys: Collection[str] | None = None, since: float = 0.0) -> list[LedgerEntry]:
    """Return the paid calls since a Unix time, of these keys or of all, the earliest first."""
    marks = ", ".join("?" * len(keys or ()))
    query = (
        f"SELECT {_LEDGER} FROM journal WHERE buys > 0 AND wall_at >= ?"
        f"{'' if keys is None else f' AND key IN ({marks})'} ORDER BY id"
    )
    rows = store.rows(query, since, *(keys or ()))
    return [LedgerEntry._make((*values, store.decoded(received or "null"))) for *values, received in rows]

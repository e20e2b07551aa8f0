# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: one row for each call that changes something at the vendor, from before it is sent.

A process may end after a call and before its result is known, and the vendor's lists lag behind its responses. The rows
keep later runs from paying again, from undoing what is under way, and from believing a list that cannot show it yet.
Rows of paid calls are kept afterwards: they are the ledger.

A row that cannot be written stops its call before it is sent. A failure after that must never hide what was paid for.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._core.caller import current_caller
from .._core.errors import OptionError
from .caps import NO_CAPS, Caps, noting_refusal
from .directory import StateError
from .runs import run_id

if TYPE_CHECKING:
    from .caps import Read
    from .interface import Connection, Store

#: The maximum seconds by which a list of the vendor may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect at the vendor, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: Seconds after which a call without a known result is ignored: from then on, only the list counts.
UNRESOLVED_TTL = 600.0
#: Seconds for which a row is kept, and by default a row of a paid call.
MEMORY_TTL, LEDGER_TTL = 86400.0, 400 * 86400.0

#: The kinds of resources.
LEASES, MONOPOLIES, WHITELIST = "leases", "monopolies", "whitelist"

#: The states of a row. A call is ``SENT`` until its exchange has ended. If that shows no result, it is ``UNKNOWN``. The
#: vendor has ``REPORTED`` a result that the run has not finished with. The row is ``SETTLED`` once it has, or when the
#: result can no longer change. ``REFUSED`` calls certainly had no effect.
SENT, UNKNOWN, REPORTED, REFUSED, SETTLED = "sent", "unknown", "reported", "refused", "settled"
_OPEN = f"('{SENT}', '{UNKNOWN}', '{REPORTED}')"

#: What a row says of a resource: it is held, or gone, by a response; or it may become so by a call without one.
HELD, GONE, MAYBE_HELD, MAYBE_GONE = "held", "gone", "maybe held", "maybe gone"
_MAYBE = (MAYBE_HELD, MAYBE_GONE)

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
CREATE INDEX IF NOT EXISTS journal_open ON journal (key, kind) WHERE state IN {_OPEN};
CREATE INDEX IF NOT EXISTS journal_answered ON journal (key, kind, answered_at);
CREATE INDEX IF NOT EXISTS journal_sent ON journal (sent_at);
CREATE INDEX IF NOT EXISTS journal_bought ON journal (key, run, sent_at) WHERE buys > 0;
"""
_INSERTED = (
    *("key", "kind", "operation", "endpoint", "product", "buys", "names", "asked", "request", "witness"),
    *("sent_at", "timeout", "state", "marks", "items", "wall_at", "run_user", "run", "host", "inventory"),
)
_INSERT = f"INSERT INTO journal ({', '.join(_INSERTED)}) VALUES ({', '.join('?' * len(_INSERTED))})"
_COLUMNS = "id, operation, endpoint, names, asked, request, witness, sent_at, timeout, state, answered_at, marks, items"


@dataclass(frozen=True)
class Call:
    """A call that is about to be sent.

    ``asked`` is the number of resources that the change asks for. A paid call ``buys`` at most this many: fewer than
    were asked for if earlier calls of the same change have bought the others. ``effect`` is what becomes of the
    ``names``, MAYBE_HELD or MAYBE_GONE; empty if it does not name what it changes.
    """

    operation: str
    endpoint: str
    names: Collection[str] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    asked: int = 0
    witness: int | None = None
    timeout: float = 0.0
    buys: int = 0
    effect: str = ""


@dataclass(frozen=True)
class JournalRow:
    """A row that a decision may depend on.

    ``witness`` is a figure of the quota and the list before the call: it decreases when the quota counts a resource
    that the list does not show. It is None if the quota is not known.
    """

    id: int
    operation: str
    endpoint: str
    names: frozenset[str]
    asked: int
    request: Mapping[str, Any]
    witness: int | None
    sent_at: float
    timeout: float
    state: str
    answered_at: float | None
    marks: Mapping[str, str]
    items: Mapping[str, Any]

    def age(self, now: float) -> float:
        """Seconds since the call was sent."""
        return now - self.sent_at

    def settles_in(self, now: float) -> float:
        """Seconds until the call can no longer be carried out, and a list must show its effect."""
        return max(self.timeout, MAX_EXECUTION_DELAY) + LIST_LAG - self.age(now)

    def marked(self, *marks: str) -> frozenset[str]:
        """Return the names with one of these marks."""
        return frozenset(name for name, own in self.marks.items() if own in marks)


@dataclass
class Journal:
    """The calls for one kind of resource of one key, which belongs to a plan of this product."""

    store: Store
    key: str
    kind: str
    product: str = "classic"
    caps: Caps = NO_CAPS

    def check_caps(self, wanted: int, *, check: bool = False) -> None:
        """Raise CapReachedError if a cap does not allow to buy this many, before a change of several calls.

        With ``check``, nothing would be bought, so a refusal is not stored.
        """
        if wanted and self.caps.is_set:
            with contextlib.nullcontext() if check else noting_refusal(self.store, self.key, run_id()):
                self._check_caps(lambda query, values: self.store.rows(query, *values), wanted)

    def _check_caps(self, read: Read, wanted: int, without_effect: Collection[int] = ()) -> None:
        noun = "lease" if self.kind == LEASES else "resource"
        self.caps.check(self.store, read, self.key, run_id(), wanted, noun, without_effect)

    def record(self, call: Call, without_effect: Collection[int] = ()) -> int:
        """Record a call that is about to be sent; returns its number.

        Raises CapReachedError for a paid call that a cap does not allow. It replaces earlier calls ``without_effect``
        (their numbers).
        """
        who, run, wall_ahead = current_caller(), run_id(), self.store.wall_ahead()
        marks = dict.fromkeys(call.names, call.effect) if call.effect else {}
        with noting_refusal(self.store, self.key, run), self.store.transaction() as database:
            self.store.confirm_locks()
            # Read in the transaction: another process may have written while this one waited for it.
            now = self.store.now()
            database.execute("DELETE FROM journal WHERE sent_at < ? AND buys = 0", (now - MEMORY_TTL,))
            database.execute("DELETE FROM journal WHERE sent_at < ?", (now - ledger_ttl(),))
            if call.buys and self.caps.is_set:
                self._check_caps(database.execute, call.buys, without_effect)
            row = database.execute(
                _INSERT,
                (
                    *(self.key, self.kind, call.operation, call.endpoint, self.product, call.buys),
                    *(json.dumps(sorted(call.names)), call.asked, json.dumps(dict(call.request)), call.witness),
                    *(now, call.timeout, SENT, json.dumps(marks), "{}", now + wall_ahead),
                    *(who.user, run, who.host, who.inventory),
                ),
            )
            return int(row.lastrowid or 0)

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
        marks = {**dict.fromkeys(held or {}, HELD), **dict.fromkeys(gone, GONE)}

        def answer(row: JournalRow) -> dict[str, Any]:
            # What the response does not name may have been changed, or not.
            left = {**row.marks, **marks}
            state = UNKNOWN if not set(_MAYBE).isdisjoint(left.values()) else REPORTED
            changed = {"marks": left, "items": {**row.items, **(held or {})}, "state": state}
            paid = {} if received is None else {"received": dict(received)}
            return {**changed, **paid, "answered_at": self.store.now()}

        with contextlib.suppress(StateError), self.store.transaction() as database:
            for row in self._rows_of(database, "id = ?", number):
                self._update(database, [row], answer)
                same = "operation = ? AND state = ? AND id != ?"
                self._decide(database, self._rows_of(database, same, row.operation, UNKNOWN, number), marks)
            if unmarked:
                self._unmark(database, lambda _row: unmarked)

    def observe(self, listed: Collection[str]) -> None:
        """Decide the ended calls whose effect a complete list shows."""
        for row in self.rows():
            shown = {name for name, mark in row.marks.items() if _is_shown(mark, name in listed)}
            if row.state == UNKNOWN and shown:
                with self.store.transaction() as database:
                    same = self._rows_of(database, "operation = ? AND state = ?", row.operation, UNKNOWN)
                    self._decide(database, same, shown)

    def _decide(self, database: Connection, rows: Iterable[JournalRow], names: Collection[str]) -> None:
        """Remove the names from what these calls may still change, and settle those that leave nothing open."""

        def decide(row: JournalRow) -> dict[str, Any]:
            left = {name: mark for name, mark in row.marks.items() if mark not in _MAYBE or name not in names}
            return {"marks": left, "state": row.state if set(_MAYBE) & set(left.values()) else SETTLED}

        self._update(database, [row for row in rows if not row.marked(*_MAYBE).isdisjoint(names)], decide)

    def forget(self, names: Collection[str], rows: Mapping[int, Collection[str]] | None = None) -> None:
        """Let only the list count for these resources from now on, or for those by row in ``rows``."""
        with self.store.transaction() as database:
            self._unmark(database, lambda row: names if rows is None else rows.get(row.id, ()))

    def _unmark(self, database: Connection, dropped: Callable[[JournalRow], Collection[str]]) -> None:
        def without(row: JournalRow) -> dict[str, Any]:
            names = dropped(row)
            return {"marks": {name: mark for name, mark in row.marks.items() if mark in _MAYBE or name not in names}}

        found = self._rows_of(database, *self._recent())
        self._update(database, [row for row in found if not row.marked(HELD, GONE).isdisjoint(dropped(row))], without)

    def lose(self, number: int, *, ended: bool) -> None:
        """Record that the response to a call was lost. Its time starts anew: it may have been sent late."""
        with contextlib.suppress(StateError):
            self.store.execute(
                "UPDATE journal SET sent_at = ?, state = ? WHERE id = ?",
                *(self.store.now(), UNKNOWN if ended else SENT, number),
            )

    def refuse(self, number: int) -> None:
        """Record that a call certainly had no effect."""
        with contextlib.suppress(StateError):
            self.store.execute("UPDATE journal SET state = ?, marks = '{}' WHERE id = ?", REFUSED, number)

    def settle(self, *numbers: int, found: Mapping[str, str | None] | None = None) -> None:
        """Record that calls are over: their results are known, and reported to the user; ``found`` as for receive()."""
        if numbers:
            with self.store.transaction() as database:
                statement = "UPDATE journal SET state = ? WHERE id = ?"
                database.executemany(statement, [(SETTLED, number) for number in numbers])
                self._receive(database, numbers, found or {})

    def receive(self, numbers: Sequence[int], found: Mapping[str, str | None]) -> None:
        """Record the names that calls have paid for together, with their ends, whether a response named them or not."""
        if numbers:
            with self.store.transaction() as database:
                self._receive(database, numbers, found)

    def _receive(self, database: Connection, numbers: Sequence[int], found: Mapping[str, str | None]) -> None:
        marks = ", ".join("?" * len(numbers))
        query = f"SELECT id, buys, received FROM journal WHERE id IN ({marks}) AND buys > 0 ORDER BY id"
        rows = [(*row, self.store.decoded(text or "null")) for *row, text in database.execute(query, numbers)]
        # Another call of the same change, or a later one, may have received a part of it.
        recent = "SELECT received FROM journal WHERE key = ? AND received IS NOT NULL AND (id >= ? OR sent_at > ?)"
        values = (self.key, min(numbers), self.store.now() - MEMORY_TTL)
        named = {name for (text,) in database.execute(recent, values) for name in self.store.decoded(text)}
        left = [item for item in found.items() if item[0] not in named]
        for number, buys, own in rows:
            # A response may omit a part of what its call has paid for.
            room = max(0, buys - len(own or ()))
            if own is None or (left and room):
                names = {**(own or {}), **dict(left[:room])}
                database.execute("UPDATE journal SET received = ? WHERE id = ?", (json.dumps(names), number))
                left = left[room:]

    def rename(self, number: int, operation: str) -> None:
        """Store a call under the name of another operation."""
        self.store.execute("UPDATE journal SET operation = ? WHERE id = ?", operation, number)

    def unsettled(self, *operations: str) -> list[JournalRow]:
        """Return the calls of these operations that are not over, the earliest first."""
        marks = ", ".join("?" * len(operations))
        return self._read(f"state IN {_OPEN} AND operation IN ({marks})", *operations)

    def rows(self) -> list[JournalRow]:
        """Return the calls that the list may not show yet, the earliest first."""
        return self._read(*self._recent())

    def _recent(self) -> tuple[str, float]:
        return f"(state IN {_OPEN} OR answered_at > ?)", self.store.now() - LIST_LAG

    def _read(self, condition: str, *values: object) -> list[JournalRow]:
        query = f"SELECT {_COLUMNS} FROM journal WHERE key = ? AND kind = ? AND {condition} ORDER BY id"
        return [_row_of(row, self.store.decoded) for row in self.store.rows(query, self.key, self.kind, *values)]

    def _rows_of(self, database: Connection, condition: str, *values: object) -> list[JournalRow]:
        query = f"SELECT {_COLUMNS} FROM journal WHERE key = ? AND kind = ? AND {condition} ORDER BY id"
        found = database.execute(query, (self.key, self.kind, *values))
        return [_row_of(row, self.store.decoded) for row in found]

    def _update(
        self, database: Connection, rows: Iterable[JournalRow], change: Callable[[JournalRow], dict[str, Any]]
    ) -> None:
        for row in rows:
            columns = change(row)
            texts = [
                value if name in ("state", "answered_at") else json.dumps(value) for name, value in columns.items()
            ]
            names = ", ".join(f"{name} = ?" for name in columns)
            database.execute(f"UPDATE journal SET {names} WHERE id = ?", (*texts, row.id))


def _row_of(row: Sequence[Any], decoded: Callable[[str], Any]) -> JournalRow:
    number, operation, endpoint, names, asked, request, witness, sent, timeout, state, answered, marks, items = row
    return JournalRow(
        *(number, operation, endpoint, frozenset(decoded(names)), asked, decoded(request), witness, sent, timeout),
        *(state, answered, decoded(marks), decoded(items)),
    )


def _is_shown(mark: str, is_listed: bool) -> bool:
    return mark == (MAYBE_HELD if is_listed else MAYBE_GONE)


def ledger_ttl() -> float:
    """Return for how many seconds paid calls are kept: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS", "")
    if not text:
        return LEDGER_TTL
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise OptionError(f"QG_LEDGER_DAYS={text!r} is not a number of days: set it to 1 to 36500, or leave it out.")
    return int(text) * 86400.0

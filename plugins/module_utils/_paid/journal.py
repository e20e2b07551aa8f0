# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: a row for each call that changes something, from before it is sent, and a row for
each resource.

A row that cannot be written stops its call, and it outlasts a power failure before the call is
sent. What the response reports need not: without it, the call is open, and the next run finds out
what it did. A failure after the call must never hide what was paid for. The rows of paid calls are
kept: they are the ledger.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping

from .._core.errors import CallError, Effect, OptionError
from .._core.runtime import current_actor
from .._spending.caps import check_cap
from .._spending.ledger import compact, packed
from .._store.store import Connection, Store, after_the_call
from .journal_reader import HOUR, LOST, REFUSED, SENT, SETTLED, UNKNOWN, JournalReader
from .paid_api import DROP, Item, NewCall, leaves_open
from .snapshot import Record

_SAVE = (
    "INSERT INTO resources (call, name, key, kind, is_bought, at, gone_at, gone_by_list, ends, "
    "item) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (call, name) DO NOTHING"
)
#: A resource that a later call has bought has the same name, and stays.
_IS_GONE = (
    "UPDATE resources SET gone_at = ?, gone_by_list = ? "
    "WHERE key = ? AND kind = ? AND name = ? AND is_bought = 1 AND call < ? AND gone_at IS NULL"
)
_UPDATE = (
    "UPDATE resources SET missing_since = ?, gone_at = ?, gone_by_list = ? "
    "WHERE call = ? AND name = ?"
)
_END = "UPDATE journal SET state = ?, answered_at = coalesce(answered_at, ?) WHERE id = ?"
_IS_A_RELEASE = f"UPDATE journal SET operation = '{DROP}' WHERE id = ?"
_RECEIVED = "SELECT name, ends FROM resources WHERE call = ? AND is_bought = 1 ORDER BY name"
#: Who has bought what was held before the first purchase of all is never known.
_FORGET_BEFORE = (
    "UPDATE journal SET before = '[]' WHERE id = ? AND (buys = 0 OR EXISTS (SELECT 1 FROM journal "
    "AS first WHERE first.key = ? AND first.kind = ? AND buys > 0 AND first.id < ?))"
)
#: An open call is ended by the next run, unless nobody uses its key any more.
_FORGET_FREE = (
    "DELETE FROM journal WHERE buys = 0 AND sent_at < ? "
    f"AND (state NOT IN ('{SENT}', '{UNKNOWN}') OR sent_at < ?)"
)
#: What is held keeps its purchase: without it, nobody would know its terms and who has bought it,
#: or that the list should show it.
_FORGET_PAID = (
    "DELETE FROM journal WHERE key = ? AND buys > 0 AND sent_at < ? AND NOT EXISTS (SELECT 1 FROM "
    "resources WHERE call = journal.id AND is_bought = 1 AND gone_at IS NULL)"
)
#: This holds whoever has deleted rows of calls, and whatever a process that was stopped has
#: recorded since.
_FORGET_RESOURCES = (
    "DELETE FROM resources WHERE NOT EXISTS (SELECT 1 FROM journal WHERE id = resources.call)"
)


class Journal(JournalReader):
    """The calls for one kind of resources of one key.

    ``of_run`` are the numbers of the calls of this run.
    """

    def __init__(self, store: Store, key: str, kind: str, product: str = "classic") -> None:
        super().__init__(store, key, kind)
        self.of_run: list[int] = []
        self._product = product

    def sending(
        self, call: NewCall, timeout: float, past: Iterable[Record]
    ) -> contextlib.AbstractContextManager[None]:
        """Record a call, and return the context in which it is sent, which records what its error
        says of the effect.

        Delete what no longer matters: records that are ``past``, and old rows of calls.
        """
        return self._exchange(self._record(call, timeout, past), call.operation)

    @contextlib.contextmanager
    def _exchange(self, number: int, operation: str) -> Iterator[None]:
        try:
            yield
        except CallError as error:
            with after_the_call(), self.store.transaction() as database:
                self._record_error(database, number, operation, error)
            raise

    def _record(self, call: NewCall, timeout: float, past: Iterable[Record]) -> int:
        """Insert the row of a call if the cap allows it; returns its number."""
        actor = current_actor()
        row = {
            "key": self._key,
            "kind": self._kind,
            "operation": call.operation,
            "endpoint": call.endpoint,
            "product": self._product,
            "buys": call.adds,
            "before": compact(sorted(call.before)),
            "request": compact(dict(call.request)),
            "timeout": timeout,
            "state": SENT,
            "got": 0,
            "run_user": actor.user,
            "run": actor.run,
            "host": actor.host,
            "inventory": actor.inventory,
        }
        wall_ahead = self.store.wall_ahead()
        with self.store.transaction(durable=True) as database:
            # Read in the transaction: another process may have written while this one waited for
            # it.
            now = self.store.now()
            if call.cap is not None:
                check_cap(self.store, self._key, call.cap, call.adds, self._kind)
            self._forget(database, now, past)
            row |= {"sent_at": now, "wall_at": now + wall_ahead}
            marks = ", ".join("?" * len(row))
            database.execute(
                f"INSERT INTO journal ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
            )
            number = int(database.execute("SELECT max(id) FROM journal").fetchone()[0])
            self.of_run.append(number)
        return number

    def _record_error(
        self, database: Connection, number: int, operation: str, error: CallError
    ) -> None:
        if not leaves_open(operation, error):
            self._end(database, number, REFUSED)
            return
        if not error.may_have_effect:
            # A replacement that was refused is a release that may have been carried out.
            database.execute(_IS_A_RELEASE, (number,))
        # Its time starts anew: it may have been sent long after its row was written.
        database.execute("UPDATE journal SET sent_at = ? WHERE id = ?", (self.store.now(), number))
        if error.effect is not Effect.IN_FLIGHT:
            self._end(database, number, UNKNOWN)

    def answer(
        self,
        held: Mapping[str, Item],
        gone: Collection[str] = (),
        *,
        whole: bool,
        life: float | None = None,
    ) -> None:
        """Record what the response to the last call reports, and whether that is the whole result.

        ``life`` are the seconds that what it has bought had left then; None if that is unknown.
        """
        call = self.of_run[-1]
        with after_the_call(), self.store.transaction() as database:
            if life is not None:
                database.execute("UPDATE journal SET life = ? WHERE id = ?", (life, call))
            self._save(database, call, held, gone, by_list=False)
            self._end(database, call, SETTLED if whole else UNKNOWN)

    def close(
        self, call: int, added: Mapping[str, Item], removed: Collection[str] = (), *, whole: bool
    ) -> None:
        """Record that a call is over, and what a list has shown of its effect."""
        with self.store.transaction() as database:
            self._save(database, call, added, removed, by_list=True)
            self._end(database, call, SETTLED if whole else LOST)

    def update(self, records: Iterable[Record]) -> None:
        """Record what a list has shown of resources that it should show."""
        with self.store.transaction() as database:
            for record in records:
                shown = (record.missing_since, record.gone_at, int(record.gone_by_list))
                database.execute(_UPDATE, (*shown, record.call, record.name))

    def _save(
        self,
        database: Connection,
        call: int,
        held: Mapping[str, Item],
        gone: Collection[str],
        *,
        by_list: bool,
    ) -> None:
        """Record what a call has bought, and what it has released, as its response has reported, or
        a list has shown.
        """
        now = self.store.now()
        owner = (self._key, self._kind)
        for name, item in held.items():
            data = compact(item.data)
            database.execute(_SAVE, (call, name, *owner, 1, now, None, 0, item.ends, data))
        for name in gone:
            is_gone = (now, int(by_list))
            if not database.execute(_IS_GONE, (*is_gone, *owner, name, call)).rowcount:
                # Another buyer has leased it.
                database.execute(_SAVE, (call, name, *owner, 0, now, *is_gone, None, "{}"))

    def _end(self, database: Connection, call: int, state: str) -> None:
        """Record the state of a call whose exchange has ended, and what an ended call received."""
        database.execute(_END, (state, self.store.now(), call))
        if state == UNKNOWN:
            return
        received = list(database.execute(_RECEIVED, (call,)))
        update = "UPDATE journal SET got = ?, received = ? WHERE id = ?"
        database.execute(update, (len(received), packed(received), call))
        database.execute(_FORGET_BEFORE, (call, self._key, self._kind, call))

    def _forget(self, database: Connection, now: float, past: Iterable[Record]) -> None:
        rows = [(record.call, record.name) for record in past]
        database.executemany("DELETE FROM resources WHERE call = ? AND name = ?", rows)
        database.execute(_FORGET_FREE, (now - HOUR, now - 24 * HOUR))
        database.execute(_FORGET_PAID, (self._key, now - seconds_kept()))
        database.execute(_FORGET_RESOURCES)


def seconds_kept() -> float:
    """Return for how many seconds paid calls are kept at least: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS") or "400"
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 36500:
        raise OptionError(
            "QG_LEDGER_DAYS",
            f"={text!r} is not a number of days",
            "set it to 1 to 36500, or leave it out",
        )
    return int(text) * 86400.0

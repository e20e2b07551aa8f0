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
import json
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from .._api.parsing import parse_vendor_time
from .._core.errors import CallError, Effect, OptionError
from .._core.runtime import current_actor
from .._store.store import Connection, StateError, Store, after_the_call
from .caps import bought_today, check_cap
from .evidence import Expected, Missing, OpenCall, Report, Says
from .paid_api import SWAP, Item, NewCall, Span

#: Seconds for which the effects of calls are kept at most, apart from what is held, and the rows of calls that buy
#: nothing: a lookup uses a list for as long.
HOUR = 3600.0

#: The kinds of resources.
LEASES, MONOPOLIES = "leases", "monopolies"
#: The states of a call. It is ``SENT`` until its exchange has ended, and ``UNKNOWN`` if that does not show the whole
#: result: both are open. It is ``LOST`` if its time is over and the list has not shown all that it may have bought.
SENT, UNKNOWN, SETTLED, LOST, REFUSED = "sent", "unknown", "settled", "lost", "refused"

_OPEN = (
    "SELECT id, operation, endpoint, buys, before, sent_at, timeout, answered_at FROM journal "
    f"WHERE key = ? AND kind = ? AND state IN ('{SENT}', '{UNKNOWN}') ORDER BY id"
)
_REPORTS = (
    "SELECT effects.call, effects.name, effects.effect, effects.at, effects.missed_at, effects.ends, effects.item, "
    "journal.request FROM effects JOIN journal ON journal.id = effects.call "
    "WHERE effects.key = ? AND effects.kind = ? ORDER BY effects.at, effects.call"
)
_SAVE_EFFECT = (
    "INSERT INTO effects (call, name, key, kind, effect, at, ends, item) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (call, name) DO UPDATE SET effect = excluded.effect, at = excluded.at"
)


class Journal:
    """The calls for one kind of resources of one key. ``own`` are the numbers of the calls of this run."""

    def __init__(self, store: Store, key: str, kind: str, product: str = "classic", cap: int | None = None) -> None:
        self.store = store
        self.own: list[int] = []
        self._key = key
        self._kind = kind
        self._product = product
        self._cap = cap

    @contextlib.contextmanager
    def sending(self, call: NewCall, timeout: float, past: Iterable[Report]) -> Iterator[None]:
        """Record a call before the body sends it, and what its error says of the effect.

        Delete what no longer matters: reports that are ``past``, and old rows of calls.
        """
        wall_ahead = self.store.wall_ahead()
        with self.store.transaction(durable=True) as database:
            # Read in the transaction: another process may have written while this one waited for it.
            now = self.store.now()
            self.check_cap(call.expected.adds)
            self._forget(database, now, past)
            number = self._insert(database, call, now, timeout, now + wall_ahead)
            self.own.append(number)
            self._save(database, number, dict.fromkeys(call.expected.removes, Item()), Says.MAYBE_GONE)
        try:
            yield
        except CallError as error:
            with after_the_call(), self.store.transaction() as database:
                self._record_error(database, number, error)
            raise

    def _insert(self, database: Connection, call: NewCall, now: float, timeout: float, wall_at: float) -> int:
        """Insert the row of a call; returns its number."""
        actor = current_actor()
        row = {
            "key": self._key,
            "kind": self._kind,
            "operation": call.operation,
            "endpoint": call.endpoint,
            "product": self._product,
            "buys": call.expected.adds,
            "before": _compact(sorted(call.before)),
            "request": _compact(dict(call.request)),
            "sent_at": now,
            "timeout": timeout,
            "state": SENT,
            "got": 0,
            "wall_at": wall_at,
            "run_user": actor.user,
            "run": actor.run,
            "host": actor.host,
            "inventory": actor.inventory,
        }
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO journal ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))
        return int(database.execute("SELECT max(id) FROM journal").fetchone()[0])

    def _record_error(self, database: Connection, number: int, error: CallError) -> None:
        if not error.may_have_effect:
            self._end(database, number, REFUSED)
            return
        # Its time starts anew: it may have been sent long after its row was written.
        now = self.store.now()
        state = UNKNOWN
        answered_at: float | None = now
        if error.effect is Effect.IN_FLIGHT:
            state = SENT
            answered_at = None
        update = "UPDATE journal SET state = ?, sent_at = ?, answered_at = ? WHERE id = ?"
        database.execute(update, (state, now, answered_at, number))

    def check_cap(self, number: int) -> None:
        """Raise CapReachedError if the cap does not allow to buy this many."""
        if number and self._cap is not None:
            check_cap(self._cap, bought_today(self.store, self._key), number, self._kind)

    def answer(self, held: Mapping[str, Item], gone: Collection[str] = (), *, whole: bool, lasts: float = 0.0) -> None:
        """Record what the response to the last call reports, and whether that is the whole result.

        ``lasts`` are the seconds that what it has bought had left then.
        """
        number = self.own[-1]
        with after_the_call(), self.store.transaction() as database:
            self._save(database, number, held, Says.HELD)
            self._save(database, number, dict.fromkeys(gone, Item()), Says.GONE)
            if lasts > 0:
                database.execute("UPDATE journal SET lasts = ? WHERE id = ?", (lasts, number))
            self._end(database, number, SETTLED if whole else UNKNOWN)

    def close(
        self,
        call: int,
        added: Mapping[str, Item],
        removed: Collection[str] = (),
        *,
        whole: bool,
    ) -> None:
        """Record that a call is over, and what a list has shown of its effect."""
        with self.store.transaction() as database:
            self._save(database, call, added, Says.HELD)
            self._save(database, call, dict.fromkeys(removed, Item()), Says.UNLISTED)
            self._end(database, call, SETTLED if whole else LOST)

    def note_missing(self, reports: Iterable[tuple[Report, Missing]], read_at: float) -> None:
        """Record what a list that was requested then has said about resources that it should show."""
        with self.store.transaction() as database:
            for report, missing in reports:
                row = (report.call, report.name)
                if missing is Missing.TWICE:
                    update = "UPDATE effects SET effect = ?, at = ? WHERE call = ? AND name = ?"
                    database.execute(update, (Says.ENDED.value, read_at, *row))
                else:
                    missed_at = read_at if missing is Missing.FIRST else None
                    database.execute("UPDATE effects SET missed_at = ? WHERE call = ? AND name = ?", (missed_at, *row))

    def open(self) -> list[OpenCall]:
        """Return the calls whose whole result is not known, the earliest first."""
        names = "SELECT call, name FROM effects WHERE key = ? AND kind = ? AND effect = ?"
        removes: dict[int, set[str]] = {}
        for number, name in self.store.rows(names, self._key, self._kind, Says.MAYBE_GONE.value):
            removes.setdefault(number, set()).add(name)
        calls = []
        for number, operation, endpoint, buys, before, sent_at, timeout, answered_at in self._rows(_OPEN):
            with reading(self.store, number):
                expected = Expected(
                    adds=int(buys),
                    removes=frozenset(removes.get(number, ())),
                    removes_count=int(buys) if operation == SWAP else 0,
                )
                calls.append(
                    OpenCall(
                        id=number,
                        endpoint=endpoint,
                        expected=expected,
                        before=_names(before),
                        sent_at=float(sent_at),
                        timeout=float(timeout),
                        answered_at=None if answered_at is None else float(answered_at),
                    )
                )
        return calls

    def reports(self, span: Callable[[Item], Span]) -> list[Report]:
        """Return what was done, as far as it still matters; the earliest first. ``span`` reads how long one lasts."""
        reports = []
        for call, name, says, at, missed_at, ends, data, request in self._rows(_REPORTS):
            with reading(self.store, call):
                item = Item(ends, json.loads(data))
                lasting = Span()
                if says in (Says.HELD.value, Says.ENDED.value):
                    lasting = span(item)
                reports.append(
                    Report(
                        name=name,
                        call=call,
                        says=Says(says),
                        at=float(at),
                        ends=lasting.ends,
                        life=lasting.life,
                        missed_at=missed_at,
                        data=item,
                        request=mapping(request),
                    )
                )
        return reports

    def lasting(self, keep_alive: int | None) -> float | None:
        """Return the seconds that new resources had left that were bought with this ``keep_alive`` in the last hour."""
        query = (
            "SELECT id, request, lasts FROM journal WHERE key = ? AND kind = ? AND buys > 0 AND lasts IS NOT NULL "
            "AND sent_at > ? ORDER BY id DESC LIMIT 100"
        )
        for number, request, lasts in self._rows(query, self.store.now() - HOUR):
            with reading(self.store, number):
                terms = mapping(request).get("terms", {})
                if terms.get("keep_alive") == keep_alive:
                    return float(lasts)
        return None

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.store.rows(query, self._key, self._kind, *values)

    def _save(self, database: Connection, call: int, items: Mapping[str, Item], says: Says) -> None:
        now = self.store.now()
        rows = []
        for name, item in items.items():
            rows.append((call, name, self._key, self._kind, says.value, now, item.ends, _compact(item.data)))
        database.executemany(_SAVE_EFFECT, rows)
        if says in (Says.GONE, Says.UNLISTED):
            # Rows of calls that pay for nothing are deleted after an hour, and nothing must be held again then.
            end = "UPDATE effects SET effect = ? WHERE key = ? AND kind = ? AND name = ? AND effect = ? AND call <> ?"
            held = (self._key, self._kind)
            values = [(Says.ENDED.value, *held, name, Says.HELD.value, call) for name in items]
            database.executemany(end, values)

    def _end(self, database: Connection, call: int, state: str) -> None:
        """Record the state of a call whose exchange has ended, and if it is over what it has received."""
        update = "UPDATE journal SET state = ?, answered_at = coalesce(answered_at, ?) WHERE id = ?"
        database.execute(update, (state, self.store.now(), call))
        if state == UNKNOWN:
            return
        database.execute("DELETE FROM effects WHERE call = ? AND effect = ?", (call, Says.MAYBE_GONE.value))
        query = "SELECT name, ends FROM effects WHERE call = ? AND effect IN (?, ?) ORDER BY name"
        received = list(database.execute(query, (call, Says.HELD.value, Says.ENDED.value)))
        packed = _packed(received) if received else None
        update = "UPDATE journal SET before = '[]', got = ?, received = ? WHERE id = ?"
        database.execute(update, (len(received), packed, call))

    def _forget(self, database: Connection, now: float, past: Iterable[Report]) -> None:
        rows = [(report.call, report.name) for report in past]
        database.executemany("DELETE FROM effects WHERE call = ? AND name = ?", rows)
        # An open call is ended by the next run, unless nobody uses its key any more.
        free = "DELETE FROM journal WHERE buys = 0 AND sent_at < ? AND (state NOT IN (?, ?) OR sent_at < ?)"
        database.execute(free, (now - HOUR, SENT, UNKNOWN, now - 24 * HOUR))
        database.execute("DELETE FROM journal WHERE key = ? AND buys > 0 AND sent_at < ?", (self._key, now - _ttl()))
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


def _names(text: str) -> frozenset[str]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError
    return frozenset(value)


def mapping(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError
    return value


@contextlib.contextmanager
def reading(store: Store, call: int) -> Iterator[None]:
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
        raise OptionError(
            "QG_LEDGER_DAYS", f"={text!r} is not a number of days", "set it to 1 to 36500, or leave it out"
        )
    return int(text) * 86400.0

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journal: a row for each call that changes something, from before it is sent, and a row for
each of its effects.

A row that cannot be written stops its call, and it outlasts a power failure before the call is
sent. What the response reports need not: without it, the call is open, and the next run finds out
what it did. A failure after the call must never hide what was paid for. The rows of paid calls are
kept: they are the ledger.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._api.parsing import BEIJING, iso_time, parse_vendor_time
from .._core.errors import CallError, Effect, OptionError
from .._core.runtime import current_actor
from .._store.store import Connection, StateError, Store, after_the_call
from .caps import BOUGHT, bought_today, check_cap
from .evidence import OpenCall, Report, Says
from .paid_api import BUY, DROP, Item, NewCall, Span

#: Seconds for which the effects of calls are kept at most, apart from what is held, and the rows of
#: calls that buy nothing: a lookup uses a list for as long.
HOUR = 3600.0

#: The kinds of resources.
LEASES, MONOPOLIES = "leases", "monopolies"
#: The states of a call. It is ``SENT`` until its exchange has ended, and ``UNKNOWN`` if that does
#: not show the whole result: both are open. It is ``LOST`` if its time is over and the list has not
#: shown all that it may have bought.
SENT, UNKNOWN, SETTLED, LOST, REFUSED = "sent", "unknown", "settled", "lost", "refused"

_OPEN = (
    "SELECT id, operation, endpoint, buys, before, sent_at, timeout, answered_at FROM journal "
    f"WHERE key = ? AND kind = ? AND state IN ('{SENT}', '{UNKNOWN}') ORDER BY id"
)
#: The calls that are over, and may have bought more than any list has shown.
_LOST = (
    "SELECT id, endpoint, buys - got, sent_at, timeout FROM journal "
    f"WHERE key = ? AND kind = ? AND state = '{LOST}' AND buys > got AND sent_at > ?"
)
_REPORTS = (
    "SELECT effects.call, effects.name, effects.effect, effects.at, effects.missed_at, "
    "effects.ends, effects.item, journal.request "
    "FROM effects JOIN journal ON journal.id = effects.call "
    "WHERE effects.key = ? AND effects.kind = ? ORDER BY effects.at, effects.call"
)
#: What the ledger shows of a call.
_ENTRY = (
    "id",
    "endpoint",
    "product",
    "buys",
    "state",
    "received",
    "wall_at",
    "run_user",
    "run",
    "host",
    "inventory",
)
#: What a response has reported stays, whatever a list shows later.
_SAVE_EFFECT = (
    "INSERT INTO effects (call, name, key, kind, effect, at, ends, item) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (call, name) DO NOTHING"
)
_END_PURCHASE = (
    "UPDATE effects SET effect = ? "
    "WHERE key = ? AND kind = ? AND name = ? AND effect = ? AND call <> ?"
)


class Journal:
    """The calls for one kind of resources of one key.

    ``of_run`` are the numbers of the calls of this run.
    """

    def __init__(
        self, store: Store, key: str, kind: str, product: str = "classic", cap: int | None = None
    ) -> None:
        self.store = store
        self.of_run: list[int] = []
        self._key = key
        self._kind = kind
        self._product = product
        self._cap = cap

    def sending(
        self, call: NewCall, timeout: float, past: Iterable[Report]
    ) -> contextlib.AbstractContextManager[None]:
        """Record a call, and return the context in which it is sent, which records what its error
        says of the effect.

        Delete what no longer matters: reports that are ``past``, and old rows of calls.
        """
        wall_ahead = self.store.wall_ahead()
        with self.store.transaction(durable=True) as database:
            # Read in the transaction: another process may have written while this one waited for
            # it.
            now = self.store.now()
            self.check_cap(call.adds)
            self._forget(database, now, past)
            number = self._insert(database, call, now, timeout, now + wall_ahead)
            self.of_run.append(number)
        return self._exchange(number)

    @contextlib.contextmanager
    def _exchange(self, number: int) -> Iterator[None]:
        try:
            yield
        except CallError as error:
            with after_the_call(), self.store.transaction() as database:
                self._record_error(database, number, error)
            raise

    def _insert(
        self, database: Connection, call: NewCall, now: float, timeout: float, wall_at: float
    ) -> int:
        """Insert the row of a call; returns its number."""
        actor = current_actor()
        row = {
            "key": self._key,
            "kind": self._kind,
            "operation": call.operation,
            "endpoint": call.endpoint,
            "product": self._product,
            "buys": call.adds,
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
        database.execute(
            f"INSERT INTO journal ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )
        return int(database.execute("SELECT max(id) FROM journal").fetchone()[0])

    def _record_error(self, database: Connection, number: int, error: CallError) -> None:
        if not error.may_have_effect:
            self._end(database, number, REFUSED)
            return
        # Its time starts anew: it may have been sent long after its row was written.
        database.execute("UPDATE journal SET sent_at = ? WHERE id = ?", (self.store.now(), number))
        if error.effect is not Effect.IN_FLIGHT:
            self._end(database, number, UNKNOWN)

    def check_cap(self, number: int) -> None:
        """Raise CapReachedError if the cap does not allow to buy this many."""
        if number and self._cap is not None:
            check_cap(self._cap, bought_today(self.store, self._key), number, self._kind)

    def answer(
        self,
        held: Mapping[str, Item],
        gone: Collection[str] = (),
        *,
        whole: bool,
        life: float = 0.0,
    ) -> None:
        """Record what the response to the last call reports, and whether that is the whole result.

        ``life`` are the seconds that what it has bought had left then.
        """
        call = self.of_run[-1]
        with after_the_call(), self.store.transaction() as database:
            if life > 0:
                database.execute("UPDATE journal SET life = ? WHERE id = ?", (life, call))
            self._save(database, call, held, gone, Says.GONE)
            self._end(database, call, SETTLED if whole else UNKNOWN)

    def close(
        self, call: int, added: Mapping[str, Item], removed: Collection[str] = (), *, whole: bool
    ) -> None:
        """Record that a call is over, and what a list has shown of its effect."""
        with self.store.transaction() as database:
            self._save(database, call, added, removed, Says.UNLISTED)
            self._end(database, call, SETTLED if whole else LOST)

    def note_missing(self, reports: Iterable[Report]) -> None:
        """Record what a list has said about resources that it should show."""
        update = "UPDATE effects SET effect = ?, at = ?, missed_at = ? WHERE call = ? AND name = ?"
        with self.store.transaction() as database:
            for report in reports:
                said = (report.says.value, report.at, report.missed_at)
                database.execute(update, (*said, report.call, report.name))

    def open(self) -> list[OpenCall]:
        """Return the calls whose whole result is not known, the earliest first."""
        calls = []
        rows = self._rows(_OPEN)
        for number, operation, endpoint, buys, before, sent_at, timeout, answered_at in rows:
            with _reading(self.store, number):
                names = _names(before)
                if answered_at is not None:
                    answered_at = float(answered_at)
                removes = {BUY: 0, DROP: len(names)}.get(operation, buys)
                call = OpenCall(
                    id=number,
                    endpoint=endpoint,
                    adds=int(buys),
                    removes=removes,
                    before=names,
                    sent_at=float(sent_at),
                    timeout=float(timeout),
                    answered_at=answered_at,
                )
                calls.append(call)
        return calls

    def reports(self, span: Callable[[Item], Span]) -> list[Report]:
        """Return what was done, as far as it still matters; the earliest first.

        ``span`` reads how long one lasts.
        """
        reports = []
        for call, name, says, at, missed_at, ends, data, request in self._rows(_REPORTS):
            with _reading(self.store, call):
                item = Item(ends, json.loads(data))
                lasting = Span()
                if item.data is not None:
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
                        request=_mapping(request),
                    )
                )
        return reports

    def lasting(self, keep_alive: int | None, within: float = HOUR) -> float | None:
        """Return the seconds that resources had left that were bought so within these seconds."""
        query = (
            "SELECT id, request, life FROM journal WHERE key = ? AND kind = ? AND buys > 0 "
            "AND life IS NOT NULL AND sent_at > ? ORDER BY id DESC LIMIT 100"
        )
        for number, request, life in self._rows(query, self.store.now() - within):
            with _reading(self.store, number):
                terms = _mapping(request).get("terms", {})
                if terms.get("keep_alive") == keep_alive:
                    return float(life)
        return None

    def held_at_first(self) -> frozenset[str] | None:
        """Return the names that were held before the first purchase that is recorded; None without
        any purchase.
        """
        query = (
            "SELECT id, before FROM journal WHERE key = ? AND kind = ? AND buys > 0 ORDER BY "
            "id LIMIT 1"
        )
        for number, before in self._rows(query):
            with _reading(self.store, number):
                return _names(before)
        return None

    def longest_life(self) -> float:
        """Return the seconds that the longest of what was bought had left when it was bought; 0 if
        none is known.
        """
        query = "SELECT coalesce(max(life), 0) FROM journal WHERE key = ? AND kind = ? AND buys > 0"
        return float(self._rows(query)[0][0])

    def lost(self, since: float) -> list[OpenCall]:
        """Return the calls since a state time that have ended without their whole result, with the
        rest of it.
        """
        calls = []
        for number, endpoint, rest, sent_at, timeout in self._rows(_LOST, since):
            calls.append(
                OpenCall(number, endpoint, int(rest), 0, frozenset(), sent_at, timeout, None)
            )
        return calls

    def received(self, since: float) -> Iterator[tuple[str, str | None]]:
        """Yield the names, without tasks, and the ends of what was bought since a state time."""
        for entry in ledger(self.store, [self._key], since + self.store.wall_ahead()):
            yield from entry["received"].items()

    def bought_since(self, moment: float) -> int:
        """Return how many resources were bought, or may have been bought, since a state time."""
        query = (
            f"SELECT {BOUGHT} FROM journal WHERE key = ? AND kind = ? AND buys > 0 AND sent_at > ?"
        )
        return int(self._rows(query, moment)[0][0])

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.store.rows(query, self._key, self._kind, *values)

    def _save(
        self,
        database: Connection,
        call: int,
        held: Mapping[str, Item],
        gone: Collection[str],
        says: Says,
    ) -> None:
        """Record what a call has added, and what it has removed: ``says`` is who has shown that."""
        rows = [(name, item, Says.HELD) for name, item in held.items()]
        rows += [(name, Item(), says) for name in gone]
        now = self.store.now()
        owner = (self._key, self._kind)
        for name, item, effect in rows:
            row = (call, name, *owner, effect.value, now, item.ends, _compact(item.data))
            database.execute(_SAVE_EFFECT, row)
        # Rows of calls that buy nothing are deleted after an hour, and nothing must be held again
        # then.
        for name in gone:
            database.execute(_END_PURCHASE, (Says.ENDED.value, *owner, name, Says.HELD.value, call))

    def _end(self, database: Connection, call: int, state: str) -> None:
        """Record the state of a call whose exchange has ended, and what an ended call received."""
        update = "UPDATE journal SET state = ?, answered_at = coalesce(answered_at, ?) WHERE id = ?"
        database.execute(update, (state, self.store.now(), call))
        if state == UNKNOWN:
            return
        query = "SELECT name, ends FROM effects WHERE call = ? AND effect IN (?, ?) ORDER BY name"
        received = list(database.execute(query, (call, Says.HELD.value, Says.ENDED.value)))
        packed = None
        if received:
            packed = _packed(received)
        update = "UPDATE journal SET got = ?, received = ? WHERE id = ?"
        database.execute(update, (len(received), packed, call))
        # Who has bought what was held before the first purchase of all is never known.
        clear = (
            "UPDATE journal SET before = '[]' WHERE id = ? AND (buys = 0 OR EXISTS "
            "(SELECT 1 FROM journal AS first WHERE first.key = ? AND first.kind = ? AND buys > 0 "
            "AND first.id < ?))"
        )
        database.execute(clear, (call, self._key, self._kind, call))

    def _forget(self, database: Connection, now: float, past: Iterable[Report]) -> None:
        rows = [(report.call, report.name) for report in past]
        database.executemany("DELETE FROM effects WHERE call = ? AND name = ?", rows)
        # An open call is ended by the next run, unless nobody uses its key any more.
        free = (
            "DELETE FROM journal "
            "WHERE buys = 0 AND sent_at < ? AND (state NOT IN (?, ?) OR sent_at < ?)"
        )
        database.execute(free, (now - HOUR, SENT, UNKNOWN, now - 24 * HOUR))
        database.execute(
            "DELETE FROM journal WHERE key = ? AND buys > 0 AND sent_at < ?",
            (self._key, now - _ttl()),
        )
        # This holds whoever has deleted rows of calls, and whatever a process that was stopped has
        # recorded since.
        database.execute(
            "DELETE FROM effects WHERE NOT EXISTS (SELECT 1 FROM journal WHERE id = effects.call)"
        )


def ledger(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time as columns, the earliest first.

    What they have ``received`` are names with their ends in ISO 8601, and ``wall_at`` is a time in
    Beijing.
    """
    any_key = ", ".join("?" * len(keys))
    query = (
        f"SELECT {', '.join(_ENTRY)} FROM journal "
        f"WHERE key IN ({any_key}) AND buys > 0 AND sent_at >= ? ORDER BY id"
    )
    for row in store.rows(query, *keys, since - store.wall_ahead()):
        entry = dict(zip(_ENTRY, row, strict=True))
        with _reading(store, entry["id"]):
            entry["received"] = _unpacked(entry["received"])
            entry["wall_at"] = datetime.datetime.fromtimestamp(entry["wall_at"], BEIJING)
        yield entry


def spending(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time, with what was bought and what may have
    been.

    That is quicker than :func:`ledger`, which also reads what it was.
    """
    any_key = ", ".join("?" * len(keys))
    query = (
        "SELECT id, wall_at, product, run_user, host, CASE WHEN state = 'refused' THEN 0 ELSE buys "
        "END, got, state "
        f"FROM journal WHERE key IN ({any_key}) AND buys > 0 AND sent_at >= ?"
    )
    for row in store.rows(query, *keys, since - store.wall_ahead()):
        number, wall_at, product, user, host, asked, got, state = row
        with _reading(store, number):
            moment = datetime.datetime.fromtimestamp(wall_at, BEIJING)
            unknown = 0 if state == SETTLED else max(0, asked - got)
            numbers = {"received": int(got), "unknown": unknown}
        yield {"at": moment, "product": product, "user": user, "host": host, **numbers}


def sums(
    calls: Iterable[Mapping[str, Any]], by: Sequence[str], numbers: Sequence[str]
) -> list[dict[str, Any]]:
    """Return how many calls have the same values in the columns ``by``, and the sums of their
    ``numbers``, in the order of these values.
    """
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    for call in calls:
        values = tuple(call[name] for name in by)
        group = groups.setdefault(values, dict.fromkeys(("calls", *numbers), 0))
        group["calls"] += 1
        for name in numbers:
            group[name] += call[name]
    return [{**dict(zip(by, values, strict=True)), **groups[values]} for values in sorted(groups)]


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _packed(held: Iterable[tuple[str, str | None]]) -> str:
    """Return names with their ends in ISO 8601.

    They are compressed, since a busy key buys tens of thousands a day, and without the task, which
    only distinguishes a lease from a later one.
    """
    received = {}
    for name, ends in held:
        received[name.rpartition(" ")[2]] = iso_time(parse_vendor_time(ends))
    return base64.b64encode(zlib.compress(_compact(received).encode())).decode()


def _unpacked(text: str | None) -> dict[str, str | None]:
    if text is None:
        return {}
    return _mapping(zlib.decompress(base64.b64decode(text, validate=True)))


def _names(text: str) -> frozenset[str]:
    value = json.loads(text)
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError
    return frozenset(value)


def _mapping(text: str | bytes) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError
    return value


@contextlib.contextmanager
def _reading(store: Store, call: int) -> Iterator[None]:
    """Raise StateError if the body cannot read the row of a call, or of one of its effects."""
    try:
        yield
    except (ArithmeticError, OSError, TypeError, ValueError, zlib.error):
        delete = f"DELETE FROM journal WHERE id = {call}"
        raise StateError(
            f"{store.place} cannot be used: row {call} of its table journal cannot be read. "
            f'Restore a backup, or delete the row with "{delete}": the ledger and caps then lack '
            "this call."
        ) from None


def _ttl() -> float:
    """Return for how many seconds paid calls are kept: QG_LEDGER_DAYS, or 400 days."""
    text = os.environ.get("QG_LEDGER_DAYS") or "400"
    if not text.isdecimal() or not 1 <= int(text) <= 36500:
        raise OptionError(
            "QG_LEDGER_DAYS",
            f"={text!r} is not a number of days",
            "set it to 1 to 36500, or leave it out",
        )
    return int(text) * 86400.0

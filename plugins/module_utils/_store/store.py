# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: a small database and locks that several processes share.

:class:`~.sqlite.SqliteStore` keeps it in a directory of one control node,
:class:`~.postgres.PostgresStore` on a server for several. SQL is limited to what both share, with
the placeholder ``?``.
"""

from __future__ import annotations

import abc
import contextlib
import hashlib
import hmac
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from .._core.errors import QgError

#: The number of the schema.
VERSION = 2
LOSS = (
    "the hosts are then registered anew, and their former addresses stay on the whitelist until "
    "they are removed by hand."
)


#: The tables.
#:
#: ``meta`` is the identity of the store. ``journal`` has a row for each call that changes
#: something, ``resources`` one for each that a call has bought, or has released although another
#: buyer has leased it: ``missing_since`` and ``gone_at`` say what became of it. The number of a
#: call is never that of a deleted one. A call ``buys`` at most so many, and has ``got`` those that
#: it has ``received`` (names with their ends). ``before`` (JSON) are the names that were held
#: before an open call, ``request`` (JSON) is what was asked for. ``wall_at`` is Unix time, for
#: people; all other times of these two, and those of calls and registrations, are state time.
#: ``rate_calls`` has a row per call that takes a slot until ``expires_at``. It counts as ``amount``
#: calls, or takes all slots if that is 0: QG.net refused calls to the endpoint for their rate. Its
#: number is random.
#: ``installations`` are the gateways and lists of hosts, as they were declared; ``options`` and
#: ``keys`` (salted digests by the names of pools) are JSON, and ``*_at`` is Unix time.
#: ``lease_sets`` has what is remembered of the exits of each set of leases (JSON), ``at`` a state
#: time. ``object`` of ``facts`` is empty for a fact about the key itself.
_TABLES = """
CREATE TABLE meta (version INTEGER NOT NULL, salt TEXT NOT NULL);
CREATE TABLE journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, kind TEXT NOT NULL, operation TEXT NOT
  NULL, endpoint TEXT NOT NULL, product TEXT NOT NULL, buys INTEGER NOT NULL, before TEXT NOT NULL,
  request TEXT NOT NULL, sent_at FLOAT NOT NULL, timeout FLOAT NOT NULL, state TEXT NOT NULL,
  answered_at FLOAT, got INTEGER NOT NULL, received TEXT, life FLOAT, wall_at FLOAT NOT NULL,
  run_user TEXT NOT NULL, run TEXT NOT NULL, host TEXT NOT NULL, inventory TEXT NOT NULL);
CREATE INDEX journal_open ON journal (key, kind) WHERE state IN ('sent', 'unknown');
CREATE INDEX journal_free ON journal (sent_at) WHERE buys = 0;
CREATE INDEX journal_bought ON journal (key, sent_at) WHERE buys > 0;
CREATE TABLE resources (
  call BIGINT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, is_bought INTEGER
  NOT NULL, at FLOAT NOT NULL, missing_since FLOAT, gone_at FLOAT, gone_by_list INTEGER NOT NULL,
  ends TEXT, item TEXT NOT NULL, PRIMARY KEY (call, name));
CREATE INDEX resources_of_key ON resources (key, kind);
CREATE TABLE rate_calls (
  id BIGINT PRIMARY KEY, key TEXT, endpoint TEXT, expires_at FLOAT, amount INTEGER);
CREATE INDEX rate_calls_by_key ON rate_calls (key, endpoint, expires_at);
CREATE TABLE registrations (
  key TEXT, inventory TEXT, host TEXT, ip TEXT, there_before INTEGER, since FLOAT, seen_at FLOAT,
  PRIMARY KEY (key, inventory, host, ip));
CREATE TABLE installations (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, inventory TEXT NOT NULL, host TEXT NOT NULL, name TEXT
  NOT NULL, options TEXT NOT NULL, keys TEXT NOT NULL, installed_at FLOAT NOT NULL, removed_at
  FLOAT, refreshed_at FLOAT, seconds FLOAT, problem TEXT NOT NULL, sleeps TEXT NOT NULL, UNIQUE
  (kind, inventory, host, name));
CREATE TABLE lease_sets (id TEXT PRIMARY KEY, state TEXT NOT NULL, at FLOAT NOT NULL); CREATE TABLE
facts (key TEXT, name TEXT, object TEXT, value TEXT, at FLOAT, PRIMARY KEY (key, name, object))
"""
STATEMENTS = tuple(statement.strip() for statement in _TABLES.split(";"))


#: What a text raises that is not as it was written.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    TypeError,
    ValueError,
    zlib.error,
)


class StateError(QgError):
    """The store, which was usable when the task began, can no longer be used."""


def mapping_in(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object in a text of a row; raises TypeError if it is something else."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise TypeError
    return value


def after_the_call() -> contextlib.AbstractContextManager[None]:
    """Let a failure of the store pass: after a call, it must not hide what was paid for."""
    return contextlib.suppress(StateError)


class Connection(Protocol):
    """A database within a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run one statement; returns a cursor, with ``fetchone``, ``rowcount`` and an iterator."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of the parameters."""


class Store(abc.ABC):
    """A database and locks. ``place`` names it in messages.

    It has one connection, which is never replaced: whoever holds a lock holds this connection (with
    SQLite, the lock ends with the process). So nothing can be recorded after a lock was lost, and
    the row that was written before a call makes the next run safe.
    """

    #: The exceptions of the driver.
    errors: ClassVar[tuple[type[Exception], ...]]
    #: What the user can do, by a part of the driver's message; and otherwise.
    advice: ClassVar[Mapping[str, str]]
    #: The same by the driver's code, with which a server may say it in any language.
    advice_by_code: ClassVar[Mapping[str, str]] = {}
    default_advice: ClassVar[str]
    #: Whether this process has made it.
    is_new = False

    _database: Connection
    _salt: bytes

    def __init__(self, place: str) -> None:
        self.place = place

    @abc.abstractmethod
    def now(self) -> float:
        """Return the state time in seconds, which all processes share, whoever sets a clock."""

    @abc.abstractmethod
    def wall_ahead(self) -> float:
        """Return the seconds by which Unix time, on the clock of all processes, is ahead of it."""

    def wall_time(self) -> float:
        """Return the Unix time, on the clock of all processes."""
        return self.now() + self.wall_ahead()

    @contextlib.contextmanager
    def reading(self, table: str, row: int | str, then: str, column: str = "id") -> Iterator[None]:
        """Raise StateError if the body cannot read a row, which somebody has damaged.

        ``row`` is what its ``column`` contains, and ``then`` what follows from its deletion.
        """
        try:
            yield
        except _UNREADABLE:
            delete = f"DELETE FROM {table} WHERE {column} = {row!r}"
            raise StateError(
                f"{self.place} cannot be used: row {row!r} of its table {table} cannot be read. "
                f'Restore a backup, or delete the row with "{delete}": {then}.'
            ) from None

    @abc.abstractmethod
    def _begin(self, *, durable: bool) -> None:
        """Begin a transaction once no other process is in one."""

    @abc.abstractmethod
    def _acquire(self, name: str) -> Callable[[], None] | None:
        """Acquire a lock, and return how to release it; None if it is held."""

    @abc.abstractmethod
    def holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, for a message."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release the database. Call this before the process creates children."""

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Connection]:
        """Run the body as one transaction, and one process at a time.

        A ``durable`` one, and all before it, outlast a power failure as soon as it has ended.
        Others may be lost then.
        """
        with self._translated():
            try:
                self._begin(durable=durable)
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(*self.errors):
                    self._database.execute("ROLLBACK")
                raise

    def execute(self, sql: str, *values: object) -> int:
        """Run one statement as a transaction; returns the number of rows that it has changed."""
        with self.transaction() as database:
            return int(database.execute(sql, values).rowcount)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query without waiting for a process that writes."""
        with self._translated():
            return list(self._database.execute(query, values))

    @contextlib.contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Hold the lock ``name`` if nobody does, and yield whether it is held."""
        release = self._acquire(name)
        try:
            yield release is not None
        finally:
            if release is not None:
                release()

    def digest(self, *parts: str) -> str:
        """Return a name for a secret that reveals nothing without the salt of this store."""
        return hmac.new(self._salt, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:32]

    def _read_identity(self) -> None:
        """Read the salt; raises StateError for a store of another schema."""
        try:
            ((version, salt),) = self.rows("SELECT version, salt FROM meta")
            if version != VERSION:
                age = "a newer" if version > VERSION else "an unpublished"
                raise StateError(
                    f"{self.place} cannot be used: its schema {version} is of {age} release of "
                    f"qingguo.qgnet, and this one uses schema {VERSION}. Use that release, or, "
                    "when what it has leased has ended, another store: the ledger and caps then "
                    "begin anew."
                )
            self._salt = bytes.fromhex(salt)
        except (TypeError, ValueError):
            raise self._unusable("its table meta is malformed") from None

    @contextlib.contextmanager
    def _translated(self, *more: type[Exception]) -> Iterator[None]:
        """Raise StateError for an error of the driver, or of ``more`` kinds."""
        try:
            yield
        except (*self.errors, *more) as error:
            raise self._unusable(error) from None

    def _unusable(self, reason: str | Exception) -> StateError:
        """Return the error for a store that cannot be used, with the fix."""
        text = str(getattr(reason, "strerror", None) or reason) or type(reason).__name__
        advice = self.advice_by_code.get(getattr(reason, "sqlstate", None) or "")
        advice = advice or next(
            (advice for mark, advice in self.advice.items() if mark in text), self.default_advice
        )
        # With several hosts or addresses, libpq's message has a line for each.
        first = text.strip().splitlines()[0].removeprefix("connection failed: ")[:300].rstrip(".")
        return StateError(f"{self.place} cannot be used: {first}. {advice}")

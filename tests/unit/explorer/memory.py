# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A process of the explorer, and its store: the collection's own tables and statements, over values in memory.

A process that is executed again gets the results that its statements had the first time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import SENT, UNKNOWN, received_names
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import Facts
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import STATEMENTS, StateError

TIMEOUT = 10.0
MAX_WAIT = 300.0


def _schema() -> dict[str, list[str]]:
    """Return the columns of each table."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        for statement in STATEMENTS:
            database.execute(statement)
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in database.execute(tables)]
        return {name: [column[1] for column in database.execute(f"PRAGMA table_info({name})")] for name in names}


COLUMNS = _schema()
#: The columns that contain a moment of state time.
MOMENTS = {
    ("effects", "at"),
    ("facts", "at"),
    ("journal", "answered_at"),
    ("journal", "sent_at"),
    ("rate_calls", "expires_at"),
    ("registrations", "since"),
}
#: Whether each column of each table is a moment, and whether it distinguishes states: a name at random does not.
_ARE_MOMENTS, _ARE_FIXED = (
    [[((table, column) in chosen) == wanted for column in columns] for table, columns in COLUMNS.items()]
    for chosen, wanted in (
        ({*MOMENTS, ("journal", "wall_at")}, True),
        ({*MOMENTS, ("journal", "wall_at")}, False),
    )
)


class JournalEntry(NamedTuple):
    """What the explorer checks of a row of the journal."""

    id: int
    state: str
    buys: int
    sent_at: float
    received: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        return self.state in (SENT, UNKNOWN)


class Tables:
    """The rows of all tables."""

    def __init__(self, rows: Sequence[tuple[tuple[Any, ...], ...]]) -> None:
        self.rows = rows
        fixed = []
        self._moments = list[Any]()
        for table, are_moments, are_fixed in zip(rows, _ARE_MOMENTS, _ARE_FIXED, strict=True):
            fixed.append(tuple(tuple(compress(row, are_fixed)) for row in table))
            self._moments += [value for row in table for value in compress(row, are_moments)]
        self._fixed = hash(tuple(fixed))

    def key(self, now: float) -> tuple[Any, ...]:
        """Return what distinguishes them, with all moments relative to the present."""
        return (self._fixed, *(None if moment is None else moment - now for moment in self._moments))

    def named(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table, by column."""
        rows = self.rows[list(COLUMNS).index(table)]
        return [dict(zip(COLUMNS[table], row, strict=True)) for row in rows]

    def journal(self) -> list[JournalEntry]:
        return [
            JournalEntry(
                *map(row.get, ("id", "state", "buys", "sent_at")),
                tuple(received_names(row["received"])),
            )
            for row in self.named("journal")
        ]


EMPTY = Tables([()] * len(COLUMNS))


@dataclass
class Result:
    """The result of a statement."""

    found: list[Any]
    rowcount: int
    lastrowid: int | None

    def fetchone(self) -> Any:
        return self.found[0] if self.found else None

    def fetchall(self) -> list[Any]:
        return self.found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.found)


class Database:
    """A database in memory, which gets the rows of a state when it is used."""

    def __init__(self) -> None:
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None)
        for statement in STATEMENTS:
            self._sqlite.execute(statement)
        self._loaded: Tables | None = EMPTY

    def load(self, tables: Tables) -> None:
        known = self._loaded.rows if self._loaded else [None] * len(COLUMNS)
        for (name, columns), old, new in zip(COLUMNS.items(), known, tables.rows, strict=True):
            if old is not new:
                self._sqlite.execute(f"DELETE FROM {name}")
                self._sqlite.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", new)
        # Numbers go on after the highest one of these tables, or equal states would differ by their numbers.
        self._sqlite.execute("DELETE FROM sqlite_sequence")
        self._loaded = tables

    def dump(self) -> Tables:
        """Return the rows after changes."""
        self._loaded = Tables([tuple(self._sqlite.execute(f"SELECT * FROM {name}")) for name in COLUMNS])
        return self._loaded

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        done = self._sqlite.execute(sql, parameters)
        return Result(done.fetchall(), done.rowcount, done.lastrowid)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Result:
        done = self._sqlite.executemany(sql, parameters)
        return Result([], done.rowcount, None)

    def forget(self) -> None:
        """Load all tables anew: the last changes were not committed."""
        self._loaded = None


@dataclass
class Statements:
    """Statements of a process that begin with these tables, and the results that they had the first time."""

    tables: Tables
    is_lost: bool
    results: list[Result] = field(default_factory=list)
    is_done: bool = False


class Stopped(BaseException):
    """The process is not continued here."""


@dataclass
class Process:
    """One execution of a run: its earlier answers, and then new ones."""

    answers: list[Any]
    more: Callable[[str, Any], Any]
    database: Database
    now: float = 0.0
    wall_ahead: float = 0.0
    #: The numbers of the rows that it has inserted in the journal.
    inserted: list[int] = field(default_factory=list)
    _next: int = 0
    _stopped: bool = False

    def ask(self, kind: str, argument: Any = None) -> Any:
        """Take a step; returns the answer, or raises it."""
        if self._stopped:
            raise Stopped
        if self._next == len(self.answers):
            try:
                self.answers.append(self.more(kind, argument))
            except Stopped:
                self._stopped = True
                raise
        value, error, self.now, self.wall_ahead = self.answers[self._next]
        self._next += 1
        if error is not None:
            raise error()
        return value


@dataclass
class _Connection:
    """The statements of a piece of work."""

    work: Statements
    process: Process
    _next: int = 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Result:
        return self._result(sql, lambda: self.process.database.execute(sql, parameters))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Result:
        values = list(parameters)
        return self._result(sql, lambda: self.process.database.executemany(sql, values))

    def _result(self, sql: str, run: Callable[[], Result]) -> Result:
        if not self.work.is_done:
            self.work.results.append(run())
        result = self.work.results[self._next]
        self._next += 1
        if result.lastrowid is not None and sql.startswith("INSERT INTO journal"):
            self.process.inserted.append(result.lastrowid)
        return result


@dataclass
class MemoryStore:
    """The store, as a process sees it."""

    process: Process

    def now(self) -> float:
        return self.process.now

    def wall_ahead(self) -> float:
        return self.process.wall_ahead

    def rows(self, query: str, *values: object) -> list[Any]:
        work = self.process.ask("read")
        database = self.process.database
        if work.is_lost:
            raise StateError("the session was lost, and with it the lock")
        if not work.is_done:
            database.load(work.tables)
            work.results.append(database.execute(query, values))
            work.is_done = True
        return list(work.results[0].found)

    def execute(self, sql: str, *values: object) -> int:
        with self.transaction() as database:
            return database.execute(sql, values).rowcount

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Any]:
        process = self.process
        work = process.ask("transaction")
        if work.is_lost:
            raise StateError("the session was lost, and with it the lock")
        is_new = not work.is_done
        after = work.tables
        if is_new:
            process.database.load(work.tables)
        try:
            yield _Connection(work, process)
            after = process.database.dump() if is_new else after
        except BaseException:
            process.database.forget()
            raise
        finally:
            work.is_done = True
        process.ask("commit", after)

    @contextlib.contextmanager
    def try_lock(self, *_arguments: Any, **_named: Any) -> Iterator[bool]:
        """Take the lock of the key: the process goes on when it is free."""
        self.process.ask("lock")
        yield True


class MemoryCaller:
    """What a process has to work with."""

    timeout = TIMEOUT

    def __init__(self, process: Process) -> None:
        self.store: Any = MemoryStore(process)
        self.facts = Facts(self.store, "key")
        self.budget = WaitBudget(MAX_WAIT, partial(process.ask, "wait"), elapsed=self.store.now)

    def key_lock(self) -> contextlib.AbstractContextManager[bool]:
        return self.store.try_lock("key")

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interface of the state: a database and locks.

:class:`~.state.State` implements it with SQLite and flock, for one control node, and :class:`~.postgres.PostgresState`
with a PostgreSQL server, for several. SQL is limited to what both share, except for the placeholder ``?`` and the types
of columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement has changed."""

    @property
    def lastrowid(self) -> int | None:
        """The number of the row that the statement has inserted."""

    def fetchone(self) -> Any:
        """Return the next row; None if there is no more."""

    def __iter__(self) -> Iterator[Any]:
        """Return the rows."""


class Connection(Protocol):
    """A database within a transaction."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Run one statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run one statement for each of the parameters."""


class Store(Protocol):
    """A database and locks that several processes share. A lock is held as long as the store of its holder is usable.

    A store that has lost a lock raises StateError for whatever it is asked next, so nothing is recorded after a loss.
    """

    def now(self) -> float:
        """Return the state time (see :mod:`.clocks`) in seconds, which all processes share."""

    def wall_ahead(self) -> float:
        """Return the seconds by which Unix time is ahead of state time, on the wall clock that processes share."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """Run the body as one transaction, and one process at a time."""

    def execute(self, sql: str, *values: object) -> int:
        """Run one statement as a transaction; returns the number of rows that it has changed."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query without waiting for a process that writes."""

    def decoded(self, text: str) -> Any:
        """Return the value of a column that contains JSON."""

    def digest(self, *parts: str) -> str:
        """Return a name for a secret that reveals nothing about it."""

    def try_lock(self, name: str) -> AbstractContextManager[bool]:
        """Hold the lock ``name`` if no other process does, and yield whether it is held."""

    def holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, for a message."""

    def close(self) -> None:
        """Release the database."""


def upsert(table: str, key: Sequence[str], columns: Sequence[str], kept: Sequence[str] = ()) -> str:
    """Return the statement that inserts a row, or replaces the ``columns`` of the one with the same ``key``.

    Of ``kept`` columns, only those without a value are replaced. Its parameters are the values of the key, followed by
    those of the columns and of the kept ones.
    """
    names = (*key, *columns, *kept)
    values = {column: f"excluded.{column}" for column in columns}
    values |= {column: f"coalesce({table}.{column}, excluded.{column})" for column in kept}
    replaced = ", ".join(f"{column} = {value}" for column, value in values.items())
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {replaced}"
    )

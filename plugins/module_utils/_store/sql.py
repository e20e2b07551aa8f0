# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statements that several stores need, in the SQL that SQLite and PostgreSQL share.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interface import Connection, Store


def upsert(table: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """Return the statement that inserts a row, or replaces the ``columns`` of the one with the same ``key``.

    Its parameters are the values of the key, followed by those of the columns.
    """
    names = (*key, *columns)
    replaced = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))}) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {replaced}"
    )


def count_as_now(database: Connection, table: str, column: str, now: float) -> None:
    """Let rows that were written in the future, so before the clock was set back, count as written now.

    How long ago that was is unknown. So a row counts for no longer than its usual time from now on.
    """
    database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} > ?", (now, now))


def recent_rows(
    store: Store, table: str, column: str, query: str, *parameters: str, max_age: float
) -> list[tuple[Any, ...]]:
    """Return the rows of a query, of which those that were written in the future count as written now.

    The query returns the time of a row as its last column, and the newest row last. Its last parameter is the time of
    the oldest row that counts.
    """
    now = store.now()
    rows = store.rows(query, *parameters, now - max_age)
    if rows and rows[-1][-1] > now:
        with store.transaction() as database:
            now = store.now()
            count_as_now(database, table, column, now)
        rows = store.rows(query, *parameters, now - max_age)
    return rows

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Statements that several stores need, in the SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from collections.abc import Sequence


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

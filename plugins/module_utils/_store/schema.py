# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, and its identity in SQLite.

A store owns the ``CREATE TABLE`` of its tables, which are listed here.
"""

from __future__ import annotations

import sqlite3

from .._core.errors import OptionError
from . import clocks, facts, journal, rate_limiter, registrations
from .directory import DATABASE_NAME, FIX

_STORES = (clocks, rate_limiter, registrations, journal, facts)
STATEMENTS = tuple(statement for store in _STORES for statement in map(str.strip, store.SCHEMA.split(";")) if statement)
#: The number of this schema.
VERSION = 1
#: The columns that contain a moment of state time.
MOMENTS = (
    ("facts", "at"),
    ("journal", "answered_at"),
    ("journal", "sent_at"),
    ("rate_calls", "expires_at"),
    ("registrations", "since"),
)

#: "QGNT", which marks the file as ours (SQLite's application_id). The number of its schema is its user_version.
APPLICATION_ID = 0x51474E54


def is_current_sqlite(database: sqlite3.Connection) -> bool:
    """Whether the database has this schema, rather than none.

    Raises OptionError for one that must not be touched. Everything is read by one statement: another process may create
    the schema at the same time.
    """
    mark, version, tables = database.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if mark == APPLICATION_ID and version > VERSION:
        raise OptionError(
            f"its schema {version} is of a newer release of qingguo.qgnet, and this one reads schemas up to {VERSION}. "
            "Use that release, or set store (environment QG_STORE) to another directory."
        )
    if mark != APPLICATION_ID and (mark or version or tables):
        raise OptionError(f"{DATABASE_NAME} in it is a database of something else. {FIX}")
    return bool(mark == APPLICATION_ID)


def prepare_sqlite(database: sqlite3.Connection) -> None:
    """Create this schema in an empty database."""
    for statement in STATEMENTS:
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")

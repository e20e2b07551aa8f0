# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, and its identity.

This file is private to the collection. A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

import sqlite3

from .._core.errors import OptionError
from . import (
    lease_store,
    monopoly_store,
    paid_calls,
    rate_limiter,
    registrations,
    reported,
    whitelist_cache,
    whitelist_writes,
    write_queue,
)
from .directory import DATABASE_NAME, FIX

_STORES = (
    *(rate_limiter, write_queue, whitelist_cache, registrations, whitelist_writes, reported),
    *(lease_store, monopoly_store, paid_calls),
)
#: "QGNT", which marks the file as ours (SQLite's application_id), and the number of this schema (user_version).
APPLICATION_ID, VERSION = 0x51474E54, 11


def is_current(database: sqlite3.Connection) -> bool:
    """Whether the database has this schema, rather than none; raises OptionError for one that must not be touched.

    Everything is read by one statement: another process may create the schema at the same time.
    """
    query = "SELECT * FROM pragma_application_id, pragma_user_version, (SELECT count(*) FROM sqlite_master)"
    mark, version, tables = database.execute(query).fetchone()
    if mark == APPLICATION_ID and version != VERSION:
        raise OptionError(
            f"its schema {version} is of another release of qingguo.qgnet, and this one reads schema {VERSION}. Use "
            "that release, or set state_dir (environment QG_STATE_DIR) to another directory."
        )
    if mark != APPLICATION_ID and (mark or version or tables):
        raise OptionError(f"{DATABASE_NAME} in it is a database of something else. {FIX}")
    return bool(mark)


def create(database: sqlite3.Connection) -> None:
    """Create this schema in an empty database."""
    for store in _STORES:
        for statement in store.SCHEMA.split(";"):
            database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, its identity, and its migration from older schemas.

This file is private to the collection. A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

import re
import sqlite3
from enum import Enum

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

#: Tables that only hold what is in progress: a newer schema starts with empty ones.
_TRANSIENT_SCHEMA = rate_limiter.TRANSIENT_SCHEMA + write_queue.SCHEMA + whitelist_cache.SCHEMA
#: Tables whose rows are copied into a newer schema.
_KEPT_SCHEMA = "".join(
    [
        *(registrations.SCHEMA, lease_store.SCHEMA, monopoly_store.SCHEMA),
        *(rate_limiter.SCHEMA, reported.SCHEMA, paid_calls.SCHEMA, whitelist_writes.SCHEMA),
    ]
)
#: The number of this schema. A file with a greater one belongs to a newer release and is refused.
VERSION = 10
#: "QGNT", which marks the file as ours (SQLite's application_id). Files up to this version carry no mark.
_APPLICATION_ID, _LAST_UNMARKED = 0x51474E54, 5
#: The names that kept tables had in older schemas, with those that they have now.
_RENAMED = {"plans": "key_channels", "tasks": "lease_origins", "lists": "lease_cache"}
#: Transient tables of older schemas.
_FORMER_TRANSIENT = frozenset({"calls", "blocks", "wishes", "rounds", "readings"})


def _names(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", sql))


_TRANSIENT = _names(_TRANSIENT_SCHEMA) | _FORMER_TRANSIENT
_KEPT = _names(_KEPT_SCHEMA) | frozenset(_RENAMED)


class Identity(Enum):
    """What a database is to this release."""

    CURRENT = "current"
    OUTDATED = "outdated"
    NEWER = "newer"
    FOREIGN = "foreign"


def identify(database: sqlite3.Connection) -> tuple[Identity, int]:
    """Return what a database is, and the number of its schema; an empty database is outdated.

    Everything is read in one transaction: another process may create the schema at the same time.
    """
    own = not database.in_transaction
    if own:
        database.execute("BEGIN")
    try:
        mark = database.execute("PRAGMA application_id").fetchone()[0]
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if mark == _APPLICATION_ID:
            if version == VERSION:
                return Identity.CURRENT, version
            return Identity.NEWER if version > VERSION else Identity.OUTDATED, version
        tables = _tables(database)
    finally:
        if own:
            database.execute("ROLLBACK")
    new = version == 0 and not tables
    ours = 1 <= version <= _LAST_UNMARKED and "registrations" in tables and tables <= _KEPT | _TRANSIENT
    return Identity.FOREIGN if mark or not (new or ours) else Identity.OUTDATED, version


def migrate(database: sqlite3.Connection) -> None:
    """Create this schema in an empty database, or in an older one, whose kept tables keep their rows."""
    existing = _tables(database)
    for table in sorted(existing & _TRANSIENT):
        database.execute(f"DROP TABLE {table}")
    kept = sorted(existing & _KEPT)
    for table in kept:
        database.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    for statement in (_TRANSIENT_SCHEMA + _KEPT_SCHEMA).split(";"):
        database.execute(statement)
    for table in kept:
        target, old = _RENAMED.get(table, table), _columns(database, f"former_{table}")
        names = ", ".join(name for name in _columns(database, target) if name in old)
        database.execute(f"INSERT OR IGNORE INTO {target} ({names}) SELECT {names} FROM former_{table}")
        database.execute(f"DROP TABLE former_{table}")
    database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _tables(database: sqlite3.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]

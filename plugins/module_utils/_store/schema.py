# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, its identity, and its migration from older schemas.

This file is private to the collection. A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

import re
import sqlite3
from itertools import chain

from .._core.errors import OptionError
from . import (
    lease_store,
    monopoly_store,
    paid_calls,
    rate_limiter,
    registrations,
    reported,
    run_results,
    whitelist_cache,
    whitelist_writes,
    write_queue,
)
from .directory import DATABASE_NAME, FIX

_STORES = (
    *(rate_limiter, write_queue, whitelist_cache, registrations, whitelist_writes, reported),
    *(lease_store, monopoly_store, paid_calls, run_results),
)
_STATEMENTS = tuple(chain.from_iterable(store.SCHEMA.split(";") for store in _STORES))
#: "QGNT", which marks the file as ours (SQLite's application_id), and the number of this schema (user_version).
APPLICATION_ID, VERSION = 0x51474E54, 12
#: Schemas up to this one carry no mark.
_LAST_UNMARKED = 5
#: Tables that only hold what is in progress: a newer schema starts with empty ones.
_TRANSIENT = frozenset(
    {"rate_calls", "rate_blocks", "write_requests", "whitelist_cache", "run_results", "inventory_checks"}
    | {"snapshots", "calls", "blocks", "wishes", "rounds", "readings"}
)
#: Tables whose rows a newer schema takes over, and the names that tables and columns had before.
_FORMER_NAMES = {
    "key_channels": "plans",
    "lease_origins": "tasks",
    "lease_cache": "lists",
    "inventory": "fleet",
}
_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", "".join(_STATEMENTS)))
_KEPT = _TABLES - _TRANSIENT


def is_current(database: sqlite3.Connection) -> bool:
    """Whether the database has this schema, rather than an older one or none.

    Raises OptionError for one that must not be touched. Everything is read by one statement: another process may create
    the schema at the same time.
    """
    query = "SELECT application_id, user_version, name FROM pragma_application_id, pragma_user_version LEFT JOIN "
    rows = database.execute(f"{query} (SELECT name FROM sqlite_master WHERE type = 'table')").fetchall()
    (mark, version, _name), tables = rows[0], {name for _mark, _version, name in rows if name}
    if mark == APPLICATION_ID and version > VERSION:
        raise OptionError(
            f"its schema {version} is of a newer release of qingguo.qgnet, and this one reads schemas up to {VERSION}. "
            "Use that release, or set state_dir (environment QG_STATE_DIR) to another directory."
        )
    new = not (mark or version or tables)
    known = _KEPT | _TRANSIENT | set(_FORMER_NAMES.values())
    unmarked = not mark and 1 <= version <= _LAST_UNMARKED and "registrations" in tables and tables <= known
    if not (mark == APPLICATION_ID or new or unmarked):
        raise OptionError(f"{DATABASE_NAME} in it is a database of something else. {FIX}")
    return bool(mark == APPLICATION_ID and version == VERSION)


def migrate(database: sqlite3.Connection) -> None:
    """Create this schema in an empty database, or in an older one, whose kept tables keep their rows."""
    existing = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in sorted(existing & _TRANSIENT):
        database.execute(f"DROP TABLE {table}")
    former = {table: name for table in _KEPT for name in (table, _FORMER_NAMES.get(table)) if name in existing}
    for name in former.values():
        database.execute(f"ALTER TABLE {name} RENAME TO former_{name}")
    for statement in _STATEMENTS:
        database.execute(statement)
    for table, name in former.items():
        old = _columns(database, f"former_{name}")
        columns = {
            column: column if column in old else _FORMER_NAMES.get(column) for column in _columns(database, table)
        }
        taken = {column: source for column, source in columns.items() if source in old}
        database.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(taken)}) SELECT {', '.join(taken.values())} FROM former_{name}"
        )
        database.execute(f"DROP TABLE former_{name}")
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _columns(database: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]

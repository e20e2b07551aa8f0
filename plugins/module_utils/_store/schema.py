# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, and its migration from older schemas, for every kind of database.

This file is private to the collection. A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from .interface import Connection

_STORES = (
    *(rate_limiter, write_queue, whitelist_cache, registrations, whitelist_writes, reported),
    *(lease_store, monopoly_store, paid_calls, run_results),
)
STATEMENTS = tuple(statement for store in _STORES for statement in map(str.strip, store.SCHEMA.split(";")) if statement)
#: The number of this schema.
VERSION = 14
#: Tables that only hold what is in progress: a newer schema starts with empty ones.
TRANSIENT = frozenset(
    (
        *("rate_calls", "rate_blocks", "write_requests", "whitelist_cache", "run_results", "inventory_checks"),
        *("snapshots", "calls", "blocks", "wishes", "rounds", "readings"),
    )
)
#: Tables whose rows a newer schema takes over, and the names that tables and columns had before.
FORMER_NAMES = {
    "key_channels": "plans",
    "lease_origins": "tasks",
    "lease_cache": "lists",
    "inventory": "fleet",
}
_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", "".join(STATEMENTS)))
KEPT = _TABLES - TRANSIENT


def migrate(database: Connection, existing: Collection[str], columns: Callable[[str], Collection[str]]) -> None:
    """Create this schema in an empty database, or in an older one, whose kept tables keep their rows.

    ``existing`` are the names of its tables, and ``columns`` returns those of the columns of a table.
    """
    for table in sorted(TRANSIENT.intersection(existing)):
        database.execute(f"DROP TABLE {table}")
    former = {table: name for table in KEPT for name in (table, FORMER_NAMES.get(table)) if name in existing}
    for name in former.values():
        database.execute(f"ALTER TABLE {name} RENAME TO former_{name}")
    for statement in STATEMENTS:
        database.execute(statement)
    for table, name in former.items():
        old = columns(f"former_{name}")
        sources = {column: column if column in old else FORMER_NAMES.get(column, "") for column in columns(table)}
        taken = {column: source for column, source in sources.items() if source in old}
        database.execute(
            f"INSERT INTO {table} ({', '.join(taken)}) SELECT {', '.join(taken.values())} FROM former_{name} "
            "WHERE true ON CONFLICT DO NOTHING"
        )
        database.execute(f"DROP TABLE former_{name}")

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a state database in SQLite, and its migration.

This file is private to the collection.
"""

from __future__ import annotations

import sqlite3

from .._core.errors import OptionError
from .directory import DATABASE_NAME, FIX
from .schema import FORMER_NAMES, KEPT, TRANSIENT, VERSION, migrate

#: "QGNT", which marks the file as ours (SQLite's application_id). The number of its schema is its user_version.
APPLICATION_ID = 0x51474E54
#: Schemas up to this one carry no mark.
_LAST_UNMARKED = 5


def is_current(database: sqlite3.Connection) -> bool:
    """Whether the database has this schema, rather than an older one or none.

    Raises OptionError for one that must not be touched. Everything is read by one statement: another process may create
    the schema at the same time.
    """
    query = "SELECT application_id, user_version, name FROM pragma_application_id, pragma_user_version LEFT JOIN "
    rows = database.execute(f"{query} (SELECT name FROM sqlite_master WHERE type = 'table')").fetchall()
    (mark, version), tables = rows[0][:2], {name for _mark, _version, name in rows if name}
    if mark == APPLICATION_ID and version > VERSION:
        raise OptionError(
            f"its schema {version} is of a newer release of qingguo.qgnet, and this one reads schemas up to {VERSION}. "
            "Use that release, or set state_dir (environment QG_STATE_DIR) to another directory."
        )
    new = not (mark or version or tables)
    known = KEPT | TRANSIENT | set(FORMER_NAMES.values())
    unmarked = not mark and 1 <= version <= _LAST_UNMARKED and "registrations" in tables and tables <= known
    if not (mark == APPLICATION_ID or new or unmarked):
        raise OptionError(f"{DATABASE_NAME} in it is a database of something else. {FIX}")
    return bool(mark == APPLICATION_ID and version == VERSION)


def prepare(database: sqlite3.Connection) -> None:
    """Create this schema in an empty database, or in an older one, whose kept tables keep their rows."""
    existing = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    migrate(database, existing, lambda table: [row[1] for row in database.execute(f"PRAGMA table_info({table})")])
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {VERSION}")

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

from . import monopoly_store, paid_calls, rate_limiter, reported, whitelist_writes

# registrations: which host was registered with which address, so that a former one can be removed. Where it is
#   `former`, the host needs it no longer; `missing_since` is when a list of the vendor first lacked it (Unix time).
#   It was `found` if the host reported it while it was on the whitelist already, and this control node neither added it
#   for any host nor got it from the user.
_REGISTRATIONS = """
CREATE TABLE IF NOT EXISTS registrations (
  key TEXT, fleet TEXT, host TEXT, ip TEXT, former INTEGER NOT NULL DEFAULT 0, missing_since REAL,
  found INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (key, fleet, host, ip));
"""
# wishes: what hosts of running playbooks and waiting tasks want of a whitelist; the verdict (JSON) comes from whoever
#   wrote for all. Where `idle`, nothing had to be done for the wish when it was put down.
# rounds: the whitelist after such a write (JSON), for as long as a task that waited for it has not read it.
# readings: the whitelist (JSON) as a task read it for all of its hosts, for as long as it is `fresh`; and what that
#   cost (JSON), for as long as that is not `told`.
_WRITE_QUEUE = """
CREATE TABLE IF NOT EXISTS wishes (
  id TEXT PRIMARY KEY, run TEXT, host TEXT, fleet TEXT, key TEXT, terms TEXT, wish TEXT, max_wait REAL, timeout REAL,
  seen TEXT, waiter TEXT, posted REAL, verdict TEXT, round TEXT, idle INTEGER);
CREATE INDEX IF NOT EXISTS wishes_by_age ON wishes (posted);
CREATE INDEX IF NOT EXISTS wishes_undecided ON wishes (key, terms) WHERE verdict IS NULL;
CREATE INDEX IF NOT EXISTS wishes_not_idle ON wishes (run) WHERE NOT idle;
CREATE INDEX IF NOT EXISTS wishes_by_round ON wishes (round) WHERE round IS NOT NULL;
CREATE TABLE IF NOT EXISTS rounds (id TEXT PRIMARY KEY, whitelist TEXT);
CREATE TABLE IF NOT EXISTS readings (
  key TEXT, run TEXT, task TEXT, at REAL, whitelist TEXT, cost TEXT, fresh INTEGER, told INTEGER);
"""
# tasks: which area and provider a task of leases was asked for with, and for which other tasks (JSON) it stands in.
# lifetimes: what a new lease had left at most, in seconds, by the keep_alive that it was asked for with.
# lists: the leases that a key held a moment ago (JSON), for templates that ask once per host.
# areas: the vendor's names of areas with their numbers (JSON).
_LEASES = """
CREATE TABLE IF NOT EXISTS tasks (
  key TEXT, task TEXT, area INTEGER, isp TEXT, successor_of TEXT, at REAL, PRIMARY KEY (key, task));
CREATE TABLE IF NOT EXISTS lifetimes (
  key TEXT, keep_alive INTEGER, seconds REAL, at REAL, PRIMARY KEY (key, keep_alive));
CREATE TABLE IF NOT EXISTS lists (key TEXT PRIMARY KEY, at REAL, leases TEXT);
CREATE TABLE IF NOT EXISTS areas (key TEXT PRIMARY KEY, at REAL, names TEXT);
"""

#: Tables that only hold what is in progress: a newer schema starts with empty ones.
_TRANSIENT_SCHEMA = rate_limiter.TRANSIENT_SCHEMA + _WRITE_QUEUE
#: Tables whose rows are copied into a newer schema.
_KEPT_SCHEMA = "".join(
    [
        *(_REGISTRATIONS, _LEASES, monopoly_store.SCHEMA),
        *(rate_limiter.SCHEMA, reported.SCHEMA, paid_calls.SCHEMA, whitelist_writes.SCHEMA),
    ]
)
#: The number of this schema. A file with a greater one belongs to a newer release and is refused.
VERSION = 8
#: "QGNT", which marks the file as ours (SQLite's application_id). Files up to this version carry no mark.
_APPLICATION_ID, _LAST_UNMARKED = 0x51474E54, 5
#: The names that kept tables had in older schemas, with those that they have now.
_RENAMED = {"plans": "key_channels"}
#: Transient tables of older schemas.
_FORMER_TRANSIENT = frozenset({"calls", "blocks"})


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

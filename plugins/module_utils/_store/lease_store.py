# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The origins and lifetimes of leases, which the vendor's list does not contain, and a cache of that list.

The list (vendor doc 175) names the task of a lease, but neither the area nor the provider that it was requested with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .sql import upsert

if TYPE_CHECKING:
    from .interface import Store

    #: The task of a lease, and the vendor's fields of it.
    LeaseRow = tuple[str, Mapping[str, Any]]

#: Seconds for which the origin of a task that is no longer held, and a lifetime are kept.
_ORIGIN_TTL, _LIFETIME_TTL = 86400.0, 30 * 86400.0
#: Seconds for which a lifetime is kept that was measured with a clock that may be wrong.
_UNCERTAIN_TTL = 86400.0

#: lease_origins: the areas (JSON) and the provider that a task of leases was requested with, and the tasks (JSON) that
#: it replaces.
#: lifetimes: the seconds that a new lease had left, by the keep_alive that it was requested with.
#: lease_cache: the leases that a key held a moment ago (JSON), for templates that are evaluated once per host; NULL
#: since a call that may have changed them.
SCHEMA = """
CREATE TABLE IF NOT EXISTS lease_origins (
  key TEXT, task TEXT, areas TEXT, isp TEXT, successor_of TEXT, at REAL, PRIMARY KEY (key, task));
CREATE TABLE IF NOT EXISTS lifetimes (
  key TEXT, keep_alive INTEGER, seconds REAL, at REAL, PRIMARY KEY (key, keep_alive));
CREATE TABLE IF NOT EXISTS lease_cache (key TEXT PRIMARY KEY, at REAL, leases TEXT);
"""


@dataclass
class LeaseStore:
    """The stored data about the leases of one key."""

    state: Store
    key: str

    def origins(self) -> dict[str, tuple[tuple[str, ...], str | None, frozenset[str]]]:
        """Return the parameters of each task that this control node requested: areas, provider, and replaced tasks."""
        rows = self.state.rows("SELECT task, areas, isp, successor_of FROM lease_origins WHERE key = ?", self.key)
        decoded = self.state.decoded
        return {task: (tuple(decoded(areas)), isp, frozenset(decoded(named))) for task, areas, isp, named in rows}

    def save_origin(
        self,
        tasks: Collection[str],
        areas: Iterable[str] = (),
        isp: str | None = None,
        successor_of: Iterable[str] = (),
    ) -> None:
        """Store the origin of new tasks, and delete those that expired."""
        named, codes = json.dumps(sorted(successor_of)), json.dumps([*areas])
        with self.state.transaction() as database:
            database.execute("DELETE FROM lease_origins WHERE at < ?", (self.state.now() - _ORIGIN_TTL,))
            database.executemany(
                upsert("lease_origins", ("key", "task"), ("areas", "isp", "successor_of", "at")),
                [(self.key, task, codes, isp, named, self.state.now()) for task in tasks],
            )

    def touch(self, tasks: Collection[str]) -> None:
        """Keep the origins of these tasks for another day, as their leases are still held."""
        with self.state.transaction() as database:
            database.executemany(
                "UPDATE lease_origins SET at = ? WHERE key = ? AND task = ?",
                [(self.state.now(), self.key, task) for task in tasks],
            )

    def lifetime(self, keep_alive: int | None) -> float | None:
        """Return the seconds that the last lease with this keep_alive had left when it was new."""
        rows = self.state.rows(
            "SELECT seconds FROM lifetimes WHERE key = ? AND keep_alive = ? AND at > ?",
            self.key,
            keep_alive or 0,
            self.state.now() - _LIFETIME_TTL,
        )
        return float(rows[0][0]) if rows else None

    def save_lifetime(self, keep_alive: int | None, seconds: float, *, is_certain: bool) -> None:
        """Store the seconds that a new lease has left; only for a day unless the clock ``is_certain``."""
        with self.state.transaction() as database:
            at = self.state.now() - (0.0 if is_certain else _LIFETIME_TTL - _UNCERTAIN_TTL)
            database.execute("DELETE FROM lifetimes WHERE at < ?", (self.state.now() - _LIFETIME_TTL,))
            database.execute(
                upsert("lifetimes", ("key", "keep_alive"), ("seconds", "at")),
                (self.key, keep_alive or 0, seconds, at),
            )

    def cached_leases(self, max_age: float) -> tuple[float, list[LeaseRow]] | None:
        """Return the time of the last read and the list, if it is at most ``max_age`` seconds old; otherwise None."""
        query = "SELECT at, leases FROM lease_cache WHERE key = ? AND at >= ? AND leases IS NOT NULL"
        for at, text in self.state.rows(query, self.key, self.state.now() - max_age):
            return float(at), [(str(task), item) for task, item in self.state.decoded(text)]
        return None

    def cache_leases(self, leases: Iterable[LeaseRow], began: float) -> None:
        """Cache the list of leases, unless a call may have changed it since the reading ``began``."""
        text, now = json.dumps([[task, dict(item)] for task, item in leases]), self.state.now()
        is_older = "NOT (lease_cache.leases IS NULL AND lease_cache.at > ?)"
        statement = f"{upsert('lease_cache', ('key',), ('at', 'leases'))} WHERE {is_older}"
        with self.state.transaction() as database:
            database.execute("DELETE FROM lease_cache WHERE at < ?", (now - _ORIGIN_TTL,))
            database.execute(statement, (self.key, now, text, began))

    def invalidate(self) -> None:
        """Discard the cached list, and lists that are being read, because a call may have changed the leases."""
        with self.state.transaction() as database:
            database.execute(upsert("lease_cache", ("key",), ("at", "leases")), (self.key, self.state.now(), None))

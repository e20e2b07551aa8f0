# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor's list of leases does not tell, remembered in the state directory.

This file is private to the collection. The list (vendor doc 175) names the task of a lease, but neither the area nor
the provider that it was asked for with.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .._api.classic.models import Lease
from .state import State

#: Seconds for which a task that is no longer held is remembered, and a lifetime and the names of areas are believed.
_TASK_MEMORY, _LIFETIME_MEMORY, _NAMES_MEMORY = 86400.0, 30 * 86400.0, 3600.0


@dataclass(frozen=True)
class Origin:
    """What a task of leases was asked for with, and the tasks that it stands in for."""

    area_id: int | None = None
    isp: str | None = None
    successor_of: frozenset[str] = frozenset()


@dataclass
class LeaseMemory:
    """What is known of the leases of one key."""

    state: State
    key: str
    now: Callable[[], float] = time.time

    def origins(self) -> dict[str, Origin]:
        """The origin of each task that was leased from here."""
        rows = self.state.rows("SELECT task, area, isp, successor_of FROM tasks WHERE key = ?", self.key)
        return {task: Origin(area, isp, frozenset(json.loads(named))) for task, area, isp, named in rows}

    def remember(self, tasks: Collection[str], origin: Origin) -> None:
        """Keep the origin of new tasks; those that ended long ago are forgotten."""
        with self.state.transaction() as database:
            database.execute("DELETE FROM tasks WHERE at < ?", (self.now() - _TASK_MEMORY,))
            database.executemany(
                "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (self.key, task, origin.area_id, origin.isp, json.dumps(sorted(origin.successor_of)), self.now())
                    for task in tasks
                ],
            )

    def still_held(self, tasks: Collection[str]) -> None:
        """Keep what is known of these tasks for another while."""
        with self.state.transaction() as database:
            database.executemany(
                "UPDATE tasks SET at = ? WHERE key = ? AND task = ?", [(self.now(), self.key, task) for task in tasks]
            )

    def lifetime(self, keep_alive: int | None) -> float | None:
        """What the last lease that was asked for like this had left when it was new, in seconds."""
        rows = self.state.rows(
            "SELECT seconds FROM lifetimes WHERE key = ? AND keep_alive = ? AND at > ?",
            self.key,
            keep_alive or 0,
            self.now() - _LIFETIME_MEMORY,
        )
        return float(rows[0][0]) if rows else None

    def saw_lifetime(self, keep_alive: int | None, seconds: float) -> None:
        """Keep it."""
        with self.state.transaction() as database:
            database.execute("DELETE FROM lifetimes WHERE at < ?", (self.now() - _LIFETIME_MEMORY,))
            database.execute(
                "INSERT OR REPLACE INTO lifetimes VALUES (?, ?, ?, ?)",
                (self.key, keep_alive or 0, seconds, self.now()),
            )

    def area_names(self) -> dict[str, int] | None:
        """The names of areas with their numbers, if the vendor told them within the last hour."""
        rows = self._young("SELECT names FROM areas WHERE key = ? AND at BETWEEN ? AND ?", _NAMES_MEMORY)
        return json.loads(rows[0][0]) if rows else None

    def saw_area_names(self, names: Mapping[str, int]) -> None:
        """Keep them."""
        with self.state.transaction() as database:
            database.execute("DELETE FROM areas WHERE at < ?", (self.now() - _NAMES_MEMORY,))
            database.execute(
                "INSERT OR REPLACE INTO areas VALUES (?, ?, ?)", (self.key, self.now(), json.dumps(dict(names)))
            )

    def _young(self, query: str, seconds: float) -> list[tuple[Any, ...]]:
        now = self.now()
        return self.state.rows(query, self.key, now - seconds, now)

    def recent(self, seconds: float) -> list[Lease] | None:
        """The list of leases, if it was read so few seconds ago."""
        rows = self._young("SELECT leases FROM lists WHERE key = ? AND at BETWEEN ? AND ?", seconds)
        if not rows:
            return None
        return [Lease.from_item(item, task) for task, item in json.loads(rows[0][0])]

    def saw(self, leases: Collection[Lease]) -> None:
        """Keep the list of leases."""
        text = json.dumps([[lease.task_id, dict(lease.vendor)] for lease in leases])
        with self.state.transaction() as database:
            database.execute("DELETE FROM lists WHERE at < ?", (self.now() - _TASK_MEMORY,))
            database.execute("INSERT OR REPLACE INTO lists VALUES (?, ?, ?)", (self.key, self.now(), text))

    def changed(self) -> None:
        """The list is no longer what it was."""
        with self.state.transaction() as database:
            database.execute("DELETE FROM lists WHERE key = ?", (self.key,))

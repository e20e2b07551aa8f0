# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The readings of a whitelist that other processes use: those of a task for all its hosts, and those after changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .._core.waiting import Wait

if TYPE_CHECKING:
    from .claims import Claim, Claims

#: The maximum age in seconds of a reading that is used again.
CACHE_TTL = 60.0

#: A row per reading, whose ``content`` (JSON) the store does not interpret. That of a ``task`` is for all its hosts,
#: until the whitelist is changed. All others decide claims.
SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY, key TEXT, task TEXT, read_at REAL, content TEXT);
"""
_INSERT = "INSERT INTO readings (key, task, read_at, content) VALUES (?, ?, ?, ?)"
_NEEDED = "id IN (SELECT reading FROM claims WHERE reading IS NOT NULL)"


class Readings:
    """The readings of the whitelist that these claims are about."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._store = claims.store
        self._key = claims.key

    def cached(self, task: str) -> Any:
        """Return a reading of this task within CACHE_TTL, if no process of this node has written since; else None."""
        query = "SELECT content FROM readings WHERE key = ? AND task = ? AND read_at >= ? ORDER BY id DESC LIMIT 1"
        rows = self._store.rows(query, self._key, task, self._store.now() - CACHE_TTL)
        return self._store.decoded(rows[0][0]) if rows else None

    def cache(self, task: str, content: object) -> None:
        """Store a reading for the other hosts of a task."""
        with self._store.transaction() as database:
            database.execute(_INSERT, (self._key, task, self._store.now(), json.dumps(content)))

    def invalidate(self) -> None:
        """Use no reading again: the whitelist is about to be changed."""
        self._store.execute("DELETE FROM readings WHERE key = ? AND task != ''", self._key)

    def decide(self, claims: Iterable[Claim], content: object) -> None:
        """Store a reading, and that it decides these claims."""
        with self._store.transaction() as database:
            row = database.execute(_INSERT, (self._key, "", self._store.now(), json.dumps(content)))
            self._claims.decide(database, claims, int(row.lastrowid or 0))

    def get(self, *numbers: int) -> dict[int, Any]:
        """Return the readings with these numbers; those that were deleted are missing."""
        if not numbers:
            return {}
        query = f"SELECT id, content FROM readings WHERE id IN ({', '.join('?' * len(numbers))})"
        return {number: self._store.decoded(text) for number, text in self._store.rows(query, *numbers)}

    def purge(self) -> None:
        """Delete the readings that are too old, and decide no claim."""
        old = self._store.now() - CACHE_TTL
        self._store.execute(f"DELETE FROM readings WHERE read_at < ? AND NOT {_NEEDED}", old)

    @contextlib.contextmanager
    def reader(self, allowed: float, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Lock out other readers, and yield whether no process is writing.

        Wait for another reader up to ``allowed`` seconds, or until ``unless`` returns true; then yield False.
        """
        wait = Wait("another process is reading the whitelist", allowed, option="max_wait and timeout")
        with self._store.try_lock(f"reading-{self._key}", wait=wait, unless=unless) as acquired:
            if not acquired:
                yield False
                return
            with self._store.try_lock(f"whitelist-{self._key}") as quiet:
                yield quiet

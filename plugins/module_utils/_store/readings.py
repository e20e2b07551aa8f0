# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The readings of a whitelist that other processes use: those of a task for all its hosts, and those after changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._core.waiting import Wait

if TYPE_CHECKING:
    from .claims import Claim, Claims

#: The maximum age in seconds of a reading that is used again.
CACHE_TTL = 60.0
#: Seconds after which a reading is deleted.
RETENTION = 86400.0

#: The API usage of a reading: columns of the table.
USAGE = ("calls", "retries", "waited_seconds")
#: A row per reading, whose ``content`` (JSON) the store does not interpret. It may be used again as long as it is
#: ``fresh``. Its API usage is kept until it is ``reported``.
SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (
  id INTEGER PRIMARY KEY, key TEXT, run TEXT, task TEXT, read_at REAL, content TEXT, calls INTEGER, retries INTEGER,
  waited_seconds REAL, fresh INTEGER, reported INTEGER);
"""
_COLUMNS = ("key", "run", "task", "read_at", "content", *USAGE, "fresh", "reported")
_INSERT = f"INSERT INTO readings ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
#: A reading that nothing needs any more.
_USELESS = "fresh = 0 AND reported = 1 AND id NOT IN (SELECT reading FROM claims WHERE reading IS NOT NULL)"


class Readings:
    """The readings of the whitelist that these claims are about."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._store = claims.store
        self._key = claims.key

    def cached(self, task: str) -> Any:
        """Return a reading of this task within CACHE_TTL, if no process of this node has written since; else None."""
        query = "SELECT content FROM readings WHERE key = ? AND task = ? AND fresh = 1 AND read_at >= ? LIMIT 1"
        rows = self._store.rows(query, self._key, task, self._store.now() - CACHE_TTL)
        return self._store.decoded(rows[0][0]) if rows else None

    def cache(self, run: str, task: str, content: object, usage: Mapping[str, float]) -> None:
        """Store a reading for the other hosts of a task, with its API usage."""
        with self._store.transaction() as database:
            database.execute("UPDATE readings SET fresh = 0 WHERE key = ? AND task = ?", (self._key, task))
            used = (usage[name] for name in USAGE)
            database.execute(_INSERT, (self._key, run, task, self._store.now(), json.dumps(content), *used, 1, 0))

    def invalidate(self) -> None:
        """Use no reading again: the whitelist is about to be changed."""
        self._store.execute("UPDATE readings SET fresh = 0 WHERE key = ? AND fresh = 1", self._key)

    def decide(self, claims: Iterable[Claim], content: object) -> None:
        """Store a reading, and that it decides these claims."""
        with self._store.transaction() as database:
            values = (self._key, "", "", self._store.now(), json.dumps(content), None, None, None, 0, 1)
            self._claims.decide(database, claims, int(database.execute(_INSERT, values).lastrowid or 0))

    def get(self, *numbers: int) -> dict[int, Any]:
        """Return the readings with these numbers; those that were deleted are missing."""
        if not numbers:
            return {}
        query = f"SELECT id, content FROM readings WHERE id IN ({', '.join('?' * len(numbers))})"
        return {number: self._store.decoded(text) for number, text in self._store.rows(query, *numbers)}

    def claim_usage(self, run: str) -> tuple[Any, dict[str, float]] | None:
        """Return the last reading of a run, and the total usage of its reads for all keys; only to the first caller."""
        query = "SELECT content FROM readings WHERE key = ? AND run = ? AND reported = 0 ORDER BY read_at DESC LIMIT 1"
        last = self._store.rows(query, self._key, run)
        if not last:
            return None
        sums = ", ".join(f"sum({name})" for name in USAGE)
        with self._store.transaction() as database:
            query = f"SELECT {sums} FROM readings WHERE run = ? AND reported = 0"
            usage = dict(zip(USAGE, database.execute(query, (run,)).fetchone(), strict=True))
            database.execute("UPDATE readings SET reported = 1 WHERE run = ? AND reported = 0", (run,))
        # Another host of the run may have claimed it first.
        return (self._store.decoded(last[0][0]), usage) if usage["calls"] is not None else None

    def purge(self, over: Sequence[Sequence[str]]) -> None:
        """Delete the readings of these runs, each a row with its id, and those that no claim needs."""
        with self._store.transaction() as database:
            database.executemany("DELETE FROM readings WHERE run = ?", over)
            database.execute("DELETE FROM readings WHERE read_at < ?", (self._store.now() - RETENTION,))
            database.execute(f"DELETE FROM readings WHERE {_USELESS}")

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

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cache of the whitelist: the first host of a task reads it for all hosts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from .._core.waiting import Wait

if TYPE_CHECKING:
    from .interface import Store

#: The maximum age of a cached whitelist in seconds.
CACHE_TTL = 60.0
#: Seconds after which the usage of a read is no longer reported.
CACHE_RETENTION = 3600.0

#: The API usage of a read: columns of the table.
USAGE = ("calls", "retries", "waited_seconds")
#: A row per read: the whitelist (JSON) as long as it is ``fresh``, and the API usage of the read until it is
#: ``reported``.
SCHEMA = """
CREATE TABLE IF NOT EXISTS whitelist_cache (
  key TEXT, run TEXT, task TEXT, read_at REAL, whitelist TEXT, calls INTEGER, retries INTEGER, waited_seconds REAL,
  fresh INTEGER, reported INTEGER);
"""


class WhitelistCache:
    """The readings of one key by the tasks of this control node. A process that writes holds ``write_lock``."""

    def __init__(self, store: Store, key: str, write_lock: str) -> None:
        self._store = store
        self._key = key
        self._write_lock = write_lock

    def cached_whitelist(self, task: str) -> list[str] | None:
        """Return the whitelist if this task read it within CACHE_TTL and no process of this node has written since."""
        query = (
            "SELECT whitelist FROM whitelist_cache WHERE key = ? AND task = ? AND fresh = 1 AND read_at >= ? LIMIT 1"
        )
        rows = self._store.rows(query, self._key, task, self._store.now() - CACHE_TTL)
        return self._store.decoded(rows[0][0]) if rows else None

    def cache_whitelist(self, run: str, task: str, whitelist: Collection[str], usage: Mapping[str, float]) -> None:
        """Store the whitelist for the other hosts of a task, and the API usage of the read."""
        now = self._store.now()
        row = (self._key, run, task, json.dumps(sorted(whitelist)), *(usage[name] for name in USAGE), now)
        with self._store.transaction() as database:
            database.execute("DELETE FROM whitelist_cache WHERE read_at < ?", (now - CACHE_RETENTION,))
            database.execute("UPDATE whitelist_cache SET fresh = 0 WHERE key = ? AND task = ?", (self._key, task))
            database.execute(
                f"INSERT INTO whitelist_cache (key, run, task, whitelist, {', '.join(USAGE)}, read_at, "
                "fresh, reported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, 0)",
                row,
            )

    def invalidate_cache(self) -> None:
        """Invalidate all cached readings: the whitelist is about to be changed."""
        self._store.execute("UPDATE whitelist_cache SET fresh = 0 WHERE key = ? AND fresh = 1", self._key)

    def claim_usage(self, run: str) -> tuple[list[str], dict[str, float]] | None:
        """Return the last reading of a run, and the total usage of its reads for all keys; only to the first caller."""
        query = (
            "SELECT whitelist FROM whitelist_cache WHERE key = ? AND run = ? AND reported = 0 "
            "ORDER BY read_at DESC LIMIT 1"
        )
        last = self._store.rows(query, self._key, run)
        if not last:
            return None
        sums = ", ".join(f"sum({name})" for name in USAGE)
        with self._store.transaction() as database:
            query = f"SELECT {sums} FROM whitelist_cache WHERE run = ? AND reported = 0"
            usage = dict(zip(USAGE, database.execute(query, (run,)).fetchone(), strict=True))
            database.execute("UPDATE whitelist_cache SET reported = 1 WHERE run = ? AND reported = 0", (run,))
        # Another host of the run may have claimed it first.
        return (self._store.decoded(last[0][0]), usage) if usage["calls"] is not None else None

    def forget_runs(self, runs: Sequence[Sequence[str]]) -> None:
        """Delete the readings of these runs; each is a row with the id of the run."""
        with self._store.transaction() as database:
            database.executemany("DELETE FROM whitelist_cache WHERE run = ?", runs)

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
            with self._store.try_lock(self._write_lock) as quiet:
                yield quiet

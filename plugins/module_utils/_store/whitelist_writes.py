# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes of a whitelist whose result is unknown, recorded before they are sent.

If the response to a call was lost, or its process ended, the vendor may have carried it out without the list showing
it, or may carry it out later. Until that is known, the list must not be used to decide on the opposite change.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .reported import LIST_LAG

if TYPE_CHECKING:
    from .interface import Store

#: A row per call: ``ips`` (JSON) are to be added if ``present``, otherwise removed. ``sent`` is state time,
#: ``timeout`` seconds; ``over`` is 1 if the server has ended the exchange, so that the call is no longer in flight.
SCHEMA = """
CREATE TABLE IF NOT EXISTS whitelist_writes (
  id INTEGER PRIMARY KEY, key TEXT, present INTEGER, ips TEXT, sent REAL, timeout REAL,
  over INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True)
class WhitelistWrite:
    """A change whose result is unknown: ``ips`` are to be added, or removed if not ``present``."""

    present: bool
    ips: frozenset[str]
    sent: float
    timeout: float

    def settles_in(self, now: float) -> float:
        """Return the seconds until the call is no longer in flight and the list must show its effect."""
        return self.timeout + LIST_LAG - (now - self.sent)


class WhitelistWrites:
    """The unresolved changes of the whitelist of one key."""

    def __init__(self, state: Store, key: str) -> None:
        self._state = state
        self._key = key

    def record(self, ips: Collection[str], *, present: bool, timeout: float) -> int:
        """Record a call that is about to be sent; returns its number."""
        with self._state.transaction() as database:
            self._state.confirm_locks()
            now = self._state.now()
            database.execute("DELETE FROM whitelist_writes WHERE sent + timeout < ?", (now - LIST_LAG,))
            row = database.execute(
                "INSERT INTO whitelist_writes (key, present, ips, sent, timeout) VALUES (?, ?, ?, ?, ?)",
                (self._key, present, json.dumps(sorted(ips)), now, timeout),
            )
            return int(row.lastrowid or 0)

    def resolve(self, number: int) -> None:
        """Delete a call that was certainly not carried out."""
        self._state.execute("DELETE FROM whitelist_writes WHERE id = ?", number)

    def mark_unknown(self, number: int, *, ended: bool) -> None:
        """Record that the response to a call was lost. Its timeout starts anew."""
        self._state.execute(
            "UPDATE whitelist_writes SET sent = ?, over = ? WHERE id = ?", self._state.now(), ended, number
        )

    def acknowledge(self, number: int, ips: Collection[str]) -> None:
        """Resolve addresses that a response confirms, for its call and for earlier, ended calls of the same kind."""
        with self._state.transaction() as database:
            database.execute("UPDATE whitelist_writes SET over = 1 WHERE id = ?", (number,))
            query = (
                "SELECT id, ips FROM whitelist_writes WHERE key = ? AND over = 1 "
                "AND present = (SELECT present FROM whitelist_writes WHERE id = ?)"
            )
            for row, text in list(database.execute(query, (self._key, number))):
                left = json.dumps(sorted(set(self._state.decoded(text)).difference(ips)))
                database.execute("UPDATE whitelist_writes SET ips = ? WHERE id = ?", (left, row))
            database.execute("DELETE FROM whitelist_writes WHERE ips = '[]'")

    def observe(self, ips: Collection[str]) -> None:
        """Resolve the ended calls whose effect the whitelist shows."""
        query = "SELECT id, present, ips FROM whitelist_writes WHERE key = ? AND over = 1"
        for number, present, text in self._state.rows(query, self._key):
            if shown := [ip for ip in self._state.decoded(text) if (ip in ips) == bool(present)]:
                self.acknowledge(number, shown)

    def unresolved(self) -> list[WhitelistWrite]:
        """Return the calls whose result is unknown and whose effect may still be invisible."""
        query = (
            "SELECT present, ips, timeout, sent FROM whitelist_writes "
            "WHERE key = ? AND sent + timeout >= ? ORDER BY sent"
        )
        rows = self._state.rows(query, self._key, self._state.now() - LIST_LAG)
        return [
            WhitelistWrite(bool(present), frozenset(self._state.decoded(ips)), sent, timeout)
            for present, ips, timeout, sent in rows
        ]

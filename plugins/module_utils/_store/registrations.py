# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registrations: which host of which inventory an address is on a whitelist for.

A row stays until the whitelist lacks its address, so that the next run completes one that was
interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .store import Store


class Registration(NamedTuple):
    """An address of a host, which was registered at the state time ``since``.

    ``there_before`` says that it was listed before a host reported it, so it is not ours to remove.
    """

    inventory: str
    host: str
    ip: str
    there_before: bool
    since: float


@dataclass(frozen=True)
class Registrations:
    """The registrations on the whitelist of one key. Change them only while its lock is held."""

    store: Store
    key: str

    def all(self) -> list[Registration]:
        query = (
            "SELECT inventory, host, ip, there_before, since FROM registrations "
            "WHERE key = ? ORDER BY inventory, host, ip"
        )
        rows = self.store.rows(query, self.key)
        registrations = []
        for inventory, host, ip, there_before, since in rows:
            registrations.append(Registration(inventory, host, ip, bool(there_before), since))
        return registrations

    def replace(self, rows: Iterable[Registration]) -> None:
        """Write the difference in one transaction; nothing if there is none."""
        old = set(self.all())
        new = set(rows)
        if old == new:
            return
        with self.store.transaction() as database:
            database.executemany(
                "DELETE FROM registrations WHERE key = ? AND inventory = ? AND host = ? AND ip = ?",
                [(self.key, *row[:3]) for row in sorted(old - new)],
            )
            database.executemany(
                "INSERT INTO registrations (key, inventory, host, ip, there_before, since) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (self.key, *row[:3], int(row.there_before), row.since)
                    for row in sorted(new - old)
                ],
            )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registrations: which host of which inventory an address is on a whitelist for.

A row stays until the whitelist lacks its address, so that the next run completes one that was
interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .store import Store

#: Hosts that are in every inventory of Ansible: the control node itself.
CONTROL_NODE = ("localhost", "127.0.0.1", "::1")
#: Seconds for which a run in sync writes nothing, so that most of them only read.
SEEN_EVERY = 6 * 3600.0
_SAVE = (
    "INSERT INTO registrations (key, inventory, host, ip, there_before, since, seen_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, inventory, host, ip) DO UPDATE SET "
    "there_before = excluded.there_before, since = excluded.since, seen_at = excluded.seen_at"
)


def registered_name(name: str, *, is_shared: bool) -> str:
    """Return the name under which a host is registered; localhost is another one on each node."""
    if is_shared and name in CONTROL_NODE:
        return f"{name} on {os.uname().nodename}"
    return name


def inventory_name(registered: str) -> str:
    """Return the name that a registered host has in an inventory on this node."""
    return registered.removesuffix(f" on {os.uname().nodename}")


class Registration(NamedTuple):
    """An address of a host, which was registered at the state time ``since`` for the first time.

    ``there_before`` says that it was listed before a host reported it, so it is not ours to remove.
    ``seen_at`` is when a run last registered it, or up to :data:`SEEN_EVERY` seconds before that.
    """

    inventory: str
    host: str
    ip: str
    there_before: bool
    since: float
    seen_at: float

    @property
    def place(self) -> tuple[str, str, str]:
        """What there is one row for."""
        return (self.inventory, self.host, self.ip)

    def seen(self, now: float) -> Registration:
        """Return the registration as a run leaves it that registers the same address again."""
        if now - self.seen_at < SEEN_EVERY:
            return self
        return self._replace(seen_at=now)


@dataclass(frozen=True)
class Registrations:
    """The registrations on the whitelist of one key. Change them only while its lock is held."""

    store: Store
    key: str

    def all(self) -> list[Registration]:
        query = (
            "SELECT inventory, host, ip, there_before, since, seen_at FROM registrations "
            "WHERE key = ? ORDER BY inventory, host, ip"
        )
        rows = self.store.rows(query, self.key)
        registrations = []
        for inventory, host, ip, there_before, since, seen_at in rows:
            registrations.append(
                Registration(inventory, host, ip, bool(there_before), since, seen_at)
            )
        return registrations

    def replace(self, rows: Iterable[Registration]) -> None:
        """Write the difference in one transaction; nothing if there is none."""
        old = set(self.all())
        new = set(rows)
        if old == new:
            return
        removed = {row.place for row in old} - {row.place for row in new}
        with self.store.transaction() as database:
            database.executemany(
                "DELETE FROM registrations WHERE key = ? AND inventory = ? AND host = ? AND ip = ?",
                [(self.key, *place) for place in sorted(removed)],
            )
            database.executemany(
                _SAVE,
                [
                    (self.key, *row.place, int(row.there_before), row.since, row.seen_at)
                    for row in sorted(new - old)
                ],
            )

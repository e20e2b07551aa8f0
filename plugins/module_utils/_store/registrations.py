# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses that each host is registered with, so that former ones can be removed.

The state contains them because an address may be shared by several hosts. If the state is lost, former addresses stay
on the whitelist, and registering still disconnects no host. Deregistering a host then removes its current address even
if another host shares it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .journal_rows import LIST_LAG

if TYPE_CHECKING:
    from .interface import Connection, Store

#: A row per host and address. A ``former`` address is no longer needed by the host, but may still be on the whitelist.
#: ``missing_since`` is when the vendor's list first lacked the address (state time). It was ``found`` if the host
#: reported it when it was on the whitelist already, and neither this control node added it nor the user gave it.
#: ``registered_at`` is when the row was inserted (state time).
SCHEMA = """
CREATE TABLE IF NOT EXISTS registrations (
  key TEXT, inventory TEXT, host TEXT, ip TEXT, former INTEGER NOT NULL DEFAULT 0, missing_since REAL,
  found INTEGER NOT NULL DEFAULT 0, registered_at REAL NOT NULL, PRIMARY KEY (key, inventory, host, ip));
"""


@dataclass(frozen=True)
class HostRegistration:
    """The addresses to store for a host.

    It is ``registered`` with these. It no longer needs the ``former`` ones, but they may still be on the whitelist. The
    host itself reported those ``found`` while they were on the whitelist already.
    """

    host: str
    registered: frozenset[str]
    former: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Owner:
    """A host for which an address is recorded, in any inventory; ``registered_at`` is Unix time, for display."""

    ip: str
    host: str
    inventory: str
    former: bool
    found: bool
    registered_at: float


class RegistrationStore:
    """The addresses of the hosts of one inventory, for one key."""

    def __init__(self, store: Store, key: str, inventory: str) -> None:
        self._store = store
        self._key = key
        self._inventory = inventory

    def is_registered(self, host: str, ips: Collection[str], *, given: bool = False) -> bool:
        """Whether a host is registered with exactly these addresses, and has no former ones to remove.

        With ``given``, addresses that only the host has reported do not count as registered.
        """
        query = (
            "SELECT ip, former, found FROM registrations WHERE key = ? AND inventory = ? AND host = ? "
            "AND (former = 0 OR missing_since IS NULL)"
        )
        rows = self._store.rows(query, self._key, self._inventory, host)
        pending = any(former or (given and found) for _ip, former, found in rows)
        return not pending and {ip for ip, _former, _found in rows} == set(ips)

    def expects_addresses(self) -> bool:
        """Whether any host, of any inventory, was registered."""
        return bool(self._store.rows("SELECT 1 FROM registrations WHERE key = ? LIMIT 1", self._key))

    def load(self, hosts: Collection[str]) -> tuple[dict[str, set[str]], set[str]]:
        """Return the addresses of each of these hosts, and the addresses that other hosts of any inventory need."""
        own: dict[str, set[str]] = {host: set() for host in hosts}
        others: set[str] = set()
        query = "SELECT inventory, host, ip, former FROM registrations WHERE key = ?"
        for inventory, host, ip, former in self._store.rows(query, self._key):
            if inventory == self._inventory and host in own:
                own[host].add(ip)
            elif not former:
                others.add(ip)
        return own, others

    def load_inventory(self) -> dict[str, set[str]]:
        """Return the addresses of all hosts of the inventory that may be on the whitelist."""
        return self._by_host("(former = 0 OR missing_since IS NULL)")

    def load_former(self) -> dict[str, set[str]]:
        """Return the addresses that hosts of the inventory no longer need, and that may be on the whitelist."""
        return self._by_host("former = 1 AND missing_since IS NULL")

    def _by_host(self, condition: str) -> dict[str, set[str]]:
        query = f"SELECT host, ip FROM registrations WHERE key = ? AND inventory = ? AND {condition}"
        hosts: dict[str, set[str]] = {}
        for host, ip in self._store.rows(query, self._key, self._inventory):
            hosts.setdefault(host, set()).add(ip)
        return hosts

    def registered_after(self, moment: float) -> set[str]:
        """Return the hosts of the inventory that got an address after this moment of state time."""
        query = "SELECT DISTINCT host FROM registrations WHERE key = ? AND inventory = ? AND registered_at > ?"
        return {host for (host,) in self._store.rows(query, self._key, self._inventory, moment)}

    def load_owners(self) -> list[Owner]:
        """Return all hosts, of all inventories, by inventory and name."""
        return self._owners("key = ?", self._key)

    def load_holders(self, ip: str) -> list[Owner]:
        """Return the hosts that need an address, registered with any other key of this state."""
        return self._owners("key != ? AND ip = ? AND former = 0", self._key, ip)

    def load_named(self, host: str) -> list[Owner]:
        """Return the registrations of hosts of this name, in all inventories."""
        return self._owners("key = ? AND host = ?", self._key, host)

    def _owners(self, condition: str, *values: str) -> list[Owner]:
        columns = "ip, host, inventory, former, found, registered_at"
        query = f"SELECT {columns} FROM registrations WHERE {condition} ORDER BY inventory, host, ip"
        rows = self._store.rows(query, *values)
        ahead = self._store.wall_ahead() if rows else 0.0
        return [
            Owner(ip, host, inventory, bool(former), bool(found), registered_at + ahead)
            for ip, host, inventory, former, found, registered_at in rows
        ]

    def adopt(self, host: str, others: Iterable[tuple[str, str]]) -> None:
        """Move registrations of the host's name in other inventories, by inventory and address, to this inventory."""
        columns = "ip, former, missing_since, found, registered_at"
        moved = [(self._key, host, inventory, ip) for inventory, ip in others]
        with self._store.transaction() as database:
            database.executemany(
                f"INSERT INTO registrations (key, inventory, host, {columns}) SELECT key, ?, host, {columns} "
                "FROM registrations WHERE key = ? AND host = ? AND inventory = ? AND ip = ? "
                "ON CONFLICT (key, inventory, host, ip) DO NOTHING",
                [(self._inventory, *row) for row in moved],
            )
            self._clear_found(database)
            database.executemany(
                "DELETE FROM registrations WHERE key = ? AND host = ? AND inventory = ? AND ip = ?", moved
            )

    def delete_former(self, addresses: Iterable[tuple[str, str]]) -> None:
        """Delete addresses that hosts no longer need, by host and address."""
        with self._store.transaction() as database:
            database.executemany(
                "DELETE FROM registrations WHERE key = ? AND inventory = ? AND host = ? AND ip = ? AND former = 1",
                [(self._key, self._inventory, host, ip) for host, ip in addresses],
            )

    def replace(self, hosts: Iterable[HostRegistration]) -> None:
        """Replace the stored addresses of these hosts.

        An address that was added or given once is never marked as found later, for any host.
        """
        own = {host.host: host for host in hosts}
        inventory = (self._key, self._inventory)
        with self._store.transaction() as database:
            query = "SELECT DISTINCT ip FROM registrations WHERE key = ? AND found = 0"
            confirmed = {ip for (ip,) in database.execute(query, (self._key,))}
            # One statement for all hosts: with a database server, each statement takes a round trip.
            columns = "host, ip, found, missing_since, registered_at"
            query = f"SELECT {columns} FROM registrations WHERE key = ? AND inventory = ?"
            known = {(name, ip): tuple(values) for name, ip, *values in database.execute(query, inventory)}
            new = (False, None, self._store.now())
            entries: list[tuple[object, ...]] = []
            for name, host in own.items():
                found = host.found.difference(confirmed)
                for ip in sorted(host.registered):
                    entries.append((*inventory, name, ip, False, ip in found, *known.get((name, ip), new)[1:]))
                for ip in sorted(host.former - host.registered):
                    entries.append((*inventory, name, ip, True, *known.get((name, ip), new)))
            database.executemany(
                "DELETE FROM registrations WHERE key = ? AND inventory = ? AND host = ?",
                [(*inventory, name) for name in own],
            )
            database.executemany(
                "INSERT INTO registrations (key, inventory, host, ip, former, found, missing_since, registered_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                entries,
            )
            self._clear_found(database)

    def _clear_found(self, database: Connection) -> None:
        """Clear ``found`` for all hosts of an address that was added or given for one of them."""
        # Not in one statement: without statistics of the new rows, a server would scan all rows for each of them.
        query = "SELECT ip FROM registrations WHERE key = ? GROUP BY ip HAVING min(found) = 0 AND max(found) = 1"
        database.executemany(
            "UPDATE registrations SET found = 0 WHERE key = ? AND ip = ?",
            [(self._key, ip) for (ip,) in database.execute(query, (self._key,))],
        )

    def prune_missing(self, whitelist: Collection[str]) -> None:
        """Delete, for all inventories, addresses that the whitelist has lacked for LIST_LAG seconds or more.

        One reading is not enough: it may be wrong, and a deleted address would never be removed from the whitelist.
        ``whitelist`` must come from a response that contained a list.
        """
        now = self._store.now()
        back: list[tuple[object, ...]] = []
        first: list[tuple[object, ...]] = []
        gone: list[tuple[object, ...]] = []
        query = "SELECT DISTINCT ip, missing_since FROM registrations WHERE key = ?"
        for ip, since in self._store.rows(query, self._key):
            if ip in whitelist:
                if since is not None:
                    back.append((None, self._key, ip))
            elif since is None:
                first.append((now, self._key, ip))
            elif since <= now - LIST_LAG:
                gone.append((self._key, ip, now - LIST_LAG))
        if not (back or first or gone):
            return
        with self._store.transaction() as database:
            database.executemany("UPDATE registrations SET missing_since = ? WHERE key = ? AND ip = ?", back)
            database.executemany(
                "UPDATE registrations SET missing_since = ? WHERE key = ? AND ip = ? AND missing_since IS NULL", first
            )
            database.executemany("DELETE FROM registrations WHERE key = ? AND ip = ? AND missing_since <= ?", gone)

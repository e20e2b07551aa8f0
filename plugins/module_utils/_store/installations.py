# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gateways and lists that were installed on hosts: what was declared, and how their last
refresh ended.

A refresh takes all from here but keys and passwords. A removed one leaves its row as a tombstone,
so that "removed" and "never here" are told apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .store import Connection, Store, mapping_in

State = TypeVar("State")

#: What can be installed.
GATEWAY = "gateway"
LIST = "list"

_COLUMNS = (
    "id, kind, inventory, host, name, options, keys, installed_at, removed_at, refreshed_at, "
    "seconds, problem, sleeps"
)
_DECLARE = (
    "INSERT INTO installations (id, kind, inventory, host, name, options, keys, installed_at, "
    "problem, sleeps) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '{}') ON CONFLICT (id) DO UPDATE SET "
    "options = excluded.options, keys = excluded.keys, installed_at = excluded.installed_at, "
    "removed_at = NULL"
)
_SAVE_SET = (
    "INSERT INTO lease_sets (id, state, at) VALUES (?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, at = excluded.at"
)
#: Seconds for which a set of leases that no run asks for is remembered.
_SET_LASTS = 30 * 86400.0


@dataclass(frozen=True)
class Installation:
    """A gateway, by its name, or a list, by its path, on a host of an inventory.

    ``id`` is also on the host. ``keys`` are digests of the keys by the names of pools. Times are
    Unix times, and None if that has not happened; ``seconds`` is the duration of the last refresh,
    from the start of Ansible.
    ``problem`` is why the last refresh has failed, and empty if it succeeded. ``sleeps`` has the
    pools that nobody uses now, by their names: ``since`` when, and how many leases were
    ``not_bought`` since.
    """

    id: str
    kind: str
    inventory: str
    host: str
    name: str
    options: Mapping[str, Any]
    keys: Mapping[str, str]
    installed_at: float = 0.0
    removed_at: float | None = None
    refreshed_at: float | None = None
    seconds: float | None = None
    problem: str = ""
    sleeps: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Installations:
    """The rows of a store."""

    store: Store

    def all(self, inventory: str | None = None) -> list[Installation]:
        """Return all installations, removed ones too, or those of an inventory."""
        query = f"SELECT {_COLUMNS} FROM installations"
        order = " ORDER BY inventory, host, kind, name"
        if inventory is None:
            rows = self.store.rows(query + order)
        else:
            rows = self.store.rows(f"{query} WHERE inventory = ?{order}", inventory)
        return [self._read(row) for row in rows]

    def standing(self, inventory: str | None = None) -> list[Installation]:
        """Return the installations that were not removed, or those of an inventory."""
        return [each for each in self.all(inventory) if each.removed_at is None]

    def _read(self, row: tuple[Any, ...]) -> Installation:
        """Return the installation in a row with the columns of :data:`_COLUMNS`."""
        names = [name.strip() for name in _COLUMNS.split(",")]
        values = dict(zip(names, row, strict=True))
        fix = f"install the {values['kind']} {values['name']} on {values['host']} again"
        with self.store.reading("installations", values["id"], fix):
            values["options"] = mapping_in(values["options"])
            values["keys"] = mapping_in(values["keys"])
            values["sleeps"] = mapping_in(values["sleeps"])
        return Installation(**values)

    def declare(self, installations: Collection[Installation]) -> list[Installation]:
        """Record what is about to be installed.

        Returns those that another run has installed or removed since this one has found them, or
        has found nothing in their place; and then records none.
        """
        now = self.store.wall_time()
        places = {_place(each): each for each in installations}
        with self.store.transaction(durable=True) as database:
            taken = []
            for row in self.all():
                found = places.get(_place(row), row)
                if (row.id, _declared_at(row)) != (found.id, _declared_at(found)):
                    taken.append(row)
            if taken:
                return taken
            for each in installations:
                values = (each.id, each.kind, each.inventory, each.host, each.name)
                options = json.dumps(each.options)
                keys = json.dumps(each.keys)
                database.execute(_DECLARE, (*values, options, keys, now))
        return []

    def remove(
        self, inventory: str, hosts: Collection[str], kind: str = "", name: str = ""
    ) -> list[Installation]:
        """Mark installations of hosts as removed, all or one; returns those that were not
        before.
        """
        removed = []
        now = self.store.wall_time()
        with self.store.transaction() as database:
            for each in self.all(inventory):
                is_meant = (
                    each.host in hosts and kind in ("", each.kind) and name in ("", each.name)
                )
                if is_meant and each.removed_at is None:
                    statement = "UPDATE installations SET removed_at = ? WHERE id = ?"
                    database.execute(statement, (now, each.id))
                    removed.append(replace(each, removed_at=now))
        return removed

    def changed(self, installations: Iterable[Installation]) -> list[Installation]:
        """Return which of these are not as they were found: another run has refreshed, installed or
        removed them since.
        """
        now = {each.id: each for each in self.all()}
        changed = []
        for found in installations:
            row = now.get(found.id)
            if row is None or _last_change(row) != _last_change(found):
                changed.append(found)
        return changed

    def finish(
        self,
        identifier: str,
        problem: str,
        seconds: float | None,
        sleeps: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        """Record how a run has ended, how long it took if it was a refresh, and which pools sleep
        if it has found that out.
        """
        sleeping = None if sleeps is None else json.dumps(sleeps)
        now = self.store.wall_time()
        with self.store.transaction() as database:
            if not problem:
                statement = "UPDATE installations SET refreshed_at = ? WHERE id = ?"
                database.execute(statement, (now, identifier))
            statement = (
                "UPDATE installations SET problem = ?, seconds = COALESCE(?, seconds), "
                "sleeps = COALESCE(?, sleeps) WHERE id = ?"
            )
            database.execute(statement, (problem, seconds, sleeping, identifier))

    def set_state(self, lease_set: str, read: Callable[[Mapping[str, Any]], State]) -> State:
        """Return what is remembered of a set of leases, as ``read`` returns it: of an empty mapping
        if nothing is.
        """
        rows = self.store.rows("SELECT state FROM lease_sets WHERE id = ?", lease_set)
        if not rows:
            return read({})
        fix = "what its exits did is then forgotten"
        with self.store.reading("lease_sets", lease_set, fix):
            return read(mapping_in(rows[0][0]))

    def set_states(self, prefix: str, read: Callable[[Mapping[str, Any]], State]) -> list[State]:
        """Return what is remembered in all rows whose names begin with a text without wildcards, as
        ``read`` returns it.
        """
        states = []
        for name, state in self.store.rows(
            "SELECT id, state FROM lease_sets WHERE id LIKE ?", f"{prefix}%"
        ):
            with self.store.reading("lease_sets", name, "what its exits did is then forgotten"):
                states.append(read(mapping_in(state)))
        return states

    def save_set_state(self, lease_set: str, state: Mapping[str, Any]) -> None:
        """Remember this of a set of leases, and forget sets that nobody has asked for lately."""
        with self.store.transaction() as database:
            self._save(database, lease_set, state)

    def change_set_state(
        self,
        lease_set: str,
        read: Callable[[Mapping[str, Any]], State],
        change: Callable[[State], dict[str, Any]],
    ) -> dict[str, Any]:
        """Remember what ``change`` makes of what is remembered, which no other run changes
        meanwhile; returns it.
        """
        with self.store.transaction(durable=True) as database:
            state = change(self.set_state(lease_set, read))
            self._save(database, lease_set, state)
        return state

    def _save(self, database: Connection, lease_set: str, state: Mapping[str, Any]) -> None:
        now = self.store.now()
        database.execute("DELETE FROM lease_sets WHERE at < ?", (now - _SET_LASTS,))
        database.execute(_SAVE_SET, (lease_set, json.dumps(state), now))


def _declared_at(installation: Installation) -> tuple[float | None, ...]:
    """Return when something was installed or removed, which tells two declarations apart."""
    return (installation.installed_at, installation.removed_at)


def _last_change(installation: Installation) -> tuple[float | None, ...]:
    """Return when a run has last done something, which tells two states of a host apart."""
    return (*_declared_at(installation), installation.refreshed_at)


def _place(installation: Installation) -> tuple[str, str, str, str]:
    """Return what there is one row for."""
    return (installation.kind, installation.inventory, installation.host, installation.name)

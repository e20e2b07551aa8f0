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
#: Seconds after which a lock ends that its run has not renewed: it may have left it behind on
#: another machine.
LOCK_SECONDS = 120.0

_COLUMNS = (
    "id, kind, inventory, host, name, options, keys, installed_at, removed_at, refreshed_at, "
    "seconds, problem, locked_by, locked_until"
)
_DECLARE = (
    "INSERT INTO installations (id, kind, inventory, host, name, options, keys, installed_at, "
    "problem, locked_by, "
    "locked_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (kind, inventory, host, "
    "name) DO UPDATE SET "
    "id = excluded.id, options = excluded.options, keys = excluded.keys, installed_at = "
    "excluded.installed_at, "
    "removed_at = NULL, locked_by = excluded.locked_by, locked_until = excluded.locked_until"
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
    Unix times, and None if that has not happened; ``seconds`` is the duration of the last refresh.
    ``problem`` is why the last refresh has failed, and empty if it succeeded.
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
    locked_by: str = field(default="", compare=False)
    locked_until: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class Installations:
    """The rows of a store.

    ``is_gone`` says whether the run that holds a lock has ended without releasing it.
    """

    store: Store
    is_gone: Callable[[str], bool] = lambda _run: False

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
        return Installation(**values)

    def declare(self, installations: Collection[Installation], run: str) -> list[Installation]:
        """Record what is about to be installed, locked by a run.

        Returns those that another run has locked, and then records none: both may have found
        nothing before.
        """
        now = self.store.wall_time()
        until = self.store.now() + LOCK_SECONDS
        places = {_place(each) for each in installations}
        with self.store.transaction(durable=True) as database:
            here = [each for each in self.all() if _place(each) in places]
            taken = self._taken(here, run)
            if taken:
                return taken
            for each in installations:
                values = (each.id, each.kind, each.inventory, each.host, each.name)
                options = json.dumps(each.options)
                keys = json.dumps(each.keys)
                database.execute(_DECLARE, (*values, options, keys, now, run, until))
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
                    statement = (
                        "UPDATE installations SET removed_at = ?, locked_by = '' WHERE id = ?"
                    )
                    database.execute(statement, (now, each.id))
                    removed.append(replace(each, removed_at=now))
        return removed

    def lock(self, ids: Collection[str], run: str) -> list[Installation]:
        """Lock these installations for a run; returns those that another run has locked, and then
        locks none.
        """
        now = self.store.now()
        with self.store.transaction() as database:
            rows = [each for each in self.all() if each.id in ids]
            taken = self._taken(rows, run)
            if not taken:
                statement = "UPDATE installations SET locked_by = ?, locked_until = ? WHERE id = ?"
                database.executemany(
                    statement, [(run, now + LOCK_SECONDS, each.id) for each in rows]
                )
        return taken

    def renew(self, ids: Collection[str], run: str) -> set[str]:
        """Make the locks of a run last from now on; returns the identifiers of what it has not
        locked any more.

        Another run may have taken the lock of such a one and released it, or may have removed it.
        """
        until = self.store.now() + LOCK_SECONDS
        with self.store.transaction() as database:
            held = [each.id for each in self.all() if each.id in ids and each.locked_by == run]
            statement = "UPDATE installations SET locked_until = ? WHERE id = ?"
            database.executemany(statement, [(until, identifier) for identifier in held])
        return set(ids) - set(held)

    def _taken(self, rows: Iterable[Installation], run: str) -> list[Installation]:
        """Return what another run has locked."""
        now = self.store.now()
        return [each for each in rows if self._is_locked(each, run, now)]

    def _is_locked(self, installation: Installation, run: str, now: float) -> bool:
        if installation.locked_by in ("", run) or installation.locked_until <= now:
            return False
        return not self.is_gone(installation.locked_by)

    def finish(self, identifier: str, run: str, problem: str, seconds: float) -> None:
        """Record how a refresh has ended, and release the lock of its run."""
        now = self.store.wall_time()
        with self.store.transaction() as database:
            if not problem:
                statement = "UPDATE installations SET refreshed_at = ? WHERE id = ?"
                database.execute(statement, (now, identifier))
            statement = "UPDATE installations SET problem = ?, seconds = ? WHERE id = ?"
            database.execute(statement, (problem, seconds, identifier))
            self._unlock(database, identifier, run)

    def unlock(self, identifier: str, run: str) -> None:
        """Release the lock of a run on what it has not refreshed."""
        with self.store.transaction() as database:
            self._unlock(database, identifier, run)

    def _unlock(self, database: Connection, identifier: str, run: str) -> None:
        statement = "UPDATE installations SET locked_by = '' WHERE id = ? AND locked_by = ?"
        database.execute(statement, (identifier, run))

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


def _place(installation: Installation) -> tuple[str, str, str, str]:
    """Return what there is one row for."""
    return (installation.kind, installation.inventory, installation.host, installation.name)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each host of a run of Ansible was reported, so that one task can summarize the run.

It works for any strategy, and also for a host that has failed: its variables are of no use to the task of another host,
because reading those of all hosts is too slow for a large fleet.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .runs import is_run_finished
from .sql import upsert

if TYPE_CHECKING:
    from .interface import Store

#: Seconds for which the results of a run are kept whose end cannot be seen from here.
RESULTS_TTL = 86400

#: A row per host of a run. A result is ``final`` if no later task replaces it. ``task`` is the task with which the host
#: began, at ``begun_at``; NULL if hosts begin the next task before all of them have completed that one.
#: inventory_checks: for each inventory that a run with ``prune`` compares with the registrations, the hosts that must
#: report in this run before anything is removed (JSON, a list), and those that are gone (JSON, their addresses by
#: host).
SCHEMA = """
CREATE TABLE IF NOT EXISTS run_results (
  run TEXT, host TEXT, play TEXT, task TEXT, begun_at REAL, final INTEGER, result TEXT, PRIMARY KEY (run, host));
CREATE TABLE IF NOT EXISTS inventory_checks (
  run TEXT, key TEXT, inventory TEXT, expected TEXT, gone TEXT, checked_at REAL,
  PRIMARY KEY (run, key, inventory));
"""


@dataclass(frozen=True)
class RunResults:
    """The results of the hosts of a run."""

    store: Store
    run: str

    def begin(self, host: str, play: str, task: str | None, result: dict[str, Any], *, final: bool) -> None:
        """Keep the result of a host's first task, in place of all that is known of it from earlier in the run.

        ``task`` identifies it, the same for all hosts, if they all complete it before the next one begins.
        """
        statement = upsert("run_results", ("run", "host"), ("play", "task", "begun_at", "final", "result"))
        with self.store.transaction() as database:
            now = self.store.now()
            database.execute(statement, (self.run, host, play, task, now, final, json.dumps(result)))

    def finish(self, host: str, result: dict[str, Any]) -> None:
        """Replace the result of a host's first task by that of its last one."""
        self.store.execute(
            "UPDATE run_results SET final = 1, result = ? WHERE run = ? AND host = ?",
            *(json.dumps(result), self.run, host),
        )

    def get(self, host: str) -> dict[str, Any] | None:
        """Return the result of a host, if it has one."""
        rows = self.store.rows("SELECT result FROM run_results WHERE run = ? AND host = ?", self.run, host)
        return self.store.decoded(rows[0][0]) if rows else None

    def of_play(self, play: str) -> dict[str, dict[str, Any] | None]:
        """Return the final result of each host of a play that has begun; None if it has none yet."""
        query = "SELECT host, final, result FROM run_results WHERE run = ? AND play = ?"
        rows = self.store.rows(query, self.run, play)
        return {host: self.store.decoded(result) if final else None for host, final, result in rows}

    def have_begun(self, hosts: Collection[str]) -> bool:
        """Whether these hosts have all begun with the newest first task of the run, and all hosts complete it at once.

        The play may have an earlier first task, and other hosts another store.
        """
        latest = "SELECT task FROM run_results WHERE run = ? ORDER BY begun_at DESC LIMIT 1"
        begun = f"FROM run_results WHERE run = ? AND task = ({latest})"
        # If a host is missing, each host of a large fleet comes here: reading all names for each would take long.
        if self.store.rows(f"SELECT COUNT(*) {begun}", self.run, self.run)[0][0] < len(hosts):
            return False
        return set(hosts) <= {host for (host,) in self.store.rows(f"SELECT host {begun}", self.run, self.run)}


@dataclass(frozen=True)
class InventoryCheck:
    """An inventory that a run with ``prune`` has compared with the registrations of a key.

    The ``expected`` hosts must report in this run before anything is removed. ``gone`` are the registered hosts that
    the inventory lacks, with their addresses.
    """

    key: str
    inventory: str
    expected: frozenset[str]
    gone: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class InventoryChecks:
    """What the hosts of a run have found in one inventory, for one key."""

    store: Store
    run: str
    key: str
    inventory: str

    def has_all(self) -> bool:
        """Whether a host of the run has found that no registered host is gone."""
        query = "SELECT 1 FROM inventory_checks WHERE run = ? AND key = ? AND inventory = ? AND gone = '{}'"
        return bool(self.store.rows(query, self.run, self.key, self.inventory))

    def load(self) -> InventoryCheck | None:
        """Return what was found; None if no host of the run compares the inventory."""
        checks = checks_of_run(self.store, self.run)
        return next((own for own in checks if (own.key, own.inventory) == (self.key, self.inventory)), None)

    def record(self, expected: Collection[str], gone: Mapping[str, Sequence[str]]) -> None:
        """Record what a host has found. Hosts that were expected before, still are."""
        known = self.load()
        everyone = known.expected.union(expected) if known else frozenset(expected)
        if known and known.expected == everyone and known.gone == gone:
            return
        self.store.execute(
            upsert("inventory_checks", ("run", "key", "inventory"), ("expected", "gone", "checked_at")),
            *(self.run, self.key, self.inventory, json.dumps(sorted(everyone)), json.dumps(gone), self.store.now()),
        )


def checks_of_run(store: Store, run: str) -> list[InventoryCheck]:
    """Return what a run has found in each inventory that it compares."""
    rows = store.rows("SELECT key, inventory, expected, gone FROM inventory_checks WHERE run = ?", run)
    return [
        InventoryCheck(key, inventory, frozenset(store.decoded(expected)), store.decoded(gone))
        for key, inventory, expected, gone in rows
    ]


def purge_results(store: Store) -> None:
    """Drop the results and checks of finished runs."""
    over = [row for row in store.rows("SELECT DISTINCT run FROM run_results") if is_run_finished(row[0])]
    oldest = (store.now() - RESULTS_TTL,)
    with store.transaction() as database:
        database.execute("DELETE FROM run_results WHERE begun_at < ?", oldest)
        database.execute("DELETE FROM inventory_checks WHERE checked_at < ?", oldest)
        for table in ("run_results", "inventory_checks"):
            database.executemany(f"DELETE FROM {table} WHERE run = ?", over)

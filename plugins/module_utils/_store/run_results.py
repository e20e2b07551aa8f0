# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of each host of a run of Ansible, so that one task can summarize the run.

It works with every strategy, and for failed hosts. Variables of hosts would not do: reading those of all hosts in one
task is too slow for a large fleet.
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

#: Seconds for which results are kept if the end of their run cannot be detected from this machine.
RESULTS_TTL = 86400

#: A row per host of a run. A result is ``final`` if no later task replaces it. ``task`` is the first task of the host,
#: which began at ``begun_at``; NULL if the strategy does not run the hosts in lockstep.
#: inventory_checks: for each inventory that a run with ``prune`` compares with the registrations, the hosts that must
#: report in this run before anything is removed (JSON, a list), and the registered hosts that the inventory lacks
#: (JSON, their addresses by host).
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
        """Store the result of a host's first task, in place of any earlier result of the run.

        ``task`` identifies the task, equally for all hosts, if they run in lockstep; otherwise None.
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
        """Return the final result of each host of a play that has begun; None for a host without a final result."""
        query = "SELECT host, final, result FROM run_results WHERE run = ? AND play = ?"
        rows = self.store.rows(query, self.run, play)
        return {host: self.store.decoded(result) if final else None for host, final, result in rows}

    def have_begun(self, hosts: Collection[str]) -> bool:
        """Whether all of these hosts have completed the newest first task of the run in lockstep.

        The play may contain an earlier first task, and other hosts may use another store.
        """
        latest = "SELECT task FROM run_results WHERE run = ? ORDER BY begun_at DESC LIMIT 1"
        begun = f"FROM run_results WHERE run = ? AND task = ({latest})"
        # Counting comes first: each host of a large fleet calls this, and reading all names each time would be slow.
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
    """The check of one inventory by the hosts of a run, for one key."""

    store: Store
    run: str
    key: str
    inventory: str

    def has_all(self) -> bool:
        """Whether a host of the run has recorded that the inventory contains all registered hosts."""
        query = "SELECT 1 FROM inventory_checks WHERE run = ? AND key = ? AND inventory = ? AND gone = '{}'"
        return bool(self.store.rows(query, self.run, self.key, self.inventory))

    def load(self) -> InventoryCheck | None:
        """Return the recorded check; None if the run has not compared the inventory."""
        checks = checks_of_run(self.store, self.run)
        return next((own for own in checks if (own.key, own.inventory) == (self.key, self.inventory)), None)

    def record(self, expected: Collection[str], gone: Mapping[str, Sequence[str]]) -> None:
        """Record a check. Hosts that were expected before stay expected."""
        known = self.load()
        everyone = known.expected.union(expected) if known else frozenset(expected)
        if known and known.expected == everyone and known.gone == gone:
            return
        self.store.execute(
            upsert("inventory_checks", ("run", "key", "inventory"), ("expected", "gone", "checked_at")),
            *(self.run, self.key, self.inventory, json.dumps(sorted(everyone)), json.dumps(gone), self.store.now()),
        )


def checks_of_run(store: Store, run: str) -> list[InventoryCheck]:
    """Return the checks of all inventories that a run has compared."""
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

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 3: one read and one write for all hosts of a play, and the memory of what was registered for each.

This file is private to the collection.

Every host of a play puts its wish on a board in the state directory of the control node. The first of them that
comes to register takes a lock and writes for all wishes of the same key on the board; the others find their verdict
there. It makes no difference how the play goes through its hosts, or which host is first, was skipped or has failed:
whoever finds the lock free and no verdict does the work, and a writer that dies frees the lock.

The memory stands on the control node as well, since only there is it known which other hosts use the same address.
Where it is lost, registering cuts nobody off: former addresses then stay on the whitelist. Deregistering a host then
takes along the address that it has, even if a host that is no longer remembered shares it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State

#: Seconds between two looks at the board while another host writes.
POLL = 0.05
#: Seconds after which a wish on the board is of no use to anybody: no play takes longer from one task to the next.
WISH_LIFE = 86400


@dataclass(frozen=True)
class HostWish:
    """What one host wants: its addresses present, or absent, on the whitelist of one key."""

    host: str
    ips: tuple[str, ...]


#: What came of a wish, as it is kept on the board: JSON with ``ips``, ``changed`` and the like.
Verdict = dict[str, Any]
#: Writes for all the wishes given, and returns a verdict for each host.
Writer = Callable[[list[HostWish]], dict[str, Verdict]]


class Board:
    """The wishes of the hosts of one run of Ansible for one key, fleet and state."""

    def __init__(self, state: State, run: str, key: str, fleet: str, wanted: str) -> None:
        self._state = state
        self._run = run
        self._group = (run, key, fleet, wanted)
        self._lock = f"whitelist-{key}"

    def post(self, wish: HostWish) -> None:
        """Put down a host's wish, in place of any former one."""
        _run, key, fleet, wanted = self._group
        with self._state.transaction() as database:
            database.execute("DELETE FROM wishes WHERE posted < ?", (time.time() - WISH_LIFE,))
            database.execute(
                "INSERT OR REPLACE INTO wishes VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                (self._run, wish.host, key, fleet, wanted, json.dumps(wish.ips), time.time()),
            )

    def withdraw(self, host: str) -> None:
        """Forget a host's wish: nothing is known of its addresses."""
        with self._state.transaction() as database:
            database.execute("DELETE FROM wishes WHERE run = ? AND host = ?", (self._run, host))

    def verdict(self, host: str) -> Verdict | None:
        """What came of a host's wish, if anything did yet."""
        rows = self._rows("host = ?", host)
        if not rows:
            raise QgError(f"No egress address of {host} was put down in this run: run the step detect first.")
        return json.loads(rows[0][2]) if rows[0][2] is not None else None

    def settle(self, host: str, write: Writer, longest: float) -> tuple[Verdict, bool]:
        """The verdict for a host, and whether it was this call that wrote; waits at most ``longest`` seconds."""
        give_up = time.monotonic() + longest
        while time.monotonic() < give_up:
            verdict = self.verdict(host)
            if verdict is not None:
                return verdict, False
            with self._state.try_lock(self._lock) as mine:
                if mine and self.verdict(host) is None:
                    return self._write(write)[host], True
            time.sleep(POLL)
        raise QgError(
            f"Another process has been writing to the same whitelist for {longest:.0f} seconds: run again later."
        )

    def hosts(self) -> set[str]:
        """All hosts of this run that put down a wish, for whichever key."""
        return {row[0] for row in self._state.rows("SELECT host FROM wishes WHERE run = ?", self._run)}

    def _write(self, write: Writer) -> dict[str, Verdict]:
        wishes = [HostWish(host, tuple(json.loads(ips))) for host, ips, _verdict in self._rows("verdict IS NULL")]
        verdicts = write(wishes)
        with self._state.transaction() as database:
            database.executemany(
                "UPDATE wishes SET verdict = ? WHERE run = ? AND host = ?",
                [(json.dumps(verdict), self._run, host) for host, verdict in verdicts.items()],
            )
        return verdicts

    def _rows(self, condition: str, *values: str) -> list[tuple[Any, ...]]:
        mine = "run = ? AND key = ? AND fleet = ? AND state = ?"
        query = f"SELECT host, ips, verdict FROM wishes WHERE {mine} AND {condition}"
        return self._state.rows(query, *self._group, *values)


class Memory:
    """Which host of which fleet was registered with which addresses, for one key."""

    def __init__(self, state: State, key: str, fleet: str) -> None:
        self._state = state
        self._key = key
        self._fleet = fleet

    def recall(self, hosts: Collection[str]) -> tuple[dict[str, set[str]], set[str]]:
        """The addresses of each of these hosts, and all addresses of any other host, of any fleet."""
        mine: dict[str, set[str]] = {host: set() for host in hosts}
        others: set[str] = set()
        for fleet, host, ip in self._state.rows("SELECT fleet, host, ip FROM registrations WHERE key = ?", self._key):
            if fleet == self._fleet and host in mine:
                mine[host].add(ip)
            else:
                others.add(ip)
        return mine, others

    def note(self, hosts: Iterable[tuple[str, Collection[str]]]) -> None:
        """Remember these addresses, and no others, for these hosts."""
        with self._state.transaction() as database:
            for host, ips in hosts:
                database.execute(
                    "DELETE FROM registrations WHERE key = ? AND fleet = ? AND host = ?", (self._key, self._fleet, host)
                )
                database.executemany(
                    "INSERT INTO registrations VALUES (?, ?, ?, ?)",
                    [(self._key, self._fleet, host, ip) for ip in sorted(ips)],
                )


@dataclass(frozen=True)
class FleetPlan:
    """What is to be asked of the whitelist for many hosts at once."""

    ips: tuple[str, ...]
    obsolete: tuple[str, ...]


def fleet_plan(
    state: str, wishes: Collection[HostWish], remembered: dict[str, set[str]], used_by_others: Collection[str]
) -> FleetPlan:
    """Registering adds the addresses of the hosts and drops their former ones; deregistering drops both.

    An address that another host still uses is never dropped.
    """
    current = {ip for wish in wishes for ip in wish.ips}
    former = {ip for wish in wishes for ip in remembered.get(wish.host, ())}
    if state == "absent":
        return FleetPlan((), tuple(sorted((current | former) - set(used_by_others))))
    return FleetPlan(tuple(sorted(current)), tuple(sorted(former - current - set(used_by_others))))

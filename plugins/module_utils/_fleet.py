# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 3: the memory of what was registered for each host, and what it means for a write for many hosts at once.

This file is private to the collection.

The memory stands on the control node, since only there is it known which other hosts use the same address.
Where it is lost, registering cuts nobody off: former addresses then stay on the whitelist. Deregistering a host then
takes along the address that it has, even if a host that is no longer remembered shares it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import numeric_order
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import Outcome


@dataclass(frozen=True)
class HostWish:
    """What one host wants: its addresses present, or absent, on the whitelist of one key.

    ``detected`` says that the host itself reported them, rather than the user.
    """

    host: str
    ips: tuple[str, ...]
    detected: bool = False


class Memory:
    """Which host of which fleet was registered with which addresses, for one key."""

    def __init__(self, state: State, key: str, fleet: str) -> None:
        self._state = state
        self._key = key
        self._fleet = fleet

    def of_host(self, host: str) -> set[str]:
        """The addresses of one host."""
        query = "SELECT ip FROM registrations WHERE key = ? AND fleet = ? AND host = ?"
        return {ip for (ip,) in self._state.rows(query, self._key, self._fleet, host)}

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

    def forget_all_but(self, whitelist: Collection[str]) -> None:
        """Forget, for all fleets, what does not stand on the whitelist: there is nothing of it left to be removed."""
        rows = self._state.rows("SELECT DISTINCT ip FROM registrations WHERE key = ?", self._key)
        gone = [(self._key, ip) for (ip,) in rows if ip not in whitelist]
        if gone:
            with self._state.transaction() as database:
                database.executemany("DELETE FROM registrations WHERE key = ? AND ip = ?", gone)


@dataclass(frozen=True)
class FleetPlan:
    """What is to be asked of the whitelist for many hosts at once.

    ``unconfirmed`` are those of the obsolete addresses that a host reported, and that are remembered for none of them.
    """

    ips: tuple[str, ...]
    obsolete: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()


def fleet_plan(
    state: str, wishes: Collection[HostWish], remembered: Mapping[str, set[str]], used_by_others: Collection[str]
) -> FleetPlan:
    """Registering adds the addresses of the hosts and drops their former ones; deregistering drops both.

    An address that another host still uses is never dropped.
    """
    current = {ip for wish in wishes for ip in wish.ips}
    former = {ip for wish in wishes for ip in remembered.get(wish.host, ())}
    if state == "absent":
        obsolete = (current | former) - set(used_by_others)
        named = {ip for wish in wishes if not wish.detected for ip in wish.ips}
        return FleetPlan((), tuple(sorted(obsolete)), tuple(sorted(obsolete - former - named)))
    return FleetPlan(tuple(sorted(current)), tuple(sorted(former - current - set(used_by_others))))


def host_verdict(ips: Collection[str], former: Collection[str], outcome: Outcome) -> dict[str, Any]:
    """One host's part of an outcome; ``unregistered`` and ``stale`` hold what is not as it should be.

    Where that is the host's own trouble, ``lacks`` is true, and ``msg`` and the like tell why.
    """
    own, wish = set(ips), outcome.wish
    wanted, unwanted = (set(), own.union(former)) if wish.state == "absent" else (own, set(former) - own)
    unwanted &= {*wish.replaces, *(wish.ips if wish.state == "absent" else ())}
    missing, stale = wanted - outcome.after, unwanted & outcome.after
    verdict: dict[str, Any] = {
        "changed": bool(wanted & set(outcome.added) or unwanted & set(outcome.removed)),
        "ips": list(ips),
        "registered": numeric_order(wanted & outcome.after),
        "unregistered": numeric_order(missing),
        "stale": numeric_order(stale),
    }
    # Former addresses also stay while another host's address is refused: that is no fault of this one.
    if missing or (stale and not outcome.refused):
        wrong = numeric_order(missing or stale)
        reason = next((outcome.refused[ip] for ip in wrong if ip in outcome.refused), outcome.error)
        if not set(outcome.first.withheld).isdisjoint(wrong):
            reason = _too_many(outcome)
        reason = reason or QgError("the whitelist does not show the change.")
        text = f"{', '.join(wrong)} could not be {'registered' if missing else 'removed'}: {reason.message}"
        verdict.update({**reason.as_result(), "msg": text, "lacks": True})
    return verdict


def _too_many(outcome: Outcome) -> QgError:
    """Why addresses that only hosts report stay on the whitelist."""
    return QgError(
        f"{len(outcome.first.withheld)} addresses on the whitelist are reported by hosts but are not remembered for "
        f"them, more than max_removals={outcome.wish.max_removals}. Check these hosts, then raise max_removals or give "
        "the addresses in ips."
    )

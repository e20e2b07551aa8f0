# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The memory of what was registered for each host, and what it means for a write for many hosts at once.

This file is private to the collection.

The memory stands on the control node, since only there is it known which other hosts use the same address.
Where it is lost, registering cuts nobody off: former addresses then stay on the whitelist. Deregistering a host then
takes along the address that it has, even if a host that is no longer remembered shares it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.addresses import numeric_order
from .._core.errors import QgError
from .._store.reported import LIST_LAG
from .._store.state import State
from .plan import Outcome


@dataclass(frozen=True)
class HostWish:
    """What one host wants: its addresses present, or absent, on the whitelist of one key.

    ``detected`` says that the host itself reported them, rather than the user.
    """

    host: str
    ips: tuple[str, ...]
    detected: bool = False


@dataclass(frozen=True)
class HostMemory:
    """What is to be remembered for a host after a write.

    It was ``registered`` with these addresses. It needs the ``former`` ones no longer, but they may still be on the
    whitelist. All others are forgotten. Of the registered ones, the host itself reported those ``found`` while they
    were on the whitelist already.
    """

    host: str
    registered: frozenset[str]
    former: frozenset[str] = frozenset()
    found: frozenset[str] = frozenset()


class Memory:
    """Which host of which fleet was registered with which addresses, for one key."""

    def __init__(self, state: State, key: str, fleet: str, now: Callable[[], float] = time.time) -> None:
        self._state = state
        self._key = key
        self._fleet = fleet
        self._now = now

    def is_registered(self, host: str, ips: Collection[str], *, given: bool = False) -> bool:
        """Whether a host was registered with just these addresses, and nothing of it is left to be removed.

        If the user has ``given`` them, none of them is known only from the host.
        """
        rows = self._state.rows(
            "SELECT ip, former, found FROM registrations WHERE key = ? AND fleet = ? AND host = ? "
            "AND (NOT former OR missing_since IS NULL)",
            self._key,
            self._fleet,
            host,
        )
        pending = any(former or (given and found) for _ip, former, found in rows)
        return not pending and {ip for ip, _former, _found in rows} == set(ips)

    def expects_addresses(self) -> bool:
        """Whether any host, of any fleet, was registered."""
        return bool(self._state.rows("SELECT 1 FROM registrations WHERE key = ? LIMIT 1", self._key))

    def recall(self, hosts: Collection[str]) -> tuple[dict[str, set[str]], set[str]]:
        """The addresses of each of these hosts, and all addresses that any other host, of any fleet, needs."""
        mine: dict[str, set[str]] = {host: set() for host in hosts}
        others: set[str] = set()
        query = "SELECT fleet, host, ip, former FROM registrations WHERE key = ?"
        for fleet, host, ip, former in self._state.rows(query, self._key):
            if fleet == self._fleet and host in mine:
                mine[host].add(ip)
            elif not former:
                others.add(ip)
        return mine, others

    def found(self) -> set[str]:
        """The addresses that only hosts, of any fleet, reported, and that were on the whitelist before.

        Neither did this control node add them, nor did the user give them.
        """
        query = "SELECT ip FROM registrations WHERE key = ? GROUP BY ip HAVING min(found)"
        return {ip for (ip,) in self._state.rows(query, self._key)}

    def anticipate(self, hosts: Iterable[tuple[str, Collection[str]]]) -> None:
        """Remember addresses that are about to be added for hosts, for the case that this process ends on the way."""
        with self._state.transaction() as database:
            database.executemany(
                "INSERT INTO registrations (key, fleet, host, ip) VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET former = 0, found = 0",
                [(self._key, self._fleet, host, ip) for host, ips in hosts for ip in sorted(ips)],
            )
            self._confirm(database)

    def note(self, hosts: Iterable[HostMemory]) -> None:
        """Remember this, and nothing else, for these hosts.

        An address that was added or given once is not found later, whichever hosts have it then.
        """
        with self._state.transaction() as database:
            query = "SELECT DISTINCT ip FROM registrations WHERE key = ? AND NOT found"
            confirmed = {ip for (ip,) in database.execute(query, (self._key,))}
            unknown = (None, False)
            for own in hosts:
                named = (self._key, self._fleet, own.host)
                known = {
                    ip: (missing_since, found)
                    for ip, missing_since, found in database.execute(
                        "SELECT ip, missing_since, found FROM registrations WHERE key = ? AND fleet = ? AND host = ?",
                        named,
                    )
                }
                found = own.found.difference(confirmed)
                database.execute("DELETE FROM registrations WHERE key = ? AND fleet = ? AND host = ?", named)
                database.executemany(
                    "INSERT INTO registrations (key, fleet, host, ip, former, missing_since, found) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(*named, ip, False, known.get(ip, unknown)[0], ip in found) for ip in sorted(own.registered)]
                    + [(*named, ip, True, *known.get(ip, unknown)) for ip in sorted(own.former - own.registered)],
                )
            self._confirm(database)

    def _confirm(self, database: sqlite3.Connection) -> None:
        """What was added or given for one host is so for all that have it."""
        database.execute(
            "UPDATE registrations SET found = 0 WHERE key = ? AND found "
            "AND ip IN (SELECT ip FROM registrations WHERE key = ? AND NOT found)",
            (self._key, self._key),
        )

    def forget_missing(self, whitelist: Collection[str]) -> None:
        """Forget, for all fleets, what the whitelist lacks now and lacked when it was read LIST_LAG seconds ago.

        Never on one reading alone: it may be wrong, and what is forgotten is never removed. ``whitelist`` must be that
        of a response that held one.
        """
        now = self._now()
        rows = self._state.rows("SELECT DISTINCT ip, missing_since FROM registrations WHERE key = ?", self._key)
        back = [(None, self._key, ip) for ip, since in rows if since is not None and ip in whitelist]
        # A time in the future is left from before the clock was set back.
        first = [
            (now, self._key, ip, now) for ip, since in rows if ip not in whitelist and (since is None or since > now)
        ]
        gone = [
            (self._key, ip, now - LIST_LAG)
            for ip, since in rows
            if ip not in whitelist and since is not None and since <= now - LIST_LAG
        ]
        if not (back or first or gone):
            return
        with self._state.transaction() as database:
            database.executemany("UPDATE registrations SET missing_since = ? WHERE key = ? AND ip = ?", back)
            database.executemany(
                "UPDATE registrations SET missing_since = ? WHERE key = ? AND ip = ? "
                "AND (missing_since IS NULL OR missing_since > ?)",
                first,
            )
            database.executemany("DELETE FROM registrations WHERE key = ? AND ip = ? AND missing_since <= ?", gone)


@dataclass(frozen=True)
class FleetPlan:
    """What is to be asked of the whitelist for many hosts at once.

    ``unconfirmed`` are those of the obsolete addresses that only hosts report: they are remembered for none of the
    hosts, or were on the whitelist already when a host reported them first.
    """

    ips: tuple[str, ...]
    obsolete: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()


def fleet_plan(
    state: str,
    wishes: Collection[HostWish],
    remembered: Mapping[str, set[str]],
    used_by_others: Collection[str],
    found: Collection[str] = (),
) -> FleetPlan:
    """Registering adds the addresses of the hosts and drops their former ones; deregistering drops both.

    An address that another host still uses is never dropped. Of what is remembered, those ``found`` on the whitelist
    when a host reported them are known only from that host.
    """
    current = {ip for wish in wishes for ip in wish.ips}
    former = {ip for wish in wishes for ip in remembered.get(wish.host, ())}
    if state == "absent":
        obsolete = (current | former) - set(used_by_others)
        named = {ip for wish in wishes if not wish.detected for ip in wish.ips}
        unconfirmed = obsolete - former.difference(found) - named
        return FleetPlan((), tuple(sorted(obsolete)), tuple(sorted(unconfirmed)))
    obsolete = former - current - set(used_by_others)
    return FleetPlan(tuple(sorted(current)), tuple(sorted(obsolete)), tuple(sorted(obsolete.intersection(found))))


def host_verdict(ips: Collection[str], former: Collection[str], outcome: Outcome) -> dict[str, Any]:
    """One host's part of an outcome; ``unregistered`` and ``obsolete`` hold what is not as it should be.

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
        "obsolete": numeric_order(stale),
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
        f"{len(outcome.first.withheld)} addresses on the whitelist are reported by hosts but were not added for "
        f"them, more than max_removals={outcome.wish.max_removals}. Check these hosts, then raise max_removals or give "
        "the addresses in ips."
    )


def host_memory(
    host: str, ips: Collection[str], remembered: Collection[str], outcome: Outcome, *, detected: bool = False
) -> HostMemory:
    """What is to be remembered for a host after a write: all that is, or may be, on the whitelist because of it.

    A former address is forgotten only if another host needs it, or if the vendor was asked to remove it and the
    whitelist, which was then read, lacks it. What could not be removed counts only if it was remembered before, and not
    because the host reported it. What the host ``detected`` is found if it was on the whitelist before.
    """
    wish, reading = outcome.wish, outcome.reading
    wanted = frozenset() if wish.state == "absent" else frozenset(ips)
    unwanted = set(remembered) - wanted
    unwanted &= {*wish.replaces, *(wish.ips if wish.state == "absent" else ())}
    known = outcome.confirmed and reading is not None and reading.complete
    return HostMemory(
        host,
        wanted,
        frozenset(unwanted - set(outcome.removed if known else ())),
        found=wanted & outcome.before if detected else frozenset(),
    )

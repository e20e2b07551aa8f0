# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which exits work for hosts that other runs refresh, and for pools of the key with other terms,
and when these hosts have last had a request.

Otherwise the run of a host that no exit lets through would replace exits that serve others, and a
pool would sleep in one run while it serves in another one. Each run records what it has seen of its
hosts in rows of its own, so that none has to wait for another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._store.installations import Installations
from .exits import merge
from .lease_sets import LeaseSet, Need
from .policy import Exit

#: Other runs rely on what a run has seen for so many of its intervals.
SEEN_FOR = 3
#: A host on which an exit is down for fewer seconds waits until those others have looked again.
SEEN_AGAIN_WITHIN = 120.0


@dataclass(frozen=True)
class Seen:
    """What is known of exits, by their servers: of all hosts, and which ones pools with other terms
    use.

    ``unused`` are the seconds since a pool of the set that may sleep has had a request, and None if
    they are unknown.
    """

    exits: Mapping[str, Exit]
    working_elsewhere: frozenset[str]
    unused: float | None


@dataclass(frozen=True)
class Sighting:
    """What a run has seen: the servers that work for the installations ``here`` of a set of leases.

    ``at`` is the state time of the run, and ``until`` that until which others rely on it. The pools
    that may sleep had their last request at ``used_at``; it is None without such a pool.
    """

    name: str
    here: frozenset[str]
    works: frozenset[str]
    at: float
    until: float
    used_at: float | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sighting:
        """Return the sighting with the values of :meth:`as_json`."""
        return cls(
            data["set"],
            frozenset(data["here"]),
            frozenset(data["works"]),
            float(data["at"]),
            float(data["until"]),
            data["used_at"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return the sighting as values of JSON."""
        return {
            "set": self.name,
            "here": sorted(self.here),
            "works": sorted(self.works),
            "at": self.at,
            "until": self.until,
            "used_at": self.used_at,
        }

    def vouched(self, reported: Mapping[str, Exit], now: float) -> set[str]:
        """Return the servers that may still work, although they are down for the hosts of another
        run.
        """
        vouched = set()
        for server in self.works:
            here = reported.get(server)
            down_for = here.down_for if here else 0.0
            if down_for < SEEN_AGAIN_WITHIN or now - down_for < self.at:
                vouched.add(server)
        return vouched


@dataclass(frozen=True)
class Sightings:
    """The sightings of the exits of a key, whose rows begin with ``prefix``."""

    installations: Installations
    prefix: str

    def seen(self, lease_set: LeaseSet, name: str) -> Seen:
        """Return what the hosts of a set report, and what works for others; ``name`` is that of the
        set in the store.
        """
        reported = _reported(lease_set.needs)
        reports = [reported]
        elsewhere = _working(_reported(lease_set.neighbors))
        unused = lease_set.unused
        now = self.installations.store.now()
        # What this run knows of its own hosts is newer.
        here = lease_set.installations
        for sighting in self.installations.set_states(f"{self.prefix} ", Sighting.from_json):
            if sighting.until <= now or here.issuperset(sighting.here):
                continue
            vouched = sighting.vouched(reported, now)
            if sighting.name == name:
                reports.append(_as_exits(vouched))
                if unused is not None and sighting.used_at is not None:
                    unused = max(0.0, min(unused, now - sighting.used_at))
            else:
                elsewhere.update(vouched)
        exits = merge([*reports, _as_exits(elsewhere)])
        return Seen(exits, frozenset(elsewhere), unused)

    def record(self, lease_set: LeaseSet, name: str) -> None:
        """Record which exits work for the hosts of a set, and when they had their last request."""
        exits = _reported(lease_set.needs)
        may_sleep = any(need.pool.idle for need in lease_set.needs)
        if not exits and not may_sleep:
            return
        store = self.installations.store
        now = store.now()
        sighting = Sighting(
            name,
            here=lease_set.installations,
            works=frozenset(_working(exits)),
            at=now,
            until=now + SEEN_FOR * lease_set.interval,
            # A host that does not say it may have had one just now.
            used_at=now - (lease_set.unused or 0.0) if may_sleep else None,
        )
        row = store.digest("hosts of a set", name, *sorted(sighting.here))
        self.installations.save_set_state(f"{self.prefix} {row}", sighting.as_json())


def _reported(needs: Iterable[Need]) -> dict[str, Exit]:
    """Return what hosts report of their exits."""
    silent = []
    answering = []
    for need in needs:
        if need.has_answer:
            answering.append(need.exits)
        else:
            silent.append(need.exits)
    # A host whose HAProxy does not answer must not hide what others know.
    return merge(silent) | merge(answering)


def _working(exits: Mapping[str, Exit]) -> set[str]:
    return {server for server, each in exits.items() if each.works}


def _as_exits(working: Iterable[str]) -> dict[str, Exit]:
    return {server: Exit(server, works=True) for server in working}

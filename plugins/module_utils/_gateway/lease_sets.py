# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pools of the hosts of a run share their leases: those of one key with the same terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .declaration import Pool
from .policy import Exit


@dataclass(frozen=True)
class Need:
    """What a host needs for one of its pools.

    ``login`` is the digest of the key. ``installation`` is the identifier of the gateway or list,
    since two gateways of a host may have pools of one name. It is refreshed every ``interval``
    seconds. ``unused`` are the seconds since the pool has had a request, and None if they are
    unknown. Without ``has_answer``, HAProxy of the host does not answer, and knows of no exit. With
    ``is_reconfigured``, what made exits fail may have been corrected, and if it
    ``forgets_reports``, what made clients report them.
    """

    host: str
    kind: str
    installation: str
    pool: Pool
    login: str
    interval: int
    exits: Mapping[str, Exit]
    has_answer: bool
    unused: float | None = None
    is_reconfigured: bool = False
    forgets_reports: bool = False


@dataclass
class LeaseSet:
    """The pools of several hosts that are served by the same leases.

    ``neighbors`` are the pools of the run that have the key, but other terms.
    """

    needs: list[Need] = field(default_factory=list)
    neighbors: list[Need] = field(default_factory=list)

    @property
    def pool(self) -> Pool:
        """The pool that has the options which all of them share."""
        return self.needs[0].pool

    @property
    def count(self) -> int:
        """The number of leases that is enough for each of the pools."""
        return max(need.pool.count for need in self.needs)

    @property
    def unused(self) -> float | None:
        """The seconds since a pool that may sleep has had a request; None without such a pool, or
        if they are unknown for one.
        """
        unused = [need.unused for need in self.needs if need.pool.idle]
        known = [seconds for seconds in unused if seconds is not None]
        return min(known, default=None) if len(known) == len(unused) else None

    def count_after(self, unused: float | None) -> int:
        """Return the number of leases that is enough for each of the pools that do not sleep, so
        many seconds after the last request; 0 if all sleep.
        """
        counts = [need.pool.count for need in self.needs if not need.pool.sleeps_after(unused)]
        return max(counts, default=0)

    @property
    def slot_count(self) -> int:
        """The number of slots that is enough for each of the pools; 0 without slots."""
        return max(need.pool.count if need.pool.has_slots else 0 for need in self.needs)

    @property
    def drain(self) -> int:
        """The remaining seconds that are enough for each of the pools."""
        return max(need.pool.drain for need in self.needs)

    @property
    def interval(self) -> int:
        """The seconds between two refreshes at most."""
        return max(need.interval for need in self.needs)

    @property
    def installations(self) -> frozenset[str]:
        """The identifiers of what this run serves with the key."""
        return frozenset(need.installation for need in (*self.needs, *self.neighbors))


def lease_sets(needs: Iterable[Need]) -> list[LeaseSet]:
    """Return the sets of leases that serve these pools, in the order in which they occur."""
    sets: dict[tuple[Any, ...], LeaseSet] = {}
    for need in needs:
        shared = (need.login, need.pool.product, need.pool.terms)
        sets.setdefault(shared, LeaseSet()).needs.append(need)
    for lease_set in sets.values():
        for other in sets.values():
            if other is not lease_set and other.needs[0].login == lease_set.needs[0].login:
                lease_set.neighbors += other.needs
    return list(sets.values())

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the state keeps of leases beside the journal: their origins and lifetimes, and a list that was read lately.

The vendor's list (vendor doc 175) names the task of a lease, but neither the area nor the provider that it was
requested with.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._store.facts import DAY, LEASE_LIST, LEASE_ORIGIN, LIFETIME, Facts
from .plan import Origin

#: The task of a lease, and the vendor's fields of it.
LeaseRow = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class LeaseFacts:
    """The stored facts about the leases of one key."""

    facts: Facts

    def origins(self) -> dict[str, Origin]:
        """Return the origin of each task that this control node requested."""
        decoded = self.facts.store.decoded
        rows = {task: decoded(text) for task, (text, _at) in self.facts.objects(LEASE_ORIGIN).items()}
        return {task: Origin(tuple(areas), isp) for task, (areas, isp) in rows.items()}

    def save_origin(self, tasks: Collection[str], origin: Origin) -> None:
        """Store the origin of new tasks."""
        if tasks:
            text = json.dumps([[*origin.areas], origin.isp])
            self.facts.save(LEASE_ORIGIN, text, tasks)

    def touch(self, tasks: Collection[str]) -> None:
        """Keep the origins of these tasks for another day, as their leases are still held."""
        self.facts.touch(LEASE_ORIGIN, tasks)

    def lifetime(self, keep_alive: int | None) -> float | None:
        """Return the seconds that the last lease with this keep_alive had left when it was new."""
        known = self.facts.get(LIFETIME, str(keep_alive or 0))
        return None if known is None else float(known)

    def save_lifetime(self, keep_alive: int | None, seconds: float, *, is_certain: bool) -> None:
        """Store the seconds that a new lease has left; only for a day unless the clock ``is_certain``."""
        self.facts.save(LIFETIME, repr(seconds), (str(keep_alive or 0),), kept_for=None if is_certain else DAY)

    def cached_leases(self, max_age: float) -> tuple[float, list[LeaseRow]] | None:
        """Return the time of the last read and the list, if it is at most ``max_age`` seconds old; otherwise None."""
        text, at = self.facts.objects(LEASE_LIST).get("", ("", 0.0))
        if not text or at < self.facts.store.now() - max_age:
            return None
        return at, [(str(task), item) for task, item in self.facts.store.decoded(text)]

    def cache_leases(self, leases: Iterable[LeaseRow], began: float) -> None:
        """Cache the list of leases, unless a call may have changed it since the reading ``began``."""
        self.facts.save_unless_emptied(LEASE_LIST, json.dumps([[task, dict(item)] for task, item in leases]), began)

    def invalidate(self) -> None:
        """Discard the cached list, and lists that are being read, because a call may have changed the leases."""
        self.facts.save(LEASE_LIST, "")

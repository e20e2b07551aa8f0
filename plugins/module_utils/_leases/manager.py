# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a key, and the calls that change them without paying twice.

This file is private to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from .._api.classic.models import AllocationParams, Lease
from .allocate import allocate
from .backend import LeaseBackend, LeasePolicy
from .release import release
from .replace import replace
from .unresolved import EarlierCalls
from .view import LeaseView


class LeaseManager(LeaseView):
    """Reads the leases of a key and changes them. Use it under :meth:`LeaseBackend.key_lock`."""

    def __init__(
        self, api: LeaseBackend, now: Callable[[], float] = time.time, policy: LeasePolicy | None = None
    ) -> None:
        super().__init__(api, now, policy)
        self._earlier = EarlierCalls(self)

    def load_initial(self, *, wait: bool = True) -> None:
        """Read what is held before anything is changed, with ``wait`` once earlier runs have nothing under way."""
        self.refresh()
        self.before = tuple(self.held.values())
        self._earlier.resolve(wait=wait)
        self.store.touch({lease.task_id for lease in self.held.values()})

    def allocate(self, number: int, params: AllocationParams, successor_of: Collection[str] = ()) -> None:
        """Allocate N more leases. What was allocated is in ``new``, also if this raises."""
        allocate(self, number, params, successor_of)

    def release(self, leases: Collection[Lease]) -> None:
        """Release leases, and read the list until it shows that they are gone."""
        release(self, leases)

    def replace(self, count: int, number: int | None, params: AllocationParams) -> None:
        """Let the vendor replace ``count`` leases of its choice; ``number`` is what the user asked for."""
        replace(self, self._earlier, count, number, params)

    def record_replacement(self, named: Sequence[Lease], params: AllocationParams) -> None:
        """Record which leases are about to be replaced by release and allocation."""
        self._earlier.record_replacement(named, params)

    def interrupted_replacements(
        self, chosen: Callable[[Lease], bool], params: AllocationParams
    ) -> tuple[int, frozenset[str]]:
        """How many successors interrupted replacements of such leases lack, and the names of those that are held."""
        return self._earlier.interrupted_replacements(chosen, params)

    def finish(self) -> None:
        """Record that the replacement of this run is complete."""
        self._earlier.finish()

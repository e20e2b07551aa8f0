# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Allocation of leases for the explorer: the run of a process, and what the vendor may answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, Lease, Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import LeasePolicy
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.classic import FEATURES
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_leases import HeldLeases
from explorer.engine import Outcome
from explorer.memory import MemoryApi, Process
from explorer.paid import WANTED

CHANNELS = 9
POLICY = LeasePolicy(backoff=lambda _attempt: 1.0)
#: No lease ends.
DEADLINE = "2030-01-01 00:00:00"


def lease(number: int) -> Lease:
    """Return the lease with this number in the vendor's books."""
    item = {"IP": f"192.0.2.{number}", "port": str(20000 + number), "host": f"198.51.100.8:{20000 + number}"}
    return Lease.from_item({**item, "deadline": DEADLINE}, f"T{number}")


LEASES_BY_NUMBER = {number: lease(number) for number in range(1, 50)}


class Backend(MemoryApi):
    """The API of a process."""

    features, named_areas, has_quota = FEATURES, (), True

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.client = self
        self.held = HeldLeases(self, self._list, varying=False)  # type: ignore[arg-type]

    def _list(self, tasks: Sequence[str]) -> list[Lease]:
        return [LEASES_BY_NUMBER[number] for number in self._process.ask("list")]

    def allocate(self, number: int, params: AllocationParams, *, sending: Any) -> list[Lease]:
        with sending():
            named = self._process.ask("allocate", (number, self._process.inserted[-1]))
            return [LEASES_BY_NUMBER[one] for one in named]

    def lease_quota(self) -> Quota | None:
        used = self._process.ask("quota")
        return None if used is None else Quota(CHANNELS, CHANNELS - used, used, {})

    def released_recently(self) -> bool:
        return False


def ensure(process: Process) -> Outcome:
    """Ensure so many leases."""
    api: Any = Backend(process)
    error, new = None, frozenset[str]()
    try:
        found = ensure_leases(api, DesiredLeases(WANTED), policy=POLICY)
        error, new = found.error, frozenset(one.name for one in found.allocated)
    except QgError as raised:
        error = raised
    return Outcome(error, new, api.caller.budget.waited)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applications for exclusive occupancy for the explorer: the run of a process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopoly
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import DesiredMonopolies
from explorer.engine import Outcome
from explorer.memory import MemoryApi, Process
from explorer.paid import WANTED

CHANNELS = 9


class Client(MemoryApi):
    """The API of a process. No response names a resource."""

    def monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        items = ({"uuid": f"U{number}", "state": "online"} for number in self._process.ask("list"))
        return [Monopoly.from_item(item) for item in items]

    def apply_for_monopolies(self, number: int, *, sending: Any, **_terms: Any) -> None:
        with sending():
            self._process.ask("apply", (number, self._process.inserted[-1]))

    def quota_or_none(self, *_refusals: int) -> Quota | None:
        used = self._process.ask("quota")
        return None if used is None else Quota(CHANNELS, CHANNELS - used, used, {})


def hold(process: Process) -> Outcome:
    """Ensure so many resources, without waiting until they are online."""
    api: Any = Client(process)
    error, new = None, frozenset[str]()
    try:
        found = ensure_held(api, DesiredMonopolies(WANTED), wait=False)
        error, new = found.error, frozenset(found.applied)
    except QgError as raised:
        error = raised
    return Outcome(error, new, api.caller.budget.waited)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventories that runs with ``prune`` have compared with the registrations; facts of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._store.facts import INVENTORY, Facts

if TYPE_CHECKING:
    from .._store.interface import Store


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
    """The checks of a run, for all keys and inventories."""

    store: Store
    run: str

    def load(self, key: str, inventory: str) -> InventoryCheck | None:
        """Return the recorded check; None if the run has not compared the inventory."""
        text = self._facts(key, inventory).get(INVENTORY)
        found = None if text is None else self.store.decoded(text)
        return found and InventoryCheck(key, inventory, frozenset(found["expected"]), found["gone"])

    def all(self) -> list[InventoryCheck]:
        """Return all checks."""
        keys = [self.store.decoded(key) for key in Facts.keys(self.store, INVENTORY)]
        checks = [self.load(key, inventory) for run, key, inventory in keys if run == self.run]
        return [check for check in checks if check is not None]

    def record(self, check: InventoryCheck) -> None:
        """Record a check in place of an earlier one."""
        content = {"expected": sorted(check.expected), "gone": check.gone}
        self._facts(check.key, check.inventory).save(INVENTORY, json.dumps(content))

    def _facts(self, key: str, inventory: str) -> Facts:
        return Facts(self.store, json.dumps([self.run, key, inventory]))

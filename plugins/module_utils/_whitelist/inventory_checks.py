# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventories that runs with ``prune`` have compared with the registrations; facts of a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
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
    """The check of one inventory by the hosts of a run, for one key."""

    store: Store
    run: str
    key: str
    inventory: str

    @property
    def _facts(self) -> Facts:
        return Facts(self.store, json.dumps([self.run, self.key, self.inventory]))

    def has_all(self) -> bool:
        """Whether a host of the run has recorded that the inventory contains all registered hosts."""
        check = self.load()
        return check is not None and not check.gone

    def load(self) -> InventoryCheck | None:
        """Return the recorded check; None if the run has not compared the inventory."""
        text = self._facts.get(INVENTORY)
        if text is None:
            return None
        found = self.store.decoded(text)
        return InventoryCheck(self.key, self.inventory, frozenset(found["expected"]), found["gone"])

    def record(self, expected: Collection[str], gone: Mapping[str, Sequence[str]]) -> None:
        """Record a check. Hosts that were expected before stay expected."""
        known = self.load()
        everyone = known.expected.union(expected) if known else frozenset(expected)
        if not (known and known.expected == everyone and known.gone == gone):
            self._facts.save(INVENTORY, json.dumps({"expected": sorted(everyone), "gone": gone}))


def checks_of_run(store: Store, run: str) -> list[InventoryCheck]:
    """Return the checks of all inventories that a run has compared."""
    keys = [store.decoded(key) for key in Facts.keys(store, INVENTORY)]
    checks = [InventoryChecks(store, *key).load() for key in keys if key[0] == run]
    return [check for check in checks if check is not None]

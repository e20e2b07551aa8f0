# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about a key, or about one of its objects: what QG.net's responses have shown, and what
was requested.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .store import Store

T = TypeVar("T")

DAY = 86400.0
#: The product that a key was bought for.
PRODUCT = "product"
#: The codes and names of the areas that QG.net lists (JSON).
AREAS = "areas"
#: The number of channels of the plan, on which rate limits depend.
CHANNELS = "channels"
#: The list of leases that a lookup has read (JSON), which the journal corrects.
LEASE_LIST = "lease_list"
#: What an interrupted replacement began with (JSON), by its request.
REPLACEMENT = "replacement"
#: The balance of a plan by volume (JSON), from which on its fall is compared with what was bought.
BALANCE = "balance"

#: Seconds for which a fact is used unless a response contradicts it. A key never changes its
#: product, but QG.net may reuse a key. A user who renews a plan expects that the next run
#: works.
TTL = {
    PRODUCT: 30 * DAY,
    AREAS: 3600.0,
    CHANNELS: math.inf,
    LEASE_LIST: DAY,
    REPLACEMENT: 600.0,
    BALANCE: 2 * DAY,
}

_SAVE = (
    "INSERT INTO facts (key, name, object, value, at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (key, name, object) DO UPDATE SET value = excluded.value, at = excluded.at"
)


@dataclass(frozen=True)
class Facts:
    """The facts about one key."""

    store: Store
    key: str

    def get(self, name: str, about: str = "") -> str | None:
        """Return a fact; None if it is not known, or too old."""
        query = "SELECT value FROM facts WHERE key = ? AND name = ? AND object = ? AND at > ?"
        rows = self.store.rows(query, self.key, name, about, self.store.now() - TTL[name])
        return next((str(value) for (value,) in rows), None)

    def read(self, name: str, parse: Callable[[str], T], about: str = "") -> T | None:
        """Return what ``parse`` makes of a fact; None if it is not known, or too old.

        Raises StateError if it cannot be parsed, since somebody has damaged it.
        """
        text = self.get(name, about)
        if text is None:
            return None
        then = "the next run asks QG.net again"
        if name == REPLACEMENT:
            then = "an interrupted replacement is then begun anew"
        with self.store.reading("facts", name, then, column="name"):
            return parse(text)

    def save(self, name: str, value: str, about: str = "") -> None:
        """Store a fact; delete those of this name that are too old, of any key."""
        with self.store.transaction() as database:
            now = self.store.now()
            database.execute("DELETE FROM facts WHERE name = ? AND at < ?", (name, now - TTL[name]))
            database.execute(_SAVE, (self.key, name, about, value, now))

    def forget(self, name: str, about: str = "") -> None:
        """Delete a fact."""
        self.store.execute(
            "DELETE FROM facts WHERE key = ? AND name = ? AND object = ?", self.key, name, about
        )

    def forget_all(self, name: str) -> None:
        """Delete all facts of a name."""
        self.store.execute("DELETE FROM facts WHERE key = ? AND name = ?", self.key, name)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about a key that the vendor's responses have shown, such as its product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .sql import upsert

if TYPE_CHECKING:
    from .interface import Store

#: The product that a key was bought for.
PRODUCT = "product"
#: The key was refused by the APIs of all products; the value is the failure (JSON).
REFUSED = "refused"
#: The vendor refused an address because the whitelist is full; the value is the vendor's code.
FULL = "whitelist_full"
#: The codes and names of the areas that the vendor lists (JSON).
AREAS = "areas"
#: The last purchase that a cap did not allow (JSON).
CAP = "cap"
#: Seconds for which a fact is used unless a response contradicts it. A key never changes its product, but the vendor
#: may reuse a key. A user who renews a plan expects that the next run works.
TTL = {PRODUCT: 30 * 86400.0, REFUSED: 60.0, FULL: 86400.0, AREAS: 3600.0, CAP: 86400.0}

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT, name TEXT, value TEXT, at REAL, PRIMARY KEY (key, name));
"""


@dataclass(frozen=True)
class Facts:
    """The facts about one key."""

    store: Store
    key: str

    def get(self, name: str) -> str | None:
        """Return a fact; None if it is not known, or too old."""
        query = "SELECT value FROM facts WHERE key = ? AND name = ? AND at > ?"
        rows = self.store.rows(query, self.key, name, self.store.now() - TTL[name])
        return str(rows[0][0]) if rows else None

    def save(self, name: str, value: str) -> None:
        """Store a fact, and delete those of this name that are too old, of any key."""
        with self.store.transaction() as database:
            now = self.store.now()
            database.execute("DELETE FROM facts WHERE name = ? AND at < ?", (name, now - TTL[name]))
            database.execute(upsert("facts", ("key", "name"), ("value", "at")), (self.key, name, value, now))

    def forget(self, name: str) -> None:
        """Delete a fact; writes nothing if it is not known."""
        if self.get(name) is not None:
            self.store.execute("DELETE FROM facts WHERE key = ? AND name = ?", self.key, name)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters with which the exclusive-occupancy resources of a key were applied for.

The vendor's list names the area of a resource, but not its code.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .sql import upsert

if TYPE_CHECKING:
    from .interface import Store

#: Seconds for which the parameters of an application are kept after a list has shown the resource for the last time.
ORIGIN_TTL = 90 * 86400.0

#: A row per resource: the area code and the provider of its application, and when a list last showed it (state time).
SCHEMA = """
CREATE TABLE IF NOT EXISTS monopolies (
  key TEXT, uuid TEXT, area_code TEXT, isp TEXT, at REAL, PRIMARY KEY (key, uuid));
"""


@dataclass
class MonopolyStore:
    """The applications for the resources of one key, as far as this control node sent them."""

    state: Store
    key: str

    def origins(self) -> dict[str, tuple[str | None, str | None]]:
        """Return the parameters of the application for each resource."""
        rows = self.state.rows("SELECT uuid, area_code, isp FROM monopolies WHERE key = ?", self.key)
        return {uuid: (area_code, isp) for uuid, area_code, isp in rows}

    def save_origin(
        self, uuids: Collection[str], area_code: str | None, isp: str | None, *, listed: Collection[str]
    ) -> None:
        """Store the parameters of the application for these resources, and delete expired ones.

        The retention of all ``listed`` resources starts anew.
        """
        now = self.state.now()
        with self.state.transaction() as database:
            database.executemany(
                upsert("monopolies", ("key", "uuid"), ("area_code", "isp", "at")),
                [(self.key, uuid, area_code, isp, now) for uuid in uuids],
            )
            database.executemany(
                "UPDATE monopolies SET at = ? WHERE key = ? AND uuid = ?", [(now, self.key, uuid) for uuid in listed]
            )
            # A single list proves nothing: it may lack resources that it should contain.
            database.execute("DELETE FROM monopolies WHERE key = ? AND at < ?", (self.key, now - ORIGIN_TTL))

    def forget(self, uuids: Collection[str]) -> None:
        """Discard resources that were released."""
        with self.state.transaction() as database:
            database.executemany(
                "DELETE FROM monopolies WHERE key = ? AND uuid = ?", [(self.key, uuid) for uuid in uuids]
            )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that the vendor has confirmed in a response, kept for as long as the vendor's lists may lag.

The vendor does not document whether its lists lag, but other clients wait for them. A confirmed change therefore counts
in addition to the list, in all processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interface import Store

#: The maximum seconds by which a list of the vendor may lag behind a response or a change.
LIST_LAG = 60.0

#: The kinds of resources.
LEASES, MONOPOLIES, WHITELIST = "leases", "monopolies", "whitelist"

#: A row per reported resource of a key: from ``at`` on (state time), it is held if ``present``, otherwise released.
#: ``item`` (JSON) is its data in the response. ``reversed`` is 1 if the opposite was reported shortly before.
SCHEMA = """
CREATE TABLE IF NOT EXISTS reported (
  key TEXT, resource TEXT, name TEXT, present INTEGER, item TEXT, at REAL, reversed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (key, resource, name));
"""


@dataclass(frozen=True)
class ReportedResource:
    """A resource that is held since ``at`` (state time), with its data in the response."""

    item: Any
    at: float


@dataclass(frozen=True)
class ListDifferences:
    """The differences between a list and the reported changes.

    ``missing`` resources were reported as held, but are not on the list. ``gone`` are the names of listed resources
    that were reported as released.
    """

    missing: Mapping[str, ReportedResource]
    gone: frozenset[str]


@dataclass
class ReportedChanges:
    """The reported changes of one kind of resource of one key."""

    state: Store
    key: str
    resource: str

    def record(self, present: Mapping[str, Any] | None = None, gone: Collection[str] = ()) -> None:
        """Record the changes in a response: resources that are held now, with their items, and released ones."""
        rows = [(name, 1, json.dumps(item)) for name, item in (present or {}).items()]
        rows += [(name, 0, "null") for name in gone]
        with self.state.transaction() as database:
            # Read in the transaction: another process may have written while this one waited for it.
            now = self.state.now()
            database.execute("DELETE FROM reported WHERE at < ?", (now - LIST_LAG,))
            database.executemany(
                "INSERT INTO reported (name, present, item, key, resource, at) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (key, resource, name) DO UPDATE SET reversed = CASE "
                "WHEN reported.present = excluded.present THEN reported.reversed ELSE 1 END, "
                "present = excluded.present, item = excluded.item, at = excluded.at",
                [(*row, self.key, self.resource, now) for row in rows],
            )

    def forget(self, names: Collection[str]) -> None:
        """Delete the reports of these resources, so that only the list counts for them."""
        with self.state.transaction() as database:
            database.executemany(
                "DELETE FROM reported WHERE key = ? AND resource = ? AND name = ?",
                [(self.key, self.resource, name) for name in names],
            )

    def gone(self) -> frozenset[str]:
        """Return the names that were reported as released, whatever a list shows; for names that are never reused."""
        return frozenset(name for name, present, *_rest in self._recent() if not present)

    def differences_from(
        self,
        listed: Collection[str],
        concerns: Callable[[str], bool] = lambda _name: True,
        *,
        complete: bool = True,
    ) -> ListDifferences:
        """Compare a list with the reported changes, and delete those changes that the list shows.

        If the list is partial, ``concerns`` selects its names. Unless it is ``complete``, no change is deleted. Two
        kinds of changes are never deleted: one that reversed an earlier one, since a list that lags may go through the
        state between them, and a release, since a single list without the name may be wrong.
        """
        rows = [row for row in self._recent() if concerns(row[0])]
        if not rows:
            return ListDifferences({}, frozenset())
        shown = set(listed)
        caught_up = [
            (self.key, self.resource, name, present, at)
            for name, present, _item, reversed_, at in rows
            if complete and not reversed_ and present and name in shown
        ]
        if caught_up:
            with self.state.transaction() as database:
                # Another process may have recorded a new report of the same resource since.
                database.executemany(
                    "DELETE FROM reported WHERE key = ? AND resource = ? AND name = ? AND present = ? AND at = ?",
                    caught_up,
                )
        return ListDifferences(
            {
                name: ReportedResource(self.state.decoded(item), at)
                for name, present, item, _reversed, at in rows
                if present and name not in shown
            },
            frozenset(name for name, present, *_rest in rows if not present and name in shown),
        )

    def _recent(self) -> list[tuple[Any, ...]]:
        """Return the reports that still count: rows of name, present, item, reversed and at."""
        query = "SELECT name, present, item, reversed, at FROM reported WHERE key = ? AND resource = ? AND at > ?"
        return self.state.rows(query, self.key, self.resource, self.state.now() - LIST_LAG)

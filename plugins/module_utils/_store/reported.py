# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes that the vendor reported to this control node, for as long as the vendor's lists may lag behind them.

The vendor does not document whether its lists lag, and other clients wait for them. A reported change therefore counts
in addition to the list, whichever process received it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interface import Store

#: Seconds for which a list of the vendor may lag behind what the vendor has reported or done.
LIST_LAG = 60.0

#: The kinds of resources.
LEASES, MONOPOLIES, WHITELIST = "leases", "monopolies", "whitelist"

#: A row per reported resource of a key: ``present`` says whether it is held since ``at`` (state time) or released;
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
    """The differences of a list from reported changes: ``missing`` resources, and the names of ``gone`` ones."""

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
        """Return the names that were reported as released, for names that are never reused: no list has to agree."""
        return frozenset(name for name, present, *_rest in self._recent() if not present)

    def correct(
        self,
        listed: Collection[str],
        concerns: Callable[[str], bool] = lambda _name: True,
        *,
        complete: bool = True,
    ) -> ListDifferences:
        """Compare a list with the reported changes. A change that the list shows is deleted.

        ``concerns`` selects names if the list is a partial one. A list that is not ``complete`` deletes no changes.
        A change that reversed an earlier one is not deleted, since the list may still show the state before both, and
        then the state between them. Nor is a release deleted because one list lacks the name, since it may be wrong.
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

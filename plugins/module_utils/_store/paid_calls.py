# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The paid calls whose result is unknown, recorded before they are sent.

A process may end, or be killed, after a call and before its result is known. The record keeps the next run from paying
again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .reported import LIST_LAG

if TYPE_CHECKING:
    from .interface import Store

#: The maximum seconds between the sending of a call and its effect at the vendor, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: Seconds after which a call without a known result is ignored: from then on, only the list counts.
UNRESOLVED_TTL = 600.0

#: A row per call: ``known`` (JSON) names the resources that were held before, ``request`` (JSON) is what was asked for,
#: and ``in_use`` is the balance of a PaidCall. ``sent`` is state time, ``timeout`` seconds. A call is ``finished`` if
#: its run has reported the result, which the list may still lag behind.
SCHEMA = """
CREATE TABLE IF NOT EXISTS paid_calls (
  id INTEGER PRIMARY KEY, key TEXT, endpoint TEXT, wanted INTEGER, known TEXT, request TEXT, in_use INTEGER,
  sent REAL, timeout REAL, finished INTEGER DEFAULT 0);
"""


@dataclass(frozen=True)
class PaidCall:
    """A paid call for ``wanted`` resources in addition to the ``known`` ones.

    ``balance`` is a figure of the quota and the list before the call: it decreases when the quota counts a resource
    that the list does not show. It is None if the quota is not known.
    """

    known: frozenset[str]
    request: Mapping[str, Any]
    id: int
    endpoint: str
    wanted: int
    balance: int | None
    sent: float
    timeout: float
    is_reported: bool

    def age(self, now: float) -> float:
        """Seconds since the call was sent."""
        return now - self.sent

    def settles_in(self, now: float) -> float:
        """Seconds until the call can no longer be in flight and the list must show its effect."""
        return max(self.timeout, MAX_EXECUTION_DELAY) + LIST_LAG - self.age(now)


@dataclass
class PaidCalls:
    """The unresolved paid calls of one key."""

    state: Store
    key: str

    def record(
        self,
        endpoint: str,
        *,
        wanted: int,
        known: Collection[str],
        request: Mapping[str, Any],
        balance: int | None = None,
        timeout: float = 0.0,
    ) -> int:
        """Record a call that is about to be sent; returns its number."""
        lists = (json.dumps(sorted(known)), json.dumps(dict(request)))
        with self.state.transaction() as database:
            self.state.confirm_locks()
            row = database.execute(
                "INSERT INTO paid_calls (key, endpoint, wanted, known, request, in_use, sent, timeout) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (self.key, endpoint, wanted, *lists, balance, self.state.now(), timeout),
            )
            return int(row.lastrowid or 0)

    def resolve(self, *numbers: int) -> None:
        """Delete calls whose result is known."""
        self._change("DELETE FROM paid_calls WHERE id = ?", [(number,) for number in numbers])

    def mark_reported(self, *numbers: int) -> None:
        """Mark calls whose result this run has reported, although the list may not show it yet."""
        self._change("UPDATE paid_calls SET finished = 1 WHERE id = ?", [(number,) for number in numbers])

    def rename(self, number: int, endpoint: str) -> None:
        """Store a call under another name than that of its endpoint."""
        self._change("UPDATE paid_calls SET endpoint = ? WHERE id = ?", [(endpoint, number)])

    def _change(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            with self.state.transaction() as database:
                database.executemany(statement, rows)

    def unresolved(self, *endpoints: str) -> list[PaidCall]:
        """The calls to these endpoints whose result is not known, the earliest first."""
        marks = ", ".join("?" * len(endpoints))
        rows = self.state.rows(
            "SELECT known, request, id, endpoint, wanted, in_use, sent, timeout, finished FROM paid_calls "
            f"WHERE key = ? AND endpoint IN ({marks}) ORDER BY id",
            self.key,
            *endpoints,
        )
        decoded = self.state.decoded
        return [PaidCall(frozenset(decoded(known)), decoded(request), *row) for known, request, *row in rows]

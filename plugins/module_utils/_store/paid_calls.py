# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls that cost money and whose result is not known yet, recorded before they are sent.

This file is private to the collection. A process may end, or be ended, between the call and the moment at which its
result is known. The record is what keeps the next run from paying again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .reported import LIST_LAG

if TYPE_CHECKING:
    from .interface import Store

#: Seconds within which a call that was sent is carried out, if it ever is and its timeout is not longer.
UNDER_WAY = 30.0
#: Seconds after which a call whose result nothing has shown is no longer considered: the list decides then.
UNRESOLVED_TTL = 600.0

#: A row per call: ``known`` (JSON) names the resources that were held before, ``request`` (JSON) is what was asked for,
#: and ``in_use`` is what the quota counted before. ``sent`` and ``timeout`` are seconds. A call is ``finished`` where
#: its run has reported the result, which the list may still lag behind.
SCHEMA = """
CREATE TABLE IF NOT EXISTS paid_calls (
  id INTEGER PRIMARY KEY, key TEXT, endpoint TEXT, wanted INTEGER, known TEXT, request TEXT, in_use INTEGER,
  sent REAL, timeout REAL, finished INTEGER DEFAULT 0);
"""


@dataclass(frozen=True)
class PaidCall:
    """A paid call that asked for ``wanted`` resources beside those that are ``known``.

    ``in_use`` is the figure of the quota before the call that a later run compares with: for monopolies, how many were
    in use; for leases, the channels that were free or carried a listed lease. It is None if the quota is not known.
    """

    id: int
    endpoint: str
    wanted: int
    known: frozenset[str]
    request: Mapping[str, Any]
    in_use: int | None
    sent: float
    timeout: float
    finished: bool

    def age(self, now: float) -> float:
        """Seconds since the call was sent; none where the clock was set back."""
        return max(0.0, now - self.sent)

    def settles_in(self, now: float) -> float:
        """Seconds until the call can no longer be under way and the list must show its effect."""
        return max(self.timeout, UNDER_WAY) + LIST_LAG - self.age(now)


class PaidCalls:
    """The unresolved paid calls of one key."""

    def __init__(self, state: Store, key: str, now: Callable[[], float] = time.time) -> None:
        self._state = state
        self._key = key
        self._now = now

    def record(
        self,
        endpoint: str,
        *,
        wanted: int,
        known: Collection[str],
        request: Mapping[str, Any],
        in_use: int | None,
        timeout: float,
    ) -> int:
        """Record a call that is about to be sent; returns its number."""
        with self._state.transaction() as database:
            row = database.execute(
                "INSERT INTO paid_calls (key, endpoint, wanted, known, request, in_use, sent, timeout) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self._key,
                    endpoint,
                    wanted,
                    json.dumps(sorted(known)),
                    json.dumps(dict(request)),
                    in_use,
                    self._now(),
                    timeout,
                ),
            )
            return int(row.lastrowid or 0)

    def resolve(self, *numbers: int) -> None:
        """Forget calls whose result is known."""
        if not numbers:
            return
        with self._state.transaction() as database:
            database.executemany("DELETE FROM paid_calls WHERE id = ?", [(number,) for number in numbers])

    def finish(self, *numbers: int) -> None:
        """The result of these calls was reported; whether the list shows it is for a later run to see."""
        if not numbers:
            return
        with self._state.transaction() as database:
            database.executemany("UPDATE paid_calls SET finished = 1 WHERE id = ?", [(number,) for number in numbers])

    def rename(self, number: int, endpoint: str) -> None:
        """Keep a call under another name than that of the endpoint."""
        with self._state.transaction() as database:
            database.execute("UPDATE paid_calls SET endpoint = ? WHERE id = ?", (endpoint, number))

    def unresolved(self, *endpoints: str) -> list[PaidCall]:
        """The calls to these endpoints whose result is not known, the earliest first."""
        marks = ", ".join("?" * len(endpoints))
        rows = self._state.rows(
            "SELECT id, endpoint, wanted, known, request, in_use, sent, timeout, finished FROM paid_calls "
            f"WHERE key = ? AND endpoint IN ({marks}) ORDER BY id",
            self._key,
            *endpoints,
        )
        return [
            PaidCall(
                id=number,
                endpoint=endpoint,
                wanted=wanted,
                known=frozenset(self._state.decoded(known)),
                request=self._state.decoded(request),
                in_use=in_use,
                sent=sent,
                timeout=timeout,
                finished=bool(finished),
            )
            for number, endpoint, wanted, known, request, in_use, sent, timeout, finished in rows
        ]

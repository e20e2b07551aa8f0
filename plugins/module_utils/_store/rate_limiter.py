# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's rate limits per minute, shared by all processes that use the same state.

The vendor counts the calls of one key to one endpoint in a minute that starts with the first of them. The client cannot
see when that was, so it follows a stricter rule: never more than the limit in any minute. A call takes a slot before it
is sent, and the slot expires one minute after the response arrived, since the vendor counted the call at some moment
between the two.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._core.errors import OptionError
from .._core.runtime import current
from .._core.waiting import WaitBudget

if TYPE_CHECKING:
    from .store import Connection, Store

#: Seconds added to the minute, since clocks may be slewed during a wait.
CLOCK_SLACK = 0.1
#: The maximum block of an endpoint in seconds, if the vendor asks for a longer one.
MAX_BLOCK = 3600
#: The maximum random part of a block, as a share of it: other control nodes that do not share this state, and that were
#: refused at the same moment, must not all call again in the same second.
JITTER = 1 / 6
#: The maximum sleep, as a share of the minute: the slot of another process may expire earlier than recorded.
MAX_SLEEP_SHARE = 1 / 12
#: The size of a slot's random number in bits, large enough to avoid collisions.
ID_BITS = 62
#: The amount of a row that takes all slots.
BLOCK = 0

#: A row per call that takes a slot until ``expires_at`` (state time). It counts as ``amount`` calls, or takes all slots
#: if that is 0: the vendor refused calls to the endpoint for their rate.
SCHEMA = """
CREATE TABLE IF NOT EXISTS rate_calls (
  id INTEGER PRIMARY KEY, key TEXT, endpoint TEXT, expires_at REAL, amount INTEGER);
CREATE INDEX IF NOT EXISTS rate_calls_by_key ON rate_calls (key, endpoint, expires_at);
"""


def minute_seconds() -> float:
    """Return the length of the vendor's minute: 60, or QG_MINUTE_SECONDS for a simulator with a shorter one."""
    text = os.environ.get("QG_MINUTE_SECONDS") or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise OptionError(
            f"QG_MINUTE_SECONDS={text} is not the length of a minute: unset it, or give the simulator's seconds."
        )
    return seconds


@dataclass(frozen=True)
class Slot:
    """A slot under a rate limit for one call, with the data to insert it again."""

    id: int
    key: str
    endpoint: str
    amount: int


@dataclass
class RateLimiter:
    """The slots of the vendor's rate limits, shared by all processes that use the same state directory."""

    state: Store
    minute: float = field(default_factory=minute_seconds)

    def try_acquire(
        self, key: str, endpoint: str, limit: int, timeout: float, amount: int = 1
    ) -> tuple[Slot | None, float]:
        """Take a slot for one call of at most ``timeout`` seconds.

        Returns it, or the seconds until one may be free. ``amount`` is the number of units that the call counts as, if
        the limit is not one on calls.
        """
        with self.state.transaction() as database:
            now = self.state.now()
            database.execute("DELETE FROM rate_calls WHERE expires_at <= ?", (now,))
            used, first, blocked = database.execute(
                f"SELECT sum(amount), min(expires_at), max(CASE WHEN amount = {BLOCK} THEN expires_at END) "
                "FROM rate_calls WHERE key = ? AND endpoint = ?",
                (key, endpoint),
            ).fetchone()
            if blocked is not None:
                return None, float(blocked) - now
            if used and used + amount > limit:
                return None, float(first) - now
            # SQLite reuses the number of a deleted row: a late response would then shorten another call's slot.
            slot = Slot(secrets.randbits(ID_BITS), key, endpoint, amount)
            # If this process dies now, its slot lasts for as long as its call could have taken.
            _insert(database, slot, now + timeout + self.minute + CLOCK_SLACK)
            return slot, 0.0

    def acquire(self, key: str, endpoint: str, limit: int, timeout: float, budget: WaitBudget, amount: int = 1) -> Slot:
        """Wait for a slot and take it; returns it for :meth:`complete`."""
        while True:
            slot, wait = self.try_acquire(key, endpoint, limit, timeout, amount)
            if slot is not None:
                return slot
            reason = f"the vendor's limit of {limit} a minute is used up"
            # The slot of a call that is still in flight may expire earlier, by up to the timeout of the call.
            budget.require(wait - timeout, reason, endpoint)
            budget.wait(min(max(wait, 0.01), self.minute * MAX_SLEEP_SHARE), reason, endpoint, remaining=wait)

    def complete(self, slot: Slot) -> None:
        """Let the slot of a completed call expire one minute from now."""
        with self.state.transaction() as database:
            expires_at = self.state.now() + self.minute + CLOCK_SLACK
            update = "UPDATE rate_calls SET expires_at = ? WHERE id = ?"
            if not database.execute(update, (expires_at, slot.id)).rowcount:
                # The slot expired before the response: this process was stopped, or the machine suspended.
                _insert(database, slot, expires_at)

    def called_recently(self, key: str, endpoint: str) -> bool:
        """Whether a call was made within the last minute."""
        query = "SELECT 1 FROM rate_calls WHERE key = ? AND endpoint = ? AND expires_at > ? AND amount > 0 LIMIT 1"
        return bool(self.state.rows(query, key, endpoint, self.state.now()))

    def block(self, key: str, endpoint: str, seconds: float | None = None) -> None:
        """Block an endpoint for all processes, because the vendor refused a call for its rate.

        Another client must have called as well. The block lasts for ``seconds`` if the vendor gave them, or a minute.
        """
        duration = self.minute + CLOCK_SLACK if seconds is None else min(seconds, MAX_BLOCK)
        now = self.state.now()
        expires_at = now + duration + current().random(0, min(duration, self.minute) * JITTER)
        with self.state.transaction() as database:
            _insert(database, Slot(secrets.randbits(ID_BITS), key, endpoint, BLOCK), expires_at)


def _insert(database: Connection, slot: Slot, expires_at: float) -> None:
    database.execute(
        "INSERT INTO rate_calls (id, key, endpoint, expires_at, amount) VALUES (?, ?, ?, ?, ?)",
        (slot.id, slot.key, slot.endpoint, expires_at, slot.amount),
    )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's limits per minute, kept by all processes of a control node together.

This file is private to the collection.

The vendor counts the calls of one key to one endpoint in a minute that starts with the first of them. When that
was cannot be seen from here, so the rule kept is the stricter one: never more than the limit in any minute. A call
takes its place before it is sent, and frees it one minute after its answer came, since the vendor counted it at
some moment between the two.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from .._core.errors import OptionError, WaitBudgetExceeded
from .state import State

#: Seconds added to the minute, for clocks that are slewed while we wait.
CLOCK_SLACK = 0.1
#: Seconds that an endpoint rests at most when the vendor asks for a rest, and that any call may take.
MAX_BLOCK = 3600
#: The share of a rest that is added to it at most, by chance: whoever was refused with us, on a control node that
#: shares no count with this one, is not to come back in the same second.
JITTER = 1 / 6
#: No sleep is longer than this part of a minute: another process may have freed its place early.
MAX_SLEEP_SHARE = 1 / 12


def minute_seconds() -> float:
    """The length of the vendor's minute: 60, or what QG_MINUTE_SECONDS says for a simulator with a shorter one."""
    text = os.environ.get("QG_MINUTE_SECONDS") or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 60:
        raise OptionError(
            f"QG_MINUTE_SECONDS={text} is no length of a minute: unset it, or give the simulator's seconds."
        )
    return seconds


@dataclass
class WaitBudget:
    """The one limit on how long a run may wait, in seconds, for its turns and between its tries together."""

    max_wait: float
    sleep: Callable[[float], None] = time.sleep
    waited: float = 0.0

    def require(self, seconds: float, reason: str, endpoint: str) -> None:
        """Raise WaitBudgetExceeded when the budget does not cover so many more seconds."""
        if self.waited + seconds > self.max_wait:
            raise WaitBudgetExceeded(
                f"{endpoint}: {reason}, and waiting {seconds:.0f} more seconds would pass max_wait "
                f"({self.max_wait:g} seconds, {self.waited:.0f} of them used). Raise max_wait or run again later.",
                endpoint=endpoint,
            )

    def wait(self, seconds: float, reason: str, endpoint: str) -> None:
        """Sleep, or raise WaitBudgetExceeded without sleeping when the budget does not cover it."""
        self.require(seconds, reason, endpoint)
        self.waited += seconds
        self.sleep(seconds)


def backoff(attempt: int, wanted: float | None = None) -> float:
    """Seconds to wait before try number ``attempt`` + 1: doubling from one to 30, with jitter, or what was wanted."""
    if wanted is not None:
        return wanted + random.uniform(0, 1)
    return random.uniform(0.5, 1) * min(30.0, float(2**attempt))


@dataclass
class RateLimiter:
    """Places in the vendor's windows."""

    state: State
    minute: float = field(default_factory=minute_seconds)
    now: Callable[[], float] = time.time

    def try_acquire(
        self, key: str, endpoint: str, limit: int, timeout: float, amount: int = 1
    ) -> tuple[int | None, float]:
        """A place for one call of at most ``timeout`` seconds: its number, or the seconds until one may be free.

        ``amount`` is what the call counts for, where the vendor counts something else than calls.
        """
        with self.state.transaction() as database:
            now = self.now()
            # A row that was written in the future is from before the clock was set back. How long ago that was is
            # unknown, so it counts as written now: the wait is never longer than it was when the row was written.
            earlier = (now, now, now)
            database.execute("UPDATE calls SET frees = ? + frees - written, written = ? WHERE written > ?", earlier)
            database.execute("UPDATE blocks SET until = ? + until - written, written = ? WHERE written > ?", earlier)
            database.execute("DELETE FROM calls WHERE frees <= ?", (now,))
            database.execute("DELETE FROM blocks WHERE until <= ?", (now,))
            block = database.execute(
                "SELECT until FROM blocks WHERE key = ? AND endpoint = ?", (key, endpoint)
            ).fetchone()
            if block:
                return None, float(block[0]) - now
            taken, first = database.execute(
                "SELECT total(amount), min(frees) FROM calls WHERE key = ? AND endpoint = ?", (key, endpoint)
            ).fetchone()
            if taken and taken + amount > limit:
                return None, float(first) - now
            # A process that dies now keeps its place for as long as its call could have taken.
            row = database.execute(
                "INSERT INTO calls (key, endpoint, frees, amount, written) VALUES (?, ?, ?, ?, ?)",
                (key, endpoint, now + timeout + self.minute + CLOCK_SLACK, amount, now),
            )
            return row.lastrowid, 0.0

    def acquire(self, key: str, endpoint: str, limit: int, timeout: float, budget: WaitBudget, amount: int = 1) -> int:
        """Wait for a place and take it; the number is for :meth:`complete`."""
        while True:
            place, wait = self.try_acquire(key, endpoint, limit, timeout, amount)
            if place is not None:
                return place
            reason = f"the vendor's limit of {limit} a minute is used up"
            # A call that is still on its way may free its place sooner, by as much as it may take.
            budget.require(wait - timeout, reason, endpoint)
            budget.wait(min(max(wait, 0.01), self.minute * MAX_SLEEP_SHARE), reason, endpoint)

    def complete(self, place: int) -> None:
        """The call came back: its place is free one minute from now."""
        with self.state.transaction() as database:
            now = self.now()
            row = (now + self.minute + CLOCK_SLACK, now, place)
            database.execute("UPDATE calls SET frees = ?, written = ? WHERE id = ?", row)

    def called_recently(self, key: str, endpoint: str) -> bool:
        """Whether a call was made within the last minute."""
        rows = self.state.rows(
            "SELECT 1 FROM calls WHERE key = ? AND endpoint = ? AND frees > ? LIMIT 1", key, endpoint, self.now()
        )
        return bool(rows)

    def batch_delay(self, key: str, endpoint: str, limit: int) -> float:
        """Seconds by which to put off a call that could do the work of later ones as well.

        It grows with the minute's places that are taken; from half of them on it is what keeps to the limit for good.
        """
        query = "SELECT total(amount) FROM calls WHERE key = ? AND endpoint = ? AND frees > ?"
        share = float(self.state.rows(query, key, endpoint, self.now())[0][0]) / limit
        return min(2 * share, 1.0) * self.minute / limit

    def block(self, key: str, endpoint: str, seconds: float | None = None) -> None:
        """The vendor refused for the rate: somebody else calls too. All processes rest, for a minute if not told."""
        rest = self.minute + CLOCK_SLACK if seconds is None else min(seconds, MAX_BLOCK)
        now = self.now()
        until = now + rest + random.uniform(0, min(rest, self.minute) * JITTER)
        with self.state.transaction() as database:
            # A block from before the clock was set back does not outlive what this refusal asks for.
            outdated = "DELETE FROM blocks WHERE key = ? AND endpoint = ? AND written > ?"
            database.execute(outdated, (key, endpoint, now))
            database.execute(
                "INSERT INTO blocks (key, endpoint, until, written) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "until = max(until, excluded.until), written = excluded.written",
                (key, endpoint, until, now),
            )

    def learn_channels(self, key: str, channels: int) -> None:
        """Keep how many channels the plan of a key has, since limits depend on them."""
        with self.state.transaction() as database:
            database.execute(
                "INSERT INTO plans VALUES (?, ?) ON CONFLICT DO UPDATE SET channels = excluded.channels",
                (key, channels),
            )

    def channels(self, key: str) -> int | None:
        """How many channels the plan of a key had when the vendor last told, if it ever did."""
        rows = self.state.rows("SELECT channels FROM plans WHERE key = ?", key)
        return int(rows[0][0]) if rows else None

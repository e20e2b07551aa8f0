# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""QG.net's rate limits per minute, shared by all processes that use the same state.

QG.net counts the calls of one key to one endpoint in a minute that starts with the first of
them. The client cannot see when that was, so it follows a stricter rule: never more than the limit
in any minute. A call takes a slot before it is sent, and the slot expires one minute after the
response arrived, since QG.net counted the call at some moment between the two.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from .._core.errors import OptionError
from .._core.runtime import WaitBudget, current
from .store import Connection, Store, after_the_call

#: Seconds added to the minute, since clocks may be slewed during a wait.
CLOCK_SLACK = 0.1
#: The maximum random part of a block, as a share of it: other control nodes that do not share this
#: store, and that were refused at the same moment, must not all call again in the same second.
JITTER = 1 / 6
#: The shortest sleep in seconds, and the longest one as a share of the minute: another process's
#: slot may expire early.
MIN_SLEEP, MAX_SLEEP_SHARE = 0.01, 1 / 12
#: The amount of a row that takes all slots.
BLOCK = 0

_SAVE = (
    "INSERT INTO rate_calls (id, key, endpoint, expires_at, amount) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at"
)
_USED = (
    "SELECT sum(amount), min(expires_at), "
    f"max(CASE WHEN amount = {BLOCK} THEN expires_at END) "
    "FROM rate_calls WHERE key = ? AND endpoint = ?"
)


def minute_seconds() -> float:
    """Return the length of QG.net's minute: 60, or QG_MINUTE_SECONDS for a simulator."""
    text = os.environ.get("QG_MINUTE_SECONDS") or "60"
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 60:
            return float(text)
    problem = f"={text} is not a number of seconds up to 60"
    raise OptionError("QG_MINUTE_SECONDS", problem, "correct it, or unset it")


@dataclass
class RateLimiter:
    """The slots of QG.net's rate limits, shared by all processes that use the same store."""

    store: Store
    minute: float = field(default_factory=minute_seconds)

    @contextlib.contextmanager
    def slot(
        self,
        key: str,
        endpoint: str,
        limit: int,
        timeout: float,
        budget: WaitBudget,
        amount: int = 1,
    ) -> Iterator[None]:
        """Wait for a slot, and take it until a minute after the body.

        The body takes at most ``timeout`` seconds. ``amount`` is the number of units that the call
        counts as, if the limit is not one on calls.
        """
        number = secrets.randbits(62)
        reason = f"QG.net's limit of {limit} a minute is used up"
        longest = self.minute * MAX_SLEEP_SHARE
        while (wait := self._take(number, key, endpoint, limit, timeout, amount)) is not None:
            # The slot of a call that is still in flight may expire earlier, by up to the timeout of
            # the call.
            budget.require(wait - timeout, reason, endpoint)
            budget.wait(min(max(wait, MIN_SLEEP), longest), reason, endpoint)
        try:
            yield
        finally:
            # On failure, the slot only expires later. That must not hide the result of the call.
            with after_the_call(), self.store.transaction() as database:
                self._save(database, number, key, endpoint, self.minute + CLOCK_SLACK, amount)

    def _take(
        self, number: int, key: str, endpoint: str, limit: int, timeout: float, amount: int
    ) -> float | None:
        """Take a slot; returns None, or the seconds until one may be free."""
        with self.store.transaction() as database:
            now = self.store.now()
            database.execute("DELETE FROM rate_calls WHERE expires_at <= ?", (now,))
            used, first, blocked = database.execute(_USED, (key, endpoint)).fetchone()
            if blocked is not None:
                return float(blocked) - now
            if used and used + amount > limit:
                return float(first) - now
            # If this process dies now, its slot lasts for as long as its call could have taken.
            self._save(database, number, key, endpoint, timeout + self.minute + CLOCK_SLACK, amount)
            return None

    def _save(
        self,
        database: Connection,
        number: int,
        key: str,
        endpoint: str,
        seconds: float,
        amount: int,
    ) -> None:
        """Let a slot expire in so many seconds, also one that was deleted meanwhile."""
        database.execute(_SAVE, (number, key, endpoint, self.store.now() + seconds, amount))

    def longest_block(self, *, is_repeated: bool) -> float:
        """Return for how many seconds a response can block an endpoint, whatever it asks for.

        QG.net's limits are per minute. A run whose call is refused again waits for two.
        """
        return self.minute * 2 if is_repeated else self.minute

    def block(
        self, key: str, endpoint: str, asked: float | None, *, is_repeated: bool = False
    ) -> None:
        """Block an endpoint for all processes, because QG.net refused a call for its rate.

        Another client must have called as well. The block lasts for the seconds that were ``asked``
        for, within limits, or a minute.
        """
        duration = self.minute + CLOCK_SLACK
        if asked is not None:
            duration = min(asked, self.longest_block(is_repeated=is_repeated))
        duration += current().random(0, min(duration, self.minute) * JITTER)
        with self.store.transaction() as database:
            self._save(database, secrets.randbits(62), key, endpoint, duration, BLOCK)

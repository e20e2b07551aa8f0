# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting: the budget of a run, the announcement of its waits, and the backoff between attempts.

No other file of the plugins sleeps, but for a store whose database others use at this moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import WaitBudgetExceeded
from .runtime import current, elapsed

#: Displays a wait: its reason, by which it is known, and a detail.
Announcer = Callable[[str, str], None]
#: The seconds of waiting for the same reason from which on it is announced.
ANNOUNCED_AFTER = 3.0


def _ignore(_reason: str, _detail: str) -> None:
    pass


SILENT: Announcer = _ignore


def pause(seconds: float) -> None:
    """Sleep, by the runtime of the task."""
    current().sleep(seconds)


@dataclass
class WaitBudget:
    """The maximum total time that a run may wait, in seconds: for rate limits and between attempts together.

    A sleep during which the machine was suspended counts with its actual duration. ``reasons`` are the parts of
    ``waited``, by reason.
    """

    max_wait: float
    sleep: Callable[[float], None] = pause
    waited: float = 0.0
    announcer: Announcer = SILENT
    elapsed: Callable[[], float] = elapsed
    reasons: dict[str, float] = field(default_factory=dict)

    def require(self, seconds: float, reason: str, endpoint: str, examine: Callable[[], str] | None = None) -> None:
        """Raise WaitBudgetExceeded if the budget does not cover this many more seconds."""
        if self.waited + seconds > self.max_wait:
            detail = f" ({examine()})" if examine else ""
            raise WaitBudgetExceeded(
                f"{endpoint}: {reason}{detail}, and waiting {seconds:.0f} more seconds would pass max_wait "
                f"({self.max_wait:g} seconds, {self.waited:.0f} of them used). Raise max_wait or run again later.",
                endpoint=endpoint,
            )

    def wait(self, seconds: float, reason: str, endpoint: str, *, examine: Callable[[], str] | None = None) -> None:
        """Sleep, or raise WaitBudgetExceeded without sleeping if the budget does not cover it.

        A wait that is not short is announced, once for each reason. ``examine`` returns a detail of it.
        """
        self.require(seconds, reason, endpoint, examine)
        before = self.reasons.get(reason, 0.0)
        if before < ANNOUNCED_AFTER <= before + seconds:
            limit = f"at most {self.max_wait - self.waited:.0f} s more (max_wait)"
            self.announcer(f"{reason} ({endpoint})", f"{examine()}; {limit}" if examine else limit)
        began = self.elapsed()
        try:
            self.sleep(seconds)
        finally:
            slept = max(seconds, self.elapsed() - began)
            self.waited += slept
            self.reasons[reason] = before + slept


def backoff(attempt: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait before attempt number ``attempt`` + 1.

    That is the time that the server asked for, or one that doubles from 1 to 30 seconds; both with jitter.
    """
    if retry_after is not None:
        return retry_after + current().random(0, 1)
    return current().random(0.5, 1) * min(30.0, float(2**attempt))

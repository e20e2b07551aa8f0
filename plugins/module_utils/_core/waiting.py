# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a run waits: its budget, and the time between two attempts.

This file is private to the collection.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import WaitBudgetExceeded


@dataclass
class WaitBudget:
    """The one limit on how long a run may wait, in seconds: for rate limits and between attempts together."""

    max_wait: float
    sleep: Callable[[float], None] = time.sleep
    waited: float = 0.0

    def require(self, seconds: float, reason: str, endpoint: str) -> None:
        """Raise WaitBudgetExceeded if the budget does not cover this many more seconds."""
        if self.waited + seconds > self.max_wait:
            raise WaitBudgetExceeded(
                f"{endpoint}: {reason}, and waiting {seconds:.0f} more seconds would pass max_wait "
                f"({self.max_wait:g} seconds, {self.waited:.0f} of them used). Raise max_wait or run again later.",
                endpoint=endpoint,
            )

    def wait(self, seconds: float, reason: str, endpoint: str) -> None:
        """Sleep, or raise WaitBudgetExceeded without sleeping if the budget does not cover it."""
        self.require(seconds, reason, endpoint)
        self.waited += seconds
        self.sleep(seconds)


def backoff(attempt: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait before attempt number ``attempt`` + 1.

    That is what the server asked for, or a time that doubles from one to 30 seconds; both with jitter.
    """
    if retry_after is not None:
        return retry_after + random.uniform(0, 1)
    return random.uniform(0.5, 1) * min(30.0, float(2**attempt))

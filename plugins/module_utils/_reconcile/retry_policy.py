# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of attempts of a call, and the delays between reads of a list: the defaults for all resources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from .._core.waiting import backoff

P = TypeVar("P", bound="RetryPolicy")


@dataclass(frozen=True)
class RetryPolicy:
    """Delays in seconds, and the number of attempts.

    ``verify_delays`` come before each read of the list after a call whose effect is unknown, as the list may lag.
    ``lag_delays`` replace them if only the list can show the effect, or if the quota shows more than the list: their
    sum is the maximum lag of the list. ``poll_interval`` is the time between reads for a call of an earlier run.
    ``max_attempts`` is the maximum number of attempts of a paid call without an effect, ``max_repeats`` that of
    repetitions of any other call. ``backoff`` returns the delay after an attempt.
    """

    verify_delays: tuple[float, ...] = (0.0, 2.0, 3.0)
    lag_delays: tuple[float, ...] = (0.0, 5.0, 10.0, 20.0, 25.0)
    poll_interval: float = 5.0
    max_attempts: int = 3
    max_repeats: int = 3
    backoff: Callable[[int], float] = backoff

    def limited_to(self: P, attempts: int) -> P:
        """Return the policy with at most this many attempts of a call."""
        return replace(
            self,
            max_attempts=min(self.max_attempts, attempts),
            max_repeats=min(self.max_repeats, attempts - 1),
        )

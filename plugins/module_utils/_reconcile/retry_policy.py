# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The number of attempts of a call, and the delays between reads of a list: the defaults for all resources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from .._core.waiting import backoff
from .._store.journal_rows import LIST_LAG

if TYPE_CHECKING:
    from .._store.caps import Caps

P = TypeVar("P", bound="RetryPolicy")

#: Seconds before each read of a list that may lag. Their sum is the maximum lag, and the intervals grow.
LAG_DELAYS = tuple(LIST_LAG * part / 60 for part in (0, 2, 3, 5, 10, 10, 15, 15))
#: Seconds between two looks at a call of an earlier run.
POLL_INTERVAL = 5.0


@dataclass(frozen=True)
class RetryPolicy:
    """Delays in seconds, and the number of attempts.

    ``verify_delays`` come before each read of the list after a call whose effect is unknown, as the list may lag.
    ``lag_delays``, which begin with them, replace them if only the list can show the effect, or if the quota shows more
    than the list. ``poll_interval`` is the time between reads for a call of an earlier run.
    ``max_attempts`` is the maximum number of attempts of a paid call without an effect, ``max_repeats`` that of
    repetitions of any other call. ``backoff`` returns the delay after an attempt. ``caps`` limit what the calls buy.
    """

    verify_delays: tuple[float, ...] = LAG_DELAYS[:3]
    lag_delays: tuple[float, ...] = LAG_DELAYS
    poll_interval: float = POLL_INTERVAL
    max_attempts: int = 3
    max_repeats: int = 3
    backoff: Callable[[int], float] = backoff
    caps: Caps | None = None

    def limited_to(self: P, attempts: int) -> P:
        """Return the policy with at most this many attempts of a call."""
        return replace(
            self,
            max_attempts=min(self.max_attempts, attempts),
            max_repeats=min(self.max_repeats, attempts - 1),
        )

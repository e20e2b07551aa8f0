# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The times and the size of the write queue."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class QueuePolicy:
    """The times of the queue, in seconds, and its size."""

    #: Between two renewals of a request, and for which a leader waits for them at most.
    renew_interval: float = 0.5
    renew_timeout: float = 3.0
    #: After max_wait, for which a leader may be stopped, and between two checks.
    grace: float = 1.0
    #: The calls of a leader that a waiter allows for beside max_wait, and the minimum timeout that counts for each.
    max_calls: int = 10
    min_timeout: float = 3.0
    #: The maximum number of requests, of runs whose end cannot be seen from here; the oldest are dropped first.
    max_requests: int = 100_000


DEFAULT_POLICY = QueuePolicy()

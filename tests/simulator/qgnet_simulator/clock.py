# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of the simulator.

All simulated time comes from it, so that a test can advance or stop it.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import formatdate

BEIJING = timezone(timedelta(hours=8))


def beijing(timestamp: float) -> str:
    """Format a timestamp as QG.net does: Beijing time without an offset."""
    return datetime.fromtimestamp(timestamp, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def http_date(timestamp: float) -> str:
    """Format a timestamp for the Date header."""
    return formatdate(timestamp, usegmt=True)


class Clock:
    """A clock that follows the real time, or, with a start time, one that changes only when it is
    advanced.
    """

    def __init__(self, start: float | None = None) -> None:
        self._follows_real_time = start is None
        if start is None:
            start = time.time()
        self._start = start
        self._monotonic_start = time.monotonic()
        self._offset = 0.0
        #: The time at which the clock was stopped, without the offset.
        self._stopped_at: float | None = None

    def now(self) -> float:
        if self._stopped_at is None:
            return self._base() + self._offset
        return self._stopped_at + self._offset

    def _base(self) -> float:
        if not self._follows_real_time:
            return self._start
        # A monotonic source, because a rate window must not grow when the system time is set back.
        return self._start + (time.monotonic() - self._monotonic_start)

    @property
    def running(self) -> bool:
        """Whether the time passes without calls of ``advance``."""
        return self._follows_real_time and self._stopped_at is None

    def advance(self, seconds: float) -> None:
        self._offset += seconds

    def run(self, running: bool) -> None:
        """Start the clock from the time that it shows, or stop it."""
        if running and self._stopped_at is not None:
            self._offset += self._stopped_at - self._base()
            self._stopped_at = None
        elif not running and self._stopped_at is None:
            self._stopped_at = self._base()

    def reset(self) -> None:
        self._offset = 0.0
        self._stopped_at = None

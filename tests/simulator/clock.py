# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's clock: all of its time comes from here, so that a test can move it on, or hold it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import formatdate

BEIJING = timezone(timedelta(hours=8))


def beijing(moment: float) -> str:
    """A moment as the vendor writes it: Beijing time that does not say so."""
    return datetime.fromtimestamp(moment, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def http_date(moment: float) -> str:
    """A moment as the Date header has it."""
    return formatdate(moment, usegmt=True)


class Clock:
    """Runs on by itself from the time of day, or stands at a given start until it is moved."""

    def __init__(self, start: float | None = None) -> None:
        self._runs = start is None
        self._start = time.time() if start is None else start
        self._began = time.monotonic()
        self._ahead = 0.0
        #: The moment at which it was told to stand still.
        self._held: float | None = None

    def now(self) -> float:
        return (self._real() if self._held is None else self._held) + self._ahead

    def _real(self) -> float:
        # Counted on a clock that is never set back, as a window must not grow longer.
        return self._start + (time.monotonic() - self._began if self._runs else 0.0)

    @property
    def ahead(self) -> float:
        """Seconds that it is ahead of the real time when it runs, below 0 where it stood still."""
        return self._ahead

    @property
    def running(self) -> bool:
        """Whether its time passes by itself."""
        return self._runs and self._held is None

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def run(self, running: bool) -> None:
        """Run on from where it stands, or stand still until it is moved on or runs again."""
        if running and self._held is not None:
            self._ahead += self._held - self._real()
            self._held = None
        elif not running and self._held is None:
            self._held = self._real()

    def reset(self) -> None:
        self._ahead, self._held = 0.0, None

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's clock: all of its time comes from here, so that a test can move it on."""

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
        self._still = start is not None
        self._start = time.time() if start is None else start
        self._began = time.monotonic()
        self._ahead = 0.0

    def now(self) -> float:
        # Counted on a clock that is never set back, as a window must not grow longer.
        passed = 0.0 if self._still else time.monotonic() - self._began
        return self._start + passed + self._ahead

    @property
    def ahead(self) -> float:
        """Seconds that it was moved on by."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def reset(self) -> None:
        self._ahead = 0.0

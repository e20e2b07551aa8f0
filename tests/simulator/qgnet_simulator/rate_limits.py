# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate limits of QG.net: a window per key and endpoint that starts with its first call."""

from __future__ import annotations

from dataclasses import dataclass

from .clock import Clock


@dataclass
class RateWindow:
    started: float
    seconds: float
    limit: int
    count: int = 0


class RateLimiter:
    def __init__(self, minute: float, clock: Clock) -> None:
        self.minute = minute
        """Seconds that one minute of QG.net lasts."""
        self._clock = clock
        self.windows: dict[str, RateWindow] = {}
        """By key and name, with a blank between them."""

    def try_acquire(
        self, key: str, name: str, limit: int, count: int = 1, seconds: float | None = None
    ) -> bool:
        """Count ``count`` units in a window, or return False and count nothing if they exceed the
        limit.

        A window lasts one minute of QG.net unless ``seconds`` is given.
        """
        now = self._clock.now()
        window = self.windows.get(f"{key} {name}")
        if window is None or now - window.started >= window.seconds:
            if seconds is None:
                seconds = self.minute
            window = self.windows[f"{key} {name}"] = RateWindow(now, seconds, limit)
        window.limit = limit
        if window.count + count > limit:
            return False
        window.count += count
        return True

    def clear(self) -> None:
        self.windows.clear()

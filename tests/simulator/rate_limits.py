# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's rate limits: a window per key and endpoint that starts with its first call."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .clock import Clock


@dataclass
class Window:
    started: float
    seconds: float
    limit: int
    count: int = 0


class Windows:
    def __init__(self, minute: float, clock: Clock) -> None:
        self.minute = minute
        self._clock = clock
        self._windows: dict[tuple[str, str], Window] = {}

    def admit(self, key: str, name: str, limit: int, count: int = 1, seconds: float | None = None) -> bool:
        """Count one call, or several of what is limited; false when the window has no room. Refused ones do not count.

        A window lasts one of the vendor's minutes unless it is said how long.
        """
        now = self._clock.now()
        window = self._windows.get((key, name))
        if window is None or now - window.started >= window.seconds:
            window = self._windows[(key, name)] = Window(now, self.minute if seconds is None else seconds, limit)
        window.limit = limit
        if window.count + count > limit:
            return False
        window.count += count
        return True

    def clear(self) -> None:
        self._windows.clear()

    def describe(self) -> dict[str, dict[str, Any]]:
        """The windows that are still open."""
        now = self._clock.now()
        found: dict[str, dict[str, Any]] = {}
        for (key, name), window in self._windows.items():
            if now - window.started < window.seconds:
                found.setdefault(key, {})[name] = asdict(window)
        return found

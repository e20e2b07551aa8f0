# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's rate limits: a window per key and endpoint that starts with its first call."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Window:
    started: float
    """Wall clock, for people."""
    opened: float
    """Monotonic clock, for the rule."""
    limit: int
    count: int = 0


class Windows:
    def __init__(self, minute: float) -> None:
        self.minute = minute
        self._windows: dict[tuple[str, str], Window] = {}

    def admit(self, key: str, path: str, limit: int) -> bool:
        """Count one call; false when the window is full. Refused calls are not counted."""
        now = time.monotonic()
        window = self._windows.get((key, path))
        if window is None or now - window.opened >= self.minute:
            window = self._windows[(key, path)] = Window(time.time(), now, limit)
        window.limit = limit
        if window.count >= limit:
            return False
        window.count += 1
        return True

    def clear(self) -> None:
        self._windows.clear()

    def describe(self) -> dict[str, dict[str, Any]]:
        """The windows that are still open."""
        now = time.monotonic()
        found: dict[str, dict[str, Any]] = {}
        for (key, path), window in self._windows.items():
            if now - window.opened < self.minute:
                entry = {"started": window.started, "count": window.count, "limit": window.limit}
                found.setdefault(key, {})[path] = entry
        return found

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clocks of a control node in a test: time passes, the wall clock is set, and the machine is
off.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Clock


class MachineClock:
    """The clocks of a machine that follow the true time ``now``, as far as nobody sets them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._boots = 1
        self._booted_at = 0.0
        #: Seconds by which the wall clock is ahead of the true time.
        self.wall_error = 0.0
        self.clock = Clock(self.elapsed, self.wall, self.boot)

    def elapsed(self) -> float:
        """Return the seconds since the boot."""
        return self.now() - self._booted_at

    def wall(self) -> float:
        """Return what the wall clock shows."""
        return self.now() + self.wall_error

    def boot(self) -> str:
        """Return the name of the boot."""
        return f"boot {self._boots}"

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self.wall_error += seconds

    def reboot(self, uptime: float = 10.0) -> None:
        """Let the machine have booted this long ago.

        For how long it was off, the true time shows.
        """
        self._boots += 1
        self._booted_at = self.now() - uptime

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the vendor, with which its deadlines are compared.

The ``Date`` header of each response shows it, so that a control node with a wrong wall clock does not consider a lease
expired that has time left. Whoever compares deadlines has read a list before.
"""

from __future__ import annotations

import math
from collections.abc import Callable

#: The range of plausible dates (2020 to 2100): a server whose clock is not set sends others.
EARLIEST, LATEST = 1577836800.0, 4102444800.0
#: The resolution of a Date header in seconds.
RESOLUTION = 1.0


class VendorClock:
    """The vendor's clock, by the responses to this process; before the first one, the wall clock.

    It is at ``_least`` and at ``_most`` so many seconds ahead of ``elapsed``.
    """

    def __init__(self, elapsed: Callable[[], float], wall: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._wall = wall
        self._least, self._most = -math.inf, math.inf

    def now(self) -> float:
        """Return the earliest possible vendor's time (Unix time)."""
        return self._wall() if self._least == -math.inf else self._elapsed() + self._least

    def latest(self) -> float:
        """Return the latest possible vendor's time (Unix time): a date does not show fractions of a second."""
        return self._wall() if self._least == -math.inf else self._elapsed() + self._most

    def observe(self, date: float, duration: float) -> None:
        """Use the date (Unix time) of the response of an exchange that took ``duration`` seconds.

        The server wrote it during the exchange, in whole seconds.
        """
        if not EARLIEST <= date <= LATEST:
            return
        now = self._elapsed()
        least, most = date - now, date - now + RESOLUTION + duration
        self._least, self._most = max(self._least, least), min(self._most, most)
        if self._least > self._most:
            # A clock was set.
            self._least, self._most = least, most

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the vendor, with which its deadlines are compared.

The ``Date`` header of each response shows it. Its difference from state time is stored, so that a control node with a
wrong wall clock does not consider a lease expired that has time left.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .facts import VENDOR_CLOCK, Facts
from .store import after_the_call

if TYPE_CHECKING:
    from .store import Store

#: The range of plausible dates (2020 to 2100): a server whose clock is not set sends others.
EARLIEST, LATEST = 1577836800.0, 4102444800.0
#: The resolution of a Date header in seconds.
RESOLUTION = 1.0
#: Seconds by which an interval must become narrower to be stored again.
MIN_GAIN = 0.25


@dataclass(frozen=True)
class _Interval:
    """The seconds by which the vendor's clock is ahead of state time: at ``least`` and at ``most``."""

    least: float
    most: float

    def narrowed(self, other: _Interval) -> _Interval:
        """Return the intersection; the other interval if there is none, since a clock was set."""
        least, most = max(self.least, other.least), min(self.most, other.most)
        return _Interval(least, most) if least <= most else other

    def is_news(self, known: _Interval | None) -> bool:
        """Whether it differs enough from the ``known`` interval to be stored."""
        return known is None or abs(self.least - known.least) + abs(self.most - known.most) >= MIN_GAIN


@dataclass
class VendorClock:
    """The vendor's clock, as the responses to one key show it."""

    store: Store
    key: str
    _ahead: _Interval | None = None
    _is_read: bool = False

    @property
    def is_known(self) -> bool:
        """Whether a response has shown the vendor's time."""
        return self._known() is not None

    def now(self) -> float:
        """Return the vendor's time (Unix time); before the first response, the wall clock's."""
        return self.at(self.store.now())

    def at(self, moment: float) -> float:
        """Return the earliest possible vendor's time (Unix time) at a moment of state time."""
        known = self._known()
        return moment + (self.store.wall_ahead() if known is None else known.least)

    def latest(self) -> float:
        """Return the latest possible vendor's time (Unix time): a date does not show fractions of a second."""
        known = self._known()
        return self.store.now() + (self.store.wall_ahead() if known is None else known.most)

    def observe(self, date: float, duration: float) -> None:
        """Record the date (Unix time) of the response of an exchange that took ``duration`` seconds.

        The server wrote it during the exchange, in whole seconds. If the store fails, only this process uses it.
        """
        if not EARLIEST <= date <= LATEST:
            return
        with after_the_call():
            known, now = self._known(), self.store.now()
            shown = _Interval(date - now, date - now + RESOLUTION + duration)
            self._ahead = ahead = shown if known is None else known.narrowed(shown)
            if ahead.is_news(known):
                Facts(self.store, self.key).save(VENDOR_CLOCK, json.dumps([ahead.least, ahead.most]))

    def _known(self) -> _Interval | None:
        if not self._is_read:
            known = Facts(self.store, self.key).get(VENDOR_CLOCK)
            self._ahead = None if known is None else _Interval(*self.store.decoded(known))
            self._is_read = True
        return self._ahead

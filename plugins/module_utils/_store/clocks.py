# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clocks of the state: state time, and the clock of the vendor.

State time is the seconds in which a state store measures every age, window and deadline. It never runs backwards and
goes on while a machine is suspended, whatever its wall clock is set to. It is a clock of the machine (or of the server
of a database) plus ``ahead``, which is kept in the store and never lets it fall below the ``last`` recorded time.

After a reboot, or after the directory was moved to another machine, the time for which the machine was off is unknown
(a gap). State time then continues from the last recorded time, so that no row seems older than it is. As soon as a
response shows the vendor's time, the gap is closed: the smaller of the times that passed on the wall clock and on the
vendor's clock is added to state time, and to all moments that were recorded since the boot.

State time starts as Unix time, and then differs from it: never compare the two.

The vendor's deadlines are compared with the vendor's clock. The ``Date`` header of each response shows it. Its
difference from state time is stored, so that a control node with a wrong wall clock does not consider a lease expired
that has time left.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from .directory import after_the_call
from .facts import VENDOR_CLOCK, Facts
from .interface import upsert

if TYPE_CHECKING:
    from .interface import Connection, Store

#: One row, see :class:`StateClock`.
SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
  name TEXT PRIMARY KEY, boot TEXT, ahead REAL, last REAL, wall_ahead REAL, gap_at REAL);
"""
#: Seconds added to state time at a boot, so that rows from before and after it can be distinguished.
BOOT_STEP = 0.001
#: The range of plausible dates (2020 to 2100): a server whose clock is not set sends others.
EARLIEST, LATEST = 1577836800.0, 4102444800.0
#: The resolution of a Date header in seconds.
RESOLUTION = 1.0
#: Seconds by which an interval must become narrower to be stored again.
MIN_GAIN = 0.25
_COLUMNS = ("boot", "ahead", "last", "wall_ahead", "gap_at")
_READ = f"SELECT {', '.join(_COLUMNS)} FROM clock WHERE name = 'state'"
_WRITE = upsert("clock", ("name",), _COLUMNS)


@dataclass(frozen=True)
class StateClock:
    """The relation of state time to the clocks of the machine at the ``last`` recorded state time.

    ``boot`` identifies the origin of the machine's clock, and state time is ``ahead`` of that clock. The wall clock is
    ``wall_ahead`` of state time. ``gap_at`` is the state time of a boot before which an unknown time is missing; in
    that case, ``wall_ahead`` is from before the boot.
    """

    boot: str
    ahead: float
    last: float
    wall_ahead: float
    gap_at: float | None = None

    @classmethod
    def read(cls, database: Connection) -> StateClock | None:
        """Return the recorded clock; None in a new store."""
        row = database.execute(_READ).fetchone()
        return None if row is None else cls(*row)

    def record(self, database: Connection) -> None:
        """Record the clock, within the transaction that uses it."""
        database.execute(_WRITE, ("state", *astuple(self)))

    def without_gap(self, wall: float, vendor_gap: float) -> StateClock:
        """Return the clock with the gap closed: ``vendor_gap`` seconds are missing by the vendor's clock.

        The smaller of that and the difference on the wall clock is added: either clock may have been set meanwhile.
        """
        seconds = max(0.0, min(wall - self.last - self.wall_ahead, vendor_gap))
        now = self.last + seconds
        return StateClock(self.boot, self.ahead + seconds, now, wall - now)


def move_rows(database: Connection, columns: Iterable[tuple[str, str]], gap_at: float, seconds: float) -> None:
    """Add ``seconds`` to all moments after ``gap_at`` in these columns of tables."""
    for table, column in columns:
        database.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > ?", (seconds, gap_at))
    # A part of the gap may still be missing, so the recorded differences may be wrong.
    database.execute("DELETE FROM facts WHERE name = ?", (VENDOR_CLOCK,))


def tick(known: StateClock | None, boot: str, elapsed: float, wall: float) -> StateClock:
    """Return the current clock, from the recorded one and the readings of the machine's clocks."""
    if known is None:
        return StateClock(boot, wall - elapsed, wall, 0.0)
    ahead, gap_at = known.ahead, known.gap_at
    if known.boot != boot:
        # An earlier gap that is still open and this one become one gap at the earlier moment.
        ahead, gap_at = known.last + BOOT_STEP - elapsed, known.last if gap_at is None else gap_at
    # State time never runs backwards, even if the boot has no identity or the clock of a server is set back.
    ahead = max(ahead, known.last - elapsed)
    now = elapsed + ahead
    clock = replace(known, boot=boot, ahead=ahead, last=now, gap_at=gap_at)
    return clock if gap_at is not None else replace(clock, wall_ahead=wall - now)


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

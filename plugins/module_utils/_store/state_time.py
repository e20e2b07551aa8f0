# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State time: the seconds in which a state store measures every age, window and deadline.

State time never runs backwards and goes on while a machine is suspended, whatever its wall clock is set to. It is a
clock of the machine (or of the server of a database) plus ``ahead``, which is kept in the store and never lets it fall
below the ``last`` recorded time.

After a reboot, or after the directory was moved to another machine, the time for which the machine was off is unknown
(a gap). State time then continues from the last recorded time, so that no row seems older than it is. As soon as a
response shows the vendor's time, the gap is closed: the smaller of the times that passed on the wall clock and on the
vendor's clock is added to state time, and to all moments that were recorded since the boot.

State time starts as Unix time, and then differs from it: never compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from .facts import VENDOR_CLOCK
from .sql import upsert

if TYPE_CHECKING:
    from .interface import Connection

#: One row, see :class:`StateClock`.
SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
  name TEXT PRIMARY KEY, boot TEXT, ahead REAL, last REAL, wall_ahead REAL, gap_at REAL);
"""
#: Seconds added to state time at a boot, so that rows from before and after it can be distinguished.
BOOT_STEP = 0.001
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

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State time: the seconds in which a state store measures every age, window and deadline.

State time never runs backwards and goes on while a machine is suspended, whatever its wall clock is set to. It is a
clock of the machine (or of the server of a database) plus ``ahead``, which is kept in the store and never lets it fall
below the ``last`` recorded time.

After a reboot, or on another machine that the directory was moved to, a machine does not know for how long it was off.
State time goes on from the last recorded time, so that no row is taken for older than it is. As soon as a response
shows the vendor's time, what both the wall clock and the vendor's clock show to have passed is added to state time, and
to what was recorded since the boot.

State time begins as Unix time, and then goes its own way: no part of the collection may compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from typing import TYPE_CHECKING

from .sql import upsert

if TYPE_CHECKING:
    from .interface import Connection

#: clock: one row, see :class:`StateClock`.
#: vendor_clocks: the seconds by which the vendor's clock is ahead of state time at least and at most, by key.
SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
  name TEXT PRIMARY KEY, boot TEXT, ahead REAL, last REAL, wall_ahead REAL, gap_at REAL);
CREATE TABLE IF NOT EXISTS vendor_clocks (key TEXT PRIMARY KEY, least REAL, most REAL);
"""
#: Seconds between the last moment before a boot and the first one after it, which distinguish the rows of both.
BOOT_STEP = 0.001
_COLUMNS = ("boot", "ahead", "last", "wall_ahead", "gap_at")
_READ = f"SELECT {', '.join(_COLUMNS)} FROM clock WHERE name = 'state'"
_WRITE = upsert("clock", ("name",), _COLUMNS)


@dataclass(frozen=True)
class StateClock:
    """State time in terms of a clock of the machine, as of the ``last`` recorded state time.

    ``boot`` identifies what the clock counts from, and state time is ``ahead`` of it. The wall clock is ``wall_ahead``
    of state time. With ``gap_at``, an unknown time is missing at this moment of state time, the boot; ``wall_ahead`` is
    from before it then.
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
        """Return the clock once the vendor's clock shows that ``vendor_gap`` seconds are missing.

        Of that and what the wall clock shows, the smaller counts: either of them may have been set meanwhile.
        """
        seconds = max(0.0, min(wall - self.last - self.wall_ahead, vendor_gap))
        now = self.last + seconds
        return StateClock(self.boot, self.ahead + seconds, now, wall - now)


def move_rows(database: Connection, columns: Iterable[tuple[str, str]], gap_at: float, seconds: float) -> None:
    """Move what was recorded since a gap, in these columns of tables, by what was added to state time."""
    for table, column in columns:
        database.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} > ?", (seconds, gap_at))
    # A part of the gap may be missing still, so that no difference from before is right.
    database.execute("DELETE FROM vendor_clocks")


def tick(known: StateClock | None, boot: str, elapsed: float, wall: float) -> StateClock:
    """Return the clock now, whose ``last`` is the state time, from the recorded one and what the clocks show."""
    if known is None:
        return StateClock(boot, wall - elapsed, wall, 0.0)
    ahead, gap_at = known.ahead, known.gap_at
    if known.boot != boot:
        # If a gap is unknown still, both count as one at the earlier moment, so that what is between them is not older.
        ahead, gap_at = known.last + BOOT_STEP - elapsed, known.last if gap_at is None else gap_at
    # It never falls below the last time: a boot may have no identity, and the clock of a server may be set back.
    ahead = max(ahead, known.last - elapsed)
    now = elapsed + ahead
    clock = replace(known, boot=boot, ahead=ahead, last=now, gap_at=gap_at)
    return clock if gap_at is not None else replace(clock, wall_ahead=wall - now)

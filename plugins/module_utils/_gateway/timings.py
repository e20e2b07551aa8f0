# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timings of a pool in seconds: its interval, its drain and the lifetime of its leases have to
suit each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._core.errors import OptionError
from .._paid.lifetime import MATCHING_SHARE, seconds
from .declaration import Pool


@dataclass(frozen=True)
class Names:
    """The names of options in messages: variables of a role, or options of an entry of its
    pools.
    """

    prefix: str
    pool: str = ""

    def of(self, option: str) -> str:
        """Return the name of an option."""
        if self.pool:
            return f"{self.prefix}pools, {self.pool}: {option}"
        return f"{self.prefix}{option}"


def names_for(kind: str, pool: Pool) -> Names:
    """Return the names of the options of a pool in messages."""
    return Names(f"proxy_{kind}_", f"pool {pool.name}" if pool.is_entry else "")


def check_timings(kind: str, pools: Sequence[Pool], interval: int) -> None:
    """Refuse a drain that a refresh would miss, or that leases of the requested duration would not
    outlast, and an idle time within which nothing may have come to the pool.

    A lease that lasts long enough at one refresh must not end before the next one. The shortest
    drain is looked at first, so that the interval in the message suits all pools.
    """
    for pool in pools:
        names = names_for(kind, pool)
        life = None
        if pool.keep_alive is not None:
            life = pool.keep_alive * 60.0
        check_drain(pool.drain, life, names)
        if 0 < pool.idle <= interval:
            problem = f"={pool.idle} is not more than {names.prefix}interval={interval}"
            fix = f"a pool in use would sleep, too. Set idle={interval * 6}, for example"
            raise OptionError(names.of("idle"), problem, fix)
    for pool in sorted(pools, key=lambda each: each.drain):
        if pool.drain > interval:
            continue
        names = names_for(kind, pool)
        change = f"{names.prefix}interval={max(1, pool.drain - 5)}"
        if pool.drain == 1:
            change = f"drain=6 and {names.prefix}interval=1"
        problem = f"={pool.drain} is not more than {names.prefix}interval={interval}"
        fix = f"leases would end between two refreshes. Set {change}, for example"
        raise OptionError(names.of("drain"), problem, fix)


def check_drain(drain: int, life: float | None, names: Names) -> None:
    """Refuse a drain that is too long for leases that last so many seconds, if that is known."""
    if life is not None and drain > life * (1 - MATCHING_SHARE):
        raise drain_error(drain, life, names)


def drain_error(drain: int, life: float, names: Names) -> OptionError:
    """Return the error for a drain that new leases with a life of so many seconds hardly outlast:
    nearly each refresh would pay for another one.
    """
    longest = int(life * (1 - MATCHING_SHARE))
    better = max(2, int(life / 4))
    problem = f"={drain} is too long for leases that last {seconds(life)}"
    fix = (
        f"at most {longest} fits, unless you raise keep_alive or the duration of the plan. Set "
        f"drain={better}, and {names.prefix}interval to at most {max(1, better - 5)}, for example"
    )
    return OptionError(names.of("drain"), problem, fix)

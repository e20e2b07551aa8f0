# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The timings of a pool in seconds: interval, drain and the life of its leases have to fit each
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .._core.checks import parse_minutes
from .._core.errors import OptionError
from .._core.text import counted
from .._leases.api import LIFETIMES
from .._paid.lifetime import MATCHING_SHARE
from .._store.installations import LIST
from .declaration import Pool


@dataclass(frozen=True)
class Names:
    """The name of an option in messages: the variable of the role, or the option of an entry of its
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
    prefix = "proxy_list_" if kind == LIST else "proxy_gateway_"
    return Names(prefix, f"pool {pool.name}" if pool.is_entry else "")


def lifetime(pool: Pool) -> float | None:
    """Return the seconds that new leases of a pool last, if the options or QG.net's documents say
    it.
    """
    if pool.keep_alive is not None:
        return parse_minutes("keep_alive", pool.keep_alive) * 60.0
    return LIFETIMES.get(pool.product)


def check_timings(kind: str, pools: Sequence[Pool], interval: int) -> None:
    """Refuse a drain that a refresh would miss, or that new leases would not outlast.

    Between two refreshes, a lease must not run from "lasts long enough" to its end. The shortest
    drain comes first, so that the interval in the sentence suits all pools.
    """
    for pool in pools:
        check_drain(pool, names_for(kind, pool))
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


def check_drain(pool: Pool, names: Names) -> None:
    """Refuse a drain that new leases would not outlast, so that nearly each refresh would pay for
    another one.
    """
    life = lifetime(pool)
    if life is None or pool.drain <= life * (1 - MATCHING_SHARE):
        return
    drain = max(2, int(life / 4))
    problem = f"={pool.drain} is too long for leases that last {counted(int(life), 'second')}"
    fix = (
        f"nearly each refresh would pay for another one. Set drain={drain}, and "
        f"{names.prefix}interval to at most {max(1, drain - 5)}, for example, or raise keep_alive "
        "if the plan allows it"
    )
    raise OptionError(names.of("drain"), problem, fix)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many leases a day what is installed needs, and when that reaches the cap or the end of the
plan.

These are pure functions over data. Times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._core.text import counted
from .caps import DAY


@dataclass(frozen=True)
class Demand:
    """A number of leases that a timer keeps: each ``interval``, those with less than ``drain`` left
    are replaced.

    A new one lasts for ``life``. So many of them as ``may_sleep`` are not kept while nobody uses
    them.
    """

    count: int
    life: float
    drain: float
    interval: float
    may_sleep: int = 0


@dataclass(frozen=True)
class PerDay:
    """How many leases are bought in a day, at least and at most."""

    least: float
    most: float

    @property
    def usual(self) -> float:
        """What is bought if runs find leases too short by chance."""
        return (self.least + self.most) / 2

    @property
    def whole_most(self) -> int:
        """The most in whole leases: a tenth of a lease a day is not worth a number."""
        return math.ceil(self.most - 0.1)

    def __str__(self) -> str:
        least = round(self.least)
        if least == self.whole_most:
            return number(self.whole_most)
        return f"{number(least)} to {number(self.whole_most)}"


@dataclass(frozen=True)
class Budget:
    """What limits purchases: the ``cap`` of the last 24 hours, and what the plan has left.

    ``recent`` are the ages and numbers of what was bought in these 24 hours, the oldest first.
    ``balance`` are the addresses of a plan by volume, ``channels`` those of any other plan. Each is
    None if there is none, or if it is unknown.
    """

    cap: int | None = None
    recent: Sequence[tuple[float, int]] = ()
    balance: int | None = None
    channels: int | None = None


def per_day(demands: Iterable[Demand]) -> PerDay:
    """Return what these need in a day: a lease is replaced in the first run that finds it too
    short.
    """
    least = 0.0
    most = 0.0
    for demand in demands:
        lasting = max(demand.life - demand.drain, demand.interval)
        least += (demand.count - demand.may_sleep) * DAY / (lasting + demand.interval)
        most += demand.count * DAY / lasting
    return PerDay(least, most)


def cap_reached_after(cap: int, recent: Sequence[tuple[float, int]], rate: float) -> float | None:
    """Return the seconds until ``rate`` purchases a day reach a cap; None if they do not.

    What was bought a day ago does not count any more.
    """
    bought = sum(amount for _age, amount in recent)
    for age, amount in recent:
        reached = max(0.0, cap - bought) * DAY / rate
        if reached <= DAY - age:
            return reached
        bought -= amount
    reached = cap * DAY / rate
    return reached if reached < DAY else None


def allowed_after(cap: int, recent: Sequence[tuple[float, int]]) -> float:
    """Return the seconds until a cap allows a purchase again: until enough of the others are a day
    old.
    """
    bought = sum(amount for _age, amount in recent)
    wait = 0.0
    for age, amount in recent:
        if bought < cap:
            break
        wait = DAY - age
        bought -= amount
    return wait


def forecast(demands: Sequence[Demand], budget: Budget) -> str:
    """Return the sentence about what these demands come to; empty without any."""
    if not demands:
        return ""
    need = per_day(demands)
    count = sum(demand.count for demand in demands)
    parts = [f"Keeping {counted(count, 'lease')} needs {need} a day"]
    if budget.cap is not None:
        parts.append(_of_cap(budget.cap, budget.recent, need))
    if budget.balance is not None:
        lasting = duration(budget.balance * DAY / need.usual)
        parts.append(
            f"the {number(budget.balance)} addresses that the plan has left last about {lasting}"
        )
    if budget.channels is not None:
        parts.append(_of_channels(budget.channels, count))
    return f"{'; '.join(parts)}."


def _of_cap(cap: int, recent: Sequence[tuple[float, int]], need: PerDay) -> str:
    usual = cap_reached_after(cap, recent, need.usual)
    if usual == 0:
        return f"the cap of {number(cap)} is reached"
    if usual is not None:
        return f"the cap of {number(cap)} is reached after about {duration(usual)}"
    soonest = cap_reached_after(cap, recent, need.most)
    if soonest is not None:
        return f"the cap of {number(cap)} may be reached after {duration(soonest)}"
    return f"the cap of {number(cap)} is not reached, and leaves {number(cap - need.whole_most)}"


def _of_channels(channels: int, count: int) -> str:
    if count > channels:
        return f"the plan has only {counted(channels, 'channel')}"
    free = number(channels - count)
    return f"{free} of the {counted(channels, 'channel')} of the plan would be free"


def number(value: float) -> str:
    """Return a number with separators of thousands."""
    return f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Return a duration in hours, or days if there are more than two of them."""
    hours = seconds / 3600
    if hours < 48:
        return f"{hours:.1f} hours"
    return f"{hours / 24:.1f} days"

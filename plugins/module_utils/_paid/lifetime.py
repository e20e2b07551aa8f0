# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether new resources last long enough.

How long they last is a setting of the plan, which only QG.net's responses and lists show: the
journal says what the last purchases had left. A resource that lasts no longer than
``min_remaining`` would be bought again in each run.
"""

from __future__ import annotations

from .._core.errors import OptionError
from .._core.text import counted

#: The share of its life for which a new resource has to match at least.
MATCHING_SHARE = 0.1
#: Seconds for which the journal is asked for installations, which may buy rarely.
MONTH = 30 * 86400.0


class ShortLifeError(OptionError):
    """New resources have a ``life`` (seconds) that is too short for what is to remain of it."""

    def __init__(self, minutes: float, life: float) -> None:
        self.life = life
        longest = life * (1 - MATCHING_SHARE)
        super().__init__(
            "min_remaining",
            f"={duration(minutes)} cannot be met, since a new lease lasts {seconds(life)}, and "
            "nearly each run would pay for another one",
            f"set it to at most {seconds(longest)}, or raise keep_alive or the duration of the "
            "plan",
        )


def check_min_remaining(minutes: float, life: float) -> None:
    """Refuse a minimum that a new lease would keep for less than a tenth of its life (seconds)."""
    if minutes * 60 > life * (1 - MATCHING_SHARE):
        raise ShortLifeError(minutes, life)


def duration(minutes: float) -> str:
    """Return a number of minutes for a message."""
    if isinstance(minutes, int):
        return counted(minutes, "minute")
    return counted(minutes * 60, "second")


def seconds(number: float) -> str:
    """Return a number of seconds for a message, rounded down, in minutes if it is a long one or a
    whole one.
    """
    whole = int(number)
    if whole < 120 or (whole < 600 and whole % 60):
        return counted(whole, "second")
    return counted(whole // 60, "minute")

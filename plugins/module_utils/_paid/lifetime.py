# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long new resources last: as requested, as documented, or as the journal of the last hour has
it.

A resource that lasts no longer than ``min_remaining`` would be bought again in each run.
"""

from __future__ import annotations

from typing import Any

from .._api.leases import Terms
from .._core.errors import OptionError
from .._core.text import counted
from .holdings import Holdings
from .journal_reader import HOUR
from .matching import Desired

#: The share of its life for which a new resource has to match at least.
MATCHING_SHARE = 0.1
#: Seconds for which the journal is asked for installations, which may buy rarely.
MONTH = 30 * 86400.0


def known_lifetime(books: Holdings[Any], terms: Terms, within: float = HOUR) -> float | None:
    """Return the seconds that new resources last; None if that is unknown.

    The journal says it of what was bought ``within`` so many seconds.
    """
    expected = books.api.lifetime
    if terms.keep_alive is not None:
        expected = terms.keep_alive * 60.0
    observed = books.journal.lasting(terms.keep_alive, within)
    if expected is None:
        return observed
    # What is left when a response arrives is a little less, which says nothing.
    if observed is not None and abs(observed - expected) > MATCHING_SHARE * expected:
        return observed
    return expected


def check_lifetime(books: Holdings[Any], desired: Desired, life: float | None) -> None:
    """Refuse a minimum that new resources with a life of so many seconds would hardly keep."""
    if books.api.ends_by_itself and life is not None:
        check_min_remaining(desired.min_remaining, life)


def check_min_remaining(minutes: float, life: float) -> None:
    """Refuse a minimum that a new lease would keep for less than a tenth of its life (seconds)."""
    max_seconds = life * (1 - MATCHING_SHARE)
    if minutes * 60 > max_seconds:
        raise OptionError(
            "min_remaining",
            f"={duration(minutes)} cannot be met, since a new lease lasts {seconds(life)}, and "
            "nearly each run would pay for another one",
            f"set it to at most {seconds(max_seconds)}, or raise keep_alive if the plan allows it",
        )


def duration(minutes: float) -> str:
    """Return a number of minutes for a message."""
    if isinstance(minutes, int):
        return counted(minutes, "minute")
    return counted(minutes * 60, "second")


def seconds(number: float) -> str:
    """Return a number of seconds for a message, rounded down, in minutes if it is a long one."""
    if number < 120:
        return counted(int(number), "second")
    return counted(int(number // 60), "minute")

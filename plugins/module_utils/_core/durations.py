# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations as users write them: a number, or a number with a unit."""

from __future__ import annotations

import re

from .errors import OptionError
from .text import quoted

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(rf"(-?[0-9]{{1,9}})([{''.join(UNITS)}]?)")


def parse_minutes(option: str, value: object) -> float:
    """Return a duration in minutes, the unit of a bare number; whole minutes as an integer."""
    text = str(value).strip()
    match = _DURATION.fullmatch(text)
    if match is None:
        raise OptionError(
            f"{option}={quoted(text)} cannot be used: give a number of minutes, or a number with a unit, such as "
            "30s, 5m or 1h."
        )
    seconds = int(match[1]) * UNITS[match[2] or "m"]
    return seconds / 60 if seconds % 60 else seconds // 60

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The durations that the vendor sells.

This file is private to the collection. Grammar and ranges: vendor's page on the price of an order, where the unit ``s``
means hours.
"""

from __future__ import annotations

import re

from .._core.errors import OptionError
from .._core.text import quote_word

_MONTHS = (*(f"{number}m" for number in range(1, 10)), "12m", "24m", "36m")
#: The durations of each brand; None if only the vendor's price list shows them.
BRANDS: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("tencent", "alibaba", "huawei", "qianhai", "telecom"), _MONTHS),
    **dict.fromkeys(("qingguo", "desktop", "other")),
}


def check_duration(text: str, brand: str | None) -> str:
    """Return a duration; refuse other text, and durations that the brand does not sell."""
    duration = text.strip()
    if not re.fullmatch(r"[1-9][0-9]{0,3}[sdwm]", duration):
        hint = " The vendor writes hours with s." if duration.endswith("h") else ""
        raise OptionError(
            f"duration={quote_word(text)} is not a duration: give a number and s (hours), d (days), w (weeks) or m "
            f"(months), such as 1m.{hint}"
        )
    sold = BRANDS.get(brand or "")
    if sold and duration not in sold:
        raise OptionError(f"duration={duration} is not sold by brand={brand}: give one of {', '.join(sold)}.")
    return duration

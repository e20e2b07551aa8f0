# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options for the location and the terms of leases."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .._api.areas import code_in
from .._api.leases import ISP_NUMBERS
from .._core.errors import OptionError
from .._core.text import quoted
from .._core.validation import check_names
from .sources import Spec

#: The vendor's numbers of its pools.
POOLS = {"normal": 1, "enterprise": 2}
#: The options for the location of leases.
PLACE_OPTIONS: Spec = {
    "areas": {"type": "list", "elements": "str"},
    "isp": {"type": "str", "choices": list(ISP_NUMBERS)},
}
#: The options of an allocation of leases (doc fragment ``lease_terms``).
TERMS_OPTIONS: Spec = {
    **PLACE_OPTIONS,
    "keep_alive": {"type": "str"},
    "distinct": {"type": "bool", "default": False},
    "exclude_areas": {"type": "list", "elements": "str"},
    "pool": {"type": "str", "choices": list(POOLS)},
}


def check_areas(option: str, texts: Sequence[object] | None) -> tuple[str, ...]:
    """Return codes and names of areas; refuse numbers that cannot be codes. Names may contain blanks."""
    areas = check_names(option, texts, ",*")
    wrong = next((area for area in areas if re.fullmatch(r"[-+.0-9]+", area) and code_in(area) is None), None)
    if wrong is not None:
        raise OptionError(
            f"{option} contains {quoted(wrong)}, which is not the code of an area: give a code such as 350500, "
            "or a name, as qg_area_info lists them."
        )
    return tuple(areas)


def check_one_area(areas: Sequence[str], what: str) -> None:
    """Refuse several areas where the vendor's call takes one; ``what`` precedes the number."""
    if len(areas) > 1:
        raise OptionError(
            f"areas contains {len(areas)} areas, and {what} one: give one of them, and use a task for each."
        )

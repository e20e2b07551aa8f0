# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor's areas: one model for all APIs, and the codes of the areas that a user gives by code or by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._core.errors import CallError, OptionError, WaitBudgetExceeded
from .._core.text import format_sample, quoted, similar
from .leases import ISP_NUMBERS, PROVIDERS
from .parsing import as_text, integer

#: The code and the name of an area that the vendor lists.
NamedArea: TypeAlias = "tuple[str, str | None]"

#: A number, or the code of a country.
_CODE = re.compile(r"[1-9][0-9]{0,8}|[A-Z]{2}")
#: The maximum number of areas in a suggestion.
_MAX_SUGGESTED = 5


def _is_code(value: object) -> bool:
    """Whether a value can be the code of an area; the vendor writes 0 for none."""
    return isinstance(value, str | int) and not isinstance(value, bool) and as_text(value) not in (None, "", "0")


@dataclass(frozen=True)
class Area:
    """One row of the vendor's list of areas (vendor doc 177), whose shape is not documented.

    Each field is the value of a key with a similar name, or None; ``vendor`` is the row as received. ``code`` is a
    number, or for some areas overseas the code of a country, such as ``US``.
    """

    code: str | None
    name: str | None
    isp: str | None
    available: bool | None
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Area:
        """Read the known fields of a row."""
        fields = {name.replace("_", "").lower(): value for name, value in item.items()}

        def number(*names: str) -> int | None:
            found = (integer(fields.get(name)) for name in names)
            return next((value for value in found if value is not None and value >= 0), None)

        codes = [fields.get(name) for name in ("areacode", "areaid", "areano")]
        given = fields.get("available")
        status = int(given) if isinstance(given, bool) else number("status", "available")
        name = next((fields[name] for name in ("areaname", "area", "name") if isinstance(fields.get(name), str)), None)
        isp = fields.get("isp")
        by_number = {str(number): known for known, number in ISP_NUMBERS.items()}
        return cls(
            code=next((as_text(code) for code in codes if _is_code(code)), None),
            name=name,
            isp=by_number.get(str(isp)) or PROVIDERS.get(str(isp).upper()),
            available=None if status is None else status > 0,
            vendor=item,
        )


def is_inside(inner: str, outer: str) -> bool | None:
    """Whether an area is part of another one; None if the codes do not show that.

    In codes of six digits, the pairs of digits stand for province, city and district; 00 stands for all districts or
    cities.
    """
    if inner == outer:
        return True
    if inner.isdecimal() != outer.isdecimal():
        # One of them is the code of a country, such as US.
        return None
    if len(inner) == len(outer) == 6 and inner.isdecimal():
        if inner.startswith(_stem(outer)):
            return True
        if outer.startswith(_stem(inner)):
            return None
    return False


def _stem(code: str) -> str:
    while len(code) > 2 and code.endswith("00"):
        code = code[:-2]
    return code


def area_codes(option: str, texts: Iterable[str], read: Callable[[], Sequence[NamedArea]]) -> tuple[str, ...]:
    """Return the codes of the areas that an option contains as codes or names; refuse what the vendor does not list.

    ``read`` returns the vendor's list. If it cannot be read, or contains no codes, codes are returned as they are: its
    shape is not documented.
    """
    given = [text.strip() for text in texts]
    try:
        return tuple(dict.fromkeys(_code_of(option, text, read()) for text in given))
    except (CallError, WaitBudgetExceeded):
        codes = tuple(dict.fromkeys(filter(None, map(code_in, given))))
        if len(codes) < len(set(given)):
            raise
        return codes


def code_in(text: str) -> str | None:
    """Return the code in a text, without leading zeros and in upper case; None for a name."""
    code = text.lstrip("0").upper()
    return code if _CODE.fullmatch(code) else None


def _code_of(option: str, text: str, listed: Sequence[NamedArea]) -> str:
    named = sorted({code for code, name in listed if name == text})
    if len(named) == 1:
        return named[0]
    what = f"{option} contains {quoted(text)}, which"
    if named:
        raise OptionError(f"{what} is the name of several areas: give one of the codes {', '.join(named)}.")
    if code := code_in(text):
        # The code of a country cannot be compared with numbers.
        codes = [each for each, _name in listed if each.isdecimal() == code.isdecimal()]
        # The vendor accepts the code of a province for all its cities, and may list either.
        if not codes or any(
            is_inside(each, code) or (each.endswith("0000") and is_inside(code, each)) for each in codes
        ):
            return code
    if not listed:
        raise OptionError(f"{what} is not a code, and the vendor's list contains no areas: give codes.")
    near = similar(text, [word for area in listed for word in area if word], _MAX_SUGGESTED)
    areas = sorted({(name or code, code) for code, name in listed})
    suggested = [area for area in areas if text in area[0] or set(near).intersection(area)]
    sample = format_sample(
        [name if name == code else f"{name} ({code})" for name, code in suggested or areas], _MAX_SUGGESTED
    )
    fix = f"did you mean {sample}?" if suggested else f"give one of {sample}."
    raise OptionError(f"{what} qg_area_info does not list for this key: {fix}")

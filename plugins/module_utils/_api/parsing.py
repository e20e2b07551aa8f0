# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parsers of foreign text: JSON, numbers and times, bounded in size, depth and digits.

Foreign text comes from a vendor, a proxy or a host. A parser returns a value that the rest of the collection can store,
compare and print, or it refuses the text: the parsers that return ``None`` for unreadable text never raise, and
:func:`parse_json` raises only :class:`ResponseShapeError`.
"""

from __future__ import annotations

import datetime
import decimal
import email.utils
import json
import math
import re
from collections.abc import Mapping
from typing import Any

#: The vendor documents no time zone; its clients assume that of Beijing.
BEIJING = datetime.timezone(datetime.timedelta(hours=8))
#: The maximum length of a JSON text. The longest response of the vendor, a list of 10,000 addresses, has 200,000.
MAX_CHARACTERS = 8 * 1024 * 1024
#: The maximum depth of nested lists and objects. The vendor uses four; Python's own functions fail at about 1,000.
MAX_DEPTH = 32
#: The maximum length of a number in a JSON text. Python refuses to convert more than 4,300 digits.
MAX_NUMBER = 64
#: The maximum digits of an integer that is used or stored: SQLite stores 64 bits.
MAX_DIGITS = 18
#: The maximum length of a time.
MAX_TIME = 64
#: The maximum wait in seconds that a server can ask for: 30 years.
MAX_SECONDS = 10**9

_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
#: An escape of JSON: a pair of surrogates, a lone one, or any other.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HIGH_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class ResponseShapeError(ValueError):
    """The text is not JSON, or it is JSON that is not of the documented shape."""


def parse_json(text: str) -> Any:
    """Parse foreign JSON; raise ResponseShapeError if it is not JSON or exceeds a limit of this file.

    The value has no NaN or infinity, no number that Python cannot print, no half of a surrogate pair, and no object
    with a duplicate field, since parsers disagree on its meaning.
    """
    if len(text) > MAX_CHARACTERS:
        raise ResponseShapeError("it is too long")
    try:
        value = _DECODER.decode(_without_lone_surrogates(text))
    except ResponseShapeError:
        raise
    except RecursionError:
        raise ResponseShapeError("it is nested too deep") from None
    except ValueError:
        raise ResponseShapeError("it is not JSON") from None
    _check_depth(value)
    return value


def parse_object(text: str) -> dict[str, Any]:
    """Parse a foreign JSON object; raises ResponseShapeError for anything else."""
    body = parse_json(text)
    if not isinstance(body, dict):
        raise ResponseShapeError("no object")
    return body


def integer(value: object) -> int | None:
    """Return an integer, also from text such as ``"3"``; None for other values or more than MAX_DIGITS digits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**MAX_DIGITS else None
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_NUMBER else ""
    return int(text) if _INTEGER.fullmatch(text) else None


def as_int(value: object, name: str) -> int:
    """Return an integer, which the vendor may send as text (``"3"``); raise ResponseShapeError for other values."""
    number = integer(value)
    if number is None:
        raise ResponseShapeError(f"{name} is not a number")
    return number


def check_count(body: Mapping[str, Any], name: str, listed: int, what: str) -> None:
    """Refuse a list that is shorter than the response says: mistaking it for a full one would buy leases again."""
    count = body.get(name)
    if count is not None and as_int(count, name) > listed:
        raise ResponseShapeError(f"{name} is {count}, but {listed} {what} are listed")


def as_text(value: object) -> str | None:
    """Return a value as text; None if the vendor left it empty."""
    return str(value).strip() if value else None


def required_text(item: Mapping[str, Any], name: str, what: str) -> str:
    """Return the text of a required field; ``what`` describes it in the error."""
    text = item.get(name)
    if not isinstance(text, str) or not text.strip():
        raise ResponseShapeError(f"{name} is not {what}")
    return text.strip()


def objects(value: object, name: str) -> list[Mapping[str, Any]]:
    """Return a list of JSON objects; an empty list for null."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ResponseShapeError(f"{name} is not a list of objects")
    return value


def texts_or_none(value: object) -> list[str] | None:
    """Return a list of text; None for anything else."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return None
    return [item.strip() for item in value]


def exact_number(text: str) -> decimal.Decimal | None:
    """Return a decimal number in the range of floats; None for anything else."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = decimal.Decimal(text)
    return number if number.adjusted() < 300 else None


def duration(text: str) -> float | None:
    """Return seconds as programs print them, such as ``0.25``; None for anything else."""
    return float(text) if _SECONDS.fullmatch(text) else None


def parse_vendor_time(value: object) -> datetime.datetime | None:
    """Return a time of the vendor (``2030-01-02 03:04:05``, Beijing time); None for anything else."""
    text = value.strip() if isinstance(value, str) and len(value) <= MAX_TIME else ""
    if not text.isascii():
        return None
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


def http_time(text: str) -> float | None:
    """Return the Unix time of an HTTP date; None for anything else."""
    if len(text) > MAX_TIME or not text.isascii():
        return None
    try:
        time = email.utils.parsedate_to_datetime(text)
        # Without a zone, Python would use the local one, in which the years 1 and 9999 are out of range.
        return (time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)).timestamp()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None


def http_delay(text: str, now: float) -> float | None:
    """Return the seconds in a ``Retry-After`` header, a number of seconds or an HTTP date; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        digits = text.lstrip("0")
        return float(digits or 0) if len(digits) <= len(str(MAX_SECONDS)) - 1 else float(MAX_SECONDS)
    time = http_time(text)
    return None if time is None else min(max(0.0, time - now), float(MAX_SECONDS))


def _parse_int(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise ResponseShapeError("a number in it is too long")
    return int(text)


def _parse_float(text: str) -> float:
    number = float(text) if len(text) <= MAX_NUMBER else math.inf
    if not math.isfinite(number):
        raise ResponseShapeError("a number in it is too large or too long")
    return number


def _refuse_constant(text: str) -> Any:
    raise ResponseShapeError(f"{text} is not a number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ResponseShapeError("an object in it names a field twice")
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant
)


def _without_lone_surrogates(text: str) -> str:
    """Return text that can be encoded, with U+FFFD for each lone surrogate, also if it is an escape of JSON."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if _HIGH_ESCAPE.search(text):
        text = _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], text)
    return text


def _check_depth(value: Any) -> None:
    level = [value]
    for _depth in range(MAX_DEPTH + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, (dict, list))
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return
    raise ResponseShapeError("it is nested too deep")

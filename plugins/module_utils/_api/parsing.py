# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parsers of foreign text: JSON, numbers and times.

Foreign text comes from a vendor, a proxy or a host. A parser returns a value that the rest of the
collection can store, compare and print, or it refuses the text: the parsers that return ``None``
for unreadable text never raise, and :func:`parse_json` raises only :class:`ResponseShapeError`.
"""

from __future__ import annotations

import datetime
import email.utils
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .._core.text import without_secrets

#: QG.net documents no time zone; its clients assume that of Beijing.
BEIJING = datetime.timezone(datetime.timedelta(hours=8))
#: The maximum length of a number or a time.
MAX_LENGTH = 64
#: The maximum wait in seconds that a server can ask for: 30 years.
MAX_SECONDS = 1e9

#: SQLite stores integers of 64 bits.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?"
)


class ResponseShapeError(ValueError):
    """The text is not JSON, or it is JSON that is not of the documented shape."""


def parse_json(text: str) -> Any:
    """Parse foreign JSON.

    Raises ResponseShapeError for what cannot be written as JSON in UTF-8 again.

    A lone surrogate becomes U+FFFD.
    """
    try:
        value = json.loads(text)
        written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        raise ResponseShapeError("it is not JSON") from None


def parse_object(text: str) -> dict[str, Any]:
    """Parse a foreign JSON object; raises ResponseShapeError for anything else."""
    body = parse_json(text)
    if not isinstance(body, dict):
        raise ResponseShapeError("no object")
    return body


def integer(value: object) -> int | None:
    """Return an integer, also from text such as ``"3"``.

    None for other values or more than 18 digits.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if abs(value) < 10**18 else None
    text = _short(value)
    return int(text) if _INTEGER.fullmatch(text) else None


def _short(value: object) -> str:
    """Return text of at most MAX_LENGTH characters; empty text for any other value."""
    if not isinstance(value, str) or len(value) > MAX_LENGTH:
        return ""
    return value.strip()


def as_int(value: object, name: str) -> int:
    """Return an integer, which QG.net may send as text (``"3"``); raise ResponseShapeError for
    other values.
    """
    number = integer(value)
    if number is None:
        raise ResponseShapeError(f"{name} is not a number")
    return number


def check_count(body: Mapping[str, Any], name: str, listed: int, what: str) -> None:
    """Refuse a list that is shorter than the response says, since leases would be bought again."""
    count = body.get(name)
    if count is not None and as_int(count, name) > listed:
        raise ResponseShapeError(f"{name} is {count}, but {listed} {what} are listed")


def check_unique(names: Sequence[str], what: str) -> None:
    """Refuse a name that occurs twice: two that are taken for one would be bought again."""
    if len(set(names)) < len(names):
        raise ResponseShapeError(f"it contains a {what} twice")


def as_text(value: object) -> str | None:
    """Return a value as text; None if QG.net left it empty."""
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


def parse_vendor_time(value: object) -> datetime.datetime | None:
    """Return a time of QG.net (``2030-01-02 03:04:05`` in Beijing); None for anything else."""
    text = _short(value)
    if not text.isascii():
        return None
    try:
        return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


def iso_time(moment: datetime.datetime | None) -> str | None:
    """Return a time for results, with the offset of its zone; None for none."""
    if moment is None:
        return None
    return moment.isoformat()


def beijing_time(moment: float) -> str:
    """Return a Unix time for results, in whole seconds."""
    return datetime.datetime.fromtimestamp(round(moment), BEIJING).isoformat()


def http_time(text: str) -> float | None:
    """Return the Unix time of an HTTP date; None for anything else."""
    if len(text) > MAX_LENGTH or not text.isascii():
        return None
    try:
        time = email.utils.parsedate_to_datetime(text)
        if not time.tzinfo:
            # Python would use the local one, in which the years 1 and 9999 are out of range.
            time = time.replace(tzinfo=datetime.timezone.utc)
        return time.timestamp()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait; None if it does not, or with a date."""
    text = headers.get("Retry-After", "").strip()
    if not text.isascii() or not text.isdecimal():
        return None
    return min(float(text), MAX_SECONDS)


def normalize_key(name: str) -> str:
    """Return a key of QG.net in lower case, without underscores and blanks, which vary."""
    return "".join(character for character in name if character.isalnum()).casefold()


class Record:
    """An object of QG.net's API, whose values are found by any spelling of their keys."""

    def __init__(self, vendor: object, what: str) -> None:
        if not isinstance(vendor, Mapping):
            raise ResponseShapeError(f"{what} is not an object")
        self.what = what
        self.vendor: Mapping[str, Any] = vendor
        self._values: dict[str, Any] = {}
        for name, value in vendor.items():
            # If a response has a key in two spellings, the one with a value counts.
            if self._values.get(normalize_key(name)) in (None, ""):
                self._values[normalize_key(name)] = value

    def value(self, *names: str) -> Any:
        """Return the value of the first name that has one, or None. QG.net writes "" for it."""
        for name in names:
            value = self._values.get(normalize_key(name))
            if value not in (None, ""):
                return value
        return None

    def text(self, *names: str) -> str | None:
        """Return text, or a number as text."""
        value = self.value(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ResponseShapeError(f"{names[0]} is not text")
        return str(value).strip() or None

    def decimal(self, *names: str) -> Decimal | None:
        """Return an exact number, also from text; None if it cannot be read."""
        text = self.text(*names) or ""
        return Decimal(text) if _DECIMAL.fullmatch(text) else None

    def number(self, *names: str) -> float | None:
        """Return a number, also from text; None if it cannot be read."""
        exact = self.decimal(*names)
        return None if exact is None else float(exact)

    def integer(self, *names: str) -> int | None:
        """Return an integer, also from text; None if it cannot be read."""
        exact = self.decimal(*names)
        if exact is None or abs(exact) >= 10**15 or exact != int(exact):
            return None
        return int(exact)

    def money(self, *names: str) -> str | None:
        """Return an amount with exactly the digits of QG.net."""
        return None if self.decimal(*names) is None else self.text(*names)

    def without(self, marks: Iterable[str]) -> dict[str, Any]:
        """Return the object as received, without the keys that contain one of the marks."""
        hidden = tuple(map(normalize_key, marks))
        shown = dict(self.vendor)
        for name in self.vendor:
            if any(mark in normalize_key(name) for mark in hidden):
                del shown[name]
        return shown


# Secrets that QG.net, or a server before it, repeats in its responses.
#
# All that the store keeps of a response goes through here, right where the response is read. What
# only informs is masked. A name is not: runs know by it what they have paid for, and a release
# names it. With a part of it masked, two names could become one, or it would name nothing. So a
# response with a secret in a name is refused as unreadable, as one of an unknown shape is, and
# nothing is paid for until a list can be read.


def masked(item: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """Return an object of QG.net with its secrets masked.

    A time is none: a short password may be its year.
    """
    kept: dict[str, Any] = without_secrets({"vendor": item}, secrets)["vendor"]
    for name, value in item.items():
        if name in kept and parse_vendor_time(value):
            kept[name] = value
    return kept


def has_secret(value: Any, secrets: Collection[str]) -> bool:
    """Whether a text, or a list of texts and numbers, contains a secret."""
    return bool(without_secrets(value, secrets) != value)


def check_names(names: list[Any], kept: list[Any]) -> None:
    """Refuse the names of an object, of which these are left when it is masked."""
    if names != kept:
        raise ResponseShapeError("a name in it contains the key or the password")

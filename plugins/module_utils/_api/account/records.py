# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the account API as rows with fixed names and types.

The vendor's keys vary in case and spelling: on its pages on packages, services and lines, tables and examples differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..parsing import ResponseShapeError, exact_number, parse_vendor_time
from ..parsing import integer as parse_integer


def normalize_key(name: str) -> str:
    """Return a key of the vendor in lower case, without underscores and blanks, which vary."""
    return "".join(character for character in name if character.isalnum()).casefold()


class Record:
    """An object of the vendor's API, whose values are found by any spelling of their keys."""

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
        """Return the value under the first of the names that has one, or None; the vendor writes "" for no value."""
        found = (self._values.get(normalize_key(name)) for name in names)
        return next((value for value in found if value not in (None, "")), None)

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
        text = self.text(*names)
        return None if text is None else exact_number(text)

    def number(self, *names: str) -> float | None:
        """Return a number, also from text; None if it cannot be read."""
        exact = self.decimal(*names)
        return None if exact is None else float(exact)

    def integer(self, *names: str) -> int | None:
        """Return an integer, also from text; None if it cannot be read."""
        exact = self.decimal(*names)
        return int(exact) if exact is not None and abs(exact) < 10**15 and exact == exact.to_integral_value() else None

    def money(self, *names: str) -> str | None:
        """Return an amount with exactly the digits of the vendor."""
        return None if self.decimal(*names) is None else self.text(*names)

    def without(self, marks: Iterable[str]) -> dict[str, Any]:
        """Return the object as received, without the keys that contain one of the marks."""
        hidden = tuple(map(normalize_key, marks))
        return {
            name: value
            for name, value in self.vendor.items()
            if not any(mark in normalize_key(name) for mark in hidden)
        }


@dataclass(frozen=True)
class Column:
    """One value of a row: its name in results, its reader, and the vendor's names for it."""

    name: str
    read: Callable[..., Any]
    names: tuple[str, ...]


def column(name: str, read: Callable[..., Any], *names: str) -> Column:
    """Return a column; without names of the vendor, its name differs only in case and underscores."""
    return Column(name, read, names or (name,))


def columns(read: Callable[..., Any], *names: str) -> tuple[Column, ...]:
    """Return columns with the same reader, whose names differ from the vendor's only in case and underscores."""
    return tuple(column(name, read) for name in names)


def times(*names: str) -> tuple[Column, ...]:
    """Return two columns for each time: as the vendor writes it, and as ISO 8601 with the offset of Beijing."""

    def iso(record: Record, name: str) -> str | None:
        found = parse_vendor_time(record.text(name))
        return found.isoformat() if found else None

    return tuple(each for name in names for each in (column(name, Record.text), column(f"{name}_iso", iso, name)))


def records(data: object, what: str) -> list[Record]:
    """Return the objects in ``Data``: a list, a map with the keys "1", "2", a single object, or nothing."""
    if data in (None, "", [], {}):
        return []
    if isinstance(data, Mapping):
        numbers = {name: parse_integer(name) for name in data}
        if None not in numbers.values():
            return [Record(data[name], what) for name in sorted(data, key=lambda name: (numbers[name] or 0, name))]
        return [Record(data, what)]
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise ResponseShapeError("Data is neither a list nor an object")
    return [Record(each, what) for each in data]


def single(data: object, what: str) -> Record:
    """Return the only object in ``Data``, which may have any shape of a list."""
    found = records(data, what)
    if len(found) != 1:
        raise ResponseShapeError(f"Data contains {len(found)} objects instead of {what}")
    return found[0]

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the account API, whose keys drift in case and spelling, as rows with names and types that stay.

This file is private to the collection. The drift: vendor's pages on packages, services and lines, where tables and
examples differ.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..classic.models import moment
from ..parsing import ResponseShapeError, exact_number, integer


def plain(name: str) -> str:
    """A key of the vendor without what drifts: case, underscores and stray blanks."""
    return "".join(sign for sign in name if sign.isalnum()).casefold()


class Item:
    """An object of the vendor, whose values are found by any spelling of their keys."""

    def __init__(self, vendor: object, what: str) -> None:
        if not isinstance(vendor, Mapping):
            raise ResponseShapeError(f"{what} is not an object")
        self.what = what
        self.vendor: Mapping[str, Any] = vendor
        self._values: dict[str, Any] = {}
        for name, value in vendor.items():
            # Of two spellings in one answer, the one that says something counts.
            if self._values.get(plain(name)) in (None, ""):
                self._values[plain(name)] = value

    def __contains__(self, name: str) -> bool:
        return plain(name) in self._values

    def value(self, *names: str) -> Any:
        """The value under the first of the names that has one; None where none has. The vendor's nothing is ""."""
        found = (self._values.get(plain(name)) for name in names)
        return next((value for value in found if value not in (None, "")), None)

    def text(self, *names: str) -> str | None:
        """Text, or a number as text."""
        value = self.value(*names)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ResponseShapeError(f"{names[0]} is not text")
        return str(value).strip() or None

    def word(self, *names: str) -> str | None:
        """Text, or anything that JSON writes as one word."""
        value = self.value(*names)
        return str(value) if isinstance(value, bool) else self.text(*names)

    def decimal(self, *names: str) -> decimal.Decimal | None:
        """An exact number, also from text; None where it cannot be read."""
        text = self.text(*names)
        return None if text is None else exact_number(text)

    def number(self, *names: str) -> float | None:
        """A number, also from text; None where it cannot be read."""
        exact = self.decimal(*names)
        return None if exact is None else float(exact)

    def whole(self, *names: str) -> int | None:
        """A whole number, also from text; None where it cannot be read."""
        exact = self.decimal(*names)
        return int(exact) if exact is not None and abs(exact) < 10**15 and exact == exact.to_integral_value() else None

    def money(self, *names: str) -> str | None:
        """An amount, to the digit as the vendor writes it."""
        return None if self.decimal(*names) is None else self.text(*names)

    def without(self, marks: Iterable[str]) -> dict[str, Any]:
        """All as it came, without the keys that hold one of the marks."""
        hidden = tuple(map(plain, marks))
        return {name: value for name, value in self.vendor.items() if not any(mark in plain(name) for mark in hidden)}


@dataclass(frozen=True)
class Column:
    """One value of a row: what results call it, how it is read, and by which names of the vendor."""

    name: str
    read: Callable[..., Any]
    names: tuple[str, ...]


def column(name: str, read: Callable[..., Any], *names: str) -> Column:
    """A column; without names of the vendor, it is the same but for case and underscores."""
    return Column(name, read, names or (name,))


def times(name: str, *names: str) -> tuple[Column, Column]:
    """A time as the vendor gives it, and as ISO 8601 with the offset of Beijing."""

    def iso(item: Item, *names: str) -> str | None:
        found = moment(item.text(*names))
        return found.isoformat() if found else None

    return column(name, Item.text, *names), Column(f"{name}_iso", iso, names or (name,))


def row(item: Item, columns: Iterable[Column]) -> dict[str, Any]:
    """The values of all columns, each of which is there."""
    return {each.name: each.read(item, *each.names) for each in columns}


def items(data: object, what: str) -> list[Item]:
    """The objects in ``Data``: a list, a map keyed "1", "2", a lone object, or nothing at all."""
    if data in (None, "", [], {}):
        return []
    if isinstance(data, Mapping):
        numbers = {name: integer(name) for name in data}
        if None not in numbers.values():
            return [Item(data[name], what) for name in sorted(data, key=lambda name: (numbers[name] or 0, name))]
        return [Item(data, what)]
    if not isinstance(data, Sequence) or isinstance(data, str):
        raise ResponseShapeError("Data is neither a list nor an object")
    return [Item(each, what) for each in data]


def only(data: object, what: str) -> Item:
    """The one object in ``Data``, in any of the shapes that a list may have."""
    found = items(data, what)
    if len(found) != 1:
        raise ResponseShapeError(f"Data holds {len(found)} objects instead of {what}")
    return found[0]

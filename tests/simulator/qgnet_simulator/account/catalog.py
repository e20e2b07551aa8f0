# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on sale and what QG.net's pages show: the examples of ``examples.json``.

Field names, their order, their case and the types are those of the pages. Addresses, passwords and
the key of the plan are not: the addresses are reserved for tests, and a test can search for the
passwords where they must not be.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..settings import SettingError, accepts

CLOUD_PRODUCT = 104
PHYSICAL_PRODUCT = 115
PROXY_PRODUCT = 117
PRODUCTS = (CLOUD_PRODUCT, 113, PHYSICAL_PRODUCT, PROXY_PRODUCT)
"""The product numbers that the pages mention."""
EXAMPLES: dict[str, Any] = json.loads(
    Path(__file__).with_name("examples.json").read_text(encoding="utf-8")
)
DURATIONS: list[str] = EXAMPLES["durations"]
"""The durations that most products offer."""
RATE_FIELDS: list[str] = EXAMPLES["rate_fields"]
IMAGES: list[tuple[str, str]] = EXAMPLES["images"]
"""Number and name of each operating system. The first one is in the example of QG.net."""
SYSTEMS = ["1", *(number for number, _name in IMAGES)]
"""The numbers of the operating systems. The example of a price asks for system 1."""


def without(row: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a copy of a row that lacks these fields."""
    return {name: value for name, value in row.items() if name not in names}


@dataclass
class Row:
    """One object of a list, and its product number, which is not part of a response."""

    product: int
    values: dict[str, Any]

    @classmethod
    def parse_all(cls, items: Any, default_product: int) -> list[Row]:
        """Return the rows that a control call describes."""
        if not accepts(list[dict[str, Any]], items):
            raise SettingError(
                "a list of objects expected, each with a number as productId or without one"
            )
        return [
            cls(item.get("productId", default_product), without(item, ("productId",)))
            for item in items
        ]

    def describe(self) -> dict[str, Any]:
        return {"productId": self.product, **self.values}


def packages() -> list[Row]:
    first = EXAMPLES["package"]
    return [
        Row(CLOUD_PRODUCT, dict(first)),
        Row(CLOUD_PRODUCT, {**first, **EXAMPLES["second_package"]}),
    ]


def lines() -> list[Row]:
    return [Row(PHYSICAL_PRODUCT, dict(EXAMPLES["line"]))]


def prices() -> dict[str, dict[str, Any]]:
    """Return the price of one month by package.

    The example asks for package 1; the list of packages has the others.
    """
    return {number: dict(EXAMPLES["price"]) for number in ("1", "1111", "2222")}


def proxy_plans() -> dict[str, dict[str, Any]]:
    return {"demo0001": dict(EXAMPLES["proxy_plan"])}

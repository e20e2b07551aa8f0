# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 0: the vendor's answers, each shape read once.

This file is private to the collection. Shapes and quirks: vendor docs 178 to 181.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class ShapeError(ValueError):
    """The answer is JSON, but not of the documented shape."""


def as_int(value: object, name: str) -> int:
    """An integer that the vendor may have sent as text (``"3"``)."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ShapeError(f"{name} is not a number")
    try:
        return int(value)
    except ValueError:
        raise ShapeError(f"{name} is not a number") from None


@dataclass(frozen=True)
class Quota:
    """Channels of a plan (vendor doc 181): numbers of channels, and the answer as it came."""

    total: int
    available: int
    used: int
    vendor: Mapping[str, Any]

    @classmethod
    def from_answer(cls, body: Mapping[str, Any]) -> Quota:
        """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
        total, available, used = (as_int(body.get(name), name) for name in ("Total", "Available", "Used"))
        return cls(total, available, used, body)


def addresses(body: Mapping[str, Any]) -> list[str]:
    """The addresses in ``Data``: a flat list of text, or nothing at all when there are none."""
    data = body.get("Data")
    if data is None:
        return []
    if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
        raise ShapeError("Data is not a list of addresses")
    return [item.strip() for item in data]


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether a host can be seen under this address on the internet."""
    return address.is_global and not address.is_multicast


def one_line(text: str) -> str:
    """Text of a stranger, fit to stand in a message: no line breaks, no control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def numeric_order(ips: Iterable[str]) -> list[str]:
    """Sort addresses by number; text that is no address comes last, so that nothing the vendor lists is lost."""

    def rank(text: str) -> tuple[int, int, str]:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return (9, 0, text)
        return (address.version, int(address), text)

    return sorted(ips, key=rank)

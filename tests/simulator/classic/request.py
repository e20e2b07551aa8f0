# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of the vendor's API as its operation sees it, and the reading of its parameters."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..rate_limits import Windows
from . import codes
from .codes import Refusal
from .keys import Account
from .state import Vendor

Answer = dict[str, Any]
Item = TypeVar("Item")


@dataclass
class Call:
    """One call that has passed the checks common to all endpoints."""

    vendor: Vendor
    windows: Windows
    account: Account
    params: Mapping[str, str]
    drop: int = 0
    """A fault: leave the last so many addresses undone."""

    @property
    def now(self) -> float:
        return self.vendor.clock.now()

    def kept(self, items: list[Item]) -> list[Item]:
        return items[: max(0, len(items) - self.drop)]

    def addresses(self) -> list[str]:
        """The addresses of ``IP``, each once, in the caller's order."""
        found: dict[str, None] = {}
        for text in self.params.get("IP", "").split(","):
            try:
                found[str(ipaddress.IPv4Address(text))] = None
            except ValueError:
                raise Refusal(codes.BAD_PARAMETER) from None
        return list(found)

    def words(self, name: str) -> list[str]:
        """The members of a list, each once; none of them is empty."""
        words = self.params.get(name, "").split(",")
        if not all(words):
            raise Refusal(codes.BAD_PARAMETER)
        return list(dict.fromkeys(words))

    def number(self, *names: str, low: int = 0, high: int = 10**9) -> int | None:
        """A whole number under the first of its names that the call has."""
        for name in names:
            text = self.params.get(name)
            if text is not None:
                if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
                    raise Refusal(codes.BAD_PARAMETER)
                return int(text)
        return None

    def flag(self, *names: str) -> bool:
        return self.number(*names, high=1) == 1

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of the classic API as its operation sees it, and the parsing of its parameters."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..keys.key import ProxyKey
from ..keys.lease_service import LeaseService
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from . import codes
from .codes import ApiError

ResponseBody = dict[str, Any]
Item = TypeVar("Item")
ALL = "*"


@dataclass
class ClassicRequest:
    """A call that has passed the checks common to all endpoints."""

    keys: KeyRegistry
    rate_limiter: RateLimiter
    key: ProxyKey
    params: Mapping[str, str]
    drop: int = 0
    """Effect of a fault: the number of addresses, from the last, that the operation leaves out."""

    @property
    def now(self) -> float:
        return self.keys.clock.now()

    @property
    def lease_service(self) -> LeaseService:
        return self.keys.lease_service

    def without_dropped(self, items: list[Item]) -> list[Item]:
        return items[: max(0, len(items) - self.drop)]

    def addresses(self) -> list[str]:
        """Return the addresses of ``IP`` without duplicates, in the order of the request."""
        found: dict[str, None] = {}
        for text in self.params.get("IP", "").split(","):
            try:
                found[str(ipaddress.IPv4Address(text))] = None
            except ValueError:
                raise ApiError(codes.INVALID_PARAMETER) from None
        return list(found)

    def given(self, name: str) -> bool:
        """Return whether a parameter has a value. Generated links carry empty ones, which mean that it is not given."""
        return bool(self.params.get(name))

    def selects_all(self, name: str) -> bool:
        """Return whether a list is the wildcard, which the vendor's page writes with a blank behind it."""
        return self.params.get(name, "").strip() == ALL

    def string_list(self, name: str) -> list[str]:
        """Return the items of a comma-separated list without duplicates; an empty item is an error."""
        items = self.params.get(name, "").split(",")
        if not all(items):
            raise ApiError(codes.INVALID_PARAMETER)
        return list(dict.fromkeys(items))

    def integer(self, *names: str, low: int = 0, high: int = 10**9) -> int | None:
        """Return the integer of the first of these parameters that is given.

        Like an empty value, a zero means that the parameter is not given, unless zero is one of its values.
        """
        for name in names:
            text = self.params.get(name)
            if text:
                if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= high):
                    raise ApiError(codes.INVALID_PARAMETER)
                if int(text) >= low:
                    return int(text)
                if int(text):
                    raise ApiError(codes.INVALID_PARAMETER)
        return None

    def flag(self, *names: str) -> bool:
        return self.integer(*names, high=1) == 1

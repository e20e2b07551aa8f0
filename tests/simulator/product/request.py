# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of a product host as its operation sees it, and the parsing of its parameters."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..keys.key import ProxyKey
from ..keys.lease_service import LeaseService
from ..keys.leases import Lease
from ..keys.registry import KeyRegistry
from ..rate_limits import RateLimiter
from . import codes
from .codes import ProductError

ALL = "*"
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
AREA = re.compile(r"[0-9]{6}|[A-Z]{2}")


@dataclass
class ProductRequest:
    """A call that has passed the checks common to all endpoints. An empty parameter counts as not given."""

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

    def without_dropped(self, leases: list[Lease]) -> list[Lease]:
        return leases[: max(0, len(leases) - self.drop)]

    def given(self, name: str) -> bool:
        return bool(self.params.get(name))

    def selects_all(self, name: str) -> bool:
        return self.params.get(name, "").strip() == ALL

    def integer(self, name: str, high: int) -> int | None:
        """Return an integer from 1, or None for a zero, which counts as not given."""
        text = self.params.get(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= high):
            raise ProductError(codes.INVALID_PARAMETER)
        return int(text) or None

    def boolean(self, name: str) -> bool:
        text = self.params.get(name) or "false"
        if text.lower() not in BOOLEANS:
            raise ProductError(codes.INVALID_PARAMETER)
        return BOOLEANS[text.lower()]

    def string_list(self, name: str) -> list[str]:
        """Return the items of a comma-separated list without duplicates; an empty item is an error."""
        if not self.given(name):
            return []
        items = self.params[name].split(",")
        if not all(items):
            raise ProductError(codes.INVALID_PARAMETER)
        return list(dict.fromkeys(items))

    def areas(self, name: str) -> list[str]:
        areas = self.string_list(name)
        if not all(AREA.fullmatch(area) for area in areas):
            raise ProductError(codes.INVALID_PARAMETER)
        return areas

    def addresses(self, name: str) -> list[str]:
        try:
            return [str(ipaddress.IPv4Address(text)) for text in self.string_list(name)]
        except ValueError:
            raise ProductError(codes.INVALID_PARAMETER) from None

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's endpoints: one row each. A new call is a new row and the function that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import allocation, occupancy, whitelist
from . import queries as inventory
from . import release as releasing
from .keys import Account
from .plans import DEDICATED, OCCUPANCY, SHARED, STATIC, Plan
from .request import Answer, Call

Limit = Callable[[Account], int]
"""Calls per key in one of the vendor's minutes."""
LEASING = (DEDICATED, SHARED, STATIC)


@dataclass(frozen=True)
class Endpoint:
    path: str
    operation: Callable[[Call], Answer]
    limit: Limit
    takes_addresses: bool = False
    """It can leave some of its addresses undone."""
    kinds: tuple[str, ...] = (*LEASING, OCCUPANCY)
    """The products that have it."""
    time_only: bool = False
    methods: tuple[str, ...] = ("GET", "POST")
    rest: bool = False
    """It answers with an HTTP status and ``data`` or ``error`` instead of a code."""

    @property
    def window(self) -> str:
        return f"{self.methods[0]} {self.path}" if self.rest else self.path

    def belongs_to(self, plan: Plan) -> bool:
        return plan.kind in self.kinds and not (self.time_only and plan.by_volume)


def fixed(number: int) -> Limit:
    return lambda account: number


def by_channels(times: int, more: int = 0) -> Limit:
    """So many for each channel and some more; a plan without channels has 60."""
    return lambda account: 60 if account.plan.by_volume else account.plan.channels * times + more


def _occupancy(method: str, path: str, operation: Callable[[Call], Answer], limit: Limit) -> Endpoint:
    changes = method in ("POST", "PUT", "DELETE")
    return Endpoint(path, operation, limit, changes, (OCCUPANCY,), methods=(method,), rest=True)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/whitelist/add", whitelist.add, fixed(20), takes_addresses=True),
    Endpoint("/whitelist/del", whitelist.delete, fixed(20), takes_addresses=True),
    Endpoint("/whitelist/query", whitelist.query, fixed(60)),
    Endpoint("/info/quota", inventory.quota, fixed(60)),
    Endpoint("/allocate", allocation.allocate, by_channels(5, 10), True, LEASING),
    Endpoint("/replace", allocation.replace, by_channels(5, 10), True, (DEDICATED,)),
    Endpoint("/release", releasing.release, by_channels(5), True, (DEDICATED, STATIC)),
    Endpoint("/extract", allocation.extract, fixed(45), False, (SHARED,), time_only=True, methods=("GET",)),
    Endpoint("/query", inventory.query, by_channels(5, 10), False, LEASING),
    Endpoint("/resources", inventory.resources, fixed(60)),
    _occupancy("GET", "/monopolies", occupancy.listing, fixed(60)),
    _occupancy("POST", "/monopolies", occupancy.apply, by_channels(5, 10)),
    _occupancy("DELETE", "/monopolies", occupancy.release, by_channels(5, 10)),
    _occupancy("PUT", "/monopolies/ips", occupancy.redial, by_channels(5, 10)),
    _occupancy("GET", "/monopolies/idle", occupancy.idle, fixed(60)),
)
PATHS: dict[str, tuple[Endpoint, ...]] = {
    path: tuple(endpoint for endpoint in ENDPOINTS if endpoint.path == path)
    for path in dict.fromkeys(endpoint.path for endpoint in ENDPOINTS)
}


def find(method: str, path: str) -> Endpoint | None:
    return next((endpoint for endpoint in PATHS.get(path, ()) if method in endpoint.methods), None)

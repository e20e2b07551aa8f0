# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the proxy keys: one row each. To add a call, add a row and the function that it names.

The path of a product's endpoint starts with the product: a call to ``/get`` of ``share.proxy.qg.net`` is one to
``/share/get``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..keys import plans
from ..keys.key import ProxyKey
from . import leases, monopolies, whitelist
from .dialects import CLASSIC, PRODUCT, REST, Dialect
from .request import Request

DOMAIN = "proxy.qg.net"
Operation = Callable[[Request], Any]
CHANGES: tuple[Operation, ...] = (
    *(whitelist.add, whitelist.delete, leases.allocate, leases.replace, leases.release),
    *(monopolies.apply, monopolies.redial, monopolies.release),
)
"""The operations that can be executed for a part of the addresses."""
PER_CHANNEL = (5, 10)
PER_CHANNEL_RELEASE = (5, 0)
BOTH = (plans.TIME, plans.VOLUME)


@dataclass(frozen=True)
class Endpoint:
    path: str
    operation: Operation
    limit: int | tuple[int, int]
    """Calls per minute: a number, or a factor of the plan's channels and a number to add."""
    kinds: tuple[str, ...] = plans.CLASSIC_KINDS
    """The kinds of plan that have the endpoint."""
    billing: tuple[str, ...] = BOTH
    methods: tuple[str, ...] = ("GET", "POST")
    dialect: Dialect = CLASSIC

    @property
    def rate_window(self) -> str:
        if self.dialect is REST:
            return f"{self.methods[0]} {self.path}"
        return self.path

    @property
    def takes_addresses(self) -> bool:
        return self.operation in CHANGES

    def is_available_for(self, key: ProxyKey) -> bool:
        return key.plan.kind in self.kinds and key.plan.billing in self.billing

    def calls_per_minute(self, key: ProxyKey) -> int:
        """Return the limit; plans by volume have no channels, and a limit of 60."""
        if isinstance(self.limit, int):
            return self.limit
        if key.plan.by_volume:
            return 60
        factor, extra = self.limit
        return key.plan.channels * factor + extra


LEASE_PLANS = (plans.DEDICATED, plans.SHARED, plans.STATIC)
ALL_PLANS = tuple(plans.LIFETIMES)
PRODUCT_CALLS: dict[str, tuple[Operation, int | tuple[int, int], tuple[str, ...]]] = {
    "get": (leases.allocate, PER_CHANNEL, BOTH),
    "aggregate/get": (leases.allocate, PER_CHANNEL, BOTH),
    "replace": (leases.replace, PER_CHANNEL, BOTH),
    "delete": (leases.release, PER_CHANNEL, BOTH),
    "pool": (leases.extract, 60, (plans.TIME,)),
    "query": (leases.query, 60, BOTH),
    "channels": (leases.channels, 60, (plans.TIME,)),
    "balance": (leases.balance, 60, (plans.VOLUME,)),
    "resources": (leases.areas, 60, BOTH),
}
CALLS_OF_PRODUCTS = {
    plans.SHARE: ("get", "aggregate/get", "pool", "query", "channels", "balance", "resources"),
    plans.LONGTERM: ("get", "query", "channels", "resources", "delete"),
    plans.EXCLUSIVE: ("get", "replace", "query", "channels", "resources", "delete"),
    plans.OVERSEAS: ("get", "query", "resources"),
}


def _product_endpoint(product: str, call: str) -> Endpoint:
    operation, limit, billing = PRODUCT_CALLS[call]
    if product == plans.OVERSEAS:
        limit = 60
    return Endpoint(f"/{product}/{call}", operation, limit, (product,), billing, ("GET",), PRODUCT)


def _monopolies(method: str, path: str, operation: Operation, limit: int | tuple[int, int]) -> Endpoint:
    return Endpoint(f"/monopolies{path}", operation, limit, (plans.OCCUPANCY,), BOTH, (method,), REST)


ENDPOINTS = (
    Endpoint("/whitelist/add", whitelist.add, 20, ALL_PLANS),
    Endpoint("/whitelist/del", whitelist.delete, 20, ALL_PLANS),
    Endpoint("/whitelist/query", whitelist.query, 60, ALL_PLANS),
    Endpoint("/info/quota", leases.quota, 60),
    Endpoint("/allocate", leases.allocate, PER_CHANNEL, LEASE_PLANS),
    Endpoint("/replace", leases.replace, PER_CHANNEL, (plans.DEDICATED,)),
    Endpoint("/release", leases.release, PER_CHANNEL_RELEASE, (plans.DEDICATED, plans.STATIC)),
    Endpoint("/extract", leases.extract, 45, (plans.SHARED,), (plans.TIME,), ("GET",)),
    Endpoint("/query", leases.query, PER_CHANNEL, LEASE_PLANS),
    Endpoint("/resources", leases.resources, 60),
    _monopolies("GET", "", monopolies.query, 60),
    _monopolies("POST", "", monopolies.apply, PER_CHANNEL),
    _monopolies("DELETE", "", monopolies.release, PER_CHANNEL),
    _monopolies("PUT", "/ips", monopolies.redial, PER_CHANNEL),
    _monopolies("GET", "/idle", monopolies.idle, 60),
    *(_product_endpoint(product, call) for product, calls in CALLS_OF_PRODUCTS.items() for call in calls),
)


def is_product_path(path: str) -> bool:
    """Return whether a path belongs to a product host, even if the host has no such endpoint."""
    return path.startswith(tuple(f"/{product}/" for product in plans.PRODUCTS))


def path_of(host: str, path: str) -> str:
    """Return the path with the product that the name of the host contains; for another host, the path as it is."""
    product, _dot, domain = host.lower().partition(":")[0].partition(".")
    if domain == DOMAIN and product in plans.PRODUCTS:
        return f"/{product}{path}"
    return path

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the product hosts: one row each. To add a call, add a row and the function that it names.

The path of an endpoint starts with its product: a call to ``/get`` of ``share.proxy.qg.net`` is one to ``/share/get``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..keys.limits import RateLimit, fixed_limit, limit_by_channels
from ..keys.plans import EXCLUSIVE, LONGTERM, OVERSEAS, PRODUCTS, SHARE, TIME, VOLUME, Plan
from . import extraction, queries, release
from .request import ProductRequest

DOMAIN = "proxy.qg.net"
EITHER = (TIME, VOLUME)


@dataclass(frozen=True)
class ProductEndpoint:
    product: str
    name: str
    operation: Callable[[ProductRequest], Any]
    limit: RateLimit
    billing: tuple[str, ...] = EITHER
    """The plans that have the endpoint: by channels, by volume, or both."""
    takes_addresses: bool = False
    """Whether the call can be executed for a part of its addresses."""
    methods: tuple[str, ...] = ("GET",)

    @property
    def path(self) -> str:
        return f"/{self.product}/{self.name}"

    def is_available_in(self, plan: Plan) -> bool:
        return plan.kind == self.product and plan.billing in self.billing


_PER_CHANNEL, _MINUTELY = limit_by_channels(5, 10), fixed_limit(60)
ENDPOINTS: tuple[ProductEndpoint, ...] = (
    ProductEndpoint(SHARE, "get", extraction.get, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(SHARE, "aggregate/get", extraction.get, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(SHARE, "pool", extraction.pool, _MINUTELY, (TIME,)),
    ProductEndpoint(SHARE, "query", queries.query, _MINUTELY),
    ProductEndpoint(SHARE, "channels", queries.channels, _MINUTELY, (TIME,)),
    ProductEndpoint(SHARE, "balance", queries.balance, _MINUTELY, (VOLUME,)),
    ProductEndpoint(SHARE, "resources", queries.resources, _MINUTELY),
    ProductEndpoint(LONGTERM, "get", extraction.get, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(LONGTERM, "query", queries.query, _MINUTELY),
    ProductEndpoint(LONGTERM, "channels", queries.channels, _MINUTELY, (TIME,)),
    ProductEndpoint(LONGTERM, "resources", queries.resources, _MINUTELY),
    ProductEndpoint(LONGTERM, "delete", release.delete, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(EXCLUSIVE, "get", extraction.get, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(EXCLUSIVE, "replace", extraction.replace, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(EXCLUSIVE, "query", queries.query, _MINUTELY),
    ProductEndpoint(EXCLUSIVE, "channels", queries.channels, _MINUTELY, (TIME,)),
    ProductEndpoint(EXCLUSIVE, "resources", queries.resources, _MINUTELY),
    ProductEndpoint(EXCLUSIVE, "delete", release.delete, _PER_CHANNEL, takes_addresses=True),
    ProductEndpoint(OVERSEAS, "get", extraction.get, _MINUTELY, takes_addresses=True),
    ProductEndpoint(OVERSEAS, "query", queries.query, _MINUTELY),
    ProductEndpoint(OVERSEAS, "resources", queries.resources, _MINUTELY),
)
ENDPOINTS_BY_PATH: dict[str, tuple[ProductEndpoint, ...]] = {endpoint.path: (endpoint,) for endpoint in ENDPOINTS}


def is_product_path(path: str) -> bool:
    """Return whether a path belongs to a product host, even if the host has no such endpoint."""
    return path.startswith(tuple(f"/{product}/" for product in PRODUCTS))


def path_of(host: str, path: str) -> str:
    """Return the path with the product that the name of the host contains; for another host, the path as it is."""
    product, _dot, domain = host.lower().partition(":")[0].partition(".")
    return f"/{product}{path}" if domain == DOMAIN and product in PRODUCTS else path

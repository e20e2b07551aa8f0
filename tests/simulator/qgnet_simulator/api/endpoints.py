# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the proxy keys: the rows of ``calls.json`` that name a function. To add a call,
add both.

The table of the README is made of the same rows. A limit is a number of calls a minute, or a factor
of the channels of the plan and a number to add.

The path of a product's endpoint starts with the product: a call to ``/get`` of
``share.proxy.qg.net`` is one to ``/share/get``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..facts import CALLS
from ..keys import plans
from ..keys.key import ProxyKey
from . import leases, monopolies, whitelist
from .dialects import CLASSIC, PRODUCT, REST, Dialect
from .request import Request

DOMAIN = "proxy.qg.net"
Operation = Callable[[Request], Any]
MODULES = {"leases": leases, "monopolies": monopolies, "whitelist": whitelist}
PLANS = {"all": tuple(plans.LIFETIMES), "classic": plans.CLASSIC_KINDS}


@dataclass(frozen=True)
class Endpoint:
    path: str
    operation: Operation
    limit: int | list[int]
    """Calls per minute: a number, or a factor of the plan's channels and a number to add."""
    kinds: tuple[str, ...]
    """The kinds of plan that have the endpoint."""
    billing: tuple[str, ...]
    methods: tuple[str, ...]
    dialect: Dialect

    @property
    def rate_window(self) -> str:
        if self.dialect is REST:
            return f"{self.methods[0]} {self.path}"
        return self.path

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


def is_product_path(path: str) -> bool:
    """Return whether a path belongs to a product host, even if the host has no such endpoint."""
    return path.startswith(tuple(f"/{product}/" for product in plans.PRODUCTS))


def _endpoint(row: dict[str, Any]) -> Endpoint:
    dialect: Dialect = CLASSIC
    if is_product_path(row["path"]):
        dialect = PRODUCT
    elif row["path"].startswith("/monopolies"):
        dialect = REST
    module, _dot, name = row["operation"].partition(".")
    return Endpoint(
        row["path"],
        getattr(MODULES[module], name),
        row["limit"],
        PLANS.get(str(row["plans"])) or tuple(row["plans"]),
        tuple(row.get("billing", (plans.TIME, plans.VOLUME))),
        tuple(row.get("methods", ("GET", "POST"))),
        dialect,
    )


ENDPOINTS = tuple(_endpoint(row) for row in CALLS if "operation" in row)


def path_of(host: str, path: str) -> str:
    """Return the path with the product that the name of the host contains; for another host, the
    path as it is.
    """
    product, _dot, domain = host.lower().partition(":")[0].partition(".")
    if domain == DOMAIN and product in plans.PRODUCTS:
        return f"/{product}{path}"
    return path

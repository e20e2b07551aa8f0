# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the classic API: one row each. To add a call, add a row and the function that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..keys.limits import RateLimit, fixed_limit, limit_by_channels
from ..keys.plans import CLASSIC_KINDS, DEDICATED, LIFETIMES, OCCUPANCY, SHARED, STATIC, Plan
from . import allocation, occupancy, queries, release, whitelist
from .request import ClassicRequest, ResponseBody

LEASE_PLANS = (DEDICATED, SHARED, STATIC)
ALL_PLANS = tuple(LIFETIMES)
"""The whitelist is the same for all plans, also for those of the product hosts and of tunnels."""


@dataclass(frozen=True)
class ClassicEndpoint:
    path: str
    operation: Callable[[ClassicRequest], ResponseBody]
    limit: RateLimit
    takes_addresses: bool = False
    """Whether the call can be executed for a part of its addresses."""
    plans: tuple[str, ...] = CLASSIC_KINDS
    """The kinds of plan that have the endpoint."""
    time_only: bool = False
    """Whether plans by volume lack the endpoint."""
    methods: tuple[str, ...] = ("GET", "POST")
    lists_servers: bool = False
    """Whether the response can be text with the server of each lease."""
    rest: bool = False
    """Whether a response has an HTTP status and ``data`` or ``error`` instead of a code."""

    @property
    def rate_window(self) -> str:
        return f"{self.methods[0]} {self.path}" if self.rest else self.path

    def is_available_in(self, plan: Plan) -> bool:
        return plan.kind in self.plans and not (self.time_only and plan.by_volume)


def _occupancy_endpoint(
    method: str, path: str, operation: Callable[[ClassicRequest], ResponseBody], limit: RateLimit
) -> ClassicEndpoint:
    writes = method in ("POST", "PUT", "DELETE")
    return ClassicEndpoint(path, operation, limit, writes, (OCCUPANCY,), methods=(method,), rest=True)


ENDPOINTS: tuple[ClassicEndpoint, ...] = (
    ClassicEndpoint("/whitelist/add", whitelist.add, fixed_limit(20), True, ALL_PLANS),
    ClassicEndpoint("/whitelist/del", whitelist.delete, fixed_limit(20), True, ALL_PLANS),
    ClassicEndpoint("/whitelist/query", whitelist.query, fixed_limit(60), False, ALL_PLANS),
    ClassicEndpoint("/info/quota", queries.quota, fixed_limit(60)),
    ClassicEndpoint("/allocate", allocation.allocate, limit_by_channels(5, 10), True, LEASE_PLANS, lists_servers=True),
    ClassicEndpoint(
        "/replace", allocation.replace_leases, limit_by_channels(5, 10), True, (DEDICATED,), lists_servers=True
    ),
    ClassicEndpoint("/release", release.release, limit_by_channels(5), True, (DEDICATED, STATIC)),
    ClassicEndpoint(
        "/extract",
        allocation.extract,
        fixed_limit(45),
        plans=(SHARED,),
        time_only=True,
        methods=("GET",),
        lists_servers=True,
    ),
    ClassicEndpoint("/query", queries.query, limit_by_channels(5, 10), False, LEASE_PLANS),
    ClassicEndpoint("/resources", queries.resources, fixed_limit(60)),
    _occupancy_endpoint("GET", "/monopolies", occupancy.query, fixed_limit(60)),
    _occupancy_endpoint("POST", "/monopolies", occupancy.apply, limit_by_channels(5, 10)),
    _occupancy_endpoint("DELETE", "/monopolies", occupancy.release, limit_by_channels(5, 10)),
    _occupancy_endpoint("PUT", "/monopolies/ips", occupancy.redial, limit_by_channels(5, 10)),
    _occupancy_endpoint("GET", "/monopolies/idle", occupancy.idle, fixed_limit(60)),
)
ENDPOINTS_BY_PATH: dict[str, tuple[ClassicEndpoint, ...]] = {
    path: tuple(endpoint for endpoint in ENDPOINTS if endpoint.path == path)
    for path in dict.fromkeys(endpoint.path for endpoint in ENDPOINTS)
}


def find_endpoint(method: str, path: str) -> ClassicEndpoint | None:
    return next((endpoint for endpoint in ENDPOINTS_BY_PATH.get(path, ()) if method in endpoint.methods), None)

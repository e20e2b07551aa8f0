# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that extract addresses: get, replace and pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..keys import allocation
from ..keys.allocation import MAX_PER_CALL, Allocation, AllocationError, Wanted
from ..keys.leases import Lease
from ..keys.plans import EXCLUSIVE, OVERSEAS, SHARE, Area
from . import codes
from .codes import ProductError
from .request import ProductRequest
from .responses import LeaseList

REASONS = {
    allocation.BALANCE: codes.BALANCE_INSUFFICIENT,
    allocation.OVER_PLAN: codes.NO_AVAILABLE_CHANNEL,
    allocation.NO_FREE_CHANNEL: codes.NO_AVAILABLE_CHANNEL,
    allocation.NO_STOCK: codes.NO_RESOURCE_FOUND,
    allocation.NO_PORT: codes.FAILED_OPERATION,
}
WITH_LIFETIME = (SHARE, EXCLUSIVE, OVERSEAS)
"""The products that take ``keep_alive``."""
MAX_MINUTES = 10**6
DAY = 86400.0
EXTRACTIONS = "extractions"
"""The rate window that counts extracted addresses."""


def _area_filter(areas: Sequence[str], excluded: Sequence[str], isp: int | None) -> Callable[[Area], bool]:
    def matches(area: Area) -> bool:
        wanted = not areas or any(area.is_in(code) for code in areas)
        return wanted and not any(area.is_in(code) for code in excluded) and isp in (None, area.isp)

    return matches


def _wanted(request: ProductRequest) -> Wanted:
    plan = request.key.plan
    count = request.integer("num", MAX_PER_CALL) or 1
    if plan.kind == SHARE:
        request.integer("pool", 2)
    minutes = request.integer("keep_alive", MAX_MINUTES) if plan.kind in WITH_LIFETIME else None
    areas, excluded = request.areas("area"), request.areas("area_ex")
    matches = _area_filter(areas, excluded, request.integer("isp", 3))
    return Wanted(count, minutes or plan.lease_minutes, matches, request.boolean("distinct"))


def _check_limit(request: ProductRequest, count: int) -> None:
    """Count what a call asks for, in the day or the minute that starts with the first extraction."""
    plan = request.key.plan
    seconds = DAY if plan.extract_period == "day" else None
    if plan.extract_limit is not None and not request.rate_limiter.try_acquire(
        request.key.key, EXTRACTIONS, plan.extract_limit, count, seconds
    ):
        raise ProductError(codes.EXTRACT_LIMIT_EXCEEDED)


def _extract(request: ProductRequest, action: Callable[[Allocation], list[Lease]], drop: int) -> LeaseList:
    wanted = _wanted(request)
    _check_limit(request, wanted.count)
    try:
        leases = action(Allocation(request.lease_service, request.key, wanted, drop))
    except AllocationError as error:
        raise ProductError(REASONS[error.reason], error.executed) from None
    return LeaseList.extracted(request.key, leases)


def get(request: ProductRequest) -> LeaseList:
    return _extract(request, Allocation.allocate, request.drop)


def replace(request: ProductRequest) -> LeaseList:
    """Release leases that the vendor chooses, and extract as many new ones."""
    return _extract(request, Allocation.replace, request.drop)


def pool(request: ProductRequest) -> LeaseList:
    """Return addresses of the pool, which use no channel: first those that are still active, then new ones."""
    return _extract(request, Allocation.extract, 0)

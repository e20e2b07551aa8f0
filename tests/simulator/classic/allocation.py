# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that allocate addresses: allocate, replace and extract."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..keys.lease_service import PortUnavailableError
from ..keys.leases import Lease
from ..keys.plans import Area
from . import codes
from .allocation_params import AllocationParams
from .codes import ApiError
from .request import ClassicRequest, ResponseBody
from .responses import lease_item


def _check_capacity(request: ClassicRequest, count: int, returned: int = 0) -> None:
    plan = request.key.plan
    if plan.by_volume:
        if count > plan.balance:
            raise ApiError(codes.COUNT_LIMIT)
    elif count > plan.channels:
        raise ApiError(codes.OVER_PLAN)
    elif count > plan.channels - request.key.channels_in_use + returned:
        raise ApiError(codes.NO_FREE_CHANNEL)


def _open_leases(
    request: ClassicRequest, params: AllocationParams, areas: Sequence[Area], addresses: Sequence[str], task_id: str
) -> list[Lease]:
    """Open all leases, or none if one of them cannot be opened."""
    ends = math.floor(request.now) + params.minutes * 60.0
    opened: list[Lease] = []
    try:
        for area, address in zip(areas, addresses, strict=True):
            opened.append(request.lease_service.open(request.key, address, area, task_id, ends))
    except PortUnavailableError:
        request.lease_service.close(opened)
        raise ApiError(codes.ALLOCATION_FAILED) from None
    return opened


def _allocate_leases(
    request: ClassicRequest, params: AllocationParams, areas: Sequence[Area], addresses: Sequence[str]
) -> ResponseBody:
    key, task_id = request.key, request.lease_service.create_task_id()
    leases = _open_leases(request, params, areas, addresses, task_id)
    key.holdings.leases += leases
    for lease in leases:
        key.holdings.record_payment(lease)
    if key.plan.by_volume:
        key.plan.balance -= len(leases)
    items = [lease_item(lease, params.detail) for lease in leases]
    return {"Code": codes.OK, "TaskID": task_id, "Num": len(items), "Data": items}


def allocate(request: ClassicRequest) -> ResponseBody:
    params = AllocationParams.parse(request)
    _check_capacity(request, params.count)
    areas = request.without_dropped(params.choose_areas(request))
    return _allocate_leases(request, params, areas, params.choose_addresses(request, len(areas)))


def replace(request: ClassicRequest) -> ResponseBody:
    """Release ``Num`` leases that the vendor chooses, and allocate as many new ones."""
    params, key, lease_service = AllocationParams.parse(request), request.key, request.lease_service
    candidates = list(key.holdings.leases)
    if key.options.replace_order == "random":
        lease_service.random.shuffle(candidates)
    replaced = candidates[: params.count]
    _check_capacity(request, params.count, returned=len(replaced))
    try:
        areas = request.without_dropped(params.choose_areas(request, replaced))
        addresses = params.choose_addresses(request, len(areas))
    except ApiError as error:
        if key.options.replace_failure == "drop":
            lease_service.release(key, replaced, key.plan.free_delay)
            raise ApiError(error.code, executed=bool(replaced)) from None
        raise
    # The new leases use the channels of the old ones without a delay.
    lease_service.release(key, replaced)
    try:
        return _allocate_leases(request, params, areas, addresses)
    except ApiError as error:
        raise ApiError(error.code, executed=bool(replaced)) from None


def extract(request: ClassicRequest) -> ResponseBody:
    """Return addresses of the pool, which use no channel: first those that are still active, then new ones."""
    params, holdings = AllocationParams.parse(request), request.key.holdings
    request.integer("Pool", low=1, high=2)
    leases = [lease for lease in holdings.pool if lease.area.matches(params.area_id, params.isp)][: params.count]
    missing = params.count - len(leases)
    if missing:
        stock = request.key.plan.stock
        areas = [area for area in stock if area.matches(params.area_id, params.isp) and area.available]
        areas = request.lease_service.random.sample(areas, min(missing, len(areas)))
        if not areas and not leases:
            raise ApiError(codes.NO_STOCK)
        new = _open_leases(request, params, areas, params.choose_addresses(request, len(areas)), "")
        holdings.pool += new
        leases += new
    items = [lease_item(lease, params.detail) for lease in leases]
    return {"Code": codes.OK, "Num": len(items), "Data": items}

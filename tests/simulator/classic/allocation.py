# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that allocate addresses: allocate, replace and extract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..keys import allocation
from ..keys.allocation import MAX_PER_CALL, Allocation, AllocationError, Wanted
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.plans import SHARED, STATIC
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody
from .responses import lease_item

REASONS = {
    allocation.BALANCE: codes.COUNT_LIMIT,
    allocation.OVER_PLAN: codes.OVER_PLAN,
    allocation.NO_FREE_CHANNEL: codes.NO_FREE_CHANNEL,
    allocation.NO_STOCK: codes.NO_STOCK,
    allocation.NO_PORT: codes.ALLOCATION_FAILED,
}


@dataclass(frozen=True)
class AllocationParams:
    """The parameters of a call that allocates addresses."""

    wanted: Wanted
    detail: bool

    @classmethod
    def parse(cls, request: ClassicRequest) -> AllocationParams:
        plan = request.key.plan
        count = request.integer("Num", low=1, high=MAX_PER_CALL)
        minutes = request.integer("KeepAlive", low=1, high=10**6)
        if minutes is None or plan.kind in (SHARED, STATIC):
            # The plan alone determines how long these leases last.
            minutes = plan.lease_minutes
        area_id = request.integer("AreaId", low=1)
        # The vendor's pages spell some names in two ways.
        isp = request.integer("Isp", "ISP", low=1, high=4)
        wanted = Wanted(
            count=1 if count is None else count,
            minutes=minutes,
            matches=lambda area: area.matches(area_id, isp),
            distinct=request.flag("Distinct"),
        )
        return cls(wanted, request.flag("Detail", "detail"))


def _leases(action: Callable[[], list[Lease]]) -> list[Lease]:
    """Return the leases of an allocation, or refuse the call with the code for its error."""
    try:
        return action()
    except AllocationError as error:
        raise ApiError(REASONS[error.reason], executed=error.executed) from None


def _response(key: ProxyKey, leases: Sequence[Lease], detail: bool) -> ResponseBody:
    # The order of the live answers: some programs cut the text at these names.
    items = [lease_item(key, lease, detail) for lease in leases]
    return {"Code": codes.OK, "Data": items, "Num": len(items)}


def allocate(request: ClassicRequest) -> ResponseBody:
    params = AllocationParams.parse(request)
    call = Allocation(request.lease_service, request.key, params.wanted, request.drop)
    return {**_response(request.key, _leases(call.allocate), params.detail), "TaskID": call.task_id}


def replace_leases(request: ClassicRequest) -> ResponseBody:
    """Release ``Num`` leases that the vendor chooses, or those of ``IP``, and allocate as many new ones."""
    params, addresses = AllocationParams.parse(request), list[str]()
    wanted = params.wanted
    if request.key.options.replace_ip == "apply" and request.given("IP"):
        addresses = request.addresses("IP")
        if not {lease.ip for lease in request.key.holdings.leases}.issuperset(addresses):
            raise ApiError(codes.INVALID_PARAMETER)
        wanted = replace(wanted, count=len(addresses))
    call = Allocation(request.lease_service, request.key, wanted, request.drop)
    leases = _leases(lambda: call.replace(addresses))
    return {**_response(request.key, leases, params.detail), "TaskID": call.task_id}


def extract(request: ClassicRequest) -> ResponseBody:
    """Return addresses of the pool, which use no channel."""
    params = AllocationParams.parse(request)
    request.integer("Pool", low=1, high=2)
    call = Allocation(request.lease_service, request.key, params.wanted)
    return {**_response(request.key, _leases(call.extract), params.detail), "TaskID": call.task_id}

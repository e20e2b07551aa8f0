# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of leases: allocate, replace, extract, query, release, and what is left to allocate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..exchange import Refusal
from ..keys.allocation import MAX_PER_CALL, Allocation, Wanted
from ..keys.leases import Lease
from ..keys.plans import LONGTERM, OCCUPANCY, SHARED, STATIC, Area
from .request import Request

DAY = 86400.0
WEEK = 7 * DAY
STATIC_RELEASES = 2
"""Maximum number of static addresses that can be released in a week."""
MAX_MINUTES = 10**6


@dataclass
class LeaseList:
    """Leases in a response, in use or new."""

    leases: Sequence[Lease]
    in_use: bool = False
    task_id: str = ""


@dataclass
class Released:
    leases: Sequence[Lease]


def area_filter(request: Request) -> Callable[[Area], bool]:
    areas, excluded, isp = request.areas("area"), request.areas("excluded"), request.integer("isp", 4)

    def matches(area: Area) -> bool:
        wanted = not areas or any(area.is_in(code) for code in areas)
        return wanted and not any(area.is_in(code) for code in excluded) and isp in (None, area.isp)

    return matches


def _allocation(request: Request) -> Allocation:
    plan = request.key.plan
    count, minutes = request.integer("count", MAX_PER_CALL) or 1, request.integer("minutes", MAX_MINUTES)
    if minutes is None or plan.kind in (SHARED, STATIC, LONGTERM):
        # The plan alone determines how long these leases last.
        minutes = plan.lease_minutes
    request.integer("pool", 2)
    wanted = Wanted(count, minutes, area_filter(request), request.flag("distinct"))
    return Allocation(request.keys.lease_service, request.key, wanted, request.drop)


def allocate(request: Request) -> LeaseList:
    allocation = _allocation(request)
    return LeaseList(allocation.allocate(), task_id=allocation.task_id)


def replace(request: Request) -> LeaseList:
    allocation = _allocation(request)
    return LeaseList(allocation.replace(), task_id=allocation.task_id)


def extract(request: Request) -> LeaseList:
    """Return addresses of the pool, which use no channel."""
    allocation = _allocation(request)
    return LeaseList(allocation.extract(), task_id=allocation.task_id)


def query(request: Request) -> LeaseList:
    tasks, visible = request.selected("tasks"), request.key.visible_lists(request.now).leases
    return LeaseList([lease for lease in visible if tasks is None or lease.task_id in tasks], in_use=True)


def release(request: Request) -> Released:
    """Release leases, within the limits of the plan."""
    key, plan = request.key, request.key.plan
    if plan.kind == LONGTERM and not plan.static:
        # Dynamic addresses end by themselves.
        raise Refusal("no_permission")
    leases = request.without_dropped(request.selected_leases())
    limit, seconds = plan.channels * 2, request.rate_limiter.minute
    if plan.kind in (STATIC, LONGTERM):
        limit, seconds = STATIC_RELEASES, WEEK
        if any(request.now - lease.at <= DAY for lease in leases):
            raise Refusal("too_young")
    if leases and not request.rate_limiter.try_acquire(key.key, "released addresses", limit, len(leases), seconds):
        raise Refusal("releases")
    request.keys.lease_service.release(key, leases, plan.free_delay)
    return Released(leases)


def quota(request: Request) -> dict[str, int]:
    key, plan = request.key, request.key.plan
    if plan.by_volume:
        if key.options.volume_quota == "refuse":
            raise Refusal("no_permission")
        used = len(key.holdings.paid)
        return {"Total": plan.balance + used, "Available": plan.balance, "Used": used}
    used = key.used + len(key.holdings.monopolies) if plan.kind == OCCUPANCY else key.counted_channels(request.now)
    return {"Total": plan.channels, "Available": max(0, plan.channels - used), "Used": used}


def channels(request: Request) -> dict[str, int]:
    total = request.key.plan.channels
    return {"total": total, "idle": max(0, total - request.key.counted_channels(request.now))}


def balance(request: Request) -> dict[str, int]:
    return {"balance": request.key.plan.balance}


def areas(request: Request) -> list[dict[str, Any]]:
    """Return the areas of a product host."""
    return [area.item() for area in request.key.plan.stock]


def resources(request: Request) -> dict[str, Any]:
    """Return the areas of the classic API that match."""
    matches, status = area_filter(request), request.integer("status", 1, low=0)
    rows = [
        {"AreaId": area.area_id, "Area": area.area, "Isp": area.isp, "Status": int(area.available > 0)}
        for area in request.key.plan.stock
        if matches(area)
    ]
    return {"Data": [row for row in rows if status in (None, row["Status"])]}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of leases: allocate, replace, extract, query, release, and what is left to
allocate.
"""

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
"""How many times static addresses can be released in a week."""
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
    areas = request.areas("area")
    excluded = request.areas("excluded")
    isp = request.integer("isp", 4)

    def matches(area: Area) -> bool:
        if areas and not any(map(area.is_in, areas)):
            return False
        return not any(map(area.is_in, excluded)) and isp in (None, area.isp)

    return matches


def _allocation(request: Request) -> Allocation:
    plan = request.key.plan
    count = request.integer("count", MAX_PER_CALL) or 1
    minutes = request.integer("minutes", MAX_MINUTES)
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
    tasks = request.selected("tasks")
    leases = request.key.visible_lists(request.now).leases
    return LeaseList(
        [lease for lease in leases if tasks is None or lease.task_id in tasks], in_use=True
    )


def release(request: Request) -> Released:
    """Release leases, within the limits of the plan."""
    key = request.key
    plan = key.plan
    if plan.kind == LONGTERM and not plan.static:
        # Dynamic addresses end by themselves.
        raise Refusal("no_permission")
    leases = request.without_dropped(request.selected_leases())
    count = len(leases)
    limit = plan.channels * 2
    seconds = request.rate_limiter.minute
    if plan.kind in (STATIC, LONGTERM):
        if key.options.static_releases == "calls":
            count = 1
        limit = STATIC_RELEASES
        seconds = WEEK
        if any(request.now - lease.at <= DAY for lease in leases):
            raise Refusal("too_young")
    if leases and not request.rate_limiter.try_acquire(
        key.key, "released addresses", limit, count, seconds
    ):
        raise Refusal("releases")
    request.keys.lease_service.release(key, leases, plan.free_delay)
    return Released(leases)


def quota(request: Request) -> dict[str, int]:
    key = request.key
    plan = key.plan
    if plan.by_volume:
        if key.options.volume_quota == "refuse":
            raise Refusal("no_permission")
        used = len(key.holdings.paid)
        return {"Total": plan.balance + used, "Available": plan.balance, "Used": used}
    used = key.counted_channels(request.now)
    if plan.kind == OCCUPANCY:
        used = key.used + len(key.holdings.monopolies)
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
    matches = area_filter(request)
    wanted_status = request.integer("status", 1, low=0)
    rows = []
    for area in request.key.plan.stock:
        status = int(area.available > 0)
        if matches(area) and wanted_status in (None, status):
            rows.append(
                {"AreaId": area.area_id, "Area": area.area, "Isp": area.isp, "Status": status}
            )
    return {"Data": rows}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of exclusive occupancy. Their responses have ``data`` or ``error`` instead of a code."""

from __future__ import annotations

from ..keys.monopolies import OFFLINE, ONLINE, Monopoly
from ..keys.plans import ISPS, Area
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody

MIN_HOLD_TIME = 12 * 3600.0
"""Seconds from the application for a monopoly to its earliest release."""
MIN_REDIAL_INTERVAL = 10.0
"""Seconds between two dials of a monopoly."""


def _selected_monopolies(request: ClassicRequest) -> list[Monopoly]:
    """Return the monopolies of ``UUIDs``; one that the key does not have is an error."""
    by_uuid = {monopoly.uuid: monopoly for monopoly in request.key.holdings.monopolies}
    uuids = request.string_list("UUIDs")
    unknown = [uuid for uuid in uuids if uuid not in by_uuid]
    if unknown:
        raise ApiError(codes.INVALID_PARAMETER, f"独占资源不存在: {','.join(unknown)}")
    return [by_uuid[uuid] for uuid in uuids]


def query(request: ClassicRequest) -> ResponseBody:
    select_all = not request.given("UUIDs") or request.selects_all("UUIDs")
    requested = [] if select_all else request.string_list("UUIDs")
    monopolies = request.key.visible_lists(request.now).monopolies
    selected = [monopoly for monopoly in monopolies if select_all or monopoly.uuid in requested]
    return {"data": [monopoly.list_item(request.now) for monopoly in selected]}


def _idle_count(request: ClassicRequest, area: Area) -> int:
    """Return the addresses of an area that no monopoly uses or waits for."""
    monopolies = request.key.holdings.monopolies
    waiting = [monopoly for monopoly in monopolies if monopoly.lease is None and monopoly.area is area]
    return max(0, area.available - len(waiting))


def apply(request: ClassicRequest) -> ResponseBody:
    """Apply for monopolies: each is queued, then dialled."""
    key, lease_service, options = request.key, request.lease_service, request.key.options
    existing = key.holdings.monopolies
    count = request.integer("Num", low=1, high=100) or 1
    area_code, isp = request.integer("AreaCode", low=1), request.integer("Operator", low=1, high=4)
    if count > key.plan.channels - key.used - len(existing):
        raise ApiError(codes.NO_FREE_CHANNEL)
    candidates = [
        area
        for area in key.plan.stock
        if area.matches(area_code, isp)
        for _position in range(_idle_count(request, area))
    ]
    if len(candidates) < count:
        raise ApiError(codes.NO_STOCK)
    # The queue is sequential: each monopoly waits for those before it.
    dial_at = max([request.now, *(monopoly.dial_at for monopoly in existing)])
    new: list[Monopoly] = []
    for area in request.without_dropped(lease_service.random.sample(candidates, count)):
        dial_at += options.queue_seconds
        uuid = lease_service.create_uuid(area)
        new.append(Monopoly(uuid, area, request.now, dial_at, dial_at + options.dial_seconds))
    existing += new
    key.holdings.monopolies_paid += len(new)
    data = {
        "uuids": [monopoly.uuid for monopoly in new],
        "objects": [monopoly.list_item(request.now) for monopoly in new],
        "empty": [],
    }
    return {"data": data[options.apply_data]}


def redial(request: ClassicRequest) -> ResponseBody:
    """Start to change the exit addresses. The list shows when a change is complete."""
    selected = _selected_monopolies(request)
    for monopoly in selected:
        if monopoly.state(request.now) not in (ONLINE, OFFLINE):
            raise ApiError(codes.COUNT_LIMIT, "资源未在线")
        if request.now - monopoly.dial_at < MIN_REDIAL_INTERVAL:
            raise ApiError(codes.COUNT_LIMIT, "更换IP需间隔10秒")
    redialled = request.without_dropped(selected)
    for monopoly in redialled:
        monopoly.hang_up(request.lease_service)
        monopoly.dial(request.now, request.key.options.dial_seconds)
    return {"data": [monopoly.uuid for monopoly in redialled]}


def release(request: ClassicRequest) -> ResponseBody:
    selected = _selected_monopolies(request)
    if any(request.now - monopoly.since < MIN_HOLD_TIME for monopoly in selected):
        raise ApiError(codes.COUNT_LIMIT, "独占资源12小时后才能释放")
    released = request.without_dropped(selected)
    for monopoly in released:
        monopoly.hang_up(request.lease_service)
        request.key.holdings.monopolies.remove(monopoly)
    return {"data": [monopoly.uuid for monopoly in released]}


def idle(request: ClassicRequest) -> ResponseBody:
    rows = [
        {"area_code": area.area_id, "area": area.area, "isp": ISPS[area.isp], "num": _idle_count(request, area)}
        for area in request.key.plan.stock
    ]
    return {"data": [row for row in rows if row["num"]]}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls for reserved lines, which the API calls monopolies."""

from __future__ import annotations

from typing import Any

from ..exchange import Refusal
from ..keys.monopolies import OFFLINE, ONLINE, Monopoly
from ..keys.plans import ISPS, Area
from .leases import area_filter
from .request import Request

MIN_HOLD_TIME = 12 * 3600.0
"""Seconds from the application for a monopoly to its earliest release."""
MIN_REDIAL_INTERVAL = 10.0
"""Seconds between two dials of a monopoly."""


def _selected_monopolies(request: Request) -> list[Monopoly]:
    """Return the monopolies of ``UUIDs``; one that the key does not have is an error."""
    by_uuid = {monopoly.uuid: monopoly for monopoly in request.key.holdings.monopolies}
    uuids = request.strings("uuids")
    unknown = [uuid for uuid in uuids if uuid not in by_uuid]
    if unknown:
        raise Refusal("parameter", f"独占资源不存在: {','.join(unknown)}")
    return [by_uuid[uuid] for uuid in uuids]


def _uuids(monopolies: list[Monopoly]) -> list[str]:
    return [monopoly.uuid for monopoly in monopolies]


def query(request: Request) -> list[Any]:
    requested = request.selected("uuids")
    monopolies = request.key.visible_lists(request.now).monopolies
    return [
        each.list_item(request.now)
        for each in monopolies
        if requested is None or each.uuid in requested
    ]


def _idle_count(request: Request, area: Area) -> int:
    """Return the addresses of an area that no monopoly uses or waits for."""
    count = area.available
    for monopoly in request.key.holdings.monopolies:
        if monopoly.lease is None and monopoly.area is area:
            count -= 1
    return max(0, count)


def apply(request: Request) -> list[Any]:
    """Apply for monopolies: each is queued, then dialed."""
    key = request.key
    lease_service = request.keys.lease_service
    existing = key.holdings.monopolies
    count = request.integer("count", 100) or 1
    matches = area_filter(request)
    if count > key.plan.channels - key.used - len(existing):
        raise Refusal("no_channel")
    candidates: list[Area] = []
    for area in filter(matches, key.plan.stock):
        candidates += [area] * _idle_count(request, area)
    if len(candidates) < count:
        raise Refusal("no_stock")
    # The queue is sequential: each monopoly waits for those before it.
    dial_at = max([request.now, *(monopoly.dial_at for monopoly in existing)])
    new: list[Monopoly] = []
    for area in request.without_dropped(lease_service.random.sample(candidates, count)):
        dial_at += key.options.queue_seconds
        uuid = lease_service.create_uuid(area)
        new.append(Monopoly(uuid, area, request.now, dial_at, dial_at + key.options.dial_seconds))
    existing += new
    key.holdings.monopolies_paid += len(new)
    if key.options.apply_data == "empty":
        return []
    if key.options.apply_data == "objects":
        return [monopoly.list_item(request.now) for monopoly in new]
    return _uuids(new)


def redial(request: Request) -> list[Any]:
    """Start to change the exit addresses. The list shows when a change is complete."""
    selected = _selected_monopolies(request)
    for monopoly in selected:
        if monopoly.state(request.now) not in (ONLINE, OFFLINE):
            raise Refusal("redialed", "资源未在线")
        if request.now - monopoly.dial_at < MIN_REDIAL_INTERVAL:
            raise Refusal("redialed", "更换IP需间隔10秒")
    redialed = request.without_dropped(selected)
    for monopoly in redialed:
        monopoly.hang_up(request.keys.lease_service)
        monopoly.dial(request.now, request.key.options.dial_seconds)
    return _uuids(redialed)


def release(request: Request) -> list[Any]:
    selected = _selected_monopolies(request)
    if any(request.now - monopoly.since < MIN_HOLD_TIME for monopoly in selected):
        raise Refusal("held_too_short", "独占资源12小时后才能释放")
    released = request.without_dropped(selected)
    for monopoly in released:
        monopoly.hang_up(request.keys.lease_service)
        request.key.holdings.monopolies.remove(monopoly)
    return _uuids(released)


def idle(request: Request) -> list[Any]:
    rows = []
    for area in request.key.plan.stock:
        if count := _idle_count(request, area):
            rows.append(
                {"area_code": area.area_id, "area": area.area, "isp": ISPS[area.isp], "num": count}
            )
    return rows

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only operations: query, quota and resources."""

from __future__ import annotations

from ..keys.leases import Lease
from ..keys.plans import OCCUPANCY
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody
from .responses import lease_item


def query(request: ClassicRequest) -> ResponseBody:
    """Return the leases of a key, grouped by the call that allocated them."""
    detail = request.flag("Detail", "detail")
    select_all = not request.given("TaskID") or request.selects_all("TaskID")
    requested = [] if select_all else request.string_list("TaskID")
    tasks: dict[str, list[Lease]] = {}
    for lease in request.key.visible_lists(request.now).leases:
        if select_all or lease.task_id in requested:
            tasks.setdefault(lease.task_id, []).append(lease)
    items = [
        {"TaskID": task_id, "Num": len(leases), "Data": [lease_item(request.key, lease, detail) for lease in leases]}
        for task_id, leases in tasks.items()
    ]
    total = sum(len(leases) for leases in tasks.values())
    return {"Code": codes.OK, "TaskList": items, "TaskNum": len(items), "TotalNum": total}


def quota(request: ClassicRequest) -> ResponseBody:
    key, plan = request.key, request.key.plan
    if plan.by_volume:
        if key.options.volume_quota == "refuse":
            raise ApiError(codes.NO_PERMISSION)
        used = len(key.holdings.paid)
        return {"Code": codes.OK, "Total": plan.balance + used, "Available": plan.balance, "Used": used}
    used = key.used + len(key.holdings.monopolies) if plan.kind == OCCUPANCY else key.counted_channels(request.now)
    return {"Code": codes.OK, "Total": plan.channels, "Available": max(0, plan.channels - used), "Used": used}


def resources(request: ClassicRequest) -> ResponseBody:
    area_id, isp = request.integer("AreaId", low=1), request.integer("Isp", "ISP", low=1, high=4)
    status = request.integer("Status", high=1)
    areas = [
        area
        for area in request.key.plan.stock
        if area.matches(area_id, isp) and status in (None, int(area.available > 0))
    ]
    if request.key.options.area_fields == "product":
        return {"Code": codes.OK, "Data": [area.item() for area in areas]}
    rows = [
        {"AreaId": area.area_id, "Area": area.area, "Isp": area.isp, "Status": int(area.available > 0)}
        for area in areas
    ]
    return {"Code": codes.OK, "Data": rows}

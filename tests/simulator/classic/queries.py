# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls that only look do: query, quota, resources."""

from __future__ import annotations

from . import codes
from .codes import Refusal
from .leases import Lease
from .plans import OCCUPANCY
from .request import Answer, Call


def query(call: Call) -> Answer:
    """The leases of a key, by the call that they came from."""
    detail = call.flag("Detail", "detail")
    everything = call.params.get("TaskID", "*") == "*"
    wanted = [] if everything else call.words("TaskID")
    tasks: dict[str, list[Lease]] = {}
    for lease in call.account.listed(call.now).leases:
        if everything or lease.task_id in wanted:
            tasks.setdefault(lease.task_id, []).append(lease)
    listed = [
        {"TaskID": task_id, "Num": len(leases), "Data": [lease.item(detail) for lease in leases]}
        for task_id, leases in tasks.items()
    ]
    total = sum(len(leases) for leases in tasks.values())
    return {"Code": codes.OK, "TaskNum": len(listed), "TotalNum": total, "TaskList": listed}


def quota(call: Call) -> Answer:
    account, plan = call.account, call.account.plan
    if plan.by_volume:
        if account.options.volume_quota == "refuse":
            raise Refusal(codes.NO_PERMISSION)
        used = len(account.books.paid)
        return {"Code": codes.OK, "Total": plan.balance + used, "Available": plan.balance, "Used": used}
    used = account.used + len(account.books.monopolies) if plan.kind == OCCUPANCY else account.busy
    return {"Code": codes.OK, "Total": plan.channels, "Available": max(0, plan.channels - used), "Used": used}


def resources(call: Call) -> Answer:
    area_id, isp = call.number("AreaId", low=1), call.number("Isp", "ISP", low=1, high=4)
    status = call.number("Status", high=1)
    rows = [
        {"AreaId": area.area_id, "Area": area.area, "Isp": area.isp, "Status": int(area.available > 0)}
        for area in call.account.plan.stock
        if area.matches(area_id, isp)
    ]
    return {"Code": codes.OK, "Data": [row for row in rows if status in (None, row["Status"])]}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls for exclusive occupancy do. They answer in a style of their own: ``data``, or ``error``."""

from __future__ import annotations

from . import codes
from .codes import Refusal
from .monopolies import OFFLINE, ONLINE, Monopoly
from .plans import ISPS, Area
from .request import Answer, Call

HOLD = 12 * 3600.0
"""Nothing is released sooner than so long after it was applied for."""
REST = 10.0
"""Nothing is dialled sooner than so long after it was dialled."""


def _named(call: Call) -> list[Monopoly]:
    """The monopolies of ``UUIDs``; all of them must be the key's."""
    by_uuid = {monopoly.uuid: monopoly for monopoly in call.account.books.monopolies}
    names = call.words("UUIDs")
    unknown = [name for name in names if name not in by_uuid]
    if unknown:
        raise Refusal(codes.BAD_PARAMETER, f"独占资源不存在: {','.join(unknown)}")
    return [by_uuid[name] for name in names]


def listing(call: Call) -> Answer:
    everything = "UUIDs" not in call.params
    wanted = [] if everything else call.words("UUIDs")
    found = [item for item in call.account.listed(call.now).monopolies if everything or item.uuid in wanted]
    return {"data": [monopoly.item(call.now) for monopoly in found]}


def _left(call: Call, area: Area) -> int:
    """Addresses of an area that nobody has and nobody waits for."""
    waiting = [item for item in call.account.books.monopolies if item.lease is None and item.area is area]
    return max(0, area.available - len(waiting))


def apply(call: Call) -> Answer:
    account, lessor, options = call.account, call.vendor.lessor, call.account.options
    held = account.books.monopolies
    number = call.number("Num", low=1, high=100) or 1
    code, isp = call.number("AreaCode", low=1), call.number("Operator", low=1, high=4)
    if number > account.plan.channels - account.used - len(held):
        raise Refusal(codes.NO_FREE_CHANNEL)
    rows = [area for area in account.plan.stock if area.matches(code, isp) for place in range(_left(call, area))]
    if len(rows) < number:
        raise Refusal(codes.NO_STOCK)
    # One after the other: each waits for those before it.
    turn = max([call.now, *(monopoly.dial_at for monopoly in held)])
    fresh: list[Monopoly] = []
    for area in call.kept(lessor.random.sample(rows, number)):
        turn += options.queue_seconds
        fresh.append(Monopoly(lessor.uuid(area), area, call.now, turn, turn + options.dial_seconds))
    held += fresh
    shown = {
        "uuids": [monopoly.uuid for monopoly in fresh],
        "objects": [monopoly.item(call.now) for monopoly in fresh],
        "empty": [],
    }
    return {"data": shown[options.apply_data]}


def redial(call: Call) -> Answer:
    """Change exits. It is carried out later: the list tells when."""
    found = _named(call)
    for monopoly in found:
        if monopoly.state(call.now) not in (ONLINE, OFFLINE):
            raise Refusal(codes.COUNT_LIMIT, "资源未在线")
        if call.now - monopoly.dial_at < REST:
            raise Refusal(codes.COUNT_LIMIT, "更换IP需间隔10秒")
    done = call.kept(found)
    for monopoly in done:
        monopoly.hang_up(call.vendor.lessor)
        monopoly.dial(call.now, call.account.options.dial_seconds)
    return {"data": [monopoly.uuid for monopoly in done]}


def release(call: Call) -> Answer:
    found = _named(call)
    if any(call.now - monopoly.since < HOLD for monopoly in found):
        raise Refusal(codes.COUNT_LIMIT, "独占资源12小时后才能释放")
    done = call.kept(found)
    for monopoly in done:
        monopoly.hang_up(call.vendor.lessor)
        call.account.books.monopolies.remove(monopoly)
    return {"data": [monopoly.uuid for monopoly in done]}


def idle(call: Call) -> Answer:
    return {
        "data": [
            {"area_code": area.area_id, "area": area.area, "isp": ISPS[area.isp], "num": _left(call, area)}
            for area in call.account.plan.stock
            if _left(call, area)
        ]
    }

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls that lease addresses do: allocate, replace, extract."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import codes
from .allocation_params import Wish
from .codes import Refusal
from .leases import Lease
from .plans import Area
from .request import Answer, Call


def _check_room(call: Call, number: int, returned: int = 0) -> None:
    plan = call.account.plan
    if plan.by_volume:
        if number > plan.balance:
            raise Refusal(codes.COUNT_LIMIT)
    elif number > plan.channels:
        raise Refusal(codes.OVER_PLAN)
    elif number > plan.channels - call.account.busy + returned:
        raise Refusal(codes.NO_FREE_CHANNEL)


def _open(call: Call, wish: Wish, areas: Sequence[Area], addresses: Sequence[str], task_id: str) -> list[Lease]:
    """Open leases; when one cannot be, there are none."""
    lessor = call.vendor.lessor
    ends = math.floor(call.now) + wish.minutes * 60.0
    opened: list[Lease] = []
    try:
        for area, address in zip(areas, addresses, strict=True):
            opened.append(lessor.lease(call.account, address, area, task_id, ends))
    except Refusal:
        lessor.end(opened)
        raise
    return opened


def _give(call: Call, wish: Wish, areas: Sequence[Area], addresses: Sequence[str]) -> Answer:
    account, task_id = call.account, call.vendor.lessor.task_id()
    leases = _open(call, wish, areas, addresses, task_id)
    account.books.leases += leases
    for lease in leases:
        account.books.pay(lease)
    if account.plan.by_volume:
        account.plan.balance -= len(leases)
    items = [lease.item(wish.detail) for lease in leases]
    return {"Code": codes.OK, "TaskID": task_id, "Num": len(items), "Data": items}


def allocate(call: Call) -> Answer:
    wish = Wish.read(call)
    _check_room(call, wish.number)
    areas = call.kept(wish.areas(call))
    return _give(call, wish, areas, wish.addresses(call, len(areas)))


def replace(call: Call) -> Answer:
    """Give up as many leases as are asked for, chosen by the vendor, and lease as many anew."""
    wish, account, lessor = Wish.read(call), call.account, call.vendor.lessor
    held = list(account.books.leases)
    if account.options.replace_order == "random":
        lessor.random.shuffle(held)
    old = held[: wish.number]
    _check_room(call, wish.number, returned=len(old))
    try:
        areas = call.kept(wish.areas(call, old))
        addresses = wish.addresses(call, len(areas))
    except Refusal as refusal:
        if account.options.replace_failure == "drop":
            lessor.release(account, old, account.plan.free_delay)
            raise Refusal(refusal.code, done=bool(old)) from None
        raise
    # Their channels go straight to the new leases.
    lessor.release(account, old)
    try:
        return _give(call, wish, areas, addresses)
    except Refusal as refusal:
        raise Refusal(refusal.code, done=bool(old)) from None


def extract(call: Call) -> Answer:
    """Addresses of the pool, which take no channel: those seen before that still run, then new ones."""
    wish, books = Wish.read(call), call.account.books
    call.number("Pool", low=1, high=2)
    found = [lease for lease in books.pool if lease.area.matches(wish.area_id, wish.isp)][: wish.number]
    missing = wish.number - len(found)
    if missing:
        areas = [area for area in call.account.plan.stock if area.matches(wish.area_id, wish.isp) and area.available]
        areas = call.vendor.lessor.random.sample(areas, min(missing, len(areas)))
        if not areas and not found:
            raise Refusal(codes.NO_STOCK)
        fresh = _open(call, wish, areas, wish.addresses(call, len(areas)), "")
        books.pool += fresh
        found += fresh
    return {"Code": codes.OK, "Num": len(found), "Data": [lease.item(wish.detail) for lease in found]}

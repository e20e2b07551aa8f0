# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation that releases leases, and its limits for each kind of plan."""

from __future__ import annotations

from ..keys.leases import Lease
from ..keys.plans import STATIC
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody

DAY = 86400.0
WEEK = 7 * DAY
MAX_PER_WEEK = 2
ADDRESS_WINDOW = "/release addresses"
"""The rate window that counts addresses, in addition to the one that counts calls."""


def _selected_leases(request: ClassicRequest) -> list[Lease]:
    """Return the leases of the key that ``IP`` or ``TaskID`` selects."""
    names = [name for name in ("IP", "TaskID") if request.given(name)]
    if len(names) != 1:
        raise ApiError(codes.INVALID_PARAMETER)
    name, leases = names[0], request.key.holdings.leases
    if request.selects_all(name):
        return list(leases)
    requested = request.addresses() if name == "IP" else request.string_list(name)
    selected = [lease for lease in leases if (lease.ip if name == "IP" else lease.task_id) in requested]
    known = {lease.ip if name == "IP" else lease.task_id for lease in selected}
    if request.key.options.absent_release == "error" and not known.issuperset(requested):
        raise ApiError(codes.INVALID_PARAMETER)
    return selected


def release(request: ClassicRequest) -> ResponseBody:
    key, rate_limiter = request.key, request.rate_limiter
    leases = request.without_dropped(_selected_leases(request))
    if key.plan.kind == STATIC:
        limit, seconds = MAX_PER_WEEK, WEEK
        if any(request.now - lease.at <= DAY for lease in leases):
            raise ApiError(codes.COUNT_LIMIT)
    else:
        limit, seconds = key.plan.channels * 2, rate_limiter.minute
    if leases and not rate_limiter.try_acquire(key.key, ADDRESS_WINDOW, limit, len(leases), seconds):
        raise ApiError(codes.COUNT_LIMIT)
    request.lease_service.release(key, leases, key.plan.free_delay)
    if key.options.release_answer == "code":
        return {"Code": codes.OK}
    return {"Code": codes.OK, "Data": [lease.ip for lease in leases], "Num": len(leases)}

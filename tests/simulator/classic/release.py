# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation that releases leases, and its limits for each kind of plan."""

from __future__ import annotations

from ..keys.plans import STATIC
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody

DAY = 86400.0
WEEK = 7 * DAY
MAX_PER_WEEK = 2
ADDRESS_WINDOW = "/release addresses"
"""The rate window that counts addresses, in addition to the one that counts calls."""


def release(request: ClassicRequest) -> ResponseBody:
    key, rate_limiter = request.key, request.rate_limiter
    leases = request.without_dropped(request.selected_leases())
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

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operation that releases leases, and its limits for each product."""

from __future__ import annotations

from ..keys.plans import LONGTERM
from . import codes
from .codes import ProductError
from .request import ProductRequest

DAY = 86400.0
WEEK = 7 * DAY
MAX_PER_WEEK = 2
ADDRESS_WINDOW = "deleted addresses"
"""The rate window that counts addresses, in addition to the one that counts calls."""


def delete(request: ProductRequest) -> int:
    """Release leases and return their number."""
    key, rate_limiter = request.key, request.rate_limiter
    if key.plan.kind == LONGTERM and not key.plan.static:
        # Dynamic addresses end by themselves.
        raise ProductError(codes.ACCESS_DENY)
    leases = request.without_dropped(request.selected_leases())
    if key.plan.kind == LONGTERM:
        limit, seconds = MAX_PER_WEEK, WEEK
        if any(request.now - lease.at <= DAY for lease in leases):
            raise ProductError(codes.STATIC_DELETE_TIME_LIMIT)
    else:
        limit, seconds = key.plan.channels * 2, rate_limiter.minute
    if leases and not rate_limiter.try_acquire(key.key, ADDRESS_WINDOW, limit, len(leases), seconds):
        raise ProductError(codes.DELETE_LIMIT_EXCEEDED)
    request.lease_service.release(key, leases, key.plan.free_delay)
    return len(leases)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read-only operations: query, channels, balance and resources."""

from __future__ import annotations

from typing import Any

from .request import ProductRequest
from .responses import LeaseList


def query(request: ProductRequest) -> LeaseList:
    """Return the leases of a key, all or those of some tasks."""
    select_all = not request.given("task") or request.selects_all("task")
    requested = [] if select_all else request.string_list("task")
    leases = request.key.visible_lists(request.now).leases
    return LeaseList.in_use(request.key, [lease for lease in leases if select_all or lease.task_id in requested])


def channels(request: ProductRequest) -> dict[str, Any]:
    total = request.key.plan.channels
    return {"total": total, "idle": max(0, total - request.key.counted_channels(request.now))}


def balance(request: ProductRequest) -> dict[str, Any]:
    return {"balance": request.key.plan.balance}


def resources(request: ProductRequest) -> list[dict[str, Any]]:
    return [area.item() for area in request.key.plan.stock]

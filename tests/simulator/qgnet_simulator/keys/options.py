# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behavior of QG.net for one key, for each case that its documents leave open or that programs have
seen otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ..settings import HttpStatus

CERTIFICATES = ("fits", "other", "expired")


@dataclass
class KeyOptions:
    """The first value of each is the default."""

    overflow: Literal["refuse", "partial"] = "refuse"
    present_add: Literal["ok", "zero", "full"] = "ok"
    empty_data: Literal["list", "null", "absent"] = "list"
    """An empty ``Data`` or ``data``."""
    empty_tasks: Literal["list", "null", "absent"] = "absent"
    error_status: HttpStatus | None = None
    """HTTP status of a refusal; None: 200 of the classic API, 400 of a product host."""
    post: Literal["ok", "refuse"] = "ok"
    absent_release: Literal["zero", "error"] = "zero"
    release_answer: Literal["code", "list"] = "code"
    replace_order: Literal["oldest", "random"] = "oldest"
    replace_failure: Literal["keep", "drop"] = "keep"
    short_stock: Literal["refuse", "partial"] = "refuse"
    address_reuse: Literal["last", "first"] = "last"
    volume_quota: Literal["balance", "refuse"] = "balance"
    apply_data: Literal["uuids", "objects", "empty"] = "uuids"
    dial_seconds: float = 2.0
    queue_seconds: float = 1.0
    get_shape: Literal["documented", "list", "ips", "single"] = "documented"
    query_shape: Literal["documented", "list", "ips", "tasks", "task_map", "single"] = "documented"
    static_releases: Literal["calls", "addresses"] = "calls"
    """What the limit of two a week counts."""
    static_deadline: Literal["expiry", "release"] = "expiry"
    lease_proxies: bool = True
    failing: int = 0
    """How many of a hundred new connections of each proxy and tunnel fail."""
    certificate: Annotated[str, CERTIFICATES] = "fits"
    """What proxies and tunnels show to clients that speak TLS to them."""
    list_lag: float = 0.0
    quota_lag: float = 0.0

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Behaviour of the vendor for one key, for each case that the vendor's documents leave open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import validation
from ..clock import beijing
from ..validation import Validator
from .notations import NOTATIONS

CHOICES: dict[str, tuple[str, ...]] = {
    "overflow": ("refuse", "partial"),
    "bound": ("refuse", "partial"),
    "present_add": ("ok", "zero", "full"),
    "absent_del": ("zero", "error"),
    "whitelist_answer": ("list", "number", "code"),
    "whitelist_notation": tuple(NOTATIONS),
    "del_takes": ("address", "listed"),
    "whitelist_takes": ("addresses", "any"),
    "area_fields": ("documented", "product"),
    "empty_data": ("list", "null", "absent"),
    "numbers": ("int", "string"),
    "post": ("ok", "refuse", "ignore_body"),
    "empty_tasks": ("absent", "list", "null"),
    "absent_release": ("zero", "error"),
    "release_answer": ("code", "list"),
    "replace_order": ("oldest", "random"),
    "replace_failure": ("keep", "drop"),
    "replace_ip": ("ignore", "apply"),
    "short_stock": ("refuse", "partial"),
    "address_reuse": ("last", "first"),
    "volume_quota": ("balance", "refuse"),
    "apply_data": ("uuids", "objects", "empty"),
    "get_shape": ("documented", "list", "ips", "entries", "single"),
    "query_shape": ("documented", "list", "ips", "tasks", "task_map", "entries", "single"),
    "static_deadline": ("expiry", "release"),
    "seq_line_breaks": ("ok", "refuse"),
}
_BOOLEAN: Validator = (validation.is_boolean, "true or false")
_DURATION: Validator = (validation.is_duration, "seconds")
VALIDATORS: dict[str, Validator] = {
    "msg": _BOOLEAN,
    "lease_proxies": _BOOLEAN,
    "error_status": (validation.is_http_status, "an HTTP status from 200 to 599"),
    "refusal_status": (validation.is_http_status, "an HTTP status from 200 to 599"),
    "limit_status": (validation.is_http_status, "an HTTP status from 200 to 599"),
    "dial_seconds": _DURATION,
    "queue_seconds": _DURATION,
    "list_lag": _DURATION,
    "list_spread": _DURATION,
    "quota_lag": _DURATION,
    "deadline_zone": (lambda value: isinstance(value, int) and -12 <= value <= 14, "hours from -12 to 14"),
}


@dataclass
class KeyOptions:
    overflow: str = "refuse"
    bound: str = "refuse"
    present_add: str = "ok"
    absent_del: str = "zero"
    whitelist_answer: str = "list"
    whitelist_notation: str = "stored"
    del_takes: str = "address"
    whitelist_takes: str = "addresses"
    empty_data: str = "list"
    numbers: str = "int"
    msg: bool = True
    error_status: int = 200
    post: str = "ok"
    empty_tasks: str = "absent"
    absent_release: str = "zero"
    release_answer: str = "code"
    replace_order: str = "oldest"
    replace_failure: str = "keep"
    replace_ip: str = "ignore"
    short_stock: str = "refuse"
    address_reuse: str = "last"
    volume_quota: str = "balance"
    area_fields: str = "documented"
    apply_data: str = "uuids"
    dial_seconds: float = 2.0
    queue_seconds: float = 1.0
    get_shape: str = "documented"
    query_shape: str = "documented"
    static_deadline: str = "expiry"
    seq_line_breaks: str = "ok"
    refusal_status: int = 400
    limit_status: int = 429
    lease_proxies: bool = True
    list_lag: float = 0.0
    list_spread: float = 0.0
    quota_lag: float = 0.0
    deadline_zone: int = 8

    def deadline(self, timestamp: float) -> str:
        """Format a timestamp in the time zone of the vendor's deadlines."""
        return beijing(timestamp + (self.deadline_zone - 8) * 3600.0)

    def change(self, values: Mapping[str, Any]) -> None:
        """Change some options; if one of them is wrong, nothing is changed."""
        validation.validate_options(values, (item.name for item in fields(self)), CHOICES, VALIDATORS)
        for name, value in values.items():
            setattr(self, name, value)

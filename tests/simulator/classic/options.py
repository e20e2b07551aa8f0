# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the vendor behaves for one key where its documents leave a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from .. import validation as checks
from ..validation import Invalid

CHOICES: dict[str, tuple[str, ...]] = {
    "overflow": ("refuse", "partial"),
    "bound": ("refuse", "partial"),
    "present_add": ("ok", "zero", "full"),
    "absent_del": ("zero", "error"),
    "empty_data": ("list", "null", "absent"),
    "numbers": ("int", "string"),
    "post": ("ok", "refuse", "ignore_body"),
    "empty_tasks": ("list", "null", "absent"),
    "absent_release": ("zero", "error"),
    "release_answer": ("list", "code"),
    "replace_order": ("oldest", "random"),
    "replace_failure": ("keep", "drop"),
    "short_stock": ("refuse", "partial"),
    "address_reuse": ("last", "first"),
    "volume_quota": ("balance", "refuse"),
    "apply_data": ("uuids", "objects", "empty"),
    "lease_host": ("loopback", "address"),
}
FLAG = (checks.flag, "true or false")
SECONDS = (checks.seconds, "seconds")
OTHERS: dict[str, tuple[Callable[[object], bool], str]] = {
    "msg": FLAG,
    "lease_proxies": FLAG,
    "error_status": (lambda value: checks.whole(value, 200, 599), "an HTTP status from 200 to 599"),
    "dial_seconds": SECONDS,
    "queue_seconds": SECONDS,
    "list_lag": SECONDS,
}


@dataclass
class Options:
    overflow: str = "refuse"
    bound: str = "refuse"
    present_add: str = "ok"
    absent_del: str = "zero"
    empty_data: str = "list"
    numbers: str = "int"
    msg: bool = True
    error_status: int = 200
    post: str = "ok"
    empty_tasks: str = "list"
    absent_release: str = "zero"
    release_answer: str = "list"
    replace_order: str = "oldest"
    replace_failure: str = "keep"
    short_stock: str = "refuse"
    address_reuse: str = "last"
    volume_quota: str = "balance"
    apply_data: str = "uuids"
    dial_seconds: float = 2.0
    queue_seconds: float = 1.0
    lease_host: str = "loopback"
    lease_proxies: bool = True
    list_lag: float = 0.0

    def change(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._check(name, value)
        for name, value in values.items():
            setattr(self, name, value)

    @staticmethod
    def _check(name: str, value: object) -> None:
        known = [item.name for item in fields(Options)]
        if name not in known:
            raise Invalid(f"unknown option {name!r}, known: {', '.join(known)}")
        if name in CHOICES:
            if value not in CHOICES[name]:
                raise Invalid(f"option {name}: {value!r} is none of {', '.join(CHOICES[name])}")
            return
        good, expected = OTHERS[name]
        if not good(value):
            raise Invalid(f"option {name}: {expected} expected")

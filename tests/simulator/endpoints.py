# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's endpoints: one row each. A new call is a new row and the function that it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import quota, whitelist
from .accounts import Account
from .whitelist import Answer, Call


@dataclass(frozen=True)
class Endpoint:
    path: str
    operation: Callable[[Call], Answer]
    limit: Callable[[Account], int]
    """Calls per key in one of the vendor's minutes."""
    takes_addresses: bool = False


def fixed(number: int) -> Callable[[Account], int]:
    return lambda account: number


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("/whitelist/add", whitelist.add, fixed(20), takes_addresses=True),
    Endpoint("/whitelist/del", whitelist.delete, fixed(20), takes_addresses=True),
    Endpoint("/whitelist/query", whitelist.query, fixed(60)),
    Endpoint("/info/quota", quota.quota, fixed(60)),
)
BY_PATH: dict[str, Endpoint] = {endpoint.path: endpoint for endpoint in ENDPOINTS}

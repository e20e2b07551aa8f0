# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account calls: one row each. A new call is a new row and the function that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import operations as cloud
from .request import Found, Inquiry

PREFIX = "/api"
WHOLE = (
    *("Host_id", "Run_status", "Order_status", "Harddiks", "Bandwidth", "Defense"),
    *("Cpu", "Memory", "Systemdisk", "Datadisk", "Ip", "Buy_status", "Upgrade_status", "Status"),
    *("OriginalPrice", "TotalPrice"),
)
"""Fields that some table of the pages calls a number where its example has text."""


@dataclass(frozen=True)
class Service:
    path: str
    operation: Callable[[Inquiry], Found]
    success: int | str = 0
    message: str = "返回内容"
    listed: str | None = None
    """A list's shape: ``map`` from "1" on, or ``array``."""
    table: Mapping[str, str] = field(default_factory=dict)
    """Spelling of keys in the table of the page where its example has another."""
    plain: bool = False
    """It answers with ``result``, ``data`` and ``msg``."""
    methods: tuple[str, ...] = ("GET", "POST")
    takes_addresses: bool = False


_CAPITALS = {"line_no": "Line_no", "area_no": "Area_no", "spec_no": "Spec_no", "spec_name": "Spec_name"}
SERVICES: tuple[Service, ...] = (
    Service(f"{PREFIX}/merchant/getBalance", cloud.balance, plain=True),
    Service(f"{PREFIX}/cloud-business/getDetail", cloud.details, listed="map", table=_CAPITALS),
    Service(f"{PREFIX}/cloud-business/packageOrderPrice", cloud.order_price),
    Service(f"{PREFIX}/cloud-product/packageList", cloud.packages, listed="map", table={"Package_no": "package_no"}),
    Service(
        f"{PREFIX}/physical-product/lineList",
        cloud.lines,
        success="200",
        message="xxxxxxx",
        listed="array",
        table={"bondSpecs": "bindspecs"},
    ),
    Service(f"{PREFIX}/proxyip/resourceView", cloud.proxy_plan, success=200, message="ok"),
)
PATHS: dict[str, tuple[Service, ...]] = {service.path: (service,) for service in SERVICES}


def belongs(path: str) -> bool:
    """Whether a call to this path is one with an account's signature, also where there is no such call."""
    return path.startswith(f"{PREFIX}/")

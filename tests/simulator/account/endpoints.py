# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the account API: one row each. To add a call, add a row and the function that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import operations
from .request import AccountRequest

PREFIX = "/api"
INTEGER_FIELDS = (
    *("Host_id", "Run_status", "Order_status", "Harddiks", "Bandwidth", "Defense"),
    *("Cpu", "Memory", "Systemdisk", "Datadisk", "Ip", "Buy_status", "Upgrade_status", "Status"),
    *("OriginalPrice", "TotalPrice"),
)
"""Fields that a table of the vendor's pages declares as numbers, although the example has strings."""


@dataclass(frozen=True)
class AccountEndpoint:
    path: str
    operation: Callable[[AccountRequest], Any]
    success_code: int | str = 0
    success_message: str = "返回内容"
    list_shape: str | None = None
    """Shape of a list: ``map`` with keys from "1", or ``array``. None if the data is not a list."""
    table_spelling: Mapping[str, str] = field(default_factory=dict)
    """Spelling of field names in the table of the vendor's page, if it differs from that of the example."""
    plain_envelope: bool = False
    """Whether the response has ``result``, ``data`` and ``msg``."""
    methods: tuple[str, ...] = ("GET", "POST")
    takes_addresses: bool = False


_CAPITALIZED = {"line_no": "Line_no", "area_no": "Area_no", "spec_no": "Spec_no", "spec_name": "Spec_name"}
ENDPOINTS: tuple[AccountEndpoint, ...] = (
    AccountEndpoint(f"{PREFIX}/merchant/getBalance", operations.balance, plain_envelope=True),
    AccountEndpoint(
        f"{PREFIX}/cloud-business/getDetail",
        operations.service_details,
        list_shape="map",
        table_spelling=_CAPITALIZED,
    ),
    AccountEndpoint(f"{PREFIX}/cloud-operate/restart", operations.restart, success_message="ok"),
    AccountEndpoint(f"{PREFIX}/cloud-business/packageOrderPrice", operations.order_price),
    AccountEndpoint(
        f"{PREFIX}/cloud-product/packageList",
        operations.packages,
        list_shape="map",
        table_spelling={"Package_no": "package_no"},
    ),
    AccountEndpoint(
        f"{PREFIX}/physical-product/lineList",
        operations.lines,
        success_code="200",
        success_message="xxxxxxx",
        list_shape="array",
        table_spelling={"bondSpecs": "bindspecs"},
    ),
    AccountEndpoint(f"{PREFIX}/proxyip/resourceView", operations.proxy_plan, success_code=200, success_message="ok"),
)
ENDPOINTS_BY_PATH: dict[str, tuple[AccountEndpoint, ...]] = {endpoint.path: (endpoint,) for endpoint in ENDPOINTS}


def is_account_path(path: str) -> bool:
    """Return whether a path belongs to the account API, even if the API has no such endpoint."""
    return path.startswith(f"{PREFIX}/")

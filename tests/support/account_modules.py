# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that read an account of the user center, one row each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reader:
    """What reads one thing of an account: a module, the call that it makes, and options that
    succeed.
    """

    module: str
    call: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the call, as the journal of the vendor has it."""
        return f"/api{self.call}"


#: By what the tests call them.
READERS = {
    "balance": Reader("qg_balance_info", "/merchant/getBalance"),
    "plan": Reader(
        "qg_proxy_plan_info",
        "/proxyip/resourceView",
        {"resource_no": "demo0001", "product_id": 117},
    ),
    "packages": Reader("qg_cloud_package_facts", "/cloud-product/packageList", {"product_id": 104}),
    "price": Reader(
        "qg_cloud_price_info",
        "/cloud-business/packageOrderPrice",
        {"package_no": "1", "system_no": "1", "duration": "1m"},
    ),
    "lines": Reader("qg_cloud_line_info", "/physical-product/lineList", {"product_id": 115}),
    "instances": Reader("qg_cloud_instance_info", "/cloud-business/getDetail", {"product_id": 104}),
}

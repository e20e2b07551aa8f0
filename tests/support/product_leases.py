# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the product hosts share: a key of one product, and what the vendor knows of it."""

from __future__ import annotations

from typing import Any

import pytest
from support.lease_modules import LeaseScenario
from support.playbooks import calls

#: The plan of the key, by product.
PLANS: dict[str, dict[str, Any]] = {
    "share": {"kind": "share", "channels": 8, "lifetime": 60},
    "longterm": {"kind": "longterm", "channels": 8, "static": True},
    "exclusive": {"kind": "exclusive", "channels": 8},
    "overseas": {"kind": "overseas", "channels": 8},
}
PRODUCTS = tuple(PLANS)
#: The products that release leases, and seconds after which they do.
RELEASING = {"exclusive": 0, "longterm": 90000}
WRITES = ("get", "replace", "delete", "pool")


class ProductKey(LeaseScenario):
    """A key of one product."""

    product = ""

    def use(self, product: str, **plan: Any) -> ProductKey:
        self.product = product
        self.sim.configure(plan={**PLANS[product], **plan}, options={"lease_proxies": False})
        self.options |= {"product": product}
        self.begin()
        return self

    def path(self, call: str) -> str:
        return f"/{self.product}/{call}"

    def writes(self) -> list[str]:
        return calls(self.sim, *(self.path(call) for call in WRITES))

    def held(self) -> set[str]:
        """The servers of the leases, as the vendor knows them."""
        return {lease["host"] for lease in self.sim.leases()}


@pytest.fixture(name="account")
def product_key_fixture(scenario: LeaseScenario) -> ProductKey:
    return ProductKey(scenario.sim, scenario.options)


def servers(leases: list[dict[str, Any]]) -> set[str]:
    return {lease["server"] for lease in leases}

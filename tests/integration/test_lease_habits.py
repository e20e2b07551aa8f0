# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crawlers do with leases, over HTTP: the results, and what the vendor has received."""

from __future__ import annotations

from typing import Any

import pytest
from support.lease_modules import LeaseScenario, scenario_fixture
from support.playbooks import assert_says
from support.product_leases import PLANS

__all__ = ["scenario_fixture"]

QUANZHOU, HUAIAN = "350500", "320800"
#: The call that leases, and the one that releases, by product; and the names of their parameters.
CALLS = {
    "classic": ("/allocate", "/release"),
    **{product: (f"/{product}/get", f"/{product}/delete") for product in PLANS},
}
NAMES = {"classic": {"num": "Num", "area": "AreaId", "keep_alive": "KeepAlive", "isp": "Isp"}}
#: The products that release leases at once.
AT_ONCE = ("classic", "exclusive")


class Crawler(LeaseScenario):
    """A key of any product, and what was sent with it."""

    product = "classic"

    def use(self, product: str, **plan: Any) -> Crawler:
        self.product = product
        self.sim.configure(plan={**PLANS.get(product, {"channels": 8}), **plan})
        self.options |= {"product": product}
        return self

    def sent(self, *names: str, path: str | None = None) -> list[tuple[str | None, ...]]:
        """The parameters of the calls that lease, or of those to another path."""
        known = NAMES.get(self.product, {})
        calls = self.sim.journal(path or CALLS[self.product][0])
        return [tuple(call["params"].get(known.get(name, name)) for name in names) for call in calls]

    def paid(self) -> int:
        return len(self.books().paid)


@pytest.fixture
def crawler(scenario: LeaseScenario) -> Crawler:
    return Crawler(scenario.sim, scenario.options)


# Replace


@pytest.mark.parametrize("product", AT_ONCE)
def test_successors_are_requested_as_their_leases_were(crawler: Crawler, product: str) -> None:
    crawler.use(product)
    old = crawler.ok("allocate", count=2, areas=[QUANZHOU], keep_alive=60, isp="telecom")["leases"]
    crawler.begin()
    result = crawler.ok("replace", ips=[*(lease["ip"] for lease in old), "192.0.2.254"])
    assert len(result["allocated"]) == len(result["released"]) == 2
    assert result["not_held"] == ["192.0.2.254"]
    assert any("192.0.2.254" in text for text in result["warnings"])
    # One first, so that the other is kept if there is no successor.
    assert crawler.sent("num", "area", "keep_alive", "isp") == [("1", QUANZHOU, "60", "1")] * 2
    assert crawler.paid() == 4
    # The successors are as well known as their predecessors were.
    crawler.begin()
    crawler.ok("replace", ips=[result["allocated"][0]["ip"]], keep_alive=30)
    assert crawler.sent("num", "area", "keep_alive", "isp") == [("1", QUANZHOU, "30", "1")]


@pytest.mark.parametrize("product", AT_ONCE)
@pytest.mark.parametrize("by_vendor", [False, True])
def test_leases_of_different_terms_are_not_replaced_together(crawler: Crawler, product: str, by_vendor: bool) -> None:
    crawler.use(product)
    path = "/replace" if product == "classic" else f"/{product}/replace"
    first = crawler.ok("allocate", areas=[QUANZHOU], keep_alive=60)["leases"][0]
    if by_vendor:
        crawler.ok("replace", count=1)
        assert crawler.sent("num", "area", "keep_alive", path=path) == [("1", QUANZHOU, "60")]
        (first,) = crawler.ok("info")["leases"]
    second = crawler.ok("allocate", areas=[HUAIAN], keep_alive=60)["leases"][0]
    crawler.begin()
    choice = {"all": True} if by_vendor else {"ips": [first["ip"], second["server"]]}
    for check in (True, False):
        result = crawler("replace", **choice, check=check)
        assert_says(result, "requested with different areas, isp or keep_alive", first["ip"], changed=False)
    assert crawler.sent("num") == crawler.sent("num", path=path) == []
    crawler.ok("replace", **choice, areas=[QUANZHOU])
    assert {sent[0] for sent in crawler.sent("area", path=path if by_vendor else None)} == {QUANZHOU}

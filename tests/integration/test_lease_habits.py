# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crawlers do with leases, over HTTP: the results, and what the vendor has received."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.lease_modules import LeaseScenario, scenario_fixture
from support.playbooks import assert_says
from support.product_leases import PLANS, RELEASING

__all__ = ["scenario_fixture"]

PWD = "0123456789ab"
QUANZHOU, HUAIAN, GUANGZHOU = "350500", "320800", "440100"
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
        self.options |= {"product": product, "product_url": self.sim.api_url + "/{product}"}
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
def test_successors_inherit_what_their_leases_were_requested_with(crawler: Crawler, product: str) -> None:
    crawler.use(product)
    old = [
        crawler.ok("allocate", areas=[QUANZHOU], keep_alive=60, isp="telecom")["leases"][0],
        crawler.ok("allocate", areas=[HUAIAN], keep_alive="2h")["leases"][0],
    ]
    crawler.begin()
    result = crawler.ok("replace", ips=[*(lease["ip"] for lease in old), "192.0.2.254"])
    assert len(result["allocated"]) == len(result["released"]) == 2
    assert result["not_held"] == ["192.0.2.254"]
    assert any("192.0.2.254" in text for text in result["warnings"])
    expected = {("1", QUANZHOU, "60", "1"), ("1", HUAIAN, "120", None)}
    assert set(crawler.sent("num", "area", "keep_alive", "isp")) == expected
    assert crawler.paid() == 4
    # The successors are as well known as their predecessors were.
    crawler.begin()
    one = next(lease for lease in result["allocated"] if lease["remaining_seconds"] > 3700)
    crawler.ok("replace", ips=[one["ip"]], keep_alive=30)
    assert crawler.sent("num", "area", "keep_alive", "isp") == [("1", HUAIAN, "30", None)]
    crawler.begin()
    crawler.ok("replace", all=True, inherit=False)
    path = "/replace" if product == "classic" else f"/{product}/replace"
    assert crawler.sent("num", "area", "keep_alive", path=path) == [("2", None, None)]


@pytest.mark.parametrize("product", AT_ONCE)
def test_the_replacement_by_the_vendor_inherits_what_all_leases_have(crawler: Crawler, product: str) -> None:
    crawler.use(product).ok("allocate", count=2, areas=[QUANZHOU], keep_alive=60)
    path = "/replace" if product == "classic" else f"/{product}/replace"
    assert not crawler.ok("replace", count=1).get("warnings")
    assert crawler.sent("num", "area", "keep_alive", path=path) == [("1", QUANZHOU, "60")]
    crawler.ok("allocate", count=1, areas=[HUAIAN])
    result = crawler.ok("replace", all=True)
    assert any("new ones inherit nothing: give areas" in text for text in result["warnings"])
    assert crawler.sent("num", "area", "keep_alive", path=path)[1:] == [("3", None, None)]


@pytest.mark.parametrize("product", ["classic", *RELEASING])
def test_leases_of_a_certain_age_are_replaced_once(crawler: Crawler, product: str) -> None:
    crawler.use(product).ok("allocate", count=2)
    before = {lease["host"] for lease in crawler.sim.leases()}
    assert crawler.ok("replace", older_than="1h", check=True)["released"] == []
    assert crawler.ok("replace", older_than="1h")["changed"] is False
    crawler.sim.advance(RELEASING.get(product, 0))
    # The age counts from the request, by the clock of this machine.
    time.sleep(1.1)
    crawler.begin()
    predicted = crawler.ok("replace", older_than="1s", check=True)
    assert (len(predicted["released"]), predicted["missing"]) == (2, 2)
    assert crawler.sent("num") == []
    result = crawler.ok("replace", older_than="1s")
    assert {lease["server"] for lease in result["released"]} == before
    assert len(result["allocated"]) == 2
    crawler.begin()
    again = crawler.ok("replace", older_than="1h")
    assert (again["changed"], again["missing"]) == (False, 0)
    assert crawler.sent("num") == []
    assert crawler.paid() == 4


def test_a_lease_of_unknown_age_is_kept_and_named(crawler: Crawler, sim: Simulator) -> None:
    requests.get(sim.api_url + "/allocate", params={"Key": sim.key}, timeout=5)
    (lease,) = sim.leases()
    result = crawler.ok("replace", older_than="1s")
    assert result["changed"] is False
    assert any(f"The age of {lease['ip']} is unknown" in text for text in result["warnings"])
    for options, part in (
        ({"older_than": "0"}, "older_than=0 is out of range"),
        ({"older_than": "1h", "all": True}, "older_than and all=true exclude each other"),
        ({"older_than": "1h", "product": "share"}, "older_than needs a release, but product=share"),
    ):
        assert_says(crawler("replace", **options), part, changed=False)
    assert sim.leases() == [lease]


# Areas without stock


def stock(*rows: tuple[str, int]) -> dict[str, Any]:
    """A plan's stock: how many addresses each area has."""
    return {"areas": [{"area_id": int(code), "area": code, "isp": 1, "available": left} for code, left in rows]}


@pytest.mark.parametrize("product", CALLS)
def test_an_area_without_stock_is_followed_by_any_area(crawler: Crawler, product: str) -> None:
    areas = ["990100", "990200"] if product == "overseas" else [QUANZHOU, HUAIAN]
    crawler.use(product, stock=stock((areas[0], 2), (areas[1], 9)))
    options = {"count": 3, "areas": areas[:1]}
    assert "failed" in crawler("allocate", **options)
    crawler.begin()
    result = crawler.ok("allocate", **options, area_fallback=True)
    assert crawler.sent("num", "area") == [("3", areas[0]), ("3", None)]
    assert (result["areas_used"], result["count"]) == ([{"areas": [], "count": 3}], 3)
    assert any(f"No stock in {areas[0]}" in text for text in result["warnings"])
    assert crawler.paid() == 3
    # Leases of any area count, so that the second run does not pay again.
    crawler.begin()
    again = crawler.ok("allocate", **options, area_fallback=True)
    assert (again["changed"], again["areas_used"], crawler.sent("num")) == (False, [], [])


@pytest.mark.parametrize("product", AT_ONCE)
def test_several_areas_are_tried_in_their_order_and_no_others(crawler: Crawler, product: str) -> None:
    crawler.use(product, stock=stock((QUANZHOU, 1), (HUAIAN, 2), (GUANGZHOU, 9)))
    crawler.ok("allocate", areas=[QUANZHOU])
    crawler.begin()
    options = {"areas": [QUANZHOU, HUAIAN], "area_fallback": True}
    result = crawler.ok("allocate", count=3, **options)
    assert crawler.sent("num", "area") == [("2", QUANZHOU), ("2", HUAIAN)]
    assert result["areas_used"] == [{"areas": [HUAIAN], "count": 2}]
    crawler.begin()
    failed = crawler("allocate", count=4, **options)
    assert (failed["failed"], failed["changed"]) == (True, False)
    assert crawler.sent("num", "area") == [("1", QUANZHOU), ("1", HUAIAN)]
    # The successor of a lease is in another area rather than missing.
    crawler.begin()
    (lease,) = [one for one in result["leases"] if one["ip"] not in {new["ip"] for new in result["allocated"]}]
    crawler.sim.configure(plan={"stock": stock((QUANZHOU, 0), (HUAIAN, 0), (GUANGZHOU, 9))})
    result = crawler.ok("replace", ips=[lease["ip"]], area_fallback=True)
    assert crawler.sent("num", "area") == [("1", QUANZHOU), ("1", None)]
    assert result["areas_used"] == [{"areas": [], "count": 1}]
    assert crawler.paid() == 4


@pytest.mark.parametrize(("module", "options"), [("allocate", {}), ("replace", {"all": True, "areas": [QUANZHOU]})])
def test_a_fallback_needs_areas_and_a_choice_of_leases(crawler: Crawler, module: str, options: dict[str, Any]) -> None:
    assert_says(crawler(module, **options, area_fallback=True), "area_fallback=true needs")


# Verify


class Site(ThreadingHTTPServer):
    """A site that refuses so many of the next requests."""

    def __init__(self) -> None:
        self.refuses = self.requests = 0

        class Handler(BaseHTTPRequestHandler):
            server: Site

            def do_GET(self) -> None:
                self.server.requests += 1
                self.send_response(403 if self.server.requests <= self.server.refuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/robots.txt"

    def refuse(self, number: int) -> None:
        self.refuses = self.requests + number


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


@pytest.mark.parametrize("product", CALLS)
def test_only_leases_that_reach_the_site_are_kept(crawler: Crawler, site: Site, product: str) -> None:
    crawler.use(product)
    crawler.sim.configure(pwd=PWD)
    options = {"count": 2, "verify_url": site.url, "verify_extra": 3, "password": PWD}
    predicted = crawler.ok("allocate", **options, check=True)
    assert (predicted["missing"], predicted["purchase_limit"], site.requests) == (2, 5, 0)
    site.refuse(1)
    result = crawler.ok("allocate", **options)
    assert crawler.sent("num") == [("2",), ("1",)]
    assert (result["count"], len(result["allocated"]), result["purchase_limit"]) == (2, 3, 5)
    (bad,) = result["unusable"]
    # Leases of share and overseas cannot be released, nor a static address of longterm on its first day.
    releases = product in AT_ONCE
    assert (bad["reason"], bad["released"]) == ("HTTP status 403", releases)
    assert [lease["server"] for lease in result["released"]] == ([bad["server"]] if releases else [])
    assert len(crawler.sim.journal(CALLS[product][1])) == (product in RELEASING or product == "classic")
    assert any("were not released" in text for text in result.get("warnings", [])) is (product == "longterm")
    assert bad["server"] not in {lease["server"] for lease in result["leases"]}
    assert PWD not in json.dumps(result)
    crawler.begin()
    again = crawler.ok("allocate", **options)
    assert (again["changed"], again["count"], crawler.sent("num")) == (False, 2 + (not releases), [])
    assert crawler.paid() == 3


def test_proxies_that_refuse_the_control_node_are_no_reason_to_buy(crawler: Crawler, site: Site) -> None:
    """Without a password, its address is not on the whitelist."""
    result = crawler("allocate", count=2, verify_url=site.url)
    assert_says(result, "All proxies refuse this control node (HTTP status 407)", "add its address to the whitelist")
    assert (result["changed"], crawler.sent("num"), site.requests) == (True, [("2",)], 0)
    crawler.sim.configure(options={"lease_proxies": False})
    crawler.sim.configure(whitelist=["127.0.0.1"])
    found = crawler.ok("allocate", count=2, verify_url=site.url, verify_timeout=5)
    assert (found["changed"], found["unusable"], site.requests) == (False, [], 2)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"verify_url": "example.com"}, "verify_url"),
        ({"verify_url": "http://a", "verify_extra": -1}, "verify_extra=-1 is out of range"),
        ({"verify_url": "http://a", "max_new_per_day": 2}, "max_new_per_day=2 does not allow 3 more leases"),
    ],
)
def test_mistakes_and_caps_are_reported_before_anything_is_bought(
    crawler: Crawler, options: dict[str, Any], part: str
) -> None:
    assert_says(crawler("allocate", **options), part, changed=False)
    assert crawler.sent("num") == []

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product hosts: what each of them has, sends and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.invariants import assert_no_secret
from support.node import Node
from support.paid_calls import ALLOCATE, PLANS, RELEASE, REPLACE
from support.vendor import PATHS, Vendor

PASSWORD = "Hush4Hush"
#: The products that release leases, and the seconds after which they do.
RELEASING = {"exclusive": 0, "longterm": 90000}
each = pytest.mark.parametrize("product", PLANS)
releasing = pytest.mark.parametrize("product", RELEASING)
Make = Callable[..., Node]


@pytest.fixture
def key(new_node: Make) -> Make:
    return lambda product, **plan: new_node(product, **{**PLANS[product], **plan})


def servers(leases: list[Any]) -> set[str]:
    return {lease["server"] if isinstance(lease, dict) else lease.host for lease in leases}


def writes(node: Node, product: str) -> list[str]:
    return node.vendor.calls(*PATHS[product].writing)


@each
def test_only_what_is_missing_is_leased(key: Make, product: str) -> None:
    node, get = key(product), PATHS[product].get
    done = node.ok(ALLOCATE, count=2)
    assert (done["count"], done["missing"], done["held"]) == (2, 0, 2)
    assert servers(done["leases"]) == servers(node.vendor.leases)
    again = node.ok(ALLOCATE, count=2)
    assert (again["changed"], servers(again["leases"])) == (False, servers(node.vendor.leases))
    assert len(node.ok(ALLOCATE, count=3)["allocated"]) == 1
    assert [sent["num"] for sent in node.sent(get)] == ["2", "1"]
    assert node.vendor.paid == 3


@each
def test_info_has_the_fields_of_the_product(key: Make, product: str) -> None:
    node = key(product)
    node.ok(ALLOCATE, count=2)
    by_server = {lease.host: lease for lease in node.vendor.leases}
    found = node.ok("qg_proxy_info")
    assert (found["changed"], found["count"]) == (False, 2)
    for lease in found["leases"]:
        own = by_server[lease["server"]]
        assert (lease["ip"], lease["port"]) == (own.ip, own.port)
        assert lease["expires_at"].endswith("+08:00")
        assert lease["region"] == own.area.area
        isps = ["telecom", "mobile", "unicom"]
        assert lease["isp"] == (None if product == "overseas" else isps[own.area.isp - 1])
        assert lease["task_id"] == (own.task_id if product in RELEASING else None)
        assert lease["area_code"] == (None if product == "share" else str(own.area.area_id))
        assert lease["vendor"]["server"] == own.host


@releasing
def test_a_release_is_confirmed_and_final(key: Make, product: str) -> None:
    node = key(product)
    node.ok(ALLOCATE, count=3)
    gone, *rest = (lease.ip for lease in node.vendor.leases)
    node.vendor.advance(RELEASING[product])
    assert [lease["ip"] for lease in node.ok(RELEASE, ips=[gone])["released"]] == [gone]
    assert {lease.ip for lease in node.vendor.leases} == set(rest)
    node.vendor.forget()
    again = node.ok(RELEASE, ips=[gone])
    assert (again["changed"], again["released"], writes(node, product)) == (False, [], [])


def test_a_task_and_then_all_leases_are_released(key: Make) -> None:
    node = key("exclusive")
    node.ok(ALLOCATE, count=1)
    task = node.vendor.leases[0].task_id
    node.ok(ALLOCATE, count=4)
    assert len(node.ok(RELEASE, task_ids=[task])["released"]) == 1
    assert len(node.ok(RELEASE, all=True)["released"]) == 3
    assert node.ok(RELEASE, all=True)["changed"] is False
    assert node.vendor.leases == []


@releasing
def test_named_leases_are_released_and_allocated_anew(key: Make, product: str) -> None:
    node = key(product)
    node.ok(ALLOCATE, count=2)
    ip = node.vendor.leases[0].ip
    node.vendor.advance(RELEASING[product])
    node.vendor.forget()
    assert node.ok(REPLACE, ips=[ip])["method"] == "release_and_allocate"
    assert writes(node, product) == [PATHS[product].release, PATHS[product].get]
    assert node.vendor.paid == 3
    assert ip not in node.vendor.ips


def test_the_terms_are_sent_as_the_product_calls_them(key: Make) -> None:
    node = key("share")
    terms = {"areas": ["440100", "350500"], "exclude_areas": ["320800"], "isp": "mobile", "keep_alive": 30}
    node.ok(ALLOCATE, count=1, pool="enterprise", password=PASSWORD, **terms)
    sent = {"num": "1", "area": "350500,440100", "area_ex": "320800", "isp": "2", "distinct": "true"}
    assert node.sent("/share/get") == [{**sent, "keep_alive": "30", "pool": "2", "pwd": PASSWORD}]


@each
def test_leases_of_the_requested_area_count(key: Make, product: str) -> None:
    node = key(product)
    wanted, other = ("990100", "990200") if product == "overseas" else ("440100", "350500")
    node.ok(ALLOCATE, count=1, areas=[wanted])
    assert node.ok(ALLOCATE, count=1, areas=[wanted])["changed"] is False
    assert node.ok(ALLOCATE, count=1, areas=[other])["changed"] is True


def test_an_area_in_another_spelling_is_not_leased_again(key: Make) -> None:
    """The request says US, and the list 990100."""
    node = key("overseas")
    node.ok(ALLOCATE, count=1, areas=["US"])
    assert node.ok(ALLOCATE, count=1, areas=["US"])["changed"] is False
    assert node.vendor.paid == 1


@each
def test_areas(key: Make, product: str) -> None:
    node = key(product)
    found = node.ok("qg_area_info")
    assert found["count"] == len(found["areas"]) == 9
    first = found["areas"][0]
    assert (first["area_code"], first["available"]) == ("990100" if product == "overseas" else "350500", True)
    assert {one["isp"] for one in node.ok("qg_area_info", isp="mobile")["areas"]} == {"mobile"}
    assert node.ok("qg_area_info", available=False)["areas"] == []


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_what_has_no_address_is_never_released(key: Make, module: str) -> None:
    """A call without an address might release everything."""
    node = key("longterm")
    node.vendor.configure(options={"get_shape": "entries", "query_shape": "entries"})
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(RELEASING["longterm"])
    node.vendor.forget()
    options = {"all": True} if module == RELEASE else {"ips": sorted(servers(node.vendor.leases))}
    for check in (True, False):
        assert "does not name the exit address" in node.failed(module, check=check, **options)["msg"]
    assert writes(node, "longterm") == []


@each
def test_no_free_channel(key: Make, product: str) -> None:
    node = key(product)
    node.vendor.configure(used=7)
    result = node.failed(ALLOCATE, count=2)
    if product == "overseas":
        assert result["error"]["code"] == "NO_AVAILABLE_CHANNEL"
    else:
        assert writes(node, product) == []
    assert node.vendor.paid == 0


def test_a_used_up_volume(key: Make, folder: Path) -> None:
    node = key("exclusive", billing="volume", balance=1)
    assert node.failed(ALLOCATE, count=2)["error"]["code"] == "BALANCE_INSUFFICIENT"
    # This product shows its balance, so nothing is requested.
    vendor = Vendor(kind="share", billing="volume", balance=1)
    other = Node(folder / "share", vendor, product="share")
    assert "only 1 more" in other.failed(ALLOCATE, count=2)["msg"]
    assert vendor.calls("/share/get") == []


@pytest.mark.parametrize(
    ("static", "code"), [(False, "ACCESS_DENY"), (True, "STATIC_DELETE_TIME_LIMIT")], ids=["dynamic", "young"]
)
def test_an_address_of_longterm_that_cannot_be_released(key: Make, static: bool, code: str) -> None:
    node = key("longterm", static=static)
    node.ok(ALLOCATE, count=1)
    result = node.failed(RELEASE, all=True)
    assert (result["error"]["code"], len(node.vendor.leases)) == (code, 1)


#: Mistakes that are found before any call: the product, the module, its options, and words of the message.
MISTAKES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "release of share": ("share", RELEASE, {"all": True}, "product=share does not release leases"),
    "release of overseas": ("overseas", RELEASE, {"all": True}, "product=overseas does not release leases"),
    "exact with share": ("share", ALLOCATE, {"count": 1, "exact": True}, "exact needs a release"),
    "replace of share": ("share", REPLACE, {"count": 1}, "product=share does not replace leases"),
    "replace of longterm": ("longterm", REPLACE, {"count": 1}, "product=longterm does not replace leases"),
    "replace of overseas": ("overseas", REPLACE, {"all": True}, "product=overseas does not replace leases"),
    "named replace of share": ("share", REPLACE, {"ips": ["192.0.2.1"]}, "ips needs a release"),
    "tasks of share": ("share", "qg_proxy_info", {"task_ids": ["T"]}, "task_ids select nothing"),
    "exclude": ("overseas", ALLOCATE, {"count": 1, "exclude_areas": ["990100"]}, "exclude_areas is not an option"),
    "pool": ("longterm", ALLOCATE, {"count": 1, "pool": "normal"}, "pool is not an option"),
    "bgp": ("exclusive", ALLOCATE, {"count": 1, "isp": "bgp"}, "isp=bgp is not a provider"),
    "two areas in one": ("share", ALLOCATE, {"count": 1, "areas": ["350500,440100"]}, "give one whole name"),
    "quota of overseas": ("overseas", "qg_quota_info", {}, "product=overseas has no quota"),
    "pool of share": ("share", "qg_proxy_pool_info", {}, "product=share has no pool"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_any_call(key: Make, mistake: str) -> None:
    product, module, options, sentence = MISTAKES[mistake]
    node = key(product)
    assert sentence in node.failed(module, **options)["msg"]
    assert node.vendor.calls() == []


@pytest.mark.parametrize(("product", "code"), [("share", "ACCESS_DENY"), ("classic", -15)])
def test_a_refused_call_is_explained_by_the_product_of_the_key(key: Make, product: str, code: Any) -> None:
    node = key("share")
    node.vendor.fault("/share/get" if product == "share" else "/allocate", "code", code=code)
    result = node.failed(ALLOCATE, count=1, product=product)
    assert result["error"]["code"] == code
    assert "set it to the one that the key was bought for" in result["msg"]


@each
def test_no_result_contains_a_secret(key: Make, product: str) -> None:
    node = key(product)
    node.vendor.configure(pwd=PASSWORD, api_auth=True)
    for module in (ALLOCATE, "qg_proxy_info", "qg_area_info", *(["qg_quota_info"] if product != "overseas" else [])):
        options = {"count": 1} if module == ALLOCATE else {}
        results = [node.ok(module, password=PASSWORD, **options), node.failed(module, password="wrong", **options)]
        assert results[1]["error"]["code"] == "API_AUTH_DENY"
        assert_no_secret([PASSWORD], results, node.store)

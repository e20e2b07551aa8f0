# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The product hosts: what each of them has, sends and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, PLANS, RELEASE, REPLACE
from support import phrases
from support.invariants import assert_no_secret
from support.node import Node
from support.vendor import PATHS, Vendor, ips

PASSWORD = "Hush4Hush"
#: The products that release leases, and the seconds after which they do.
RELEASING = {"exclusive": 0, "longterm": 90000}
#: The fields of a lease that the list of a product does not show.
MISSING: dict[str, list[str]] = {
    "share": ["task_id", "area_code"],
    "overseas": ["task_id", "isp"],
    "exclusive": [],
    "longterm": [],
}
ISPS = {1: "telecom", 2: "mobile", 3: "unicom"}
#: Two areas in which each product leases.
AREAS = dict.fromkeys(("share", "longterm", "exclusive"), ("350500", "440100")) | {
    "overseas": ("990100", "990200")
}
each = pytest.mark.parametrize("product", PLANS)
releasing = pytest.mark.parametrize("product", RELEASING)
Make = Callable[..., Node]


@pytest.fixture
def key(new_node: Make) -> Make:
    return lambda product, **plan: new_node(product, **{**PLANS[product], **plan})


def writes(node: Node, product: str) -> list[str]:
    return node.vendor.calls(*PATHS[product].writing)


@each
def test_only_what_is_missing_is_leased(key: Make, product: str) -> None:
    node = key(product)
    get = PATHS[product].get
    done = node.ok(ALLOCATE, count=2)
    assert done["count"] == 2
    assert done["missing"] == 0
    assert done["held"] == 2
    assert ips(done["leases"]) == node.vendor.ips
    again = node.ok(ALLOCATE, count=2)
    assert again["changed"] is False
    assert ips(again["leases"]) == node.vendor.ips
    assert len(node.ok(ALLOCATE, count=3)["allocated"]) == 1
    assert [sent["num"] for sent in node.sent(get)] == ["2", "1"]
    assert node.vendor.paid == 3


@each
def test_info_has_the_fields_of_the_product(key: Make, product: str) -> None:
    node = key(product)
    node.ok(ALLOCATE, count=2)
    by_server = {lease.host: lease for lease in node.vendor.leases}
    found = node.ok("qg_proxy_info")
    assert found["changed"] is False
    assert found["count"] == 2
    for lease in found["leases"]:
        own = by_server[lease["server"]]
        assert lease["ip"] == own.ip
        assert lease["port"] == own.port
        assert lease["expires_at"].endswith("+08:00")
        assert lease["region"] == own.area.area
        fields: dict[str, str | None] = {
            "isp": ISPS[own.area.isp],
            "task_id": own.task_id,
            "area_code": str(own.area.area_id),
        }
        for name in MISSING[product]:
            fields[name] = None
        assert fields.items() <= lease.items()
        assert lease["vendor"]["server"] == own.host


@releasing
def test_a_release_is_confirmed_and_final(key: Make, product: str) -> None:
    node = key(product)
    node.ok(ALLOCATE, count=3)
    gone, *rest = node.vendor.ips
    node.vendor.advance(RELEASING[product])
    assert ips(node.ok(RELEASE, ips=[gone])["released"]) == {gone}
    assert node.vendor.ips == set(rest)
    node.vendor.forget()
    again = node.ok(RELEASE, ips=[gone])
    assert again["changed"] is False
    assert again["released"] == []
    assert writes(node, product) == []


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
    terms = {
        "areas": ["440100", "350500"],
        "exclude_areas": ["320800"],
        "isp": "mobile",
        "keep_alive": 30,
    }
    node.ok(ALLOCATE, count=1, pool="enterprise", password=PASSWORD, **terms)
    sent = {
        "num": "1",
        "area": "350500,440100",
        "area_ex": "320800",
        "isp": "2",
        "distinct": "true",
    }
    assert node.sent("/share/get") == [{**sent, "keep_alive": "30", "pool": "2", "pwd": PASSWORD}]


@each
def test_leases_of_the_requested_area_count(key: Make, product: str) -> None:
    node = key(product)
    wanted, other = AREAS[product]
    node.ok(ALLOCATE, count=1, areas=[wanted])
    assert node.ok(ALLOCATE, count=1, areas=[wanted])["changed"] is False
    assert node.ok(ALLOCATE, count=1, areas=[other])["changed"] is True


def test_a_lease_in_an_excluded_area_does_not_count(key: Make) -> None:
    node = key("exclusive")
    node.ok(ALLOCATE, count=1, areas=["350500"])
    assert node.ok(ALLOCATE, count=1, exclude_areas=["440100"])["changed"] is False
    assert len(node.ok(ALLOCATE, count=1, exclude_areas=["350500"])["allocated"]) == 1
    assert node.vendor.paid == 2


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
    assert first["area_code"] == AREAS[product][0]
    assert first["available"] is True


@pytest.mark.parametrize("module", [RELEASE, REPLACE])
def test_what_has_no_address_is_never_released(key: Make, module: str) -> None:
    """A call without an address might release everything."""
    node = key("longterm", forwarding=True)
    node.ok(ALLOCATE, count=2)
    node.vendor.advance(RELEASING["longterm"])
    node.vendor.forget()
    options: dict[str, Any] = {"all": True}
    if module == REPLACE:
        options = {"ips": [lease.host for lease in node.vendor.leases]}
    for check in (True, False):
        assert phrases.NO_EXIT_ADDRESS in node.failed(module, check=check, **options)["msg"]
    assert writes(node, "longterm") == []


@each
def test_no_free_channel(key: Make, product: str) -> None:
    node = key(product)
    node.vendor.configure(used=7)
    result = node.failed(ALLOCATE, count=2)
    if product == "overseas":
        assert result["error"]["code"] == "NO_AVAILABLE_CHANNEL"
        # Several APIs have a call of this name.
        assert result["msg"].startswith("/get of product=overseas was refused")
    else:
        assert writes(node, product) == []
    assert node.vendor.paid == 0


def test_a_used_up_volume(key: Make, folder: Path) -> None:
    node = key("exclusive", billing="volume", balance=1)
    assert node.failed(ALLOCATE, count=2)["error"]["code"] == "BALANCE_INSUFFICIENT"
    # This product shows its balance, so nothing is requested.
    vendor = Vendor(kind="share", billing="volume", balance=1)
    other = Node(folder / "share", vendor, product="share")
    result = other.failed(ALLOCATE, count=2)
    assert result["quota"]["available"] == 1
    assert f"only 1 {phrases.WITHIN_THE_VOLUME}" in result["msg"]
    assert vendor.calls("/share/get") == []


@pytest.mark.parametrize(
    ("static", "code"),
    [(False, "ACCESS_DENY"), (True, "STATIC_DELETE_TIME_LIMIT")],
    ids=["dynamic", "young"],
)
def test_an_address_of_longterm_that_cannot_be_released(key: Make, static: bool, code: str) -> None:
    node = key("longterm", static=static)
    node.ok(ALLOCATE, count=1)
    result = node.failed(RELEASE, all=True)
    assert result["error"]["code"] == code
    assert len(node.vendor.leases) == 1


#: Mistakes that are found before any call: the product, the module, its options, and words of the
#: message.
MISTAKES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "release of overseas": (
        "overseas",
        RELEASE,
        {"all": True},
        f"product=overseas {phrases.DOES_NOT_RELEASE}",
    ),
    "exact with share": (
        "share",
        ALLOCATE,
        {"count": 1, "exact": True},
        f"exact {phrases.NEEDS_RELEASE}",
    ),
    "replace of share": (
        "share",
        REPLACE,
        {"count": 1},
        f"product=share {phrases.DOES_NOT_REPLACE}",
    ),
    "replace of longterm": (
        "longterm",
        REPLACE,
        {"count": 1},
        f"product=longterm {phrases.DOES_NOT_REPLACE}",
    ),
    "replace of overseas": (
        "overseas",
        REPLACE,
        {"all": True},
        f"product=overseas {phrases.DOES_NOT_REPLACE}",
    ),
    "named replace of share": (
        "share",
        REPLACE,
        {"ips": ["192.0.2.1"]},
        f"ips {phrases.NEEDS_RELEASE}",
    ),
    "exclude": (
        "overseas",
        ALLOCATE,
        {"count": 1, "exclude_areas": ["990100"]},
        f"exclude_areas {phrases.NOT_AN_OPTION}",
    ),
    "pool": ("longterm", ALLOCATE, {"count": 1, "pool": "normal"}, f"pool {phrases.NOT_AN_OPTION}"),
    "bgp": ("exclusive", ALLOCATE, {"count": 1, "isp": "bgp"}, "isp=bgp is not a provider"),
    "quota of overseas": ("overseas", "qg_quota_info", {}, f"product=overseas {phrases.NO_QUOTA}"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_before_any_call_but_those_that_show_the_product(
    key: Make, mistake: str
) -> None:
    product, module, options, sentence = MISTAKES[mistake]
    node = key(product)
    lists = [paths.query for paths in PATHS.values()]
    reads = lists[: lists.index(PATHS[product].query) + 1]

    assert sentence in node.failed(module, **options)["msg"]
    assert node.vendor.calls() == []

    del node.options["product"]
    for _run in range(2):
        assert sentence in node.failed(module, **options)["msg"]
        assert node.vendor.calls() == reads


@pytest.mark.parametrize(("product", "code"), [("share", "ACCESS_DENY"), ("classic", -15)])
def test_a_refused_call_is_explained_by_the_product_of_the_key(
    key: Make, product: str, code: Any
) -> None:
    node = key("share")
    node.vendor.fault(PATHS[product].get, "code", code=code)
    result = node.failed(ALLOCATE, count=1, product=product)
    assert result["error"]["code"] == code
    assert phrases.OTHER_PRODUCT in result["msg"]


@each
def test_no_result_contains_a_secret(key: Make, product: str) -> None:
    node = key(product)
    node.vendor.configure(pwd=PASSWORD, api_auth=True)
    modules: dict[str, dict[str, Any]] = {
        ALLOCATE: {"count": 1},
        "qg_proxy_info": {},
        "qg_area_info": {},
    }
    if PATHS[product].quota:
        modules["qg_quota_info"] = {}
    for module, options in modules.items():
        done = node.ok(module, password=PASSWORD, **options)
        failed = node.failed(module, password="wrong", **options)
        assert failed["error"]["code"] == "API_AUTH_DENY"
        assert_no_secret([PASSWORD], done, failed, node.store)

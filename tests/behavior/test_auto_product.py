# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key whose product the task does not name: reads show it, once, before anything is paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE
from support import phrases
from support.node import Node
from support.vendor import CLASSIC, PATHS, plan_of

INFO = "qg_proxy_info"
QUOTA = "qg_quota_info"
AREAS = "qg_area_info"
PRODUCTS = tuple(PATHS)
LISTS = [paths.query for paths in PATHS.values()]
PAYING = {paths.get for paths in PATHS.values()}
CHOICES = "set product (variable qg_product, environment QG_PRODUCT)"
WRONG = "NOSUCH01"
Make = Callable[..., Node]


@pytest.fixture
def key(new_node: Make) -> Make:
    """Makes a node with a key of a product, which its options do not name."""

    def make(product: str = CLASSIC, **plan: Any) -> Node:
        node = new_node(product, **plan)
        del node.options["product"]
        return node

    return make


def calls(node: Node) -> list[str]:
    """The calls since the last question."""
    found = node.vendor.calls()
    node.vendor.forget()
    return found


def become(node: Node, product: str) -> None:
    """Let the vendor sell another product with this key."""
    node.vendor.configure(plan={"kind": "dynamic_dedicated", **plan_of(product)})


@pytest.mark.parametrize("product", PRODUCTS)
def test_reads_show_the_product_once_and_before_anything_is_paid_for(
    key: Make, product: str
) -> None:
    node = key(product)
    reads = PRODUCTS.index(product) + 1
    done = node.ok(ALLOCATE, count=2)
    made = calls(node)
    assert done["product"] == product
    assert made[:reads] == LISTS[:reads]
    assert done["api"]["calls"] == len(made)
    # All that follows goes to this API, as with an explicit product.
    assert set(LISTS).intersection(made[reads:]) == {LISTS[reads - 1]}
    assert PAYING.intersection(made) == {PATHS[product].get}
    assert node.ok(INFO)["product"] == product
    assert calls(node) == [LISTS[reads - 1]]
    assert node.ok(ALLOCATE, count=2)["changed"] is False
    later = calls(node)
    assert node.ok(ALLOCATE, count=2, product=product)["changed"] is False
    assert calls(node) == later
    assert node.vendor.paid == 2


def test_an_explicit_product_needs_no_read_and_is_never_replaced(key: Make) -> None:
    node = key("share")
    node.ok(INFO, product="share")
    assert calls(node) == ["/share/query"]
    assert node.failed(INFO, product="classic")["error"]["code"] == -15
    assert node.failed(INFO, product="exclusive")["error"]["code"] == "ACCESS_DENY"


@pytest.mark.parametrize(
    ("before", "now"), [("share", "exclusive"), ("exclusive", "classic"), ("classic", "share")]
)
def test_a_product_that_is_no_longer_right_is_found_anew_by_the_next_task(
    key: Make, before: str, now: str
) -> None:
    node = key(before)
    node.ok(INFO)
    become(node, now)
    assert phrases.RUN_AGAIN in node.failed(ALLOCATE, count=1)["msg"]
    assert node.ok(ALLOCATE, count=1)["product"] == now


def test_a_classic_call_names_the_product_that_is_known(key: Make) -> None:
    node = key("share")
    node.ok(INFO)
    for module, options in (
        ("qg_proxy_pool_info", {}),
        ("qg_monopoly", {"count": 1}),
        ("qg_monopoly_info", {}),
    ):
        assert (
            f"The key belongs to product=share, {phrases.NO_SUCH_CALL}"
            in node.failed(module, **options)["msg"]
        )


@pytest.mark.parametrize(
    ("module", "options"), [(ALLOCATE, {"count": 1}), (INFO, {}), (AREAS, {}), (QUOTA, {})]
)
def test_check_mode_finds_the_product_too(key: Make, module: str, options: dict[str, Any]) -> None:
    node = key("longterm")
    assert node.ok(module, check=True, **options)["product"] == "longterm"
    assert calls(node)[:3] == LISTS[:3]


def test_a_plan_of_exclusive_occupancy_has_no_list_but_a_quota(key: Make) -> None:
    node = key(kind="exclusive_occupancy")
    assert node.ok(QUOTA)["product"] == "classic"
    assert calls(node)[:6] == [*LISTS, "/info/quota"]
    node.ok(QUOTA)
    assert calls(node) == ["/info/quota"]


def test_the_pool_needs_no_product(key: Make) -> None:
    node = key(kind="dynamic_shared")
    node.ok("qg_proxy_pool_info")
    assert calls(node) == ["/extract"]


# Keys of which no read shows the product


def refused(node: Node, *parts: str, **options: Any) -> list[str]:
    """The calls of a task that fails with these parts in its message, and pays for nothing."""
    node.vendor.forget()
    result = node.failed(ALLOCATE, **{"count": 1, **options})
    for part in parts:
        assert part in result["msg"]
    assert node.vendor.paid == 0
    return calls(node)


def test_a_wrong_key_is_named_with_each_answer_once(key: Make) -> None:
    said = ("(classic: code -100", "; share, longterm, exclusive, overseas: code INVALID_KEY")
    assert refused(key(), phrases.KEY_IS_WRONG, *said, CHOICES, key=WRONG) == LISTS


@pytest.mark.parametrize("product", ["classic", "exclusive"])
def test_an_expired_plan_is_named(key: Make, product: str) -> None:
    node = key(product)
    node.vendor.configure(status="expired")
    said = f"{phrases.KEY_HAS_EXPIRED} (code UNAVAILABLE_KEY, key expired or blocked). Renew"
    assert refused(node, said) == LISTS


@pytest.mark.parametrize(
    ("status", "code"), [("blocked", "code -12"), ("unauthorized", "code -13")]
)
def test_a_refusal_that_is_not_about_the_product_ends_the_search(
    key: Make, status: str, code: str
) -> None:
    node = key("share")
    node.vendor.configure(status=status)
    assert refused(node, code, CHOICES) == ["/query"]


def test_a_vendor_that_does_not_respond_ends_the_search(key: Make) -> None:
    node = key("share")
    node.vendor.fault("/query", "reset_before", times=-1)
    assert refused(node, CHOICES, max_wait=0) == ["/query"]
    # A named product does not need it.
    assert node.ok(ALLOCATE, count=1, product="share")["changed"] is True


def test_the_search_keeps_to_the_rate_limits(key: Make) -> None:
    node = key("longterm")
    node.vendor.fault("/share/query", "code", code="REQUEST_LIMIT_EXCEEDED")
    done = node.ok(ALLOCATE, count=1)
    assert done["product"] == "longterm"
    assert done["api"]["waited_seconds"] >= 60


def test_a_host_that_does_not_exist_is_passed_over(key: Make) -> None:
    """A reseller may have only some of the products."""
    node = key("exclusive")
    node.vendor.fault("/longterm/query", "status", http_status=404, times=-1)
    assert node.ok(INFO)["product"] == "exclusive"
    refused(
        node,
        "exclusive, overseas: code INVALID_KEY, key unknown or expired; longterm: HTTP status 404",
        key=WRONG,
    )


# What is stored


def test_a_refused_list_contradicts_the_stored_product(key: Make) -> None:
    node = key("share")
    node.ok(INFO)
    become(node, "exclusive")
    assert node.failed(INFO)["error"]["code"] == "ACCESS_DENY"
    node.vendor.forget()
    assert node.ok(INFO)["product"] == "exclusive"
    assert calls(node)[:4] == LISTS[:4]


def test_another_process_waits_for_the_first_search(key: Make) -> None:
    node = key("overseas")

    def search() -> None:
        with node.other_process():
            node.run(INFO, max_wait=1)

    node.vendor.before("/longterm/query", search)
    assert node.ok(INFO)["product"] == "overseas"
    assert calls(node).count("/query") == 1

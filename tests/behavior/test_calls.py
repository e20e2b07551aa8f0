# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all calls for a key have in common: how often they are repeated, how they are sent, and what
they show.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from behavior.paid_calls import ALLOCATE
from support import phrases
from support.node import Node
from support.vendor import KEY

LIST = "/whitelist/query"
ADD = "/whitelist/add"


@pytest.mark.parametrize("refusals", [1, 10])
def test_refusals_for_the_rate_end_with_max_wait_and_not_with_a_number_of_tries(
    node: Node, refusals: int
) -> None:
    """Another client uses the key, and shares no count."""
    node.vendor.fault(LIST, "code", code=-11, times=refusals)
    began = node.vendor.clock.now()
    result = node.ok("qg_whitelist_info", max_wait=900)
    assert node.vendor.calls() == [LIST] * (refusals + 1)
    assert result["api"]["retries"] == refusals
    assert node.vendor.clock.now() - began >= 60 * refusals


def test_a_run_without_time_left_says_why_it_had_to_wait(node: Node) -> None:
    node.vendor.fault(LIST, "code", code=-11, times=-1)
    began = node.vendor.clock.now()
    result = node.failed("qg_whitelist_info", max_wait=300)
    assert result["error"]["code"] == -11
    assert phrases.TOO_MANY_REQUESTS in result["msg"]
    assert node.vendor.clock.now() - began <= 300
    assert node.vendor.calls() == [LIST] * 5


def test_a_server_that_asks_for_no_pause_is_not_flooded(node: Node) -> None:
    node.vendor.fault(LIST, "status", http_status=429, headers={"Retry-After": "0"}, times=-1)
    assert node.failed("qg_whitelist_info", max_wait=300)["error"]["http_status"] == 429
    assert node.vendor.calls() == [LIST] * 6


def test_what_is_sent_again_is_said(node: Node) -> None:
    node.vendor.fault(LIST, "reset_after")
    node.vendor.fault(LIST, "status", http_status=503, headers={"Retry-After": "2"})
    usage = node.ok("qg_whitelist_info")["api"]
    assert usage["calls"] == 3
    assert usage["retries"] == 2
    assert usage["waited_seconds"] >= 2


def test_a_long_list_is_a_form_and_a_short_one_a_query(node: Node) -> None:
    ips = [f"{net}.{n}" for net in ("192.0.2", "198.51.100", "203.0.113") for n in range(250)]
    node.vendor.configure(capacity=1000)
    for wanted in (ips[:200], ips):
        node.ok("qg_whitelist", ips=wanted)
    assert [sent.method for sent in node.vendor.journal if sent.path == ADD] == ["GET", "POST"]
    assert set(node.vendor.whitelist) == set(ips)


def test_an_entry_of_the_whitelist_shows_no_part_of_the_key(node: Node) -> None:
    node.vendor.configure(whitelist=[f"{'x' * 90}{KEY}"])
    (entry,) = node.ok("qg_whitelist_info")["unreadable"]
    assert KEY[:4] not in entry
    assert len(entry) <= 100


@pytest.mark.parametrize("code", ["ACCESS_DENY", "INVALID_PARAMETER"])
def test_a_plan_that_shows_neither_channels_nor_a_balance_is_paid_for(
    new_node: Callable[..., Node], code: str
) -> None:
    node = new_node("share")
    for path in ("/share/channels", "/share/balance"):
        node.vendor.fault(path, "code", code=code, http_status=400, times=-1)
    assert len(node.ok(ALLOCATE, count=2)["allocated"]) == 2
    assert node.vendor.paid == 2


def test_any_other_refusal_of_the_quota_prevents_a_purchase(new_node: Callable[..., Node]) -> None:
    node = new_node("share")
    node.vendor.fault("/share/channels", "code", code="KEY_BLOCK", http_status=400, times=-1)
    assert node.failed(ALLOCATE, count=2)["error"]["code"] == "KEY_BLOCK"
    assert node.vendor.paid == 0


def test_a_replacement_has_the_terms_of_an_extraction(new_node: Callable[..., Node]) -> None:
    node = new_node("exclusive", channels=9)
    terms = {"areas": ["350500"], "exclude_areas": ["440100"], "isp": "mobile", "keep_alive": 60}
    node.ok(ALLOCATE, count=1, **terms)
    node.ok("qg_proxy_replace", count=1)
    (bought,) = node.sent("/exclusive/get")
    assert node.sent("/exclusive/replace") == [bought]
    assert bought["area"] == "350500"
    assert bought["distinct"] == "true"

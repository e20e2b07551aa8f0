# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows from a response: codes and limits of QG.net, servers that fail, and answers that
repeat what was sent.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE, WHITELIST
from support import phrases
from support.invariants import assert_no_secret
from support.node import Node
from support.vendor import KEY

WHITELIST_LIST = "/whitelist/query"
ADD = "/whitelist/add"


@pytest.mark.parametrize("refusals", [1, 10])
def test_refusals_for_the_rate_end_with_max_wait_and_not_with_a_number_of_tries(
    node: Node, refusals: int
) -> None:
    """Another client uses the key, and shares no count."""
    node.vendor.fault(WHITELIST_LIST, "code", code=-11, times=refusals)
    began = node.vendor.clock.now()
    result = node.ok("qg_whitelist_info", max_wait=900)
    assert node.vendor.calls() == [WHITELIST_LIST] * (refusals + 1)
    assert result["api"]["retries"] == refusals
    assert node.vendor.clock.now() - began >= 60 * refusals


def test_a_run_without_time_left_says_why_it_had_to_wait(node: Node) -> None:
    node.vendor.fault(WHITELIST_LIST, "code", code=-11, times=-1)
    began = node.vendor.clock.now()
    result = node.failed("qg_whitelist_info", max_wait=300)
    assert result["error"]["code"] == -11
    assert phrases.TOO_MANY_REQUESTS in result["msg"]
    assert node.vendor.clock.now() - began <= 300
    assert node.vendor.calls() == [WHITELIST_LIST] * 5


def test_a_server_that_asks_for_no_pause_is_not_flooded(node: Node) -> None:
    node.vendor.fault(
        WHITELIST_LIST, "status", http_status=429, headers={"Retry-After": "0"}, times=-1
    )
    assert node.failed("qg_whitelist_info", max_wait=300)["error"]["http_status"] == 429
    assert node.vendor.calls() == [WHITELIST_LIST] * 6


def test_no_server_blocks_a_key_for_longer_than_the_documented_limit(node: Node) -> None:
    node.vendor.fault(
        WHITELIST_LIST, "status", http_status=429, headers={"Retry-After": "3600"}, times=2
    )
    began = node.vendor.clock.now()
    node.ok("qg_whitelist_info", max_wait=300)
    first, second, third = (record.at - began for record in node.vendor.journal)
    # A minute, then two, each with a sixth of a minute at most that is left to chance.
    assert 60 <= second - first <= 70
    assert 120 <= third - second <= 130

    node.vendor.fault(
        WHITELIST_LIST, "status", http_status=429, headers={"Retry-After": "3600"}, times=-1
    )
    refused = node.failed("qg_whitelist_info", max_wait=0)
    assert "3600" in refused["msg"]
    node.vendor.faults.clear()
    node.vendor.advance(70)
    assert node.ok("qg_whitelist_info", max_wait=0)["api"]["waited_seconds"] == 0


def test_each_pause_is_twice_as_long_and_the_result_says_for_what(node: Node) -> None:
    node.vendor.fault(WHITELIST_LIST, "status", http_status=503, times=2)
    began = node.vendor.clock.now()
    usage = node.ok("qg_whitelist_info")["api"]
    assert usage["retries"] == 2
    # A second and two, of which half is left to chance.
    assert 1.5 < usage["waited_seconds"] <= 3
    assert usage["waits"] == {phrases.LAST_ATTEMPT_FAILED: usage["waited_seconds"]}
    assert node.vendor.clock.now() - began == pytest.approx(usage["waited_seconds"], abs=0.1)


def test_what_is_sent_again_is_said(node: Node) -> None:
    node.vendor.fault(WHITELIST_LIST, "reset_after")
    node.vendor.fault(WHITELIST_LIST, "status", http_status=503, headers={"Retry-After": "2"})
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


LIST = "/query"
QUOTA = "/info/quota"
GET = "/allocate"
GIVE_BACK = "/release"
SWAP = "/replace"
#: Codes that end a call for good, on whatever call; codes of the calls that lease.
COMMON = (-10, -12, -13, -14, -15, -100)
LEASING = (-101, -102, -103, -105)
#: Each call: the module that makes it, its options, the calls before it, and the codes that end it.
CALLS: dict[str, tuple[str, dict[str, Any], list[str], tuple[int, ...]]] = {
    LIST: ("qg_proxy_info", {}, [], COMMON),
    QUOTA: (ALLOCATE, {"count": 2}, [LIST], (-12, -13, -14, -100)),
    GET: (ALLOCATE, {"count": 2}, [LIST, QUOTA], (*COMMON, *LEASING)),
    GIVE_BACK: (RELEASE, {"all": True}, [LIST, LIST], COMMON),
    SWAP: (REPLACE, {"count": 1}, [LIST], (*COMMON, *LEASING)),
    "/extract": ("qg_proxy_pool_info", {}, [], (*COMMON, -103)),
    "/resources": ("qg_area_info", {}, [], COMMON),
    "/whitelist/query": ("qg_whitelist_info", {}, [], COMMON),
    "/whitelist/add": ("qg_whitelist", {"ips": ["203.0.113.7"]}, ["/whitelist/query"], COMMON),
}
#: The codes of the product hosts that end a call for good.
PRODUCT_CODES = (
    "UNAVAILABLE_KEY",
    "ACCESS_DENY",
    "API_AUTH_DENY",
    "KEY_BLOCK",
    "BALANCE_INSUFFICIENT",
)


def prepared(node: Node, endpoint: str) -> tuple[str, dict[str, Any]]:
    """The module that makes the call, and its options, with a key that holds a lease, of a plan
    that has the call.
    """
    if endpoint == "/extract":
        node.vendor.configure(plan={"kind": "dynamic_shared"})
    node.vendor.hold(1)
    return CALLS[endpoint][:2]


@pytest.mark.parametrize(
    ("endpoint", "code"),
    [(endpoint, code) for endpoint, (*_more, codes) in CALLS.items() for code in codes],
)
def test_a_final_code_is_one_call(node: Node, endpoint: str, code: int) -> None:
    module, options = prepared(node, endpoint)
    status = 200 + 200 * (code % 2)
    node.vendor.fault(endpoint, "code", code=code, http_status=status, times=-1)
    result = node.failed(module, **options)
    error = result["error"]
    assert error["code"] == code
    assert error["endpoint"] == endpoint
    assert error["http_status"] == status
    for part in (str(code), error["meaning"], endpoint):
        assert part in result["msg"]
    assert result["changed"] is False
    calls = node.vendor.calls()
    before = CALLS[endpoint][2]
    assert calls[: len(before) + 1] == [*before, endpoint]
    assert calls.count(endpoint) == 1
    assert node.vendor.paid == 1
    assert len(node.vendor.leases) == 1


@pytest.mark.parametrize(("code", "times"), [(-104, 1), (-1, 2)])
def test_a_failed_allocation_is_repeated_after_the_list_was_read(
    node: Node, code: int, times: int
) -> None:
    module, options = prepared(node, GET)
    node.vendor.fault(GET, "code", code=code, times=times)
    assert len(node.ok(module, **options)["allocated"]) == 1
    calls = node.vendor.calls()
    assert calls.count(GET) == times + 1
    # Between two tries, the list is always read.
    for path, following in itertools.pairwise(calls):
        assert path != GET or following == LIST


def test_a_replacement_that_fails_is_settled_and_not_repeated(node: Node) -> None:
    """What may have been done is waited for; then the rest is released and bought by name."""
    module, options = prepared(node, SWAP)
    node.vendor.fault(SWAP, "code", code=-1, times=2)
    assert len(node.ok(module, **options)["allocated"]) == 1
    calls = node.vendor.calls()
    assert calls.count(SWAP) == 1
    assert calls[calls.index(SWAP) + 1] == LIST
    assert node.vendor.paid == 2
    assert len(node.vendor.leases) == 1


def test_without_time_to_wait_a_call_is_sent_once(node: Node) -> None:
    for endpoint in (QUOTA, GET):
        node.vendor.forget()
        node.vendor.fault(endpoint, "code", code=-1)
        node.failed(ALLOCATE, count=2, max_wait=0)
        assert node.vendor.calls(endpoint) == [endpoint]


@pytest.mark.parametrize("endpoint", [LIST, GET, GIVE_BACK])
@pytest.mark.parametrize(
    "fault", [{"kind": "code", "code": -11}, {"kind": "status", "http_status": 429}], ids=str
)
def test_too_many_requests_is_waited_for(node: Node, endpoint: str, fault: dict[str, Any]) -> None:
    module, options = prepared(node, endpoint)
    node.vendor.fault(endpoint, **fault)
    result = node.ok(module, **options)
    first, second, *_rest = (record.at for record in node.vendor.journal if record.path == endpoint)
    # The vendor's minute may have begun with the refused call, and ends no earlier than that.
    assert second - first >= 60
    assert result["api"]["waited_seconds"] >= 60


@pytest.mark.parametrize(
    ("code", "plan", "count"),
    [
        pytest.param(-101, {"channels": 2}, 3, id="-101"),
        pytest.param(-102, {"channels": 2, "used": 1}, 2, id="-102"),
        pytest.param(-105, {"plan": {"billing": "volume", "balance": 1}}, 2, id="-105"),
    ],
)
def test_a_plan_that_is_too_small_refuses_without_a_quota(
    node: Node, code: int, plan: dict[str, Any], count: int
) -> None:
    node.vendor.configure(**plan)
    node.vendor.fault(QUOTA, "code", code=-15, times=-1)
    assert node.failed(ALLOCATE, count=count)["error"]["code"] == code
    assert len(node.sent(GET)) == 1
    assert node.vendor.paid == 0


@pytest.mark.parametrize("module", [ALLOCATE, REPLACE])
def test_an_area_without_stock_fails(node: Node, module: str) -> None:
    node.vendor.hold(1, AreaId=320800)
    stock = {"areas": [{"area_id": 350500, "area": "福建省泉州市", "isp": 1, "available": 0}]}
    node.vendor.configure(plan={"stock": stock})
    options: dict[str, Any] = {}
    if module == ALLOCATE:
        options["on_uncertain"] = "ignore"
    result = node.failed(module, count=1, areas=["350500"], isp="mobile", **options)
    assert result["error"]["code"] == -103
    assert node.vendor.paid == 1
    assert len(node.vendor.leases) == 1


@pytest.mark.parametrize("code", PRODUCT_CODES)
def test_a_final_code_of_a_product_host_is_one_call(
    new_node: Callable[..., Node], code: str
) -> None:
    node = new_node("share")
    node.vendor.fault("/share/get", "code", code=code, times=-1)
    result = node.failed(ALLOCATE, count=1)
    error = result["error"]
    assert error["code"] == code
    assert error["endpoint"] == "/get"
    for part in (code, error["meaning"], error["request_id"]):
        assert part in result["msg"]
    assert len(node.sent("/share/get")) == 1
    assert node.vendor.paid == 0


#: With all that has to be written differently in a URL, in HTML or in JSON.
PASSWORD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'\\x SECRETEND"
DATA = {"Data": [KEY, PASSWORD], "Total": 1, "Used": 1, "Available": 0, "K": KEY}
#: What the server repeats.
ANSWERS: dict[str, dict[str, Any]] = {
    "code": {"kind": "code", "code": -10, "msg": f"bad call Key={KEY}&Pwd={PASSWORD}"},
    "status": {"kind": "status", "http_status": 500, "body": f"{KEY} failed with {PASSWORD}"},
    "redirect": {"kind": "redirect", "location": f"/?Key={KEY}&Pwd={quote(PASSWORD)}"},
    "code in words": {"kind": "replace", "body": {"Code": f"{KEY} {PASSWORD}", "Data": [KEY]}},
    "data": {"kind": "replace", "body": {"Code": 0, **DATA}},
    "garbage": {"kind": "garbage", "body": f"<p>{KEY} {PASSWORD}"},
}
#: What a task calls at first, and when it changes something.
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "/whitelist/query": ("qg_whitelist_info", {}),
    "/whitelist/add": (WHITELIST, {"ips": ["203.0.113.5"]}),
    "/whitelist/del": (WHITELIST, {"ips": ["203.0.113.9"], "state": "absent"}),
    "/info/quota": ("qg_quota_info", {}),
    "/query": ("qg_proxy_info", {}),
    "/allocate": (ALLOCATE, {"count": 1}),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("path", TASKS)
def test_answers_that_repeat_what_was_sent(
    new_node: Callable[..., Node], path: str, answer: str
) -> None:
    node = new_node()
    node.vendor.configure(pwd=PASSWORD, api_auth=True, whitelist=["203.0.113.9"])
    module, options = TASKS[path]
    node.vendor.fault(path, times=-1, **ANSWERS[answer])

    result = node.run(module, password=PASSWORD, max_wait=0, **options)

    assert node.sent(path)[0]["Pwd"] == PASSWORD
    assert_no_secret([KEY, "SECRETPWD", "SECRETEND"], result, node.store)

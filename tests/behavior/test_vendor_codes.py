# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The codes of the vendor: which end a call for good, which are waited for, and which are tried
again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, RELEASE, REPLACE
from support.node import Node

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
    GIVE_BACK: (RELEASE, {"all": True}, [LIST], COMMON),
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


@pytest.mark.parametrize(("endpoint", "code"), [(GET, -104), (SWAP, -1)])
def test_a_failed_allocation_is_repeated_after_the_list_was_read(
    node: Node, endpoint: str, code: int
) -> None:
    module, options = prepared(node, endpoint)
    node.vendor.fault(endpoint, "code", code=code, times=2)
    assert len(node.ok(module, **options)["allocated"]) == 1
    calls = node.vendor.calls()
    assert calls.count(endpoint) == 3
    # Between two tries, the list is always read.
    for path, following in itertools.pairwise(calls):
        assert path != endpoint or following == LIST


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

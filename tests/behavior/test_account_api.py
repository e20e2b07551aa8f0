# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account API: what its modules send, which responses they read, and when they try again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import phrases
from support import vendor_pages as pages
from support.invariants import Result, assert_no_secret
from support.node import Node
from support.parameters import spread
from support.vendor import NOW, Answer, Call, Vendor

APP_ID = "agent77"
APP_KEY = "0123456789abcdef0123"
BALANCE = "/api/merchant/getBalance"
INSTANCES = "/api/cloud-business/getDetail"
PACKAGES = "/api/cloud-product/packageList"
PRICE = "/api/cloud-business/packageOrderPrice"
LINES = "/api/physical-product/lineList"
PLAN = "/api/proxyip/resourceView"
PAGE = 50


class Reader(NamedTuple):
    """A module that makes a call, options that succeed, the vendor's example, and what the field of
    the result has.
    """

    module: str
    options: dict[str, Any]
    data: Any
    field: str
    value: Any


ORDER = {"package_no": "1", "system_no": "1", "duration": "1m"}
CLOUD = {"product_id": 104}
RESOURCE = {"resource_no": "demo0001", "product_id": 117}
PACKAGE = [pages.PACKAGES["1"]]
PRICED = {**pages.PRICE, **ORDER}
READERS = {
    BALANCE: Reader("qg_balance_info", {}, "1.00", "balance", "1.00"),
    INSTANCES: Reader(
        "qg_cloud_instance_info", CLOUD, pages.INSTANCES, "instances", [pages.INSTANCE]
    ),
    PACKAGES: Reader(
        "qg_cloud_package_facts", CLOUD, PACKAGE, "qg_cloud_packages", [pages.PACKAGE]
    ),
    PRICE: Reader("qg_cloud_price_info", ORDER, pages.PRICES, "price", PRICED),
    LINES: Reader("qg_cloud_line_info", {"product_id": 115}, pages.LINES, "lines", [pages.LINE]),
    PLAN: Reader("qg_proxy_plan_info", RESOURCE, pages.PROXY_PLAN, "plan", pages.PLAN),
}
#: The calls whose responses have the common envelope.
ENVELOPED = [path for path in READERS if path != BALANCE]
each = pytest.mark.parametrize("path", READERS)


@pytest.fixture
def node(folder: Path) -> Node:
    """A control node with the credentials of an agent."""
    vendor = Vendor()
    vendor.agents.by_appid[APP_ID] = vendor.agents.by_appid.pop("qgdemo01")
    return Node(folder / "store", vendor, app_id=APP_ID, app_key=APP_KEY)


def read(node: Node, path: str, **options: Any) -> Result:
    """Run the module that makes a call. Neither the key nor a signature is in the result."""
    reader = READERS[path]
    merged = {**reader.options, **options}
    given = {name: value for name, value in merged.items() if value is not None}
    result = node.run(reader.module, **given)
    signatures = [sent["sign"] for sent in node.sent(path)]
    assert_no_secret([APP_KEY, *signatures], result)
    assert result["changed"] is False
    return result


def value(result: Result, path: str) -> Any:
    """What a result has of the response."""
    assert not result.get("failed"), result
    return {**result, **result.get("ansible_facts", {})}[READERS[path].field]


def refused(node: Node, path: str, **options: Any) -> Result:
    result = read(node, path, **options)
    assert result.get("failed"), result
    return result


def answer(node: Node, path: str, body: Any, status: int = 200, **headers: str) -> None:
    """Let the vendor respond with this to each such call."""

    def handle(call: Call) -> Answer:
        call.carry_out()
        node.vendor.headers = {**node.vendor.headers, **headers}
        return status, body

    node.vendor.around(path, handle)


def enveloped(data: Any, code: Any = 0) -> dict[str, Any]:
    return {"RequestId": "R-1", "Code": code, "Message": "返回内容", "Data": data}


# What is sent


@pytest.mark.parametrize(
    ("path", "options", "parameters"),
    [
        (BALANCE, {}, {}),
        (INSTANCES, {"product_id": None}, {"offset": "0", "limit": "50"}),
        (
            INSTANCES,
            {"suid": "77"},
            {"productId": "104", "suid": "77", "offset": "0", "limit": "50"},
        ),
        (PACKAGES, {}, {"productId": "104", "load_rate": "0"}),
        (
            PACKAGES,
            {"load_rate": True},
            {"productId": "104", "load_rate": "1"},
        ),
        (PRICE, {}, ORDER),
        (LINES, {}, {"productId": "115"}),
        (PLAN, {}, {"resource_no": "demo0001", "productId": "117"}),
    ],
)
@pytest.mark.parametrize("end", ["", "/", "//"])
def test_a_call_has_its_parameters_and_a_signature(
    node: Node, path: str, options: dict[str, Any], parameters: dict[str, str], end: str
) -> None:
    answer(node, path, {"Code": 7, "Message": "no"})
    refused(node, path, **options, account_url=f"https://www.qg.net/api{end}")
    (sent,) = node.vendor.journal
    assert [sent.method, sent.path, sent.key] == ["GET", path, APP_ID]
    signed = dict(sent.params)
    for name in ("domain", "time", "sign"):
        assert signed.pop(name)
    assert signed == parameters


def test_each_attempt_is_signed_with_its_own_time(node: Node) -> None:
    node.vendor.fault(LINES, "status", http_status=503, headers={"Retry-After": "40"}, times=2)
    assert value(read(node, LINES), LINES) == [pages.LINE]
    sent = node.sent(LINES)
    assert len({call["time"] for call in sent}) == 3
    assert len({call["sign"] for call in sent}) == 3


# What is read


@pytest.mark.parametrize(("code", "path"), spread([0, "0", 200, "200", 0.0, " 200 "], ENVELOPED))
def test_each_code_of_a_success_is_accepted(node: Node, path: str, code: Any) -> None:
    answer(node, path, enveloped(READERS[path].data, code))
    assert value(read(node, path), path) == READERS[path].value
    assert node.vendor.calls() == [path]


def test_packages_are_facts_alone_the_cheapest_first(node: Node) -> None:
    prices = {"p1": "30", "p2": "9.5", "p3": "", "p4": "100"}
    answer(
        node,
        PACKAGES,
        enveloped([{"Package_no": name, "User_price": price} for name, price in prices.items()]),
    )
    result = read(node, PACKAGES)
    assert result.keys() == {"changed", "ansible_facts"}
    rows = value(result, PACKAGES)
    assert [package["package_no"] for package in rows] == ["p2", "p1", "p4", "p3"]


@pytest.mark.parametrize("include_secrets", [True, False])
def test_the_key_is_removed_from_what_the_vendor_says(node: Node, include_secrets: bool) -> None:
    """A vendor who answers with the key itself: it is no secret of a machine, and is taken out."""
    agent = {
        "instances": [{"Suid": "1", "Host_name": APP_KEY}],
        "proxy_plans": {"demo0001": {"Number": 1, "Tunnel_url": f"x{APP_KEY}"}},
    }
    node.vendor.agents.put(APP_ID, agent)
    for path in (INSTANCES, PLAN):
        assert phrases.HIDDEN in str(read(node, path, include_secrets=include_secrets))


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_the_names_of_an_envelope_have_any_case(node: Node, spelling: Callable[[str], str]) -> None:
    answer(node, LINES, {spelling("Code"): 0, spelling("Data"): pages.LINES})
    assert value(read(node, LINES), LINES) == [pages.LINE]


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"result": result, "data": "12.30", "msg": None}
            for result in (True, "true", "True", 1, "1")
        ),
        *(enveloped("12.30", code) for code in (0, "200")),
    ],
    ids=str,
)
def test_the_balance_comes_in_its_own_or_in_the_common_envelope(node: Node, body: Any) -> None:
    answer(node, BALANCE, body)
    result = read(node, BALANCE)
    assert result["balance"] == "12.30"
    assert result["amount"] == 12.3


@pytest.mark.parametrize("path", [INSTANCES, PACKAGES, LINES])
@pytest.mark.parametrize("body", [*map(enveloped, ({}, [], None, "")), {"Code": 0}], ids=str)
def test_an_empty_list_has_several_shapes(node: Node, path: str, body: Any) -> None:
    answer(node, path, body)
    assert value(read(node, path), path) == []


@pytest.mark.parametrize(
    ("path", "data", "words"),
    [
        (INSTANCES, [{"Suid": ["1"]}], "suid is not text"),
        (PACKAGES, {"list": [], "total": 0}, "a package has none of the documented values"),
        (LINES, {"1": 7}, "a line is not an object"),
        (PRICE, {"TotalPrice": "5"}, "OriginalPrice is not an amount"),
        (PLAN, [], "Data contains 0 objects instead of a proxy service"),
        (BALANCE, "much", "data is not an amount"),
    ],
)
def test_data_of_another_shape_is_one_error_at_once(
    node: Node, path: str, data: Any, words: str
) -> None:
    answer(node, path, enveloped(data))
    name = path.removeprefix("/api")
    assert refused(node, path)["msg"] == f"{name}: {phrases.UNREADABLE}: {words}."
    assert node.vendor.calls() == [path]


# Refusals


@each
def test_wrong_credentials_are_named(node: Node, path: str) -> None:
    for credentials, meaning in (
        ({"app_key": "x" * 20}, "签名错误"),
        ({"app_id": "y"}, "appid不存在"),
    ):
        result = refused(node, path, **credentials)
        assert result["error"]["meaning"] == meaning
        assert result["error"]["endpoint"] == path.removeprefix("/api")
        assert phrases.CHECK_ACCOUNT in result["msg"]
    assert node.vendor.calls() == [path] * 2


@pytest.mark.parametrize(
    ("path", "changes", "named"),
    [
        (LINES, {"product_id": 4}, "productId=4"),
        (INSTANCES, {"product_id": 4}, "productId=4"),
        (PLAN, {"product_id": 4}, "productId=4"),
        (INSTANCES, {"suid": "77"}, "suid=77"),
        (PRICE, {"package_no": "77"}, "package_no=77"),
        (PRICE, {"duration": "5w"}, "duration=5w"),
        (PLAN, {"resource_no": "77"}, "resource_no=77"),
    ],
)
def test_what_does_not_exist_is_named(
    node: Node, path: str, changes: dict[str, Any], named: str
) -> None:
    assert named in refused(node, path, **changes)["msg"]
    assert node.vendor.calls() == [path]


@pytest.mark.parametrize(
    ("code", "status"),
    spread(
        [1, -1, 2, 401, 404, 408, 500, 503, "500", "E1001", "FAILED", 20000, -11, 0.5],
        [200, 400, 401, 403, 404, 408],
    ),
)
def test_any_other_code_is_a_refusal_at_once(node: Node, code: Any, status: int) -> None:
    answer(node, PACKAGES, {"RequestId": "R-7", "Code": code, "Message": "品牌编号不存在"}, status)
    result = refused(node, PACKAGES, product_id=4)
    assert result["error"] == {
        "code": str(code),
        "meaning": "品牌编号不存在",
        "endpoint": "/cloud-product/packageList",
        "http_status": status,
        "request_id": "R-7",
    }
    assert f'{phrases.REFUSED_WITH} {code} ("品牌编号不存在"). ' in result["msg"]
    assert (
        f"productId=4, load_rate=0, domain=www.qg.net, appid={APP_ID}: {phrases.CHECK}"
        in result["msg"]
    )
    assert node.vendor.calls() == [PACKAGES]


@pytest.mark.parametrize(("result", "status"), spread([False, "false", 0, "0", "no"], [200, 403]))
def test_a_balance_that_is_refused(node: Node, result: Any, status: int) -> None:
    answer(node, BALANCE, {"result": result, "data": None, "msg": "签名错误"}, status)
    error = refused(node, BALANCE)
    assert phrases.SIGNATURE in error["msg"]
    assert error["error"]["http_status"] == status
    assert "code" not in error["error"]
    assert node.vendor.calls() == [BALANCE]


@pytest.mark.parametrize("message", [None, "", 7, ["x"], {"a": 1}], ids=repr)
def test_a_refusal_without_words(node: Node, message: Any) -> None:
    answer(node, LINES, {"Code": 7, "Message": message, "RequestId": message})
    result = refused(node, LINES)
    assert result["error"] == {
        "code": "7",
        "endpoint": "/physical-product/lineList",
        "http_status": 200,
    }
    assert f"{phrases.REFUSED_WITH} 7. " in result["msg"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3600, "3600 seconds ahead of"),
        (-3600, "3600 seconds behind"),
        (61, "61 seconds ahead of"),
        (60, ""),
        (0, ""),
        (-60, ""),
    ],
)
def test_the_clock_is_named_in_a_refusal_if_it_is_wrong(
    node: Node, seconds: float, words: str
) -> None:
    node.machine.set_wall(seconds)
    node.vendor.fault(LINES, "code", code=408, msg="time已过期")
    message = refused(node, LINES)["msg"]
    # It may have been refused for what it asked for, all the same.
    assert "time已过期" in message
    assert words in message
    assert (phrases.SET_THE_CLOCK in message) is bool(words)
    assert ("productId=115" in message) is bool(words)


@pytest.mark.parametrize("date", ["", "soon", "Fri, 99 Xyz 2026 00:00:00 GMT", str(NOW)])
def test_a_response_without_a_date_leaves_the_clock_open(node: Node, date: str) -> None:
    answer(node, LINES, {"Code": 408, "Message": "time已过期"}, Date=date)
    assert phrases.CLOCK_OPEN in refused(node, LINES)["msg"]


# Attempts


TRANSIENT: dict[str, dict[str, Any]] = {
    "lost": {"kind": "reset_after"},
    "502": {"kind": "status", "http_status": 502},
    "503": {"kind": "status", "http_status": 503, "headers": {"Retry-After": "3"}},
    "504": {"kind": "status", "http_status": 504},
    "429": {"kind": "status", "http_status": 429},
    "429 with a code": {"kind": "code", "code": 7, "http_status": 429},
    "500 with a code": {"kind": "code", "code": 7, "http_status": 500},
    "HTML": {"kind": "garbage"},
    "truncated": {"kind": "truncate"},
}


@each
def test_each_call_is_tried_again_after_a_failure(node: Node, path: str) -> None:
    node.vendor.fault(path, "status", http_status=502)
    assert value(read(node, path), path)
    assert node.vendor.calls() == [path] * 2


@pytest.mark.parametrize("kind", TRANSIENT)
def test_transient_failures_are_repeated_and_counted(node: Node, kind: str) -> None:
    node.vendor.fault(LINES, **TRANSIENT[kind], times=2)
    result = read(node, LINES)
    assert value(result, LINES) == [pages.LINE]
    assert result["api"]["calls"] == 3
    assert result["api"]["retries"] == 2
    assert result["api"]["waited_seconds"] >= (6 if kind == "503" else 1)


@pytest.mark.parametrize(("max_wait", "attempts"), [(300, 6), (0, 1)])
@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_failure_that_persists_is_one_error_in_the_end(
    node: Node, kind: str, max_wait: int, attempts: int
) -> None:
    node.vendor.fault(LINES, **TRANSIENT[kind], times=-1)
    message = refused(node, LINES, max_wait=max_wait)["msg"]
    assert node.vendor.calls() == [LINES] * attempts
    assert "max_wait" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    "body", [{"result": None}, {"result": [True]}, {"data": "1.00"}, {"result": {}}], ids=repr
)
def test_a_balance_without_a_result_is_unusable(node: Node, body: Any) -> None:
    answer(node, BALANCE, body)
    assert phrases.NOT_THE_VENDORS in refused(node, BALANCE)["msg"]


@pytest.mark.parametrize(
    ("status", "body", "is_redirect"),
    [
        (302, None, True),
        (301, enveloped([]), True),
        (307, None, True),
        (404, None, False),
        (403, None, False),
        (404, {"message": "no Route matched"}, False),
    ],
)
def test_a_failure_that_another_attempt_cannot_change_is_not_tried_again(
    node: Node, status: int, body: Any, is_redirect: bool
) -> None:
    answer(node, LINES, body, status, Location="https://elsewhere.example/?sign=x")
    message = refused(node, LINES)["msg"]
    assert node.vendor.calls() == [LINES]
    assert "account_url" in message
    assert ("redirect" in message) is is_redirect
    assert "elsewhere" not in message


# Pages


def serve(node: Node, *lists: list[str], ignores: tuple[str, ...] = ()) -> None:
    """Let the vendor have these services, another list at each call, and the last one for ever.

    It may ignore which page is asked for.
    """
    left = list(lists)

    def handle(call: Call) -> Answer:
        call.carry_out()
        suids = left.pop(0) if len(left) > 1 else left[0]
        first = 0 if "offset" in ignores else int(call.parameters["offset"])
        size = len(suids) if "limit" in ignores else min(int(call.parameters["limit"]), PAGE)
        return 200, enveloped([{"Suid": suid} for suid in suids[first : first + size]])

    node.vendor.around(INSTANCES, handle)


def numbered(total: int) -> list[str]:
    return [f"s{number}" for number in range(total)]


def listed(node: Node, **options: Any) -> list[str]:
    """The services that the module lists."""
    return [row["suid"] for row in value(read(node, INSTANCES, **options), INSTANCES)]


def offsets(node: Node) -> list[int]:
    """The pages that were asked for."""
    return [int(sent["offset"]) for sent in node.sent(INSTANCES)]


@pytest.mark.parametrize(
    ("total", "calls"),
    [(0, 1), (1, 1), (49, 1), (50, 2), (51, 2), (98, 2), (99, 3), (101, 3), (1001, 21)],
)
def test_all_pages_are_read(node: Node, total: int, calls: int) -> None:
    serve(node, numbered(total))
    assert listed(node) == numbered(total)
    assert offsets(node) == [(PAGE - 1) * page for page in range(calls)]


@pytest.mark.parametrize("total", [0, 30, 49, 50, 51, 100, 730])
def test_a_server_that_ignores_the_page_returns_everything(node: Node, total: int) -> None:
    serve(node, numbered(total), ignores=("offset", "limit"))
    assert listed(node) == numbered(total)
    assert len(offsets(node)) == (2 if total == PAGE else 1)


def test_a_service_by_its_number_is_one_call(node: Node) -> None:
    serve(node, numbered(PAGE))
    assert listed(node, suid="7") == numbered(PAGE)
    assert offsets(node) == [0]


@pytest.mark.parametrize("after", [["new", *numbered(60)], numbered(60)[1:]])
def test_a_list_that_has_changed_between_two_pages_is_read_again(
    node: Node, after: list[str]
) -> None:
    """If the first service has ended, the first one of the second page is on the first page now.

    An inventory without it would have egress_whitelist_prune cut it off.
    """
    serve(node, numbered(60), after)
    assert listed(node) == after
    assert offsets(node) == [0, 49, 0, 49]


def test_a_list_that_changes_all_the_time_is_an_error(node: Node) -> None:
    serve(node, *(numbered(60)[number:] for number in range(8)))
    message = refused(node, INSTANCES)["msg"]
    assert phrases.MAY_BE_MISSING in message
    assert offsets(node) == [0, 49] * 3


def test_a_lost_page_is_read_again_and_the_others_are_not(node: Node) -> None:
    serve(node, numbered(120))
    node.vendor.fault(INSTANCES, "reset_before", skip=1, times=2)
    assert listed(node) == numbered(120)
    assert offsets(node) == [0, 49, 49, 49, 98]


def test_a_refused_page_is_an_error_and_no_shorter_list(node: Node) -> None:
    serve(node, numbered(120))
    node.vendor.around(INSTANCES, refuse_the_second_page)
    assert refused(node, INSTANCES)["error"]["code"] == "408"


def refuse_the_second_page(call: Call) -> Answer:
    """Refuse each page but the first."""
    if call.parameters["offset"] != "0":
        return 200, {"Code": 408, "Message": "time"}
    return call.carry_out()


def test_the_servers_of_the_simulator_can_be_registered(node: Node) -> None:
    servers = value(read(node, INSTANCES), INSTANCES)

    addresses = sorted(server["ip"] for server in servers if server["ip"])

    assert len(addresses) > 1
    node.ok("qg_whitelist", ips=addresses)
    assert sorted(node.vendor.whitelist) == addresses

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of QG.net's documents and of public programs, each as a call and its response."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from qgnet_simulator.account.handler import sign
from qgnet_simulator.facts import CALLS
from qgnet_simulator.routing import ROUTES
from support import vendor_pages as pages
from support.vendor import KEY, Vendor

from .clients import fetch


class Like:
    """Equal to each text that has the form of a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Like({self.pattern!r})"


CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("documents.yml").read_text(encoding="utf-8")
)
ADDRESS = r"(198\.51\.100|192\.0\.2)\.\d+"
PORT = r"\d{5}"
DIGITS = "[0-9a-f]"
FORMS = {
    "<ip>": Like(ADDRESS),
    "<port>": Like(PORT),
    "<server>": Like(f"{ADDRESS}:{PORT}"),
    "<entry>": Like(rf"tunpool-{PORT}\.qg\.net:{PORT}"),
    "<gateway>": Like(rf"203\.0\.113\.254:{PORT}"),
    "<time>": Like(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d"),
    "<task>": Like("[A-Za-z0-9]{16}"),
    "<uuid>": Like(r"sim\d{6}_\d-\d+:ppp\d+"),
    "<id>": Like(f"{DIGITS}{{8}}(-{DIGITS}{{4}}){{3}}-{DIGITS}{{12}}"),
    "<area>": Like("福建省泉州市|江苏省淮安市|广东省广州市"),
    "<isp>": Like("电信|移动|联通"),
    "<text>": Like(".+"),
}
A = "203.0.113.5"
B = "203.0.113.6"


def expected(value: Any) -> Any:
    """Return an answer with forms in the place of what stands for them."""
    if isinstance(value, dict):
        return {name: expected(item) for name, item in value.items()}
    if isinstance(value, list):
        return [expected(item) for item in value]
    if isinstance(value, str):
        return FORMS.get(value, value)
    return value


@pytest.mark.parametrize("name", CASES)
def test_a_call_gets_the_answer_of_the_documents(vendor: Vendor, name: str) -> None:
    case = CASES[name]
    vendor.configure(**case.get("key", {}))
    for before in case.get("before", ()):
        assert fetch(vendor, before)[0] == 200

    status, answer = fetch(vendor, case["call"])

    assert status == case.get("status", 200)
    assert answer == expected(case["answer"])


def test_fields_come_in_the_order_of_live_answers(vendor: Vendor) -> None:
    assert list(vendor.call("/allocate")) == ["Code", "Data", "Num", "TaskID"]
    body = vendor.call("/query")
    assert list(body)[:2] == ["Code", "TaskList"]
    assert list(body["TaskList"][0]) == ["TaskID", "Num", "Data"]
    assert list(body["TaskList"][0]["Data"][0]) == ["IP", "port", "deadline", "host"]


def test_an_unknown_key_and_no_key_are_refused(vendor: Vendor) -> None:
    assert vendor.code("/query", Key="") == -10
    assert vendor.code("/query", Key="OTHER") == -100
    assert vendor.code("/share/query", key="") == "INVALID_PARAMETER"
    assert vendor.code("/share/query", key="OTHER") == "INVALID_KEY"


def test_a_lease_ends_at_its_deadline_and_a_list_may_lag(vendor: Vendor) -> None:
    vendor.configure(options={"list_lag": 3, "quota_lag": 5})
    vendor.call("/allocate", KeepAlive="1")
    seen = []
    for seconds in (0, 3, 2, 54, 1):
        vendor.clock.advance(seconds)
        seen.append((vendor.call("/query")["TotalNum"], vendor.call("/info/quota")["Used"]))
    assert seen == [(0, 0), (1, 0), (1, 1), (1, 1), (0, 0)]


# --- the account API

CREDENTIALS = {"appid": "qgdemo01", "domain": "www.qg.net"}
EXAMPLES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "merchant/getBalance": ("", {}, {"result": True, "data": "12.34", "msg": None}),
    "cloud-business/packageOrderPrice": (
        "返回内容",
        {"package_no": "1", "system_no": "1", "duration": "1m"},
        {"OriginalPrice": "60", "TotalPrice": "50"},
    ),
    "cloud-product/packageList": (
        "返回内容",
        {"productId": "104", "load_rate": "1"},
        pages.PACKAGES,
    ),
    "physical-product/lineList": ("xxxxxxx", {"productId": "115"}, pages.LINES),
    "proxyip/resourceView": (
        "ok",
        {"resource_no": "demo0001", "productId": "117"},
        pages.PROXY_PLAN,
    ),
    "cloud-operate/restart": ("ok", {"suid": "12154545", "productId": "104"}, "重启成功"),
}


def account(vendor: Vendor, path: str, changes: dict[str, str] | None = None, **params: Any) -> Any:
    time = str(int(vendor.clock.now()))
    own = {
        **CREDENTIALS,
        "time": time,
        "sign": sign("qgdemo01", "www.qg.net", time, "0123456789abcdef0123"),
    }
    return vendor.handle("GET", f"/api/{path}", {**own, **params, **(changes or {})})[1]


def test_the_signature_is_that_of_the_documents() -> None:
    signed = sign("qgdemo01", "www.qg.net", "1700000000", "0123456789abcdef0123")
    assert signed == "ad958eb5e4d73bc42bc2405599287116"


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_account_call_gets_the_response_of_the_documents(vendor: Vendor, path: str) -> None:
    message, params, data = EXAMPLES[path]
    response = data
    if message:
        request_id = Like("[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
        code: Any = {"physical-product/lineList": "200", "proxyip/resourceView": 200}.get(path, 0)
        response = {"RequestId": request_id, "Code": code, "Message": message, "Data": data}
    assert account(vendor, path, **params) == response


def test_a_page_of_services(vendor: Vendor) -> None:
    vendor.agents.put("qgdemo01", {"instances": 120})
    suids = set()
    for offset, size in ((0, 50), (50, 50), (100, 20)):
        page = account(vendor, "cloud-business/getDetail", offset=str(offset))["Data"]
        assert list(page) == list(map(str, range(1, size + 1)))
        suids |= {row["Suid"] for row in page.values()}
    assert len(suids) == 120


def test_the_service_of_the_documents(vendor: Vendor) -> None:
    data = account(vendor, "cloud-business/getDetail", suid="12154545")["Data"]
    assert list(data["1"]) == list(pages.INSTANCES["1"])
    assert data["1"]["Harddiks"] == "20"
    assert data["1"]["Login_password"] == "secret-login-12154545"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"sign": ""}, "missing_parameter"),
        ({"appid": "other"}, "unknown_appid"),
        ({"domain": "qg.net"}, "wrong_domain"),
        ({"time": "soon"}, "bad_parameter"),
        ({"time": "1799999699"}, "stale_time"),
        ({"time": "1800000301"}, "future_time"),
        ({"sign": "0" * 32}, "wrong_sign"),
        ({"suid": "77"}, "unknown_suid"),
        ({"productId": "77"}, "unknown_product"),
        ({"limit": "51"}, "bad_parameter"),
    ],
)
def test_an_account_call_is_refused(vendor: Vendor, changes: dict[str, str], refusal: str) -> None:
    vendor.agents.put("qgdemo01", {"options": {"codes": {refusal: "E7"}}})

    body = account(vendor, "cloud-business/getDetail", changes)

    # The codes are settings of an account, which an unknown one does not have.
    assert body["Code"] == {"unknown_appid": 401}.get(refusal, "E7")
    assert body["Data"] is None
    (record,) = vendor.journal
    assert record.refusal == refusal
    assert record.executed is False
    assert record.key == changes.get("appid", "qgdemo01")


def test_the_key_of_a_call_stands_in_the_journal(vendor: Vendor) -> None:
    vendor.call("/whitelist/add", IP=f"{A},{B}")
    vendor.call("/share/get", key="OTHER")
    first, second = vendor.journal.select()
    assert first.items() >= {"key": KEY, "code": 0, "executed": True}.items()
    assert first["ips"] == [A, B]
    refused = {"key": "OTHER", "path": "/share/get", "code": "INVALID_KEY", "executed": False}
    assert second.items() >= refused.items()


def table(language: str) -> str:
    """Return the tables of a README about what is simulated and what is not."""
    heads = {
        "en": ("call", "what it does", "known", "remark"),
        "zh": ("接口", "作用", "依据", "说明"),
    }
    known = {"en": ("documented", "observed", "assumed"), "zh": ("官方文档", "实测", "推测")}
    titles = {"en": "Not simulated", "zh": "未模拟的接口"}
    words = dict(zip(known["en"], known[language], strict=True))
    rows: dict[bool, list[str]] = {True: [], False: []}
    for call in CALLS:
        methods = ", ".join(call.get("methods", []))
        name = call["path"]
        if name.startswith("/"):
            name = f"`{methods} {name}`".replace("` ", "`")
        cells = (name, call[language], words[call["confidence"]], call.get(f"note_{language}", ""))
        rows[call.get("simulated", True)].append(f"| {' | '.join(cells)} |")
    head = [f"| {' | '.join(heads[language])} |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows[True], "", f"### {titles[language]}", "", *head, *rows[False]])


def test_each_call_has_a_row() -> None:
    rows = [
        (call["path"], method) for call in CALLS for method in call.get("methods", ["GET", "POST"])
    ]
    assert len(rows) == len(set(rows))
    for path, methods in ROUTES.items():
        assert {method for name, method in rows if name == path} == set(methods), path
    for call in CALLS:
        assert (call["path"] in ROUTES) is (
            call.get("simulated", True) and call["path"].startswith("/")
        )


@pytest.mark.parametrize(("language", "name"), [("en", "README.md"), ("zh", "README.zh-CN.md")])
def test_the_readme_has_these_rows(language: str, name: str) -> None:
    """With QGNET_WRITE in the environment, this test writes them."""
    path = Path(__file__).parents[2] / "simulator" / name
    text = path.read_text("utf-8")
    before, mark, rest = text.partition("<!-- calls -->\n")
    shown, end, after = rest.partition("<!-- end -->\n")
    expected = f"\n{table(language)}\n\n"
    if "QGNET_WRITE" in os.environ:
        path.write_text(before + mark + expected + end + after, "utf-8")
    else:
        assert shown == expected

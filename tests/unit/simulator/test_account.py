# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account calls: signature, data, options, faults, over HTTP and without it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from simulator.account import catalog
from simulator.account.signature import sign
from simulator.clock import Clock
from simulator.core import Core
from simulator.fixture import Simulator, running_simulator
from support.vendor_pages import INSTANCES

START = 1700000000.0
APPID, APPKEY, DOMAIN = "qgdemo01", "0123456789abcdef0123", "www.qg.net"
BALANCE, DETAIL = "/api/merchant/getBalance", "/api/cloud-business/getDetail"
PRICE, PACKAGES = "/api/cloud-business/packageOrderPrice", "/api/cloud-product/packageList"
RESTART = "/api/cloud-operate/restart"
LINES, PROXY = "/api/physical-product/lineList", "/api/proxyip/resourceView"
ORDER = {"package_no": "1111", "system_no": "1", "duration": "1m"}
ACCOUNT_CALLS: dict[str, dict[str, str]] = {
    BALANCE: {},
    DETAIL: {},
    PRICE: ORDER,
    PACKAGES: {"productId": "104"},
    LINES: {"productId": "115"},
    PROXY: {"productId": "117", "resource_no": "demo0001"},
}

AccountCaller = Callable[..., Any]


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(START), seed=1)


@pytest.fixture
def call_core(core: Core) -> AccountCaller:
    """Return a function that makes an account call without the network and returns the JSON value."""
    return lambda path, **params: core.handle("GET", path, {**signed_params(core.clock.now()), **params})[1]


@pytest.fixture
def call(sim: Simulator, http: requests.Session) -> AccountCaller:
    """Return a function that makes an account call over HTTP and returns the response."""
    return lambda path, **params: http.get(
        sim.api_url + path, params={**signed_params(time.time()), **params}, timeout=10
    )


def configure_agent(core: Core, **fields: Any) -> None:
    core.agents.put(APPID, fields)


def last_entry(core: Core) -> dict[str, Any]:
    entry: dict[str, Any] = core.journal.select()[-1]
    return entry


def signed_params(now: float, appid: str = APPID, appkey: str = APPKEY, domain: str = DOMAIN) -> dict[str, str]:
    """Return the common parameters. The digest is computed here, independently of the simulator."""
    moment = str(int(now))
    digest = hashlib.md5(f"{appid}{domain}{moment}{appkey}".encode()).hexdigest()
    return {"appid": appid, "domain": domain, "time": moment, "sign": digest}


# The signature.


def test_the_documented_signature_is_accepted(core: Core) -> None:
    digest = "ad958eb5e4d73bc42bc2405599287116"
    assert sign(APPID, DOMAIN, "1700000000", APPKEY) == digest
    params = {"appid": APPID, "domain": DOMAIN, "time": "1700000000", "sign": digest}
    answer = {"result": True, "data": "12.34", "msg": None}
    assert core.handle("GET", BALANCE, params) == (200, answer)
    # Other parameters are not signed, and a call may be sent again.
    assert core.handle("POST", BALANCE, {**params, "more": "x"}) == (200, answer)
    moment = "1700000000.123"
    fractional = {**params, "time": moment, "sign": sign(APPID, DOMAIN, moment, APPKEY)}
    assert core.handle("GET", BALANCE, fractional) == (200, answer)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        *(({name: None}, "missing_parameter") for name in ("appid", "domain", "time", "sign")),
        *(({"sign": ""}, "missing_parameter"), ({"appid": "nobody"}, "unknown_appid")),
        *(({"domain": "qg.net"}, "wrong_domain"), ({"time": "1700000301"}, "future_time")),
        *(({"time": "1699999699"}, "stale_time"), ({"time": "1700000001"}, "wrong_sign")),
        *(({"time": time}, "bad_parameter") for time in ("now", "1e9", "1700000000000")),
        *(({"sign": sign}, "wrong_sign") for sign in ("0" * 32, "AD958EB5E4D73BC42BC2405599287116")),
    ],
)
def test_an_invalid_signature_is_refused(core: Core, changes: dict[str, str | None], kind: str) -> None:
    params = {name: value for name, value in {**signed_params(START), **changes}.items() if value is not None}
    status, body = core.handle("GET", BALANCE, params)
    assert (status, body["result"], body["data"]) == (200, False, None)
    assert body["msg"]
    entry = last_entry(core)
    assert (entry["refusal"], entry["executed"], entry["code"]) == (kind, False, None)
    body = core.handle("GET", DETAIL, params)[1]
    assert (list(body), body["Data"]) == (["RequestId", "Code", "Message", "Data"], None)
    assert body["Code"] not in (0, 200)


@pytest.mark.parametrize("off", [-300, 300])
def test_the_time_tolerance_of_an_agent_is_enforced(core: Core, off: int) -> None:
    assert core.handle("GET", BALANCE, signed_params(START + off))[1]["result"] is True
    configure_agent(core, tolerance=10)
    assert core.handle("GET", BALANCE, signed_params(START + off))[1]["result"] is False
    assert core.handle("GET", BALANCE, signed_params(START + off / 30))[1]["result"] is True


def test_each_agent_has_its_own_appkey_and_domain(core: Core) -> None:
    core.agents.put("other", {"appkey": "k2", "domain": "reseller.example", "balance": "-3.50"})
    configure_agent(core, appkey="new")
    assert core.handle("GET", BALANCE, signed_params(START))[1]["result"] is False
    assert core.handle("GET", BALANCE, signed_params(START, appkey="new"))[1]["data"] == "12.34"
    other = signed_params(START, "other", "k2", "reseller.example")
    assert core.handle("GET", BALANCE, other)[1]["data"] == "-3.50"
    # It sees what is on sale, and owns nothing.
    assert core.handle("GET", DETAIL, other)[1]["Data"] == {}
    assert len(core.handle("GET", PACKAGES, {**other, "productId": "104"})[1]["Data"]) == 2
    core.reset()
    assert list(core.agents.by_appid) == [APPID]
    assert core.handle("GET", BALANCE, signed_params(START))[1]["result"] is True


# What the vendor's pages show.


def test_get_detail_returns_the_documented_example(call_core: AccountCaller) -> None:
    body = call_core(DETAIL, limit="1")
    assert (body["Code"], body["Message"]) == (0, "返回内容")
    assert list(body["Data"]) == ["1"]
    shown = body["Data"]["1"]
    assert list(shown) == list(INSTANCES["1"])
    assert all(isinstance(value, str) for value in shown.values())
    assert (shown["Suid"], shown["Harddiks"], shown["Defense"]) == ("12154545", "20", "")
    assert call_core(DETAIL, suid="12154545", productId="104")["Data"] == body["Data"]


def test_other_endpoints_return_the_documented_examples(call_core: AccountCaller) -> None:
    price = call_core(PRICE, **ORDER)
    assert (price["Code"], price["Data"]) == (0, {"OriginalPrice": "60", "TotalPrice": "50"})
    packages = call_core(PACKAGES, productId="104", load_rate="1")
    assert (packages["Code"], list(packages["Data"])) == (0, ["1", "2"])
    first = packages["Data"]["1"]
    assert (first["Area_id"], first["Cpu"], first["Upgrade_status"], first["Package_no"]) == (342, "1", "", "1111")
    assert (first["Basic_price"], first["Halfyear_rate"], first["Year_rate"]) == ("2079.65", "0.53", "1")
    lines = call_core(LINES, productId="115")
    assert (lines["Code"], len(lines["Data"])) == ("200", 1)
    line = lines["Data"][0]
    assert (line["id"], line["name"], line["introurl"]) == (14, "山东枣庄线路", None)
    assert line["bondSpecs"] == [11, 12, 15, 16, 17]
    plan = call_core(PROXY, resource_no="demo0001", productId="117")
    assert plan["Code"] == 200
    names = "Authkey Number Connect Buy_time End_time Order_status Type Ip_type Resource_available Tunnel_url"
    assert list(plan["Data"]) == names.split()


def test_each_response_has_the_request_id_of_its_journal_entry(core: Core, call_core: AccountCaller) -> None:
    ids = [call_core(DETAIL)["RequestId"], call_core(DETAIL, suid="9")["RequestId"]]
    assert ids == [entry["request_id"] for entry in core.journal.select()]
    assert len(set(ids)) == 2
    assert [len(part) for part in ids[0].split("-")] == [8, 4, 4, 4, 12]


# Parameters.


@pytest.mark.parametrize(
    ("path", "kind", "invalid"),
    [
        (DETAIL, "unknown_suid", [{"suid": "9"}, {"suid": "12154545", "productId": "113"}]),
        (DETAIL, "unknown_product", [{"productId": "9"}]),
        (DETAIL, "bad_parameter", [{"productId": "x"}, {"limit": "51"}, {"limit": "0"}, {"offset": "-1"}]),
        (PRICE, "unknown_package", [{**ORDER, "package_no": "9"}]),
        (PRICE, "unknown_system", [{**ORDER, "system_no": "9"}]),
        (PRICE, "bad_duration", [{**ORDER, "duration": "1"}, {**ORDER, "duration": "10m"}]),
        (PRICE, "unknown_product", [{**ORDER, "productId": "9"}]),
        (PRICE, "missing_parameter", [{"package_no": "1111", "system_no": "1"}]),
        (PACKAGES, "missing_parameter", [{}]),
        (PACKAGES, "unknown_product", [{"productId": "9"}]),
        (PACKAGES, "bad_parameter", [{"productId": "104", "load_rate": "2"}]),
        (PACKAGES, "area_not_in_line", [{"productId": "104", "line_no": "ap-beijing", "area_no": "ap-shanghai-1"}]),
        (LINES, "missing_parameter", [{}]),
        (LINES, "unknown_product", [{"productId": "9"}]),
        (PROXY, "missing_parameter", [{"productId": "117"}, {"resource_no": "demo0001"}]),
        (PROXY, "unknown_resource", [{"resource_no": "x", "productId": "117"}]),
        (PROXY, "unknown_resource", [{"resource_no": "demo0001", "productId": "104"}]),
        (RESTART, "missing_parameter", [{"productId": "104"}, {"suid": "12154545"}]),
        (RESTART, "unknown_suid", [{"suid": "9", "productId": "104"}, {"suid": "12154545", "productId": "113"}]),
    ],
)
def test_invalid_parameters_are_refused(
    core: Core, call_core: AccountCaller, path: str, kind: str, invalid: list[dict[str, str]]
) -> None:
    for params in invalid:
        body = call_core(path, **params)
        assert (last_entry(core)["refusal"], body["Data"]) == (kind, None)
        assert body["Code"] not in (0, 200, "200")
        assert body["Message"]


def test_packages_are_filtered_by_line_and_area(core: Core, call_core: AccountCaller) -> None:
    shown = [row.describe() for row in catalog.packages()]
    elsewhere = [{**shown[0], "Line_no": "l2", "Area_no": "l2-1", "Package_no": "3"}]
    configure_agent(core, packages=[*shown, *elsewhere, {**elsewhere[0], "productId": 300}])

    def numbers(**params: str) -> list[str]:
        return [row["Package_no"] for row in call_core(PACKAGES, **{"productId": "104", **params})["Data"].values()]

    assert numbers() == ["1111", "2222", "3"]
    assert numbers(line_no="l2") == numbers(area_no="l2-1") == numbers(line_no="l2", area_no="l2-1") == ["3"]
    assert numbers(line_no="nowhere") == numbers(productId="113") == []
    assert numbers(productId="300") == ["3"]
    assert "productId" not in call_core(PACKAGES, productId="300")["Data"]["1"]
    assert not set(catalog.RATE_FIELDS) & set(call_core(PACKAGES, productId="104")["Data"]["1"])
    assert set(catalog.RATE_FIELDS) < set(call_core(PACKAGES, productId="104", load_rate="1")["Data"]["1"])


def test_a_price_is_calculated_for_a_duration(core: Core, call_core: AccountCaller) -> None:
    assert call_core(PRICE, **{**ORDER, "duration": "12m"})["Data"] == {"OriginalPrice": "720", "TotalPrice": "600"}
    week = {"OriginalPrice": 7.5, "TotalPrice": 7}
    configure_agent(core, prices={"p": {"OriginalPrice": "9.90", "TotalPrice": 3}, "q": {"1w": week}}, systems=["s"])
    order = {"package_no": "p", "system_no": "s", "duration": "3m"}
    assert call_core(PRICE, **order)["Data"] == {"OriginalPrice": "29.70", "TotalPrice": 9}
    assert call_core(PRICE, **{**order, "package_no": "q", "duration": "1w"})["Data"] == week
    call_core(PRICE, **{**order, "package_no": "q"})
    assert last_entry(core)["refusal"] == "bad_duration"


# Many instances.


def test_a_list_is_returned_in_pages(core: Core, call_core: AccountCaller) -> None:
    configure_agent(core, instances=120)
    pages = [call_core(DETAIL, productId="104", offset=str(offset))["Data"] for offset in (0, 50, 100, 150)]
    assert [len(page) for page in pages] == [50, 50, 20, 0]
    assert [next(iter(page)) for page in pages[:3]] == ["1", "1", "1"]
    suids = [row["Suid"] for page in pages for row in page.values()]
    assert len(set(suids)) == 120
    assert [row["Suid"] for row in call_core(DETAIL, offset="7", limit="2")["Data"].values()] == suids[7:9]
    assert call_core(DETAIL, suid=suids[77], offset="5")["Data"]["1"]["Suid"] == suids[77]


def test_instances_are_filtered_by_product(core: Core, call_core: AccountCaller) -> None:
    configure_agent(core, instances=[{"Suid": "a"}, {"Suid": "b", "productId": 113}])
    assert call_core(DETAIL, productId="104")["Data"] == {"1": {"Suid": "a"}}
    assert call_core(DETAIL, productId="113")["Data"] == {"1": {"Suid": "b"}}
    assert len(call_core(DETAIL)["Data"]) == 2
    configure_agent(core, options={"brand": "required"})
    call_core(DETAIL)
    assert last_entry(core)["refusal"] == "missing_parameter"
    assert call_core(DETAIL, suid="b")["Data"] == {"1": {"Suid": "b"}}


# Options.


def test_options_replace_codes_messages_and_statuses_of_errors(core: Core) -> None:
    tables = {
        "codes": {"wrong_sign": "SIGN_ERROR", "*": -7},
        "messages": {"wrong_sign": "不对"},
        "statuses": {"wrong_sign": 403, "*": 400},
    }
    configure_agent(core, options=tables)
    wrong = {**signed_params(START), "sign": "x"}
    status, body = core.handle("GET", DETAIL, wrong)
    assert (status, body["Code"], body["Message"]) == (403, "SIGN_ERROR", "不对")
    assert core.handle("GET", BALANCE, wrong) == (403, {"result": False, "data": None, "msg": "不对"})
    status, body = core.handle("GET", DETAIL, {**signed_params(START), "suid": "9"})
    assert (status, body["Code"], body["Message"]) == (400, -7, "业务不存在 9")
    configure_agent(core, options={"codes": {}, "failure_data": "absent"})
    assert "Data" not in core.handle("GET", DETAIL, wrong)[1]


def test_the_balance_can_use_the_common_envelope(core: Core, call_core: AccountCaller) -> None:
    configure_agent(core, options={"balance_envelope": "common", "numbers": "int"})
    body = call_core(BALANCE)
    assert (body["Code"], body["Data"]) == (0, 12.34)


@pytest.mark.parametrize(
    ("value", "expected"), [("same", {}), ("object", {}), ("list", []), ("null", None), ("absent", ...)]
)
def test_an_empty_list_has_the_configured_form(core: Core, call_core: AccountCaller, value: str, expected: Any) -> None:
    configure_agent(core, instances=[], lines=[], options={"empty_data": value})
    assert call_core(DETAIL).get("Data", ...) == expected
    assert call_core(LINES, productId="115").get("Data", ...) == ([] if value == "same" else expected)


def test_options_change_the_form_of_the_data(core: Core, call_core: AccountCaller) -> None:
    configure_agent(core, options={"spelling": "table", "empty": "null", "numbers": "int"})
    shown = call_core(DETAIL)["Data"]["1"]
    assert {"Line_no", "Area_no", "Spec_no", "Spec_name"} < set(shown)
    assert (shown["Defense"], shown["Run_status"], shown["Harddiks"], shown["Suid"]) == (None, 1, 20, "12154545")
    package = call_core(PACKAGES, productId="104")["Data"]["1"]
    assert (package["package_no"], package["Cpu"], package["Upgrade_status"]) == ("1111", 1, None)
    assert call_core(LINES, productId="115")["Data"][0]["bindspecs"] == [11, 12, 15, 16, 17]
    assert call_core(PRICE, **ORDER)["Data"] == {"OriginalPrice": 60, "TotalPrice": 50}
    configure_agent(core, options={"spelling": "lower", "empty": "absent", "numbers": "string"})
    shown = call_core(DETAIL)["Data"]["1"]
    assert (shown["suid"], shown["run_status"], "defense" in shown) == ("12154545", "1", False)
    assert call_core(LINES, productId="115")["Data"][0]["bondspecs"] == ["11", "12", "15", "16", "17"]
    assert call_core(PROXY, productId="117", resource_no="demo0001")["Data"]["number"] == "10000"


# Over HTTP.


def test_get_and_post_read_parameters_from_the_url(sim: Simulator, http: requests.Session) -> None:
    url, params = f"{sim.account_url}/cloud-business/getDetail", {**signed_params(time.time()), "suid": "12154545"}
    got = http.get(url, params=params, timeout=10)
    posted = http.post(url, params=params, data={"suid": "9"}, timeout=10)
    assert got.json()["Data"] == posted.json()["Data"] != {}
    assert http.post(url, data=params, timeout=10).json()["Data"] is None
    assert [item["param_source"] for item in sim.journal(DETAIL)] == ["query"] * 3
    assert http.put(url, params=params, timeout=10).status_code == 405
    sim.agent(options={"post": "refuse"})
    assert http.post(url, params=params, timeout=10).status_code == 405


def test_the_journal_records_account_calls(sim: Simulator, call: AccountCaller, http: requests.Session) -> None:
    call(DETAIL, suid="12154545")
    http.get(f"{sim.account_url}/nothing", params={"appid": "x"}, timeout=10)
    http.get(sim.api_url + LINES, timeout=10)
    first, second, third = sim.journal()
    assert (first["path"], first["key"], first["executed"], first["code"]) == (DETAIL, sim.app_id, True, 0)
    assert list(first["params"]) == ["domain", "time", "sign", "suid"]
    assert (second["path"], second["key"], second["http_status"]) == ("/api/nothing", "x", 404)
    assert (third["key"], third["refusal"]) == (None, "missing_parameter")


def test_the_date_header_follows_the_clock_and_the_options(
    sim: Simulator, call: AccountCaller, http: requests.Session
) -> None:
    def date() -> str | None:
        dates = call(BALANCE).raw.headers.getlist("Date")
        assert len(dates) < 2
        return dates[0] if dates else None

    def ahead(text: str | None) -> float:
        return parsedate_to_datetime(str(text)).timestamp() - time.time()

    assert abs(ahead(date())) < 3
    sim.advance(4000)
    assert abs(ahead(date()) - 4000) < 3
    assert sim.journal()[-1]["refusal"] == "stale_time"
    assert abs(ahead(http.get(f"{sim.api_url}/ip", timeout=10).headers["Date"]) - 4000) < 3
    sim.agent(options={"date": False})
    assert date() is None
    sim.agent(options={"date": "yesterday"})
    assert date() == "yesterday"
    own = {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}
    sim.fault(path=BALANCE, kind="status", http_status=503, headers=own)
    assert date() == own["Date"]


def test_control_calls_create_and_change_an_agent(sim: Simulator, call: AccountCaller, http: requests.Session) -> None:
    assert (sim.app_id, sim.app_key, sim.account_url) == (APPID, APPKEY, f"{sim.api_url}/api")
    agent = sim.agent(balance="0.01", instances=1000)
    assert (agent["balance"], len(agent["instances"])) == ("0.01", 1000)
    assert agent["instances"][0]["productId"] == 104
    assert sim.control("GET", f"/agents/{APPID}") == agent
    assert call(BALANCE).json()["data"] == "0.01"
    sim.agent("other", appkey="k", instances=agent["instances"][:3])
    agents = sim.state()["agents"]
    assert [(name, agent["instances"]) for name, agent in agents.items()] == [(APPID, 1000), ("other", 3)]
    sim.reset()
    assert {name: agent["instances"] for name, agent in sim.state()["agents"].items()} == {APPID: 5}
    assert http.get(f"{sim.control_url}/agents/other", timeout=10).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        *({"appkey": ""}, {"balance": 1}, {"tolerance": -1}, {"instances": -1}, {"instances": 10**6}),
        *({"instances": True}, {"instances": {"x": 1}}, {"instances": {"104": 40000, "113": 40000}}),
        *({"instances": ["x"]}, {"packages": [{"productId": "104"}]}, {"lines": {}}, {"prices": {"1": 5}}),
        *({"proxy_plans": {"x": {"productId": "117"}}}, {"systems": [1]}, {"options": []}),
        *({"options": {"spelling": "x"}}, {"options": {"nothing": 1}}, {"options": {"codes": {"nothing": 1}}}),
        *({"options": {"codes": {"*": 1.5}}}, {"options": {"messages": {"*": 1}}}),
        *({"options": {"statuses": {"*": 99}}}, {"options": {"date": 1}}),
        {"nothing": 1},
    ],
)
def test_an_invalid_agent_field_is_refused(core: Core, fields: dict[str, Any]) -> None:
    before = json.dumps(core.agents.by_appid[APPID].describe())
    with pytest.raises(ValueError, match=r"expected|known|none of|no such field"):
        core.agents.put(APPID, {"balance": "5", **fields})
    assert json.dumps(core.agents.by_appid[APPID].describe()) == before
    with pytest.raises(ValueError, match="appkey"):
        core.agents.put("new", {})
    assert list(core.agents.by_appid) == [APPID]


def test_agents_are_created_from_the_command_line(http: requests.Session) -> None:
    with running_simulator(["--agent", "one:k1", "--agent", "two:k2"]) as own:
        assert (own.app_id, own.app_key, list(own.state()["agents"])) == ("one", "k1", ["one", "two"])
        params = signed_params(time.time(), "two", "k2")
        assert http.get(own.api_url + BALANCE, params=params, timeout=10).json()["data"] == "12.34"


# Faults.


def test_body_faults_apply_to_account_calls(core: Core, call_core: AccountCaller) -> None:
    for path, params in ACCOUNT_CALLS.items():
        name = "data" if path == BALANCE else "Data"
        core.faults.append([{"path": path, "kind": kind} for kind in ("data_null", "data_absent", "strings")])
        assert call_core(path, **params)[name] is None
        assert name not in call_core(path, **params)
        body = call_core(path, **params)
        assert body.get("result", True) is True
        assert not any(isinstance(value, int) for value in body.values() if value is not True)
        core.faults.append({"path": path, "kind": "replace", "body": [1]})
        assert call_core(path, **params) == [1]


def test_a_planned_code_has_the_configured_form(core: Core, call_core: AccountCaller) -> None:
    core.faults.append({"path": DETAIL, "kind": "code", "code": 51, "msg": "维护中", "http_status": 500})
    status, body = core.handle("GET", DETAIL, signed_params(START))
    assert (status, body["Code"], body["Message"], body["Data"]) == (500, 51, "维护中", None)
    core.faults.append({"path": DETAIL, "kind": "code", "code": "BUSY", "body_extra": {"more": 1}})
    body = call_core(DETAIL)
    assert (body["Code"], body["Message"], body["more"]) == ("BUSY", "系统繁忙", 1)
    entry = last_entry(core)
    assert (entry["code"], entry["executed"], entry["request_id"]) == ("BUSY", False, body["RequestId"])
    core.faults.append({"path": BALANCE, "kind": "code", "code": 1})
    assert call_core(BALANCE) == {"result": False, "data": None, "msg": "系统繁忙"}
    with pytest.raises(ValueError, match="takes no addresses"):
        core.faults.append({"path": DETAIL, "kind": "partial", "drop": 1})


def test_account_calls_have_no_rate_limit(core: Core, call_core: AccountCaller) -> None:
    assert all(call_core(BALANCE)["result"] for repeat in range(200))
    assert core.rate_limiter.describe() == {}


def test_a_restart_is_executed(call_core: AccountCaller, core: Core) -> None:
    body = call_core(RESTART, suid="12154545", productId="104")
    assert (body["Code"], body["Message"]) == (0, "ok")
    assert isinstance(body["Data"], str)
    assert last_entry(core)["executed"] is True

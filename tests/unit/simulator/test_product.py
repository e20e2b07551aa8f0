# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product hosts: routing, extraction and queries."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from simulator.product.endpoints import path_of
from support.simulator_products import (
    DAY,
    EXCLUSIVE,
    KEYS,
    LONGTERM,
    OVERSEAS,
    PRODUCTS,
    SHARE,
    Get,
    data,
    get,
    keys,
    leases,
    refusal,
)

__all__ = ["get", "keys"]


def test_the_host_or_the_first_part_of_the_path_selects_the_product(sim: Simulator, http: requests.Session) -> None:
    for product, key in KEYS.items():
        for host in (f"{product}.proxy.qg.net", f"{product.upper()}.proxy.qg.net:443"):
            answer = http.get(f"{sim.api_url}/query", params={"key": key}, headers={"Host": host}, timeout=10)
            assert answer.json()["code"] == "SUCCESS"
        assert http.get(f"{sim.api_url}/{product}/query", params={"key": key}, timeout=10).json()["code"] == "SUCCESS"
        assert [call["path"] for call in sim.journal(f"/{product}/query")] == [f"/{product}/query"] * 3
    classic = http.get(f"{sim.api_url}/query", params={"Key": sim.key}, headers={"Host": "proxy.qg.net"}, timeout=10)
    assert classic.json()["Code"] == 0
    assert path_of("other.proxy.qg.net", "/get") == path_of("share.proxy.qg.net.example", "/get") == "/get"


def test_a_fault_applies_to_a_call_by_host(sim: Simulator, http: requests.Session) -> None:
    sim.fault(path="/share/get", kind="code", code="INTERNAL_ERROR")
    host = {"Host": "share.proxy.qg.net"}
    answer = http.get(f"{sim.api_url}/get", params={"key": KEYS[SHARE]}, headers=host, timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (400, "INTERNAL_ERROR")


@pytest.mark.parametrize("path", ["/share/delete", "/overseas/channels", "/longterm/balance", "/share/", "/overseas/x"])
def test_a_product_has_its_own_calls_only(sim: Simulator, http: requests.Session, path: str) -> None:
    assert http.get(f"{sim.api_url}{path}", params={"key": "any"}, timeout=10).status_code == 404
    assert sim.journal(path)[0]["http_status"] == 404


def test_calls_are_made_by_get(sim: Simulator, http: requests.Session) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = http.request(method, f"{sim.api_url}/share/get", params={"key": KEYS[SHARE]}, timeout=10)
        assert answer.status_code == 405
    assert leases(sim, SHARE) == []


# Extraction.


@pytest.mark.parametrize(
    ("product", "fields"),
    [
        (SHARE, ["proxy_ip", "server", "area", "isp", "deadline"]),
        (LONGTERM, ["proxy_ip", "server", "area_code", "area", "isp", "deadline"]),
        (EXCLUSIVE, ["proxy_ip", "server", "area_code", "area", "isp", "deadline"]),
        (OVERSEAS, ["proxy_ip", "server", "area_code", "area", "deadline"]),
    ],
)
def test_get_returns_leases_in_the_documented_shape(sim: Simulator, get: Get, product: str, fields: list[str]) -> None:
    found = data(get(f"/{product}/get", num=2))
    held = leases(sim, product)
    if product in (LONGTERM, EXCLUSIVE):
        assert (list(found), found["num"], found["task_id"]) == (["task_id", "num", "ips"], 2, held[0]["task_id"])
        found = found["ips"]
    assert [list(item) for item in found] == [fields] * 2
    assert [(item["proxy_ip"], item["server"]) for item in found] == [(lease["ip"], lease["host"]) for lease in held]
    assert all(item.get("area_code", 0) in (0, lease["area_id"]) for item, lease in zip(found, held, strict=True))
    assert sim.state()["keys"][KEYS[product]]["paid"][1]["ip"] == held[1]["ip"]


@pytest.mark.parametrize(("product", "minutes"), [(SHARE, 1), (LONGTERM, 30), (EXCLUSIVE, 1440), (OVERSEAS, 60)])
def test_a_lease_lasts_as_long_as_its_product_says(sim: Simulator, get: Get, product: str, minutes: int) -> None:
    sim.hold_clock()
    now = sim.control("GET", "/clock")["now"]
    get(f"/{product}/get")
    get(f"/{product}/get", keep_alive=5)
    sim.configure(KEYS[product], plan={"lifetime": 7})
    get(f"/{product}/get")
    for lease, lasts in zip(leases(sim, product), (minutes, minutes if product == LONGTERM else 5, 7), strict=True):
        assert lasts * 60 - 2 < lease["ends"] - now < lasts * 60 + 5


def test_get_filters_by_area_and_provider(sim: Simulator, get: Get) -> None:
    for params, expected in (
        ({"area": "440100", "isp": 2}, {("广东省广州市", "移动")}),
        ({"area": "440100,350500", "area_ex": "350500", "isp": 1}, {("广东省广州市", "电信")}),
        ({"area_ex": "440100,350500", "isp": 3}, {("江苏省淮安市", "联通")}),
    ):
        assert {(item["area"], item["isp"]) for item in data(get("/share/get", **params))} == expected
    assert refusal(get("/share/get", area="999999")) == (400, "NO_RESOURCE_FOUND")
    assert [data(get("/overseas/get", area=area))[0]["area_code"] for area in ("990200", "US")] == [990200, 990100]
    assert refusal(get("/overseas/get", area="440100")) == (400, "NO_RESOURCE_FOUND")


def test_the_code_of_a_province_selects_its_areas(sim: Simulator, get: Get) -> None:
    rows = [
        {"area_id": code, "area": name, "isp": 1, "available": 9}
        for code, name in (
            (440100, "广东省广州市"),
            (440300, "广东省深圳市"),
            (440305, "南山区"),
            (350500, "福建省泉州市"),
        )
    ]

    def names(count: int, **params: str) -> set[str]:
        # Each area has nine addresses, so that no chosen area can be missing by chance.
        found = {item["area"] for item in data(get("/share/get", num=count, **params))}
        sim.advance(60)
        return found

    sim.configure(KEYS[SHARE], plan={"channels": 100, "stock": {"areas": rows}})
    assert names(27, area="440000") == {"广东省广州市", "广东省深圳市", "南山区"}
    assert names(18, area="440300") == {"广东省深圳市", "南山区"}
    assert names(18, area="440100,350000") == {"广东省广州市", "福建省泉州市"}
    assert names(9, area_ex="440000") == {"福建省泉州市"}
    # The example of the vendor's page for area_ex has a city and a province.
    assert names(18, area_ex="440100,350000") == {"广东省深圳市", "南山区"}
    assert names(9, area="440000", area_ex="440300") == {"广东省广州市"}
    assert refusal(get("/share/get", area="450000")) == (400, "NO_RESOURCE_FOUND")
    for path in ("/share/pool", "/exclusive/replace"):
        sim.configure(KEYS[path.split("/")[1]], plan={"stock": {"areas": rows[:1]}})
        data(get(path, area="440000"))
        assert refusal(get(path, area="350000")) == (400, "NO_RESOURCE_FOUND")


def test_empty_and_zero_parameters_count_as_not_given(get: Get) -> None:
    empty = {"pwd": "", "area": "", "area_ex": "", "isp": 0, "num": "", "distinct": "", "keep_alive": 0, "seq": ""}
    for product in PRODUCTS:
        data(get(f"/{product}/get", **empty, format="json", del_server="*", Pwd="x"))
        data(get(f"/{product}/get", area="0", area_ex="0"))
        data(get(f"/{product}/query", task="", area="x"))


@pytest.mark.parametrize(
    "params",
    [
        *({"num": "x"}, {"num": "101"}, {"num": "-1"}, {"area": "beijing"}, {"area": "440100,,350500"}),
        *({"area_ex": "44"}, {"area": "0,440100"}, {"isp": "4"}, {"distinct": "yes"}, {"keep_alive": "1.5"}),
    ],
)
def test_an_invalid_parameter_is_refused(sim: Simulator, get: Get, params: dict[str, str]) -> None:
    for path in ("/share/get", "/share/pool", "/exclusive/replace"):
        assert refusal(get(path, **params)) == (400, "INVALID_PARAMETER")
    assert refusal(get("/share/get", pool="3")) == (400, "INVALID_PARAMETER")
    assert leases(sim, SHARE) == leases(sim, EXCLUSIVE) == []


def test_an_aggregated_product_extracts_the_same_way(sim: Simulator, get: Get) -> None:
    assert data(get("/share/aggregate/get", num=2))[1]["proxy_ip"] == leases(sim, SHARE)[1]["ip"]


def test_a_plan_by_channels_is_used_up_and_freed(sim: Simulator, get: Get) -> None:
    assert data(get("/share/channels")) == {"total": 5, "idle": 5}
    assert refusal(get("/share/get", num=6)) == (400, "NO_AVAILABLE_CHANNEL")
    data(get("/share/get", num=4))
    assert refusal(get("/share/get", num=2)) == (400, "NO_AVAILABLE_CHANNEL")
    assert data(get("/share/channels")) == {"total": 5, "idle": 1}
    sim.advance(60)
    assert data(get("/share/channels")) == {"total": 5, "idle": 5}
    assert data(get("/share/query")) == []


@pytest.mark.parametrize("product", [SHARE, OVERSEAS])
def test_a_plan_by_volume_is_used_up(sim: Simulator, get: Get, product: str) -> None:
    sim.configure(KEYS[product], plan={"billing": "volume", "balance": 3})
    data(get(f"/{product}/get", num=2))
    assert refusal(get(f"/{product}/get", num=2)) == (400, "BALANCE_INSUFFICIENT")
    assert sim.state()["keys"][KEYS[product]]["plan"]["balance"] == 1
    sim.advance(3600)
    assert leases(sim, product) == []
    assert refusal(get(f"/{product}/get", num=2)) == (400, "BALANCE_INSUFFICIENT")


def test_the_billing_decides_which_calls_a_key_has(sim: Simulator, get: Get) -> None:
    assert refusal(get("/share/balance")) == (400, "ACCESS_DENY")
    sim.configure(KEYS[SHARE], plan={"billing": "volume", "balance": 7})
    assert data(get("/share/balance")) == {"balance": 7}
    for name in ("channels", "pool"):
        assert refusal(get(f"/share/{name}")) == (400, "ACCESS_DENY")


def test_the_pool_gives_active_addresses_again_and_uses_no_channel(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[SHARE], plan={"channels": 1})
    found = data(get("/share/pool", num=3))
    assert data(get("/share/pool", num=3, pool=2)) == found
    assert (len(found), data(get("/share/channels"))["idle"], data(get("/share/query"))) == (3, 1, [])


def test_replace_gives_up_the_oldest_leases(sim: Simulator, get: Get) -> None:
    held = [item["proxy_ip"] for item in data(get("/exclusive/get", num=5))["ips"]]
    found = data(get("/exclusive/replace", num=2))
    assert (list(found), found["num"]) == (["task_id", "num", "ips"], 2)
    new = [item["proxy_ip"] for item in found["ips"]]
    assert [lease["ip"] for lease in leases(sim, EXCLUSIVE)] == held[2:] + new


@pytest.mark.parametrize(("period", "seconds"), [("minute", 60), ("day", DAY)])
def test_a_plan_can_limit_extractions(sim: Simulator, get: Get, period: str, seconds: int) -> None:
    sim.configure(KEYS[SHARE], plan={"extract_limit": 2, "extract_period": period})
    data(get("/share/get", num=2))
    assert refusal(get("/share/get")) == (400, "EXTRACT_LIMIT_EXCEEDED")
    sim.advance(seconds)
    data(get("/share/get"))


# Queries.


def test_query_lists_leases_and_selects_tasks(get: Get) -> None:
    first, second = data(get("/longterm/get", num=2)), data(get("/longterm/get"))
    listed = data(get("/longterm/query"))
    assert [item["task_id"] for item in listed] == [first["task_id"], first["task_id"], second["task_id"]]
    assert "deadline" in listed[0]
    assert data(get("/longterm/query", task="*")) == data(get("/longterm/query", task="* ")) == listed
    assert data(get("/longterm/query", task=f"{second['task_id']},unknown")) == listed[2:]
    data(get("/exclusive/get"))
    (task,) = data(get("/exclusive/query"))["tasks"]
    assert (list(task), list(task["ips"][0])[:2]) == (["task_id", "ips"], ["proxy_ip", "server"])
    assert "deadline" in task["ips"][0]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_list_has_the_configured_shape(sim: Simulator, get: Get, product: str) -> None:
    data(get(f"/{product}/get", num=2))
    ips = [lease["ip"] for lease in leases(sim, product)]

    def query(shape: str) -> Any:
        sim.configure(KEYS[product], options={"query_shape": shape})
        return data(get(f"/{product}/query"))

    assert [item["proxy_ip"] for item in query("list")] == ips
    assert [item["proxy_ip"] for item in query("ips")["ips"]] == ips
    (task,) = query("tasks")["tasks"]
    assert [item["proxy_ip"] for item in task["ips"]] == ips
    assert query("task_map") == {"tasks": {task["task_id"]: task}}
    entries = query("entries")
    assert [list(item) for item in entries] == [["server", "area", "distinct"]] * 2
    assert isinstance(entries[0]["area"], str)
    assert len(query("single")) == 2
    sim.configure(KEYS[product], options={"get_shape": "single"})
    assert data(get(f"/{product}/get"))["proxy_ip"]
    sim.configure(KEYS[product], options={"get_shape": "entries"})
    assert list(data(get(f"/{product}/get"))[0]) == ["server", "area", "distinct"]


def test_an_empty_list_has_the_configured_form(sim: Simulator, get: Get) -> None:
    assert data(get("/share/query")) == []
    assert data(get("/exclusive/query")) == {"tasks": []}
    sim.configure(KEYS[SHARE], options={"empty_data": "null"})
    assert data(get("/share/query")) is None
    sim.configure(KEYS[SHARE], options={"empty_data": "absent"})
    assert "data" not in get("/share/query")[1]


def test_resources_list_the_stock(sim: Simulator, get: Get) -> None:
    rows = [
        {"area_id": 440100, "area": "甲", "isp": 1, "available": 1},
        {"area_id": 440100, "area": "甲", "isp": 2, "available": 0},
    ]
    for product in PRODUCTS:
        sim.configure(KEYS[product], plan={"stock": {"areas": rows}})
        one = {"area": "甲", "area_code": 440100, "isp": "电信", "isp_code": 1, "available": True}
        assert data(get(f"/{product}/resources")) == [one, {**one, "isp": "移动", "isp_code": 2, "available": False}]


@pytest.mark.parametrize(
    ("query", "separator"),
    [
        *(("", "\n"), (r"&seq=\r\n", "\r\n"), ("&seq=%0D%0A", "\r\n"), ("&seq=%5Cn", "\n")),
        *(("&seq=", "\n"), ("&seq=,", ",")),
    ],
)
def test_a_separator_stands_between_the_servers_of_a_text(
    sim: Simulator, http: requests.Session, query: str, separator: str
) -> None:
    answer = http.get(f"{sim.api_url}/longterm/get?key={KEYS[LONGTERM]}&num=2&format=txt{query}", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text == separator.join(lease["host"] for lease in leases(sim, LONGTERM))


@pytest.mark.parametrize("path", ["/share/get", "/share/pool", "/longterm/get", "/exclusive/replace", "/overseas/get"])
def test_line_breaks_in_seq_are_served_in_each_format(sim: Simulator, http: requests.Session, path: str) -> None:
    key = KEYS[path.split("/")[1]]

    def answer(query: str) -> requests.Response:
        return http.get(f"{sim.api_url}{path}?key={key}&{query}", timeout=10)

    for query in ("format=json&seq=%0D%0A", "format=&seq=%0D%0A"):
        assert answer(query).json()["code"] == "SUCCESS"
    assert answer("format=txt&seq=%0D%0A").status_code == 200
    sim.configure(key, options={"seq_line_breaks": "refuse"})
    refused = answer("format=json&seq=%0D%0A")
    assert refusal((refused.status_code, refused.json())) == (400, "INVALID_PARAMETER")
    assert answer("seq=%5Cr%5Cn").status_code == 200

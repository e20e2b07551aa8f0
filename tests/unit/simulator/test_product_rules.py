# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product hosts: releases, codes, limits and faults."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from simulator.product.endpoints import ENDPOINTS
from support.http_sessions import text_through
from support.parameters import mostly_slow, spread
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


def test_exclusive_leases_are_released_by_address_or_task(sim: Simulator, get: Get) -> None:
    found = data(get("/exclusive/get", num=3))
    first, second = (item["proxy_ip"] for item in found["ips"][:2])
    assert data(get("/exclusive/delete", ip=f"{first},{second}")) == 2
    assert data(get("/exclusive/delete", task=found["task_id"])) == 1
    data(get("/exclusive/get", num=2))
    assert data(get("/exclusive/delete", task="*")) == 2
    assert leases(sim, EXCLUSIVE) == []
    assert data(get("/exclusive/delete", ip="198.51.100.200")) == 0
    sim.configure(KEYS[EXCLUSIVE], options={"absent_release": "error"})
    assert refusal(get("/exclusive/delete", ip="198.51.100.200")) == (400, "INVALID_PARAMETER")


@pytest.mark.parametrize(
    "params", [{}, {"ip": "", "task": ""}, {"ip": "*", "task": "*"}, {"ip": "x"}, {"task": "a,,b"}]
)
def test_an_invalid_release_is_refused(sim: Simulator, get: Get, params: dict[str, str]) -> None:
    data(get("/exclusive/get"))
    assert refusal(get("/exclusive/delete", **params)) == (400, "INVALID_PARAMETER")
    assert len(leases(sim, EXCLUSIVE)) == 1


def test_dynamic_longterm_leases_cannot_be_released(sim: Simulator, get: Get) -> None:
    data(get("/longterm/get"))
    assert refusal(get("/longterm/delete", task="*")) == (400, "ACCESS_DENY")
    assert len(leases(sim, LONGTERM)) == 1


def test_static_longterm_leases_can_be_released_after_a_day_twice_a_week(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[LONGTERM], plan={"static": True})
    ips = [item["proxy_ip"] for item in data(get("/longterm/get", num=3))["ips"]]
    assert refusal(get("/longterm/delete", ip=ips[0])) == (400, "STATIC_DELETE_TIME_LIMIT")
    sim.advance(DAY + 1)
    assert data(get("/longterm/delete", ip=ips[0])) == data(get("/longterm/delete", ip=ips[1])) == 1
    assert refusal(get("/longterm/delete", ip=ips[2])) == (400, "DELETE_LIMIT_EXCEEDED")
    sim.advance(7 * DAY)
    assert data(get("/longterm/delete", ip=ips[2])) == 1


def test_the_deadline_of_a_static_address_can_be_the_time_of_its_release(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[LONGTERM], plan={"static": True}, options={"static_deadline": "release"})
    data(get("/longterm/get"))
    (lease,) = leases(sim, LONGTERM)
    (item,) = data(get("/longterm/query"))
    shown = datetime.fromisoformat(item["deadline"] + "+08:00").timestamp()
    assert 29 * DAY - 10 < lease["ends"] - shown < 29 * DAY + 10
    sim.advance(2 * DAY)
    assert data(get("/longterm/query")) == [item]


# Codes.


KEY_CHECKS = [
    *(({"status": "blocked"}, "KEY_BLOCK"), ({"status": "unauthorised"}, "API_AUTH_DENY")),
    *(({"status": "no_permission"}, "ACCESS_DENY"), ({"status": "expired"}, "UNAVAILABLE_KEY")),
    *(({"plan": {"kind": kind}}, "ACCESS_DENY") for kind in ("dynamic_dedicated", "tunnel")),
    ({"api_auth": True}, "API_AUTH_DENY"),
]


@pytest.mark.parametrize(
    ("endpoint", "check"), spread([pytest.param(endpoint, id=endpoint.path) for endpoint in ENDPOINTS], KEY_CHECKS)
)
def test_the_key_is_checked_before_the_operation(
    sim: Simulator, get: Get, endpoint: Any, check: tuple[dict[str, Any], str]
) -> None:
    fields, code = check
    if endpoint.name == "balance":
        sim.configure(KEYS[SHARE], plan={"billing": "volume"})
    sim.configure(KEYS[endpoint.product], **fields)
    assert refusal(get(endpoint.path, num="x")) == (400, code)
    assert sim.control("GET", "/windows") == {}
    assert sim.journal()[-1]["code"] == code


def test_a_missing_or_unknown_key_is_refused(get: Get) -> None:
    assert refusal(get("/share/query", key="")) == (400, "INVALID_PARAMETER")
    assert refusal(get("/share/query", key="NOBODY01")) == (400, "INVALID_KEY")
    assert refusal(get("/share/query", key=KEYS[LONGTERM])) == (400, "ACCESS_DENY")


def test_the_password_of_the_api_is_sent_as_pwd(sim: Simulator, get: Get) -> None:
    data(get("/share/query", pwd="anything"))
    sim.configure(KEYS[SHARE], api_auth=True, pwd="right")
    assert refusal(get("/share/query", pwd="wrong")) == (400, "API_AUTH_DENY")
    data(get("/share/query", pwd="right"))


@pytest.mark.parametrize(("code", "status"), [("FAILED_OPERATION", 400), ("REQUEST_LIMIT_EXCEEDED", 429)])
def test_a_code_can_be_planned(sim: Simulator, get: Get, code: str, status: int) -> None:
    sim.fault(path="/share/get", kind="code", code=code)
    assert refusal(get("/share/get")) == (status, code)
    sim.configure(KEYS[SHARE], options={"refusal_status": 200, "limit_status": 200})
    sim.fault(path="/share/get", kind="code", code=code, msg="text")
    answered, body = get("/share/get")
    assert (answered, body["code"], body["message"]) == (200, code, "text")
    assert leases(sim, SHARE) == []


def test_a_refusal_can_have_another_status_and_no_message(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[SHARE], options={"refusal_status": 200, "msg": False})
    status, body = get("/share/get", num=99)
    assert (status, list(body), body["code"]) == (200, ["code", "request_id"], "NO_AVAILABLE_CHANNEL")


#: Calls a minute of a key with one channel.
LIMITS = {
    **dict.fromkeys((f"/{product}/{name}" for product in PRODUCTS for name in ("query", "resources")), 60),
    **dict.fromkeys(
        ("/share/channels", "/longterm/channels", "/exclusive/channels", "/overseas/get", "/share/pool"), 60
    ),
    **dict.fromkeys(("/share/get", "/share/aggregate/get", "/longterm/get", "/exclusive/get"), 15),
    **dict.fromkeys(("/exclusive/replace", "/exclusive/delete", "/longterm/delete"), 15),
}


def test_a_call_has_the_limit_of_the_table(sim: Simulator, get: Get) -> None:
    for product in PRODUCTS:
        sim.configure(KEYS[product], plan={"channels": 1})
    for path in LIMITS:
        get(path, num="x", area="x", ip="x")
    shown = sim.control("GET", "/windows")
    windows = {path: window for key in KEYS.values() for path, window in shown[key].items()}
    assert {path: (window["limit"], window["count"]) for path, window in windows.items()} == {
        path: (limit, 1) for path, limit in LIMITS.items()
    }


def test_a_call_beyond_the_limit_is_refused_with_429(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[EXCLUSIVE], plan={"channels": 1})
    assert [get("/exclusive/delete", ip="x")[0] for _repeat in range(15)] == [400] * 15
    assert refusal(get("/exclusive/delete", ip="x")) == (429, "REQUEST_LIMIT_EXCEEDED")
    sim.advance(60)
    assert refusal(get("/exclusive/delete", ip="x")) == (400, "INVALID_PARAMETER")


def test_plans_by_volume_have_their_own_limit(sim: Simulator, get: Get) -> None:
    sim.configure(KEYS[SHARE], plan={"billing": "volume"})
    for name in ("get", "balance"):
        get(f"/share/{name}")
        assert sim.control("GET", "/windows")[KEYS[SHARE]][f"/share/{name}"]["limit"] == 60


# Faults, and the other APIs.


def test_the_journal_has_the_code_and_the_request_id(sim: Simulator, get: Get) -> None:
    _status, body = get("/exclusive/delete", ip="198.51.100.200,198.51.100.201")
    entry = sim.journal("/exclusive/delete")[0]
    assert (entry["key"], entry["code"], entry["executed"]) == (KEYS[EXCLUSIVE], "SUCCESS", True)
    assert (entry["request_id"], len(entry["ips"])) == (body["request_id"], 2)


def test_the_whitelist_of_a_product_key_is_on_the_classic_host(sim: Simulator, http: requests.Session) -> None:
    for key in KEYS.values():
        params = {"Key": key, "IP": "203.0.113.9"}
        for name in ("add", "query", "del"):
            assert http.get(f"{sim.api_url}/whitelist/{name}", params=params, timeout=10).json()["Code"] == 0
        for path in ("/allocate", "/query", "/info/quota", "/resources", "/monopolies"):
            assert http.get(f"{sim.api_url}{path}", params=params, timeout=10).json().get("Code", -15) == -15
    assert leases(sim, SHARE) == []


@pytest.mark.parametrize("product", mostly_slow(PRODUCTS))
def test_a_lease_is_a_working_proxy(sim: Simulator, get: Get, product: str) -> None:
    sim.configure(KEYS[product], options={"lease_proxies": True})
    data(get(f"/{product}/get"))
    (lease,) = leases(sim, product)
    assert text_through(f"{KEYS[product]}:0123456789ab@{lease['host']}", "http://d.qg.net/ip") == lease["ip"]


def test_the_server_can_be_another_address_than_the_exit(sim: Simulator, get: Get) -> None:
    for product in (SHARE, OVERSEAS):
        sim.configure(KEYS[product], options={"lease_proxies": False})
        (item,) = data(get(f"/{product}/get"))
        host = item["server"].partition(":")[0]
        assert (host == item["proxy_ip"]) is (product == SHARE)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whitelist calls, and the checks common to all calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator

Call = Callable[..., Any]
Fetch = Callable[..., requests.Response]

A, B, C = "203.0.113.5", "203.0.113.6", "203.0.113.7"


def test_add_query_delete(sim: Simulator, call: Call) -> None:
    assert call("/whitelist/query") == {"Code": 0, "Data": []}
    assert call("/whitelist/add", IP=f"{A},{B},{A}") == {"Code": 0, "Data": [A, B], "Num": 2}
    assert call("/whitelist/query") == {"Code": 0, "Data": [A, B]}
    assert call("/whitelist/del", IP=A) == {"Code": 0, "Data": [A], "Num": 1}
    assert sim.whitelist() == [B]


@pytest.mark.parametrize("path", ["/whitelist/add", "/whitelist/del"])
def test_an_invalid_or_missing_address_is_refused(sim: Simulator, call: Call, path: str) -> None:
    sim.configure(whitelist=[A])
    invalid = ["", "198.51.100", "198.51.100.256", "198.51.100.010", "2001:db8::1", "198.51.100.0/24", f"{A}, {B}"]
    for text in (*invalid, f"{A},", "*"):
        assert call(path, IP=text)["Code"] == -10, text
    assert call(path)["Code"] == call(path, ip=A)["Code"] == -10
    assert sim.whitelist() == [A]


def test_a_full_whitelist_refuses_the_whole_call_or_accepts_a_part_of_it(sim: Simulator, call: Call) -> None:
    sim.configure(capacity=2, whitelist=[A])
    assert call("/whitelist/add", IP=f"{B},{C}")["Code"] == -202
    assert sim.whitelist() == [A]
    sim.configure(options={"overflow": "partial"})
    assert call("/whitelist/add", IP=f"{B},{C}") == {"Code": 0, "Data": [B], "Num": 1}
    assert call("/whitelist/add", IP=C) == {"Code": 0, "Data": [], "Num": 0}
    assert call("/whitelist/add", IP=f"{A},{B}")["Data"] == [A, B]
    assert sim.whitelist() == [A, B]


def test_an_address_of_another_key_is_refused(sim: Simulator, call: Call) -> None:
    sim.configure("OTHER001", whitelist=[B])
    assert call("/whitelist/add", IP=f"{A},{B}")["Code"] == -206
    assert sim.whitelist() == []
    sim.configure(options={"bound": "partial"})
    assert call("/whitelist/add", IP=f"{A},{B}") == {"Code": 0, "Data": [A], "Num": 1}
    assert sim.whitelist("OTHER001") == [B]


def test_an_add_of_a_present_address_has_the_configured_result(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=[A])
    assert call("/whitelist/add", IP=A) == {"Code": 0, "Data": [A], "Num": 1}
    sim.configure(options={"present_add": "zero"})
    assert call("/whitelist/add", IP=f"{A},{B}") == {"Code": 0, "Data": [B], "Num": 1}
    sim.configure(options={"present_add": "full"})
    assert call("/whitelist/add", IP=f"{A},{C}")["Code"] == -202
    assert sim.whitelist() == [A, B]


def test_a_del_of_an_absent_address_has_the_configured_result(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=[A])
    assert call("/whitelist/del", IP=f"{A},{B}") == {"Code": 0, "Data": [A], "Num": 1}
    sim.configure(whitelist=[A], options={"absent_del": "error"})
    assert call("/whitelist/del", IP=f"{A},{B}")["Code"] == -10
    assert sim.whitelist() == [A]


def test_an_empty_list_has_the_configured_form(sim: Simulator, call: Call) -> None:
    sim.configure(options={"empty_data": "null"})
    assert call("/whitelist/query") == {"Code": 0, "Data": None}
    sim.configure(options={"empty_data": "absent"})
    assert call("/whitelist/query") == {"Code": 0}
    sim.configure(whitelist=[A])
    assert call("/whitelist/query") == {"Code": 0, "Data": [A]}


def test_numbers_can_be_strings(sim: Simulator, call: Call) -> None:
    sim.configure(options={"numbers": "string"})
    assert call("/whitelist/add", IP=A) == {"Code": "0", "Data": [A], "Num": "1"}
    assert call("/info/quota") == {"Code": "0", "Total": "5", "Available": "5", "Used": "0"}
    assert call("/whitelist/add", IP="x")["Code"] == "-10"


def test_options_change_the_body_and_status_of_an_error(sim: Simulator, fetch: Fetch) -> None:
    first = fetch("/whitelist/add", IP="x")
    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.json()["Msg"]
    sim.configure(options={"msg": False, "error_status": 400})
    second = fetch("/whitelist/add", IP="x")
    assert (second.status_code, second.json()) == (400, {"Code": -10})


def test_the_correct_password_is_accepted(sim: Simulator, call: Call) -> None:
    assert call("/whitelist/query", Pwd="wrong")["Code"] == 0
    sim.configure(pwd="secret", api_auth=True)
    assert call("/whitelist/query")["Code"] == call("/whitelist/query", Pwd="wrong")["Code"] == -14
    assert call("/whitelist/query", Pwd="secret")["Code"] == 0


@pytest.mark.parametrize(("query", "code"), [("", -10), ("Key=", -10), ("key=QGDEMO01", -10), ("Key=qgdemo01", -100)])
def test_a_missing_or_unknown_key_is_refused(sim: Simulator, http: requests.Session, query: str, code: int) -> None:
    assert http.get(f"{sim.api_url}/whitelist/query?{query}", timeout=10).json()["Code"] == code


def test_a_post_reads_only_the_body_and_a_get_only_the_query(sim: Simulator, http: requests.Session) -> None:
    url = f"{sim.api_url}/whitelist/add"
    form = {"Key": sim.key, "IP": A}
    assert http.post(f"{url}?IP={B}", data=form, timeout=10).json()["Data"] == [A]
    assert http.post(url, json=form, timeout=10).json()["Code"] == -10
    calls = sim.journal("/whitelist/add")
    assert [item["param_source"] for item in calls] == ["body"] * 2
    assert [item["query_length"] > 0 for item in calls] == [True, False]
    assert http.get(url, data=form, timeout=10).json()["Code"] == -10
    # Without a body, a post has its parameters in the query.
    assert http.post(url, params=form, timeout=10).json()["Data"] == [A]
    assert sim.journal("/whitelist/add")[-1]["param_source"] == "query"
    assert http.post(url, timeout=10).json()["Code"] == -10


def test_a_post_can_be_refused_or_read_from_the_query(sim: Simulator, http: requests.Session) -> None:
    url = f"{sim.api_url}/whitelist/add"
    sim.configure(options={"post": "refuse"})
    refused = http.post(url, data={"Key": sim.key, "IP": A}, timeout=10)
    assert refused.status_code == 405
    assert "html" in refused.headers["content-type"]
    sim.configure(options={"post": "ignore_body"})
    answer = http.post(url, params={"Key": sim.key, "IP": B}, data={"Key": sim.key, "IP": A}, timeout=10)
    assert answer.json()["Data"] == [B]
    assert sim.journal()[-1]["param_source"] == "query"
    assert sim.whitelist() == [B]


def test_other_methods_are_not_allowed(sim: Simulator, http: requests.Session) -> None:
    url = f"{sim.api_url}/whitelist/add?Key={sim.key}&IP={A}"
    for method in ("PUT", "DELETE", "PATCH", "HEAD"):
        assert http.request(method, url, timeout=10).status_code == 405, method
    assert sim.whitelist() == []


def test_an_unknown_path_is_not_found(sim: Simulator, http: requests.Session) -> None:
    paths = ["/", "/list", "/query/", "/whitelist/add/", "/Whitelist/add", "/whitelist"]
    for path in paths:
        answer = http.get(f"{sim.api_url}{path}?Key={sim.key}", allow_redirects=False, timeout=10)
        assert answer.status_code == 404, path
    assert [(item["path"], item["http_status"]) for item in sim.journal()] == [(path, 404) for path in paths]


def test_the_journal_records_each_call(sim: Simulator, call: Call, http: requests.Session) -> None:
    call("/whitelist/add", IP=f"{A},{B}", Pwd="p")
    http.get(f"{sim.api_url}/whitelist/del", params={"Key": "NOBODY"}, headers={"User-Agent": "me"}, timeout=10)
    first, second = sim.journal()
    assert first["params"] == {"IP": f"{A},{B}", "Pwd": "p"}
    assert first["ips"] == [A, B]
    assert (first["method"], first["key"], first["code"], first["executed"]) == ("GET", sim.key, 0, True)
    assert (first["http_status"], first["fault"]) == (200, None)
    assert (second["key"], second["code"], second["executed"]) == ("NOBODY", -100, False)
    assert second["user_agent"] == "me"
    assert first["seq"] < second["seq"]
    assert first["at"] <= second["at"]
    newer = sim.control("GET", f"/journal?since={first['seq']}")["calls"]
    assert newer == [second]
    assert sim.control("GET", "/journal?path=/whitelist/add")["calls"] == [first]
    sim.control("DELETE", "/journal")
    assert sim.journal() == []
    call("/whitelist/query")
    assert sim.journal()[0]["seq"] > second["seq"]


def test_a_reset_restores_the_initial_state(sim: Simulator, call: Call) -> None:
    start = sim.state()
    sim.configure(capacity=1, whitelist=[A], options={"post": "refuse"})
    sim.configure("OTHER001", proxy=True)
    sim.control("PUT", "/map", {"127.0.0.1": C})
    sim.fault(path="/whitelist/query", kind="refuse", times=-1)
    call("/info/quota")
    sim.reset()
    assert sim.state() == start
    assert sim.control("GET", "/faults") == {"faults": []}
    assert sim.control("GET", "/windows") == {}
    assert sim.journal() == []


@pytest.mark.parametrize(
    "fields",
    [
        *({"capacity": -1}, {"capacity": True}, {"whitelist": A}, {"status": "gone"}, {"pwd": 1}, {"pwd": ""}),
        *({"pwd": None}, {"api_auth": "yes"}, {"tunnel": []}, {"tunnel": {"mode": "x"}}, {"exit": ""}),
        *({"options": {"overflow": "maybe"}}, {"options": {"nothing": 1}}, {"options": {"msg": 1}}),
        *({"options": {"error_status": 99}}, {"options": []}, {"colour": "red"}, {"proxy": "yes"}, []),
    ],
)
def test_an_invalid_key_field_is_refused(sim: Simulator, http: requests.Session, fields: Any) -> None:
    before = sim.state()
    for key in (sim.key, "NEWKEY01"):
        answer = http.put(f"{sim.control_url}/keys/{key}", json=fields, timeout=10)
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert sim.state() == before


def test_an_invalid_control_call_is_refused(sim: Simulator, http: requests.Session) -> None:
    assert http.get(f"{sim.control_url}/nothing", timeout=10).status_code == 404
    assert http.post(f"{sim.control_url}/state", timeout=10).status_code == 404
    assert http.put(f"{sim.control_url}/map", data="{", timeout=10).status_code == 400
    assert http.put(f"{sim.control_url}/map", json={"127.0.0.1": 1}, timeout=10).status_code == 400
    assert http.get(f"{sim.control_url}/journal?since=x", timeout=10).status_code == 400
    assert sim.journal() == []
    with pytest.raises(AssertionError, match="HTTP 404"):
        sim.control("GET", "/nothing")


# --- how the vendor might list addresses, and report changes


def test_the_answer_to_a_change_can_have_less_in_it(sim: Simulator, call: Call) -> None:
    sim.configure(options={"whitelist_answer": "number"})
    assert call("/whitelist/add", IP=f"{A},{B}") == {"Code": 0, "Num": 2}
    assert call("/whitelist/del", IP=A) == {"Code": 0, "Num": 1}
    sim.configure(options={"whitelist_answer": "code"})
    assert call("/whitelist/del", IP=B) == {"Code": 0}
    assert sim.whitelist() == []


@pytest.mark.parametrize(
    ("notation", "text"),
    [
        *(("stored", A), ("prefix", "203.0.113.5/32"), ("netmask", "203.0.113.5/255.255.255.255")),
        *(("mapped", "::ffff:203.0.113.5"), ("mapped_hex", "::ffff:cb00:7105"), ("padded", "203.000.113.005")),
        ("full_width", "\uff12\uff10\uff13\uff0e\uff10\uff0e\uff11\uff11\uff13\uff0e\uff15"),
        ("port", "203.0.113.5:8080"),
        ("blanks", " 203.0.113.5\t"),
    ],
)
def test_an_address_can_be_listed_in_another_notation(sim: Simulator, call: Call, notation: str, text: str) -> None:
    sim.configure(whitelist=[A, "office"], options={"whitelist_notation": notation})
    assert call("/whitelist/query")["Data"] == [text, "office"]
    assert call("/whitelist/del", IP=A)["Num"] == 1
    sim.configure(whitelist=[A, B], options={"del_takes": "listed", "absent_del": "error"})
    assert call("/whitelist/del", IP=text)["Data"] == [text]
    assert call("/whitelist/del", IP=A)["Code"] == -10
    assert sim.whitelist() == [B]

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of fault, over a real connection."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from simulator.fixture import Simulator

Call = Callable[..., Any]
Fetch = Callable[..., requests.Response]

A, B, C = "203.0.113.5", "203.0.113.6", "203.0.113.7"


def raw_response(sim: Simulator, path: str = "/whitelist/add", ips: str = A) -> bytes:
    """Make a call over a socket and return everything that is received until the connection is closed."""
    address = urlsplit(sim.api_url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        request = f"GET {path}?Key={sim.key}&IP={ips} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        chunks = []
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


def last_call(sim: Simulator) -> dict[str, Any]:
    return sim.journal()[-1]


def test_code_returns_an_error_without_execution_or_a_check_of_the_key(
    sim: Simulator, call: Call, fetch: Fetch
) -> None:
    for params in ({}, {"Key": "NOBODY"}):
        sim.fault(path="/whitelist/add", kind="code", code=-1)
        assert call("/whitelist/add", IP=A, **params)["Code"] == -1
    sim.fault(path="/whitelist/add", kind="code", code=-99, msg="strange", http_status=400, body_extra={"error": "no"})
    answer = fetch("/whitelist/add", IP=A)
    assert (answer.status_code, answer.json()) == (400, {"Code": -99, "Msg": "strange", "error": "no"})
    assert (last_call(sim)["code"], last_call(sim)["executed"], last_call(sim)["fault"]) == (-99, False, "code")
    assert sim.whitelist() == []
    assert sim.control("GET", "/windows") == {}


def test_refuse_closes_the_connection_without_a_response(sim: Simulator) -> None:
    sim.fault(path="/whitelist/add", kind="refuse")
    assert raw_response(sim) == b""
    assert (last_call(sim)["http_status"], last_call(sim)["executed"]) == (None, False)
    assert sim.whitelist() == []


@pytest.mark.parametrize(("kind", "executed"), [("reset_before", False), ("reset_after", True)])
def test_reset_resets_the_connection(sim: Simulator, http: requests.Session, kind: str, executed: bool) -> None:
    sim.fault(path="/whitelist/add", kind=kind, times=2)
    with pytest.raises(ConnectionResetError):
        raw_response(sim)
    with pytest.raises(requests.ConnectionError):
        http.post(f"{sim.api_url}/whitelist/add", data={"Key": sim.key, "IP": B}, timeout=10)
    assert sim.whitelist() == ([A, B] if executed else [])
    entry = last_call(sim)
    assert (entry["http_status"], entry["executed"], entry["fault"]) == (None, executed, kind)
    assert entry["code"] == (0 if executed else None)


@pytest.mark.parametrize("kind", ["delay", "hang_after"])
def test_delay_faults_delay_the_response(sim: Simulator, call: Call, http: requests.Session, kind: str) -> None:
    sim.fault(path="/whitelist/add", kind=kind, seconds=0.4, times=2)
    start = time.monotonic()
    assert call("/whitelist/add", IP=A)["Data"] == [A]
    assert time.monotonic() - start >= 0.4
    with pytest.raises(requests.Timeout):
        http.get(f"{sim.api_url}/whitelist/add", params={"Key": sim.key, "IP": B}, timeout=0.1)
    # A client that does not wait finds the call carried out: at once, or after the delay.
    assert sim.whitelist() == ([A] if kind == "delay" else [A, B])
    time.sleep(0.5)
    assert sim.whitelist() == [A, B]


def test_status_returns_an_html_error(sim: Simulator, fetch: Fetch) -> None:
    sim.fault(path="/whitelist/add", kind="status", http_status=502)
    answer = fetch("/whitelist/add", IP=A)
    assert (answer.status_code, answer.text[:6], sim.whitelist()) == (502, "<html>", [])
    retry = {"Retry-After": "3"}
    sim.fault(path="/whitelist/add", kind="status", http_status=503, body="later", headers=retry, executed=True)
    answer = fetch("/whitelist/add", IP=A)
    assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "later", "3")
    assert sim.whitelist() == [A]


def test_truncate_sends_half_of_the_body(sim: Simulator, fetch: Fetch) -> None:
    head, body = raw_response(sim).split(b"\r\n\r\n", 1)
    sim.fault(path="/whitelist/add", kind="truncate", times=2)
    half_head, half = raw_response(sim).split(b"\r\n\r\n", 1)
    assert half == body[: len(body) // 2]
    length = f"content-length: {len(body)}".encode()
    assert length in head.lower()
    assert length in half_head.lower()
    assert last_call(sim)["executed"]
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        fetch("/whitelist/add", IP=A)


def test_garbage_returns_html(sim: Simulator, fetch: Fetch) -> None:
    sim.fault(path="/whitelist/add", kind="garbage")
    answer = fetch("/whitelist/add", IP=A)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")
    sim.fault(path="/whitelist/add", kind="garbage", body="what?", executed=False)
    assert fetch("/whitelist/add", IP=B).text == "what?"
    assert sim.whitelist() == [A]


@pytest.mark.parametrize(
    ("fault", "path", "body"),
    [
        ({"kind": "data_null"}, "/whitelist/add", {"Code": 0, "Data": None, "Num": 1}),
        ({"kind": "data_absent"}, "/whitelist/query", {"Code": 0}),
        ({"kind": "strings"}, "/whitelist/add", {"Code": "0", "Data": [A], "Num": "1"}),
    ],
)
def test_a_fault_of_the_body_changes_the_response_alone(
    sim: Simulator, call: Call, fault: dict[str, str], path: str, body: Any
) -> None:
    sim.fault(path=path, **fault)
    assert call(path, IP=A) == body
    assert sim.whitelist() == ([A] if path == "/whitelist/add" else [])


@pytest.mark.parametrize(("kind", "left"), [("partial", [A, B]), ("unnamed", [C])])
def test_partial_leaves_out_the_last_addresses_and_unnamed_only_their_names(
    sim: Simulator, call: Call, kind: str, left: list[str]
) -> None:
    sim.fault(path="/whitelist/add", kind=kind, drop=1)
    assert call("/whitelist/add", IP=f"{A},{B},{C}") == {"Code": 0, "Data": [A, B], "Num": 2}
    sim.fault(path="/whitelist/del", kind=kind, drop=5)
    assert call("/whitelist/del", IP=f"{A},{B}") == {"Code": 0, "Data": [], "Num": 0}
    assert sim.whitelist() == left


def test_redirect_returns_a_location(sim: Simulator, http: requests.Session) -> None:
    sim.fault(path="/whitelist/query", kind="redirect", location=f"{sim.api_url}/ip")
    answer = http.get(f"{sim.api_url}/whitelist/query?Key={sim.key}", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{sim.api_url}/ip")
    assert not last_call(sim)["executed"]


def test_trickle_delays_each_byte(sim: Simulator, call: Call) -> None:
    sim.fault(path="/whitelist/add", kind="trickle", seconds=0.01)
    start = time.monotonic()
    answer = call("/whitelist/add", IP=A)
    assert answer == {"Code": 0, "Data": [A], "Num": 1}
    assert time.monotonic() - start >= 0.01 * (len(json.dumps(answer, separators=(",", ":"))) - 1)
    sim.fault(path="/whitelist/add", kind="trickle", seconds=0.1, total=0.3)
    start = time.monotonic()
    assert call("/whitelist/add", IP=B)["Data"] == [B]
    assert 0.3 <= time.monotonic() - start < 2


def test_replace_returns_the_given_json(sim: Simulator, call: Call) -> None:
    sim.fault(path="/whitelist/add", kind="replace", body={"Code": -77, "Odd": [1]})
    assert call("/whitelist/add", IP=A) == {"Code": -77, "Odd": [1]}
    assert (last_call(sim)["code"], last_call(sim)["executed"]) == (-77, False)
    sim.fault(path="/whitelist/add", kind="replace", body=[1, None], executed=True)
    assert call("/whitelist/add", IP=A) == [1, None]
    assert sim.whitelist() == [A]


def test_skip_times_and_order_of_faults_are_respected(sim: Simulator, call: Call) -> None:
    plan = [
        {"path": "/whitelist/query", "kind": "code", "code": -1, "skip": 1, "times": 2},
        {"path": "/whitelist/query", "kind": "code", "code": -2},
        {"path": "/info/quota", "kind": "code", "code": -3, "times": -1},
    ]
    planned = sim.control("POST", "/faults", plan)["faults"]
    assert [item["times"] for item in planned] == [2, 1, -1]
    # The first call passes the first fault by and meets the second.
    assert [call("/whitelist/query")["Code"] for repeat in range(4)] == [-2, -1, -1, 0]
    assert [call("/info/quota")["Code"] for repeat in range(3)] == [-3] * 3
    assert [item["path"] for item in sim.control("GET", "/faults")["faults"]] == ["/info/quota"]
    sim.control("DELETE", "/faults")
    assert call("/info/quota")["Code"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        *("refuse", {"kind": "refuse"}, {"path": "/nowhere", "kind": "refuse"}),
        *(
            {"path": "/release", "kind": "unnamed", "drop": 1},
            {"path": "/monopolies/idle", "kind": "partial", "drop": 1},
        ),
        *({"path": "/whitelist/query", "kind": kind, "drop": 1} for kind in ("partial", "unnamed")),
        {"path": "/monopolies", "method": "PUT", "kind": "refuse"},
        {"path": "/monopolies", "method": "GET", "kind": "partial", "drop": 1},
        {"path": "/allocate", "method": 1, "kind": "refuse"},
        *(
            {"path": "/whitelist/add", **fields}
            for fields in (
                *(
                    {"kind": "nothing"},
                    {"kind": "code"},
                    {"kind": "code", "code": "x"},
                    {"kind": "refuse", "seconds": 1},
                ),
                *({"kind": "refuse", "times": 0}, {"kind": "refuse", "skip": -1}, {"kind": "delay", "seconds": "1"}),
                *({"kind": "status", "http_status": 99}, {"kind": "garbage", "body": 1}),
                {"kind": "status", "http_status": 500, "headers": {"a": 1}},
                {"kind": "replace", "body": 1, "executed": "no"},
            )
        ),
    ],
)
def test_an_invalid_fault_is_refused(sim: Simulator, http: requests.Session, fault: Any) -> None:
    good = {"path": "/whitelist/add", "kind": "refuse"}
    answer = http.post(f"{sim.control_url}/faults", json=[good, fault], timeout=10)
    assert (answer.status_code, "fault" in answer.json()["error"]) == (400, True)
    assert sim.control("GET", "/faults") == {"faults": []}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of fault, over a connection."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from qgnet_simulator.core import ConnectionLost
from qgnet_simulator.running import Simulator
from support.vendor import Vendor

from .clients import new_session

A = "203.0.113.5"
B = "203.0.113.6"
ADD = "/whitelist/add"
QUERY = "/whitelist/query"
DONE = b'{"Code":0,"Data":["203.0.113.5"],"Num":1}'
#: What arrives of a call that adds an address: status and body, whether it was executed, and the
#: code in the journal.
FAULTS: list[tuple[dict[str, Any], tuple[str, bytes], bool, Any]] = [
    ({"kind": "code", "code": -1}, ("200", '{"Code":-1,"Msg":"未知错误"}'.encode()), False, -1),
    (
        {
            "kind": "code",
            "code": -99,
            "msg": "odd",
            "http_status": 400,
            "body_extra": {"error": "no"},
        },
        ("400", b'{"Code":-99,"Msg":"odd","error":"no"}'),
        False,
        -99,
    ),
    ({"kind": "refuse"}, ("", b""), False, None),
    ({"kind": "reset_before"}, ("reset", b""), False, None),
    ({"kind": "reset_after"}, ("reset", b""), True, 0),
    ({"kind": "delay", "seconds": 0.1}, ("200", DONE), True, 0),
    ({"kind": "hang_after", "seconds": 0.1}, ("200", DONE), True, 0),
    ({"kind": "status", "http_status": 502, "body": "bad"}, ("502", b"bad"), False, None),
    ({"kind": "status", "http_status": 503, "body": "", "executed": True}, ("503", b""), True, 0),
    ({"kind": "truncate"}, ("200", DONE[: len(DONE) // 2]), True, 0),
    ({"kind": "garbage", "body": "?"}, ("200", b"?"), True, 0),
    ({"kind": "garbage", "body": "?", "executed": False}, ("200", b"?"), False, None),
    ({"kind": "data_null"}, ("200", b'{"Code":0,"Data":null,"Num":1}'), True, 0),
    ({"kind": "data_absent"}, ("200", b'{"Code":0,"Num":1}'), True, 0),
    ({"kind": "strings"}, ("200", b'{"Code":"0","Data":["203.0.113.5"],"Num":"1"}'), True, 0),
    ({"kind": "partial", "drop": 1}, ("200", b'{"Code":0,"Data":[],"Num":0}'), True, 0),
    ({"kind": "redirect", "location": "/ip"}, ("302", b""), False, None),
    ({"kind": "replace", "body": [1, None]}, ("200", b"[1,null]"), False, None),
    ({"kind": "replace", "body": {"Code": 7}, "executed": True}, ("200", b'{"Code":7}'), True, 7),
]


def response(sim: Simulator) -> tuple[str, bytes]:
    """Add an address over a socket, and return the status and the body that arrive."""
    address = urlsplit(sim.api_url)
    data = b""
    with socket.create_connection(
        (str(address.hostname), int(address.port or 0)), timeout=10
    ) as connection:
        request = (
            f"GET {ADD}?Key={sim.key}&IP={A} HTTP/1.1\r\nHost: simulator\r\nConnection: "
            f"close\r\n\r\n"
        )
        connection.sendall(request.encode())
        try:
            while chunk := connection.recv(65536):
                data += chunk
        except ConnectionResetError:
            return "reset", b""
    head, _blank, body = data.partition(b"\r\n\r\n")
    return head.decode()[9:12], body


@pytest.mark.parametrize(
    ("fault", "arrived", "executed", "code"), FAULTS, ids=lambda value: str(value)[:40]
)
def test_a_fault_meets_one_call(
    sim: Simulator, fault: dict[str, Any], arrived: tuple[str, bytes], executed: bool, code: Any
) -> None:
    sim.fault(path=ADD, **fault)
    assert response(sim) == arrived
    # The fault "partial" leaves out the only address.
    assert (A in sim.whitelist()) is (executed and fault["kind"] != "partial")
    (record,) = sim.journal()
    assert record["executed"] is executed
    assert record["fault"] == fault["kind"]
    assert record["code"] == code
    assert response(sim) == ("200", DONE)


def test_a_fault_without_the_network_is_the_same(vendor: Vendor) -> None:
    vendor.faults.append(
        [{"path": ADD, "kind": "reset_after"}, {"path": ADD, "kind": "delay", "seconds": 9}]
    )
    with pytest.raises(ConnectionLost):
        vendor.call(ADD, IP=A)
    assert vendor.call(QUERY)["Data"] == [A]
    before = vendor.clock.now()
    assert vendor.code(ADD, IP=B) == 0
    assert vendor.clock.now() - before == 9


def test_faults_are_skipped_repeated_and_taken_in_order(vendor: Vendor) -> None:
    vendor.faults.append(
        [
            {"path": QUERY, "kind": "code", "code": -1, "skip": 1, "times": 2},
            {"path": QUERY, "kind": "code", "code": -2},
            {"path": "/monopolies", "method": "POST", "kind": "code", "code": -1, "times": -1},
        ]
    )
    for code in (-2, -1, -1, 0):
        assert vendor.code(QUERY) == code
    for method, status in (("GET", 400), ("POST", 500), ("POST", 500)):
        assert vendor.response(f"{method} /monopolies")[0] == status
    (left,) = vendor.faults.describe()
    assert left["path"] == "/monopolies"


@pytest.mark.parametrize(
    ("path", "code", "status", "fields"),
    [
        ("/share/get", "FAILED_OPERATION", 400, {"code": "FAILED_OPERATION"}),
        ("/share/get", "REQUEST_LIMIT_EXCEEDED", 429, {"code": "REQUEST_LIMIT_EXCEEDED"}),
        ("/api/physical-product/lineList", "E1", 200, {"Code": "E1", "Data": None}),
        ("/api/merchant/getBalance", 1, 200, {"result": False, "data": None}),
        ("PUT /proxyip", 1, 500, {"error": "没有可用的IP"}),
    ],
)
def test_a_code_can_be_planned_for_each_api(
    vendor: Vendor, path: str, code: Any, status: int, fields: dict[str, Any]
) -> None:
    vendor.faults.append({"path": path.rpartition(" ")[2], "kind": "code", "code": code})
    answer = vendor.response(path)
    assert answer[0] == status
    assert answer[1].items() >= fields.items()


@pytest.mark.parametrize(
    "fault",
    [
        "refuse",
        {"kind": "refuse"},
        {"path": "/nowhere", "kind": "refuse"},
        {"path": ADD, "kind": "nothing"},
        {"path": ADD, "kind": "code"},
        {"path": ADD, "kind": "refuse", "seconds": 1},
        {"path": ADD, "kind": "delay", "seconds": "1"},
        {"path": ADD, "kind": "status", "http_status": 99},
        {"path": ADD, "kind": "garbage", "body": 1},
        {"path": "/monopolies", "method": "PUT", "kind": "refuse"},
    ],
)
def test_a_fault_that_cannot_be_is_refused(sim: Simulator, fault: Any) -> None:
    answer = new_session().post(
        f"{sim.control_url}/faults", json=[{"path": ADD, "kind": "refuse"}, fault], timeout=10
    )
    assert answer.status_code == 400
    assert "fault" in answer.json()["error"]
    assert sim.control("GET", "/faults") == {"faults": []}

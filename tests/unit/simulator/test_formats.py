# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls as public programs make them: empty parameters, other formats than JSON, and the order of the fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
import requests
from simulator.fixture import Simulator
from simulator.formats import to_xml
from support.http_sessions import text_through

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def without_proxies(sim: Simulator) -> None:
    sim.configure(options={"lease_proxies": False}, plan={"channels": 20})


@pytest.fixture
def get(sim: Simulator, http: requests.Session) -> Callable[[str], requests.Response]:
    """Return a function that makes a call with a literal query."""
    return lambda target: http.get(f"{sim.api_url}{target}", timeout=10)


@pytest.mark.parametrize(
    "query",
    [
        "AreaId=&Isp=&Num=",
        "AreaId=0&Isp=0&Num=0&KeepAlive=0",
        "ISP=&KeepAlive=&Detail=&Distinct=",
        "Isp=&ISP=0&Detail=0&Distinct=0",
    ],
)
@pytest.mark.parametrize("path", ["/allocate", "/replace"])
def test_an_empty_or_zero_parameter_counts_as_not_given(
    sim: Simulator, get: Callable[[str], requests.Response], path: str, query: str
) -> None:
    answer = get(f"{path}?Key={sim.key}&{query}").json()
    assert (answer["Code"], answer["Num"], set(answer["Data"][0])) == (0, 1, {"IP", "port", "deadline", "host"})


def test_an_empty_selector_counts_as_not_given(sim: Simulator, call: Call) -> None:
    item = call("/allocate", Num="2")["Data"][0]
    assert call("/query", TaskID="")["TotalNum"] == 2
    assert call("/release", IP=item["IP"], TaskID="")["Code"] == 0
    assert len(sim.leases()) == 1
    assert len(call("/resources", AreaId="", Isp="0", Status="")["Data"]) == 9
    assert call("/whitelist/add", IP="")["Code"] == -10


def test_the_fields_are_in_the_order_of_live_answers(sim: Simulator, get: Callable[[str], requests.Response]) -> None:
    text = get(f"/allocate?Key={sim.key}&Detail=1").text
    assert text.startswith('{"Code":0,"Data":[{"IP":"198.51.100.')
    assert list(get(f"/allocate?Key={sim.key}").json()) == ["Code", "Data", "Num", "TaskID"]
    answer = get(f"/query?Key={sim.key}").json()
    assert list(answer) == ["Code", "TaskList", "TaskNum", "TotalNum"]
    assert list(answer["TaskList"][0]) == ["TaskID", "Num", "Data"]
    assert list(answer["TaskList"][0]["Data"][0]) == ["IP", "port", "deadline", "host"]


@pytest.mark.parametrize(
    ("query", "separator"),
    [
        ("DataFormat=txt", "\n"),
        (r"DataFormat=txt&DataSeparator=\r\n", "\r\n"),
        ("DataFormat=txt&DataSeparator=%5Cn", "\n"),
        (r"format=txt&seq=\n", "\n"),
        ("DataFormat=txt&DataSeparator=%0D%0A", "\r\n"),
        ("format=txt&seq=", "\n"),
        ("format=txt&seq=%7C", "|"),
    ],
)
def test_a_separator_stands_between_the_servers_of_a_text(
    sim: Simulator, get: Callable[[str], requests.Response], query: str, separator: str
) -> None:
    answer = get(f"/allocate?Key={sim.key}&Num=2&{query}")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text == separator.join(lease["host"] for lease in sim.leases())


def test_a_text_of_one_server_is_a_proxy_without_being_stripped(
    sim: Simulator, get: Callable[[str], requests.Response]
) -> None:
    sim.configure(options={"lease_proxies": True})
    text = get(f"/allocate?Key={sim.key}&DataFormat=txt").text
    assert text_through(f"{sim.key}:0123456789ab@{text}", f"{sim.api_url}/ip") == sim.leases()[0]["ip"]


def test_only_lists_of_new_leases_are_text(sim: Simulator, get: Callable[[str], requests.Response]) -> None:
    assert get(f"/replace?Key={sim.key}&DataFormat=txt").text == sim.leases()[0]["host"]
    for path in ("/query", "/info/quota", "/whitelist/query"):
        assert get(f"{path}?Key={sim.key}&DataFormat=txt&format=txt").json()["Code"] == 0
    assert get(f"/allocate?Key={sim.key}&DataFormat=json").json()["Code"] == 0
    assert get(f"/allocate?Key={sim.key}&DataFormat=txt&AreaId=9").json()["Code"] == -103
    sim.configure(plan={"kind": "dynamic_shared"})
    assert get(f"/extract?Key={sim.key}&DataFormat=txt&Num=3").text.count("\n") == 2


def test_xml_has_the_fields_as_elements(sim: Simulator, get: Callable[[str], requests.Response]) -> None:
    answer = get(f"/allocate?Key={sim.key}&Num=2&DataFormat=xml")
    assert answer.headers["Content-Type"].startswith("application/xml")
    root = ElementTree.fromstring(answer.text)
    assert [child.tag for child in root] == ["Code", "Data", "Num", "TaskID"]
    assert [item.findtext("host") for item in root.findall("Data/item")] == [lease["host"] for lease in sim.leases()]
    refusal = ElementTree.fromstring(get(f"/allocate?Key={sim.key}&Num=x&format=xml").text)
    assert (refusal.findtext("Code"), refusal.findtext("Msg")) == ("-10", "参数不合法")


def test_xml_escapes_text_and_leaves_out_null() -> None:
    assert to_xml({"a": [1, "<&>"], "b": None}).endswith(
        "<response><a><item>1</item><item>&lt;&amp;&gt;</item></a><b></b></response>"
    )


def test_a_replace_can_name_an_address(sim: Simulator, call: Call) -> None:
    first, second, third = (item["IP"] for item in call("/allocate", Num="3")["Data"])
    assert call("/replace", IP=second)["Num"] == 1
    left = [lease["ip"] for lease in sim.leases()]
    assert (first in left, left[:2]) == (False, [second, third])
    sim.configure(options={"replace_ip": "apply"})
    new = call("/replace", IP=third)["Data"][0]["IP"]
    assert [lease["ip"] for lease in sim.leases()] == [second, left[2], new]
    assert call("/replace", IP=f"{second},{left[2]}", Num="1")["Num"] == 2
    assert call("/replace", IP="198.51.100.200")["Code"] == -10
    assert call("/replace", IP="")["Num"] == 1

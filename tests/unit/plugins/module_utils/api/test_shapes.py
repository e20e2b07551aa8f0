# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases, areas and quotas in each shape that responses have, and the limits of calls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import (
    CLASSIC,
    PRODUCTS,
    RELEASED_ADDRESSES,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import (
    read_areas,
    read_held,
    read_new,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import (
    ResponseShapeError,
    parse_vendor_time,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product_shapes import (
    read_balance,
    read_product_held,
    read_product_new,
    read_product_quota,
    read_product_released,
)
from hypothesis import given
from hypothesis import strategies as st


def test_limits_depend_on_channels_and_stay_below_that_of_plans_by_volume() -> None:
    assert [PRODUCTS[CLASSIC].allocate.limit(channels) for channels in (None, 1, 5, 1000)] == [
        15,
        15,
        35,
        60,
    ]
    release = PRODUCTS[CLASSIC].release
    assert release is not None
    assert [release.limit(channels) for channels in (None, 3)] == [5, 15]
    assert [RELEASED_ADDRESSES.limit(channels) for channels in (None, 3)] == [2, 6]
    assert PRODUCTS["share"].areas.limit(None) == 60


@pytest.mark.parametrize("text", ["2030-01-02 03:04:05", " 2030-01-02 03:04:05 "])
def test_times_are_those_of_beijing(text: str) -> None:
    found = parse_vendor_time(text)
    assert found is not None
    assert found.isoformat() == "2030-01-02T03:04:05+08:00"


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2030-13-02 03:04:05", 7])
def test_a_time_that_cannot_be_read_is_none(text: object) -> None:
    assert parse_vendor_time(text) is None


ITEM = {
    "IP": "192.0.2.10",
    "port": "21504",
    "deadline": "2030-01-02 03:04:05",
    "host": "198.51.100.8:21504",
}


@pytest.mark.parametrize(
    ("change", "server", "port"),
    [
        ({}, "198.51.100.8:21504", 21504),
        ({"host": None}, "192.0.2.10:21504", 21504),
        ({"host": "", "port": 80}, "192.0.2.10:80", 80),
    ],
)
def test_a_lease_is_reached_under_its_host(change: dict[str, Any], server: str, port: int) -> None:
    found = Lease.from_item({**ITEM, **change}, "T")
    assert found.server == server
    assert found.port == port
    assert found.ip == "192.0.2.10"


@pytest.mark.parametrize("change", [{"IP": None}, {"IP": " "}, {"IP": 7}])
def test_half_a_lease_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        Lease.from_item({**ITEM, **change}, "T")


@pytest.mark.parametrize(
    ("host", "port", "is_usable"),
    [
        ("198.51.100.8:1", "1", True),
        ("proxy-1.example.com:65535", "65535", True),
        ("198.51.100.8:0", "0", False),
        ("198.51.100.8:65536", "65536", False),
        ("198.51.100.8:080", "80", False),
        ("198.51.100.8:80", None, False),
        ("198.51.100.8", "80", False),
        ("0.0.0.0:80", "80", False),
        ("198.51.100.256:80", "80", False),
        ("0x7f.1:80", "80", False),
        ("127.0x1:80", "80", False),
        ("[2001:db8::1]:80", "80", False),
        ("2001:db8::1:80", "80", False),
        ("a..example.com:80", "80", False),
        ("198.51.100.8 198.51.100.9:80", "80", False),
        ("198.51.100.8:80\nserver x 192.0.2.1:80", "80", False),
    ],
)
def test_a_lease_without_a_server_that_programs_can_use_is_held(
    host: str, port: str | None, is_usable: bool
) -> None:
    lease = Lease.from_item({**ITEM, "host": host, "port": port}, "T")
    assert lease.is_usable("proxy.qg.net") is is_usable


@pytest.mark.parametrize(
    ("address", "api_host", "is_usable"),
    [
        ("8.8.8.8", "proxy.qg.net", True),
        ("198.51.100.8", "proxy.qg.net", True),
        # The lab and the simulator have exits in the network of RFC 2544.
        ("198.19.64.1", "proxy.qg.net", True),
        ("127.0.0.1", "proxy.qg.net", False),
        ("10.1.2.3", "proxy.qg.net", False),
        ("172.16.0.1", "proxy.qg.net", False),
        ("192.168.1.1", "proxy.qg.net", False),
        ("100.64.0.1", "proxy.qg.net", False),
        ("169.254.169.254", "proxy.qg.net", False),
        ("224.0.0.1", "proxy.qg.net", False),
        ("255.255.255.255", "proxy.qg.net", False),
        ("0.0.0.0", "127.0.0.1", False),
        # A simulator serves its exits itself.
        ("127.64.1.2", "127.0.0.1", True),
        ("127.64.1.2", "localhost", True),
        ("127.64.1.2", "::1", True),
        ("10.77.0.2", "10.77.0.2", True),
        ("10.77.0.3", "10.77.0.2", False),
        ("10.77.0.2", "127.0.0.1", False),
        ("169.254.169.254", "127.0.0.1", False),
        ("127.0.0.1", "10.77.0.2", False),
        ("10.77.0.2", "relay.example", False),
    ],
)
def test_an_exit_is_in_the_public_internet_or_where_the_api_is(
    address: str, api_host: str, *, is_usable: bool
) -> None:
    lease = Lease.from_item({**ITEM, "host": f"{address}:80", "port": "80"}, "T")
    assert lease.is_usable(api_host) is is_usable


EMPTY_TASK = {"TaskID": "T", "Num": 0, "Data": None}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"TaskList": None},
        {"TaskList": []},
        {"TaskList": [], "TotalNum": "0"},
        {"TaskList": [EMPTY_TASK], "TotalNum": 0},
    ],
)
def test_no_leases_have_several_forms(body: dict[str, Any]) -> None:
    assert not read_held(body)


@pytest.mark.parametrize(
    "body",
    [
        {"TotalNum": 1},
        {"TaskNum": 1},
        {"TotalNum": "many"},
        {"TotalNum": 2, "TaskList": []},
        {"TaskList": None, "TotalNum": "2"},
        {"Num": 2, "Data": None},
        {"TaskList": {}},
        {"TaskList": [7]},
        {"TaskList": [{}]},
        {"TaskList": [{"TaskID": "T", "Data": None}]},
        {"TaskList": [{"TaskID": "T", "Data": [7]}]},
        {"TaskList": [{"TaskID": "T", "Num": 2, "Data": [ITEM]}]},
        {"TaskNum": 2, "TaskList": [{"TaskID": "T", "Num": 1, "Data": [ITEM]}]},
    ],
)
def test_a_list_that_may_be_incomplete_is_refused(body: dict[str, Any]) -> None:
    """Mistaking a full list for an empty one would buy all leases again."""
    with pytest.raises(ResponseShapeError):
        read_held({"Code": 0, **body})


@pytest.mark.parametrize("body", [{"TaskID": "T"}, {"TaskID": "T", "Data": []}, {"Data": [ITEM]}])
def test_a_success_without_leases_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        read_new(body)


def test_an_allocation_that_names_fewer_leases_than_its_number_is_refused() -> None:
    with pytest.raises(ResponseShapeError, match="Num is 2, but 1 leases are listed"):
        read_new({"Code": 0, "TaskID": "T", "Num": 2, "Data": [ITEM]})


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"AreaId": 1, "Area": "x", "Isp": 2, "Status": 0}, ("1", "x", "mobile", False)),
        (
            {"area_code": "350500", "area_name": "x", "isp": "电信", "available": 3},
            ("350500", "x", "telecom", True),
        ),
        ({"area_code": " US ", "area": "x"}, ("US", "x", None, None)),
        ({"AreaId": 7, "area_code": "US"}, ("US", None, None, None)),
        ({"AreaId": 7, "area_code": ""}, ("7", None, None, None)),
        ({"area_code": 0, "AreaNo": "0"}, (None, None, None, None)),
        ({"something": 1}, (None, None, None, None)),
        ({"AreaId": None, "Area": 7, "Isp": None, "Status": "on"}, (None, "7", None, None)),
    ],
)
def test_an_area_is_read_as_far_as_it_can_be(
    row: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    (found,) = read_areas({"Data": [row]})
    assert (found.code, found.name, found.isp, found.available) == expected
    assert found.vendor == row


LEASE = {
    "proxy_ip": "192.0.2.30",
    "server": "198.51.100.8:22294",
    "area_code": 130227,
    "area": "河北省唐山市迁西县",
    "isp": "电信",
    "deadline": "2030-03-03 21:38:38",
}
TUNNEL = {"server": "tunpool-demo1.qg.net:19702", "area": "110100", "distinct": False}
#: By the product and call whose shape it is.
SHAPES: dict[str, Any] = {
    "exclusive get": {"task_id": "T", "num": 1, "ips": [LEASE]},
    "longterm get of 2026": [{**LEASE, "task_id": "T"}],
    "exclusive query": {"tasks": [{"task_id": "T", "ips": [LEASE]}]},
    "longterm query, tasks by name": {"tasks": {"T": [LEASE]}},
    "longterm query, tasks by name with ips": {"tasks": {"T": {"ips": [LEASE]}}},
    "a lone lease": {**LEASE, "task_id": "T"},
}


def held(data: object) -> list[Lease]:
    return read_product_held(data) or []


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_lease(shape: str) -> None:
    (found,) = held(SHAPES[shape])
    assert found.ip == "192.0.2.30"
    assert found.server == "198.51.100.8:22294"
    assert found.port == 22294
    assert found.task_id == "T"
    described = found.described(now=0)
    assert described["region"] == "河北省唐山市迁西县"
    assert described["isp"] == "telecom"
    assert described["area_code"] == "130227"
    assert described["expires_at"] == "2030-03-03T21:38:38+08:00"


def test_a_lease_without_a_task_has_none() -> None:
    (found,) = held([LEASE])
    assert found.described(now=0)["task_id"] is None


def test_a_tunnel_entry_has_neither_exit_nor_deadline() -> None:
    (found,) = held([TUNNEL])
    described = found.described(now=0)
    assert found.server == "tunpool-demo1.qg.net:19702"
    assert described["ip"] is described["deadline"] is described["remaining_seconds"] is None


def test_a_provider_without_a_number_keeps_its_name() -> None:
    (found,) = held([{**LEASE, "isp": "Example Telecom LLC"}])
    assert found.described(now=0)["isp"] == "Example Telecom LLC"


@pytest.mark.parametrize(
    "data", [None, [], {}, {"ips": []}, {"tasks": []}, {"tasks": {}}, {"num": 0}]
)
def test_no_leases_have_several_shapes(data: object) -> None:
    assert held(data) == []
    with pytest.raises(ResponseShapeError):
        read_product_new(data)


@pytest.mark.parametrize(
    "data",
    [
        "192.0.2.30:22294",
        [7],
        [{"proxy_ip": "192.0.2.30"}],
        {"ips": [LEASE], "num": 2},
        {"unknown": []},
        [{}],
        {"ips": None},
        {"tasks": None},
        {"task_id": "T", "num": 1},
    ],
)
def test_a_list_of_a_product_that_may_be_incomplete_is_refused(data: object) -> None:
    """Mistaking a full list for an empty one would buy all leases again."""
    with pytest.raises(ResponseShapeError):
        held(data)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["ips", "tasks", "task_id", "num", "server", "proxy_ip"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_other_json_is_refused_and_never_fails_otherwise(data: object) -> None:
    found = []
    is_refused = False
    try:
        found = held(data)
    except ResponseShapeError:
        is_refused = True
    # Nobody would be told of what was paid for if text could be read as no lease at all.
    assert is_refused or isinstance(data, list | dict) or data is None
    for lease in found:
        json.dumps(lease.described(now=0), allow_nan=False)
        assert lease.name
        usable = lease.is_usable("proxy.qg.net")
        assert not usable or lease.server.endswith(f":{lease.port}")


def test_the_quota_of_a_plan_by_channels() -> None:
    found = read_product_quota({"total": 10, "idle": "5"}).described()
    assert found == {"unit": "channels", "total": 10, "available": 5, "used": 5}


def test_the_balance_of_a_plan_by_volume() -> None:
    assert read_balance({"balance": "950"}).described() == {
        "unit": "addresses",
        "total": None,
        "available": 950,
        "used": None,
    }


@pytest.mark.parametrize("data", [None, [], {}, {"total": 3}, {"balance": None}])
def test_a_quota_of_another_shape_is_refused(data: object) -> None:
    for read in (read_product_quota, read_balance):
        with pytest.raises(ResponseShapeError):
            read(data)


@pytest.mark.parametrize(("data", "number"), [(2, 2), ("2", 2), (1, 0), (None, 2), ([], 2)])
def test_a_release_may_report_how_many(data: object, number: int) -> None:
    assert len(read_product_released(data, held([LEASE, TUNNEL]))) == number

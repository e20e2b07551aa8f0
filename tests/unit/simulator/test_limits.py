# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a key may do: calls a minute, channels, releases, lifetimes and stock."""

from __future__ import annotations

from typing import Any

import pytest
from support.vendor import KEY, Vendor

from .clients import fetch

DAY = 86400
#: Calls a minute by plan, with two channels.
CALLS: dict[tuple[str, str], dict[str, int]] = {
    ("dynamic_dedicated", "time"): {
        "/whitelist/add": 20,
        "/whitelist/del": 20,
        "/whitelist/query": 60,
        "/info/quota": 60,
        "/resources": 60,
        "/allocate": 20,
        "/replace": 20,
        "/query": 20,
        "/release": 10,
    },
    ("dynamic_dedicated", "volume"): {"/allocate": 60, "/query": 60, "/release": 60},
    ("dynamic_shared", "time"): {"/extract": 45},
    ("exclusive_occupancy", "time"): {
        "/monopolies": 60,
        "/monopolies/idle": 60,
        "POST /monopolies": 20,
        "DELETE /monopolies": 20,
        "PUT /monopolies/ips": 20,
    },
    ("share", "time"): {
        "/share/get": 20,
        "/share/aggregate/get": 20,
        "/share/pool": 60,
        "/share/query": 60,
        "/share/channels": 60,
        "/share/resources": 60,
        "/whitelist/query": 60,
    },
    ("share", "volume"): {"/share/get": 60, "/share/balance": 60},
    ("longterm", "time"): {"/longterm/get": 20, "/longterm/query": 60, "/longterm/delete": 20},
    ("exclusive", "time"): {
        "/exclusive/get": 20,
        "/exclusive/replace": 20,
        "/exclusive/delete": 20,
    },
    ("overseas", "time"): {"/overseas/get": 60, "/overseas/query": 60, "/overseas/resources": 60},
}
ROWS = [(*plan, target, limit) for plan, calls in CALLS.items() for target, limit in calls.items()]
#: What a product host says to three releases, and to one that comes too early.
LIMITED = ["SUCCESS", "SUCCESS", "DELETE_LIMIT_EXCEEDED"]
TOO_YOUNG = ["STATIC_DELETE_TIME_LIMIT"]


@pytest.mark.parametrize(("kind", "billing", "target", "limit"), ROWS)
def test_a_call_has_its_limit_in_a_window_from_the_first_call(
    vendor: Vendor, kind: str, billing: str, target: str, limit: int
) -> None:
    vendor.configure(plan={"kind": kind, "billing": billing, "channels": 2})
    params = {}
    if "monopolies" in target:
        params = {"UUIDs": "x"}

    def is_limited() -> bool:
        vendor.call(target, **params)
        return list(vendor.journal)[-1].code in (-11, "REQUEST_LIMIT_EXCEEDED")

    assert not is_limited()
    vendor.clock.advance(30)
    for _repeat in range(limit - 1):
        assert not is_limited()
    assert is_limited()
    vendor.clock.advance(30)
    assert not is_limited()


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("dynamic_dedicated", ["/extract", "/monopolies", "/share/get"]),
        ("dynamic_shared", ["/replace", "/release", "/monopolies", "/longterm/get"]),
        ("exclusive_occupancy", ["/allocate", "/query", "/release", "/replace", "/extract"]),
        (
            "share",
            [
                "/allocate",
                "/query",
                "/info/quota",
                "/resources",
                "/share/balance",
                "/exclusive/query",
            ],
        ),
        ("tunnel", ["/allocate", "/share/get"]),
    ],
)
def test_a_plan_lacks_the_calls_of_others(vendor: Vendor, kind: str, others: list[str]) -> None:
    vendor.configure(plan={"kind": kind})
    for target in others:
        vendor.call(target)
        assert list(vendor.journal)[-1].code in (-15, "ACCESS_DENY")
    assert vendor.code("/whitelist/query") == 0


@pytest.mark.parametrize(
    ("plan", "target", "params", "codes"),
    [
        ({"channels": 2}, "/allocate", {"Num": "3"}, [-101]),
        ({"channels": 2}, "/allocate", {}, [0, 0, -102]),
        ({"stock": {"areas": []}}, "/allocate", {}, [-103]),
        ({"billing": "volume", "balance": 1}, "/allocate", {}, [0, -105]),
        ({"kind": "share", "channels": 1}, "/share/get", {}, ["SUCCESS", "NO_AVAILABLE_CHANNEL"]),
        ({"kind": "share"}, "/share/get", {"area": "999999"}, ["NO_RESOURCE_FOUND"]),
        (
            {"kind": "share", "billing": "volume", "balance": 0},
            "/share/get",
            {},
            ["BALANCE_INSUFFICIENT"],
        ),
        ({"kind": "share"}, "/share/get", {"num": "101"}, ["INVALID_PARAMETER"]),
        ({"kind": "share"}, "/share/get", {"distinct": "maybe"}, ["INVALID_PARAMETER"]),
        ({"kind": "share"}, "/share/get", {"area": "4401"}, ["INVALID_PARAMETER"]),
        ({"kind": "longterm"}, "/longterm/delete", {"ip": "*"}, ["ACCESS_DENY"]),
        ({"kind": "exclusive_occupancy", "channels": 1}, "POST /monopolies", {}, [0, -102]),
    ],
)
def test_more_than_there_is_is_refused(
    vendor: Vendor, plan: dict[str, Any], target: str, params: dict[str, str], codes: list[Any]
) -> None:
    vendor.configure(plan=plan)
    for _code in codes:
        vendor.call(target, **params)
    assert [record.code for record in vendor.journal] == codes


@pytest.mark.parametrize(
    ("plan", "get", "release", "seconds", "codes"),
    [
        ({"channels": 1}, "/allocate", "/release?IP=*", 1, [0, 0, -105]),
        ({"kind": "static_dedicated"}, "/allocate", "/release?IP=*", DAY, [-105]),
        ({"kind": "static_dedicated"}, "/allocate", "/release?IP=*", 1.1 * DAY, [0, 0, -105]),
        (
            {"kind": "exclusive", "channels": 1},
            "/exclusive/get",
            "/exclusive/delete?ip=*",
            1,
            LIMITED,
        ),
        (
            {"kind": "longterm", "static": True},
            "/longterm/get",
            "/longterm/delete?ip=*",
            DAY,
            TOO_YOUNG,
        ),
        (
            {"kind": "longterm", "static": True},
            "/longterm/get",
            "/longterm/delete?ip=*",
            1.1 * DAY,
            LIMITED,
        ),
    ],
)
def test_releases_have_limits(
    vendor: Vendor, plan: dict[str, Any], get: str, release: str, seconds: float, codes: list[Any]
) -> None:
    vendor.configure(plan=plan)
    for code in codes:
        assert fetch(vendor, get)[0] == 200
        vendor.clock.advance(seconds)
        body = fetch(vendor, release)[1]
        assert body.get("Code", body.get("code")) == code


@pytest.mark.parametrize(
    ("kind", "get", "release"),
    [
        ("static_dedicated", "/allocate?Num=5", "/release?IP="),
        ("longterm", "/longterm/get?num=5", "/longterm/delete?ip="),
    ],
)
def test_static_addresses_are_released_twice_a_week_however_many(
    vendor: Vendor, kind: str, get: str, release: str
) -> None:
    vendor.configure(plan={"kind": kind, "static": True, "channels": 5})
    assert fetch(vendor, get)[0] == 200
    vendor.clock.advance(1.1 * DAY)
    addresses = [lease.ip for lease in vendor.leases]
    for batch, left in ((addresses[:3], 2), (addresses[3:4], 1), (addresses[4:], 1)):
        fetch(vendor, release + ",".join(batch))
        assert len(vendor.leases) == left


@pytest.mark.parametrize(
    ("form", "expected"), [("list", {"Data": []}), ("null", {"Data": None}), ("absent", {})]
)
def test_an_empty_list_has_a_form_of_its_own(
    vendor: Vendor, form: str, expected: dict[str, Any]
) -> None:
    vendor.configure(options={"empty_data": form})
    assert fetch(vendor, "/whitelist/query")[1] == {"Code": 0, **expected}
    vendor.configure(whitelist=["203.0.113.5"])
    assert fetch(vendor, "/whitelist/query")[1] == {"Code": 0, "Data": ["203.0.113.5"]}


@pytest.mark.parametrize(
    ("kind", "get", "minutes"),
    [
        ("dynamic_dedicated", "/allocate?KeepAlive=30", 30),
        ("dynamic_dedicated", "/allocate", 1440),
        ("dynamic_shared", "/allocate?KeepAlive=30", 10),
        ("share", "/share/get", 1),
        ("longterm", "/longterm/get?keep_alive=5", 30),
        ("exclusive", "/exclusive/get?keep_alive=480", 480),
        ("overseas", "/overseas/get", 60),
    ],
)
def test_a_lease_lasts_as_long_as_its_plan_says(
    vendor: Vendor, kind: str, get: str, minutes: int
) -> None:
    vendor.configure(plan={"kind": kind})
    fetch(vendor, get)
    (lease,) = vendor.keys[KEY].holdings.leases
    assert lease.ends - vendor.clock.now() == minutes * 60


def test_a_released_channel_is_free_after_its_delay(vendor: Vendor) -> None:
    vendor.configure(plan={"channels": 1, "free_delay": 5})
    vendor.call("/allocate")
    vendor.call("/release", IP="*")
    assert vendor.code("/allocate") == -102
    vendor.clock.advance(5)
    assert vendor.code("/allocate") == 0


def test_a_replace_gives_up_the_oldest_and_pays_for_new_ones(vendor: Vendor) -> None:
    first = vendor.call("/allocate")["Data"][0]["IP"]
    second = vendor.call("/allocate")["Data"][0]["IP"]
    (replacement,) = vendor.call("/replace")["Data"]
    new = replacement["IP"]
    holdings = vendor.keys[KEY].holdings
    assert [lease.ip for lease in holdings.leases] == [second, new]
    assert [paid["ip"] for paid in holdings.paid] == [first, second, new]


def test_a_monopoly_is_queued_dialed_and_released(vendor: Vendor) -> None:
    vendor.configure(
        plan={"kind": "exclusive_occupancy"}, options={"queue_seconds": 5, "dial_seconds": 5}
    )
    (uuid,) = vendor.call("POST /monopolies")["data"]
    states = []
    for seconds in (0, 5, 5):
        vendor.clock.advance(seconds)
        states.append(vendor.call("/monopolies")["data"][0]["state"])
    vendor.configure(offline=[uuid])
    states.append(vendor.call("/monopolies")["data"][0]["state"])
    assert states == ["排队中(等待秒数5)", "重拨中", "在线", "离线"]
    vendor.clock.advance(12 * 3600)
    assert vendor.response("PUT /monopolies/ips", UUIDs=uuid) == (200, {"data": [uuid]})
    assert vendor.response("DELETE /monopolies", UUIDs=f"{uuid},x")[0] == 400
    assert vendor.response("DELETE /monopolies", UUIDs=uuid) == (200, {"data": [uuid]})
    assert vendor.response("/monopolies") == (200, {"data": []})

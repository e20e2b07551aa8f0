# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What QG.net's documents leave open, and what the simulator takes for the answer: a difference is
a failed test.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from .conftest import Answer, QgNet

UNKNOWN = "QGNOBODY"
FIRST = "203.0.113.201"
SECOND = "203.0.113.202"
ABSENT = "203.0.113.203"
#: The calls of the classic API, by the names that the product hosts have for them.
CLASSIC_PATHS = {
    "get": "/allocate",
    "query": "/query",
    "channels": "/info/quota",
    "resources": "/resources",
    "delete": "/release",
}
RELEASING = ("classic", "exclusive")
QG_TIME = timezone(timedelta(hours=8))


def of_product(vendor: QgNet, name: str, **params: str) -> Answer:
    """A call of the product's own API."""
    if vendor.is_classic:
        return vendor.call(CLASSIC_PATHS[name], **params)
    return vendor.call(f"{vendor.product}/{name}", **params)


def succeeded(answer: Answer) -> bool:
    return answer.status == 200 and answer.code in (0, "SUCCESS")


def listed(vendor: QgNet) -> list[str]:
    answer = vendor.call("/whitelist/query")
    assert succeeded(answer), answer
    return list(answer.data or [])


def leases(value: Any) -> list[dict[str, Any]]:
    """The leases in an answer, however deep they are."""
    nested = value
    if isinstance(value, dict):
        if "deadline" in value:
            return [value]
        nested = list(value.values())
    rows: list[dict[str, Any]] = []
    if isinstance(nested, list):
        for inner in nested:
            rows += leases(inner)
    return rows


def address(lease: dict[str, Any]) -> str:
    return str(lease.get("IP") or lease.get("proxy_ip"))


# Reads


def test_an_unknown_key_is_refused_with_a_text(vendor: QgNet) -> None:
    answer = of_product(vendor, "query", key=UNKNOWN)
    expected = (200, -100) if vendor.is_classic else (400, "INVALID_KEY")
    assert (answer.status, answer.code) == expected
    assert answer.text


def test_another_product_refuses_the_key(vendor: QgNet) -> None:
    other = "exclusive" if vendor.product == "share" else "share"
    answer = vendor.call(f"{other}/query")
    assert answer.status == 400
    assert answer.code == "ACCESS_DENY"


def test_an_answer_is_json_unless_the_call_names_a_format(vendor: QgNet) -> None:
    assert of_product(vendor, "query").media_type == "application/json"


def test_a_post_is_read_from_its_body(vendor: QgNet) -> None:
    assert succeeded(vendor.call("/whitelist/query", method="POST"))


def test_the_key_has_a_list_of_leases_and_areas(vendor: QgNet) -> None:
    assert succeeded(of_product(vendor, "query"))
    areas = of_product(vendor, "resources")
    fields = {"AreaId", "Area", "Isp", "Status"} if vendor.is_classic else {"area", "area_code"}
    assert areas.data
    for row in areas.data:
        assert set(row) >= fields


def test_numbers_are_numbers(vendor: QgNet) -> None:
    if vendor.product == "overseas":
        pytest.skip("a plan of overseas has no quota")
    answer = of_product(vendor, "channels")
    counts = answer.data
    names = ["total", "idle"]
    if vendor.is_classic:
        counts = answer.body
        names = ["Total", "Used", "Available"]
    assert {type(counts[name]) for name in names} == {int}


def test_a_list_without_entries_is_an_empty_list(vendor: QgNet) -> None:
    answer = vendor.call("/whitelist/query")
    assert isinstance(answer.data, list)


# The whitelist


@pytest.fixture
def clean(vendor: QgNet) -> Iterator[list[str]]:
    """The whitelist before a test, without the addresses of the tests, and again without them after
    it.
    """
    before = listed(vendor)
    assert not {FIRST, SECOND} & set(before), (
        "the addresses of the tests are on the whitelist already"
    )
    try:
        yield before
    finally:
        vendor.call("/whitelist/del", IP=f"{FIRST},{SECOND}")
        assert vendor.until(lambda: not {FIRST, SECOND} & set(listed(vendor))), (
            f"remove {FIRST} and {SECOND} by hand"
        )


@pytest.mark.write
def test_added_addresses_are_named_and_listed_as_given_at_the_end(
    vendor: QgNet, clean: list[str]
) -> None:
    answer = vendor.call("/whitelist/add", IP=f"{FIRST},{SECOND}")
    assert answer.code == 0
    assert answer.data == [FIRST, SECOND]
    assert answer.body["Num"] == 2
    assert vendor.until(lambda: listed(vendor) == [*clean, FIRST, SECOND])


@pytest.mark.write
def test_adding_a_present_address_succeeds(vendor: QgNet, clean: list[str]) -> None:
    for _time in range(2):
        assert succeeded(vendor.call("/whitelist/add", IP=FIRST))
    assert vendor.until(lambda: listed(vendor) == [*clean, FIRST])


@pytest.mark.write
@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("entry", [f"{FIRST}/32", "2001:db8::201"])
def test_networks_and_ipv6_addresses_are_refused(vendor: QgNet, entry: str) -> None:
    assert vendor.call("/whitelist/add", IP=entry).code == -10


@pytest.mark.write
def test_an_address_is_removed_by_its_text(vendor: QgNet, clean: list[str]) -> None:
    vendor.call("/whitelist/add", IP=FIRST)
    assert vendor.until(lambda: FIRST in listed(vendor))
    answer = vendor.call("/whitelist/del", IP=FIRST)
    assert answer.code == 0
    assert answer.data == [FIRST]
    assert vendor.until(lambda: listed(vendor) == clean)


@pytest.mark.write
def test_removing_an_absent_address_succeeds_and_names_nothing(vendor: QgNet) -> None:
    answer = vendor.call("/whitelist/del", IP=ABSENT)
    assert answer.code == 0
    assert answer.data == []


# Leases


@pytest.mark.write
def test_releasing_what_the_key_does_not_hold_succeeds(vendor: QgNet) -> None:
    if vendor.product not in RELEASING:
        pytest.skip("the product releases nothing that is not held")
    assert succeeded(of_product(vendor, "delete", **ip_of(vendor, ABSENT)))


def ip_of(vendor: QgNet, text: str) -> dict[str, str]:
    """The parameter of a release."""
    name = "IP" if vendor.is_classic else "ip"
    return {name: text}


def is_listed(vendor: QgNet, ip: str) -> bool:
    return ip in [address(lease) for lease in leases(of_product(vendor, "query").body)]


@pytest.mark.paid
def test_a_lease_is_listed_until_it_is_released_and_ends_by_the_time_of_beijing(
    vendor: QgNet,
) -> None:
    terms = {"classic": {"Num": "1", "KeepAlive": "10"}, "share": {"num": "1", "keep_alive": "1"}}
    begin = datetime.now(QG_TIME).replace(tzinfo=None)
    answer = of_product(vendor, "get", **terms.get(vendor.product, {"num": "1"}))
    assert succeeded(answer), answer
    (lease,) = leases(answer.body)
    ip = address(lease)
    try:
        assert re.fullmatch(r"\S+:\d+", lease.get("server") or lease.get("host") or "")
        ends = datetime.strptime(lease["deadline"], "%Y-%m-%d %H:%M:%S")
        assert timedelta(0) < ends - begin < timedelta(days=32)
        assert vendor.until(lambda: is_listed(vendor, ip))
    finally:
        if vendor.product in RELEASING:
            released = of_product(vendor, "delete", **ip_of(vendor, ip))
            assert succeeded(released), f"release {ip} by hand: {released}"
            assert vendor.until(lambda: not is_listed(vendor, ip))


# The account


def signed(vendor: QgNet, **changes: str) -> Answer:
    """Ask for the packages of a product, which QG.net shows to everybody who signs."""
    app_id, app_key = vendor.account
    params = {
        "appid": app_id,
        "domain": "www.qg.net",
        "time": str(int(time.time())),
        "productId": "104",
    } | changes
    text = f"{params['appid']}{params['domain']}{params['time']}{app_key}"
    sign = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return vendor.send(
        f"{vendor.account_url}/cloud-product/packageList", "GET", {"sign": sign, **params}
    )


@pytest.mark.account
def test_a_signed_call_of_the_account_succeeds(vendor: QgNet) -> None:
    assert signed(vendor).code == 0


@pytest.mark.account
@pytest.mark.parametrize(
    "mistake",
    [{"sign": "0" * 32}, {"sign": ""}, {"appid": UNKNOWN}, {"domain": "x.example"}, {"time": "1"}],
    ids=str,
)
def test_a_call_that_is_not_signed_properly_is_refused_with_a_text(
    vendor: QgNet, mistake: dict[str, str]
) -> None:
    answer = signed(vendor, **mistake)
    assert answer.code != 0
    assert answer.text

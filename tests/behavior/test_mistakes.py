# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options: each is one sentence with option, value and fix, before any call, and nothing is paid for.

A value that may be a secret is not shown.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.invariants import assert_one_sentence
from support.node import Node
from support.paid_calls import ALLOCATE, MONOPOLY, RELEASE, REPLACE

INFO, POOL, AREAS = "qg_proxy_info", "qg_proxy_pool_info", "qg_area_info"
WHITELIST, LEDGER, TUNNEL = "qg_whitelist", "qg_ledger_info", "qg_tunnel_exit"
PRICE, INSTANCES, PACKAGES = "qg_cloud_price_info", "qg_cloud_instance_info", "qg_cloud_package_facts"
IPS = {"ips": ["203.0.113.5"]}
ACCOUNT = {"app_id": "qgdemo01", "app_key": "HUSHHUSH01", "account_url": "http://account.example/api"}
PRODUCTS = "none of its values: give auto, classic, share, longterm, exclusive or overseas"
NO_TEXT = "not text: give one text, in quotes"
NO_KEY = "give only the Authkey of QG.net's user center"
NO_URL = "cannot be used: give one URL with scheme and host, such as https://"
NO_LEASE = "which is no exit IP and no server of a lease: give addresses such as 203.0.113.5"
NO_ADDRESS = "give single IPv4 addresses such as 203.0.113.5"
ONE_OF_THEM = "of areas lies: leave one of them out"

Mistakes = list[tuple[str, dict[str, Any], list[str]]]


def allocate(*words: str, **options: Any) -> tuple[str, dict[str, Any], list[str]]:
    """A mistake of a task that would pay."""
    return (ALLOCATE, {"count": 1, **options}, list(words))


TYPES: Mistakes = [
    *[
        allocate(f"count='{value}' is not a whole number: give one, such as 5", count=value)
        for value in ("three", "2.5", "inf", "1e400", "")
    ],
    allocate("count='2.5' is not a whole number: give one", count=2.5),
    allocate("count=true is not a whole number: give one", count=True),
    allocate("count is a list, which is not a whole number", count=[1]),
    allocate("count is a dictionary, which is not a whole number", count={"a": 1}),
    allocate("count='...' is not a whole number", count="http://me:HUSH7@192.0.2.1"),
    allocate("exact='maybe' is not a boolean: give true or false", exact="maybe"),
    allocate("distinct='2' is not a boolean: give true or false", distinct=2),
    allocate("timeout='10s' is not a number: give one, such as 10", timeout="10s"),
    allocate("timeout=true is not a number", timeout=True),
    allocate("areas is a dictionary, which is not a list: give a list, such as [A, B]", areas={"a": 1}),
    allocate(f"areas contains null, which is {NO_TEXT}", areas=["350500", None]),
    # YAML reads the code of Norway as a boolean.
    allocate(f"areas contains false, which is {NO_TEXT}", areas=[False]),
    allocate(f"areas contains a list, which is {NO_TEXT}", areas=[["350500"]]),
    allocate(f"min_remaining is a list, which is {NO_TEXT}", min_remaining=[5]),
    allocate(f"product='Share' is {PRODUCTS}", product="Share"),
    allocate(f"product='classic ' is {PRODUCTS}", product="classic "),
    allocate("product='classic\N{FULLWIDTH REVERSE SOLIDUS}xa0' is", product="classic\xa0"),
    allocate("isp='chinanet' is none of its values: give telecom, mobile, unicom or bgp", isp="chinanet"),
    allocate("on_uncertain='maybe' is none of its values: give fail, ignore or match", on_uncertain="maybe"),
    allocate("Num is not an option: the options are api_url, areas, count,", Num=3),
    allocate("quantity is not an option: the options are api_url, areas,", quantity=3),
    allocate("Count is not an option: did you mean count? The options", Count=3),
    (ALLOCATE, {}, ["count is missing: give it as option"]),
    (ALLOCATE, {"count": None}, ["count is missing: give it as option"]),
    (AREAS, {"available": "perhaps"}, ["available='perhaps' is not a boolean"]),
    (POOL, {"pool": "premium"}, ["pool='premium' is none of its values: give normal or enterprise"]),
    (WHITELIST, {"ips": {"web1": "203.0.113.5"}}, ["ips is a dictionary, which is not a list"]),
    (WHITELIST, {**IPS, "state": "Present"}, ["state='Present' is none of its values: give present, absent or exact"]),
    (PRICE, {**ACCOUNT, "package_no": "A1"}, [" is missing: give it as option"]),
    (INSTANCES, {**ACCOUNT, "product_id": "a"}, ["product_id='a' is not a whole number"]),
]
NUMBERS: Mistakes = [
    *[allocate(f"count={value} is out of range: give a number from 1 to 100", count=value) for value in (0, -3, 101)],
    *[
        allocate(f"timeout={value:g} is out of range: give a number from 0.1 to 600", timeout=value)
        for value in (0, -1)
    ],
    *[allocate(f"timeout={value} is out of range: give", timeout=value) for value in ("nan", "inf")],
    *[allocate(f"max_wait={value} is out of range: give a number from 0", max_wait=value) for value in (-1, "nan")],
    *[allocate(f"min_remaining={value} is out of range: give", min_remaining=value) for value in (-1, 525601)],
    *[
        allocate(f"min_remaining='{value}' cannot be used: give a number of minutes, or", min_remaining=value)
        for value in ("1.5", "nan", "5 minutes", "1w", "")
    ],
    *[allocate(f"keep_alive={value} is out of range: give a number from 1", keep_alive=value) for value in (0, 525601)],
    allocate("keep_alive=90s is not a number of whole minutes: give one, such as 5m", keep_alive="90s"),
    allocate("keep_alive=30 must be more than min_remaining=30", keep_alive=30, min_remaining=30),
    *[
        allocate(f"max_new_per_day={value} is out of range: give a number from 1", max_new_per_day=value)
        for value in (0, -1)
    ],
    *[allocate(f"max_new_per_day='{value}' is not a whole number", max_new_per_day=value) for value in ("many", "1.5")],
    (REPLACE, {"count": 0}, ["count=0 is out of range"]),
    (REPLACE, {"count": 101}, ["count=101 is out of range"]),
    (REPLACE, {"all": True, "keep_alive": -1}, ["keep_alive=-1 is out of range"]),
    (POOL, {"count": 101}, ["count=101 is out of range"]),
    (MONOPOLY, {"count": 0}, ["count=0 is out of range: give a number from 1 to 100"]),
    (MONOPOLY, {"count": 101}, ["count=101 is out of range"]),
    (WHITELIST, {**IPS, "state": "exact", "max_removals": -1}, ["max_removals=-1 is out of range"]),
    (PACKAGES, {**ACCOUNT, "product_id": 0}, ["product_id=0 is out of range"]),
    (TUNNEL, {"tunnel": "192.0.2.1", "password": "0123456789ab", "timeout": 0}, ["timeout=0 is out of range"]),
]
CREDENTIALS: Mistakes = [
    *[
        allocate(f"key is empty ('{shown}'), which never means another key: give a value, or leave", key=value)
        for value, shown in (("", ""), (" ", " "), ("\n", "\N{FULLWIDTH REVERSE SOLIDUS}n"))
    ],
    allocate("key is null, which never means another key", "default(omit)", key=None),
    allocate(f"key is {NO_TEXT}", key=["HUSHHUSH01"]),
    allocate(f"key is {NO_TEXT}", key=True),
    *[
        allocate("key contains a blank, a line break, quotes, an equals sign", NO_KEY, key=value)
        for value in (" HUSH01", "HUSH01\n", "<HUSH01>", "'HUSH01'", "QG_KEY=HUSH01", "\ufeffHUSH01")
    ],
    *[
        allocate("password begins or ends with a blank or a line break", "give only the Authpwd", password=value)
        for value in (" HUSHHUSH01", "HUSHHUSH01\n", "HUSH\x00HUSH")
    ],
    allocate("with_credentials=true needs password", "set password", with_credentials=True),
    *[
        (PACKAGES, {**ACCOUNT, "product_id": 1, option: value}, [words, f"give {what} of the page Agent in QG.net's"])
        for option, what in (("app_id", "the appid"), ("app_key", "the appkey"))
        for value, words in (("", f"{option} is empty"),)
    ],
    (TUNNEL, {"tunnel": "192.0.2.1", "password": ""}, ["password is empty: give it"]),
    (INFO, {"with_credentials": True}, ["with_credentials=true needs password"]),
    (REPLACE, {"all": True, "with_credentials": True}, ["with_credentials=true needs password"]),
]
URLS: Mistakes = [
    *[
        allocate(f"api_url {NO_URL}proxy.qg.net", api_url=value)
        for value in (
            "",
            "proxy.qg.net",
            "ftp://proxy.qg.net",
            "https://proxy.qg.net ",
            "https://proxy.qg.net:0",
            "https://proxy.qg.net:99999",
            "https://a.example,https://b.example",
        )
    ],
    allocate("api_url contains a user name, a password", api_url="https://me:HUSH@proxy.qg.net"),
    allocate(
        "api_url must contain only scheme, host and path, such as http://127.0.0.1:8080: leave out the query",
        api_url="http://127.0.0.1:8080/?Key=HUSH",
    ),
    allocate("api_url must contain only scheme, host and path", api_url="https://proxy.qg.net#HUSH"),
    (PACKAGES, {**ACCOUNT, "product_id": 1, "account_url": "qg.net"}, [f"account_url {NO_URL}www.qg.net/api"]),
    *[allocate("store", "cannot be used", store=value) for value in ("", " ", "/etc/passwd")],
    *[
        (TUNNEL, {"tunnel": value, "password": "0123456789ab"}, ["tunnel", "is not the address of a tunnel: give"])
        for value in ("http://tunnel.qg.net", "tunnel.qg.net:99999", "", "1.5.")
    ],
]
PLACES: Mistakes = [
    *[
        allocate(f"exclude_areas contains '{outer}', in which '{area}' {ONE_OF_THEM}", product="share", **options)
        for area, outer, options in (
            ("350500", "350500", {"areas": [350500], "exclude_areas": ["350500"]}),
            ("350500", "350000", {"areas": ["350500"], "exclude_areas": ["440100", "350000"]}),
            ("350500", "350500", {"areas": ["440100", " 0350500"], "exclude_areas": [350500]}),
            ("US", "US", {"areas": ["us"], "exclude_areas": ["US"]}),
            ("NAME", "NAME", {"areas": ["NAME"], "exclude_areas": ["NAME"]}),
        )
    ],
    allocate("areas contains 2 areas", "product=classic leases in one: give one of them", areas=["350500", "440100"]),
    allocate("areas contains '': give one whole name, in each entry", areas=["350500", ""]),
    allocate("areas contains '': give one whole name", areas="350500,,440100"),
    allocate("exclude_areas is not an option of product=classic", exclude_areas=["350500"]),
    allocate("pool is not an option of product=classic", pool="normal"),
    allocate("isp=bgp is not a provider of product=share: give telecom", isp="bgp", product="share"),
    *[
        allocate(f"exclude_ips contains '{value}', {NO_LEASE}", exclude_ips=["203.0.113.5", value])
        for value in ("1.2.3", "1.2.3:80", "203.0.113.5:0", "203.0.113.5:99999", "203.0.113.0/24", "proxy.example")
    ],
    allocate(f"exclude_ips contains '...', {NO_LEASE}", exclude_ips=["http://203.0.113.5:80"]),
    allocate("exclude_ips contains '': give one whole name", exclude_ips=[""]),
    *[
        (module, {"ips": [value]}, [f"ips contains '{value}', {NO_LEASE}"])
        for module in (RELEASE, REPLACE)
        for value in ("1.2.3", "203.0.113.5-9", "203.0.113.5.6")
    ],
    *[(WHITELIST, {"ips": [value]}, [f"ips contains '{value}'", NO_ADDRESS]) for value in ("1.2.3", "203.0.113.0/24")],
    (WHITELIST, {"ips": ["203.0.113.5:8080"]}, ["ips contains '203.0.113.5:8080'", NO_ADDRESS]),
    (WHITELIST, {"ips": ["2001:db8::1"]}, ["ips contains '2001:db8::1'", NO_ADDRESS]),
    (WHITELIST, {"ips": ["203.0.113.05"]}, ["ips contains '203.0.113.05'", NO_ADDRESS]),
    (WHITELIST, {"ips": ["203.0.113.5", ""]}, ["ips contains ''", NO_ADDRESS]),
    (WHITELIST, {"ips": ["192.168.1.20"]}, ["ips contains 192.168.1.20, which is not an address of the public"]),
    (WHITELIST, {"ips": [], "state": "exact"}, ["ips is empty: state=exact would remove every address"]),
]
CHOICES: Mistakes = [
    *[
        (RELEASE, options, ["No lease is selected: give ips or task_ids, or set all=true"])
        for options in ({}, {"all": False})
    ],
    (RELEASE, {"all": True, **IPS}, ["ips and all=true exclude each other: leave one of them out"]),
    (RELEASE, {**IPS, "task_ids": ["T"]}, ["ips and task_ids exclude each other: leave one of them out"]),
    (RELEASE, {"ips": ["*"]}, ["ips contains '*': give one whole name"]),
    (RELEASE, {"ips": ["ALL "]}, ["ips contains 'all', which is not an address: set all=true"]),
    (RELEASE, {"ips": ["203.0.113.1,203.0.113.2 "]}, ["ips contains '203.0.113.1,203.0.113.2'"]),
    (RELEASE, {**IPS, "product": "share"}, ["product=share does not release leases: they end at their deadline"]),
    (RELEASE, {"task_ids": ["*"]}, ["task_ids contains '*': give one whole name"]),
    *[
        (REPLACE, options, ["No lease is selected: give count, ips or task_ids, or set all=true"])
        for options in ({}, {"all": False})
    ],
    (REPLACE, {"count": 1, "all": True}, ["count and all=true exclude each other"]),
    (REPLACE, {"task_ids": ["T"], "all": True}, ["task_ids and all=true exclude each other"]),
    (REPLACE, {"count": 1, **IPS}, ["ips and count exclude each other"]),
    (INFO, {"task_ids": ["a b"]}, ["task_ids contains 'a b'"]),
    ("qg_quota_info", {"product": "overseas"}, ["product=overseas has no quota that can be read"]),
    (MONOPOLY, {}, ["count is missing: state=present needs the number"]),
    (MONOPOLY, {"count": 1, "uuids": ["a"]}, ["uuids goes only with state=absent"]),
    (MONOPOLY, {"count": 1, "all": True}, ["all goes only with state=absent"]),
    *[(MONOPOLY, {"state": state}, ["uuids", f"state={state}"]) for state in ("absent", "redialed")],
    (MONOPOLY, {"state": "absent", "all": True, "uuids": []}, ["uuids and all=true exclude each other"]),
    (MONOPOLY, {"state": "absent", "all": True, "isp": "mobile"}, ["isp", "state=present"]),
    (MONOPOLY, {"state": "absent", "uuids": [" "]}, ["uuids contains ''"]),
    *[
        (LEDGER, {"since": text}, [f"since='{text}' is not a time: give one such as 2030-01-02"])
        for text in ("yesterday", "24", "-1h", "24w", "2030-13-01")
    ],
    *[(LEDGER, {"since": text}, [f"since='{text}' is in the future"]) for text in ("2040-01-01", "9999-12-31")],
    *[
        (
            PRICE,
            {**ACCOUNT, "package_no": "A1", "system_no": "S1", "duration": text},
            ["duration=", "is not a duration"],
        )
        for text in ("1h", "0m", "month", "")
    ],
    (
        PRICE,
        {**ACCOUNT, "package_no": "A 1", "system_no": "S1", "duration": "1m"},
        ["package_no='A 1' cannot be used: give one word"],
    ),
    (INSTANCES, {**ACCOUNT, "suid": ","}, ["suid=',' cannot be used: give one word"]),
]


@pytest.mark.parametrize(
    ("module", "options", "words"), [*TYPES, *NUMBERS, *CREDENTIALS, *URLS, *PLACES, *CHOICES], ids=str
)
def test_a_mistake_is_one_sentence_before_any_call(
    node: Node, module: str, options: dict[str, Any], words: list[str]
) -> None:
    if module == TUNNEL:
        node.options["product"] = None
    result = node.failed(module, **options)

    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert "HUSH" not in str(result)
    assert node.vendor.calls() == []
    assert node.vendor.paid == 0


@pytest.mark.parametrize("excluded", ["320800", "350500"])
def test_an_area_without_a_part_of_it_is_leased(new_node: Any, excluded: str) -> None:
    node = new_node("share")

    result = node.ok(ALLOCATE, count=1, areas=["350000", "440000"], exclude_areas=[excluded])

    assert result["count"] == 1
    assert node.vendor.paid == 1


def test_an_area_by_name_that_lies_in_an_excluded_one_by_code_is_found_in_the_list_of_areas(new_node: Any) -> None:
    node = new_node("share")
    area = next(row for row in node.vendor.stock if str(row.area_id) == "350500")

    result = node.failed(ALLOCATE, count=1, areas=[area.area], exclude_areas=["350500"])

    assert "exclude_areas contains '350500', in which '350500' of areas lies" in result["msg"]
    assert node.vendor.calls("/share/get") == []
    assert node.vendor.paid == 0


@pytest.mark.parametrize("form", ["ip", "host"])
def test_the_names_of_a_lease_can_be_excluded(node: Node, form: str) -> None:
    (lease,) = node.vendor.hold(1)

    result = node.ok(ALLOCATE, count=1, exclude_ips=[getattr(lease, form), "2001:db8::1", "proxy.example:80"])

    assert [each["ip"] for each in result["allocated"]] == [each.ip for each in node.vendor.leases if each is not lease]


def test_whole_numbers_may_be_text_or_the_result_of_a_division(node: Node) -> None:
    assert node.ok(ALLOCATE, count="2", timeout="5")["count"] == 2
    assert node.ok(ALLOCATE, count=3.0, areas=350500, exact="no")["count"] == 3


def test_the_same_area_twice_is_one_area(node: Node) -> None:
    assert node.ok(ALLOCATE, count=1, areas=["350500", "350500"])["count"] == 1

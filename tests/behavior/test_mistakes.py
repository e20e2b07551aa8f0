# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in options: each is one sentence with option, value and fix, before any call, and
nothing is paid for.

A value that may be a secret is not shown.
"""

from __future__ import annotations

from typing import Any

import pytest
from behavior.paid_calls import ALLOCATE, MONOPOLY, RELEASE, REPLACE
from support import phrases
from support.invariants import assert_one_sentence
from support.node import Node
from support.vendor import ips

INFO = "qg_proxy_info"
POOL = "qg_proxy_pool_info"
AREAS = "qg_area_info"
WHITELIST = "qg_whitelist"
LEDGER = "qg_ledger_info"
TUNNEL = "qg_tunnel_exit"
PRICE = "qg_cloud_price_info"
INSTANCES = "qg_cloud_instance_info"
PACKAGES = "qg_cloud_package_facts"
IPS = {"ips": ["203.0.113.5"]}
ACCOUNT = {
    "app_id": "qgdemo01",
    "app_key": "HUSHHUSH01",
    "account_url": "http://account.example/api",
}
PACKAGE: dict[str, Any] = {**ACCOUNT, "product_id": 1}
SERVER = {**ACCOUNT, "package_no": "A1", "system_no": "S1", "duration": "1m"}
PRODUCTS = "none of its values: give auto, classic, share, longterm, exclusive or overseas"

Mistakes = list[tuple[str, dict[str, Any], list[str]]]


def allocate(*words: str, **options: Any) -> tuple[str, dict[str, Any], list[str]]:
    """A mistake of a task that would pay."""
    return (ALLOCATE, {"count": 1, **options}, list(words))


def values_of(option: str, words: str, *values: object) -> Mistakes:
    """The same mistake of a task that would pay, with several values: each stands in the words at
    the braces.
    """
    return [allocate(words.replace("{}", str(value)), **{option: value}) for value in values]


def addresses(module: str, words: str, *values: str) -> Mistakes:
    """Addresses that a module cannot use."""
    return [
        (module, {"ips": ["203.0.113.5", value]}, [f"ips contains {value!r}", words])
        for value in values
    ]


TYPES: Mistakes = [
    *values_of(
        "count",
        f"count='{{}}' {phrases.NOT_A_WHOLE_NUMBER}: give one, such as 5",
        "three",
        "2.5",
        "inf",
        "1e400",
        2.5,
    ),
    allocate(f"count=true {phrases.NOT_A_WHOLE_NUMBER}: give one", count=True),
    allocate(f"count is a list, {phrases.IS_NO_WHOLE_NUMBER}", count=[1]),
    allocate(f"count is a dictionary, {phrases.IS_NO_WHOLE_NUMBER}", count={"a": 1}),
    allocate(f"count='...' {phrases.NOT_A_WHOLE_NUMBER}", count="http://me:HUSH7@192.0.2.1"),
    allocate(f"exact='maybe' {phrases.NO_BOOLEAN}: give true or false", exact="maybe"),
    allocate(f"distinct='2' {phrases.NO_BOOLEAN}: give true or false", distinct=2),
    allocate(f"timeout='10s' {phrases.NO_NUMBER}: give one, such as 10", timeout="10s"),
    allocate(f"timeout=true {phrases.NO_NUMBER}", timeout=True),
    allocate(
        f"areas is a dictionary, {phrases.IS_NO_LIST}: give a list, such as [A, B]", areas={"a": 1}
    ),
    allocate(f"areas contains null, which is {phrases.NO_TEXT}", areas=["350500", None]),
    # YAML reads the code of Norway as a boolean.
    allocate(f"areas contains false, which is {phrases.NO_TEXT}", areas=[False]),
    allocate(f"areas contains a list, which is {phrases.NO_TEXT}", areas=[["350500"]]),
    allocate(f"min_remaining is a list, which is {phrases.NO_TEXT}", min_remaining=[5]),
    allocate(f"product='Share' is {PRODUCTS}", product="Share"),
    allocate(f"product='classic ' is {PRODUCTS}", product="classic "),
    allocate("product='classic\N{FULLWIDTH REVERSE SOLIDUS}xa0' is", product="classic\xa0"),
    allocate(
        f"isp='chinanet' {phrases.NONE_OF_ITS_VALUES} telecom, mobile, unicom or bgp",
        isp="chinanet",
    ),
    allocate(
        f"on_uncertain='maybe' {phrases.NONE_OF_ITS_VALUES} fail, ignore or match",
        on_uncertain="maybe",
    ),
    allocate(f"Num {phrases.NOT_AN_OPTION}: the options are api_url, areas, count,", Num=3),
    allocate(f"quantity {phrases.NOT_AN_OPTION}: the options are api_url, areas,", quantity=3),
    allocate(f"Count {phrases.NOT_AN_OPTION}: {phrases.DID_YOU_MEAN} count? The options", Count=3),
    (ALLOCATE, {}, [f"count {phrases.IS_MISSING}"]),
    (ALLOCATE, {"count": None}, ["count is null: give a value"]),
    (ALLOCATE, {"count": ""}, ["count is empty (''): give a value"]),
    (WHITELIST, {"ips": {"web1": "203.0.113.5"}}, [f"ips is a dictionary, {phrases.IS_NO_LIST}"]),
    (
        WHITELIST,
        {**IPS, "state": "Present"},
        [f"state='Present' {phrases.NONE_OF_ITS_VALUES} present, absent or exact"],
    ),
    (PRICE, {**ACCOUNT, "package_no": "A1"}, [f" {phrases.IS_MISSING}"]),
    (INSTANCES, {**ACCOUNT, "product_id": "a"}, [f"product_id='a' {phrases.NOT_A_WHOLE_NUMBER}"]),
]
NUMBERS: Mistakes = [
    *values_of(
        "count", f"count={{}} {phrases.OUT_OF_RANGE}: give a number from 1 to 100", 0, -3, 101
    ),
    *values_of(
        "timeout",
        f"timeout={{}} {phrases.OUT_OF_RANGE}: give a number from 0.1 to 600",
        0,
        -1,
        "nan",
        "inf",
    ),
    *values_of(
        "max_wait", f"max_wait={{}} {phrases.OUT_OF_RANGE}: give a number from 0", -1, "nan"
    ),
    *values_of("min_remaining", f"min_remaining={{}} {phrases.OUT_OF_RANGE}: give", -1, 525601),
    *values_of(
        "min_remaining",
        f"min_remaining='{{}}' {phrases.CANNOT_BE_USED}: give a number of minutes, or",
        *("1.5", "nan", "5 minutes", "1w"),
    ),
    *values_of(
        "keep_alive", f"keep_alive={{}} {phrases.OUT_OF_RANGE}: give a number from 1", 0, 525601
    ),
    allocate(f"keep_alive=90s {phrases.NOT_WHOLE_MINUTES}", keep_alive="90s"),
    allocate(f"min_remaining=30 minutes {phrases.CANNOT_BE_MET}", keep_alive=30, min_remaining=30),
    allocate(
        f"min_remaining=1630 seconds {phrases.CANNOT_BE_MET}", keep_alive=30, min_remaining="1630s"
    ),
    allocate(
        f"min_remaining=28 minutes {phrases.CANNOT_BE_MET}",
        "set it to at most 27 minutes",
        keep_alive=30,
        min_remaining=28,
    ),
    *values_of(
        "max_new_per_day",
        f"max_new_per_day={{}} {phrases.OUT_OF_RANGE}: give a number from 1 to 1000000",
        0,
        -1,
        1_000_001,
    ),
    *values_of(
        "max_new_per_day", f"max_new_per_day='{{}}' {phrases.NOT_A_WHOLE_NUMBER}", "many", "1.5"
    ),
    (REPLACE, {"count": 0}, [f"count=0 {phrases.OUT_OF_RANGE}"]),
    (REPLACE, {"count": 101}, [f"count=101 {phrases.OUT_OF_RANGE}"]),
    (REPLACE, {"all": True, "keep_alive": -1}, [f"keep_alive=-1 {phrases.OUT_OF_RANGE}"]),
    (POOL, {"count": 101}, [f"count=101 {phrases.OUT_OF_RANGE}"]),
    (POOL, {"product": "share"}, [f"product=share {phrases.NO_POOL}"]),
    (MONOPOLY, {"count": 0}, [f"count=0 {phrases.OUT_OF_RANGE}: give a number from 1 to 100"]),
    (MONOPOLY, {"count": 101}, [f"count=101 {phrases.OUT_OF_RANGE}"]),
    (
        WHITELIST,
        {**IPS, "state": "exact", "max_removals": -1},
        [f"max_removals=-1 {phrases.OUT_OF_RANGE}"],
    ),
    (PACKAGES, {**ACCOUNT, "product_id": 0}, [f"product_id=0 {phrases.OUT_OF_RANGE}"]),
    (
        TUNNEL,
        {"tunnel": "192.0.2.1", "password": "0123456789ab", "timeout": 0},
        [f"timeout=0 {phrases.OUT_OF_RANGE}"],
    ),
]
CREDENTIALS: Mistakes = [
    *values_of(
        "key",
        f"key is empty ('{{}}'), {phrases.NEVER_ANOTHER_KEY}: give a value, or leave",
        "",
        " ",
    ),
    allocate(
        "key is empty ('\N{FULLWIDTH REVERSE SOLIDUS}n')", phrases.NEVER_ANOTHER_KEY, key="\n"
    ),
    allocate("max_new_per_day is empty ('')", "default(omit)", max_new_per_day=""),
    allocate("max_new_per_day is null", "default(omit)", max_new_per_day=None),
    allocate("min_remaining is empty ('')", min_remaining=""),
    allocate(f"key is null, {phrases.NEVER_ANOTHER_KEY}", "default(omit)", key=None),
    allocate(f"key is {phrases.NO_TEXT}", key=["HUSHHUSH01"]),
    allocate(f"key is {phrases.NO_TEXT}", key=True),
    *values_of(
        "key",
        f"key {phrases.INVISIBLE_IN_KEY}",
        " HUSH01",
        "HUSH01\n",
        "<HUSH01>",
        "HUSH01,",
        "HUSH01;HUSH02",
        "HUSH01:HUSHHUSH02",
        "$HUSH01",
        "'HUSH01'",
        "QG_KEY=HUSH01",
        "\ufeffHUSH01",
    ),
    *values_of(
        "password",
        f"password {phrases.INVISIBLE_IN_PASSWORD}",
        " HUSHHUSH01",
        "HUSHHUSH01\n",
        "HUSH\x00HUSH",
    ),
    allocate(phrases.NEEDS_PASSWORD, "set password", with_credentials=True),
    (
        PACKAGES,
        {**PACKAGE, "app_id": ""},
        ["app_id is empty ('')"],
    ),
    (
        PACKAGES,
        {**PACKAGE, "app_key": ""},
        ["app_key is empty ('')"],
    ),
    (TUNNEL, {"tunnel": "192.0.2.1", "password": ""}, ["password is empty ('')"]),
    (
        TUNNEL,
        {"tunnel": "192.0.2.1", "password": "0123456789ab\n"},
        ["password", phrases.INVISIBLE_IN_PASSWORD],
    ),
    (INFO, {"with_credentials": True}, [phrases.NEEDS_PASSWORD]),
    (REPLACE, {"all": True, "with_credentials": True}, [phrases.NEEDS_PASSWORD]),
]
URLS: Mistakes = [
    *values_of(
        "api_url", f"api_url {phrases.NO_URL}proxy.qg.net", "proxy.qg.net", "ftp://proxy.qg.net"
    ),
    *values_of(
        "api_url",
        f"api_url {phrases.NO_URL}proxy.qg.net",
        "https://proxy.qg.net ",
        "https://proxy.qg.net:0",
    ),
    *values_of(
        "api_url",
        f"api_url {phrases.NO_URL}proxy.qg.net",
        *("https://proxy.qg.net:99999", "https://a.example,https://b.example"),
    ),
    allocate("api_url contains a user name, a password", api_url="https://me:HUSH@proxy.qg.net"),
    allocate(
        f"api_url {phrases.URL_PARTS}, such as http://127.0.0.1:8080: leave out the query",
        api_url="http://127.0.0.1:8080/?Key=HUSH",
    ),
    allocate(f"api_url {phrases.URL_PARTS}", api_url="https://proxy.qg.net#HUSH"),
    (
        PACKAGES,
        {**PACKAGE, "account_url": "qg.net"},
        [f"account_url {phrases.NO_URL}www.qg.net/api"],
    ),
    allocate("store", phrases.CANNOT_BE_USED, store="/etc/passwd"),
    allocate("store is empty ('')", store=""),
    allocate("store is empty (' ')", store=" "),
    *[
        (TUNNEL, {"tunnel": value, "password": "0123456789ab"}, ["tunnel", phrases.NO_TUNNEL])
        for value in ("http://tunnel.qg.net", "tunnel.qg.net:99999", "1.5.")
    ],
]
PLACES: Mistakes = [
    *[
        allocate(
            f"exclude_areas contains '{outer}', in which '{area}' {phrases.ONE_OF_THEM}",
            product="share",
            **options,
        )
        for area, outer, options in (
            ("350500", "350500", {"areas": [350500], "exclude_areas": ["350500"]}),
            ("350500", "350000", {"areas": ["350500"], "exclude_areas": ["440100", "350000"]}),
            ("350500", "350500", {"areas": ["440100", " 0350500"], "exclude_areas": [350500]}),
            ("US", "US", {"areas": ["us"], "exclude_areas": ["US"]}),
            ("NAME", "NAME", {"areas": ["NAME"], "exclude_areas": ["NAME"]}),
        )
    ],
    allocate(
        "areas contains 2 areas",
        f"product=classic {phrases.LEASES_IN_ONE}",
        areas=["350500", "440100"],
    ),
    allocate(f"areas contains '', {phrases.ONE_WHOLE_NAME} in each entry", areas=["350500", ""]),
    allocate(phrases.ONE_WHOLE_NAME, product="share", areas=["350500,440100"]),
    allocate(f"areas contains '', {phrases.ONE_WHOLE_NAME}", areas="350500,,440100"),
    allocate(
        f"exclude_areas {phrases.NOT_PRODUCTS_OPTION} product=classic", exclude_areas=["350500"]
    ),
    allocate(f"pool {phrases.NOT_PRODUCTS_OPTION} product=classic", pool="normal"),
    allocate(
        f"isp=bgp {phrases.NO_PROVIDER} product=share: give telecom", isp="bgp", product="share"
    ),
    *values_of(
        "exclude_ips",
        f"exclude_ips contains '{{}}', {phrases.NO_LEASE_NAME}",
        "1.2.3",
        "1.2.3:80",
        "203.0.113.5:0",
    ),
    *values_of(
        "exclude_ips",
        f"exclude_ips contains '{{}}', {phrases.NO_LEASE_NAME}",
        *("203.0.113.5:99999", "203.0.113.0/24", "proxy.example"),
    ),
    allocate(
        f"exclude_ips contains '...', {phrases.NO_LEASE_NAME}",
        exclude_ips=["http://203.0.113.5:80"],
    ),
    allocate(f"exclude_ips contains '', {phrases.ONE_WHOLE_NAME}", exclude_ips=[""]),
    *addresses(RELEASE, phrases.NO_LEASE_NAME, "1.2.3", "203.0.113.5-9", "203.0.113.5.6"),
    *addresses(REPLACE, phrases.NO_LEASE_NAME, "1.2.3", "203.0.113.5-9", "203.0.113.5.6"),
    *addresses(
        WHITELIST,
        phrases.SINGLE_ADDRESSES_SUCH_AS,
        "1.2.3",
        "203.0.113.0/24",
        "203.0.113.5:8080",
        "2001:db8::1",
        "203.0.113.05",
        "",
    ),
    *addresses(WHITELIST, phrases.EACH_IN_AN_ENTRY, "203.0.113.5,203.0.113.6"),
    (WHITELIST, {"ips": ["192.168.1.20"]}, [f"ips contains 192.168.1.20, {phrases.IS_NOT_PUBLIC}"]),
    (WHITELIST, {"ips": ["127.0.0.1"]}, [f"ips contains 127.0.0.1, {phrases.IS_NOT_PUBLIC}"]),
    (
        WHITELIST,
        {"ips": [], "state": "exact"},
        [f"ips is empty, and state=exact {phrases.REMOVES_EVERYTHING}"],
    ),
]
CHOICES: Mistakes = [
    (RELEASE, {}, [f"{phrases.NO_LEASE_IS_SELECTED} ips or task_ids, or set all=true"]),
    (RELEASE, {"all": False}, [f"{phrases.NO_LEASE_IS_SELECTED} ips or task_ids, or set all=true"]),
    (
        RELEASE,
        {"all": True, **IPS},
        [f"ips and all=true {phrases.EXCLUDE_EACH_OTHER}: leave one of them out"],
    ),
    (
        RELEASE,
        {**IPS, "task_ids": ["T"]},
        [f"ips and task_ids {phrases.EXCLUDE_EACH_OTHER}: leave one of them out"],
    ),
    (RELEASE, {"ips": ["*"]}, [f"ips contains '*', {phrases.ONE_WHOLE_NAME}"]),
    (RELEASE, {"ips": ["ALL "]}, ["ips contains 'all', which is not an address: set all=true"]),
    (RELEASE, {"ips": ["203.0.113.1,203.0.113.2 "]}, ["ips contains '203.0.113.1,203.0.113.2'"]),
    (
        RELEASE,
        {**IPS, "product": "share"},
        [f"product=share {phrases.DOES_NOT_RELEASE}: they end at their deadline"],
    ),
    (RELEASE, {"task_ids": ["*"]}, [f"task_ids contains '*', {phrases.ONE_WHOLE_NAME}"]),
    (REPLACE, {}, [f"{phrases.NO_LEASE_IS_SELECTED} ips, task_ids or count, or set all=true"]),
    (
        REPLACE,
        {"all": False},
        [f"{phrases.NO_LEASE_IS_SELECTED} ips, task_ids or count, or set all=true"],
    ),
    (REPLACE, {"count": 1, "all": True}, [f"count and all=true {phrases.EXCLUDE_EACH_OTHER}"]),
    (
        REPLACE,
        {"task_ids": ["T"], "all": True},
        [f"task_ids and all=true {phrases.EXCLUDE_EACH_OTHER}"],
    ),
    (REPLACE, {"count": 1, **IPS}, [f"ips and count {phrases.EXCLUDE_EACH_OTHER}"]),
    (
        "qg_quota_info",
        {"product": "overseas"},
        [f"product=overseas {phrases.NO_QUOTA} that can be read"],
    ),
    (MONOPOLY, {}, ["count is missing: state=present needs the number"]),
    (MONOPOLY, {"count": 1, "uuids": ["a"]}, [f"uuids {phrases.GOES_ONLY_WITH} state=absent"]),
    (MONOPOLY, {"count": 1, "all": True}, [f"all {phrases.GOES_ONLY_WITH} state=absent"]),
    (MONOPOLY, {"state": "absent"}, ["uuids", "state=absent"]),
    (MONOPOLY, {"state": "redialed"}, ["uuids", "state=redialed"]),
    (
        MONOPOLY,
        {"state": "absent", "all": True, "uuids": ["u"]},
        [f"uuids and all=true {phrases.EXCLUDE_EACH_OTHER}"],
    ),
    (MONOPOLY, {"state": "absent", "all": True, "isp": "mobile"}, ["isp", "state=present"]),
    (MONOPOLY, {"state": "absent", "uuids": [" "]}, ["uuids contains ''"]),
    *[
        (LEDGER, {"since": text}, [f"since='{text}' {phrases.NO_TIME}"])
        for text in ("yesterday", "24", "-1h", "24w", "2030-13-01")
    ],
    (LEDGER, {"since": "2040-01-01"}, [f"since='2040-01-01' {phrases.IN_THE_FUTURE}"]),
    (LEDGER, {"since": "9999-12-31"}, [f"since='9999-12-31' {phrases.IN_THE_FUTURE}"]),
    *[
        (PRICE, {**SERVER, "duration": text}, [phrases.NO_DURATION])
        for text in ("1h", "0m", "month")
    ],
    (PRICE, {**SERVER, "duration": "3h"}, [phrases.HOURS_ARE_S]),
    (
        PRICE,
        {**SERVER, "package_no": "A 1"},
        [f"package_no='A 1' {phrases.CANNOT_BE_USED}: {phrases.ONE_WORD}"],
    ),
    (
        INSTANCES,
        {**ACCOUNT, "suid": ","},
        [f"suid=',' {phrases.CANNOT_BE_USED}: {phrases.ONE_WORD}"],
    ),
]
#: What an input method for Chinese types, with the character that is refused, and what to write.
CHINESE: Mistakes = [
    allocate("key contains", "'，' (U+FF0C): write ',' (U+002C)", key="HUSH01，"),
    allocate("key contains", "(U+201C): write '\"' (U+0022)", key="\u201cHUSH01\u201d"),
    allocate("password contains", "(U+3000)", password="HUSH\u3000HUSH"),
    allocate("areas contains", "'，' (U+FF0C)", areas="350500，440100"),
    allocate("areas contains", "(U+3001): write ','", areas=["350500\u3001440100"]),
    allocate("count contains", "(U+FF13): write '3'", count="\uff13"),
    allocate("timeout contains", "(U+FF11): write '1'", timeout="\uff11\uff10"),
    allocate("min_remaining contains", "(U+FF4D): write 'm'", min_remaining="5\uff4d"),
    allocate("exclude_ips contains", "(U+3002): write '.'", exclude_ips=["203\u30020.113.5"]),
    allocate("api_url contains", "(U+FF1A): write ':'", api_url="https\uff1a//proxy.qg.net"),
    (LEDGER, {"since": "2030\uff0d01\uff0d01"}, ["since contains", "(U+FF0D): write '-'"]),
    (RELEASE, {"ips": "203.0.113.5，203.0.113.6"}, ["ips contains", "'，' (U+FF0C)"]),
    (RELEASE, {"all": "\uff54rue"}, ["all contains", "(U+FF54): write 't'"]),
    (PACKAGES, {**PACKAGE, "app_key": "HUSHHUSH01，"}, ["app_key contains", "'，' (U+FF0C)"]),
    (TUNNEL, {"tunnel": "t\uff1a1", "password": "0123456789ab"}, ["tunnel contains", "(U+FF1A)"]),
]


@pytest.mark.parametrize(
    ("module", "options", "words"),
    [*TYPES, *NUMBERS, *CREDENTIALS, *URLS, *PLACES, *CHOICES, *CHINESE],
    ids=str,
)
def test_a_mistake_is_one_sentence_before_any_call(
    node: Node, module: str, options: dict[str, Any], words: list[str]
) -> None:
    if module == TUNNEL:
        node.options["product"] = None
    result = node.failed(module, **options)

    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    for word in words:
        assert word in result["msg"]
    assert "HUSH" not in str(result)
    assert node.vendor.calls() == []
    assert node.vendor.paid == 0


def test_a_full_width_character_in_the_environment_is_refused_and_its_variable_named(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QG_TIMEOUT", "\uff11\uff10")

    result = node.failed(ALLOCATE, count=1)

    assert "timeout contains" in result["msg"]
    assert "(U+FF11): write '1' (U+0031)" in result["msg"]
    assert node.vendor.calls() == []


@pytest.mark.parametrize("excluded", ["320800", "350500"])
def test_an_area_without_a_part_of_it_is_leased(new_node: Any, excluded: str) -> None:
    node = new_node("share")

    result = node.ok(ALLOCATE, count=1, areas=["350000", "440000"], exclude_areas=[excluded])

    assert result["count"] == 1
    assert node.vendor.paid == 1


def test_an_area_by_name_that_lies_in_an_excluded_one_by_code_is_found_in_the_list_of_areas(
    new_node: Any,
) -> None:
    node = new_node("share")

    result = node.failed(ALLOCATE, count=1, areas=["福建省泉州市"], exclude_areas=["350500"])

    assert "exclude_areas contains '350500', in which '350500' of areas lies" in result["msg"]
    assert node.vendor.calls("/share/get") == []
    assert node.vendor.paid == 0


@pytest.mark.parametrize("form", ["ip", "host"])
def test_the_names_of_a_lease_can_be_excluded(node: Node, form: str) -> None:
    (lease,) = node.vendor.hold(1)

    result = node.ok(
        ALLOCATE, count=1, exclude_ips=[getattr(lease, form), "2001:db8::1", "proxy.example:80"]
    )

    assert ips(result["allocated"]) == node.vendor.ips - {lease.ip}


def test_whole_numbers_may_be_text_or_the_result_of_a_division(node: Node) -> None:
    assert node.ok(ALLOCATE, count="2", timeout="5")["count"] == 2
    assert node.ok(ALLOCATE, count=3.0, areas=350500, exact="no")["count"] == 3


def test_the_same_area_twice_is_one_area(node: Node) -> None:
    assert node.ok(ALLOCATE, count=1, areas=["350500", "350500"])["count"] == 1

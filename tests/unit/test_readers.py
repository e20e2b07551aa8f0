# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every reader of foreign text, with text that it was not made for: a value, or an error of the
collection.

What a reader returns must be of use to the rest of the collection, too: it is printed, stored and
compared.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.inventory import qg_cloud
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import account as account_endpoints
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import (
    account_rows as account_models,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import calls as endpoints
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import lease_client as models
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import monopolies, whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import (
    CLASSIC as CLASSIC_PRODUCT,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.exchange import Call, HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import (
    Area,
    Lease,
    Quota,
    oldest_first,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import (
    ResponseShapeError,
    retry_after,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.responses import data_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import read_address
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    sentence,
    without_secrets,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _egress as detect
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import vendor_pages as pages

#: Stands for a value that json.dumps cannot write; :func:`written` puts the raw text in its place.
RAW = "\N{SYMBOL FOR SUBSTITUTE}raw:"

#: Text that has ended readers with an exception.
HOSTILE_TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "+7",
        " 5 ",
        "1_000",
        "\N{SUPERSCRIPT TWO}",
        "\N{ARABIC-INDIC DIGIT THREE}",
    ),
    *(
        "\N{CIRCLED DIGIT ONE}",
        "9" * 18,
        "9" * 19,
        "9" * 5000,
        "1e400",
        "1e999999999",
        "-1e-999999999",
    ),
    *(
        "1." + "3" * 5000,
        "NaN",
        "sNaN",
        "Infinity",
        "-0",
        "0x10",
        "true",
        "None",
        "2030-01-02 03:04:05",
    ),
    *("0001-01-01 00:00:00", "9999-12-31 23:59:59", "2030-02-30 03:04:05"),
    *(
        "\N{ARABIC-INDIC DIGIT TWO}030-01-02 03:04:05",
        "203.0.113.5",
        "203.0.113.5:99999",
        "2001:db8::1%eth0",
    ),
    *(
        "::ffff:203.0.113.5",
        "1.2.3",
        "%00%ff&#" + "9" * 5000 + ";",
        "&#x" + "0" * 5000 + "41;",
        "\x00",
    ),
    *(
        "\x1b[2J\x07\x9b31m",
        "\N{RIGHT-TO-LEFT OVERRIDE}txt",
        "a\r\nb\N{LINE SEPARATOR}c",
        "\ufeff",
        "\ufffe\uffff",
    ),
    *("x" * 70_000, "{{ lookup('pipe', 'id') }}", "../../etc/passwd"),
)
#: JSON that json.dumps does not write.
HOSTILE_JSON = (
    *(
        "NaN",
        "-Infinity",
        "1e999",
        "-1e999",
        "9" * 18,
        "9" * 20,
        "9" * 64,
        "9" * 5000,
        "-" + "9" * 5000,
    ),
    *(
        "1." + "0" * 5000,
        "1e-5000",
        "-0",
        "01",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\\\ud800"',
    ),
    *('"\\u0000"', "[" * 40 + "]" * 40, "[" * 900 + "]" * 900, "[" * 1900, "[" * 100_000),
    *(
        '{"a":' * 900 + "1" + "}" * 900,
        '{"IP": "203.0.113.5", "IP": "203.0.113.6"}',
        '{"1": {}, "\\u00b2": {}}',
    ),
    *('{"' + "9" * 5000 + '": {}}', "tru", ""),
)

texts = (
    st.sampled_from(HOSTILE_TEXTS)
    | st.text(max_size=30)
    | st.text("0123456789.:-+eE %&#;x\\u\N{SUPERSCRIPT TWO}", max_size=30)
)
numbers = (
    st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**15, 10**18, 10**19, 10**63])
    | st.floats()
)
scalars = (
    st.none() | st.booleans() | numbers | texts | st.sampled_from(HOSTILE_JSON).map(RAW.__add__)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


def written(value: Any) -> str:
    """JSON of a value; what begins with RAW stands in it as it is."""
    parts = json.dumps(value).split(json.dumps(RAW)[:-1])
    if len(parts) == 1:
        return parts[0]
    done = [parts[0]]
    for part in parts[1:]:
        raw, end = json.JSONDecoder().raw_decode(f'"{part}')
        # The quote before the mark was cut off with it.
        done.append(raw + part[end - 1 :])
    return "".join(done)


@st.composite
def bent(draw: st.DrawFn, shape: Any) -> Any:
    """The valid value, of which parts are replaced, left out, or named in another way."""
    choice = draw(st.integers(0, 11))
    if choice == 0:
        return draw(values)
    if isinstance(shape, Mapping):
        result: dict[str, Any] = {}
        for name, value in shape.items():
            what = draw(st.integers(0, 15))
            if what == 0:
                continue
            other = (
                draw(st.sampled_from([name.upper(), name.lower(), f"{name}_", f" {name}"]))
                if what == 1
                else name
            )
            result[other] = draw(bent(value))
        if choice == 1:
            result[draw(texts)] = draw(values)
        return result
    if isinstance(shape, list):
        size = draw(st.integers(0, 3))
        return (
            [draw(bent(draw(st.sampled_from(shape)))) for _number in range(size)] if shape else []
        )
    return draw(scalars) if choice < 4 else shape


@st.composite
def mangled(draw: st.DrawFn, base: st.SearchStrategy[str]) -> str:
    """Text, cut off, doubled, or with foreign text in its middle."""
    text = draw(base)
    how = draw(st.integers(0, 9))
    place = draw(st.integers(0, len(text)))
    if how == 0:
        return text[:place]
    if how == 1:
        return text[:place] + draw(texts) + text[place:]
    if how == 2:
        return text + text
    if how == 3:
        return text.replace(
            "1", draw(st.sampled_from(["\N{SUPERSCRIPT TWO}", "9" * 5000, "-", "\udcff"])), 1
        )
    return text


#: The same inputs each time; more of them, and others, by "--hypothesis-profile=long".
FUZZER = settings.get_profile("fuzz")

LEASE = {
    "IP": "203.0.113.5",
    "port": "21504",
    "host": "203.0.113.5:21504",
    "deadline": "2030-01-02 03:04:05",
    "region": "福建省泉州市电信",
}
MONOPOLY = {
    "uuid": "a1",
    "area": "福建省",
    "isp": "电信",
    "state": "在线",
    "ip": "203.0.113.5:10800",
    "monopolize_time": "2030-01-02 03:04:05",
    "last_dial_time": "2030-01-02 03:04:05",
}

_CLASSIC = PRODUCTS[CLASSIC_PRODUCT]
#: For each call of the proxy API a valid response, and what reads it.
CLASSIC: dict[str, tuple[Call, Any, Callable[[Any], Any]]] = {
    "quota": (
        _CLASSIC.query,
        {"Code": 0, "Total": 5, "Available": 3, "Used": 2},
        models.read_quota,
    ),
    "whitelist": (endpoints.WHITELIST, {"Code": 0, "Data": ["203.0.113.5"]}, whitelist.listed),
    "change": (
        endpoints.WHITELIST_DELETE,
        {"Code": 0, "Data": ["203.0.113.5", "203.0.113.6/32"], "Num": 2},
        lambda body: whitelist.changed(body, ["203.0.113.5", "203.0.113.6"]),
    ),
    "leases": (
        _CLASSIC.query,
        {"Code": 0, "TotalNum": 1, "TaskList": [{"TaskID": "T1", "Data": [LEASE]}]},
        models.read_held,
    ),
    "allocate": (
        _CLASSIC.allocate,
        {"Code": 0, "TaskID": "T1", "Num": 1, "Data": [LEASE]},
        models.read_new,
    ),
    "extract": (endpoints.EXTRACT, {"Code": 0, "Data": [LEASE]}, models.read_task),
    "areas": (
        _CLASSIC.areas,
        {"Code": 0, "Data": [{"AreaId": "350500", "Area": "泉州", "Isp": "1", "Status": 1}]},
        models.read_areas,
    ),
    "monopolies": (endpoints.MONOPOLIES, {"data": [MONOPOLY]}, monopolies.monopolies_or_none),
    "idle": (
        endpoints.MONOPOLIES_IDLE,
        {"data": [{"AreaCode": 350500, "Isp": "电信", "Num": 3}]},
        monopolies.idle_stock,
    ),
    "refusal": (endpoints.MONOPOLIES_REDIAL, {"error": "busy", "Code": -10, "Msg": "no"}, dict),
}


def _quoted(text: object) -> str | None:
    return sentence(text, ["SECRET1", "SECRET2"]) if isinstance(text, str) else None


def part_of(row: dict[str, Any], *fields: str, **changes: Any) -> dict[str, Any]:
    """Some fields of an example of the vendor's pages."""
    return {name: row[name] for name in fields} | changes


INSTANCE = part_of(
    pages.INSTANCES["1"],
    *(
        "Suid",
        "line_no",
        "Ip",
        "Local_ip",
        "Host_id",
        "Order_status",
        "System_name",
        "Buy_time",
        "Login_password",
    ),
    Run_status=1,
    Systemdisk=40,
)
PACKAGE = part_of(
    pages.PACKAGES["1"],
    "Package_no",
    "Area_id",
    "Cpu",
    "Basic_price",
    "User_price",
    "Buy_status",
    "Day_rate",
)
LINE = part_of(pages.LINES[0], "id", "name", "buystatus", "createdat", bindspecs=["1", 2])
PLAN = part_of(pages.PROXY_PLAN, "Order_status", "Ip_type", "Authkey", "End_time", Type="1")


#: The same for the account API.
ACCOUNT: dict[str, tuple[Call, Any, Callable[[Any], Any]]] = {
    "balance": (
        account_endpoints.BALANCE,
        {"result": True, "data": "12.34"},
        account_models.balance,
    ),
    "instances": (
        account_endpoints.INSTANCES,
        {"Code": 0, "data": {"1": INSTANCE, "2": INSTANCE}},
        account_models.instances,
    ),
    "packages": (
        account_endpoints.PACKAGES,
        {"Code": "200", "data": [PACKAGE]},
        account_models.packages,
    ),
    "lines": (account_endpoints.LINES, {"Code": 0, "data": [LINE]}, account_models.lines),
    "plan": (account_endpoints.PROXY_PLAN, {"Code": 0, "data": PLAN}, account_models.proxy_plan),
    "price": (
        account_endpoints.ORDER_PRICE,
        {"Code": 0, "data": [pages.PRICES]},
        account_models.order_price,
    ),
    "refusal": (
        account_endpoints.LINES,
        {"Code": 4001, "Message": "no", "RequestId": "r"},
        account_models.lines,
    ),
}

NOW = 1_900_000_000.0
NONCE = "qg" + "0" * 24
DATABASE = sqlite3.connect(":memory:")

statuses = st.sampled_from([200, 200, 200, 200, 302, 400, 401, 404, 408, 429, 500, 502, 504])
times = (
    texts
    | st.datetimes().map(lambda time: f"{time:%a, %d %b} {time.year:04} {time:%H:%M:%S} GMT")
    | st.builds(
        "{}, {} {} {} {}:{}:{} {}".format,
        *(st.sampled_from(["Mon", "Fri", "Xyz", ""]), st.integers(-1, 99)),
        *(
            st.sampled_from(["Jan", "Dec", "Xyz", ""]),
            st.sampled_from([0, 1, 69, 1970, 9999, 10000, 10**30]),
        ),
        *(st.integers(-1, 99), st.integers(-1, 99), st.integers(-1, 10**20)),
        st.sampled_from(
            ["GMT", "", "-0000", "+0800", "+9999", "+" + "9" * 30, "-" + "9" * 5000, "EST", "\xb2"]
        ),
    )
)
headers = st.fixed_dictionaries(
    {}, optional={"Retry-After": mangled(times), "Date": mangled(times)}
)


@st.composite
def responses(draw: st.DrawFn, shapes: dict[str, Any]) -> tuple[str, str, int, dict[str, str]]:
    """The name of a call, and a text, status and headers in place of its response."""
    name = draw(st.sampled_from(sorted(shapes)))
    text = draw(mangled(bent(shapes[name][1]).map(written)))
    return name, text, draw(statuses), draw(headers)


def assert_usable(value: Any) -> None:
    """Whether all that a task does with a value can be done with it."""
    text = json.dumps(value, allow_nan=False)
    text.encode()
    without_secrets(value, {"not in it"})
    for each in leaves(value):
        if isinstance(each, str):
            each.encode()
        assert not isinstance(each, float) or math.isfinite(each)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for pair in value.items() for each in pair for leaf in leaves(each)]
    return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]


def assert_sentence(error: QgError) -> None:
    assert_usable(error.as_result())
    assert error.message.isprintable()
    assert "defect" not in error.message


def use_proxy_api(value: Any) -> None:
    """What the collection does with what it read."""
    if isinstance(value, Quota):
        DATABASE.execute("SELECT ?, ?, ?", (value.total, value.available, value.used))
        assert_usable(value.described())
    if isinstance(value, frozenset):
        assert value <= {"203.0.113.5", "203.0.113.6"}
        return
    if value and isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        assert_usable({"entries": value})
        return
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Lease):
            assert_usable(each.described(NOW))
            DATABASE.execute("SELECT ?, ?", (each.port, each.remaining(NOW)))
        if isinstance(each, Area):
            DATABASE.execute("SELECT ?", (each.code,))
        vendor = getattr(each, "vendor", each)
        assert_usable(dict(vendor) if isinstance(vendor, dict) else vendor)
    if isinstance(value, list) and value and isinstance(value[0], Lease):
        oldest_first(value)


Response = tuple[str, str, int, dict[str, str]]


@FUZZER
@given(responses(CLASSIC))
def test_responses_of_the_proxy_api(response: Response) -> None:
    hear_proxy_api(*response)


def hear_proxy_api(name: str, text: str, status: int, reported: dict[str, str]) -> None:
    endpoint, _shape, read = CLASSIC[name]
    try:
        body = data_of(
            HttpResponse(status, text, reported), endpoint, _quoted, name=name, url_option="x"
        )
        with contextlib.suppress(ResponseShapeError):
            use_proxy_api(read(body))
    except QgError as error:
        assert_sentence(error)


@FUZZER
@given(responses(ACCOUNT))
def test_responses_of_the_account_api(response: Response) -> None:
    hear_account_api(*response)


def hear_account_api(name: str, text: str, status: int, reported: dict[str, str]) -> None:
    endpoint, _shape, read = ACCOUNT[name]
    try:
        data = data_of(
            HttpResponse(status, text, reported), endpoint, _quoted, name=name, url_option="x"
        )
        with contextlib.suppress(ResponseShapeError):
            value = read(data)
            use_account_api(name, value)
            if name == "instances":
                account_models.instances(data, include_secrets=True)
    except QgError as error:
        assert_sentence(error)


def use_account_api(name: str, value: Any) -> None:
    if name == "balance":
        assert math.isfinite(value["amount"])
        return
    assert_usable(value)
    if name == "instances":
        for row in value:
            qg_cloud.host_name(row)
            qg_cloud.host_address(row)


QUESTION = detect.DetectionRequest(("https://a.example", "https://b.example"), quorum=2, samples=2)

answers = texts | mangled(
    bent({"ip": "203.0.113.5", "origin": "203.0.113.5, 203.0.113.6", "query": "x"}).map(written)
    | st.sampled_from(["203.0.113.5", "198.51.100.7\n", "2001:db8::1"])
)
counts = st.sampled_from(
    ["0", "1", "2", "3", "-1", "99", "\N{SUPERSCRIPT TWO}", "9" * 5000, "", "1_0", "\udcff"]
)
codes = st.sampled_from(
    ["0", "0", "0", "7", "22", "28", "56", "-5", "\N{SUPERSCRIPT TWO}", "9" * 5000, "x", ""]
)
noise = (
    st.sampled_from(
        ["", "\n", "Last login: today\r\n", f"\n{NONCE} ", f"\n{NONCE}.", f"\n{NONCE}: 0 "]
    )
    | texts
)


def listed(records: list[str]) -> str:
    return "\n".join(records)


egress_records = st.lists(
    mangled(
        st.builds(
            (f"\n{NONCE} {{}} {{}} {{}}\n{NONCE}.\n{{}}").format, counts, codes, answers, noise
        )
    ),
    max_size=5,
).map(listed)


@FUZZER
@example(f"\n{NONCE} 1 0 \n{NONCE}.\n" * 3)
@given(egress_records)
def test_records_of_a_host_that_was_asked_for_its_egress_address(output: str) -> None:
    with contextlib.suppress(QgError):
        replies = detect.parse_replies(output, NONCE, QUESTION)
        detect.evaluate_quorum(replies, QUESTION)
        assert_usable(replies)


@FUZZER
@given(answers, st.booleans())
def test_responses_of_an_echo_service(answer: str, any_scope: bool) -> None:
    refusal = None
    try:
        assert read_address(answer, any_scope=any_scope).isascii()
    except ValueError as error:
        refusal = error
    if refusal is not None:
        # Not one of its relatives, such as the one of a codec.
        assert refusal.__class__.__name__ == "ValueError"
        assert str(refusal).isprintable()
        assert len(str(refusal)) < 200


@FUZZER
@given(headers)
@example({"Retry-After": "9" * 5000, "Date": "Fri, 31 Dec 9999 23:59:59"})
@example(
    {"Retry-After": "Fri, 31 Dec 9999 23:59:59 -0000", "Date": "Mon, 01 Jan 0001 00:00:00 -0000"}
)
def test_headers(reported: dict[str, str]) -> None:
    wait = retry_after(reported)
    assert wait is None or 0 <= wait <= 10**9
    # The date of a refusal shows how far the clock of this machine is from the vendor's.
    hear_account_api("refusal", json.dumps({"Code": 408}), 200, reported)


@pytest.mark.nightly
def test_each_hostile_value_in_each_place_of_each_response() -> None:
    """What the audit found, one by one: the seeds of the fuzzer."""
    for shapes, hear in ((CLASSIC, hear_proxy_api), (ACCOUNT, hear_account_api)):
        for name, (_endpoint, shape, _read) in shapes.items():
            for text in poisoned(shape):
                hear(name, text, 200, {})


def test_each_hostile_value_in_the_first_place_of_a_response() -> None:
    for text in itertools.islice(
        poisoned(CLASSIC["leases"][1]), len(HOSTILE_JSON) + len(HOSTILE_TEXTS)
    ):
        hear_proxy_api("leases", text, 200, {})


def poisoned(shape: Any) -> Iterator[str]:
    text = json.dumps(shape)
    for place in sorted({json.dumps(leaf) for leaf in leaves(shape)}):
        yield from (
            text.replace(place, raw, 1) for raw in (*HOSTILE_JSON, *map(json.dumps, HOSTILE_TEXTS))
        )

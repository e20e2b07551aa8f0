# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The models of the account API: each documented value has one name and one type, however the
vendor spells it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account_rows import (
    ORDER_STATUS,
    PLAN_STATUS,
    RUN_STATUS,
    balance,
    instances,
    lines,
    order_price,
    os_family,
    packages,
    proxy_plan,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError
from hypothesis import given
from hypothesis import strategies as st
from support import phrases
from support import vendor_pages as pages
from support.documents import returned_values

Row = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of the vendor: how its rows are read, its example, and its table."""

    read: Callable[[object], list[Row]]
    example: Row
    fields: tuple[pages.Field, ...]
    #: What a row needs beside the value that a test is about.
    needed: Row
    module: str
    result: str


PAGES = {
    "packages": Page(
        packages,
        pages.PACKAGES["1"],
        pages.PACKAGE_FIELDS,
        {},
        "qg_cloud_package_facts",
        "qg_cloud_packages",
    ),
    "instances": Page(
        lambda data: instances(data, include_secrets=True),
        *(pages.INSTANCES["1"], pages.INSTANCE_FIELDS, {"Suid": "1"}),
        *("qg_cloud_instance_info", "instances"),
    ),
    "lines": Page(lines, pages.LINES[0], pages.LINE_FIELDS, {}, "qg_cloud_line_info", "lines"),
    "plan": Page(
        lambda data: [proxy_plan(data, include_secrets=True)],
        *(pages.PROXY_PLAN, pages.PLAN_FIELDS, {}, "qg_proxy_plan_info", "plan"),
    ),
}

FIELDS = [
    pytest.param(page, field, id=f"{name}-{field[0]}-{field[1]}")
    for name, page in PAGES.items()
    for field in page.fields
]
NAMES = sorted(PAGES)
#: The first field of each type on each page. A type has one reader; FIELDS proves that each field
#: has its type.
READERS: list[Any] = [
    pytest.param(page, field, id=f"{name}-{kind.__name__}")
    for name, page in PAGES.items()
    for kind, field in {type(field[3]): field for field in reversed(page.fields)}.items()
    if kind is not list
]
NUMBERS = [case for case in READERS if type(case.values[1][3]) in (int, float)]


def one(page: Page, vendor: Row) -> Row:
    (found,) = page.read([vendor])
    return found


def without_vendor(found: Row) -> Row:
    return {name: value for name, value in found.items() if name != "vendor"}


def test_secrets_are_added_on_request_alone() -> None:
    with_secrets = {**pages.INSTANCE, **pages.INSTANCE_SECRETS, "vendor": pages.INSTANCES["1"]}
    assert instances(pages.INSTANCES, include_secrets=True) == [with_secrets]
    with_key = {**pages.PLAN, "authkey": "QGDEMO01", "vendor": pages.PROXY_PLAN}
    assert proxy_plan(pages.PROXY_PLAN, include_secrets=True) == with_key


# --- the tables of the pages


@pytest.mark.parametrize(("page", "field"), FIELDS)
def test_each_documented_field_has_its_name_and_type(page: Page, field: pages.Field) -> None:
    vendor_name, name, value, reported = field
    found = one(page, {**page.needed, vendor_name: value})[name]
    # Which also tells 1, 1.0, "1" and true apart.
    assert json.dumps(found) == json.dumps(reported)


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_have_the_names_of_the_table(name: str) -> None:
    page = PAGES[name]
    assert {key.casefold() for key in page.example} <= {
        field[0].casefold() for field in page.fields
    }
    whole = one(page, page.example)
    bare = one(page, dict(list(page.example.items())[:1]))
    assert list(bare) == list(whole)
    assert set(whole) == {field[1] for field in page.fields} | {"vendor"}


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_every_value(name: str) -> None:
    page = PAGES[name]
    found = returned_values(page.module)
    documented = (found.get("ansible_facts", {}).get("contains") or found)[page.result]["contains"]
    assert set(documented) == set(one(page, page.example))


def test_the_documentation_has_every_value_of_a_price() -> None:
    contains = returned_values("qg_cloud_price_info")["price"]["contains"]
    assert set(contains) == {*pages.PRICE, "package_no", "system_no", "duration"}


# --- spellings


def respelled(row: Row, seed: int) -> Row:
    """The same row with its keys in any case, and with underscores and blanks anywhere."""
    choose = random.Random(seed).choice

    def drift(key: str) -> str:
        return "".join(
            choose([sign.lower, sign.upper])() + choose(["", "", "", "_", " "]) for sign in key
        )

    return {drift(key.replace("_", "")): value for key, value in row.items()}


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0))
def test_any_spelling_of_the_keys_gives_the_same_row(name: str, seed: int) -> None:
    page = PAGES[name]
    drifted = respelled(page.example, seed)
    assert without_vendor(one(page, drifted)) == without_vendor(one(page, page.example))
    assert one(page, drifted)["vendor"] == drifted


@given(st.integers(0))
def test_any_spelling_of_a_secret_is_a_secret(seed: int) -> None:
    row = {
        **pages.INSTANCES["1"],
        "Adsl_password": "hidden",
        "Business_password": "hidden",
        "Login_password": "hidden",
    }
    assert "hidden" not in str(instances([respelled(row, seed)]))
    assert str(instances([row], include_secrets=True)).count("hidden") == 6
    plan = {**pages.PROXY_PLAN, "Authkey": "hidden"}
    assert "hidden" not in str(proxy_plan(respelled(plan, seed)))
    assert str(proxy_plan(plan, include_secrets=True)).count("hidden") == 2


@pytest.mark.parametrize(
    ("page", "row", "name", "value"),
    [
        ("instances", {"Suid": "1", "Harddisks": 20}, "data_disk", 20),
        ("instances", {"Suid": "1", "Systemdisk": 40}, "system_disk", 40),
        ("lines", {"name": "x", "bindspecs": [1]}, "spec_ids", [1]),
        ("lines", {"name": "x", "bondSpecs": [1]}, "spec_ids", [1]),
        # Of two spellings in one row, the one with a value counts.
        ("packages", {"Line_no": "a", "line_no": ""}, "line_no", "a"),
        ("packages", {"line_no": None, "Line_no": "a"}, "line_no", "a"),
    ],
)
def test_a_name_that_the_vendor_spells_in_two_ways(
    page: str, row: Row, name: str, value: Any
) -> None:
    assert one(PAGES[page], row)[name] == value


# --- types


@pytest.mark.parametrize("name", NAMES)
def test_numbers_as_text_and_text_as_numbers_are_the_same(name: str) -> None:
    page = PAGES[name]
    texts = {
        key: str(value) if isinstance(value, int) else value for key, value in page.example.items()
    }
    numbers = {
        key: int(value) if isinstance(value, str) and value.isdecimal() else value
        for key, value in page.example.items()
    }
    expected = without_vendor(one(page, page.example))
    assert without_vendor(one(page, texts)) == expected
    assert without_vendor(one(page, numbers)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_null_or_absent_value_is_null(name: str) -> None:
    page = PAGES[name]
    kept = {**page.needed, page.fields[0][0]: "5"}
    rows = [
        without_vendor(one(page, {**dict.fromkeys(page.example, empty), **kept}))
        for empty in ("", None, "  ")
    ]
    rows.append(without_vendor(one(page, kept)))
    assert rows == [rows[-1]] * 4
    # The ISO form and all else that is derived from it is there, as null.
    assert [value for value in rows[0].values() if value not in (None, [])] == [
        "5"
    ] or name == "lines"


@pytest.mark.parametrize("wrong", [True, False, [], ["x"], {}, {"a": 1}], ids=repr)
@pytest.mark.parametrize(("page", "field"), READERS)
def test_a_wrong_json_type_is_an_error_that_names_the_field(
    page: Page, field: pages.Field, wrong: Any
) -> None:
    name = field[0]
    row = {"name": "x", **page.needed, name: wrong}
    with pytest.raises(ResponseShapeError) as caught:
        one(page, row)
    assert (
        str(caught.value).casefold().replace("_", "")
        == f"{name.casefold().replace('_', '')} is not text"
    )


@pytest.mark.parametrize("text", ["many", "40G", "1,5", "NaN", "Infinity", "1e400", "-", "0x10"])
@pytest.mark.parametrize(("page", "field"), NUMBERS)
def test_a_number_that_cannot_be_read_is_null_and_kept_beside(
    page: Page, field: pages.Field, text: str
) -> None:
    row = {"Line_no": "x", "name": "x", "Tunnel_url": "x", **page.needed, field[0]: text}
    found = one(page, row)
    assert found[field[1]] is None
    assert found["vendor"][field[0]] == text


@pytest.mark.parametrize(
    "text", ["2030-01-01", "soon", "0000-00-00 00:00:00", "2030-13-01 00:00:00"]
)
def test_a_time_that_cannot_be_read_stays_as_it_is(text: str) -> None:
    (row,) = instances([{"Suid": "1", "End_time": text}])
    assert row["end_time"] == text
    assert row["end_time_iso"] is None


@given(st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=2).map(str))
def test_money_stays_to_the_digit(text: str) -> None:
    (row,) = packages([{"User_price": text, "Basic_price": text}])
    assert row["user_price"] == row["basic_price"] == text
    assert row["amount"] == float(text)
    price = order_price({"OriginalPrice": text, "TotalPrice": text})
    assert price["total_price"] == text
    assert price["total_amount"] == float(text)
    assert balance(text) == {"balance": text, "amount": float(text)}


@pytest.mark.parametrize(
    ("user", "basic", "price"), [("5", "9", 5.0), ("", "9", 9.0), ("0", "9", 0.0), ("", "", None)]
)
def test_the_list_price_counts_where_the_account_has_no_other(
    user: str, basic: str, price: float | None
) -> None:
    (row,) = packages([{"Package_no": "1", "User_price": user, "Basic_price": basic}])
    assert row["amount"] == price


@pytest.mark.parametrize(
    "amount", [None, "", " ", "much", "NaN", "Infinity", "1e400", True, [], ["1.00"], {"a": "1"}]
)
def test_what_is_no_amount_is_an_error(amount: Any) -> None:
    with pytest.raises(ResponseShapeError, match="data is not"):
        balance(amount)
    for name, other in (("OriginalPrice", "TotalPrice"), ("TotalPrice", "OriginalPrice")):
        with pytest.raises(ResponseShapeError, match=f"{name} is not"):
            order_price({name: amount, other: "1"})


# --- states


@pytest.mark.parametrize(
    ("name", "words"), [("run_status", RUN_STATUS), ("order_status", ORDER_STATUS)]
)
def test_a_state_has_its_word_and_its_number(name: str, words: dict[int, str]) -> None:
    for number, word in words.items():
        for value in (number, str(number), f"{number}.0"):
            (row,) = instances([{"Suid": "1", name: value}])
            assert row[name] == word
            assert row[f"{name}_code"] == number


def test_the_states_of_proxy_services_have_another_scale() -> None:
    for number in (-4, -1, 1, 3):
        assert proxy_plan({"Order_status": number})["order_status"] == PLAN_STATUS[number]
    assert PLAN_STATUS[-4] != ORDER_STATUS[-4]
    assert -1 not in ORDER_STATUS


@pytest.mark.parametrize("number", [-99, 7, "42"])
def test_an_undocumented_state_is_unknown(number: Any) -> None:
    (row,) = instances([{"Suid": "1", "Run_status": number, "Order_status": number}])
    assert row["run_status"] == "unknown"
    assert row["run_status_code"] == int(number)
    assert row["order_status"] == "unknown"
    assert row["order_status_code"] == int(number)
    plan = proxy_plan({"Type": number, "Ip_type": number, "Order_status": number})
    assert (plan["type"], plan["ip_type"], plan["order_status"]) == ("unknown",) * 3


@pytest.mark.parametrize(
    ("value", "on"), [(1, True), ("1", True), (0, False), ("0", False), (2, False), ("", None)]
)
def test_what_can_be_bought(value: Any, on: bool | None) -> None:
    (row,) = packages(
        [{"Package_no": "1", "Buy_status": value, "Status": value, "Upgrade_status": value}]
    )
    assert row["buyable"] == on
    assert row["enabled"] == on
    assert row["upgradable"] == on


FAMILIES = {
    "windows": "windows 2012|Windows Server 2019 数据中心版 64位中文版|Win 2016|WIN10 专业版",
    "linux": "CentOS 7.9 64位|Ubuntu Server 22.04 LTS|Debian 12.5|Rocky Linux 9|Alma 9|"
    "openEuler 22.03|Anolis OS 8|TencentOS Server 3.1|Red Hat 8",
    None: "FreeBSD 14|Darwin 12|",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_of_a_system(family: str | None) -> None:
    assert {os_family(name) for name in FAMILIES[family].split("|")} == {family}
    assert os_family(None) is None


# --- shapes of lists


ROWS = [{"Suid": str(number)} for number in range(1, 13)]
MAP = {str(number): {"Suid": str(number)} for number in range(1, 13)}


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        MAP,
        dict(sorted(MAP.items())),
        dict(reversed(MAP.items())),
        {str(number + 50): row for number, row in enumerate(ROWS)},
    ],
    ids=["list", "tuple", "map", "map by text", "reversed map", "map of a later page"],
)
def test_a_list_has_several_shapes_and_a_map_the_order_of_its_numbers(data: Any) -> None:
    assert [row["suid"] for row in instances(data)] == [str(number) for number in range(1, 13)]


def test_a_lone_object_is_a_list_of_one_and_nothing_an_empty_list() -> None:
    assert instances(pages.INSTANCES["1"]) == [pages.INSTANCE]
    assert packages(pages.PACKAGES["1"]) == [pages.PACKAGE]
    assert lines(pages.LINES[0]) == [pages.LINE]
    nothings: tuple[Any, ...] = ({}, [], None, "")
    for nothing in nothings:
        assert instances(nothing) == packages(nothing) == lines(nothing) == []


def test_where_one_object_must_be_it_may_be_wrapped() -> None:
    assert proxy_plan([pages.PROXY_PLAN]) == proxy_plan({"1": pages.PROXY_PLAN}) == pages.PLAN
    assert order_price([pages.PRICES]) == order_price({"1": pages.PRICES}) == pages.PRICE


@pytest.mark.parametrize(
    ("data", "count"), [({}, 0), ([], 0), (None, 0), ("", 0), ([pages.PRICES] * 2, 2)], ids=repr
)
def test_any_other_number_of_objects_is_an_error_where_one_must_be(data: Any, count: int) -> None:
    for read in (proxy_plan, order_price):
        with pytest.raises(
            ResponseShapeError, match=f"Data contains {count} objects instead of a p"
        ):
            read(data)


@pytest.mark.parametrize("read", [instances, packages, lines, proxy_plan, order_price])
def test_what_is_no_list_of_objects_is_an_error(read: Callable[[object], Any]) -> None:
    for data in ("text", 7, True, 1.5):
        with pytest.raises(ResponseShapeError, match=phrases.NO_LIST):
            read(data)
    for wrong in (None, "x", 7, True, ["x"]):
        for rows in ([wrong], {"1": wrong}):
            with pytest.raises(ResponseShapeError, match=phrases.NO_OBJECT):
                read(rows)


@pytest.mark.parametrize(
    "row", [{}, {"list": [], "total": 3}, {"Suid": ""}, {"other": "x"}], ids=repr
)
def test_objects_without_anything_documented_are_no_rows(row: Row) -> None:
    for read in (packages, lines, instances, proxy_plan):
        with pytest.raises(ResponseShapeError, match=phrases.NOTHING_DOCUMENTED):
            read([row])


def test_a_service_without_its_number_is_an_error() -> None:
    with pytest.raises(ResponseShapeError, match="Suid is missing"):
        instances([{"Suid": "1"}, {"Ip": "198.51.100.1"}])


@pytest.mark.parametrize(
    ("specs", "numbers"),
    [
        *(
            ([11, "12"], [11, 12]),
            ("11,12", [11, 12]),
            (" 11 , 12 ", [11, 12]),
            ("11", [11]),
            ([], []),
            ("", []),
        ),
        *((None, []), (["x", 3], [3])),
    ],
)
def test_the_specifications_of_a_line(specs: Any, numbers: list[int]) -> None:
    (row,) = lines([{"id": 1, "bindspecs": specs}])
    assert row["spec_ids"] == numbers

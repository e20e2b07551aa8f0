# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of the account API: each documented value has one name and one type, however the vendor spells it."""

from __future__ import annotations

import importlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.models import (
    IP_TYPES,
    ORDER_STATUS,
    PLAN_STATUS,
    PLAN_TYPES,
    RUN_STATUS,
    balance,
    instances,
    lines,
    order_price,
    os_family,
    packages,
    proxy_plan,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.records import Record, records
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError
from hypothesis import given
from hypothesis import strategies as st
from support import vendor_pages as pages

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


def reported_instances(data: object) -> list[Row]:
    return instances(data, include_secrets=True)


def reported_plan(data: object) -> list[Row]:
    return [proxy_plan(data, include_secrets=True)]


PAGES = {
    "packages": Page(packages, pages.PACKAGES["1"], pages.PACKAGE_FIELDS, {}, "qg_cloud_package_info", "packages"),
    "instances": Page(
        reported_instances,
        pages.INSTANCES["1"],
        pages.INSTANCE_FIELDS,
        {"Suid": "1"},
        "qg_cloud_instance_info",
        "instances",
    ),
    "lines": Page(lines, pages.LINES[0], pages.LINE_FIELDS, {}, "qg_cloud_line_info", "lines"),
    "plan": Page(reported_plan, pages.PROXY_PLAN, pages.PLAN_FIELDS, {}, "qg_proxy_plan_info", "plan"),
}
FIELDS = [
    pytest.param(page, field, id=f"{name}-{field[0]}-{field[1]}")
    for name, page in PAGES.items()
    for field in page.fields
]
NAMES = sorted(PAGES)
#: The first field of each type on each page. A type has one reader; FIELDS proves that each field has its type.
READERS = [
    pytest.param(page, field, id=f"{name}-{kind.__name__}")
    for name, page in PAGES.items()
    for kind, field in {type(field[3]): field for field in reversed(page.fields)}.items()
    if kind is not list
]


def one(page: Page, vendor: Row) -> Row:
    (found,) = page.read([vendor])
    return found


def without_vendor(found: Row) -> Row:
    return {name: value for name, value in found.items() if name != "vendor"}


# --- the examples of the pages


def test_the_example_of_packages() -> None:
    first, second = packages(pages.PACKAGES)
    assert first == pages.PACKAGE
    assert second == {
        **pages.PACKAGE,
        "package_no": "2222",
        "area_id": 343,
        "spec_no": "S1.MEDIUM2",
        "cpu": 2,
        "vendor": pages.PACKAGES["2"],
    }


def test_the_example_of_instances() -> None:
    assert instances(pages.INSTANCES) == [pages.INSTANCE]


def test_the_example_of_instances_with_secrets() -> None:
    assert instances(pages.INSTANCES, include_secrets=True) == [
        {**pages.INSTANCE, **pages.INSTANCE_SECRETS, "vendor": pages.INSTANCES["1"]}
    ]


def test_the_example_of_lines() -> None:
    assert lines(pages.LINES) == [pages.LINE]


def test_the_example_of_prices() -> None:
    assert order_price(pages.PRICES) == pages.PRICE


def test_the_table_of_proxy_services() -> None:
    assert proxy_plan(pages.PROXY_PLAN) == pages.PLAN
    assert proxy_plan(pages.PROXY_PLAN, include_secrets=True) == {
        **pages.PLAN,
        "authkey": "QGDEMO01",
        "vendor": pages.PROXY_PLAN,
    }


def test_the_example_of_the_balance() -> None:
    amount = balance("1.00")
    assert (amount.text, amount.exact) == ("1.00", Decimal("1.00"))


# --- the tables of the pages


@pytest.mark.parametrize(("page", "field"), FIELDS)
def test_each_documented_field_has_its_name_and_type(page: Page, field: pages.Field) -> None:
    vendor_name, name, value, reported = field
    found = one(page, {**page.needed, vendor_name: value})[name]
    assert (found, type(found)) == (reported, type(reported))


@pytest.mark.parametrize("name", NAMES)
def test_no_key_of_an_example_is_lost(name: str) -> None:
    page = PAGES[name]
    known = {field[0].casefold() for field in page.fields}
    assert {key.casefold() for key in page.example} <= known


@pytest.mark.parametrize("name", NAMES)
def test_all_rows_have_the_same_names(name: str) -> None:
    page = PAGES[name]
    whole = one(page, page.example)
    bare = one(page, dict(list(page.example.items())[:1]))
    assert list(bare) == list(whole)
    assert set(whole) == {field[1] for field in page.fields} | {"vendor"}


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_has_every_value_with_the_vendors_name_and_its_type(name: str) -> None:
    page = PAGES[name]
    module = importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{page.module}")
    documented = yaml.safe_load(module.RETURN)[page.result]["contains"]
    assert list(documented) == list(one(page, page.example))
    kinds = {str: "str", int: "int", float: "float", bool: "bool", list: "list"}
    for vendor_name, result_name, _value, reported in page.fields:
        entry = documented[result_name]
        assert entry["type"] == kinds[type(reported)], result_name
        text = " ".join([entry["description"]] if isinstance(entry["description"], str) else entry["description"])
        plain = text.casefold()
        # What stands beside a value of the vendor (its ISO form, its number) is reported there.
        if not result_name.endswith(("_iso", "_code")) and result_name not in ("amount", "os_family"):
            assert f"i({vendor_name.casefold()})" in plain, f"{result_name}: {text}"


@pytest.mark.parametrize("module", ["qg_cloud_price_info", "qg_cloud_package_info"])
def test_the_documentation_has_every_value_of_a_price(module: str) -> None:
    returned = yaml.safe_load(
        importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{module}").RETURN
    )
    documented = returned["price" if module == "qg_cloud_price_info" else "order_price"]["contains"]
    assert set(documented) == {*pages.PRICE, "package_no", "system_no", "duration"}


@pytest.mark.parametrize(
    ("module", "result", "words"),
    [
        ("qg_cloud_instance_info", "run_status", RUN_STATUS),
        ("qg_cloud_instance_info", "order_status", ORDER_STATUS),
        ("qg_proxy_plan_info", "order_status", PLAN_STATUS),
        ("qg_proxy_plan_info", "type", PLAN_TYPES),
        ("qg_proxy_plan_info", "ip_type", IP_TYPES),
    ],
)
def test_the_documentation_lists_every_word_and_number(module: str, result: str, words: dict[int, str]) -> None:
    returned = yaml.safe_load(
        importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{module}").RETURN
    )
    documented = returned["plan" if "plan" in returned else "instances"]["contains"]
    reported = " ".join(documented[result]["description"])
    position = [reported.index(f"V({words[number]})") for number in sorted(words)]
    assert position == sorted(position)
    numbers = ", ".join(map(str, sorted(words)))
    assert f" {numbers}." in str(documented[f"{result}_code"]["description"])


# --- spellings


def respelled(row: Row, seed: int) -> Row:
    """The same row with its keys in any case, and with underscores and blanks anywhere."""
    choose = random.Random(seed).choice

    def drift(key: str) -> str:
        return "".join(choose([sign.lower, sign.upper])() + choose(["", "", "", "_", " "]) for sign in key)

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
    row = {**pages.INSTANCES["1"], "Adsl_password": "hidden", "Business_password": "hidden", "Login_password": "hidden"}
    assert "hidden" not in str(instances([respelled(row, seed)]))
    assert str(instances([row], include_secrets=True)).count("hidden") == 6
    plan = {**pages.PROXY_PLAN, "Authkey": "hidden"}
    assert "hidden" not in str(proxy_plan(respelled(plan, seed)))
    assert str(proxy_plan(plan, include_secrets=True)).count("hidden") == 2


@pytest.mark.parametrize(
    ("page", "vendor_name", "name", "value"),
    [
        ("instances", "Harddisks", "data_disk", 20),
        ("instances", "Systemdisk", "system_disk", 40),
        ("lines", "bindspecs", "spec_ids", [1]),
        ("lines", "bondSpecs", "spec_ids", [1]),
    ],
)
def test_names_that_the_vendor_spells_in_two_ways(page: str, vendor_name: str, name: str, value: Any) -> None:
    assert one(PAGES[page], {**PAGES[page].needed, "name": "x", vendor_name: value})[name] == value


@pytest.mark.parametrize("row", [{"Line_no": "a", "line_no": ""}, {"line_no": None, "Line_no": "a"}])
def test_of_two_spellings_in_one_row_the_one_with_a_value_counts(row: Row) -> None:
    assert one(PAGES["packages"], row)["line_no"] == "a"


# --- types


@pytest.mark.parametrize("name", NAMES)
def test_numbers_as_text_and_text_as_numbers_are_the_same(name: str) -> None:
    page = PAGES[name]
    texts = {key: str(value) if isinstance(value, int) else value for key, value in page.example.items()}
    numbers = {
        key: int(value) if isinstance(value, str) and value.isdecimal() else value
        for key, value in page.example.items()
    }
    expected = without_vendor(one(page, page.example))
    assert without_vendor(one(page, texts)) == expected
    assert without_vendor(one(page, numbers)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_is_empty_null_or_absent_is_null(name: str) -> None:
    page = PAGES[name]
    kept = {**page.needed, page.fields[0][0]: "5"}
    rows = [
        one(page, {**{key: empty for key in page.example if key not in kept}, **kept}) for empty in ("", None, "  ")
    ]
    rows.append(one(page, kept))
    for row in rows:
        assert without_vendor(row) == without_vendor(rows[-1])
    # The ISO form and the rest of what is not there is there, as null.
    assert [value for value in without_vendor(rows[0]).values() if value not in (None, [])] == ["5"] or name == "lines"


def test_instances_with_nothing_but_their_number() -> None:
    (row,) = instances([{"Suid": 7}])
    assert row["suid"] == "7"
    assert {value for name, value in row.items() if name not in ("suid", "vendor")} == {None}


@pytest.mark.parametrize("wrong", [True, False, [], ["x"], {}, {"a": 1}], ids=repr)
@pytest.mark.parametrize(("page", "field"), READERS)
def test_a_wrong_json_type_is_an_error_that_names_the_field(page: Page, field: pages.Field, wrong: Any) -> None:
    name = field[0]
    row = {"name": "x", **page.needed, name: wrong}
    with pytest.raises(ResponseShapeError) as caught:
        one(page, row)
    assert str(caught.value).casefold().replace("_", "") == f"{name.casefold().replace('_', '')} is not text"


@pytest.mark.parametrize("text", ["many", "40G", "1,5", "NaN", "Infinity", "1e400", "-", "0x10"])
@pytest.mark.parametrize(("page", "field"), [case for case in READERS if type(case.values[1][3]) in (int, float)])
def test_a_number_that_cannot_be_read_is_null_and_kept_beside(page: Page, field: pages.Field, text: str) -> None:
    row = {"Line_no": "x", "name": "x", "Tunnel_url": "x", **page.needed, field[0]: text}
    found = one(page, row)
    assert found[field[1]] is None
    assert found["vendor"][field[0]] == text


@pytest.mark.parametrize("text", ["2030-01-01", "soon", "0000-00-00 00:00:00", "2030-13-01 00:00:00"])
def test_a_time_that_cannot_be_read_stays_as_it_is(text: str) -> None:
    (row,) = instances([{"Suid": "1", "End_time": text}])
    assert (row["end_time"], row["end_time_iso"]) == (text, None)


@given(st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=2).map(str))
def test_money_stays_to_the_digit(text: str) -> None:
    (row,) = packages([{"User_price": text, "Basic_price": text}])
    assert row["user_price"] == row["basic_price"] == text
    assert row["amount"] == float(text)
    price = order_price({"OriginalPrice": text, "TotalPrice": text})
    assert (price["total_price"], price["total_amount"]) == (text, float(text))
    assert balance(text).text == text
    assert balance(text).exact == Decimal(text)


@pytest.mark.parametrize(
    ("user", "basic", "price"), [("5", "9", 5.0), ("", "9", 9.0), ("ask", "9", 9.0), ("0", "9", 0.0), ("", "", None)]
)
def test_the_list_price_counts_where_the_account_has_no_other(user: str, basic: str, price: float | None) -> None:
    (row,) = packages([{"Package_no": "1", "User_price": user, "Basic_price": basic}])
    assert row["amount"] == price


@pytest.mark.parametrize("amount", [None, "", " ", "much", "NaN", "Infinity", "1e400", True, [], ["1.00"], {"a": "1"}])
def test_what_is_no_amount_is_an_error(amount: Any) -> None:
    with pytest.raises(ResponseShapeError, match="data is not"):
        balance(amount)
    for name, other in (("OriginalPrice", "TotalPrice"), ("TotalPrice", "OriginalPrice")):
        with pytest.raises(ResponseShapeError, match=f"{name} is not"):
            order_price({name: amount, other: "1"})


@pytest.mark.parametrize("amount", [1, 1.5, "1.50", " 7 ", "-3.00", 0])
def test_an_amount_may_be_a_number(amount: Any) -> None:
    assert balance(amount).exact == Decimal(str(amount).strip())


# --- states


@pytest.mark.parametrize(("number", "word"), sorted(RUN_STATUS.items()))
def test_the_states_of_a_machine(number: int, word: str) -> None:
    for value in (number, str(number), f"{number}.0"):
        (row,) = instances([{"Suid": "1", "Run_status": value}])
        assert (row["run_status"], row["run_status_code"]) == (word, number)


@pytest.mark.parametrize(("number", "word"), sorted(ORDER_STATUS.items()))
def test_the_states_of_a_service(number: int, word: str) -> None:
    (row,) = instances([{"Suid": "1", "Order_status": str(number)}])
    assert (row["order_status"], row["order_status_code"]) == (word, number)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (-4, "stopped"),
        (-1, "powered_off"),
        (0, "provisioning"),
        (1, "running"),
        (2, "starting"),
        (3, "stopping"),
        (4, "rebooting"),
        (5, "reinstalling"),
        (6, "resetting_password"),
    ],
)
def test_the_table_of_run_states_is_the_vendors(number: int, word: str) -> None:
    assert RUN_STATUS[number] == word
    assert len(RUN_STATUS) == 9


def test_the_scale_of_proxy_services_is_another() -> None:
    for number in (-4, -1, 1, 3):
        assert proxy_plan({"Order_status": number})["order_status"] == PLAN_STATUS[number]
    assert PLAN_STATUS[-4] != ORDER_STATUS[-4]
    assert -1 not in ORDER_STATUS


@pytest.mark.parametrize("number", [-99, 7, "42"])
def test_an_undocumented_state_is_unknown(number: Any) -> None:
    (row,) = instances([{"Suid": "1", "Run_status": number, "Order_status": number}])
    assert (row["run_status"], row["run_status_code"]) == ("unknown", int(number))
    assert (row["order_status"], row["order_status_code"]) == ("unknown", int(number))
    plan = proxy_plan({"Type": number, "Ip_type": number, "Order_status": number})
    assert (plan["type"], plan["ip_type"], plan["order_status"]) == ("unknown",) * 3


@pytest.mark.parametrize(("value", "on"), [(1, True), ("1", True), (0, False), ("0", False), (2, False), ("", None)])
def test_what_can_be_bought(value: Any, on: bool | None) -> None:
    (row,) = packages([{"Package_no": "1", "Buy_status": value, "Status": value, "Upgrade_status": value}])
    assert (row["buyable"], row["enabled"], row["upgradable"]) == (on, on, on)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("windows 2012", "windows"),
        ("Windows Server 2019 数据中心版 64位中文版", "windows"),
        ("Win 2016", "windows"),
        ("WIN10 专业版", "windows"),
        ("CentOS 7.9 64位", "linux"),
        ("Ubuntu Server 22.04 LTS", "linux"),
        ("Debian 12.5", "linux"),
        ("Rocky Linux 9", "linux"),
        ("Alma 9", "linux"),
        ("openEuler 22.03", "linux"),
        ("Anolis OS 8", "linux"),
        ("TencentOS Server 3.1", "linux"),
        ("Red Hat 8", "linux"),
        ("FreeBSD 14", None),
        ("Darwin 12", None),
        ("", None),
        (None, None),
    ],
)
def test_the_family_of_a_system(name: str | None, family: str | None) -> None:
    assert os_family(name) == family


# --- shapes of lists


ROWS = [{"Suid": str(number)} for number in range(1, 13)]
MAP = {str(number): {"Suid": str(number)} for number in range(1, 13)}


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        MAP,
        dict(sorted(MAP.items())),
        dict(reversed(MAP.items())),
        {str(number + 50): row for number, row in enumerate(ROWS)},
        tuple(ROWS),
    ],
    ids=["list", "map", "by text", "reversed", "of a later page", "tuple"],
)
def test_a_list_has_several_shapes(data: Any) -> None:
    assert [row["suid"] for row in instances(data)] == [str(number) for number in range(1, 13)]


def test_the_order_of_a_map_is_that_of_its_numbers() -> None:
    answer = json.loads('{"10": {"Suid": "j"}, "2": {"Suid": "b"}, "1": {"Suid": "a"}}')
    assert [row["suid"] for row in instances(answer)] == ["a", "b", "j"]


def test_a_lone_object_is_a_list_of_one() -> None:
    assert instances(pages.INSTANCES["1"]) == [pages.INSTANCE]
    assert packages(pages.PACKAGES["1"]) == [pages.PACKAGE]
    assert lines(pages.LINES[0]) == [pages.LINE]


@pytest.mark.parametrize("nothing", [{}, [], None, ""], ids=repr)
def test_an_empty_list_has_several_shapes(nothing: Any) -> None:
    assert instances(nothing) == packages(nothing) == lines(nothing) == []


@pytest.mark.parametrize("nothing", [{}, [], None, ""], ids=repr)
@pytest.mark.parametrize("read", [proxy_plan, order_price])
def test_where_one_object_must_be_none_is_an_error(read: Callable[[object], Row], nothing: Any) -> None:
    with pytest.raises(ResponseShapeError, match="Data contains 0 objects instead of a p"):
        read(nothing)


def test_where_one_object_must_be_it_may_be_wrapped() -> None:
    assert proxy_plan([pages.PROXY_PLAN]) == proxy_plan({"1": pages.PROXY_PLAN}) == pages.PLAN
    assert order_price([pages.PRICES]) == order_price({"1": pages.PRICES}) == pages.PRICE
    with pytest.raises(ResponseShapeError, match="Data contains 2 objects instead of a price"):
        order_price([pages.PRICES] * 2)


@pytest.mark.parametrize("data", ["text", 7, True, 1.5], ids=repr)
@pytest.mark.parametrize("read", [instances, packages, lines, proxy_plan, order_price])
def test_what_is_no_list_is_an_error(read: Callable[[object], Any], data: Any) -> None:
    with pytest.raises(ResponseShapeError, match="Data is neither a list nor an object"):
        read(data)


@pytest.mark.parametrize("wrong", [None, "x", 7, True, ["x"]], ids=repr)
def test_an_item_that_is_no_object_is_an_error(wrong: Any) -> None:
    for data in ([ROWS[0], wrong], {"1": ROWS[0], "2": wrong}):
        with pytest.raises(ResponseShapeError, match="a service is not an object"):
            instances(data)


@pytest.mark.parametrize("row", [{}, {"list": [], "total": 3}, {"Suid": ""}, {"other": "x"}], ids=repr)
def test_objects_without_anything_documented_are_no_rows(row: Row) -> None:
    for read in (packages, lines, instances):
        with pytest.raises(ResponseShapeError, match="has none of the documented values"):
            read([row])
    with pytest.raises(ResponseShapeError, match="has none of the documented values"):
        proxy_plan([row])


def test_a_service_without_its_number_is_an_error() -> None:
    with pytest.raises(ResponseShapeError, match="Suid is missing"):
        instances([{"Suid": "1"}, {"Ip": "198.51.100.1"}])


@pytest.mark.parametrize(
    ("specs", "numbers"),
    [
        ([11, "12"], [11, 12]),
        ("11,12", [11, 12]),
        (" 11 , 12 ", [11, 12]),
        ("11", [11]),
        ([], []),
        ("", []),
        (None, []),
        (["x", 3], [3]),
        ({}, []),
        ({"1": 11, "3": "12"}, [11, 12]),
    ],
)
def test_the_specifications_of_a_line(specs: Any, numbers: list[int]) -> None:
    (row,) = lines([{"id": 1, "bindspecs": specs}])
    assert row["spec_ids"] == numbers


@pytest.mark.parametrize("specs", [7, True, False, [[1]], [True], {"1": {}}], ids=repr)
def test_specifications_of_another_type_are_an_error(specs: Any) -> None:
    with pytest.raises(ResponseShapeError, match=r"bindspecs is not (a list|text)"):
        lines([{"id": 1, "bindspecs": specs}])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["1", "2", "Suid", "Ip", "id", "Cpu", "bondSpecs", "TotalPrice"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_gives_rows_or_one_error(data: Any) -> None:
    for read in (instances, packages, lines, proxy_plan, order_price, balance):
        try:
            read(data)
        except ResponseShapeError as error:
            reported = str(error)
        else:
            reported = "a row or none"
        assert len(reported.split()) >= 3


def test_a_record_finds_its_keys_by_any_spelling() -> None:
    record = Record({"Area_No": "x"}, "an area")
    assert record.value("areano") == "x"
    assert record.value("AREA_NO") == "x"
    assert record.value("area") is None
    assert [each.what for each in records([{}, {}], "an area")] == ["an area", "an area"]

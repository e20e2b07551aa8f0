# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which packages the options of qg_cloud_package_info select, in which order, and which durations are sold."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.models import packages
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import (
    BRANDS,
    PackageFilter,
    check_duration,
    select_packages,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from hypothesis import given
from hypothesis import strategies as st
from support.parameters import spread

OPTIONS = ("min_cpu", "min_memory", "min_system_disk", "min_data_disk", "min_bandwidth", "max_price", "buyable")
#: What each option looks at, as the vendor calls it.
VALUES = {
    "min_cpu": "Cpu",
    "min_memory": "Memory",
    "min_system_disk": "Systemdisk",
    "min_data_disk": "Datadisk",
    "min_bandwidth": "Bandwidth",
}


def options(**changes: Any) -> PackageFilter:
    return PackageFilter.parse({**dict.fromkeys(OPTIONS), **changes})


def select(vendor: list[dict[str, Any]], **changes: Any) -> list[str | None]:
    rows = packages([{"Package_no": str(number), **row} for number, row in enumerate(vendor)])
    return [row["package_no"] for row in select_packages(rows, options(**changes))]


def test_without_options_all_are_meant() -> None:
    assert sorted(filter(None, select([{}, {"Cpu": "1"}, {"Buy_status": 0}]))) == ["0", "1", "2"]


@pytest.mark.parametrize("option", VALUES)
def test_a_minimum_is_met_by_the_same_and_by_more(option: str) -> None:
    vendor = [{VALUES[option]: value} for value in ("1", "2", 4, "8", "", None, "many")]
    assert select(vendor, **{option: 2}) == ["1", "2", "3"]
    assert select(vendor, **{option: 9}) == []


@pytest.mark.parametrize("option", VALUES)
def test_a_minimum_of_zero_is_met_by_any_value(option: str) -> None:
    assert select([{VALUES[option]: "0"}, {}], **{option: 0}) == ["0"]


def test_memory_has_fractions() -> None:
    assert select([{"Memory": "0.5"}, {"Memory": "0.25"}, {"Memory": "1"}], min_memory=0.5) == ["0", "2"]


def test_all_options_count_together() -> None:
    vendor = [
        {"Cpu": "2", "Memory": "4", "Bandwidth": "5", "User_price": "60", "Buy_status": 1},
        {"Cpu": "1", "Memory": "4", "Bandwidth": "5", "User_price": "60", "Buy_status": 1},
        {"Cpu": "2", "Memory": "2", "Bandwidth": "5", "User_price": "60", "Buy_status": 1},
        {"Cpu": "2", "Memory": "4", "Bandwidth": "1", "User_price": "60", "Buy_status": 1},
        {"Cpu": "2", "Memory": "4", "Bandwidth": "5", "User_price": "90", "Buy_status": 1},
        {"Cpu": "2", "Memory": "4", "Bandwidth": "5", "User_price": "60", "Buy_status": 0},
    ]
    wanted = {"min_cpu": 2, "min_memory": 4.0, "min_bandwidth": 5, "max_price": 60.0, "buyable": True}
    assert select(vendor, **wanted) == ["0"]


@pytest.mark.parametrize(("wanted", "found"), [(None, ["0", "1", "2"]), (True, ["0"]), (False, ["1", "2"])])
def test_a_package_without_a_sale_status_is_not_on_sale(wanted: bool | None, found: list[str]) -> None:
    assert select([{"Buy_status": 1}, {"Buy_status": "0"}, {"Buy_status": ""}], buyable=wanted) == found


@pytest.mark.parametrize(
    ("most", "found"),
    [(10.0, ["0", "1"]), (9.99, ["1"]), (9.98, []), (2079.65, ["0", "1", "2"]), (2079.64, ["0", "1"])],
)
def test_the_most_that_is_paid_is_exact(most: float, found: list[str]) -> None:
    vendor = [{"User_price": "10.00"}, {"User_price": "9.99"}, {"User_price": "2079.65"}, {}]
    assert sorted(filter(None, select(vendor, max_price=most))) == found


@pytest.mark.parametrize("price", ["0.30", "0.3", "2079.65", "1.10"])
def test_a_price_is_not_more_than_itself(price: str) -> None:
    assert select([{"User_price": price}], max_price=float(price)) == ["0"]


def test_the_accounts_price_counts_and_not_the_list_price() -> None:
    vendor = [{"User_price": "50", "Basic_price": "10"}, {"User_price": "", "Basic_price": "20"}]
    assert select(vendor, max_price=20.0) == ["1"]
    assert select(vendor) == ["1", "0"]


def test_the_cheapest_is_first_by_number_and_not_by_text() -> None:
    vendor = [{"User_price": price} for price in ("100", "20", "3.5", "3.50", "", "0")]
    assert select(vendor) == ["5", "2", "3", "1", "0", "4"]


PRICES = st.none() | st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=2).map(str)


@given(st.lists(st.tuples(PRICES, PRICES, st.integers(0, 8)), max_size=12), st.integers(0, 8), st.floats(0, 10**6))
def test_a_choice_is_a_part_in_order(vendor: list[tuple[Any, Any, int]], cpu: int, most: float) -> None:
    rows = packages(
        [
            {"Package_no": str(number), "User_price": user, "Basic_price": basic, "Cpu": cpus}
            for number, (user, basic, cpus) in enumerate(vendor)
        ]
    )
    everything = select_packages(rows, options())
    assert sorted(row["package_no"] for row in everything) == sorted(row["package_no"] for row in rows)
    prices = [row["amount"] for row in everything]
    known = [price for price in prices if price is not None]
    assert prices == sorted(known) + [None] * (len(prices) - len(known))
    chosen = select_packages(rows, options(min_cpu=cpu, max_price=most))
    assert chosen == [
        row
        for row in everything
        if row["cpu"] >= cpu
        and (text := row["user_price"] or row["basic_price"])
        and Decimal(text) <= Decimal(str(most))
    ]
    # The order does not depend on that of the vendor.
    assert select_packages(rows[::-1], options()) == everything


# --- the duration of an order

#: What the vendor's page on prices lists, and of whom.
MONTHLY = ("tencent", "alibaba", "huawei", "qianhai", "telecom")
FREE = ("qingguo", "desktop", "other", None)
MONTHS = ("1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "12m", "24m", "36m")


def test_every_brand_of_the_page_is_known() -> None:
    assert set(BRANDS) == {*MONTHLY, *FREE} - {None}


@pytest.mark.parametrize(("duration", "brand"), spread(MONTHS, [*MONTHLY, *FREE]))
def test_months_are_sold_by_all(brand: str | None, duration: str) -> None:
    assert check_duration(duration, brand) == duration


@pytest.mark.parametrize(
    ("duration", "brand"), spread(["2s", "1d", "1w", "10m", "11m", "13m", "36w", "48m", "120m"], MONTHLY)
)
def test_what_a_brand_does_not_sell_is_refused_with_what_it_sells(brand: str, duration: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_duration(duration, brand)
    assert caught.value.message == (
        f"duration={duration} is not sold by brand={brand}: give one of {', '.join(MONTHS)}."
    )


@pytest.mark.parametrize(("duration", "brand"), spread(["2s", "1d", "1w", "10m", "9999s"], FREE))
def test_where_the_vendor_alone_knows_every_unit_is_taken(brand: str | None, duration: str) -> None:
    assert check_duration(duration, brand) == duration


def test_blanks_around_do_not_count() -> None:
    assert check_duration(" 3m\n", "tencent") == "3m"


@pytest.mark.parametrize(
    ("duration", "brand"),
    spread(
        ["", " ", "m", "0m", "01m", "1", "1M", "1 m", "-1m", "1.5m", "1y", "1mm", "10000m", "\uff11m", "1h"],
        ["tencent", None],
    ),
)
def test_what_is_no_duration_is_one_sentence(brand: str | None, duration: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_duration(duration, brand)
    message = caught.value.message
    assert message.startswith(f"duration={duration!r} is not a duration: give a number and s (hours)")
    assert ("hours with s" in message) is (duration == "1h")
    assert "\n" not in message


@given(st.text(max_size=8))
def test_only_the_grammar_of_the_page_passes(text: str) -> None:
    try:
        assert check_duration(text, None) == text.strip()
        passed = True
    except OptionError:
        passed = False
    assert passed is bool(re.fullmatch(r"[1-9][0-9]{0,3}[sdwm]", text.strip()))

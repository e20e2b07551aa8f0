# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""For how long the vendor sells what."""

from __future__ import annotations

import re

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import BRANDS, check_duration
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from hypothesis import given
from hypothesis import strategies as st
from support.parameters import spread

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

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which areas contain others, and which codes the areas of an option have."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import (
    NamedArea,
    area_codes,
    is_inside,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    WaitBudgetExceeded,
)
from hypothesis import given
from hypothesis import strategies as st

FUJIAN = "350000"
QUANZHOU = "350500"
LICHENG = "350502"
GUANGZHOU = "440100"
LISTED: list[NamedArea] = [
    (QUANZHOU, "福建省泉州市"),
    ("350200", "福建省厦门市"),
    (GUANGZHOU, "广东省广州市"),
    ("110105", "朝阳区"),
    ("220104", "朝阳区"),
    ("990100", None),
]


@pytest.mark.parametrize(
    ("code", "wanted", "verdict"),
    [
        pytest.param(QUANZHOU, QUANZHOU, True, id="the-same-area"),
        pytest.param(QUANZHOU, FUJIAN, True, id="a-city-of-the-province"),
        pytest.param(LICHENG, FUJIAN, True, id="a-district-of-the-province"),
        pytest.param(LICHENG, QUANZHOU, True, id="a-district-of-the-city"),
        pytest.param(FUJIAN, QUANZHOU, None, id="a-province-may-mean-the-city"),
        pytest.param(GUANGZHOU, QUANZHOU, False, id="another-city"),
        pytest.param("350200", QUANZHOU, False, id="another-city-of-the-province"),
        pytest.param("3505020", QUANZHOU, False, id="a-code-that-is-longer"),
        pytest.param(LICHENG, "3500", False, id="a-code-that-is-shorter"),
        pytest.param("3505", "3500", False, id="two-codes-that-are-shorter"),
        pytest.param("7", "7", True, id="the-same-short-code"),
        pytest.param("US", "US", True, id="the-same-country"),
        pytest.param("JP", "US", False, id="another-country"),
        pytest.param("990100", "US", None, id="a-number-and-a-country"),
        pytest.param("100500", "100000", True, id="a-province-whose-code-ends-in-zero"),
    ],
)
def test_six_digit_codes_tell_which_area_is_part_of_which(
    code: str, wanted: str, verdict: bool | None
) -> None:
    assert is_inside(code, wanted) is verdict


@given(st.integers(1, 999999), st.integers(1, 999999))
def test_disjoint_areas_are_disjoint_in_both_orders(one: int, two: int) -> None:
    assert (is_inside(str(one), str(two)) is False) == (is_inside(str(two), str(one)) is False)


@given(st.integers(100000, 999999), st.sampled_from([100, 10000]))
def test_of_two_areas_at_most_one_is_part_of_the_other(part: int, size: int) -> None:
    whole = part // size * size
    assert is_inside(str(part), str(whole)) is True
    assert is_inside(str(whole), str(part)) is (True if part == whole else None)


def codes(*texts: str, listed: Sequence[NamedArea] | None = None) -> tuple[str, ...]:
    return area_codes("areas", texts, lambda: LISTED if listed is None else listed)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param((), (), id="none"),
        pytest.param((GUANGZHOU, "福建省泉州市"), (GUANGZHOU, QUANZHOU), id="a-code-and-a-name"),
        pytest.param((f" 0{QUANZHOU} ", QUANZHOU), (QUANZHOU,), id="one-area-twice"),
        pytest.param((FUJIAN,), (FUJIAN,), id="a-province-of-listed-cities"),
        pytest.param(("us",), ("US",), id="a-country-where-the-vendor-lists-numbers"),
    ],
)
def test_areas_are_given_by_code_or_by_name(
    given: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert codes(*given) == expected


def test_a_city_of_a_listed_province_is_known() -> None:
    assert codes(QUANZHOU, listed=[(FUJIAN, "福建省")]) == (QUANZHOU,)


def test_without_a_usable_list_codes_are_taken_as_they_are() -> None:
    assert codes("7", QUANZHOU, listed=[]) == ("7", QUANZHOU)


@pytest.mark.parametrize(
    ("text", "listed", "message"),
    [
        (
            "泉州",
            LISTED,
            (
                "which qg_area_info does not list for this key: "
                "give one that it lists, such as 福建省泉州市 (350500), "
            ),
        ),
        ("350501", LISTED, "give one that it lists, such as 福建省泉州市 (350500), "),
        ("Paris", LISTED, "give one that it lists, such as "),
        (
            "朝阳区",
            LISTED,
            "which is the name of several areas: give one of the codes 110105, 220104.",
        ),
        ("泉州", [], "which is not a code, and QG.net's list contains no areas: give the codes of"),
    ],
)
def test_an_unknown_area_is_refused_with_similar_ones(
    text: str, listed: list[NamedArea], message: str
) -> None:
    with pytest.raises(OptionError) as caught:
        codes(GUANGZHOU, text, listed=listed)
    assert caught.value.message.startswith(f"areas contains '{text}', which ")
    assert message in caught.value.message


def test_if_the_list_cannot_be_read_only_names_are_refused() -> None:
    def read() -> list[NamedArea]:
        raise WaitBudgetExceeded("max_wait is over.", endpoint="/resources")

    assert area_codes("areas", [QUANZHOU], read) == (QUANZHOU,)
    with pytest.raises(WaitBudgetExceeded):
        area_codes("areas", [QUANZHOU, "福建省泉州市"], read)

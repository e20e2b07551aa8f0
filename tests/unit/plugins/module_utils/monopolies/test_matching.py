# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which exclusive-occupancy resources match, by the list and by earlier applications."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopoly
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import (
    ApplicationParams,
    DesiredMonopolies,
    Matcher,
)
from hypothesis import given
from hypothesis import strategies as st

FUJIAN, QUANZHOU, LICHENG, GUANGZHOU = "350000", "350500", "350502", "440100"


def resource(uuid: str = "a", area: str | None = "泉州", isp: str | None = "telecom") -> Monopoly:
    return Monopoly(uuid, area, isp, "online", "192.0.2.1:1", None, None, {})


def test_without_a_desired_area_or_provider_every_resource_matches() -> None:
    assert Matcher(DesiredMonopolies(1), {}).matches(resource(area=None, isp=None)) is True


@pytest.mark.parametrize(
    ("listed", "asked", "verdict"),
    [
        ("telecom", None, True),
        ("mobile", None, False),
        ("mobile", "telecom", True),
        (None, "telecom", True),
        (None, "mobile", False),
        (None, None, None),
    ],
)
def test_the_provider_is_that_of_the_same_application_or_of_the_list(
    listed: str | None, asked: str | None, verdict: bool | None
) -> None:
    matcher = Matcher(DesiredMonopolies(1, isp="telecom"), {"a": ApplicationParams(None, asked)})
    assert matcher.matches(resource(isp=listed)) is verdict


@pytest.mark.parametrize(
    ("area", "asked", "verdict"),
    [
        pytest.param("泉州", None, True, id="its-name-is-known"),
        pytest.param("广州", None, False, id="another-name-is-known"),
        pytest.param("福建", None, None, id="the-name-of-the-province-only"),
        pytest.param("福建省泉州", None, True, id="its-name-contains-a-known-one"),
        pytest.param("福建省广州", None, None, id="its-name-contains-that-of-another-area"),
        pytest.param("厦门", None, None, id="its-name-is-unknown"),
        pytest.param(None, None, None, id="it-has-no-name"),
        pytest.param(None, QUANZHOU, True, id="no-name-but-an-application"),
        pytest.param("厦门", GUANGZHOU, False, id="an-application-for-another-area"),
        pytest.param("广州", QUANZHOU, True, id="an-application-for-the-area"),
        pytest.param("广州", FUJIAN, None, id="one-source-leaves-it-open"),
    ],
)
def test_the_area_is_known_by_name_or_application(area: str | None, asked: str | None, verdict: bool | None) -> None:
    codes = {"泉州": {QUANZHOU}, "广州": {GUANGZHOU}, "福建": {FUJIAN}}
    matcher = Matcher(DesiredMonopolies(1, QUANZHOU), {"a": ApplicationParams(asked)}, codes)
    assert matcher.matches(resource(area=area)) is verdict
    assert codes == {"泉州": {QUANZHOU}, "广州": {GUANGZHOU}, "福建": {FUJIAN}}


def test_a_name_with_several_codes_matches_if_one_of_them_does() -> None:
    matcher = Matcher(DesiredMonopolies(1, QUANZHOU), {}, {"鼓楼": {GUANGZHOU, LICHENG}})
    assert matcher.matches(resource(area="鼓楼")) is True


@pytest.mark.parametrize(
    ("area", "isp", "verdict"),
    [
        ("泉州", "telecom", True),
        ("泉州", "mobile", False),
        ("广州", "telecom", False),
        ("泉州", None, None),
        ("厦门", "telecom", None),
        ("厦门", "mobile", False),
        ("广州", None, False),
    ],
)
def test_both_area_and_provider_must_match(area: str, isp: str | None, verdict: bool | None) -> None:
    codes = {"泉州": {QUANZHOU}, "广州": {GUANGZHOU}}
    assert (
        Matcher(DesiredMonopolies(1, QUANZHOU, "telecom"), {}, codes).matches(resource(area=area, isp=isp)) is verdict
    )


def test_names_of_areas_are_learned_from_idle_stock_and_from_applications() -> None:
    matcher = Matcher(DesiredMonopolies(1, QUANZHOU), {"a": ApplicationParams(LICHENG), "b": ApplicationParams()})
    idle: list[Any] = [
        "no row",
        {"area": "泉州", "areaId": QUANZHOU},
        {"area": "泉州", "areaId": 350501},
        {"area": "美国", "areaId": "US"},
        {"area": "香港", "areaId": 0},
        {"area": "", "areaId": 1},
        {"area": "福建"},
    ]
    held = [resource("a", "鲤城"), resource("b", "厦门"), resource("c", "漳州"), resource("a", None)]
    matcher.add_codes(held, idle)
    assert matcher.codes == {"泉州": {QUANZHOU, "350501"}, "鲤城": {LICHENG}}
    matcher.add_codes([])
    assert matcher.codes == {"泉州": {QUANZHOU, "350501"}, "鲤城": {LICHENG}}


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["area", "AreaCode", "x"]), inner),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.lists(json, max_size=4), json)
def test_an_idle_stock_in_any_format_is_harmless(rows: list[Any], odd: Any) -> None:
    matcher = Matcher(DesiredMonopolies(1, 990000), {})
    matcher.add_codes([], [*rows, odd])
    assert matcher.matches(resource()) in (True, False, None)


@pytest.mark.parametrize(
    ("undetermined", "matching"), [("fail", ["yes"]), ("ignore", ["yes"]), ("match", ["yes", "open"])]
)
def test_undetermined_resources_match_only_if_the_option_says_so(undetermined: str, matching: list[str]) -> None:
    held = [resource("no", isp="mobile"), resource("yes"), resource("open", isp=None)]
    counted, unknown = Matcher(DesiredMonopolies(1, isp="telecom", on_uncertain=undetermined), {}).classify(held)
    assert ([one.uuid for one in counted], [one.uuid for one in unknown]) == (matching, ["open"])

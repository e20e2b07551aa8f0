# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the held resources count as desired."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import (
    Desired,
    Traits,
    codes_by_name,
)

SERVER = "192.0.2.1:1"


@pytest.mark.parametrize(("remaining", "missing"), [(600.0, 0), (599.9, 1)])
def test_a_resource_with_exactly_the_wanted_time_left_counts(
    remaining: float, missing: int
) -> None:
    held = Traits("one", None, None, None, Terms(), remaining=remaining)

    plan = Desired(1, min_remaining=10).plan({SERVER: held}, areas=dict)

    assert plan.needed == missing


@pytest.mark.parametrize(
    ("place", "missing", "unclear"),
    [
        pytest.param("福建省泉州市", 0, [], id="what is listed in an area is there"),
        pytest.param("somewhere", 1, [], id="what was bought for another area is there"),
    ],
)
def test_a_lease_that_was_bought_for_another_area(
    place: str, missing: int, unclear: list[str]
) -> None:
    held = Traits("one", None, place, None, Terms(areas=("440100",)))

    plan = Desired(1, Terms(areas=("350500",))).plan({SERVER: held}, lambda: {"泉州市": "350500"})

    assert plan.needed == missing
    assert plan.unclear == unclear


@pytest.mark.parametrize(
    "terms", [Terms(isp="telecom"), Terms(exclude_areas=("350500",))], ids=["isp", "exclude_areas"]
)
def test_a_lease_of_which_nothing_is_shown_may_match(terms: Terms) -> None:
    held = Traits("one", None, None, None, Terms())

    plan = Desired(1, terms).plan({SERVER: held}, dict)

    assert plan.unclear == [SERVER]


@pytest.mark.parametrize(("requested", "missing"), [("telecom", 0), ("mobile", 1)])
def test_a_company_that_nobody_knows_is_of_the_provider_that_was_requested(
    requested: str, missing: int
) -> None:
    held = Traits("one", None, None, "a company", Terms(isp=requested, areas=("350500",)))

    plan = Desired(1, Terms(isp="telecom")).plan({SERVER: held}, dict)

    assert plan.needed == missing
    assert plan.unclear == []


def test_only_a_name_of_a_single_area_stands_for_its_code() -> None:
    areas = [("1", "one"), ("2", "two"), ("3", "two"), ("4", None)]

    assert codes_by_name(areas) == {"one": "1"}

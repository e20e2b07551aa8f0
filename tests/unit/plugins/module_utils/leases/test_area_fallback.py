# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases in another area while the preferred one has no stock."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from support.in_process import Vendor
from support.lease_runs import LeaseNode, uncertain

QUANZHOU, HUAIAN = "350500", "320800"
PREFERRED = AllocationParams(areas=(QUANZHOU,), area_fallback=True)


def areas(core: Vendor) -> list[str | None]:
    return [call.params.get("AreaId") for call in core.journal if call.path == "/allocate"]


def test_only_a_lack_of_stock_is_followed_by_another_area(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "code", code=-103)
    outcome = node.ensure(2, params=PREFERRED)
    assert (outcome.error, outcome.by_areas, areas(core)) == (None, {(): 2}, [QUANZHOU, None])
    assert node.ensure(2, params=PREFERRED).allocated == ()
    core.fault("/allocate", "code", code=-10)
    assert node.ensure(3, params=PREFERRED).error.details["code"] == -10
    assert (areas(core)[2:], core.paid) == ([QUANZHOU], 2)


@pytest.mark.parametrize(("kind", "paid"), [("reset_before", 0), ("reset_after", 1)])
def test_a_lack_of_stock_that_may_be_the_effect_of_a_lost_attempt_is_not_followed(
    core: Vendor, node: LeaseNode, kind: str, paid: int
) -> None:
    core.fault("/allocate", kind)
    core.fault("/allocate", "code", code=-103)
    core.fault("/query", "replace", body={"Code": 0, "TaskList": []}, times=-1)
    outcome = node.ensure(1, params=PREFERRED)
    uncertain(outcome)
    assert (set(areas(core)), core.paid) == ({QUANZHOU}, paid)


def test_the_order_of_several_areas_counts_and_their_terms_survive_the_state() -> None:
    several = AllocationParams(areas=(QUANZHOU, HUAIAN), area_fallback=True)
    assert several.area_choices == ((QUANZHOU,), (HUAIAN,))
    assert (several.accepted_areas, PREFERRED.accepted_areas) == ((QUANZHOU, HUAIAN), ())
    for params in (several, PREFERRED, AllocationParams(60, "telecom", True, (), (HUAIAN,), 2)):
        assert AllocationParams.from_json(params.as_json()) == params

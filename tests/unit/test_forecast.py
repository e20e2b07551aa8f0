# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When purchases reach a cap; ``behavior/test_forecast.py`` compares what a gateway needs with
simulated days.
"""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._spending.forecast import (
    Budget,
    Demand,
    allowed_after,
    cap_reached_after,
    duration,
    forecast,
    per_day,
)
from support import phrases

HOUR = 3600.0


@pytest.mark.parametrize(
    ("cap", "recent", "a_day", "hours"),
    [
        # From nothing.
        (240, [], 480, 12),
        (240, [], 240, None),
        (240, [], 120, None),
        # What was bought an hour ago counts.
        (240, [(HOUR, 120)], 480, 6),
        # It is there already.
        (240, [(HOUR, 240)], 480, 0),
        (240, [(HOUR, 300)], 480, 0),
        # What was bought 23 hours ago counts for one more.
        (240, [(23 * HOUR, 120)], 480, 12),
        (240, [(23 * HOUR, 230)], 480, 0.5),
        # A burst is in the way of what is bought steadily.
        (240, [(12 * HOUR, 200)], 120, 8),
        (240, [(22 * HOUR, 200)], 120, None),
    ],
)
def test_when_a_cap_is_reached(
    cap: int, recent: list[tuple[float, int]], a_day: float, hours: float | None
) -> None:
    expected = None if hours is None else pytest.approx(hours * HOUR)

    assert cap_reached_after(cap, recent, a_day) == expected


def test_what_is_needed_in_a_day() -> None:
    share = Demand(3, life=60, drain=15, interval=10)
    day = Demand(5, life=86400, drain=60, interval=30)

    assert str(per_day([share])) == "4,713 to 5,760"
    assert str(per_day([day])) == "5"
    assert str(per_day([share, day])) == "4,718 to 5,765"


def test_a_cap_that_only_the_most_reaches_may_be_reached() -> None:
    share = Demand(3, life=60, drain=15, interval=10)
    need = per_day([share])
    cap = round(need.usual) + 100

    assert need.usual < cap < need.most
    assert phrases.MAY_BE_REACHED in forecast([share], Budget(cap=cap))


def test_a_cap_leaves_what_the_shown_need_does_not_take() -> None:
    day = Demand(2, life=86400, drain=15, interval=10)

    assert str(per_day([day])) == "2"
    assert forecast([day], Budget(cap=5000)).endswith(f"{phrases.IS_NOT_REACHED} 4,998.")


@pytest.mark.parametrize(("channels", "free"), [(4, "2 of the 4"), (2, "0 of the 2"), (1, None)])
def test_whether_a_plan_has_channels_enough(channels: int, free: str | None) -> None:
    said = forecast([Demand(2, life=86400, drain=15, interval=10)], Budget(channels=channels))

    if free is None:
        assert said.endswith(f"{phrases.PLAN_HAS_ONLY} 1 channel.")
    else:
        assert f"{free} channels of the plan would be free" in said


@pytest.mark.parametrize(
    ("recent", "hours"),
    [
        ([], 0),
        ([(HOUR, 4)], 0),
        ([(HOUR, 5)], 23),
        # Enough of them are a day old when the first one is.
        ([(20 * HOUR, 2), (HOUR, 4)], 4),
        ([(20 * HOUR, 1), (HOUR, 5)], 23),
    ],
)
def test_when_a_cap_allows_a_purchase_again(recent: list[tuple[float, int]], hours: float) -> None:
    assert allowed_after(5, recent) == hours * HOUR


@pytest.mark.parametrize(
    ("hours", "words"), [(0.5, "0.5 hours"), (47.9, "47.9 hours"), (48, "2.0 days")]
)
def test_how_a_duration_is_written(hours: float, words: str) -> None:
    assert duration(hours * HOUR) == words

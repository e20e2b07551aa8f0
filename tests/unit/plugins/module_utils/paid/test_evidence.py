# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a list proves about a purchase whose response was lost, and which resources match."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.evidence import Outcome, verdict
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired, Traits
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.snapshot import (
    OpenCall,
    Report,
    Says,
    Snapshot,
)

NOW = 1_800_000_000.0
SERVER = "192.0.2.1:1"
LOST = OpenCall(
    1,
    "/allocate",
    adds=1,
    removes=0,
    before=frozenset(),
    sent_at=NOW - 20,
    timeout=10.0,
    answered_at=None,
)


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        pytest.param(NOW + 60, Outcome.OPEN, id="another call holds it"),
        pytest.param(NOW - 1, Outcome.DONE, id="an ended address is given again"),
    ],
)
def test_what_another_call_has_bought_is_no_effect_of_a_lost_one(
    ends: float, outcome: Outcome
) -> None:
    bought = Report(SERVER, 2, Says.HELD, NOW - 600, ends, 600.0)
    listed = {SERVER: NOW + 60}
    snapshot = Snapshot(listed, NOW, NOW, NOW, reports=[bought], calls=[LOST])

    seen = verdict(LOST, snapshot)

    assert seen.outcome is outcome
    assert list(seen.added) == ([SERVER] if outcome is Outcome.DONE else [])


@pytest.mark.parametrize(("remaining", "missing"), [(600.0, 0), (599.9, 1)])
def test_a_resource_with_exactly_the_wanted_time_left_counts(
    remaining: float, missing: int
) -> None:
    held = Traits("one", None, None, None, Terms(), remaining=remaining)

    plan = Desired(1, min_remaining=10).plan({SERVER: held}, areas=dict)

    assert plan.missing == missing

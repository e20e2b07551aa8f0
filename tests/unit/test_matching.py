# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the held resources count as desired."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired, Traits

SERVER = "192.0.2.1:1"


@pytest.mark.parametrize(("remaining", "missing"), [(600.0, 0), (599.9, 1)])
def test_a_resource_with_exactly_the_wanted_time_left_counts(
    remaining: float, missing: int
) -> None:
    held = Traits("one", None, None, None, Terms(), remaining=remaining)

    plan = Desired(1, min_remaining=10).plan({SERVER: held}, areas=dict)

    assert plan.missing == missing

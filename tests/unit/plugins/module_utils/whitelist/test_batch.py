# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a batch charges its task for, and whose request it finds."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import WriteBatch
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Turns
from support.whitelist import ControlNode, node

__all__ = ["node"]


@pytest.mark.parametrize(("waited", "charged"), [(0.0, 0.0), (40.0, 35.0), (500.0, 300.0)])
def test_the_time_in_the_queue_counts_to_max_wait_but_never_exceeds_it(
    node: ControlNode, waited: float, charged: float
) -> None:
    turns, options = Turns(node.claims()), node.options().api
    api = options.client(turns.claims.store)
    claim = Claim(DesiredWhitelist("present", ("203.0.113.1",)).as_claim, 300.0, 10.0, made_at=0.0)
    batch = WriteBatch(turns, claim, options, Mode(), api)
    # The batch window is not charged: it is short, and serves all claims.
    turns.waited, turns.collected = waited, min(waited, 5.0)
    assert batch.work([claim]).content["error"] is None, "the calls themselves need no wait"
    assert api.budget.waited == charged
    assert batch.api_usage["waited_seconds"] == waited


def test_the_request_of_a_host_is_found_for_the_state_and_inventory_that_it_was_submitted_for(
    node: ControlNode,
) -> None:
    node.submit("run", "a", ["203.0.113.1"], detected=True)
    found = node.find("run", "a")
    assert found is not None
    assert found.wanted["detected"] is True
    assert node.find("run", "a", state="absent") is None
    assert node.find("run", "a", inventory_id="g") is None

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An HTTP status without the vendor's code proves nothing: leases that such a call got are paid for once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import UncertainOutcomeError
from support.in_process import CLASSIC, PATHS, Vendor
from support.lease_runs import LeaseNode


@pytest.mark.parametrize("status", [302, 403, 429])
@pytest.mark.parametrize("product", [CLASSIC, "exclusive", "overseas"])
def test_leases_of_a_call_with_a_bare_status_are_paid_for_once(tmp_path: Path, product: str, status: int) -> None:
    core = Vendor(**({} if product == CLASSIC else {"kind": product, "channels": 9, "lifetime": 60}))
    core.fault(PATHS[product].get, "status", http_status=status, executed=True)
    outcome = LeaseNode(core, tmp_path, product).ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)


@pytest.mark.parametrize(
    ("answer", "lag"),
    [
        ({"kind": "status", "http_status": 429}, 40),
        # A code that a gateway has, and the vendor does not document.
        ({"kind": "replace", "body": {"Code": 403}}, 0),
    ],
    ids=["listed late", "code of a gateway"],
)
def test_leases_of_a_call_that_something_else_answered_are_paid_for_once(
    core: Vendor, node: LeaseNode, answer: dict[str, Any], lag: int
) -> None:
    core.configure(options={"list_lag": lag})
    core.fault("/allocate", **answer, executed=True)
    outcome = node.ensure(3)
    assert (outcome.error, len(outcome.allocated), core.paid) == (None, 3, 3)


def test_a_bare_429_without_an_effect_is_followed_by_another_attempt_in_a_minute(core: Vendor, node: LeaseNode) -> None:
    core.fault("/allocate", "status", http_status=429)
    outcome = node.ensure(3)
    first, second = (record.at for record in core.journal if record.path == "/allocate")
    assert (outcome.error, core.paid) == (None, 3)
    assert second - first >= 60


@pytest.mark.parametrize(
    ("status", "max_wait", "reason"),
    [(429, 20, "After it, the list of leases shows nothing new"), (403, 300, "HTTP 403")],
)
def test_a_bare_status_without_an_effect_ends_the_task_if_no_attempt_can_follow(
    core: Vendor, node: LeaseNode, status: int, max_wait: int, reason: str
) -> None:
    core.fault("/allocate", "status", http_status=status, times=-1)
    outcome = node.ensure(3, max_wait=max_wait)
    assert not isinstance(outcome.error, UncertainOutcomeError)
    assert f"HTTP {status}" in outcome.error.message
    assert reason in outcome.error.message
    assert (core.calls("/allocate"), core.paid) == (["/allocate"], 0)

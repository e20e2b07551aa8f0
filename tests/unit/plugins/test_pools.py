# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pools of hosts: which exits are replaced, and how many leases may be had where there are too few."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.action.qg_proxy_allocate import failed_exits, may_be_had


@pytest.mark.parametrize(
    ("lines", "count", "failed"),
    [
        (["up qg-a-1", "down qg-b-2"], 2, ["b:2"]),
        # Another host reaches it.
        (["down qg-a-1", "up qg-a-1"], 1, []),
        # Another pool, and what is no exit.
        (["down web-a-1", "up qg-b-2", "---"], 1, []),
        # No exit is up: one in each run, and at most three before one of them ends.
        (["down qg-a-1", "down qg-b-2"], 2, ["a:1"]),
        ([f"down qg-a-{number}" for number in range(5)], 2, []),
    ],
)
def test_exits_that_are_down_are_replaced_within_a_bound(lines: list[str], count: int, failed: list[str]) -> None:
    assert failed_exits("qg", lines, count) == failed


CHANNELS = {"missing": 5, "quota": {"available": 3}}
CAP = {"cap": {"bought": 8, "wanted": 5, "limit": 10}}


@pytest.mark.parametrize(("refusal", "number"), [({}, 0), (CHANNELS, 3), (CAP, 2)])
def test_what_a_refusal_allows_is_leased(refusal: dict[str, Any], number: int) -> None:
    assert may_be_had(refusal, 5) == number

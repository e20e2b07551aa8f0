# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that show changes with a lag."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.clock import Clock
from simulator.core import Core

KEY = "QGDEMO01"


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(1_800_000_000.0), seed=1)


def call(core: Core, path: str, method: str = "GET", **params: str) -> Any:
    status, body = core.handle(method, path, {"Key": KEY, **params})
    assert status == 200
    return body


def test_a_list_lag_delays_leases_and_whitelist_but_not_the_quota(core: Core) -> None:
    call(core, "/whitelist/add", IP="203.0.113.5")
    core.keys[KEY].configure({"options": {"list_lag": 3}})
    call(core, "/allocate", Num="2")
    call(core, "/whitelist/add", IP="203.0.113.6")
    core.clock.advance(2.9)
    call(core, "/whitelist/del", IP="203.0.113.5")
    assert call(core, "/query")["TotalNum"] == 0
    assert call(core, "/whitelist/query")["Data"] == ["203.0.113.5"]
    assert call(core, "/info/quota")["Used"] == 2
    core.clock.advance(0.2)
    assert call(core, "/query")["TotalNum"] == 2
    assert call(core, "/whitelist/query")["Data"] == ["203.0.113.5", "203.0.113.6"]
    core.clock.advance(3)
    assert call(core, "/whitelist/query")["Data"] == ["203.0.113.6"]


def test_a_spread_list_shows_the_leases_of_one_call_one_after_the_other(core: Core) -> None:
    core.keys[KEY].configure({"options": {"list_lag": 3, "list_spread": 5}})
    call(core, "/allocate", Num="2")
    core.clock.advance(3)
    assert call(core, "/query")["TotalNum"] == 1
    core.clock.advance(5)
    assert call(core, "/query")["TotalNum"] == 2
    assert call(core, "/info/quota")["Used"] == 2


def test_a_list_lag_delays_monopolies(core: Core) -> None:
    core.keys[KEY].configure({"plan": {"kind": "exclusive_occupancy"}, "options": {"list_lag": 3}})
    call(core, "/monopolies", "POST", Num="1")
    assert call(core, "/monopolies")["data"] == []
    core.clock.advance(3)
    assert len(call(core, "/monopolies")["data"]) == 1

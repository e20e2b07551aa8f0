# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate limits: windows that start with the first call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator

Call = Callable[..., Any]
A = "203.0.113.5"


@pytest.mark.parametrize(
    ("path", "limit"), [("/whitelist/add", 20), ("/whitelist/del", 20), ("/whitelist/query", 60), ("/info/quota", 60)]
)
def test_an_endpoint_enforces_its_rate_limit(sim: Simulator, call: Call, path: str, limit: int) -> None:
    answers = [call(path, IP=A)["Code"] for repeat in range(limit + 2)]
    assert answers == [0] * limit + [-11] * 2
    calls = sim.journal(path)
    assert [item["code"] for item in calls] == answers
    assert [item["executed"] for item in calls] == [True] * limit + [False] * 2
    window = sim.control("GET", "/windows")[sim.key][path]
    assert (window["count"], window["limit"]) == (limit, limit)


CHANNELS = 2


@pytest.mark.parametrize(
    ("plan", "path", "limit"),
    [
        *(({}, "/allocate", CHANNELS * 5 + 10), ({}, "/replace", CHANNELS * 5 + 10)),
        *(({}, "/query", CHANNELS * 5 + 10), ({}, "/release", CHANNELS * 5), ({}, "/resources", 60)),
        *(({"billing": "volume"}, "/allocate", 60), ({"kind": "dynamic_shared"}, "/extract", 45)),
    ],
)
def test_the_rate_limit_depends_on_the_plan(
    sim: Simulator, call: Call, plan: dict[str, Any], path: str, limit: int
) -> None:
    sim.configure(plan={**plan, "channels": CHANNELS}, options={"lease_proxies": False})
    answers = [call(path, TaskID="none")["Code"] for repeat in range(limit + 1)]
    assert -11 not in answers[:-1]
    assert answers[-1] == -11
    assert sim.journal(path)[-1]["executed"] is False


def test_each_method_of_monopolies_has_its_own_rate_limit(sim: Simulator, http: requests.Session) -> None:
    sim.configure(plan={"kind": "exclusive_occupancy", "channels": CHANNELS})
    limits = {"GET": 60, "POST": CHANNELS * 5 + 10, "DELETE": CHANNELS * 5 + 10}
    for method, limit in limits.items():
        sent: dict[str, Any] = {"data" if method == "POST" else "params": {"Key": sim.key, "UUIDs": "none"}}
        for repeat in range(limit + 1):
            answer = http.request(method, f"{sim.api_url}/monopolies", timeout=10, **sent)
            assert (answer.status_code == 400 and "频繁" in answer.json()["error"]) == (repeat == limit)
    assert sim.control("GET", "/windows")[sim.key]["POST /monopolies"]["limit"] == CHANNELS * 5 + 10


def test_a_window_starts_with_the_first_call_and_does_not_slide(sim: Simulator, call: Call) -> None:
    sim.hold_clock()
    sim.advance(30)
    assert call("/whitelist/add", IP=A)["Code"] == 0
    sim.advance(50)
    assert [call("/whitelist/add", IP=A)["Code"] for repeat in range(20)] == [0] * 19 + [-11]
    sim.advance(10)
    assert [call("/whitelist/add", IP=A)["Code"] for repeat in range(21)] == [0] * 20 + [-11]


def test_windows_are_per_key_and_endpoint(sim: Simulator, call: Call) -> None:
    sim.configure("OTHER001")
    assert [call("/whitelist/add", IP=A)["Code"] for repeat in range(21)][-1] == -11
    assert call("/whitelist/del", IP=A)["Code"] == 0
    assert call("/whitelist/add", IP="203.0.113.9", Key="OTHER001")["Code"] == 0
    sim.control("DELETE", "/windows")
    assert call("/whitelist/add", IP=A)["Code"] == 0

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rate limits: windows that start with the first call."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from simulator_fixture import Simulator, running_simulator

Call = Callable[..., Any]
A = "203.0.113.5"
MINUTE = 2.0


@pytest.fixture(scope="module")
def short() -> Iterator[Simulator]:
    with running_simulator(["--minute", str(MINUTE)]) as running:
        yield running


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """With a whole minute, so that no window ends while a test fills it."""
    with running_simulator() as running:
        yield running


@pytest.mark.parametrize(
    ("path", "limit"), [("/whitelist/add", 20), ("/whitelist/del", 20), ("/whitelist/query", 60), ("/info/quota", 60)]
)
def test_limit(sim: Simulator, call: Call, path: str, limit: int) -> None:
    answers = [call(path, IP=A)["Code"] for repeat in range(limit + 2)]
    assert answers == [0] * limit + [-11] * 2
    calls = sim.journal(path)
    assert [item["code"] for item in calls] == answers
    assert [item["executed"] for item in calls] == [True] * limit + [False] * 2
    window = sim.control("GET", "/windows")[sim.key][path]
    assert (window["count"], window["limit"]) == (limit, limit)


def test_window_starts_with_the_first_call(short: Simulator, http: requests.Session) -> None:
    short.reset()

    def query() -> int:
        params = {"Key": short.key, "IP": A}
        code: int = http.get(f"{short.api_url}/whitelist/add", params=params, timeout=10).json()["Code"]
        return code

    time.sleep(MINUTE / 3)  # time before the first call is no part of the window
    first = time.time()
    assert query() == 0
    time.sleep(MINUTE / 2)
    assert [query() for repeat in range(20)] == [0] * 19 + [-11]
    started = short.control("GET", "/windows")[short.key]["/whitelist/add"]["started"]
    assert abs(started - first) < MINUTE / 4
    # The window ends a minute after the first call, although the others came late: it does not slide.
    time.sleep(max(0.0, first + MINUTE + 0.1 - time.time()))
    assert [query() for repeat in range(20)] == [0] * 20
    assert query() == -11


def test_windows_are_per_key_and_endpoint(sim: Simulator, call: Call) -> None:
    sim.configure("OTHER001")
    assert [call("/whitelist/add", IP=A)["Code"] for repeat in range(21)][-1] == -11
    assert call("/whitelist/del", IP=A)["Code"] == 0
    assert call("/whitelist/add", IP="203.0.113.9", Key="OTHER001")["Code"] == 0
    sim.control("DELETE", "/windows")
    assert call("/whitelist/add", IP=A)["Code"] == 0


def test_a_refused_call_is_not_executed(sim: Simulator, call: Call) -> None:
    for number in range(20):
        call("/whitelist/add", IP=f"illegal{number}")
    assert call("/whitelist/add", IP=A)["Code"] == -11
    assert sim.whitelist() == []

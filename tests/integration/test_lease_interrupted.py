# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases after a run that was ended while a paid call was under way, and beside a list that lags, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.lease_modules import (
    ALLOCATE,
    RELEASE,
    REPLACE,
    LeaseScenario,
    named,
    scenario_fixture,
    settle_after,
    use_policy,
)
from support.operation_process import kill_during_call

__all__ = ["scenario_fixture"]

#: Seconds after which the vendor carries out a call whose process is gone by then.
LATE = 4.0
Interrupt = Callable[..., None]


@pytest.fixture(autouse=True)
def room_and_brief_polls(scenario: LeaseScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have channels to pay twice, and poll the list at short intervals, for longer than it lags in these tests."""
    scenario.sim.configure(plan={"channels": 20})
    use_policy(monkeypatch, lag_delays=(0.0, 0.5, 1.0, 2.0, 4.0))
    settle_after(monkeypatch, scenario.options["max_wait"])


@pytest.fixture(name="interrupted")
def interrupted_fixture(scenario: LeaseScenario, minute: float) -> Interrupt:
    """A run that is killed while its call is under way, which the vendor carries out late."""

    def run(path: str, name: str, **options: Any) -> None:
        scenario.begin()
        scenario.sim.fault(path=path, kind="delay", seconds=LATE)
        everything = {**scenario.options, "timeout": 60.0, **options}
        kill_during_call(name, everything, minute, lambda: path in scenario.writes())

    return run


def test_an_allocation_of_a_killed_run_is_not_paid_for_again(scenario: LeaseScenario, interrupted: Interrupt) -> None:
    """The next run waits until the list shows what the vendor carries out late."""
    interrupted(ALLOCATE, "allocate", count=5)
    result = scenario.ok("allocate", count=5)
    scenario.in_sync()
    assert len(scenario.books().held) == len(scenario.books().paid) == 5
    assert (named(result["leases"]), result["missing"]) == (scenario.books().held, 0)
    assert scenario.writes() == [ALLOCATE]


def test_an_interrupted_replacement_is_paid_for_once_if_the_task_runs_again(
    scenario: LeaseScenario, interrupted: Interrupt
) -> None:
    scenario("allocate", count=3)
    interrupted(REPLACE, "replace", all=True)

    result = scenario.ok("replace", all=True)
    scenario.in_sync()
    now = scenario.books()
    assert len(now.paid - scenario.start.paid) == len(scenario.start.held - now.held) == 3
    assert named(result["leases"]) == now.held
    assert scenario.writes() == [REPLACE]

    # It is over then: the same task replaces again.
    assert scenario("replace", all=True)["changed"] is True
    assert scenario.writes() == [REPLACE, REPLACE]


@pytest.mark.parametrize("shown", [False, True], ids=["never shown", "shown before"])
def test_a_list_that_lags_makes_no_run_pay_again(scenario: LeaseScenario, shown: bool) -> None:
    """The leases are released before the list has ever shown them, or while it still shows them."""
    scenario.sim.configure(options={"list_lag": 3})
    scenario.begin()
    for _run in range(2):
        result = scenario("allocate", count=3)
        assert ("failed" in result, result["count"], len(scenario.books().paid)) == (False, 3, 3), result
        assert named(result["leases"]) == scenario.books().held
    first = scenario.books().held

    if shown:
        scenario.sim.advance(10)
    result = scenario("release", all=True)
    assert ("failed" in result, named(result["released"])) == (False, first), result
    result = scenario("allocate", count=2)
    assert ("failed" in result, result["count"], result["held"]) == (False, 2, 2), result
    assert named(result["leases"]) == scenario.books().held
    assert len(scenario.books().paid) == 5
    assert scenario.writes() == [ALLOCATE, RELEASE, ALLOCATE]

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases after a run that was ended while a paid call was under way, and beside a list that lags, over HTTP."""

from __future__ import annotations

import signal
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
from support.lease_process import interrupt
from support.playbooks import Playground

__all__ = ["scenario_fixture"]

#: Seconds after which the vendor carries out a call whose process is gone by then.
LATE = 4.0
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: hold five
      qingguo.qgnet.qg_proxy_allocate:
        key: "{{ key }}"
        api_url: "{{ api_url }}"
        state_dir: "{{ state_dir }}"
        count: 5
"""


@pytest.fixture(autouse=True)
def room_and_brief_polls(scenario: LeaseScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have channels to pay twice, and poll the list at short intervals, for longer than it lags in these tests."""
    scenario.sim.configure(plan={"channels": 20})
    use_policy(monkeypatch, lag_delays=(0.0, 0.5, 1.0, 2.0, 4.0))
    settle_after(monkeypatch, scenario.options["max_wait"])


@pytest.mark.newest_core
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_allocation_of_a_killed_run_is_not_paid_for_again(
    scenario: LeaseScenario, playground: Playground, minute: float, ending: signal.Signals
) -> None:
    """The next run waits until the list shows what the vendor carries out late."""
    scenario.begin()
    scenario.sim.fault(path=ALLOCATE, kind="delay", seconds=LATE)
    interrupt(scenario, minute, ALLOCATE, "allocate", ending, count=5)

    variables: dict[str, Any] = {
        "key": scenario.sim.key,
        **{name: scenario.options[name] for name in ("api_url", "state_dir")},
    }
    result = playground.play(PLAY, variables=variables).ok().of("hold five").result
    scenario.at_rest()
    assert len(scenario.books().held) == len(scenario.books().paid) == 5
    assert (named(result["leases"]), result["missing"]) == (scenario.books().held, 0)
    assert scenario.writes() == [ALLOCATE]


@pytest.mark.newest_core
@pytest.mark.parametrize("options", [{"all": True}, {"count": 2}], ids=["all", "count"])
def test_an_interrupted_replacement_is_paid_for_once_if_the_task_runs_again(
    scenario: LeaseScenario, minute: float, options: dict[str, Any]
) -> None:
    replaced = 3 if "all" in options else 2
    scenario("allocate", count=3)
    scenario.begin()
    scenario.sim.fault(path=REPLACE, kind="delay", seconds=LATE)
    interrupt(scenario, minute, REPLACE, "replace", signal.SIGKILL, **options)

    result = scenario("replace", **options)
    assert "failed" not in result, result
    scenario.at_rest()
    now = scenario.books()
    assert len(now.paid - scenario.start.paid) == len(scenario.start.held - now.held) == replaced
    assert named(result["leases"]) == now.held
    assert scenario.writes() == [REPLACE]

    # It is over then: the same task replaces again.
    assert scenario("replace", **options)["changed"] is True
    assert scenario.writes() == [REPLACE, REPLACE]


@pytest.mark.newest_core
def test_check_mode_neither_waits_for_an_unresolved_call_nor_writes(
    scenario: LeaseScenario, minute: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A single pause would take longer than the task may wait.
    use_policy(monkeypatch, poll_interval=2 * scenario.options["max_wait"])
    settle_after(monkeypatch, 4 * scenario.options["max_wait"])
    scenario.begin()
    scenario.sim.fault(path=ALLOCATE, kind="delay", seconds=LATE)
    interrupt(scenario, minute, ALLOCATE, "allocate", signal.SIGKILL, count=2)
    result = scenario("allocate", count=2, check=True)
    assert "failed" not in result, result
    assert scenario.writes() == [ALLOCATE]
    scenario.at_rest()
    assert len(scenario.books().paid) == 2


@pytest.mark.newest_core
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

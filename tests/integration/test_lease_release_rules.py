# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each product lets its customers release, and when a released channel can be used again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.lease_modules import ALLOCATE, LIST, RELEASE, REPLACE, LeaseScenario, named, scenario_fixture
from support.module_tasks import play, task
from support.playbooks import QUOTA, Playground, assert_one_sentence, calls
from support.vendor_faults import assert_refusal

__all__ = ["scenario_fixture"]

#: More than a day, after which a static lease may be released, and a week, in which only two may, in seconds.
A_DAY, A_WEEK = 86401, 7 * 86400 + 1
#: The client's minute where what happens in it must not depend on the machine: the simulator's lasts two seconds.
LONG_MINUTE = 60.0


def several(scenario: LeaseScenario, channels: int, *numbers: int) -> None:
    """A plan that holds more than it may release in a minute: it had more channels when they were leased."""
    scenario.sim.configure(channels=sum(numbers))
    scenario.hold(*numbers)
    scenario.sim.configure(channels=channels)


def test_dynamic_dedicated_releases_twice_its_channels_a_minute(scenario: LeaseScenario) -> None:
    several(scenario, 2, 3, 4)
    result = scenario.reached("release", all=True)
    assert len(result["released"]) == 7
    assert result["held"] == 0
    # The second call waited for its minute instead of being refused.
    assert [(len(call["ips"]), call["code"]) for call in scenario.sim.journal(RELEASE)] == [(4, 0), (3, 0)]


def test_dynamic_dedicated_stops_cleanly_without_time_to_wait(
    scenario: LeaseScenario, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    several(scenario, 2, 3, 4)
    with monkeypatch.context() as patched:
        patched.setenv("QG_MINUTE_SECONDS", str(LONG_MINUTE))
        result = scenario("release", max_wait=0, all=True)
    assert result["failed"] is True
    assert result["changed"] is True
    assert len(result["released"]) == 4
    assert result["held"] == 3
    scenario.assert_reported(result)
    assert "max_wait" in result["msg"]
    for lease in scenario.sim.leases():
        assert lease["ip"] in result["msg"]
    assert [call["code"] for call in scenario.sim.journal(RELEASE)] == [0]
    # The rest goes later, as soon as the vendor lets it; where this one counts, it would be a whole minute.
    scenario.start = scenario.books()
    scenario.reached("release", all=True, store=str(tmp_path / "elsewhere"))
    assert scenario.sim.leases() == []


def test_dynamic_dedicated_releases_of_another_client_count_too(scenario: LeaseScenario) -> None:
    """Calls that are not counted here use the limit up: the vendor refuses, is asked for less, and is waited for."""
    several(scenario, 2, 7)
    for lease in scenario.sim.leases()[:3]:
        assert scenario.get(RELEASE, IP=lease["ip"])["Code"] == 0
    scenario.start = scenario.books()
    scenario.reached("release", all=True)
    assert scenario.sim.leases() == []


def test_dynamic_dedicated_a_persistent_limit_fails(scenario: LeaseScenario) -> None:
    scenario.hold(3)
    scenario.sim.fault(path=RELEASE, kind="code", code=-105, times=-1)
    result = scenario("release", all=True)
    assert_refusal(result, -105, RELEASE, "count limit")
    assert result["changed"] is False
    scenario.assert_reported(result)
    for lease in scenario.sim.leases():
        assert lease["ip"] in result["msg"]
    assert len(scenario.writes()) <= 6


def test_dynamic_dedicated_five_calls_a_minute_for_each_channel(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=2)
    scenario.hold(1, 1)
    scenario.sim.hold_clock()
    for _call in range(10):
        scenario.get(RELEASE, IP="203.0.113.200")
    stopped = scenario("release", all=True, max_wait=0)
    assert stopped["failed"] is True
    assert "max_wait" in stopped["msg"]
    scenario.assert_reported(stopped)
    scenario.assert_untouched()
    scenario.sim.hold_clock(False)
    scenario.reached("release", all=True)
    assert scenario.sim.leases() == []


def test_dynamic_dedicated_turns_of_leasing_and_releasing_are_never_refused(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=1)
    for _turn in range(4):
        leased = scenario.ok("allocate", count=1)
        scenario.ok("release", ips=[leased["leases"][0]["server"]])
    assert [call["code"] for call in scenario.sim.journal()] == [0] * len(scenario.sim.journal())
    assert scenario.sim.leases() == []


def test_dynamic_shared_never_releases(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"kind": "dynamic_shared"})
    scenario.hold(1, 1)
    result = scenario("release", all=True)
    assert_refusal(result, -15, RELEASE, "permission")
    assert scenario.writes() == [RELEASE]
    scenario.assert_reported(result)
    scenario.assert_untouched()


@pytest.mark.parametrize("kind", ["dynamic_shared", "static_dedicated"])
def test_only_dynamic_dedicated_plans_replace(scenario: LeaseScenario, kind: str) -> None:
    """Nothing new is paid for as long as nothing was given up."""
    scenario.sim.configure(plan={"kind": kind})
    held = scenario.hold(2)
    assert_refusal(scenario.stopped("replace", all=True), -15, REPLACE, "permission")
    named_one = scenario.stopped("replace", ips=[held[0]["ip"]], max_wait=5)
    assert named_one["error"]["code"] == (-15 if kind == "dynamic_shared" else -105)
    scenario.assert_untouched()
    assert ALLOCATE not in scenario.writes()


def test_dynamic_shared_a_surplus_stays_and_is_reported(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"kind": "dynamic_shared"})
    scenario.hold(3)
    result = scenario("allocate", count=1, exact=True)
    assert_refusal(result, -15, RELEASE)
    scenario.assert_reported(result)
    scenario.assert_untouched()
    # What is wanted is there, all the same.
    assert result["missing"] == 0


def test_static_dedicated_a_lease_younger_than_a_day_stays(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"kind": "static_dedicated"})
    held = scenario.hold(1)
    # Without time to wait, it stops at once.
    assert_refusal(scenario.stopped("release", all=True, max_wait=0), -105, RELEASE, "count limit")
    assert scenario.writes() == [RELEASE]
    result = scenario.stopped("release", all=True)
    assert_refusal(result, -105, RELEASE, "count limit")
    assert "more than a day" in result["msg"]
    assert held[0]["ip"] in result["msg"]
    scenario.assert_untouched()


def test_static_dedicated_two_a_week(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"kind": "static_dedicated"})
    scenario.hold(3)
    scenario.save_channels()
    scenario.sim.advance(A_DAY)
    scenario.begin()
    result = scenario("release", all=True, max_wait=0)
    assert_refusal(result, -105, RELEASE, "count limit")
    scenario.assert_reported(result)
    assert len(result["released"]) == 2
    assert result["held"] == len(scenario.sim.leases()) == 1
    assert "2 a week" in result["msg"]
    scenario.sim.advance(A_WEEK)
    scenario.start = scenario.books()
    scenario.reached("release", all=True)
    assert scenario.sim.leases() == []


@pytest.mark.parametrize("young_first", [False, True], ids=["young last", "young first"])
def test_static_dedicated_a_young_lease_does_not_keep_an_old_one(scenario: LeaseScenario, young_first: bool) -> None:
    """The vendor refuses a call that names one young lease; the old one is released whatever the order of the list."""
    scenario.sim.configure(plan={"kind": "static_dedicated"})
    old = scenario.hold(1)
    scenario.sim.advance(A_DAY)
    scenario.hold(1)
    if young_first:
        listed = scenario.get(LIST, Detail="1")
        listed["TaskList"].reverse()
        scenario.sim.fault(path=LIST, kind="replace", body=listed)
        scenario.begin()
    scenario.save_channels()
    result = scenario("release", all=True, max_wait=0)
    assert result["failed"] is True
    assert result["error"]["code"] == -105
    scenario.assert_reported(result)
    assert named(result["released"]) == named(old)


@pytest.mark.parametrize(
    ("name", "options"),
    [("allocate", {"count": 1}), ("release", {"all": True}), ("replace", {"all": True}), ("info", {})],
)
def test_exclusive_occupancy_has_no_leases(scenario: LeaseScenario, name: str, options: dict[str, Any]) -> None:
    scenario.sim.configure(plan={"kind": "exclusive_occupancy"})
    result = scenario(name, **options)
    assert_refusal(result, -15, LIST, "permission")
    assert calls(scenario.sim) == [LIST]


@pytest.mark.parametrize("release_answer", ["list", "code"])
def test_what_is_not_held_is_never_named(scenario: LeaseScenario, release_answer: str) -> None:
    scenario.sim.configure(options={"absent_release": "error", "release_answer": release_answer})
    held = scenario.hold(2, 1)
    scenario.reached("release", ips=[held[0]["ip"], "203.0.113.77"])
    assert [call["ips"] for call in scenario.sim.journal(RELEASE)] == [[held[0]["ip"]]]
    by_task = scenario("release", task_ids=[held[2]["task_id"], "NoSuchTask"])
    assert named(by_task["released"]) == named(held[2:])
    assert named(scenario.sim.leases()) == named(held[1:2])


def test_a_channel_that_becomes_free_late_is_waited_for(scenario: LeaseScenario, playground: Playground) -> None:
    """Release, then allocate, then swap by name, one after the other, with a vendor whose channels free a bit later."""
    playground.minute = LONG_MINUTE
    # Longer than the next task needs to start, also on a machine that has much else to do.
    scenario.sim.configure(channels=2, plan={"free_delay": 5})
    held = scenario.hold(2)
    text = play(
        task("release", "qg_proxy_release", {"all": True}),
        task("allocate", "qg_proxy_allocate", {"count": 2}, register="leased"),
        task("swap", "qg_proxy_replace", {"ips": ["{{ leased.leases[0].ip }}"]}),
        hosts="localhost",
        defaults={"key": scenario.sim.key, "api_url": scenario.sim.api_url},
    )
    run = playground.play(text).ok()
    released, leased, swapped = (done.result for done in run.tasks)
    assert named(released["released"]) == named(held)
    assert len(leased["allocated"]) == 2
    assert leased["api"]["waited_seconds"] > 0
    assert len(swapped["allocated"]) == len(swapped["released"]) == 1
    assert swapped["missing"] == 0
    assert len(scenario.sim.leases()) == 2
    assert named(swapped["leases"]) == named(scenario.sim.leases())
    # Nothing was asked for before there was room.
    assert len(scenario.books().paid) == 5


def test_a_channel_that_does_not_become_free_in_time_fails(
    scenario: LeaseScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", str(LONG_MINUTE))
    scenario.sim.configure(channels=2, plan={"free_delay": 3600})
    held = scenario.hold(2)
    result = scenario("replace", ips=[held[0]["ip"]], max_wait=1)
    assert result["failed"] is True
    assert "max_wait" in result["msg"]
    scenario.assert_reported(result)
    assert result["missing"] == 1
    assert result["allocated"] == []


def test_a_count_that_needs_a_taken_channel_fails_before_a_write(scenario: LeaseScenario, tmp_path: Path) -> None:
    scenario.sim.configure(channels=2, plan={"free_delay": 3600})
    scenario.hold(2)
    scenario.ok("release", all=True)
    scenario.begin()
    result = scenario("allocate", count=1, max_wait=0.5)
    assert result["failed"] is True
    assert "0 of the plan's 2 channels" in result["msg"]
    assert QUOTA in calls(scenario.sim)
    # Without the memory of a release, a busy channel is not waited for: the run fails at once, with the numbers.
    elsewhere = scenario("allocate", count=1, store=str(tmp_path / "other"))
    assert elsewhere["failed"] is True
    assert_one_sentence(elsewhere["msg"])
    assert elsewhere["quota"] == {"unit": "channels", "total": 2, "available": 0, "used": 2}
    assert scenario.writes() == []

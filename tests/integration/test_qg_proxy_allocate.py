# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leases count for qg_proxy_allocate, what it asks the vendor for, and in how many calls leases change."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from support.lease_modules import ALLOCATE, AREAS, LIST, RELEASE, LeaseScenario, named, scenario_fixture
from support.playbooks import QUOTA, assert_one_sentence, calls

__all__ = ["scenario_fixture"]

QUANZHOU, HUAIAN = 350500, 320800
#: The vendor's numbers of the providers.
ISPS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}
slow = pytest.mark.slow


# Parameters


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"keep_alive": 7}, {"KeepAlive": "7"}, id="KeepAlive"),
        pytest.param({"areas": ["江苏省淮安市"]}, {"AreaId": str(HUAIAN)}, id="AreaId"),
        pytest.param({"distinct": True}, {"Distinct": "1"}, id="Distinct"),
        *(pytest.param({"isp": isp}, {"Isp": str(number)}, id=f"Isp {isp}") for isp, number in ISPS.items()),
    ],
)
def test_parameters_of_new_leases(scenario: LeaseScenario, options: dict[str, Any], parameters: dict[str, str]) -> None:
    row = {"area_id": HUAIAN, "area": "江苏省淮安市", "available": 20}
    scenario.sim.configure(plan={"stock": {"areas": [{**row, "isp": number} for number in ISPS.values()]}})
    scenario.reached("allocate", count=2, **options)
    [call] = scenario.sim.journal(ALLOCATE)
    assert call["params"] == {"Num": "2", "Detail": "1", **parameters}


@pytest.mark.parametrize("name", ["allocate", "replace"])
@pytest.mark.parametrize("area", ["泉州", "350501"])
def test_an_unknown_area_is_refused_with_similar_ones_before_a_call_that_pays(
    scenario: LeaseScenario, name: str, area: str
) -> None:
    scenario.hold(1)
    result = scenario(name, count=1, areas=[area])
    assert (result["failed"], result["changed"]) == (True, False)
    assert f"areas contains '{area}', which qg_area_info does not list for this key: did you mean " in result["msg"]
    assert "福建省泉州市 (350500)" in result["msg"]
    assert scenario.writes() == []


def test_distinct_leases_are_not_those_of_before(scenario: LeaseScenario) -> None:
    scenario.sim.configure(options={"address_reuse": "first"})
    old = scenario.hold(2)
    scenario.ok("release", all=True)
    result = scenario("allocate", count=2, distinct=True)
    assert not {lease["ip"] for lease in result["leases"]} & {lease["ip"] for lease in old}


def test_a_hundred_are_one_call(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=100, options={"lease_proxies": False})
    result = scenario.ok("allocate", count=100)
    assert calls(scenario.sim) == [LIST, QUOTA, ALLOCATE]
    assert result["count"] == len(scenario.sim.leases()) == 100
    assert scenario("allocate", count=100)["changed"] is False


def test_a_long_list_is_released_in_the_fewest_calls(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=30, options={"lease_proxies": False})
    held = scenario.hold(30)
    scenario.ok("release", ips=[lease["ip"] for lease in held])
    assert len(scenario.sim.journal(RELEASE)) == 1
    assert scenario.sim.leases() == []


# Which leases count


def test_the_clock_of_the_vendor_decides_how_long_a_lease_lasts(scenario: LeaseScenario) -> None:
    """The clock of this control node is an hour behind, so that each lease seems to last an hour longer."""
    scenario.sim.advance(3600)
    options = {"count": 1, "keep_alive": 60, "min_remaining": 30}
    (lease,) = scenario.ok("allocate", **options)["leases"]
    assert 3500 < lease["remaining_seconds"] <= 3600
    assert scenario.ok("allocate", **options)["changed"] is False
    scenario.sim.advance(40 * 60)
    assert scenario.ok("info")["leases"][0]["remaining_seconds"] <= 20 * 60
    again = scenario.ok("allocate", **options)
    assert len(again["allocated"]) == 1, "the first one has less than half an hour left"


def test_exact_releases_the_surplus_oldest_deadline_first(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=60)
    scenario.hold(1, KeepAlive=10)
    held = scenario.hold(1, KeepAlive=30)
    assert scenario("allocate", count=1)["changed"] is False
    expected = scenario("allocate", count=1, exact=True, check=True)
    assert named(expected["released"]) == named([held[1], held[2]])
    assert scenario.writes() == []
    result = scenario.reached("allocate", count=1, exact=True)
    assert named(result["released"]) == named([held[1], held[2]])
    assert named(result["leases"]) == named([held[0]])
    assert scenario.writes() == [RELEASE]
    assert scenario("allocate", count=1, exact=True)["changed"] is False
    assert scenario.writes() == [RELEASE]


def test_exact_keeps_other_kinds(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=10)
    other = scenario.hold(2, AreaId=HUAIAN)
    scenario.hold(3, AreaId=QUANZHOU)
    result = scenario.reached("allocate", count=1, exact=True, areas=[QUANZHOU])
    assert len(result["released"]) == 2
    assert named(other) <= named(scenario.sim.leases())
    assert len(scenario.sim.leases()) == 3


def test_min_remaining_counts_only_leases_that_last(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=5)
    scenario.hold(1, KeepAlive=120)
    options = {"count": 2, "min_remaining": 30, "keep_alive": 60}
    result = scenario.reached("allocate", **options)
    assert (result["count"], len(result["allocated"])) == (2, 1)
    assert min(lease["remaining_seconds"] for lease in result["leases"]) >= 1800
    assert scenario("allocate", **options)["changed"] is False
    assert scenario.writes() == [ALLOCATE]


@pytest.mark.parametrize("lost", [pytest.param(False, marks=slow), True], ids=["remembered", "state lost"])
def test_area_and_provider_come_from_the_origin_or_the_region(scenario: LeaseScenario, lost: bool) -> None:
    terms: dict[str, Any] = {"areas": [HUAIAN], "isp": "unicom"}
    scenario.sim.configure(channels=10)
    first = scenario.ok("allocate", count=2, **terms)
    if lost:
        shutil.rmtree(scenario.options["store"])
    scenario.begin()
    again = scenario("allocate", count=2, **terms)
    assert again["changed"] is False
    assert named(again["leases"]) == named(first["leases"])
    assert scenario.writes() == []
    assert (AREAS in calls(scenario.sim)) is lost
    # Another kind is another desired state.
    assert len(scenario.ok("allocate", count=1, areas=["440100"], isp="telecom")["allocated"]) == 1


@pytest.mark.parametrize("undetermined", ["fail", "ignore", "match"])
def test_areas_that_cannot_be_read_leave_it_to_the_option(scenario: LeaseScenario, undetermined: str) -> None:
    scenario.sim.configure(channels=10)
    held = scenario.hold(2, AreaId=QUANZHOU)
    scenario.sim.fault(path=AREAS, kind="code", code=-15, times=-1)
    result = scenario("allocate", count=2, areas=[QUANZHOU], on_uncertain=undetermined)
    scenario.assert_reported(result)
    if undetermined == "fail":
        assert result["failed"] is True
        assert "on_uncertain=match" in result["msg"]
        assert held[0]["ip"] in result["msg"]
    assert len(result.get("allocated", [])) == (2 if undetermined == "ignore" else 0)
    assert len(scenario.books().paid) == (4 if undetermined == "ignore" else 2)


def test_an_expired_lease_is_allocated_again(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=1)
    scenario.hold(1, KeepAlive=600)
    assert scenario("allocate", count=2)["changed"] is False
    scenario.sim.advance(61)
    scenario.begin()
    assert len(scenario.reached("allocate", count=2)["allocated"]) == 1


@pytest.mark.parametrize("min_remaining", [0, 1])
def test_what_the_vendor_lists_counts_unless_it_must_last(scenario: LeaseScenario, min_remaining: int) -> None:
    """The vendor states no zone for its times: a deadline is a reason to pay again only where it is asked for."""
    scenario.hold(1)
    body = scenario.get(LIST)
    body["TaskList"][0]["Data"][0]["deadline"] = "2001-01-01 00:00:00"
    scenario.sim.fault(path=LIST, kind="replace", body=body)
    result = scenario.ok("allocate", count=1, min_remaining=min_remaining)
    assert len(result["allocated"]) == min_remaining
    assert result["count"] == 1


# The plan's limits


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"count": 6}, ["count=6", "4 more", "only 3", "5 channels", "2 held"], id="over the quota"),
        pytest.param({"count": 5, "min_remaining": 60}, ["count=5", "5 more", "only 3"], id="stale ones do not count"),
        pytest.param({"count": 101}, ["count=101", "100"], id="over a hundred"),
    ],
)
def test_a_count_that_is_too_large_fails_before_the_first_write(
    scenario: LeaseScenario, options: dict[str, Any], words: list[str]
) -> None:
    scenario.hold(2, KeepAlive=5)
    for check in (True, False):
        result = scenario("allocate", check=check, **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert_one_sentence(result["msg"])
        assert [word for word in words if word not in result["msg"]] == []
        if options["count"] <= 100:
            assert result["quota"] == {"unit": "channels", "total": 5, "available": 3, "used": 2}
    assert scenario.writes() == []
    scenario.assert_untouched()


@pytest.mark.parametrize("volume_quota", ["balance", "refuse"])
@pytest.mark.parametrize("wanted", [3, 4])
def test_a_plan_by_volume(scenario: LeaseScenario, volume_quota: str, wanted: int) -> None:
    scenario.sim.configure(plan={"billing": "volume", "balance": 3}, options={"volume_quota": volume_quota})
    scenario.begin()
    if wanted > 3:
        result = scenario.stopped("allocate", count=wanted)
        scenario.assert_untouched()
        assert scenario.writes() == ([] if volume_quota == "balance" else [ALLOCATE])
        assert result.get("error", {}).get("code") == (None if volume_quota == "balance" else -105)
    else:
        scenario.reached("allocate", count=wanted)
        assert scenario("allocate", count=3)["changed"] is False
        assert len(scenario.books().paid) == 3

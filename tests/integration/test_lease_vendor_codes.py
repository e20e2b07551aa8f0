# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each code of the vendor's table, on each call for leases that may be answered with it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import POLICY
from support.lease_modules import ALLOCATE, AREAS, LIST, POOL, RELEASE, REPLACE, LeaseScenario, scenario_fixture
from support.parameters import spread
from support.playbooks import QUOTA, calls
from support.vendor_faults import assert_refusal, brief

__all__ = ["scenario_fixture"]

#: Codes that end a call for good, on whatever call, and a word of their meaning.
COMMON = {
    -10: "parameter",
    -12: "blocked",
    -13: "not authorised",
    -14: "password",
    -15: "permission",
    -100: "expired",
}
#: Codes of the calls that lease.
LEASING = {
    -101: "more than the plan's channels",
    -102: "no free channel",
    -103: "resources short",
    -105: "count limit",
}
#: Each call: the operation that makes it, what the vendor holds before, and the codes that end it.
CALLS: dict[str, tuple[str, dict[str, Any], dict[int, str]]] = {
    LIST: ("info", {}, COMMON),
    QUOTA: ("allocate", {"count": 2}, {code: word for code, word in COMMON.items() if code not in (-10, -15)}),
    ALLOCATE: ("allocate", {"count": 2}, {**COMMON, **LEASING}),
    RELEASE: ("release", {"all": True}, COMMON),
    REPLACE: ("replace", {"count": 1}, {**COMMON, **LEASING}),
    POOL: ("pool", {}, {**COMMON, -103: "resources short"}),
    AREAS: ("areas", {}, COMMON),
}
#: The calls that each operation makes before the one that fails.
BEFORE = {QUOTA: [LIST], ALLOCATE: [LIST, QUOTA], RELEASE: [LIST], REPLACE: [LIST]}
#: The minute of a client whose refusals are planned, in seconds.
SHORT_MINUTE = "0.3"
WRITTEN = {ALLOCATE: POLICY.max_attempts, REPLACE: POLICY.max_attempts, RELEASE: POLICY.max_repeats + 1}


def prepared(scenario: LeaseScenario, endpoint: str) -> tuple[str, dict[str, Any]]:
    """The operation that makes the call, and its options, with a key that holds one lease, of a plan that has it."""
    if endpoint == POOL:
        scenario.sim.configure(plan={"kind": "dynamic_shared"})
    scenario.hold(1)
    return CALLS[endpoint][:2]


EACH_CODE = [
    pytest.param(endpoint, code, id=f"{endpoint[1:]}{code}")
    for endpoint, (_name, _options, codes) in CALLS.items()
    for code in codes
]


@pytest.mark.parametrize(
    ("endpoint", "code", "http_status"),
    brief(spread(EACH_CODE, [200, 400]), *(f"{endpoint[1:]}-100" for endpoint in CALLS), "allocate-102", "replace-103"),
)
def test_a_final_code_is_one_call(scenario: LeaseScenario, endpoint: str, code: int, http_status: int) -> None:
    name, options = prepared(scenario, endpoint)
    scenario.sim.fault(path=endpoint, kind="code", code=code, http_status=http_status, times=-1)
    result = scenario(name, **options)
    assert_refusal(result, code, endpoint, CALLS[endpoint][2][code])
    assert result["error"]["http_status"] == http_status
    assert result["changed"] is False
    made = calls(scenario.sim)
    assert made[: len(BEFORE.get(endpoint, [])) + 1] == [*BEFORE.get(endpoint, []), endpoint]
    assert made.count(endpoint) == 1
    scenario.assert_untouched()


@pytest.mark.parametrize("code", [-10, -15])
def test_a_plan_without_a_quota_is_no_hindrance(scenario: LeaseScenario, code: int) -> None:
    scenario.sim.fault(path=QUOTA, kind="code", code=code, times=-1)
    result = scenario("allocate", count=2)
    scenario.assert_reported(result)
    assert calls(scenario.sim) == [LIST, QUOTA, ALLOCATE]
    assert len(result["allocated"]) == 2


@pytest.mark.parametrize(("endpoint", "code"), [(ALLOCATE, -104), (REPLACE, -1)])
def test_a_failed_allocation_is_repeated_after_the_list_was_read(
    scenario: LeaseScenario, endpoint: str, code: int
) -> None:
    name, options = prepared(scenario, endpoint)
    scenario.sim.fault(path=endpoint, kind="code", code=code, times=2)
    result = scenario.reached(name, **options)
    assert len(result["allocated"]) == 1
    made = calls(scenario.sim)
    assert made.count(endpoint) == 3
    # Between two tries, the list is always read.
    assert all(made[place + 1] == LIST for place, path in enumerate(made[:-1]) if path == endpoint)


@pytest.mark.parametrize("endpoint", [ALLOCATE, REPLACE, RELEASE])
def test_a_persistent_failure_is_reported(scenario: LeaseScenario, endpoint: str) -> None:
    name, options = prepared(scenario, endpoint)
    scenario.sim.fault(path=endpoint, kind="code", code=-1, times=-1)
    result = scenario(name, **options)
    assert_refusal(result, -1, endpoint, "unknown error")
    assert result["changed"] is False
    assert scenario.writes() == [endpoint] * WRITTEN[endpoint]
    scenario.assert_reported(result)
    scenario.assert_untouched()


def test_without_retries_a_read_and_a_paid_call_are_sent_once(scenario: LeaseScenario) -> None:
    name, options, _codes = CALLS[QUOTA]
    scenario.sim.fault(path=QUOTA, kind="code", code=-1, times=1)
    assert scenario(name, **options, max_wait=0)["failed"] is True
    assert calls(scenario.sim, QUOTA) == [QUOTA]
    scenario.begin()
    scenario.sim.fault(path=ALLOCATE, kind="code", code=-1, times=1)
    assert scenario("allocate", count=1, max_wait=0)["failed"] is True
    assert calls(scenario.sim, ALLOCATE) == [ALLOCATE]


#: A read, a call that leases, and a release on each change.
LIMITED = [LIST, ALLOCATE, RELEASE]


@pytest.mark.parametrize("endpoint", LIMITED)
def test_too_many_requests_is_waited_for(
    scenario: LeaseScenario, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", SHORT_MINUTE)
    name, options = prepared(scenario, endpoint)
    scenario.sim.fault(path=endpoint, kind="code", code=-11)
    result = scenario.ok(name, **options)
    first, second, *_rest = scenario.sim.journal(endpoint)
    # The vendor's minute may have begun with the refused call, and ends no earlier than that.
    assert second["at"] - first["at"] >= float(SHORT_MINUTE)
    assert result["api"]["waited_seconds"] > 0
    if endpoint in WRITTEN:
        scenario.assert_reported(result)


@pytest.mark.parametrize(
    ("code", "prepared", "options"),
    [
        pytest.param(-101, {"channels": 2}, {"count": 3}, id="-101"),
        pytest.param(-102, {"channels": 2, "used": 1}, {"count": 2}, id="-102"),
        pytest.param(-105, {"plan": {"billing": "volume", "balance": 1}}, {"count": 2}, id="-105"),
    ],
)
def test_a_plan_that_is_too_small_refuses_without_a_quota(
    scenario: LeaseScenario, code: int, prepared: dict[str, Any], options: dict[str, Any]
) -> None:
    scenario.sim.configure(**prepared)
    scenario.begin()
    scenario.sim.fault(path=QUOTA, kind="code", code=-15, times=-1)
    result = scenario("allocate", **options)
    assert_refusal(result, code, ALLOCATE)
    assert scenario.writes() == [ALLOCATE]
    scenario.assert_untouched()


@pytest.mark.parametrize("name", ["allocate", "replace"])
def test_an_area_without_stock_fails(scenario: LeaseScenario, name: str) -> None:
    scenario.hold(1, AreaId=320800)
    stock = {"areas": [{"area_id": 350500, "area": "福建省泉州市", "isp": 1, "available": 0}]}
    scenario.sim.configure(plan={"stock": stock})
    options: dict[str, Any] = {"on_uncertain": "ignore"} if name == "allocate" else {}
    result = scenario(name, count=1, areas=["350500"], isp="mobile", **options)
    assert_refusal(result, -103, ALLOCATE if name == "allocate" else REPLACE, "resources short")
    scenario.assert_reported(result)
    scenario.assert_untouched()


@pytest.mark.parametrize("code", [-103, -104])
def test_a_replacement_that_is_refused_when_the_old_leases_are_gone(scenario: LeaseScenario, code: int) -> None:
    """The vendor gives up the old leases, and then has nothing new: their channels are filled, or it is reported."""
    scenario.hold(2)
    scenario.sim.configure(options={"replace_failure": "drop"})
    stock = [{"area_id": 350500, "area": "福建省泉州市", "isp": 1, "available": 0}]
    scenario.sim.configure(plan={"stock": {"areas": stock}})
    if code == -104:
        # The vendor's own code comes late; what it did shows all the same.
        scenario.sim.fault(path=REPLACE, kind="replace", body={"Code": code}, executed=True)
    result = scenario("replace", all=True)
    assert_refusal(result, -103, ALLOCATE, "resources short")
    scenario.assert_reported(result)
    assert result["missing"] == len(result["released"]) == 2
    assert result["changed"] is True

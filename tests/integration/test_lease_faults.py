# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong on the way: no lease is paid for twice, and none that no result or error names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import vendor_faults
from support.lease_modules import (
    ALLOCATE,
    LIST,
    LOOK,
    RELEASE,
    REPLACE,
    WRITES,
    LeaseScenario,
    named,
    scenario_fixture,
)
from support.operation_process import at_once
from support.parameters import combined, spread
from support.playbooks import QUOTA, Result, calls
from support.vendor_faults import HOPELESS, LONGER, TIMED, TIMEOUT, Faults, brief, cases, planned

__all__ = ["scenario_fixture"]

#: Faults after which the vendor has done what it was asked for, and those after which it has not.
DONE: Faults = {
    **vendor_faults.DONE,
    "server error after the work": {"kind": "status", "http_status": 500, "executed": True},
    "gateway timeout after the work": {"kind": "status", "http_status": 504, "executed": True},
    "too many requests after the work": {
        **vendor_faults.UNDONE["too many requests"],
        "executed": True,
    },
    "unknown error after the work": {"kind": "replace", "body": {"Code": -1}, "executed": True},
}
#: The same, but only as an answer to a write: a read is not repeated after it.
DENIED: Faults = {
    "forbidden after the work": {"kind": "status", "http_status": 403, "executed": True},
}
#: The same, but only as an answer to a call that leases.
REFUSED: Faults = {
    "allocation failed after the work": {"kind": "replace", "body": {"Code": -104}, "executed": True},
}
UNDONE: Faults = {**vendor_faults.UNDONE, "garbage before the work": {"kind": "garbage", "executed": False}}
#: Faults after which nothing was done, but the call may be under way still: a server between gave up waiting.
IN_FLIGHT: Faults = {
    **vendor_faults.GATEWAY,
    "request timeout": {"kind": "status", "http_status": 408},
    "delay": {"seconds": LONGER},
}
#: Answers of a success that are not as documented. What was done shows in the list.
ODD: Faults = {
    **vendor_faults.ODD,
    "names no lease": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Num": 2, "Data": []}, "executed": True},
    "data is text": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Data": "203.0.113.4"}, "executed": True},
    "data holds numbers": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Data": [1]}, "executed": True},
    "slow": {"kind": "delay", "seconds": 0.1},
}
#: Answers of a read that lie about what is held.
LIES: Faults = {"data_null": {}, "data_absent": {}}
#: Answers to a read that stays impossible.
UNREADABLE: Faults = {
    "refuse": {},
    "unknown error": {"kind": "code", "code": -1},
    "expired": {"kind": "code", "code": -100},
}

#: Requests for a key with 8 channels that holds a task of two leases and a task of one: options, leases that the
#: vendor gives for them, leases that go, leases in the end, and the writing calls.
REQUESTS: dict[str, tuple[str, dict[str, Any], int, int, int, list[str]]] = {
    "more": ("allocate", {"count": 5}, 2, 0, 5, [ALLOCATE]),
    "exact": ("allocate", {"count": 2, "exact": True}, 0, 1, 2, [RELEASE]),
    "release": ("release", {"all": True}, 0, 3, 0, [RELEASE]),
    "rotate": ("replace", {"count": 2}, 2, 2, 3, [REPLACE]),
    "rotate all": ("replace", {"all": True}, 3, 3, 3, [REPLACE]),
    "replace one": ("replace", {}, 1, 1, 3, [RELEASE, ALLOCATE]),
}
CHANNELS = 8
#: Every request with each of its writing calls, and one request for each of these calls.
WRITTEN = [
    pytest.param(requested, path, id=f"{requested}-{path[1:]}")
    for requested, row in REQUESTS.items()
    for path in row[5]
]
EACH_WRITE = [
    pytest.param(requested, REQUESTS[requested][5][0], id=requested) for requested in ("more", "exact", "rotate")
]


def after_each_write(*lost: str) -> list[Any]:
    """How the answer to a write is lost, for each write of each request."""
    return [pytest.param(how, *write.values, id=f"{how or 'reported'}-{write.id}") for how in lost for write in WRITTEN]


def prepare(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=CHANNELS)
    scenario.hold(2, 1)
    scenario.save_channels()
    scenario.begin()


def run(scenario: LeaseScenario, requested: str, kind: str = "", **changes: Any) -> Result:
    """The result of the request, with a time limit that its fault passes, and an end to its waits."""
    name, options, *_numbers = REQUESTS[requested]
    if requested == "replace one":
        options = {"ips": [scenario.sim.leases()[0]["ip"]]}
    limit = TIMEOUT if kind in TIMED else 5.0
    result = scenario(name, **{"timeout": limit, **options, **changes})
    scenario.in_sync()
    return result


def assert_reached(scenario: LeaseScenario, result: Result, requested: str) -> None:
    """The desired state is reached at the expected cost, and the result agrees with the vendor's books."""
    _name, _options, leased, released, left, _paths = REQUESTS[requested]
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert len(result["allocated"]) == leased
    assert len(result["released"]) == released
    assert len(scenario.sim.leases()) == left
    if "leases" in result:
        assert named(result["leases"]) == named(scenario.sim.leases())
        assert result["missing"] == 0
    assert len(scenario.books().paid - scenario.start.paid) == leased


def assert_stopped(scenario: LeaseScenario, result: Result, requested: str) -> None:
    """One clear error, true to the books, and never more leases than requested."""
    assert result["failed"] is True
    scenario.assert_reported(result)
    assert_not_too_many(scenario, requested)


def assert_not_too_many(scenario: LeaseScenario, requested: str) -> None:
    """At most the requested leases were paid for, and at most these are held."""
    _name, _options, leased, _released, left, _paths = REQUESTS[requested]
    assert len(scenario.books().paid - scenario.start.paid) <= leased
    assert len(scenario.sim.leases()) <= max(left, len(scenario.start.held))


@pytest.mark.parametrize("requested", REQUESTS)
def test_without_a_fault(scenario: LeaseScenario, requested: str) -> None:
    prepare(scenario)
    assert_reached(scenario, run(scenario, requested), requested)
    assert scenario.writes() == REQUESTS[requested][5]


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"),
    [
        *brief(spread(cases(DONE, DENIED, REFUSED), WRITTEN), "reset_after", "bad gateway after the work", "no code"),
        # The answer to each call has a reader of its own.
        *(row for write in EACH_WRITE for row in brief(spread(cases(ODD), [write]), "data_null", "names no lease")),
    ],
)
def test_a_write_that_was_carried_out_is_not_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)
    assert calls(scenario.sim, path) == [path]


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"), brief(spread(cases(UNDONE), WRITTEN), "reset_before", "too many requests")
)
def test_a_write_that_was_not_done_is_sent_again(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)
    assert len([call for call in scenario.sim.journal(path) if call["executed"]]) == 1


LEASING = [requested for requested in REQUESTS if requested not in ("exact", "release")]


@pytest.mark.parametrize(
    ("kind", "fields", "requested"), brief(spread(cases(IN_FLIGHT), LEASING), "bad gateway", "delay")
)
def test_an_allocation_that_may_be_in_flight_is_not_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str
) -> None:
    """If the list shows nothing, the outcome is unknown: the error says so, and names the command to look."""
    prepare(scenario)
    path = REQUESTS[requested][5][-1]
    planned(scenario.sim, path, kind, fields)
    result = run(scenario, requested, kind)
    assert_stopped(scenario, result, requested)
    assert [part for part in ("is unknown", LOOK, path) if part not in result["msg"]] == []
    assert result["error"]["endpoint"] == path
    assert calls(scenario.sim, path) == [path]
    # A later run finds what there is, and pays for no more than what is missing.
    scenario.begin()
    scenario.reached("allocate", count=5)
    assert len(scenario.sim.leases()) == 5


@pytest.mark.parametrize(
    ("kind", "fields", "requested"), brief(spread(cases(IN_FLIGHT), ["exact", "release"]), "bad gateway")
)
def test_a_release_that_may_be_in_flight_is_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, RELEASE, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"),
    brief(spread(cases(UNDONE, HOPELESS), WRITTEN), "refuse", "unavailable", "forbidden"),
)
def test_a_write_that_is_never_done_is_reported(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields, times=-1)
    result = run(scenario, requested, kind, max_wait=5)
    assert_stopped(scenario, result, requested)
    assert path in result["msg"]
    assert len(calls(scenario.sim, path)) <= (1 if fields in HOPELESS.values() else 6)
    assert scenario.books().paid == scenario.start.paid
    # What was given up for a successor that does not come is reported as missing.
    if requested == "replace one":
        assert result["missing"] == len(result["released"])
    elif requested != "release":
        assert result["released"] == []


@pytest.mark.parametrize(
    ("kind", "fields", "requested"), brief(spread(cases(DONE), REQUESTS), "reset_after", "truncate")
)
def test_writes_whose_answers_are_always_lost_still_succeed(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str
) -> None:
    prepare(scenario)
    for path in WRITES:
        planned(scenario.sim, path, kind, fields, times=-1)
    assert_reached(scenario, run(scenario, requested, kind), requested)
    assert scenario.writes() == REQUESTS[requested][5]


@pytest.mark.parametrize(("requested", "path"), brief(WRITTEN, "more", "rotate", "replace one"))
def test_a_partial_success_is_completed(scenario: LeaseScenario, requested: str, path: str) -> None:
    prepare(scenario)
    scenario.sim.fault(path=path, kind="partial", drop=1)
    assert_reached(scenario, run(scenario, requested), requested)


@pytest.mark.parametrize(("requested", "path"), brief(WRITTEN, "release", "rotate"))
def test_a_partial_success_that_stays_is_reported(scenario: LeaseScenario, requested: str, path: str) -> None:
    prepare(scenario)
    scenario.sim.fault(path=path, kind="partial", drop=100, times=-1)
    result = run(scenario, requested, max_wait=5)
    if path == REPLACE:
        # The old ones go, and each gets a successor by an allocation of its own.
        assert_reached(scenario, result, requested)
    else:
        assert_stopped(scenario, result, requested)
        assert len(calls(scenario.sim, path)) <= 6


FIRST_READS = [
    *spread(cases(DONE, UNDONE, IN_FLIGHT), combined(REQUESTS, [LIST, QUOTA])),
    *spread(cases(LIES), combined(REQUESTS, [LIST])),
    # It would be an empty list, had the server not said that it is broken.
    *spread(cases({kind: DONE[kind] for kind in ("success with a wrong status",)}), combined(REQUESTS, [LIST])),
    *spread(cases(LIES), combined(["more"], [QUOTA])),
]


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"),
    brief(FIRST_READS, "reset_after", "truncate", "data_null-more", "success with a wrong status-more"),
)
def test_a_first_read_that_fails_once_is_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)


@pytest.mark.parametrize(
    ("kind", "fields", "path"),
    brief(spread(cases(UNDONE, HOPELESS), [LIST, QUOTA]), "reset_before", "server error", "forbidden"),
)
def test_a_first_read_that_always_fails_stops_before_any_write(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields, times=-1)
    result = run(scenario, "more", kind)
    assert_stopped(scenario, result, "more")
    assert (result["error"]["endpoint"], result["changed"]) == (path, False)
    assert scenario.writes() == []
    scenario.assert_untouched()


def test_a_list_that_the_quota_contradicts_is_no_reason_to_pay(scenario: LeaseScenario) -> None:
    """Other runs have leased these: this state directory contains nothing of them."""
    prepare(scenario)
    for body in ({"Code": 0}, {"Code": 0, "TaskList": [], "TotalNum": 0}):
        scenario.sim.fault(path=LIST, kind="replace", body=body, times=3)
        result = scenario("allocate", count=3)
        assert (result["changed"], len(result["leases"])) == (False, 3), result.get("msg")
    scenario.sim.fault(path=LIST, kind="replace", body={"Code": 0}, times=-1)
    result = scenario.stopped("allocate", count=3)
    assert "holds 3 more leases than the list of leases shows is unknown" in result["msg"]
    assert "on_uncertain=ignore" in result["msg"]
    assert scenario.writes() == []


@pytest.mark.parametrize(
    ("kind", "fields", "lost", "requested", "path"),
    [
        row
        for faults in (cases(DONE, UNDONE), cases(LIES))
        for row in brief(
            spread(faults, after_each_write("", "reset_after", "reset_before")),
            *("reset_after", "unavailable", "data_null-reported", "data_absent-reset_after"),
        )
    ],
)
def test_a_later_read_that_fails_once_is_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str, lost: str
) -> None:
    """The list after a write, whose own answer may be lost as well."""
    prepare(scenario)
    if lost:
        scenario.sim.fault(path=path, kind=lost)
    planned(scenario.sim, LIST, kind, fields, skip=1)
    assert_reached(scenario, run(scenario, requested, kind), requested)


@pytest.mark.parametrize(
    ("kind", "fields", "lost", "requested", "path"),
    [
        row
        for faults in (cases(UNREADABLE), cases(LIES))
        for row in brief(
            spread(faults, after_each_write("", "reset_after", "reset_before", "partial")),
            *("expired-reset_after", "refuse-partial", "data_null-reported"),
        )
    ],
)
def test_a_write_that_cannot_be_verified_is_reported_with_what_is_known(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str, lost: str
) -> None:
    """The list cannot be read after the write: what was acknowledged is named, and the rest is said to be unknown."""
    prepare(scenario)
    if lost:
        scenario.sim.fault(path=path, kind=lost, **({"drop": 1} if lost == "partial" else {}))
    planned(scenario.sim, LIST, kind, fields, times=-1, skip=1)
    result = run(scenario, requested, kind)
    if "failed" not in result:
        assert_reached(scenario, result, requested)
    elif (lost, path) == ("partial", RELEASE):
        # The vendor acknowledged what it has not done: the error says that it could not be verified.
        assert LOOK in result["msg"]
        assert_not_too_many(scenario, requested)
    else:
        assert_stopped(scenario, result, requested)


#: A lease that the vendor does not have.
NEVER_HELD = {"IP": "203.0.113.9", "port": "1", "host": "203.0.113.9:1", "deadline": "2099-01-01 00:00:00"}


@pytest.mark.parametrize("requested", REQUESTS)
def test_another_client_releases_a_held_lease_in_between(scenario: LeaseScenario, requested: str) -> None:
    """The list that is read first is the one of a moment ago: another lease is on it that is gone."""
    prepare(scenario)
    gone = {"TaskID": "GoneLongAgo", "Num": 1, "Data": [NEVER_HELD]}
    stale = {"Code": 0, "TaskNum": 1, "TotalNum": 1, "TaskList": [gone]}
    scenario.sim.fault(path=LIST, kind="replace", body=stale)
    result = run(scenario, requested)
    if "failed" in result:
        assert "Traceback" not in result["msg"]
    assert len(scenario.sim.leases()) <= CHANNELS
    assert named(result.get("allocated", [])) >= scenario.books().paid - scenario.start.paid


@pytest.mark.parametrize("kind", ["reset_after", "delay"])
def test_without_time_to_wait_a_lost_response_is_unknown_or_adopted(scenario: LeaseScenario, kind: str) -> None:
    prepare(scenario)
    planned(scenario.sim, ALLOCATE, kind, {} if kind == "reset_after" else {"seconds": LONGER})
    result = run(scenario, "more", kind, max_wait=0)
    if kind == "delay":
        assert_stopped(scenario, result, "more")
        assert LOOK in result["msg"]
    else:
        assert_reached(scenario, result, "more")


def test_a_replacement_of_which_the_list_shows_nothing_is_not_repeated(scenario: LeaseScenario) -> None:
    """The vendor reports success and names new leases, but its list stays what it was."""
    prepare(scenario)
    body = {"Code": 0, "TaskID": "NeverListed", "Num": 1, "Data": [NEVER_HELD]}
    scenario.sim.fault(path=REPLACE, kind="replace", body=body, times=-1)
    assert scenario("replace", count=1)["failed"] is True
    assert len(calls(scenario.sim, REPLACE)) <= 3
    scenario.assert_untouched()


def test_a_delayed_release_does_not_take_the_successor(scenario: LeaseScenario) -> None:
    """A release that is carried out late must not hit a new lease that the vendor gave the same address."""
    prepare(scenario)
    scenario.sim.configure(options={"address_reuse": "first"})
    planned(scenario.sim, RELEASE, "delay", {"seconds": LONGER})
    result = run(scenario, "replace one", "delay")
    assert result["missing"] == 0
    assert named(result["leases"]) == named(scenario.sim.leases())


# At the same time, in processes that share a state directory


@pytest.fixture
def shared(scenario: LeaseScenario) -> dict[str, Any]:
    scenario.sim.configure(channels=20)
    scenario.begin()
    return {**scenario.options, "timeout": 10.0}


def test_runs_at_the_same_time_lease_once(
    scenario: LeaseScenario, shared: dict[str, Any], minute: float, tmp_path: Path
) -> None:
    planned(scenario.sim, ALLOCATE, "reset_after", {})
    results = at_once([("allocate", {**shared, "count": 3})] * 3, minute, tmp_path / "answers")
    assert [result.get("msg") for result in results] == [None] * 3
    assert sorted(len(result["allocated"]) for result in results) == [0, 0, 3]
    assert sorted(result["changed"] for result in results) == [False, False, True]
    assert len(scenario.books().paid) == 3
    for result in results:
        assert named(result["leases"]) == named(scenario.sim.leases())


@pytest.mark.slow
def test_a_run_waits_for_another_no_longer_than_it_may(
    scenario: LeaseScenario, shared: dict[str, Any], minute: float, tmp_path: Path
) -> None:
    scenario.sim.fault(path=ALLOCATE, kind="delay", seconds=2.5)
    jobs = [("allocate", {**shared, "count": 3, "max_wait": 0.5})] * 2
    results = at_once(jobs, minute, tmp_path / "answers")
    (stopped,) = (result for result in results if "failed" in result)
    assert "another run" in stopped["msg"]
    assert stopped["changed"] is False
    assert len(scenario.books().paid) == 3

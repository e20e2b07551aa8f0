# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong on the way: no lease is paid for twice, and none that no result or error names."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.lease_modules import (
    ALLOCATE,
    LIST,
    LOOK,
    RELEASE,
    REPLACE,
    WRITES,
    LeaseScenario,
    named,
    planned,
    scenario_fixture,
)
from support.lease_processes import process
from support.parameters import combined, spread
from support.playbooks import QUOTA, Result, calls

__all__ = ["scenario_fixture"]

#: Seconds that a call may take where a fault is a matter of time, and a time that is surely longer.
TIMEOUT, LONGER = 0.6, 2.4
TIMED = ("hang_after", "trickle", "delay")

#: Faults after which the vendor has done what it was reported, and those after which it has not.
DONE: dict[str, dict[str, Any]] = {
    "reset_after": {},
    "hang_after": {"seconds": LONGER},
    "truncate": {},
    "garbage": {},
    "garbage with the look of JSON": {"kind": "garbage", "body": '{"Code": 0, "Data": [{"IP": "203.0'},
    "trickle": {"seconds": 0.1},
    "server error after the work": {"kind": "status", "http_status": 500, "executed": True},
    "bad gateway after the work": {"kind": "status", "http_status": 502, "executed": True},
    "gateway timeout after the work": {"kind": "status", "http_status": 504, "executed": True},
    "too many requests after the work": {
        "kind": "status",
        "http_status": 429,
        "headers": {"Retry-After": "0"},
        "executed": True,
    },
    "success with a wrong status": {"kind": "status", "http_status": 500, "body": '{"Code":0}', "executed": True},
    "no object": {"kind": "replace", "body": [], "executed": True},
    "no code": {"kind": "replace", "body": {"Data": []}, "executed": True},
    "null": {"kind": "replace", "body": None, "executed": True},
    "unknown error after the work": {"kind": "replace", "body": {"Code": -1}, "executed": True},
}
#: The same, but only as an answer to a write: a read is not repeated after it.
DENIED: dict[str, dict[str, Any]] = {
    "forbidden after the work": {"kind": "status", "http_status": 403, "executed": True},
}
#: The same, but only as an answer to a call that leases.
REFUSED: dict[str, dict[str, Any]] = {
    "allocation failed after the work": {"kind": "replace", "body": {"Code": -104}, "executed": True},
}
UNDONE: dict[str, dict[str, Any]] = {
    "refuse": {},
    "reset_before": {},
    "garbage before the work": {"kind": "garbage", "executed": False},
    "server error": {"kind": "status", "http_status": 500},
    "unavailable": {"kind": "status", "http_status": 503},
    "too many requests": {"kind": "status", "http_status": 429, "headers": {"Retry-After": "0"}},
    "empty answer": {"kind": "status", "http_status": 200, "body": ""},
}
#: Faults after which nothing was done, but the call may be under way still: a server between gave up waiting.
UNDER_WAY: dict[str, dict[str, Any]] = {
    "bad gateway": {"kind": "status", "http_status": 502},
    "gateway timeout": {"kind": "status", "http_status": 504},
    "request timeout": {"kind": "status", "http_status": 408},
    "delay": {"seconds": LONGER},
}
#: Faults that no repetition cures.
HOPELESS: dict[str, dict[str, Any]] = {
    "not found": {"kind": "status", "http_status": 404},
    "forbidden": {"kind": "status", "http_status": 403},
    "redirect": {"location": "http://127.0.0.1:1/elsewhere"},
}
#: Answers of a success that are not as documented. What was done shows in the list.
ODD: dict[str, dict[str, Any]] = {
    "data_null": {},
    "data_absent": {},
    "strings": {},
    "names no lease": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Num": 2, "Data": []}, "executed": True},
    "data is text": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Data": "203.0.113.4"}, "executed": True},
    "data holds numbers": {"kind": "replace", "body": {"Code": 0, "TaskID": "X1", "Data": [1]}, "executed": True},
    "slow": {"kind": "delay", "seconds": 0.1},
}
#: Answers of a read that lie about what is held.
LIES: dict[str, dict[str, Any]] = {"data_null": {}, "data_absent": {}}
#: Answers to a read that stays impossible.
UNREADABLE: dict[str, dict[str, Any]] = {
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


def cases(*tables: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(kind, fields, id=kind) for table in tables for kind, fields in table.items()]


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
    scenario.at_rest()
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
    result = run(scenario, requested)
    assert_reached(scenario, result, requested)
    assert scenario.writes() == REQUESTS[requested][5]


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"),
    [
        *spread(cases(DONE, DENIED, REFUSED), WRITTEN),
        # The answer to each call has a reader of its own.
        *(row for write in EACH_WRITE for row in spread(cases(ODD), [write])),
    ],
)
def test_a_write_that_was_carried_out_is_not_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    result = run(scenario, requested, kind)
    assert_reached(scenario, result, requested)
    assert calls(scenario.sim, path) == [path]


@pytest.mark.parametrize(("kind", "fields", "requested", "path"), spread(cases(UNDONE), WRITTEN))
def test_a_write_that_was_not_done_is_sent_again(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    result = run(scenario, requested, kind)
    assert_reached(scenario, result, requested)
    assert len([call for call in scenario.sim.journal(path) if call["executed"]]) == 1


@pytest.mark.parametrize(
    ("kind", "fields", "requested"),
    spread(cases(UNDER_WAY), [requested for requested in REQUESTS if requested not in ("exact", "release")]),
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
    assert "is unknown" in result["msg"]
    assert LOOK in result["msg"]
    assert path in result["msg"]
    assert result["endpoint"] == path
    assert calls(scenario.sim, path) == [path]
    # A later run finds what there is, and pays for no more than what is missing.
    scenario.begin()
    later = scenario("allocate", count=5)
    assert "failed" not in later, later["msg"]
    scenario.assert_reported(later)
    assert len(scenario.sim.leases()) == 5


@pytest.mark.parametrize(("kind", "fields", "requested"), spread(cases(UNDER_WAY), ["exact", "release"]))
def test_a_release_that_may_be_in_flight_is_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, RELEASE, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)


@pytest.mark.parametrize(("kind", "fields", "requested", "path"), spread(cases(UNDONE, HOPELESS), WRITTEN))
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


@pytest.mark.parametrize(("kind", "fields", "requested"), spread(cases(DONE), REQUESTS))
def test_writes_whose_answers_are_always_lost_still_succeed(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str
) -> None:
    prepare(scenario)
    for path in WRITES:
        planned(scenario.sim, path, kind, fields, times=-1)
    result = run(scenario, requested, kind)
    assert_reached(scenario, result, requested)
    assert scenario.writes() == REQUESTS[requested][5]


@pytest.mark.parametrize("drop", [1, 2])
@pytest.mark.parametrize(("requested", "path"), WRITTEN)
def test_a_partial_success_is_completed(scenario: LeaseScenario, requested: str, path: str, drop: int) -> None:
    prepare(scenario)
    scenario.sim.fault(path=path, kind="partial", drop=drop)
    result = run(scenario, requested)
    assert_reached(scenario, result, requested)


@pytest.mark.parametrize(("requested", "path"), WRITTEN)
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


@pytest.mark.parametrize(
    ("kind", "fields", "requested", "path"),
    [
        *spread(cases(DONE, UNDONE, UNDER_WAY), combined(REQUESTS, [LIST, QUOTA])),
        *spread(cases(LIES), combined(REQUESTS, [LIST])),
        # It would be an empty list, had the server not said that it is broken.
        *spread(cases({kind: DONE[kind] for kind in ("success with a wrong status",)}), combined(REQUESTS, [LIST])),
        *spread(cases(LIES), combined(["more"], [QUOTA])),
    ],
)
def test_a_first_read_that_fails_once_is_repeated(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], requested: str, path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields)
    assert_reached(scenario, run(scenario, requested, kind), requested)


@pytest.mark.parametrize(("kind", "fields", "path"), spread(cases(UNDONE, HOPELESS), [LIST, QUOTA]))
def test_a_first_read_that_always_fails_stops_before_any_write(
    scenario: LeaseScenario, kind: str, fields: dict[str, Any], path: str
) -> None:
    prepare(scenario)
    planned(scenario.sim, path, kind, fields, times=-1)
    result = run(scenario, "more", kind)
    assert_stopped(scenario, result, "more")
    assert result["endpoint"] == path
    assert result["changed"] is False
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
    result = scenario("allocate", count=3)
    assert "holds 3 more leases than the list of leases shows is unknown" in result["msg"]
    assert "undetermined=ignore" in result["msg"]
    scenario.assert_reported(result)
    assert scenario.writes() == []


@pytest.mark.parametrize(
    ("kind", "fields", "lost", "requested", "path"),
    [
        row
        for faults in (cases(DONE, UNDONE), cases(LIES))
        for row in spread(faults, after_each_write("", "reset_after", "reset_before"))
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
        for row in spread(faults, after_each_write("", "reset_after", "reset_before", "partial"))
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


@pytest.mark.parametrize("requested", REQUESTS)
def test_another_client_releases_a_held_lease_in_between(scenario: LeaseScenario, requested: str) -> None:
    """The list that is read first is the one of a moment ago: another lease is on it that is gone."""
    prepare(scenario)
    stale = {
        "Code": 0,
        "TaskNum": 1,
        "TotalNum": 1,
        "TaskList": [
            {
                "TaskID": "GoneLongAgo",
                "Num": 1,
                "Data": [
                    {"IP": "203.0.113.9", "port": "1", "host": "203.0.113.9:1", "deadline": "2099-01-01 00:00:00"}
                ],
            }
        ],
    }
    scenario.sim.fault(path=LIST, kind="replace", body=stale)
    result = run(scenario, requested)
    if "failed" in result:
        assert "Traceback" not in result["msg"]
    assert len(scenario.sim.leases()) <= CHANNELS
    assert named(result.get("allocated", [])) >= scenario.books().paid - scenario.start.paid


@pytest.mark.parametrize("name", ["allocate", "release", "replace"])
@pytest.mark.parametrize("empty_tasks", ["list", "null", "absent"])
def test_an_empty_list_in_all_its_forms(scenario: LeaseScenario, name: str, empty_tasks: str) -> None:
    scenario.sim.configure(options={"empty_tasks": empty_tasks})
    options: dict[str, Any] = {"count": 1} if name == "allocate" else {"all": True}
    result = scenario(name, **options)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert result["changed"] is (name == "allocate")
    assert scenario.writes() == ([ALLOCATE] if name == "allocate" else [])


@pytest.mark.parametrize("kind", ["reset_after", "hang_after", "delay"])
def test_without_time_to_wait_a_lost_response_is_unknown_or_adopted(scenario: LeaseScenario, kind: str) -> None:
    prepare(scenario)
    planned(scenario.sim, ALLOCATE, kind, {} if kind == "reset_after" else {"seconds": LONGER})
    result = run(scenario, "more", kind if kind != "reset_after" else "", max_wait=0)
    if kind == "delay":
        assert_stopped(scenario, result, "more")
        assert LOOK in result["msg"]
    else:
        assert_reached(scenario, result, "more")


def test_a_replacement_of_which_the_list_shows_nothing_is_not_repeated(scenario: LeaseScenario) -> None:
    """The vendor reports success and names new leases, but its list stays what it was."""
    prepare(scenario)
    body = {
        "Code": 0,
        "TaskID": "NeverListed",
        "Num": 1,
        "Data": [{"IP": "203.0.113.9", "port": "1", "host": "203.0.113.9:1", "deadline": "2099-01-01 00:00:00"}],
    }
    scenario.sim.fault(path=REPLACE, kind="replace", body=body, times=-1)
    result = scenario("replace", count=1)
    assert result["failed"] is True
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


# Two at the same time


def at_once(
    scenario: LeaseScenario, jobs: list[tuple[str, dict[str, Any]]], state_dir: Path, minute: float, folder: Path
) -> list[Result]:
    """Each job in a fresh process; all start together."""
    context = multiprocessing.get_context("spawn")
    folder.mkdir()
    gate = folder / "gate"
    workers, answers = [], []
    for number, (name, options) in enumerate(jobs):
        answer = folder / f"{number}.json"
        answers.append(answer)
        everything = {**scenario.options, "state_dir": str(state_dir), "timeout": 10.0, **options}
        workers.append(context.Process(target=process, args=(name, everything, minute, str(answer), str(gate))))
    for worker in workers:
        worker.start()
    give_up = time.monotonic() + 60
    while len(list(folder.glob("*.ready"))) < len(jobs) and time.monotonic() < give_up:
        time.sleep(0.02)
    gate.touch()
    for worker in workers:
        worker.join(max(0.1, give_up - time.monotonic()))
    for worker in workers:
        if worker.exitcode is None:
            worker.kill()
    assert [worker.exitcode for worker in workers] == [0] * len(jobs)
    return [json.loads(answer.read_text(encoding="utf-8")) for answer in answers]


@pytest.mark.parametrize("kind", ["", "delay", "hang_after", "reset_after"])
def test_runs_at_the_same_time_lease_once(
    scenario: LeaseScenario, sim: Simulator, minute: float, tmp_path: Path, kind: str
) -> None:
    scenario.sim.configure(channels=20)
    scenario.begin()
    if kind:
        planned(sim, ALLOCATE, kind, {} if kind == "reset_after" else {"seconds": 0.4})
    results = at_once(scenario, [("allocate", {"count": 3})] * 3, tmp_path / "shared", minute, tmp_path / "answers")
    assert [result.get("msg") for result in results] == [None] * 3
    assert sorted(len(result["allocated"]) for result in results) == [0, 0, 3]
    assert sorted(result["changed"] for result in results) == [False, False, True]
    assert len(scenario.books().paid) == 3
    for result in results:
        assert named(result["leases"]) == named(sim.leases())


def test_different_counts_at_the_same_time_pay_for_the_largest(
    scenario: LeaseScenario, minute: float, tmp_path: Path
) -> None:
    scenario.sim.configure(channels=20)
    jobs = [("allocate", {"count": count}) for count in (2, 5, 4)]
    results = at_once(scenario, jobs, tmp_path / "shared", minute, tmp_path / "answers")
    assert [result.get("msg") for result in results] == [None] * 3
    assert len(scenario.books().paid) == 5
    assert sum(len(result["allocated"]) for result in results) == 5


def test_a_run_waits_for_another_no_longer_than_it_may(scenario: LeaseScenario, minute: float, tmp_path: Path) -> None:
    scenario.sim.configure(channels=20)
    scenario.sim.fault(path=ALLOCATE, kind="delay", seconds=2.5)
    jobs: list[tuple[str, dict[str, Any]]] = [("allocate", {"count": 3, "max_wait": 0.5})] * 2
    results = at_once(scenario, jobs, tmp_path / "shared", minute, tmp_path / "answers")
    stopped = [result for result in results if "failed" in result]
    assert len(stopped) == 1
    assert "another run" in stopped[0]["msg"]
    assert stopped[0]["changed"] is False
    assert len(scenario.books().paid) == 3

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong on the way: the right state or one clear error, and no address too many or too few."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.fixture import Simulator
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, QUOTA, Operate, Result, assert_one_sentence, calls, numeric

OLD = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
NEW = ["203.0.113.4", "203.0.113.5"]
#: Seconds that a call may take where a fault is a matter of time, and a time that is surely longer.
TIMEOUT, LONGER = 0.6, 2.4
TIMED = ("hang_after", "trickle", "delay")

#: Faults after which the vendor has done what it was reported, and those after which it has not.
DONE: dict[str, dict[str, Any]] = {
    "reset_after": {},
    "hang_after": {"seconds": LONGER},
    "truncate": {},
    "garbage": {},
    "garbage with the look of JSON": {"kind": "garbage", "body": '{"Code": 0, "Data": ["203.0'},
    "garbage in depth": {"kind": "garbage", "body": "[" * 100000},
    "trickle": {"seconds": 0.1},
    "server error after the work": {"kind": "status", "http_status": 502, "executed": True},
    "no object": {"kind": "replace", "body": [], "executed": True},
    "no code": {"kind": "replace", "body": {"Data": []}, "executed": True},
    "a code that is no number": {"kind": "replace", "body": {"Code": "zero"}, "executed": True},
    "null": {"kind": "replace", "body": None, "executed": True},
    "success with a wrong status": {"kind": "status", "http_status": 500, "body": '{"Code":0}', "executed": True},
}
UNDONE: dict[str, dict[str, Any]] = {
    "refuse": {},
    "reset_before": {},
    "server error": {"kind": "status", "http_status": 500},
    "bad gateway": {"kind": "status", "http_status": 502},
    "unavailable": {"kind": "status", "http_status": 503},
    "gateway timeout": {"kind": "status", "http_status": 504},
    "too many requests": {"kind": "status", "http_status": 429, "headers": {"Retry-After": "0"}},
    "unknown error": {"kind": "code", "code": -1},
    "empty answer": {"kind": "status", "http_status": 200, "body": ""},
}
#: Faults that no repetition cures.
HOPELESS: dict[str, dict[str, Any]] = {
    "not found": {"kind": "status", "http_status": 404},
    "forbidden": {"kind": "status", "http_status": 403},
    "redirect": {"location": "http://127.0.0.1:1/elsewhere"},
}
#: Answers of a success that do not look as documented, to a write. What was done shows in the next read.
ODD: dict[str, dict[str, Any]] = {
    "data_null": {},
    "data_absent": {},
    "strings": {},
    "data is text": {"kind": "replace", "body": {"Code": 0, "Data": "203.0.113.4"}, "executed": True},
    "data holds numbers": {"kind": "replace", "body": {"Code": 0, "Data": [1, 2]}, "executed": True},
    "data holds others": {"kind": "replace", "body": {"Code": 0, "Data": ["198.51.100.9"]}, "executed": True},
    "delay": {"seconds": 0.1},
}
#: What tasks request of a list that holds OLD: addresses, options, and the list that they lead to.
REQUESTS: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "present": (NEW, {}, OLD + NEW),
    "present again": (OLD, {}, OLD),
    "absent": (OLD[:2], {"state": "absent"}, OLD[2:]),
    "exact": ([OLD[0], *NEW], {"state": "exact"}, [OLD[0], *NEW]),
    "replaces": (NEW, {"replaces": OLD[1:]}, [OLD[0], *NEW]),
}
#: Those that need a write.
WRITING = ["present", "absent", "exact", "replaces"]


def planned(sim: Simulator, path: str, name: str, fields: dict[str, Any], times: int) -> None:
    sim.fault(path=path, times=times, **{"kind": name, **fields})


def limit(kind: str) -> float:
    return TIMEOUT if kind in TIMED else 10.0


def request(whitelist: Operate, name: str, kind: str = "") -> Result:
    ips, options, _goal = REQUESTS[name]
    return whitelist(ips, timeout=limit(kind), **options)


def assert_reached(sim: Simulator, result: Result, name: str) -> None:
    """The desired state is reached, and the result reports what was changed."""
    goal = REQUESTS[name][2]
    assert "failed" not in result, result["msg"]
    assert numeric(sim.whitelist()) == result["whitelist"] == numeric(goal)
    assert result["added"] == numeric(set(goal) - set(OLD))
    assert result["removed"] == numeric(set(OLD) - set(goal))
    assert result["changed"] is (set(goal) != set(OLD))
    assert result["refused"] == []


def assert_reported(sim: Simulator, result: Result, name: str) -> None:
    """One clear error; only what was requested was added or removed."""
    goal, now = set(REQUESTS[name][2]), set(sim.whitelist())
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert set(OLD) & goal <= now <= set(OLD) | goal
    assert not set(result.get("added", [])) - now
    assert not set(result.get("removed", [])) & now
    assert result["changed"] is bool(result.get("added") or result.get("removed"))


def writes(name: str) -> list[str]:
    """The writes that a request needs."""
    goal = set(REQUESTS[name][2])
    return [ADD] * bool(goal - set(OLD)) + [DEL] * bool(set(OLD) - goal)


def cases(*tables: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(kind, fields, id=kind) for table in tables for kind, fields in table.items()]


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(DONE, UNDONE), REQUESTS))
def test_a_read_that_fails_once_is_repeated(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields, 1)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert calls(sim, ADD, DEL) == writes(name)
    # A call may take longer than that short limit on a machine that has much else to do.
    assert result["api"]["retries"] == 1 or (result["api"]["retries"] > 1 and kind in TIMED)


@pytest.mark.parametrize(("kind", "fields"), cases(DONE, UNDONE, ODD))
def test_a_read_of_the_quota_that_fails_once_is_repeated(
    quota_info: Operate, sim: Simulator, kind: str, fields: dict[str, Any]
) -> None:
    planned(sim, QUOTA, kind, fields, 1)
    result = quota_info(timeout=limit(kind))
    assert "failed" not in result, result["msg"]
    assert (result["quota"]["total"], result["quota"]["available"], result["quota"]["used"]) == (5, 5, 0)


@pytest.mark.parametrize(
    ("kind", "fields", "module"), spread(cases(DONE, UNDONE, HOPELESS), ["whitelist_info", "quota_info"])
)
def test_a_read_that_fails_for_good_is_reported(
    request: pytest.FixtureRequest, sim: Simulator, module: str, kind: str, fields: dict[str, Any]
) -> None:
    endpoint = QUOTA if module == "quota_info" else QUERY
    planned(sim, endpoint, kind, fields, -1)
    result = request.getfixturevalue(module)(timeout=limit(kind))
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert result["endpoint"] == endpoint
    assert endpoint in result["msg"]
    if fields in HOPELESS.values():
        assert len(calls(sim)) == 1
    else:
        assert 2 <= len(calls(sim)) <= 6


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(DONE, UNDONE, HOPELESS), WRITING[:3]))
def test_nothing_is_written_where_nothing_can_be_read(
    whitelist: Operate, sim: Simulator, name: str, kind: str, fields: dict[str, Any]
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields, -1)
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert result["endpoint"] == QUERY
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == OLD


@pytest.mark.parametrize(("kind", "fields", "name"), [*spread(cases(DONE), WRITING), *spread(cases(ODD), WRITING)])
def test_a_write_whose_answer_is_lost_is_not_sent_again(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        planned(sim, endpoint, kind, fields, 1)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert sorted(calls(sim, ADD, DEL)) == writes(name)


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(UNDONE), WRITING))
def test_a_write_that_was_not_done_is_sent_again(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        planned(sim, endpoint, kind, fields, 1)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    done = [call["path"] for call in sim.journal() if call["executed"] and call["path"] != QUERY]
    assert sorted(done) == writes(name)


@pytest.mark.parametrize(
    ("kind", "fields", "name"), [*spread(cases(UNDONE), WRITING), *spread(cases(HOPELESS), WRITING)]
)
def test_a_write_that_is_never_done_is_reported(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    endpoint = writes(name)[0]
    planned(sim, endpoint, kind, fields, -1)
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert endpoint in result["msg"]
    assert result["whitelist"] == numeric(sim.whitelist())
    assert len(calls(sim, endpoint)) <= (1 if fields in HOPELESS.values() else 6)
    if endpoint == ADD:
        # What was to be replaced stays, as long as what replaces it is not there.
        assert set(OLD) <= set(sim.whitelist()) or name == "exact"
        assert [item["ip"] for item in result["refused"]] in ([], NEW)


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(DONE), WRITING))
def test_writes_whose_answers_are_always_lost_still_succeed(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in (ADD, DEL):
        planned(sim, endpoint, kind, fields, -1)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert sorted(calls(sim, ADD, DEL)) == writes(name)


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(DONE, UNDONE), WRITING[:3]))
def test_the_read_after_a_write_is_repeated(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    sim.fault(path=QUERY, skip=1, **{"kind": kind, **fields})
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert sorted(calls(sim, ADD, DEL)) == writes(name)


@pytest.mark.parametrize(("kind", "fields", "name"), spread(cases(DONE, UNDONE, HOPELESS), WRITING[:2]))
def test_a_write_that_cannot_be_verified_is_reported_with_what_is_known(
    whitelist: Operate, sim: Simulator, name: str, kind: str, fields: dict[str, Any]
) -> None:
    sim.configure(whitelist=OLD)
    sim.fault(path=QUERY, skip=1, times=-1, **{"kind": kind, **fields})
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert result["endpoint"] == QUERY
    # The write itself was acknowledged.
    assert result["changed"] is True
    assert result["whitelist"] == numeric(sim.whitelist()) == numeric(REQUESTS[name][2])


@pytest.mark.parametrize("fault", ["data_null", "data_absent"])
@pytest.mark.parametrize("name", ["present", "exact"])
def test_a_list_that_looks_empty_once_does_no_harm(whitelist: Operate, sim: Simulator, fault: str, name: str) -> None:
    sim.configure(whitelist=OLD)
    sim.fault(path=QUERY, kind=fault)
    request(whitelist, name)
    assert numeric(sim.whitelist()) == numeric(REQUESTS[name][2])


@pytest.mark.parametrize("drop", [1, 2])
@pytest.mark.parametrize("name", ["present", "absent", "exact", "replaces"])
def test_what_a_partial_success_left_out_is_sent_again(
    whitelist: Operate, sim: Simulator, name: str, drop: int
) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        sim.fault(path=endpoint, kind="partial", drop=drop)
    result = request(whitelist, name)
    assert_reached(sim, result, name)
    for endpoint in writes(name):
        first, second = [call["ips"] for call in sim.journal(endpoint)]
        assert second == first[len(first) - drop :]


@pytest.mark.parametrize("name", ["present", "absent"])
def test_a_partial_success_that_stays_is_reported(whitelist: Operate, sim: Simulator, name: str) -> None:
    sim.configure(whitelist=OLD)
    endpoint = writes(name)[0]
    sim.fault(path=endpoint, kind="partial", drop=1, times=-1)
    result = request(whitelist, name)
    assert_reported(sim, result, name)
    assert result["whitelist"] == numeric(sim.whitelist())
    assert result["changed"] is True
    missing = (set(REQUESTS[name][2]) ^ set(sim.whitelist())).pop()
    assert missing in result["msg"]
    assert len(calls(sim, endpoint)) <= 6


@pytest.mark.parametrize("endpoint", [ADD, DEL])
def test_a_write_that_is_done_in_spite_of_its_deadline(whitelist: Operate, sim: Simulator, endpoint: str) -> None:
    """The vendor carries out the call after the client has given up on it and read the list again."""
    sim.configure(whitelist=OLD)
    sim.fault(path=endpoint, kind="delay", seconds=TIMEOUT + 0.3)
    name = "present" if endpoint == ADD else "absent"
    result = request(whitelist, name, "delay")
    assert_reached(sim, result, name)


@pytest.mark.parametrize("present_add", ["ok", "zero", "full"])
def test_present_addresses_are_never_added(whitelist: Operate, sim: Simulator, present_add: str) -> None:
    sim.configure(whitelist=OLD, options={"present_add": present_add})
    result = whitelist(OLD + NEW)
    assert "failed" not in result
    assert [call["ips"] for call in sim.journal(ADD)] == [NEW]
    assert result["already_present"] == OLD


@pytest.mark.parametrize("absent_del", ["zero", "error"])
def test_absent_addresses_are_never_removed(whitelist: Operate, sim: Simulator, absent_del: str) -> None:
    sim.configure(whitelist=OLD, options={"absent_del": absent_del})
    result = whitelist(OLD[:1] + NEW, state="absent")
    assert "failed" not in result
    assert [call["ips"] for call in sim.journal(DEL)] == [OLD[:1]]
    assert result["removed"] == OLD[:1]


@pytest.mark.parametrize("present_add", ["ok", "zero", "full"])
def test_another_client_adds_the_same_address_in_between(whitelist: Operate, sim: Simulator, present_add: str) -> None:
    sim.configure(whitelist=OLD, options={"present_add": present_add})
    # The list that is read first is the one of a moment ago.
    stale = {"Code": 0, "Data": OLD[:2]}
    sim.fault(path=QUERY, kind="replace", body=stale)
    result = whitelist([OLD[2], *NEW])
    assert "failed" not in result, result["msg"]
    assert sim.whitelist() == OLD + NEW


@pytest.mark.parametrize("absent_del", ["zero", "error"])
def test_another_client_removes_the_same_address_in_between(
    whitelist: Operate, sim: Simulator, absent_del: str
) -> None:
    sim.configure(whitelist=OLD, options={"absent_del": absent_del})
    stale = {"Code": 0, "Data": [*OLD, *NEW]}
    sim.fault(path=QUERY, kind="replace", body=stale)
    result = whitelist([*OLD[:2], *NEW], state="absent")
    assert "failed" not in result, result["msg"]
    assert sim.whitelist() == OLD[2:]

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever goes wrong on the way: the right state or one clear error, and no address too many or too few."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.fixture import Simulator
from support import vendor_faults
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, QUOTA, Operate, Result, assert_one_sentence, calls, numeric
from support.vendor_faults import GATEWAY, HOPELESS, TIMED, TIMEOUT, Faults, brief, cases, planned

OLD = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
NEW = ["203.0.113.4", "203.0.113.5"]

#: Faults after which the vendor has done what it was asked for, and those after which it has not.
DONE: Faults = {
    **vendor_faults.DONE,
    "garbage in depth": {"kind": "garbage", "body": "[" * 100000},
    "a code that is no number": {"kind": "replace", "body": {"Code": "zero"}, "executed": True},
}
UNDONE: Faults = {**vendor_faults.UNDONE, **GATEWAY, "unknown error": {"kind": "code", "code": -1}}
#: Answers of a success that do not look as documented, to a write. What was done shows in the next read.
ODD: Faults = {
    **vendor_faults.ODD,
    "data is text": {"kind": "replace", "body": {"Code": 0, "Data": "203.0.113.4"}, "executed": True},
    "data holds numbers": {"kind": "replace", "body": {"Code": 0, "Data": [1, 2]}, "executed": True},
    "data holds others": {"kind": "replace", "body": {"Code": 0, "Data": ["198.51.100.9"]}, "executed": True},
    "delay": {"seconds": 0.1},
}
#: What make test tries of each table.
QUICK = ("reset_after", "success with a wrong status", "refuse", "bad gateway", "not found", "data_null")
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


@pytest.mark.parametrize(("kind", "fields", "name"), brief(spread(cases(DONE, UNDONE), REQUESTS), *QUICK))
def test_a_read_that_fails_once_is_repeated(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert calls(sim, ADD, DEL) == writes(name)
    # A call may take longer than that short limit on a machine that has much else to do.
    assert result["api"]["retries"] == 1 or (result["api"]["retries"] > 1 and kind in TIMED)


@pytest.mark.parametrize(
    ("kind", "fields", "module"),
    brief(spread(cases(DONE, UNDONE, HOPELESS), ["whitelist_info", "quota_info"]), *QUICK),
)
def test_a_read_that_fails_for_good_is_reported(
    request: pytest.FixtureRequest, sim: Simulator, module: str, kind: str, fields: dict[str, Any]
) -> None:
    endpoint = QUOTA if module == "quota_info" else QUERY
    planned(sim, endpoint, kind, fields, times=-1)
    result = request.getfixturevalue(module)(timeout=limit(kind))
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert result["endpoint"] == endpoint
    assert endpoint in result["msg"]
    if fields in HOPELESS.values():
        assert len(calls(sim)) == 1
    else:
        assert 2 <= len(calls(sim)) <= 6


@pytest.mark.parametrize(("kind", "fields", "name"), brief(spread(cases(DONE, UNDONE, HOPELESS), WRITING[:3]), *QUICK))
def test_nothing_is_written_where_nothing_can_be_read(
    whitelist: Operate, sim: Simulator, name: str, kind: str, fields: dict[str, Any]
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields, times=-1)
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert result["endpoint"] == QUERY
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == OLD


@pytest.mark.parametrize(
    ("kind", "fields", "name", "times"),
    brief([*spread(cases(DONE), WRITING, [1, -1]), *spread(cases(ODD), WRITING, [1])], *QUICK),
)
def test_a_write_whose_answer_is_lost_is_not_sent_again(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str, times: int
) -> None:
    """Whether one answer is lost or all are."""
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        planned(sim, endpoint, kind, fields, times)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert sorted(calls(sim, ADD, DEL)) == writes(name)


@pytest.mark.parametrize(("kind", "fields", "name"), brief(spread(cases(UNDONE), WRITING), *QUICK))
def test_a_write_that_was_not_done_is_sent_again(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        planned(sim, endpoint, kind, fields)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    done = [call["path"] for call in sim.journal() if call["executed"] and call["path"] != QUERY]
    assert sorted(done) == writes(name)


@pytest.mark.parametrize(
    ("kind", "fields", "name"), brief([*spread(cases(UNDONE), WRITING), *spread(cases(HOPELESS), WRITING)], *QUICK)
)
def test_a_write_that_is_never_done_is_reported(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    endpoint = writes(name)[0]
    planned(sim, endpoint, kind, fields, times=-1)
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert endpoint in result["msg"]
    assert result["whitelist"] == numeric(sim.whitelist())
    assert len(calls(sim, endpoint)) <= (1 if fields in HOPELESS.values() else 6)
    if endpoint == ADD:
        # What was to be replaced stays, as long as what replaces it is not there.
        assert set(OLD) <= set(sim.whitelist()) or name == "exact"
        assert [item["ip"] for item in result["refused"]] in ([], NEW)


@pytest.mark.parametrize(("kind", "fields", "name"), brief(spread(cases(DONE, UNDONE), WRITING[:3]), *QUICK))
def test_the_read_after_a_write_is_repeated(
    whitelist: Operate, sim: Simulator, kind: str, fields: dict[str, Any], name: str
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields, skip=1)
    result = request(whitelist, name, kind)
    assert_reached(sim, result, name)
    assert sorted(calls(sim, ADD, DEL)) == writes(name)


@pytest.mark.parametrize(("kind", "fields", "name"), brief(spread(cases(DONE, UNDONE, HOPELESS), WRITING[:2]), *QUICK))
def test_a_write_that_cannot_be_verified_is_reported_with_what_is_known(
    whitelist: Operate, sim: Simulator, name: str, kind: str, fields: dict[str, Any]
) -> None:
    sim.configure(whitelist=OLD)
    planned(sim, QUERY, kind, fields, times=-1, skip=1)
    result = request(whitelist, name, kind)
    assert_reported(sim, result, name)
    assert result["endpoint"] == QUERY
    # The write itself was acknowledged.
    assert result["changed"] is True
    assert result["whitelist"] == numeric(sim.whitelist()) == numeric(REQUESTS[name][2])


@pytest.mark.parametrize("name", ["present", "absent", "exact", "replaces"])
def test_what_a_partial_success_left_out_is_sent_again(whitelist: Operate, sim: Simulator, name: str) -> None:
    sim.configure(whitelist=OLD)
    for endpoint in writes(name):
        sim.fault(path=endpoint, kind="partial", drop=1)
    result = request(whitelist, name)
    assert_reached(sim, result, name)
    for endpoint in writes(name):
        first, second = [call["ips"] for call in sim.journal(endpoint)]
        assert second == first[-1:]


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


@pytest.mark.parametrize("present_add", ["ok", "zero", "full"])
def test_present_addresses_are_never_added(whitelist: Operate, sim: Simulator, present_add: str) -> None:
    sim.configure(whitelist=OLD[:2], options={"present_add": present_add})
    result = whitelist([*OLD[:2], NEW[0]])
    assert "failed" not in result
    assert [call["ips"] for call in sim.journal(ADD)] == [NEW[:1]]
    assert result["already_present"] == OLD[:2]

    # Another client has added one in between: the list that is read first is the one of a moment ago.
    sim.configure(whitelist=OLD)
    sim.fault(path=QUERY, kind="replace", body={"Code": 0, "Data": OLD[:2]})
    result = whitelist([OLD[2], *NEW])
    assert "failed" not in result, result["msg"]
    assert sim.whitelist() == OLD + NEW


@pytest.mark.parametrize("absent_del", ["zero", "error"])
def test_absent_addresses_are_never_removed(whitelist: Operate, sim: Simulator, absent_del: str) -> None:
    sim.configure(whitelist=OLD, options={"absent_del": absent_del})
    result = whitelist(OLD[:1] + NEW, state="absent")
    assert "failed" not in result
    assert [call["ips"] for call in sim.journal(DEL)] == [OLD[:1]]
    assert result["removed"] == OLD[:1]

    # Another client has removed some in between.
    sim.fault(path=QUERY, kind="replace", body={"Code": 0, "Data": [*OLD[1:], *NEW]})
    result = whitelist([OLD[1], *NEW], state="absent")
    assert "failed" not in result, result["msg"]
    assert sim.whitelist() == OLD[2:]

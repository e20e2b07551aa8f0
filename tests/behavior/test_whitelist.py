# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist from options to results, against the simulator's core in this process."""

from __future__ import annotations

import random
from typing import Any

import pytest
from behavior.outcomes import FAULTS, Says
from behavior.paid_calls import WHITELIST
from qgnet_simulator.keys.key import ProxyKey
from support import phrases
from support.invariants import assert_one_sentence
from support.vendor import KEY, Answer, Call
from support.whitelist import ADD, DEL, QUERY, ControlNode, node

__all__ = ["node"]

A, B, C, D, E, F = (f"203.0.113.{number}" for number in range(1, 7))
OFFICE = "198.51.100.7"
OTHER = "QGOTHER1"


def refused(result: dict[str, Any]) -> list[str]:
    return [item["ip"] for item in result["refused"]]


def assert_failed(result: dict[str, Any], *parts: str) -> None:
    assert result.get("failed") is True, result
    assert_one_sentence(result["msg"])
    for part in parts:
        assert part in result["msg"], result["msg"]


# --- states


@pytest.mark.parametrize(
    ("ips", "state", "goal", "sent"),
    [
        ([C], "present", [A, B, C], "q+q"),
        ([A], "present", [A, B], "q"),
        ([A], "absent", [B], "q-q"),
        ([C], "absent", [A, B], "q"),
        ([A, C], "exact", [A, C], "q+-q"),
        ([A, B], "exact", [A, B], "q"),
        ([], "present", [A, B], "q"),
    ],
)
def test_only_the_difference_is_sent_and_predicted(
    node: ControlNode, ips: list[str], state: str, goal: list[str], sent: str
) -> None:
    node.configure(whitelist=[A, B])
    predicted = node.task(*ips, state=state, check=True, diff=True)
    assert node.calls() == "q"
    assert node.listed() == [A, B]
    done = node.task(*ips, state=state, diff=True)
    assert node.calls() == sent
    assert node.listed() == goal
    del predicted["api"], done["api"]
    assert predicted == done
    assert done["whitelist"] == goal
    assert set(done["added"]) == set(goal) - {A, B}
    assert set(done["removed"]) == {A, B} - set(goal)
    assert done["changed"] is (sent != "q")
    assert done["diff"]["before"] == f"{A}\n{B}\n"
    again = node.task(*ips, state=state)
    assert again["changed"] is False
    assert node.calls() == "q"
    assert "diff" not in again


def test_exact_removes_at_most_max_removals_addresses(node: ControlNode) -> None:
    node.configure(whitelist=[A, B, C])
    for check in (True, False):
        assert_failed(
            node.task(D, state="exact", max_removals=2, check=check),
            f"{phrases.WOULD_REMOVE} 3 addresses",
            "max_removals=2",
        )
    assert node.listed() == [A, B, C]
    assert node.task(D, state="exact", max_removals=3)["removed"] == [A, B, C]


def test_exact_removes_only_what_it_has_counted(node: ControlNode) -> None:
    node.is_alone = False
    node.configure(whitelist=[A])
    node.vendor.before(ADD, lambda: node.vendor.configure(whitelist=[A, E, F]))
    result = node.task(B, state="exact", max_removals=1)
    assert result["removed"] == [A]
    assert node.listed() == [B, E, F]


def test_an_address_that_should_never_have_been_there_can_be_removed(node: ControlNode) -> None:
    node.configure(whitelist=["10.0.0.1", A])
    assert node.task("10.0.0.1", state="absent")["removed"] == ["10.0.0.1"]


def test_addresses_are_sorted_by_number_and_read_with_blanks(node: ControlNode) -> None:
    result = node.task(" 203.0.113.10 ", "203.0.113.9", "203.0.113.9")
    assert result["added"] == result["whitelist"] == ["203.0.113.9", "203.0.113.10"]


@pytest.mark.parametrize(("state", "ip"), [("present", A), ("absent", A), ("exact", B)])
def test_an_entry_that_is_no_address_is_shown_and_left_alone(
    node: ControlNode, state: str, ip: str
) -> None:
    strange = ["203.0.113.0/24", "office.example", "forged\nline"]
    node.configure(whitelist=[*strange, A])
    result = node.task(ip, state=state)
    assert set(strange) <= set(node.vendor.keys[KEY].whitelist)
    assert sorted(result["unreadable"]) == ["203.0.113.0/24", "forged line", "office.example"]
    assert sorted(node.info()["unreadable"]) == sorted(result["unreadable"])


def test_a_thousand_addresses_take_one_call(node: ControlNode) -> None:
    ips = []
    for number in range(250):
        ips += [f"198.51.100.{number}", f"203.0.113.{number}"]
    node.configure(capacity=1000)
    assert len(node.task(*ips)["added"]) == 500
    assert node.calls() == "q+q"
    assert len(node.task(*ips, state="absent")["removed"]) == 500
    assert node.calls() == "q-q"


# --- what QG.net refuses


def test_only_the_addresses_of_another_key_are_refused(node: ControlNode) -> None:
    taken = ["198.51.100.4", "198.51.100.13"]
    ips = [f"198.51.100.{number}" for number in range(1, 17)]
    node.vendor.keys.by_name[OTHER] = ProxyKey(key=OTHER, whitelist=taken)
    result = node.task(*ips)
    assert_failed(result, *taken, "-206")
    assert refused(result) == taken
    assert result["added"] == node.listed()
    assert sorted([*taken, *result["added"]]) == sorted(ips)
    assert result["error"]["code"] == -206


@pytest.mark.parametrize("overflow", ["refuse", "partial"])
def test_a_list_that_takes_only_some_is_filled_and_the_others_are_named(
    node: ControlNode, overflow: str
) -> None:
    node.configure(whitelist=[A, B, C], capacity=5, options={"overflow": overflow})
    result = node.task(D, E, F)
    assert_failed(result, F, f"1 of 3 addresses {phrases.WERE_REFUSED}")
    assert result["added"] == [D, E]
    assert result["changed"] is True
    assert refused(result) == [F]
    assert node.listed() == result["whitelist"] == [A, B, C, D, E]
    assert node.calls().count("+") <= 5


def test_room_is_made_first_where_there_is_none(node: ControlNode) -> None:
    node.configure(whitelist=[A, B, C], capacity=3)
    result = node.task(A, B, D, state="exact")
    assert result["added"] == [D]
    assert result["removed"] == [C]
    assert node.listed() == [A, B, D]
    assert node.calls() == "q+-+q"


@pytest.mark.parametrize("wanted", [[A, B, D, E], [D, E, F, OFFICE]])
def test_nothing_is_removed_where_that_makes_too_little_room(
    node: ControlNode, wanted: list[str]
) -> None:
    node.configure(whitelist=[A, B, C], capacity=3)
    result = node.task(*wanted, state="exact")
    assert_failed(result, phrases.WERE_REFUSED, phrases.NEW_ONES_FIRST)
    assert result["changed"] is False
    assert node.listed() == [A, B, C]


def test_nothing_is_removed_while_a_new_address_is_refused(node: ControlNode) -> None:
    node.configure(whitelist=[A])
    node.fault(ADD, "code", code=-206, times=-1)
    result = node.task(B, state="exact")
    assert_failed(result, f"{phrases.NEW_ONES_FIRST}: 203.0.113.1")
    assert node.listed() == [A]


@pytest.mark.parametrize("code", [-10, -12, -13, -14, -15, -100, -987])
@pytest.mark.parametrize("path", [QUERY, ADD, DEL])
def test_a_final_refusal_is_reported_after_one_call(
    node: ControlNode, path: str, code: int
) -> None:
    node.configure(whitelist=[A, B])
    node.fault(path, "code", code=code, times=-1)
    task: dict[str, Any] = {"ips": [C]}
    if path == DEL:
        task = {"ips": [A], "state": "absent"}
    result = node.run(WHITELIST, **task)
    assert_failed(result, path, str(code))
    assert result["error"]["code"] == code
    assert result["error"]["endpoint"] == path
    # Only a documented code proves that nothing was done.
    is_unknown = code == -987 and path != QUERY
    assert (phrases.EFFECT_UNKNOWN in result["msg"]) is is_unknown
    assert result["changed"] is False
    assert node.listed() == [A, B]
    expected = {QUERY: {"q"}, ADD: {"q+", "q+q"}, DEL: {"q-", "q-q"}}
    assert node.calls() in expected[path]


# --- lost and odd responses

#: What makes no run fail, whether the call is carried out or not.
HARMLESS = [
    name
    for name, fault in FAULTS.items()
    if fault.plan and not fault.list_lag and fault.says is not Says.REFUSAL
]
DONE = [name for name in HARMLESS if FAULTS[name].carried_out is not None]


@pytest.mark.parametrize("fault", HARMLESS)
def test_one_bad_response_to_each_change_is_no_failure(node: ControlNode, fault: str) -> None:
    """``test_paid_calls.py`` does the same with a run that only adds, or removes."""
    node.configure(whitelist=[A, B])
    for path in (ADD, DEL):
        FAULTS[fault].happens_to(node, path)
    result = node.task(B, C, state="exact")
    assert "failed" not in result, result["msg"]
    assert node.listed() == result["whitelist"] == [B, C]
    assert result["added"] == [C]
    assert result["removed"] == [A]
    if fault in DONE and fault != "429 after":
        assert sorted(node.calls()).count("+") == 1


def test_a_change_that_was_lost_is_sent_again_after_one_reading(node: ControlNode) -> None:
    node.configure(whitelist=[A, B])
    node.fault(ADD, "reset_before")
    assert "failed" not in node.task(B, C, state="exact")
    assert node.calls() == "q+q+-q"


def test_a_change_is_tried_three_times_after_another_one_has_succeeded(node: ControlNode) -> None:
    node.configure(whitelist=[A, B])
    # The first of them is lost together with the addition that succeeds.
    node.fault(DEL, "reset_before", times=3)
    assert "failed" not in node.task(B, C, state="exact")
    assert node.calls() == "q+-q-q-q-q"


@pytest.mark.parametrize("data", [["198.51.100.9"], D])
def test_a_response_about_other_addresses_is_no_failure(node: ControlNode, data: Any) -> None:
    node.configure(whitelist=[A, B])
    for path in (ADD, DEL):
        node.fault(path, "replace", body={"Code": 0, "Data": data}, executed=True)
    result = node.task(B, C, state="exact")
    assert "failed" not in result, result["msg"]
    assert node.listed() == result["whitelist"] == [B, C]
    assert result["added"] == [C]
    assert result["removed"] == [A]
    assert node.calls().count("+") == 1


@pytest.mark.parametrize("fault", DONE)
def test_one_bad_response_to_a_reading_is_no_failure(node: ControlNode, fault: str) -> None:
    node.configure(whitelist=[A, B])
    FAULTS[fault].happens_to(node, QUERY)
    result = node.task(A, state="absent")
    assert result["removed"] == [A]
    assert node.listed() == [B]


@pytest.mark.parametrize("notion", ["null", "absent"])
def test_an_answer_without_a_list_is_an_empty_one_only_if_repeated(
    node: ControlNode, notion: str
) -> None:
    node.configure(whitelist=[A])
    node.fault(QUERY, f"data_{notion}")
    assert node.task(A, state="absent")["removed"] == [A]
    node.calls()
    node.fault(QUERY, f"data_{notion}", times=2)
    assert node.task(B)["added"] == [B]
    assert node.calls() == "qq+q"


def test_a_change_that_is_never_done_is_reported(node: ControlNode) -> None:
    node.configure(whitelist=[A])
    node.fault(ADD, "status", http_status=502, times=-1)
    result = node.task(B)
    assert_failed(result, ADD, "502", phrases.EFFECT_UNKNOWN)
    assert result["changed"] is False
    assert node.listed() == [A]
    assert node.calls().count("+") == 3


@pytest.mark.parametrize("lag", [1, 8])
def test_a_list_that_lags_is_read_until_it_shows_the_change(node: ControlNode, lag: float) -> None:
    node.configure(options={"list_lag": lag})
    result = node.task(A, B)
    assert result["added"] == [A, B]
    assert result["whitelist"] == [A, B]
    assert node.calls().count("+") == 1
    assert node.task(A, B)["changed"] is False


@pytest.mark.parametrize("max_wait", [1, 4, 25, 300])
@pytest.mark.parametrize("present_add", ["ok", "zero", "full"])
@pytest.mark.parametrize(
    ("state", "ips", "added", "removed"),
    [("present", [A, C], [C], []), ("absent", [A], [], [A]), ("exact", [B, C], [C], [A])],
)
def test_what_was_reported_counts_although_the_list_lags_for_longer(
    node: ControlNode,
    state: str,
    ips: list[str],
    added: list[str],
    removed: list[str],
    present_add: str,
    max_wait: float,
) -> None:
    node.configure(whitelist=[A, B])
    node.vendor.advance(1000)
    node.configure(options={"list_lag": 900, "present_add": present_add})
    result = node.task(*ips, state=state, max_wait=max_wait)
    assert_failed(result, phrases.REPORTED)
    for ip in added:
        assert f"{ip} {phrases.AS_ADDED}" in result["msg"]
    for ip in removed:
        assert f"{ip} {phrases.AS_REMOVED}" in result["msg"]
    assert result["changed"] is True
    assert result["added"] == added
    assert result["removed"] == removed
    assert result["refused"] == []
    assert result["whitelist"] == node.listed()
    assert phrases.NOT_READ_AFTERWARDS not in result["msg"]
    assert ("max_wait" in result["msg"]) is (max_wait < 300)
    # The next run that sees the list has nothing to do.
    node.vendor.advance(1000)
    assert node.ok("qg_whitelist", ips=ips, state=state)["changed"] is False


def test_a_change_that_was_not_reported_does_not_count_where_the_list_lags(
    node: ControlNode,
) -> None:
    node.configure(options={"list_lag": 900})
    node.fault(ADD, "reset_after", times=-1)
    result = node.task(A, max_wait=4)
    assert_failed(result, ADD)
    assert result["changed"] is False
    assert result["added"] == []
    assert phrases.REPORTED not in result["msg"]


@pytest.mark.parametrize(("option", "value"), [("present_add", "full"), ("present_add", "zero")])
def test_another_client_that_added_first_is_no_failure(
    node: ControlNode, option: str, value: str
) -> None:
    node.is_alone = False
    node.configure(whitelist=[B], options={option: value})
    node.fault(QUERY, "replace", body={"Code": 0, "Data": []}, executed=True)
    result = node.task(A, B)
    assert "failed" not in result, result["msg"]
    assert node.listed() == [A, B]


def test_what_could_not_be_read_back_is_said(node: ControlNode) -> None:
    node.fault(QUERY, "status", http_status=502, times=-1, skip=1)
    result = node.task(A)
    assert_failed(result, f"{phrases.REPORTED} {A} {phrases.AS_ADDED}", phrases.NOT_READ_AFTERWARDS)
    assert result["changed"] is True
    assert result["added"] == [A]
    assert phrases.IS_UNKNOWN not in result["msg"]


def test_what_was_neither_reported_nor_read_is_unknown(node: ControlNode) -> None:
    node.fault(ADD, "reset_after")
    node.fault(QUERY, "status", http_status=502, times=-1, skip=1)
    result = node.task(A)
    assert_failed(result, ADD, f"{phrases.NOT_READ_AFTERWARDS}, so its change {phrases.IS_UNKNOWN}")
    assert result["changed"] is False
    assert result["added"] == []


def test_a_list_that_was_read_once_is_not_said_to_be_unreadable(node: ControlNode) -> None:
    node.configure(options={"list_lag": 900})
    node.fault(QUERY, "status", http_status=502, times=-1, skip=2)
    result = node.task(A)
    assert_failed(result, f"{phrases.REPORTED} {A} {phrases.AS_ADDED}", "502")
    assert result["changed"] is True
    assert result["added"] == [A]
    assert phrases.NOT_READ_AFTERWARDS not in result["msg"]


def test_max_wait_bounds_a_run_and_names_itself(node: ControlNode) -> None:
    node.fault(ADD, "code", code=-11, times=-1)
    began = node.vendor.clock.now()
    assert_failed(node.task(A, max_wait=5), "max_wait")
    assert node.vendor.clock.now() - began <= 5 + 3 * 10


def test_another_run_is_waited_for_as_long_as_max_wait(node: ControlNode) -> None:
    def another() -> None:
        with node.other_process():
            assert_failed(
                node.task(B, max_wait=5),
                f"{phrases.ANOTHER_RUN} is whitelisting addresses for this key",
                "max_wait",
            )
            assert node.task(B, check=True)["added"] == [B]

    node.vendor.before(ADD, another)
    node.task(A, timeout=60)
    assert node.listed() == [A]
    assert node.task(B)["added"] == [B]


# --- a random walk

IPS = [f"203.0.113.{number}" for number in range(1, 9)]
LOSSES: list[dict[str, Any]] = [
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "http_status": 502, "executed": False},
    {"kind": "status", "http_status": 502, "executed": True},
    {"kind": "garbage"},
    {"kind": "truncate"},
]


@pytest.mark.parametrize("seed", range(10))
def test_results_are_exact_while_a_third_of_the_responses_is_lost(
    node: ControlNode, seed: int
) -> None:
    """What each result claims, the node compares with the books."""
    chance = random.Random(seed)

    def lose(call: Call) -> Answer:
        if chance.random() < 0.3:
            node.fault(call.path, **chance.choice(LOSSES))
        return call.carry_out()

    for path in (QUERY, ADD, DEL):
        node.vendor.around(path, lose)
    failed = 0
    for _change in range(20):
        state = chance.choice(["present", "present", "absent", "exact"])
        ips = set(chance.sample(IPS, chance.randint(1, 4)))
        before = set(node.vendor.whitelist)
        result = node.task(*sorted(ips), state=state, max_wait=60, max_removals=100)
        after = set(node.vendor.whitelist)
        goal = {"present": before | ips, "absent": before - ips, "exact": ips}[state]
        assert after <= before | goal, f"an address w{phrases.AS_ADDED} that nobody asked for"
        assert before & goal <= after, "an address was lost"
        if result.get("failed"):
            failed += 1
        else:
            assert after == goal == set(result["whitelist"])
        node.vendor.advance(chance.uniform(0, 30))
    assert failed <= 4

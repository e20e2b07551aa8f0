# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist: what it makes of its options and of the vendor's limits.

The order of its calls, and each case of a plan, are in tests/unit/plugins/module_utils/test_whitelist*.py.
"""

from __future__ import annotations

from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import ADD, DEL, QUERY, Operate, assert_failed, assert_one_sentence, block, calls, numeric

A, B, C, D, E, F = (f"203.0.113.{number}" for number in range(1, 7))
OTHER_KEY = "QGOTHER1"


# --- check mode, diff, second run


@pytest.mark.parametrize(
    ("ips", "options", "goal"),
    [
        ([C], {}, [A, B, C]),
        ([A, C], {"replaces": [B]}, [A, C]),
        ([A], {"state": "absent"}, [B]),
        ([C], {"state": "exact", "keep": [A]}, [A, C]),
    ],
)
def test_check_mode_predicts_and_writes_nothing(
    whitelist: Operate, sim: Simulator, ips: list[str], options: dict[str, Any], goal: list[str]
) -> None:
    sim.configure(whitelist=[A, B])
    predicted = whitelist(ips, check=True, diff=True, **options)
    assert calls(sim) == [QUERY]
    assert sim.whitelist() == [A, B]
    done = whitelist(ips, diff=True, **options)
    assert numeric(sim.whitelist()) == goal
    for name in ("changed", "added", "removed", "already_present", "refused", "whitelist", "count", "diff"):
        assert predicted[name] == done[name], name
    assert done["whitelist"] == goal
    assert done["count"] == len(goal)

    sim.control("DELETE", "/journal")
    again = whitelist(ips, diff=True, **options)
    assert again["changed"] is False
    assert again["added"] == again["removed"] == []
    assert calls(sim) == [QUERY]
    assert again["diff"]["before"] == again["diff"]["after"]


def test_the_diff_is_the_list_before_and_after_by_number(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=["203.0.113.10", "203.0.113.9"])
    result = whitelist(["203.0.113.100", "198.51.100.1"], replaces=["203.0.113.10"], diff=True)
    assert result["diff"] == {
        "before_header": "whitelist",
        "before": "203.0.113.9\n203.0.113.10\n",
        "after_header": "whitelist",
        "after": "198.51.100.1\n203.0.113.9\n203.0.113.100\n",
    }
    assert "diff" not in whitelist(["203.0.113.100"])


def test_addresses_are_read_as_people_write_them(whitelist: Operate, sim: Simulator) -> None:
    result = whitelist([f" {B} ", A, B, A])
    assert sim.whitelist() == result["added"] == [A, B]
    assert calls(sim) == [QUERY, ADD, QUERY]
    for state in ("present", "absent"):
        assert whitelist([], state=state)["changed"] is False
    assert sim.whitelist() == [A, B]


def test_an_address_that_should_never_have_been_there_can_be_removed(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=["10.0.0.1", A])
    result = whitelist(["10.0.0.1"], state="absent", allow_non_global=False)
    assert result["removed"] == ["10.0.0.1"]
    assert sim.whitelist() == [A]


# --- -202, the list is full


def test_a_list_that_takes_only_some_is_reported(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C], capacity=5, options={"overflow": "partial"})
    result = whitelist([D, E, F])
    assert_failed(result, F, changed=True)
    assert result["added"] == [D, E]
    assert [item["ip"] for item in result["refused"]] == [F]
    assert sim.whitelist() == result["whitelist"] == [A, B, C, D, E]
    assert len(calls(sim, ADD)) <= 4


@pytest.mark.parametrize("capacity", [None, 3])
@pytest.mark.parametrize("overflow", ["refuse", "partial"])
def test_room_is_made_first_where_there_is_none(
    whitelist: Operate, sim: Simulator, capacity: int | None, overflow: str
) -> None:
    sim.configure(whitelist=[A, B, C], capacity=3, options={"overflow": overflow})
    result = whitelist([D], capacity=capacity, replaces=[A])
    if overflow == "partial" and capacity is None:
        # Nothing says that the list is full.
        assert (result["failed"], result["changed"], sim.whitelist()) == (True, False, [A, B, C])
        assert "If the whitelist is full, set capacity" in result["msg"]
        return
    assert "failed" not in result, result["msg"]
    assert numeric(sim.whitelist()) == result["whitelist"] == [B, C, D]
    if capacity is not None:
        assert calls(sim) == [QUERY, DEL, ADD, QUERY]


# --- -206, bound to another key


def test_only_the_addresses_of_another_key_are_refused(whitelist: Operate, sim: Simulator) -> None:
    ips = numeric(block(20))
    elsewhere = [ips[3], ips[12]]
    sim.configure(whitelist=[A])
    sim.configure(OTHER_KEY, whitelist=elsewhere)
    result = whitelist(ips)
    rest = [ip for ip in ips if ip not in elsewhere]
    assert result["failed"] is True
    assert result["changed"] is True
    assert result["added"] == rest
    assert [item["ip"] for item in result["refused"]] == elsewhere
    assert {item["code"] for item in result["refused"]} == {result["code"]} == {-206}
    assert_one_sentence(result["msg"])
    for ip in elsewhere:
        assert ip in result["msg"]
    assert "2 of 20" in result["msg"]
    assert set(sim.whitelist()) == {A, *rest}
    assert sim.whitelist(OTHER_KEY) == elsewhere
    # No call is sent that can only be refused again: each address of another key is halved out once.
    assert len(calls(sim, ADD)) <= 24

    sim.control("DELETE", "/journal")
    again = whitelist(ips)
    assert again["failed"] is True
    assert again["changed"] is False
    assert [item["ip"] for item in again["refused"]] == elsewhere


def test_a_vendor_that_silently_leaves_out_what_is_bound_elsewhere(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(options={"bound": "partial"})
    sim.configure(OTHER_KEY, whitelist=[B])
    result = whitelist([A, B, C])
    assert_failed(result, B, changed=True)
    assert result["added"] == sim.whitelist() == [A, C]
    assert [item["ip"] for item in result["refused"]] == [B]


# --- long lists


def test_a_long_list_is_one_call_by_form(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(capacity=2000, pwd="secret", api_auth=True, whitelist=[A])
    ips = block(1000)
    result = whitelist(ips, password="secret", timeout=10)
    assert "failed" not in result, result["msg"]
    assert [(call["path"], call["method"]) for call in sim.journal()] == [(QUERY, "GET"), (ADD, "POST"), (QUERY, "GET")]
    form = sim.journal(ADD)[0]
    assert form["param_source"] == "body"
    assert form["query_length"] == 0
    assert sorted(sim.whitelist()) == sorted([A, *ips])
    assert len(result["added"]) == 1000
    assert whitelist(ips, state="absent", password="secret", timeout=10)["removed"] == numeric(ips)
    assert sim.whitelist() == [A]
    assert [call["method"] for call in sim.journal(DEL)] == ["POST"]


@pytest.mark.parametrize("post", ["refuse", "ignore_body"])
def test_a_vendor_that_takes_no_forms_gets_several_queries(whitelist: Operate, sim: Simulator, post: str) -> None:
    sim.configure(capacity=2000, whitelist=[A], options={"post": post})
    ips = block(1000)
    result = whitelist(ips, timeout=10)
    assert "failed" not in result, result["msg"]
    assert sorted(sim.whitelist()) == sorted([A, *ips])
    assert sorted(result["added"]) == sorted(ips)
    adds = sim.journal(ADD)
    assert [call["method"] for call in adds] == ["POST"] + ["GET"] * (len(adds) - 1)
    assert all(call["query_length"] <= 8000 for call in adds)
    # As few as fit: 15 characters for an address at most, and a comma.
    assert len(adds) - 1 <= 1000 * 16 // 3500 + 1
    assert sum(len(call["ips"]) for call in adds if call["executed"]) == 1000


# --- options that cannot be used

BAD: list[tuple[str, Any, str]] = [
    # More of them are in tests/unit/plugins/module_utils/test_client.py.
    ("ips", [f"{A}/32"], "IPv4"),
    ("ips", [A, ""], "IPv4"),
    ("ips", [f"{A};{B}"], "entry of its own"),
    ("key", "", "QG_KEY"),
    ("key", "  ", "QG_KEY"),
    ("keep", ["office"], "IPv4"),
    ("replaces", ["2001:db8::1"], "IPv4"),
    ("capacity", 0, "from 1"),
    ("timeout", 0, "from 0.1"),
    ("timeout", 100000, "to 600"),
    ("timeout", "nan", "to 600"),
    ("max_wait", "inf", "to 86400"),
    ("api_url", "ftp://proxy.qg.example", "scheme"),
    ("api_url", "http://", "scheme"),
    ("api_url", "http://host name/", "scheme"),
    ("api_url", "http://127.0.0.1:99999", "scheme"),
    ("api_url", "http://127.0.0.1:0", "scheme"),
    ("api_url", "http://127.0.0.1\n.example", "scheme"),
    ("api_url", "", "scheme"),
]


@pytest.mark.parametrize(("option", "value", "remedy"), BAD)
def test_a_bad_value_is_reported_before_any_call(
    whitelist: Operate, sim: Simulator, option: str, value: Any, remedy: str
) -> None:
    changes = {"ips": [A], option: value}
    result = whitelist(changes.pop("ips"), **changes)
    assert_failed(result, option, remedy, changed=False)
    shown = str(value[-1] if isinstance(value, list) else value)
    # What does not parse as a URL may hold a password.
    hidden = option == "key" or (option == "api_url" and "...'" in result["msg"])
    assert hidden or shown in result["msg"] or repr(shown)[1:-1] in result["msg"]
    assert sim.journal() == []


def test_options_that_do_not_go_together_are_refused(whitelist: Operate, quota_info: Operate, sim: Simulator) -> None:
    for state in ("absent", "exact"):
        assert_failed(whitelist([A], replaces=[B], state=state), "replaces", f"state={state}")
    for at_least in (-1, -100):
        assert_failed(quota_info(at_least=at_least), f"at_least={at_least}")
    assert sim.journal() == []

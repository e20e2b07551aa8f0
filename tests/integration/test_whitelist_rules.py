# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What qg_whitelist makes of its options and of the vendor's limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import ADD, DEL, QUERY, Operate, assert_one_sentence, block, calls, numeric

A, B, C, D, E, F = (f"203.0.113.{number}" for number in range(1, 7))
OTHER_KEY = "QGOTHER1"


# --- check mode, diff, second run


@pytest.mark.parametrize(
    ("ips", "options", "goal"),
    [
        ([C], {}, [A, B, C]),
        ([A, C], {"replaces": [B]}, [A, C]),
        ([A], {"state": "absent"}, [B]),
        ([C], {"state": "exact"}, [C]),
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


def test_no_addresses_are_no_change(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A])
    for state in ("present", "absent"):
        assert whitelist([], state=state)["changed"] is False
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == [A]


def test_what_others_put_on_the_list_is_left_alone(whitelist: Operate, sim: Simulator) -> None:
    odd = ["2001:db8::1", "198.51.100.0/24", "office"]
    sim.configure(whitelist=[A, *odd])
    result = whitelist([B])
    assert "failed" not in result
    assert sim.whitelist() == [A, *odd, B]
    assert (result["whitelist"], result["unreadable"]) == ([A, B], odd)
    assert whitelist([A], state="absent")["removed"] == [A]
    assert sim.whitelist() == [*odd, B]


def test_an_address_that_should_never_have_been_there_can_be_removed(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=["10.0.0.1", A])
    result = whitelist(["10.0.0.1"], state="absent", allow_non_global=False)
    assert result["removed"] == ["10.0.0.1"]
    assert sim.whitelist() == [A]


# --- the list in another notation


@pytest.mark.parametrize("notation", ["prefix", "mapped", "padded", "full_width", "port"])
def test_an_entry_counts_as_its_address_however_it_is_listed(
    whitelist: Operate, whitelist_info: Operate, sim: Simulator, notation: str
) -> None:
    options = {"whitelist_notation": notation, "del_takes": "listed", "absent_del": "error"}
    sim.configure(whitelist=[A, B, C, "203.0.113.0/24"], options=options)
    assert whitelist([A])["changed"] is False
    result = whitelist([B, C], state="exact")
    assert (result["added"], result["removed"], result["already_present"]) == ([], [A], [B, C])
    assert whitelist([C], state="absent")["removed"] == [C]
    assert sim.whitelist() == [B, "203.0.113.0/24"]
    found = whitelist_info()
    assert (found["whitelist"], found["unreadable"]) == ([B], ["203.0.113.0/24"])


def test_a_removal_by_entries_that_cannot_be_read_warns(whitelist: Operate, sim: Simulator) -> None:
    others = [f"{A},{B}", "office"]
    sim.configure(whitelist=[A, B, *others])
    result = whitelist([A], state="absent")
    assert (result["changed"], result["unreadable"]) == (True, others)
    (warning,) = result["warnings"]
    assert_one_sentence(warning)
    assert "'203.0.113.1,203.0.113.2', 'office'" in warning
    assert sim.whitelist() == [B, *others]


# --- exact


def test_exact_with_no_addresses_is_refused(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A])
    result = whitelist([], state="exact", keep=[A])
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "ips is empty" in result["msg"]
    assert sim.journal() == []


def test_exact_removes_no_more_than_it_may(whitelist: Operate, sim: Simulator) -> None:
    old = block(12)
    sim.configure(whitelist=old)
    for check in (True, False):
        result = whitelist([A], state="exact", check=check)
        assert result["failed"] is True
        assert_one_sentence(result["msg"])
        assert "12" in result["msg"]
        assert "max_removals=10" in result["msg"]
    assert calls(sim, ADD, DEL) == []
    assert sim.whitelist() == old
    result = whitelist([A], state="exact", max_removals=12)
    assert result["removed"] == old
    assert sim.whitelist() == [A]


@pytest.mark.parametrize(("max_removals", "fails"), [(0, True), (1, True), (2, False)])
def test_the_limit_on_removals_is_exact(whitelist: Operate, sim: Simulator, max_removals: int, fails: bool) -> None:
    sim.configure(whitelist=[A, B, C])
    result = whitelist([C, D], state="exact", max_removals=max_removals)
    assert result.get("failed", False) is fails
    assert sim.whitelist() == ([A, B, C] if fails else [C, D])


def test_kept_addresses_are_not_removed_and_not_added(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C])
    result = whitelist([D], state="exact", keep=[A, F], max_removals=2)
    assert sim.whitelist() == [A, D]
    assert result["removed"] == [B, C]
    assert whitelist([A, D], state="absent", keep=[A])["removed"] == [D]
    assert sim.whitelist() == [A]


# --- replaces


def test_what_is_replaced_goes_only_when_the_new_ones_are_there(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B])
    result = whitelist([C], replaces=[A, F])
    assert calls(sim) == [QUERY, ADD, DEL, QUERY]
    assert sim.whitelist() == [B, C]
    assert result["removed"] == [A]


@pytest.mark.parametrize("options", [{"replaces": [A]}, {"state": "exact", "keep": [B]}])
def test_nothing_goes_while_a_new_address_does_not_appear(
    whitelist: Operate, sim: Simulator, options: dict[str, Any]
) -> None:
    sim.configure(whitelist=[A, B])
    sim.fault(path=ADD, kind="partial", drop=1, times=-1)
    result = whitelist([C], **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert f"Not removed, because the new addresses must be on the whitelist first: {A}." in result["msg"]
    assert sim.whitelist() == result["whitelist"] == [A, B]
    assert calls(sim, DEL) == []


@pytest.mark.parametrize("answer", ["number", "code"])
def test_a_change_that_is_reported_without_names_is_sent_once(whitelist: Operate, sim: Simulator, answer: str) -> None:
    sim.configure(whitelist=[A], options={"whitelist_answer": answer, "absent_del": "error"})
    result = whitelist([B], replaces=[A])
    assert (result["added"], result["removed"], sim.whitelist()) == ([B], [A], [B])
    # Without a number, the list is read before anything is removed.
    assert calls(sim) == ([QUERY, ADD, DEL, QUERY] if answer == "number" else [QUERY, ADD, QUERY, DEL, QUERY])


def test_what_is_wanted_is_not_replaced(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B])
    assert whitelist([A, C], replaces=[A, B])["removed"] == [B]
    assert sim.whitelist() == [A, C]


def test_what_was_to_be_replaced_stays_when_the_new_address_is_refused(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A])
    sim.configure(OTHER_KEY, whitelist=[B])
    result = whitelist([B, C], replaces=[A])
    assert result["failed"] is True
    assert numeric(sim.whitelist()) == result["whitelist"] == [A, C]
    assert result["added"] == [C]
    assert result["removed"] == []


# --- -202, the list is full


def test_a_full_list_is_reported_with_its_size(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C], capacity=5)
    result = whitelist([D, E, F])
    assert result["failed"] is True
    assert result["changed"] is False
    assert result["code"] == -202
    assert_one_sentence(result["msg"])
    assert "It holds 3 addresses and needs 3 more slots" in result["msg"]
    assert [item["ip"] for item in result["refused"]] == [D, E, F]
    assert {item["code"] for item in result["refused"]} == {-202}
    assert sim.whitelist() == result["whitelist"] == [A, B, C]
    assert calls(sim, ADD) == [ADD]


def test_a_list_that_takes_only_some_is_reported(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C], capacity=5, options={"overflow": "partial"})
    result = whitelist([D, E, F])
    assert result["failed"] is True
    assert result["changed"] is True
    assert_one_sentence(result["msg"])
    assert F in result["msg"]
    assert result["added"] == [D, E]
    assert [item["ip"] for item in result["refused"]] == [F]
    assert sim.whitelist() == result["whitelist"] == [A, B, C, D, E]
    assert len(calls(sim, ADD)) <= 4


@pytest.mark.parametrize("overflow", ["refuse", "partial"])
@pytest.mark.parametrize("check", [True, False])
def test_a_known_capacity_is_an_error_before_anything_is_written(
    whitelist: Operate, sim: Simulator, overflow: str, check: bool
) -> None:
    sim.configure(whitelist=[A, B, C], capacity=5, options={"overflow": overflow})
    result = whitelist([D, E, F], capacity=5, check=check)
    assert result["failed"] is True
    assert result["code"] == -202
    assert_one_sentence(result["msg"])
    assert "5" in result["msg"]
    assert calls(sim) == [QUERY]
    assert "failed" not in whitelist([D, E], capacity=5, check=check)


def test_a_list_over_the_known_capacity_can_still_be_shortened(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C, D])
    assert whitelist([A, B], state="absent", capacity=1)["removed"] == [A, B]
    assert whitelist([C], capacity=1)["changed"] is False


@pytest.mark.parametrize("capacity", [None, 3])
@pytest.mark.parametrize(
    ("ips", "options", "goal"),
    [
        ([D], {"replaces": [A]}, [B, C, D]),
        ([D, E, F], {"replaces": [A, B, C]}, [D, E, F]),
        ([D, E, F], {"state": "exact"}, [D, E, F]),
        ([C, D], {"state": "exact"}, [C, D]),
    ],
)
@pytest.mark.parametrize("overflow", ["refuse", "partial"])
def test_room_is_made_first_where_there_is_none(
    whitelist: Operate,
    sim: Simulator,
    ips: list[str],
    options: dict[str, Any],
    goal: list[str],
    capacity: int | None,
    overflow: str,
) -> None:
    sim.configure(whitelist=[A, B, C], capacity=3, options={"overflow": overflow})
    result = whitelist(ips, capacity=capacity, **options)
    if overflow == "partial" and capacity is None:
        # Nothing says that the list is full.
        assert (result["failed"], result["changed"], sim.whitelist()) == (True, False, [A, B, C])
        assert "If the whitelist is full, set capacity" in result["msg"]
        return
    assert "failed" not in result, result["msg"]
    assert numeric(sim.whitelist()) == result["whitelist"] == goal
    if capacity is not None:
        assert calls(sim) == [QUERY, DEL, ADD, QUERY]


def test_a_swap_that_does_not_fit_is_reported_as_it_is(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=[A, B, C], capacity=3)
    result = whitelist([D, E], replaces=[A])
    assert result["failed"] is True
    assert result["code"] == -202
    assert numeric(sim.whitelist()) == result["whitelist"]
    assert result["removed"] == numeric({A, B, C} - set(sim.whitelist()))
    assert {B, C} <= set(sim.whitelist())
    assert result["changed"] is bool(result["removed"])


# --- -206, bound to another key


@pytest.mark.parametrize("bound", [[7], [0], [19], [3, 12], [8, 9, 10], list(range(20))])
def test_only_the_addresses_of_another_key_are_refused(whitelist: Operate, sim: Simulator, bound: list[int]) -> None:
    ips = numeric(block(20))
    elsewhere = [ips[number] for number in bound]
    sim.configure(whitelist=[A])
    sim.configure(OTHER_KEY, whitelist=elsewhere)
    result = whitelist(ips)
    rest = [ip for ip in ips if ip not in elsewhere]
    assert result["failed"] is True
    assert result["changed"] is bool(rest)
    assert result["added"] == rest
    assert [item["ip"] for item in result["refused"]] == elsewhere
    assert {item["code"] for item in result["refused"]} == {result["code"]} == {-206}
    assert_one_sentence(result["msg"])
    for ip in elsewhere[:5]:
        assert ip in result["msg"]
    assert f"{len(elsewhere)} of 20" in result["msg"]
    assert set(sim.whitelist()) == {A, *rest}
    assert sim.whitelist(OTHER_KEY) == elsewhere
    # No call is sent that can only be refused again: each address of another key is halved out once.
    assert len(calls(sim, ADD)) <= 12 * len(elsewhere)

    sim.control("DELETE", "/journal")
    again = whitelist(ips)
    assert again["failed"] is True
    assert again["changed"] is False
    assert [item["ip"] for item in again["refused"]] == elsewhere


def test_a_vendor_that_silently_leaves_out_what_is_bound_elsewhere(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(options={"bound": "partial"})
    sim.configure(OTHER_KEY, whitelist=[B])
    result = whitelist([A, B, C])
    assert result["failed"] is True
    assert result["changed"] is True
    assert_one_sentence(result["msg"])
    assert B in result["msg"]
    assert result["added"] == sim.whitelist() == [A, C]
    assert [item["ip"] for item in result["refused"]] == [B]


# --- long lists


@pytest.mark.parametrize("count", [1000, 10000])
def test_a_long_list_is_one_call_by_form(whitelist: Operate, sim: Simulator, count: int) -> None:
    sim.configure(capacity=20000, pwd="secret", api_auth=True, whitelist=[A])
    ips = block(count)
    result = whitelist(ips, pwd="secret", timeout=10)
    assert "failed" not in result, result["msg"]
    assert [(call["path"], call["method"]) for call in sim.journal()] == [(QUERY, "GET"), (ADD, "POST"), (QUERY, "GET")]
    form = sim.journal(ADD)[0]
    assert form["param_source"] == "body"
    assert form["query_length"] == 0
    assert sorted(sim.whitelist()) == sorted([A, *ips])
    assert len(result["added"]) == count
    assert whitelist(ips, state="absent", pwd="secret", timeout=10)["removed"] == numeric(ips)
    assert sim.whitelist() == [A]
    assert [call["method"] for call in sim.journal(DEL)] == ["POST"]


def test_a_short_list_is_one_call_by_query(whitelist: Operate, sim: Simulator) -> None:
    assert "failed" not in whitelist(block(200))
    assert [call["method"] for call in sim.journal()] == ["GET"] * 3
    assert len(sim.whitelist()) == 200


@pytest.mark.parametrize("post", ["refuse", "ignore_body"])
@pytest.mark.parametrize("count", [1000, 10000])
def test_a_vendor_that_takes_no_forms_gets_several_queries(
    whitelist: Operate, sim: Simulator, post: str, count: int
) -> None:
    sim.configure(capacity=20000, whitelist=[A], options={"post": post})
    ips = block(count)
    result = whitelist(ips, timeout=10)
    assert "failed" not in result, result["msg"]
    assert sorted(sim.whitelist()) == sorted([A, *ips])
    assert sorted(result["added"]) == sorted(ips)
    adds = sim.journal(ADD)
    assert [call["method"] for call in adds] == ["POST"] + ["GET"] * (len(adds) - 1)
    assert all(call["query_length"] <= 8000 for call in adds)
    # As few as fit: 15 characters for an address at most, and a comma.
    assert len(adds) - 1 <= count * 16 // 3500 + 1
    assert sum(len(call["ips"]) for call in adds if call["executed"]) == count


@pytest.mark.parametrize("kind", ["reset_after", "garbage", "truncate", "reset_before"])
def test_a_long_form_whose_answer_is_lost(whitelist: Operate, sim: Simulator, kind: str) -> None:
    sim.configure(capacity=2000)
    sim.fault(path=ADD, kind=kind)
    ips = block(1000)
    result = whitelist(ips)
    assert "failed" not in result, result["msg"]
    assert sorted(sim.whitelist()) == sorted(ips)
    assert len([call for call in sim.journal(ADD) if call["executed"]]) == 1


def test_a_long_list_with_addresses_of_another_key(whitelist: Operate, sim: Simulator) -> None:
    ips = numeric(block(1000))
    sim.configure(capacity=2000)
    sim.configure(OTHER_KEY, whitelist=[ips[500]])
    result = whitelist(ips)
    assert [item["ip"] for item in result["refused"]] == [ips[500]]
    assert len(sim.whitelist()) == 999
    assert len(calls(sim, ADD)) <= 24


# --- options that cannot be used

BAD: list[tuple[str, Any, str]] = [
    ("ips", ["2001:db8::1"], "IPv4"),
    ("ips", [f"{A}/32"], "IPv4"),
    ("ips", ["203.0.113.0/24"], "IPv4"),
    ("ips", ["203.0.113.256"], "IPv4"),
    ("ips", ["203.0.113.01"], "IPv4"),
    ("ips", [A, ""], "IPv4"),
    ("ips", ["egress.example"], "IPv4"),
    ("ips", ["*"], "IPv4"),
    ("ips", [f"{A};{B}"], "entry of its own"),
    ("keep", ["office"], "IPv4"),
    ("replaces", ["2001:db8::1"], "IPv4"),
    ("capacity", 0, "from 1"),
    ("capacity", -5, "from 1"),
    ("max_removals", -1, "0 or more"),
    ("timeout", 0, "from 0.1"),
    ("timeout", -1, "from 0.1"),
    ("timeout", 100000, "to 600"),
    ("timeout", "nan", "to 600"),
    ("max_wait", -1, "from 0"),
    ("max_wait", "inf", "to 86400"),
    ("state", "gone", "present"),
    ("validate_certs", "perhaps", "bool"),
    ("api_url", "proxy.qg.example", "scheme"),
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
    assert result["failed"] is True
    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    assert option in result["msg"]
    shown = str(value[-1] if isinstance(value, list) else value)
    # What does not parse as a URL may hold a password.
    hidden = option == "api_url" and "...'" in result["msg"]
    assert hidden or shown in result["msg"] or repr(shown)[1:-1] in result["msg"]
    assert remedy in result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("private", ["10.0.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", A])
def test_an_address_that_is_not_public_is_refused(whitelist: Operate, sim: Simulator, private: str) -> None:
    result = whitelist([private], allow_non_global=False)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert f"ips contains {private}" in result["msg"]
    assert "allow_non_global" in result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("state", ["absent", "exact"])
def test_replaces_goes_with_present_alone(whitelist: Operate, sim: Simulator, state: str) -> None:
    result = whitelist([A], replaces=[B], state=state)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "replaces" in result["msg"]
    assert f"state={state}" in result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_refused(whitelist: Operate, whitelist_info: Operate, sim: Simulator, key: str) -> None:
    for result in (whitelist([A], key=key), whitelist_info(key=key)):
        assert result["failed"] is True
        assert_one_sentence(result["msg"])
        assert "QG_KEY" in result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("rest", ["/?Key=PASTED8X", "/#PASTED8X", "/whitelist/add?Key=PASTED8X&IP=1"])
def test_a_pasted_call_is_no_api_url_and_is_not_repeated(whitelist_info: Operate, sim: Simulator, rest: str) -> None:
    result = whitelist_info(api_url=sim.api_url + rest)
    assert result["failed"] is True
    assert "api_url" in result["msg"]
    assert "PASTED8X" not in str(result)
    assert sim.journal() == []


def test_credentials_in_the_api_url_are_refused_and_not_repeated(whitelist_info: Operate, sim: Simulator) -> None:
    host = sim.api_url.removeprefix("http://")
    result = whitelist_info(api_url=f"http://user:PASTED8X@{host}")
    assert result["failed"] is True
    assert "api_url" in result["msg"]
    assert "PASTED8X" not in str(result)
    assert sim.journal() == []


@pytest.mark.parametrize("at_least", [-1, -100])
def test_a_bad_number_of_channels_is_refused(quota_info: Operate, sim: Simulator, at_least: int) -> None:
    result = quota_info(at_least=at_least)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert f"at_least={at_least}" in result["msg"]
    assert sim.journal() == []


def test_a_state_directory_that_is_a_file_is_reported(whitelist_info: Operate, sim: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    result = whitelist_info(state_dir=str(path))
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert f"state_dir {path}" in result["msg"]
    assert "QG_STATE_DIR" in result["msg"]
    assert sim.journal() == []


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_state_directory_that_others_can_write_is_refused(
    whitelist_info: Operate, sim: Simulator, tmp_path: Path, mode: int
) -> None:
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(mode)
    result = whitelist_info(state_dir=str(path))
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "another user" in result["msg"]
    assert sim.journal() == []


def test_a_damaged_state_is_reported(whitelist_info: Operate, sim: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.mkdir(mode=0o700)
    (path / "state.sqlite3").write_bytes(b"this is no database, " * 500)
    result = whitelist_info(state_dir=str(path))
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert f"state_dir {path}" in result["msg"]
    assert sim.journal() == []


# --- a list that lags


def test_a_change_that_the_list_shows_late_is_sent_once(whitelist: Operate, sim: Simulator) -> None:
    sim.configure(options={"list_lag": 1.0})
    result = whitelist([A])
    assert "failed" not in result
    assert (result["added"], result["whitelist"]) == ([A], [A])
    result = whitelist([A], state="absent")
    assert "failed" not in result
    assert result["removed"] == [A]
    assert calls(sim, ADD, DEL) == [ADD, DEL]


def test_an_address_that_was_removed_a_moment_ago_is_added_again(
    whitelist: Operate, whitelist_info: Operate, sim: Simulator
) -> None:
    sim.configure(options={"list_lag": 20.0})
    assert "max_wait" in whitelist([A], max_wait=0)["msg"]
    assert whitelist_info()["whitelist"] == [A], "what the vendor reported counts in the next run"
    assert whitelist([A], state="absent", max_wait=0)["removed"] == [A]
    assert whitelist_info()["whitelist"] == []
    assert whitelist([A], max_wait=0)["added"] == [A]
    assert sim.whitelist() == [A]

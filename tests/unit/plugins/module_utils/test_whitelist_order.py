# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing is removed before its successor is on the whitelist, and what was reported is not repeated in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.applier import reconcile
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.results import task_result
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, InProcess, Killed, calls, client, configure, fault

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
A, B, C, D = (f"203.0.113.{n}" for n in (5, 6, 9, 10))
#: The two ways to put C in place of A, where B stays.
REPLACED = [DesiredWhitelist("present", (C,), replaces=(A,)), DesiredWhitelist("exact", (B, C), max_removals=10)]


@pytest.fixture
def core() -> Core:
    core = Core(clock=Clock(1_800_000_000.0), seed=1)
    configure(core, whitelist=[A, B])
    return core


def applied(core: Core, directory: Path, desired: DesiredWhitelist, **how: Any) -> dict[str, Any]:
    return task_result(reconcile(client(core, directory, **how), desired), diff=False)


def lists(core: Core, **options: Any) -> None:
    configure(core, options=options)
    core.keys.process_due_events()


def listed(core: Core) -> list[str]:
    return sorted(core.keys[KEY].whitelist)


@pytest.mark.parametrize("desired", REPLACED, ids=["replaces", "exact"])
def test_an_address_stays_while_its_successor_does_not_appear(
    core: Core, tmp_path: Path, desired: DesiredWhitelist
) -> None:
    fault(core, {"path": ADD, "kind": "partial", "drop": 1, "times": -1})
    result = applied(core, tmp_path, desired)
    assert result["failed"] is True
    assert result["changed"] is False
    assert listed(core) == result["whitelist"] == [A, B]
    assert calls(core, DEL) == []
    assert f"Not removed, because the new addresses must be on the whitelist first: {A}." in result["msg"]
    assert [entry["ip"] for entry in result["refused"]] == [C]


@pytest.mark.parametrize("desired", REPLACED, ids=["replaces", "exact"])
def test_an_address_stays_if_its_successor_is_bound_to_another_key(
    core: Core, tmp_path: Path, desired: DesiredWhitelist
) -> None:
    core.keys.get_or_create("OTHER001").configure({"whitelist": [C]})
    result = applied(core, tmp_path, desired)
    assert result["code"] == -206
    assert listed(core) == [A, B]
    assert calls(core, DEL) == []


@pytest.mark.parametrize("desired", REPLACED, ids=["replaces", "exact"])
@pytest.mark.parametrize("answer", ["list", "number", "code"])
@pytest.mark.parametrize("lag", [0, 20])
def test_an_address_is_removed_once_its_successor_is_named_counted_or_seen(
    core: Core, tmp_path: Path, desired: DesiredWhitelist, answer: str, lag: int
) -> None:
    lists(core, list_lag=lag, whitelist_answer=answer, absent_del="error", present_add="full")
    result = applied(core, tmp_path, desired)
    assert "failed" not in result, result["msg"]
    assert listed(core) == result["whitelist"] == [B, C]
    order = [path for path in calls(core) if path != QUERY]
    assert order == [ADD, DEL] if answer != "code" else order.index(DEL) > 0


def test_a_number_below_the_one_asked_for_is_looked_up(core: Core, tmp_path: Path) -> None:
    lists(core, whitelist_answer="number")
    fault(core, {"path": ADD, "kind": "partial", "drop": 1})
    result = applied(core, tmp_path, DesiredWhitelist("present", (C, D), replaces=(A,)))
    assert set(listed(core)) == set(result["whitelist"]) == {B, C, D}
    assert calls(core) == [QUERY, ADD, QUERY, ADD, DEL, QUERY]


def test_all_batches_are_added_before_anything_is_removed(core: Core, tmp_path: Path) -> None:
    lists(core, post="refuse")
    new = tuple(f"{net}.{n}" for net in ("192.0.2", "198.51.100") for n in range(1, 251))
    configure(core, capacity=1000)
    # The second of the batches is refused for good.
    fault(core, {"path": ADD, "kind": "code", "code": -10, "skip": 1, "times": -1})
    result = applied(core, tmp_path, DesiredWhitelist("exact", new, max_removals=10))
    assert result["failed"] is True
    assert {A, B} <= set(listed(core))
    assert calls(core, DEL) == []


def test_a_run_that_continues_an_interrupted_one_removes_nothing_before_it_sees_the_successor(
    core: Core, tmp_path: Path
) -> None:
    lists(core, list_lag=20, present_add="zero")
    killed = InProcess(core)
    # The query, and the call to add before its response.
    killed.killed_in = 3
    with pytest.raises(Killed):
        applied(core, tmp_path, REPLACED[0], transport=killed)
    assert calls(core) == [QUERY, ADD]
    moments: list[list[str]] = []

    class Watched(InProcess):
        def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> Any:
            if endpoint == DEL:
                moments.append(list(core.keys[KEY].visible_lists(core.clock.now()).whitelist))
            return super()._exchange(method, url, form, endpoint)

    result = applied(core, tmp_path, REPLACED[0], transport=Watched(core))
    assert "failed" not in result
    assert listed(core) == [B, C]
    assert [C in moment for moment in moments] == [True]


def test_a_full_list_still_lets_the_old_address_go_first(core: Core, tmp_path: Path) -> None:
    configure(core, capacity=2)
    result = applied(core, tmp_path, REPLACED[0])
    assert "failed" not in result
    assert listed(core) == [B, C]
    assert calls(core, ADD, DEL) == [ADD, DEL, ADD]


@pytest.mark.parametrize("lag", [0, 20])
def test_a_removal_that_is_reported_by_its_number_is_sent_once(core: Core, tmp_path: Path, lag: int) -> None:
    lists(core, list_lag=lag, whitelist_answer="number", absent_del="error")
    result = applied(core, tmp_path, DesiredWhitelist("absent", (A,)))
    assert "failed" not in result
    assert (result["changed"], result["removed"], result["whitelist"]) == (True, [A], [B])
    assert calls(core, DEL) == [DEL]


@pytest.mark.parametrize("kind", [{"kind": "reset_after"}, {"kind": "unnamed", "drop": 1}, {"kind": "garbage"}])
def test_a_removal_that_is_refused_when_it_is_repeated_was_carried_out_before(
    core: Core, tmp_path: Path, kind: dict[str, Any]
) -> None:
    lists(core, list_lag=20, absent_del="error")
    fault(core, {"path": DEL, **kind})
    result = applied(core, tmp_path, DesiredWhitelist("absent", (A,)))
    assert "failed" not in result, result["msg"]
    assert (result["changed"], result["removed"], listed(core)) == (True, [A], [B])


@pytest.mark.parametrize("code", [-1, -999])
def test_any_refusal_of_a_repeated_removal_is_looked_into(core: Core, tmp_path: Path, code: int) -> None:
    lists(core, list_lag=20)
    fault(core, {"path": DEL, "kind": "reset_after"})
    fault(core, {"path": DEL, "kind": "code", "code": code, "times": -1})
    result = applied(core, tmp_path, DesiredWhitelist("absent", (A,)))
    assert "failed" not in result, result["msg"]
    assert (result["changed"], result["removed"], listed(core)) == (True, [A], [B])


def test_an_addition_that_is_refused_when_it_is_repeated_was_carried_out_before(core: Core, tmp_path: Path) -> None:
    lists(core, list_lag=20, present_add="full")
    fault(core, {"path": ADD, "kind": "reset_after"})
    result = applied(core, tmp_path, REPLACED[0])
    assert "failed" not in result, result["msg"]
    assert (result["added"], result["removed"], listed(core)) == ([C], [A], [B, C])


def test_a_removal_that_is_refused_and_never_shows_fails_with_the_refusal(core: Core, tmp_path: Path) -> None:
    fault(core, {"path": DEL, "kind": "reset_before"})
    fault(core, {"path": DEL, "kind": "code", "code": -10, "times": -1})
    result = applied(core, tmp_path, DesiredWhitelist("absent", (A,)))
    assert (result["failed"], result["changed"], result["code"]) == (True, False, -10)
    assert len(calls(core, DEL)) <= 3

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the list omits is not paid for again: the quota, and the numbers in the list itself, contradict it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import all_leases, new_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    QgError,
    TransportError,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.release import release_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.replace import replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import DesiredMonopolies
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import CLASSIC, PATHS, InProcess, books, calls, client, configure, fault, lease_client

#: Lists of the classic API that omit every lease.
EMPTY: dict[str, dict[str, Any]] = {
    "no list and no number": {"Code": 0},
    "an empty list": {"Code": 0, "TaskList": [], "TaskNum": 0, "TotalNum": 0},
    "null": {"Code": 0, "TaskList": None, "TaskNum": 0, "TotalNum": 0},
}
ITEM = {"IP": "192.0.2.10", "port": "21504", "deadline": "2030-01-02 03:04:05", "host": "192.0.2.10:21504"}


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(1_800_000_000.0), seed=1)


@pytest.fixture
def wire(core: Core) -> InProcess:
    return InProcess(core)


@pytest.fixture
def hold(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    """Ensure leases from a control node; "b" has not heard of those of "a"."""

    def run(count: int, node: str = "b", product: str = CLASSIC, max_wait: float = 300, **desired: Any) -> Any:
        api = lease_client(core, tmp_path / node, max_wait, wire, product)
        return ensure_leases(api, DesiredLeases(count, **desired))

    return run


def wrong(core: Core, path: str, body: Any, times: int = -1, **fields: Any) -> None:
    fault(core, {"path": path, "kind": "replace", "body": body, "times": times, **fields})


def paid(core: Core) -> int:
    return len(books(core).paid)


@pytest.mark.parametrize("form", EMPTY)
def test_an_empty_list_that_the_quota_contradicts_is_waited_for(
    core: Core, hold: Callable[..., Any], form: str
) -> None:
    hold(2, "a")
    wrong(core, "/query", EMPTY[form], times=3)
    outcome = hold(2)
    assert (outcome.error, len(outcome.leases), outcome.allocated, paid(core)) == (None, 2, (), 2)


def test_a_list_that_lacks_some_leases_is_waited_for(core: Core, hold: Callable[..., Any]) -> None:
    hold(3, "a")
    full = core.handle("GET", "/query", {"Key": "QGDEMO01", "Detail": "1"})[1]
    task = full["TaskList"][0]
    part = {"TaskList": [{**task, "Num": 1, "Data": task["Data"][:1]}], "TaskNum": 1, "TotalNum": 1}
    wrong(core, "/query", {**full, **part}, times=3)
    outcome = hold(3)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 3, 3)


@pytest.mark.parametrize("form", EMPTY)
def test_a_list_that_stays_empty_beside_a_quota_with_leases_is_no_reason_to_pay(
    core: Core, hold: Callable[..., Any], form: str
) -> None:
    hold(2, "a")
    wrong(core, "/query", EMPTY[form])
    began = core.clock.now()
    with pytest.raises(UncertainOutcomeError) as caught:
        hold(2)
    assert caught.value.message.startswith(
        "Whether the key holds 2 more leases than the list of leases shows is unknown: the quota counts 2 more "
        "in use, and this has not changed for 60 seconds. Nothing was paid for. Set undetermined=ignore if"
    )
    assert (calls(core, "/allocate"), paid(core)) == (["/allocate"], 2)
    assert 60 <= core.clock.now() - began < 90


def test_without_time_to_wait_nothing_is_paid_for(core: Core, hold: Callable[..., Any]) -> None:
    hold(2, "a")
    wrong(core, "/query", EMPTY["an empty list"])
    with pytest.raises(UncertainOutcomeError, match="max_wait ends before they must agree"):
        hold(2, max_wait=7)
    assert paid(core) == 2


def test_check_mode_reads_an_empty_list_once_more(core: Core, wire: InProcess, tmp_path: Path) -> None:
    ensure_leases(lease_client(core, tmp_path / "a", 300, wire), DesiredLeases(2))
    wrong(core, "/query", EMPTY["an empty list"], times=1)
    outcome = ensure_leases(lease_client(core, tmp_path / "b", 300, wire), DesiredLeases(3), check=True)
    assert (outcome.missing, wire.core.clock.now()) == (1, 1_800_000_000.0)


def test_a_user_can_say_that_the_quota_counts_something_else(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 6}, used=2)
    began = core.clock.now()
    outcome = hold(2, undetermined="ignore")
    assert (outcome.error, len(outcome.allocated), core.clock.now()) == (None, 2, began)


def test_an_empty_list_is_read_once_more_also_with_ignore(core: Core, hold: Callable[..., Any]) -> None:
    hold(2, "a")
    wrong(core, "/query", EMPTY["an empty list"], times=1)
    outcome = hold(2, undetermined="ignore")
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)


def test_a_classic_plan_by_volume_leases_again_with_ignore(
    core: Core, wire: InProcess, hold: Callable[..., Any]
) -> None:
    configure(core, plan={"billing": "volume", "balance": 9})
    hold(2, params=AllocationParams(keep_alive=5))
    wire.advance(600)
    with pytest.raises(UncertainOutcomeError, match="billed by volume"):
        hold(2)
    outcome = hold(2, undetermined="ignore")
    assert (outcome.error, paid(core)) == (None, 4)


def test_the_balance_of_a_product_host_contradicts_no_list(
    core: Core, wire: InProcess, hold: Callable[..., Any]
) -> None:
    configure(core, plan={"kind": "share", "billing": "volume", "balance": 9, "lifetime": 10})
    hold(2, product="share")
    wire.advance(601)
    assert hold(2, product="share").error is None
    assert paid(core) == 4


def test_a_channel_that_another_client_has_released_is_waited_for(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 6, "free_delay": 20})
    hold(2, "a")
    release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda _lease: True)
    outcome = hold(2)
    assert (outcome.error, len(outcome.leases)) == (None, 2)


def test_leases_that_another_client_has_just_got_are_waited_for(
    core: Core, wire: InProcess, hold: Callable[..., Any]
) -> None:
    configure(core, plan={"channels": 6}, options={"list_lag": 20})
    hold(2, "a")
    outcome = hold(3)
    assert (outcome.error, len(outcome.leases), len(outcome.allocated), paid(core)) == (None, 3, 1, 3)


def test_a_lack_of_channels_is_the_better_reason(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 3}, used=1)
    with pytest.raises(QgError, match=r"count=3 needs 3 more leases .*only 2 of the plan's 3 channels"):
        hold(3)
    assert calls(core, "/allocate") == []


@pytest.mark.parametrize(
    "data",
    [
        [{}],
        [{"task_id": "T"}],
        {"ips": None},
        {"task_id": "T", "num": 2},
        {"tasks": None},
        {"tasks": [{}]},
        {"tasks": {"T": None}},
        [{"proxy_ip": "192.0.2.30"}, None],
    ],
)
def test_a_broken_entry_in_the_list_of_a_product_host_is_not_an_empty_list(
    core: Core, hold: Callable[..., Any], data: Any
) -> None:
    configure(core, plan={"kind": "exclusive", "channels": 6})
    hold(2, "a", "exclusive")
    wrong(core, "/exclusive/query", {"code": "SUCCESS", "data": data, "request_id": "1"})
    with pytest.raises(TransportError, match="the response cannot be read"):
        hold(2, "b", "exclusive")
    assert paid(core) == 2


@pytest.mark.parametrize(
    ("product", "data"),
    [
        ("share", []),
        ("longterm", []),
        *(("exclusive", data) for data in ([], None, {}, {"ips": []}, {"tasks": []}, {"num": 0})),
    ],
)
def test_the_channels_of_a_product_host_contradict_an_empty_list(
    core: Core, hold: Callable[..., Any], product: str, data: Any
) -> None:
    configure(core, plan={"kind": product, "channels": 6, "lifetime": 60})
    hold(2, "a", product)
    wrong(core, PATHS[product].query, {"code": "SUCCESS", "data": data, "request_id": "1"})
    with pytest.raises(UncertainOutcomeError, match="Nothing was paid for"):
        hold(2, "b", product)
    assert paid(core) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"TaskNum": 1},
        {"TotalNum": 2, "TaskList": []},
        {"Num": 2, "Data": None},
        {"TaskList": [{}]},
        {"TaskList": [{"TaskID": "T", "Data": None}]},
        {"TaskList": [{"TaskID": "T", "Num": 2, "Data": [ITEM]}]},
        {"TaskNum": 2, "TaskList": [{"TaskID": "T", "Num": 1, "Data": [ITEM]}]},
    ],
)
def test_a_classic_list_with_numbers_of_more_leases_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        all_leases({"Code": 0, **body})


def test_an_empty_task_is_no_lease() -> None:
    assert all_leases({"Code": 0, "TaskList": [{"TaskID": "T", "Num": 0, "Data": None}], "TotalNum": 0}) == []


def test_an_allocation_that_names_fewer_leases_than_its_number_is_refused() -> None:
    with pytest.raises(ResponseShapeError, match="Num is 2, but 1 leases are listed"):
        new_leases({"Code": 0, "TaskID": "T", "Num": 2, "Data": [ITEM]})


def test_leases_that_a_response_omits_and_the_list_shows_late_are_not_leased_again(
    core: Core, wire: InProcess, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(core, plan={"channels": 9}, options={"list_lag": 30})
    handle = core.handle

    def terse(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if path == "/allocate":
            body = {"Code": 0, "TaskID": body["TaskID"], "Data": body["Data"][:1]}
        return status, body

    monkeypatch.setattr(core, "handle", terse)
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)


def test_leases_that_the_list_omits_after_a_replacement_get_no_successors(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 9})
    hold(5, "a")
    wire.advance(61)
    wrong(core, "/query", EMPTY["an empty list"], times=3, skip=1)
    outcome = replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, 2, AllocationParams())
    assert (outcome.error, len(outcome.allocated), paid(core), len(books(core).leases)) == (None, 2, 7, 5)


def test_a_named_lease_gets_no_successor_because_the_list_omits_it(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 9})
    hold(2, "a")
    wire.advance(61)
    fault(core, {"path": "/release", "kind": "reset_before"})
    wrong(core, "/query", EMPTY["an empty list"], times=2, skip=1)
    ip = books(core).leases[0].ip
    outcome = replace_leases(
        lease_client(core, tmp_path / "a", 300, wire), lambda lease: lease.ip == ip, None, AllocationParams()
    )
    assert len(books(core).leases) == 2, outcome.error


@pytest.mark.parametrize("data", [[], None])
def test_an_empty_list_of_resources_that_the_quota_contradicts_is_waited_for(
    core: Core, wire: InProcess, tmp_path: Path, data: Any
) -> None:
    configure(core, plan={"kind": "exclusive_occupancy", "channels": 6})
    ensure_held(client(core, tmp_path / "a", 300, wire), DesiredMonopolies(2))
    wrong(core, "/monopolies", {"data": data}, times=3, method="GET")
    outcome = ensure_held(client(core, tmp_path / "b", 300, wire), DesiredMonopolies(2))
    assert (outcome.error, outcome.applied, len(books(core).monopolies)) == (None, [], 2)


@pytest.mark.parametrize(("max_wait", "undetermined", "held"), [(300, "fail", 2), (5, "fail", 2), (300, "ignore", 4)])
def test_resources_that_only_the_quota_counts_are_not_applied_for_again(
    core: Core, wire: InProcess, tmp_path: Path, max_wait: float, undetermined: str, held: int
) -> None:
    configure(core, plan={"kind": "exclusive_occupancy", "channels": 6})
    ensure_held(client(core, tmp_path / "a", 300, wire), DesiredMonopolies(2))
    wrong(core, "/monopolies", {"data": []}, method="GET")
    api = client(core, tmp_path / "b", max_wait, wire)
    outcome = ensure_held(api, DesiredMonopolies(2, undetermined=undetermined), wait=False)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert ("holds 2 more resources than the list of resources shows" in outcome.error.message) is (
        undetermined == "fail"
    )
    assert len(books(core).monopolies) == held

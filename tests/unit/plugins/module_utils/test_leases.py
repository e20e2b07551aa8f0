# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leases count, what has to change, and what is done when calls fail, without a network."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.endpoints import (
    ALLOCATE,
    QUOTA,
    RELEASE,
    RELEASED_ADDRESSES,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import all_leases, areas, new_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import (
    AllocationParams,
    Area,
    Lease,
    oldest_first,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import (
    BEIJING,
    ResponseShapeError,
    parse_vendor_time,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    QgError,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import LeaseBackend
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases, matching_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import (
    DesiredLeases,
    LeaseMatch,
    Origin,
    area_numbers,
    classify,
    plan,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.release import release_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.replace import replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.session import LeaseResult
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import DesiredMonopolies
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import StateError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from hypothesis import given
from hypothesis import strategies as st
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, InProcess, Killed, LateCall, books, calls, client, configure, fault, lease_client

NOW = 1_800_000_000.0
GUANGZHOU, QUANZHOU = 440100, 350500
NAMES = {"广东省广州市": GUANGZHOU, "福建省泉州市": QUANZHOU, "福建省": 350000}
WRITING = ("/allocate", "/release", "/replace")


def lease(number: int, *, minutes: float | None = 60, region: str | None = None, task: str = "T") -> Lease:
    expires = None if minutes is None else datetime.datetime.fromtimestamp(NOW + minutes * 60, BEIJING)
    ip = f"192.0.2.{number}"
    return Lease(ip, 8000, f"{ip}:8000", str(expires), expires, region, task, {})


leases = st.lists(
    st.builds(
        lease,
        st.integers(1, 250),
        minutes=st.one_of(st.none(), st.integers(-5, 200)),
        region=st.sampled_from([None, "广东省广州市电信", "福建省泉州市联通", "广东省广州市", "BGP"]),
        task=st.sampled_from(["A", "B", "C"]),
    ),
    max_size=12,
    unique_by=lambda one: one.identity,
)
desired_states = st.builds(
    DesiredLeases,
    count=st.integers(1, 8),
    params=st.builds(
        AllocationParams, area_id=st.sampled_from([None, GUANGZHOU]), isp=st.sampled_from([None, "telecom"])
    ),
    min_remaining=st.integers(0, 90),
    task_ids=st.sampled_from([frozenset(), frozenset({"A"})]),
    exact=st.booleans(),
    undetermined=st.sampled_from(["fail", "ignore", "match"]),
)
origins = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.builds(Origin, st.sampled_from([None, GUANGZHOU, QUANZHOU]), st.sampled_from([None, "telecom", "mobile"])),
)


@given(held=leases, desired=desired_states, known=origins)
def test_a_plan_reaches_the_desired_state_with_the_fewest_changes(
    held: list[Lease], desired: DesiredLeases, known: dict[str, Origin]
) -> None:
    found = classify(held, desired, NOW, known, NAMES)
    try:
        made = plan(found, desired)
    except QgError:
        assert desired.undetermined == "fail"
        assert found.undetermined or found.undetermined_expiring
        return
    assert len(made.keep) + made.missing >= desired.count
    assert made.missing <= desired.count
    keep, surplus = ({one.identity for one in leases} for leases in (made.keep, made.surplus))
    assert not keep & surplus
    assert keep | surplus <= {one.identity for one in held}
    if desired.exact:
        assert len(made.keep) + made.missing == desired.count
        latest = [one.expires for one in made.keep if one.expires]
        assert all(one.expires <= least for one in made.surplus if one.expires for least in latest[:1])
    else:
        assert not made.surplus


@given(held=leases, desired=desired_states, known=origins)
def test_every_lease_is_in_one_group_at_most(
    held: list[Lease], desired: DesiredLeases, known: dict[str, Origin]
) -> None:
    found = classify(held, desired, NOW, known, NAMES)
    places = [*found.matching, *found.expiring, *found.undetermined, *found.undetermined_expiring]
    assert len(places) == len({one.identity for one in places})
    assert list(found.matching) == oldest_first(found.matching)


@pytest.mark.parametrize(
    ("one", "origin", "counts"),
    [
        (lease(1, region="广东省广州市电信"), Origin(QUANZHOU), False),
        (lease(1, region="福建省泉州市电信"), Origin(GUANGZHOU), True),
        (lease(1, region="广东省广州市电信"), None, True),
        (lease(1, region="福建省泉州市电信"), None, False),
        (lease(1, region="福建省厦门市电信"), None, False),
        (lease(1, region="上海市电信"), None, None),
        (lease(1), None, None),
        (lease(1), Origin(None), None),
    ],
)
def test_the_area_comes_from_the_origin_or_the_region_or_is_unknown(
    one: Lease, origin: Origin | None, counts: bool | None
) -> None:
    found = classify(
        [one], DesiredLeases(1, AllocationParams(area_id=GUANGZHOU)), NOW, {"T": origin} if origin else {}, NAMES
    )
    assert found == LeaseMatch(
        matching=(one,) if counts else (),
        undetermined=(one,) if counts is None else (),
    )


@pytest.mark.parametrize(
    ("task", "known", "counts"),
    [
        ("A", {}, True),
        ("B", {}, None),
        ("B", {"B": Origin()}, False),
        ("B", {"B": Origin(successor_of=frozenset({"A", "X"}))}, True),
    ],
)
def test_a_task_is_a_named_one_or_replaces_one(task: str, known: dict[str, Origin], counts: bool | None) -> None:
    one = lease(1, task=task)
    found = classify([one], DesiredLeases(1, task_ids=frozenset({"A"})), NOW, known, {})
    assert found == LeaseMatch(matching=(one,) if counts else (), undetermined=(one,) if counts is None else ())


def test_a_lease_without_a_readable_deadline_is_undetermined_with_min_remaining() -> None:
    one = lease(1, minutes=None)
    assert classify([one], DesiredLeases(1), NOW, {}, {}).matching == (one,)
    assert classify([one], DesiredLeases(1, min_remaining=1), NOW, {}, {}).undetermined == (one,)


def test_a_name_of_several_areas_is_ignored() -> None:
    rows = [
        Area(1, "A", None, None, {}),
        Area(2, "A", None, None, {}),
        Area(3, "B", None, None, {}),
        Area(None, "C", None, None, {}),
    ]
    assert area_numbers(rows) == {"B": 3}


def test_limits_depend_on_channels_and_stay_below_that_of_plans_by_volume() -> None:
    assert [ALLOCATE.limit(channels) for channels in (None, 1, 5, 1000)] == [15, 15, 35, 60]
    assert [RELEASE.limit(channels) for channels in (None, 3)] == [5, 15]
    assert [RELEASED_ADDRESSES.limit(channels) for channels in (None, 3)] == [2, 6]
    assert QUOTA.limit(None) == 60


@pytest.mark.parametrize("text", ["2030-01-02 03:04:05", " 2030-01-02 03:04:05 "])
def test_times_are_those_of_beijing(text: str) -> None:
    found = parse_vendor_time(text)
    assert found is not None
    assert found.isoformat() == "2030-01-02T03:04:05+08:00"


@pytest.mark.parametrize("text", [None, "", "tomorrow", "2030-13-02 03:04:05", 7])
def test_a_time_that_cannot_be_read_is_none(text: object) -> None:
    assert parse_vendor_time(text) is None


ITEM = {"IP": "192.0.2.10", "port": "21504", "deadline": "2030-01-02 03:04:05", "host": "198.51.100.8:21504"}


@pytest.mark.parametrize(
    ("change", "server", "port"),
    [
        ({}, "198.51.100.8:21504", 21504),
        ({"host": None}, "192.0.2.10:21504", 21504),
        ({"host": "", "port": 80}, "192.0.2.10:80", 80),
    ],
)
def test_a_lease_is_reached_under_its_host(change: dict[str, Any], server: str, port: int) -> None:
    found = Lease.from_item({**ITEM, **change}, "T")
    assert (found.server, found.port, found.ip) == (server, port, "192.0.2.10")


@pytest.mark.parametrize(
    "change", [{"IP": None}, {"IP": " "}, {"IP": 7}, {"port": None}, {"port": "x"}, {"port": True}]
)
def test_half_a_lease_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        Lease.from_item({**ITEM, **change}, "T")


@pytest.mark.parametrize("body", [{}, {"TaskList": None}, {"TaskList": []}, {"TaskList": [], "TotalNum": "0"}])
def test_no_leases_have_several_forms(body: dict[str, Any]) -> None:
    assert all_leases(body) == []


@pytest.mark.parametrize(
    "body",
    [
        {"TotalNum": 1},
        {"TaskList": None, "TotalNum": "2"},
        {"TaskList": {}},
        {"TaskList": [7]},
        {"TaskList": [{"TaskID": "T", "Data": [7]}]},
        {"TotalNum": "many"},
    ],
)
def test_a_list_that_contradicts_itself_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        all_leases(body)


@pytest.mark.parametrize("body", [{"TaskID": "T"}, {"TaskID": "T", "Data": []}, {"Data": [ITEM]}])
def test_a_success_without_leases_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ResponseShapeError):
        new_leases(body)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"AreaId": 1, "Area": "x", "Isp": 2, "Status": 0}, (1, "1", "x", "mobile", False)),
        (
            {"area_code": "350500", "area_name": "x", "isp": "电信", "available": 3},
            (350500, "350500", "x", "telecom", True),
        ),
        ({"area_code": " US ", "area": "x"}, (None, "US", "x", None, None)),
        ({"AreaId": 7, "area_code": "US"}, (7, "US", None, None, None)),
        ({"AreaId": 7, "area_code": ""}, (7, "7", None, None, None)),
        ({"area_code": 0, "AreaNo": "0"}, (0, None, None, None, None)),
        ({"area_code": [350500], "AreaId": True}, (None, None, None, None, None)),
        ({"something": 1}, (None, None, None, None, None)),
        ({"AreaId": None, "Area": 7, "Isp": None, "Status": "on"}, (None, None, None, None, None)),
    ],
)
def test_an_area_is_read_as_far_as_it_can_be(row: dict[str, Any], expected: tuple[Any, ...]) -> None:
    (found,) = areas({"Data": [row]})
    assert (found.area_id, found.area_code, found.name, found.isp, found.available) == expected
    assert found.vendor == row


# What is done when calls fail.


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(NOW), seed=1)


@pytest.fixture
def wire(core: Core) -> InProcess:
    return InProcess(core)


@pytest.fixture
def hold(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    def run(count: int, max_wait: float = 300, node: str = "a", **desired: Any) -> Any:
        api = lease_client(core, tmp_path / node, max_wait, wire)
        return ensure_leases(api, DesiredLeases(count, **desired))

    return run


def paid(core: Core) -> int:
    return len(books(core).paid)


LOST = [
    ({"kind": "reset_before"}, False),
    ({"kind": "reset_after"}, True),
    ({"kind": "truncate"}, True),
    ({"kind": "garbage"}, True),
    ({"kind": "garbage", "executed": False}, False),
    ({"kind": "data_null"}, True),
    ({"kind": "data_absent"}, True),
    ({"kind": "status", "http_status": 500}, False),
    ({"kind": "status", "http_status": 500, "executed": True}, True),
    ({"kind": "status", "http_status": 502, "executed": True}, True),
    ({"kind": "code", "code": -1}, False),
    ({"kind": "code", "code": -104}, False),
    ({"kind": "hang_after", "seconds": 20}, True),
]


@pytest.mark.parametrize(("kind", "executed"), LOST)
def test_leases_of_a_lost_response_are_adopted_or_the_call_is_repeated(
    core: Core, hold: Callable[..., Any], kind: dict[str, Any], executed: bool
) -> None:
    fault(core, {"path": "/allocate", **kind})
    outcome = hold(3)
    assert outcome.error is None
    assert len(outcome.leases) == len(outcome.allocated) == 3
    assert paid(core) == 3
    assert calls(core, "/allocate") == ["/allocate"] * (1 if executed else 2)


@pytest.mark.parametrize("status", [408, 502, 504])
def test_a_call_that_may_be_in_flight_is_not_repeated(core: Core, hold: Callable[..., Any], status: int) -> None:
    fault(core, {"path": "/allocate", "kind": "status", "http_status": status})
    outcome = hold(3)
    assert calls(core, "/allocate") == ["/allocate"]
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "3 addresses were leased is unknown" in outcome.error.message
    assert "qg_proxy_info" in outcome.error.message


def test_a_call_that_is_carried_out_late_is_uncertain_and_adopted_by_the_next_run(
    core: Core, wire: InProcess, hold: Callable[..., Any]
) -> None:
    wire.late = ("/allocate", 30)
    outcome = hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    wire.advance(60)
    again = hold(2)
    assert (again.error, len(again.leases), again.allocated) == (None, 2, ())
    assert paid(core) == 2


def test_a_lost_response_is_uncertain_if_the_list_cannot_be_read(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    fault(core, {"path": "/query", "kind": "reset_before", "skip": 1, "times": -1})
    outcome = hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "the list of leases cannot be read" in outcome.error.message


def test_a_lost_response_is_uncertain_without_time_to_read_the_list_again(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "reset_before"})
    outcome = hold(2, max_wait=0)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert paid(core) == 0


def test_a_call_that_always_fails_is_sent_three_times(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "code", "code": -1, "times": -1})
    outcome = hold(1)
    assert outcome.error.details["code"] == -1
    assert len(calls(core, "/allocate")) == 3


def test_a_short_response_is_completed_up_to_the_desired_count(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, options={"short_stock": "partial"})
    for area in core.keys[KEY].plan.stock:
        area.available = 1
    outcome = hold(4)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 4, 4)


def test_leases_are_reported_if_the_rest_fails(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, options={"short_stock": "partial"})
    for place, area in enumerate(core.keys[KEY].plan.stock):
        area.available = int(place < 2)
    outcome = hold(4)
    assert (len(outcome.allocated), len(outcome.leases), outcome.missing) == (2, 2, 2)
    assert outcome.error.details["code"] == -103


def test_a_released_channel_is_waited_for(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 2, "free_delay": 6})
    hold(2)
    release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda _lease: True)
    api, shown = lease_client(core, tmp_path / "a", 300, wire), []
    api.budget.announcer = Announcer(shown.append, now=core.clock.now)
    outcome = ensure_leases(api, DesiredLeases(2))
    assert (outcome.error, len(outcome.leases)) == (None, 2)
    assert shown == ["waiting because a released channel is not free yet (/allocate): at most 297 s more (max_wait)"]


def test_a_plan_without_room_is_refused_before_anything_is_written(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 3}, used=1)
    with pytest.raises(QgError, match=r"count=3 needs 3 more leases .*only 2 of the plan's 3 channels"):
        hold(3)
    assert calls(core, *WRITING) == []


def test_an_empty_list_is_read_again_if_channels_are_in_use(core: Core, hold: Callable[..., Any]) -> None:
    hold(2)
    core.clock.advance(61)
    core.journal.clear()
    fault(core, {"path": "/query", "kind": "replace", "body": {"Code": 0, "TaskList": [], "TotalNum": 0}})
    outcome = hold(2)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)
    assert calls(core) == ["/query", "/info/quota", "/query"]


def test_a_lifetime_of_less_than_two_minutes_is_shown_in_seconds(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"kind": "dynamic_shared", "lifetime": 1})
    outcome = hold(1, min_remaining=2)
    assert "1 new lease has less than min_remaining=2 minutes left" in outcome.error.message
    with pytest.raises(QgError, match=r"min_remaining=2 cannot be met: .* had 60 seconds left"):
        hold(1, min_remaining=2)


def test_min_remaining_that_the_plan_cannot_meet_is_paid_for_once_at_most(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"kind": "dynamic_shared", "lifetime": 10})
    outcome = hold(1, min_remaining=20)
    assert "less than min_remaining=20 minutes left" in outcome.error.message
    assert len(outcome.allocated) == 1
    with pytest.raises(QgError, match=r"min_remaining=20 cannot be met: .* had 10 minutes left"):
        hold(1, min_remaining=20)
    assert paid(core) == 1


def test_exact_releases_the_oldest_and_the_expiring_leases(core: Core, hold: Callable[..., Any]) -> None:
    hold(1, params=AllocationParams(keep_alive=30))
    hold(2, params=AllocationParams(keep_alive=60))
    hold(4, params=AllocationParams(keep_alive=120))
    outcome = hold(2, min_remaining=45, exact=True)
    assert outcome.error is None
    assert len(outcome.leases) == len(books(core).leases) == 2
    assert {one.expires.timestamp() for one in outcome.leases if one.expires} == {NOW + 7200}


def test_exact_releases_first_if_no_channel_is_free(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 2, "free_delay": 5})
    hold(2, params=AllocationParams(keep_alive=10))
    outcome = hold(2, min_remaining=30, exact=True)
    assert (outcome.error, len(outcome.leases), len(outcome.released)) == (None, 2, 2)
    writing = calls(core, *WRITING)
    # The first of these is the setting; one release shows that a channel comes free for it, one gives up the rest.
    assert writing[:3] == ["/allocate", "/release", "/release"]
    assert set(writing[3:]) == {"/allocate"}


def test_a_plan_by_volume_releases_one_lease_in_vain_at_most(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"billing": "volume", "balance": 3})
    hold(3, params=AllocationParams(keep_alive=10))
    outcome = hold(3, min_remaining=30, exact=True)
    assert "no channel came free for it" in outcome.error.message
    assert (len(outcome.released), len(books(core).leases), paid(core)) == (1, 2, 3)


def test_a_second_run_on_the_same_control_node_waits_its_turn(core: Core, wire: InProcess, tmp_path: Path) -> None:
    api = lease_client(core, tmp_path / "a", 300, wire)
    late, shown = lease_client(core, tmp_path / "a", 5, wire), []
    late.budget.announcer = Announcer(shown.append, now=core.clock.now)
    with api.key_lock(), pytest.raises(WaitBudgetExceeded, match="another run is changing"):
        ensure_leases(late, DesiredLeases(1))
    assert calls(core) == []
    begin = f"waiting because another run is changing what this key holds (/query): process {os.getpid()}; at most "
    assert shown == [f"{begin}2 s more (max_wait)"]


def test_names_of_areas_are_read_once_an_hour(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(3, node="elsewhere")
    desired = DesiredLeases(0, AllocationParams(area_id=GUANGZHOU))
    for _again in range(3):
        matching_leases(lease_client(core, tmp_path / "a", 300, wire), desired, max_age=0)
    assert calls(core, "/resources") == ["/resources"]
    wire.advance(3601)
    matching_leases(lease_client(core, tmp_path / "a", 300, wire), desired, max_age=0)
    assert calls(core, "/resources") == ["/resources"] * 2


@pytest.fixture
def cached(core: Core, tmp_path: Path) -> Callable[[], int]:
    """How many leases a template finds that accepts a list of five minutes ago."""

    def count() -> int:
        api = lease_client(core, tmp_path / "a", 300, InProcess(core))
        return len(matching_leases(api, DesiredLeases(0), max_age=300))

    return count


@pytest.mark.parametrize("path", WRITING)
def test_a_list_that_was_read_while_a_call_was_on_its_way_is_not_used_after_it(
    core: Core,
    wire: InProcess,
    hold: Callable[..., Any],
    cached: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    path: str,
) -> None:
    configure(core, plan={"channels": 9})
    hold(2)
    handle, seen = core.handle, []

    def reads_before(method: str, called: str, parameters: dict[str, str]) -> Any:
        if called == path and not seen:
            seen.append(0)
            seen[0] = cached()
        return handle(method, called, parameters)

    monkeypatch.setattr(core, "handle", reads_before)
    api = lease_client(core, tmp_path / "a", 300, wire)
    if path == "/allocate":
        hold(3)
    elif path == "/release":
        release_leases(api, lambda _lease: True)
    else:
        replace_leases(api, None, 1, AllocationParams())
    assert seen == [2]
    sent = len(calls(core, "/query"))
    found = cached()
    assert found == len(books(core).leases)
    assert len(calls(core, "/query")) == sent + 1
    assert cached() == found
    assert len(calls(core, "/query")) == sent + 1


def test_a_list_whose_reading_began_before_a_call_is_not_used_after_it(
    core: Core, hold: Callable[..., Any], cached: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(2)
    # No response says what the call did, so only the list shows it.
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    handle, allocated = core.handle, []

    def allocates_after(method: str, called: str, parameters: dict[str, str]) -> Any:
        answer = handle(method, called, parameters)
        if called == "/query" and not allocated:
            allocated.append(True)
            core.clock.advance(1)
            hold(3)
        return answer

    monkeypatch.setattr(core, "handle", allocates_after)
    assert cached() == 2
    assert cached() == len(books(core).leases) == 3


def test_a_lease_that_was_listed_a_while_ago_is_not_used_after_its_deadline(
    core: Core, hold: Callable[..., Any], cached: Callable[[], int]
) -> None:
    hold(2, params=AllocationParams(keep_alive=1))
    assert cached() == 2
    core.clock.advance(200)
    assert cached() == 0


@pytest.mark.parametrize("undetermined", ["fail", "ignore", "match"])
def test_leases_of_an_unknown_area(core: Core, hold: Callable[..., Any], undetermined: str) -> None:
    hold(1, node="elsewhere")
    fault(core, {"path": "/resources", "kind": "code", "code": -15, "times": -1})
    desired = {"params": AllocationParams(area_id=GUANGZHOU), "undetermined": undetermined}
    if undetermined == "fail":
        with pytest.raises(QgError, match="1 held leases may match"):
            hold(1, **desired)
    else:
        assert len(hold(1, **desired).leases) == 1
    assert paid(core) == (2 if undetermined == "ignore" else 1)


@pytest.mark.parametrize(("kind", "executed"), [row for row in LOST if row[0].get("code") != -104])
def test_a_lost_replacement_is_adopted_or_repeated(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, kind: dict[str, Any], executed: bool
) -> None:
    hold(3)
    fault(core, {"path": "/replace", **kind})
    outcome = replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, 2, AllocationParams())
    assert outcome.error is None
    assert (len(outcome.allocated), len(outcome.released), len(books(core).leases)) == (2, 2, 3)
    assert paid(core) == 5
    assert len(calls(core, "/replace")) == (1 if executed else 2)


def test_leases_that_a_refused_replacement_lost_are_allocated_again(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, options={"replace_failure": "drop"}, plan={"free_delay": 20})
    hold(3)
    stock = core.keys[KEY].plan.stock
    left = [area.available for area in stock]
    for area in stock:
        area.available = 0
    api = lease_client(core, tmp_path / "a", 300, wire)
    pause = api.budget.sleep

    def nap(seconds: float) -> None:
        # Stock comes back while the client waits.
        for area, available in zip(stock, left, strict=True):
            area.available = max(area.available, available)
        pause(seconds)

    api.budget.sleep = nap
    outcome = replace_leases(api, None, 2, AllocationParams())
    # The stock of the leases that were dropped serves at once, or the run says what is gone.
    assert len(outcome.released) >= 2
    assert outcome.error is None or outcome.missing == len(outcome.released) - len(outcome.allocated)
    assert len(books(core).leases) == 3 - outcome.missing


@pytest.mark.parametrize("replace_order", ["oldest", "random"])
def test_a_replacement_that_replaces_fewer_never_pays_for_more_than_were_requested(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, replace_order: str
) -> None:
    configure(core, options={"replace_order": replace_order, "list_lag": 3})
    for number in range(1, 5):
        hold(number)
    fault(core, {"path": "/replace", "kind": "partial", "drop": 1})
    outcome = replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, 3, AllocationParams())
    # The vendor released three and leased two. Its choice for the third may be a lease that was just paid for.
    assert outcome.error is None
    assert (paid(core), len(books(core).leases)) == (4 + 3, 4)


def test_more_than_are_held_cannot_be_replaced(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(1)
    with pytest.raises(QgError, match="count=2 leases cannot be replaced: the key holds 1"):
        replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, 2, AllocationParams())
    assert calls(core, "/replace") == []


def test_named_leases_are_replaced_as_far_as_the_release_limit_allows(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"kind": "static_dedicated"})
    hold(4)
    wire.advance(2 * 86400)
    outcome = replace_leases(
        lease_client(core, tmp_path / "a", 300, wire), lambda _lease: True, None, AllocationParams()
    )
    assert outcome.error is not None
    assert "2 leases are still held" in outcome.error.message
    assert (len(outcome.released), len(outcome.allocated), len(books(core).leases)) == (2, 2, 4)


def test_an_address_that_is_leased_twice_is_released_by_its_task(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(1)
    hold(2)
    first, second = books(core).leases
    second.ip = first.ip
    outcome = release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda one: one.task_id == first.task_id)
    assert outcome.error is None
    assert books(core).leases == [second]
    (sent,) = core.journal.select("/release")
    assert sent["params"] == {"TaskID": first.task_id}


def test_an_address_that_cannot_be_released_separately_is_kept(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(2)
    first, second = books(core).leases
    second.ip = first.ip
    outcome = release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda one: one.port == first.port)
    if first.port == second.port:
        pytest.fail("the simulator gave one port twice")
    assert "Release both" in outcome.error.message
    assert calls(core, "/release") == []


def test_a_refused_quota_is_an_unknown_quota(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"billing": "volume", "balance": 2}, options={"volume_quota": "refuse"})
    assert hold(2).error is None
    outcome = hold(3)
    assert isinstance(outcome.error, ApiError)
    assert outcome.error.code == -105


def test_a_refused_call_for_the_quota_stops_the_run(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/info/quota", "kind": "code", "code": -12})
    with pytest.raises(ApiError):
        hold(1)
    assert calls(core, *WRITING) == []


# One alone first.


@pytest.fixture
def exchange(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    """Replace all leases, as if each were named."""

    def run(max_wait: float = 300) -> Any:
        core.journal.clear()
        return replace_leases(
            lease_client(core, tmp_path / "a", max_wait, wire),
            lambda _lease: True,
            None,
            AllocationParams(),
        )

    return run


def test_making_room_reads_the_quota_once_before_and_once_after(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 2})
    hold(2, params=AllocationParams(keep_alive=10))
    core.journal.clear()
    assert hold(2, min_remaining=30, exact=True).error is None
    assert calls(core) == [
        *("/query", "/info/quota"),
        *("/release", "/query", "/info/quota"),
        *("/release", "/query", "/allocate"),
    ]


def test_named_leases_are_replaced_one_first_then_the_others(
    core: Core, hold: Callable[..., Any], exchange: Callable[..., Any]
) -> None:
    hold(3)
    outcome = exchange()
    assert (outcome.error, len(outcome.released), len(outcome.allocated)) == (None, 3, 3)
    assert calls(core, *WRITING) == ["/release", "/allocate"] * 2
    assert [len(call["params"]["IP"].split(",")) for call in core.journal.select("/release")] == [1, 2]


@pytest.mark.parametrize(
    "refusal", [{"kind": "code", "code": -103}, {"kind": "code", "code": -12}, {"kind": "status", "http_status": 504}]
)
def test_named_leases_are_kept_if_the_first_gets_no_successor(
    core: Core, hold: Callable[..., Any], exchange: Callable[..., Any], refusal: dict[str, Any]
) -> None:
    hold(4)
    fault(core, {"path": "/allocate", "times": -1, **refusal})
    outcome = exchange()
    assert outcome.error is not None
    assert (len(outcome.released), outcome.missing, len(books(core).leases)) == (1, 1, 3)
    assert calls(core, *WRITING) == ["/release", "/allocate"]


def test_named_leases_that_are_too_young_do_not_keep_the_old_ones(
    core: Core, wire: InProcess, hold: Callable[..., Any], exchange: Callable[..., Any]
) -> None:
    configure(core, plan={"kind": "static_dedicated"})
    hold(2)
    wire.advance(2 * 86400)
    hold(3)
    # The vendor promises no order.
    books(core).leases.reverse()
    old = {one.ip for one in books(core).leases[1:]}
    outcome = exchange()
    assert "1 lease is still held" in outcome.error.message
    assert {one.ip for one in outcome.released} == old
    assert (len(outcome.allocated), outcome.missing) == (2, 0)


@pytest.mark.parametrize(("left", "swapped"), [(0, 0), (1, 1), (3, 1), (5, 5)])
def test_a_plan_by_volume_replaces_named_leases_only_as_far_as_it_has_successors(
    core: Core, hold: Callable[..., Any], exchange: Callable[..., Any], left: int, swapped: int
) -> None:
    configure(core, plan={"billing": "volume", "balance": 5 + left})
    hold(5)
    outcome = exchange()
    assert len(outcome.allocated) == swapped
    assert len(books(core).leases) == 5 - outcome.missing
    # Never more than the one that was tried.
    assert outcome.missing == (1 if left == 0 else 0)
    assert (outcome.error is None) is (left == 5)
    if left in (1, 3):
        assert "the other 4 leases were kept" in outcome.error.message
        assert f"it has {left - 1} left" in outcome.error.message
        assert outcome.error.details["quota"]["available"] == left - 1


@pytest.mark.parametrize("used", [0, 2])
def test_named_leases_whose_channels_become_free_late_are_all_replaced(
    core: Core, hold: Callable[..., Any], exchange: Callable[..., Any], used: int
) -> None:
    configure(core, plan={"channels": 6, "free_delay": 6}, used=used)
    hold(4, undetermined="ignore")
    outcome = exchange()
    assert (outcome.error, len(outcome.released), len(outcome.allocated)) == (None, 4, 4)


def test_more_than_a_hundred_named_leases_are_replaced_in_calls_of_a_hundred(
    core: Core, wire: InProcess, hold: Callable[..., Any], exchange: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 150})
    hold(100)
    client(core, tmp_path / "b", 300, wire).allocate(50, AllocationParams())
    outcome = exchange(max_wait=3600)
    assert (outcome.error, outcome.missing) == (None, 0)
    assert len(outcome.released) == len(outcome.allocated) == len(books(core).leases) == 150
    assert [call["params"]["Num"] for call in core.journal.select("/allocate")] == ["1", "100", "49"]


@pytest.mark.parametrize("shown", [1, 2])
def test_leases_that_a_response_omits_are_read_from_the_list_and_not_leased_again(
    core: Core, wire: InProcess, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, shown: int
) -> None:
    handle = core.handle

    def terse(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if path == "/allocate" and body:
            body = {**body, "Num": shown, "Data": body["Data"][:shown]}
        return status, body

    monkeypatch.setattr(core, "handle", terse)
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)
    assert calls(core, *WRITING) == ["/allocate"]


@pytest.mark.parametrize("wanted", [4, 9])
def test_more_than_the_plan_can_ever_give_is_not_waited_for(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, wanted: int
) -> None:
    configure(core, plan={"channels": 3})
    hold(3)
    release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda _lease: True)
    core.journal.clear()
    began = core.clock.now()
    with pytest.raises(QgError, match=f"count={wanted} needs {wanted} more leases .*only 3 of the plan's 3 channels"):
        hold(wanted)
    assert calls(core) == ["/query", "/info/quota"]
    assert core.clock.now() == began


@pytest.mark.parametrize("late", [0.0, 8.0, 18.0])
def test_an_application_that_is_listed_late_is_not_repeated_after_a_lost_response(
    core: Core, wire: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    """The vendor carries it out some time after its answer, so the list of resources may show it late."""
    configure(core, plan={"kind": "exclusive_occupancy", "channels": 9})
    handle = core.handle

    def slow(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if (method, path) == ("GET", "/monopolies") and body:
            shown = [
                one
                for one, row in zip(body["data"], core.keys[KEY].holdings.monopolies, strict=True)
                if row.since + late <= core.clock.now()
            ]
            body = {"data": shown}
        return status, body

    monkeypatch.setattr(core, "handle", slow)
    fault(core, {"path": "/monopolies", "method": "POST", "kind": "reset_after"})
    outcome = ensure_held(client(core, tmp_path / "a", 300, wire), DesiredMonopolies(2))
    assert [call["method"] for call in core.journal.select("/monopolies")].count("POST") == 1
    assert (outcome.error, len(outcome.applied), len(books(core).monopolies)) == (None, 2, 2)


@pytest.mark.parametrize("plan", [{"channels": 5}, {"billing": "volume", "balance": 5}])
def test_a_refusal_after_a_lost_response_is_uncertain(
    core: Core, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    """The list lags behind for longer than it is looked at, and the second try finds the channels taken."""
    configure(core, plan=plan)
    handle = core.handle

    def slow(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        return status, {"Code": 0, "TaskList": []} if path == "/query" else body

    monkeypatch.setattr(core, "handle", slow)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert paid(core) == 3
    assert "qg_proxy_info" in outcome.error.message


@pytest.mark.parametrize("plan", [{"channels": 5}, {"billing": "volume", "balance": 5}])
def test_a_refusal_after_a_lost_response_is_uncertain_without_a_quota(
    core: Core, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, plan: dict[str, Any]
) -> None:
    configure(core, plan=plan)
    handle = core.handle

    def blind(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        return status, {"Code": 0, "TaskList": []} if path == "/query" else body

    monkeypatch.setattr(core, "handle", blind)
    fault(core, {"path": "/info/quota", "kind": "code", "code": -15, "times": -1})
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "an earlier attempt without a response may be the reason" in outcome.error.message
    assert paid(core) == 3


@pytest.fixture
def lagging(core: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the list show leases only so many seconds after they were paid for, but a few at once (by their places)."""
    handle = core.handle

    def lag(seconds: float, at_once: Collection[int] = ()) -> None:
        def slow(method: str, path: str, parameters: dict[str, str]) -> Any:
            status, body = handle(method, path, parameters)
            if path == "/query" and body:
                now, leased = core.clock.now(), enumerate(books(core).leases)
                seen = {one.ip for place, one in leased if place in at_once or one.at + seconds <= now}
                tasks = [
                    {**task, "Data": [item for item in task["Data"] if item["IP"] in seen]}
                    for task in body.get("TaskList", [])
                ]
                tasks = [{**task, "Num": len(task["Data"])} for task in tasks if task["Data"]]
                total = sum(task["Num"] for task in tasks)
                body = {**body, "TaskList": tasks, "TaskNum": len(tasks), "TotalNum": total}
            return status, body

        monkeypatch.setattr(core, "handle", slow)

    return lag


@pytest.mark.parametrize("plan", [{"channels": 9}, {"billing": "volume", "balance": 9}])
@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
def test_leases_that_are_listed_late_are_adopted_because_the_quota_shows_them(
    core: Core,
    hold: Callable[..., Any],
    lagging: Callable[[float], None],
    plan: dict[str, Any],
    seconds: float,
) -> None:
    configure(core, plan=plan)
    lagging(seconds)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)
    assert calls(core, *WRITING) == ["/allocate"]


def test_leases_that_are_never_listed_are_not_leased_again(
    core: Core, hold: Callable[..., Any], lagging: Callable[[float], None]
) -> None:
    configure(core, plan={"channels": 9})
    lagging(3600)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "fewer free channels than the list of leases accounts for" in outcome.error.message
    assert paid(core) == 3


@pytest.mark.parametrize("step", [1.0, 3600.0])
def test_leases_are_not_leased_again_if_the_clock_is_set_back_before_they_are_listed(
    core: Core, wire: InProcess, hold: Callable[..., Any], lagging: Callable[[float], None], step: float
) -> None:
    configure(core, plan={"channels": 9})
    lagging(30)
    hold(2)
    wire.machine.set_wall(-step)
    outcome = hold(2)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)


@pytest.fixture
def client_ahead(core: Core, wire: InProcess, tmp_path: Path) -> Callable[[float], LeaseBackend]:
    """A client on a control node whose wall clock is ahead by so many seconds, while no response has a date."""
    wire.is_dated = False

    def ahead(seconds: float) -> LeaseBackend:
        wire.machine.wall_error = seconds
        return lease_client(core, tmp_path / "a", 300, wire)

    return ahead


@pytest.mark.parametrize("seconds", [60.0, 90.0, 86400.0])
def test_new_leases_whose_deadline_is_past_on_this_control_node_are_not_leased_again(
    core: Core,
    client_ahead: Callable[[float], LeaseBackend],
    lagging: Callable[[float], None],
    seconds: float,
) -> None:
    configure(core, plan={"channels": 9})
    lagging(30)
    desired = DesiredLeases(2, AllocationParams(keep_alive=1))
    assert len(ensure_leases(client_ahead(seconds), desired).allocated) == 2
    core.clock.advance(20)
    outcome = ensure_leases(client_ahead(seconds), desired)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)


def test_a_new_lease_that_the_list_never_shows_is_held_until_its_deadline(
    client_ahead: Callable[[float], LeaseBackend], core: Core, lagging: Callable[[float], None]
) -> None:
    lagging(3600)
    ensure_leases(client_ahead(30), DesiredLeases(2, AllocationParams(keep_alive=1)))
    core.clock.advance(29)
    assert len(client_ahead(30).list()) == 2
    core.clock.advance(1)
    assert client_ahead(30).list() == []


@pytest.mark.parametrize("seconds", [8.0, 30.0])
def test_leases_that_are_listed_late_are_adopted_without_a_quota(
    core: Core, hold: Callable[..., Any], lagging: Callable[[float], None], seconds: float
) -> None:
    fault(core, {"path": "/info/quota", "kind": "code", "code": -15, "times": -1})
    lagging(seconds)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)
    assert calls(core, *WRITING) == ["/allocate"]


@pytest.mark.parametrize("plan", [{"channels": 9}, {"billing": "volume", "balance": 9}, {}])
@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
def test_leases_of_a_lost_response_that_are_listed_one_after_the_other_are_paid_for_once(
    core: Core, hold: Callable[..., Any], lagging: Callable[..., None], plan: dict[str, Any], seconds: float
) -> None:
    if plan:
        configure(core, plan=plan)
    else:
        fault(core, {"path": "/info/quota", "kind": "code", "code": -15, "times": -1})
    lagging(seconds, at_once=[0])
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)
    assert calls(core, *WRITING) == ["/allocate"]


def test_the_lease_of_another_client_is_not_the_effect_of_a_lost_call(
    core: Core, hold: Callable[..., Any], lagging: Callable[..., None]
) -> None:
    configure(core, plan={"channels": 9})
    lagging(8)
    core.handle("GET", "/allocate", {"Key": KEY, "Num": "1"})
    core.clock.advance(5)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    # Otherwise the run would wait until the list shows it.
    outcome = hold(3, undetermined="ignore")
    assert (outcome.error, paid(core)) == (None, 1 + 3)


@pytest.mark.parametrize("plan", [{"channels": 9}, {"billing": "volume", "balance": 9}])
def test_a_part_of_the_leases_of_a_lost_response_is_reported_and_the_rest_is_not_leased_again(
    core: Core, hold: Callable[..., Any], lagging: Callable[..., None], plan: dict[str, Any]
) -> None:
    configure(core, plan=plan)
    lagging(3600, at_once=[0])
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert (len(outcome.allocated), outcome.missing, paid(core)) == (1, 2, 3)
    assert calls(core, *WRITING) == ["/allocate"]


@pytest.mark.parametrize("max_wait", [0, 1])
def test_a_part_of_the_leases_of_a_lost_response_is_returned_without_time_to_read_the_list_again(
    core: Core, hold: Callable[..., Any], lagging: Callable[..., None], max_wait: int
) -> None:
    configure(core, plan={"channels": 9})
    lagging(8, at_once=[0, 1])
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(3, max_wait=max_wait)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "the list of leases does not show all of it so far" in outcome.error.message
    assert (len(outcome.allocated), outcome.missing, paid(core)) == (2, 1, 3)


def test_a_part_of_the_leases_of_a_lost_response_is_returned_if_the_list_cannot_be_read_again(
    core: Core, hold: Callable[..., Any], lagging: Callable[..., None]
) -> None:
    configure(core, plan={"channels": 9})
    lagging(8, at_once=[0, 1])
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    fault(core, {"path": "/query", "kind": "garbage", "skip": 2, "times": 20})
    outcome = hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert (len(outcome.allocated), paid(core)) == (2, 3)


def test_a_call_that_the_vendor_is_half_way_through_is_uncertain_and_completed_by_the_next_run(
    core: Core, wire: InProcess, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(core, plan={"channels": 9})
    late = wire.carry_out_late

    def in_parts(call: LateCall) -> None:
        at, method, path, parameters = call
        for number, seconds in ((1, 0), (3, 16)):
            part = (at + seconds, method, path, {**parameters, "Num": str(number)})
            if seconds:
                monkeypatch.setattr(wire, "carry_out_late", late)
                wire.under_way.append(part)
            else:
                late(part)

    monkeypatch.setattr(wire, "carry_out_late", in_parts)
    wire.late = ("/allocate", 9)
    outcome = hold(4)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "shows only a part of it so far" in outcome.error.message
    assert (len(outcome.allocated), outcome.missing) == (1, 3)
    again = hold(4)
    assert (again.error, len(again.leases), paid(core)) == (None, 4, 4)


def test_a_lease_that_ends_while_another_one_is_lost_does_not_hide_it_from_the_quota(
    core: Core, hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(core, plan={"channels": 9})
    hold(1, params=AllocationParams(keep_alive=1))
    core.clock.advance(58)
    before = core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})
    handle, until = core.handle, core.clock.now() + 20

    def late(method: str, path: str, parameters: dict[str, str]) -> Any:
        return before if path == "/query" and core.clock.now() < until else handle(method, path, parameters)

    monkeypatch.setattr(core, "handle", late)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = hold(1, min_remaining=1, params=AllocationParams(keep_alive=3))
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 1, 1 + 1)


def test_a_lease_that_ends_while_the_task_waits_is_not_counted(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 9})
    terms: dict[str, Any] = {"min_remaining": 1, "params": AllocationParams(keep_alive=2)}
    hold(1, **terms)
    core.clock.advance(58)
    api = lease_client(core, tmp_path / "a", 300, wire)
    api.rate_limiter.block(api.key_digest, "/allocate", 70)
    outcome = ensure_leases(api, DesiredLeases(2, **terms))
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 2)
    assert {one.ip for one in outcome.leases} == {one.ip for one in books(core).leases}
    assert paid(core) == 3


@pytest.mark.parametrize(("seconds", "live"), [(4, 3), (90, 1)])
def test_the_channel_of_a_lease_that_ends_while_the_task_waits_is_waited_for(
    core: Core,
    wire: InProcess,
    hold: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: int,
    live: int,
) -> None:
    """The vendor frees the channels of leases that have ended so many seconds later."""
    configure(core, plan={"channels": 3})
    terms: dict[str, Any] = {"params": AllocationParams(keep_alive=2)}
    first = hold(2, **terms)
    end = min(one.expires.timestamp() for one in first.leases)
    # Within the last seconds, they may have ended: the run would first wait until that is clear.
    core.clock.advance(end - core.clock.now() - 3)
    handle, slow = core.handle, itertools.chain([4], itertools.repeat(0))

    def late(method: str, path: str, parameters: dict[str, str]) -> Any:
        if path != "/allocate":
            return handle(method, path, parameters)
        if end <= core.clock.now() < end + seconds:
            return 200, {"Code": -102}
        answer = handle(method, path, parameters)
        core.clock.advance(next(slow))
        return answer

    monkeypatch.setattr(core, "handle", late)
    outcome = hold(3, **terms)
    assert (outcome.error is None, len(outcome.leases), outcome.missing) == (live == 3, live, 3 - live)
    assert {one.ip for one in outcome.leases} == {one.ip for one in books(core).leases}


def test_new_leases_that_end_while_the_rest_is_waited_for_are_missing(
    core: Core, wire: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one call is needed, and the vendor's limit is reached between them."""
    configure(core, plan={"channels": 300})
    api = lease_client(core, tmp_path / "a", 300, wire)
    get, calls_made = api.get, itertools.count()

    def limited(*arguments: Any, **named: Any) -> Any:
        if next(calls_made):
            api.rate_limiter.block(api.key_digest, "/allocate", 70)
        return get(*arguments, **named)

    monkeypatch.setattr(api, "get", limited)
    outcome = ensure_leases(api, DesiredLeases(120, params=AllocationParams(keep_alive=1)))
    assert (len(outcome.leases), outcome.missing, paid(core)) == (20, 100, 120)
    assert outcome.error.message == (
        "100 leases ended while this task waited, so 100 of count=120 are missing. Run it again, or raise keep_alive "
        "if the plan allows it."
    )


def test_a_call_that_was_lost_on_its_way_is_repeated_at_once(core: Core, hold: Callable[..., Any]) -> None:
    configure(core, plan={"channels": 9})
    fault(core, {"path": "/allocate", "kind": "reset_before"})
    began = core.clock.now()
    outcome = hold(3)
    assert (outcome.error, paid(core)) == (None, 3)
    # The looks at the list, and no more.
    assert core.clock.now() - began < 6


def test_a_named_replacement_with_a_lost_response_reads_the_quota_too(
    core: Core, hold: Callable[..., Any], exchange: Callable[..., Any], lagging: Callable[[float], None]
) -> None:
    configure(core, plan={"channels": 9, "free_delay": 6})
    hold(1)
    lagging(20)
    core.clock.advance(30)
    fault(core, {"path": "/allocate", "kind": "reset_after"})
    outcome = exchange()
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 1, 2)


@pytest.fixture
def rotate(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    """Let the vendor replace all leases by a call that a fault may meet, such as the loss of its answer."""

    def run(kind: str = "reset_after") -> Any:
        core.clock.advance(600)
        core.journal.clear()
        if kind:
            fault(core, {"path": "/replace", "kind": kind})
        return replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, None, AllocationParams())

    return run


@pytest.mark.parametrize("kind", ["", "reset_after"])
@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
@pytest.mark.parametrize("plan", [{"channels": 9}, {"channels": 3}, {"billing": "volume", "balance": 9}])
def test_a_replacement_whose_new_leases_are_listed_late_is_paid_for_once(
    core: Core,
    hold: Callable[..., Any],
    rotate: Callable[..., Any],
    lagging: Callable[[float], None],
    plan: dict[str, Any],
    seconds: float,
    kind: str,
) -> None:
    """The list leaves the old ones out at once, and has the new ones later."""
    configure(core, plan=plan)
    hold(3)
    lagging(seconds)
    outcome = rotate(kind)
    assert (outcome.error, len(outcome.allocated), len(outcome.released)) == (None, 3, 3)
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
@pytest.mark.parametrize("plan", [{"channels": 9}, {"channels": 3}, {"billing": "volume", "balance": 9}])
def test_a_replacement_whose_new_leases_are_listed_one_after_the_other_is_paid_for_once(
    core: Core,
    hold: Callable[..., Any],
    rotate: Callable[..., Any],
    lagging: Callable[..., None],
    plan: dict[str, Any],
    seconds: float,
) -> None:
    configure(core, plan=plan)
    hold(3)
    lagging(seconds, at_once=[0])
    outcome = rotate()
    assert (outcome.error, len(outcome.allocated), len(outcome.released)) == (None, 3, 3)
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


def test_a_part_of_a_lost_replacement_is_returned_without_time_to_read_the_list_again(
    core: Core, wire: InProcess, hold: Callable[..., Any], lagging: Callable[..., None], tmp_path: Path
) -> None:
    configure(core, plan={"channels": 9})
    hold(3)
    core.clock.advance(600)
    lagging(8, at_once=[0, 1])
    fault(core, {"path": "/replace", "kind": "reset_after"})
    outcome = replace_leases(lease_client(core, tmp_path / "a", 1, wire), None, None, AllocationParams())
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert (len(outcome.allocated), paid(core)) == (2, 6)


def test_a_replacement_of_which_only_a_part_is_ever_listed_is_uncertain(
    core: Core, hold: Callable[..., Any], rotate: Callable[..., Any], lagging: Callable[..., None]
) -> None:
    configure(core, plan={"channels": 9})
    hold(3)
    core.clock.advance(3600 - 600)
    lagging(3600, at_once=[0])
    outcome = rotate()
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert len(outcome.allocated) == 1
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


@pytest.mark.parametrize("plan", [{"channels": 9}, {"billing": "volume", "balance": 9}])
def test_a_replacement_whose_new_leases_are_never_listed_is_uncertain(
    core: Core,
    hold: Callable[..., Any],
    rotate: Callable[..., Any],
    lagging: Callable[[float], None],
    plan: dict[str, Any],
) -> None:
    configure(core, plan=plan)
    hold(3)
    core.clock.advance(3600 - 600)
    lagging(3600)
    outcome = rotate()
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "the quota has fewer free channels than the list of leases accounts for" in outcome.error.message
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


@pytest.fixture
def frozen(core: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let the list be what it was so many seconds ago, the leases that are gone and all."""

    def freeze(seconds: float) -> None:
        handle, lists = core.handle, dict[float, Any]()

        def slow(method: str, path: str, parameters: dict[str, str]) -> Any:
            answer, now = handle(method, path, parameters), core.clock.now()
            if path == "/query":
                lists.setdefault(now, answer)
                old = [seen for at, seen in lists.items() if at <= now - seconds]
                answer = old[-1] if old else lists[min(lists)]
            return answer

        monkeypatch.setattr(core, "handle", slow)

    return freeze


@pytest.mark.parametrize("seconds", [3.0, 8.0, 50.0])
def test_a_release_that_is_listed_late_is_waited_for(
    core: Core,
    hold: Callable[..., Any],
    frozen: Callable[[float], None],
    wire: InProcess,
    tmp_path: Path,
    seconds: float,
) -> None:
    hold(3)
    core.journal.clear()
    frozen(seconds)
    outcome = release_leases(lease_client(core, tmp_path / "a", 300, wire), lambda _lease: True)
    assert (outcome.error, len(outcome.released), outcome.after, outcome.warnings) == (None, 3, (), ())
    assert calls(core, *WRITING) == ["/release"]


def test_a_release_is_uncertain_without_time_to_read_the_list(
    core: Core, hold: Callable[..., Any], wire: InProcess, tmp_path: Path
) -> None:
    hold(3)
    core.clock.advance(120)
    api, reads = lease_client(core, tmp_path / "a", 0, wire), 0
    with pytest.raises(WaitBudgetExceeded):
        while True:
            api.list()
            reads += 1
    core.clock.advance(120)
    for _read in range(reads - 1):
        api.list()
    core.journal.clear()
    outcome = release_leases(api, lambda _lease: True)
    assert calls(core) == ["/query", "/release"]
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "the list of leases cannot be read" in outcome.error.message


@pytest.mark.parametrize("kind", ["", "reset_after"])
@pytest.mark.parametrize("seconds", [3.0, 8.0, 30.0])
def test_a_replacement_that_is_listed_late_is_not_repeated(
    core: Core,
    hold: Callable[..., Any],
    rotate: Callable[..., Any],
    frozen: Callable[[float], None],
    seconds: float,
    kind: str,
) -> None:
    hold(3)
    frozen(seconds)
    outcome = rotate(kind)
    assert (outcome.error, len(outcome.allocated), len(outcome.released)) == (None, 3, 3)
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


@pytest.mark.parametrize("kind", ["", "reset_after"])
def test_a_replacement_whose_old_leases_stay_listed_for_a_while_is_not_repeated(
    core: Core, hold: Callable[..., Any], rotate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    hold(3)
    handle = core.handle
    old = handle("GET", "/query", {"Key": KEY, "Detail": "1"})[1]["TaskList"]

    def both(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if path == "/query" and core.journal.select("/replace"):
            tasks = [*body.get("TaskList", []), *old]
            body = {**body, "TaskList": tasks, "TaskNum": len(tasks), "TotalNum": body["TotalNum"] + 3}
        return status, body

    monkeypatch.setattr(core, "handle", both)
    outcome = rotate(kind)
    assert (outcome.error, len(outcome.allocated)) == (None, 3)
    assert (paid(core), calls(core, *WRITING)) == (6, ["/replace"])


@pytest.mark.parametrize(
    ("plan", "reported"),
    [({"channels": 9}, False), ({"channels": 3}, False), ({"billing": "volume", "balance": 9}, True)],
)
def test_a_replacement_that_was_lost_half_way_is_completed_if_the_quota_shows_it(
    core: Core,
    hold: Callable[..., Any],
    rotate: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    plan: dict[str, Any],
    reported: bool,
) -> None:
    """The old leases are gone. With free channels nothing replaced them; otherwise the outcome is unknown."""
    configure(core, plan=plan)
    hold(3)
    handle = core.handle

    def half(method: str, path: str, parameters: dict[str, str]) -> Any:
        if path == "/replace":
            held = ",".join(one.ip for one in books(core).leases)
            handle(method, "/release", {"Key": parameters["Key"], "IP": held})
        return handle(method, path, parameters)

    monkeypatch.setattr(core, "handle", half)
    outcome = rotate("reset_before")
    assert isinstance(outcome.error, UncertainOutcomeError) is reported
    assert len(outcome.released) == 3
    assert (len(outcome.allocated), outcome.missing, paid(core)) == ((0, 3, 3) if reported else (3, 0, 6))
    assert calls(core, *WRITING) == ["/release", "/replace", *([] if reported else ["/allocate"])]


@pytest.mark.parametrize(("late", "reported"), [(11, True), (30, False)])
def test_a_lease_that_expires_during_a_replacement_is_not_replaced_twice(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, late: int, reported: bool
) -> None:
    configure(core, plan={"channels": 1})
    hold(1, params=AllocationParams(keep_alive=5))
    wire.advance(299)
    wire.late = ("/replace", late)
    outcome = replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, None, AllocationParams())
    assert isinstance(outcome.error, UncertainOutcomeError) is not reported
    assert len(outcome.allocated) == reported
    wire.advance(60)
    assert paid(core) == 2


def refuse(_state: State) -> Any:
    raise StateError("the disk is full")


@pytest.fixture
def disk_fills_up(core: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let nothing more be written to the state as soon as the vendor has answered a call."""

    def after(path: str) -> None:
        handle = core.handle

        def answer(method: str, called: str, parameters: dict[str, str]) -> Any:
            response = handle(method, called, parameters)
            if called == path:
                monkeypatch.setattr(State, "transaction", refuse)
            return response

        monkeypatch.setattr(core, "handle", answer)

    return after


def test_what_was_allocated_is_returned_if_the_state_cannot_be_written_then(
    core: Core, hold: Callable[..., Any], disk_fills_up: Callable[[str], None]
) -> None:
    disk_fills_up("/allocate")
    outcome = hold(2)
    assert outcome.error.message == "the disk is full"
    assert {one.ip for one in outcome.allocated} == {one.ip for one in books(core).leases}
    assert len(outcome.allocated) == 2


def test_what_was_released_is_returned_if_the_state_cannot_be_written_then(
    core: Core, hold: Callable[..., Any], release_all: Callable[..., Any], disk_fills_up: Callable[[str], None]
) -> None:
    hold(2)
    disk_fills_up("/release")
    outcome = release_all()
    assert "the disk is full" in outcome.error.message
    assert len(outcome.released) == 2
    assert books(core).leases == []


def test_a_result_is_returned_if_the_state_cannot_be_written_after_all_was_done(
    hold: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    completed = LeaseResult.completed

    @contextlib.contextmanager
    def then_full(result: LeaseResult, *others: Any) -> Iterator[None]:
        with completed(result, *others):
            yield
        monkeypatch.setattr(State, "transaction", refuse)

    monkeypatch.setattr(LeaseResult, "completed", then_full)
    outcome = hold(2)
    assert (outcome.error, len(outcome.allocated)) == (None, 2)


# What a run left behind that was killed, or that had no time to wait.


@pytest.fixture
def killed_at(core: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Kill the process that makes the next call to a path, after the vendor has carried it out or before."""

    def plan_it(path: str, *, carried_out: bool) -> None:
        handle = core.handle

        def once(method: str, called: str, parameters: dict[str, str]) -> Any:
            if called != path:
                return handle(method, called, parameters)
            monkeypatch.setattr(core, "handle", handle)
            if carried_out:
                handle(method, called, parameters)
            raise Killed

        monkeypatch.setattr(core, "handle", once)

    return plan_it


@pytest.fixture
def release_all(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    def run(max_wait: float = 300) -> Any:
        return release_leases(lease_client(core, tmp_path / "a", max_wait, wire), lambda _lease: True)

    return run


@pytest.mark.parametrize(("timeout", "bound"), [(10.0, 90.0), (120.0, 180.0)])
def test_an_allocation_that_was_never_carried_out_is_repeated_when_it_can_no_longer_be_in_flight(
    core: Core,
    wire: InProcess,
    hold: Callable[..., Any],
    killed_at: Callable[..., None],
    timeout: float,
    bound: float,
) -> None:
    wire.timeout = timeout
    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        hold(3)
    began = core.clock.now()
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)
    (sent,) = core.journal.select("/allocate")
    assert bound <= sent["at"] - began < bound + 1
    # It is resolved then.
    began = core.clock.now()
    assert len(hold(4).leases) == 4
    assert core.clock.now() == began


def test_a_clock_that_is_set_back_does_not_prolong_the_wait_for_a_call_of_an_earlier_run(
    core: Core, wire: InProcess, hold: Callable[..., Any], killed_at: Callable[..., None], tmp_path: Path
) -> None:
    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        hold(3)
    wire.machine.set_wall(-3000)
    api = lease_client(core, tmp_path / "a", 300, wire)
    outcome = ensure_leases(api, DesiredLeases(3))
    assert (outcome.error, paid(core)) == (None, 3)
    assert api.budget.waited <= 95


def test_an_allocation_of_a_killed_run_is_adopted_with_its_origin(
    core: Core, hold: Callable[..., Any], killed_at: Callable[..., None]
) -> None:
    began = core.clock.now()
    killed_at("/allocate", carried_out=True)
    with pytest.raises(Killed):
        hold(2, params=AllocationParams(area_id=QUANZHOU))
    outcome = hold(2, params=AllocationParams(area_id=QUANZHOU))
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)
    assert calls(core, "/resources") == []
    assert core.clock.now() == began


@pytest.fixture
def leased_elsewhere(core: Core, wire: InProcess, hold: Callable[..., Any]) -> Callable[[], set[str]]:
    """Leave a call for two leases of another area to be carried out late, and return the addresses that it leased."""
    configure(core, plan={"channels": 9})
    wire.late = ("/allocate", 30)
    assert isinstance(hold(2, params=AllocationParams(area_id=QUANZHOU, keep_alive=5)).error, UncertainOutcomeError)

    def leased() -> set[str]:
        return {one.ip for one in books(core).leases if one.area.area_id == QUANZHOU}

    return leased


def test_leases_of_an_earlier_call_for_another_area_are_reported_but_do_not_match(
    hold: Callable[..., Any], leased_elsewhere: Callable[[], set[str]]
) -> None:
    outcome = hold(1, params=AllocationParams(area_id=GUANGZHOU))
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 1)
    assert len(leased_elsewhere()) == 2
    assert leased_elsewhere().isdisjoint(one.ip for one in outcome.leases)
    assert {one.ip for one in outcome.allocated} > leased_elsewhere()


def test_what_is_missing_is_counted_without_the_leases_of_an_earlier_call_for_another_area(
    core: Core, hold: Callable[..., Any], leased_elsewhere: Callable[[], set[str]]
) -> None:
    fault(core, {"path": "/allocate", "kind": "code", "code": -103, "times": -1, "skip": 1})
    outcome = hold(3, params=AllocationParams(area_id=GUANGZHOU))
    assert outcome.error is not None
    assert (outcome.leases, outcome.missing, len(leased_elsewhere())) == ((), 3, 2)


@pytest.mark.usefixtures("leased_elsewhere")
def test_the_lifetime_of_the_leases_of_an_earlier_call_is_not_that_of_the_new_ones(hold: Callable[..., Any]) -> None:
    outcome = hold(1, params=AllocationParams(area_id=GUANGZHOU, keep_alive=60), min_remaining=30)
    assert (outcome.error, outcome.missing, len(outcome.leases)) == (None, 0, 1)


def test_without_time_to_wait_for_a_call_of_an_earlier_run_nothing_is_sent_and_the_error_says_what_is_known(
    core: Core, hold: Callable[..., Any], killed_at: Callable[..., None]
) -> None:
    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        hold(3)
    core.clock.advance(12)
    core.journal.clear()
    with pytest.raises(UncertainOutcomeError) as found:
        hold(3, max_wait=20)
    assert set(calls(core)) == {"/query"}
    message = found.value.message
    assert "An earlier run sent /allocate 32 seconds ago and ended before its result was known." in message
    assert "Whether 3 addresses were leased is unknown" in message
    assert "max_wait" in message
    assert found.value.details["endpoint"] == "/allocate"
    assert (hold(3).error, paid(core)) == (None, 3)


def test_leases_of_a_killed_run_that_the_quota_counts_and_the_list_does_not_show_are_not_leased_again(
    core: Core, hold: Callable[..., Any], lagging: Callable[[float], None], killed_at: Callable[..., None]
) -> None:
    configure(core, plan={"channels": 9})
    lagging(3600)
    killed_at("/allocate", carried_out=True)
    with pytest.raises(Killed):
        hold(3)
    core.journal.clear()
    with pytest.raises(UncertainOutcomeError, match="fewer free channels than the list of leases accounts for"):
        hold(3)
    assert (paid(core), calls(core, *WRITING)) == (3, [])


def test_check_mode_does_not_wait_for_a_call_of_an_earlier_run(
    core: Core, wire: InProcess, hold: Callable[..., Any], killed_at: Callable[..., None], tmp_path: Path
) -> None:
    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        hold(3)
    began = core.clock.now()
    outcome = ensure_leases(lease_client(core, tmp_path / "a", 300, wire), DesiredLeases(3), check=True)
    assert (outcome.error, outcome.missing) == (None, 3)
    assert (core.clock.now(), calls(core, *WRITING)) == (began, [])


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("path", ["/release", "/allocate"])
def test_a_replacement_of_named_leases_that_was_interrupted_is_continued(
    core: Core,
    wire: InProcess,
    hold: Callable[..., Any],
    killed_at: Callable[..., None],
    tmp_path: Path,
    path: str,
    carried_out: bool,
) -> None:
    hold(3)
    ips = {one.ip for one in books(core).leases}

    def run() -> Any:
        api = lease_client(core, tmp_path / "a", 300, wire)
        return replace_leases(api, lambda one: one.ip in ips, None, AllocationParams())

    killed_at(path, carried_out=carried_out)
    with pytest.raises(Killed):
        run()
    outcome = run()
    assert (outcome.error, outcome.missing) == (None, 0)
    assert (len(books(core).leases), paid(core)) == (3, 6)
    assert not ips & {one.ip for one in books(core).leases}
    core.journal.clear()
    assert (run().error, calls(core, *WRITING)) == (None, [])


@pytest.mark.parametrize(("ahead", "after", "held"), [(400.0, 0.0, 3), (0.0, 0.0, 3), (0.0, 400.0, 0)])
def test_an_interrupted_replacement_allocates_no_successor_of_a_lease_that_has_ended_since(
    core: Core,
    client_ahead: Callable[[float], LeaseBackend],
    killed_at: Callable[..., None],
    ahead: float,
    after: float,
    held: int,
) -> None:
    params = AllocationParams(keep_alive=5)
    ensure_leases(client_ahead(ahead), DesiredLeases(3, params))
    ips = {one.ip for one in books(core).leases}

    def run() -> Any:
        return replace_leases(client_ahead(ahead), lambda one: one.ip in ips, None, params)

    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        run()
    core.clock.advance(after)
    assert run().error is None
    assert len(books(core).leases) == held


def test_a_successor_is_not_paid_twice_if_the_run_that_continues_a_replacement_is_interrupted_as_well(
    core: Core, wire: InProcess, hold: Callable[..., Any], killed_at: Callable[..., None], tmp_path: Path
) -> None:
    hold(3)
    ips = {one.ip for one in books(core).leases}

    def run() -> Any:
        api = lease_client(core, tmp_path / "a", 300, wire)
        return replace_leases(api, lambda one: one.ip in ips, None, AllocationParams())

    for path, carried_out in (("/allocate", False), ("/release", True)):
        killed_at(path, carried_out=carried_out)
        with pytest.raises(Killed):
            run()
    # Both runs have left a record of the lease that has no successor yet.
    assert run().error is None
    assert (len(books(core).leases), paid(core)) == (3, 6)
    assert not ips & {one.ip for one in books(core).leases}


def test_a_replacement_of_other_leases_does_not_continue_an_interrupted_one(
    core: Core, wire: InProcess, hold: Callable[..., Any], killed_at: Callable[..., None], tmp_path: Path
) -> None:
    hold(3)
    first, second = books(core).leases[0].ip, books(core).leases[1].ip

    def run(ip: str, terms: AllocationParams) -> Any:
        api = lease_client(core, tmp_path / "a", 300, wire)
        return replace_leases(api, lambda one: one.ip == ip, None, terms)

    killed_at("/allocate", carried_out=False)
    with pytest.raises(Killed):
        run(first, AllocationParams())
    # Neither with other leases nor with other properties of the new ones is it the same task.
    assert run(first, AllocationParams(isp="mobile")).allocated == ()
    outcome = run(second, AllocationParams())
    assert (outcome.error, len(outcome.allocated), len(books(core).leases), paid(core)) == (None, 1, 2, 4)


def test_a_reported_release_is_not_repeated_by_a_later_run_that_still_reads_the_lease(
    core: Core, hold: Callable[..., Any], frozen: Callable[[float], None], release_all: Callable[..., Any]
) -> None:
    """The first run has no time to wait for the list, and takes the vendor's word for it."""
    hold(3)
    core.clock.advance(120)
    frozen(50)
    core.handle("GET", "/query", {"Key": KEY, "Detail": "1"})
    outcome = release_all(max_wait=0)
    assert (outcome.error, len(outcome.released), len(outcome.warnings)) == (None, 3, 1)
    outcome = release_all()
    assert (outcome.error, outcome.released, outcome.after) == (None, (), ())
    assert calls(core, "/release") == ["/release"]


@pytest.fixture
def idle_release(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that acknowledges each release, and does nothing."""
    handle = core.handle

    def idle(method: str, path: str, parameters: dict[str, str]) -> Any:
        if path != "/release":
            return handle(method, path, parameters)
        handle(method, path, {**parameters, "IP": "192.0.2.1"})
        return 200, {"Code": 0, "Data": parameters["IP"].split(",")}

    monkeypatch.setattr(core, "handle", idle)


@pytest.mark.usefixtures("idle_release")
def test_a_release_that_the_vendor_acknowledges_and_does_not_carry_out_is_reported(
    core: Core, hold: Callable[..., Any], release_all: Callable[..., Any]
) -> None:
    configure(core, plan={"channels": 9})
    hold(2)
    outcome = release_all(max_wait=900)
    assert "2 leases are still held" in outcome.error.message
    assert (outcome.released, len(outcome.after)) == ((), 2)
    # Each time, the list has had its time to show it.
    times = [call["at"] for call in core.journal.select("/release")]
    assert len(times) == 4
    assert all(later - earlier >= 60 for earlier, later in itertools.pairwise(times))


@pytest.mark.usefixtures("idle_release")
def test_a_later_run_trusts_the_list_again_if_a_reported_release_was_not_carried_out(
    core: Core, hold: Callable[..., Any], release_all: Callable[..., Any]
) -> None:
    hold(2)
    core.clock.advance(120)
    outcome = release_all(max_wait=0)
    assert (outcome.error, len(outcome.released)) == (None, 2)
    (warning,) = outcome.warnings
    assert all(one.ip in warning for one in books(core).leases)
    assert "its list still shows them" in warning
    outcome = hold(2)
    assert (outcome.error, len(outcome.leases), paid(core)) == (None, 2, 2)


def test_a_key_that_the_vendor_repeats_in_a_new_lease_is_not_kept_in_the_state_directory(
    core: Core, hold: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = core.handle

    def echo(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if path == "/allocate" and body:
            body = {**body, "Data": [{**item, "note": f"user {KEY}"} for item in body["Data"]]}
        return status, body

    monkeypatch.setattr(core, "handle", echo)
    assert len(hold(2).leases) == 2
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert books(core).leases[0].ip.encode() in kept
    assert KEY.encode() not in kept


@pytest.mark.parametrize("number", [None, 2])
def test_an_uncertain_replacement_is_continued_by_the_same_task(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, number: int | None
) -> None:
    hold(3)
    wire.late = ("/replace", 60)

    def run(number: int | None) -> Any:
        return replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, number, AllocationParams())

    assert isinstance(run(number).error, UncertainOutcomeError)
    outcome = run(number)
    replaced = number or 3
    assert (outcome.error, len(outcome.allocated), len(outcome.released)) == (None, replaced, replaced)
    assert (paid(core), len(books(core).leases)) == (3 + replaced, 3)
    # It is complete now, so that the same task begins anew.
    assert (run(number).error, paid(core)) == (None, 3 + 2 * replaced)


def test_a_replacement_that_was_interrupted_is_not_continued_after_ten_minutes(
    core: Core, wire: InProcess, hold: Callable[..., Any], killed_at: Callable[..., None], tmp_path: Path
) -> None:
    hold(3)

    def run() -> Any:
        return replace_leases(lease_client(core, tmp_path / "a", 300, wire), None, None, AllocationParams())

    killed_at("/replace", carried_out=True)
    with pytest.raises(Killed):
        run()
    wire.advance(601)
    outcome = run()
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 9)


@pytest.mark.parametrize("number", [None, 2])
def test_leases_that_a_refused_replacement_lost_are_restored_after_the_process_was_killed(
    core: Core,
    wire: InProcess,
    hold: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int | None,
) -> None:
    hold(3)

    def run() -> Any:
        api = lease_client(core, tmp_path / "a", 300, wire)
        return replace_leases(api, None, number, AllocationParams())

    handle = core.handle

    def refuse_and_kill(method: str, path: str, parameters: dict[str, str]) -> Any:
        if path == "/query" and core.journal.select("/replace"):
            raise Killed
        if path == "/replace":
            core.faults.append([{"path": "/replace", "kind": "code", "code": -103}])
            handle(method, "/release", {"Key": KEY, "IP": ",".join(one.ip for one in books(core).leases[:2])})
        return handle(method, path, parameters)

    monkeypatch.setattr(core, "handle", refuse_and_kill)
    with pytest.raises(Killed):
        run()
    monkeypatch.setattr(core, "handle", handle)
    assert len(books(core).leases) == 1
    outcome = run()
    assert (outcome.error, len(books(core).leases)) == (None, 3)
    assert paid(core) == 3 + (number or 3)
    core.journal.clear()
    assert (hold(3).error, calls(core, *WRITING)) == (None, [])


def test_a_refused_replacement_that_lost_nothing_does_not_delay_the_next_run(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(2)
    fault(core, {"path": "/replace", "kind": "code", "code": -103})
    api = lease_client(core, tmp_path / "a", 300, wire)
    assert isinstance(replace_leases(api, None, None, AllocationParams()).error, ApiError)
    began = core.clock.now()
    assert (hold(2).error, core.clock.now()) == (None, began)


@pytest.mark.parametrize("name", ["replace", "release"])
def test_a_product_without_a_call_refuses_it_before_anything_is_sent(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    hold(2)
    api = lease_client(core, tmp_path / "a", 300, wire)
    api.features = dataclasses.replace(api.features, **{name: None})
    core.journal.clear()
    chosen = None if name == "replace" else lambda _lease: True
    outcome = replace_leases(api, chosen, None, AllocationParams())
    assert isinstance(outcome.error, OptionError)
    assert (calls(core, *WRITING), outcome.missing) == ([], 0)

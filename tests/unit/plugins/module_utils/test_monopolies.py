# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive occupancy: what is held, redialled and released, against the simulator in this process and on its clock."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import Monopoly
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    TransportError,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies import operations
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import (
    ApplicationParams,
    DesiredMonopolies,
    Matcher,
    inside,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations import MONOPOLY, MONOPOLY_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.redial import has_moved, redial
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.release import release
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.session import (
    MonopolyResult,
    application_params,
    summary,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import StateError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.monopoly_store import MonopolyStore
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.paid_calls import PaidCalls
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import ReportedChanges
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, Operation, execute
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator.clock import Clock
from simulator.core import Core
from unit.plugins.in_process import InProcess, client

KEY, LIST, IDLE, REDIAL, QUOTA = "QGDEMO01", "/monopolies", "/monopolies/idle", "/monopolies/ips", "/info/quota"
START = 1893456000.0
HOURS = 3600
QUANZHOU, GUANGZHOU, HUAIAN = "350500", "440100", "320800"


def occupancy(channels: int = 10, **options: Any) -> Core:
    core = Core(clock=Clock(START), seed=1)
    plan = {"kind": "exclusive_occupancy", "channels": channels}
    core.keys[KEY].configure({"plan": plan, "options": {"dial_seconds": 4, "queue_seconds": 2, **options}})
    return core


class Bench:
    """A simulator, a state directory, and clients that use both."""

    def __init__(self, core: Core, state_dir: Path) -> None:
        self.core = core
        self.state_dir = state_dir

    def api(self, **options: Any) -> ProxyApi:
        return client(self.core, self.state_dir, **options)

    def fault(self, method: str, kind: str, path: str = LIST, **fields: Any) -> None:
        self.core.faults.append({"path": path, "method": method, "kind": kind, **fields})

    def hold(self, count: int, *, max_wait: float = 300.0, **options: Any) -> MonopolyResult:
        run = {name: options.pop(name) for name in ("wait", "check") if name in options}
        more = {name: options.pop(name, None) for name in ("transport", "on_wait")}
        api = self.api(max_wait=max_wait, **more)
        return ensure_held(api, DesiredMonopolies(count, **options), **run)

    def redial(self, uuids: Any = None, **options: Any) -> MonopolyResult:
        api = self.api(max_wait=options.pop("max_wait", 300.0), on_wait=options.pop("on_wait", None))
        return redial(api, uuids, **options)

    def release(self, uuids: Any = None, **options: Any) -> MonopolyResult:
        return release(self.api(max_wait=options.pop("max_wait", 300.0)), uuids, **options)

    @property
    def uuids(self) -> list[str]:
        return [monopoly.uuid for monopoly in self.core.keys[KEY].holdings.monopolies]

    def calls(self, method: str, path: str = LIST) -> list[dict[str, Any]]:
        return [entry for entry in self.core.journal.select(path) if entry["method"] == method]

    def writes(self) -> list[str]:
        return [entry["method"] for entry in self.core.journal.select() if entry["method"] != "GET"]

    def offline(self, *uuids: str) -> None:
        self.core.keys[KEY].configure({"offline": list(uuids)})


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(occupancy(), tmp_path / "state")


def words(outcome: MonopolyResult) -> str:
    assert outcome.error is not None
    message = outcome.error.message
    assert "\n" not in message
    assert "  " not in message
    return message


def good(outcome: MonopolyResult) -> MonopolyResult:
    assert outcome.error is None, outcome.error.message
    return outcome


# --- which resources match ------------------------------------------------------------------------------------------


def resource(uuid: str = "a:ppp1", area: str | None = "福建省泉州市", isp: str | None = "telecom") -> Monopoly:
    return Monopoly(uuid, area, isp, "online", "192.0.2.1:1", None, None, {})


@pytest.mark.parametrize(
    ("code", "wanted", "verdict"),
    [
        ("350500", "350500", True),
        ("350500", "350000", True),
        ("350503", "350500", True),
        ("350000", "350500", None),
        ("350500", "350200", False),
        ("440100", "350000", False),
        ("12", "1200", False),
        ("7", "7", True),
    ],
)
def test_codes_show_which_area_is_part_of_which(code: str, wanted: str, verdict: bool | None) -> None:
    assert inside(code, wanted) is verdict


@given(st.integers(1, 999999), st.integers(1, 999999))
def test_disjoint_areas_are_disjoint_in_both_orders(one: int, two: int) -> None:
    assert (inside(str(one), str(two)) is False) == (inside(str(two), str(one)) is False)


@given(st.integers(100000, 999999), st.sampled_from([100, 10000]))
def test_of_two_areas_at_most_one_is_part_of_the_other(part: int, size: int) -> None:
    whole = part // size * size
    assert inside(str(part), str(whole)) is True
    assert inside(str(whole), str(part)) is (True if part == whole else None)


IDLE_ROWS = [
    {"area_code": 350500, "area": "福建省泉州市", "isp": "电信", "num": 1},
    {"AreaCode": "350000", "AreaName": "福建省"},
]


@pytest.mark.parametrize(
    ("desired", "asked", "rows", "verdict"),
    [
        ({}, None, [], True),
        ({"isp": "telecom"}, None, [], True),
        ({"isp": "mobile"}, None, [], False),
        ({"area_code": "350500"}, None, [], None),
        ({"area_code": "350500"}, ApplicationParams("350500"), [], True),
        ({"area_code": "350500"}, ApplicationParams("440100"), [], False),
        ({"area_code": "350500"}, ApplicationParams("350000"), [], None),
        ({"area_code": "350500"}, ApplicationParams("350000"), IDLE_ROWS, True),
        ({"area_code": "350500"}, None, IDLE_ROWS, True),
        ({"area_code": "350000"}, None, IDLE_ROWS[1:], True),
        ({"area_code": "440100"}, None, IDLE_ROWS, False),
        ({"area_code": "440100"}, None, IDLE_ROWS[1:], None),
        ({"area_code": "440100"}, None, [{"area_code": 440100, "area": "广东省广州市"}], None),
        ({"area_code": "440100", "isp": "mobile"}, None, [], False),
        ({"area_code": "350500", "isp": "telecom"}, ApplicationParams("350500"), [], True),
    ],
)
def test_what_matches(
    desired: dict[str, Any], asked: ApplicationParams | None, rows: list[Any], verdict: bool | None
) -> None:
    matcher = Matcher(DesiredMonopolies(1, **desired), {"a:ppp1": asked} if asked else {})
    matcher.learn([resource()], rows)
    assert matcher.matches(resource()) is verdict


def test_an_unlisted_provider_is_that_of_the_application() -> None:
    unknown = resource(isp=None)
    assert Matcher(DesiredMonopolies(1, isp="bgp"), {}).matches(unknown) is None
    assert Matcher(DesiredMonopolies(1, isp="bgp"), {"a:ppp1": ApplicationParams(None, "bgp")}).matches(unknown) is True
    assert (
        Matcher(DesiredMonopolies(1, isp="bgp"), {"a:ppp1": ApplicationParams(None, "mobile")}).matches(unknown)
        is False
    )


def test_a_resource_with_a_known_code_shows_the_code_of_its_area() -> None:
    matcher = Matcher(DesiredMonopolies(1, 350500), {"a:ppp1": ApplicationParams(350500)})
    matcher.learn([resource(), resource("b:ppp2"), resource("c:ppp3", "广东省广州市"), resource("d:ppp4", None)])
    assert [matcher.matches(resource(uuid)) for uuid in ("a:ppp1", "b:ppp2")] == [True, True]
    assert matcher.matches(resource("c:ppp3", "广东省广州市")) is None
    assert matcher.matches(resource("d:ppp4", None)) is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["area", "AreaCode", "x"]), inner),
    max_leaves=5,
)


@given(st.lists(json, max_size=4), json)
def test_an_idle_stock_in_any_format_is_harmless(rows: list[Any], odd: Any) -> None:
    matcher = Matcher(DesiredMonopolies(1, 990000), {})
    matcher.learn([], [*rows, odd])
    assert matcher.matches(resource()) in (True, False, None)


def test_messages_are_short() -> None:
    assert format_sample([str(n) for n in range(22)], 3) == "0, 1, 2 and 19 more"
    assert summary(["online", "queued", "online", "queued", "redialling"], 6) == "2 of 6 online, 2 queued, 1 redialling"
    assert summary(["", "拨号中"], 2) == "0 of 2 online, 1 in no known state, 1 拨号中"


# --- holding --------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_applied_for_in_one_call_and_waited_for(bench: Bench) -> None:
    progress: list[str] = []
    outcome = good(bench.hold(3, area_code=GUANGZHOU, isp="mobile", on_wait=progress.append))
    assert outcome.applied == bench.uuids
    assert outcome.changed
    assert outcome.missing == 3
    assert {one.state for one in outcome.after} == {"online"}
    assert {one.area for one in outcome.after} == {"广东省广州市"}
    (call,) = bench.calls("POST")
    assert call["params"] == {"Num": "3", "AreaCode": "440100", "Operator": "2"}
    begin = "waiting because resources are not online yet (/monopolies): "
    assert progress[0] == f"{begin}0 of 3 online, 3 queued; at most 300 s more (max_wait)"
    assert any(text.startswith(f"{begin}0 of 3 online, 2 queued, 1 redialling; ") for text in progress)

    again = good(bench.hold(3, area_code=GUANGZHOU, isp="mobile"))
    assert not again.changed
    assert [one.uuid for one in again.before] == outcome.applied
    assert bench.writes() == ["POST"]


def test_only_the_difference_is_applied_for_and_a_surplus_stays(bench: Bench) -> None:
    bench.hold(2)
    outcome = good(bench.hold(5))
    assert (outcome.missing, len(outcome.applied), len(outcome.before)) == (3, 3, 2)
    assert not good(bench.hold(1)).changed
    assert len(bench.uuids) == 5


def test_without_waiting_the_current_states_are_returned(bench: Bench) -> None:
    outcome = good(bench.hold(2, wait=False))
    assert [one.state for one in outcome.after] == ["queued", "queued"]
    assert [one.server for one in outcome.after] == [None, None]
    assert len(bench.calls("GET")) == 2


def test_another_run_waits_for_queued_resources(bench: Bench) -> None:
    bench.hold(2, wait=False)
    outcome = good(bench.hold(2))
    assert not outcome.changed
    assert {one.state for one in outcome.after} == {"online"}


def test_a_run_does_not_wait_for_more_than_is_desired(bench: Bench) -> None:
    bench.hold(2)
    bench.hold(4, wait=False)
    progress: list[str] = []
    outcome = good(bench.hold(2, on_wait=progress.append))
    assert sorted(one.state for one in outcome.after) == ["online", "online", "queued", "queued"]
    assert progress == []


def test_offline_ones_count_and_are_not_waited_for(bench: Bench) -> None:
    bench.hold(2)
    bench.offline(bench.uuids[0])
    outcome = good(bench.hold(2))
    assert not outcome.changed
    assert [one.state for one in outcome.after] == ["offline", "online"]
    outcome = good(bench.hold(3))
    assert len(outcome.applied) == 1


def test_when_max_wait_is_used_up_all_paid_resources_are_named(bench: Bench) -> None:
    outcome = bench.hold(3, max_wait=6)
    assert outcome.applied == bench.uuids
    assert outcome.changed
    assert "1 of 3 online, 2 redialling, and max_wait (6 seconds) is used up" in words(outcome)
    assert "run the task again" in words(outcome)
    assert not good(bench.hold(3)).changed
    assert bench.writes() == ["POST"]


def test_new_resources_are_waited_for_in_any_state(bench: Bench) -> None:
    outcome = bench.hold(2, max_wait=20, on_wait=lambda _text: bench.offline(bench.uuids[0]))
    assert f"1 of 2 online, 1 offline, and max_wait (20 seconds) is used up; not ready: {bench.uuids[0]}." in words(
        outcome
    )
    assert outcome.applied == bench.uuids


def test_new_resources_that_vanish_are_reported(bench: Bench) -> None:
    def take_away(_text: str) -> None:
        bench.core.keys[KEY].holdings.monopolies[1:] = []

    outcome = bench.hold(2, on_wait=take_away)
    assert "The list no longer contains resources that were applied for: " in words(outcome)
    assert len(outcome.applied) == 2


def silence_the_stock(bench: Bench) -> None:
    bench.fault("GET", "replace", IDLE, body={"data": []}, times=-1)


def test_the_idle_stock_shows_which_areas_do_not_match(bench: Bench) -> None:
    bench.hold(2, isp="telecom")
    elsewhere = [one.area for one in bench.core.keys[KEY].holdings.monopolies if one.area.area_id != int(HUAIAN)]
    outcome = good(bench.hold(3, area_code=HUAIAN))
    assert len(outcome.applied) == 3 - (2 - len(elsewhere))
    assert outcome.undetermined == []


def test_own_applications_are_known_without_the_idle_stock(bench: Bench) -> None:
    silence_the_stock(bench)
    bench.hold(2, area_code=GUANGZHOU)
    bench.hold(1, area_code=HUAIAN)
    assert len(bench.uuids) == 3
    outcome = good(bench.hold(2, area_code=HUAIAN))
    assert len(outcome.applied) == 1
    assert not good(bench.hold(2, area_code=GUANGZHOU)).changed


@pytest.mark.parametrize(("undetermined", "applied"), [("fail", 0), ("ignore", 3), ("match", 1)])
def test_undetermined_resources_fail_are_ignored_or_match(bench: Bench, undetermined: str, applied: int) -> None:
    silence_the_stock(bench)
    held = bench.hold(2).applied
    bench.core.journal.clear()
    outcome = bench.hold(3, area_code=GUANGZHOU, undetermined=undetermined)
    assert len(outcome.applied) == applied
    assert outcome.undetermined == held
    if undetermined == "fail":
        assert bench.writes() == []
        assert words(outcome).startswith("3 of 3 resources are missing. Whether 2 held resources match is unknown: ")
        assert "Set undetermined to match" in words(outcome)
    else:
        good(outcome)


def test_the_idle_stock_is_not_read_if_enough_resources_match(bench: Bench) -> None:
    silence_the_stock(bench)
    bench.hold(1)
    bench.hold(1, area_code=GUANGZHOU, undetermined="ignore")
    bench.core.journal.clear()
    assert not good(bench.hold(1, area_code=GUANGZHOU)).changed
    assert bench.calls("GET", IDLE) == []


@pytest.mark.parametrize("kind", ["code", "status", "garbage"])
def test_an_unreadable_idle_stock_leaves_resources_undetermined(bench: Bench, kind: str) -> None:
    bench.hold(1)
    fields = {"code": {"code": -15}, "status": {"http_status": 404}}.get(kind, {})
    bench.fault("GET", kind, IDLE, times=-1, **fields)
    assert "Whether 1 held resources match is unknown" in words(bench.hold(2, area_code=GUANGZHOU))


def test_a_count_beyond_the_plan_fails_before_the_first_write(bench: Bench) -> None:
    bench.hold(4)
    for check in (True, False):
        outcome = bench.hold(12, check=check)
        assert words(outcome) == (
            "8 more resources are needed to hold 12, and the plan has 6 of 10 free. Ask for less, release some, or "
            "extend the plan."
        )
        assert len(outcome.before) == 4
    assert bench.writes() == ["POST"]


@pytest.mark.parametrize("code", [-1, -10, -15])
def test_a_plan_without_a_quota_is_supported(bench: Bench, code: int) -> None:
    bench.fault("GET", "code", QUOTA, code=code, times=-1)
    assert len(good(bench.hold(2)).applied) == 2


def test_a_quota_without_channels_is_ignored(bench: Bench) -> None:
    bench.fault("GET", "replace", QUOTA, body={"Code": 0, "Total": 0, "Available": 0, "Used": 0})
    assert len(good(bench.hold(2)).applied) == 2


def test_an_expired_plan_fails_before_the_first_write(bench: Bench) -> None:
    bench.fault("GET", "code", QUOTA, code=-100)
    assert "code -100" in words(bench.hold(2))
    assert bench.writes() == []


def test_a_refused_application_quotes_the_vendor(bench: Bench) -> None:
    bench.fault("GET", "code", QUOTA, code=-15)
    outcome = bench.hold(11)
    assert words(outcome).startswith("POST /monopolies was refused with HTTP 400")
    assert "Nothing was applied for." in words(outcome)
    assert not outcome.changed
    assert bench.writes() == ["POST"]


def test_an_empty_list_is_read_once_more(bench: Bench) -> None:
    bench.hold(2)
    bench.fault("GET", "data_null")
    outcome = good(bench.hold(2))
    assert not outcome.changed
    assert bench.writes() == ["POST"]


def test_check_mode_predicts_and_writes_nothing(bench: Bench) -> None:
    bench.hold(1, area_code=GUANGZHOU)
    bench.core.journal.clear()
    outcome = good(bench.hold(3, area_code=GUANGZHOU, check=True))
    assert (outcome.missing, outcome.applied, outcome.warnings) == (2, [], [])
    assert good(bench.hold(1, area_code=GUANGZHOU, check=True)).missing == 0
    assert bench.writes() == []


def test_check_mode_warns_of_a_stock_that_is_too_small(bench: Bench) -> None:
    areas = [
        {"area_id": int(GUANGZHOU), "area": "广东省广州市", "isp": 2, "available": 1},
        {"area_id": int(GUANGZHOU), "area": "广东省广州市", "isp": 1, "available": 9},
    ]
    bench.core.keys[KEY].configure({"plan": {"stock": {"areas": areas}}})
    outcome = good(bench.hold(3, isp="mobile", check=True))
    assert outcome.warnings == ["3 resources would be applied for, and the vendor's idle stock shows 1."]
    assert good(bench.hold(3, area_code=GUANGZHOU, check=True)).warnings == []
    bench.fault("GET", "replace", IDLE, body={"data": [{"odd": 1}, "row"]})
    assert good(bench.hold(3, isp="mobile", check=True)).warnings == []


@pytest.mark.parametrize("options", [{"count": 1}, {"state": "absent"}, {"state": "redialled"}])
def test_a_run_waits_for_another_that_changes_what_the_key_holds(bench: Bench, options: dict[str, Any]) -> None:
    other = bench.api()
    with other.key_lock():
        result = execute_with(bench, **options, all="state" in options, max_wait=1)
        assert "another run is changing what this key holds" in result["msg"]
        assert bench.core.journal.select() == []
        assert "failed" not in execute_with(bench, mode=Mode(check=True), **options, all="state" in options)
    assert "failed" not in execute_with(bench, **options, all="state" in options)


# --- lost responses ------------------------------------------------------------------------------------------------

#: Lost responses to a write, and whether the vendor carried it out.
LOST: dict[str, tuple[bool, dict[str, Any]]] = {
    "reset after": (True, {"kind": "reset_after"}),
    "truncated": (True, {"kind": "truncate"}),
    "garbage": (True, {"kind": "garbage"}),
    "bad gateway after": (True, {"kind": "status", "http_status": 502, "executed": True}),
    "too late": (True, {"kind": "hang_after", "seconds": 11}),
    "reset before": (False, {"kind": "reset_before"}),
    "closed": (False, {"kind": "refuse"}),
    "garbage before": (False, {"kind": "garbage", "executed": False}),
    "broken server": (False, {"kind": "status", "http_status": 500}),
    "unknown error": (False, {"kind": "code", "code": -1}),
}
lost = pytest.mark.parametrize(("done", "fields"), LOST.values(), ids=LOST)


@lost
def test_a_lost_response_to_an_application(bench: Bench, done: bool, fields: dict[str, Any]) -> None:
    bench.fault("POST", **fields)
    outcome = good(bench.hold(3, area_code=GUANGZHOU))
    assert outcome.applied == bench.uuids
    assert len(outcome.applied) == 3
    assert outcome.changed
    assert bench.writes() == ["POST"] * (1 if done else 2)
    assert {call["params"]["Num"] for call in bench.calls("POST")} == {"3"}


@pytest.mark.parametrize("fields", [{"http_status": 502}, {"http_status": 504}])
def test_an_application_in_flight_is_not_repeated(bench: Bench, fields: dict[str, Any]) -> None:
    bench.fault("POST", "status", **fields)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "Whether 2 resources were applied for is unknown: the list of resources shows nothing new so far." in words(
        outcome
    )
    assert words(outcome).endswith(
        'Run the task again: it waits until that is known. "ansible localhost -m qingguo.qgnet.qg_monopoly_info" shows '
        "the resources of the key."
    )
    assert bench.writes() == ["POST"]
    assert not outcome.changed
    assert outcome.error.details["http_status"] == fields["http_status"]


@pytest.mark.parametrize(("seconds", "uncertain"), [(15.0, False), (60.0, False), (90.0, True)])
def test_an_application_that_the_list_shows_late_is_not_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: float, uncertain: bool
) -> None:
    good(bench.hold(1))
    handle, old = bench.core.handle, list(bench.uuids)
    until = bench.core.clock.now() + seconds

    def slow(method: str, path: str, parameters: dict[str, str]) -> Any:
        status, body = handle(method, path, parameters)
        if (method, path) == ("GET", LIST) and bench.core.clock.now() < until:
            body = {**body, "data": [row for row in body["data"] if row["uuid"] in old]}
        return status, body

    monkeypatch.setattr(bench.core, "handle", slow)
    bench.core.journal.clear()
    bench.fault("POST", "reset_after")
    outcome = bench.hold(3)
    assert bench.writes() == ["POST"]
    assert len(bench.uuids) == 3
    assert isinstance(outcome.error, UncertainOutcomeError) is uncertain
    assert not uncertain or "the quota has fewer free channels than the list of resources accounts for" in words(
        outcome
    )


def test_a_lost_application_and_then_no_quota(bench: Bench) -> None:
    bench.fault("POST", "reset_before")
    bench.fault("GET", "status", path=QUOTA, http_status=503, skip=1, times=-1)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "is unknown: the quota cannot be read: /info/quota: HTTP 503" in words(outcome)
    assert bench.writes() == ["POST"]


def test_after_three_lost_applications_it_stops(bench: Bench) -> None:
    bench.fault("POST", "reset_before", times=-1)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert bench.writes() == ["POST"] * 3
    assert bench.uuids == []


def test_a_lost_application_and_then_no_list(bench: Bench) -> None:
    bench.fault("POST", "reset_after")
    bench.fault("GET", "status", http_status=503, skip=1, times=-1)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "is unknown: the list of resources cannot be read: /monopolies: HTTP 503" in words(outcome)
    assert bench.writes() == ["POST"]


def test_an_accepted_application_and_then_no_list(bench: Bench) -> None:
    bench.fault("GET", "status", http_status=503, skip=1, times=-1)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert outcome.changed
    assert words(outcome).startswith(
        "The vendor reports success. Whether 2 resources were applied for is unknown: the list of resources cannot be "
        "read: /monopolies: HTTP"
    )
    assert bench.writes() == ["POST"]


@pytest.mark.parametrize(("kind", "error"), [("reset_after", False), ("reset_before", True)])
def test_without_time_to_wait_the_list_is_read_once(bench: Bench, kind: str, error: bool) -> None:
    bench.fault("POST", kind)
    outcome = bench.hold(1, wait=False, max_wait=0)
    assert bool(outcome.error) is error
    assert bench.writes() == ["POST"]
    assert outcome.applied == bench.uuids


def test_fewer_than_were_applied_for_are_named_and_nothing_is_repeated(bench: Bench) -> None:
    bench.fault("POST", "partial", drop=1)
    outcome = bench.hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert outcome.applied == bench.uuids
    assert len(outcome.applied) == 2
    assert f"the list shows 2 new: {', '.join(bench.uuids)}." in words(outcome)
    assert bench.writes() == ["POST"]
    assert len(good(bench.hold(3)).applied) == 1


def test_fewer_than_were_applied_for_are_named_also_after_a_lost_response(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    core_handle = bench.core.handle

    def one_less(method: str, path: str, params: Any) -> Any:
        return core_handle(method, path, {**params, "Num": "2"} if method == "POST" else params)

    monkeypatch.setattr(bench.core, "handle", one_less)
    bench.fault("POST", "reset_after")
    outcome = bench.hold(3)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert outcome.applied == bench.uuids
    assert f"the list shows 2 new: {', '.join(bench.uuids)} (POST /monopolies: fault reset_after)." in words(outcome)
    assert bench.writes() == ["POST"]


def test_a_blocked_key_is_reported_as_such(bench: Bench) -> None:
    bench.fault("POST", "replace", body={"Code": -12})
    assert "POST /monopolies was refused with code -12 (key blocked" in words(bench.hold(1))
    assert bench.writes() == ["POST"]


def test_a_refusal_after_a_lost_response_leaves_the_effect_unknown(bench: Bench) -> None:
    bench.fault("POST", "reset_before")
    bench.fault("POST", "code", code=-102)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert bench.writes() == ["POST", "POST"]


@pytest.mark.parametrize("answer", ["uuids", "objects", "empty"])
@pytest.mark.parametrize("kind", [None, "data_null", "data_absent", "strings"])
def test_the_response_to_an_application_may_have_any_format(bench: Bench, answer: str, kind: str | None) -> None:
    bench.core.keys[KEY].configure({"options": {"apply_data": answer}})
    if kind:
        bench.fault("POST", kind)
    assert good(bench.hold(2)).applied == bench.uuids
    assert bench.writes() == ["POST"]


def test_new_resources_that_do_not_match_are_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    core_handle = bench.core.handle

    def other_area(method: str, path: str, params: Any) -> Any:
        changed = {**params, "Operator": "1"} if method == "POST" else params
        return core_handle(method, path, changed)

    monkeypatch.setattr(bench.core, "handle", other_area)
    outcome = bench.hold(1, isp="mobile")
    assert outcome.applied == bench.uuids
    assert f"not all of the new ones match: {bench.uuids[0]}" in words(outcome)
    assert outcome.changed


moves = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.sampled_from([None, QUANZHOU, GUANGZHOU]),
        st.lists(st.sampled_from(sorted(LOST)), max_size=3),
        st.lists(st.sampled_from([None, "status", "reset_before", "garbage"]), max_size=2),
        st.sampled_from([0.0, 4.0, 300.0]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(moves)
def test_nothing_is_paid_for_beyond_the_desired_state_or_without_a_report(
    steps: list[tuple[int, str | None, list[str], list[str | None], float]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(occupancy(channels=20), Path(folder))
        named: set[str] = set()
        silent = False
        for count, area_code, writes, reads, max_wait in steps:
            bench.core.faults.clear()
            for name in writes:
                bench.fault("POST", **LOST[name][1])
            for place, kind in enumerate(reads, 1):
                if kind:
                    bench.fault("GET", kind, skip=place, **({"http_status": 503} if kind == "status" else {}))
            held = len(bench.uuids)
            try:
                outcome = bench.hold(count, area_code=area_code, max_wait=max_wait)
            except TransportError:
                # The list could not be read even once, so that there is no result.
                assert len(bench.uuids) == held
                continue
            new = len(bench.uuids) - held
            assert new in (0, outcome.missing)
            named |= {one.uuid for one in outcome.after} | set(outcome.applied)
            silent |= isinstance(outcome.error, UncertainOutcomeError)
            if outcome.error is None:
                assert len(outcome.after) >= count
                assert outcome.changed is bool(new)
            assert silent or set(bench.uuids) <= named


# --- what earlier runs left, and a list that lags -------------------------------------------------------------------


class Killed(BaseException):
    """The process is killed."""


def kill_applying(bench: Bench, *, done: bool, late: float | None = None) -> Any:
    """Hold two in a process that is killed before the application is sent, after it is done, or while it is under way.

    Returns the transport, which carries out what is under way.
    """
    api = bench.api()
    transport: Any = api._transport
    send = transport.send

    def deadly(verb: str, url: str, parameters: dict[str, str], endpoint: str) -> Any:
        if verb == "POST":
            if late is not None:
                transport.under_way.append((bench.core.clock.now() + late, verb, LIST, dict(parameters)))
            elif done:
                send(verb, url, parameters, endpoint)
            raise Killed
        return send(verb, url, parameters, endpoint)

    transport.send = deadly
    with pytest.raises(Killed):
        ensure_held(api, DesiredMonopolies(2, area_code=GUANGZHOU))
    transport.send = send
    return transport


def lagging(bench: Bench, seconds: float) -> None:
    bench.core.keys[KEY].configure({"options": {"list_lag": seconds}})


def unresolved(bench: Bench) -> int:
    api = bench.api()
    return len(PaidCalls(api.rate_limiter.state, api.key_digest).unresolved("POST /monopolies"))


def test_the_next_run_adopts_what_a_killed_one_applied_for(bench: Bench) -> None:
    lagging(bench, 50)
    kill_applying(bench, done=True)
    outcome = good(bench.hold(2, area_code=GUANGZHOU))
    assert bench.writes() == ["POST"]
    assert [one.uuid for one in outcome.before] == bench.uuids
    assert not outcome.changed
    assert outcome.warnings == [
        f"An earlier run applied for 2 resources and did not learn the result: {', '.join(bench.uuids)} are held."
    ]
    assert set(application_params(bench.api()).values()) == {ApplicationParams(GUANGZHOU, None)}
    assert unresolved(bench) == 0


def test_a_record_with_the_code_of_an_area_as_a_number_is_adopted_too(bench: Bench) -> None:
    """Earlier versions recorded it so."""
    silence_the_stock(bench)
    bench.hold(2, area_code=GUANGZHOU, wait=False)
    api = bench.api()
    MonopolyStore(api.rate_limiter.state, api.key_digest).forget(bench.uuids)
    request = {"area_code": int(GUANGZHOU), "isp": None}
    PaidCalls(api.rate_limiter.state, api.key_digest).record("POST /monopolies", wanted=2, known=(), request=request)
    assert not good(bench.hold(2, area_code=GUANGZHOU, check=True)).changed
    assert [one.uuid for one in good(bench.hold(2, area_code=GUANGZHOU)).before] == bench.uuids
    assert set(application_params(bench.api()).values()) == {ApplicationParams(GUANGZHOU, None)}


def test_an_application_that_is_carried_out_after_its_process_was_killed_is_waited_for(bench: Bench) -> None:
    transport = kill_applying(bench, done=False, late=14)
    outcome = good(bench.hold(2, area_code=GUANGZHOU, transport=transport))
    assert len(bench.uuids) == len(outcome.before) == 2
    assert bench.writes() == ["POST"]


def test_an_application_that_was_never_carried_out_is_repeated_when_the_list_must_show_it(bench: Bench) -> None:
    kill_applying(bench, done=False)
    began = bench.core.clock.now()
    outcome = good(bench.hold(2, wait=False))
    assert outcome.applied == bench.uuids
    assert len(bench.uuids) == 2
    assert 90 <= bench.core.clock.now() - began <= 95
    assert unresolved(bench) == 0


def test_a_wait_for_an_earlier_application_that_max_wait_does_not_cover_says_until_when(bench: Bench) -> None:
    kill_applying(bench, done=False)
    outcome = bench.hold(2, max_wait=30)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert words(outcome) == (
        "2 resources were applied for at 2030-01-01T08:00:00+08:00 without a known result; the list shows 0 of them, "
        "and whether more will be held is unknown until 2030-01-01T08:01:30+08:00. Nothing was applied for. Run "
        "the task again after that, or raise max_wait (30 seconds)."
    )
    assert bench.core.clock.now() == START + 30
    assert bench.writes() == []
    assert len(good(bench.hold(2)).applied) == 2


def test_enough_resources_are_not_kept_waiting_by_an_earlier_application(bench: Bench) -> None:
    bench.hold(1, area_code=GUANGZHOU, wait=False)
    kill_applying(bench, done=False)
    began = bench.core.clock.now()
    assert not good(bench.hold(1, wait=False)).changed
    assert bench.core.clock.now() == began


def test_check_mode_warns_of_an_earlier_application_and_does_not_wait(bench: Bench) -> None:
    kill_applying(bench, done=False)
    outcome = good(bench.hold(2, check=True))
    assert outcome.missing == 2
    assert outcome.warnings[0].startswith("2 resources were applied for at 2030-01-01T08:00:00+08:00 without a known")
    assert bench.core.clock.now() == START
    assert unresolved(bench) == 1


def test_check_mode_counts_what_a_killed_run_applied_for_and_leaves_the_record(bench: Bench) -> None:
    silence_the_stock(bench)
    kill_applying(bench, done=True)
    outcome = good(bench.hold(2, area_code=GUANGZHOU, check=True))
    assert (outcome.missing, outcome.undetermined) == (0, [])
    assert unresolved(bench) == 1


def test_a_quota_with_more_in_use_stops_the_next_application_for_ten_minutes(bench: Bench) -> None:
    lagging(bench, 3000)
    kill_applying(bench, done=True)
    outcome = bench.hold(2)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert "the quota has more in use than the list accounts for" in words(outcome)
    assert "from 2030-01-01T08:10:00+08:00 on, only the list counts." in words(outcome)
    assert bench.writes() == ["POST"]
    lagging(bench, 0)
    assert len(good(bench.hold(2)).before) == 2


def test_an_accepted_application_that_the_list_does_not_show_is_not_made_again(bench: Bench) -> None:
    lagging(bench, 50)
    outcome = bench.hold(2, max_wait=10)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert outcome.accepted
    assert not good(bench.hold(2)).changed
    assert bench.writes() == ["POST"]


def test_without_a_quota_a_lost_application_is_repeated_only_when_the_list_must_show_it(bench: Bench) -> None:
    bench.fault("GET", "code", QUOTA, code=-15, times=-1)
    lagging(bench, 50)
    bench.fault("POST", "reset_after")
    assert len(good(bench.hold(2)).applied) == 2
    assert bench.writes() == ["POST"]
    bench.fault("POST", "reset_before")
    assert len(good(bench.hold(3)).applied) == 1
    assert bench.writes() == ["POST"] * 3


def test_an_application_is_recorded_when_it_is_sent_and_not_while_it_waits_for_the_rate_limit(bench: Bench) -> None:
    api = bench.api(max_wait=0)
    for _call in range(60):
        api.rate_limiter.try_acquire(api.key_digest, "POST /monopolies", 60, 10.0)
    assert "limit of" in words(bench.hold(1, max_wait=0))
    assert unresolved(bench) == 0
    assert bench.writes() == []


def test_a_refused_application_leaves_no_record(bench: Bench) -> None:
    bench.fault("POST", "code", code=-103)
    assert "refused" in words(bench.hold(1))
    assert unresolved(bench) == 0


def test_a_clock_that_is_set_back_does_not_prolong_the_wait(bench: Bench) -> None:
    kill_applying(bench, done=False)
    transport = InProcess(bench.core)
    transport.machine.set_wall(-3000)
    api = bench.api(transport=transport)
    assert ensure_held(api, DesiredMonopolies(2), wait=False).error is None
    assert api.budget.waited <= 95


def test_what_was_released_does_not_count_while_the_list_lags(bench: Bench) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, 50)
    assert good(bench.release(None)).released == old
    outcome = good(bench.hold(2))
    assert outcome.before == []
    assert len(outcome.applied) == len(bench.uuids) == 2


def test_a_release_whose_process_is_killed_after_the_response_counts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hold(2)
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, 50)

    def die(*_arguments: Any) -> None:
        raise Killed

    with monkeypatch.context() as context:
        context.setattr(MonopolyStore, "forget", die)
        with pytest.raises(Killed):
            bench.release(None)
    assert len(good(bench.hold(2)).applied) == 2


def refuse(*_arguments: Any) -> Any:
    raise StateError("the disk is full")


def state_fails_after(bench: Bench, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing more be written to the state as soon as the vendor has answered a call."""
    handle = bench.core.handle

    def answer(verb: str, path: str, parameters: dict[str, str]) -> Any:
        response = handle(verb, path, parameters)
        if verb == method:
            monkeypatch.setattr(State, "transaction", refuse)
        return response

    monkeypatch.setattr(bench.core, "handle", answer)


def test_what_was_released_is_returned_if_the_state_cannot_be_written_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    state_fails_after(bench, "DELETE", monkeypatch)
    outcome = bench.release(None)
    assert words(outcome) == "the disk is full"
    assert (outcome.released, outcome.after, bench.uuids) == (old, [], [])
    assert outcome.changed


def test_what_the_list_still_shows_is_not_returned_as_released_if_the_state_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "replace", body={"data": {"odd": 1}})
    monkeypatch.setattr(ReportedChanges, "forget", refuse)
    outcome = bench.release(None)
    assert words(outcome) == "the disk is full"
    assert (outcome.released, sorted(bench.uuids)) == ([], sorted(old))
    assert not outcome.changed


def test_an_application_that_was_accepted_counts_if_the_state_cannot_be_written_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    state_fails_after(bench, "POST", monkeypatch)
    outcome = bench.hold(2)
    assert "the disk is full" in words(outcome)
    assert outcome.changed


def test_a_redial_that_was_accepted_counts_if_the_state_cannot_be_written_then(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ready(bench)
    state_fails_after(bench, "PUT", monkeypatch)
    outcome = bench.redial()
    assert words(outcome) == "the disk is full"
    assert [one.uuid for one in outcome.redialled] == old


def test_a_lost_release_that_the_list_shows_late_is_not_reported_as_refused(bench: Bench) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, 50)
    bench.fault("DELETE", "reset_after")
    outcome = good(bench.release(None))
    assert (outcome.released, bench.uuids) == (old, [])


@pytest.mark.parametrize(("lag", "waited"), [(0, 0), (50, 50)])
def test_a_release_whose_response_names_nothing_is_looked_for_on_the_list(bench: Bench, lag: int, waited: int) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, lag)
    bench.fault("DELETE", "data_null")
    began = bench.core.clock.now()
    outcome = good(bench.release(None))
    assert (outcome.released, bench.uuids) == (old, [])
    assert waited <= bench.core.clock.now() - began <= waited + 10
    assert bench.writes() == ["POST", "DELETE"]


def test_a_release_that_is_only_reported_is_repeated_when_the_list_must_show_it(bench: Bench) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "replace", body={"data": {"odd": 1}})
    assert good(bench.release(None)).released == old
    assert bench.writes() == ["POST", "DELETE", "DELETE"]
    assert bench.uuids == []


def test_an_empty_list_does_not_forget_what_resources_were_applied_for_with(bench: Bench) -> None:
    silence_the_stock(bench)
    bench.hold(2, area_code=GUANGZHOU)
    bench.fault("GET", "data_null", times=2)
    assert not good(bench.release([])).changed
    assert not good(bench.hold(2, area_code=GUANGZHOU, undetermined="ignore")).changed
    assert bench.writes() == ["POST"]


def test_a_resource_that_no_list_has_shown_for_long_is_forgotten(bench: Bench) -> None:
    bench.hold(1, area_code=GUANGZHOU)
    bench.core.keys[KEY].holdings.monopolies.clear()
    bench.core.clock.advance(100 * 24 * HOURS)
    new = good(bench.hold(1)).applied
    assert list(application_params(bench.api())) == new


# --- releasing ------------------------------------------------------------------------------------------------------


def test_release_and_release_again(bench: Bench) -> None:
    one, two, three = bench.hold(3).applied
    bench.core.clock.advance(13 * HOURS)
    outcome = good(bench.release([one, two, "gone:ppp1"]))
    assert outcome.released == [one, two]
    assert [left.uuid for left in outcome.after] == [three] == bench.uuids
    assert not good(bench.release([one, two])).changed
    assert bench.writes() == ["POST", "DELETE"]
    assert good(bench.release(None)).released == [three]
    assert bench.uuids == []
    assert not good(bench.release(None)).changed
    assert not good(bench.release([])).changed


def test_what_is_released_is_forgotten(bench: Bench) -> None:
    uuids = bench.hold(2, area_code=GUANGZHOU).applied
    bench.core.clock.advance(13 * HOURS)
    bench.release(uuids[:1])
    assert application_params(bench.api()) == {uuids[1]: ApplicationParams(GUANGZHOU, None)}


def test_only_resources_of_sufficient_age_are_released_and_the_others_named_with_the_time(bench: Bench) -> None:
    old = bench.hold(2).applied
    bench.core.clock.advance(12 * HOURS)
    young = bench.hold(3).applied
    outcome = bench.release(None)
    assert outcome.released == old
    assert bench.uuids == young
    (refused,) = outcome.refused
    assert refused.uuid == young[0]
    assert refused.possible_from is not None
    assert f"1 of 3 resources cannot be released: {young[0]} (possible from 2030-01-02T08:00:" in words(outcome)
    assert words(outcome).count("+08:00 on)") == 1
    bench.core.journal.clear()
    predicted = bench.release(None, check=True)
    assert words(predicted) == words(bench.release(None))
    assert bench.writes() == []


def test_the_vendor_decides_if_a_time_cannot_be_read(bench: Bench) -> None:
    bench.hold(1)
    item = bench.core.handle("GET", LIST, {"Key": KEY})[1]["data"][0]
    bench.fault("GET", "replace", body={"data": [{**item, "monopolize_time": "a while ago"}]})
    outcome = bench.release(None)
    assert outcome.refused[0].possible_from is None
    assert "12小时" in words(outcome)
    assert bench.writes() == ["POST", "DELETE"]


def test_a_clock_that_is_behind_is_corrected_by_the_list(bench: Bench) -> None:
    bench.hold(1)
    bench.core.clock.advance(13 * HOURS)
    transport = InProcess(bench.core)
    transport.is_dated = False
    transport.machine.set_wall(-13 * HOURS)
    assert len(good(release(bench.api(transport=transport), None)).released) == 1


@lost
def test_a_lost_response_to_a_release(bench: Bench, done: bool, fields: dict[str, Any]) -> None:
    uuids = bench.hold(3).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", **fields)
    outcome = good(bench.release(uuids[:2]))
    assert outcome.released == uuids[:2]
    assert bench.uuids == uuids[2:]
    assert bench.writes() == ["POST"] + ["DELETE"] * (1 if done else 2)


def test_only_resources_that_are_still_held_are_released_again(bench: Bench) -> None:
    uuids = bench.hold(3).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "partial", drop=1)
    assert sorted(good(bench.release(None)).released) == sorted(uuids)
    assert [call["params"]["UUIDs"] for call in bench.calls("DELETE")] == [",".join(uuids), uuids[2]]


def test_a_refusal_of_one_does_not_keep_the_others(bench: Bench) -> None:
    uuids = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "code", code=-105, times=2)
    outcome = bench.release(None)
    assert outcome.released == uuids[1:]
    assert [one.uuid for one in outcome.refused] == uuids[:1] == bench.uuids
    assert "refused with HTTP 400" in words(outcome)
    assert outcome.changed


@pytest.mark.parametrize("fields", [{"kind": "reset_before"}, {"kind": "partial", "drop": 2}])
def test_a_release_without_effect_is_reported(bench: Bench, fields: dict[str, Any]) -> None:
    bench.hold(2)
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", times=-1, **fields)
    outcome = bench.release(None)
    assert words(outcome).startswith("2 resources could not be released: ")
    assert not outcome.changed
    assert bench.writes() == ["POST"] + ["DELETE"] * 3


def test_the_last_of_three_lost_releases_is_verified_for_as_long_as_the_list_may_lag(bench: Bench) -> None:
    uuids = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, 50)
    bench.fault("DELETE", "reset_before", times=2)
    bench.fault("DELETE", "reset_after")
    outcome = good(bench.release(None))
    assert (outcome.released, bench.uuids) == (uuids, [])
    assert bench.writes() == ["POST"] + ["DELETE"] * 3


def test_a_release_of_some_resources_restarts_the_count_of_attempts(bench: Bench) -> None:
    uuids = bench.hold(3).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "reset_before", times=2)
    bench.fault("DELETE", "partial", drop=2)
    bench.fault("DELETE", "reset_before", times=2)
    began = bench.core.clock.now()
    assert sorted(good(bench.release(None)).released) == sorted(uuids)
    assert bench.writes() == ["POST"] + ["DELETE"] * 6
    assert bench.core.clock.now() - began < 60


def permanently_failing(bench: Bench, method: str, *, done: bool) -> tuple[ProxyApi, list[str]]:
    """A client whose calls with this method end in an error that will not pass, and the calls that it sends."""
    api = bench.api()
    transport: Any = api._transport
    send, sent = transport.send, []

    def fail(verb: str, url: str, parameters: dict[str, str], endpoint: str) -> Any:
        if verb != method:
            return send(verb, url, parameters, endpoint)
        sent.append(verb)
        if done:
            send(verb, url, parameters, endpoint)
        raise TransportError("a compressed response", endpoint=endpoint, effect=Effect.UNKNOWN, retryable=False)

    transport.send = fail
    return api, sent


@pytest.mark.parametrize("done", [True, False])
def test_a_release_is_verified_and_not_repeated_after_an_error_that_will_not_pass(bench: Bench, done: bool) -> None:
    uuids = bench.hold(2).applied
    bench.core.clock.advance(13 * HOURS)
    lagging(bench, 50)
    api, sent = permanently_failing(bench, "DELETE", done=done)
    outcome = release(api, None)
    assert (outcome.released, bench.uuids) == ((uuids, []) if done else ([], uuids))
    assert (outcome.error is None) is done
    assert sent == ["DELETE"]


@pytest.mark.parametrize("done", [True, False])
def test_a_redial_is_verified_and_not_repeated_after_an_error_that_will_not_pass(bench: Bench, done: bool) -> None:
    uuids = ready(bench)
    api, sent = permanently_failing(bench, "PUT", done=done)
    outcome = redial(api, None)
    assert [one.uuid for one in outcome.redialled] == (uuids if done else [])
    assert [one.uuid for one in outcome.refused] == ([] if done else uuids)
    assert (outcome.error is None) is done
    assert sent == ["PUT"]


def test_a_release_and_then_no_list(bench: Bench) -> None:
    uuids = bench.hold(1).applied
    bench.core.clock.advance(13 * HOURS)
    bench.fault("GET", "status", http_status=503, skip=1, times=-1)
    bench.fault("DELETE", "reset_after")
    outcome = bench.release(None)
    assert isinstance(outcome.error, UncertainOutcomeError)
    assert f"Whether the release of {uuids[0]} took effect is unknown: the list of resources cannot be read: " in words(
        outcome
    )
    bench.core.faults.clear()
    assert not good(bench.release(None)).changed


def test_another_plan_cannot_be_released_from(bench: Bench) -> None:
    bench.hold(1)
    bench.core.clock.advance(13 * HOURS)
    bench.fault("DELETE", "replace", body={"Code": -12})
    assert "key blocked" in words(bench.release(None))
    assert bench.writes() == ["POST", "DELETE"]


def test_many_are_released_in_few_calls(tmp_path: Path) -> None:
    bench = Bench(occupancy(channels=60, queue_seconds=0.1), tmp_path)
    bench.hold(60)
    bench.core.clock.advance(13 * HOURS)
    assert len(good(bench.release(None)).released) == 60
    assert bench.writes() == ["POST", "DELETE", "DELETE"]


# --- redialling -----------------------------------------------------------------------------------------------------


def ready(bench: Bench, count: int = 2) -> list[str]:
    uuids = good(bench.hold(count)).applied
    bench.core.clock.advance(60)
    bench.core.journal.clear()
    return uuids


LATER = datetime.datetime.fromtimestamp(START, datetime.timezone.utc)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({}, {}, False),
        ({}, {"state": "offline", "server": None}, False),
        ({}, {"state": "redialling", "server": None}, True),
        ({}, {"state": "queued", "server": None}, True),
        ({}, {"dialled": LATER}, True),
        ({}, {"server": "192.0.2.2:1"}, True),
        ({"state": "offline", "server": None}, {"server": None}, True),
        ({"dialled": LATER}, {"state": "offline", "server": None}, False),
    ],
)
def test_which_changes_of_the_list_show_a_redial(before: dict[str, Any], after: dict[str, Any], moved: bool) -> None:
    assert has_moved(replace(resource(), **before), replace(resource(), **after)) is moved


def test_redial_returns_old_and_new_addresses_every_time(bench: Bench) -> None:
    uuids = ready(bench)
    progress: list[str] = []
    first = good(bench.redial(on_wait=progress.append))
    assert [one.uuid for one in first.redialled] == uuids
    for one in first.redialled:
        assert one.before
        assert one.after
        assert one.before != one.after
    assert "0 of 2 online, 2 redialling; at most " in progress[0]
    second = good(bench.redial(uuids[:1]))
    assert second.redialled[0].before == first.redialled[0].after
    assert [one.uuid for one in second.after] == uuids[:1]
    assert bench.writes() == ["PUT", "PUT"]


def test_the_interval_after_a_dial_is_waited_for(bench: Bench) -> None:
    ready(bench)
    bench.redial(wait=False)
    bench.core.clock.advance(5)
    started = bench.core.clock.now()
    outcome = good(bench.redial(wait=False))
    assert outcome.changed
    assert 5 <= bench.core.clock.now() - started <= 7
    assert [call["http_status"] for call in bench.calls("PUT", REDIAL)] == [200, 200]
    bench.core.clock.advance(5)
    late = bench.redial(max_wait=1)
    assert "the vendor requires 10 seconds between two dials" in words(late)
    assert not late.changed
    assert bench.writes() == ["PUT", "PUT"]


def test_without_waiting_a_new_address_is_not_known_yet(bench: Bench) -> None:
    ready(bench)
    outcome = good(bench.redial(wait=False))
    assert [one.after for one in outcome.redialled] == [None, None]
    assert [one.state for one in outcome.after] == ["redialling", "redialling"]


def test_queued_and_redialling_resources_are_not_redialled(bench: Bench) -> None:
    first = ready(bench, 1)
    bench.hold(2, wait=False)
    bench.core.journal.clear()
    outcome = good(bench.redial())
    assert [one.uuid for one in outcome.redialled] == first
    assert [one.uuid for one in outcome.pending] == bench.uuids[1:]
    assert {one.state for one in outcome.after} == {"online"}
    assert bench.calls("PUT", REDIAL)[0]["params"]["UUIDs"] == first[0]


def test_nothing_is_sent_if_all_resources_are_pending(bench: Bench) -> None:
    bench.hold(2, wait=False)
    outcome = good(bench.redial())
    assert not outcome.changed
    assert {one.state for one in outcome.after} == {"online"}
    assert bench.writes() == ["POST"]
    assert not good(bench.redial([])).changed


def test_an_offline_resource_is_redialled(bench: Bench) -> None:
    uuids = ready(bench)
    bench.offline(uuids[1])
    outcome = good(bench.redial())
    assert [one.before for one in outcome.redialled][1] is None
    assert outcome.redialled[1].after
    assert {one.state for one in outcome.after} == {"online"}


def test_a_redial_of_an_unknown_resource_is_an_error(bench: Bench) -> None:
    uuids = ready(bench)
    result = execute_with(bench, state="redialled", uuids=[uuids[0], "nowhere:ppp1"])
    assert result["failed"]
    assert result["msg"].startswith(
        "uuids contains resources that this key does not hold: nowhere:ppp1. Nothing was redialled"
    )
    assert bench.writes() == []


@lost
def test_a_lost_response_to_a_redial(bench: Bench, done: bool, fields: dict[str, Any]) -> None:
    uuids = ready(bench)
    bench.fault("PUT", path=REDIAL, **fields)
    outcome = good(bench.redial())
    assert [one.uuid for one in outcome.redialled] == uuids
    assert all(one.after and one.after != one.before for one in outcome.redialled)
    assert bench.writes() == ["PUT"] * (1 if done else 2)


def test_a_redial_without_effect_is_reported(bench: Bench) -> None:
    uuids = ready(bench)
    bench.fault("PUT", "reset_before", REDIAL, times=-1)
    outcome = bench.redial()
    assert words(outcome).startswith(f"2 of 2 resources could not be redialled: {', '.join(uuids)}.")
    assert [one.uuid for one in outcome.refused] == uuids
    assert not outcome.changed
    assert bench.writes() == ["PUT"] * 3


def test_a_refusal_of_one_does_not_prevent_the_redial_of_the_others(bench: Bench) -> None:
    uuids = ready(bench)
    bench.fault("PUT", "code", REDIAL, code=-105, times=2)
    outcome = bench.redial()
    assert [one.uuid for one in outcome.redialled] == uuids[1:]
    assert outcome.redialled[0].after
    assert [one.uuid for one in outcome.refused] == uuids[:1]
    assert f"1 of 2 resources could not be redialled: {uuids[0]}. PUT /monopolies/ips was refused" in words(outcome)


def test_a_redial_counts_only_if_the_list_shows_it(bench: Bench) -> None:
    uuids = ready(bench)
    bench.fault("PUT", "partial", REDIAL, drop=1)
    outcome = bench.redial(max_wait=20)
    assert f"1 of 2 online, 1 not redialled yet, and max_wait (20 seconds) is used up; not ready: {uuids[1]}." in words(
        outcome
    )
    assert outcome.redialled[0].after
    assert outcome.redialled[1].after is None


def test_a_lost_redial_and_then_no_list(bench: Bench) -> None:
    ready(bench)
    bench.fault("GET", "status", http_status=503, skip=1, times=-1)
    bench.fault("PUT", "reset_after", REDIAL)
    assert isinstance(bench.redial().error, UncertainOutcomeError)
    bench.core.faults.clear()
    bench.fault("PUT", "replace", REDIAL, body={"Code": -12})
    bench.core.clock.advance(60)
    assert "key blocked" in words(bench.redial())


def test_resources_that_vanish_during_a_redial_are_reported(bench: Bench) -> None:
    ready(bench)

    def take_away(_text: str) -> None:
        bench.core.keys[KEY].holdings.monopolies[1:] = []

    assert "The list no longer contains: " in words(bench.redial(on_wait=take_away))


def test_check_mode_redials_nothing(bench: Bench) -> None:
    uuids = ready(bench)
    outcome = good(bench.redial(check=True))
    assert [one.uuid for one in outcome.redialled] == uuids
    assert [one.after for one in outcome.redialled] == [None, None]
    assert bench.writes() == []


# --- the operations -------------------------------------------------------------------------------------------------


def execute_with(
    bench: Bench, operation: Operation = MONOPOLY, mode: Mode | None = None, **options: Any
) -> dict[str, Any]:
    """Run an operation on the bench, with validated options."""
    validation = ArgumentSpecValidator(operation.spec).validate({"key": KEY, **options})
    assert not validation.error_messages
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "proxy_api", lambda params, _announcer: bench.api(max_wait=params["max_wait"]))
        return execute(operation, validation.validated_parameters, mode or Mode())


def _not_a_code(value: str) -> str:
    return f"area_code={value} is not the code of an area: give its digits, such as 350500, which qg_area_info lists."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "count is missing: state=present needs the number of resources to hold."),
        ({"count": 0}, "count=0 is out of range: give a number from 1 to 100."),
        ({"count": 101}, "count=101 is out of range: give a number from 1 to 100."),
        ({"count": 1, "area_code": 0}, _not_a_code("'0'")),
        ({"count": 1, "area_code": "泉州"}, _not_a_code("'泉州'")),
        ({"count": 1, "area_code": "350500,440100"}, _not_a_code("'350500,440100'")),
        ({"count": 1, "area_code": " "}, _not_a_code("' '")),
        ({"count": 1, "area_code": 1234567890}, _not_a_code("'1234567890'")),
        ({"count": 1, "uuids": ["a"]}, "uuids goes only with state=absent or state=redialled: leave it out."),
        ({"count": 1, "all": True}, "all goes only with state=absent or state=redialled: leave it out."),
        ({"state": "absent"}, "uuids is missing: state=absent needs the names of resources, or all=true."),
        ({"state": "redialled"}, "uuids is missing: state=redialled needs the names of resources, or all=true."),
        (
            {"state": "absent", "all": True, "uuids": []},
            "uuids and all=true exclude each other: leave one of them out.",
        ),
        (
            {"state": "absent", "all": True, "isp": "mobile"},
            "isp goes with state=present, not with state=absent: name resources in uuids.",
        ),
        (
            {"state": "absent", "uuids": [" "]},
            "uuids holds ' ': give each name as an item, as qg_monopoly_info returns it.",
        ),
    ],
)
def test_an_invalid_option_is_reported_before_any_call(bench: Bench, options: dict[str, Any], message: str) -> None:
    result = execute_with(bench, **options)
    assert (result["failed"], result["changed"], result["msg"]) == (True, False, message)
    assert bench.core.journal.select() == []


@pytest.mark.parametrize("area_code", [GUANGZHOU, int(GUANGZHOU), f" 0{GUANGZHOU} "])
def test_the_code_of_an_area_may_be_text_or_a_number(bench: Bench, area_code: object) -> None:
    result = execute_with(bench, count=1, area_code=area_code, wait=False)
    assert [one["area_code"] for one in result["monopolies"]] == [GUANGZHOU]
    (call,) = bench.calls("POST")
    assert call["params"] == {"Num": "1", "AreaCode": GUANGZHOU}
    assert not execute_with(bench, count=1, area_code=GUANGZHOU, wait=False)["changed"]


def test_the_result_of_holding(bench: Bench) -> None:
    predicted = execute_with(bench, mode=Mode(check=True, diff=True), count=2, area_code=GUANGZHOU)
    assert predicted["changed"] is True
    assert predicted["missing"] == 2
    assert predicted["diff"]["after"] == "2 to be applied for\n"
    assert "warnings" not in predicted
    bench.fault("GET", "replace", IDLE, body={"data": [{"area_code": 1, "area": "x", "isp": "电信", "num": 9}]})
    predicted = execute_with(bench, mode=Mode(check=True), count=2, area_code=GUANGZHOU)
    assert predicted["warnings"] == ["2 resources would be applied for, and the vendor's idle stock shows 0."]
    result = execute_with(bench, mode=Mode(diff=True), count=2, area_code=GUANGZHOU, isp="mobile")
    assert result["changed"] is True
    assert result["applied"] == bench.uuids
    assert result["count"] == 2
    first = result["monopolies"][0]
    assert first["vendor"]["monopolize_time"] == "2030-01-01 08:00:00"
    assert first["since"] == "2030-01-01T08:00:00+08:00"
    assert first["last_dialled"] == "2030-01-01T08:00:02+08:00"
    assert first["releasable_from"] == "2030-01-01T20:00:00+08:00"
    assert (first["area_code"], first["isp"], first["state"]) == (GUANGZHOU, "mobile", "online")
    assert first["server"] == first["vendor"]["ip"]
    assert result["diff"]["before"] == ""
    assert result["diff"]["after"] == "".join(f"{uuid}\n" for uuid in bench.uuids)
    assert result["api"]["waited_seconds"] > 0
    again = execute_with(bench, mode=Mode(diff=True), count=2, area_code=GUANGZHOU, isp="mobile")
    assert again["changed"] is False
    assert again["already_present"] == bench.uuids
    assert again["diff"]["before"] == again["diff"]["after"]


def test_the_result_of_a_failure_names_what_was_paid_for(bench: Bench) -> None:
    result = execute_with(bench, count=3, max_wait=3)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["applied"] == bench.uuids
    assert result["endpoint"] == LIST
    refused = execute_with(bench, state="absent", all=True)
    assert refused["failed"]
    assert [one["uuid"] for one in refused["refused"]] == bench.uuids
    assert {one["possible_from"] for one in refused["refused"]} == {"2030-01-01T20:00:00+08:00"}
    assert refused["changed"] is False


def test_the_result_of_redialling(bench: Bench) -> None:
    (uuid,) = ready(bench, 1)
    predicted = execute_with(bench, mode=Mode(check=True, diff=True), state="redialled", all=True)
    assert predicted["changed"] is True
    assert predicted["diff"]["after"] == f"{uuid} (new)\n"
    result = execute_with(bench, mode=Mode(diff=True), state="redialled", all=True)
    (one,) = result["redialled"]
    assert result["diff"]["before"] == f"{uuid} {one['server_before']}\n"
    assert result["diff"]["after"] == f"{uuid} {one['server_after']}\n"
    assert result["monopolies"][0]["server"] == one["server_after"]
    bench.offline(uuid)
    assert execute_with(bench, count=1)["offline"] == [uuid]


def test_the_result_of_releasing(bench: Bench) -> None:
    one, two = ready(bench)
    bench.core.clock.advance(13 * HOURS)
    predicted = execute_with(bench, mode=Mode(check=True, diff=True), state="absent", uuids=[one])
    result = execute_with(bench, mode=Mode(diff=True), state="absent", uuids=[one])
    for each in (predicted, result):
        assert (each["changed"], each["released"], each["count"]) == (True, [one], 1)
        assert each["already_present"] == []
        assert each["diff"]["before"] == f"{one}\n{two}\n"
        assert each["diff"]["after"] == f"{two}\n"
    assert bench.writes() == ["DELETE"]


@pytest.mark.parametrize(
    "options", [{"count": 1}, {"state": "absent", "all": True}, {"state": "redialled", "all": True}]
)
def test_a_key_of_another_product_is_reported(bench: Bench, options: dict[str, Any]) -> None:
    bench.core.keys[KEY].configure({"plan": {"kind": "dynamic_dedicated"}})
    result = execute_with(bench, **options)
    assert (result["failed"], result["changed"], result["code"]) == (True, False, 400)
    assert result["msg"].endswith("Check that the key's product is one of exclusive occupancy.")


def test_info(bench: Bench) -> None:
    one, two = ready(bench)
    result = execute_with(bench, MONOPOLY_INFO)
    assert [each["uuid"] for each in result["monopolies"]] == [one, two]
    assert {"area_code": int(QUANZHOU), "area": "福建省泉州市", "isp": "电信"}.items() <= result["idle"][0].items()
    assert (result["changed"], result["count"], result["not_held"]) == (False, 2, [])
    bench.core.journal.clear()
    result = execute_with(bench, MONOPOLY_INFO, uuids=[two, "nowhere:ppp1"], idle=False)
    assert [each["uuid"] for each in result["monopolies"]] == [two]
    assert (result["not_held"], result["idle"]) == (["nowhere:ppp1"], [])
    (call,) = bench.core.journal.select()
    assert call["params"] == {"UUIDs": f"{two},nowhere:ppp1"}


def test_times_without_a_zone_are_those_of_beijing(bench: Bench) -> None:
    bench.hold(1)
    since = bench.api().monopolies()[0].since
    assert since == datetime.datetime.fromtimestamp(START, datetime.timezone.utc)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for leases as their documentation promises them: as tasks, and option by option."""

from __future__ import annotations

import datetime
import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests
from support.lease_modules import ALLOCATE, AREAS, LIST, POOL, RELEASE, REPLACE, LeaseScenario, named, scenario_fixture
from support.parameters import spread
from support.playbooks import QUOTA, Playground, Result, Run, Task, assert_one_sentence, calls

pytestmark = pytest.mark.measured

__all__ = ["scenario_fixture"]

INVENTORY = "app ansible_connection=qg_spy\nbastion ansible_connection=qg_spy\n"
HERE, THERE = "", "delegate_to: bastion"
CHECK, IGNORE = ("check_mode: true", "diff: true"), "ignore_errors: true"
PLAY = """
- hosts: app
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{{{ key }}}}"
      api_url: "{{{{ api_url }}}}"
  tasks:
    - name: it
      qingguo.qgnet.{module}: {{{options}}}
      register: it
      {extra}
"""
QUANZHOU, HUAIAN = 350500, 320800
#: The vendor's numbers of the providers.
ISPS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}


def task(name: str, module: str, options: str, *lines: str) -> str:
    """One more task of a playbook, with these lines beside its module."""
    parts = (f"    - name: {name}", f"qingguo.qgnet.{module}: {{{options}}}", *lines)
    return "\n      ".join(part for part in parts if part) + "\n"


class Stage:
    """Plays one task against the simulator, here or delegated."""

    def __init__(self, scenario: LeaseScenario, playground: Playground, extra: str) -> None:
        self.scenario = scenario
        self.sim = scenario.sim
        self.playground = playground
        self.extra = extra

    def run(self, module: str, options: str = "", *arguments: str, more: str = "", **variables: Any) -> Run:
        return self._play(PLAY.format(module=module, options=options, extra=self.extra) + more, *arguments, **variables)

    def play(self, tasks: str, *arguments: str, **variables: Any) -> Run:
        """Run tasks that are written out."""
        return self._play(PLAY.partition("    - name: it")[0].format() + tasks, *arguments, **variables)

    def _play(self, text: str, *arguments: str, **variables: Any) -> Run:
        everything = {"key": self.sim.key, "api_url": self.sim.api_url, **variables}
        log = {"ANSIBLE_LOG_PATH": str(self.playground.root / "ansible.log")} if "-vvvv" in arguments else {}
        return self.playground.play(
            text, inventory=INVENTORY, variables=everything, arguments=arguments, environment=log
        )

    def task(self, module: str, options: str = "", *arguments: str) -> Task:
        return self.run(module, options, *arguments).of("it")

    def more(self, name: str, module: str, options: str = "", *lines: str) -> str:
        """One more task at the same place."""
        return task(name, module, options, self.extra, *lines)

    def predicted(self, module: str, options: str = "") -> Result:
        """What check mode says; that it writes nothing is asserted stage."""
        before = self.scenario.books()
        run = self.run(module, options, "--check", "--diff").ok()
        assert self.scenario.writes() == []
        assert self.scenario.books() == before
        assert "to be leased" in run.stdout or "-" in run.stdout
        return run.of("it").result


PLACES = [pytest.param(HERE, id="here"), pytest.param(THERE, id="delegated")]


@pytest.fixture
def stage(request: pytest.FixtureRequest, scenario: LeaseScenario, playground: Playground) -> Stage:
    """The tasks run on the control node; delegated ones differ in how they hide secrets, which a test asks for."""
    return Stage(scenario, playground, getattr(request, "param", HERE))


def assert_described(lease: dict[str, Any], held: dict[str, Any]) -> None:
    """Every documented field of a lease, as the vendor's books have it."""
    assert lease["ip"] == held["ip"]
    assert lease["port"] == int(held["port"])
    assert lease["server"] == held["host"]
    assert lease["deadline"] == held["deadline"]
    moment = datetime.datetime.fromisoformat(lease["expires_at"])
    assert moment.utcoffset() == datetime.timedelta(hours=8)
    assert moment.timestamp() == int(held["ends"])
    assert 0 < lease["remaining_seconds"] <= held["ends"]
    assert lease["region"] == held["area"] + held["isp_name"]
    assert ISPS[lease["isp"]] == held["isp"]
    assert lease["task_id"] == held["task_id"]
    assert lease["vendor"]["IP"] == held["ip"]
    assert "proxy_url" not in lease


def assert_fields(leases: list[dict[str, Any]], held: list[dict[str, Any]]) -> None:
    by_name = {(lease["ip"], lease["task_id"]): lease for lease in held}
    assert len(leases) == len(by_name) == len(held)
    for lease in leases:
        assert_described(lease, by_name[(lease["ip"], lease["task_id"])])
    assert [lease["deadline"] for lease in leases] == sorted(lease["deadline"] for lease in leases)


# As tasks


def test_qg_proxy_allocate(stage: Stage) -> None:
    old = stage.scenario.hold(1, KeepAlive=30)
    options = "count: 3, keep_alive: 120"
    expected = stage.predicted("qg_proxy_allocate", options)
    assert expected["changed"] is True
    assert (expected["missing"], expected["count"]) == (2, 1)
    assert named(expected["leases"]) == named(old)
    assert expected["allocated"] == []
    assert expected["diff"]["after"] == expected["diff"]["before"] + "to be leased\n" * 2
    assert calls(stage.sim) == [LIST, QUOTA]

    stage.scenario.begin()
    run = stage.run("qg_proxy_allocate", options, "--diff").ok()
    done = run.of("it").result
    stage.scenario.assert_reported(done)
    assert calls(stage.sim) == [LIST, QUOTA, ALLOCATE]
    assert stage.sim.journal(ALLOCATE)[0]["params"] == {"Num": "2", "KeepAlive": "120", "Detail": "1"}
    assert_fields(done["leases"], stage.sim.leases())
    assert (done["count"], done["missing"], done["held"], len(done["allocated"])) == (3, 0, 3, 2)
    assert done["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    for lease in done["allocated"]:
        assert f"+{lease['server']}" in run.stdout
    # Nothing at all is sent to the host.
    assert not run.spied

    stage.scenario.begin()
    again = stage.task("qg_proxy_allocate", options).result
    assert again["changed"] is False
    assert named(again["leases"]) == named(done["leases"])
    assert again["allocated"] == again["released"] == []
    assert calls(stage.sim) == [LIST]
    assert stage.task("qg_proxy_allocate", options, "--check").result["changed"] is False


def test_the_clock_of_the_vendor_decides_how_long_a_lease_lasts(stage: Stage) -> None:
    """The clock of this control node is an hour behind, so that each lease seems to last an hour longer."""
    stage.sim.advance(3600)
    options = "count: 1, keep_alive: 60, min_remaining: 30"
    (lease,) = stage.task("qg_proxy_allocate", options).result["leases"]
    assert 3500 < lease["remaining_seconds"] <= 3600
    assert stage.task("qg_proxy_allocate", options).result["changed"] is False
    stage.sim.advance(40 * 60)
    assert stage.task("qg_proxy_info").result["leases"][0]["remaining_seconds"] <= 20 * 60
    stage.scenario.begin()
    again = stage.task("qg_proxy_allocate", options).result
    assert len(again["allocated"]) == 1, "the first one has less than half an hour left"


def test_qg_proxy_release(stage: Stage) -> None:
    held = stage.scenario.hold(2, 1)
    options = f"ips: [{held[0]['ip']}, '{held[2]['host']}', 203.0.113.200]"
    expected = stage.predicted("qg_proxy_release", options)
    assert expected["changed"] is True
    assert named(expected["released"]) == named([held[0], held[2]])
    assert expected["held"] == 3
    assert expected["diff"]["after"].count("\n") == 1
    assert calls(stage.sim) == [LIST]

    stage.scenario.begin()
    run = stage.run("qg_proxy_release", options, "--diff").ok()
    done = run.of("it").result
    stage.scenario.assert_reported(done)
    assert calls(stage.sim) == [LIST, RELEASE, LIST]
    assert set(stage.sim.journal(RELEASE)[0]["ips"]) == {held[0]["ip"], held[2]["ip"]}
    assert done["held"] == 1
    assert_fields(done["released"], [held[0], held[2]])
    assert f"-{held[0]['host']}" in run.stdout

    stage.scenario.begin()
    again = stage.task("qg_proxy_release", options).result
    assert again["changed"] is False
    assert again["released"] == []
    assert calls(stage.sim) == [LIST]
    stage.scenario.assert_reported(stage.task("qg_proxy_release", "all: true").result)
    stage.scenario.begin()
    assert stage.task("qg_proxy_release", "all: true").result["changed"] is False
    assert calls(stage.sim) == [LIST]


@pytest.mark.parametrize("way", ["count", "all", "ips", "task_ids"])
def test_qg_proxy_replace(stage: Stage, way: str) -> None:
    held = stage.scenario.hold(2, 1)
    options, replaced = {
        "count": ("count: 2", 2),
        "all": ("all: true", 3),
        "ips": (f"ips: [{held[1]['ip']}]", 1),
        "task_ids": (f"task_ids: [{held[0]['task_id']}]", 2),
    }[way]
    options += ", isp: telecom, keep_alive: 90, distinct: true"
    expected = stage.predicted("qg_proxy_replace", options)
    assert expected["changed"] is True
    assert expected["missing"] == replaced
    # Which leases the vendor gives up is its own choice: only all of them, or those that are named, can be reported.
    assert len(expected["released"]) == (0 if way == "count" else replaced)

    stage.scenario.begin()
    done = stage.run("qg_proxy_replace", options, "--diff").ok().of("it").result
    stage.scenario.assert_reported(done)
    by_vendor = way in ("count", "all")
    assert done["method"] == ("replace" if by_vendor else "release_and_allocate")
    # Of those that are named, one goes first.
    rounds = [1, replaced - 1] if replaced > 1 else [1]
    assert stage.scenario.writes() == ([REPLACE] if by_vendor else [RELEASE, ALLOCATE] * len(rounds))
    wanted = {
        "Num": str(replaced if by_vendor else rounds[0]),
        "KeepAlive": "90",
        "Isp": "1",
        "Detail": "1",
        "Distinct": "1",
    }
    assert stage.sim.journal(REPLACE if by_vendor else ALLOCATE)[0]["params"] == wanted
    assert (len(done["allocated"]), len(done["released"])) == (replaced, replaced)
    assert (done["held"], done["missing"]) == (3, 0)
    assert_fields(done["leases"], stage.sim.leases())
    if not by_vendor:
        assert {lease["ip"] for lease in done["released"]} == {
            lease["ip"] for lease in held if lease["ip"] == held[1]["ip"] or way == "task_ids"
        } - ({held[2]["ip"]} if way == "task_ids" else set())


def test_qg_proxy_info(stage: Stage) -> None:
    held = stage.scenario.hold(2, 1)
    checked = stage.more("checked", "qg_proxy_info", "", *CHECK)
    only = stage.more("only", "qg_proxy_info", f"task_ids: [{held[2]['task_id']}, NoSuchTask]")
    run = stage.run("qg_proxy_info", more=checked + only).ok()
    for name in ("it", "checked"):
        result = run.of(name).result
        assert result["changed"] is False, name
        assert result["count"] == 3, name
        assert_fields(result["leases"], held)
    assert_fields(run.of("only").result["leases"], held[2:])
    assert [call["params"] for call in stage.sim.journal()] == [
        {"Detail": "1"},
        {"Detail": "1"},
        {"TaskID": f"{held[2]['task_id']},NoSuchTask", "Detail": "1"},
    ]
    stage.scenario.assert_untouched()


def test_qg_proxy_pool_info(stage: Stage) -> None:
    stage.sim.configure(plan={"kind": "dynamic_shared"})
    options = "count: 3, isp: unicom, pool: enterprise"
    more = stage.more("checked", "qg_proxy_pool_info", options, *CHECK)
    run = stage.run("qg_proxy_pool_info", options, more=more).ok()
    for name in ("it", "checked"):
        pool = run.of(name).result
        assert pool["changed"] is False
        assert pool["count"] == len(pool["proxies"]) == 3
        seen = {lease["ip"]: lease for lease in stage.sim.state()["keys"][stage.sim.key]["pool"]}
        for lease in pool["proxies"]:
            assert lease["server"] == seen[lease["ip"]]["host"]
            assert lease["isp"] == "unicom"
        (task_id,) = {lease["task_id"] for lease in pool["proxies"]}
        assert len(task_id) == 16
    assert [call["params"] for call in stage.sim.journal()] == [
        {"Num": "3", "ISP": "3", "Pool": "2", "Detail": "1"}
    ] * 2
    assert stage.scenario.books().held == set()


def test_qg_area_info(stage: Stage) -> None:
    stock = [
        {"area_id": QUANZHOU, "area": "福建省泉州市", "isp": 1, "available": 0},
        {"area_id": HUAIAN, "area": "江苏省淮安市", "isp": 2, "available": 9},
    ]
    stage.sim.configure(plan={"stock": {"areas": stock}})
    checked = stage.more("checked", "qg_area_info", "", *CHECK)
    narrow = stage.more("only", "qg_area_info", f"available: true, isp: mobile, area_id: {HUAIAN}")
    run = stage.run("qg_area_info", more=checked + narrow).ok()
    for name in ("it", "checked"):
        result = run.of(name).result
        assert result["changed"] is False
        assert result["count"] == 2
        fields = [(area["area_id"], area["name"], area["isp"], area["available"]) for area in result["areas"]]
        assert fields == [(QUANZHOU, "福建省泉州市", "telecom", False), (HUAIAN, "江苏省淮安市", "mobile", True)]
        assert result["areas"][0]["vendor"]["AreaId"] == QUANZHOU
    only = run.of("only").result
    assert [(area["area_id"], area["area_code"]) for area in only["areas"]] == [(HUAIAN, str(HUAIAN))]
    assert stage.sim.journal()[-1]["params"] == {"AreaId": str(HUAIAN), "Isp": "2", "Status": "1"}


#: Each module that calls the API for leases, and where its refused call is made: in turn here and delegated.
CALLING = [
    ("qg_proxy_allocate", "count: 2", HERE),
    ("qg_proxy_release", "all: true", THERE),
    ("qg_proxy_replace", "all: true", HERE),
    ("qg_proxy_info", "", THERE),
    ("qg_proxy_pool_info", "", HERE),
    ("qg_area_info", "", THERE),
]


@pytest.mark.newest_core
def test_a_refusal_is_one_clear_error(stage: Stage) -> None:
    stage.sim.configure(status="expired", options={"error_status": 400})
    tasks = [task(module, module, options, place, IGNORE) for module, options, place in CALLING]
    run = stage.play("".join(tasks))
    for module, _options, _place in CALLING:
        failed = run.of(module)
        assert failed.status == "failed", module
        assert failed.result["code"] == -100, module
        assert failed.result["meaning"] == "plan missing or expired", module
        assert failed.result["http_status"] == 400, module
        assert failed.result["endpoint"] in (LIST, POOL, AREAS), module
        assert_one_sentence(failed.result["msg"])
        printed = run.output.partition(f"TASK [{module}]")[2].partition("TASK [")[0]
        assert "was refused with code -100 (plan missing or expired" in printed, module
    assert "Traceback" not in run.output


def test_a_failure_reports_what_was_paid_for(stage: Stage) -> None:
    """The leases are there, but what is left of them is less than was wanted: they are named, and the task fails."""
    stage.sim.configure(plan={"kind": "dynamic_shared"})
    run = stage.run("qg_proxy_allocate", "count: 2, min_remaining: 30")
    task = run.of("it")
    assert task.status == "failed"
    stage.scenario.assert_reported(task.result)
    assert len(task.result["allocated"]) == 2
    assert task.result["changed"] is True
    assert "min_remaining=30" in task.result["msg"]
    # It is not paid for again and again: the second run knows how long such a lease lasts.
    stage.scenario.begin()
    again = stage.task("qg_proxy_allocate", "count: 2, min_remaining: 30")
    assert again.status == "failed"
    assert "min_remaining=30 cannot be met" in again.result["msg"]
    assert stage.scenario.writes() == []


# Parameters


@pytest.mark.parametrize("name", ["allocate", "replace"])
@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param({"keep_alive": 7}, {"KeepAlive": "7"}, id="KeepAlive"),
        pytest.param({"area_id": HUAIAN}, {"AreaId": str(HUAIAN)}, id="AreaId"),
        pytest.param({"distinct": True}, {"Distinct": "1"}, id="Distinct"),
        *(pytest.param({"isp": isp}, {"Isp": str(number)}, id=f"Isp {isp}") for isp, number in ISPS.items()),
    ],
)
def test_parameters_of_new_leases(
    scenario: LeaseScenario, name: str, options: dict[str, Any], parameters: dict[str, str]
) -> None:
    row = {"area_id": HUAIAN, "area": "江苏省淮安市", "available": 20}
    scenario.sim.configure(plan={"stock": {"areas": [{**row, "isp": number} for number in ISPS.values()]}})
    if name == "replace":
        scenario.hold(2)
    result = scenario(name, count=2, **options)
    assert "failed" not in result, result["msg"]
    [call] = scenario.sim.journal(f"/{name}")
    assert call["params"] == {"Num": "2", "Detail": "1", **parameters}
    scenario.assert_reported(result)


def test_distinct_leases_are_not_those_of_before(scenario: LeaseScenario) -> None:
    scenario.sim.configure(options={"address_reuse": "first"})
    old = scenario.hold(2)
    assert "failed" not in scenario("release", all=True)
    result = scenario("allocate", count=2, distinct=True)
    assert not {lease["ip"] for lease in result["leases"]} & {lease["ip"] for lease in old}


@pytest.mark.parametrize("count", [1, 100])
def test_a_hundred_are_one_call(scenario: LeaseScenario, count: int) -> None:
    scenario.sim.configure(channels=100, options={"lease_proxies": False})
    result = scenario("allocate", count=count)
    assert "failed" not in result, result["msg"]
    assert calls(scenario.sim) == [LIST, QUOTA, ALLOCATE]
    assert result["count"] == len(scenario.sim.leases()) == count
    assert scenario("allocate", count=count)["changed"] is False


def test_more_than_a_hundred_are_replaced_in_the_fewest_calls(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=150, options={"lease_proxies": False})
    scenario.hold(100, 50)
    result = scenario("replace", all=True)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert [call["params"]["Num"] for call in scenario.sim.journal(REPLACE)] == ["100", "50"]
    assert len(scenario.sim.leases()) == result["held"] == 150


def test_a_long_list_is_released_in_the_fewest_calls(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=30, options={"lease_proxies": False})
    held = scenario.hold(30)
    result = scenario("release", ips=[lease["ip"] for lease in held])
    assert "failed" not in result, result["msg"]
    assert len(scenario.sim.journal(RELEASE)) == 1
    assert scenario.sim.leases() == []


# Which leases count


def test_exact_releases_the_surplus_oldest_deadline_first(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=60)
    scenario.hold(1, KeepAlive=10)
    held = scenario.hold(1, KeepAlive=30)
    assert scenario("allocate", count=1)["changed"] is False
    expected = scenario("allocate", count=1, exact=True, check=True)
    assert named(expected["released"]) == named([held[1], held[2]])
    assert scenario.writes() == []
    result = scenario("allocate", count=1, exact=True)
    scenario.assert_reported(result)
    assert named(result["released"]) == named([held[1], held[2]])
    assert named(result["leases"]) == named([held[0]])
    assert scenario.writes() == [RELEASE]
    again = scenario("allocate", count=1, exact=True)
    assert again["changed"] is False
    assert scenario.writes() == [RELEASE]


@pytest.mark.parametrize(("channels", "writes"), [(5, [ALLOCATE, RELEASE]), (2, [RELEASE, RELEASE, ALLOCATE])])
def test_exact_releases_nothing_before_its_successor_is_there_if_a_channel_is_free(
    scenario: LeaseScenario, channels: int, writes: list[str]
) -> None:
    scenario.sim.configure(channels=channels)
    old = scenario.hold(2, KeepAlive=10)
    result = scenario("allocate", count=2, exact=True, min_remaining=30, keep_alive=60)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert named(result["released"]) == named(old)
    assert scenario.writes() == writes
    assert len(scenario.sim.leases()) == result["count"] == 2
    assert scenario("allocate", count=2, exact=True, min_remaining=30, keep_alive=60)["changed"] is False


def test_exact_keeps_other_kinds(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=10)
    other = scenario.hold(2, AreaId=HUAIAN)
    scenario.hold(3, AreaId=QUANZHOU)
    result = scenario("allocate", count=1, exact=True, area_id=QUANZHOU)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert len(result["released"]) == 2
    assert named(other) <= named(scenario.sim.leases())
    assert len(scenario.sim.leases()) == 3


def test_min_remaining_counts_only_leases_that_last(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=5)
    scenario.hold(1, KeepAlive=120)
    result = scenario("allocate", count=2, min_remaining=30, keep_alive=60)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert result["count"] == 2
    assert len(result["allocated"]) == 1
    assert min(lease["remaining_seconds"] for lease in result["leases"]) >= 1800
    assert scenario("allocate", count=2, min_remaining=30, keep_alive=60)["changed"] is False
    assert scenario.writes() == [ALLOCATE]


def test_task_ids_are_followed_to_their_successors(scenario: LeaseScenario) -> None:
    scenario.sim.configure(channels=10)
    held = scenario.hold(1, 2)
    desired: dict[str, Any] = {"count": 3, "task_ids": [held[0]["task_id"]], "undetermined": "ignore"}
    result = scenario("allocate", **desired)
    assert "failed" not in result, result["msg"]
    scenario.assert_reported(result)
    assert len(result["allocated"]) == 2
    assert named(held[:1]) <= named(result["leases"])
    # The new lease has another task; the second run knows it all the same.
    again = scenario("allocate", **desired)
    assert again["changed"] is False
    assert named(again["leases"]) == named(result["leases"])
    assert scenario.writes() == [ALLOCATE]
    # What is left of it when the first one is gone still counts.
    scenario("release", ips=[held[0]["ip"]])
    third = scenario("allocate", **{**desired, "count": 2})
    assert third["changed"] is False


@pytest.mark.parametrize("undetermined", ["fail", "ignore", "match"])
def test_task_ids_without_an_origin(scenario: LeaseScenario, undetermined: str) -> None:
    scenario.sim.configure(channels=10)
    held = scenario.hold(1, 1)
    result = scenario("allocate", count=2, task_ids=[held[0]["task_id"]], undetermined=undetermined)
    scenario.assert_reported(result)
    assert ("failed" in result) is (undetermined == "fail")
    assert len(scenario.writes()) == (1 if undetermined == "ignore" else 0)
    if undetermined == "fail":
        assert held[1]["ip"] in result["msg"]
        assert "undetermined=match" in result["msg"]


@pytest.mark.parametrize("lost", [False, True], ids=["remembered", "state lost"])
@pytest.mark.parametrize(
    "terms", [{"area_id": QUANZHOU}, {"isp": "mobile"}, {"area_id": HUAIAN, "isp": "unicom"}], ids=str
)
def test_area_and_provider_come_from_the_origin_or_the_region(
    scenario: LeaseScenario, terms: dict[str, Any], lost: bool
) -> None:
    scenario.sim.configure(channels=10)
    first = scenario("allocate", count=2, **terms)
    assert "failed" not in first, first["msg"]
    if lost:
        shutil.rmtree(scenario.options["state_dir"])
    scenario.begin()
    again = scenario("allocate", count=2, **terms)
    assert again["changed"] is False
    assert named(again["leases"]) == named(first["leases"])
    assert scenario.writes() == []
    assert (AREAS in calls(scenario.sim)) is (lost and "area_id" in terms)
    # Another kind is another desired state.
    other = scenario("allocate", count=1, area_id=440100, isp="telecom")
    assert "failed" not in other, other["msg"]
    assert len(other["allocated"]) == 1


@pytest.mark.parametrize("undetermined", ["fail", "ignore", "match"])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "code", "code": -15}, {"kind": "status", "http_status": 404}, {"kind": "refuse"}, {"kind": "data_null"}],
    ids=lambda fault: str(fault["kind"]),
)
def test_areas_that_cannot_be_read_leave_it_to_the_option(
    scenario: LeaseScenario, fault: dict[str, Any], undetermined: str
) -> None:
    scenario.sim.configure(channels=10)
    held = scenario.hold(2, AreaId=QUANZHOU)
    scenario.sim.fault(path=AREAS, times=-1, **fault)
    result = scenario("allocate", count=2, area_id=QUANZHOU, undetermined=undetermined)
    scenario.assert_reported(result)
    if undetermined == "fail":
        assert result["failed"] is True
        assert "undetermined=match" in result["msg"]
        assert held[0]["ip"] in result["msg"]
    assert len(result.get("allocated", [])) == (2 if undetermined == "ignore" else 0)
    assert len(scenario.books().paid) == (4 if undetermined == "ignore" else 2)


@pytest.mark.parametrize("wanted", [350000, QUANZHOU])
def test_a_province_and_its_city_are_not_taken_for_strangers(scenario: LeaseScenario, wanted: int) -> None:
    """The vendor's names nest. A lease of the city is in the province, and one of the province may be in the city."""
    province = {"area_id": 350000, "area": "福建省", "isp": 1, "available": 9}
    city = {"area_id": QUANZHOU, "area": "福建省泉州市", "isp": 1, "available": 9}
    scenario.sim.configure(channels=10, plan={"stock": {"areas": [province, city]}})
    scenario.hold(1, AreaId=QUANZHOU if wanted == 350000 else 350000)
    result = scenario("allocate", count=1, area_id=wanted)
    # It counts, or is undetermined; in neither case is another one paid for without a report.
    assert scenario.writes() == []
    scenario.assert_reported(result)
    scenario.assert_untouched()


# Limits


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"count": 6}, ["count=6", "4 more", "only 3", "5 channels", "2 held"], id="over the quota"),
        pytest.param({"count": 5, "min_remaining": 60}, ["count=5", "5 more", "only 3"], id="stale ones do not count"),
        pytest.param({"count": 101}, ["count=101", "100"], id="over a hundred"),
        pytest.param({"count": 100}, ["count=100", "98 more", "only 3"], id="a hundred"),
    ],
)
def test_a_count_that_is_too_large_fails_before_the_first_write(
    scenario: LeaseScenario, options: dict[str, Any], words: list[str], check: bool
) -> None:
    scenario.hold(2, KeepAlive=5)
    result = scenario("allocate", check=check, **options)
    assert result["failed"] is True
    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    for word in words:
        assert word in result["msg"]
    if options["count"] <= 100:
        assert result["quota"] == {"unit": "channels", "total": 5, "available": 3, "used": 2}
    assert scenario.writes() == []
    scenario.assert_untouched()


@pytest.mark.parametrize("volume_quota", ["balance", "refuse"])
@pytest.mark.parametrize("wanted", [3, 4])
def test_a_plan_by_volume(scenario: LeaseScenario, volume_quota: str, wanted: int) -> None:
    scenario.sim.configure(plan={"billing": "volume", "balance": 3}, options={"volume_quota": volume_quota})
    scenario.begin()
    result = scenario("allocate", count=wanted)
    scenario.assert_reported(result)
    if wanted > 3:
        assert result["failed"] is True
        scenario.assert_untouched()
        assert scenario.writes() == ([] if volume_quota == "balance" else [ALLOCATE])
        assert result.get("code") == (None if volume_quota == "balance" else -105)
    else:
        assert "failed" not in result, result["msg"]
        assert scenario("allocate", count=3)["changed"] is False
        assert len(scenario.books().paid) == 3


@pytest.mark.parametrize(("volume_quota", "given_up"), [("balance", 1), ("refuse", 0)])
def test_a_plan_by_volume_releases_one_lease_at_most_for_what_it_cannot_pay(
    scenario: LeaseScenario, volume_quota: str, given_up: int
) -> None:
    """A release gives no balance back, which shows by the first one at the latest."""
    scenario.sim.configure(plan={"billing": "volume", "balance": 2}, options={"volume_quota": volume_quota})
    scenario.hold(2, KeepAlive=10)
    result = scenario("allocate", count=2, exact=True, min_remaining=30, keep_alive=60)
    assert result["failed"] is True
    scenario.assert_reported(result)
    assert len(result["released"]) == given_up
    assert len(scenario.books().held) == 2 - given_up
    assert len(scenario.books().paid) == 2


# Proxies


def through(server: str, url: str) -> str:
    """What an echo service says to a call through a proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, proxies={"http": server}, timeout=5).text.strip()


@pytest.mark.newest_core
def test_a_leased_proxy_works(stage: Stage) -> None:
    stage.sim.configure(whitelist=["127.0.0.1"])
    leases = stage.task("qg_proxy_allocate", "count: 2").result["leases"]
    for lease in leases:
        assert through(f"http://{lease['server']}", f"{stage.sim.api_url}/ip") == lease["ip"]


@pytest.mark.newest_core
def test_a_proxy_of_the_pool_works(stage: Stage) -> None:
    stage.sim.configure(plan={"kind": "dynamic_shared"}, whitelist=["127.0.0.1"])
    [lease] = stage.task("qg_proxy_pool_info").result["proxies"]
    assert through(f"http://{lease['server']}", f"{stage.sim.api_url}/ip") == lease["ip"]


def test_the_enterprise_pool_is_reached_by_another_host(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"enterprise_pool": True}, options={"lease_host": "address"})
    result = scenario("allocate", count=2)
    for lease in result["leases"]:
        assert lease["server"] == f"203.0.113.254:{lease['port']}"
        assert lease["ip"] != "203.0.113.254"
    assert scenario("allocate", count=2)["changed"] is False
    by_server = scenario("release", ips=[result["leases"][0]["server"]])
    assert named(by_server["released"]) == named(result["leases"][:1])


PWD = "p+w/SECRETPWD&9=SECRETEND"
#: The URL goes to curl through its standard input: a command line, and an environment, are shown at -vvvv.
USE = """
    - name: use
      ansible.builtin.command:
        argv: [curl, -q, -sS, --noproxy, "", --config, "-"]
        stdin: |
          proxy = "{{ it[field][0].proxy_url }}"
          url = "{{ api_url }}/ip"
      no_log: true
      register: used
    - name: exit
      ansible.builtin.debug:
        msg: "{{ used.stdout }}"
"""
URLS = [
    pytest.param("qg_proxy_allocate", "count: 1", "leases", "dynamic_dedicated", id="allocate"),
    pytest.param("qg_proxy_replace", "all: true", "leases", "dynamic_dedicated", id="replace"),
    pytest.param("qg_proxy_info", "", "leases", "dynamic_dedicated", id="info"),
    pytest.param("qg_proxy_pool_info", "", "proxies", "dynamic_shared", id="pool"),
]


def assert_silent(run: Run, stage: Stage) -> None:
    """Neither key nor password in what a person sees, nor in any file."""
    secrets = ("SECRETPWD", "SECRETEND", stage.sim.key)
    for secret in secrets:
        assert secret not in run.output
        for path in stage.playground.left_behind():
            # What was sent to the host that the task was delegated to holds the options, as it has to.
            if not path.name.startswith(("record", "spy")):
                assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(("module", "options", "field", "kind", "stage"), spread(URLS, PLACES), indirect=["stage"])
def test_a_proxy_url_is_a_secret_that_works(stage: Stage, module: str, options: str, field: str, kind: str) -> None:
    stage.sim.configure(plan={"kind": kind})
    held = stage.scenario.hold(1)
    stage.sim.configure(pwd=PWD, api_auth=True)
    sep = ", " if options else ""
    text = f"{options}{sep}proxy_url: true, pwd: '{{{{ pwd }}}}'"
    run = stage.run(module, text, "-vvvv", "--diff", more=USE, pwd=PWD, field=field).ok()
    assert_silent(run, stage)
    exit_ip = run.of("exit").result["msg"].strip()
    if module in ("qg_proxy_allocate", "qg_proxy_info"):
        assert exit_ip == held[0]["ip"]
    else:
        assert exit_ip.startswith(("198.51.100.", "192.0.2."))
        assert exit_ip != "127.0.0.1"


@pytest.mark.parametrize("stage", PLACES, indirect=True)
@pytest.mark.parametrize(("module", "options", "field", "kind"), URLS[:1])
def test_a_proxy_url_in_a_loop_is_a_secret_too(stage: Stage, module: str, options: str, field: str, kind: str) -> None:
    stage.extra += "\n      loop: [1, 2]"
    stage.sim.configure(pwd=PWD, api_auth=True)
    text = f"{options}, proxy_url: true, pwd: '{{{{ pwd }}}}'"
    assert_silent(stage.run(module, text, "-vvvv", "--diff", pwd=PWD).ok(), stage)


def test_a_failure_is_reported_with_proxy_url_too(stage: Stage) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    stage.sim.configure(pwd=PWD, api_auth=True, status="expired")
    wanted = "proxy_url: true, pwd: '{{ pwd }}'"
    tasks = []
    for case, place in zip(URLS, itertools.cycle([HERE, THERE])):
        module, options = str(case.values[0]), str(case.values[1])
        tasks.append(task(module, module, f"{options}, {wanted}" if options else wanted, place, IGNORE))
    run = stage.play("".join(tasks), "-vvvv", pwd=PWD)
    assert [done.status for done in run.tasks] == ["failed"] * len(URLS)
    for case in URLS:
        printed = run.output.partition(f"TASK [{case.values[0]}]")[2].partition("TASK [")[0]
        assert "was refused with code -100 (plan missing or expired" in printed, case.id
    assert_silent(run, stage)


@pytest.mark.newest_core
def test_an_unknown_outcome_is_reported_with_proxy_url_too(stage: Stage) -> None:
    """The user learns that a lease may be paid for; what is known of it stays hidden."""
    stage.sim.configure(pwd=PWD, api_auth=True)
    stage.sim.fault(path=ALLOCATE, kind="status", http_status=502)
    run = stage.run("qg_proxy_allocate", "count: 1, proxy_url: true, pwd: '{{ pwd }}'", "-vvvv", pwd=PWD)
    assert run.rc == 2
    assert "is unknown" in run.output
    assert_silent(run, stage)


# Options


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("allocate", {"count": 0}, ["count=0", "from 1 to 100"]),
        ("allocate", {"count": -3}, ["count=-3"]),
        ("allocate", {"count": "many"}, ["count", "int"]),
        ("allocate", {"count": 1, "min_remaining": -1}, ["min_remaining=-1"]),
        ("allocate", {"count": 1, "keep_alive": 0}, ["keep_alive=0"]),
        ("allocate", {"count": 1, "keep_alive": 30, "min_remaining": 30}, ["keep_alive=30", "min_remaining=30"]),
        ("allocate", {"count": 1, "area_id": 0}, ["area_id=0"]),
        ("allocate", {"count": 1, "area_id": "beijing"}, ["area_id", "int"]),
        ("allocate", {"count": 1, "isp": "telekom"}, ["isp", "telecom", "telekom"]),
        ("allocate", {"count": 1, "undetermined": "maybe"}, ["undetermined", "maybe"]),
        ("allocate", {"count": 1, "task_ids": ["a,b"]}, ["task_ids", "a,b"]),
        ("allocate", {"count": 1, "task_ids": [""]}, ["task_ids"]),
        ("allocate", {"count": 1, "proxy_url": True}, ["proxy_url", "pwd"]),
        ("release", {}, ["ips", "task_ids", "all"]),
        ("release", {"all": False}, ["ips", "task_ids", "all=true"]),
        ("release", {"all": True, "ips": ["203.0.113.1"]}, ["ips and all=true exclude each other"]),
        ("release", {"ips": ["203.0.113.1"], "task_ids": ["T"]}, ["ips", "task_ids", "mutually exclusive"]),
        ("release", {"ips": ["*"]}, ["ips", "*"]),
        ("release", {"ips": ["203.0.113.1,203.0.113.2 "]}, ["ips", "203.0.113.2"]),
        ("release", {"task_ids": ["*"]}, ["task_ids", "*"]),
        ("replace", {}, ["count", "ips", "task_ids", "all"]),
        ("replace", {"all": False}, ["count", "ips", "task_ids", "all=true"]),
        ("replace", {"count": 0}, ["count=0"]),
        ("replace", {"count": 101}, ["count=101"]),
        ("replace", {"count": 1, "all": True}, ["count and all=true exclude each other"]),
        ("replace", {"task_ids": ["T"], "all": True}, ["task_ids and all=true exclude each other"]),
        ("replace", {"count": 1, "ips": ["203.0.113.1"]}, ["count", "ips", "mutually exclusive"]),
        ("replace", {"all": True, "keep_alive": -1}, ["keep_alive=-1"]),
        ("replace", {"all": True, "proxy_url": True}, ["proxy_url", "pwd"]),
        ("info", {"task_ids": ["a b"]}, ["task_ids", "a b"]),
        ("info", {"proxy_url": True}, ["proxy_url", "pwd"]),
        ("pool", {"count": 101}, ["count=101"]),
        ("pool", {"pool": "premium"}, ["pool", "premium"]),
        ("pool", {"area_id": -5}, ["area_id=-5"]),
        ("areas", {"area_id": 0}, ["area_id=0"]),
        ("areas", {"available": "perhaps"}, ["available", "perhaps"]),
    ],
)
def test_a_bad_option_is_one_sentence_before_any_call(
    scenario: LeaseScenario, name: str, options: dict[str, Any], words: list[str]
) -> None:
    result = scenario(name, **options)
    assert result["failed"] is True
    assert result["changed"] is False
    assert_one_sentence(result["msg"])
    for word in words:
        assert word in result["msg"]
    assert calls(scenario.sim) == []


@pytest.mark.parametrize("name", ["release", "replace"])
@pytest.mark.parametrize("choice", ["ips", "task_ids"])
def test_an_empty_list_names_nothing(scenario: LeaseScenario, name: str, choice: str) -> None:
    """A playbook that computes the list may find nothing; that is not everything."""
    scenario.hold(2)
    options: dict[str, Any] = {choice: []}
    result = scenario(name, **options)
    assert "failed" not in result, result["msg"]
    assert result["changed"] is False
    assert scenario.writes() == []
    scenario.assert_untouched()


@pytest.mark.parametrize("name", ["release", "replace"])
def test_all_false_is_the_same_as_leaving_it_out(scenario: LeaseScenario, name: str) -> None:
    """A playbook may compute it."""
    [one, other] = scenario.hold(2)
    result = scenario(name, all=False, ips=[one["ip"]])
    assert "failed" not in result, result["msg"]
    assert [lease["ip"] for lease in result["released"]] == [one["ip"]]
    assert other["ip"] in {lease["ip"] for lease in scenario.sim.leases()}


def test_more_than_is_held_cannot_be_replaced(scenario: LeaseScenario) -> None:
    scenario.hold(2)
    result = scenario("replace", count=3)
    assert result["failed"] is True
    for word in ("count=3", "holds 2"):
        assert word in result["msg"]
    assert scenario.writes() == []


def test_an_expired_lease_is_allocated_again(scenario: LeaseScenario) -> None:
    scenario.hold(1, KeepAlive=1)
    scenario.hold(1, KeepAlive=600)
    assert scenario("allocate", count=2)["changed"] is False
    scenario.sim.advance(61)
    scenario.begin()
    result = scenario("allocate", count=2)
    scenario.assert_reported(result)
    assert len(result["allocated"]) == 1


@pytest.mark.parametrize("min_remaining", [0, 1])
def test_what_the_vendor_lists_counts_unless_it_must_last(scenario: LeaseScenario, min_remaining: int) -> None:
    """The vendor states no zone for its times: a deadline is a reason to pay again only where it is asked for."""
    scenario.hold(1)
    body = requests.get(scenario.sim.api_url + LIST, params={"Key": scenario.sim.key}, timeout=5).json()
    body["TaskList"][0]["Data"][0]["deadline"] = "2001-01-01 00:00:00"
    scenario.sim.fault(path=LIST, kind="replace", body=body)
    result = scenario("allocate", count=1, min_remaining=min_remaining)
    assert "failed" not in result, result["msg"]
    assert len(result["allocated"]) == min_remaining
    assert result["count"] == 1


@pytest.mark.newest_core
def test_key_and_address_from_the_environment(stage: Stage) -> None:
    stage.sim.configure(pwd="pass word", api_auth=True)
    text = PLAY.format(module="qg_proxy_allocate", options="count: 1", extra=stage.extra)
    text = text[: text.index("  module_defaults")] + text[text.index("  tasks:") :]
    environment = {"QG_KEY": stage.sim.key, "QG_PWD": "pass word", "QG_API_URL": stage.sim.api_url}
    stage.playground.play(text, inventory=INVENTORY, environment=environment).ok()
    assert len(stage.sim.leases()) == 1


@pytest.mark.newest_core
def test_state_of_the_runs_is_found_in_its_directory(stage: Stage, tmp_path: Path) -> None:
    directory = tmp_path / "somewhere"
    stage.run("qg_proxy_allocate", f"count: 1, area_id: {QUANZHOU}, state_dir: {directory}").ok()
    assert {path.name for path in directory.iterdir()} >= {"salt", "state.sqlite3"}
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in directory.iterdir():
        assert stage.sim.key.encode() not in path.read_bytes()

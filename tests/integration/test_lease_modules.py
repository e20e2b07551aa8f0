# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for leases as tasks: results, check mode, refusals, proxies that work, and URLs that stay hidden."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from support.lease_modules import ALLOCATE, AREAS, LIST, POOL, RELEASE, REPLACE, LeaseScenario, named, scenario_fixture
from support.module_tasks import CHECK, IGNORE, SPYING, THERE, from_variables, play, printed, task
from support.playbooks import QUOTA, Playground, Run, assert_one_sentence, calls

__all__ = ["scenario_fixture"]

QUANZHOU, HUAIAN = 350500, 320800
#: The vendor's numbers of the providers.
ISPS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}
DIFF = {"diff": True}
#: With the default product, reads would show it first.
DEFAULTS = {**from_variables("key", "api_url"), "product": "classic"}


class Stage:
    """Plays tasks against the simulator."""

    def __init__(self, scenario: LeaseScenario, playground: Playground) -> None:
        self.scenario = scenario
        self.sim = scenario.sim
        self.playground = playground

    def play(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), **variables: Any) -> Run:
        return self.playground.play(
            play(*tasks, defaults=DEFAULTS),
            inventory=SPYING,
            variables={"key": self.sim.key, "api_url": self.sim.api_url, **variables},
            arguments=arguments,
            environment={"ANSIBLE_LOG_PATH": str(self.playground.root / "ansible.log")} if "-vvvv" in arguments else {},
        )


@pytest.fixture
def stage(scenario: LeaseScenario, playground: Playground) -> Stage:
    return Stage(scenario, playground)


def assert_described(lease: dict[str, Any], held: dict[str, Any]) -> None:
    """Every documented field of a lease, as the vendor's books have it."""
    names = {"ip": "ip", "server": "host", "deadline": "deadline", "task_id": "task_id"}
    assert {name: lease[name] for name in names} == {name: held[other] for name, other in names.items()}
    assert lease["port"] == int(held["port"])
    moment = datetime.datetime.fromisoformat(lease["expires_at"])
    assert (moment.utcoffset(), moment.timestamp()) == (datetime.timedelta(hours=8), int(held["ends"]))
    assert 0 < lease["remaining_seconds"] <= held["ends"]
    assert (lease["region"], ISPS[lease["isp"]]) == (held["area"] + held["isp_name"], held["isp"])
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
    options = {"count": 3, "keep_alive": 120}
    run = stage.play(
        task("predicted", "qg_proxy_allocate", options, **CHECK),
        task("done", "qg_proxy_allocate", options, **DIFF),
        task("again", "qg_proxy_allocate", options),
        task("predicted again", "qg_proxy_allocate", options, **CHECK),
    ).ok()
    predicted, done, again, nothing = (each.result for each in run.tasks)
    assert (predicted["changed"], predicted["missing"], predicted["count"]) == (True, 2, 1)
    assert named(predicted["leases"]) == named(old)
    assert predicted["allocated"] == []
    assert predicted["diff"]["after"] == predicted["diff"]["before"] + "to be leased\n" * 2

    stage.scenario.assert_reported(done)
    assert_fields(done["leases"], stage.sim.leases())
    assert (done["count"], done["missing"], done["held"], len(done["allocated"])) == (3, 0, 3, 2)
    assert done["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    for lease in done["allocated"]:
        assert f"+{lease['server']}" in printed(run.stdout, "done")

    assert again["changed"] is nothing["changed"] is False
    assert named(again["leases"]) == named(done["leases"])
    assert again["allocated"] == again["released"] == []
    assert calls(stage.sim) == [LIST, QUOTA, LIST, QUOTA, ALLOCATE, LIST, LIST]
    assert stage.sim.journal(ALLOCATE)[0]["params"] == {"Num": "2", "KeepAlive": "120", "Detail": "1"}
    # Nothing at all is sent to the host.
    assert not run.spied


def test_qg_proxy_release(stage: Stage) -> None:
    first, second, third = held = stage.scenario.hold(2, 1)
    options = {"ips": [first["ip"], third["host"], "203.0.113.200"]}
    run = stage.play(
        task("predicted", "qg_proxy_release", options, **CHECK),
        task("done", "qg_proxy_release", options, **DIFF),
        task("again", "qg_proxy_release", options),
        task("all", "qg_proxy_release", {"all": True}),
        task("all again", "qg_proxy_release", {"all": True}),
    ).ok()
    predicted, done, again, everything, nothing = (each.result for each in run.tasks)
    assert (predicted["changed"], predicted["held"]) == (True, 3)
    assert named(predicted["released"]) == named([first, third])
    assert predicted["diff"]["after"].count("\n") == 1

    assert (done["changed"], done["held"]) == (True, 1)
    assert_fields(done["released"], [first, third])
    assert f"-{held[0]['host']}" in printed(run.stdout, "done")
    assert (again["changed"], again["released"]) == (False, [])
    assert (everything["changed"], named(everything["released"])) == (True, named([second]))
    assert nothing["changed"] is False
    assert calls(stage.sim) == [LIST, LIST, RELEASE, LIST, LIST, LIST, RELEASE, LIST, LIST]
    assert set(stage.sim.journal(RELEASE)[0]["ips"]) == {first["ip"], third["ip"]}
    assert stage.sim.leases() == []


def test_qg_proxy_replace(stage: Stage) -> None:
    held = stage.scenario.hold(2, 1)
    options = {"all": True, "keep_alive": 90}
    run = stage.play(
        task("predicted", "qg_proxy_replace", options, **CHECK), task("done", "qg_proxy_replace", options, **DIFF)
    ).ok()
    predicted, done = (each.result for each in run.tasks)
    assert predicted["changed"] is True
    assert named(predicted["released"]) == named(held)
    stage.scenario.assert_reported(done)
    assert_fields(done["leases"], stage.sim.leases())
    assert stage.scenario.writes() == [REPLACE]
    for lease in done["allocated"]:
        assert f"+{lease['server']}" in printed(run.stdout, "done")


@pytest.mark.parametrize(("way", "replaced"), [("count", 2), ("all", 3), ("ips", 1), ("task_ids", 2)])
def test_the_ways_to_choose_what_is_replaced(scenario: LeaseScenario, way: str, replaced: int) -> None:
    first, second, third = held = scenario.hold(2, 1)
    chosen = {"count": 2, "all": True, "ips": [second["ip"]], "task_ids": [first["task_id"]]}[way]
    options = {way: chosen, "isp": "telecom", "keep_alive": 90, "distinct": True}
    predicted = scenario("replace", check=True, diff=True, **options)
    assert (predicted["changed"], predicted["missing"]) == (True, replaced)
    # Which leases the vendor gives up is its own choice: only all of them, or those that are named, can be reported.
    assert len(predicted["released"]) == (0 if way == "count" else replaced)
    assert scenario.writes() == []

    done = scenario.reached("replace", **options)
    by_vendor = way in ("count", "all")
    assert done["method"] == ("replace" if by_vendor else "release_and_allocate")
    # Of those that are named, one goes first.
    rounds = [1, replaced - 1] if replaced > 1 else [1]
    assert scenario.writes() == ([REPLACE] if by_vendor else [RELEASE, ALLOCATE] * len(rounds))
    number = str(replaced if by_vendor else rounds[0])
    sent = {"Num": number, "KeepAlive": "90", "Isp": "1", "Detail": "1", "Distinct": "1"}
    assert scenario.sim.journal(REPLACE if by_vendor else ALLOCATE)[0]["params"] == sent
    assert (len(done["allocated"]), len(done["released"])) == (replaced, replaced)
    assert (done["held"], done["missing"]) == (3, 0)
    assert_fields(done["leases"], scenario.sim.leases())
    if not by_vendor:
        assert named(done["released"]) == named([second] if way == "ips" else [first, second])
        assert named([third]) <= named(done["leases"]) < named(held) | named(done["allocated"])


def test_qg_proxy_info(stage: Stage) -> None:
    held = stage.scenario.hold(2, 1)
    run = stage.play(
        task("it", "qg_proxy_info"),
        task("checked", "qg_proxy_info", **CHECK),
        task("only", "qg_proxy_info", {"task_ids": [held[2]["task_id"], "NoSuchTask"]}),
    ).ok()
    for name in ("it", "checked"):
        result = run.of(name).result
        assert (result["changed"], result["count"]) == (False, 3), name
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
    options = {"count": 3, "isp": "unicom", "pool": "enterprise"}
    run = stage.play(
        task("it", "qg_proxy_pool_info", options), task("checked", "qg_proxy_pool_info", options, **CHECK)
    ).ok()
    seen = {lease["ip"]: lease for lease in stage.sim.state()["keys"][stage.sim.key]["pool"]}
    for pool in (done.result for done in run.tasks):
        assert (pool["changed"], pool["count"], len(pool["proxies"])) == (False, 3, 3)
        for lease in pool["proxies"]:
            assert (lease["server"], lease["isp"]) == (seen[lease["ip"]]["host"], "unicom")
        (task_id,) = {lease["task_id"] for lease in pool["proxies"]}
        assert len(task_id) == 16
    sent = {"Num": "3", "ISP": "3", "Pool": "2", "Detail": "1"}
    assert [call["params"] for call in stage.sim.journal()] == [sent] * 2
    assert stage.scenario.books().held == set()


def test_qg_area_info(stage: Stage) -> None:
    stock = [
        {"area_id": QUANZHOU, "area": "福建省泉州市", "isp": 1, "available": 0},
        {"area_id": HUAIAN, "area": "江苏省淮安市", "isp": 2, "available": 9},
    ]
    stage.sim.configure(plan={"stock": {"areas": stock}})
    run = stage.play(
        task("it", "qg_area_info"),
        task("checked", "qg_area_info", **CHECK),
        task("only", "qg_area_info", {"available": True, "isp": "mobile"}),
    ).ok()
    for name in ("it", "checked"):
        result = run.of(name).result
        assert (result["changed"], result["count"]) == (False, 2), name
        fields = [(area["area_code"], area["name"], area["isp"], area["available"]) for area in result["areas"]]
        assert fields == [
            (str(QUANZHOU), "福建省泉州市", "telecom", False),
            (str(HUAIAN), "江苏省淮安市", "mobile", True),
        ]
        assert result["areas"][0]["vendor"]["AreaId"] == QUANZHOU
    only = run.of("only").result
    assert [area["area_code"] for area in only["areas"]] == [str(HUAIAN)]
    assert [call["params"] for call in stage.sim.journal()[2:]] == [{"Isp": "2", "Status": "1"}]


def test_a_refusal_is_one_clear_error(stage: Stage) -> None:
    stage.sim.configure(status="expired", options={"error_status": 400})
    # Each module that calls the API for leases, some delegated.
    tasks = [
        task("qg_proxy_allocate", "qg_proxy_allocate", {"count": 2}, **IGNORE),
        task("qg_proxy_release", "qg_proxy_release", {"all": True}, **IGNORE, **THERE),
        task("qg_proxy_replace", "qg_proxy_replace", {"all": True}, **IGNORE),
        task("qg_proxy_info", "qg_proxy_info", **IGNORE),
        task("qg_proxy_pool_info", "qg_proxy_pool_info", **IGNORE),
        task("qg_area_info", "qg_area_info", **IGNORE, **THERE),
    ]
    run = stage.play(*tasks)
    for module in (each["name"] for each in tasks):
        failed = run.of(module)
        error = failed.result["error"]
        assert (failed.status, error["code"], error["http_status"]) == ("failed", -100, 400), module
        assert error["meaning"] == "plan missing or expired", module
        assert error["endpoint"] in (LIST, POOL, AREAS), module
        assert_one_sentence(failed.result["msg"])
        assert "was refused with code -100 (plan missing or expired" in printed(run.output, module), module
    assert "Traceback" not in run.output


def test_a_failure_reports_what_was_paid_for(stage: Stage) -> None:
    """The leases are there, but what is left of them is less than was wanted: they are named, and the task fails."""
    stage.sim.configure(plan={"kind": "dynamic_shared"})
    options = {"count": 2, "min_remaining": 30}
    run = stage.play(*(task(name, "qg_proxy_allocate", options, **IGNORE) for name in ("first", "again")))
    first, again = run.tasks
    assert first.status == again.status == "failed"
    stage.scenario.assert_reported(first.result)
    assert len(first.result["allocated"]) == 2
    assert first.result["changed"] is True
    assert "min_remaining=30" in first.result["msg"]
    # It is not paid for again and again: the second run knows how long such a lease lasts.
    assert "min_remaining of 30 minutes cannot be met" in again.result["msg"]
    assert stage.scenario.writes() == [ALLOCATE]


def test_key_and_address_from_the_environment_and_state_in_its_directory(stage: Stage, tmp_path: Path) -> None:
    stage.sim.configure(pwd="pass word", api_auth=True)
    directory = tmp_path / "somewhere"
    options = {"count": 1, "areas": [QUANZHOU], "store": str(directory)}
    environment = {"QG_KEY": stage.sim.key, "QG_PASSWORD": "pass word", "QG_API_URL": stage.sim.api_url}
    text = play(task("it", "qg_proxy_allocate", options))
    stage.playground.play(text, inventory=SPYING, environment=environment).ok()
    assert len(stage.sim.leases()) == 1
    assert {path.name for path in directory.iterdir()} >= {"salt", "state.sqlite3"}
    assert directory.stat().st_mode & 0o777 == 0o700
    for path in directory.iterdir():
        assert stage.sim.key.encode() not in path.read_bytes()


# Proxies


def through(server: str, url: str) -> str:
    """What an echo service says to a call through a proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, proxies={"http": server}, timeout=5).text.strip()


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [("dynamic_dedicated", "allocate", "leases"), ("dynamic_shared", "pool", "proxies")],
    ids=["leased", "of the pool"],
)
def test_a_proxy_works(scenario: LeaseScenario, kind: str, name: str, field: str) -> None:
    scenario.sim.configure(plan={"kind": kind}, whitelist=["127.0.0.1"])
    for lease in scenario.ok(name, count=2)[field]:
        assert through(f"http://{lease['server']}", f"{scenario.sim.api_url}/ip") == lease["ip"]


def test_the_enterprise_pool_is_reached_by_another_host(scenario: LeaseScenario) -> None:
    scenario.sim.configure(plan={"enterprise_pool": True}, options={"lease_proxies": False})
    result = scenario("allocate", count=2)
    for lease in result["leases"]:
        assert lease["server"] == f"203.0.113.254:{lease['port']}"
        assert lease["ip"] != "203.0.113.254"
    assert scenario("allocate", count=2)["changed"] is False
    by_server = scenario("release", ips=[result["leases"][0]["server"]])
    assert named(by_server["released"]) == named(result["leases"][:1])


PWD = "p+w/SECRETPWD&9=SECRETEND"
URL = {"with_credentials": True, "password": "{{ password }}"}


def use(field: str, name: str) -> dict[str, Any]:
    """Call through the URL that was registered; it goes to curl through its standard input.

    A command line, and an environment, are shown at -vvvv.
    """
    text = f'proxy = "{{{{ it.{field}[0].proxy_url }}}}"\nurl = "{{{{ api_url }}}}/ip"\n'
    curl = {"argv": ["curl", "-q", "-sS", "--noproxy", "", "--config", "-"], "stdin": text}
    return {"name": name, "ansible.builtin.command": curl, "no_log": True, "register": "used"}


def show(name: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "{{ used.stdout }}"}}


def assert_silent(run: Run, stage: Stage) -> None:
    """Neither key nor password in what a person sees, nor in any file."""
    for secret in ("SECRETPWD", "SECRETEND", stage.sim.key):
        assert secret not in run.output
        for path in stage.playground.left_behind():
            # What was sent to the host that the task was delegated to holds the options, as it has to.
            if not path.name.startswith(("record", "spy")):
                assert secret.encode() not in path.read_bytes(), path


def test_a_proxy_url_is_a_secret_that_works(stage: Stage) -> None:
    [held] = stage.scenario.hold(1)
    stage.sim.configure(pwd=PWD, api_auth=True)
    stage.sim.fault(path=ALLOCATE, kind="status", http_status=502)
    one = {"count": 1, **URL}
    run = stage.play(
        task("allocate", "qg_proxy_allocate", one, register="it"),
        *(use("leases", "use allocated"), show("exit of allocated")),
        task("info", "qg_proxy_info", URL, register="it"),
        *(use("leases", "use listed"), show("exit of listed")),
        task("loop", "qg_proxy_allocate", one, loop=[1, 2]),
        task("loop there", "qg_proxy_allocate", one, loop=[1], **THERE),
        task("replace there", "qg_proxy_replace", {"all": True, **URL}, register="it", **THERE),
        *(use("leases", "use replaced"), show("exit of replaced")),
        # The user learns that a lease may be paid for; what is known of it stays hidden.
        task("unknown", "qg_proxy_allocate", {**one, "count": 2}, **IGNORE),
        arguments=("-vvvv", "--diff"),
        password=PWD,
    ).ok()
    assert_silent(run, stage)
    assert run.of("exit of allocated").result["msg"] == run.of("exit of listed").result["msg"] == held["ip"]
    assert run.of("exit of replaced").result["msg"] == stage.sim.leases()[0]["ip"] != held["ip"]
    assert "is unknown" in printed(run.output, "unknown")


def test_a_proxy_url_of_the_pool_is_a_secret_that_works(stage: Stage) -> None:
    stage.sim.configure(plan={"kind": "dynamic_shared"}, pwd=PWD, api_auth=True)
    run = stage.play(
        task("pool", "qg_proxy_pool_info", URL, register="it", **THERE),
        *(use("proxies", "use"), show("exit")),
        arguments=("-vvvv", "--diff"),
        password=PWD,
    ).ok()
    assert_silent(run, stage)
    assert run.of("exit").result["msg"].startswith("127.64.")


def test_a_failure_is_reported_with_credentials_too(stage: Stage) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    stage.sim.configure(pwd=PWD, api_auth=True, status="expired")
    tasks = [
        task("allocate", "qg_proxy_allocate", {"count": 1, **URL}, **IGNORE),
        task("replace", "qg_proxy_replace", {"all": True, **URL}, **IGNORE),
        task("info", "qg_proxy_info", URL, **IGNORE, **THERE),
        task("pool", "qg_proxy_pool_info", URL, **IGNORE),
    ]
    run = stage.play(*tasks, arguments=("-vvvv",), password=PWD)
    assert [done.status for done in run.tasks] == ["failed"] * len(tasks)
    for each in tasks:
        assert "was refused with code -100 (plan missing or expired" in printed(run.output, each["name"]), each
    assert_silent(run, stage)


# Options


MISTAKES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("allocate", {"count": 0}, ["count=0", "from 1 to 100"]),
    ("allocate", {"count": -3}, ["count=-3"]),
    ("allocate", {"count": "many"}, ["count", "int"]),
    ("allocate", {"count": 1, "min_remaining": -1}, ["min_remaining=-1"]),
    ("allocate", {"count": 1, "keep_alive": 0}, ["keep_alive=0"]),
    ("allocate", {"count": 1, "keep_alive": "90s"}, ["keep_alive=90s is not a number of whole minutes"]),
    ("allocate", {"count": 1, "keep_alive": 30, "min_remaining": 30}, ["keep_alive=30", "min_remaining=30"]),
    ("allocate", {"count": 1, "areas": 0}, ["areas", "'0'"]),
    ("allocate", {"count": 1, "areas": ["350500", "440100"]}, ["areas contains 2 areas", "product=classic", "one"]),
    ("allocate", {"count": 1, "isp": "telekom"}, ["isp", "telecom", "telekom"]),
    ("allocate", {"count": 1, "on_uncertain": "maybe"}, ["on_uncertain", "maybe"]),
    ("allocate", {"count": 1, "with_credentials": True}, ["with_credentials", "password"]),
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
    ("replace", {"all": True, "with_credentials": True}, ["with_credentials", "password"]),
    ("info", {"task_ids": ["a b"]}, ["task_ids", "a b"]),
    ("info", {"with_credentials": True}, ["with_credentials", "password"]),
    ("pool", {"count": 101}, ["count=101"]),
    ("pool", {"pool": "premium"}, ["pool", "premium"]),
    ("pool", {"areas": [-5]}, ["areas", "-5"]),
    ("areas", {"available": "perhaps"}, ["available", "perhaps"]),
]


@pytest.mark.parametrize("name", ["allocate", "release", "replace", "info", "pool", "areas"])
def test_a_bad_option_is_one_sentence_before_any_call(scenario: LeaseScenario, name: str) -> None:
    for options, words in [(options, words) for module, options, words in MISTAKES if module == name]:
        result = scenario(name, **options)
        assert (result["failed"], result["changed"]) == (True, False), options
        assert_one_sentence(result["msg"])
        assert [word for word in words if word not in result["msg"]] == [], options
    assert calls(scenario.sim) == []


UNKNOWN = "203.0.113.250"


def test_a_release_names_what_is_not_held(scenario: LeaseScenario) -> None:
    held = scenario.hold(2)
    first = scenario.ok("release", ips=[held[0]["ip"], UNKNOWN, held[1]["host"]])
    assert (len(first["released"]), first["not_held"]) == (2, [UNKNOWN])
    assert first["warnings"] == [f"ips contains what the key does not hold: {UNKNOWN}. Nothing was done with it."]
    again = scenario.ok("release", task_ids=[held[0]["task_id"]])
    assert (again["changed"], again["not_held"]) == (False, [held[0]["task_id"]])
    assert scenario.ok("release", all=True)["not_held"] == []


def test_a_replacement_of_leases_that_are_not_held_fails_unless_there_are_others(scenario: LeaseScenario) -> None:
    held = scenario.hold(2)
    refused = scenario("replace", ips=[UNKNOWN])
    assert (refused["failed"], refused["changed"], refused["not_held"]) == (True, False, [UNKNOWN])
    assert f"ips contains no lease that the key holds, so none was replaced: {UNKNOWN}." in refused["msg"]
    assert scenario.writes() == []
    done = scenario.ok("replace", ips=[held[0]["ip"], UNKNOWN])
    assert (len(done["allocated"]), done["not_held"], len(done["warnings"])) == (1, [UNKNOWN], 1)


@pytest.mark.parametrize("name", ["release", "replace"])
def test_an_empty_list_names_nothing(scenario: LeaseScenario, name: str) -> None:
    """A playbook that computes the list may find nothing; that is not everything."""
    scenario.hold(2)
    for choice in ("ips", "task_ids"):
        assert scenario.ok(name, **{choice: []})["changed"] is False, choice
    assert scenario.writes() == []
    scenario.assert_untouched()


@pytest.mark.parametrize("name", ["release", "replace"])
def test_all_false_is_the_same_as_leaving_it_out(scenario: LeaseScenario, name: str) -> None:
    """A playbook may compute it."""
    [one, other] = scenario.hold(2)
    result = scenario.ok(name, all=False, ips=[one["ip"]])
    assert [lease["ip"] for lease in result["released"]] == [one["ip"]]
    assert other["ip"] in {lease["ip"] for lease in scenario.sim.leases()}

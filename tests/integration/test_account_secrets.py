# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key, signature and passwords of the account stand in no output and in no file, at the highest verbosity."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.account_modules import OPERATIONS, Account, account_fixture
from support.module_tasks import IGNORE, THERE, from_variables, play, printed, task
from support.playground import Playground, Run, calls

__all__ = ["account_fixture"]

slow = pytest.mark.slow
APP_ID = "secretsagent"
#: With all that has to be written differently in a URL, in HTML or in JSON. The words in it survive any of these.
APP_KEY = "k+y/SECRETKEY7Q&9= *,%<\u00fc>\"'\\x SECRETEND"
KEYS = ("SECRETKEY", "SECRETEND")
AUTHKEY = "AUTHSECRET5"
PASSWORDS = ("PASSADSL1", "PASSPANEL2", "PASSLOGIN3")
SUID = "104900001"
INVENTORY = "one ansible_connection=local\nbastion ansible_connection=local\n"
TELLING = ("instances", "plan")


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    instance = {
        "Suid": SUID,
        "Ip": "198.51.100.7",
        "Run_status": "1",
        "Adsl_name": "line7",
        "Adsl_password": PASSWORDS[0],
        "Business_password": PASSWORDS[1],
        "Login_password": PASSWORDS[2],
    }
    plan = {"Authkey": AUTHKEY, "Number": 10, "Resource_available": 9, "Order_status": 1}
    sim.agent(APP_ID, appkey=APP_KEY, instances=[instance], proxy_plans={"demo0001": plan}, balance="5.00")
    return {"app_id": APP_ID, "app_key": APP_KEY, "account_url": sim.account_url, "max_wait": 300}


def read(name: str, place: str = "here", **options: Any) -> dict[str, Any]:
    """One module as a task of that place, which may be another host."""
    reader = OPERATIONS[name]
    keywords = THERE if place == "there" else {}
    return task(f"{name} {place}", reader.module, {**reader.options, **options}, **keywords)


#: Each module here, and those that tell secrets on another host; then each module there, too.
SOME = [*(read(name) for name in OPERATIONS), *(read(name, "there") for name in TELLING)]
EVERYTHING = [*SOME, *(read(name, "there") for name in OPERATIONS if name not in TELLING)]


def run(
    playground: Playground, variables: dict[str, Any], tasks: list[dict[str, Any]], *arguments: str, **environment: str
) -> Run:
    defaults = from_variables("app_id", "app_key", "account_url", "max_wait")
    return playground.play(
        play(*tasks, hosts="one", defaults=defaults, **IGNORE),
        inventory=INVENTORY,
        variables=variables,
        arguments=["-vvvv", *arguments],
        environment={"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log"), **environment},
    )


def assert_silent(sim: Simulator, run: Run, playground: Playground, *, but: tuple[str, ...] = ()) -> None:
    signs = {call["params"]["sign"] for call in sim.journal() if "sign" in call["params"]}
    playground.assert_nowhere((*KEYS, AUTHKEY, *PASSWORDS, *signs), run, but=but)


@pytest.mark.parametrize(
    ("tasks", "arguments"),
    [
        pytest.param(SOME, (), id="run"),
        pytest.param(EVERYTHING, ("--check", "--diff"), id="check", marks=slow),
    ],
)
def test_success(
    sim: Simulator,
    playground: Playground,
    variables: dict[str, Any],
    tasks: list[dict[str, Any]],
    arguments: tuple[str, ...],
) -> None:
    sim.agent(APP_ID, packages=[{"Package_no": "1"}], lines=[{"id": 1}])
    done = run(playground, variables, tasks, *arguments)
    assert [each.status for each in done.tasks] == ["ok"] * len(tasks), done.output
    assert {call["key"] for call in sim.journal()} == {APP_ID}
    assert len(calls(sim)) == len(tasks)
    # Not even where results are recorded, since no task asked for them.
    assert_silent(sim, done, playground)


SHOWN = f"GET /x?appid=a&sign={{sign}}&appkey={APP_KEY}"


FAULTS: dict[str, dict[str, Any]] = {
    "code": {"kind": "code", "code": 9, "msg": SHOWN},
    "key as code": {"kind": "code", "code": f"E {APP_KEY}", "msg": "no"},
    "status": {"kind": "status", "http_status": 500, "body": SHOWN},
    "redirect": {"kind": "redirect", "location": f"http://127.0.0.1:1/?{SHOWN}"},
    "replace": {
        "kind": "replace",
        "body": {"Code": 0, "result": True, "Data": {"1": {"Authkey": [AUTHKEY], "Suid": [SUID]}}},
    },
    "garbage": {
        "kind": "garbage",
        "body": f'{{"Code": 0, "Data": {{"1": {{"login_Password": "{PASSWORDS[2]}", "Suid": "1',
    },
}


@slow
def test_failures(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    """Each fault for each module, and for one of them in a delegated task: only the output differs there."""
    tasks = []
    names = ("balance", *TELLING)
    for (kind, fault), delegated in zip(FAULTS.items(), itertools.cycle(names)):
        for name in names:
            places = ("here", "there") if name == delegated else ("here",)
            sim.fault(path=f"/api{OPERATIONS[name].path}", times=len(places), **fault)
            tasks += [{**read(name, place), "name": f"{kind}: {name} {place}"} for place in places]
    done = run(playground, {**variables, "max_wait": 0}, tasks)
    assert {each.name: each.status for each in done.tasks} == {each["name"]: "failed" for each in tasks}
    kinds = [FAULTS[each["name"].partition(":")[0]]["kind"] for each in tasks]
    assert [call["fault"] for call in sim.journal()] == kinds
    assert_silent(sim, done, playground)


def test_refusals_and_bad_options(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    mistakes: dict[str, dict[str, Any]] = {
        "no number": {"max_wait": "soon"},
        # Not in the playbook itself, whose lines Ansible shows.
        "key in the address": {"account_url": "{{ address }}"},
        "no server": {"account_url": "http://127.0.0.1:1/api", "max_wait": 0},
    }
    bad = [
        {**read(name, place, **changes), "name": f"{mistake}: {name} {place}"}
        for mistake, changes in mistakes.items()
        for name, place in (("balance", "here"), ("instances", "here"), ("instances", "there"))
    ]
    address = f"http://127.0.0.1:1/api?appkey={APP_KEY}"
    wrong = {**variables, "app_key": "SECRETKEY another SECRETEND", "address": address}
    done = run(playground, wrong, [*SOME, *bad])
    assert {each.name: each.status for each in done.tasks} == {each["name"]: "failed" for each in [*SOME, *bad]}
    assert len(sim.journal()) == len(SOME)
    assert_silent(sim, done, playground)


# --- secrets that are asked for


#: What a task that uses the registered secrets relies on.
USES = {
    "instances": [
        "it.instances[0].login_password == login",
        "it.instances[0].business_password == panel",
        "it.instances[0].adsl_password == adsl",
        "it.instances[0].vendor.Login_password == login",
    ],
    "plan": ["it.plan.authkey == auth", "it.plan.vendor.Authkey == auth"],
}


def test_secrets_that_are_asked_for_are_registered_and_not_shown(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    tasks = []
    for name in TELLING:
        for place, hidden in (("here", {}), ("there", {"no_log": True})):
            tasks += [{**read(name, place, include_secrets=True), "register": "it", **hidden}]
            use = {"ansible.builtin.assert": {"that": USES[name], "quiet": True}, "no_log": True}
            tasks += [{"name": f"use {name} {place}", **use}]
    for name in TELLING:
        looped = {**read(name, include_secrets="yes"), "name": f"loop {name}", "loop": [1, 2], "register": "them"}
        use = [text.replace("it.", f"them.results[{number}].") for text in USES[name] for number in (0, 1)]
        checked = {"ansible.builtin.assert": {"that": use, "quiet": True}, "no_log": True}
        tasks += [looped, {"name": f"use loop {name}", **checked}]
    expected = {**dict(zip(("adsl", "panel", "login"), PASSWORDS, strict=True)), "auth": AUTHKEY}
    done = run(playground, {**variables, **expected}, tasks, "--diff").ok()
    assert {each.name: each.status for each in done.tasks} == {each["name"]: "ok" for each in tasks}, done.output
    assert len(calls(sim)) == 8
    assert_silent(sim, done, playground)


def test_secrets_over_a_connection_that_shows_them_are_refused(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """A delegated task that wants none is shown, as any other."""
    wanting = [True, "yes", "{{ wanted }}", "1"]
    without = [False, "{{ not wanted }}"]
    tasks = [
        {**read(name, "there", include_secrets=value), "name": f"{name} {value!s}"}
        for value, name in zip(wanting, itertools.cycle(TELLING))
    ]
    tasks += [{**read("instances", "there", include_secrets=value), "name": f"shown {value!s}"} for value in without]
    done = run(playground, {**variables, "wanted": True}, tasks)
    assert len(done.tasks) == len(tasks)
    refusal = "include_secrets in a delegated task needs no_log: set no_log=true on the task"
    refused = done.tasks[: len(wanting)]
    assert [each.name for each in refused if not each.result["msg"].startswith(refusal)] == []
    for shown in done.tasks[len(wanting) :]:
        assert shown.status == "ok", shown.name
        assert shown.result["instances"][0]["suid"] == SUID
        assert SUID in printed(done.stdout, shown.name)
    assert len(sim.journal()) == len(without)
    assert_silent(sim, done, playground)


def test_the_reason_of_a_failure_is_reported_also_with_secrets(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    tasks = [
        read("instances", include_secrets=True, suid="77"),
        {**read("instances", "there", include_secrets=True, suid="78"), "no_log": True},
    ]
    done = run(playground, variables, tasks)
    assert [each.status for each in done.tasks] == ["failed", "failed"]
    # With no_log, it is Ansible that decides, and its versions decide differently.
    assert "业务不存在 77" in done.output
    assert_silent(sim, done, playground)


@pytest.mark.parametrize("name", TELLING)
def test_the_key_is_removed_from_what_the_vendor_says(account: Account, name: str) -> None:
    """A vendor who answers with the key itself: it is no secret of a machine, and is taken out as for any module."""
    account.sim.agent(
        instances=[{"Suid": "1", "Host_name": account.sim.app_key}],
        proxy_plans={"demo0001": {"Number": 1, "Tunnel_url": f"x{account.sim.app_key}"}},
    )
    for wanted in (True, False):
        result = account.good(name, include_secrets=wanted)
        assert account.sim.app_key not in str(result)
        assert "VALUE_SPECIFIED_IN_NO_LOG" in str(result) or "********" in str(result)

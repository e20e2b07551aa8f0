# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key, signature and passwords of the account stand in no output and in no file, at the highest verbosity."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.account_modules import INSTANCES, MODULES, OPERATIONS, PLAN, Account, account_fixture
from support.playbooks import Playground, Run, calls

__all__ = ["account_fixture"]

APP_ID = "secretsagent"
#: With all that has to be written differently in a URL, in HTML or in JSON. The words in it survive any of these.
APP_KEY = "k+y/SECRETKEY7Q&9= *,%<\u00fc>\"'\\x SECRETEND"
KEYS = ("SECRETKEY", "SECRETEND")
AUTHKEY = "AUTHSECRET5"
PASSWORDS = ("PASSADSL1", "PASSPANEL2", "PASSLOGIN3")
SUID = "104900001"
INVENTORY = "one ansible_connection=local\nbastion ansible_connection=local\n"
OPTIONS: dict[str, dict[str, Any]] = {name: options for name, (_home, _operation, _path, options) in OPERATIONS.items()}
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


def task(name: str, place: str, **options: Any) -> dict[str, Any]:
    """One module as a task of that place, which may be another host."""
    spec: dict[str, Any] = {
        "name": f"{name} {place}",
        f"qingguo.qgnet.{MODULES[name]}": {**OPTIONS[name], **options},
    }
    return {**spec, **({"delegate_to": "bastion"} if place == "there" else {})}


EVERYTHING = [task(name, place) for name in OPERATIONS for place in ("here", "there")]


def play(
    playground: Playground,
    variables: dict[str, Any],
    tasks: list[dict[str, Any]],
    *arguments: str,
    inventory: str = INVENTORY,
    **environment: str,
) -> Run:
    text = f"""
- hosts: one
  gather_facts: false
  ignore_errors: true
  module_defaults:
    group/qingguo.qgnet.qg:
      app_id: "{{{{ app_id }}}}"
      app_key: "{{{{ app_key }}}}"
      account_url: "{{{{ account_url }}}}"
      max_wait: "{{{{ max_wait }}}}"
  tasks: {yaml.safe_dump(tasks, default_flow_style=True)}
"""
    log = {"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")}
    return playground.play(
        text,
        inventory=inventory,
        variables=variables,
        arguments=["-vvvv", *arguments],
        environment={**log, **environment},
    )


def assert_silent(sim: Simulator, run: Run, playground: Playground, *others: str, records: bool = True) -> None:
    """None of these in the output or in a file, in plain text or in base64; the tests' own record may be left out."""
    signs = {call["params"]["sign"] for call in sim.journal() if "sign" in call["params"]}
    places = {"the output": run.output.encode()}
    places |= {
        str(path): path.read_bytes()
        for path in playground.left_behind()
        if records or not path.name.startswith("record")
    }
    # The log and the rest that Ansible leaves.
    assert len(places) > 1
    for secret in (*KEYS, *others, *signs):
        word = secret.encode()
        for where, text in places.items():
            assert word not in text, f"{where} holds {secret}: ...{text[max(0, text.find(word) - 200) :][:300]!r}..."
            for shift in range(3):
                encoded = base64.b64encode(b"x" * shift + word)[4:-4]
                assert encoded not in text, f"{where} holds {secret} in base64"


CHECK = pytest.param(("--check", "--diff"), id="check", marks=pytest.mark.newest_core)


@pytest.mark.parametrize("arguments", [pytest.param((), id="run"), CHECK])
def test_success(sim: Simulator, playground: Playground, variables: dict[str, Any], arguments: tuple[str, ...]) -> None:
    sim.agent(
        APP_ID,
        packages=[{"Package_no": "1"}],
        lines=[{"id": 1}],
    )
    run = play(playground, variables, EVERYTHING, *arguments)
    assert [task.status for task in run.tasks] == ["ok"] * 12, run.output
    assert {call["key"] for call in sim.journal()} == {APP_ID}
    assert len(calls(sim)) == 12
    # Not even where results are recorded, since no task asked for them.
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


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


@pytest.mark.newest_core
def test_failures(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    """Each fault for each module, and for one of them in a delegated task: only the output differs there."""
    tasks = []
    names = ("balance", *TELLING)
    for (kind, fault), delegated in zip(FAULTS.items(), itertools.cycle(names)):
        for name in names:
            places = ("here", "there") if name == delegated else ("here",)
            sim.fault(path=f"/api{OPERATIONS[name][2]}", times=len(places), **fault)
            tasks += [{**task(name, place), "name": f"{kind}: {name} {place}"} for place in places]
    run = play(playground, {**variables, "max_wait": 0}, tasks)
    assert {task.name: task.status for task in run.tasks} == {task["name"]: "failed" for task in tasks}
    assert [call["fault"] for call in sim.journal()] == [
        FAULTS[task["name"].partition(":")[0]]["kind"] for task in tasks
    ]
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


@pytest.mark.newest_core
def test_refusals(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    run = play(playground, {**variables, "app_key": "SECRETKEY another SECRETEND"}, EVERYTHING)
    assert [task.status for task in run.tasks] == ["failed"] * 12, run.output
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


@pytest.mark.newest_core
def test_bad_options(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    mistakes: dict[str, dict[str, Any]] = {
        "no number": {"max_wait": "soon"},
        # Not in the playbook itself, whose lines Ansible shows.
        "key in the address": {"account_url": "{{ address }}"},
        "no server": {"account_url": "http://127.0.0.1:1/api", "max_wait": 0},
    }
    tasks = [
        {**task(name, place, **changes), "name": f"{mistake}: {name} {place}"}
        for mistake, changes in mistakes.items()
        for name in ("balance", "instances")
        for place in ("here", "there")
    ]
    run = play(playground, {**variables, "address": f"http://127.0.0.1:1/api?appkey={APP_KEY}"}, tasks)
    assert {task.name: task.status for task in run.tasks} == {task["name"]: "failed" for task in tasks}
    assert sim.journal() == []
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


@pytest.mark.newest_core
def test_a_mistake_beside_a_key_that_stands_in_the_playbook(sim: Simulator, playground: Playground) -> None:
    """Ansible shows the place of a mistake in the playbook: not so the lines with the key."""
    mistakes = ["timeout: soon", "timeout: 0", "at_least: much", "nonsense: 1"]
    text = "- hosts: one\n  gather_facts: false\n  ignore_errors: true\n  tasks:\n" + "".join(
        f"""
    - name: "{mistake}"
      qingguo.qgnet.qg_balance_info:
        account_url: {sim.account_url}
        app_id: {APP_ID}
        app_key: SECRETKEY7Q
        {mistake}
"""
        for mistake in mistakes
    )
    run = playground.play(text, inventory=INVENTORY, arguments=["-vvvv"])
    assert [(task.name, task.status) for task in run.tasks] == [(mistake, "failed") for mistake in mistakes]
    assert sim.journal() == []
    assert_silent(sim, run, playground)


@pytest.mark.newest_core
def test_credentials_of_the_environment(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    text = """
- hosts: one
  gather_facts: false
  tasks:
    - {name: here, qingguo.qgnet.qg_balance_info: {}}
    - {name: there, qingguo.qgnet.qg_balance_info: {}, delegate_to: bastion}
"""
    environment = {"QG_APP_ID": APP_ID, "QG_APP_KEY": APP_KEY, "QG_ACCOUNT_URL": sim.account_url}
    run = playground.play(text, inventory=INVENTORY, arguments=["-vvvv"], environment=environment).ok()
    assert len(calls(sim)) == 2
    assert_silent(sim, run, playground)


def test_undelegated_nothing_is_sent_to_the_host(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    spying = "one ansible_connection=qg_spy ansible_python_interpreter=/nonexistent/python\n"
    tasks = [each for each in EVERYTHING if "delegate_to" not in each]
    run = play(playground, variables, tasks, inventory=spying)
    assert len(calls(sim)) == 6
    assert run.spied == b""


# --- secrets that are asked for


USE = {
    "instances": {
        "name": "use",
        "ansible.builtin.assert": {
            "that": [
                "it.instances[0].login_password == login",
                "it.instances[0].business_password == panel",
                "it.instances[0].adsl_password == adsl",
                "it.instances[0].vendor.Login_password == login",
            ],
            "quiet": True,
        },
        "no_log": True,
    },
    "plan": {
        "name": "use",
        "ansible.builtin.assert": {
            "that": ["it.plan.authkey == auth", "it.plan.vendor.Authkey == auth"],
            "quiet": True,
        },
        "no_log": True,
    },
}


def expected(variables: dict[str, Any]) -> dict[str, Any]:
    return {**variables, "adsl": PASSWORDS[0], "panel": PASSWORDS[1], "login": PASSWORDS[2], "auth": AUTHKEY}


def test_secrets_that_are_asked_for_are_registered_and_not_shown(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    tasks = []
    for name in TELLING:
        for place, hidden in (("here", {}), ("there", {"no_log": True})):
            tasks += [{**task(name, place, include_secrets=True), "register": "it", **hidden}]
            tasks += [{**USE[name], "name": f"use {name} {place}"}]
    run = play(playground, expected(variables), tasks, "--diff").ok()
    assert {task.name: task.status for task in run.tasks} == {task["name"]: "ok" for task in tasks}, run.output
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS, records=False)


def test_secrets_in_a_loop_are_not_shown_either(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    tasks = [{**task(name, "here", include_secrets="yes"), "loop": [1, 2]} for name in TELLING]
    run = play(playground, variables, tasks).ok()
    assert {task.name: len(task.result["results"]) for task in run.tasks} == {f"{name} here": 2 for name in TELLING}
    assert calls(sim) == [f"/api{OPERATIONS[name][2]}" for name in TELLING for _item in range(2)]
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS, records=False)


@pytest.mark.newest_core
def test_secrets_over_a_connection_that_shows_them_are_refused(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    values = [True, "yes", "{{ wanted }}", "1"]
    tasks = [
        {**task(name, "there", include_secrets=value), "name": f"{name} {value!s}", "register": "it"}
        for value, name in zip(values, itertools.cycle(TELLING))
    ]
    run = play(playground, {**variables, "wanted": True}, tasks)
    assert len(run.tasks) == len(values)
    refusal = "include_secrets in a delegated task needs no_log: set no_log=true on the task"
    assert [task.name for task in run.tasks if not task.result["msg"].startswith(refusal)] == []
    assert sim.journal() == []
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


def test_a_delegated_task_that_wants_none_is_shown(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    values = [False, "no", "{{ wanted }}"]
    tasks = [
        {**task("instances", "there", include_secrets=value), "name": f"case {number}"}
        for number, value in enumerate(values)
    ]
    run = play(playground, {**variables, "wanted": False}, tasks).ok()
    for number, value in enumerate(values):
        shown = run.of(f"case {number}")
        assert shown.status == "ok", value
        assert shown.result["instances"][0]["suid"] == SUID, value
        # Each task prints its result: that of the next one follows.
        printed = run.stdout.partition(f"TASK [case {number}]")[2].partition(f"TASK [case {number + 1}]")[0]
        assert SUID in printed, value
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


def test_the_reason_of_a_failure_is_reported_also_with_secrets(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    tasks = [
        task("instances", "here", include_secrets=True, suid="77"),
        {**task("instances", "there", include_secrets=True, suid="78"), "no_log": True},
    ]
    run = play(playground, variables, tasks)
    assert [(task.name, task.status) for task in run.tasks] == [
        ("instances here", "failed"),
        ("instances there", "failed"),
    ]
    # With no_log, it is Ansible that decides, and its versions decide differently.
    assert "业务不存在 77" in run.output
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS)


def test_secrets_are_no_facts(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(playground.root / "facts")}
    tasks = [
        {"name": "facts", "qingguo.qgnet.qg_cloud_package_facts": OPTIONS["packages"]},
        task("instances", "here", include_secrets=True),
    ]
    run = play(playground, variables, tasks, **cache).ok()
    assert [path.name for path in (playground.root / "facts").iterdir()]
    assert_silent(sim, run, playground, AUTHKEY, *PASSWORDS, records=False)


def test_the_paths_are_those_that_tell_secrets() -> None:
    assert {OPERATIONS[name][2] for name in TELLING} == {INSTANCES, PLAN}


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

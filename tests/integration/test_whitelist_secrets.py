# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key and password stand in no output and in no file, whatever happens, at the highest
verbosity.
"""

from __future__ import annotations

import json
from textwrap import indent
from typing import Any
from urllib.parse import quote

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from integration.playground import ADD, DEL, QUERY, QUOTA, Playground, Run, callers, calls
from qgnet_simulator.running import Simulator
from support.parameters import slow_cases

KEY = "SECRETKEY7Q"
#: With all that has to be written differently in a URL, in HTML or in JSON. The words in it survive
#: any of these.
PWD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'\\x SECRETEND"
WORDS = ("SECRETKEY", "SECRETPWD", "SECRETEND")
A, B = "203.0.113.11", "203.0.113.12"

INVENTORY = f"""
one ansible_connection=local
two ansible_connection=local egress_whitelist_ips="['{B}']"
bastion ansible_connection=local
"""

#: Every module, here and delegated, and the role; a failure of one does not keep the others from
#: running.
EVERYTHING = """
- hosts: one
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{ key }}"
      password: "{{ password }}"
      api_url: "{{ api_url }}"
      max_wait: "{{ max_wait }}"
      timeout: "{{ limit }}"
  ignore_errors: true
  tasks:
    - {name: read here, qingguo.qgnet.qg_whitelist_info: {}}
    - {name: read there, qingguo.qgnet.qg_whitelist_info: {}, delegate_to: bastion, when: "'read' in delegated"}
    - {name: quota here, qingguo.qgnet.qg_quota_info: {}}
    - {name: quota there, qingguo.qgnet.qg_quota_info: {}, delegate_to: bastion, when: "'quota' in delegated"}
    - name: write here
      qingguo.qgnet.qg_whitelist: {ips: [198.51.100.1]}
    - name: write there
      qingguo.qgnet.qg_whitelist: {ips: [198.51.100.2]}
      delegate_to: bastion
      when: "'write' in delegated"
    - name: exact here
      qingguo.qgnet.qg_whitelist: {ips: [198.51.100.2], state: exact, allow_partial: true}
- hosts: one
  gather_facts: false
  ignore_errors: true
  tasks:
    - name: egress
      qingguo.qgnet.qg_egress_ip_info:
        sources: ["{{ echo }}/ip"]
- hosts: one:two
  gather_facts: false
  ignore_errors: true
  vars:
    qg_key: "{{ key }}"
    qg_password: "{{ password }}"
    qg_api_url: "{{ api_url }}"
    qg_max_wait: "{{ max_wait }}"
    qg_timeout: "{{ limit }}"
    egress_whitelist_sources: ["{{ echo }}/ip", "{{ echo }}/json"]
  roles: [qingguo.qgnet.egress_whitelist]
"""


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    sim.configure(KEY, pwd=PWD, api_auth=True)
    sim.control("PUT", "/map", {"127.0.0.1": A})
    return {
        "key": KEY,
        "password": PWD,
        "api_url": sim.api_url,
        "echo": sim.api_url,
        "max_wait": 300,
        "limit": 10,
        "delegated": ["read", "quota", "write"],
    }


def everything(playground: Playground, variables: dict[str, Any], *arguments: str) -> Run:
    log = {"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")}
    return playground.play(
        EVERYTHING,
        inventory=INVENTORY,
        variables=variables,
        arguments=["-vvvv", *arguments],
        environment=log,
    )


def failed_names(run: Run) -> list[str]:
    return [task.name for task in run.tasks if task.status == "failed"]


def failures(run: Run) -> int:
    return len(failed_names(run))


@pytest.mark.slow
def test_check_mode(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    run = everything(playground, variables, "--check", "--diff")
    assert failures(run) == 0, run.output
    playground.assert_nowhere(WORDS, run)
    assert_sent(sim)
    assert sim.whitelist(KEY) == []


def test_success(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    """The other modules are delegated where the server repeats what was sent."""
    run = everything(playground, {**variables, "delegated": ["write"]}, "--diff")
    assert failures(run) == 0, run.output
    playground.assert_nowhere(WORDS, run)
    assert_sent(sim)
    assert set(sim.whitelist(KEY)) == {"198.51.100.2", A, B}


def assert_sent(sim: Simulator) -> None:
    """Each call had the key and the password."""
    assert callers(sim) == {KEY}
    assert {call["params"]["Pwd"] for call in sim.journal()} == {PWD}


VAULTED = """
- hosts: one
  gather_facts: false
  ignore_errors: true
  tasks:
    - name: encrypted in the task
      qingguo.qgnet.qg_whitelist_info: &options
        key: !vault |
          ENCRYPTED
        password: "{{ password }}"
        api_url: "{{ api_url }}"
    - name: encrypted in a delegated task
      qingguo.qgnet.qg_whitelist_info: *options
      delegate_to: bastion
    - name: with a mistake
      qingguo.qgnet.qg_whitelist_info: {<<: *options, timeout: soon}
    - name: with a wrong password
      qingguo.qgnet.qg_whitelist_info: {<<: *options, password: "{{ key }}"}
    - name: looked up
      ansible.builtin.debug:
        msg: "{{ lookup('qingguo.qgnet.proxy', key=key, password=password, api_url=api_url, at_least=0) | length }}"
    - name: in a filter
      ansible.builtin.set_fact:
        found: "{{ url == 'http://' ~ key ~ ':word@tunnel.example:80' }}"
      vars:
        url: "{{ 'tunnel.example:80' | qingguo.qgnet.proxy_tunnel(key=key, password='word') }}"
"""


@pytest.mark.slow
def test_a_vaulted_key_is_used_and_never_shown(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """Since ansible-core 2.19, such text has a type or a tag of its own; since 2.22, Ansible
    replaces it in results.
    """
    vault = VaultLib([("default", VaultSecret(b"opened"))])
    encrypted = {name: vault.encrypt(variables.pop(name)).decode() for name in ("key", "password")}
    secrets = ""
    for name, text in encrypted.items():
        secrets += f"{name}: !vault |\n" + indent(text, "  ") + "\n"
    playground.write("password", "opened\n")
    playground.write("secret.yml", secrets)
    text = EVERYTHING + VAULTED.replace("ENCRYPTED", indent(encrypted["key"], " " * 10).lstrip())
    run = playground.play(
        text,
        inventory=INVENTORY,
        variables={**variables, "delegated": ["read"]},
        arguments=[
            "-vvvv",
            "--diff",
            "--vault-password-file",
            "password",
            "--extra-vars",
            "@secret.yml",
        ],
        environment={"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")},
    )
    assert failed_names(run) == ["with a mistake", "with a wrong password"], run.output
    assert run.of("in a filter").result["ansible_facts"]["found"] is True
    for name in ("read here", "read there", "write here", "encrypted in a delegated task"):
        # No value of the result has anything in common with the key.
        assert "REDACTED" not in str(run.of(name).result), name
    assert set(sim.whitelist(KEY)) == {"198.51.100.2", A, B}
    assert callers(sim) == {KEY}
    passwords = [call["params"]["Pwd"] for call in sim.journal()]
    assert passwords.count(KEY) == 1
    assert set(passwords) == {KEY, PWD}
    playground.assert_nowhere(WORDS, run)


DATA = {"Data": [KEY, PWD], "Total": 1, "Used": 1, "Available": 0, "K": KEY}
#: What the server repeats, and the module that is delegated: its result differs only in how it is
#: printed.
ANSWERS = [
    pytest.param(
        {"kind": "code", "code": -10, "msg": f"bad call Key={KEY}&Pwd={PWD}"}, "read", id="code"
    ),
    pytest.param({"kind": "replace", "body": {"Code": 0, **DATA}}, "quota", id="data"),
    # tests/behavior/test_calls.py has these in each test run.
    *slow_cases(
        ({"kind": "status", "http_status": 500, "body": f"{KEY} failed with {PWD}"}, "quota"),
        (
            {"kind": "redirect", "location": f"http://127.0.0.1:1/?Key={KEY}&Pwd={quote(PWD)}"},
            "write",
        ),
        ({"kind": "replace", "body": {"Code": f"{KEY} {PWD}", "Data": [KEY]}}, "read"),
    ),
]


@pytest.mark.parametrize(("fault", "delegated"), ANSWERS)
def test_answers_that_repeat_what_was_sent(
    sim: Simulator,
    playground: Playground,
    variables: dict[str, Any],
    fault: dict[str, Any],
    delegated: str,
) -> None:
    # In check mode only half of the calls are made; one kind of answers is enough for these.
    arguments = ("--check", "--diff") if fault["kind"] == "status" else ("--diff",)
    for endpoint in (QUERY, ADD, DEL, QUOTA):
        sim.fault(path=endpoint, times=-1, **fault)
    run = everything(playground, {**variables, "max_wait": 0, "delegated": [delegated]}, *arguments)
    assert calls(sim)
    assert run.of(f"{delegated} there").status != "skipped"
    playground.assert_nowhere(WORDS, run)
    if "Total" not in str(fault):
        assert run.of(f"{delegated} there").status == "failed"
        assert failures(run) >= 6, run.output


#: Tasks and the role, each succeeding and failing, whose secrets are in variables only.
FROM_VARIABLES = """
- hosts: one
  gather_facts: false
  vars:
    qg_api_url: "{{ api_url }}"
    qg_max_wait: 0
    qg_key: "{{ key }}"
    qg_password: "{{ password }}"
    qg_app_id: "id"
    qg_app_key: "{{ key }}"
    egress_whitelist_sources: ["{{ echo }}/ip"]
  tasks:
    - {name: task, qingguo.qgnet.qg_whitelist_info: {timeout: 7}}
    - {name: delegated task, qingguo.qgnet.qg_whitelist_info: {}, delegate_to: bastion}
    - {name: loop, qingguo.qgnet.qg_whitelist_info: {}, loop: [1, 2]}
    - {name: role, ansible.builtin.include_role: {name: qingguo.qgnet.egress_whitelist}}
    - name: at an API that refuses connections
      vars:
        qg_api_url: "{{ closed_url }}"
        qg_account_url: "{{ closed_url }}"
      block: BLOCKS
"""
FAILING: dict[str, dict[str, Any]] = {
    "task": {"qingguo.qgnet.qg_whitelist_info": {"timeout": 7}},
    "delegated task": {"qingguo.qgnet.qg_whitelist_info": {}, "delegate_to": "bastion"},
    "loop": {"qingguo.qgnet.qg_whitelist_info": {}, "loop": [1, 2]},
    "retried task": {
        "qingguo.qgnet.qg_whitelist_info": {},
        "retries": 1,
        "delay": 0,
        "until": False,
    },
    "refused option": {"qingguo.qgnet.qg_whitelist_info": {"max_wait": -1}},
    "account": {"qingguo.qgnet.qg_balance_info": {}},
    "role": {"ansible.builtin.include_role": {"name": "qingguo.qgnet.egress_whitelist"}},
}


@pytest.mark.slow
def test_ansible_shows_no_value_of_a_variable_as_an_option_of_the_task(
    sim: Simulator, playground: Playground, variables: dict[str, Any], closed_port: int
) -> None:
    """A rescue and callbacks see the task as the worker returns it."""
    shown = {"ansible.builtin.debug": {"var": "ansible_failed_task"}}
    blocks = []
    for name, task in FAILING.items():
        failing = {"name": f"failing {name}", **task}
        blocks.append({"block": [failing], "rescue": [{"name": f"rescue of {name}", **shown}]})
    run = playground.play(
        FROM_VARIABLES.replace("BLOCKS", json.dumps(blocks)),
        inventory=INVENTORY,
        variables={**variables, "closed_url": f"http://127.0.0.1:{closed_port}"},
        environment={"ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1"},
    ).ok()
    assert run.of("rescue of task").result["ansible_failed_task"]["args"] == {"timeout": 7}
    assert "timeout=7" in run.output
    for name in FAILING:
        assert run.of(f"rescue of {name}").status == "ok"
        if name != "role":
            assert run.of(f"failing {name}").status == "failed"
    assert sim.whitelist(KEY) == [A]
    playground.assert_nowhere(WORDS, run)


MISTAKEN = """
    - name: "{mistake}"
      qingguo.qgnet.qg_whitelist:
        api_url: "{api_url}"
        key: {key}
        password: SECRETPWD
        {mistake}
"""


def test_a_mistake_beside_a_key_that_stands_in_the_playbook(
    playground: Playground, variables: dict[str, Any]
) -> None:
    """Ansible shows the place of a mistake in the playbook: not so the lines with the key."""
    mistakes = ["timeout: soon", "timeout: 0", "ips: [nonsense]", "state: nonsense", "nonsense: 1"]
    text = "- hosts: one\n  gather_facts: false\n  ignore_errors: true\n  tasks:\n"
    for mistake in mistakes:
        text += MISTAKEN.format(mistake=mistake, api_url=variables["api_url"], key=KEY)
        if not mistake.startswith("ips"):
            text += f"        ips: [{A}]\n"
    run = playground.play(text, inventory=INVENTORY, arguments=["-vvvv"])
    assert failed_names(run) == mistakes
    playground.assert_nowhere(WORDS, run)


def test_undelegated_nothing_of_the_key_is_sent_to_the_host(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    text = EVERYTHING.replace("delegate_to: bastion", "delegate_to: localhost")
    inventory = INVENTORY.replace("ansible_connection=local", "ansible_connection=qg_spy")
    run = playground.play(text, inventory=inventory, variables=variables)
    assert failures(run) == 0, run.output
    assert len(sim.journal()) > 10
    for word in WORDS:
        assert word.encode() not in run.spied
    # Only the question for the egress address is sent, as a command: once by its own task, and once
    # by the role.
    kinds = [line.split()[1] for line in run.spied.decode().splitlines() if line.startswith("== ")]
    assert kinds == ["command"] * 2


def test_the_spy_sees_what_is_sent(playground: Playground, variables: dict[str, Any]) -> None:
    text = """
- hosts: one
  gather_facts: false
  tasks:
    - {name: it, ansible.builtin.raw: "echo {{ key }}"}
"""
    inventory = INVENTORY.replace("ansible_connection=local", "ansible_connection=qg_spy")
    shown = text.replace('ansible.builtin.raw: "echo', 'ansible.builtin.debug: {msg: "').replace(
        '}}"}', '}}"}}'
    )
    with pytest.raises(AssertionError, match="SECRETKEY"):
        playground.play(shown, inventory=inventory, variables=variables)
    run = playground.play(text, inventory=inventory, variables=variables).ok()
    assert b"SECRETKEY" in run.spied
    with pytest.raises(AssertionError, match="SECRETKEY"):
        playground.assert_nowhere(WORDS, run)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Key and password stand in no output and in no file, whatever happens, at the highest verbosity."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from simulator.fixture import Simulator
from support.playbooks import ADD, DEL, QUERY, QUOTA, Playground, Run, calls, operate

KEY = "SECRETKEY7Q"
#: With all that has to be written differently in a URL, in HTML or in JSON. The words in it survive any of these.
PWD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'\\x SECRETEND"
WORDS = (b"SECRETKEY", b"SECRETPWD", b"SECRETEND")
A, B = "203.0.113.11", "203.0.113.12"

INVENTORY = f"""
one ansible_connection=local
two ansible_connection=local egress_whitelist_ips="['{B}']"
bastion ansible_connection=local
"""

#: The modules that are delegated, too.
DELEGATED = ["read", "quota", "write"]
#: Every module, here and delegated, and the role; a failure of one does not keep the others from running.
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
      qingguo.qgnet.qg_whitelist: {ips: [198.51.100.2], state: exact}
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


def spellings(secret: str) -> dict[str, str]:
    """How a server may spell a secret when it shows the request that it got."""
    return {
        "plain": secret,
        "as it was sent": urlencode({"": secret}, safe=",*")[1:],
        "with plus signs": quote_plus(secret),
        "with %20": quote(secret),
        "with every sign quoted": quote(secret, safe=""),
        "in HTML": html.escape(secret),
        "with escapes in lower case": re.sub("%..", lambda escape: escape[0].lower(), quote(secret, safe="")),
    }


def assert_no_secret(text: bytes, where: str) -> None:
    """None of the secrets in any spelling, nor in base64 at any offset."""
    for word in WORDS:
        position = text.find(word)
        excerpt = text[max(0, position - 200) : position + 100]
        assert position < 0, f"{where} holds {word!r}: ...{excerpt!r}..."
        for shift in range(3):
            # The first and the last group of signs depend on what stands beside the word.
            encoded = base64.b64encode(b"x" * shift + word)[4:-4]
            assert encoded not in text, f"{where} holds {word!r} in base64"


def assert_silent(run: Run, playground: Playground) -> None:
    assert_no_secret(run.output.encode(), "the output")
    files = playground.left_behind()
    assert files
    for path in files:
        assert_no_secret(path.read_bytes(), str(path))


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
        "delegated": DELEGATED,
    }


def everything(playground: Playground, variables: dict[str, Any], *arguments: str) -> Run:
    log = {"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")}
    return playground.play(
        EVERYTHING, inventory=INVENTORY, variables=variables, arguments=["-vvvv", *arguments], environment=log
    )


def failures(run: Run) -> int:
    return sum(task.status == "failed" for task in run.tasks)


CHECK = pytest.param(("--check", "--diff"), id="check", marks=pytest.mark.slow)


@pytest.mark.parametrize("arguments", [CHECK, pytest.param(("--diff",), id="run")])
def test_success(sim: Simulator, playground: Playground, variables: dict[str, Any], arguments: tuple[str, ...]) -> None:
    run = everything(playground, variables, *arguments)
    assert failures(run) == 0, run.output
    assert_silent(run, playground)
    assert {call["key"] for call in sim.journal()} == {KEY}
    assert {call["params"]["Pwd"] for call in sim.journal()} == {PWD}
    if "--check" not in arguments:
        assert set(sim.whitelist(KEY)) == {"198.51.100.2", A, B}


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
    """Since ansible-core 2.19, such text has a type or a tag of its own; since 2.22, Ansible replaces it in results."""
    vault = VaultLib([("default", VaultSecret(b"opened"))])
    encrypted = {name: vault.encrypt(variables.pop(name)).decode("ascii").split("\n") for name in ("key", "password")}
    playground.write("password", "opened\n")
    playground.write(
        "secret.yml", "".join(f"{name}: !vault |\n  " + "\n  ".join(lines) + "\n" for name, lines in encrypted.items())
    )
    text = EVERYTHING + VAULTED.replace("ENCRYPTED", "\n          ".join(encrypted["key"]))
    run = playground.play(
        text,
        inventory=INVENTORY,
        variables={**variables, "delegated": ["read"]},
        arguments=["-vvvv", "--diff", "--vault-password-file", "password", "--extra-vars", "@secret.yml"],
        environment={"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")},
    )
    mistakes = [task.name for task in run.tasks if task.status == "failed"]
    assert mistakes == ["with a mistake", "with a wrong password"], run.output
    assert run.of("in a filter").result["ansible_facts"]["found"] is True
    for name in ("read here", "read there", "write here", "encrypted in a delegated task"):
        # No value of the result has anything in common with the key.
        assert "REDACTED" not in str(run.of(name).result), name
    assert set(sim.whitelist(KEY)) == {"198.51.100.2", A, B}
    assert {call["key"] for call in sim.journal()} == {KEY}
    assert [call["params"]["Pwd"] for call in sim.journal() if call["params"]["Pwd"] != PWD] == [KEY]
    assert_silent(run, playground)


#: What the server repeats, and the module that is delegated: its result differs only in how it is printed.
ANSWERS = [
    pytest.param({"kind": "code", "code": -10, "msg": f"bad call Key={KEY}&Pwd={PWD}"}, "read", id="code"),
    pytest.param({"kind": "status", "http_status": 500, "body": f"{KEY} failed with {PWD}"}, "quota", id="status"),
    pytest.param(
        {"kind": "redirect", "location": f"http://127.0.0.1:1/?Key={KEY}&Pwd={quote(PWD)}"}, "write", id="redirect"
    ),
    pytest.param({"kind": "replace", "body": {"Code": f"{KEY} {PWD}", "Data": [KEY]}}, "read", id="code in words"),
    pytest.param(
        {"kind": "replace", "body": {"Code": 0, "Data": [KEY, PWD], "Total": 1, "Used": 1, "Available": 0, "K": KEY}},
        "write",
        id="data",
    ),
]


@pytest.mark.parametrize(("fault", "delegated"), ANSWERS)
def test_answers_that_repeat_what_was_sent(
    sim: Simulator, playground: Playground, variables: dict[str, Any], fault: dict[str, Any], delegated: str
) -> None:
    # In check mode only half of the calls are made; one kind of answers is enough for these.
    arguments = ("--check", "--diff") if fault["kind"] == "status" else ("--diff",)
    for endpoint in (QUERY, ADD, DEL, QUOTA):
        sim.fault(path=endpoint, times=-1, **fault)
    run = everything(playground, {**variables, "max_wait": 0, "delegated": [delegated]}, *arguments)
    assert calls(sim)
    assert run.of(f"{delegated} there").status != "skipped"
    assert_silent(run, playground)
    if "Total" not in str(fault):
        assert run.of(f"{delegated} there").status == "failed"
        assert failures(run) >= 6, run.output


@pytest.mark.slow
def test_tasks_that_cannot_succeed(
    sim: Simulator, playground: Playground, variables: dict[str, Any], closed_port: int
) -> None:
    """Bad options, a wrong password and a server that is not there: a host for each."""
    guarded = f"{KEY}2"
    sim.configure(guarded, pwd="another", api_auth=True)
    cases: dict[str, dict[str, Any]] = {
        "numbers": {"limit": 0, "max_wait": "long"},
        "address": {"api_url": f"ftp://127.0.0.1/?Key={KEY}"},
        "password": {"key": guarded},
        "refused": {"api_url": f"http://127.0.0.1:{closed_port}", "max_wait": 0},
    }
    local = {"ansible_connection": "local"}
    hosts = {name: {**variables, **local, **changes} for name, changes in cases.items()}
    inventory = {"all": {"hosts": {"bastion": local}, "children": {"cases": {"hosts": hosts}}}}
    text = EVERYTHING.replace("hosts: one:two\n", "hosts: cases\n").replace("hosts: one\n", "hosts: cases\n")
    log = {"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")}
    run = playground.play(text, inventory=json.dumps(inventory), arguments=["-vvvv"], environment=log)
    modules = [f"{name} {place}" for name in DELEGATED for place in ("here", "there")]
    for name in cases:
        statuses = {task.name: task.status for task in run.tasks if task.host == name}
        assert {module: statuses[module] for module in modules} == dict.fromkeys(modules, "failed"), name
        assert list(statuses.values()).count("failed") >= 8, (name, statuses)
    assert_silent(run, playground)


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
FAILING = {
    "task": {"qingguo.qgnet.qg_whitelist_info": {"timeout": 7}},
    "delegated task": {"qingguo.qgnet.qg_whitelist_info": {}, "delegate_to": "bastion"},
    "loop": {"qingguo.qgnet.qg_whitelist_info": {}, "loop": [1, 2]},
    "retried task": {"qingguo.qgnet.qg_whitelist_info": {}, "retries": 1, "delay": 0, "until": False},
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
    blocks = [
        {"block": [{"name": f"failing {name}", **task}], "rescue": [{"name": f"rescue of {name}", **shown}]}
        for name, task in FAILING.items()
    ]
    run = playground.play(
        FROM_VARIABLES.replace("BLOCKS", json.dumps(blocks)),
        inventory=INVENTORY,
        variables={**variables, "closed_url": f"http://127.0.0.1:{closed_port}"},
        environment={"ANSIBLE_DISPLAY_ARGS_TO_STDOUT": "1"},
    ).ok()
    assert run.of("rescue of task").result["ansible_failed_task"]["args"] == {"timeout": 7}
    assert "timeout=7" in run.output
    failed = {task.name for task in run.tasks if task.status == "failed"}
    assert {f"failing {name}" for name in FAILING if name != "role"} < failed
    rescued = {task.name for task in run.tasks if task.name.startswith("rescue")}
    assert rescued == {f"rescue of {name}" for name in FAILING}
    assert sim.whitelist(KEY) == [A]
    assert_silent(run, playground)


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["connection", "state directory"])
def test_nothing_that_is_lost_or_cannot_be_used_shows_a_secret(
    sim: Simulator, playground: Playground, variables: dict[str, Any], broken: str
) -> None:
    if broken == "connection":
        for endpoint, kind in ((QUERY, "reset_after"), (QUOTA, "truncate")):
            sim.fault(path=endpoint, kind=kind, times=-1)
        variables["max_wait"] = 0
    else:
        playground.store.write_text("a file\n")
    run = everything(playground, variables)
    assert failures(run) >= 8, run.output
    assert_silent(run, playground)


def test_a_mistake_beside_a_key_that_stands_in_the_playbook(playground: Playground, variables: dict[str, Any]) -> None:
    """Ansible shows the place of a mistake in the playbook: not so the lines with the key."""
    mistakes = ["timeout: soon", "timeout: 0", "ips: [nonsense]", "state: nonsense", "nonsense: 1"]
    text = "- hosts: one\n  gather_facts: false\n  ignore_errors: true\n  tasks:\n" + "".join(
        f"""
    - name: "{mistake}"
      qingguo.qgnet.qg_whitelist:
        api_url: "{variables["api_url"]}"
        key: {KEY}
        password: SECRETPWD
        {mistake}
        {"" if mistake.startswith("ips") else f"ips: [{A}]"}
"""
        for mistake in mistakes
    )
    run = playground.play(text, inventory=INVENTORY, arguments=["-vvvv"])
    assert [(task.name, task.status) for task in run.tasks] == [(mistake, "failed") for mistake in mistakes]
    assert_silent(run, playground)


@pytest.mark.slow
def test_secrets_of_the_environment(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    text = """
- hosts: one
  gather_facts: false
  ignore_errors: true
  tasks:
    - {name: here, qingguo.qgnet.qg_whitelist_info: {}}
    - {name: there, qingguo.qgnet.qg_whitelist_info: {}, delegate_to: bastion}
    - {name: bad here, qingguo.qgnet.qg_whitelist_info: {max_wait: -1}}
    - {name: bad there, qingguo.qgnet.qg_whitelist_info: {max_wait: -1}, delegate_to: bastion}
"""
    environment = {"QG_KEY": KEY, "QG_PASSWORD": PWD, "QG_API_URL": sim.api_url}
    run = playground.play(text, inventory=INVENTORY, arguments=["-vvvv"], environment=environment)
    assert [run.of(name).status for name in ("here", "there", "bad here", "bad there")] == ["ok", "ok"] + ["failed"] * 2
    assert len(sim.journal()) == 2
    assert_silent(run, playground)


def test_undelegated_nothing_of_the_key_is_sent_to_the_host(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    text = EVERYTHING.replace("delegate_to: bastion", "delegate_to: localhost")
    inventory = INVENTORY.replace("ansible_connection=local", "ansible_connection=qg_spy")
    run = playground.play(text, inventory=inventory, variables=variables)
    assert failures(run) == 0, run.output
    assert len(sim.journal()) > 10
    assert_no_secret(run.spied, "what was sent to the host")
    # Only the question for the egress address is sent, as a command: once by its own task, and once by the role.
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
    shown = text.replace('ansible.builtin.raw: "echo', 'ansible.builtin.debug: {msg: "').replace('}}"}', '}}"}}')
    with pytest.raises(AssertionError, match="SECRETKEY"):
        playground.play(shown, inventory=inventory, variables=variables)
    run = playground.play(text, inventory=inventory, variables=variables).ok()
    with pytest.raises(AssertionError, match="SECRETKEY"):
        assert_no_secret(run.spied, "what was sent to the host")
    with pytest.raises(AssertionError, match="SECRETKEY"):
        assert_silent(run, playground)


@pytest.mark.parametrize("kind", ["garbage", "code"])
def test_a_server_that_shows_the_request(common: dict[str, Any], sim: Simulator, kind: str) -> None:
    for spelling, secret in spellings(PWD).items():
        shown = f"GET /x?Key={KEY}&Pwd={secret}"
        sim.fault(path=QUERY, kind=kind, **({"body": shown} if kind == "garbage" else {"code": -10, "msg": shown}))
        result = operate("qg_whitelist_info", {**common, "key": KEY, "password": PWD, "max_wait": 0})
        assert "GET /x" in result["msg"], spelling
        assert_no_secret(str(result).encode(), f"the result, {spelling},")

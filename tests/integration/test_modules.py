# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every API module as a task: on the control node, and delegated to another host, where it runs as a module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.playbooks import ADD, DEL, QUERY, QUOTA, Playground, assert_one_sentence, calls

pytestmark = pytest.mark.measured

A, B, C = "203.0.113.1", "203.0.113.2", "203.0.113.3"
INVENTORY = "app ansible_connection=qg_spy\nbastion ansible_connection=qg_spy\n"
HERE, THERE = "", "delegate_to: bastion"

PLAY = """
- hosts: app
  gather_facts: false
{defaults}
  tasks:
    - name: it
      qingguo.qgnet.{module}: {{{options}}}
      {extra}
"""

DEFAULTS = """
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{ key }}"
      api_url: "{{ api_url }}"
"""


def play(module: str, options: str = "", extra: str = "", defaults: str = DEFAULTS) -> str:
    return PLAY.format(module=module, options=options, extra=extra, defaults=defaults)


def task(name: str, module: str, options: str = "", *lines: str) -> str:
    """One more task of a playbook, with these lines beside its module; a failure does not end the playbook."""
    parts = [f"    - name: {name}", *(f"qingguo.qgnet.{module}: {{{options}}}", "ignore_errors: true", *lines)]
    return "\n      ".join(part for part in parts if part) + "\n"


def play_tasks(*tasks: str, defaults: str = DEFAULTS) -> str:
    return f"- hosts: app\n  gather_facts: false\n{defaults}\n  tasks:\n{''.join(tasks)}"


#: Options with which each module of the whitelist and the quota succeeds.
OPTIONS = {"qg_whitelist": f"ips: [{A}], allow_non_global: true", "qg_whitelist_info": "", "qg_quota_info": ""}


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    return {"key": sim.key, "api_url": sim.api_url}


#: The oldest core runs every module delegated in a test of its own.
PLACES = [pytest.param(HERE, id="here"), pytest.param(THERE, id="delegated", marks=pytest.mark.newest_core)]


@pytest.fixture(params=PLACES)
def where(request: pytest.FixtureRequest) -> str:
    """What makes the task run on the control node, or elsewhere."""
    place: str = request.param
    return place


def test_qg_whitelist(sim: Simulator, playground: Playground, variables: dict[str, Any], where: str) -> None:
    sim.configure(whitelist=[A])
    text = play("qg_whitelist", f"ips: [{B}, {A}], allow_non_global: true", where)

    predicted = playground.play(text, inventory=INVENTORY, variables=variables, arguments=["--check", "--diff"]).ok()
    assert calls(sim) == [QUERY]
    done = playground.play(text, inventory=INVENTORY, variables=variables, arguments=["--diff"]).ok()
    assert sim.whitelist() == [A, B]
    for run in (predicted, done):
        result = run.of("it").result
        assert result["changed"] is True
        assert result["added"] == [B]
        assert result["already_present"] == [A]
        assert result["whitelist"] == [A, B]
        assert result["diff"]["before"] == f"{A}\n"
        assert result["diff"]["after"] == f"{A}\n{B}\n"
        assert f"+{B}" in run.stdout
    assert done.of("it").result["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(done.spied) is (where == THERE)

    sim.control("DELETE", "/journal")
    again = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    assert again.of("it").result["changed"] is False
    assert "diff" not in again.of("it").result
    assert calls(sim) == [QUERY]


@pytest.mark.newest_core
def test_a_failure_of_qg_whitelist_still_reports_what_was_done(
    sim: Simulator, playground: Playground, variables: dict[str, Any], where: str
) -> None:
    sim.configure("QGOTHER1", whitelist=[B])
    text = play("qg_whitelist", f"ips: [{A}, {B}, {C}], allow_non_global: true", where)
    run = playground.play(text, inventory=INVENTORY, variables=variables)
    failed = run.of("it")
    assert run.rc == 2
    assert failed.status == "failed"
    assert failed.result["changed"] is True
    assert failed.result["added"] == [A, C]
    assert [item["ip"] for item in failed.result["refused"]] == [B]
    assert failed.result["code"] == -206
    assert_one_sentence(failed.result["msg"])
    assert "Traceback" not in str(failed.result)


def test_reading(sim: Simulator, playground: Playground, variables: dict[str, Any], where: str) -> None:
    sim.configure(whitelist=[B, A], channels=4, used=1)
    modules = {"qg_whitelist_info": "", "qg_quota_info": "at_least: 3"}
    text = play_tasks(
        *(
            task(f"{module} {mode}", module, options, where, lines)
            for module, options in modules.items()
            for mode, lines in (("run", ""), ("check", "check_mode: true\n      diff: true"))
        )
    )
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    for mode in ("run", "check"):
        listed, quota = (run.of(f"{module} {mode}") for module in modules)
        assert (listed.status, quota.status) == ("ok", "ok"), mode
        assert listed.result["changed"] is quota.result["changed"] is False, mode
        assert listed.result["whitelist"] == [A, B], mode
        assert listed.result["count"] == 2, mode
        assert quota.result["quota"]["available"] == 3, mode
        assert quota.result["sufficient"] is True, mode
    assert calls(sim) == [QUERY, QUERY, QUOTA, QUOTA]


@pytest.mark.newest_core
def test_a_refusal_is_one_clear_error(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    sim.configure(status="expired", options={"error_status": 400})
    places = dict(zip(OPTIONS, (HERE, THERE, HERE), strict=True))
    text = play_tasks(*(task(module, module, OPTIONS[module], place) for module, place in places.items()))
    run = playground.play(text, inventory=INVENTORY, variables=variables)
    for module in OPTIONS:
        failed = run.of(module)
        endpoint = QUOTA if module == "qg_quota_info" else QUERY
        assert failed.status == "failed", module
        assert failed.result["code"] == -100, module
        assert failed.result["meaning"] == "plan missing or expired", module
        assert failed.result["endpoint"] == endpoint, module
        assert failed.result["http_status"] == 400, module
        assert_one_sentence(failed.result["msg"])
        printed = run.output.partition(f"TASK [{module}]")[2].partition("TASK [")[0]
        assert f"{endpoint} was refused with code -100 (plan missing or expired" in printed, module
    assert "Traceback" not in run.output
    assert calls(sim) == [QUERY, QUERY, QUOTA]


@pytest.mark.newest_core
def test_key_and_address_from_the_environment(sim: Simulator, playground: Playground) -> None:
    sim.configure(pwd="pass word", api_auth=True)
    places = dict(zip(OPTIONS, (HERE, THERE, HERE), strict=True))
    text = play_tasks(*(task(module, module, OPTIONS[module], place) for module, place in places.items()), defaults="")
    environment = {"QG_KEY": sim.key, "QG_PWD": "pass word", "QG_API_URL": sim.api_url, "QG_TIMEOUT": "7"}
    run = playground.play(text, inventory=INVENTORY, environment=environment).ok()
    assert {done.name: done.status for done in run.tasks} == dict.fromkeys(OPTIONS, "ok")
    assert {call["key"] for call in sim.journal()} == {sim.key}
    assert calls(sim) == [QUERY, ADD, QUERY, QUERY, QUOTA]


@pytest.mark.newest_core
def test_an_option_wins_over_the_environment(sim: Simulator, playground: Playground, where: str) -> None:
    text = play("qg_whitelist_info", "", where)
    environment = {"QG_KEY": "WRONGKEY", "QG_API_URL": "http://127.0.0.1:1"}
    variables = {"key": sim.key, "api_url": sim.api_url}
    playground.play(text, inventory=INVENTORY, variables=variables, environment=environment).ok()
    assert {call["key"] for call in sim.journal()} == {sim.key}


def test_without_a_key_the_task_says_what_is_missing(sim: Simulator, playground: Playground) -> None:
    modules = {**OPTIONS, "qg_whitelist": f"ips: [{A}]", "qg_egress_whitelist": "step: detect"}
    text = play_tasks(*(task(module, module, options) for module, options in modules.items()), defaults="")
    run = playground.play(text, inventory=INVENTORY, environment={"QG_API_URL": sim.api_url})
    for module in modules:
        assert run.of(module).status == "failed", module
        assert "key" in run.of(module).result["msg"], module
        assert "missing" in run.of(module).result["msg"], module
    assert sim.journal() == []


def test_a_bad_option_is_reported_before_any_call(
    sim: Simulator, playground: Playground, variables: dict[str, Any], where: str
) -> None:
    mistakes = [
        (module, needed, option, value)
        for module, needed in (
            ("qg_whitelist", f"ips: [{A}], allow_non_global: true, "),
            ("qg_whitelist_info", ""),
            ("qg_quota_info", ""),
        )
        for option, value in (("timeout", "0"), ("max_wait", "soon"), ("nonsense", "1"))
    ]
    if where == THERE:
        # Each module and each option once.
        mistakes = mistakes[::4]
    text = play("qg_whitelist_info", extra="when: false") + "".join(
        f"""
    - name: {module} {option}
      qingguo.qgnet.{module}: {{{needed}{option}: {value}}}
      ignore_errors: true
      {where}
"""
        for module, needed, option, value in mistakes
    )
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    failed = [done for done in run.tasks if done.status == "failed"]
    assert len(failed) == len(mistakes)
    for done in failed:
        assert done.name.split()[1] in done.result["msg"]
        assert done.result["changed"] is False
    assert "Traceback" not in run.output
    assert sim.journal() == []


def test_an_option_or_a_keyword_that_is_not_supported_is_reported_as_such(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    in_background = {
        task("async here", "qg_whitelist", f"ips: [{A}]", "async: 10", "poll: 0"): "qg_whitelist",
        task("async there", "qg_whitelist_info", "", "async: 10", THERE): "qg_whitelist_info",
        task("async on the host", "qg_egress_ip_info", "", "async: 10"): "qg_egress_ip_info",
    }
    text = play_tasks(task("it", "qg_whitelist_info", "nonsense: 1"), *in_background)
    run = playground.play(text, inventory=INVENTORY, variables=variables)
    message = run.of("it").result["msg"]
    assert "nonsense is not an option of qg_whitelist_info" in message
    refused = [done for done in run.tasks if done.name.startswith("async")]
    for done, module in zip(refused, in_background.values(), strict=True):
        assert done.status == "failed"
        assert_one_sentence(done.result["msg"])
        assert f"async is not supported by {module}: remove async and poll from the task." in done.result["msg"]
    assert (sim.journal(), run.spied) == ([], b"")


def test_the_action_group_sets_the_options_of_every_module(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    text = play("qg_egress_ip_info", "sources: ['{{ api_url }}/ip'], allow_non_global: true")
    run = playground.play(text, inventory=INVENTORY, variables=variables)
    assert run.of("it").status == "ok", run.of("it").result["msg"]


def test_delegating_to_this_machine_needs_no_module(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    text = play("qg_whitelist_info", "", "delegate_to: localhost")
    # A Python that does not exist shows that none is started.
    broken = {**variables, "ansible_python_interpreter": "/nonexistent/python"}
    run = playground.play(text, inventory=INVENTORY, variables=broken).ok()
    assert run.spied == b""
    assert calls(sim) == [QUERY]


def test_a_host_without_python_is_no_hindrance(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    text = play("qg_whitelist", f"ips: [{A}], allow_non_global: true", "become: true")
    broken = {**variables, "ansible_python_interpreter": "/nonexistent/python"}
    assert playground.play(text, inventory=INVENTORY, variables=broken).ok().spied == b""
    assert sim.whitelist() == [A]


def test_a_loop_changes_nothing_else(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    extra = f"loop: [{A}, {B}, {A}]"
    text = play("qg_whitelist", "ips: ['{{ item }}'], allow_non_global: true", extra)
    result = playground.play(text, inventory=INVENTORY, variables=variables).ok().of("it").result
    assert [item["changed"] for item in result["results"]] == [True, True, False]
    assert sim.whitelist() == [A, B]
    assert calls(sim, ADD, DEL) == [ADD, ADD]


def test_requests_missing_on_the_control_node(
    sim: Simulator, playground: Playground, variables: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('No module named requests')\n")
    python_path = f"{tmp_path}:{playground._environment(tmp_path, tmp_path).get('PYTHONPATH', '')}"
    modules = {"qg_whitelist": f"ips: [{A}]", "qg_quota_info": "", "qg_egress_whitelist": "step: detect"}
    text = play_tasks(*(task(module, module, options) for module, options in modules.items()))
    run = playground.play(text, inventory=INVENTORY, variables=variables, environment={"PYTHONPATH": python_path})
    for module in modules:
        message = run.of(module).result["msg"]
        assert run.of(module).status == "failed", module
        assert "requests" in message, module
        assert sys.executable in message, module
    assert sim.journal() == []


def test_requests_missing_where_the_task_was_delegated_to(
    sim: Simulator, playground: Playground, variables: dict[str, Any], tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    interpreter = str(bare / "bin" / "python")
    text = play("qg_whitelist_info", "", THERE)
    run = playground.play(
        text,
        inventory=INVENTORY,
        variables=variables,
        arguments=["-e", f"ansible_python_interpreter={interpreter}"],
        environment={"PYTHONPATH": ""},
    )
    message = run.of("it").result["msg"]
    assert run.of("it").status == "failed"
    assert "requests" in message
    assert interpreter in message
    assert sim.journal() == []

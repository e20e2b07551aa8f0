# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the whitelist and the quota as tasks: on the control node, and as a module on another host."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.module_tasks import CHECK, IGNORE, NO_PYTHON, SPYING, THERE, from_variables, play, printed, task
from support.playground import ADD, DEL, QUERY, QUOTA, Playground, Run, assert_one_sentence, calls

A, B, C = "203.0.113.1", "203.0.113.2", "203.0.113.3"
DEFAULTS = from_variables("key", "api_url")
#: Options with which each module of the whitelist and the quota succeeds.
OPTIONS: dict[str, dict[str, Any]] = {
    "qg_whitelist": {"ips": [A]},
    "qg_whitelist_info": {},
    # With the default product, reads would show it first.
    "qg_quota_info": {"product": "classic"},
}
#: Each of them as a task, in turn here and delegated.
TASKS = [
    task(module, module, options, **IGNORE, **place)
    for (module, options), place in zip(OPTIONS.items(), ({}, THERE, {}), strict=True)
]


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    return {"key": sim.key, "api_url": sim.api_url}


#: Delegated, each module runs in the tests of secrets on each change.
PLACES = [
    pytest.param({}, id="here"),
    pytest.param(THERE, id="delegated", marks=pytest.mark.slow),
]


def run(playground: Playground, variables: dict[str, Any], *tasks: dict[str, Any], **how: Any) -> Run:
    return playground.play(play(*tasks, defaults=DEFAULTS), inventory=SPYING, variables=variables, **how)


@pytest.mark.parametrize("where", PLACES)
def test_each_module(sim: Simulator, playground: Playground, variables: dict[str, Any], where: dict[str, Any]) -> None:
    """qg_whitelist in check mode, for real and again, and then the two that read, in both modes."""
    sim.configure(whitelist=[A], channels=4, used=1)
    options = {"ips": [B, A]}
    classic = {"product": "classic"}
    played = run(
        playground,
        variables,
        task("predicted", "qg_whitelist", options, **where, **CHECK),
        task("done", "qg_whitelist", options, **where, diff=True),
        task("again", "qg_whitelist", options, **where),
        task("listed", "qg_whitelist_info", **where),
        task("quota", "qg_quota_info", classic, **where),
        task("listed in check mode", "qg_whitelist_info", **CHECK),
        task("quota in check mode", "qg_quota_info", classic, **CHECK),
    ).ok()
    for name in ("predicted", "done"):
        result = played.of(name).result
        assert (result["changed"], result["added"], result["removed"]) == (True, [B], [])
        assert result["whitelist"] == [A, B]
        assert (result["diff"]["before"], result["diff"]["after"]) == (f"{A}\n", f"{A}\n{B}\n")
        assert f"+{B}" in printed(played.stdout, name)
    assert played.of("done").result["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    assert played.of("again").result["changed"] is False
    assert "diff" not in played.of("again").result
    for mode in ("", " in check mode"):
        listed, quota = (played.of(f"{name}{mode}").result for name in ("listed", "quota"))
        assert listed["changed"] is quota["changed"] is False, mode
        assert listed["whitelist"] == [A, B], mode
        assert quota["quota"]["available"] == 3, mode
    assert calls(sim) == [QUERY, QUERY, ADD, QUERY, QUERY, QUERY, QUOTA, QUERY, QUOTA]
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(played.spied) is bool(where)


def test_a_refusal_is_one_clear_error(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    sim.configure(status="expired", options={"error_status": 400})
    played = run(playground, variables, *TASKS)
    for module in OPTIONS:
        failed = played.of(module)
        endpoint = QUOTA if module == "qg_quota_info" else QUERY
        error = failed.result["error"]
        assert (failed.status, error["code"], error["http_status"]) == ("failed", -100, 400), module
        assert error["meaning"] == "plan missing or expired", module
        assert error["endpoint"] == endpoint, module
        assert_one_sentence(failed.result["msg"])
        words = f"{endpoint} was refused with code -100 (plan missing or expired"
        assert words in printed(played.output, module), module
    assert "Traceback" not in played.output
    assert calls(sim) == [QUERY, QUERY, QUOTA]


def test_key_and_address_from_the_environment(sim: Simulator, playground: Playground) -> None:
    sim.configure(pwd="pass word", api_auth=True)
    environment = {"QG_KEY": sim.key, "QG_PASSWORD": "pass word", "QG_API_URL": sim.api_url, "QG_TIMEOUT": "7"}
    played = playground.play(play(*TASKS), inventory=SPYING, environment=environment).ok()
    assert {done.name: done.status for done in played.tasks} == dict.fromkeys(OPTIONS, "ok")
    assert {call["key"] for call in sim.journal()} == {sim.key}
    assert calls(sim) == [QUERY, ADD, QUERY, QUERY, QUOTA]


def test_without_a_key_the_task_says_what_is_missing(sim: Simulator, playground: Playground) -> None:
    modules = {**OPTIONS, "qg_egress_whitelist": {"step": "detect"}}
    text = play(*(task(module, module, options, **IGNORE) for module, options in modules.items()))
    played = playground.play(text, inventory=SPYING, environment={"QG_API_URL": sim.api_url})
    for module in modules:
        failed = played.of(module)
        assert failed.status == "failed", module
        assert "key" in failed.result["msg"], module
        assert "missing" in failed.result["msg"], module
    assert sim.journal() == []


def test_a_bad_option_or_keyword_is_reported_before_any_call(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    mistakes = [
        task(f"{module} {option}", module, {**needed, option: value}, **IGNORE)
        for module, needed in OPTIONS.items()
        for option, value in {"timeout": 0, "max_wait": "soon", "nonsense": 1}.items()
    ]
    # Delegated, each module and each option once.
    mistakes += [{**each, **THERE, "name": f"{each['name']} there"} for each in mistakes[::4]]
    asynchronous = [
        task("qg_whitelist here", "qg_whitelist", {"ips": [A]}, **{"async": 10, "poll": 0}, **IGNORE),
        task("qg_whitelist_info there", "qg_whitelist_info", **{"async": 10}, **THERE, **IGNORE),
        task("qg_egress_ip_info on the host", "qg_egress_ip_info", **{"async": 10}, **IGNORE),
    ]
    played = run(playground, variables, *mistakes, *asynchronous).ok()
    assert {done.name: done.status for done in played.tasks} == dict.fromkeys(
        (each["name"] for each in [*mistakes, *asynchronous]), "failed"
    )
    for done in played.tasks:
        _module, option, *_place = done.name.split()
        words = {
            "nonsense": "nonsense is not an option: the options are",
            **dict.fromkeys(("timeout", "max_wait"), option),
        }.get(option, "async")
        assert words in done.result["msg"], done.name
        assert_one_sentence(done.result["msg"])
        assert done.result["changed"] is False
    assert "Traceback" not in played.output
    assert sim.journal() == []


def test_on_the_control_node_no_python_of_a_host_is_needed(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    """Also where the task is delegated to this machine, becomes another user, or loops."""
    looped = {"ips": ["{{ item }}"]}
    played = run(
        playground,
        {**variables, **NO_PYTHON},
        task("delegated", "qg_whitelist_info", delegate_to="localhost"),
        task("become", "qg_whitelist", OPTIONS["qg_whitelist"], become=True),
        task("loop", "qg_whitelist", looped, loop=[B, C, B]),
    ).ok()
    assert [item["changed"] for item in played.of("loop").result["results"]] == [True, True, False]
    assert sim.whitelist() == [A, B, C]
    assert calls(sim, ADD, DEL) == [ADD] * 3
    assert played.spied == b""


@pytest.mark.measured
def test_requests_missing_on_the_control_node_or_where_the_task_was_delegated_to(
    sim: Simulator, playground: Playground, variables: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('No module named requests')\n")
    python_path = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    modules = {"qg_whitelist": {"ips": [A]}, "qg_quota_info": {}, "qg_egress_whitelist": {"step": "detect", "ips": [A]}}
    tasks = [task(module, module, options, **IGNORE) for module, options in modules.items()]
    tasks.append(task("delegated", "qg_whitelist_info", **THERE, **IGNORE))
    played = run(playground, variables, *tasks, environment=python_path)
    for module in (*modules, "delegated"):
        message = played.of(module).result["msg"]
        assert played.of(module).status == "failed", module
        assert "requests" in message, module
        assert sys.executable in message, module
    assert sim.journal() == []

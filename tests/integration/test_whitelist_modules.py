# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules of the whitelist and the quota as tasks: on the control node, and as a module on
another host.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from integration.module_tasks import (
    CHECK,
    IGNORE,
    NO_PYTHON,
    SPYING,
    THERE,
    play,
    play_tasks,
    printed,
    task,
)
from integration.playground import ADD, DEL, QUERY, QUOTA, Playground, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import assert_one_sentence

A, B, C = "203.0.113.1", "203.0.113.2", "203.0.113.3"
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


#: Delegated, each module runs in the tests of secrets on each change.
PLACES = [
    pytest.param({}, id="here"),
    pytest.param(THERE, id="delegated", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("where", PLACES)
def test_each_module(sim: Simulator, playground: Playground, where: dict[str, Any]) -> None:
    """qg_whitelist in check mode, for real and again, and then the two that read, in both modes."""
    sim.configure(whitelist=[A], channels=4, used=1)
    options = {"ips": [B, A]}
    classic = {"product": "classic"}
    run = play_tasks(
        playground,
        task("predicted", "qg_whitelist", options, **where, **CHECK),
        task("done", "qg_whitelist", options, **where, diff=True),
        task("again", "qg_whitelist", options, **where),
        task("listed", "qg_whitelist_info", **where),
        task("quota", "qg_quota_info", classic, **where),
        task("listed in check mode", "qg_whitelist_info", **CHECK),
        task("quota in check mode", "qg_quota_info", classic, **CHECK),
    ).ok()
    for name in ("predicted", "done"):
        result = run.of(name).result
        assert result["changed"] is True
        assert result["added"] == [B]
        assert result["removed"] == []
        assert result["whitelist"] == [A, B]
        assert result["diff"]["before"] == f"{A}\n"
        assert result["diff"]["after"] == f"{A}\n{B}\n"
        assert f"+{B}" in printed(run.stdout, name)
    assert run.of("done").result["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    assert run.of("again").result["changed"] is False
    assert "diff" not in run.of("again").result
    for mode in ("", " in check mode"):
        listed = run.of(f"listed{mode}").result
        quota = run.of(f"quota{mode}").result
        assert listed["changed"] is False
        assert quota["changed"] is False
        assert listed["whitelist"] == [A, B]
        assert quota["quota"]["available"] == 3
    assert calls(sim) == [QUERY, QUERY, ADD, QUERY, QUERY, QUERY, QUOTA, QUERY, QUOTA]
    # Here, nothing at all is sent to the host; delegated, the module is.
    assert bool(run.spied) is bool(where)


def test_a_refusal_is_one_clear_error(sim: Simulator, playground: Playground) -> None:
    sim.configure(status="expired", options={"error_status": 400})
    run = play_tasks(playground, *TASKS)
    for module in OPTIONS:
        refusal = run.of(module)
        endpoint = QUOTA if module == "qg_quota_info" else QUERY
        assert refusal.status == "failed"
        assert_one_sentence(refusal.result["msg"])
        error = refusal.result["error"]
        assert error["code"] == -100
        assert error["http_status"] == 400
        assert error["endpoint"] == endpoint
        assert f"{endpoint} {phrases.PLAN_EXPIRED}" in printed(run.output, module)
    assert "Traceback" not in run.output
    assert calls(sim) == [QUERY, QUERY, QUOTA]


def test_key_and_address_from_the_environment(sim: Simulator, playground: Playground) -> None:
    sim.configure(pwd="pass word", api_auth=True)
    environment = {
        "QG_KEY": sim.key,
        "QG_PASSWORD": "pass word",
        "QG_API_URL": sim.api_url,
        "QG_TIMEOUT": "7",
    }
    run = playground.play(play(*TASKS), inventory=SPYING, environment=environment).ok()
    assert [done.status for done in run.tasks] == ["ok"] * len(TASKS)
    assert {call["key"] for call in sim.journal()} == {sim.key}
    assert calls(sim) == [QUERY, ADD, QUERY, QUERY, QUOTA]


def test_without_a_key_the_task_says_what_is_missing(
    sim: Simulator, playground: Playground
) -> None:
    modules = {**OPTIONS, "qg_egress_whitelist": {"step": "detect"}}
    text = play(*(task(module, module, options, **IGNORE) for module, options in modules.items()))
    run = playground.play(text, inventory=SPYING, environment={"QG_API_URL": sim.api_url})
    for module in modules:
        assert run.of(module).status == "failed"
        assert f"key {phrases.IS_MISSING}" in run.of(module).result["msg"]
    assert sim.journal() == []


def test_a_bad_option_or_keyword_is_reported_before_any_call(
    sim: Simulator, playground: Playground
) -> None:
    """Of each module, and once where a task is delegated. No module may be asynchronous."""
    values = {"timeout": 0, "max_wait": "soon", "nonsense": 1}
    words: dict[str, str] = {}
    tasks = []
    for module, needed in OPTIONS.items():
        for option, value in values.items():
            name = f"{module} {option}"
            words[name] = f"nonsense {phrases.NO_OPTION}" if option == "nonsense" else f"{option}="
            tasks.append(task(name, module, {**needed, option: value}))
    words["there"] = f"nonsense {phrases.NO_OPTION}"
    tasks.append(task("there", "qg_whitelist", {"ips": [A], "nonsense": 1}, **THERE))
    later: dict[str, Any] = {"async": 10, "poll": 0}
    asynchronous = [
        task("async here", "qg_whitelist", {"ips": [A]}, **later),
        task("async there", "qg_whitelist_info", **later, **THERE),
        task("async on the host", "qg_egress_ip_info", **later),
    ]
    words |= {each["name"]: "async" for each in asynchronous}

    run = play_tasks(playground, *tasks, *asynchronous, **IGNORE).ok()

    for name, part in words.items():
        done = run.of(name)
        assert done.status == "failed"
        assert part in done.result["msg"]
        assert_one_sentence(done.result["msg"])
        assert done.result["changed"] is False
    assert "Traceback" not in run.output
    assert sim.journal() == []


def test_on_the_control_node_no_python_of_a_host_is_needed(
    sim: Simulator, playground: Playground
) -> None:
    """Also where the task is delegated to this machine, becomes another user, or loops."""
    looped = {"ips": ["{{ item }}"]}
    run = play_tasks(
        playground,
        task("delegated", "qg_whitelist_info", delegate_to="localhost"),
        task("become", "qg_whitelist", OPTIONS["qg_whitelist"], become=True),
        task("loop", "qg_whitelist", looped, loop=[B, C, B]),
        variables=NO_PYTHON,
    ).ok()
    assert [item["changed"] for item in run.of("loop").result["results"]] == [True, True, False]
    assert sim.whitelist() == [A, B, C]
    assert calls(sim, ADD, DEL) == [ADD] * 3
    assert run.spied == b""


@pytest.mark.measured
def test_requests_missing_on_the_control_node_or_where_the_task_was_delegated_to(
    sim: Simulator, playground: Playground, tmp_path: Path
) -> None:
    (tmp_path / "requests.py").write_text("raise ImportError('No module named requests')\n")
    python_path = {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    egress = {"step": "detect", "ips": [A]}
    tasks = [
        task("here", "qg_whitelist", {"ips": [A]}),
        task("quota", "qg_quota_info"),
        task("role", "qg_egress_whitelist", egress),
        task("there", "qg_whitelist_info", **THERE),
    ]
    run = play_tasks(playground, *tasks, environment=python_path, **IGNORE)
    for each in tasks:
        done = run.of(each["name"])
        assert done.status == "failed"
        assert "requests" in done.result["msg"]
        assert sys.executable in done.result["msg"]
    assert sim.journal() == []

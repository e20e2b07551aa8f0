# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An option that selects and is given as null or empty is refused before any call: only all=true means all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.playbooks import Playground, Run, assert_one_sentence

pytestmark = pytest.mark.measured

UNDEFINED = "{{ not_defined_anywhere | default(none) }}"
HEADER = """
- hosts: app
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{ key }}"
      api_url: "{{ api_url }}"
      pwd: secret
  tasks:
"""
INVENTORY = "app ansible_connection=local\nbastion ansible_connection=local\n"
#: Module, options, and the option that is refused.
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("qg_proxy_release", {"ips": None}, "ips"),
    ("qg_proxy_release", {"ips": UNDEFINED}, "ips"),
    ("qg_proxy_release", {"ips": []}, "ips"),
    ("qg_proxy_release", {"ips": ""}, "ips"),
    ("qg_proxy_release", {"ips": [""]}, "ips"),
    ("qg_proxy_release", {"task_ids": None}, "task_ids"),
    ("qg_proxy_release", {"task_ids": "{{ [] }}"}, "task_ids"),
    ("qg_proxy_release", {"all": None}, "all"),
    ("qg_proxy_release", {"all": ""}, "all"),
    ("qg_proxy_release", {"ips": None, "all": True}, "ips"),
    ("qg_proxy_replace", {"ips": None}, "ips"),
    ("qg_proxy_replace", {"ips": []}, "ips"),
    ("qg_proxy_replace", {"task_ids": UNDEFINED}, "task_ids"),
    ("qg_proxy_replace", {"task_ids": ""}, "task_ids"),
    ("qg_proxy_replace", {"count": None}, "count"),
    ("qg_proxy_replace", {"count": ""}, "count"),
    ("qg_proxy_replace", {"all": None}, "all"),
    ("qg_proxy_allocate", {"task_ids": None, "exact": True}, "task_ids"),
    ("qg_proxy_allocate", {"task_ids": [], "exact": True}, "task_ids"),
    ("qg_proxy_allocate", {"area_id": None, "exact": True}, "area_id"),
    ("qg_proxy_allocate", {"isp": None, "exact": True}, "isp"),
    ("qg_proxy_info", {"task_ids": None}, "task_ids"),
    ("qg_proxy_info", {"task_ids": []}, "task_ids"),
    ("qg_monopoly", {"state": "absent", "uuids": None}, "uuids"),
    ("qg_monopoly", {"state": "absent", "uuids": []}, "uuids"),
    ("qg_monopoly", {"state": "redialled", "uuids": ""}, "uuids"),
    ("qg_monopoly", {"state": "absent", "all": None}, "all"),
    ("qg_monopoly_info", {"uuids": None}, "uuids"),
    ("qg_monopoly_info", {"uuids": []}, "uuids"),
    ("qg_whitelist", {"ips": ["203.0.113.5"], "state": "exact", "keep": None, "allow_non_global": True}, "keep"),
    ("qg_whitelist", {"ips": ["203.0.113.5"], "state": "exact", "keep": [], "allow_non_global": True}, "keep"),
    ("qg_egress_whitelist", {"step": "detect", "ips": None}, "ips"),
    ("qg_egress_whitelist", {"step": "detect", "state": "absent", "detect": False, "ips": []}, "ips"),
    ("qg_egress_whitelist", {"step": "register", "ips": ""}, "ips"),
]
#: What can be delegated: there the module looks at its options once more.
DELEGATED = [case for case in CASES if case[0] != "qg_egress_whitelist" and UNDEFINED not in case[1].values()][::3]


@pytest.fixture
def held(sim: Simulator) -> list[dict[str, Any]]:
    """Leases that must not be touched."""
    answer = requests.get(sim.api_url + "/allocate", params={"Key": sim.key, "Num": 2}, timeout=5).json()
    assert answer["Code"] == 0, answer
    sim.configure(whitelist=["203.0.113.5", "203.0.113.6"])
    sim.control("DELETE", "/journal")
    return sim.leases()


def run_cases(
    sim: Simulator, playground: Playground, cases: list[tuple[str, dict[str, Any], str]], **extra: Any
) -> Run:
    """Each case as a task of one play, which goes on after a refusal."""
    tasks = [
        {"name": f"case {number}", f"qingguo.qgnet.{module}": options, "ignore_errors": True, **extra}
        for number, (module, options, _option) in enumerate(cases)
    ]
    lines = "".join(f"    - {json.dumps(task)}\n" for task in tasks)
    variables = {"key": sim.key, "api_url": sim.api_url}
    return playground.play(HEADER + lines, inventory=INVENTORY, variables=variables)


def assert_refused(run: Run, cases: list[tuple[str, dict[str, Any], str]]) -> None:
    """Every task failed with one sentence that names the option, its value and the fix."""
    for number, (module, options, option) in enumerate(cases):
        task = run.of(f"case {number}")
        message = task.result["msg"]
        assert task.status == "failed", (module, options, task.result)
        assert_one_sentence(message)
        assert message.startswith(f"{option} is "), (module, options, message)
        assert "never means all" in message, (module, options, message)
        assert "default(omit)" in message, (module, options, message)


def test_an_empty_selector_is_refused_before_any_call(
    sim: Simulator, playground: Playground, held: list[dict[str, Any]]
) -> None:
    run = run_cases(sim, playground, CASES)
    assert_refused(run, CASES)
    assert sim.journal() == []
    assert sim.leases() == held
    assert sim.whitelist() == ["203.0.113.5", "203.0.113.6"]


@pytest.mark.newest_core
def test_a_delegated_task_refuses_an_empty_selector_too(
    sim: Simulator, playground: Playground, held: list[dict[str, Any]]
) -> None:
    run = run_cases(sim, playground, DELEGATED, delegate_to="bastion")
    assert_refused(run, DELEGATED)
    assert sim.journal() == []
    assert sim.leases() == held


def test_a_role_variable_that_selects_nothing_is_refused(sim: Simulator, playground: Playground) -> None:
    role = """
- hosts: app
  gather_facts: false
  roles: [qingguo.qgnet.egress_whitelist]
"""
    for value in (None, []):
        variables = {
            "egress_whitelist_key": sim.key,
            "egress_whitelist_api_url": sim.api_url,
            "egress_whitelist_ips": value,
        }
        run = playground.play(role, inventory=INVENTORY, variables=variables)
        message = run.of("Detect the egress addresses").result["msg"]
        assert message.startswith("egress_whitelist_ips: ips is "), message
        assert_one_sentence(message)
    assert sim.journal() == []


def test_the_lookup_refuses_an_empty_selector(sim: Simulator, playground: Playground) -> None:
    values = ("task_ids=none", "task_ids=[]", "task_ids=''", "area_id=none", "isp=none")
    lines = "".join(
        f"    - name: case {number}\n      ignore_errors: true\n      ansible.builtin.debug:\n"
        f"        msg: \"{{{{ query('qingguo.qgnet.proxy', key=key, api_url=api_url, {value}) }}}}\"\n"
        for number, value in enumerate(values)
    )
    variables = {"key": sim.key, "api_url": sim.api_url}
    run = playground.play(HEADER + lines, inventory=INVENTORY, variables=variables)
    for number, value in enumerate(values):
        task = run.of(f"case {number}")
        assert task.status == "failed", (value, task.result)
        assert f"{value.partition('=')[0]} is " in task.result["msg"]
        assert "never means all" in task.result["msg"]
    assert sim.journal() == []


@pytest.mark.newest_core
def test_a_required_list_that_is_null_is_refused(sim: Simulator, playground: Playground) -> None:
    for extra in ({}, {"delegate_to": "bastion"}):
        task = run_cases(sim, playground, [("qg_whitelist", {"ips": None}, "ips")], **extra).of("case 0")
        assert task.status == "failed", task.result
        assert "ips" in task.result["msg"]
        assert_one_sentence(task.result["msg"])
    assert sim.journal() == []

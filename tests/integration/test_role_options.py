# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and variables of the role egress_whitelist, and mistakes in them: all are found before anything is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.fleet import DETECT, Fleet, play, public
from support.playbooks import ADD, QUERY, Playground, assert_task_failed, calls
from support.task_cases import play_cases
from support.thorough import thorough

ACTION = "qingguo.qgnet.qg_egress_whitelist"
IPS = ["203.0.113.5"]
#: Options with a mistake, the option that the message names first, and what it says.
MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"verify_proxy": "192.0.2.1:3128"}, "verify_proxy", "cannot be used"),
    ({"verify_proxy": "http://user:hush@192.0.2.1:3128"}, "verify_proxy", "user name"),
    ({"verify_proxy": "http://192.0.2.1:3128", "ips": IPS, "timeout": 0.5}, "timeout", "from 1 to 300"),
    ({"verify_proxy": "http://192.0.2.1:3128", "ips": IPS, "sources": []}, "sources", "empty"),
    ({"verify_url": "ip.example"}, "verify_url", "cannot be used"),
    ({"verify_wait": 601}, "verify_wait", "out of range"),
    ({"max_wait": -1}, "max_wait", "out of range"),
    ({"api_url": "http://192.0.2.1/?x=1"}, "api_url", "only scheme, host and path"),
    ({"ips": ["not-an-address"]}, "ips", "IPv4"),
    ({"quorum": 9}, "quorum", "cannot be met"),
    ({"detect": False}, "ips", "detect"),
]


@pytest.mark.measured
@pytest.mark.parametrize("step", ["detect", *thorough("register")])
def test_a_step_finds_each_mistake_before_it_asks_the_host_or_the_vendor(
    sim: Simulator, playground: Playground, step: str
) -> None:
    common = {"step": step, "key": sim.key, "api_url": sim.api_url, "allow_non_global": True}
    cases = [{ACTION: {**common, **options}} for options, _option, _part in MISTAKES]
    run = play_cases(playground, cases, inventory="h1 ansible_connection=qg_spy\n")
    for number, (_options, option, part) in enumerate(MISTAKES):
        task = run.of(f"case {number}")
        assert_task_failed(task, part)
        assert task.result["msg"].startswith(option), task.result["msg"]
    assert "hush" not in run.output
    assert run.spied == b""
    assert sim.journal() == []


#: The option and its value in the inventory.
BAD_VARIABLES: list[tuple[str, object]] = [
    ("key", " "),
    ("quorum", "many"),
    ("detect", "perhaps"),
    ("store", "/proc/nowhere"),
    ("api_url", "proxy.qg.example"),
    ("verify_proxy", "not-a-url"),
    ("verify_wait", -1),
    ("quorum", 9),
    ("state", "gone"),
    ("ips", "['nonsense']"),
    ("timeout", 0),
    ("max_wait", -1),
    ("max_removals", -1),
]


@pytest.mark.measured
def test_a_bad_variable_is_reported_before_any_call(sim: Simulator, playground: Playground) -> None:
    """Each is the variable of a host of its own, beside hosts with another one."""
    fleet = Fleet(sim, playground, size=len(BAD_VARIABLES))
    common = {
        "ansible_connection": "local",
        "egress_whitelist_key": sim.key,
        "egress_whitelist_api_url": sim.api_url,
        "egress_whitelist_sources": [f"{sim.api_url}/ip", f"{sim.api_url}/json"],
        "egress_whitelist_allow_non_global": True,
    }
    hosts = {
        f"h{n}": {"egress_whitelist_source_address": fleet.source(n), f"egress_whitelist_{option}": value}
        for n, (option, value) in enumerate(BAD_VARIABLES, 1)
    }
    # Of a file in YAML the values have the types that they have here.
    run = fleet.run(inventory=json.dumps({"all": {"vars": common, "hosts": hosts}}))
    for host, (option, value) in zip(hosts, BAD_VARIABLES, strict=True):
        (failed,) = [task for task in run.tasks if task.host == host and task.status == "failed"]
        assert failed.result["msg"].startswith(f"egress_whitelist_{option}: "), (option, value, failed.result)
    assert "Traceback" not in run.output
    assert calls(sim) == []


def test_variables_are_converted_to_the_type_of_their_option(fleet: Fleet) -> None:
    sources = ",".join(f"{fleet.sim.api_url}/{path}" for path in ("ip", "json"))
    values = {"sources": sources, "quorum": "2", "detect": "yes", "allow_non_global": "true", "verify_wait": "1.5"}
    extra = [argument for name, value in values.items() for argument in ("-e", f"egress_whitelist_{name}={value}")]
    fleet.run(arguments=extra).ok()
    assert fleet.listed() == fleet.all_addresses


STEPS = """
- hosts: h1
  gather_facts: false
  tasks:
    - name: not detected
      qingguo.qgnet.qg_egress_whitelist: {step: register, vars_prefix: egress_whitelist_}
      ignore_errors: true
    - name: delegated
      qingguo.qgnet.qg_egress_whitelist: {step: detect, vars_prefix: egress_whitelist_}
      delegate_to: h2
      ignore_errors: true
"""


def test_a_step_that_is_delegated_or_comes_without_the_other_is_refused(fleet: Fleet) -> None:
    run = fleet.run(STEPS).ok()
    assert_task_failed(run.of("delegated"))
    assert_task_failed(run.of("not detected"), "h1", "detect")
    run = fleet.run(detect=False, limit="h1")
    assert_task_failed(run.of(DETECT))
    assert calls(fleet.sim) == []


def test_the_role_sets_nothing_that_its_tasks_alone_lack() -> None:
    # The playbooks of the collection import the tasks, not the role.
    role = Path(__file__).resolve().parents[2] / "roles" / "egress_whitelist"
    assert sorted(path.name for path in role.iterdir() if path.is_dir()) == ["defaults", "meta", "tasks"]
    assert yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8")) == {
        "egress_whitelist_state": "present"
    }


# --- the state


def test_all_steps_of_the_role_use_the_state_that_a_variable_names(fleet: Fleet) -> None:
    fleet.playground.environment["QG_STORE"] = ""
    # The last host fails before its options are complete, and is reported nevertheless.
    fleet.add_to("h6", quorum="{{ nowhere }}")
    for changed_hosts in (fleet.hosts[:5], []):
        run = fleet.run(qg_store="{{ inventory_dir }}/own")
        assert calls(fleet.sim) == ([QUERY, ADD, QUERY] if changed_hosts else [QUERY])
        assert "nowhere" in run.of(DETECT, "h6").result["msg"]
        (summary,) = run.summaries
        assert (summary["in_sync"], list(summary["changed_hosts"])) == (5, changed_hosts)
        assert summary["unregistered_hosts"] == {"h6": ["A variable of the host is wrong; see its task."]}
        assert summary["api"]["calls"] == len(calls(fleet.sim))
    assert not (fleet.playground.home / ".ansible" / "qgnet").exists()


@pytest.mark.measured
@pytest.mark.parametrize("variable", ["egress_whitelist_store", *thorough("qg_store", "qg_store")])
def test_a_state_that_cannot_be_evaluated_concerns_only_its_host(fleet: Fleet, variable: str) -> None:
    fleet.lines["h1"] += f" {variable}='{{{{ nowhere }}}}'"
    for is_new in (True, False):
        run = fleet.run()
        assert (run.rc, set(run.failed(DETECT))) == (2, {"h1"})
        assert f"{variable} cannot be evaluated" in run.of(DETECT, "h1").result["msg"]
        assert run.registered == {f"h{n}": [public(n)] for n in fleet.numbers if n != 1}
        assert run.changed == (set(fleet.hosts[1:]) if is_new else set())
        assert fleet.listed() == fleet.all_addresses[1:]
        summarized = {int(summary["in_sync"]) for summary in run.summaries}
        assert max(summarized) == 5
        assert not is_new or summarized == {0, 5}, "the host itself knows of no result"


def test_a_state_that_cannot_be_evaluated_in_a_batch_concerns_only_its_host(fleet: Fleet) -> None:
    # With serial, hosts that have failed are asked, too.
    fleet.lines["h2"] += " egress_whitelist_store=\"{{ lookup('file', '/nonexistent') }}\""
    run = fleet.run(play("serial: 3"))
    assert (run.rc, set(run.failed(DETECT))) == (2, {"h2"})
    assert fleet.listed() == [ip for ip in fleet.all_addresses if ip != public(2)]
    assert max(summary["in_sync"] for summary in run.summaries) == 5

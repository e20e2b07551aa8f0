# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist with state=exact in a run that sees only part of its hosts: the others would lose their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.parameters import slow_cases
from support.playground import QUERY, Playground, Task, assert_task_failed, calls

pytestmark = pytest.mark.newest

ADDRESSES = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
INVENTORY = "".join(f"w{n} ansible_connection=local ip=203.0.113.{n}\n" for n in (1, 2, 3))
INVENTORY += "bastion ansible_connection=local\n[workers]\nw1\nw2\nw3\n"
#: A task on the control node, and the same on another host.
PLAY = """
- hosts: workers
  gather_facts: false
  HEADER
  tasks:
    - name: before
      ansible.builtin.fail:
      when: inventory_hostname in failing
    - name: here
      qingguo.qgnet.qg_whitelist: &options
        key: "{{ key }}"
        api_url: "{{ api_url }}"
        ips: "{{ ansible_play_hosts | map('extract', hostvars, 'ip') | list }}"
        state: "{{ state }}"
        allow_partial: "{{ allow_partial }}"
      run_once: true
      ignore_errors: true
    - name: delegated
      qingguo.qgnet.qg_whitelist: *options
      delegate_to: bastion
      run_once: true
      ignore_errors: true
"""
FROM_LOCALHOST = """
- hosts: workers
  gather_facts: false
  tasks:
    - name: before
      ansible.builtin.fail:
      when: inventory_hostname == 'w1'
- hosts: localhost
  gather_facts: false
  tasks:
    - name: here
      qingguo.qgnet.qg_whitelist:
        key: "{{ key }}"
        api_url: "{{ api_url }}"
        ips: "{{ groups['workers'] | map('extract', hostvars, 'ip') | list }}"
        state: exact
"""


class Scene:
    """A whitelist with the addresses of all workers, and plays that make it exact."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        sim.configure(whitelist=ADDRESSES)
        self.sim, self.playground = sim, playground

    def run(
        self,
        playbook: str = PLAY,
        *,
        header: str = "",
        failing: Sequence[str] = (),
        arguments: Sequence[str] = (),
        allow_partial: bool = False,
        state: str = "exact",
    ) -> dict[str, Task]:
        """What the tasks did for the first host that they ran for."""
        variables = {"key": self.sim.key, "api_url": self.sim.api_url, "failing": list(failing)}
        run = self.playground.play(
            playbook.replace("HEADER", header),
            inventory=INVENTORY,
            variables={**variables, "allow_partial": allow_partial, "state": state},
            arguments=arguments,
        )
        return {task.name: task for task in reversed(run.tasks)}


@pytest.fixture
def scene(sim: Simulator, playground: Playground) -> Scene:
    return Scene(sim, playground)


@pytest.mark.parametrize(
    "how", [{"header": "serial: 100%"}, *slow_cases({"arguments": ["--limit", "all"]}, {"arguments": []})], ids=str
)
def test_exact_is_made_in_a_run_that_sees_all_its_hosts(scene: Scene, how: dict[str, Any]) -> None:
    scene.sim.configure(whitelist=[*ADDRESSES, "203.0.113.99"])
    tasks = scene.run(**how)
    assert tasks["here"].result["removed"] == ["203.0.113.99"]
    assert tasks["delegated"].result["changed"] is False


LIMIT = ["--limit", "w3"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"arguments": LIMIT}, "--limit w3"),
        ({"header": "serial: 2"}, "not with w3"),
        pytest.param({"failing": ["w2"]}, "w2", marks=pytest.mark.slow),
        *slow_cases(({"arguments": [*LIMIT, "--check"]}, "--limit w3")),
    ],
    ids=str,
)
def test_exact_is_refused_before_any_call_in_a_run_that_does_not(
    scene: Scene, how: dict[str, Any], reason: str
) -> None:
    tasks = scene.run(**how)
    for name in ("here", "delegated"):
        assert_task_failed(tasks[name], "state=exact", reason, "allow_partial")
    assert scene.sim.journal() == []
    assert scene.sim.whitelist() == ADDRESSES


@pytest.mark.slow
def test_other_states_do_not_care_about_the_limit_and_allow_partial_lets_exact_through(scene: Scene) -> None:
    tasks = scene.run(arguments=LIMIT, state="present")
    assert (tasks["here"].result["changed"], tasks["delegated"].result["changed"]) == (False, False)
    tasks = scene.run(arguments=LIMIT, allow_partial=True)
    assert (tasks["here"].result["removed"], tasks["delegated"].status) == (ADDRESSES[:2], "ok")
    assert scene.sim.whitelist() == ADDRESSES[2:]


def test_a_play_on_localhost_sees_all_its_hosts(scene: Scene) -> None:
    assert scene.run(FROM_LOCALHOST)["here"].result["changed"] is False
    assert calls(scene.sim) == [QUERY]

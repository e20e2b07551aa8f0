# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""state=exact in a run that sees only part of its hosts: it would remove the addresses of the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from simulator.fixture import Simulator
from support.playbooks import QUERY, Playground, Task, assert_one_sentence, calls

pytestmark = pytest.mark.measured

ADDRESSES = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
INVENTORY = "".join(f"w{n} ansible_connection=local ip=203.0.113.{n}\n" for n in (1, 2, 3))
INVENTORY += "bastion ansible_connection=local\n[workers]\nw1\nw2\nw3\n"
PLAY = """
- hosts: workers
  gather_facts: false
  {header}
  tasks:
    - name: before
      ansible.builtin.fail:
      when: inventory_hostname in (failing | default([]))
    - name: it
      qingguo.qgnet.qg_whitelist:
        key: "{{{{ key }}}}"
        api_url: "{{{{ api_url }}}}"
        ips: "{{{{ ansible_play_hosts | map('extract', hostvars, 'ip') | list }}}}"
        state: exact
        allow_non_global: true
        {options}
      run_once: true
      {extra}
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
    - name: it
      qingguo.qgnet.qg_whitelist:
        key: "{{ key }}"
        api_url: "{{ api_url }}"
        ips: "{{ groups['workers'] | map('extract', hostvars, 'ip') | list }}"
        state: exact
        allow_non_global: true
"""


class Scene:
    """A whitelist with the addresses of all workers, and plays that make it exact."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        sim.configure(whitelist=ADDRESSES)
        self.sim, self.playground = sim, playground

    def run(
        self,
        playbook: str | None = None,
        *,
        header: str = "",
        options: str = "",
        extra: str = "",
        failing: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> list[Task]:
        """What the task did, for each host that it ran for."""
        text = playbook or PLAY.format(header=header, options=options, extra=extra)
        variables = {"key": self.sim.key, "api_url": self.sim.api_url, "failing": list(failing)}
        run = self.playground.play(text, inventory=INVENTORY, variables=variables, arguments=arguments)
        return [task for task in run.tasks if task.name == "it"]

    def assert_refused(self, tasks: list[Task], reason: str) -> None:
        """The first one is refused before any call, in one sentence that names option, reason and fix."""
        assert tasks[0].status == "failed", tasks[0].result
        message = tasks[0].result["msg"]
        assert_one_sentence(message)
        for part in ("state=exact", reason, "allow_partial"):
            assert part in message
        assert self.sim.journal() == []
        assert self.sim.whitelist() == ADDRESSES


@pytest.fixture
def scene(sim: Simulator, playground: Playground) -> Scene:
    return Scene(sim, playground)


@pytest.mark.parametrize("arguments", [[], ["--limit", "all"]], ids=["no limit", "limit all"])
def test_exact_is_made_in_a_run_that_sees_all_its_hosts(scene: Scene, arguments: list[str]) -> None:
    scene.sim.configure(whitelist=[*ADDRESSES, "203.0.113.99"])
    (task,) = scene.run(arguments=arguments)
    assert task.result["removed"] == ["203.0.113.99"]


@pytest.mark.parametrize("extra", ["", "delegate_to: bastion"], ids=["here", "delegated"])
@pytest.mark.parametrize("arguments", [["--limit", "w3"], ["--limit", "w3", "--check"]], ids=["run", "check mode"])
def test_exact_is_refused_under_a_limit(scene: Scene, arguments: list[str], extra: str) -> None:
    scene.assert_refused(scene.run(arguments=arguments, extra=extra), "--limit w3")


@pytest.mark.parametrize("extra", ["", "delegate_to: bastion"], ids=["here", "delegated"])
def test_exact_is_refused_in_a_serial_batch(scene: Scene, extra: str) -> None:
    scene.assert_refused(scene.run(header="serial: 2", extra=extra), "serial")


def test_a_batch_of_all_hosts_is_the_whole_run(scene: Scene) -> None:
    (task,) = scene.run(header="serial: 100%")
    assert task.result["changed"] is False
    assert calls(scene.sim) == [QUERY]


def test_exact_is_refused_after_a_host_has_failed(scene: Scene) -> None:
    scene.assert_refused(scene.run(failing=["w2"]), "w2")


@pytest.mark.newest_core
@pytest.mark.parametrize("extra", ["", "delegate_to: bastion"], ids=["here", "delegated"])
def test_allow_partial_lets_exact_through(scene: Scene, extra: str) -> None:
    (task,) = scene.run(arguments=["--limit", "w3"], options="allow_partial: true", extra=extra)
    assert task.result["removed"] == ADDRESSES[:2]
    assert scene.sim.whitelist() == ADDRESSES[2:]


@pytest.mark.newest_core
def test_other_states_do_not_care_about_the_limit(scene: Scene) -> None:
    playbook = PLAY.format(header="", options="", extra="").replace("state: exact", "state: present")
    (task,) = scene.run(playbook, arguments=["--limit", "w3"])
    assert task.result["changed"] is False


def test_a_play_on_localhost_sees_all_its_hosts(scene: Scene) -> None:
    (task,) = scene.run(FROM_LOCALHOST)
    assert task.result["changed"] is False
    assert calls(scene.sim) == [QUERY]

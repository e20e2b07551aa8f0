# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist with state=exact in a run that sees only part of its hosts: the others would lose
their addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from integration.playground import QUERY, Playground, Task, assert_task_failed, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.parameters import slow_cases

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
      when: delegated
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


@pytest.fixture(autouse=True)
def listed(sim: Simulator, playground: Playground) -> None:
    """The whitelist has the addresses of all workers, and runs see all inventories or fail."""
    sim.configure(whitelist=ADDRESSES)
    playground.environment[phrases.ANY_UNPARSED] = "true"


def run(
    playground: Playground,
    playbook: str = PLAY,
    *,
    header: str = "",
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    **variables: Any,
) -> dict[str, Task]:
    """What the tasks did for the first host that they ran for."""
    usual = {"failing": [], "allow_partial": False, "state": "exact", "delegated": True}
    played = playground.play(
        playbook.replace("HEADER", header),
        inventory=INVENTORY,
        variables={**playground.options, **usual, **variables},
        arguments=arguments,
        environment=environment,
    )
    return {task.name: task for task in reversed(played.tasks)}


@pytest.mark.parametrize(
    "how",
    [{"header": "serial: 100%"}, *slow_cases({"arguments": ["--limit", "all"]}, {"arguments": []})],
    ids=str,
)
def test_exact_is_made_in_a_run_that_sees_all_its_hosts(
    sim: Simulator, playground: Playground, how: dict[str, Any]
) -> None:
    sim.configure(whitelist=[*ADDRESSES, "203.0.113.99"])
    tasks = run(playground, **how)
    assert tasks["here"].result["removed"] == ["203.0.113.99"]
    assert tasks["delegated"].result["changed"] is False


LIMIT = ["--limit", "w3"]


@pytest.mark.measured
@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"arguments": LIMIT}, "--limit w3"),
        ({"header": "serial: 2", "delegated": False}, f"{phrases.WITHOUT_HOSTS} w3"),
        ({"environment": {phrases.ANY_UNPARSED: "false"}}, phrases.ANY_UNPARSED),
        *slow_cases(
            ({"failing": ["w2"]}, "w2"), ({"arguments": [*LIMIT, "--check"]}, "--limit w3")
        ),
    ],
    ids=str,
)
def test_exact_is_refused_before_any_call_in_a_run_that_does_not(
    sim: Simulator, playground: Playground, how: dict[str, Any], reason: str
) -> None:
    tasks = run(playground, **how)
    places = ["here", "delegated"] if how.get("delegated", True) else ["here"]
    for name in places:
        assert_task_failed(tasks[name], "state=exact", reason, "allow_partial")
    assert sim.journal() == []
    assert sim.whitelist() == ADDRESSES


@pytest.mark.slow
def test_other_states_do_not_care_about_the_limit_and_allow_partial_lets_exact_through(
    sim: Simulator, playground: Playground
) -> None:
    tasks = run(playground, arguments=LIMIT, state="present")
    assert tasks["here"].result["changed"] is False
    assert tasks["delegated"].result["changed"] is False
    tasks = run(playground, arguments=LIMIT, allow_partial=True)
    assert tasks["here"].result["removed"] == ADDRESSES[:2]
    assert tasks["delegated"].status == "ok"
    assert sim.whitelist() == ADDRESSES[2:]


@pytest.mark.measured
def test_a_play_on_localhost_sees_all_its_hosts(sim: Simulator, playground: Playground) -> None:
    del playground.environment[phrases.ANY_UNPARSED]
    assert run(playground, FROM_LOCALHOST)["here"].result["changed"] is False
    assert calls(sim) == [QUERY]

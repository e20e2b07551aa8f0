# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""store: control nodes that share a database."""

from __future__ import annotations

import pytest
from integration.fleet import Fleet, public
from integration.playground import Playground, assert_task_failed, numeric
from qgnet_simulator.running import Simulator
from support import phrases

pytestmark = pytest.mark.newest

TASKS = """
- hosts: all
  gather_facts: false
  tasks:
    - name: allocate
      qingguo.qgnet.qg_proxy_allocate: {count: 3}
    - name: lookup
      ansible.builtin.debug:
        msg: "{{ query('qingguo.qgnet.proxy') | length }}"
    - name: wrong
      qingguo.qgnet.qg_proxy_info:
        store: "{{ lookup('env', 'QG_STORE') }}_none"
      ignore_errors: true
"""


@pytest.fixture
def nodes(playground: Playground, database_url: str) -> list[Playground]:
    """Two control nodes, which share nothing but a database."""
    environment = {**playground.environment, "QG_STORE": database_url}
    folders = [playground.root / name for name in ("one", "other")]
    return [Playground(folder, playground.minute, environment=environment) for folder in folders]


@pytest.mark.slow
def test_an_address_that_another_control_node_has_registered_is_removed_when_the_host_has_moved(
    sim: Simulator, nodes: list[Playground]
) -> None:
    one, other = (Fleet(sim, node, size=2) for node in nodes)
    one.run(inventory_id="fleet").ok()
    assert numeric(sim.whitelist()) == [public(1), public(2)]
    other.move(h1=public(9))
    run = other.run(inventory_id="fleet").ok()
    assert numeric(sim.whitelist()) == [public(2), public(9)]
    assert run.of("Update the whitelist", "h1").result["changed"] is True
    # At rest, whichever node looks.
    in_sync = one.run(inventory_id="fleet").ok()
    assert [task.name for task in in_sync.tasks if task.result.get("changed")] == []
    for node in nodes:
        assert list(node.store.iterdir()) == [], "no state is left on a control node"
        assert [path for path in node.left_behind() if path.suffix == ".sqlite3"] == []


def test_every_kind_of_plugin_uses_the_database_and_no_output_shows_its_password(
    sim: Simulator, playground: Playground, database_url: str
) -> None:
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_STORE": database_url}
    first = playground.play(TASKS, environment=environment, arguments=["-vvv"]).ok()
    again = playground.play(TASKS, environment=environment).ok()
    assert first.of("allocate").result["changed"] is True
    assert again.of("allocate").result["changed"] is False
    assert len(sim.leases()) == 3
    assert_task_failed(first.of("wrong"), phrases.NO_SUCH_DATABASE)
    password = database_url.partition("@")[0].rpartition(":")[2]
    for run in (first, again):
        assert str(run.of("lookup").result["msg"]) == "3"
        assert password not in run.output
    # All that the second run knew of the first one was in the database.
    assert [path for path in playground.left_behind() if path.suffix == ".sqlite3"] == []

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module of the proxy API as a task that is delegated to another host, where it runs as an ordinary module.

The operations are the same as on the control node, so the other tests run them there.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator
from support.playbooks import Playground

INVENTORY = "app ansible_connection=qg_spy\nbastion ansible_connection=qg_spy\n"
SHARED, OCCUPIED = "QGSHARED", "QGOCCUPY"
ADDRESS = "203.0.113.7"
TASKS: dict[str, dict[str, Any]] = {
    "qg_whitelist": {"ips": [ADDRESS], "allow_non_global": True},
    "qg_whitelist_info": {},
    "qg_quota_info": {"at_least": 1},
    "qg_area_info": {},
    "qg_proxy_allocate": {"count": 2},
    "qg_proxy_info": {},
    "qg_proxy_replace": {"all": True},
    "qg_proxy_release": {"all": True},
    "qg_proxy_pool_info": {"key": SHARED},
    "qg_monopoly": {"key": OCCUPIED, "count": 1},
    "qg_monopoly_info": {"key": OCCUPIED},
}
#: The calls of those that change something.
WRITING = {
    "qg_whitelist": "/whitelist/add",
    "qg_proxy_allocate": "/allocate",
    "qg_proxy_replace": "/replace",
    "qg_proxy_release": "/release",
    "qg_monopoly": "/monopolies",
}


@pytest.fixture
def playbook(sim: Simulator) -> str:
    sim.configure(SHARED, plan={"kind": "dynamic_shared"})
    occupied = {"lease_proxies": False, "dial_seconds": 0, "queue_seconds": 0}
    sim.configure(OCCUPIED, plan={"kind": "exclusive_occupancy"}, options=occupied)
    tasks = [
        {"name": module, f"qingguo.qgnet.{module}": options, "delegate_to": "bastion"}
        for module, options in TASKS.items()
    ]
    defaults = {"group/qingguo.qgnet.qg": {"key": "{{ key }}", "api_url": "{{ api_url }}"}}
    play = {"hosts": "app", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}
    return yaml.safe_dump([play], sort_keys=False)


def is_list(call: dict[str, Any]) -> bool:
    """The list of exclusive occupancy has the path of the application."""
    return bool(call["path"] == "/monopolies" and call["method"] == "GET")


def test_every_module_runs_where_its_task_is_delegated_to(
    sim: Simulator, playground: Playground, playbook: str
) -> None:
    variables = {"key": sim.key, "api_url": sim.api_url}
    run = playground.play(playbook, inventory=INVENTORY, variables=variables).ok()
    results = {task.name: task.result for task in run.tasks}
    assert {name for name, result in results.items() if result["changed"]} == set(WRITING)
    writes = [call["path"] for call in sim.journal() if call["path"] in WRITING.values() and not is_list(call)]
    assert writes == list(WRITING.values())
    assert results["qg_whitelist_info"]["whitelist"] == [ADDRESS] == sim.whitelist()
    assert results["qg_quota_info"]["sufficient"] is True
    leases = results["qg_proxy_allocate"]["allocated"]
    assert [lease["ip"] for lease in results["qg_proxy_info"]["leases"]] == [lease["ip"] for lease in leases]
    assert len(results["qg_proxy_replace"]["allocated"]) == len(results["qg_proxy_release"]["released"]) == 2
    assert results["qg_monopoly"]["applied"] == [one["uuid"] for one in results["qg_monopoly_info"]["monopolies"]]
    # The module is sent to the host, and shows no progress.
    assert run.spied
    assert "qg_monopoly: " not in run.stdout
    assert sim.key not in run.output

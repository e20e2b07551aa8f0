# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module of the proxy API as a task that is delegated to another host, where it runs as an
ordinary module.

The operations are the same as on the control node, so the other tests run them there.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__
from integration.module_tasks import SPYING, THERE, play_cases
from integration.playground import Playground, assert_task_failed
from qgnet_simulator.running import Simulator
from support import phrases

SHARED = "QGSHARED"
OCCUPIED = "QGOCCUPY"
ADDRESS = "203.0.113.7"
TASKS: dict[str, dict[str, Any]] = {
    "qg_whitelist": {"ips": [ADDRESS]},
    "qg_whitelist_info": {},
    "qg_quota_info": {},
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


def is_list(call: dict[str, Any]) -> bool:
    """The list of exclusive occupancy has the path of the application."""
    return bool(call["path"] == "/monopolies" and call["method"] == "GET")


@pytest.mark.slow
def test_every_module_runs_where_its_task_is_delegated_to(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(SHARED, plan={"kind": "dynamic_shared"})
    occupied = {"lease_proxies": False, "dial_seconds": 0, "queue_seconds": 0}
    sim.configure(OCCUPIED, plan={"kind": "exclusive_occupancy"}, options=occupied)
    cases = {name: {f"qingguo.qgnet.{name}": options, **THERE} for name, options in TASKS.items()}
    run = play_cases(playground, cases, inventory=SPYING, ignore_errors=False).ok()
    results = {task.name: task.result for task in run.tasks}
    assert {name for name, result in results.items() if result["changed"]} == set(WRITING)
    writes = [
        call["path"]
        for call in sim.journal()
        if call["path"] in WRITING.values() and not is_list(call)
    ]
    assert writes == list(WRITING.values())
    assert results["qg_whitelist_info"]["whitelist"] == [ADDRESS]
    assert sim.whitelist() == [ADDRESS]
    assert results["qg_quota_info"]["quota"]["available"] > 0
    leases = results["qg_proxy_allocate"]["allocated"]
    assert [lease["ip"] for lease in results["qg_proxy_info"]["leases"]] == [
        lease["ip"] for lease in leases
    ]
    assert len(results["qg_proxy_replace"]["allocated"]) == 2
    assert len(results["qg_proxy_release"]["released"]) == 2
    monopolies = results["qg_monopoly_info"]["monopolies"]
    assert results["qg_monopoly"]["applied"] == [monopoly["uuid"] for monopoly in monopolies]
    # The module is sent to the host, and shows no progress.
    assert run.spied
    assert "qg_monopoly: " not in run.stdout
    assert sim.key not in run.output


@pytest.mark.parametrize("value", [None, "", [""]])
def test_an_empty_selector_is_refused_before_the_module_is_sent(
    sim: Simulator, playground: Playground, value: object
) -> None:
    case = {"qingguo.qgnet.qg_proxy_release": {"ips": value}, **THERE}

    run = play_cases(playground, {"there": case}, inventory=SPYING)

    assert_task_failed(run.of("there"), phrases.NEVER_MEANS_ALL)
    assert not run.spied
    assert sim.journal() == []


# A host whose Python is too old

#: Each old Python, and the last ansible-core that sends modules to a host with it.
OLD = {"3.8": (2, 19), "3.9": (2, 21)}
CORE = tuple(map(int, __version__.split(".")[:2]))


def interpreter(version: str) -> str:
    """A Python of this version, from the path or from pyenv."""
    home = Path(os.environ.get("PYENV_ROOT") or Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".pyenv")
    found = [
        shutil.which(f"python{version}"),
        *map(str, home.glob(f"versions/{version}.*/bin/python")),
    ]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.parametrize("version", OLD)
@pytest.mark.usefixtures("sim")
def test_a_host_with_an_old_python_is_named_in_one_sentence(
    playground: Playground, version: str
) -> None:
    if OLD[version] < CORE:
        pytest.skip(f"ansible-core {__version__} itself refuses Python {version} on a host")
    module: dict[str, Any] = {"qingguo.qgnet.qg_whitelist_info": {}}
    run = play_cases(
        playground,
        {"here": module, "there": {**module, **THERE}},
        arguments=["-e", f"ansible_python_interpreter={interpreter(version)}"],
    )
    # On the control node, the interpreter of the host plays no part.
    assert run.of("here").status == "ok"
    assert_task_failed(run.of("there"), f"is Python {version}:")
    assert run.of("there").result["msg"].startswith(phrases.NEEDS_PYTHON)
    assert "Traceback" not in run.output

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of two control nodes that are killed at random moments: the next one puts all right,
and pays once.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgnet_simulator.running import Simulator, running_simulator

pytestmark = pytest.mark.slow
RUNS = 8
LEASES = 3
ADDRESSES = ["203.0.113.21", "203.0.113.22"]
WRITES = ("/allocate", "/release", "/whitelist/add", "/whitelist/del")
#: What each run ends with; some runs give a lease back before, or take an address off the list, so
#: that there is work.
WANTED: list[dict[str, Any]] = [
    {"qingguo.qgnet.qg_whitelist": {"ips": ADDRESSES}},
    {"qingguo.qgnet.qg_proxy_allocate": {"count": LEASES, "product": "classic"}},
]
UNDONE: list[dict[str, Any]] = [
    {"qingguo.qgnet.qg_whitelist": {"ips": ADDRESSES[:1], "state": "absent"}},
    {"qingguo.qgnet.qg_proxy_release": {"ips": "{{ [held.leases[0].ip] }}", "product": "classic"}},
]
LOOK = {"qingguo.qgnet.qg_proxy_info": {"product": "classic"}, "register": "held"}


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    with running_simulator(["--minute", "2"]) as sim:
        yield sim


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What the two control nodes share."""
    if request.param == "sqlite":
        (tmp_path / "store").mkdir()
        return {"QG_STORE": str(tmp_path / "store")}
    return {"QG_STORE": request.getfixturevalue("database_url")}


def begin(
    folder: Path, sim: Simulator, environment: dict[str, str], tasks: list[dict[str, Any]]
) -> Any:
    """Start ansible-playbook in a session of its own, on a control node with this home."""
    folder.mkdir(exist_ok=True)
    playbook = folder / f"{time.monotonic_ns()}.yml"
    options = {"key": sim.key, "api_url": sim.api_url, "timeout": 2, "max_wait": 60}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    play["module_defaults"] = {"group/qingguo.qgnet.qg": options}
    playbook.write_text(json.dumps([play]), "utf-8")
    passed = {name: os.environ[name] for name in ("ANSIBLE_COLLECTIONS_PATH", "PATH")}
    own = {
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_HOME": f"{folder}/.ansible",
        "QG_MINUTE_SECONDS": "2",
    }
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-c",
        "local",
        "-i",
        "localhost,",
        str(playbook),
    ]
    with (playbook.with_suffix(".log")).open("wb") as log:
        return subprocess.Popen(
            command,
            env=passed | own | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=folder,
        )


def writes(sim: Simulator) -> int:
    return sum(call["path"] in WRITES for call in sim.journal())


def end(process: subprocess.Popen[bytes], sim: Simulator, chance: random.Random) -> None:
    """Kill a run with all its workers, up to two seconds after its first write, if it writes
    anything.
    """
    before = writes(sim)
    while process.poll() is None and writes(sim) == before:
        time.sleep(0.02)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0, 2))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_runs_pay_once_and_lose_nothing(
    vendor: Simulator, store: dict[str, str], tmp_path: Path
) -> None:
    chance = random.Random(7)
    nodes = [tmp_path / "node1", tmp_path / "node2"]
    for number in range(RUNS):
        vendor.fault(path=chance.choice(WRITES), kind="delay", seconds=chance.uniform(0, 1))
        tasks = [LOOK, *UNDONE, *WANTED] if number % 3 == 2 and vendor.leases() else WANTED
        end(begin(nodes[number % 2], vendor, store, tasks), vendor, chance)
    # What was under way when its client was killed is carried out, and a list may lag.
    time.sleep(3)
    vendor.control("DELETE", "/faults")
    last = begin(nodes[0], vendor, store, WANTED)
    assert last.wait(180) == 0, "\n".join(
        path.read_text("utf-8") for path in sorted(nodes[0].glob("*.log"))[-1:]
    )
    assert sorted(vendor.whitelist()) == ADDRESSES
    assert len(vendor.leases()) == LEASES
    # Each lease beyond those that are held was released: none was paid for twice.
    released = sum(len(call["ips"]) for call in vendor.journal("/release") if call["executed"])
    assert len(vendor.state()["keys"][vendor.key]["paid"]) - released == LEASES
    quiet = writes(vendor)
    assert begin(nodes[1], vendor, store, WANTED).wait(180) == 0
    assert writes(vendor) == quiet

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long qg_proxy_check takes for many leases, beside the slowest of them, in one run on one machine.

usage: python tests/benchmarks/proxy_check.py [LEASES [SECONDS [REPETITIONS]]]

Needs what the integration tests need (`.nox/integration-core-newest/bin/python` has it after `make integration`), and
ANSIBLE_COLLECTIONS_PATH. The echo service answers after SECONDS. The time of the task is that of its play, less that of
a play that does nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator.fixture import Simulator, running_simulator

Play = list[dict[str, Any]]


def play(*tasks: dict[str, Any]) -> Play:
    """A play for one host on this machine."""
    return [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]


def check(leases: list[dict[str, str]], sim: Simulator, result: Path) -> Play:
    """A play that checks leases, and keeps the result."""
    options = {"proxies": leases, "url": f"{sim.api_url}/echo/slow", "expect": "lease", "min_working": len(leases)}
    keep = {"dest": str(result), "content": "{{ reported | to_json }}", "mode": "0600"}
    return play(
        {"name": "Check", "qingguo.qgnet.qg_proxy_check": options, "register": "reported"},
        {"name": "Keep", "ansible.builtin.copy": keep},
    )


def measure(directory: Path, text: Play) -> float:
    """Run a play; its wall seconds."""
    (directory / "play.yml").write_text(json.dumps(text), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts", "play.yml"]
    start = time.monotonic()
    subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main(number: int = 50, seconds: float = 2.0, repetitions: int = 3) -> None:
    """Measure both plays in turn, as often as wanted, and print medians."""
    with running_simulator() as sim, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        os.environ["HOME"] = name
        (directory / "hosts").write_text(
            f"host ansible_connection=local ansible_python_interpreter={sys.executable}\n", encoding="utf-8"
        )
        sim.configure(plan={"channels": number}, whitelist=["127.0.0.1"])
        sim.control("PUT", "/echo/slow", {"delay": seconds})
        answer = requests.get(f"{sim.api_url}/allocate", params={"Key": sim.key, "Num": number}, timeout=30).json()
        leases = [{"ip": item["IP"], "server": item["host"]} for item in answer["Data"]]
        floor_tasks = play(
            {"name": "Keep", "ansible.builtin.copy": {"dest": f"{name}/x", "content": "x", "mode": "0600"}}
        )
        rows = []
        for _turn in range(repetitions):
            floor = measure(directory, floor_tasks)
            task = measure(directory, check(leases, sim, directory / "reported")) - floor
            reported = json.loads((directory / "reported").read_text(encoding="utf-8"))
            rows.append((task, max(entry["latency_seconds"] for entry in reported["checks"]), len(reported["working"])))
    task, slowest, working = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{number} leases, echo after {seconds:g} s, median of {repetitions}: {working:.0f} work")
    print(f"task {task:.2f} s, slowest proxy {slowest:.2f} s, ratio {task / slowest:.2f}")


if __name__ == "__main__":
    main(*(kind(text) for kind, text in zip((int, float, int), sys.argv[1:], strict=False)))

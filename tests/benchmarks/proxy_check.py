# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long qg_proxy_check takes for many leases, beside the slowest of them, in one run on one machine.

usage: make bench ARGS="proxy_check [LEASES [SECONDS [REPETITIONS]]]"

The echo service answers after SECONDS. The time of the task is that of its play, less that of a play that does nothing.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from benchmarks.nodes import Node
from simulator.fixture import running_simulator


def play(*tasks: dict[str, Any]) -> str:
    """A play for one host on this machine."""
    return json.dumps([{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}])


def keep(target: Path, content: str) -> dict[str, Any]:
    """A task that writes a file."""
    return {"name": "Keep", "ansible.builtin.copy": {"dest": str(target), "content": content, "mode": "0600"}}


def main(arguments: Sequence[str]) -> None:
    """Measure both plays in turn, as often as wanted, and print medians."""
    number, seconds, repetitions = [*map(float, arguments), *(50.0, 2.0, 3.0)[len(arguments) :]]
    with running_simulator() as sim, TemporaryDirectory(prefix="qg-") as name:
        node, result = Node(Path(name)), Path(name, "reported")
        inventory = node.inventory([0], addresses=False)
        sim.configure(plan={"channels": int(number)}, whitelist=["127.0.0.1"])
        sim.control("PUT", "/echo/slow", {"delay": seconds})
        asked = {"Key": sim.key, "Num": str(int(number))}
        answer = requests.get(f"{sim.api_url}/allocate", params=asked, timeout=30).json()
        leases = [{"ip": item["IP"], "server": item["host"]} for item in answer["Data"]]
        options = {"proxies": leases, "url": f"{sim.api_url}/echo/slow", "expect": "lease", "min_working": len(leases)}
        check = {"name": "Check", "qingguo.qgnet.qg_proxy_check": options, "register": "reported"}
        rows = []
        for _turn in range(int(repetitions)):
            floor, _cpu = node.measure(sim, play(keep(Path(name, "x"), "x")), inventory)
            whole, _cpu = node.measure(sim, play(check, keep(result, "{{ reported | to_json }}")), inventory)
            reported = json.loads(result.read_text(encoding="utf-8"))
            slowest = max(entry["latency_seconds"] for entry in reported["checks"])
            rows.append((whole - floor, slowest, len(reported["working"])))
    task, slowest, working = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{number:g} leases, echo after {seconds:g} s, median of {repetitions:g}: {working:.0f} work")
    print(f"task {task:.2f} s, slowest proxy {slowest:.2f} s, ratio {task / slowest:.2f}")

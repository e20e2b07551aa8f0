# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a shared database costs beside a state directory, where nothing has to be changed, in one run on one machine.

usage: make bench ARGS="stores [HOSTS [REPETITIONS]]"

The two are measured in turn. Medians of wall time, of the processor time of Ansible's
processes, and of that of the server, which keeps on disk what it has committed.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.nodes import POSTGRESQL, SQLITE, Node, durable_server, server_seconds
from benchmarks.stage import public, source
from simulator.fixture import running_simulator

TASK, ROLE = "one qg_whitelist", "the role at rest"
PRESENT = "203.0.113.1"
NO_HOST = "one debug"


def playbooks() -> dict[str, str]:
    """By the name in the table: the text of a playbook, as JSON."""
    local = {"hosts": "localhost", "connection": "local", "gather_facts": False}
    whitelist = {"qingguo.qgnet.qg_whitelist": {"ips": [PRESENT], "allow_non_global": True}}
    role = {"hosts": "all", "gather_facts": False, "roles": ["qingguo.qgnet.egress_whitelist"]}
    debug = {"ansible.builtin.debug": {"msg": "nothing"}}
    plays = {TASK: {**local, "tasks": [whitelist]}, ROLE: role, NO_HOST: {**local, "tasks": [debug]}}
    return {name: json.dumps([play]) for name, play in plays.items()}


def main(arguments: Sequence[str]) -> None:
    """Measure both in turn, as often as wanted, and print the table."""
    hosts, repetitions = (*map(int, arguments), *(200, 5)[len(arguments) :])
    rows: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    with ExitStack() as stack:
        sim = stack.enter_context(running_simulator(["--minute", "60"]))
        sim.configure(capacity=hosts + 100, whitelist=[PRESENT])
        sim.control("PUT", "/map", {source(number): public(number) for number in range(hosts)})
        server = stack.enter_context(durable_server())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="qg-")))
        nodes = {SQLITE: Node(folder / "s"), POSTGRESQL: Node(folder / "p", server.url)}
        for turn in range(repetitions + 1):
            for name, text in playbooks().items():
                for store in sorted(nodes, reverse=bool(turn % 2)):
                    node = nodes[store]
                    inventory = node.inventory(range(hosts if name == ROLE else 0))
                    served = server_seconds(server)
                    wall, cpu = node.measure(sim, text, inventory)
                    # The first turn registers and warms up; what follows is at rest.
                    if turn:
                        rows.setdefault((name, store), []).append((wall, cpu, server_seconds(server) - served))
                    # No run has to wait for its turn.
                    sim.control("DELETE", "/windows")
    print(f"{hosts} hosts, 10 forks, median of {repetitions}")
    print(f"{'play':18} {'state':12} {'wall':>6} {'cpu':>6} {'server':>7}")
    medians = {key: [statistics.median(column) for column in zip(*found, strict=True)] for key, found in rows.items()}
    for (name, store), (wall, cpu, served) in sorted(medians.items()):
        print(f"{name:18} {store:12} {wall:6.2f} {cpu:6.2f} {served:7.2f}")
    for name in (TASK, ROLE):
        wall, cpu, served = medians[name, POSTGRESQL]
        plain_wall, plain_cpu, _none = medians[name, SQLITE]
        print(
            f"{name}: {POSTGRESQL} / {SQLITE}: wall {wall / plain_wall:.2f}, processor {cpu / plain_cpu:.2f}, "
            f"with the server's {(cpu + served) / plain_cpu:.2f}"
        )

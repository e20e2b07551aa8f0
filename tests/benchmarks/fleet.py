# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role costs a fleet, beside the least that any play over it can cost, in one run on one machine.

usage: make bench ARGS="fleet [HOSTS [REPETITIONS]]"

Hosts are local connections. Medians of wall and processor time, and the ratio to the floor.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.nodes import Node
from simulator.fixture import running_simulator

HEAD = "- hosts: all\n  gather_facts: false\n"
TASK = HEAD + "  tasks:\n    - "
#: By the name in the table: a playbook's text, in which %s is an echo service, or the full name of one.
PLAYS = {
    "raw: true (the floor)": TASK + 'ansible.builtin.raw: "true"\n',
    "raw: curl": TASK + 'ansible.builtin.raw: "curl -sS %s"\n',
    "ping": TASK + "ansible.builtin.ping:\n",
    "the playbook register": "qingguo.qgnet.register",
    "a play with the role": HEAD + "  roles:\n    - qingguo.qgnet.egress_whitelist\n",
}
FLOOR = next(iter(PLAYS))


def main(arguments: Sequence[str]) -> None:
    """Measure all plays in turn, as often as wanted, and print the table."""
    hosts, repetitions = (*map(int, arguments), *(200, 3)[len(arguments) :])
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in PLAYS}
    with running_simulator(["--minute", "60"]) as sim, TemporaryDirectory(prefix="qg-") as name:
        node = Node(Path(name))
        inventory = node.inventory(range(hosts), addresses=False)
        for turn in range(repetitions + 1):
            for play, text in PLAYS.items():
                figures = node.measure(sim, text.replace("%s", f"{sim.api_url}/ip"), inventory)
                # The first turn registers and warms up; what follows is the fleet at rest.
                if turn:
                    results[play].append(figures)
        calls = [entry["path"] for entry in sim.journal()]
    medians = {
        play: [statistics.median(column) for column in zip(*rows, strict=True)] for play, rows in results.items()
    }
    runs = 2 * (repetitions + 1)
    print(f"{hosts} hosts, 10 forks, median of {repetitions}; the vendor got {len(calls)} calls in {runs} role runs")
    print(f"{'play':45} {'wall':>6} {'cpu':>6} {'wall/floor':>11} {'cpu/floor':>10}")
    for play, (wall, cpu) in medians.items():
        print(f"{play:45} {wall:6.2f} {cpu:6.2f} {wall / medians[FLOOR][0]:11.2f} {cpu / medians[FLOOR][1]:10.2f}")

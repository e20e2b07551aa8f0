# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role costs a fleet, beside the least that any play over it can cost, in one run on one machine.

usage: python tests/benchmarks/fleet.py [HOSTS [REPETITIONS]]

Needs what the integration tests need (`.nox/integration-core-newest/bin/python` has it after `make integration`), and
ANSIBLE_COLLECTIONS_PATH. Hosts are local connections. Medians of wall and processor time, and the ratio to the floor.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator.fixture import Simulator, running_simulator

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


def variables(sim: Simulator) -> str:
    """The role's variables for this simulator, as YAML."""
    return "".join(
        f"egress_whitelist_{name}: {value}\n"
        for name, value in {
            "key": sim.key,
            "api_url": sim.api_url,
            "sources": f"[{sim.api_url}/ip, {sim.api_url}/json]",
            "allow_non_global": "true",
        }.items()
    )


def measure(directory: Path, environment: dict[str, str], play: str, source: str) -> tuple[float, float]:
    """Run the play; wall and processor seconds."""
    if "\n" in play:
        (directory / "play.yml").write_text(play.replace("%s", source), encoding="utf-8")
        play = "play.yml"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "hosts", "-e", "@vars.yml", play]
    subprocess.run(command, cwd=directory, env=environment, check=True, stdout=subprocess.DEVNULL)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - start
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(hosts: int = 200, repetitions: int = 3) -> None:
    """Measure all plays in turn, as often as wanted, and print the table."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in PLAYS}
    with running_simulator(["--minute", "60"]) as sim, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environment = {
            **os.environ,
            "ANSIBLE_FORKS": "10",
            "HOME": name,
            "QG_STATE_DIR": str(directory / "state"),
        }
        lines = [
            f"host{n} ansible_connection=local ansible_python_interpreter={sys.executable}\n" for n in range(hosts)
        ]
        (directory / "hosts").write_text("".join(lines), encoding="utf-8")
        (directory / "vars.yml").write_text(variables(sim), encoding="utf-8")
        for turn in range(repetitions + 1):
            for play, text in PLAYS.items():
                figures = measure(directory, environment, text, f"{sim.api_url}/ip")
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


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

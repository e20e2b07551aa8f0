# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs beside its earlier revisions, in one run on one machine.

usage: make bench ARGS="revisions [--hosts N] [--rounds N] REVISION ..."

The checkout is compared with each revision: the role for hosts in sync, with a state directory and with a database, and
one task without a change. In each round, everything runs once, in another order. A ratio is the median of those of the
rounds, with its 95 % interval (bootstrap). About 13 minutes for two revisions, 100 hosts and 20 rounds.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import workspace
from benchmarks.fleet import FLOOR, PLAYS
from benchmarks.nodes import Node, durable_server
from benchmarks.stores import TASK, playbooks
from simulator.fixture import Simulator, running_simulator

CHECKOUT = "checkout"
ROLE, SHARED = "role", "role, PostgreSQL"
REGISTER = PLAYS["the playbook register"]
#: How often the rounds are drawn for an interval, and which of the sorted medians are its ends.
DRAWS, FIRST, LAST = 2000, 50, 1949


@dataclass
class Job:
    """A playbook of a revision, with the wall and processor seconds of its runs."""

    revision: str
    work: str
    node: Node
    sim: Simulator
    play: str
    inventory: Path
    runs: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> tuple[float, float]:
        """Run it once; the wall and processor seconds."""
        return self.node.measure(self.sim, self.play, self.inventory)


def extract(revision: str, collections: Path) -> None:
    """Write the collection of a revision to a path of collections."""
    place = collections / "ansible_collections" / workspace.NAMESPACE / workspace.NAME
    place.mkdir(parents=True)
    command = ["git", "-c", f"safe.directory={workspace.ROOT}", "-C", str(workspace.ROOT), "archive", revision]
    archive = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=place, input=archive, check=True)


def jobs_of(stack: ExitStack, revisions: Sequence[str], hosts: int) -> list[Job]:
    """All that is measured. Each has a simulator and a state of its own, which its first two runs have filled."""
    jobs: list[Job] = []
    server = stack.enter_context(durable_server())

    def folder() -> Path:
        return Path(stack.enter_context(TemporaryDirectory(prefix="qg-")))

    def add(revision: str, work: str, play: str, collections: str | None = None) -> None:
        url = stack.enter_context(server.database()) if work == SHARED else None
        sim = stack.enter_context(running_simulator(["--minute", "60"]))
        node = Node(folder(), url, collections=collections)
        jobs.append(Job(revision, work, node, sim, play, node.inventory(range(hosts), addresses=False)))
        for _turn in range(2):
            jobs[-1].run()

    for revision in (*revisions, CHECKOUT):
        collections = None
        if revision != CHECKOUT:
            extract(revision, place := folder())
            collections = str(place)
        for work, play in ((ROLE, REGISTER), (SHARED, REGISTER), (TASK, playbooks()[TASK])):
            add(revision, work, play, collections)
    add(FLOOR, "", PLAYS[FLOOR])
    return jobs


def ratio(own: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """The median of the ratios of the rounds, and the ends of its 95 % interval."""
    ratios = [one / base for one, base in zip(own, other, strict=True)]
    draw = random.Random(len(ratios))
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _turn in range(DRAWS))
    return statistics.median(ratios), medians[FIRST], medians[LAST]


def main(arguments: Sequence[str]) -> None:
    """Measure everything in turn, and print the seconds and the ratios."""
    parser = argparse.ArgumentParser(prog="revisions", description=__doc__)
    parser.add_argument("revisions", nargs="+", metavar="REVISION")
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        jobs = jobs_of(stack, options.revisions, options.hosts)
        for number in range(options.rounds):
            for job in random.Random(number).sample(jobs, len(jobs)):
                job.runs.append(job.run())
    show(jobs, options.revisions, f"{options.hosts} hosts, 10 forks, {options.rounds} rounds")


def show(jobs: Sequence[Job], revisions: Sequence[str], head: str) -> None:
    """Print the tables."""
    print(f"{head}\n{'':44} {'least':>6} {'median':>6} {'cpu':>6}")
    found = {(job.revision, job.work): list(zip(*job.runs, strict=True)) for job in jobs}
    for (revision, work), (wall, cpu) in found.items():
        middle = statistics.median(wall)
        print(f"{revision + ' ' + work:44} {min(wall):6.2f} {middle:6.2f} {statistics.median(cpu):6.2f}")
    pairs = [((name, ROLE), (FLOOR, "")) for name in (*revisions, CHECKOUT)]
    pairs += [((name, SHARED), (name, ROLE)) for name in (*revisions, CHECKOUT)]
    pairs += [((CHECKOUT, work), (name, work)) for name in revisions for work in (ROLE, SHARED, TASK)]
    print(f"{'':70} {'wall':>18} {'cpu':>18}")
    for own, other in pairs:
        texts = [
            "{:.2f} ({:.2f}-{:.2f})".format(*ratio(one, base))
            for one, base in zip(found[own], found[other], strict=True)
        ]
        print(f"{' '.join(own) + ' / ' + ' '.join(other):70} {texts[0]:>18} {texts[1]:>18}")

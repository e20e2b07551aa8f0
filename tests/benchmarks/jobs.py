# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs at the same time on several control nodes: with a state directory each, and with one database for all.

usage: make bench ARGS="jobs [--hosts N] [--serial N] [--only slices leases pull]"

The simulator has the vendor's real limits: a minute of 60 seconds. Each control node is an
ansible-playbook with a home, a temporary directory and a state of its own, but for the database.

slices: 8 jobs over slices of one inventory of new hosts. leases: 8 jobs want the same 5 leases at the same moment, and
the vendor takes a second to answer. pull: 40 hosts register themselves with the playbook of examples/ansible-pull;
since each is a machine with a name of its own, this needs root.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.nodes import POSTGRESQL, SQLITE, Node, durable_server, finish, processor_seconds
from benchmarks.stage import public, source
from simulator.fixture import Simulator, running_simulator

JOBS, LEASES, PULLING = 8, 5, 40
REFUSED = -11
PULL = Path(__file__).resolve().parents[2] / "examples" / "ansible-pull"


def map_hosts(sim: Simulator, count: int) -> None:
    """Give each host an address of its own."""
    sim.configure(capacity=count + 100)
    sim.control("PUT", "/map", {source(number): public(number) for number in range(count)})


def slices(sim: Simulator, nodes: Sequence[Node], options: argparse.Namespace) -> dict[str, Any]:
    """One inventory, cut as AWX cuts it."""
    hosts = range(options.hosts)
    map_hosts(sim, options.hosts)
    play = {"hosts": "all", "gather_facts": False, "roles": ["qingguo.qgnet.egress_whitelist"]}
    batches = {"serial": options.serial} if options.serial else {}
    processes = []
    for number, node in enumerate(nodes):
        inventory = node.inventory(hosts[number :: len(nodes)])
        (node.folder / "play.json").write_text(json.dumps([{**play, **batches}]), encoding="utf-8")
        processes.append(node.start(sim, ["--inventory", str(inventory), "play.json"], {}))
    finish(nodes, processes)
    registered = {public(number) for number in hosts} & set(sim.whitelist())
    return {"hosts": len(hosts), "serial": options.serial, "registered": len(registered)}


def leases(sim: Simulator, nodes: Sequence[Node], options: argparse.Namespace) -> dict[str, Any]:
    """The same playbook in all jobs; they begin when each of them has started."""
    sim.configure(plan={"channels": JOBS * LEASES, "free_delay": 0})
    for _node in nodes:
        sim.fault(path="/allocate", kind="delay", seconds=1)
    gate = nodes[0].folder.parent / "gate"
    wait = f"touch ready; until [ -e {gate} ]; do sleep 0.02; done"
    tasks: list[dict[str, Any]] = [
        {"ansible.builtin.shell": {"cmd": wait, "chdir": "{{ playbook_dir }}"}},
        {"qingguo.qgnet.qg_proxy_allocate": {"count": LEASES}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    processes = []
    for node in nodes:
        node.folder.mkdir(parents=True, exist_ok=True)
        (node.folder / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        processes.append(node.start(sim, ["--inventory", "localhost,", "play.json"], {}))
    pairs = list(zip(nodes, processes, strict=True))
    while not all((node.folder / "ready").exists() or process.poll() for node, process in pairs):
        time.sleep(0.05)
    gate.touch()
    finish(nodes, processes)
    books = sim.state()["keys"][sim.key]
    return {"wanted": LEASES, "paid": len(books["paid"]), "live": len(books["leases"])}


def pull(sim: Simulator, nodes: Sequence[Node], options: argparse.Namespace) -> dict[str, Any]:
    """Hosts that boot together, each with the project in a directory of its own."""
    map_hosts(sim, len(nodes))
    processes = []
    for number, node in enumerate(nodes):
        node.machine = f"host{number}"
        extra = {"egress_whitelist_source_address": source(number), "ansible_python_interpreter": sys.executable}
        arguments = ["--inventory", str(PULL / "inventory.yml"), str(PULL / "local.yml")]
        processes.append(node.start(sim, arguments, extra))
    finish(nodes, processes)
    registered = {public(number) for number in range(len(nodes))} & set(sim.whitelist())
    return {"hosts": len(nodes), "registered": len(registered)}


PARTS: dict[str, tuple[int, Callable[[Simulator, Sequence[Node], argparse.Namespace], dict[str, Any]]]] = {
    "slices": (JOBS, slices),
    "leases": (JOBS, leases),
    "pull": (PULLING, pull),
}


def measure(part: str, store: str, options: argparse.Namespace) -> dict[str, Any]:
    """One part with one kind of state."""
    count, run = PARTS[part]
    with ExitStack() as stack:
        sim = stack.enter_context(running_simulator(["--minute", "60"]))
        # A longer name would be too long for the sockets that Ansible makes below it.
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="qg-", ignore_cleanup_errors=True)))
        url = stack.enter_context(durable_server()).url if store == POSTGRESQL else None
        before, start = processor_seconds(), time.monotonic()
        outcome = run(sim, [Node(folder / str(number), url) for number in range(count)], options)
        seconds, cpu = time.monotonic() - start, processor_seconds() - before
        journal = sim.journal()
    calls = Counter(call["path"] for call in journal)
    return {
        "part": part,
        "store": store,
        "jobs": count,
        **outcome,
        "refused": sum(call["code"] == REFUSED for call in journal),
        "calls": dict(sorted(calls.items())),
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 1),
    }


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2000, help="hosts of the part slices (default %(default)s)")
    parser.add_argument("--serial", type=int, default=0, help="size of their batches (default: all at once)")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts (default: all)")
    options = parser.parse_args(arguments)
    for part in options.only:
        for store in (POSTGRESQL, SQLITE):
            print(json.dumps(measure(part, store, options)), flush=True)

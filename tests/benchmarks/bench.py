# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs beside what people write without it, against the simulator, on this
machine.

usage: .venv/bin/nox -s bench -- [GROUP ...] [--hosts N] [--rounds N] [--against CHECKOUT ...]

The groups are functions of this file, in GROUPS. Some need root, haproxy or sshd.

Every round runs everything once, with each checkout in turn, so that a busy machine slows down all
of it alike; a figure is the median of the rounds. Results depend on the machine: only the ratios
mean anything elsewhere.
"""

from __future__ import annotations

import argparse
import http.client
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import NamedTuple

from qgnet_simulator.running import Simulator, running_simulator

ROOT = Path(__file__).resolve().parents[2]
HEAD = "- hosts: all\n  gather_facts: false\n  tasks:\n    - "
RAW = f'{HEAD}ansible.builtin.raw: "true"\n'
CURL = f"{HEAD}ansible.builtin.raw: curl -sf {{{{ bench_url }}}}/ip\n"
ROLES = "- hosts: all\n  gather_facts: false\n  roles:\n    - role: qingguo.qgnet."
ROLE = f"{ROLES}egress_whitelist\n"
TASKS = 20
LOOP = f"      loop: '{{{{ range({TASKS}) | list }}}}'\n"
QUERY = "{{ bench_url }}/whitelist/query?Key={{ bench_key }}"
URI = f'{HEAD}ansible.builtin.uri:\n        url: "{QUERY}"\n{LOOP}'
WHITELIST = f"{HEAD}qingguo.qgnet.qg_whitelist:\n        ips: [203.0.113.1]\n{LOOP}"
JOB = f"""{HEAD}qingguo.qgnet.qg_proxy_allocate:
        count: 8
        product: classic
        max_wait: 120
    - qingguo.qgnet.qg_whitelist:
        ips: [203.0.113.1, 203.0.113.2]
        max_wait: 120
"""
#: Addresses for hosts, of the networks for documentation.
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
ADDRESSES = 250 * len(NETWORKS)
FIVE = f"{HEAD}qingguo.qgnet.qg_proxy_allocate:\n        count: 5\n        product: classic\n"
GATEWAY = f"{ROLES}proxy_gateway\n"
REFRESH = "- import_playbook: qingguo.qgnet.refresh_proxies\n"
PORT = 13128
REQUESTS = 2000
RATE = 80
THREADS = 8
SSH_HOSTS = 50
# A short minute, so that rate limits cost little; hosts appear with a public address.
SEEN_AS = "203.0.113.200"
SIMULATOR = ("--minute", "2", "--map", f"127.0.0.1={SEEN_AS}")


class Figures(NamedTuple):
    """Seconds that a run took, and those of the processors for it and all that it has started."""

    wall: float
    processor: float


class Node:
    """A control node with a home of its own, which finds the collection of one checkout."""

    def __init__(self, folder: Path, checkout: Path, sim: Simulator) -> None:
        self.folder = folder
        self._sim = sim
        self._home = folder
        self._checkout = checkout
        link = folder / "collections/ansible_collections/qingguo/qgnet"
        link.parent.mkdir(parents=True)
        link.symlink_to(checkout)

    def start(self, *arguments: str) -> Figures:
        """Run Python until it has written the file that is its last argument."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, *arguments, "--ready-file", str(ready)]
        environment = os.environ | {"PYTHONPATH": str(self._checkout / "tests/simulator")}
        begin = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while not ready.exists():
            time.sleep(0.005)
        took = time.monotonic() - begin
        # Popen itself would ask first whether it has ended, and lose what it has used.
        os.kill(process.pid, signal.SIGTERM)
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return Figures(took, usage.ru_utime + usage.ru_stime)

    def forget(self) -> None:
        """Go on with another home, in which no purchase is known."""
        self._home = Path(mkdtemp(dir=self.folder))

    def inventory(self, hosts: int, **more: object) -> str:
        """An inventory of local hosts, each with its address and more variables."""
        python = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
        lines = []
        for number in range(hosts):
            place = number % ADDRESSES
            address = f"{NETWORKS[place // 250]}.{place % 250 + 1}"
            line = f"host{number} {python} egress_whitelist_ips='[\"{address}\"]'"
            for name, value in more.items():
                line += f" {name}={value}"
            lines.append(line)
        return self._inventory(lines)

    def ssh_inventory(self, server: Path, port: int) -> str:
        """An inventory of hosts behind one address that are reached by SSH."""
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        common = (
            f"ansible_port={port} ansible_ssh_private_key_file={server}/user "
            f"ansible_ssh_common_args='{options}'"
        )
        sources = f"""egress_whitelist_sources='["{self._sim.api_url}/ip"]'"""
        numbers = range(1, SSH_HOSTS + 1)
        return self._inventory(
            [f"host{n} ansible_host=127.0.1.{n} {common} {sources}" for n in numbers]
        )

    def _inventory(self, lines: Sequence[str]) -> str:
        path = self.folder / "hosts"
        path.write_text("\n".join(lines), encoding="utf-8")
        return str(path)

    def play(self, text: str, inventory: str, jobs: int = 1) -> Figures:
        """Run a playbook, as several jobs at once; fail if one does."""
        playbook = self.folder / "play.yml"
        playbook.write_text(text, encoding="utf-8")
        variables = f"bench_url={self._sim.api_url} bench_key={self._sim.key}"
        command = ["ansible-playbook", "-i", inventory, "-f", "10", "-e", variables, str(playbook)]
        own = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_HOME": str(self.folder / ".ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "HOME": str(self._home),
        }
        begin = time.monotonic()
        with (self.folder / "log").open("w+") as log:
            environment = os.environ | self._sim.environment | own
            processes = []
            for _job in range(jobs):
                process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                processes.append(process)
            used = 0.0
            for process in processes:
                _pid, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                used += usage.ru_utime + usage.ru_stime
        took = time.monotonic() - begin
        if any(process.returncode for process in processes):
            raise SystemExit((self.folder / "log").read_text(errors="replace"))
        return Figures(took, used)


Case = tuple[str, Callable[[Node], Figures]]


def role(sim: Simulator, node: Node, inventory: str, expected: int, *, new: bool) -> Figures:
    """Run the role for new hosts, or at rest; what its first run registers is the list of all that
    follow.
    """
    if new:
        sim.configure(whitelist=[])
    elif len(sim.whitelist()) < expected:
        node.play(ROLE, inventory)
    figures = node.play(ROLE, inventory)
    if len(sim.whitelist()) != expected:
        raise SystemExit(f"{len(sim.whitelist())} of {expected} addresses are registered")
    return figures


def fleet(sim: Simulator, hosts: int) -> Iterator[Case]:
    """The role for a fleet with given addresses."""
    yield 'raw: "true"', lambda node: node.play(RAW, node.inventory(hosts))
    for name, new in (("role, new hosts", True), ("role, at rest", False)):
        yield name, partial(fleet_role, sim, hosts, new=new)


def fleet_role(sim: Simulator, hosts: int, node: Node, *, new: bool) -> Figures:
    """Run the role for local hosts, of which some have the same address if they are many."""
    return role(sim, node, node.inventory(hosts), min(hosts, ADDRESSES), new=new)


def ssh(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """The role for hosts that detect their address, which is the same for all."""
    with ssh_server(10022) as server:
        yield "raw: curl", lambda node: node.play(CURL, node.ssh_inventory(server, 10022))
        for name, new in (("role, new hosts", True), ("role, at rest", False)):
            yield name, partial(ssh_role, sim, server, new=new)


def ssh_role(sim: Simulator, server: Path, node: Node, *, new: bool) -> Figures:
    """Run the role for hosts behind one SSH server, which all have its address."""
    return role(sim, node, node.ssh_inventory(server, 10022), 1, new=new)


@contextmanager
def ssh_server(port: int) -> Iterator[Path]:
    """Run sshd on all addresses of loopback; yields the directory with the key of its user."""
    Path("/run/sshd").mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="qg-") as folder:
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{name}"],
                check=True,
            )
        options = {
            "HostKey": f"{folder}/host",
            "AuthorizedKeysFile": f"{folder}/user.pub",
            "StrictModes": "no",
        }
        options |= {"ListenAddress": f"0.0.0.0:{port}", "PidFile": "none", "MaxStartups": "100"}
        command = [
            "/usr/sbin/sshd",
            "-D",
            "-f",
            "/dev/null",
            *(f"-o{name}={text}" for name, text in options.items()),
        ]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield Path(folder)
        finally:
            process.terminate()
            process.wait()


def task(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """One task, as often as a loop repeats it: the time of the play is in both."""
    sim.configure(whitelist=["203.0.113.1"])
    yield "uri", lambda node: node.play(URI, node.inventory(1))
    yield "qg_whitelist", lambda node: node.play(WHITELIST, node.inventory(1))


def jobs(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """Eight pipelines that start at once, and share one store: the first one buys for all of
    them.
    """

    def play(node: Node, number: int) -> Figures:
        node.forget()
        sim.reset()
        sim.configure(plan={"channels": 20, "lifetime": 1440})
        figures = node.play(JOB, node.inventory(1), number)
        if len(sim.leases()) != 8:
            raise SystemExit(f"{len(sim.leases())} leases were bought, instead of 8")
        return figures

    yield "one job", lambda node: play(node, 1)
    yield "8 jobs", lambda node: play(node, 8)


def leases(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """Five leases that are held, and five that are bought."""

    def play(node: Node, *, new: bool) -> Figures:
        if new:
            sim.reset()
            node.forget()
        else:
            node.play(FIVE, node.inventory(1))
        figures = node.play(FIVE, node.inventory(1))
        if len(sim.leases()) != 5:
            raise SystemExit(f"{len(sim.leases())} leases were bought, instead of 5")
        return figures

    yield "uri", lambda node: node.play(URI.replace(LOOP, ""), node.inventory(1))
    yield "five leases, held", lambda node: play(node, new=False)
    yield "five leases, bought", lambda node: play(node, new=True)


def start(_sim: Simulator, _hosts: int) -> Iterator[Case]:
    """The simulator, until it answers."""
    yield "python", lambda node: node.start("-c", "open(__import__('sys').argv[-1], 'w')")
    yield "simulator", lambda node: node.start("-m", "qgnet_simulator", "--port", "0")


class Requests:
    """Requests for a page, each on a connection of its own, through a lease or the gateway."""

    def __init__(self, sim: Simulator, pause: float) -> None:
        """``pause`` is how many seconds after one request the next one is sent, in 0 seconds as
        soon as a thread is free.
        """
        self._sim = sim
        self._pause = pause
        sim.configure(whitelist=[SEEN_AS])

    def direct(self, node: Node) -> Figures:
        task = "qingguo.qgnet.qg_proxy_allocate:\n        count: 1\n        product: classic\n"
        node.play(f"{HEAD}{task}", node.inventory(1))
        host, _colon, port = str(self._sim.leases()[0]["host"]).rpartition(":")
        return self._through(host, int(port))

    def gateway(self, node: Node) -> Figures:
        with served(node):
            return self._through("127.0.0.1", PORT)

    def _through(self, host: str, port: int) -> Figures:
        """Return what the requests took: together, or each, added up."""
        begin = time.monotonic()
        used_before = time.process_time()

        def request(number: int) -> float:
            planned = begin + number * self._pause
            time.sleep(max(0.0, planned - time.monotonic()))
            sent = time.monotonic()
            connection = http.client.HTTPConnection(host, port, timeout=30)
            connection.request("GET", f"{self._sim.api_url}/ip")
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise SystemExit(f"HTTP {answer.status} through {host}:{port}")
            connection.close()
            return time.monotonic() - sent

        with ThreadPoolExecutor(THREADS) as pool:
            each = sum(pool.map(request, range(REQUESTS)))
        wall = each if self._pause else time.monotonic() - begin
        return Figures(wall, time.process_time() - used_before)


@contextmanager
def served(node: Node) -> Iterator[str]:
    """A gateway of this machine; yields its inventory."""
    settings = {"port": PORT, "service": "daemon", "directory": node.folder}
    variables = {f"proxy_gateway_{name}": value for name, value in settings.items()}
    variables["qg_product"] = "classic"
    inventory = node.inventory(1, **variables)
    node.play(GATEWAY, inventory)
    try:
        yield inventory
    finally:
        node.play(GATEWAY, node.inventory(1, **variables, proxy_gateway_state="absent"))


def gateway(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """As many requests as there can be."""
    yield "direct", Requests(sim, 0).direct
    yield "gateway", Requests(sim, 0).gateway


def rate(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """The same number of requests a second, which neither is slow for."""
    yield "direct", Requests(sim, 1 / RATE).direct
    yield "gateway", Requests(sim, 1 / RATE).gateway


def refresh(sim: Simulator, _hosts: int) -> Iterator[Case]:
    """A refresh of a gateway that changes nothing."""
    sim.configure(whitelist=[SEEN_AS])

    def play(node: Node) -> Figures:
        with served(node) as inventory:
            return node.play(REFRESH, inventory)

    yield 'raw: "true"', lambda node: node.play(RAW, node.inventory(1))
    yield "refresh", play


GROUPS = {
    each.__name__: each for each in (fleet, ssh, task, leases, jobs, refresh, gateway, rate, start)
}


def report(group: str, rows: dict[tuple[str, str], list[Figures]]) -> None:
    """Print the medians, and their ratios to the first row of the same checkout."""
    print(f"\n{group:44} {'wall':>7} {'cpu':>7} {'wall ratio':>11} {'cpu ratio':>10}")
    floors: dict[str, Figures] = {}
    for (checkout, name), figures in rows.items():
        median = Figures(*map(statistics.median, zip(*figures, strict=True)))
        floor = floors.setdefault(checkout, median)
        ratios = f"{median.wall / floor.wall:11.2f} {median.processor / floor.processor:10.2f}"
        print(
            f"{f'{name} ({checkout})':44} {median.wall:7.2f} {median.processor:7.2f} {ratios}",
            flush=True,
        )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; by default all"
    )
    parser.add_argument("--hosts", type=int, default=200, help="of the fleet")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, nargs="*", default=[], help="other checkouts")
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group: {', '.join(unknown)}")
    for group in options.groups or GROUPS:
        rows: dict[tuple[str, str], list[Figures]] = defaultdict(list)
        with TemporaryDirectory(prefix="qg-") as folder, running_simulator(SIMULATOR) as sim:
            # HAProxy is no longer root.
            Path(folder).chmod(0o755)
            sim.configure(capacity=options.hosts + 10)
            nodes: dict[str, Node] = {}
            for checkout in (ROOT, *map(Path.resolve, options.against)):
                nodes[checkout.name] = Node(Path(folder, str(len(nodes))), checkout, sim)
            for _round in range(options.rounds):
                for name, measure in GROUPS[group](sim, options.hosts):
                    for label, node in nodes.items():
                        rows[label, name].append(measure(node))
        order = list(nodes)
        report(group, dict(sorted(rows.items(), key=lambda row: order.index(row[0][0]))))


if __name__ == "__main__":
    main(sys.argv[1:])

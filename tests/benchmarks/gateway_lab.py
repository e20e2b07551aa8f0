# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateways do in real time, with HAProxy, the simulator with its exits, and real clients.

usage: .venv/bin/nox -s gateway-lab -- [PART ...] [--minutes N] [--outage SECONDS]

The parts are functions of this file, in PARTS. The longest takes as many minutes as it is told, by
default 25. A figure stands beside its goal, which holds on a quiet machine. One that misses it is
marked, and only an answer of a wrong exit or a second payment fails the lab.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from integration.upstreams import Answer, Upstreams, free_ports, running_upstreams
from qgnet_simulator.running import Simulator, running_simulator
from support.postgres import PostgresServer

#: How long a lease of the plan lasts, in minutes, and how often gateways are refreshed, in seconds.
LIFETIME = 1
INTERVAL = 10
DRAIN = 15
ROLE = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
"""
EMPTY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: "true"
"""
REFRESH = "qingguo.qgnet.refresh_proxies"
SEEN_AS = "203.0.113.200"
# A short minute of QG.net's limits; leases last as long as anywhere.
SIMULATOR = ("--minute", "2", "--map", f"127.0.0.1={SEEN_AS}")
REPORT = "gateway.qgnet.invalid"
BANNED = "QG-Report: banned\r\n"
BEFORE = "before it paid"
#: The calls in which a run is killed.
CALLS = (("/share/query", "delay", BEFORE), ("/share/get", "hang_after", "while it paid"))
#: How long after its deadline a lease may answer a request that began before it.
LATE = 3


@dataclass
class Figure:
    """A figure beside its goal; ``is_wrong`` if it must never be so, on whatever machine."""

    name: str
    value: str
    goal: str
    is_met: bool
    is_wrong: bool = False

    def __str__(self) -> str:
        mark = ""
        if not self.is_met:
            mark = " WRONG" if self.is_wrong else " above the goal"
        return f"{self.name:62} {self.value:>12}  {self.goal}{mark}"


def seconds(name: str, value: float, most: float) -> Figure:
    return Figure(name, f"{value:.1f} s", f"at most {most:g} s", value <= most)


def exactly(name: str, value: int, wanted: int) -> Figure:
    return Figure(name, str(value), f"{wanted}", value == wanted, is_wrong=True)


def at_most(name: str, value: int, most: int) -> Figure:
    return Figure(name, str(value), f"at most {most}", value <= most, is_wrong=True)


@dataclass
class Lab:
    """Hosts of this machine with a gateway each, and control nodes that refresh them."""

    folder: Path
    sim: Simulator
    upstreams: Upstreams
    minutes: float
    outage: float
    environment: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        store = self.folder / "store"
        store.mkdir(mode=0o700)
        (self.folder / "gateways").mkdir()
        self.environment = {
            **self.sim.environment,
            # As in the unit of refresh_timer.
            "ANSIBLE_TIMEOUT": "2",
            "ANSIBLE_FORKS": "50",
            "ANSIBLE_HOME": str(self.folder / ".ansible"),
            "ANSIBLE_REMOTE_TEMP": str(self.folder / "remote"),
            "HOME": str(self.folder),
            "QG_STORE": str(store),
        }
        plan = {"kind": "share", "lifetime": LIFETIME, "channels": 200}
        self.sim.configure(plan=plan, whitelist=[SEEN_AS])

    def add(self, host: str, **options: Any) -> None:
        own: dict[str, Any] = {"service": "daemon", "name": host, "interval": INTERVAL}
        own |= {"directory": str(self.folder / "gateways"), **options}
        variables = {f"proxy_gateway_{name}": value for name, value in own.items()}
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        self.hosts[host] = {**local, "qg_product": "share", **variables}

    def start(self, playbook: str = REFRESH, **environment: str) -> subprocess.Popen[str]:
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": self.hosts}}), encoding="utf-8")
        if "\n" in playbook:
            path = self.folder / "play.yml"
            path.write_text(playbook, encoding="utf-8")
            playbook = str(path)
        return subprocess.Popen(
            ["ansible-playbook", "-i", str(inventory), playbook],
            env=os.environ | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook: str = REFRESH, *, fails: bool = False, **environment: str) -> float:
        """Play, and return how long it took; stop the lab if it fails and should not."""
        began = time.monotonic()
        process = self.start(playbook, **environment)
        output, _nothing = process.communicate()
        if process.returncode and not fails:
            raise SystemExit(output)
        return time.monotonic() - began

    def now(self) -> float:
        """The time of the simulator."""
        now: float = self.sim.control("GET", "/clock")["now"]
        return now

    @property
    def paid(self) -> list[dict[str, Any]]:
        """All that was paid for, each with its address and time."""
        paid: list[dict[str, Any]] = self.sim.state()["keys"][self.sim.key]["paid"]
        return paid

    def ask(self, port: int, label: str = "") -> Answer:
        """Ask for the exit by which a site sees a client."""
        host = self.sim.api_url.removeprefix("http://")
        return self.upstreams.ask(port, "GET", host, label, path="/ip")

    def stop(self) -> None:
        for path in self.folder.glob("gateways/*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGTERM)


@contextlib.contextmanager
def refreshed(lab: Lab) -> Iterator[list[float]]:
    """Refresh all hosts at each interval, whatever becomes of it, as a timer does."""
    took: list[float] = []
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            took.append(lab.play(fails=True))
            is_over.wait(max(0.0, began + INTERVAL - time.monotonic()))

    timer = threading.Thread(target=work)
    timer.start()
    try:
        yield took
    finally:
        is_over.set()
        timer.join()


def nodes(lab: Lab) -> Iterator[Figure]:
    """A second control node goes on after the first one was killed in a call that it made."""
    port = free_ports(1)
    lab.add("gateway", port=port, count=4, drain=DRAIN)
    with PostgresServer() as server, server.database() as url:
        for name, store in (("SQLite", lab.environment["QG_STORE"]), ("PostgreSQL", url)):
            lab.play(ROLE, QG_STORE=store)
            for path, kind, step in CALLS:
                usual = lab.play(QG_STORE=store)
                # Until its leases are to be replaced.
                lab.sim.advance(60 * LIFETIME - DRAIN)
                before = len(lab.paid)
                lab.sim.control("DELETE", "/journal")
                lab.sim.fault(path=path, kind=kind, seconds=60, times=1)
                first = lab.start(QG_STORE=store)
                while not lab.sim.journal(path):
                    time.sleep(0.02)
                os.killpg(first.pid, signal.SIGKILL)
                first.communicate()
                lab.sim.control("DELETE", "/faults")
                began = time.monotonic()
                lab.play(QG_STORE=store, fails=True)
                while lab.ask(port).status != 200:
                    lab.play(QG_STORE=store, fails=True)
                took = time.monotonic() - began
                yield seconds(f"killed {step}, {name}: serves, beyond a refresh", took - usual, 10)
                lab.play(QG_STORE=store)
                most = 4 if step == BEFORE else 8
                yield at_most(f"leases bought for the four, {name}", len(lab.paid) - before, most)


def outage(lab: Lab) -> Iterator[Figure]:
    """All exits refuse for a time, as they do when the host is not on the whitelist."""
    port = free_ports(1)
    lab.add("gateway", port=port, count=2, drain=DRAIN)
    lab.play(ROLE)
    with refreshed(lab):
        lab.sim.configure(whitelist=[])
        before = len(lab.paid)
        time.sleep(lab.outage)
        trials = len(lab.paid) - before
        refused = lab.ask(port).status
        lab.sim.configure(whitelist=[SEEN_AS])
        began = time.monotonic()
        while lab.ask(port).status != 200:
            time.sleep(0.2)
        took = time.monotonic() - began
    yield exactly("status of a request at the end of the outage", refused, 503)
    yield seconds(f"share is back after {lab.outage:.0f} s of 407", took, 60)
    most = round(lab.outage / (60 * LIFETIME)) + 4
    yield Figure("trials bought meanwhile", str(trials), f"at most {most}", trials <= most)


@dataclass
class Client:
    """A client of a port, perhaps with a label, and what it has seen: when it asked, until when it
    waited, and the exit, which is empty if the request failed.
    """

    port: int
    label: str = ""
    is_slot: bool = False
    seen: list[tuple[float, float, str]] = field(default_factory=list)


async def use(lab: Lab, client: Client, is_over: asyncio.Event, clock: Callable[[], float]) -> None:
    """Ask again and again, each time on a connection of its own."""
    host = lab.sim.api_url.removeprefix("http://")
    login = base64.b64encode(f"{client.label}:x".encode()).decode()
    head = f"Proxy-Authorization: Basic {login}\r\n" if client.label else ""
    request = f"GET http://{host}/ip HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n"
    while not is_over.is_set():
        began = clock()
        answer = ""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writer.write(request.encode())
            text = (await asyncio.wait_for(reader.read(), 30)).decode()
            writer.close()
            if text.startswith("HTTP/1.1 200"):
                answer = text.rpartition("\r\n")[2].strip()
        client.seen.append((began, clock(), answer))
        await asyncio.sleep(random.uniform(0.1, 0.3))


def wrong_exits(lab: Lab, clients: Sequence[Client], reported: set[str]) -> tuple[int, int]:
    """Return how many answers came from an exit that the key did not have, and how often a label
    or slot left an exit that had time left and was not reported.
    """
    lives = {lease["ip"]: (lease["at"], lease["at"] + 60 * LIFETIME) for lease in lab.paid}
    foreign = 0
    left = 0
    for client in clients:
        previous = ""
        for began, ended, exit_ in client.seen:
            if not exit_:
                previous = ""
                continue
            bought, ends = lives.get(exit_, (0.0, 0.0))
            foreign += not (bought <= ended and began <= ends + LATE)
            keeps = (client.is_slot or client.label) and previous not in reported
            if keeps and previous not in ("", exit_):
                left += lives[previous][1] - DRAIN > ended
            previous = exit_
    return foreign, left


def load(lab: Lab) -> Iterator[Figure]:
    """Two hosts with a pool of labels and one of slots, on leases of one minute."""
    count = 3
    port = free_ports(4 * (1 + count))
    for number, host in enumerate(("one", "two")):
        first = port + number * (1 + count)
        pools = [
            {"name": "labels", "port": first, "count": count, "areas": ["350500"]},
            {
                "name": "slots",
                "port": first + 1,
                "count": count,
                "areas": ["440100"],
                "slots": True,
            },
        ]
        lab.add(host, pools=[{**pool, "drain": DRAIN} for pool in pools], reports=True)
    lab.play(ROLE)
    started = len(lab.paid)
    labels = [f"job{number}" for number in range(5)]
    clients = []
    for number in range(2):
        first = port + number * (1 + count)
        clients += [Client(first, label) for label in ("", *labels)]
        clients += [Client(first + slot, is_slot=True) for slot in range(1, 1 + count)]
    shift = lab.now() - time.time()
    reported: set[str] = set()

    def clock() -> float:
        return time.time() + shift

    async def all_of_them(is_over: asyncio.Event) -> None:
        await asyncio.gather(*(use(lab, client, is_over, clock) for client in clients))

    async def begin() -> tuple[asyncio.Event, asyncio.Task[None]]:
        event = asyncio.Event()
        return event, asyncio.create_task(all_of_them(event))

    async def finish(event: asyncio.Event, task: asyncio.Task[None]) -> None:
        event.set()
        await task

    event, task = lab.upstreams.run(begin())
    began = time.monotonic()
    with refreshed(lab) as took:
        while time.monotonic() < began + 60 * lab.minutes:
            time.sleep(min(240, 60 * lab.minutes / 2))
            exit_ = lab.ask(port, labels[0]).body.strip()
            answer = lab.upstreams.ask(port, "POST", REPORT, labels[0], BANNED, "/report")
            if answer.status == 202:
                reported.add(exit_)
        bought = len(lab.paid) - started
        passed = time.monotonic() - began
    lab.upstreams.run(finish(event, task))
    answers = [seen for client in clients for seen in client.seen]
    failed = sum(not exit_ for _began, _ended, exit_ in answers)
    foreign, left = wrong_exits(lab, clients, reported)
    share = 100 * failed / len(answers)
    name = f"failed of {len(answers):,} requests in {passed / 60:.0f} min, {len(reported)} reports"
    yield Figure(name, f"{share:.3f} %", "at most 0.06 %", share <= 0.06)
    yield exactly("answers of an exit that the key did not have", foreign, 0)
    yield exactly("labels and slots that left an exit before its time", left, 0)
    least = 2 * count * passed / (60 * LIFETIME)
    ratio = bought / least
    # A lease is replaced so long before its end.
    most = 1.2 * LIFETIME * 60 / (LIFETIME * 60 - DRAIN)
    yield Figure("paid beside the minimum", f"{ratio:.2f}", f"at most {most:.2f}", ratio <= most)
    yield seconds("median of a refresh", statistics.median(took), 3)


def idle(lab: Lab) -> Iterator[Figure]:
    """A pool that nobody has used for a minute sleeps, and a request wakes it."""
    waits = []
    port = free_ports(1)
    lab.add("gateway", port=port, count=2, drain=DRAIN, idle=60)
    lab.play(ROLE)
    with refreshed(lab) as took:
        for _time in range(3):
            while lab.sim.leases():
                time.sleep(1)
            began = time.monotonic()
            while lab.ask(port).status != 200:
                time.sleep(0.2)
            waits.append(time.monotonic() - began)
    most = INTERVAL + max(took)
    yield seconds("longest wait of three until a sleeping pool serves", max(waits), round(most, 1))


def silent(lab: Lab) -> Iterator[Figure]:
    """One of seven hosts takes connections, and says nothing."""
    port = free_ports(7)
    for number in range(7):
        lab.add(f"host{number}", port=port + number, count=2, drain=DRAIN)
    lab.play(ROLE)
    usual = lab.play()
    with socket.create_server(("127.0.0.1", 0)) as says_nothing:
        host, own_port = says_nothing.getsockname()
        address = {"ansible_host": host, "ansible_port": own_port}
        lab.hosts["host6"] |= {"ansible_connection": "ssh", **address}
        lab.sim.advance(60 * LIFETIME - DRAIN - 3)
        took = lab.play(fails=True)
    yield seconds("beyond a usual refresh, one of seven hosts drops packets", took - usual, 3)
    statuses = Counter(lab.ask(port + number).status for number in range(6) for _time in range(20))
    yield exactly("requests that failed at the others", 120 - statuses[200], 0)


def pools(lab: Lab) -> Iterator[Figure]:
    """Fifty pools with an area each."""
    first = free_ports(50)
    areas = []
    entries = []
    for number in range(50):
        code = 350501 + number
        areas.append({"area_id": code, "area": "福建省泉州市", "isp": 1, "available": 10})
        name = f"p{number}"
        entries.append({"name": name, "port": first + number, "count": 1, "areas": [str(code)]})
    lab.sim.configure(plan={"lifetime": 60, "stock": {"areas": areas}})
    lab.add("gateway", pools=entries)
    lab.play(ROLE, fails=True)
    # Purchases are paced by the limit of calls.
    while len(lab.sim.leases()) < len(entries):
        lab.play(fails=True)
    lab.play()
    lab.sim.control("DELETE", "/journal")
    yield seconds("refresh of fifty pools", lab.play(), 3)
    lists = sum(call["path"].endswith("/query") for call in lab.sim.journal())
    yield exactly("its calls of the list", lists, 1)


def unchanged(lab: Lab) -> Iterator[Figure]:
    """A refresh that changes nothing beside an empty play."""
    lab.add("gateway", port=free_ports(1), count=2, drain=DRAIN)
    lab.play(ROLE)
    empty = statistics.median(lab.play(EMPTY) for _time in range(5))
    refresh = statistics.median(lab.play() for _time in range(5))
    yield Figure("empty play", f"{empty:.2f} s", "", True)
    ratio = refresh / empty
    yield Figure(
        "refresh without a change ÷ empty play", f"{ratio:.2f}", "1.2 ÷ 0.7", ratio <= 1.71
    )


PARTS = {each.__name__: each for each in (unchanged, pools, silent, nodes, idle, load, outage)}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--minutes", type=float, default=25, help="of load")
    parser.add_argument("--outage", type=float, default=500, help="in seconds")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part: {', '.join(unknown)}")
    wrong = 0
    for part in options.parts or PARTS:
        print(f"\n{part}", flush=True)
        with (
            TemporaryDirectory(prefix="qg-") as folder,
            running_simulator(SIMULATOR) as sim,
            running_upstreams() as upstreams,
        ):
            # HAProxy is no longer root.
            Path(folder).chmod(0o755)
            lab = Lab(Path(folder), sim, upstreams, options.minutes, options.outage)
            try:
                for figure in PARTS[part](lab):
                    print(figure, flush=True)
                    wrong += figure.is_wrong and not figure.is_met
            finally:
                lab.stop()
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

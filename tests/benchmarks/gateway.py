# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway does to requests: while leases change and end, in an outage of the vendor, and to their rate.

It starts the simulator and a gateway, made by the role, in namespaces of its own, and needs root, haproxy and
iproute2: make bench ARGS="gateway load". The last line of its output is JSON.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TESTS = Path(__file__).resolve().parents[1]
KEY, GATEWAY = "QGDEMO01", ("127.0.0.1", 3128)
INSIDE = "QG_GATEWAY_INSIDE"
NAMESPACES = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
PLAY = """
- hosts: gateway
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
"""


@dataclass
class Stage:
    """A simulator, and a gateway of the role in front of its leases."""

    folder: Path
    variables: dict[str, Any]
    api: str = ""
    refreshes: list[float] = field(default_factory=list)

    def control(self, path: str, body: Any = None, method: str = "GET") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}/_sim{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def vendor(self, path: str) -> None:
        urllib.request.urlopen(f"{self.api}{path}", timeout=30).close()

    def play(self, name: str) -> tuple[float, str]:
        """Run a playbook; return its duration and output."""
        environment = {
            **os.environ,
            "QG_KEY": KEY,
            "QG_API_URL": self.api,
            "QG_STATE_DIR": str(self.folder / "state"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        }
        values = json.dumps({"ansible_python_interpreter": "/usr/bin/python3", **self.variables})
        command = ("ansible-playbook", "--inventory", str(self.folder / "hosts"), "--extra-vars", values, name)
        began = time.monotonic()
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        if ran.returncode:
            raise RuntimeError(f"{name} failed:\n{ran.stdout}\n{ran.stderr}")
        return time.monotonic() - began, ran.stdout

    def refresh(self) -> str:
        seconds, output = self.play("qingguo.qgnet.refresh_proxies")
        self.refreshes.append(round(seconds, 1))
        return output

    def leases(self) -> list[dict[str, Any]]:
        held: list[dict[str, Any]] = self.control("/state")["keys"][KEY]["leases"]
        return held


@contextlib.contextmanager
def stage(plan: dict[str, Any], variables: dict[str, Any]) -> Iterator[Stage]:
    """Start the simulator and the gateway; everything ends with this process's namespaces."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready = folder / "ready.json"
        arguments = ["--port", "0", "--key", KEY, "--map", "127.0.0.1=203.0.113.5", "--ready-file", str(ready)]
        with (folder / "simulator.log").open("w") as log:
            command = [sys.executable, str(TESTS / "simulator"), *arguments]
            simulator = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            while not ready.exists() or not ready.read_text():
                time.sleep(0.1)
                if simulator.poll() is not None:
                    raise RuntimeError((folder / "simulator.log").read_text())
            (folder / "hosts").write_text("gateway ansible_connection=local\n")
            (folder / "play.yml").write_text(PLAY)
            made = Stage(
                folder,
                {
                    "proxy_gateway_service": "daemon",
                    "proxy_gateway_configuration": "/run/qg-proxy-gateway.cfg",
                    "proxy_gateway_check_interval": 2,
                    **variables,
                },
            )
            made.api = json.loads(ready.read_text())["api_url"]
            made.control(f"/keys/{KEY}", {"plan": plan, "whitelist": ["203.0.113.5"]}, "PUT")
            made.play(str(folder / "play.yml"))
            yield made
        finally:
            simulator.kill()
            simulator.wait()


@dataclass(frozen=True)
class Outcome:
    """One request: when it began and ended, by which method, and the exit or the failure."""

    began: float
    ended: float
    method: str
    exit: str = ""
    failure: str = ""


def request(proxy: tuple[str, int], api: str, method: str, label: str = "") -> Outcome:
    """Request the own address once through a proxy, over a connection of its own."""
    target = api.removeprefix("http://")
    login = base64.b64encode(f"{label}:".encode()).decode()
    extra = f"Proxy-Authorization: Basic {login}\r\n" if label else ""
    began, where = time.time(), "connect"
    try:
        with socket.create_connection(proxy, timeout=60) as connection, connection.makefile("rb") as stream:
            url = f"{api}/ip"
            if method == "CONNECT":
                connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{extra}\r\n".encode())
                where, url, extra = "tunnel opening", "/ip", ""
                if status := _status(stream):
                    return Outcome(began, time.time(), method, failure=f"{status} at {where}")
                where = "open tunnel"
            head = f"GET {url} HTTP/1.1\r\nHost: {target}\r\n{extra}Connection: close\r\n\r\n"
            connection.sendall(head.encode())
            if status := _status(stream):
                return Outcome(began, time.time(), method, failure=f"{status} at {where}")
            return Outcome(began, time.time(), method, exit=stream.read().split()[0].decode())
    except (OSError, IndexError, ValueError) as error:
        return Outcome(began, time.time(), method, failure=f"{type(error).__name__} at {where}")


def _status(stream: Any) -> str:
    """Read the head of an answer; return its status, or nothing for 200."""
    line = stream.readline().split()
    if len(line) < 2:
        raise ConnectionResetError("no answer")
    while stream.readline().strip():
        pass
    status: str = line[1].decode()
    return "" if status == "200" else status


def crawl(
    api: str,
    count: int,
    workers: int,
    seconds: float,
    proxy: tuple[str, int] = GATEWAY,
    stop: threading.Event | None = None,
) -> list[Outcome]:
    """Make a number of requests, spread evenly over the seconds, half of them through tunnels."""
    found: list[Outcome] = []
    numbers, began = iter(range(count)), time.monotonic()
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            time.sleep(max(0.0, began + number * seconds / count - time.monotonic()))
            found.append(request(proxy, api, "CONNECT" if number % 2 else "GET"))

    threads = [threading.Thread(target=work) for _worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def load(count: int, seconds: float) -> dict[str, Any]:
    """Crawl while every lease is replaced at least twice and two exits die."""
    plan = {"channels": 60}
    variables = {"proxy_gateway_count": 8, "proxy_gateway_keep_alive": 4, "proxy_gateway_drain": 120}
    with stage(plan, variables) as made:
        seen = {lease["ip"]: lease for lease in made.leases()}
        stop, killed = threading.Event(), {}

        def refresh() -> None:
            while not stop.wait(15):
                made.refresh()
                held = {lease["ip"]: lease for lease in made.leases()}
                seen.update(held)
                if len(made.refreshes) in (2, 4):
                    # The latest lease dies: nobody expects it.
                    address = max(held.values(), key=lambda lease: lease["ends"])["ip"]
                    killed[address] = time.time()
                    made.vendor(f"/release?Key={KEY}&IP={address}")

        refresher = threading.Thread(target=refresh)
        refresher.start()
        outcomes = crawl(made.api, count, 20, seconds)
        stop.set()
        refresher.join()
    failures = Counter(outcome.failure for outcome in outcomes if outcome.failure)
    late = sum(
        1 for outcome in outcomes if outcome.exit and outcome.began > seen[outcome.exit]["ends"] if outcome.exit in seen
    )
    return {
        "requests": len(outcomes),
        "seconds": round(max(outcome.ended for outcome in outcomes) - min(outcome.began for outcome in outcomes)),
        "tunnels": sum(outcome.method == "CONNECT" for outcome in outcomes),
        "leases": len(seen),
        "exits that served": len({outcome.exit for outcome in outcomes if outcome.exit}),
        "exits that died": len(killed),
        "failures": dict(failures),
        "failures within 1 s of a death": sum(
            1
            for outcome in outcomes
            if outcome.failure and any(outcome.began - 1 <= moment <= outcome.ended + 1 for moment in killed.values())
        ),
        "begun after the deadline of their lease": late,
        "seconds of each refresh": made.refreshes,
    }


def fetch(proxy: tuple[str, int], api: str, method: str, kept: bool, count: int) -> None:
    """Request the own address a number of times, as a program with a usual HTTP library does."""
    site = urlsplit(api)
    connection = http.client.HTTPConnection(*proxy, timeout=60)
    if method == "CONNECT":
        connection.set_tunnel(site.hostname or "", site.port)
    for _request in range(count):
        # A connection that the other side has closed is opened again.
        connection.request("GET", "/ip" if method == "CONNECT" else f"{api}/ip")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} through {proxy[1]} was answered {answer.status}")
        if not kept:
            connection.close()
    connection.close()


def processor_time() -> float:
    """Return the seconds that all processes of this namespace have used: clients, gateway, leases and site."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, path.read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def ratio(turns: int, delay: float, workers: int) -> dict[str, Any]:
    """Compare requests through the gateway with those through its lease directly, in many short turns.

    The ratio of rates is the median of those of a turn, since other work on the machine changes from second to second.
    The ratio of processor times hardly depends on it, and is that of the rates if processors are all that is scarce.
    """
    each, found = 10, {}
    with stage({"channels": 5}, {"proxy_gateway_count": 1}) as made:
        made.control("/echo/ip", {"delay": delay}, "PUT")
        host, _colon, port = made.leases()[0]["host"].partition(":")
        for method, kept in itertools.product(("GET", "CONNECT"), (False, True)):
            seconds: list[dict[str, float]] = []
            used = {"lease": 0.0, "gateway": 0.0}
            for _turn in range(turns):
                seconds.append({})
                for name, proxy in (("lease", (host, int(port))), ("gateway", GATEWAY)):
                    before, began = processor_time(), time.monotonic()
                    with ThreadPoolExecutor(workers) as pool:
                        running = [
                            pool.submit(fetch, proxy, made.api, method, kept, each) for _worker in range(workers)
                        ]
                    seconds[-1][name] = time.monotonic() - began
                    used[name] += processor_time() - before
                    for worker in running:
                        worker.result()
            requests = turns * workers * each
            found[f"{method}, {'kept' if kept else 'new'} connections"] = {
                "rate through the gateway / through the lease": round(
                    statistics.median(turn["lease"] / turn["gateway"] for turn in seconds), 2
                ),
                "requests a second through the lease": round(
                    workers * each / statistics.median(turn["lease"] for turn in seconds)
                ),
                "processor time / with the gateway": round(used["lease"] / used["gateway"], 2),
                "milliseconds of processor time": {name: round(1000 * used[name] / requests, 2) for name in used},
            }
    return found


def outage(seconds: float) -> dict[str, Any]:
    """Let the vendor fail for some time, with leases that live longer, and recover."""
    with stage({"channels": 20}, {"proxy_gateway_count": 4, "proxy_gateway_drain": 30}) as made:
        stop, outputs = threading.Event(), []
        outcomes: list[Outcome] = []
        crawler = threading.Thread(target=lambda: outcomes.extend(crawl(made.api, int(seconds * 5), 4, seconds)))
        crawler.start()
        for path in ("/query", "/allocate", "/info/quota"):
            made.control("/faults", {"path": path, "kind": "status", "http_status": 502, "times": -1}, "POST")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            outputs.append(made.refresh())
            stop.wait(min(20, max(0, end - time.monotonic())))
        crawler.join()
        made.control("/faults", method="DELETE")
        outputs.append(made.refresh())
        after = crawl(made.api, 100, 4, 0)
    return {
        "seconds": round(seconds),
        "requests": len(outcomes),
        "failures": dict(Counter(outcome.failure for outcome in outcomes if outcome.failure)),
        "refreshes": len(outputs),
        "warnings": sum(bool(re.search("WARNING: The hosts keep", output)) for output in outputs),
        "failures after it": sum(bool(outcome.failure) for outcome in after),
    }


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("load", help="requests while leases change, two exits die and leases end")
    command.add_argument("--requests", type=int, default=10_000)
    command.add_argument("--seconds", type=float, default=300, help="over which the requests are spread")
    command = commands.add_parser("ratio", help="the rate through the gateway and through one lease directly")
    command.add_argument("--turns", type=int, default=40, help="of 10 requests of each worker each way")
    command.add_argument("--delay", type=float, default=0, help="seconds until the site answers")
    command.add_argument("--workers", type=int, default=8)
    command = commands.add_parser("outage", help="a vendor that fails")
    command.add_argument("--seconds", type=float, default=600)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    if not os.environ.get(INSIDE):
        os.environ[INSIDE] = "1"
        os.execvp(NAMESPACES[0], [*NAMESPACES, sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    results = {
        "load": lambda: load(options.requests, options.seconds),
        "ratio": lambda: ratio(options.turns, options.delay, options.workers),
        "outage": lambda: outage(options.seconds),
    }[options.command]()
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])

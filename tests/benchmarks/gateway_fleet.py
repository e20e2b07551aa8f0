# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time of one refresh of many leases on several gateways, by task.

It makes SSH hosts in network namespaces (tests/lab), and needs root and haproxy. Run it with a Python that has
ansible-core and the packages of the simulator, and with the collection on ANSIBLE_COLLECTIONS_PATH.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
KEY = "QGDEMO01"
#: The first hosts of the lab lack programs that a gateway needs.
FIRST = 4


def lab(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "QG_LAB_DIR": str(folder / "lab"), "QG_LAB_PYTHON": sys.executable}
    command = [str(TESTS / "lab" / "lab.sh"), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def play(folder: Path, api: str, hosts: str, name: str, **variables: object) -> tuple[float, dict[str, float]]:
    """Run a playbook; return its time, and the seconds of each task."""
    log = folder / f"log-{time.time_ns()}"
    environment = {
        **os.environ,
        "QG_KEY": KEY,
        "QG_API_URL": api,
        "QG_STATE_DIR": str(folder / "state"),
        "ANSIBLE_LOG_PATH": str(log),
        "ANSIBLE_FORKS": "10",
        "ANSIBLE_PIPELINING": "1",
    }
    values = {
        "qg_hosts": hosts,
        "ansible_python_interpreter": "/usr/bin/python3",
        "proxy_gateway_service": "daemon",
        "proxy_gateway_configuration": "/run/qg-proxy-gateway.cfg",
        "proxy_gateway_check": "none",
        "proxy_gateway_keep_alive": 10,
        **variables,
    }
    inventory = str(folder / "lab" / "inventory")
    command = ["ansible-playbook", "--inventory", inventory, "--extra-vars", json.dumps(values), name]
    began = time.monotonic()
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    seconds = time.monotonic() - began
    if ran.returncode:
        raise RuntimeError(f"{name} failed:\n{ran.stdout}\n{ran.stderr}")
    moments = []
    for line in log.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"(\S+ \S+) .*\| (?:TASK|RUNNING HANDLER|PLAY) \[?([^\]*]+)", line):
            moments.append((datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp(), found[2].strip()))
    tasks: dict[str, float] = {}
    for (moment, task), (following, _next) in itertools.pairwise(moments):
        name = task.rpartition(" : ")[2]
        tasks[name] = round(tasks.get(name, 0) + following - moment, 2)
    return seconds, tasks


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateways", type=int, default=10)
    parser.add_argument("--leases", type=int, default=100)
    options = parser.parse_args(arguments)
    numbers = range(FIRST, FIRST + options.gateways)
    hosts = ",".join(f"host{number}" for number in numbers)
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        lab(folder, "up", str(numbers[-1]))
        try:
            lab(folder, "simulator")
            api = lab(folder, "door")
            whitelist = [f"203.0.113.{10 + number}" for number in numbers]
            settings = {"plan": {"channels": 3 * options.leases}, "whitelist": whitelist}
            body = json.dumps(settings).encode()
            urllib.request.urlopen(urllib.request.Request(f"{api}/_sim/keys/{KEY}", body, method="PUT")).close()
            demo, refresh = str(TESTS / "demo" / "gateway.yml"), "qingguo.qgnet.refresh_proxies"
            play(folder, api, hosts, demo, proxy_gateway_count=options.leases, proxy_gateway_drain=30)
            run = functools.partial(play, folder, api, hosts, refresh, proxy_gateway_count=options.leases)
            unchanged, _tasks = run(proxy_gateway_drain=30)
            # Leases of ten minutes that were used for a few seconds count as old, so all of them are replaced.
            seconds, tasks = run(proxy_gateway_drain=595)
        finally:
            lab(folder, "down")
    longest = dict(sorted(tasks.items(), key=lambda item: -item[1])[:6])
    print(
        json.dumps(
            {
                "gateways": options.gateways,
                "leases": options.leases,
                "seconds when all leases are replaced": round(seconds, 1),
                "of these": longest,
                "seconds when nothing changes": round(unchanged, 1),
                "load of the machine": os.getloadavg()[0],
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story "gateway" of the demo: hosts crawl through their gateways while all leases are replaced
twice.

demo.sh starts it with hosts, simulator and environment. Ends 0 only if no request failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Those of the lab that have Python.
HOSTS = ("host3", "host4", "host5")
#: Seconds of a line of the chart.
STEP = 2
END = "/run/demo-end"
Counts = Sequence[Mapping[str, int]]


def play(options: argparse.Namespace, name: str, **variables: object) -> None:
    """Run a playbook for the hosts; show its recap."""
    values = {
        "qg_hosts": ",".join(HOSTS),
        "ansible_python_interpreter": "/usr/bin/python3",
        "proxy_gateway_count": 3,
        "proxy_gateway_keep_alive": 10,
        "proxy_gateway_service": "daemon",
        "proxy_gateway_directory": "/run",
        **variables,
    }
    print(f"$ ansible-playbook {name}", flush=True)
    command = (
        "ansible-playbook",
        "--inventory",
        options.inventory,
        "--extra-vars",
        json.dumps(values),
        name,
    )
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if ran.returncode:
        sys.exit(f"{ran.stdout}\n{ran.stderr}")
    for line in ran.stdout.splitlines():
        if " ok=" in line:
            print(f"  {line}", flush=True)


def crawlers(options: argparse.Namespace) -> list[subprocess.Popen[str]]:
    running = []
    for host in HOSTS:
        command = (options.lab, "ssh", host, f"python3 - {options.url}/ip {END}")
        with (HERE / "crawl.py").open() as script:
            running.append(
                subprocess.Popen(command, stdin=script, stdout=subprocess.PIPE, text=True)
            )
    return running


def table(counts: Counts, exits: Sequence[str], replaced: Sequence[int], failures: int) -> str:
    """Return the chart as text: a column for each exit, a line for each two seconds."""
    names = " ".join(f"{name.rpartition('.')[2]:>4}" for name in exits)
    lines = [f"  seconds  {names}   (last part of the exit)"]
    total = 0
    for number, served in enumerate(counts):
        cells = " ".join(f"{served.get(name) or '.':>4}" for name in exits)
        line = f"  {number * STEP:>7}  {cells}"
        if number in replaced:
            line += "   <- all leases replaced"
        lines.append(line)
        total += sum(served.values())
    return "\n".join([*lines, f"  {total} requests, {failures} failures"])


def count(lines: Sequence[str], began: float) -> tuple[Counts, list[str], int]:
    """Return how many requests each exit has served in each step, the exits in their order, and the
    failures.
    """
    requests = sorted((float(moment), name) for moment, name in map(str.split, lines))
    steps = int(requests[-1][0] - began) // STEP + 1
    counts = [Counter[str]() for _step in range(steps)]
    failures = 0
    for moment, name in requests:
        if name == "failed":
            failures += 1
        else:
            counts[int(moment - began) // STEP][name] += 1
    exits: dict[str, None] = {}
    for served in counts:
        exits |= dict.fromkeys(sorted(served))
    return counts, list(exits), failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--inventory", "--lab", "--url"):
        parser.add_argument(name, required=True)
    parser.add_argument(
        "--pause",
        type=int,
        default=15,
        help="seconds of the crawl before and after each replacement",
    )
    options = parser.parse_args()
    play(options, str(HERE / "gateway.yml"), proxy_gateway_drain=30)
    began = time.time()
    running = crawlers(options)
    replaced = []
    for _time in range(2):
        time.sleep(options.pause)
        # Leases of ten minutes that were used for a few seconds count as old.
        play(options, "qingguo.qgnet.refresh_proxies", proxy_gateway_drain=595)
        replaced.append(int((time.time() - began) // STEP))
    time.sleep(options.pause)
    for host in HOSTS:
        subprocess.run((options.lab, "ssh", host, f"touch {END}"), check=True, timeout=60)
    lines = []
    for process in running:
        lines += process.communicate(timeout=120)[0].splitlines()
    counts, exits, failures = count(lines, began)
    print(table(counts, exits, replaced, failures))
    if failures or len(exits) != 3 * len(HOSTS):
        sys.exit(
            f"{failures} requests failed, and {len(exits)} exits served instead of "
            f"{3 * len(HOSTS)}."
        )


if __name__ == "__main__":
    main()

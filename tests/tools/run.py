# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run nox sessions, and close with one line that says what ran, with its wall and its processor time.

usage: run.py SESSION [SESSION ...] [--core CORE] [-- argument of the session ...]

--core chooses one of the sessions that exist for each ansible-core in noxfile.py. "test" stands for the sessions of
each change, and "rest" for those that CI and a release run after them.

Sessions that keep at most one core busy run beside the others, longest first, and the output of each is shown when it
has ended. nox --parallel does the same, but shows nothing of the pytest sessions, which take longest, until they end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, NamedTuple

import workspace

INTERRUPTED = 130
#: How many run beside the one in front: more than two cores, since the lab, the browser and the event source wait.
BESIDE = 4
#: Sessions that keep one core busy, those that take longest first. The event source waits for most of its time.
ONE_CORE = (*("eda", "molecule", "sanity", "lint", "antsibull"),)
#: Of the sessions that exist for each core, what runs unless a core is chosen; of others, all.
WITHOUT_CORE = {
    "sanity": ("checkout", "core-oldest"),
    "units": ("core-newest", "core-oldest"),
    "unit": ("core-newest", "core-oldest"),
    "integration": ("core-newest", "core-oldest"),
    "molecule": ("all",),
}
#: What stands for several sessions. The unit tests of the newest core are the quick ones in "test", and the thorough
#: ones in "rest", as are the sanity tests. Only the matrix of the night runs the thorough integration tests.
GROUPS = {
    "test": ("sanity(checkout)", "molecule(one)", "lint", "unit(core-newest)", "integration(core-newest)"),
    "rest": (
        *("unit(core-newest)", "unit(core-oldest)", "integration(core-oldest)", "coverage", "eda", "molecule(others)"),
        *("sanity(checkout)", "sanity(core-oldest)", "antsibull"),
    ),
}
#: Sessions that run until they are stopped.
FOREGROUND = (["simulator"], ["cluster"])


class Outcome(NamedTuple):
    """How a session ended, and the seconds that it took."""

    name: str
    code: int
    result: str
    wall: float = 0.0
    processor: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} {self.result}, {self.wall:.0f} s ({self.processor:.0f} s of processor time)"


def plan(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the sessions that run beside others, in their order, and those that run one after another."""
    beside = [name for known in ONE_CORE for name in wanted if name.partition("(")[0] == known]
    in_front = [name for name in wanted if name not in beside]
    return (beside, in_front) if in_front else ([], list(wanted))


def expanded(names: Sequence[str], core: str | None) -> Iterator[str]:
    """Yield the sessions that nox is to run for these names."""
    for name in names:
        if name in GROUPS:
            yield from GROUPS[name]
        elif not core:
            yield from (f"{name}({choice})" if choice else name for choice in WITHOUT_CORE.get(name, ("",)))
        else:
            yield f"{name}(core-{core})"


def run_nox(name: str, arguments: Sequence[str], output: IO[bytes] | None = None) -> Outcome:
    print(f"run.py > {name} has begun", flush=True)
    begin = time.monotonic()
    with tempfile.NamedTemporaryFile(dir=workspace.CACHE, suffix=".json") as report:
        command = [sys.executable, "-m", "nox", "--report", report.name, "--sessions", name, *arguments]
        errors = subprocess.STDOUT if output else None
        process = subprocess.Popen(command, cwd=workspace.ROOT, stdout=output, stderr=errors)
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        results = {entry["result"] for entry in json.loads(report.read() or '{"sessions": []}')["sessions"]}
    result = "failed" if process.returncode else " and ".join(sorted(results))
    return Outcome(name, process.returncode, result, time.monotonic() - begin, usage.ru_utime + usage.ru_stime)


def run_all(wanted: Sequence[str], arguments: Sequence[str], stopped: threading.Event) -> list[Outcome]:
    """Run the sessions; nothing begins any more once ``stopped`` is set."""
    beside, in_front = plan(wanted)

    def quietly(name: str) -> Outcome:
        if stopped.is_set():
            return Outcome(name, INTERRUPTED, "stopped")
        with tempfile.TemporaryFile() as output:
            outcome = run_nox(name, arguments, output)
            output.seek(0)
            # In one piece, lest the output of another session comes between.
            sys.stdout.buffer.write(output.read() + f"run.py > {outcome}\n".encode())
            sys.stdout.flush()
        return outcome

    with ThreadPoolExecutor(BESIDE) as pool:
        running = pool.map(quietly, beside)
        ended = []
        for name in in_front:
            if not stopped.is_set():
                ended.append(run_nox(name, arguments))
                print(f"run.py > {ended[-1]}", flush=True)
        return [*ended, *running]


def main(arguments: Sequence[str]) -> int:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("sessions", nargs="+")
    parser.add_argument("--core")
    options = parser.parse_args(arguments[:end])
    workspace.CACHE.mkdir(exist_ok=True)
    stopped = threading.Event()
    # Ctrl-C reaches nox as well, which stops its session in good order.
    signal.signal(signal.SIGINT, lambda _number, _frame: stopped.set())
    begin = time.monotonic()
    outcomes = run_all(list(expanded(options.sessions, options.core)), arguments[end:], stopped)
    code = INTERRUPTED if stopped.is_set() else next((one.code for one in outcomes if one.code), 0)
    minutes, seconds = divmod(round(time.monotonic() - begin), 60)
    verdict = {0: "OK", INTERRUPTED: "STOPPED"}.get(code, "FAILED")
    print(f"{verdict}: {' '.join(options.sessions)} in {minutes} min {seconds} s: {'; '.join(map(str, outcomes))}")
    return 0 if stopped.is_set() and options.sessions in FOREGROUND else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

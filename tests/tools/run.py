# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run nox sessions and close with one line that says how it went.

usage: run.py SESSION [SESSION ...] [--core CORE] [-- argument of the session ...]

--core chooses one of the sessions that exist for each ansible-core in noxfile.py. "test" stands for the sessions of
each change, and "rest" for those that CI and a release run after them; without QG_MEASURE=1, "test" measures no
coverage.

Sessions that keep at most one core busy run three at a time, and the output of each is shown when it has ended. The
others begin when one of those is left, so that it does not have the machine to itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import IO

import workspace

INTERRUPTED = 130
#: More than two cores: the event source, the browser and the lab wait for most of their time.
SIDE_BY_SIDE = 3
#: With fewer rows, the sessions run one after another and show their output as it comes.
MIN_ROWS = 2
#: Sessions that keep one core busy, those that take longest first. Those in one row use the same files.
ONE_CORE = (
    ("sanity",),
    ("molecule",),
    ("eda",),
    ("runner",),
    ("lint",),
    ("galaxy", "quickstart"),
    ("browser",),
    ("docs",),
    ("antsibull",),
)
#: Of the sessions that exist for each core, what runs unless a core is chosen; of others, all.
WITHOUT_CORE = {
    "sanity": ("checkout", "core-oldest"),
    "units": ("core-newest", "core-oldest"),
    "molecule": ("all",),
}
#: What stands for several sessions.
GROUPS = {
    "test": ("lint", "sanity(checkout)", "molecule(one)", "unit(core-newest)", "integration(core-newest)"),
    "rest": (
        *("antsibull", "sanity(core-oldest)", "docs", "galaxy", "quickstart", "eda", "runner", "browser"),
        *("molecule(others)", "machines", "unit(core-oldest)", "integration(core-oldest)", "coverage"),
    ),
}
#: Sessions that need what was run on every core.
AFTER_ALL_CORES = ("support",)


@dataclass
class Outcome:
    """What nox reported."""

    code: int = 0
    sessions: list[dict[str, str]] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take over what another run of nox reported; the first failure counts."""
        self.code = self.code or other.code
        self.sessions += other.sessions


def plan(wanted: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """Return the rows of sessions that run side by side, and then the sessions that have the machine to themselves."""
    rows = [[name for name in wanted if _base(name) in row] for row in ONE_CORE]
    rows = [row for row in rows if row]
    if len(rows) < MIN_ROWS:
        return [], list(wanted)
    together = {name for row in rows for name in row}
    return rows, [name for name in wanted if name not in together]


def _base(name: str) -> str:
    """Return the name of a session without its parameters."""
    return name.partition("(")[0]


def expanded(names: Sequence[str], core: str | None) -> list[str]:
    """Return the sessions that nox is to run for these names."""
    if core:
        return [f"{name}(core-{core})" for name in names if name not in AFTER_ALL_CORES]
    return [f"{name}({choice})" if choice else name for name in names for choice in WITHOUT_CORE.get(name, ("",))]


def summary(wanted: Sequence[str], results: Sequence[dict[str, str]], code: int, seconds: float) -> str:
    """Return the closing line."""
    by_status: dict[str, list[str]] = {}
    for entry in results:
        by_status.setdefault(entry["result"], []).append(entry.get("signatures", [entry["name"]])[0])
    parts = [f"{len(names)} {status} ({', '.join(names)})" for status, names in sorted(by_status.items())]
    minutes, rest = divmod(round(seconds), 60)
    verdict = {0: "OK", INTERRUPTED: "STOPPED"}.get(code, "FAILED")
    return f"{verdict}: {' '.join(wanted)} in {minutes} min {rest} s: {'; '.join(parts) or 'no session ended'}"


def run_nox(arguments: Sequence[str], output: IO[bytes] | None = None) -> Outcome:
    """Run nox with these sessions and arguments."""
    report = workspace.CACHE / f"report-{os.getpid()}-{threading.get_ident()}.json"
    command = [sys.executable, "-m", "nox", "--report", str(report), "--sessions", *arguments]
    errors = subprocess.STDOUT if output else None
    with subprocess.Popen(command, cwd=workspace.ROOT, stdout=output, stderr=errors) as process:
        code = None
        while code is None:
            # Ctrl-C reaches nox as well, which stops its session in good order.
            with contextlib.suppress(KeyboardInterrupt):
                code = process.wait()
    results = []
    if report.exists():
        results = json.loads(report.read_text(encoding="utf-8"))["sessions"]
        report.unlink()
    return Outcome(code, results)


def side_by_side(
    rows: Sequence[Sequence[str]],
    run: Callable[[Sequence[str], IO[bytes]], Outcome],
    rest: Callable[[], Outcome] | None = None,
) -> Outcome:
    """Run the rows, a few at a time, and show the whole output of each when it has ended.

    ``rest`` runs when at most one row is left, and shows its output as it comes; a row that ends meanwhile is shown
    after it.
    """
    total = Outcome()
    showing = threading.Lock()
    stopped = threading.Event()

    def one(row: Sequence[str]) -> None:
        if stopped.is_set():
            return
        print(f"run.py > {' '.join(row)} has begun", flush=True)
        with tempfile.TemporaryFile() as output:
            outcome = run(row, output)
            output.seek(0)
            with showing:
                shutil.copyfileobj(output, sys.stdout.buffer)
                sys.stdout.flush()
                total.add(outcome)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        running = [pool.submit(one, row) for row in rows]
        try:
            if rest:
                left = set(running)
                while len(left) > 1:
                    _ended, left = wait(left, return_when=FIRST_COMPLETED)
                with showing:
                    total.add(rest())
            wait(running)
        except KeyboardInterrupt:
            stopped.set()
    for future in running:
        future.result()
    if stopped.is_set():
        total.code = INTERRUPTED
    return total


def main(arguments: Sequence[str]) -> int:
    """Run the sessions and return nox's exit code."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("sessions", nargs="+")
    parser.add_argument("--core")
    options = parser.parse_args(arguments[:end])
    wanted = [name for given in options.sessions for name in GROUPS.get(given, (given,))]
    if options.sessions == ["test"] and not os.environ.get("QG_MEASURE"):
        os.environ["QG_QUICK"] = "1"
    workspace.CACHE.mkdir(exist_ok=True)
    start = time.monotonic()
    rows, rest = plan(wanted)

    def run(row: Sequence[str], output: IO[bytes] | None = None) -> Outcome:
        return run_nox([*expanded(row, options.core), *arguments[end:]], output)

    outcome = side_by_side(rows, run, (lambda: run(rest)) if rest else None)
    print(summary(options.sessions, outcome.sessions, outcome.code, time.monotonic() - start), flush=True)
    # what runs until it is stopped
    return 0 if outcome.code == INTERRUPTED and wanted in (["simulator"], ["cluster"]) else outcome.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run nox sessions and close with one line that says how it went.

usage: run.py SESSION [SESSION ...] [-- argument of the session ...]
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import workspace

INTERRUPTED = 130
REPORT = workspace.CACHE / f"report-{os.getpid()}.json"


def summary(wanted: Sequence[str], results: Sequence[dict[str, str]], code: int, seconds: float) -> str:
    """Return the closing line."""
    by_status: dict[str, list[str]] = {}
    for entry in results:
        by_status.setdefault(entry["result"], []).append(entry.get("signatures", [entry["name"]])[0])
    parts = [f"{len(names)} {status} ({', '.join(names)})" for status, names in sorted(by_status.items())]
    minutes, rest = divmod(round(seconds), 60)
    verdict = {0: "OK", INTERRUPTED: "STOPPED"}.get(code, "FAILED")
    return f"{verdict}: {' '.join(wanted)} in {minutes} min {rest} s: {'; '.join(parts) or 'no session ended'}"


def main(arguments: Sequence[str]) -> int:
    """Run the sessions and return nox's exit code."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    wanted = arguments[:end]
    workspace.CACHE.mkdir(exist_ok=True)
    start = time.monotonic()
    command = [sys.executable, "-m", "nox", "--report", str(REPORT), "--sessions", *arguments]
    with subprocess.Popen(command, cwd=workspace.ROOT) as process:
        code = None
        while code is None:
            # Ctrl-C reaches nox as well, which stops its session in good order.
            with contextlib.suppress(KeyboardInterrupt):
                code = process.wait()
    results = []
    if REPORT.exists():
        results = json.loads(REPORT.read_text(encoding="utf-8"))["sessions"]
        REPORT.unlink()
    print(summary(wanted, results, code, time.monotonic() - start), flush=True)
    # the simulator runs until it is stopped
    return 0 if code == INTERRUPTED and list(wanted) == ["simulator"] else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plant the bugs of planted_bugs.yml in a copy of the checkout, and see whether the test beside each fails.

mutmut changes single operators of pure parts; these bugs were chosen for what they would cost, wherever they are.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from support import workspace

CODE = "plugins/module_utils"
TESTS = "tests/unit/plugins/module_utils"
BUGS: list[dict[str, str]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
#: Seconds that the test of one bug may take: a bug that makes it hang is found as well.
TIME_LIMIT = 300.0
#: Seconds for all tests without a bug, also on a busy machine.
WHOLE_LIMIT = 3600.0
#: pytest's exit code where tests ran and some failed. Any other failure says nothing of the tests.
TESTS_FAILED = 1


def planted(bug: dict[str, str], text: str) -> str:
    """Return a file with the bug; ValueError if the old text is not there exactly once: it has to follow the code."""
    if (count := text.count(bug["old"])) != 1:
        raise ValueError(f"the old text is {count} times in {CODE}/{bug['file']}: {bug['old']!r}")
    return text.replace(bug["old"], bug["new"])


def run_apart(command: Sequence[str], folder: Path, seconds: float, **settings: str) -> tuple[int | None, str]:
    """Run a command, end it with all that it has started, and return its exit code, if it ended in time, and output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        environment = os.environ | settings
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read().replace("\r", "\n")


def drop_copy(checkout: Path) -> None:
    """Remove a copy of the checkout."""
    shutil.rmtree(checkout.parents[2], ignore_errors=True)


def run_tests(checkout: Path, tests: Iterable[str], limit: float = TIME_LIMIT) -> tuple[int, str]:
    base = checkout.parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "--exitfirst", f"--basetemp={base / 'temporary'}"]
    command += [f"{TESTS}/{name}" for name in tests]
    # The link that the settings of pytest name is not in the copy: the copy itself has the form of a collection.
    settings = {"PYTHONPATH": str(base), "QGNET_CHECKOUT": str(checkout)}
    code, said = run_apart(command, checkout, limit, **settings)
    return TESTS_FAILED if code is None else code, said[-2000:]


def outcome(bug: dict[str, str], checkout: Path) -> str:
    """Plant a bug in the copy, run its test, take the bug out, and return whether it was found."""
    path = checkout / CODE / bug["file"]
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(planted(bug, text), encoding="utf-8")
        code, said = run_tests(checkout, [bug["test"]])
        return {0: "NOT FOUND", TESTS_FAILED: "found"}.get(code, f"ERROR: {said}\n")
    finally:
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="planted_bugs", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="plant only the bugs with one of these in their names")
    options = parser.parse_args(arguments)
    bugs = [bug for bug in BUGS if not options.words or any(word in bug["bug"] for word in options.words)]
    label = f"planted-{os.getpid()}"
    checkout = workspace.copy(label)
    try:
        code, said = run_tests(checkout, sorted({bug["test"] for bug in bugs}), WHOLE_LIMIT)
        if code:
            print(f"{said}\nplanted: FAILED: without a bug, pytest ended with {code}", file=sys.stderr)
            return 1
        ends = []
        for bug in bugs:
            start = time.monotonic()
            ends.append(outcome(bug, checkout))
            print(f"{ends[-1]}: {bug['bug']} ({time.monotonic() - start:.0f} s)", flush=True)
    finally:
        drop_copy(checkout)
    whole = bool(bugs) and ends.count("found") == len(bugs)
    print(f"planted: {'OK' if whole else 'FAILED'}: {ends.count('found')} of {len(bugs)} bugs found")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the pure parts of the collection line by line, and see whether their unit tests notice.

mutmut makes the changes ("mutants") in a copy of the checkout and runs only the tests that pass through the changed
function, each mutant with a time limit. The share of the mutants that a test finds is the score. mutmut changes no
properties, no context managers and nothing outside functions. It knows no limit for a whole run, and counts mutants
that behave like the original.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from planted_bugs import drop_copy, run_apart
from support import workspace

WANTED = 90.0
#: The time that a whole run may take.
MINUTES = 20.0
COLLECTION = workspace.COLLECTION
CODE = "plugins/module_utils"
TESTS = "tests/unit/plugins/module_utils"
#: mutmut's words for a mutant that the tests find: they fail, or do not end in time.
FOUND = {"killed", "timeout"}
#: A line with a statement of SQL, or with the rest of one. SQLite does not distinguish the case of words and names, so
#: that no test can find a mutant in the other case. It does not count.
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b|\bexcluded\.")
EQUIVALENT = "equivalent"

#: What is mutated: files of module_utils, and their functions as patterns in mutmut's spelling.
PARTS = {
    "_whitelist/plan": ("x_plan__*", "x_contradicts__*", "xǁPlanǁ*"),
    "_whitelist/groups": ("x_compatible_with_first__*", "x_merge_desired__*"),
    "_leases/plan": ("*",),
    "_core/waiting": ("*",),
    "_reconcile/converge": ("*",),
    "_reconcile/lost_response": ("*",),
    "_reconcile/view": ("*",),
    "_store/rate_limiter": ("*",),
    "_monopolies/matching": ("*",),
    "_store/facts": ("*",),
}
#: The tests of these parts.
TEST_FILES = (
    "whitelist/test_plan.py",
    "whitelist/test_status.py",
    "leases/test_plan.py",
    "core/test_waiting.py",
    "store/test_rate_limiter.py",
    "reconcile/test_converge.py",
    "reconcile/test_lost_response.py",
    "reconcile/test_view.py",
    "monopolies/test_matching.py",
    "store/test_facts.py",
)

# The shrinking of an input that fails a mutant would take most of the time.
CONFTEST = '''"""Hypothesis for mutants: the same inputs each time, none of them kept or made smaller."""

from hypothesis import Phase, settings

settings.register_profile("mutation", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
'''
# The tests of a mutant may take four times (their usual time + 2.5 seconds).
SETTINGS = """[tool.mutmut]
source_paths = ["{code}"]
only_mutate = {files}
also_copy = ["ansible_collections", "conftest.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["--hypothesis-profile=mutation", "--confcutdir=.", "--basetemp={temporary}"]
timeout_constant = 2.5
timeout_multiplier = 4.0
use_git_change_detection = false
"""


def patterns(part: str) -> list[str]:
    module = f"{COLLECTION}/{CODE}/{part}".replace("/", ".")
    return [f"{module}.{function}" for function in PARTS[part]]


def is_equivalent(diff: Sequence[str]) -> bool:
    """Whether a mutant only writes SQL in the other case."""
    removed = [line[1:] for line in diff if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")]
    alike = [line.lower() for line in removed] == [line.lower() for line in added]
    return alike and bool(removed) and all(SQL.search(line) for line in removed)


def count(part: str, listed: Iterable[str], difference: Callable[[str], list[str]]) -> tuple[Counter[str], list[str]]:
    """Count how the mutants of a part ended, from lines ``name: end``; also return the changes that no test found."""
    ends: Counter[str] = Counter()
    survivors = []
    for line in listed:
        name, _colon, end = line.strip().rpartition(": ")
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns(part)):
            diff = [] if end in FOUND else difference(name)
            ends[EQUIVALENT if is_equivalent(diff) else end] += 1
            survivors += ["\n".join(diff)] if diff and not is_equivalent(diff) else []
    return ends, survivors


def percent(ends: Counter[str]) -> float:
    """Return the share of the mutants that a test has found; nothing to find is no success."""
    total = ends.total() - ends[EQUIVALENT]
    return 100.0 * sum(ends[end] for end in FOUND) / total if total else 0.0


def report(name: str, ends: Counter[str]) -> str:
    reported = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    return f"{name}: {percent(ends):.1f} % of {ends.total() - ends[EQUIVALENT]} mutants ({reported})"


def mutmut(directory: Path, *arguments: str) -> list[str]:
    command = ["mutmut", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout.splitlines()


def make_mutants(directory: Path, names: Sequence[str], processes: int, minutes: float) -> None:
    """Make mutants and run their tests; SystemExit where mutmut fails or the time is over."""
    command = ["mutmut", "run", "--max-children", str(processes), *names]
    code, said = run_apart(command, directory, 60 * minutes)
    if code:
        raise SystemExit(f"{said[-4000:]}\nmutation: FAILED: mutmut ended with {code}")
    if code is None:
        raise SystemExit(f"mutation: FAILED: {minutes:g} minutes are over; see --minutes")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="mutants that run at a time")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the run fails when these are over")
    options = parser.parse_args(arguments)
    parts = options.parts or list(PARTS)
    label = f"mutation-{os.getpid()}"
    begin = time.monotonic()
    whole: Counter[str] = Counter()
    checkout = workspace.copy(label)
    directory = checkout.parents[2]
    try:
        (directory / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        settings = SETTINGS.format(
            code=f"{COLLECTION}/{CODE}",
            files=[f"{COLLECTION}/{CODE}/{part}.py" for part in parts],
            tests=[f"{COLLECTION}/{TESTS}/{name}" for name in TEST_FILES],
            temporary=directory / "temporary",
        )
        (directory / "pyproject.toml").write_text(settings, encoding="utf-8")
        names = [name for part in parts for name in patterns(part)]
        make_mutants(directory, names, options.processes, options.minutes)
        listed = mutmut(directory, "results", "--all", "true")
        for part in parts:
            ends, survivors = count(part, listed, lambda name: mutmut(directory, "show", name))
            whole += ends
            print("\n".join([*survivors, report(f"mutation: {part}", ends)]), flush=True)
    finally:
        drop_copy(checkout)
    print(f"mutation: {time.monotonic() - begin:.0f} seconds; wanted: {WANTED:.0f} %")
    print(report(f"mutation: {'OK' if percent(whole) >= WANTED else 'FAILED'}", whole))
    return 0 if percent(whole) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

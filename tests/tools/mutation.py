# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the pure parts of the collection line by line, and see whether their own unit tests notice.

mutmut makes the changes ("mutants") in a copy of the checkout and runs only the tests that pass through the changed
function, each mutant with a time limit. The share of the mutants that a test finds is the score. mutmut changes no
properties, no context managers and nothing outside functions.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import workspace

WANTED = 90.0
#: The time that a whole run may take.
MINUTES = 20.0
LABEL = f"mutation-{os.getpid()}"
COLLECTION = f"ansible_collections/{workspace.NAMESPACE}/{workspace.NAME}"
CODE = "plugins/module_utils"
TESTS = "tests/unit/plugins/module_utils"
#: mutmut's words for a mutant that the tests find: they fail, or do not end in time.
FOUND = {"killed", "timeout"}
#: Such a mutant behaves like the original, so that no test can find it, and it does not count.
EQUIVALENT = "equivalent"
#: A line with a statement of SQL, or with the rest of one. SQLite does not distinguish the case of words and names.
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b|\bexcluded\.")


@dataclass(frozen=True)
class Part:
    """A file of ``plugins/module_utils``, and the files of its unit tests.

    ``functions`` are patterns in mutmut's spelling (``x_plan``, ``xǁPlanǁoverflow``); without them, all are changed.
    """

    file: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How arguments name the part."""
        return self.file.removesuffix(".py")

    @property
    def module(self) -> str:
        """The name that the tests import the file by."""
        return f"{COLLECTION}/{CODE}/{self.name}".replace("/", ".")


#: What is mutated, and with which tests: the one place that says so.
PARTS = (
    Part(
        "_whitelist/plan.py",
        ("test_whitelist_plan.py",),
        functions=("x_plan", "x_check_limits", "x_contradicts", "xǁPlanǁ*"),
    ),
    Part(
        "_whitelist/merge.py",
        ("test_whitelist_plan.py",),
        functions=("x_compatible_with_first", "x_merge_desired"),
    ),
    Part("_leases/plan.py", ("test_lease_plan.py",)),
    Part("_core/waiting.py", ("test_rate_limiter.py",)),
    Part("_reconcile/converge.py", ("test_reconcile.py",)),
    Part("_reconcile/lost_response.py", ("test_reconcile.py",)),
    Part("_store/rate_limiter.py", ("test_rate_limiter.py",)),
    Part("_monopolies/matching.py", ("test_monopoly_matching.py",)),
    Part("_store/monopoly_store.py", ("test_monopoly_matching.py",)),
)

# The shrinking of an input that fails a mutant would take most of the time.
CONFTEST = '''"""Hypothesis for mutants: the same inputs each time, none of them kept or made smaller."""

from hypothesis import Phase, settings

settings.register_profile("mutation", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
'''

SETTINGS = """[tool.mutmut]
source_paths = ["{code}"]
only_mutate = ["{code}/{file}"]
also_copy = ["ansible_collections", "conftest.py"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {arguments}
timeout_constant = {constant}
timeout_multiplier = {multiplier}
use_git_change_detection = false
"""

ARGUMENTS = ("--hypothesis-profile=mutation", "--confcutdir=.")

#: The tests of a mutant may take (their usual time + TIME_EXTRA) * TIME_FACTOR seconds.
TIME_FACTOR = 4.0
TIME_EXTRA = 2.5


def is_equivalent(diff: Sequence[str]) -> bool:
    """Whether a mutant only writes SQL in the other case."""
    removed = [line[1:] for line in diff if line.startswith("-") and not line.startswith("---")]
    added = [line[1:] for line in diff if line.startswith("+") and not line.startswith("+++")]
    alike = [line.lower() for line in removed] == [line.lower() for line in added]
    return alike and bool(removed) and all(SQL.search(line) for line in removed)


@dataclass
class Score:
    """How many mutants came to which end, and the differences of those that no test found."""

    ends: Counter[str] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of mutants that a test could find."""
        return self.ends.total() - self.ends[EQUIVALENT]

    @property
    def found(self) -> int:
        """The number of mutants that a test has found."""
        return sum(self.ends[end] for end in FOUND)

    @property
    def percent(self) -> float:
        """The share of them, in percent; nothing to find is no success."""
        return 100.0 * self.found / self.total if self.total else 0.0

    def add(self, other: Score) -> None:
        """Count those of another part as well."""
        self.ends += other.ends
        self.survivors += other.survivors

    def __str__(self) -> str:
        ends = ", ".join(f"{number} {end}" for end, number in sorted(self.ends.items()))
        return f"{self.percent:.1f} % of {self.total} mutants ({ends})"


def score(listed: Iterable[str], difference: Callable[[str], Sequence[str]]) -> Score:
    """Read lines of the form ``name: end``; ``difference`` shows what a mutant changes."""
    result = Score()
    for line in listed:
        name, separator, end = line.strip().rpartition(": ")
        if not separator:
            continue
        if end not in FOUND:
            diff = difference(name)
            if is_equivalent(diff):
                end = EQUIVALENT
            else:
                result.survivors.append("\n".join(diff))
        result.ends[end] += 1
    return result


def settings(part: Part, directory: Path) -> str:
    """Return mutmut's settings for a part."""
    present = [f"{COLLECTION}/{TESTS}/{name}" for name in part.tests]
    if absent := [name for name in present if not (directory / name).is_file()]:
        raise SystemExit(f"mutation: no such tests: {', '.join(absent)}")
    if not (directory / COLLECTION / CODE / part.file).is_file():
        raise SystemExit(f"mutation: no such file: {CODE}/{part.file}")
    return SETTINGS.format(
        code=f"{COLLECTION}/{CODE}",
        file=part.file,
        tests=present,
        arguments=[*ARGUMENTS, f"--basetemp={directory / 'temporary'}"],
        constant=TIME_EXTRA,
        multiplier=TIME_FACTOR,
    )


def wanted_names(part: Part, listed: Iterable[str]) -> list[str]:
    """Return those of mutmut's lines that belong to the functions of a part."""
    starts = tuple(f"{part.module}.{name.removesuffix('*')}" for name in part.functions)
    lines = [line.strip() for line in listed]
    if not starts:
        return lines
    exact = tuple(start if start.endswith("ǁ") else f"{start}__mutmut_" for start in starts)
    return [line for line in lines if line.startswith(exact)]


def mutmut(directory: Path, *arguments: str) -> list[str]:
    """Return the lines that mutmut prints."""
    command = ["mutmut", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout.splitlines()


def run_mutmut(directory: Path, log: Path, deadline: float, *arguments: str) -> int | None:
    """Run mutmut in a session of its own until the deadline; its exit code, or None where it was ended."""
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(
            ["mutmut", "run", *arguments],
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            return process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Tests that hang, and processes that they have started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def run_part(part: Part, directory: Path, processes: int, deadline: float) -> Score:
    """Make and run the mutants of a part; SystemExit where mutmut fails or has no time left."""
    shutil.rmtree(directory / "mutants", ignore_errors=True)
    (directory / "pyproject.toml").write_text(settings(part, directory), encoding="utf-8")
    start, log = time.monotonic(), directory / "mutmut.log"
    names = [f"{part.module}.{name}{'' if name.endswith('*') else '__mutmut_*'}" for name in part.functions]
    code = run_mutmut(directory, log, deadline, "--max-children", str(processes), *names)
    if code is None:
        raise SystemExit(f"mutation: FAILED: {part.name}: the time is over; see --minutes")
    if code:
        text = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
        raise SystemExit(f"{text[-4000:]}\nmutation: FAILED: {part.name}: mutmut ended with {code}")
    listed = wanted_names(part, mutmut(directory, "results", "--all", "true"))
    result = score(listed, lambda name: mutmut(directory, "show", name))
    report = [*result.survivors, f"mutation: {part.name}: {result}, in {time.monotonic() - start:.0f} seconds"]
    print("\n".join(report), flush=True)
    return result


def main(arguments: Sequence[str]) -> int:
    """Return the exit code: 1 where too few mutants are found."""
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(part.name for part in PARTS)}")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="mutants that run at a time")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the run fails when these are over")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {part.name for part in PARTS}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    deadline = time.monotonic() + 60 * options.minutes
    whole = Score()
    try:
        directory = workspace.copy_collection(LABEL).parents[2]
        (directory / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        for part in PARTS:
            if not options.parts or part.name in options.parts:
                whole.add(run_part(part, directory, options.processes, deadline))
    finally:
        workspace.drop_copy(LABEL)
    verdict = "OK" if whole.percent >= WANTED else "FAILED"
    print(f"mutation: {verdict}: {whole}; wanted: {WANTED:.0f} %")
    return 0 if verdict == "OK" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

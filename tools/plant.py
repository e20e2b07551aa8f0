# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant random defects, one at a time, in the code that pays, writes or waits, and see whether the
tests notice.

First, the quick tests that run in one process are run once, to learn which lines each reaches.
Then each defect is planted in a process of its own, which runs the tests that reach it, the
shortest first, until one fails. A defect that none notices is shown as a difference: mend the
tests, or say why it makes no difference.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypedDict

import workspace

UTILS = Path("plugins/module_utils")
#: The code that pays, writes or waits.
CODE = {
    "_paid": (
        *("ensure", "evidence", "holdings", "journal", "journal_reader", "lifetime"),
        *("matching", "paying", "reconciling", "release", "replacement", "result", "snapshot"),
    ),
    "_spending": ("caps", "forecast"),
    "_leases": ("origin",),
    "_gateway": ("exits", "judging", "lease_sets", "policy", "sightings", "slots", "supply"),
    "_store": ("facts", "installations", "rate_limiter", "registrations", "sqlite"),
    "_api": ("caller", "key"),
    "_whitelist": ("edit", "fleet", "kept"),
    "_core": ("runtime",),
}
TESTS = ("tests/behavior", "tests/unit", "--ignore=tests/unit/simulator", "--ignore=tests/unit/eda")
#: A test that takes longer has noticed something.
SECONDS = 240
WANTED = 0.95
WORKERS = (os.cpu_count() or 1) + 1
#: With what the process of a defect ends that no test notices, or that it cannot plant.
UNNOTICED = 0
UNPLANTED = 3

_PAIRS = [
    (ast.Lt, ast.LtE),
    (ast.Gt, ast.GtE),
    (ast.Eq, ast.NotEq),
    (ast.In, ast.NotIn),
    (ast.Is, ast.IsNot),
]
_COMPARED = dict(_PAIRS) | {right: left for left, right in _PAIRS}
_JOINED: dict[type[ast.boolop], ast.boolop] = {ast.And: ast.Or(), ast.Or: ast.And()}
_CALCULATED: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.BitOr: ast.BitAnd(),
}


def defect(node: ast.AST) -> Callable[[], ast.AST] | None:
    """Return what makes the defective form of a node; None for a node that is left alone."""
    changed = copy.deepcopy(node)
    if isinstance(changed, ast.Compare) and type(changed.ops[0]) in _COMPARED:
        changed.ops[0] = _COMPARED[type(changed.ops[0])]()
    elif isinstance(changed, ast.BoolOp):
        changed.op = _JOINED[type(changed.op)]
    elif isinstance(changed, ast.UnaryOp) and isinstance(changed.op, ast.Not):
        return lambda: changed.operand
    elif isinstance(changed, ast.BinOp) and type(changed.op) in _CALCULATED:
        changed.op = _CALCULATED[type(changed.op)]
    elif isinstance(changed, ast.Constant) and type(changed.value) is bool:
        changed.value = not changed.value
    elif isinstance(changed, ast.Constant) and isinstance(changed.value, int | float):
        changed.value = changed.value + 1
    elif isinstance(changed, ast.Expr) and isinstance(changed.value, ast.Call):
        return ast.Pass
    elif isinstance(changed, ast.If):
        changed.test = ast.Constant(value=False)
    elif isinstance(changed, ast.Break | ast.Continue):
        return ast.Pass
    else:
        return None
    return lambda: changed


class Record(TypedDict):
    """What reaching.py records of a test."""

    test: str
    seconds: float
    lines: dict[str, list[int]]


class Trial(TypedDict):
    """A defect, and the tests that may notice it."""

    path: str
    line: int
    number: int
    tests: list[str]
    #: Whether the file has it already.
    is_written: bool


class Place(NamedTuple):
    """Where a defect can be planted: its number within a file, and the lines whose tests may notice
    it.
    """

    path: str
    number: int
    lines: range


class Planter(ast.NodeTransformer):
    """Finds the places of a file where a defect can be planted, and plants it at the place of this
    number.
    """

    def __init__(self, path: str, number: int = -1) -> None:
        self.path = path
        self.number = number
        self.source = (workspace.ROOT / UTILS / path).read_text("utf-8")
        self.places: list[Place] = []
        # What is run on import shows in all tests that reach the file.
        self._lines = range(1, self.source.count("\n") + 1)
        self._functions = 0

    def planted(self) -> ast.AST:
        return self.visit(ast.parse(self.source))

    def visit(self, node: ast.AST) -> ast.AST:
        outer = self._lines
        if isinstance(node, ast.stmt) and self._functions:
            body = getattr(node, "body", None)
            end = body[0].lineno if body else (node.end_lineno or 0) + 1
            self._lines = range(node.lineno, end)
        is_function = isinstance(node, ast.FunctionDef)
        self._functions += is_function
        make = defect(node)
        if make is not None:
            self.places.append(Place(self.path, len(self.places), self._lines))
        if make is not None and len(self.places) - 1 == self.number:
            changed = ast.copy_location(make(), node)
        else:
            changed = self.generic_visit(node)
        self._functions -= is_function
        self._lines = outer
        return changed

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Types are never evaluated, and nothing does what a class is frozen against.
        left_out = {}
        for name, empty in (("annotation", None), ("returns", None), ("decorator_list", [])):
            if hasattr(node, name):
                left_out[name] = getattr(node, name)
                setattr(node, name, empty)
        super().generic_visit(node)
        for name, value in left_out.items():
            setattr(node, name, value)
        return node


def find_places() -> list[Place]:
    """Return all places for a defect."""
    places = []
    for folder, names in CODE.items():
        for name in names:
            planter = Planter(f"{folder}/{name}.py")
            planter.planted()
            places += planter.places
    return places


def run(checkout: Path, given: Path, *arguments: str) -> int:
    """Run pytest in a copy of the checkout with reaching.py, for which ``given`` is."""
    settings = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(checkout.parents[2]),
        "PYTHONPATH": str(workspace.ROOT / "tools"),
        "PYTHONPYCACHEPREFIX": str(checkout / ".cache" / "bytecode"),
        "QGNET_CHECKOUT": str(checkout),
        "QGNET_REACHING": str(given),
    }
    limits = ("-o", f"faulthandler_timeout={SECONDS}", "-o", "faulthandler_exit_on_timeout=true")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "-p",
        "reaching",
        "-m",
        "not slow and not nightly",
    ]
    command += [*limits, *arguments]
    return subprocess.run(command, cwd=checkout, env=settings, check=False).returncode


def measure(checkout: Path) -> list[Record]:
    """Return what reaching.py records of each test, the shortest first; it is kept for the next
    time that the files are the same.
    """
    names = [name for name in workspace.files() if name.startswith(("plugins/", "tests/"))]
    folder = workspace.CACHE / "reached" / workspace.digest(names)
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        fresh = folder.with_suffix(".part")
        fresh.mkdir(parents=True)
        if run(checkout, fresh, "-x", *workspace.WORKERS, *TESTS) != 0:
            sys.exit("the tests fail without a defect")
        fresh.rename(folder)
    lines = [line for path in folder.iterdir() for line in path.read_text("utf-8").splitlines()]
    return sorted(map(json.loads, lines), key=itemgetter("seconds"))


def trial_of(place: Place, records: list[Record]) -> Trial:
    """Return what is to be tried: the shortest tests first, where a second case of a test counts as
    twice as long, a third as three times.
    """
    cases: Counter[str] = Counter()
    weights = {}
    for record in records:
        if not set(place.lines).isdisjoint(record["lines"].get(place.path, ())):
            name = record["test"].partition("[")[0]
            cases[name] += 1
            weights[record["test"]] = record["seconds"] * cases[name]
    return Trial(
        path=place.path,
        line=place.lines.start,
        number=place.number,
        tests=sorted(weights, key=lambda test: weights[test]),
        is_written=False,
    )


def tell(trial: Trial, code: int, failed: str, seconds: float) -> None:
    """Print which test has noticed a defect, or else the defect."""
    about = f"{trial['path']}:{trial['line']}: {seconds:.0f} s, {len(trial['tests'])} tests"
    if code == UNNOTICED:
        before = ast.unparse(Planter(trial["path"]).planted()).splitlines()
        after = ast.unparse(Planter(trial["path"], trial["number"]).planted()).splitlines()
        shown = difflib.unified_diff(before, after, trial["path"], lineterm="", n=4)
        print("\n".join([f"{about}: not noticed", *shown, ""]), flush=True)
    elif code != UNPLANTED:
        print(f"{about}: {failed}", flush=True)


def run_trials(checkout: Path, trials: list[Trial], *files: str) -> list[int]:
    """Return with which code the process of each defect ends, as far as pytest comes to them."""
    given = checkout / ".cache" / "trials" / "given"
    shutil.rmtree(given.parent, ignore_errors=True)
    given.parent.mkdir()
    given.write_text(json.dumps(trials), "utf-8")
    run(checkout, given, *files)
    done = given.with_name("done")
    return json.loads(done.read_text("utf-8")) if done.exists() else []


def is_noticed_in_file(checkout: Path, trial: Trial) -> bool:
    """Return whether a defect is noticed that takes effect when its file is read."""
    path = checkout / UTILS / trial["path"]
    planter = Planter(trial["path"], trial["number"])
    path.write_text(ast.unparse(planter.planted()), "utf-8")
    # Python tells compiled files apart by size and second.
    os.utime(path, (trial["number"], trial["number"]))
    files = dict.fromkeys(test.partition("::")[0] for test in trial["tests"])
    codes = run_trials(checkout, [{**trial, "is_written": True}], *files) if files else [UNNOTICED]
    path.write_text(planter.source, "utf-8")
    return codes != [UNNOTICED]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--number", type=int, default=100)
    given = options.parse_args()
    places = find_places()
    chosen = random.Random(given.seed).sample(places, min(given.number, len(places)))
    print(f"seed {given.seed}: {len(chosen)} of {len(places)} defects", flush=True)
    checkout = workspace.copy("planted", workspace.files())
    (checkout / ".cache").mkdir()
    (checkout / ".cache" / "collections").symlink_to(checkout.parents[2])
    records = measure(checkout)
    trials = [trial_of(place, records) for place in chosen]
    noticed = try_all(checkout, trials)
    print(f"seed {given.seed}: {noticed} of {len(chosen)} defects were noticed", flush=True)
    return int(noticed < WANTED * len(chosen))


def try_all(checkout: Path, trials: list[Trial]) -> int:
    """Return how many defects are noticed."""
    in_functions = [trial for trial in trials if trial["line"] > 1]
    in_files = [trial for trial in trials if trial["line"] == 1]
    noticed = 0
    for trial, code in zip(in_functions, run_trials(checkout, in_functions, *TESTS), strict=True):
        if code == UNPLANTED:
            in_files.append(trial)
        elif code != UNNOTICED:
            noticed += 1
    for trial in in_files:
        noticed += is_noticed_in_file(checkout, trial)
    return noticed


if __name__ == "__main__":
    sys.exit(main())

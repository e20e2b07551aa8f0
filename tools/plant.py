# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plant random defects, one at a time, in the code that pays, writes or waits, and see whether the
tests notice.

Each defect is planted in a copy of the checkout, on which the quick tests that run in one process
are run until one of them fails. A defect that none notices is shown as a difference: mend the
tests, or say why it makes no difference.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import workspace

UTILS = Path("plugins/module_utils")
#: The code that pays, writes or waits.
CODE = {
    "_paid": (
        *("books", "caps", "ensure", "evidence", "holdings", "journal"),
        *("lifetime", "matching", "release", "replacement", "result"),
    ),
    "_store": ("rate_limiter", "registrations", "facts", "sqlite"),
    "_api": ("caller", "key"),
    "_whitelist": ("edit", "fleet", "kept"),
    "_core": ("runtime",),
}
#: Most defects are noticed by the first tests; the others run only if those pass.
FIRST = (
    *(
        "tests/behavior/test_replace.py",
        "tests/behavior/test_leases.py",
        "tests/behavior/test_ledger.py",
    ),
    *("tests/behavior/test_whitelist.py", "tests/behavior/test_witnesses.py"),
)
ALL = (
    *("tests/unit/test_evidence.py", "tests/unit/plugins/test_whitelist_fleet.py"),
    *("tests/unit/plugins/module_utils", "tests/behavior"),
)
SECONDS = 900
WANTED = 0.95

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
    elif isinstance(changed, ast.Constant) and type(changed.value) in (int, float):
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


class Planter(ast.NodeTransformer):
    """Counts the places where a defect can be planted, and plants it at the place of this
    number.
    """

    def __init__(self, number: int = -1) -> None:
        self.number = number
        self.places = 0

    def visit(self, node: ast.AST) -> ast.AST:
        make = defect(node)
        if make is not None:
            self.places += 1
            if self.places - 1 == self.number:
                return ast.copy_location(make(), node)
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Types are never evaluated.
        types = {}
        for name in ("annotation", "returns"):
            if hasattr(node, name):
                types[name] = getattr(node, name)
                setattr(node, name, None)
        super().generic_visit(node)
        for name, value in types.items():
            setattr(node, name, value)
        return node


def places() -> list[tuple[Path, int]]:
    """Return all places for a defect: files, and numbers within them."""
    found = []
    for folder, names in CODE.items():
        for name in names:
            planter = Planter()
            path = UTILS / folder / f"{name}.py"
            planter.visit(ast.parse((workspace.ROOT / path).read_text("utf-8")))
            found += [(path, number) for number in range(planter.places)]
    return found


def run_tests(checkout: Path) -> bool:
    """Return whether the tests pass in a copy of the checkout."""
    return run(checkout, FIRST) and run(checkout, (*ALL, *(f"--deselect={path}" for path in FIRST)))


def run(checkout: Path, arguments: Iterable[str]) -> bool:
    """Return whether these tests pass; those that do not end have noticed something."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", *arguments]
    base = checkout.parents[2]
    link = checkout / ".cache" / "collections"
    link.parent.mkdir(exist_ok=True)
    if not link.exists():
        link.symlink_to(base)
    settings = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(base),
        "QGNET_CHECKOUT": str(checkout),
    }
    # Compiled files are told apart by size and second, which a defect may leave as they are.
    settings |= {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(checkout / ".cache" / "bytecode"),
    }
    try:
        done = subprocess.run(
            command, cwd=checkout, env=settings, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--number", type=int, default=100)
    given = options.parse_args()
    all_places = places()
    chosen = random.Random(given.seed).sample(all_places, min(given.number, len(all_places)))
    print(f"seed {given.seed}: {len(chosen)} of {len(all_places)} defects", flush=True)
    checkouts: SimpleQueue[Path] = SimpleQueue()
    workers = os.cpu_count() or 1
    for number in range(workers):
        checkouts.put(workspace.copy(f"planted{number}", workspace.files()))

    def is_noticed(place: tuple[Path, int]) -> bool:
        checkout = checkouts.get()
        path = checkout / place[0]
        original = path.read_text("utf-8")
        tree = ast.parse(original)
        path.write_text(ast.unparse(Planter(place[1]).visit(copy.deepcopy(tree))), "utf-8")
        passed = run_tests(checkout)
        changed = path.read_text("utf-8").splitlines()
        path.write_text(original, "utf-8")
        checkouts.put(checkout)
        if passed:
            shown = difflib.unified_diff(
                ast.unparse(tree).splitlines(), changed, str(place[0]), lineterm="", n=4
            )
            print("\n".join(["", "not noticed:", *shown]), flush=True)
        return not passed

    if not run_tests(workspace.copy("planted", workspace.files())):
        print("the tests fail without a defect")
        return 2
    with ThreadPoolExecutor(workers) as pool:
        noticed = sum(pool.map(is_noticed, chosen))
    print(f"seed {given.seed}: {noticed} of {len(chosen)} defects were noticed", flush=True)
    return int(noticed < WANTED * len(chosen))


if __name__ == "__main__":
    sys.exit(main())

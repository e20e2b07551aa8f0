# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of plugins/module_utils: the shared ones know only those below them, a domain knows
the shared ones.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
#: From the bottom to the top: each may import those before it, and a domain all of them.
SHARED = ["_core", "_store", "_api", "_task", "_spending", "_paid"]

#: What each domain has: its entry for actions and modules, and the calls of what it pays for.
COMMON_NAMES = {"__init__", "operations", "api"}
#: The domains that read from others, or lease through them.
ABOVE = {
    "_gateway": ["_leases"],
    "_watch": ["_leases"],
    "_doctor": ["_leases", "_gateway"],
    "_ledger": ["_gateway"],
    "_report": ["_leases", "_gateway", "_whitelist"],
}
#: The files that turn the options of a task into objects, beside those of ``_task``.
EDGES = ("operations", "quota", "lookup")


def imported_folders(path: Path) -> set[str]:
    """Return the folders of module_utils that a file imports; not those that are imported for type
    checks alone.
    """
    inner = path.relative_to(CLIENT).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = (*inner[: len(inner) - node.level + 1], *(node.module or "").split("."))
            found.add(place[0] or node.names[0].name)
        elif isinstance(node, ast.ImportFrom) and ".qgnet.plugins.module_utils" in (
            node.module or ""
        ):
            found.add(((node.module or "") + ".").partition("module_utils.")[2].partition(".")[0])
    return found


def test_a_file_imports_only_the_layers_below_its_own() -> None:
    wrong = {}
    for path in CLIENT.rglob("*.py"):
        name = str(path.relative_to(CLIENT))
        folder = name.partition("/")[0]
        below = SHARED
        if folder in SHARED:
            below = SHARED[: SHARED.index(folder)]
        below = [*below, *ABOVE.get(folder, [])]
        if others := imported_folders(path) - {folder, *below}:
            wrong[name] = others
    assert wrong == {}


def test_nothing_below_the_operations_gets_the_options_of_a_task() -> None:
    """They are objects there, so that a signature says what a function looks at."""
    wrong = []
    for path in CLIENT.rglob("*.py"):
        if path.stem in EDGES or path.parent.name in ("_task", "_store"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg) and node.arg in ("params", "options"):
                wrong.append(f"{path.relative_to(CLIENT)}:{node.lineno}")
    assert wrong == []


def test_no_two_files_have_one_name() -> None:
    """The tabs of an editor are told apart."""
    numbers = Counter(path.stem for path in CLIENT.rglob("*.py"))
    repeated = {name for name, number in numbers.items() if number > 1}
    assert repeated - COMMON_NAMES == set()


def test_only_unit_tests_know_the_inside_of_the_collection() -> None:
    """All others go from options to results. One file of theirs gives a task its runtime
    (support/node.py), and one leases for gateways without Ansible (behavior/gateway_fleet.py).
    """
    tests = CLIENT.parents[1] / "tests"
    others = [
        path
        for name in ("behavior", "contract", "integration")
        for path in (tests / name).rglob("*.py")
    ]
    inside = re.compile(r"plugins\.module_utils\.(?!_task\b)|from \.+module_utils")
    wrong = [
        str(path.relative_to(tests))
        for path in others
        if inside.search(path.read_text(encoding="utf-8"))
    ]
    assert wrong == ["behavior/gateway_fleet.py"]

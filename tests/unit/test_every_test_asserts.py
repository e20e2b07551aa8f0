# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test that asserts nothing, or that can end before it does, cannot fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: What asserts without the word: invariants of a state machine, and the exception that a body has
#: to raise.
ASSERTING = {"raises", "run_state_machine_as_test", "fail"}


def functions() -> Iterator[tuple[str, Function]]:
    """Yield each function of the tests, with the place where it stands."""
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function):
                yield f"{path.relative_to(TESTS)}:{node.lineno} {node.name}", node


def called(function: Function) -> set[str]:
    """Return the names of what a function calls, and "assert" if it has an assertion."""
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            names.add("assert")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names.add(node.func.id)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names.add(node.func.attr)
    return names


def ends_early(function: Function) -> bool:
    """Return whether a test has a return of its own, and not one of a function within it."""
    below: list[ast.AST] = list(function.body)
    for node in below:
        if isinstance(node, ast.Return):
            return True
        if not isinstance(node, Function | ast.Lambda):
            below.extend(ast.iter_child_nodes(node))
    return False


def test_every_test_asserts_and_none_returns_before() -> None:
    calls = [(place, function, called(function)) for place, function in functions()]
    asserting = {"assert", *ASSERTING}
    before = 0
    while before < len(asserting):
        before = len(asserting)
        for _place, function, names in calls:
            if names & asserting:
                asserting.add(function.name)
    silent = []
    early = []
    tests = [row for row in calls if row[1].name.startswith("test_")]
    for place, function, names in tests:
        if not names & asserting:
            silent.append(place)
        if ends_early(function):
            early.append(place)
    assert len(tests) > 500
    assert silent == []
    assert early == []

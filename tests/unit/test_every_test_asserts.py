# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test that asserts nothing, or that can end before it does, cannot fail."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: What asserts without the word: invariants of a state machine, and the exception that a body has to raise.
ASSERTING = {"raises", "run_state_machine_as_test", "fail"}


def functions() -> Iterator[tuple[str, Function]]:
    """Yield each function of the tests, with the place where it stands."""
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, Function):
                yield f"{path.relative_to(TESTS)}:{node.lineno} {node.name}", node


def asserts(function: Function, helpers: set[str]) -> bool:
    """Return whether a function has an assertion, or calls a helper that has one."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in helpers:
            return True
    return False


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
    found = list(functions())
    helpers = set(ASSERTING)
    known = 0
    while known < len(helpers):
        known = len(helpers)
        helpers |= {function.name for _place, function in found if asserts(function, helpers)}
    tests = [(place, function) for place, function in found if function.name.startswith("test_")]
    assert len(tests) > 500
    assert [place for place, function in tests if not asserts(function, helpers)] == []
    assert [place for place, function in tests if ends_early(function)] == []

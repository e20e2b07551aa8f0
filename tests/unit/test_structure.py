# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the tests themselves, as CONTRIBUTING.md states them."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import workspace

ROOT = workspace.ROOT
TESTS = ROOT / "tests"
MAX_LINES = 600
#: The files that tests consist of. The simulator, the tools and the benchmarks are programs.
FOLDERS = (
    "benchmarks",
    "browser",
    "chaos",
    "eda",
    "fuzz",
    "integration",
    "lab",
    "mutation",
    "runner",
    "support",
    "unit",
)
FILES = [str(path.relative_to(TESTS)) for folder in FOLDERS for path in sorted((TESTS / folder).rglob("*.py"))]
#: Names that begin with an underscore, and that a file may use nevertheless: ansible-core and the standard library have
#: no public names for these.
PRIVATE_NAMES = {
    # What ansible-core's loader sets, and what it hands to actions and modules.
    "support/documents.py": {"_load_name", "_redirected_names"},
    "support/plugin_runs.py": {"_ANSIBLE_ARGS", "_ANSIBLE_PROFILE", "_low_level_execute_command"},
    # How ansible-core finds collections, which the launcher does faster.
    "support/ansible_launcher.py": {"_collection_finder", "_meta_yml_to_dict"},
    # argparse has no public list of the options of a parser.
    "unit/test_drift_guides.py": {"_actions"},
    # The type of a parameter of pytest.
    "support/parameters.py": {"_pytest"},
}
#: The file that puts folders on the path of Python: ansible-test does not read pyproject.toml.
MAY_CHANGE_PATH = {"unit/conftest.py"}


@functools.cache
def tree_of(name: str) -> ast.Module:
    return ast.parse((TESTS / name).read_text(encoding="utf-8"))


@functools.cache
def users_of_support() -> dict[str, set[str]]:
    """Return the files that name each file of tests/support, as a module or by its path."""
    users: dict[str, set[str]] = {}
    for path in TESTS.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for names in re.findall(r"\bsupport[./]\w+|\bfrom support import [^\n(]+|\"\w+\.py\"", text):
            for name in re.findall(r"\w+", names):
                users.setdefault(name, set()).add(str(path.relative_to(TESTS)))
    return users


#: Public in spite of their names.
OF_NAMED_TUPLES = ("_replace", "_asdict", "_make", "_fields")


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def is_module(package: str, name: str) -> bool:
    """Whether a name is a module of the collection, all of whose own modules begin with an underscore."""
    parts = package.partition("ansible_collections.qingguo.qgnet.")[2].split(".")
    return any(ROOT.joinpath(*parts, f"{name}{end}").exists() for end in (".py", ""))


def private_names(name: str) -> Iterator[tuple[int, str]]:
    """Yield line and name of each private name that a file patches, reads or imports, except of its own classes."""
    nodes = list(ast.walk(tree_of(name)))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")}
    for node in nodes:
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("setattr", "patch")
        ):
            texts = [value.value for value in node.args if isinstance(value, ast.Constant)]
            yield from ((node.lineno, last) for text in texts if is_private(last := str(text).rpartition(".")[2]))
        elif isinstance(node, ast.ImportFrom):
            package = node.module or ""
            yield from ((node.lineno, part) for part in package.split(".")[:1] if is_private(part))
            yield from (
                (node.lineno, alias.name)
                for alias in node.names
                if is_private(alias.name) and not is_module(package, alias.name)
            )
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            owner = ast.unparse(node.value)
            if (owner, node.attr) != ("os", "_exit") and owner != "super()" and node.attr not in OF_NAMED_TUPLES:
                yield node.lineno, node.attr


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_at_most_600_lines(name: str) -> None:
    lines = (TESTS / name).read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES


@pytest.mark.parametrize("name", FILES)
def test_a_file_uses_no_private_name_of_the_code_under_test(name: str) -> None:
    allowed = PRIVATE_NAMES.get(name, set())
    assert [(line, used) for line, used in private_names(name) if used not in allowed] == []


@pytest.mark.parametrize("name", PRIVATE_NAMES)
def test_each_exception_is_needed(name: str) -> None:
    assert {used for _line, used in private_names(name)} >= PRIVATE_NAMES[name]


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_by_import_statements(name: str) -> None:
    calls = [node for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)]
    by_text = [
        call.lineno
        for call in calls
        if ast.unparse(call.func).endswith("import_module") and call.args and isinstance(call.args[0], ast.Constant)
    ]
    inserting = [call.lineno for call in calls if ast.unparse(call.func) in ("sys.path.insert", "sys.path.append")]
    assert (by_text, inserting if name not in MAY_CHANGE_PATH else []) == ([], [])


@pytest.mark.parametrize("name", [name for name in FILES if re.fullmatch(r"support/\w+\.py", name)])
def test_a_file_of_support_is_used_by_at_least_two_files(name: str) -> None:
    users = users_of_support().get(Path(name).stem, set()) - {name}
    assert len(users) >= 2, users


def test_folders_of_tests_are_no_packages() -> None:
    # pytest imports them by path (importmode importlib).
    found = [path for folder in FOLDERS for path in (TESTS / folder).rglob("__init__.py")]
    assert [path for path in found if "collections" not in path.parts] == []

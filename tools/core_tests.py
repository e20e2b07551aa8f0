# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tests can tell one ansible-core from another one: those that import it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from workspace import COLLECTION, ROOT

#: Where tests import from, see ``pythonpath`` in pyproject.toml.
FOLDERS = (ROOT / "tests", ROOT / "tests" / "unit")
PLUGINS = f"{COLLECTION.replace('/', '.')}.plugins."
#: The plugins that do not depend on ansible-core: it imports them, and not they it.
SHARED = f"{PLUGINS}module_utils"


def core_tests(*folders: str) -> list[str]:
    """Return the files of tests that import ansible-core or a plugin that Ansible loads, be it by
    way of another file of the tests.
    """
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("test_*.py"))]
    return [str(path.relative_to(ROOT)) for path in paths if _reaches_core(path)]


@cache
def _reaches_core(path: Path) -> bool:
    for name in _imported(path):
        if f"{name}.".startswith("ansible."):
            return True
        if name.startswith(PLUGINS) and not name.startswith(SHARED):
            return True
        helpers = [folder / f"{name.replace('.', '/')}.py" for folder in FOLDERS]
        if any(helper.is_file() and _reaches_core(helper) for helper in helpers):
            return True
    return False


def _imported(path: Path) -> Iterator[str]:
    """Yield the names that a file imports, with those of their modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)

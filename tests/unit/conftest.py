# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all unit tests have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# As in pyproject.toml, whose settings ansible-test does not read.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.database import database_server, database_url
from support.measuring import unmeasured

__all__ = ["database_server", "database_url"]

#: What runs on the user's ansible-core and Python. The rest is of this repository: its tools, its documents.
SHIPPED = tuple(Path(__file__).resolve().parent / name for name in ("plugins", "eda"))

#: Files whose single test takes as long as hundreds of others.
LONGEST = (
    *("test_whitelist_machine.py", "test_prune_machine.py", "test_monopoly_machine.py", "test_lease_machine.py"),
    *("test_state_size.py", "test_entry_texts.py"),
)

#: "ansible-test units" has one environment for all, and a process for each test.
UNDER_ANSIBLE_TEST = "ansible_forked" in os.environ.get("PYTEST_PLUGINS", "")
NOT_THERE = 'a test of the repository, or of what does not depend on ansible-core; "make unit" runs it'

# No test is timed: a machine that is busy with something else is no fault of the code.
settings.register_profile("untimed", deadline=None)
# On a second Python, the same code is looked at for what that Python lacks.
settings.register_profile("second_python", deadline=None, max_examples=10)
settings.load_profile("second_python" if UNDER_ANSIBLE_TEST or "QG_FEW_EXAMPLES" in os.environ else "untimed")


def _is_shipped(path: Path) -> bool:
    return any(map(path.is_relative_to, SHIPPED))


class _NotRead(pytest.Module):
    """A file that is listed as skipped, by its name, and not imported."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(f"{self.path.name}: {NOT_THERE}", allow_module_level=True)


def pytest_configure(config: pytest.Config) -> None:
    """Register what ansible-test does not read."""
    if UNDER_ANSIBLE_TEST:
        for marker in ("newest_core", "nightly", "thorough"):
            config.addinivalue_line("markers", f"{marker}: see pyproject.toml")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Let ansible-test read only the tests of what the collection ships."""
    if UNDER_ANSIBLE_TEST and not _is_shipped(module_path):
        return _NotRead.from_parent(parent, path=module_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the collection does not ship, and begin with what takes longest, so that no worker ends alone."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not _is_shipped(item.path):
            item.add_marker("newest_core")
        if UNDER_ANSIBLE_TEST and item.get_closest_marker("newest_core"):
            item.add_marker(pytest.mark.skip(reason=NOT_THERE))
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Measure the coverage only of tests of what ships, and of those of the whole, which load all of it."""
    if _is_shipped(item.path) or item.path.parent == Path(__file__).parent:
        yield
    else:
        with unmeasured():
            yield

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests need ansible-runner and ansible-builder: where one is missing they fail, rather than be skipped."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.database import database_server, database_url

__all__ = ["database_server", "database_url"]

PROGRAMS = ("ansible-playbook", "ansible-galaxy", "ansible-runner", "ansible-builder")


def pytest_configure() -> None:
    """Say in one sentence what is missing."""
    bin_directory = Path(sys.executable).parent
    missing = [name for name in PROGRAMS if not (bin_directory / name).exists()]
    if missing:
        raise pytest.UsageError(
            f"{', '.join(missing)} is not beside {sys.executable}: install tests/requirements/locks/runner.txt there, "
            "or run make runner."
        )
    if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
        raise pytest.UsageError(
            "ANSIBLE_COLLECTIONS_PATH is not set: it has to name the directory that holds "
            "ansible_collections/qingguo/qgnet."
        )


@pytest.fixture
def collections() -> str:
    """Where Ansible finds the collection, whatever the current directory of a job is."""
    return os.path.abspath(os.environ["ANSIBLE_COLLECTIONS_PATH"])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory with a short name: Ansible makes sockets below it."""
    with tempfile.TemporaryDirectory(prefix="qg-") as name:
        yield Path(name)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests under ansible-rulebook: the program itself, against the simulator, over real HTTP."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from simulator.fixture import sim, simulator, simulator_arguments

__all__ = ["sim", "simulator", "simulator_arguments"]


def pytest_configure() -> None:
    """Stop at once, with one sentence, where a program is missing: these tests are never left out in silence."""
    for program in ("ansible-rulebook", "ansible-galaxy", "ansible-playbook"):
        if not (Path(sys.executable).parent / program).exists():
            raise pytest.UsageError(
                f"The tests of the event source need {program} beside {sys.executable}: install "
                "tests/requirements/locks/eda.txt there."
            )
    if not shutil.which("java"):
        raise pytest.UsageError(
            "The tests of the event source need java: as root, apt-get install openjdk-21-jre-headless (the name of "
            "Debian's package)."
        )
    if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
        raise pytest.UsageError(
            "The tests of the event source need ANSIBLE_COLLECTIONS_PATH: set it to the directory that holds "
            "ansible_collections/qingguo/qgnet."
        )

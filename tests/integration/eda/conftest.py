# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the tests under ansible-rulebook: the program itself, against the simulator, over
real HTTP.
"""

from __future__ import annotations

import shutil

import pytest
from support.simulator import sim, simulator, simulator_arguments

__all__ = ["sim", "simulator", "simulator_arguments"]


def pytest_configure() -> None:
    """Stop at once, with one sentence, where Java is missing: these tests are never left out in
    silence.
    """
    if not shutil.which("java"):
        raise pytest.UsageError(
            "The tests of the event source need java: as root, apt-get install "
            "openjdk-21-jre-headless (the name of Debian's package)."
        )

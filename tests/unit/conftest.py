# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all unit tests have in common."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support.measuring import is_measured, pytest_runtest_setup
from support.postgres import database_server, database_url

__all__ = ["database_server", "database_url", "pytest_runtest_setup"]

#: Files whose single test takes as long as hundreds of others.
LONGEST = ("test_state_size.py", "test_whitelist_fleet.py")

# No test is timed: a machine that is busy with something else is no fault of the code. The inputs
# are always the same.
UNTIMED: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("untimed", **UNTIMED, derandomize=True)
# On a second Python, the same code is looked at for what that Python lacks.
settings.register_profile("second_python", **UNTIMED, derandomize=True, max_examples=10)
# Readers of foreign text: a few inputs, or many, which are others each time.
LONG = any("--hypothesis-profile=long" in word for word in sys.argv)
settings.register_profile("long", **UNTIMED, max_examples=20_000, print_blob=True)
settings.register_profile(
    "fuzz", **UNTIMED, max_examples=20_000 if LONG else 150, derandomize=not LONG
)
settings.load_profile("second_python" if "QGNET_FEW_EXAMPLES" in os.environ else "untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker ends alone."""
    items.sort(key=lambda item: (is_measured(item), item.path.name not in LONGEST))

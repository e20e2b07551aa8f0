# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all unit tests have in common."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from store_fixture import database_server, database_url

__all__ = ["database_server", "database_url"]

#: What runs on the user's ansible-core and Python. The rest is of this repository: its tools, its documents.
SHIPPED = tuple(Path(__file__).resolve().parent / name for name in ("plugins", "eda"))

#: Files whose single test takes as long as hundreds of others.
LONGEST = ("test_whitelist_machine.py", "test_monopoly_machine.py", "test_lease_machine.py", "test_state_size.py")

# No test is timed: a machine that is busy with something else is no fault of the code.
settings.register_profile("untimed", deadline=None)
# On a second Python, the same code is looked at for what that Python lacks.
settings.register_profile("second_python", deadline=None, max_examples=10)
settings.load_profile("second_python" if "QG_FEW_EXAMPLES" in os.environ else "untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the collection does not ship, and begin with what takes longest, so that no worker ends alone."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and not any(map(item.path.is_relative_to, SHIPPED)):
            item.add_marker("newest_core")
    items.sort(key=lambda item: item.path.name not in LONGEST)

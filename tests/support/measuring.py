# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is measured when the coverage of the tests is: the quick tests of what ships. The slow ones
go through the same lines once more, and measuring makes them a third slower.

A conftest.py imports the hook.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[1]
#: The tests of what runs on the user's ansible-core and Python.
SHIPPED = tuple(TESTS / name for name in ("behavior", "unit/plugins", "unit/eda"))


class Measuring:
    """The coverage of this process, which is stopped for some tests."""

    def __init__(self) -> None:
        coverage = sys.modules.get("coverage")
        self._coverage: Any = coverage.Coverage.current() if coverage else None
        self._is_stopped = False

    def go_on(self, is_wanted: bool) -> None:
        """Stop or start where that is a change, since coverage looks at all modules then."""
        if self._coverage is None or is_wanted is not self._is_stopped:
            return
        if is_wanted:
            self._coverage.start()
        else:
            self._coverage.stop()
        self._is_stopped = not is_wanted


MEASURING = Measuring()


def is_measured(item: pytest.Item) -> bool:
    """Whether a test is measured."""
    if item.get_closest_marker("slow"):
        return False
    return any(map(item.path.is_relative_to, SHIPPED))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Measure a test, or do not."""
    MEASURING.go_on(is_measured(item))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what the collection ships, over every kind of store where that matters."""

from __future__ import annotations

import pytest
from stores import drop_databases, every_store

__all__ = ["every_store"]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Give each test empty databases."""
    drop_databases()

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what the collection ships, over every kind of store where that matters."""

from __future__ import annotations

from support.stores import every_store, pytest_runtest_setup, pytest_runtest_teardown

__all__ = ["every_store", "pytest_runtest_setup", "pytest_runtest_teardown"]

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests that run over every kind of store: ``pytestmark = pytest.mark.usefixtures("every_store")``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stores


# Of the module, since the tests of Hypothesis would not take one of the function.
@pytest.fixture(scope="module", params=[stores.SQLITE, pytest.param(stores.POSTGRESQL, marks=pytest.mark.newest_core)])
def every_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the test run over a state directory, and over a database."""
    if request.param == stores.SQLITE:
        yield
        return
    with stores.databases(request.getfixturevalue("database_server")):
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Give each test empty databases."""
    stores.drop_databases()

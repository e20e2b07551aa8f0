# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what the collection ships, over every kind of store where that matters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import redaction
from stores import choose_store, drop_databases, every_store

__all__ = ["every_store"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Give a database only to tests that use the fixture."""
    choose_store(item)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Give each test empty databases."""
    drop_databases()


@pytest.fixture(scope="session", autouse=True)
def no_masks_of_other_tests() -> Iterator[None]:
    """Register no secret: ansible-core 2.22 would mask those of one test in all that a later one looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redaction, "core_secrets", None)
        yield

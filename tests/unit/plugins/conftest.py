# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests of what the collection ships, over every kind of store where that matters."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task import operation
from support.stores import every_store, pytest_runtest_setup, pytest_runtest_teardown

__all__ = ["every_store", "pytest_runtest_setup", "pytest_runtest_teardown"]


@pytest.fixture(scope="session", autouse=True)
def no_masks_of_other_tests() -> Iterator[None]:
    """Register no secret: ansible-core 2.22 would mask those of one test in all that a later one looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operation, "register_secret", lambda _secret: None)
        yield

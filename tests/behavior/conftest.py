# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of behavior have in common: a control node in this process, with the vendor and
virtual time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.measuring import is_measured, pytest_runtest_setup
from support.node import Node, memory_directory
from support.vendor import CLASSIC, Vendor, plan_of

__all__ = ["pytest_runtest_setup"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=is_measured)


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory in memory, where there is one."""
    path = memory_directory()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def nothing_waits_for_the_disk() -> Iterator[None]:
    """A new store has the names of all folders above it written to their disks, and here no power
    fails.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _file: None)
        yield


@pytest.fixture
def new_node(folder: Path) -> Callable[..., Node]:
    """Makes the control node of a test, whose key has this product and plan."""

    def make(product: str | None = CLASSIC, **plan: Any) -> Node:
        return Node(folder / "store", Vendor(**plan_of(product, **plan)), product=product)

    return make


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    """A control node with an ordinary key of the classic API."""
    return new_node()

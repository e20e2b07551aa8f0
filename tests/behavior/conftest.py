# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of behavior have in common: a control node in this process, with the vendor and virtual time."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.measuring import unmeasured
from support.node import Node
from support.vendor import CLASSIC, Vendor


@pytest.fixture(autouse=True)
def measured_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Slow tests go through the lines of the others once more."""
    with unmeasured() if request.node.get_closest_marker("slow") else contextlib.nullcontext():
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty directory in memory, where there is one."""
    path = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def new_node(folder: Path) -> Callable[..., Node]:
    """Makes the control node of a test, whose key has this product and plan."""

    def make(product: str | None = CLASSIC, **plan: Any) -> Node:
        kind = {} if product in (CLASSIC, None) else {"kind": product}
        return Node(folder / "store", Vendor(**{**kind, **plan}), **({"product": product} if product else {}))

    return make


@pytest.fixture
def node(new_node: Callable[..., Node]) -> Node:
    """A control node with an ordinary key of the classic API."""
    return new_node()

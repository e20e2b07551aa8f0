# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor and a control node for the tests of leases."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.in_process import Vendor
from support.lease_runs import LeaseNode


@pytest.fixture
def core() -> Vendor:
    return Vendor(channels=9)


@pytest.fixture
def node(core: Vendor, tmp_path: Path) -> LeaseNode:
    return LeaseNode(core, tmp_path / "node")

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node for the tests of exclusive occupancy."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.monopoly_runs import MonopolyNode, occupancy


@pytest.fixture
def node(tmp_path: Path) -> MonopolyNode:
    return MonopolyNode(occupancy(), tmp_path / "state")

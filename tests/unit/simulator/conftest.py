# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulator's own tests share."""

from __future__ import annotations

import pytest
from support.simulator import sim, simulator
from support.vendor import Vendor

__all__ = ["sim", "simulator"]


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture(scope="session")
def simulator_arguments() -> list[str]:
    """A minute of 60 seconds, so that time passes only when a test advances the clock."""
    mapped = ["--map", "127.0.0.11=203.0.113.11", "--map", "127.0.0.12=203.0.113.12"]
    return ["--proxy-port", "0", "--tunnel-port", "0", "--tunnel-control-port", "0", *mapped]

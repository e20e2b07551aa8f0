# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest plugin: a simulator for a session of tests, in its start state for each test.

pytest finds it by its entry point. It imports the simulator only where a test uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .running import Simulator


@pytest.fixture(scope="session")
def qgnet_simulator_arguments() -> list[str]:
    """Return the options of the simulator. Override it for others."""
    return ["--map", "127.0.0.1=203.0.113.5", "--proxy-port", "0", "--tunnel-port", "0"]


@pytest.fixture(scope="session")
def qgnet_simulator_session(qgnet_simulator_arguments: list[str]) -> Iterator[Simulator]:
    """Run one simulator for the whole session."""
    from .running import running_simulator

    with running_simulator(qgnet_simulator_arguments) as running:
        yield running


@pytest.fixture
def qgnet_simulator(qgnet_simulator_session: Simulator) -> Simulator:
    """Return the simulator of the session, in its start state."""
    qgnet_simulator_session.reset()
    return qgnet_simulator_session

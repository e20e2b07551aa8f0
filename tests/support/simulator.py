# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator of a session of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from qgnet_simulator.running import Simulator, running_simulator


@pytest.fixture(scope="session")
def simulator_arguments() -> list[str]:
    """Options of the session's simulator: a short minute, a proxy, and two sources with public
    addresses.
    """
    mapped = ["--map", "127.0.0.11=203.0.113.11", "--map", "127.0.0.12=203.0.113.12"]
    return ["--minute", "2", "--proxy-port", "0", *mapped]


@pytest.fixture(scope="session")
def simulator(simulator_arguments: list[str]) -> Iterator[Simulator]:
    """One simulator for the whole session."""
    with running_simulator(simulator_arguments) as running:
        yield running


@pytest.fixture
def sim(simulator: Simulator) -> Simulator:
    """The session's simulator, back in its start state."""
    simulator.reset()
    return simulator

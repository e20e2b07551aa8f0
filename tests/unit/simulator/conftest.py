# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the simulator's own tests."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, sim, simulator, simulator_arguments

__all__ = ["sim", "simulator", "simulator_arguments"]

Call = Callable[..., Any]


@pytest.fixture
def http() -> requests.Session:
    """Return a session that ignores the proxies and the netrc file of the machine."""
    session = requests.Session()
    session.trust_env = False
    return session


@pytest.fixture
def trusting(sim: Simulator, http: requests.Session) -> ssl.SSLContext:
    """Return a context of TLS that trusts the authority of the simulator."""
    return ssl.create_default_context(cadata=http.get(f"{sim.control_url}/ca.pem", timeout=10).text)


@pytest.fixture
def call(sim: Simulator, http: requests.Session) -> Call:
    """Return a function that makes a call by GET with the first key and returns the JSON value."""

    def get(path: str, **params: str) -> Any:
        return http.get(sim.api_url + path, params={"Key": sim.key, **params}, timeout=10).json()

    return get

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the simulator's own tests."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, sim, simulator
from support.http_sessions import new_session

__all__ = ["sim", "simulator"]

#: Makes a call with the first key and returns the response, or its JSON value.
Fetch = Callable[..., requests.Response]
Call = Callable[..., Any]


@pytest.fixture(scope="session")
def simulator_arguments() -> list[str]:
    """A minute of 60 seconds, so that time passes only when a test advances the clock."""
    return ["--proxy-port", "0", "--map", "127.0.0.11=203.0.113.11", "--map", "127.0.0.12=203.0.113.12"]


@pytest.fixture
def http() -> requests.Session:
    return new_session()


@pytest.fixture
def trusting(sim: Simulator, http: requests.Session) -> ssl.SSLContext:
    """Return a context of TLS that trusts the authority of the simulator."""
    return ssl.create_default_context(cadata=http.get(f"{sim.control_url}/ca.pem", timeout=10).text)


@pytest.fixture
def fetch(sim: Simulator, http: requests.Session) -> Fetch:
    def get(path: str, **params: str) -> requests.Response:
        return http.get(sim.api_url + path, params={"Key": sim.key, **params}, timeout=10)

    return get


@pytest.fixture
def call(fetch: Fetch) -> Call:
    return lambda path, **params: fetch(path, **params).json()

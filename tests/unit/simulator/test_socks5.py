# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS5 on the port of a forward proxy."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.socks5 import Socks5Client, ipv4, name

Call = Callable[..., Any]
SECRET = "0123456789ab"


@pytest.fixture
def server(sim: Simulator, call: Call) -> str:
    """Return the server of a lease."""
    return str(call("/allocate")["Data"][0]["host"])


def test_the_echo_service_of_the_vendor_has_both_schemes(sim: Simulator, server: str, trusting: ssl.SSLContext) -> None:
    for port in (80, 443):
        client = Socks5Client(server)
        assert (client.greet(0, 2), client.log_in(sim.key, SECRET)) == (2, 0)
        assert client.connect(name("d.qg.net"), port) == 0
        if port == 443:
            client.start_tls(trusting)
        with client.connection:
            assert client.fetch() == sim.leases()[0]["ip"]


def test_a_whitelisted_client_needs_no_password(sim: Simulator, server: str) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    port = int(sim.api_url.rpartition(":")[2])
    for greeting, target in (((0,), ipv4("127.0.0.1")), ((0,), name("localhost")), ((0, 2), ipv4("127.0.0.1"))):
        client = Socks5Client(server)
        with client.connection:
            method = client.greet(*greeting)
            if method == 2:
                assert client.log_in("any", "any") == 0
            assert client.connect(target, port) == 0
            assert client.fetch() == sim.leases()[0]["ip"]


def test_other_clients_are_refused(sim: Simulator, server: str) -> None:
    for methods, method in (((0,), 255), ((1,), 255), ((2,), 2)):
        client = Socks5Client(server)
        with client.connection:
            assert client.greet(*methods) == method
            if method == 2:
                assert client.log_in(sim.key, "guess") == 1
            assert client.read(1) == b""


@pytest.mark.parametrize(
    ("target", "port", "command", "reply"),
    [
        (name("www.qg.net"), 80, 1, 2),
        (ipv4("198.51.100.77"), 80, 1, 2),
        (ipv4("127.0.0.1"), 1, 1, 5),
        (ipv4("127.0.0.1"), 80, 2, 7),
        (b"\x09", 80, 1, 8),
    ],
    ids=["another name", "another machine", "a closed port", "bind", "an unknown type"],
)
def test_a_request_that_fails_gets_its_reply(
    sim: Simulator, server: str, target: bytes, port: int, command: int, reply: int
) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    client = Socks5Client(server)
    with client.connection:
        assert client.greet(0) == 0
        assert client.connect(target, port, command) == reply

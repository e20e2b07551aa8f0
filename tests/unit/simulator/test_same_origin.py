# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Same-origin protection of the page and the control calls."""

from __future__ import annotations

import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests
from simulator.control.same_origin import SameOriginMiddleware
from simulator.fixture import Simulator, running_simulator
from starlette.types import Receive, Scope, Send

ATTACKER = "rebind.example"


def port_of(sim: Simulator) -> int:
    port = urlsplit(sim.api_url).port
    assert port is not None
    return port


def reset(sim: Simulator, http: requests.Session, url: str | None = None, **headers: str) -> requests.Response:
    """Make a control call with these headers."""
    return http.post(f"{url or sim.control_url}/reset", headers=headers, timeout=10)


def assert_refused(answer: requests.Response, *words: str) -> None:
    assert answer.status_code == 403
    assert list(answer.json()) == ["error"]
    for word in words:
        assert word in answer.json()["error"]


def test_a_control_call_from_a_page_of_another_site_is_refused(sim: Simulator, http: requests.Session) -> None:
    sim.configure(whitelist=["203.0.113.7"])
    form = {"Content-Type": "text/plain"}  # what a browser sends to another site without asking first
    for origin in (
        *("http://attacker.example", "null", "http://127.0.0.1", f"http://127.0.0.1:{port_of(sim) - 1}"),
        *(f"https://127.0.0.1:{port_of(sim)}"),
        *(f"http://localhost:{port_of(sim)}", f"http://127.0.0.1:{port_of(sim)}.attacker.example"),
    ):
        assert_refused(reset(sim, http, Origin=origin, **form), "Origin", origin)
    assert sim.whitelist() == ["203.0.113.7"]


def test_the_own_page_and_programs_may_make_control_calls(sim: Simulator, http: requests.Session) -> None:
    own = f"127.0.0.1:{port_of(sim)}"
    assert reset(sim, http).status_code == 200
    assert reset(sim, http, Origin=f"http://{own}").status_code == 200
    # as through a tunnel or a container's published port
    for host in ("localhost:9000", "localhost", "LOCALHOST", "127.0.0.2:9000", "[::1]:9000"):
        assert reset(sim, http, Host=host, Origin=f"http://{host}").status_code == 200
    with closing(socket.create_connection(("127.0.0.1", port_of(sim)), timeout=10)) as caller:
        caller.sendall(b"GET /_sim/health HTTP/1.0\r\n\r\n")
        assert caller.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["", "/", "/state", "/live", "/faults", "/no-such-call"])
def test_a_host_name_after_dns_rebinding_is_refused(sim: Simulator, http: requests.Session, path: str) -> None:
    host = f"{ATTACKER}:{port_of(sim)}"
    answer = http.get(f"{sim.control_url}{path}", headers={"Host": host}, allow_redirects=False, timeout=10)
    assert_refused(answer, "Host", ATTACKER, "--allow-host")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "host",
    [
        *("localhost.attacker.example", "127.0.0.1.attacker.example", "user@127.0.0.1", "127.0.0.1:port"),
        *("192.0.2.1", "0.0.0.0", "2130706433", "[::1", "", "x" * 5000),
    ],
)
def test_a_host_that_resembles_loopback_is_refused(sim: Simulator, http: requests.Session, host: str) -> None:
    answer = reset(sim, http, Host=host)
    assert_refused(answer, "Host")
    assert len(answer.json()["error"]) < 300


def test_the_apis_and_echo_services_ignore_host_and_origin(sim: Simulator, http: requests.Session) -> None:
    for headers in ({"Host": "proxy.vendor.example"}, {"Origin": "http://elsewhere.example"}):
        query = http.get(f"{sim.api_url}/whitelist/query?Key={sim.key}", headers=headers, timeout=10)
        assert (query.status_code, query.json()["Code"]) == (200, 0)
        assert http.get(f"{sim.api_url}/ip", headers=headers, timeout=10).text == "127.0.0.1\n"
        assert http.get(f"{sim.api_url}/_simulated", headers=headers, timeout=10).status_code == 404
    assert [call["path"] for call in sim.journal()] == ["/whitelist/query", "/_simulated"] * 2


def check(middleware: SameOriginMiddleware, host: str, reached: str = "192.0.2.44") -> str | None:
    headers = [(b"host", host.encode())]
    return middleware.check({"type": "http", "scheme": "http", "headers": headers, "server": (reached, 8080)})


async def no_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("unreachable")


def test_the_listen_address_is_allowed() -> None:
    middleware = SameOriginMiddleware(no_app, ["2001:DB8::7"])
    assert check(middleware, "[2001:db8::7]:8080") is None
    assert check(middleware, "[2001:db8::8]:8080") is not None


def test_the_server_address_of_a_request_is_allowed() -> None:
    middleware = SameOriginMiddleware(no_app, ["0.0.0.0"])
    for host, reached in (
        ("192.0.2.44:8080", "192.0.2.44"),
        ("192.0.2.44", "::ffff:192.0.2.44"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
    ):
        assert check(middleware, host, reached) is None
    assert check(middleware, "192.0.2.45:8080", "192.0.2.44") is not None


def test_allow_host_adds_names_and_addresses(http: requests.Session) -> None:
    with running_simulator(["--allow-host", "Simulator", "--allow-host", "192.0.2.8"]) as running:
        for host in ("simulator:8080", "SIMULATOR", "192.0.2.8:8080", "127.0.0.1", "localhost"):
            assert reset(running, http, Host=host).status_code == 200
        for host in (f"{ATTACKER}:8080", "192.0.2.9", "simulator.attacker.example"):
            assert_refused(reset(running, http, Host=host), "Host", host)

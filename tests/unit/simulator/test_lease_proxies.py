# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forward proxies of leases."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, running_simulator
from support.http_sessions import new_session, text_through

Call = Callable[..., Any]


def exit_address(sim: Simulator, host: str) -> str:
    return text_through(host, f"{sim.api_url}/ip")


def assert_closed(sim: Simulator, host: str) -> None:
    with pytest.raises(requests.exceptions.ProxyError):
        exit_address(sim, host)


def test_each_lease_has_its_own_exit_address(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    items = call("/allocate", Num="5")["Data"]
    assert [exit_address(sim, item["host"]) for item in items] == [item["IP"] for item in items]


def test_a_lease_proxy_requires_a_whitelisted_address_or_credentials(sim: Simulator, call: Call) -> None:
    item = call("/allocate")["Data"][0]
    url = f"{sim.api_url}/ip"
    assert new_session(item["host"]).get(url, timeout=10).status_code == 407
    sim.configure(pwd="secret")
    assert exit_address(sim, f"{sim.key}:secret@{item['host']}") == item["IP"]
    assert new_session(f"{sim.key}:guess@{item['host']}").get(url, timeout=10).status_code == 407
    sim.configure(whitelist=["127.0.0.1"])
    assert exit_address(sim, item["host"]) == item["IP"]
    assert new_session(item["host"]).get("http://198.51.100.77/", timeout=10).status_code == 403


def test_a_lease_proxy_closes_when_the_lease_ends(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    released, expired, replaced, lost, reset = (
        call("/allocate", KeepAlive=minutes)["Data"][0] for minutes in ("9", "1", "9", "9", "9")
    )
    call("/release", IP=released["IP"])
    assert_closed(sim, released["host"])
    sim.advance(60)
    assert_closed(sim, expired["host"])
    call("/replace")
    assert_closed(sim, replaced["host"])
    sim.fault(path="/release", kind="reset_after")
    with pytest.raises(requests.ConnectionError):
        call("/release", IP=lost["IP"])
    assert_closed(sim, lost["host"])
    assert exit_address(sim, reset["host"]) == reset["IP"]
    sim.reset()
    assert_closed(sim, reset["host"])


def test_open_connections_are_closed_when_the_lease_ends(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    item = call("/allocate")["Data"][0]
    target = sim.api_url.removeprefix("http://")
    with socket.create_connection((item["IP"], int(item["port"])), timeout=10) as tunnel:
        tunnel.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert b" 200 " in tunnel.recv(4096)
        call("/release", IP="*")
        assert tunnel.recv(4096) == b""


def test_a_lease_proxy_listens_on_the_host_of_the_simulator(http: requests.Session) -> None:
    with running_simulator(["--host", "127.0.0.5"]) as other:
        other.configure(whitelist=["127.0.0.1"])
        item = http.get(f"{other.api_url}/allocate", params={"Key": other.key}, timeout=10).json()["Data"][0]
        assert item["host"] == f"127.0.0.5:{item['port']}"
        assert exit_address(other, item["host"]) == item["IP"]


def test_pool_addresses_are_proxies(sim: Simulator, call: Call) -> None:
    sim.configure(whitelist=["127.0.0.1"], plan={"kind": "dynamic_shared"})
    item = call("/extract")["Data"][0]
    assert exit_address(sim, item["host"]) == item["IP"]


def test_an_online_monopoly_is_a_proxy(sim: Simulator, http: requests.Session) -> None:
    sim.configure(
        whitelist=["127.0.0.1"],
        plan={"kind": "exclusive_occupancy"},
        options={"dial_seconds": 0, "queue_seconds": 0},
    )
    url = f"{sim.api_url}/monopolies"
    http.post(url, data={"Key": sim.key}, timeout=10)
    found = http.get(url, params={"Key": sim.key}, timeout=10).json()["data"][0]
    assert exit_address(sim, found["ip"]) == sim.state()["keys"][sim.key]["monopolies"][0]["exit"]


def test_a_lease_proxy_reaches_the_echo_service_of_the_vendor(
    sim: Simulator, call: Call, http: requests.Session, tmp_path: Path
) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    item = call("/allocate")["Data"][0]
    session = new_session(item["host"])
    assert session.get("http://d.qg.net/ip", timeout=10).text == f"{item['IP']}\n"
    assert session.get("http://D.QG.NET:80/json", timeout=10).json() == {"ip": item["IP"]}
    # Both schemes are served at the same time, by https with a certificate that no other program trusts.
    with pytest.raises(requests.exceptions.SSLError):
        session.get("https://d.qg.net/ip", timeout=10)
    authority = tmp_path / "ca.pem"
    authority.write_bytes(http.get(f"{sim.control_url}/ca.pem", timeout=10).content)
    session.verify = str(authority)
    assert session.get("https://d.qg.net/ip", timeout=10).text == f"{item['IP']}\n"
    assert session.get("https://D.QG.NET:443/json", timeout=10).json() == {"ip": item["IP"]}
    assert session.get("http://www.qg.net/ip", timeout=10).status_code == 403
    own = new_session(sim.proxy_url)
    assert own.get("http://d.qg.net/ip", timeout=10).text == "198.51.100.1\n"

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo services, the map of public addresses, forward proxies and TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simulator.clock import Clock
from simulator.fixture import Simulator, running_simulator
from simulator.keys.registry import KeyRegistry
from simulator.network import Network
from simulator.proxies.access import ProxyAccess, ProxyRequest
from support.canned_servers import Authority, authority
from support.http_sessions import new_session

__all__ = ["authority"]

SOURCE, PUBLIC, EXIT = "127.0.0.11", "203.0.113.11", "198.51.100.1"


class FromSource(HTTPAdapter):
    """Sends from one local address, also to a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(SOURCE, 0))

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, source_address=(SOURCE, 0))


@pytest.fixture
def host() -> requests.Session:
    """Return a session with a source address of its own."""
    session = new_session()
    session.mount("http://", FromSource())
    return session


def get_text(session: requests.Session, url: str) -> str:
    return session.get(url, timeout=10).text


def test_echo_services_return_the_public_address(
    sim: Simulator, host: requests.Session, http: requests.Session
) -> None:
    assert get_text(host, f"{sim.api_url}/ip") == f"{PUBLIC}\n"
    assert host.get(f"{sim.api_url}/json", timeout=10).json() == {"ip": PUBLIC}
    assert host.get(f"{sim.api_url}/origin", timeout=10).json() == {"origin": PUBLIC}
    assert get_text(host, f"{sim.api_url}/echo/any") == f"{PUBLIC}\n"
    assert get_text(http, f"{sim.api_url}/ip") == "127.0.0.1\n"
    assert sim.control("GET", "/echo/ip") == {"calls": 2, "sources": [SOURCE, "127.0.0.1"]}
    assert sim.control("GET", "/echo/other") == {"calls": 0, "sources": []}
    assert sim.journal() == []


def test_echo_services_ignore_forwarded_headers(sim: Simulator, http: requests.Session) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7"}
    assert http.get(f"{sim.api_url}/ip", headers=forged, timeout=10).text == "127.0.0.1\n"


def test_the_map_can_be_replaced_and_updated(sim: Simulator, host: requests.Session) -> None:
    assert sim.control("PATCH", "/map", {"127.0.0.1": "203.0.113.1"})[SOURCE] == PUBLIC
    assert sim.control("PUT", "/map", {SOURCE: "203.0.113.99"}) == {SOURCE: "203.0.113.99"}
    assert get_text(host, f"{sim.api_url}/ip") == "203.0.113.99\n"
    host.get(f"{sim.api_url}/whitelist/query", timeout=10)
    entry = sim.journal()[-1]
    assert (entry["source"], entry["public"]) == (SOURCE, "203.0.113.99")


def test_an_echo_service_returns_its_overrides(sim: Simulator, http: requests.Session) -> None:
    url = f"{sim.api_url}/echo/one"
    sim.control("PUT", "/echo/one", {"answer": "garbage", "status": 503, "headers": {"Retry-After": "1"}})
    answer = http.get(url, timeout=10)
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "garbage", "1")
    sim.control("PUT", "/echo/one", {"answers": ["198.51.100.7", "198.51.100.8"]})
    assert [get_text(http, url) for repeat in range(3)] == ["198.51.100.7", "198.51.100.8", "198.51.100.7"]
    sim.control("PUT", "/echo/one", {"delay": 0.5})
    with pytest.raises(requests.Timeout):
        http.get(url, timeout=0.1)
    sim.control("PUT", "/echo/json", {"answer": '{"ip": "192.0.2.1"}'})
    assert http.get(f"{sim.api_url}/json", timeout=10).json() == {"ip": "192.0.2.1"}
    assert sim.control("GET", "/echo/one")["calls"] == 5
    sim.control("DELETE", "/echo")
    assert sim.control("GET", "/echo/one")["calls"] == 0
    assert get_text(http, url) == "127.0.0.1\n"


@pytest.mark.parametrize("values", [{"status": 1}, {"answers": "x"}, {"delay": -1}, {"answer": 1}, {"colour": 1}, []])
def test_an_invalid_echo_override_is_refused(sim: Simulator, http: requests.Session, values: object) -> None:
    assert http.put(f"{sim.control_url}/echo/one", json=values, timeout=10).status_code == 400


def test_a_proxy_admits_a_client_once_it_is_whitelisted(sim: Simulator, host: requests.Session) -> None:
    host.proxies = {"http": str(sim.proxy_url)}
    url = f"{sim.api_url}/ip"
    refused = host.get(url, timeout=10)
    assert refused.status_code == 407
    assert "Basic" in refused.headers["Proxy-Authenticate"]
    host.proxies = {}
    params = {"Key": sim.key, "IP": PUBLIC}
    assert host.get(f"{sim.api_url}/whitelist/add", params=params, timeout=10).json()["Code"] == 0
    host.proxies = {"http": str(sim.proxy_url)}
    assert get_text(host, url) == f"{EXIT}\n"
    assert sim.control("GET", "/echo/ip")["calls"] == 1
    sim.configure(whitelist=[])
    assert host.get(url, timeout=10).status_code == 407


def test_each_key_has_its_own_proxy(sim: Simulator) -> None:
    url = sim.configure("OTHER001", whitelist=["127.0.0.1"], exit="198.51.100.2", proxy=True)["proxy_url"]
    assert url != sim.proxy_url
    assert sim.configure("OTHER001", proxy=True)["proxy_url"] == url
    assert get_text(new_session(url), f"{sim.api_url}/ip") == "198.51.100.2\n"
    assert new_session(sim.proxy_url).get(f"{sim.api_url}/ip", timeout=10).status_code == 407
    sim.reset()
    with pytest.raises(requests.exceptions.ProxyError):
        new_session(url).get(f"{sim.api_url}/ip", timeout=10)


@pytest.mark.parametrize("target", ["198.51.100.77", "name.example", "2130706433", "127.0.0.1.example"])
def test_a_proxy_refuses_targets_outside_of_this_machine(sim: Simulator, target: str) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    session = new_session(sim.proxy_url)
    assert session.get(f"http://{target}/ip", timeout=10).status_code == 403
    with pytest.raises(requests.exceptions.ProxyError, match="403"):
        session.get(f"https://{target}/ip", timeout=10)
    assert session.get("http://127.0.0.1:1/ip", timeout=10).status_code == 502, "a port of this machine, but closed"


def test_https_serves_calls_proxies_and_faults(authority: Authority, tmp_path: Path) -> None:
    with running_simulator([*authority.arguments, "--proxy-port", "0"], verify=str(authority.ca)) as tls:
        assert tls.api_url.startswith("https://")
        session = new_session(tls.proxy_url, verify=str(authority.ca))
        with pytest.raises(requests.exceptions.ProxyError, match="407"):
            session.get(f"{tls.api_url}/ip", timeout=10)
        tls.configure(whitelist=["127.0.0.1"])
        # CONNECT: the tunnel's far end is seen with the key's exit address.
        assert session.get(f"{tls.api_url}/ip", timeout=10).text == f"{EXIT}\n"
        # The echo service of the vendor has both schemes, and by https its own authority.
        assert session.get("http://d.qg.net/ip", timeout=10).text == f"{EXIT}\n"
        own = tmp_path / "authority.pem"
        own.write_bytes(session.get(f"{tls.control_url}/ca.pem", timeout=10).content)
        answer = session.get("https://d.qg.net/ip", timeout=10, verify=str(own))
        assert answer.text == f"{EXIT}\n"
        tls.fault(path="/info/quota", kind="reset_after")
        session.proxies = {}
        with pytest.raises(requests.ConnectionError):
            session.get(f"{tls.api_url}/info/quota?Key={tls.key}", timeout=10)
        assert tls.journal()[-1]["executed"]
        tls.fault(path="/info/quota", kind="truncate")
        with pytest.raises(requests.RequestException):
            session.get(f"{tls.api_url}/info/quota?Key={tls.key}", timeout=10)


def test_a_client_is_not_mistaken_for_a_proxy_that_used_its_port_for_another_server() -> None:
    network, clock = Network({}), Clock(0)
    keys = KeyRegistry(["K"], clock)
    keys["K"].whitelist.append("127.0.0.1")
    access, client = ProxyAccess(network, clock, keys.get, "K"), ("127.0.0.1", 40000)
    upstream, other = (client, ("127.0.0.1", 8080)), (client, ("127.0.0.1", 9090))
    access.register_upstream(upstream, EXIT)
    assert [network.public_address(connection) for connection in (upstream, other)] == [EXIT, "127.0.0.1"]
    assert [access.authorizes(ProxyRequest(connection)) for connection in (upstream, other)] == [False, True]
    access.unregister_upstream(upstream)
    assert access.authorizes(ProxyRequest(upstream))

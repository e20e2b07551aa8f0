# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: exits by user name and by header, and the change of the exit."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, running_simulator
from support.http_sessions import new_session, text_through
from support.socks5 import Socks5Client, name

SECRET = "0123456789ab"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(["--tunnel-port", "0", "--tunnel-control-port", "0"]) as running:
        yield running


class TunnelClient:
    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.server = str(sim.tunnel_url).removeprefix("http://")

    def get(self, user: str = "", password: str = SECRET, **headers: str) -> requests.Response:
        login = f"{self.sim.key}{user}:{password}@" if password else ""
        return new_session(login + self.server).get("http://d.qg.net/ip", headers=headers, timeout=10)

    def exit(self, user: str = "", **headers: str) -> str:
        answer = self.get(user, **{name.replace("_", "-"): value for name, value in headers.items()})
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def exit_by_password(self, options: str) -> str:
        """Return the exit that options behind the password choose, which is the same by HTTP and by SOCKS5."""
        answer = self.get(password=f"{SECRET}:{options}")
        assert answer.status_code == 200, answer.text
        client = Socks5Client(self.server)
        with client.connection:
            assert (client.greet(2), client.log_in(self.sim.key, f"{SECRET}:{options}")) == (2, 0)
            assert client.connect(name("d.qg.net"), 80) == 0
            assert client.fetch() == answer.text.strip()
        return answer.text.strip()

    def exit_by_connect(self, trusting: ssl.SSLContext, *headers: str) -> str:
        """Return the exit of a request by https, which CONNECT opens."""
        host, _colon, port = self.server.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            request = ["CONNECT d.qg.net:443 HTTP/1.1", "Host: d.qg.net:443", *headers, "", ""]
            connection.sendall("\r\n".join(request).encode())
            assert b" 200 " in connection.recv(4096)
            with trusting.wrap_socket(connection, server_hostname="d.qg.net") as secure:
                secure.sendall(b"GET /ip HTTP/1.0\r\nHost: d.qg.net\r\n\r\n")
                text = b""
                while chunk := secure.recv(4096):
                    text += chunk
        return text.decode().rpartition("\r\n\r\n")[2].strip()

    def change(self, **form: str) -> requests.Response:
        form = {"auth_key": self.sim.key, "password": SECRET, **form}
        return new_session().put(f"{self.sim.tunnel_control_url}/proxyip", data=form, timeout=10)


@pytest.fixture
def tunnel(sim: Simulator) -> TunnelClient:
    return TunnelClient(sim)


def test_the_same_label_has_the_same_exit_and_another_label_another(tunnel: TunnelClient) -> None:
    labels = [f"job{number}" for number in range(5)]
    exits = [tunnel.exit(f"-S-{label}") for label in labels]
    assert len(set(exits)) == 5
    assert [tunnel.exit(f"-S-{label}") for label in labels] == exits
    assert [tunnel.exit(Proxy_TunnelID=label) for label in labels] == exits


def test_the_parts_of_a_user_name_have_any_order(tunnel: TunnelClient) -> None:
    orders = ("-A-440100-T-60-S-a", "-S-a-A-440100-T-60", "-T-60-S-a-A-440100")
    assert len({tunnel.exit(user) for user in orders}) == 1
    assert tunnel.exit("-S-a-A-JP") != tunnel.exit("-S-a-A-440100")
    described = tunnel.sim.state()["keys"][tunnel.sim.key]["tunnel"]["in_use"]
    assert [(item["label"], item["area"]) for item in described] == [("a", "440100"), ("a", "JP")]


@pytest.mark.parametrize(
    ("password", "user"),
    [
        ("A990100", "-A-990100"),
        ("Ajp", "-A-JP"),
        ("Cweb1.example.com", "-S-web1.example.com"),
        ("T60", "-T-60"),
        ("Cjob1:T60:A990100", "-S-job1-T-60-A-990100"),
        ("A990100:Cjob1", "-S-job1-A-990100"),
        ("job1:60", "-S-job1-T-60"),
        ("CN_1:60", "-S-CN_1-T-60"),
    ],
)
def test_options_behind_the_password_choose_the_exit(tunnel: TunnelClient, password: str, user: str) -> None:
    chosen = tunnel.exit_by_password(password)
    described = tunnel.sim.state()["keys"][tunnel.sim.key]["tunnel"]["in_use"]
    assert [item["ip"] for item in described] == [chosen]
    # Whether the seconds arrived is the subject of another test.
    assert tunnel.exit(user) == chosen


@pytest.mark.parametrize("options", ["Cchannel-1:T60", "channel-1:60"])
def test_a_label_behind_the_password_can_have_hyphens_and_lasts_for_its_time(
    tunnel: TunnelClient, sim: Simulator, options: str
) -> None:
    sim.hold_clock()
    before = tunnel.exit_by_password(options)
    (described,) = sim.state()["keys"][sim.key]["tunnel"]["in_use"]
    assert (described["label"], described["ends"] - sim.control("GET", "/clock")["now"]) == ("channel-1", 60)
    sim.advance(59)
    assert tunnel.exit_by_password(options) == before
    sim.advance(1)
    assert tunnel.exit_by_password(options) != before


def test_options_behind_the_password_do_not_replace_it(tunnel: TunnelClient, sim: Simulator) -> None:
    for password in ("guess:A990100", ":A990100", "A990100", f"{SECRET}A990100"):
        assert tunnel.get(password=password).status_code == 407
        client = Socks5Client(tunnel.server)
        with client.connection:
            assert (client.greet(2), client.log_in(sim.key, password)) == (2, 1)
    sim.configure(whitelist=["127.0.0.1"])
    assert tunnel.get(password="guess:Cchannel-1").text == tunnel.get(password=f"{SECRET}:Cchannel-1").text
    sim.configure(whitelist=[], pwd="with:colon")
    assert tunnel.get(password="with:colon").text == tunnel.get(password="with:colon:T60").text
    assert tunnel.get(password="with").status_code == 407


def test_the_options_of_the_user_name_precede_those_of_the_password_and_of_headers(tunnel: TunnelClient) -> None:
    by_user, by_password = tunnel.exit("-S-a"), tunnel.exit_by_password("Cb")
    assert tunnel.get("-S-a", f"{SECRET}:Cb", **{"Proxy-TunnelID": "c"}).text.strip() == by_user
    assert tunnel.get("", f"{SECRET}:Cb", **{"Proxy-TunnelID": "c"}).text.strip() == by_password


@pytest.mark.parametrize("label", ["channel-1", "web-1.example.com"])
def test_a_label_in_a_header_can_be_a_host_name(
    tunnel: TunnelClient, sim: Simulator, trusting: ssl.SSLContext, label: str
) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    labelled = tunnel.exit(Proxy_TunnelID=label)
    assert tunnel.exit_by_connect(trusting, f"Proxy-TunnelID: {label}") == labelled
    assert tunnel.exit_by_password(f"C{label}") == labelled
    assert tunnel.exit(Proxy_TunnelID="other") != labelled


def test_a_country_can_be_in_lower_case(tunnel: TunnelClient, sim: Simulator) -> None:
    sim.configure(tunnel={"areas": ["JP"]})
    assert tunnel.exit("-A-jp") == tunnel.exit("-A-JP")
    assert tunnel.get("-A-us").status_code == 503
    sim.configure(tunnel={"areas": ["us"]})
    assert tunnel.get("-A-US").status_code == 200


def test_a_label_lasts_for_its_time(tunnel: TunnelClient, sim: Simulator) -> None:
    sim.hold_clock()
    by_user, by_header = tunnel.exit("-S-a-T-60"), tunnel.exit(Proxy_TunnelID="b", Proxy_TTL="60")
    lasting = tunnel.exit("-S-c")
    sim.advance(59)
    assert (tunnel.exit("-S-a"), tunnel.exit("-S-b")) == (by_user, by_header)
    sim.advance(1)
    assert tunnel.exit("-S-a") != by_user
    assert tunnel.exit("-S-b") != by_header
    assert tunnel.exit("-S-c") == lasting
    sim.advance(240)
    assert tunnel.exit("-S-c") != lasting


def test_the_headers_of_connect_choose_the_exit(tunnel: TunnelClient, sim: Simulator, trusting: ssl.SSLContext) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    labelled = tunnel.exit("-S-a")
    assert tunnel.exit_by_connect(trusting, "Proxy-TunnelID: a") == labelled
    assert tunnel.exit_by_connect(trusting, "Proxy-TunnelID: b", "Proxy-TTL: 60") != labelled
    # A header inside of the tunnel, which only the target sees, chooses nothing.
    assert tunnel.exit_by_connect(trusting) == tunnel.exit()


def test_the_target_does_not_get_the_headers_of_the_tunnel(tunnel: TunnelClient, sim: Simulator) -> None:
    headers = {"Proxy-TunnelID": "a", "Proxy-TTL": "60", "X-Other": "1"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        port = listener.getsockname()[1]
        host, _colon, proxy_port = tunnel.server.rpartition(":")
        sim.configure(whitelist=["127.0.0.1"])
        with socket.create_connection((host, int(proxy_port)), timeout=10) as client:
            lines = [f"GET http://127.0.0.1:{port}/ HTTP/1.1", f"Host: 127.0.0.1:{port}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            target, _address = listener.accept()
            with target:
                received = target.recv(65536).lower()
    assert b"x-other" in received
    assert b"proxy-t" not in received


def test_a_request_without_a_label_has_the_exit_of_the_tunnel_or_a_new_one(
    tunnel: TunnelClient, sim: Simulator
) -> None:
    assert tunnel.exit() == tunnel.exit()
    sim.configure(tunnel={"mode": "request"})
    assert len({tunnel.exit() for _repeat in range(3)}) == 3
    assert tunnel.exit("-S-a") == tunnel.exit("-S-a")
    sim.configure(tunnel={"mode": "timed", "ttl": 10})
    sim.advance(300)
    before = tunnel.exit()
    sim.advance(10)
    assert tunnel.exit() != before


def test_a_client_needs_the_password_or_a_whitelisted_address(tunnel: TunnelClient, sim: Simulator) -> None:
    for password in ("", "guess"):
        assert tunnel.get("-S-a", password).status_code == 407
    sim.configure(whitelist=["127.0.0.1"])
    assert tunnel.get("-S-a", "guess").text == tunnel.get("-S-a").text == tunnel.get("-S-a", "other").text
    assert tunnel.get(password="").status_code == 200
    sim.configure(whitelist=[], pwd="other")
    assert (tunnel.get().status_code, tunnel.get(password="other").status_code) == (407, 200)


def test_the_tunnel_has_exits_in_some_areas_and_a_number_of_them(tunnel: TunnelClient, sim: Simulator) -> None:
    sim.configure(tunnel={"areas": ["440100"], "exits": 2})
    assert tunnel.get("-A-JP").status_code == 503
    tunnel.exit("-A-440100-S-a")
    tunnel.exit("-S-b")
    assert tunnel.get("-S-c").status_code == 503
    assert tunnel.get("-S-b").status_code == 200


def test_the_exit_is_changed_on_the_control_port(tunnel: TunnelClient, sim: Simulator) -> None:
    sim.hold_clock()
    before, labelled = tunnel.exit(), tunnel.exit("-S-a")
    answer = tunnel.change()
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, list(body)) == (200, ["deadline", "proxyip"])
    ip, _colon, port = body["proxyip"].partition(":")
    assert (tunnel.exit(), port.isdigit()) == (ip, True)
    assert (ip != before, tunnel.exit("-S-a")) == (True, labelled)
    deadline = datetime.fromisoformat(body["deadline"] + "+08:00").timestamp()
    assert abs(deadline - sim.control("GET", "/clock")["now"] - 300) <= 1
    (entry,) = sim.journal("/proxyip")
    assert (entry["method"], entry["key"], entry["executed"], entry["http_status"]) == ("PUT", sim.key, True, 200)


@pytest.mark.parametrize("form", [{"auth_key": ""}, {"password": ""}, {"auth_key": "NOBODY01"}, {"password": "guess"}])
def test_a_change_with_wrong_credentials_is_refused(tunnel: TunnelClient, form: dict[str, str]) -> None:
    before = tunnel.exit()
    answer = tunnel.change(**form)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert tunnel.exit() == before


def test_a_change_without_an_address_is_refused(tunnel: TunnelClient, sim: Simulator) -> None:
    before = tunnel.exit()
    sim.configure(tunnel={"exits": 0})
    assert tunnel.change().status_code == 500
    assert tunnel.exit() == before
    sim.configure(tunnel={"exits": 9, "mode": "request"})
    assert tunnel.change().status_code == 400


def test_faults_apply_to_a_change(tunnel: TunnelClient, sim: Simulator) -> None:
    before = tunnel.exit()
    sim.fault(path="/proxyip", kind="code", code=0)
    assert tunnel.change().status_code == 500
    assert tunnel.exit() == before
    sim.fault(path="/proxyip", kind="reset_after")
    with pytest.raises(requests.ConnectionError):
        tunnel.change()
    assert tunnel.exit() != before


def test_each_key_can_have_a_tunnel_which_ends_with_a_reset(tunnel: TunnelClient, sim: Simulator) -> None:
    url = sim.configure("TUNNEL01", plan={"kind": "tunnel"}, whitelist=["127.0.0.1"], tunnel={})["tunnel"]["url"]
    assert url not in (None, sim.tunnel_url)
    assert text_through(url, "http://d.qg.net/ip") != tunnel.exit()
    assert tunnel.change(auth_key="TUNNEL01").status_code == 200
    sim.reset()
    with pytest.raises(requests.exceptions.ProxyError):
        text_through(url, "http://d.qg.net/ip")
    assert tunnel.exit() == tunnel.exit()
    assert sim.state()["keys"][sim.key]["tunnel"]["url"] == sim.tunnel_url


def test_the_api_port_takes_the_change_too(tunnel: TunnelClient, sim: Simulator, http: requests.Session) -> None:
    form = {"auth_key": sim.key, "password": SECRET}
    assert sim.tunnel_control_url != sim.api_url
    assert http.put(f"{sim.api_url}/proxyip", data=form, timeout=10).status_code == 200
    assert http.get(f"{sim.api_url}/proxyip", params=form, timeout=10).status_code == 405

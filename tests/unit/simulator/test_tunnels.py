# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: the grammar of what a client asks of its exit, and how long an exit lasts."""

from __future__ import annotations

import ssl

import pytest
import requests
from qgnet_simulator.running import Simulator
from support import phrases

from .clients import PASSWORD, Socks5Client, name, new_session, text_through

#: What is asked for, as area, label and seconds; behind the user name, behind the password, and in
#: headers.
ASKED = [
    (("990100", None, None), "-A-990100", "A990100", {}),
    (("JP", None, None), "-A-jp", "AJP", {}),
    ((None, "job1", None), "-S-job1", "Cjob1", {"Proxy-TunnelID": "job1"}),
    ((None, "web1.example.com", None), "-S-web1.example.com", "Cweb1.example.com", {}),
    ((None, "channel-1", None), None, "Cchannel-1", {"Proxy-TunnelID": "channel-1"}),
    (
        (None, "channel-default", 60),
        None,
        "channel-default:60",
        {"Proxy-TunnelID": "channel-default", "Proxy-TTL": "60"},
    ),
    ((None, "CN_1", 60), "-S-CN_1-T-60", "CN_1:60", {}),
    (("990100", "job1", 60), "-T-60-S-job1-A-990100", "Cjob1:T60:A990100", {}),
]
MALFORMED_USERS = ["-S", "-S-", "-X-1", "-S-a-S-b", "-T-0-S-a", "-T-x", "-A-tokyo", "-S-a-b"]
MALFORMED_PASSWORDS = [
    "",
    "A",
    "Atokyo",
    "A990100:",
    "A990100:A990200",
    "A990100:60",
    "Ca b",
    "T0",
    "X1",
    "a",
    "a:x",
]


class Tunnel:
    """The tunnel of the first key, as its clients use it."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.server = str(sim.tunnel_url).removeprefix("http://")

    def get(self, user: str = "", options: str | None = None, **headers: str) -> requests.Response:
        login = f"{self.sim.key}{user}:{PASSWORD}"
        if options is not None:
            login += f":{options}"
        named = {header.replace("_", "-"): value for header, value in headers.items()}
        return new_session(f"{login}@{self.server}").get(
            "http://d.qg.net/ip", headers=named, timeout=10
        )

    def exit(self, user: str = "", options: str | None = None, **headers: str) -> str:
        answer = self.get(user, options, **headers)
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    @property
    def in_use(self) -> list[tuple[str | None, str | None, float]]:
        now = self.sim.control("GET", "/clock")["now"]
        exits = self.sim.state()["keys"][self.sim.key]["tunnel"]["in_use"]
        return [(each["area"], each["label"], each["ends"] - now) for each in exits]


@pytest.fixture
def tunnel(sim: Simulator) -> Tunnel:
    sim.hold_clock()
    return Tunnel(sim)


@pytest.mark.parametrize(("asked", "user", "password", "headers"), ASKED)
def test_each_form_asks_for_the_same_exit(
    tunnel: Tunnel,
    asked: tuple[str | None, str | None, int | None],
    user: str | None,
    password: str,
    headers: dict[str, str],
) -> None:
    exits = {tunnel.exit(options=password)}
    assert tunnel.in_use == [(asked[0], asked[1], asked[2] or 300)]
    if user is not None:
        exits.add(tunnel.exit(user))
    if headers:
        exits.add(tunnel.exit(**headers))
    client = Socks5Client(tunnel.server)
    with client.connection:
        assert client.greet(2) == 2
        assert client.log_in(tunnel.sim.key, f"{PASSWORD}:{password}") == 0
        assert client.connect(name("d.qg.net"), 80) == 0
        exits.add(client.fetch())
    assert len(exits) == 1


@pytest.mark.parametrize("user", MALFORMED_USERS)
def test_another_form_behind_the_user_name_is_refused_as_such(tunnel: Tunnel, user: str) -> None:
    answer = tunnel.get(user)
    assert answer.status_code == 400
    assert phrases.MALFORMED_TUNNEL_OPTIONS in answer.text


@pytest.mark.parametrize("options", MALFORMED_PASSWORDS)
def test_another_form_behind_the_password_is_refused_as_such(tunnel: Tunnel, options: str) -> None:
    answer = tunnel.get(options=options)
    assert answer.status_code == 400
    assert phrases.MALFORMED_TUNNEL_OPTIONS in answer.text


def test_the_user_name_precedes_the_password_and_that_headers(tunnel: Tunnel) -> None:
    by_user = tunnel.exit("-S-a")
    by_password = tunnel.exit(options="Cb")
    by_header = tunnel.exit(Proxy_TunnelID="c")
    assert len({by_user, by_password, by_header}) == 3
    assert tunnel.exit("-S-a", "Cb", Proxy_TunnelID="c") == by_user
    assert tunnel.exit("", "Cb", Proxy_TunnelID="c") == by_password


def test_an_exit_lasts_for_its_time(tunnel: Tunnel) -> None:
    users = ("", "-S-b", "-S-a-T-60")
    exits = list(map(tunnel.exit, users))
    tunnel.sim.advance(59)
    assert list(map(tunnel.exit, users)) == exits
    tunnel.sim.advance(1)
    *kept, other = map(tunnel.exit, users)
    assert kept == exits[:2]
    assert other not in exits
    tunnel.sim.advance(240)
    for user in users:
        assert tunnel.exit(user) not in exits


def test_a_tunnel_can_have_an_exit_for_each_request_some_areas_or_few_exits(tunnel: Tunnel) -> None:
    tunnel.sim.configure(tunnel={"mode": "request"})
    assert len({tunnel.exit() for _repeat in range(3)}) == 3
    tunnel.sim.configure(tunnel={"mode": "timed", "areas": ["us"], "exits": 1})
    for user, status in (("-A-JP", 503), ("-A-US", 200), ("-A-us", 200), ("-S-a", 503)):
        assert tunnel.get(user).status_code == status


def test_a_client_needs_the_password_or_a_whitelisted_address(tunnel: Tunnel) -> None:
    session = new_session(tunnel.server)
    assert session.get("http://d.qg.net/ip", timeout=60).status_code == 407
    tunnel.sim.configure(whitelist=["127.0.0.1"])
    assert session.get("http://d.qg.net/ip", timeout=60).status_code == 200
    tunnel.sim.configure(whitelist=[], pwd="with:colon")
    assert tunnel.get().status_code == 407
    assert (
        new_session(f"{tunnel.sim.key}:with:colon:T60@{tunnel.server}")
        .get("http://d.qg.net/ip", timeout=60)
        .ok
    )


def test_the_control_port_changes_the_exit(tunnel: Tunnel) -> None:
    form = {"auth_key": tunnel.sim.key, "password": PASSWORD}
    url = f"{tunnel.sim.tunnel_control_url}/proxyip"
    before = tunnel.exit()
    answer = new_session().put(url, data=form, timeout=60).json()
    assert answer["proxyip"].partition(":")[0] == tunnel.exit() != before
    for wrong in ({"password": ""}, {"auth_key": "other"}, {"password": "guess"}):
        assert new_session().put(url, data={**form, **wrong}, timeout=60).status_code == 400
    tunnel.sim.configure(tunnel={"exits": 0})
    assert new_session().put(url, data=form, timeout=60).status_code == 500


def test_the_headers_of_connect_choose_the_exit_and_reach_no_target(tunnel: Tunnel) -> None:
    tunnel.sim.configure(whitelist=["127.0.0.1"])
    labeled = tunnel.exit(Proxy_TunnelID="a")
    authority = new_session().get(f"{tunnel.sim.control_url}/ca.pem", timeout=60).text
    client = Socks5Client(tunnel.server)
    client.connection.sendall(b"CONNECT d.qg.net:443 HTTP/1.1\r\nProxy-TunnelID: a\r\n\r\n")
    assert b" 200 " in client.connection.recv(4096)
    client.start_tls(ssl.create_default_context(cadata=authority))
    with client.connection:
        assert client.fetch() == labeled


# Entries of plans with tunnel forwarding.

HALF_AN_HOUR = 1800.0
#: What OpenSSL calls X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_IP_ADDRESS_MISMATCH.
EXPIRED = 10
IS_FOR_ANOTHER_ADDRESS = 64


def entries(sim: Simulator, number: int) -> list[str]:
    """Lease entries with the first key, and return their servers."""
    sim.configure(whitelist=["127.0.0.1"], plan={"kind": "longterm", "forwarding": True})
    params = {"key": sim.key, "num": str(number)}
    answer = new_session().get(f"{sim.api_url}/longterm/get", params=params, timeout=60).json()
    return [row["server"] for row in answer["data"]]


def exit_of(server: str) -> str:
    return text_through(server, "http://d.qg.net/ip")


def test_the_exit_behind_an_entry_changes_by_itself(sim: Simulator) -> None:
    """The entry stays, and a connection keeps its exit."""
    sim.hold_clock()
    sim.configure(plan={"kind": "longterm", "lifetime": 1440})
    first, second = entries(sim, 2)
    before = [exit_of(first), exit_of(second)]
    assert len(set(before)) == 2
    sim.advance(HALF_AN_HOUR - 1)
    assert [exit_of(first), exit_of(second)] == before
    sim.advance(1)
    after = [exit_of(first), exit_of(second)]
    assert not set(after) & set(before)
    assert [lease["host"] for lease in sim.leases()] == [first, second]


@pytest.mark.parametrize("place", ["tunnel", "entry"])
def test_a_share_of_new_connections_fails(tunnel: Tunnel, place: str) -> None:
    server = tunnel.server
    if place == "entry":
        (server,) = entries(tunnel.sim, 1)
    tunnel.sim.configure(whitelist=["127.0.0.1"], options={"failing": 20})
    session = new_session(server)
    statuses = []
    for _connection in range(10):
        statuses.append(session.get("http://d.qg.net/ip", timeout=60).status_code)
    assert statuses == [200, 200, 200, 200, 502] * 2


@pytest.mark.parametrize("place", ["tunnel", "entry"])
@pytest.mark.parametrize(
    ("certificate", "reason"),
    [("fits", 0), ("other", IS_FOR_ANOTHER_ADDRESS), ("expired", EXPIRED)],
)
def test_a_certificate_may_not_cover_the_name_or_have_expired(
    tunnel: Tunnel, place: str, certificate: str, reason: int
) -> None:
    server = tunnel.server
    if place == "entry":
        (server,) = entries(tunnel.sim, 1)
    tunnel.sim.configure(options={"certificate": certificate})
    authority = new_session().get(f"{tunnel.sim.control_url}/ca.pem", timeout=60).text
    client = Socks5Client(server)
    found = 0
    try:
        client.start_tls(ssl.create_default_context(cadata=authority), "127.0.0.1")
    except ssl.SSLCertVerificationError as error:
        found = error.verify_code
    assert found == reason
    # Without TLS to the proxy, it works anyway.
    assert tunnel.get().status_code == 200

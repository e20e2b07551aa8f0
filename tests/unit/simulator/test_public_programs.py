# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What public programs ask of the vendor, and did not get here once."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from qgnet_simulator.running import Simulator, running_simulator
from support import phrases

from .clients import PASSWORD, Socks5Client, new_session


class Site(http.server.BaseHTTPRequestHandler):
    """A site that stands for a name."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        text = f"site {self.headers['Host']}"
        if self.path == "/address":
            text = self.client_address[0]
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        arguments = [
            "--key",
            "QGDEMO01",
            "--key",
            "TUNNEL02",
            "--proxy-port",
            "0",
            "--tls-port",
            "0",
        ]
        tunnels = ["--tunnel-port", "0", "--tunnel-port", "TUNNEL02=0"]
        with running_simulator(
            [*arguments, *tunnels, "--site", f"httpbin.org=127.0.0.1:{site.server_port}"]
        ) as running:
            yield running
        site.shutdown()


@pytest.fixture
def authority(sim: Simulator, tmp_path: Path) -> str:
    """The file of the authority that signed every certificate of the simulator."""
    path = tmp_path / "ca.pem"
    path.write_text(new_session().get(f"{sim.control_url}/ca.pem", timeout=60).text)
    return str(path)


def curl(*arguments: str) -> str:
    """What curl, which programs use, says at last."""
    command = ["curl", "-sS", "--noproxy", "", "--max-time", "20", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


def test_a_pool_gives_as_many_addresses_as_are_free(sim: Simulator) -> None:
    one_row = {"areas": [{"area_id": 440100, "area": "广东省广州市", "isp": 1, "available": 12}]}
    calls = {"dynamic_shared": "/extract?Key=POOL&Num=", "share": "/share/pool?key=POOL&num="}
    for kind, call in calls.items():
        sim.configure("POOL", plan={"kind": kind, "stock": one_row})
        answer = new_session().get(f"{sim.api_url}{call}10", timeout=60).json()
        assert len(answer.get("Data") or answer["data"]) == 10, kind
        sim.reset()


def test_a_distinct_pool_gives_no_server_twice(sim: Simulator) -> None:
    sim.configure("POOL", plan={"kind": "share"})

    def servers(distinct: str) -> set[str]:
        params = {"key": "POOL", "num": "5", "distinct": distinct}
        answer = new_session().get(f"{sim.api_url}/share/pool", params=params, timeout=60).json()
        return {item["server"] for item in answer["data"]}

    first = servers("false")
    assert servers("false") == first
    assert not servers("true") & first


def test_a_tunnel_speaks_tls_and_plain_http_on_one_port(sim: Simulator, authority: str) -> None:
    server = f"{sim.key}:{PASSWORD}@{str(sim.tunnel_url).removeprefix('http://')}"
    label = ("--proxy-header", "Proxy-TunnelID: a")
    plain = curl(
        *label, "-p", "-x", f"http://{server}", "--cacert", authority, "https://d.qg.net/ip"
    )
    trusting = ("--proxy-cacert", authority, "--cacert", authority)
    for target in ("http://d.qg.net/ip", "https://d.qg.net/ip"):
        assert curl(*label, "-p", "-x", f"https://{server}", *trusting, target) == plain


def test_tls_to_a_proxy_carries_more_than_one_record(
    sim: Simulator, authority: str, tmp_path: Path
) -> None:
    sent = tmp_path / "sent"
    sent.write_bytes(b"Key=%s&IP=%s" % (sim.key.encode(), b"x" * 200_000))
    proxy = f"https://{sim.key}:{PASSWORD}@{str(sim.proxy_url).removeprefix('http://')}"
    answer = curl(
        "-x", proxy, "--proxy-cacert", authority, "-d", f"@{sent}", f"{sim.api_url}/whitelist/add"
    )
    assert '"Code":-10' in answer


def test_the_api_and_the_tunnel_control_serve_both_schemes(sim: Simulator, authority: str) -> None:
    session = new_session(verify=authority)
    form = {"auth_key": sim.key, "password": PASSWORD}
    for url in (sim.api_url, str(sim.tls_url)):
        assert (
            session.get(f"{url}/whitelist/query", params={"Key": sim.key}, timeout=60).json()[
                "Code"
            ]
            == 0
        )
        assert "proxyip" in session.put(f"{url}/proxyip", data=form, timeout=60).json()
    with pytest.raises(requests.exceptions.SSLError):
        new_session().get(str(sim.tls_url), timeout=60)


def test_each_key_has_a_tunnel_at_the_port_of_its_choice(sim: Simulator) -> None:
    tunnels = {name: key["tunnel"]["url"] for name, key in sim.state()["keys"].items()}
    assert len(set(tunnels.values())) == 2
    exits = set()
    for name, url in tunnels.items():
        exits.add(curl("-x", url.replace("//", f"//{name}:{PASSWORD}@"), "http://d.qg.net/ip"))
    assert len(exits) == 2
    port = int(sim.configure("THIRD", tunnel={})["tunnel"]["url"].rpartition(":")[2])
    sim.reset()
    assert sim.configure("THIRD", tunnel={"port": port})["tunnel"]["url"].endswith(f":{port}")


def test_a_local_server_stands_for_a_name_behind_every_proxy(sim: Simulator) -> None:
    for url in (
        sim.proxy_url,
        sim.tunnel_url,
        f"socks5h://{str(sim.proxy_url).removeprefix('http://')}",
    ):
        proxy = str(url).replace("//", f"//{sim.key}:{PASSWORD}@")
        assert curl("-x", proxy, "http://httpbin.org/get") == "site httpbin.org"
    refused = curl(
        "-x",
        str(sim.proxy_url).replace("//", f"//{sim.key}:{PASSWORD}@"),
        "http://www.example.org/",
    )
    assert f"www.example.org:80 {phrases.NOT_ON_THIS_MACHINE}" in refused
    assert "--site www.example.org=127.0.0.1:PORT" in refused


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_a_local_server_sees_which_exit_a_request_comes_from(sim: Simulator) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    allocated = requests.get(f"{sim.api_url}/allocate?Key={sim.key}&Num=2", timeout=5).json()
    leases = allocated["Data"]

    for lease in leases:
        for scheme in ("http", "socks5h"):
            proxy = f"{scheme}://{lease['IP']}:{lease['port']}"
            assert curl("-x", proxy, "http://httpbin.org/address") == lease["IP"]
    assert leases[0]["IP"] != leases[1]["IP"]

    # The exit of a tunnel is an address that this machine does not have.
    labels = {}
    for label in ("a", "b"):
        login = f"//{sim.key}-S-{label}:{PASSWORD}@"
        proxy = str(sim.tunnel_url).replace("//", login)
        labels[label] = curl("-x", proxy, "http://httpbin.org/address")
        echo = curl("-x", proxy, "http://d.qg.net/ip")
        assert labels[label] == f"127.{echo.partition('.')[2]}"
    assert labels["a"] != labels["b"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_a_lease_is_reached_by_its_ip_and_port(sim: Simulator) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    answer = (
        new_session()
        .get(f"{sim.api_url}/allocate", params={"Key": sim.key, "Num": "2"}, timeout=60)
        .json()
    )
    for item in answer["Data"]:
        assert item["host"] == f"{item['IP']}:{item['port']}"
        assert curl("-x", item["host"], "http://d.qg.net/ip") == item["IP"]


@pytest.mark.parametrize(
    ("user", "password", "options"),
    [
        ("-A-tokyo", "", "-A-tokyo"),
        ("-S-channel-1", "", "-S-channel-1"),
        ("", ":A99", "A99"),
        ("", ":", ""),
    ],
)
def test_a_malformed_option_is_refused_as_such(
    sim: Simulator, user: str, password: str, options: str
) -> None:
    server = str(sim.tunnel_url).removeprefix("http://")
    for secret, status in ((PASSWORD, 400), ("guess", 407)):
        session = new_session(f"{sim.key}{user}:{secret}{password}@{server}")
        answer = session.get("http://d.qg.net/ip", timeout=60)
        assert answer.status_code == status
        assert (f"{phrases.MALFORMED_TUNNEL_OPTIONS} '{options}'" in answer.text) is (status == 400)
        client = Socks5Client(server)
        with client.connection:
            assert client.greet(2) == 2
            assert client.log_in(f"{sim.key}{user}", f"{secret}{password}") == int(status == 407)


def test_the_ready_made_variables_leave_the_product_to_the_key(sim: Simulator) -> None:
    assert "QG_PRODUCT" not in sim.environment
    assert len(sim.agent()["instances"]) == 5


def test_the_certificate_names_what_clients_connect_to(sim: Simulator, authority: str) -> None:
    context = ssl.create_default_context(cafile=authority)
    port = str(sim.tls_url).rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "d.qg.net"):
        client = Socks5Client(f"127.0.0.1:{port}")
        client.start_tls(context, name)
        client.connection.close()

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program and its network: sources and their public addresses, proxies by HTTP and SOCKS5,
control calls.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from qgnet_simulator import cli
from qgnet_simulator.running import Simulator, running_simulator
from requests.adapters import HTTPAdapter
from support import phrases
from support.processes import wait_for

from .clients import PASSWORD, Socks5Client, ipv4, name, new_session, text_through

SOURCE = "127.0.0.11"
PUBLIC = "203.0.113.11"
EXIT = "198.51.100.1"


class FromSource(HTTPAdapter):
    """Sends from one local address, also to a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, source_address=(SOURCE, 0))

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, source_address=(SOURCE, 0))


@pytest.fixture
def host(sim: Simulator) -> requests.Session:
    """A host with a source address of its own."""
    session = new_session()
    session.mount("http://", FromSource())
    return session


def test_an_echo_service_tells_the_public_address_or_what_a_test_says(
    sim: Simulator, host: requests.Session
) -> None:
    for path, text in (
        ("ip", f"{PUBLIC}\n"),
        ("json", f'{{"ip":"{PUBLIC}"}}'),
        ("origin", f'{{"origin":"{PUBLIC}"}}'),
    ):
        assert host.get(f"{sim.api_url}/{path}", timeout=60).text == text
    sim.control("PATCH", "/map", {SOURCE: "203.0.113.99"})
    assert host.get(f"{sim.api_url}/echo/one", timeout=60).text == "203.0.113.99\n"
    sim.control(
        "PUT", "/echo/one", {"answers": ["a", "b"], "status": 503, "headers": {"Retry-After": "1"}}
    )
    for text in ("a", "b", "a"):
        answer = host.get(f"{sim.api_url}/echo/one", timeout=60)
        assert answer.status_code == 503
        assert answer.text == text
        assert answer.headers["Retry-After"] == "1"
    assert sim.control("GET", "/echo/one") == {"calls": 4, "sources": [SOURCE] * 4}
    assert sim.journal() == []


def test_a_proxy_admits_a_client_once_it_is_whitelisted(
    sim: Simulator, host: requests.Session
) -> None:
    url = f"{sim.api_url}/ip"
    host.proxies = {"http": str(sim.proxy_url)}
    assert host.get(url, timeout=60).status_code == 407
    sim.configure(whitelist=[PUBLIC])
    assert host.get(url, timeout=60).text == f"{EXIT}\n"
    assert new_session(sim.proxy_url).get(url, timeout=60).status_code == 407
    assert text_through(f"{sim.key}:{PASSWORD}@{str(sim.proxy_url)[7:]}", url) == EXIT


def test_a_lease_is_a_proxy_until_it_ends(sim: Simulator) -> None:
    sim.configure(whitelist=["127.0.0.1"])
    params = {"Key": sim.key, "KeepAlive": "1"}
    (item,) = new_session().get(f"{sim.api_url}/allocate", params=params, timeout=60).json()["Data"]
    target = sim.api_url.removeprefix("http://")
    client = Socks5Client(item["host"])
    with client.connection:
        client.connection.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert b" 200 " in client.connection.recv(4096)
        assert text_through(item["host"], "http://d.qg.net/ip") == item["IP"]
        sim.advance(61)
        assert client.read(1) == b""
    with pytest.raises(ConnectionRefusedError):
        Socks5Client(item["host"])


@pytest.mark.parametrize(
    ("target", "port", "command", "reply"),
    [
        (name("d.qg.net"), 80, 1, 0),
        (ipv4("127.0.0.1"), 1, 1, 5),
        (name("www.qg.net"), 80, 1, 2),
        (ipv4("198.51.100.77"), 80, 1, 2),
        (ipv4("127.0.0.1"), 80, 2, 7),
        (b"\x09", 80, 1, 8),
    ],
)
def test_socks5_replies(sim: Simulator, target: bytes, port: int, command: int, reply: int) -> None:
    for whitelist, methods, method in ((["127.0.0.1"], (0,), 0), ([], (0, 2), 2)):
        sim.configure(whitelist=whitelist)
        client = Socks5Client(str(sim.proxy_url).removeprefix("http://"))
        with client.connection:
            assert client.greet(*methods) == method
            assert method == 0 or client.log_in(sim.key, PASSWORD) == 0
            assert client.connect(target, port, command) == reply
            assert reply or client.fetch() == EXIT


def test_socks5_refuses_other_clients(sim: Simulator) -> None:
    for method, chosen in ((0, 255), (1, 255), (2, 2)):
        client = Socks5Client(str(sim.proxy_url).removeprefix("http://"))
        with client.connection:
            assert client.greet(method) == chosen
            assert method != 2 or client.log_in(sim.key, "guess") == 1
            assert client.read(1) == b""


def test_parameters_come_from_the_query_or_the_body(sim: Simulator) -> None:
    session = new_session()
    url = f"{sim.api_url}/whitelist/add"
    form = {"Key": sim.key, "IP": "203.0.113.5"}
    assert session.post(url, data=form, params={"Key": "other"}, timeout=60).json()["Code"] == 0
    assert session.post(url, params=form, timeout=60).json()["Code"] == 0
    assert [call["param_source"] for call in sim.journal()] == ["body", "query"]
    sim.configure(options={"post": "refuse"})
    assert session.post(url, data=form, timeout=60).status_code == 405
    assert session.get(f"{sim.api_url}/nowhere", timeout=60).status_code == 404
    assert session.put(url, timeout=60).status_code == 405


@pytest.mark.parametrize("separator", [r"\r\n", "\r\n", ",", ""])
def test_a_list_can_be_text_or_xml(sim: Simulator, separator: str) -> None:
    sim.configure("SHARE", plan={"kind": "share"})
    session = new_session()
    between = separator.replace(r"\r\n", "\r\n") or "\n"
    classic = {"Key": sim.key, "Num": "2", "DataFormat": "txt", "DataSeparator": separator}
    text = session.get(f"{sim.api_url}/allocate", params=classic, timeout=60).text
    assert text.split(between) == [lease["host"] for lease in sim.leases()]
    params = {"key": "SHARE", "num": "2", "format": "txt", "seq": separator}
    headers = {"Host": "share.proxy.qg.net"}
    text = session.get(f"{sim.api_url}/get", params=params, headers=headers, timeout=60).text
    assert text.split(between) == [lease["host"] for lease in sim.leases("SHARE")]
    xml = session.get(
        f"{sim.api_url}/info/quota", params={"Key": sim.key, "DataFormat": "xml"}, timeout=10
    ).text
    assert "<response><Code>0</Code><Total>5</Total>" in xml


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/keys/NEW", []),
        ("PUT", "/keys/NEW", {"capacity": -1}),
        ("PUT", "/keys/NEW", {"status": "odd"}),
        ("PUT", "/keys/NEW", {"nothing": 1}),
        ("PUT", "/keys/NEW", {"options": {"nothing": 1}}),
        ("PUT", "/keys/NEW", {"options": {"overflow": "odd"}}),
        ("PUT", "/keys/NEW", {"options": {"msg": 1}}),
        ("PUT", "/keys/NEW", {"options": {"error_status": 99}}),
        ("PUT", "/keys/NEW", {"options": {"list_lag": -1}}),
        ("PUT", "/keys/NEW", {"plan": {"kind": "odd"}}),
        ("PUT", "/keys/NEW", {"plan": {"channels": "2"}}),
        ("PUT", "/keys/NEW", {"plan": {"stock": []}}),
        ("PUT", "/keys/NEW", {"tunnel": {"mode": "odd"}}),
        ("PUT", "/keys/NEW", {"tunnel": {"port": -1}}),
        ("PUT", "/keys/NEW", {"tunnel": {"areas": "US"}}),
        ("PUT", "/agents/new", {}),
        ("PUT", "/agents/new", {"appkey": "k", "instances": "x"}),
        ("PUT", "/agents/new", {"appkey": 1}),
        ("PUT", "/clock", {}),
        ("PUT", "/clock", {"advance": -1}),
        ("PUT", "/clock", {"running": 1}),
        ("PUT", "/map", {"x": 1}),
        ("PUT", "/echo/one", {"x": 1}),
        ("GET", "/journal?since=x", None),
    ],
)
def test_a_control_call_with_a_mistake_changes_nothing(
    sim: Simulator, method: str, path: str, body: Any
) -> None:
    before = sim.state()
    answer = new_session().request(method, f"{sim.control_url}{path}", json=body, timeout=60)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert sim.state() == before


def test_a_control_call_of_a_page_or_of_another_name_is_refused(sim: Simulator) -> None:
    session = new_session()
    for method, path in (("GET", "/state"), ("POST", "/reset")):
        answer = session.request(
            method, f"{sim.control_url}{path}", headers={"Origin": sim.api_url}, timeout=10
        )
        assert answer.status_code == 403
    assert session.get(f"{sim.control_url}/nothing", timeout=60).status_code == 404
    assert sim.journal() == []


def test_a_reset_restores_the_start_and_time_can_stand_still(sim: Simulator) -> None:
    before = sim.state()
    sim.hold_clock()
    sim.advance(3600)
    held = sim.control("GET", "/clock")
    assert sim.control("GET", "/clock") == held
    assert (
        new_session()
        .get(sim.api_url, timeout=60)
        .headers["Date"]
        .endswith(f":{int(held['now']) % 60:02} GMT")
    )
    sim.configure("OTHER", whitelist=["203.0.113.9"], tunnel={}, proxy=True)
    sim.agent(balance="1.00")
    sim.control("PUT", "/map", {})
    sim.reset()
    assert sim.state() == before


def test_the_program_prints_variables_and_stops_on_a_signal(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    options = ["--port=0", "--minute=3", "--host=0.0.0.0", f"--ready-file={ready}"]
    command = [sys.executable, "-m", "qgnet_simulator", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(ready.exists)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    information = json.loads(ready.read_text(encoding="utf-8"))
    assert process.returncode == 0
    assert phrases.HAS_NO_LOGIN in errors
    script = output.split("\n\n")[1] + "\nenv"
    pasted = subprocess.run(
        ["bash", "-ec", script], env={}, capture_output=True, text=True, timeout=60, check=True
    )
    variables = dict(
        line.split("=", 1) for line in pasted.stdout.splitlines() if line.startswith("QG_")
    )
    assert variables == information["environment"]
    assert variables["QG_API_URL"] == information["api_url"]
    assert variables["QG_MINUTE_SECONDS"] == "3"


@pytest.mark.parametrize(
    "option",
    [
        "--map=127.0.0.1",
        "--map=a=b",
        "--minute=0",
        "--port=70000",
        "--site=a=192.0.2.1:80",
        "--agent=x",
        "--tunnel-port=OTHER=0",
    ],
)
def test_an_option_with_a_mistake_is_refused(
    capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main([option])
    assert "error:" in capsys.readouterr().err


def test_a_start_that_fails_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["--port", "0", "--proxy-port", port]) == 1
    message = phrases.CANNOT_LISTEN.format("127.0.0.1", port, "--proxy-port")
    assert capsys.readouterr().err.strip() == message
    with (
        pytest.raises(RuntimeError, match=phrases.UNRECOGNIZED_ARGUMENTS),
        running_simulator(["--no-such-option"]),
    ):
        pass

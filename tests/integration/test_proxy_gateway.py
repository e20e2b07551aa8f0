# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_gateway with real HAProxy: what crawlers see while exits fail, leases change, and
the vendor fails.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from integration.inventory_hosts import executable, with_login
from integration.playground import Playground, Run, calls
from integration.upstreams import Answer, Exit, Load, Site, Upstreams, free_ports, running_upstreams
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import role_options
from support.invariants import assert_no_secret, assert_one_sentence

PLAY = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
"""
REFRESH = "qingguo.qgnet.refresh_proxies"
INFO = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Read
      qingguo.qgnet.qg_proxy_gateway:
        step: info
"""
TIMER = "qingguo.qgnet.refresh_timer"
#: What the commands contain with which a run looks at a host, and writes leases there.
LOOKS = "places"
WRITES = "mv -fT"
BEIJING = timezone(timedelta(hours=8))
PWD = "0123456789ab"


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.02)


def variable(option: str) -> str:
    """The variable of an option of the role, or the name itself if it is Ansible's."""
    return option if option.startswith("ansible_") else f"proxy_gateway_{option}"


def shown(run: Run) -> str:
    """All that a person would have seen, in one line."""
    return " ".join(run.output.split())


class Gateway:
    """Gateways that the role makes in a directory of the test, each for a host of the inventory."""

    def __init__(self, sim: Simulator, playground: Playground, upstreams: Upstreams) -> None:
        self.sim = sim
        self.playground = playground
        self.upstreams = upstreams
        self.folder = playground.root / "gw"
        self.folder.mkdir()
        # Its process is no longer root.
        playground.root.chmod(0o755)
        self.port = free_ports(1)
        self.environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
        self.hosts: dict[str, Mapping[str, Any]] = {"gateway": {"port": self.port}}

    def node(self, name: str, **environment: str) -> Gateway:
        """Another control node for these hosts, which has nothing of this one but its
        environment.
        """
        node = copy.copy(self)
        node.playground = Playground(self.playground.root / name, self.playground.minute)
        node.environment = self.environment | environment
        return node

    def inventory(self, *, is_bare: bool = False) -> str:
        """The inventory; a bare one does not say what is installed."""
        hosts = {}
        for name, options in self.hosts.items():
            own = {variable(option): value for option, value in options.items()}
            hosts[name] = {"ansible_connection": "local", "qg_timeout": 2}
            if not is_bare:
                hosts[name] |= {
                    "proxy_gateway_directory": str(self.folder),
                    "proxy_gateway_service": "daemon",
                    "proxy_gateway_name": name,
                    **own,
                }
        return json.dumps({"all": {"hosts": hosts}})

    def play(
        self,
        playbook: str = PLAY,
        arguments: Sequence[str] = (),
        *,
        is_bare: bool = False,
        **variables: Any,
    ) -> Run:
        """Play for all hosts; the variables are those of the command line."""
        return self.playground.play(
            playbook,
            inventory=self.inventory(is_bare=is_bare),
            variables=variables,
            arguments=arguments,
            environment=self.environment,
        )

    def start(self, playbook: str | Path = REFRESH) -> subprocess.Popen[str]:
        """Start a playbook for all hosts in a group of processes of its own."""
        # The name of a file of ``play``: another inventory has nothing installed.
        inventory = self.playground.write("hosts", self.inventory())
        return subprocess.Popen(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *("-i", str(inventory)),
                str(playbook),
            ],
            env=self.playground.ansible_environment() | self.environment,
            cwd=inventory.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def holds(self, *leases: Exit | Mapping[str, Any], seconds: float = 3600) -> None:
        """Let the vendor list these leases, whatever it has sold."""
        end = (datetime.now(BEIJING) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
        data = []
        for number, lease in enumerate(leases, 1):
            row: Mapping[str, Any]
            row = (
                {"host": lease.address, "port": str(lease.port)}
                if isinstance(lease, Exit)
                else lease
            )
            data.append({"IP": f"198.51.100.{number}", "deadline": end, **row})
        task = {"TaskID": "T1", "Num": len(data), "Data": data}
        body = {"Code": 0, "TotalNum": len(data), "Num": len(data), "TaskList": [task]}
        self.sim.control("DELETE", "/faults")
        self.sim.fault(path="/query", kind="replace", body=body, times=-1)

    @property
    def store(self) -> str:
        """The store of this control node."""
        return self.environment.get("QG_STORE") or str(self.playground.store)

    def configuration(self, name: str = "gateway") -> str:
        return (self.folder / f"{name}.cfg").read_text(encoding="utf-8")

    def servers(self, name: str = "gateway", pool: str = "qg") -> list[str]:
        """The lines of the leases, each with a pool, a server, an address, a deadline and a
        state.
        """
        lines = (self.folder / f"{name}.leases").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.startswith(f"{pool} ")]

    def addresses(self, name: str = "gateway", pool: str = "qg") -> set[str]:
        return {line.split()[2] for line in self.servers(name, pool)}

    def ask(self, port: int | None = None) -> Any:
        """Ask for the own address through the gateway."""
        host = self.sim.api_url.removeprefix("http://")
        return self.upstreams.ask(port or self.port, "GET", host, path="/ip")

    def reload(self, name: str = "gateway") -> None:
        """Let a new process take over, which writes its number; it takes no signals before."""
        path = self.folder / f"{name}.pid"
        before = path.stat().st_mtime_ns
        signaled = 0.0

        def is_written() -> bool:
            nonlocal signaled
            if time.monotonic() > signaled + 3:
                self.signal(signal.SIGUSR2, name)
                signaled = time.monotonic()
            # HAProxy removes the file before it writes the new one.
            with suppress(FileNotFoundError):
                return path.stat().st_mtime_ns > before
            return False

        eventually(is_written)

    def end_leases(self, name: str, seconds: int, states: str = "ready|drain") -> None:
        """Give the leases of a gateway in these states another deadline, as if there had been no
        refresh since.
        """
        end = int(time.time()) + seconds
        before = (self.folder / f"{name}.leases").read_text(encoding="utf-8")
        self.serve(re.sub(rf"(?m) \d+ ({states})$", rf" {end} \1", before), name)

    def serve(self, text: str, name: str = "gateway") -> None:
        """Replace the file of leases as the role does, so that HAProxy never reads half of it."""
        path = self.folder / f"{name}.leases"
        new = path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)

    def report(self, address: str, name: str = "gateway", backend: str = "qg") -> str:
        """What HAProxy says of an exit in one of its backends."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / f"{name}.sock"))
            connection.sendall(b"show exits\n")
            lines = connection.makefile().read().splitlines()
        return next(
            line for line in lines if line.startswith(f"{backend} ") and f" {address} " in line
        )

    def signal(self, number: int, name: str = "*") -> None:
        for path in self.folder.parent.glob(f"*/{name}.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), number)


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    with running_upstreams() as running:
        yield running


@pytest.fixture
def gateway(sim: Simulator, playground: Playground, upstreams: Upstreams) -> Iterator[Gateway]:
    assert shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "these tests need haproxy"
    sim.configure(plan={"channels": 20}, whitelist=["203.0.113.5", "127.0.0.1"])
    made = Gateway(sim, playground, upstreams)
    yield made
    made.signal(signal.SIGTERM)


# --- what crawlers see

PRIVATE = [
    "10.0.0.1:80", "127.0.0.1:443", "169.254.169.254:80", "192.168.1.1:80", "172.20.0.1:443",
    "100.64.0.1:80", "0.0.0.0:80", "[::1]:80", "localhost:80", "2130706433:80", "0x7f.1:80",
    "127.1:80", "0177.0.0.1:443", "www.example.com:22", "198.51.100.9:8080", "127.0.0.1.:80",
    "ip6-localhost:80", "www.example.com:80:22", "198.18.0.1:80", "intranet:80",
    "printer.local:80", "256.1.1.1:80",
]  # fmt: skip


#: Leases of QG.net's list that no gateway can use.
UNUSABLE: list[Mapping[str, Any]] = [
    {"host": "198.51.100.2:0", "port": "0"},
    {"host": "198.51.100.3:70000", "port": "70000"},
    {"host": "198.51.100.4", "port": None},
    {"host": "[2001:db8::1]:80", "port": "80"},
    {"host": "198.51.100.5:80\n    server evil 127.0.0.1:1", "port": "80"},
    {"host": "no-such-host.invalid:80", "port": "80"},
]


@pytest.mark.newest
def test_what_crawlers_see(gateway: Gateway, upstreams: Upstreams) -> None:
    """Of one gateway with a pool for each question, since to install one takes longer than to ask
    it.
    """
    old = upstreams.exits(3)
    ports = {name: free_ports(1) for name in ("single", "pair", "triple", "limited", "slotted")}
    closed = free_ports(1)
    metrics = f"127.0.0.1:{free_ports(1)}"
    # Names that sections of the configuration might have themselves.
    pools = [
        {"name": "clients", "port": ports["single"], "count": 1},
        {"name": "gateway", "port": ports["pair"], "count": 2},
        {"name": "clients_any", "port": ports["triple"], "count": 3},
        {"name": "limited", "port": ports["limited"], "count": 3, "per_exit": 3},
        {"name": "slotted", "port": ports["slotted"], "count": 1, "per_exit": 3, "slots": True},
    ]
    gateway.hosts = {
        "open": {"pools": pools, "allow": ["127.0.0.1"], "reports": True, "metrics": metrics},
        "closed": {"port": closed, "web_only": True, "check": "tcp"},
    }
    gateway.holds(*old, *UNUSABLE)
    run = gateway.play().ok()

    assert phrases.FIVE_LEFT_OUT in shown(run)
    assert gateway.addresses("open", "clients_any") == {each.address for each in old}
    assert_programs_poll_the_gateway_instead_of_a_link_of_the_vendor(gateway, ports["triple"], old)
    assert_no_client_reaches_the_site_of_another(upstreams, ports["single"])
    assert_a_request_is_repeated_only_if_the_exit_failed(upstreams, ports["pair"])
    assert_no_exit_has_more_requests_than_per_exit(upstreams, ports["limited"], old)
    assert_a_slot_has_no_more_connections_than_per_exit(upstreams, ports["slotted"], old)
    new = assert_labels_keep_their_exits_over_reloads_and_refreshes(
        gateway, upstreams, ports["triple"], old
    )
    assert_the_check_alone_empties_no_pool(gateway, upstreams, ports["triple"], new)
    assert_a_reported_exit_gets_no_more_requests_and_its_labels_move(
        gateway, ports["triple"], new, metrics
    )
    assert_a_lease_serves_until_its_deadline_without_a_refresh(gateway, upstreams, ports["single"])
    assert_a_list_has_what_serves_and_is_for_clients_alone(ports["triple"])
    # The answer of the exits to what may pass.
    for each in old:
        each.mode = "404"
    assert_private_targets_and_other_ports_are_refused(upstreams, closed)


def assert_no_client_reaches_the_site_of_another(upstreams: Upstreams, port: int) -> None:
    site = upstreams.site("site")
    other = upstreams.site("other")
    for _time in range(3):
        assert upstreams.talk(port, site, other, site) == ["site", "other", "site"]
        assert upstreams.talk(port, other, other) == ["other", "other"]
    assert [request for request in site.seen if other.address in request] == []


def assert_a_request_is_repeated_only_if_the_exit_failed(upstreams: Upstreams, port: int) -> None:
    busy = upstreams.site("busy", 503)
    assert upstreams.ask(port, "GET", busy.address).status == 503
    assert len(busy.seen) == 1


def assert_labels_keep_their_exits_over_reloads_and_refreshes(
    gateway: Gateway, upstreams: Upstreams, port: int, old: list[Exit]
) -> list[Exit]:
    """Also to the exits of new leases, which it returns."""
    new = upstreams.exits(3)
    site = upstreams.site("site")
    labels = [f"label{number}" for number in range(20)]

    def ask(label: str) -> Exit:
        before = {each.port: each.served for each in old + new}
        assert upstreams.ask(port, "GET", site.address, label).status == 200
        return next(each for each in old + new if each.served > before[each.port])

    def exits() -> dict[str, Exit]:
        return {label: ask(label) for label in random.sample(labels, len(labels))}

    first = exits()
    for _time in range(5):
        gateway.reload("open")
        assert exits() == first
    # The vendor lists others, and these serve until they end.
    gateway.holds(*new)
    gateway.play(REFRESH, arguments=["--limit", "open"]).ok()
    assert exits() == first
    without_label = [ask("") for _time in range(6)]
    assert [each for each in without_label if each in old] == []
    # In turn: none is asked twice before all have been.
    assert len({each.port for each in without_label[:3]}) == 3
    assert without_label[:3] == without_label[3:]
    return new


def assert_the_check_alone_empties_no_pool(
    gateway: Gateway, upstreams: Upstreams, port: int, exits: list[Exit]
) -> None:
    """The target of the check may be what is down, while the exits pass the requests of
    crawlers.
    """
    site = upstreams.site("site")

    def are(state: str) -> bool:
        reports = [gateway.report(each.address, "open", "clients_any") for each in exits]
        return all(f" {state} " in line for line in reports)

    def become(state: str) -> None:
        for each in exits:
            each.passes_check = state == "UP"
        eventually(lambda: are(state))

    become("DOWN")
    answers = [upstreams.ask(port, "CONNECT", site.address).status for _request in range(20)]
    become("UP")
    assert set(answers) == {200}


def assert_a_lease_serves_until_its_deadline_without_a_refresh(
    gateway: Gateway, upstreams: Upstreams, port: int
) -> None:
    site = upstreams.site("site")
    gateway.end_leases("open", 5)
    assert upstreams.ask(port, "CONNECT", site.address).status == 200
    eventually(lambda: upstreams.ask(port, "CONNECT", site.address).status == 503)


def assert_private_targets_and_other_ports_are_refused(upstreams: Upstreams, port: int) -> None:
    for target in PRIVATE:
        assert upstreams.ask(port, "CONNECT", target).status == 403, target
        assert upstreams.ask(port, "GET", f"user@{target}").status in (400, 403), target
    for target in ("198.51.100.9:443", "www.example.com:80", "1.example.com:443"):
        assert upstreams.ask(port, "CONNECT", target).status == 404, target


#: What a user copies from QG.net's site.
LINK = "http://share.proxy.qg.net/get?key=QGDEMO01&pwd=0123456789ab&num=3"


class ProxyPool:
    """A pool as programs have of their own: it splits a text into lines."""

    def __init__(self, link: str) -> None:
        with urllib.request.urlopen(link) as response:
            self.proxies = [line.strip() for line in response.read().decode().split("\r\n")]


def by_requests(link: str) -> list[str]:
    return requests.get(f"{link}&format=txt", timeout=10).text.splitlines()


def by_urllib(link: str) -> list[str]:
    with urllib.request.urlopen(f"{link}&format=txt") as response:
        return [line.decode().rstrip("\n") for line in response]


def by_a_pool(link: str) -> list[str]:
    return ProxyPool(f"{link}&format=txt&seq=%5Cr%5Cn").proxies


def by_json_of_the_sdk(link: str) -> list[str]:
    answer = requests.get(link, timeout=10).json()
    assert answer["code"] == "SUCCESS"
    for item in answer["data"]:
        end = datetime.strptime(item["deadline"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
        assert timedelta(minutes=55) < end - datetime.now(BEIJING) < timedelta(minutes=65)
        assert item["server"].startswith(f"{item['proxy_ip']}:")
    return [item["server"] for item in answer["data"]]


def by_curl(link: str) -> list[str]:
    return shell(f"curl --silent '{link}&format=txt&seq=,'").split(",")


def by_a_loop_of_the_shell(link: str) -> list[str]:
    return shell(f"for proxy in $(curl --silent '{link}&format=txt'); do echo $proxy; done").split()


def by_one_address_at_a_time(link: str) -> list[str]:
    """With the text as it is, and another exit each time."""
    single = link.replace("&num=3", "&format=txt")
    return [requests.get(single, timeout=10).text for _time in range(3)]


def shell(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


PROGRAMS = [
    by_requests,
    by_urllib,
    by_a_pool,
    by_json_of_the_sdk,
    by_curl,
    by_a_loop_of_the_shell,
    by_one_address_at_a_time,
]


def assert_programs_poll_the_gateway_instead_of_a_link_of_the_vendor(
    gateway: Gateway, port: int, exits: list[Exit]
) -> None:
    """With another host in the link, and nothing else."""
    gateway.sim.control("DELETE", "/journal")
    addresses = sorted(each.address for each in exits)
    host = f"127.0.0.1:{port}"

    for program in PROGRAMS:
        assert sorted(program(LINK.replace("share.proxy.qg.net", host))) == addresses, (
            program.__name__
        )

    assert sorted(requests.get(f"http://{host}/leases", timeout=10).text.split("\n")) == addresses
    assert len(requests.get(f"http://{host}/query?key=QGDEMO01", timeout=10).json()["data"]) == 3
    assert calls(gateway.sim) == []

    # An exit that fails the check is left out.
    def is_listed() -> bool:
        return exits[0].address in shell(f"curl --silent http://{host}/leases")

    exits[0].mode = "close"
    eventually(lambda: not is_listed())
    exits[0].mode = "good"
    eventually(is_listed)


def assert_a_list_has_what_serves_and_is_for_clients_alone(port: int) -> None:
    """Once all leases have ended."""
    host = f"127.0.0.1:{port}"
    eventually(lambda: shell(f"curl --silent http://{host}/leases") == "")
    empty = requests.get(f"http://{host}/query", timeout=10).json()
    assert (empty["code"], empty["data"]) == ("SUCCESS", [])
    status = "--silent --output /dev/null --write-out '%{http_code}'"
    assert shell(f"curl --interface 127.0.0.2 {status} http://{host}/leases") == "403"
    # Neither another method nor a page of a site that has the same path.
    assert shell(f"curl --request POST {status} http://{host}/leases") == "400"
    assert shell(f"curl --proxy http://{host} {status} http://www.example.com/leases") == "503"


def assert_no_exit_has_more_requests_than_per_exit(
    upstreams: Upstreams, port: int, exits: list[Exit]
) -> None:
    for each in exits:
        each.most = 0

    # Seven rounds of 0.2 seconds.
    load = upstreams.load(port, upstreams.site("fast", pause=0.2), 60, 60, ("CONNECT", "GET"))

    assert load.failures == 0
    assert [each.most for each in exits] == [3, 3, 3]

    # The exits are free again only after what waits has given up.
    load = upstreams.load(port, upstreams.site("slow", pause=7), 15, 15)

    assert sorted(answer.status for answer in load.answers) == [200] * 9 + [503] * 6
    refused = [answer.seconds for answer in load.answers if answer.status == 503]
    served = [answer.seconds for answer in load.answers if answer.status == 200]
    # By its own clock, HAProxy has let them wait for five seconds.
    assert min(refused) > 4.5
    assert max(refused) < min(served)
    assert [each.most for each in exits] == [3, 3, 3]


def assert_a_slot_has_no_more_connections_than_per_exit(
    upstreams: Upstreams, port: int, exits: list[Exit]
) -> None:
    for each in exits:
        each.most = 0

    load = upstreams.load(port, upstreams.site("fast", pause=0.2), 30, 30, ("CONNECT", "GET"))

    assert load.failures == 0
    assert sorted(each.most for each in exits) == [0, 0, 3]
    # Access is that of a pool's port.
    page = f"--silent --proxy 127.0.0.1:{port} http://{upstreams.site('site').address}"
    assert shell(f"curl {page}") == "site"
    assert shell(f"curl --interface 127.0.0.2 {page} || echo refused") == "refused\n"


LOG_LINE = re.compile(
    r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ qg 127\.0\.0\.1 (?P<label>[0-9a-f]{16}|-) "
    r"(?P<exit>127\.0\.0\.1:\d+|-:-) "
    r"(?P<site>\S+) (?P<status>\d{3}) (-?\d+/){3}\d+"
)


@pytest.mark.newest
@pytest.mark.measured
def test_the_log_says_who_used_which_exit_and_no_secret(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    (exit_,) = upstreams.exits(1)
    site = upstreams.site("site")
    gateway.holds(exit_)
    gateway.environment["QG_PASSWORD"] = PWD
    slot = free_ports(1)
    pools = [
        {"name": "qg", "port": gateway.port, "credentials": True},
        {"name": "slotted", "port": slot, "slots": True},
    ]
    gateway.hosts["gateway"] = {"log": True, "pools": pools}
    run = gateway.play(arguments=["--diff", "-vvv"]).ok()
    # The log of this machine is not for tests.
    path = gateway.folder / "gateway.cfg"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(gateway.folder / "log"))
        (gateway.folder / "log").chmod(0o666)
        assert "log /dev/log daemon info\n" in gateway.configuration()
        path.write_text(
            gateway.configuration().replace("/dev/log", str(gateway.folder / "log")),
            encoding="utf-8",
        )
        gateway.signal(signal.SIGTERM)
        eventually(lambda: gateway.ask().status == 0)
        shell(f"PATH=$PATH:/usr/sbin; haproxy -W -D -p {gateway.folder}/gateway.pid -f {path}")
        head = "Authorization: Bearer hidden4\r\nCookie: hidden5\r\n"

        def line_of(
            method: str, target: str, label: str = "", path: str = "/", port: int = gateway.port
        ) -> str:
            upstreams.ask(port, method, target, label, head, path)
            log.settimeout(30)
            while True:
                line = log.recv(4096).decode().partition("]: ")[2]
                # Those of exits that are checked.
                if line.startswith("20"):
                    return line.rstrip("\n")

        lines = [
            line_of("GET", site.address, "account-7", "/hidden1?key=hidden2@x"),
            line_of("CONNECT", site.address, "account-7"),
            line_of("GET", site.address),
            # Refused before the rules.
            line_of("GET", f"hidden3:hidden6@{site.address}", "account-7"),
        ]
        of_slot = line_of("GET", site.address, "account-7", "/hidden1", slot)
        exit_.mode = "407"
        lines.append(line_of("GET", site.address, "other"))

    matches = [LOG_LINE.fullmatch(line) for line in lines]
    assert None not in matches, lines
    shown_parts = [(match["site"], match["exit"], match["status"]) for match in matches if match]
    assert shown_parts[:3] == [(site.address, exit_.address, "200")] * 3
    assert shown_parts[3] == ("-", "-:-", "400")
    assert shown_parts[4] == (site.address, exit_.address, "503")
    labels = [match["label"] for match in matches if match]
    salt = dict(
        line.split(" ", 1) for line in (gateway.folder / "gateway.map").read_text().splitlines()
    )["log.salt"]
    assert labels[0] == labels[1] == hashlib.sha256(f"account-7{salt}".encode()).hexdigest()[:16]
    assert labels[2] == "-"
    assert labels[4] not in labels[:4]
    assert len(salt) == 32
    # A slot does not know what it passes on.
    shape = rf"20\S+Z slotted\.1 127\.0\.0\.1 - {exit_.address} - - \d+/\d+/-/\d+"
    assert re.fullmatch(shape, of_slot), of_slot
    assert_no_secret(["hidden", "account-7", PWD, gateway.sim.key, salt], [*lines, of_slot])
    assert_no_secret([PWD, salt], run.output)


BANNED = "QG-Report: banned\r\n"
#: What a browser sends through its proxy for a page that tries to report, by method, target, path
#: and header.
PAGES = {
    "image": ("GET", "", "/report", "Referer: http://www.example.com/\r\n"),
    "image of a page without a referrer": ("GET", "", "/report", ""),
    "form": ("POST", "", "/report", "Origin: http://www.example.com\r\n"),
    "form of a page without a referrer": ("POST", "", "/report", "Origin: null\r\n"),
    "redirect": ("GET", "", "/report?QG-Report=banned", ""),
    "redirect that keeps the method": (
        "POST",
        "",
        "/report",
        "Origin: null\r\nReferer: http://www.example.com/\r\n",
    ),
    "script that sends what needs no permission": (
        "POST",
        "",
        "/report",
        "Referer: http://www.example.com/\r\n",
    ),
    "script that asks for permission": (
        "OPTIONS",
        "",
        "/report",
        "Access-Control-Request-Headers: qg-report\r\n",
    ),
    "script that needs none": (
        "POST",
        "",
        "/report",
        f"Origin: http://www.example.com\r\n{BANNED}",
    ),
    "script of a browser that sends only a referrer": (
        "POST",
        "",
        "/report",
        f"Referer: http://a.example/\r\n{BANNED}",
    ),
    "script with an empty origin": ("POST", "", "/report", f"Origin: \r\n{BANNED}"),
    "another page of the host": ("POST", "", "/", BANNED),
    "another port": ("GET", ":8080", "/report", BANNED),
    "a name with an end": ("GET", ".", "/report", BANNED),
    "tunnel": ("CONNECT", ":443", "", BANNED),
}


def report(
    upstreams: Upstreams,
    gateway: int,
    label: str,
    method: str = "POST",
    port: str = "",
    path: str = "/report",
    head: str = BANNED,
) -> int:
    """Report the exit of a label, or that of a slot, or try to; returns the status."""
    target = f"gateway.qgnet.invalid{port}"
    return upstreams.ask(gateway, method, target, label, head, path).status


def assert_a_reported_exit_gets_no_more_requests_and_its_labels_move(
    gateway: Gateway, port: int, exits: list[Exit], metrics: str
) -> None:
    upstreams = gateway.upstreams
    site = upstreams.site("site")
    labels = [f"client{number}" for number in range(12)]
    try_to_report = partial(report, upstreams, port)

    def exit_of(label: str) -> Exit:
        before = [each.served for each in exits]
        assert upstreams.ask(port, "CONNECT", site.address, label).status == 200
        return next(
            each for each, served in zip(exits, before, strict=True) if each.served > served
        )

    first = {label: exit_of(label) for label in labels}
    banned = first["client0"]
    for page, form in PAGES.items():
        assert try_to_report("client0", *form) == 403, page
    assert try_to_report("") == 404
    assert try_to_report("unknown") == 404
    # A site of this name that is not the gateway's.
    other = "gateway.qgnet.invalid.example:1"
    assert upstreams.ask(port, "GET", other, "client0").status != 403
    assert {label: exit_of(label) for label in labels} == first

    # Two threads of a client may report the same.
    assert try_to_report("client0") == 202
    assert try_to_report("client0") == 202
    served = banned.served

    # From the very next request on.
    after = {label: exit_of(label) for label in labels}

    assert banned not in after.values()
    assert [label for label in labels if first[label] not in (banned, after[label])] == []
    listed = requests.get(f"http://127.0.0.1:{port}/leases", timeout=10).text
    assert banned.address not in listed
    text = requests.get(f"http://{metrics}/metrics", timeout=10).text
    counted = 'haproxy_backend_http_responses_total{proxy="clients_any.reports",code="2xx"} 2\n'
    assert counted in text
    for _time in range(3):
        gateway.reload("open")
        assert {label: exit_of(label) for label in labels} == after
    assert upstreams.load(port, site, 60, 10).failures == 0
    assert banned.served == served


@pytest.mark.newest
def test_a_report_that_comes_after_the_lease_has_ended_bans_no_successor(gateway: Gateway) -> None:
    """Its server, or its slot, has another lease by then, which the client has not used yet."""
    upstreams = gateway.upstreams
    old, new = upstreams.exits(2)
    site = upstreams.site("site").address
    gateway.holds(old)
    slot = free_ports(1)
    pools = [{"name": "qg", "port": gateway.port}, {"name": "slotted", "port": slot, "slots": True}]
    gateway.hosts = {"gateway": {"count": 1, "reports": True, "pools": pools}}
    gateway.play().ok()
    text = (gateway.folder / "gateway.leases").read_text(encoding="utf-8")

    def use(label: str = "") -> int:
        port = gateway.port if label else slot
        status: int = upstreams.ask(port, "CONNECT", site, label).status
        return status

    assert use("label") == use() == 200
    assert old.served == 2
    gateway.serve(text.replace(old.address, new.address))
    eventually(lambda: use("another label") == 200 and new.served > 0)
    gateway.reload()

    assert report(upstreams, gateway.port, "label") == 404
    assert report(upstreams, slot, "") == 404

    served = new.served
    assert use("label") == use() == 200
    assert new.served == served + 2
    assert report(upstreams, gateway.port, "label") == 202
    assert report(upstreams, slot, "") == 202


@pytest.mark.slow
@pytest.mark.newest
def test_a_thousand_false_reports_cost_no_more_than_the_bound(gateway: Gateway) -> None:
    gateway.play(proxy_gateway_count=2, proxy_gateway_reports=True).ok()
    labels = [f"label{number}" for number in range(20)]

    def ask(label: str) -> int:
        site = gateway.sim.api_url.removeprefix("http://")
        return gateway.upstreams.ask(gateway.port, "GET", site, label, path="/ip").status

    assert {ask(label) for label in labels} == {200}
    for form in PAGES.values():
        assert report(gateway.upstreams, gateway.port, "label0", *form) == 403
    gateway.play(REFRESH).ok()
    assert sold(gateway.sim) == 2

    def refreshed() -> int:
        # It fails as long as programs can use a single exit.
        gateway.play(REFRESH)
        return sold(gateway.sim)

    # A single one is replaced, as soon as the other one passes its check.
    before = gateway.addresses()
    assert report(gateway.upstreams, gateway.port, "label0") == 202
    eventually(lambda: refreshed() == 3)
    assert refreshed() == 3
    assert len(gateway.addresses() & before) == 1
    assert len(gateway.addresses()) == 2

    reports = 0
    while reports < 1000:
        for label in labels * 10:
            ask(label)
            report(gateway.upstreams, gateway.port, label)
            reports += 1
        run = gateway.play(REFRESH)

    # Two, and as many beyond within the lifetime of a lease.
    assert sold(gateway.sim) == 4
    assert phrases.REPORTED_FIRST in shown(run.ok())
    assert {line.split()[4] for line in gateway.servers()} == {"ready"}
    # Those that were reported first serve again, until they are reported again.
    for label in labels:
        assert ask(label) in (200, 503)
        report(gateway.upstreams, gateway.port, label)
    assert {ask(label) for label in labels} == {503}
    gateway.play(
        proxy_gateway_count=2, proxy_gateway_reports=True, proxy_gateway_forget_reports=True
    ).ok()
    assert {ask(label) for label in labels} == {200}
    # A process that is started anew has no reports from before.
    gateway.signal(signal.SIGTERM)
    eventually(lambda: ask("label0") == 0)
    gateway.play(REFRESH).ok()
    assert {ask(label) for label in labels} == {200}
    assert sold(gateway.sim) == 4


#: For exits that answer at once: one that falls silent is out after about three seconds.
FAST: dict[str, Any] = {"proxy_gateway_exit_timeout": 1.0}


@pytest.mark.nightly
def test_few_tunnels_fail_whatever_an_exit_does(gateway: Gateway, upstreams: Upstreams) -> None:
    # With a site that answers at once, the speed of the machine would decide how many requests
    # meet the exit.
    exits = upstreams.exits(5)
    site = upstreams.site("site", pause=0.1)
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=5, **FAST).ok()
    assert upstreams.load(gateway.port, site, 200, 20).failures == 0
    for mode in ("reset", "close", "502", "407", "silent"):
        exits[0].mode = mode
        load = upstreams.load(gateway.port, site, 300, 20)
        # Its share, if it was never out; once it is, none fails.
        assert load.failures <= len(load.answers) / len(exits), mode
        # The gateway gives up after 3 seconds.
        assert load.longest < 20, mode
        assert upstreams.load(gateway.port, site, 200, 20).failures == 0, mode
        exits[0].mode = "good"
        # Until it is in again.
        eventually(lambda: " UP " in gateway.report(exits[0].address))


def load_during(gateway: Gateway, site: Site, count: int, work: Callable[[], object]) -> Load:
    """The answers to requests that are made until something is done, and to so many at least."""
    answers: list[Answer] = []
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(work)
        while len(answers) < count or not doing.done():
            answers += gateway.upstreams.load(
                gateway.port, site, 500, 20, ("CONNECT", "GET")
            ).answers
        doing.result()
    return Load(answers)


@pytest.mark.nightly
@pytest.mark.newest
def test_twenty_thousand_requests_while_leases_are_replaced_and_exits_die(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    """No request fails but those that an exit has when it falls silent, or breaks connections that
    it has taken.
    """
    site = upstreams.site("site", pause=0.02)
    exits = upstreams.exits(4)
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=4, **FAST).ok()
    total = 0
    tunnel = socket.create_connection(("127.0.0.1", gateway.port))
    tunnel.sendall(f"CONNECT {site.address} HTTP/1.1\r\n\r\n".encode())
    assert tunnel.recv(100).startswith(b"HTTP/1.1 200")

    def replace_all() -> None:
        gateway.play(REFRESH).ok()
        gateway.end_leases("gateway", 2, "drain")
        time.sleep(4)

    for _time in range(3):
        exits = upstreams.exits(4)
        gateway.holds(*exits)
        load = load_during(gateway, site, 4500, replace_all)
        total += len(load.answers)
        assert [answer for answer in load.answers if answer.status != 200] == []
        ready = {line.split()[2] for line in gateway.servers() if line.endswith(" ready")}
        assert ready == {each.address for each in exits}

    def die(dying: Exit, mode: str) -> None:
        dying.mode = mode
        gateway.play(REFRESH).ok()

    for mode, dying in zip(("silent", "reset"), exits, strict=False):
        began = time.monotonic()
        load = load_during(gateway, site, 3500, partial(die, dying, mode))
        total += len(load.answers)
        # Two checks that fail take an exit out, within three seconds; until then, a quarter of the
        # requests meet it.
        in_three_seconds = 3 * len(load.answers) / (time.monotonic() - began)
        assert load.failures <= in_three_seconds / 4, Counter(
            answer.status for answer in load.answers
        )
        after = upstreams.load(gateway.port, site, 500, 20, ("CONNECT", "GET"))
        total += len(after.answers)
        assert after.failures == 0, mode

    assert total >= 20000
    # No refresh has left a process behind, although a tunnel is open.
    assert len(process_tree(int((gateway.folder / "gateway.pid").read_text()))) == 1
    tunnel.close()


# --- leases


@pytest.mark.nightly
@pytest.mark.measured
def test_leases_of_a_minute_with_credentials_and_a_vendor_that_dies(gateway: Gateway) -> None:
    gateway.sim.configure(plan={"kind": "share", "channels": 10}, whitelist=[])
    options: dict[str, Any] = {
        "qg_product": "share",
        "proxy_gateway_count": 2,
        "proxy_gateway_credentials": True,
    }
    gateway.environment["QG_PASSWORD"] = "of-yesterday"
    first = gateway.play(arguments=["--diff"], **options).ok()
    assert "+qg s1 " in first.output
    assert gateway.ask().status != 200
    gateway.environment["QG_PASSWORD"] = PWD

    run = gateway.play(arguments=["--diff", "-vvv"], **options).ok()

    # The new password reaches the exits at once, and no output.
    eventually(lambda: bool(gateway.ask().status == 200))
    assert PWD not in run.output
    for path in gateway.folder.glob("*.[cm][fa]*"):
        assert path.stat().st_mode & 0o777 == 0o600

    # The default drain fits leases of a minute.
    gateway.sim.advance(50)
    gateway.play(REFRESH, **options).ok()

    # The first lease was bought alone, to show how long it lasts.
    assert len(calls(gateway.sim, "/share/get")) == 3

    # A dead vendor takes no lease away and fails each run.
    kept = gateway.servers()
    gateway.sim.fault(path="/share/query", kind="code", code=-13, times=-1)

    run = gateway.play(REFRESH, **options)

    assert run.rc == 2
    assert "Pool qg of gateway: " in shown(run)
    assert gateway.servers() == kept
    assert gateway.ask().status == 200


@pytest.mark.slow
def test_a_pool_without_a_working_exit_buys_one_lease_to_try_it(gateway: Gateway) -> None:
    """It fails with the cause, and buys nothing more. test_gateway_supply.py has how it goes on."""
    gateway.sim.configure(
        plan={"kind": "exclusive", "channels": 9}, options={"lease_proxies": False}
    )
    gateway.play(qg_product="exclusive", proxy_gateway_count=2).ok()

    for _run in range(3):
        time.sleep(5)
        run = gateway.play(REFRESH)
        assert run.rc == 2
        # Whether they refuse, reset or are silent depends on the network of the machine.
        assert "Pool qg of gateway: all exits " in shown(run)
        assert phrases.ONE_AT_A_TIME in shown(run)

    # Two at first, and one to try whether it is the exits.
    assert sold(gateway.sim) == 3


# --- pools that nobody uses


@pytest.mark.parametrize("slots", [False, True], ids=["labels", "slots"])
def test_a_pool_that_nobody_uses_buys_nothing_until_the_next_request(
    gateway: Gateway, slots: bool
) -> None:
    gateway.sim.configure(plan={"lifetime": 5, "channels": 10})
    own = {"port": gateway.port, "count": 2, "slots": slots, "allow": ["127.0.0.1"]}
    gateway.hosts = {"gateway": {**own, "interval": 1, "idle": 2}}
    gateway.play().ok()
    assert answer_of(gateway)[0] == 200
    gateway.sim.advance(400)

    # The request before counts, whatever has become of the leases.
    gateway.play(REFRESH).ok()
    assert sold(gateway.sim) == 4
    assert answer_of(gateway)[0] == 200

    # Two refreshes see the same count of requests, the second one after the leases have ended.
    gateway.play(REFRESH).ok()
    gateway.sim.advance(400)
    gateway.end_leases("gateway", 0)
    time.sleep(2)
    assert answer_of(gateway, source="127.0.0.2")[0] in (0, 403)
    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 4
    assert gateway.servers() == []
    [info] = gateway.play(INFO).of("Read").result["installations"]
    [sleeps] = info["sleeps"]
    assert sleeps["pool"] == "qg"
    assert answer_of(gateway) == ((0, "") if slots else (503, "1"))

    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 6
    assert answer_of(gateway)[0] == 200
    [info] = gateway.play(INFO).of("Read").result["installations"]
    assert info["sleeps"] == []

    # A new process knows of no use before it, and is in use.
    gateway.reload()
    gateway.sim.advance(400)
    gateway.play(REFRESH).ok()
    assert sold(gateway.sim) == 8


def answer_of(gateway: Gateway, source: str = "127.0.0.1") -> tuple[int, str]:
    """Return the status of a page through a gateway and after how many seconds to ask again; 0 if
    it closes the connection.
    """
    page = gateway.sim.api_url.removeprefix("http://")
    connection = http.client.HTTPConnection(
        "127.0.0.1", gateway.port, timeout=10, source_address=(source, 0)
    )
    with contextlib.closing(connection):
        try:
            connection.request("GET", f"http://{page}/ip", headers={"Host": page})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0, ""
        return answer.status, answer.headers.get("Retry-After", "")


# --- slots


#: How curl can be told to use a proxy of HTTP, and of SOCKS.
HTTP = (["--proxy"], ["--proxytunnel", "--proxy"])
SOCKS = (["--socks5-hostname"], ["--socks5"])


class Slots:
    """Two hosts with the same pool of so many slots."""

    def __init__(self, gateway: Gateway, count: int, **options: Any) -> None:
        self.gateway = gateway
        self.clients = HTTP if options.get("credentials") else HTTP + SOCKS
        port = free_ports(2 * count)
        self.ports = {"one": port, "two": port + count}
        for host, port in self.ports.items():
            gateway.hosts[host] = {"port": port, "count": count, "slots": True, **options}
        del gateway.hosts["gateway"]

    def exit(self, host: str, slot: int, *arguments: str) -> str:
        """Return the address with which a site sees curl through a slot."""
        port = self.ports[host] + slot - 1
        proxy = arguments or ("--proxy",)
        command = [
            "curl",
            "--silent",
            "--fail",
            "--max-time",
            "10",
            "--noproxy",
            "",
            *proxy,
            f"127.0.0.1:{port}",
        ]
        done = subprocess.run(
            [*command, f"{self.gateway.sim.api_url}/ip"], capture_output=True, text=True
        )
        return done.stdout.strip()

    def servers(self, host: str) -> dict[str, str]:
        """Return the server of each slot that serves or waits, by the words before and after it."""
        lines = (
            (self.gateway.folder / f"{host}.leases").read_text(encoding="utf-8").splitlines()[1:]
        )
        words = [line.split() for line in lines]
        return {f"{each[0]} {each[4]}": each[2] for each in words}


@pytest.mark.parametrize(
    "credentials", [False, pytest.param(True, marks=pytest.mark.newest)], ids=["whitelist", "login"]
)
def test_slots_serve_clients_without_a_user_name_on_two_hosts(
    gateway: Gateway, upstreams: Upstreams, credentials: bool
) -> None:
    """With credentials, the gateway sends those of the key from hosts that are not registered."""
    gateway.sim.configure(plan={"lifetime": 5, "channels": 10})
    if credentials:
        gateway.sim.configure(whitelist=[])
        gateway.environment["QG_PASSWORD"] = PWD
    slots = Slots(gateway, 2, drain=120, reports=True, credentials=credentials)

    run = gateway.play(arguments=["--diff", "-vvv"]).ok()

    assert_no_secret([PWD], run.output)

    assert sold(gateway.sim) == 2
    bought = {slot: slots.exit("one", slot) for slot in (1, 2)}
    assert len({*bought.values(), ""}) == 3
    for host in slots.ports:
        for slot, address in bought.items():
            for client in slots.clients:
                assert slots.exit(host, slot, *client) == address, (host, slot, client)
    first = assert_a_client_reports_the_exit_of_its_slot(slots, bought)

    # The successors wait, and take over when the leases end.
    gateway.sim.advance(200)
    for host in slots.ports:
        gateway.play(REFRESH, arguments=["--limit", host, "--diff"]).ok()
        assert {slot: slots.exit(host, slot) for slot in (1, 2)} == first
    assert sold(gateway.sim) == 5
    assert slots.servers("one") == slots.servers("two")
    assert slots.servers("one").keys() == {"qg.1 ready", "qg.1 next", "qg.2 ready", "qg.2 next"}
    for host in slots.ports:
        gateway.end_leases(host, 4, "ready")
    eventually(lambda: not {slots.exit("one", slot) for slot in (1, 2)} & {*first.values(), ""})
    after = {slot: slots.exit("one", slot) for slot in (1, 2)}
    eventually(lambda: {slot: slots.exit("two", slot) for slot in (1, 2)} == after)

    # Without a lease, a slot refuses.
    path = gateway.folder / "one.leases"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    gateway.serve("".join(line for line in lines if not line.startswith("qg.2 ")), "one")
    eventually(lambda: slots.exit("one", 2) == "")
    assert slots.exit("one", 1) == after[1]

    assert_a_successor_takes_over_early_and_for_good(gateway, upstreams, slots.ports["two"])


@pytest.mark.newest
def test_a_new_password_of_a_slot_loses_no_request(gateway: Gateway, upstreams: Upstreams) -> None:
    exits = upstreams.exits(2)
    site = upstreams.site("site", pause=0.02)
    gateway.holds(*exits)
    gateway.environment["QG_PASSWORD"] = "of-yesterday"
    gateway.port = free_ports(2)
    options = {"slots": True, "credentials": True, "count": 2, "port": gateway.port}
    gateway.hosts["gateway"] = options
    gateway.play().ok()
    first = f"{gateway.sim.key}:of-yesterday"
    eventually(lambda: all(each.logins[-1:] == [first] for each in exits))
    gateway.environment["QG_PASSWORD"] = PWD

    load = load_during(gateway, site, 1000, lambda: gateway.play().ok())

    assert load.failures == 0
    second = f"{gateway.sim.key}:{PWD}"
    eventually(lambda: all(each.logins[-1] == second for each in exits))
    # A slot without credentials knows SOCKS, too; this one answers in a language that it is not.
    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
        client.sendall(b"\x05\x01\x00")
        client.settimeout(30)
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 400 ")


def assert_a_client_reports_the_exit_of_its_slot(
    slots: Slots, bought: dict[int, str]
) -> dict[int, str]:
    """The next refresh replaces it on both hosts; returns the exits of the slots then."""
    gateway = slots.gateway
    try_to_report = partial(report, gateway.upstreams, slots.ports["one"], "")
    for page, form in PAGES.items():
        assert try_to_report(*form) != 202, page
    assert {slot: slots.exit("one", slot) for slot in (1, 2)} == bought
    assert try_to_report() == 202

    # From the very next request on, the slot refuses, whatever the protocol.
    for client in slots.clients:
        assert slots.exit("one", 1, *client) == ""
    assert try_to_report() == 404
    assert slots.exit("one", 2) == bought[2]
    gateway.reload("one")
    assert slots.exit("one", 1) == ""

    # The new process must have checked the other exit, or the refresh would fail.
    checked = slots.servers("one")["qg.2 ready"]
    eventually(lambda: " UP L7OK " in gateway.report(checked, "one", "qg.2"))
    # One lease is bought for it, and none for the other host.
    for host in slots.ports:
        gateway.play(REFRESH, arguments=["--limit", host]).ok()
        assert sold(gateway.sim) == 3
        assert slots.exit(host, 1) not in ("", *bought.values())
        assert slots.exit(host, 2) == bought[2]
    assert slots.exit("one", 1) == slots.exit("two", 1)
    return {slot: slots.exit("one", slot) for slot in (1, 2)}


def assert_a_successor_takes_over_early_and_for_good(
    gateway: Gateway, upstreams: Upstreams, port: int
) -> None:
    """If the check of both fails, it may be the check that fails, and the slot serves
    nevertheless.
    """
    site = upstreams.site("site").address
    first, successor = upstreams.exits(2)
    path = gateway.folder / "two.leases"
    head = path.read_text(encoding="utf-8").splitlines()[0]
    lines = [head, f"qg.1 s1 {first.address} - ready", f"qg.1 s2 {successor.address} - next", ""]
    gateway.serve("\n".join(lines), "two")

    def serving() -> list[Exit]:
        before = {each.port: each.served for each in (first, successor)}
        # For a moment, neither has taken over the place of what the slot had before.
        if upstreams.ask(port, "CONNECT", site).status != 200:
            return []
        return [each for each in (first, successor) if each.served > before[each.port]]

    def check(each: Exit, result: str) -> None:
        each.passes_check = result == "L7OK"
        eventually(lambda: f" {result} " in gateway.report(each.address, "two", "qg.1"))

    eventually(lambda: serving() == [first])
    first.passes_check = False
    eventually(lambda: serving() == [successor])
    check(first, "L7OK")
    assert serving() == [successor]
    check(first, "DOWN")
    check(successor, "DOWN")
    for _request in range(10):
        assert len(serving()) == 1


@pytest.mark.nightly
def test_no_client_waits_for_ever_for_an_exit_that_has_left_its_slot(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    """HAProxy can forget a client whose connection to an exit is being made at that moment."""
    slots = Slots(gateway, 1)
    gateway.play(arguments=["--limit", "one"]).ok()
    site = upstreams.site("site")
    exits = upstreams.exits(4)
    path = gateway.folder / "one.leases"
    head = path.read_text(encoding="utf-8").splitlines()[0]
    loads: list[Load] = []
    clients = threading.Thread(
        target=lambda: loads.append(upstreams.load(slots.ports["one"], site, 4000, 4)), daemon=True
    )
    clients.start()
    changes = 60
    for number in range(changes):
        lease = f"qg.1 s{1 + number % 2} {exits[number % 4].address} - ready"
        gateway.serve(f"{head}\n{lease}\n", "one")
        time.sleep(0.5)
    clients.join(600)

    assert not clients.is_alive()
    # Each change can break the one request that each of the four clients is making.
    assert loads[0].failures <= 4 * changes


@pytest.mark.nightly
@pytest.mark.newest
def test_no_request_of_a_slot_takes_the_exit_of_another_one(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    """Of two hosts that are refreshed one after the other, while all leases are replaced four
    times.

    Each slot has clients on both hosts that ask a site of its own, so that an exit knows which
    slots it has served.
    """
    count = 20
    turns = 5
    slots = Slots(gateway, count)
    sites = [upstreams.site(f"site{slot}") for slot in range(1, count + 1)]
    site_of = {f"qg.{slot}": site.address for slot, site in enumerate(sites, 1)}
    clients = SlotClients(upstreams, slots, sites)
    slot_of: dict[str, set[str]] = {}
    served: dict[str, Exit] = {}
    for turn in range(turns):
        exits = upstreams.exits(count)
        served.update({each.address: each for each in exits})
        gateway.holds(*exits, seconds=60)
        begin = time.monotonic()
        for host in slots.ports:
            gateway.play(PLAY if turn == 0 else REFRESH, arguments=["--limit", host]).ok()
        assert slots.servers("one") == slots.servers("two")
        for words, server in slots.servers("one").items():
            slot_of.setdefault(server, set()).add(words.split()[0])
        if turn == 0:
            clients.start()
        if turn == 2:
            # One dies before its end, while its successor waits.
            served[slots.servers("one")["qg.1 ready"]].mode = "reset"
        time.sleep(max(0.0, begin + 30 - time.monotonic()))
    answers = clients.stop()

    assert len(slot_of) == turns * count
    for address, each in served.items():
        (slot,) = slot_of[address]
        assert each.sites <= {site_of[slot]}, address
    # What came in the last two turns may still wait for the end of its predecessor.
    assert all(each.sites for each in list(served.values())[: (turns - 2) * count])
    assert {answer.status for answer in answers} <= {0, 200}
    failures = sum(answer.status != 200 for answer in answers)
    print(f"{len(answers)} requests, {failures} failed")
    assert failures <= len(answers) / 50


class SlotClients:
    """Clients that ask a site of each slot on each host, one request after the other."""

    def __init__(self, upstreams: Upstreams, slots: Slots, sites: Sequence[Site]) -> None:
        self.upstreams = upstreams
        self.answers: list[Answer] = []
        self.has_ended = threading.Event()
        self.threads = []
        for port in slots.ports.values():
            for number, site in enumerate(sites):
                arguments = (port + number, site.address)
                self.threads.append(threading.Thread(target=self.ask, args=arguments, daemon=True))

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def ask(self, port: int, site: str) -> None:
        for number in itertools.count():
            if self.has_ended.wait(0.1):
                return
            method = "CONNECT" if number % 2 else "GET"
            self.answers.append(self.upstreams.ask(port, method, site))

    def stop(self) -> list[Answer]:
        self.has_ended.set()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a client waits for ever"
        return self.answers


# --- before anything is paid for


#: What only the host can tell, or the play: the option of the role, its value, and what the
#: sentence contains.
MISTAKES: list[tuple[str, Any, str]] = [
    ("directory", "/proc/none", f"proxy_gateway_directory=/proc/none {phrases.DOES_NOT_EXIST_ON}"),
    ("service", "systemd", f"proxy_gateway_service=systemd {phrases.NEEDS_SYSTEMD}"),
    ("count", "three", "proxy_gateway_count='three' is not a whole number"),
    # No default counts in place of what somebody has written down.
    ("count", "", "proxy_gateway_count is empty ('')"),
    ("allow", "", "proxy_gateway_allow is empty ('')"),
    ("pools", [], "proxy_gateway_pools is empty ([])"),
    ("areas", None, "proxy_gateway_areas is null"),
]


@pytest.mark.measured
def test_a_mistake_is_named_before_anything_is_paid_for(gateway: Gateway) -> None:
    """Wrong values, a port in use, an HAProxy that does not run, an empty key, and a directory that
    HAProxy cannot enter.
    """
    programs = gateway.playground.root / "programs"
    # It accepts the file and ends, and nobody waits for it.
    executable(programs / "haproxy", "")
    executable(programs / "seq", "echo 1")
    login = with_login(programs, f'PATH={programs}:$PATH; export PATH\nexec sh -c "$last"')
    silent = dict(setting.split("=", 1) for setting in login.split())
    log = f"{phrases.SEE_THE_LOG} haproxy -d -f {gateway.folder}/silent.cfg"
    expected = {
        "taken": phrases.HAPROXY_CANNOT_LISTEN,
        "silent": log,
        "empty": f"proxy_gateway_pools, pool web: {phrases.EMPTY_KEY_OF_POOL}",
    }
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        gateway.hosts = {
            "taken": {"port": taken.getsockname()[1]},
            "silent": {"port": free_ports(1), "ansible_ssh_transfer_method": "piped", **silent},
            "empty": {"pools": [{"name": "web", "port": free_ports(1), "key": ""}]},
        }
        for number, (option, value, words) in enumerate(MISTAKES):
            gateway.hosts[f"h{number}"] = {option: value}
            expected[f"h{number}"] = words
        closed = gateway.playground.root / "closed"
        closed.mkdir(mode=0o700)
        # HAProxy changes its user only as root.
        if os.geteuid() == 0:
            gateway.hosts["closed"] = {"port": gateway.port, "directory": str(closed)}
            expected["closed"] = phrases.HAPROXY_CANNOT_READ

        run = gateway.play()

    assert run.rc == 2
    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    for host, words in expected.items():
        assert words in " ".join(str(failures[host]).split()), host
    assert set(calls(gateway.sim)) == {"/query"}
    assert {path.stem for path in gateway.folder.glob("*.cfg")} == {"silent"}
    if os.geteuid() == 0:
        closed.chmod(0o755)
        gateway.play(arguments=["--limit", "closed"]).ok()
        assert gateway.ask().status == 200


def test_keys_and_areas_are_checked_before_anything_is_written(gateway: Gateway) -> None:
    own = {"name": "own", "port": free_ports(1), "key": "NOSUCH01", "product": "classic"}
    gateway.hosts = {
        "good": {"port": gateway.port},
        "area": {"port": free_ports(1), "areas": ["Atlantis"]},
        "key": {"pools": [own]},
    }

    run = gateway.play()

    assert run.rc == 2
    (failed,) = [task for task in run.tasks if task.status == "failed"]
    said = str(failed.result["msg"])
    assert_one_sentence(said)
    assert "Pool qg of area: " in said
    assert "'Atlantis'" in said
    assert "Pool own of key: " in said
    assert "of good" not in said
    assert "NOSUCH01" not in run.output
    assert list(gateway.folder.iterdir()) == []
    assert set(calls(gateway.sim)) <= {"/query", "/resources"}


#: Options that concern leases, as text of a command line.
LEASE_OPTIONS: dict[str, Any] = {
    "count": "2",
    "areas": "350500",
    "isp": "telecom",
    "keep_alive": "5",
    "drain": "20",
    "credentials": "false",
    "ignore_quota": "true",
}


def options_as_text(gateway: Gateway) -> dict[str, Any]:
    """Return two hosts that have each option of the role, and of a pool, as a command line gives
    it.
    """
    values: dict[str, Any] = {
        "state": "present",
        "name": "whole",
        "directory": str(gateway.folder),
        "service": "daemon",
        "bind": "127.0.0.1",
        # Beside pools and a check by TCP, other values are refused.
        "port": "3128",
        "allow": "127.0.0.1,192.0.2.0/24",
        "web_only": "false",
        "metrics": f"127.0.0.1:{free_ports(1)}",
        "check": "tcp",
        "check_target": "d.qg.net:443",
        "exit_timeout": "2.5",
        "client_connections": "100",
        "interval": "5",
        "log": "false",
        "reports": "false",
        "forget_reports": "false",
        "sticky": "none",
        "per_exit": "10",
        "idle": "600",
        "slots": "false",
        "pools": [{"name": "first", "port": str(free_ports(2)), "count": "2", "slots": "true"}],
    }
    documented = role_options("proxy_gateway")
    assert {f"proxy_gateway_{name}" for name in values | LEASE_OPTIONS} == set(documented)
    pool = {
        **LEASE_OPTIONS,
        "name": "own",
        "port": str(free_ports(1)),
        "key": gateway.sim.key,
        "password": PWD,
        "product": "classic",
        "sticky": "required",
        "per_exit": "5",
        "idle": "300",
        "slots": "false",
    }
    # How many connections a client may have, and such options, are those of the whole gateway.
    assert pool.keys() == documented["proxy_gateway_pools"]["options"].keys()
    return {"whole": values, "pool": {"pools": [pool]}}


@pytest.mark.slow
def test_each_option_of_leases_can_be_set_alone_as_text_of_a_command_line(
    gateway: Gateway,
) -> None:
    """One may hide a mistake in another one."""
    gateway.sim.configure(plan={"channels": 50})
    gateway.hosts = {"typed": {"keep_alive": 60, "port": free_ports(1)}}
    for name, value in LEASE_OPTIONS.items():
        gateway.hosts[name] = {name: value, "port": str(free_ports(1))}

    gateway.play().ok()

    assert {path.stem for path in gateway.folder.glob("*.cfg")} == set(gateway.hosts)
    assert " map(" not in gateway.configuration("credentials")


# --- operation


@pytest.mark.newest
@pytest.mark.measured
def test_two_gateways_of_a_host_from_check_mode_to_their_removal(gateway: Gateway) -> None:
    second = free_ports(1)
    pool = {"name": "qg", "port": second}
    slots = {"name": "slotted", "port": free_ports(1), "slots": True}
    gateway.hosts = {"first": {"port": gateway.port}, "second": {"pools": [pool, slots]}}

    checks_second = ["--check", "--limit", "second"]
    run = gateway.play(arguments=checks_second).ok()

    assert "changed=0 " not in run.output
    assert list(gateway.folder.iterdir()) == []
    assert gateway.sim.leases() == []

    gateway.play().ok()

    assert gateway.play(arguments=checks_second).ok().output.count(" changed=0 ") == 1
    assert gateway.play(REFRESH).ok().output.count(" changed=0 ") == 2
    assert_a_change_that_haproxy_could_not_serve_leaves_gateways_as_they_are(gateway)

    # What cannot be removed is still recorded, and the next run tries it again. The second one is
    # as it was.
    gateway.hosts["first"] = {"port": gateway.port, "state": "absent"}
    obstacle = gateway.folder / "first.map"
    obstacle.mkdir()
    run = gateway.play()
    assert run.rc == 2
    assert f"{obstacle} {phrases.IS_A_DIRECTORY}" in shown(run)
    assert run.output.count(" changed=0 ") == 2
    obstacle.rmdir()

    # In one run, a host is to have none, and another one is to have one more pool.
    more: dict[str, Any] = {"name": "more", "port": free_ports(1)}
    gateway.hosts["second"] = {"pools": [pool, slots, more]}
    gateway.play().ok()

    assert list(gateway.folder.glob("first.*")) == []
    eventually(lambda: gateway.ask().status == 0)
    assert gateway.ask(second).status == 200
    assert gateway.ask(more["port"]).status == 200
    [store] = gateway.playground.store.glob("*.sqlite3")
    with sqlite3.connect(store) as rows:
        query = "SELECT name, removed_at IS NULL, problem FROM installations ORDER BY name"
        assert rows.execute(query).fetchall() == [("first", 0, ""), ("second", 1, "")]
    rows.close()
    run = gateway.play(REFRESH, ["--limit", "first,second"])
    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    assert failures.keys() == {"first"}
    assert phrases.WAS_REMOVED in failures["first"]

    # Somebody has tidied up: the process is found nevertheless.
    (gateway.folder / "second.pid").unlink()

    run = gateway.play(proxy_gateway_state="absent").ok()

    eventually(lambda: gateway.ask(second).status == 0)
    assert list(gateway.folder.iterdir()) == []
    assert run.output.count(" changed=0 ") == 1


def assert_a_change_that_haproxy_could_not_serve_leaves_gateways_as_they_are(
    gateway: Gateway,
) -> None:
    """A pool is added at a port that another program has, and an address of another host is
    given.
    """
    before = {path.name: path.stat().st_mtime_ns for path in gateway.folder.iterdir()}
    hosts = gateway.hosts
    first = {"name": "qg", "port": gateway.port}
    second = free_ports(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway.hosts = {
            "first": {"pools": [first, {"name": "more", "port": port}]},
            "second": {"port": second, "bind": "192.0.2.10", "allow": ["192.0.2.0/24"]},
        }

        run = gateway.play()

    gateway.hosts = hosts
    assert run.rc == 2
    more = f"proxy_gateway_pools, pool more: port={port} {phrases.HAPROXY_CANNOT_LISTEN}"
    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    assert more in failures["first"]
    assert "(Address already in use)" in failures["first"]
    moved = f"proxy_gateway_port={second} {phrases.HAPROXY_CANNOT_LISTEN}"
    assert moved in failures["second"]
    assert "(Cannot assign requested address)" in failures["second"]
    assert gateway.ask().status == 200
    assert {path.name: path.stat().st_mtime_ns for path in gateway.folder.iterdir()} == before


@pytest.mark.measured
def test_a_host_that_is_not_as_it_was_installed_costs_nothing_and_stays_as_it_is(
    gateway: Gateway,
) -> None:
    """Of one, a gateway has gone, one was installed by another inventory, and the key of one is
    another. Two of them have all options as text of a command line.
    """
    gateway.sim.configure(plan={"channels": 50, "lifetime": 5})
    gateway.environment["QG_INVENTORY_ID"] = "fleet"
    as_text = options_as_text(gateway)
    gateway.hosts = {"same": {"port": gateway.port}, **as_text}
    gateway.play().ok()
    assert {path.stem for path in gateway.folder.glob("*.cfg")} == set(gateway.hosts)
    assert "deny unless { src 127.0.0.1 192.0.2.0/24 }" in gateway.configuration("whole")
    assert_a_run_that_fails_is_no_problem_of_what_it_did_not_serve(gateway)
    bought = len(calls(gateway.sim, "/allocate"))
    gateway.signal(signal.SIGKILL, "another")
    for path in gateway.folder.glob("another.*"):
        path.unlink()
    foreign = gateway.folder / "whole.leases"
    foreign.write_text(
        foreign.read_text(encoding="utf-8").replace("installation ", "installation 0"),
        encoding="utf-8",
    )
    before = foreign.read_text(encoding="utf-8")
    [pool] = as_text["pool"]["pools"]
    gateway.hosts["pool"] = {"pools": [{**pool, "key": "QGOTHER1"}]}
    gateway.sim.advance(290)

    # The other gateway of this host has gone.
    with a_run_that_is_overtaken(gateway, "same", LOOKS, code=2):
        run = gateway.play(REFRESH, qg_max_wait=10)

    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    assert failures.keys() == {"same", "whole", "pool"}
    assert phrases.HOST_DOES_NOT_HAVE_IT in failures["same"]
    assert phrases.INSTALLED_BY_ANOTHER in failures["whole"]
    assert phrases.ANOTHER_KEY_THAN_INSTALLED in failures["pool"]
    assert list(gateway.folder.glob("another.*")) == []
    assert foreign.read_text(encoding="utf-8") == before
    # That of the gateway that is as it was installed.
    assert len(calls(gateway.sim, "/allocate")) == bought + 1
    assert sum(line.endswith(" ready") for line in gateway.servers("same")) == 1


def assert_a_run_that_fails_is_no_problem_of_what_it_did_not_serve(gateway: Gateway) -> None:
    """Neither of another gateway of its host, nor of hosts of later batches.

    A pool whose key QG.net has blocked leaves the others of its gateway alone.
    """
    gateway.sim.configure("QGBLOCK1", status="blocked")
    hosts = gateway.hosts
    good: dict[str, Any] = {"name": "good", "port": free_ports(1), "count": 2}
    bad: dict[str, Any] = {
        "name": "bad",
        "port": free_ports(1),
        "key": "QGBLOCK1",
        "product": "classic",
    }
    gateway.hosts = {**hosts, "same": {"name": "another", "pools": [good, bad]}}
    in_batches = PLAY.replace("roles:", "serial: 1\n  roles:")

    run = gateway.play(in_batches)

    gateway.hosts = hosts
    assert run.rc == 2
    assert "Pool bad of same: " in shown(run)
    assert "Pool good" not in shown(run)
    assert gateway.ask(good["port"]).status == 200
    assert gateway.ask(bad["port"]).status == 503
    [store] = gateway.playground.store.glob("*.sqlite3")
    with sqlite3.connect(store) as rows:
        query = "SELECT name, problem FROM installations ORDER BY name"
        another, *others = rows.execute(query)
    rows.close()
    assert another[1].startswith("Pool bad of same: ")
    assert others == [(name, "") for name in ("pool", "same", "whole")]


@contextlib.contextmanager
def a_run_that_is_overtaken(
    gateway: Gateway, host: str, step: str, code: int = 0
) -> Iterator[None]:
    """It hangs at a step, by a text of its command, while another run refreshes the gateway. It
    leases and writes nothing after that, and ends with a code.
    """
    name = step.replace(" ", "")
    programs = gateway.playground.root / f"programs{name}"
    hangs = programs / "hangs"
    go_on = programs / "go_on"
    wait = f"touch {hangs}; while [ ! -e {go_on} ]; do sleep 0.1; done"
    body = f'case $last in *"{step}"*) {wait};; esac\nexec sh -c "$last"'
    options = dict(setting.split("=", 1) for setting in with_login(programs, body).split())
    slow = gateway.node(f"slow{name}", QG_STORE=gateway.store)
    slow.hosts = {host: {"ansible_ssh_transfer_method": "piped", **options}}
    run = slow.start()
    try:
        eventually(hangs.exists)
        yield
        written = gateway.servers(host)
        bought = sold(gateway.sim)
    finally:
        go_on.touch()
        output = " ".join(run.communicate(timeout=200)[0].split())

    assert run.returncode == code, output
    assert phrases.LEFT_TO_ANOTHER_RUN in output
    assert gateway.servers(host) == written
    assert sold(gateway.sim) == bought


@pytest.mark.slow
@pytest.mark.newest
def test_control_nodes_that_share_nothing_but_a_database(
    gateway: Gateway, database_url: str
) -> None:
    """As jobs in containers do.

    Each lease lasts for five minutes, and all hosts use the same one.
    """
    gateway.sim.configure(plan={"lifetime": 5})
    gateway.environment |= {"QG_STORE": database_url, "QG_INVENTORY_ID": "fleet"}
    gateway.hosts = {name: {"port": free_ports(1)} for name in ("first", "old", "lost")}
    gateway.play().ok()
    assert sold(gateway.sim) == 1
    job = gateway.node("job")

    # A new container, whose inventory has only the names of the hosts.
    gateway.sim.advance(290)
    job.play(REFRESH, is_bare=True).ok()
    assert sold(gateway.sim) == 2
    lease = gateway.servers("first")[-1].split()[2]
    for name in gateway.hosts:
        assert lease in " ".join(gateway.servers(name))
        assert gateway.ask(gateway.hosts[name]["port"]).status == 200
    assert list(job.playground.store.iterdir()) == []

    # The host that was "old" is "new" now.
    job.hosts = {"first": {}, "new": {**gateway.hosts["old"], "name": "old"}}
    run = job.play(REFRESH, ["--limit", "new"], is_bare=True)
    assert run.rc != 0
    assert "recorded for new" in shown(run)
    job.play(arguments=["--limit", "new"]).ok()
    run = gateway.play(REFRESH, ["--limit", "old"])
    assert run.rc == 2
    assert phrases.INSTALLED_BY_ANOTHER in shown(run)

    # The first host is installed anew, and gets its gateway again.
    gateway.signal(signal.SIGKILL, "first")
    for path in gateway.folder.glob("first.*"):
        path.unlink()
    run = job.play(REFRESH, ["--limit", "first"], is_bare=True)
    assert run.rc == 2
    assert phrases.HOST_DOES_NOT_HAVE_IT in shown(run)
    gateway.play(arguments=["--limit", "first"]).ok()
    gateway.play(REFRESH, ["--limit", "first"]).ok()

    # One host is lost.
    job.play("qingguo.qgnet.deregister", is_bare=True, qg_forget="lost").ok()
    run = gateway.play(REFRESH, ["--limit", "lost"])
    assert run.rc != 0
    assert phrases.WAS_REMOVED in shown(run)
    assert sold(gateway.sim) == 2

    # Another inventory has a host of the same name.
    shop = gateway.node("shop", QG_INVENTORY_ID="shop")
    shop.hosts = {"first": {"port": free_ports(1), "name": "shop"}}
    shop.play().ok()
    before = gateway.servers("first")
    gateway.sim.advance(290)
    shop.play(REFRESH, is_bare=True).ok()
    assert sold(gateway.sim) == 3
    assert len(shop.servers("shop")) == 2
    assert gateway.servers("first") == before

    # Two control nodes refresh the same host at once.
    gateway.hosts = {"first": gateway.hosts["first"]}
    gateway.sim.advance(290)
    runs = [gateway.start(), job.start()]
    outputs = [run.communicate(timeout=200)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert sold(gateway.sim) == 4

    # One of them hangs, and the other one goes on.
    for step in (LOOKS, WRITES):
        gateway.sim.advance(290)
        with a_run_that_is_overtaken(gateway, "first", step):
            gateway.sim.advance(290)
            job.play(REFRESH, is_bare=True, qg_max_wait=10).ok()
    assert sold(gateway.sim) == 7

    # The one of the other inventory goes alone.
    shop.play(proxy_gateway_state="absent").ok()
    gateway.play(REFRESH).ok()
    assert gateway.ask(gateway.hosts["first"]["port"]).status == 200
    assert list(gateway.folder.glob("shop.*")) == []
    assert sold(gateway.sim) == 7


@pytest.mark.newest
def test_a_disk_that_is_full_when_the_leases_are_written(gateway: Gateway) -> None:
    """The host has a file system of its own, of 256 KiB, which fills up after the look."""
    gateway.sim.configure(plan={"lifetime": 5})
    disk = gateway.playground.root / "disk"
    disk.mkdir()
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    mount = f"mount -t tmpfs -o size=256k,mode=755 none {disk} && echo mounted && exec sleep 600"
    held = subprocess.Popen(
        ["unshare", *user, "--mount", "sh", "-c", mount], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "mounted\n"
    # Otherwise it begins in the root of the machine, and the tests may run in another one.
    entered = "--user --preserve-credentials" if user else ""
    inside = f"nsenter --target {held.pid} {entered} --mount --root --wd"
    programs = gateway.playground.root / "programs"
    fills = programs / "fills"
    fill = f"[ ! -e {fills} ] || cat /dev/zero >{disk}/ballast 2>/dev/null"
    login = with_login(
        programs,
        f'case "$last" in *.leases.qg*) {inside} sh -c "{fill}";; esac\n{inside} sh -c "$last"',
    )
    options = dict(setting.split("=", 1) for setting in login.split())
    gateway.hosts["gateway"] = {
        "port": gateway.port,
        "directory": str(disk),
        "ansible_ssh_transfer_method": "piped",
        **options,
    }

    def on_host(command: str) -> str:
        return subprocess.run(
            [*inside.split(), "sh", "-c", command], capture_output=True, check=True, text=True
        ).stdout

    try:
        gateway.play().ok()
        before = on_host(f"cat {disk}/gateway.leases")
        gateway.sim.advance(290)
        fills.touch()

        run = gateway.play(REFRESH)

        assert run.rc == 2
        assert phrases.LEASES_NOT_WRITTEN in shown(run)
        assert on_host(f"cat {disk}/gateway.leases") == before
        assert gateway.ask().status == 200
        # Nothing is leased for a disk that is seen to be full.
        assert sold(gateway.sim) == 2
        run = gateway.play(REFRESH)
        assert run.rc == 2
        assert phrases.DISK_IS_FULL in shown(run)

        fills.unlink()
        on_host(f"rm {disk}/ballast")
        gateway.play(REFRESH).ok()

        assert len(on_host(f"grep '^qg ' {disk}/gateway.leases").splitlines()) == 2
        assert gateway.ask().status == 200
        assert sold(gateway.sim) == 2
    finally:
        on_host(f"kill $(cat {disk}/gateway.pid)")
        held.kill()
        held.communicate()


@pytest.mark.slow
@pytest.mark.measured
def test_a_process_that_is_stopped_fails_the_refresh(gateway: Gateway) -> None:
    gateway.play().ok()
    worker = max(process_tree(int((gateway.folder / "gateway.pid").read_text())))
    os.kill(worker, signal.SIGSTOP)

    run = gateway.play(REFRESH)

    os.kill(worker, signal.SIGCONT)
    assert run.rc == 2
    assert phrases.DOES_NOT_ANSWER in shown(run)
    gateway.play(REFRESH).ok()


@pytest.mark.newest
def test_a_407_that_traffic_shows_counts_whatever_the_check(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    exits = upstreams.exits(2)
    site = upstreams.site("site")
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=2, proxy_gateway_check="tcp").ok()
    assert upstreams.ask(gateway.port, "CONNECT", site.address).status == 200
    for each in exits:
        each.mode = "407"
    eventually(lambda: all(" UP " in gateway.report(each.address) for each in exits))

    for _request in range(8):
        assert upstreams.ask(gateway.port, "CONNECT", site.address).status == 503
    run = gateway.play(REFRESH)

    assert run.rc == 2
    assert phrases.ANSWERED_407 in shown(run)
    # What passes takes it back.
    for each in exits:
        each.mode = "good"
    eventually(lambda: upstreams.ask(gateway.port, "CONNECT", site.address).status == 200)
    for _request in range(4):
        upstreams.ask(gateway.port, "CONNECT", site.address)
    gateway.play(REFRESH).ok()


@pytest.mark.slow
@pytest.mark.newest
def test_a_process_whose_socket_is_gone_or_refuses_is_started_again(gateway: Gateway) -> None:
    """A reload would hand the lost socket on to the next process."""
    gateway.sim.configure(plan={"lifetime": 5})
    gateway.play(proxy_gateway_count=2).ok()
    path = gateway.folder / "gateway.sock"

    path.unlink()
    gateway.sim.advance(290)
    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 4
    assert gateway.ask().status == 200
    for address in gateway.addresses():
        gateway.report(address)

    path.unlink()
    with socket.socket(socket.AF_UNIX) as refusing:
        refusing.bind(str(path))
    gateway.sim.advance(290)
    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 6
    assert gateway.ask().status == 200

    # While the process is stopped, a reload has a new one ask it for its ports.
    worker = max(process_tree(int((gateway.folder / "gateway.pid").read_text())))
    os.kill(worker, signal.SIGSTOP)
    stopped = gateway.play(proxy_gateway_client_connections=50)
    os.kill(worker, signal.SIGCONT)
    assert stopped.rc == 2
    assert phrases.DOES_NOT_ANSWER in shown(stopped)
    assert gateway.ask().status == 200
    gateway.play(REFRESH).ok()


@pytest.mark.newest
def test_a_lease_that_ends_while_haproxy_is_stopped_serves_nobody_afterwards(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    exits = upstreams.exits(1)
    site = upstreams.site("site")
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=1).ok()
    gateway.end_leases("gateway", 6)
    gateway.report(exits[0].address)
    assert upstreams.ask(gateway.port, "CONNECT", site.address).status == 200
    worker = max(process_tree(int((gateway.folder / "gateway.pid").read_text())))
    end = int(gateway.servers()[0].split()[3])

    os.kill(worker, signal.SIGSTOP)
    eventually(lambda: time.time() >= end)
    os.kill(worker, signal.SIGCONT)

    gateway.report(exits[0].address)
    assert upstreams.ask(gateway.port, "CONNECT", site.address).status == 503


@pytest.mark.slow
@pytest.mark.newest
def test_a_slow_host_is_refreshed_whatever_strategy_the_configuration_names(
    gateway: Gateway,
) -> None:
    gateway.sim.configure(plan={"lifetime": 5})
    gateway.hosts = {name: {"port": free_ports(1)} for name in ("fast", "slow")}
    gateway.play().ok()
    login = with_login(gateway.playground.root / "programs", 'sleep 3\nexec sh -c "$last"')
    options = dict(word.split("=", 1) for word in login.split())
    slow = {**gateway.hosts["slow"], "ansible_ssh_transfer_method": "piped", **options}
    gateway.hosts["slow"] = slow
    gateway.environment["ANSIBLE_STRATEGY"] = "free"
    gateway.sim.advance(290)

    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 2
    assert gateway.addresses("fast") == gateway.addresses("slow")


@pytest.mark.parametrize(
    ("role", "strategy"), [("proxy_gateway", "free"), ("proxy_list", "ansible.builtin.host_pinned")]
)
def test_a_role_refuses_a_strategy_by_which_no_host_waits_for_another(
    gateway: Gateway, role: str, strategy: str
) -> None:
    """Ansible would let each host lease for all, and give each of them the result of another."""
    play = PLAY.replace("proxy_gateway", role)
    play = play.replace("roles:", 'strategy: "{{ chosen }}"\n  roles:')
    gateway.hosts = {name: {"port": free_ports(1)} for name in ("fast", "slow")}
    path = str(gateway.folder / "proxies.txt")

    run = gateway.play(play, chosen=strategy, proxy_list_path=path)

    assert run.rc == 2
    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    assert failures.keys() == {"fast", "slow"}
    for message in failures.values():
        assert_one_sentence(message)
        assert message.startswith(f"strategy={strategy} ")
        assert "strategy: linear" in message
    assert calls(gateway.sim) == []
    assert list(gateway.folder.iterdir()) == []


@pytest.mark.slow
@pytest.mark.measured
def test_a_gateway_that_cannot_run_buys_nothing_more(gateway: Gateway) -> None:
    """HAProxy has ended, and another program has its port."""
    gateway.sim.configure(plan={"lifetime": 5})
    gateway.play(proxy_gateway_count=2).ok()
    gateway.signal(signal.SIGTERM)
    eventually(lambda: bool(gateway.ask().status == 0))
    for path in gateway.folder.glob("*.sock"):
        path.unlink()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", gateway.port))
        other.listen(1)
        for _run in range(3):
            gateway.sim.advance(290)
            run = gateway.play(REFRESH)
            assert run.rc == 2
            assert "HAProxy does not serve" in shown(run)
    assert sold(gateway.sim) == 2

    gateway.play(REFRESH).ok()
    assert gateway.ask().status == 200


@pytest.mark.nightly
@pytest.mark.newest
def test_what_passed_while_checks_failed_long_ago_hides_no_outage(
    gateway: Gateway, upstreams: Upstreams
) -> None:
    """Crawlers ask in vain, which is not what counts."""
    exits = upstreams.exits(2)
    site = upstreams.site("site")
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=2).ok()

    def wait_until(state: str) -> None:
        eventually(lambda: all(f" {state} " in gateway.report(each.address) for each in exits))

    def ask() -> int:
        return upstreams.ask(gateway.port, "CONNECT", site.address).status

    wait_until("UP")
    for each in exits:
        each.passes_check = False
    wait_until("DOWN")
    for _request in range(6):
        assert ask() == 200
    # What passes now counts, whatever the checks say.
    gateway.play(REFRESH).ok()
    for each in exits:
        each.passes_check = True
    wait_until("UP")
    # Of the last minute, what has passed counts.
    time.sleep(65)
    for each in exits:
        each.mode = "407"
    wait_until("DOWN")
    for _request in range(6):
        assert ask() != 200

    run = gateway.play(REFRESH)

    assert run.rc == 2
    assert "407" in shown(run)


@pytest.mark.slow
@pytest.mark.newest
def test_refreshes_that_are_killed_pay_once_and_leave_the_gateway_serving(gateway: Gateway) -> None:
    """Each run has two leases to replace; twelve runs are killed, each at another moment."""
    gateway.sim.configure(plan={"lifetime": 10})
    gateway.play(proxy_gateway_count=2, proxy_gateway_drain=120).ok()
    began = time.monotonic()
    refresh = gateway.start()
    refresh.communicate()
    longest = time.monotonic() - began
    assert refresh.returncode == 0
    chance = random.Random(5)
    killed = 0
    runs = 0
    while killed < 12:
        runs += 1
        # The leases have a hundred seconds left.
        gateway.sim.advance(500)
        began = time.monotonic()
        run = gateway.start()
        try:
            run.communicate(timeout=chance.uniform(0.1, 1) * longest)
            # It has ended by itself: the machine is faster than it was.
            longest = time.monotonic() - began
        except subprocess.TimeoutExpired:
            killed += 1
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        # On a busy machine, the run may just have begun a reload, which ends an idle connection.
        eventually(lambda: gateway.ask().status == 200)
        gateway.play(REFRESH).ok()
        # Two at first, and two for each time that these have ended.
        assert sold(gateway.sim) == 2 + 2 * runs
        assert gateway.ask().status == 200


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize(
    "after",
    [
        {"name": "renamed"},
        {"name": "qg", "count": 1},
        {"name": "qg", "count": 1, "slots": True},
    ],
    ids=["renamed", "fewer", "slots"],
)
def test_a_role_that_is_killed_before_it_records_what_it_has_configured(
    gateway: Gateway, after: dict[str, Any]
) -> None:
    """A refresh serves what is recorded, and the role what is declared."""
    gateway.sim.configure(plan={"lifetime": 5})
    recorded = {"pools": [{"name": "qg", "count": 6, "port": gateway.port}]}
    declared = {"pools": [{"port": gateway.port, **after}]}
    gateway.hosts = {"gateway": recorded}
    gateway.play().ok()
    programs = gateway.playground.root / "programs"
    runs = programs / "runs"
    login = with_login(
        programs,
        f'case "$last" in *began=*) sh -c "$last"; touch {runs}; exec sleep 600;; esac\n'
        'exec sh -c "$last"',
    )
    options = dict(setting.split("=", 1) for setting in login.split())
    gateway.hosts = {"gateway": {**declared, "ansible_ssh_transfer_method": "piped", **options}}
    role = gateway.start(gateway.playground.write("role.yml", PLAY))
    eventually(runs.exists)
    os.killpg(role.pid, signal.SIGKILL)
    role.communicate()
    gateway.sim.advance(290)

    gateway.hosts = {"gateway": recorded}
    gateway.play(REFRESH).ok()

    assert sold(gateway.sim) == 12
    assert sum(line.endswith(" ready") for line in gateway.servers()) == 6
    for server in gateway.addresses():
        assert gateway.report(server)
    assert gateway.ask().status == 200
    assert gateway.play(REFRESH).ok().output.count(" changed=0 ") == 1

    gateway.hosts = {"gateway": declared}
    gateway.play().ok()

    assert gateway.ask().status == 200
    assert sold(gateway.sim) == 12


def sold(sim: Simulator) -> int:
    """Return the number of leases that QG.net has sold."""
    return len(sim.state()["keys"][sim.key]["paid"])


def process_tree(process: int) -> list[int]:
    """Return the children of a process."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [int(word) for word in text.split()]


@pytest.mark.parametrize(
    ("playbook", "variables", "arguments", "sentence"),
    [
        (REFRESH, {}, [], phrases.NO_GATEWAY),
        (REFRESH, {"qg_refresh": ["gateways"]}, [], ""),
        (REFRESH, {}, ["--limit", "nobody,gateway:!gateway"], ""),
        (TIMER, {}, [], ""),
        (TIMER, {"qg_hosts": "all"}, ["--limit", "gateway"], ""),
    ],
)
def test_a_refresh_of_nothing_is_an_error(
    gateway: Gateway,
    playbook: str,
    variables: dict[str, Any],
    arguments: list[str],
    sentence: str,
) -> None:
    run = gateway.play(playbook, arguments, **variables)

    assert run.rc != 0
    assert sentence in shown(run)
    assert calls(gateway.sim) == []

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to crawlers: each program is run from its text, by each address that the guide gives
for it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from integration.guide_blocks import BOTH, Block, blocks, document
from integration.playground import Playground
from qgnet_simulator.running import Simulator, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.newest]

HERE = Path(__file__).resolve().parent
#: The address of this machine as QG.net sees it.
EGRESS = "203.0.113.5"
PASSWORD = "0123456789ab"
#: The address of a client in a network that the guide does not allow.
FOREIGN = "198.51.100.9"
PLAY = "- hosts: all\n  gather_facts: false\n  roles: [qingguo.qgnet.proxy_gateway]\n"
REFRESH = "qingguo.qgnet.refresh_proxies"
#: The first run of Go compiles its library, on a machine that may be busy.
RUN_SECONDS = 300
#: How long all leases of the simulator have ended then.
WEEK = 7 * 24 * 3600
#: The programs of the guide, each with the command that runs it.
PROGRAMS: dict[str, str] = {}
for block in blocks(document("crawlers")):
    if block.file and not block.file.endswith("yml"):
        (PROGRAMS[block.file],) = re.findall(r"`((?:python3|scrapy|go|node) [^`]+)`", block.before)

IN_TURN = "http://127.0.0.1:3128"
LABEL = "http://account-7:any@127.0.0.1:3128"
BROWSER = "http://127.0.0.1:3129"
SLOT = "http://127.0.0.1:3201"
SOCKS = "socks5h://127.0.0.1:3201"
#: The name that Go has for it.
GO_SOCKS = "socks5://127.0.0.1:3201"
LIST = "http://127.0.0.1:3128/leases"
TUNNEL = "http://KEY-T-600-S-account7:PASSWORD@tunnel.qg.net:19702"
ALL = [IN_TURN, LABEL, SLOT, LIST, TUNNEL]
#: The addresses of a program which uses others.
ADDRESSES = {
    "crawl_browser.py": [IN_TURN, BROWSER, SLOT, LIST],
    "crawl_list.py": [LIST],
    "crawl_report.py": [],
    "crawl_requests.py": [*ALL, SOCKS],
    "crawl.go": [*ALL, GO_SOCKS],
}
CASES = [
    pytest.param(program, address, id=f"{program}-{address.replace('://', ':')}")
    for program in PROGRAMS
    for address in ADDRESSES.get(program, ALL)
]


@dataclass
class Crawler:
    """A machine with the gateway of the guide and its programs."""

    sim: Simulator
    playground: Playground
    #: The address of the gateway, instead of 127.0.0.1.
    gateway: str

    @property
    def folder(self) -> Path:
        return self.playground.root / "play"

    @property
    def exits(self) -> set[str]:
        """The addresses that sites see by way of the leases."""
        return {lease["ip"] for lease in self.sim.leases()}

    @property
    def environment(self) -> dict[str, str]:
        trusted = str(self.playground.root / "authorities.pem")
        names = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.playground.home),
            "LC_ALL": "C.UTF-8",
            # What Go compiles is the same in each run.
            "GOCACHE": str(Path(os.environ.get("XDG_CACHE_HOME", self.playground.home)) / "go"),
            **dict.fromkeys(names, trusted),
        }

    def typed(self, text: str) -> str:
        """Return text of the guide as it is typed here, where the gateway and the tunnel have other
        addresses.
        """
        tunnel = str(self.sim.tunnel_url).removeprefix("http://").rstrip("/")
        text = text.replace("127.0.0.1", self.gateway)
        text = text.replace("tunnel.qg.net:19702", tunnel)
        return text.replace("KEY", self.sim.key).replace("PASSWORD", PASSWORD)

    def install(self, variables: dict[str, Any]) -> None:
        """Install a gateway with variables of the guide, as a daemon below the directory of the
        test.
        """
        self.play(PLAY, variables)

    def play(self, play: str, variables: dict[str, Any]) -> None:
        """Run a playbook for this machine, with variables of the guide."""
        own = {"directory": str(self.playground.root), "service": "daemon"}
        host = {
            "ansible_connection": "local",
            **{f"proxy_gateway_{name}": value for name, value in own.items()},
        }
        inventory = json.dumps({"all": {"hosts": {"crawler1": {**host, **variables}}}})
        environment = {
            "QG_KEY": self.sim.key,
            "QG_PASSWORD": PASSWORD,
            "QG_API_URL": self.sim.api_url,
        }
        self.playground.play(play, inventory=inventory, environment=environment).ok()

    def exit_of(self, address: str) -> str:
        """Return the exit that curl has by an address, which has to be that of a lease."""
        (seen,) = addresses(self.run(f"curl --silent --proxy {address} http://d.qg.net/ip"))
        assert seen in self.exits
        return seen

    def run(self, command: str, **environment: str) -> str:
        """Run a command of the guide, and return what it shows."""
        done = subprocess.run(
            ["bash", "-c", self.typed(command)],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def addresses(shown: str) -> list[str]:
    """Return the addresses that sites have seen, as a program shows them."""
    return re.findall(r"\d+\.\d+\.\d+\.\d+", shown)


def guide_block(words: str) -> Block:
    """Return the first block of the guide that has some words."""
    return next(block for block in blocks(document("crawlers")) if words in block.text)


@pytest.fixture(scope="module")
def crawler(playground_folder: Path) -> Iterator[Crawler]:
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.fail("the recipes need HAProxy: as root, apt-get install haproxy")
    arguments = ["--key", "QGREAL01", "--tunnel-port", "0", "--map", f"127.0.0.1={EGRESS}"]
    # Its ports are those of the guide, on an address that no other test has.
    gateway = str(ipaddress.ip_address("127.66.0.1") + random.randrange(2**16))
    with running_simulator(arguments) as sim:
        sim.configure(plan={"kind": "dynamic_dedicated", "channels": 8}, whitelist=[EGRESS])
        made = Crawler(sim, Playground(playground_folder, 60), gateway)
        # The process of the gateway is another user's.
        playground_folder.chmod(0o755)
        trust_sites(made)
        for block in blocks(document("crawlers")):
            if block.file in PROGRAMS:
                (made.folder / str(block.file)).write_text(made.typed(block.text), encoding="utf-8")
        variables = yaml.safe_load(guide_block("proxy_gateway_pools").text)
        try:
            made.install({**variables, "proxy_gateway_bind": gateway})
            yield made
        finally:
            for file in playground_folder.glob("*.pid"):
                os.kill(int(file.read_text()), signal.SIGTERM)


def trust_sites(crawler: Crawler) -> None:
    """Let programs trust the sites of the simulator, which have an authority of its own."""
    authority = crawler.playground.root / "authorities.pem"
    authority.write_text(
        requests.get(f"{crawler.sim.control_url}/ca.pem", timeout=60).text, encoding="utf-8"
    )
    if shutil.which("certutil"):
        database = crawler.playground.home / ".pki" / "nssdb"
        database.mkdir(parents=True)
        store = ["certutil", "-d", f"sql:{database}"]
        subprocess.run([*store, "-N", "--empty-password"], check=True)
        subprocess.run([*store, "-A", "-t", "C,,", "-n", "sites", "-i", str(authority)], check=True)


@pytest.fixture(scope="module")
def node_packages(crawler: Crawler) -> None:
    """What the guide installs with npm, as it is locked beside this file."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm: as root, apt-get install nodejs npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, crawler.folder)
    # With the settings of the caller, who may have a registry of his own.
    environment = {**os.environ, "HOME": os.environ.get("QGNET_HOME", str(Path.home()))}
    command = ["npm", "ci", "--silent", "--prefer-offline"]
    done = subprocess.run(
        command, cwd=crawler.folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"npm cannot install undici: {done.stdout}{done.stderr}")


def need(program: str, request: pytest.FixtureRequest) -> None:
    """Skip a recipe whose program cannot be had here, with the reason."""
    needed = {
        "crawl.go": "go=golang-go",
        "crawl.mjs": "node=nodejs",
        "crawl_browser.py": "chromium=chromium",
    }
    name, _equals, package = needed.get(program, "sh=dash").partition("=")
    if not shutil.which(name):
        pytest.skip(f"there is no {name}: as root, apt-get install {package}")
    if name == "node":
        request.getfixturevalue("node_packages")


@pytest.mark.parametrize(("program", "address"), CASES)
def test_a_program_leaves_through_the_exits_of_its_address(
    program: str, address: str, crawler: Crawler, request: pytest.FixtureRequest
) -> None:
    need(program, request)

    proxy = crawler.typed(address)
    if address == LIST:
        proxy = f"http://{crawler.run(f'curl --silent {LIST}').split()[0]}"
    seen = addresses(crawler.run(PROGRAMS[program], PROXY=proxy))

    assert len(seen) >= 2
    if address == IN_TURN or program == "crawl_list.py":
        # All exits of the pool, of which there are two.
        assert set(seen) == crawler.exits
    elif address == BROWSER:
        # Two accounts, each with the exit that another program has with the same label.
        assert seen == [
            crawler.exit_of(f"http://{label}:any@127.0.0.1:3129")
            for label in ("account-7", "account-8")
        ]
    elif address == LIST:
        (lease,) = [lease for lease in crawler.sim.leases() if proxy == f"http://{lease['host']}"]
        assert set(seen) == {lease["ip"]}
    elif address in (LABEL, SLOT, SOCKS, GO_SOCKS):
        assert set(seen) == {crawler.exit_of(LABEL if address == LABEL else SLOT)}
    else:
        assert len(set(seen)) == 1
        assert seen[0] not in {*crawler.exits, EGRESS, "127.0.0.1"}


def test_each_slot_has_an_exit_of_its_own(crawler: Crawler) -> None:
    slots = [crawler.exit_of(SLOT), crawler.exit_of("http://127.0.0.1:3202")]

    assert sorted(slots) == sorted(crawler.exits)


def test_a_browser_needs_no_password_at_a_slot_that_adds_it(
    crawler: Crawler, request: pytest.FixtureRequest
) -> None:
    need("crawl_browser.py", request)
    variables = yaml.safe_load(guide_block("proxy_gateway_pools").text)
    for pool in variables["proxy_gateway_pools"]:
        if pool.get("slots"):
            pool["credentials"] = True
    variables["proxy_gateway_bind"] = crawler.gateway
    crawler.sim.configure(whitelist=[])
    crawler.install(variables)

    seen = addresses(crawler.run(PROGRAMS["crawl_browser.py"], PROXY=crawler.typed(SLOT)))

    crawler.sim.configure(whitelist=[EGRESS])
    assert len(set(seen)) == 1
    assert set(seen) <= crawler.exits


def test_requests_waits_while_there_is_no_lease(crawler: Crawler) -> None:
    leases = crawler.playground.root / "qg-proxy-gateway.leases"
    text = leases.read_text(encoding="utf-8")
    leases.write_text("", encoding="utf-8")
    wait_for_no_lease(crawler)
    # Behind the first two attempts.
    timer = threading.Timer(1, leases.write_text, [text])
    timer.start()

    seen = addresses(crawler.run(PROGRAMS["crawl_requests.py"], PROXY=crawler.typed(IN_TURN)))

    timer.join()
    assert len(seen) == 4
    assert set(seen) <= crawler.exits


def wait_for_no_lease(crawler: Crawler) -> None:
    ask = f"curl --silent --proxy {IN_TURN} --output /dev/null --write-out %{{http_code}} http://d.qg.net/ip"
    # A request that is made in the moment of the change may break.
    while crawler.run(f"{ask} || true") != "503":
        time.sleep(0.1)


def test_a_pool_sleeps_until_a_program_wants_it(crawler: Crawler) -> None:
    variables = yaml.safe_load(guide_block("proxy_gateway_pools").text)
    variables.update(proxy_gateway_bind=crawler.gateway)
    variables.update(proxy_gateway_interval=1, proxy_gateway_idle=2)
    crawler.install(variables)
    crawler.play(REFRESH, variables)
    time.sleep(2)
    crawler.sim.advance(WEEK)

    crawler.play(REFRESH, variables)

    assert crawler.sim.leases() == []
    wait_for_no_lease(crawler)
    crawler.play(REFRESH, variables)
    assert len(crawler.exits) == 2
    seen = addresses(crawler.run(PROGRAMS["crawl_requests.py"], PROXY=crawler.typed(IN_TURN)))
    assert set(seen) == crawler.exits


@pytest.fixture
def container() -> Iterator[tuple[str, str]]:
    """A network namespace in place of a container: its name, and the address of the bridge on the
    host.
    """
    number = random.randrange(2**12)
    name = f"qgr{number}"
    # A part of the networks that the guide allows.
    network = ipaddress.ip_network("172.16.0.0/12").network_address + 256 * number
    bridge = str(network + 1)
    setup = [
        f"netns add {name}",
        f"link add {name}h type veth peer name {name}c netns {name}",
        f"address add {bridge}/24 dev {name}h",
        f"link set {name}h up",
        f"-n {name} address add {network + 2}/24 dev {name}c",
        # A client of another network, which the gateway does not allow.
        f"-n {name} address add {FOREIGN} dev {name}c",
        f"-n {name} link set {name}c up",
        f"route add {FOREIGN} dev {name}h",
    ]
    try:
        for command in setup:
            done = subprocess.run(
                ["ip", *command.split()], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                pytest.skip(
                    f"this machine makes no network namespaces (ip {command}: "
                    f"{done.stderr.strip()})"
                )
        yield name, bridge
    finally:
        # The two ends of the cable go with it.
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def test_a_container_uses_the_gateway_of_its_host(
    crawler: Crawler, container: tuple[str, str]
) -> None:
    name, bridge = container
    block = guide_block("proxy_gateway_bind")
    (command,) = [
        block.text for block in blocks(document("crawlers"), "text") if "docker run" in block.text
    ]
    address = re.findall(r"PROXY=(\S+)", command)[0].replace("172.17.0.1", bridge)
    variables = yaml.safe_load(block.text.replace("172.17.0.1", bridge))
    crawler.install({**variables, "proxy_gateway_name": "for-containers", "proxy_gateway_count": 2})

    seen = addresses(crawler.run(f"ip netns exec {name} python3 crawl_requests.py", PROXY=address))
    ask = f"curl --silent --proxy {address} --output /dev/null --write-out %{{http_code}} http://d.qg.net/ip"
    refused = crawler.run(f"ip netns exec {name} {ask} --interface {FOREIGN}")

    assert set(seen) == crawler.exits
    assert refused == "403"


def test_the_guide_gives_the_addresses_and_installs_what_is_locked() -> None:
    for path in BOTH["crawlers"]:
        text = path.read_text(encoding="utf-8")
        for address in (*ALL, BROWSER, SOCKS):
            assert address in text
    typed = "".join(block.text for block in blocks(document("crawlers"), "shell"))
    groups = (HERE.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    (locked,) = re.findall(r"^crawlers = (\[.*\])$", groups, re.MULTILINE)
    (installed,) = re.findall("^pip install (.*)$", typed, re.MULTILINE)
    assert installed.replace('"', "").split() == json.loads(locked)
    npm = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert re.findall(r"^npm install (\S+)@(\d+)", typed, re.MULTILINE) == [
        (name, version.partition(".")[0]) for name, version in npm.items()
    ]
    assert len(PROGRAMS) == 8


def test_the_label_of_a_reported_exit_gets_another_one(crawler: Crawler) -> None:
    """The last test, since the pool has only one exit left."""
    before = crawler.exit_of(LABEL)

    crawler.run(PROGRAMS["crawl_report.py"], PROXY=crawler.typed(LABEL))

    after = {crawler.exit_of(LABEL) for _request in range(4)}
    assert after == crawler.exits - {before}

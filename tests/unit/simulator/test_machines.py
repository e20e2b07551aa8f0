# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator on machines of its own: where programs have names of QG.net in their code, and in a
container.

No engine for containers is needed: a container is a network namespace with an address, which others
reach by it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from qgnet_simulator import cli
from qgnet_simulator.control.api import ControlApi
from qgnet_simulator.control.faults import KINDS
from qgnet_simulator.core import Core
from qgnet_simulator.running import Simulator, running_simulator
from support import phrases

from .clients import PASSWORD, new_session

UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
IS_POSSIBLE = (
    sys.platform == "linux"
    and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
)
in_namespaces = pytest.mark.skipif(
    not IS_POSSIBLE, reason="this user may not make network namespaces"
)

START = """
ip link set lo up
wait_for() { until "$@"; do kill -0 $$ && sleep 0.05; done; }
trap 'kill $(jobs -p)' EXIT
"""
NAMES = "127.0.0.1 proxy.qg.net share.proxy.qg.net www.qg.net d.qg.net tunnel.qg.net\n"
UNCHANGED = """
set -eu
mount --bind hosts /etc/hosts
"$PYTHON" -m qgnet_simulator --port 80 --tls-port 443 --tunnel-port 19702 --ca-dir ca --ready-file ready >log 2>&1 &
wait_for test -e ready
curl -sf -X PUT http://127.0.0.1/_sim/keys/SHARE001 -d '{"plan": {"kind": "share"}}' >seen
SSL_CERT_FILE=ca/ca.pem "$PYTHON" program.py
"""
PROGRAM = """
import json
from urllib.request import ProxyHandler, build_opener

def read(url, **proxies):
    with build_opener(ProxyHandler(proxies)).open(url, timeout=60) as response:
        return response.read().decode().strip()

exit = read("https://d.qg.net/ip", https="http://QGDEMO01:0123456789ab@tunnel.qg.net:19702")
lease = json.loads(read("https://share.proxy.qg.net/get?key=SHARE001"))
quota = json.loads(read("https://proxy.qg.net/info/quota?Key=QGDEMO01"))
account = json.loads(read("https://www.qg.net/api/merchant/getBalance?appid=qgdemo01"))
print(json.dumps([exit, read("http://d.qg.net/ip"), lease["code"], quota["Code"], account["result"]]))
"""
CONTAINER = """
set -eu
unshare --net sleep 100 & inner=$!
within() { nsenter --net=/proc/$inner/ns/net "$@"; }
wait_for sh -c "[ $(readlink /proc/$$/ns/net) != \\$(readlink /proc/$inner/ns/net) ]"
ip link add outside type veth peer name eth0 netns $inner
ip address add 10.77.0.1/24 dev outside
ip link set outside up
within ip address add 10.77.0.2/24 dev eth0
within ip link set eth0 up
within ip link set lo up
# Without the function, whose process of its own would be ended instead of this one.
nsenter --net=/proc/$inner/ns/net "$PYTHON" -m qgnet_simulator --host 0.0.0.0 \\
    --advertise 10.77.0.2 --lease-ports 20000-20004 --proxy-port 8081 --upstream \\
    --ready-file ready >log 2>&1 &
wait_for test -e ready
"$PYTHON" -m http.server --directory site --bind 10.77.0.1 8000 >site.log 2>&1 &
S=http://10.77.0.2:8080
wait_for curl -sf --noproxy '' http://10.77.0.1:8000/page
curl -sf -X PUT $S/_sim/keys/QGDEMO01 -d '{"channels": 6, "whitelist": ["10.77.0.1"]}' >key
for call in "allocate?Num=5" "allocate?Num=1" "release?IP=*" "allocate?Num=5"; do
    curl -sf "$S/$call&Key=QGDEMO01"
    echo
done
for lease in 20000 20001 20002 20003 20004; do curl -sf -x http://10.77.0.2:$lease http://d.qg.net/ip; done
curl -sf -x http://10.77.0.2:20000 http://10.77.0.1:8000/page
"""


def run(folder: Path, script: str) -> list[str]:
    """Run a script on a machine without a network, and return the lines that it prints."""
    command = [*UNSHARE, "bash", "-c", START + script]
    settings = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHON": sys.executable,
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        command, cwd=folder, env=settings, capture_output=True, text=True, timeout=60
    )
    log = folder / "log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
    return done.stdout.splitlines()


@in_namespaces
def test_a_program_with_the_names_of_qg_net_in_its_code_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(NAMES)
    (tmp_path / "program.py").write_text(PROGRAM)
    (shown,) = run(tmp_path, UNCHANGED)
    exit_address, own_address, *answers = json.loads(shown)
    assert exit_address.startswith("198.19.")
    assert own_address == "127.0.0.1"
    assert answers == ["SUCCESS", 0, False]


@in_namespaces
def test_leases_of_a_container_are_used_from_outside(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page").write_text("a real site\n")
    page, first, refused, released, second, *seen = run(tmp_path, CONTAINER)
    assert page == "a real site"
    servers = {f"10.77.0.2:{port}" for port in range(20000, 20005)}
    assert {lease["host"] for lease in json.loads(first)["Data"]} == servers
    assert json.loads(refused)["Code"] == -104
    assert json.loads(released)["Code"] == 0
    leases = {lease["port"]: lease["IP"] for lease in json.loads(second)["Data"]}
    assert seen == [*(leases[str(port)] for port in range(20000, 20005)), "a real site"]


def test_an_authority_lasts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "ca"
    for _run in range(2):
        with running_simulator(["--ca-dir", str(folder), "--tls-port", "0"]) as sim:
            session = new_session(verify=str(folder / "ca.pem"))
            assert (
                session.get(f"{sim.tls_url}/_sim/ca.pem", timeout=60).text
                == (folder / "ca.pem").read_text()
            )
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    (folder / "ca.key").write_text("damaged")
    assert cli.main(["--port", "0", "--ca-dir", str(folder)]) == 1
    assert capsys.readouterr().err.startswith(phrases.NO_AUTHORITY.format(folder))


def test_only_upstream_opens_the_proxies() -> None:
    for options, status in ((["--upstream"], 502), ([], 403)):
        with running_simulator(["--proxy-port", "0", *options]) as sim:
            proxy = str(sim.proxy_url).replace("//", f"//{sim.key}:{PASSWORD}@")
            assert (
                new_session(proxy).get("http://no-such-host.invalid/", timeout=20).status_code
                == status
            )


def test_a_state_is_saved_and_loaded_by_another_run(tmp_path: Path) -> None:
    session = new_session()
    with running_simulator(["--tunnel-port", "0", "--proxy-port", "0"]) as sim:
        sim.hold_clock()
        sim.advance(5000)
        sim.configure(whitelist=["203.0.113.5"], options={"list_lag": 30.0, "empty_data": "null"})
        sim.configure(
            "LINES",
            plan={"kind": "exclusive_occupancy"},
            options={"queue_seconds": 0, "dial_seconds": 0},
        )
        sim.configure(
            "SHARE",
            plan={"kind": "dynamic_shared", "billing": "time"},
            tunnel={"areas": ["US"]},
            proxy=True,
        )
        sim.agent(balance="7.00", instances=3)
        sim.fault(path="/release", kind="code", code=-103, times=-1, skip=2)
        sim.control("PUT", "/map", {"127.0.0.1": "203.0.113.5"})
        sim.control("PUT", "/echo/one", {"answers": ["a", "b"]})
        calls = [
            "/allocate?Num=2&Key=",
            "/allocate?Num=2&Key=",
            "/release?IP=*&Key=",
            "/query?Key=",
            "/allocate?Key=",
        ]
        for call in calls:
            session.get(f"{sim.api_url}{call}{sim.key}", timeout=60)
        session.get(f"{sim.api_url}/extract?Num=3&Key=SHARE", timeout=60)
        session.post(f"{sim.api_url}/monopolies?Num=2&Key=LINES", timeout=60)
        session.get(f"{sim.api_url}/whitelist/add?IP=203.0.113.7&Key={sim.key}", timeout=60)
        session.get(f"{sim.api_url}/echo/one", timeout=60)
        new_session(f"{sim.key}-S-job:{PASSWORD}@{str(sim.tunnel_url)[7:]}").get(
            "http://d.qg.net/ip", timeout=10
        )
        before = sim.state()
        saved = sim.control("GET", "/snapshot")
        sim.reset()
        sim.control("PUT", "/snapshot", saved)
        assert sim.state() == before
    with running_simulator(["--tunnel-port", "0", "--proxy-port", "0"]) as sim:
        sim.control("PUT", "/snapshot", saved)
        after = sim.state()
        for state in (before, after):
            for name in ("proxy_url", "tunnel"):
                state["keys"][sim.key].pop(name)
        assert after == before
        again = sim.control("GET", "/snapshot")
        again["state"]["keys"][sim.key] |= {
            name: saved["state"]["keys"][sim.key][name] for name in ("proxy_url", "tunnel")
        }
        again["state"]["now"] = pytest.approx(saved["state"]["now"])
        assert again == saved
        # What others see: proxies listen, limits are used, lists lag, and the exit of a label
        # stays.
        (lease, *_others) = sim.leases()
        assert (
            new_session(lease["host"]).get("http://d.qg.net/ip", timeout=60).text.strip()
            == lease["ip"]
        )
        assert session.get(f"{sim.api_url}/echo/one", timeout=60).text == "b"
        assert sim.control("GET", "/clock")["running"] is False
        listed = session.get(f"{sim.api_url}/query?Key={sim.key}", timeout=60).json()
        assert "TaskList" not in listed
        sim.advance(31)
        listed = session.get(f"{sim.api_url}/query?Key={sim.key}", timeout=60).json()
        assert listed["TotalNum"] == len(sim.leases())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, "snapshot: version 2 is unknown; this simulator loads version 1"),
        ({"objects": None}, "snapshot: a list of objects expected"),
        ({"state": None}, "snapshot: state: an object expected"),
        ({"now": None}, "snapshot: state: now: unknown or missing; it is of another version"),
        ({"odd": 1}, "snapshot: state: odd: unknown or missing; it is of another version"),
        ({"now": "x"}, "snapshot: state now: 'x' is not allowed"),
        ({"freed": [1]}, "snapshot: state freed: 1 is not allowed"),
        ({"objects": []}, "there is no object 0"),
    ],
)
def test_another_snapshot_is_refused_and_changes_nothing(
    sim: Simulator, change: Any, sentence: str
) -> None:
    new_session().get(f"{sim.api_url}/allocate?Key={sim.key}", timeout=60)
    before = sim.state()
    saved = sim.control("GET", "/snapshot")
    for name, value in change.items():
        place = saved if name in ("version", "state", "objects") else saved["state"]
        place.pop(name, None)
        if value is not None:
            place[name] = value
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        sim.control("PUT", "/snapshot", saved)
    assert sim.state() == before


def test_the_control_interface_describes_itself(sim: Simulator) -> None:
    described = sim.control("GET", "/openapi.json")
    api = ControlApi(Core(), Mock(), Mock(), b"")
    served = {(route.path, *sorted(route.methods or ())) for route in api.routes()[:-4]}
    listed = set()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], path
            listed.add(
                (path, *sorted({method.upper(), "HEAD"} if method == "get" else {method.upper()}))
            )
    assert listed == served
    schemas = described["components"]["schemas"]
    assert set(re.findall(r"schemas/(\w+)", json.dumps(described["paths"]))) <= schemas.keys()
    (faults,) = re.findall(r'"kind": {"enum": (\[.*?\])', json.dumps(described["paths"]))[:1]
    assert json.loads(faults) == list(KINDS)
    assert schemas["KeyOptions"]["properties"]["empty_data"] == {"enum": ["list", "null", "absent"]}
    for path, name in (
        ("keys/NEW", "KeySettings"),
        ("agents/new", "Agent"),
        ("echo/one", "EchoOverrides"),
    ):
        refused = (
            new_session()
            .put(f"{sim.control_url}/{path}", json={"odd": 1}, timeout=60)
            .json()["error"]
        )
        # What is read in several forms has no schema.
        rest = set(refused.partition("known: ")[2].split(", ")) - schemas[name]["properties"].keys()
        assert rest <= {"plan", "instances", "packages", "lines"}


def test_a_snapshot_whose_ports_are_taken_leaves_the_start_state(sim: Simulator) -> None:
    new_session().get(f"{sim.api_url}/allocate?Key={sim.key}", timeout=60)
    saved = sim.control("GET", "/snapshot")
    (lease,) = sim.leases()
    sim.reset()
    before = sim.state()
    address = lease["host"].partition(":")[0], int(lease["port"])
    refused = pytest.raises(AssertionError, match=phrases.IN_ITS_START_STATE)
    with socket.create_server(address), refused:
        sim.control("PUT", "/snapshot", saved)
    assert sim.state() == before

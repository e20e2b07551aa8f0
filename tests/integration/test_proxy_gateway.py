# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_gateway with real HAProxy: what crawlers see while exits fail, leases change, and the vendor fails."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.documents import role_options
from support.playground import Playground, Run, calls
from support.upstreams import Exit, World, running_world

PLAY = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_gateway]
"""
REFRESH, TIMER = "qingguo.qgnet.refresh_proxies", "qingguo.qgnet.refresh_timer"
BEIJING = timezone(timedelta(hours=8))
PWD = "0123456789ab"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def eventually(check: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "it did not become so"
        time.sleep(0.1)


class Gateway:
    """A host with gateways that the role makes in a directory of the test."""

    def __init__(self, sim: Simulator, playground: Playground, world: World) -> None:
        self.sim, self.playground, self.world = sim, playground, world
        self.folder = playground.root / "gw"
        self.folder.mkdir()
        # Its process is no longer root.
        playground.root.chmod(0o755)
        self.port = free_port()
        self.variables: dict[str, Any] = {
            "proxy_gateway_directory": str(self.folder),
            "proxy_gateway_service": "daemon",
            "proxy_gateway_port": self.port,
            "qg_timeout": 2,
        }
        self.environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}

    def play(self, playbook: str = PLAY, arguments: Sequence[str] = (), **variables: Any) -> Run:
        return self.playground.play(
            playbook, variables={**self.variables, **variables}, arguments=arguments, environment=self.environment
        )

    def refresh(self, **variables: Any) -> Run:
        return self.play(REFRESH, **variables)

    def holds(self, *leases: Exit | Mapping[str, Any], seconds: float = 3600) -> None:
        """Let the vendor list these leases, whatever it has sold."""
        end = (datetime.now(BEIJING) + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
        rows: list[Mapping[str, Any]] = [
            {"host": lease.address, "port": str(lease.port)} if isinstance(lease, Exit) else lease for lease in leases
        ]
        data = [{"IP": f"198.51.100.{number}", "deadline": end, **row} for number, row in enumerate(rows, 1)]
        body = {
            "Code": 0,
            "TotalNum": len(data),
            "Num": len(data),
            "TaskList": [{"TaskID": "T1", "Num": len(data), "Data": data}],
        }
        self.sim.control("DELETE", "/faults")
        self.sim.fault(path="/query", kind="replace", body=body, times=-1)

    def configuration(self, name: str = "qg-proxy-gateway") -> str:
        return (self.folder / f"{name}.cfg").read_text(encoding="utf-8")

    def servers(self) -> list[str]:
        return [line.strip() for line in self.configuration().splitlines() if line.startswith("    server qg-")]

    def ask(self, label: str = "") -> Any:
        """Ask for the own address through the gateway."""
        return self.world.ask(self.port, "GET", self.sim.api_url.removeprefix("http://"), label, path="/ip")

    def reload(self) -> None:
        """Let a new process take over, which writes its number; it takes no signals before it runs."""
        path = self.folder / "qg-proxy-gateway.pid"
        before, signalled = path.stat().st_mtime_ns, 0.0

        def done() -> bool:
            nonlocal signalled
            if time.monotonic() > signalled + 3:
                self.signal(signal.SIGUSR2)
                signalled = time.monotonic()
            # HAProxy removes the file before it writes the new one.
            with suppress(FileNotFoundError):
                return path.stat().st_mtime_ns > before
            return False

        eventually(done)

    def statistics(self, exit_: Exit) -> str:
        """What HAProxy counts for an exit."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.folder / "qg-proxy-gateway.sock"))
            connection.sendall(b"show stat -1 4 -1\n")
            lines = connection.makefile().read().splitlines()
        return next(line for line in lines if f"-{exit_.port}," in line)

    def signal(self, number: int) -> None:
        for path in self.folder.glob("*.pid"):
            with suppress(ProcessLookupError):
                os.kill(int(path.read_text()), number)


@pytest.fixture
def world() -> Iterator[World]:
    with running_world() as running:
        yield running


@pytest.fixture
def gateway(sim: Simulator, playground: Playground, world: World) -> Iterator[Gateway]:
    assert shutil.which("haproxy", path="/usr/sbin:/usr/bin"), "these tests need haproxy"
    sim.configure(plan={"channels": 20}, whitelist=["203.0.113.5", "127.0.0.1"])
    made = Gateway(sim, playground, world)
    yield made
    made.signal(signal.SIGTERM)


# --- what crawlers see


@pytest.mark.newest
def test_no_client_reaches_the_site_of_another(gateway: Gateway, world: World) -> None:
    gateway.holds(*world.exits(1))
    gateway.play().ok()
    one, other = world.site("one"), world.site("other")
    for _time in range(3):
        assert world.talk(gateway.port, one, other, one) == ["one", "other", "one"]
        assert world.talk(gateway.port, other, other) == ["other", "other"]
    assert not any(other.address in request for request in one.seen)


@pytest.mark.slow
def test_few_tunnels_fail_whatever_an_exit_does(gateway: Gateway, world: World) -> None:
    # With a site that answers at once, the speed of the machine would decide how many requests meet the exit.
    exits, site = world.exits(5), world.site("site", pause=0.1)
    gateway.holds(*exits)
    gateway.play(proxy_gateway_count=5).ok()
    assert world.load(gateway.port, site, 200, 20).failures == 0
    for mode in ("reset", "close", "502", "407", "silent"):
        exits[0].mode = mode
        found = world.load(gateway.port, site, 500, 20)
        # 1 % of 5,000: once the exit is out, none fails.
        assert found.failures <= 50, mode
        # The gateway gives up after 4 seconds.
        assert found.longest < 20, mode
        assert world.load(gateway.port, site, 200, 20).failures == 0, mode
        exits[0].mode = "good"
        # Until it is in again.
        eventually(lambda: ",UP," in gateway.statistics(exits[0]))


@pytest.mark.newest
def test_a_request_is_repeated_only_if_the_exit_failed(gateway: Gateway, world: World) -> None:
    gateway.holds(*world.exits(2))
    gateway.play(proxy_gateway_count=2).ok()
    busy = world.site("busy", 503)
    assert world.ask(gateway.port, "GET", busy.address).status == 503
    assert len(busy.seen) == 1


@pytest.mark.newest
def test_labels_keep_their_exits_over_reloads_and_until_the_end_of_the_lease(gateway: Gateway, world: World) -> None:
    old, new, site = world.exits(3), world.exits(3), world.site("site")
    labels = [f"label{number}" for number in range(20)]

    def ask(label: str) -> Exit:
        before = {each.port: each.served for each in old + new}
        assert world.ask(gateway.port, "GET", site.address, label).status == 200
        return next(each for each in old + new if each.served > before[each.port])

    def exits() -> dict[str, Exit]:
        order = random.sample(labels, len(labels))
        return {label: ask(label) for label in order}

    gateway.holds(*old)
    gateway.play(proxy_gateway_count=3).ok()
    first = exits()
    for _time in range(10):
        gateway.reload()
        assert exits() == first
    # The leases have an hour left, too little by this drain, and are replaced.
    gateway.holds(*old, *new)
    gateway.holds(*new, seconds=9000)
    gateway.refresh(proxy_gateway_count=3, proxy_gateway_drain=7200).ok()
    assert exits() == first
    assert all(ask("") in new for _time in range(6))


@pytest.mark.newest
def test_a_lease_serves_until_its_deadline_without_a_refresh(gateway: Gateway, world: World) -> None:
    site, exits = world.site("site"), world.exits(1)
    gateway.holds(*exits, seconds=25)
    gateway.play(proxy_gateway_drain=1).ok()
    assert world.ask(gateway.port, "CONNECT", site.address).status == 200
    eventually(lambda: world.ask(gateway.port, "CONNECT", site.address).status == 503)
    assert exits[0].mode == "good"


PRIVATE = [
    "10.0.0.1:80", "127.0.0.1:443", "169.254.169.254:80", "192.168.1.1:80", "172.20.0.1:443", "100.64.0.1:80",
    "0.0.0.0:80", "[::1]:80", "localhost:80", "2130706433:80", "0x7f.1:80", "127.1:80", "0177.0.0.1:443",
    "www.example.com:22", "198.51.100.9:8080",
]  # fmt: skip


@pytest.mark.newest
def test_private_targets_and_other_ports_are_refused_on_demand(gateway: Gateway, world: World) -> None:
    exits = world.exits(1)
    exits[0].mode = "404"
    gateway.holds(*exits)
    gateway.play(proxy_gateway_web_only=True, proxy_gateway_check="tcp").ok()
    for target in PRIVATE:
        assert world.ask(gateway.port, "CONNECT", target).status == 403, target
        assert world.ask(gateway.port, "GET", f"user@{target}").status in (400, 403), target
    # The exit's own answer.
    for target in ("198.51.100.9:443", "www.example.com:80", "1.example.com:443"):
        assert world.ask(gateway.port, "CONNECT", target).status == 404, target


# --- leases


@pytest.mark.measured
def test_a_pool_without_its_key_leaves_the_others_alone(gateway: Gateway, world: World) -> None:
    other = free_port()
    pools = [
        {"name": "good", "port": gateway.port, "count": 2},
        {"name": "bad", "port": other, "key": "QGNOKEY1"},
    ]
    run = gateway.play(proxy_gateway_pools=pools)
    assert run.rc == 2
    assert "Pool bad of localhost: " in run.output
    assert "Pool good" not in run.output
    assert gateway.ask().status == 200
    assert world.ask(other, "GET", "198.51.100.9:80").status == 503
    assert len(gateway.sim.leases()) == 2


def test_a_dead_vendor_takes_no_lease_away_and_fails_each_run(gateway: Gateway) -> None:
    gateway.play(proxy_gateway_count=2).ok()
    kept = gateway.servers()
    refreshed = gateway.folder / "qg-proxy-gateway.refreshed"
    good = refreshed.stat().st_mtime_ns
    gateway.sim.fault(path="/query", kind="code", code=-13, times=-1)
    for _time in range(2):
        run = gateway.refresh(proxy_gateway_count=2)
        assert run.rc == 2
        assert "Pool qg of localhost: " in run.output
    assert gateway.servers() == kept
    assert gateway.ask().status == 200
    assert refreshed.stat().st_mtime_ns == good


@pytest.mark.newest
def test_the_default_drain_fits_leases_of_a_minute(gateway: Gateway) -> None:
    gateway.sim.configure(plan={"kind": "share", "channels": 10})
    gateway.play(qg_product="share", proxy_gateway_count=2).ok()
    assert gateway.ask().status == 200
    gateway.sim.advance(50)
    gateway.refresh(qg_product="share", proxy_gateway_count=2).ok()
    assert calls(gateway.sim, "/share/get") == ["/share/get"] * 2


@pytest.mark.parametrize("product", ["share", "auto"])
def test_an_impossible_drain_is_refused_by_its_name_before_payment(gateway: Gateway, product: str) -> None:
    gateway.sim.configure(plan={"kind": "share", "channels": 10})
    run = gateway.play(qg_product=product, proxy_gateway_drain=60)
    assert run.rc == 2
    assert "proxy_gateway_drain of " in run.output
    assert gateway.sim.leases() == []


@pytest.mark.measured
def test_channels_that_are_free_are_used_when_they_are_too_few(gateway: Gateway) -> None:
    gateway.sim.configure(plan={"channels": 8, "lifetime": 5})
    gateway.play(proxy_gateway_count=5, proxy_gateway_drain=60).ok()
    first = gateway.servers()
    gateway.sim.advance(250)
    gateway.refresh(proxy_gateway_count=5, proxy_gateway_drain=60).ok()
    assert len(gateway.sim.leases()) == 8
    assert len(gateway.servers()) == 8
    assert {line.split()[1] for line in first} < {line.split()[1] for line in gateway.servers()}
    assert gateway.ask().status == 200


@pytest.mark.slow
def test_an_exit_that_is_down_is_replaced_within_a_bound(gateway: Gateway) -> None:
    gateway.sim.configure(plan={"kind": "exclusive", "channels": 9}, options={"lease_proxies": False})
    gateway.play(qg_product="exclusive").ok()
    bought = ["/exclusive/get"]
    for number in range(1, 5):
        time.sleep(8)
        gateway.refresh(qg_product="exclusive").ok()
        bought += ["/exclusive/get"] * (number < 4)
        assert calls(gateway.sim, "/exclusive/get") == bought
    gateway.sim.configure(options={"lease_proxies": True})
    gateway.refresh(qg_product="exclusive", proxy_gateway_count=2).ok()
    assert gateway.ask().status == 200
    assert "/exclusive/delete" in calls(gateway.sim)


def test_leases_that_cannot_be_used_are_left_out(gateway: Gateway, world: World) -> None:
    (good,) = world.exits(1)
    unusable = [
        {"host": "198.51.100.2:0", "port": "0"},
        {"host": "198.51.100.3:70000", "port": "70000"},
        {"host": "198.51.100.4", "port": None},
        {"host": "[2001:db8::1]:80", "port": "80"},
        {"host": "198.51.100.5:80\n    server evil 127.0.0.1:1", "port": "80"},
        {"host": "no-such-host.invalid:80", "port": "80"},
    ]
    gateway.holds(good, *unusable)
    run = gateway.play().ok()
    names = {line.split()[2] for line in gateway.servers()}
    assert names == {good.address, "no-such-host.invalid:80"}
    assert "5 leases left out" in " ".join(run.output.split())
    assert world.ask(gateway.port, "GET", world.site("site").address).body == "site"


# --- before anything is paid for


#: The option of the role, its value, and what the sentence contains.
MISTAKES: list[tuple[str, Any, str]] = [
    ("bind", "192.0.2.300", "invalid address"),
    ("bind", "127.0.0.1:1 ", 'proxy_gateway_bind="127.0.0.1:1 " cannot be used: give one IPv4 address, such as'),
    ("bind", "::1", 'proxy_gateway_bind="::1" cannot be used: give one IPv4 address'),
    ("allow", ["0.0.0.0/1", "128.0.0.0/1"], 'proxy_gateway_allow=["0.0.0.0/1", "128.0.0.0/1"] cannot be used: give'),
    ("allow", [], "proxy_gateway_allow=[] cannot be used: give IPv4 addresses, or networks of at most 2^24"),
    ("allow", ["192.0.2.0/33"], "is not a valid IPv4 or IPv6 address"),
    ("allow", ["192.0.2.0/24\nbind :1"], "cannot be used: give IPv4 addresses, or networks of at most 2^24"),
    ("name", "a b", 'proxy_gateway_name="a b" cannot be used: give at most 64 letters'),
    ("name", "../x", 'proxy_gateway_name="../x" cannot be used'),
    ("directory", "/proc/none", "proxy_gateway_directory=/proc/none does not exist on "),
    ("directory", "etc", 'proxy_gateway_directory="etc" cannot be used: give an absolute path'),
    ("service", "systemd", "proxy_gateway_service=systemd needs a host that runs systemd"),
    ("pools", [{"name": "a", "port": 1}, {"name": "a", "port": 2}], "(a, a; 1, 2): names and ports must be unique"),
    ("pools", [{"name": "a", "port": 1}, {"name": "b", "port": "1"}], "(a, b; 1, 1): names and ports must be unique"),
    (
        "pools",
        [{"name": "a-b", "port": 1}],
        "A name in proxy_gateway_pools cannot be used (a-b): give each pool 1 to 32",
    ),
    ("check", "http", "proxy_gateway_check must be one of"),
    ("count", "three", "proxy_gateway_count"),
]


def inventory_of(cases: Mapping[str, Mapping[str, Any]]) -> str:
    """An inventory with a host for each case, which has variables of its own."""
    local = {"ansible_connection": "local"}
    return json.dumps({"all": {"hosts": {name: {**local, **variables} for name, variables in cases.items()}}})


def test_a_wrong_value_is_named_before_anything_is_paid_for(gateway: Gateway) -> None:
    common = {**gateway.variables, "proxy_gateway_name": "{{ inventory_hostname }}"}
    cases = {
        f"h{number}": {**common, f"proxy_gateway_{option}": value}
        for number, (option, value, _words) in enumerate(MISTAKES)
    }

    run = gateway.playground.play(PLAY, inventory=inventory_of(cases), environment=gateway.environment)

    assert run.rc == 2
    failures = {task.host: str(task.result["msg"]) for task in run.tasks if task.status == "failed"}
    expected = {f"h{number}": words for number, (_option, _value, words) in enumerate(MISTAKES)}
    assert {host: failures.get(host) for host in cases if expected[host] not in failures.get(host, "")} == {}
    assert calls(gateway.sim) == []
    assert list(gateway.folder.glob("*.cfg")) == []


def test_each_option_can_be_set_as_text_of_a_command_line(gateway: Gateway, world: World) -> None:
    """Those that concern leases by themselves, since one may hide a mistake in what another one does."""
    gateway.sim.configure(plan={"channels": 50})
    metrics = free_port()
    values: dict[str, Any] = {
        "state": "present",
        "name": "whole",
        "directory": str(gateway.folder),
        "service": "daemon",
        "bind": "127.0.0.1",
        "port": str(free_port()),
        "allow": "127.0.0.1,192.0.2.0/24",
        "web_only": "false",
        "metrics": f"127.0.0.1:{metrics}",
        "check": "tcp",
        "sticky": "none",
        "pools": [{"name": "first", "port": str(free_port())}],
    }
    alone = {
        "count": "2",
        "areas": "350500",
        "isp": "telecom",
        "keep_alive": "5",
        "drain": "20",
        "credentials": "false",
    }
    assert {*values, *alone} == {name.removeprefix("proxy_gateway_") for name in role_options("proxy_gateway")}
    pool = {
        **alone,
        "name": "own",
        "port": str(free_port()),
        "key": gateway.sim.key,
        "password": PWD,
        "product": "classic",
        "sticky": "required",
    }
    assert pool.keys() == role_options("proxy_gateway")["proxy_gateway_pools"]["options"].keys()
    cases = {name: {name: value, "port": str(free_port())} for name, value in alone.items()}
    cases |= {"whole": values, "pool": {"pools": [pool]}, "typed": {"keep_alive": 60, "port": free_port()}}
    common = {**gateway.variables, "proxy_gateway_name": "{{ inventory_hostname }}"}
    hosts = {
        host: {**common, **{f"proxy_gateway_{name}": value for name, value in options.items()}}
        for host, options in cases.items()
    }

    gateway.playground.play(PLAY, inventory=inventory_of(hosts), environment=gateway.environment).ok()

    assert {path.stem for path in gateway.folder.glob("*.cfg")} == set(cases)
    assert " map(" not in gateway.configuration("credentials")
    assert "deny unless { src 127.0.0.1 192.0.2.0/24 }" in gateway.configuration("whole")


def test_a_pool_with_an_empty_key_never_takes_the_key_of_the_environment(gateway: Gateway) -> None:
    run = gateway.play(proxy_gateway_pools=[{"name": "web", "port": gateway.port, "key": ""}])
    assert run.rc == 2
    assert "Pool web of localhost: key is empty (''), which never means another key" in " ".join(run.output.split())
    assert calls(gateway.sim) == []


def test_a_refresh_names_a_host_without_a_gateway_and_leases_nothing_for_it(gateway: Gateway) -> None:
    run = gateway.refresh()
    assert run.rc == 2
    missing = f"localhost has no gateway at {gateway.folder}/qg-proxy-gateway.cfg"
    assert missing in " ".join(run.output.split())
    assert calls(gateway.sim) == []


def test_a_process_that_gives_no_reason_is_reported_with_where_its_log_is(gateway: Gateway) -> None:
    programs = gateway.playground.root / "programs"
    programs.mkdir()
    # HAProxy accepts the file and does not run, and nobody waits for it.
    for name, text in (("haproxy", ""), ("seq", "echo 1\n")):
        (programs / name).write_text(f"#!/bin/sh\n{text}", encoding="ascii")
        (programs / name).chmod(0o755)
    gateway.environment["PATH"] = f"{programs}:{gateway.playground.ansible_environment()['PATH']}"
    run = gateway.play()
    assert run.rc == 2
    log = "it gave no reason; to see its log, type grep haproxy /var/log/syslog, or on a host without a system log"
    assert f"{log} haproxy -d -f {gateway.folder}/qg-proxy-gateway.cfg" in " ".join(run.output.split())
    assert calls(gateway.sim) == []


def test_a_port_in_use_is_named_and_another_one_works(gateway: Gateway) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        run = gateway.play(proxy_gateway_port=taken.getsockname()[1])
        assert run.rc == 2
        assert "Address already in use" in " ".join(run.output.split())
        assert calls(gateway.sim) == []
    gateway.play().ok()
    assert gateway.ask().status == 200


# --- operation


@pytest.mark.newest
def test_two_gateways_of_a_host_are_apart_and_removed_apart(gateway: Gateway, world: World) -> None:
    other = free_port()
    second = {"proxy_gateway_name": "second", "proxy_gateway_port": other}
    gateway.play().ok()
    gateway.play(**second).ok()
    assert gateway.play(proxy_gateway_state="absent").ok().of("Remove the files") is not None
    eventually(lambda: world.ask(gateway.port, "GET", "198.51.100.9:80").status == 0)
    assert world.ask(other, "GET", "198.51.100.9:80").status != 0
    gateway.play(proxy_gateway_state="absent", **second).ok()
    eventually(lambda: world.ask(other, "GET", "198.51.100.9:80").status == 0)
    assert list(gateway.folder.iterdir()) == []
    assert " changed=0 " in gateway.play(proxy_gateway_state="absent", **second).ok().output


def test_check_mode_and_a_second_run_say_what_changes(gateway: Gateway) -> None:
    assert "changed=0 " not in gateway.play(arguments=["--check"]).ok().output
    assert (list(gateway.folder.iterdir()), gateway.sim.leases()) == ([], [])
    gateway.play().ok()
    for arguments in ([], ["--check"]):
        assert " changed=0 " in gateway.play(arguments=arguments).ok().output
    assert " changed=0 " in gateway.refresh().ok().output


def test_credentials_reach_the_exits_and_no_output(gateway: Gateway) -> None:
    gateway.sim.configure(whitelist=[])
    gateway.environment["QG_PASSWORD"] = PWD
    run = gateway.play(proxy_gateway_credentials=True, arguments=["--diff", "-vvv"]).ok()
    assert gateway.ask().status == 200
    assert "+listen qg" in run.output
    assert PWD not in run.output
    for path in gateway.folder.glob("*.[cm]*"):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("playbook", "variables", "arguments"),
    [
        (REFRESH, {"qg_hosts": "nobody"}, []),
        (REFRESH, {"qg_refresh": ["gateways"]}, []),
        (REFRESH, {}, ["--limit", "nobody,localhost:!localhost"]),
        (TIMER, {}, []),
        (TIMER, {"qg_hosts": "nobody"}, []),
        (TIMER, {"qg_hosts": "all"}, ["--limit", "localhost"]),
    ],
)
def test_a_refresh_of_nothing_is_an_error(
    gateway: Gateway, playbook: str, variables: dict[str, Any], arguments: list[str]
) -> None:
    assert gateway.play(playbook, arguments, **variables).rc != 0
    assert calls(gateway.sim) == []

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check on a host: many proxies at once, good ones and all kinds of bad ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator, running_simulator
from support.canned_servers import Authority, CannedServer, Pit, said
from support.inventory_hosts import executable, reached_by_ssh
from support.playbooks import Playground, Run, Task, assert_task_failed, path_for
from support.task_cases import Cases, HostCases
from support.thorough import one_more_case, thorough

#: A port of this machine on which no process listens.
DEAD = "127.0.0.1:1"
STRANGER = "203.0.113.99"
TOOLS = ["curl", "wget", "wget2", "busybox", "python"]


class Checker(HostCases):
    """Runs one playbook for several checks."""

    @property
    def url(self) -> str:
        return f"{self.sim.api_url}/ip"

    def lease(self, count: int) -> list[dict[str, Any]]:
        """So many leases, each of which is a proxy that lets this machine in."""
        plan = {"kind": "dynamic_dedicated", "channels": max(50, count)}
        self.sim.configure(plan=plan, whitelist=["127.0.0.1"])
        query: dict[str, str | int] = {"Key": self.sim.key, "Num": count}
        with requests.Session() as session:
            session.trust_env = False
            body = session.get(f"{self.sim.api_url}/allocate", params=query, timeout=30).json()
        assert body["Code"] == 0, body
        return [{"ip": item["IP"], "server": item["host"]} for item in body["Data"]]

    def stranger(self) -> str:
        """A proxy of another key, which does not let this machine in."""
        return str(self.sim.configure("OTHER001", proxy=True)["proxy_url"])

    def on(self, hosts: Mapping[str, str], cases: Cases, **options: Any) -> Run:
        """Run the cases on each host."""
        return self.play(cases, hosts, {"url": self.url}, **options)

    def __call__(self, cases: Cases, host: str = "ansible_connection=local", **options: Any) -> dict[str, Task]:
        return {task.name: task for task in self.on({"host": host}, cases, **options).tasks}


@pytest.fixture
def check(sim: Simulator, playground: Playground) -> Checker:
    return Checker("qingguo.qgnet.qg_proxy_check", sim, playground)


def checks(task: Task) -> list[dict[str, Any]]:
    """What a task found, once it is sure that the parts of it agree."""
    assert task.status == "ok", task.result["msg"]
    result = task.result
    assert result["changed"] is False
    found: list[dict[str, Any]] = result["checks"]
    for one in found:
        assert set(one) == {"server", "label", "exit_ip", "latency_seconds", "ok", "error", "tool"}
        assert one["ok"] == (one["error"] is None)
        assert one["error"] is None or one["error"].isprintable()
    assert sorted(result["working"]) == sorted({one["server"] for one in found if one["ok"]})
    assert result["failed_count"] == sum(not one["ok"] for one in found)
    assert result["fastest"] == (result["working"][0] if result["working"] else None)
    return found


def error_of(task: Task) -> str:
    """What is wrong with the only proxy of a task."""
    (one,) = checks(task)
    assert (one["ok"], one["exit_ip"], one["latency_seconds"]) == (False, None, None)
    return str(one["error"])


# --- many at once


@pytest.mark.newest_core
def test_50_leases_are_checked_by_one_task_with_one_command(check: Checker) -> None:
    leases = check.lease(50)
    cases = {"all": {"proxies": leases, "expect": "lease", "min_working": 50}}
    run = check.on({"host": "ansible_connection=qg_spy"}, cases)
    found = checks(run.of("all"))
    assert [one["server"] for one in found] == [lease["server"] for lease in leases]
    assert [one["exit_ip"] for one in found] == [lease["ip"] for lease in leases]
    assert all(one["ok"] and one["tool"] == "curl" and one["latency_seconds"] > 0 for one in found)
    times = {one["server"]: one["latency_seconds"] for one in found}
    ranked = [times[server] for server in run.of("all").result["working"]]
    assert ranked == sorted(ranked)
    # One command, and nothing of Ansible's before or after.
    assert run.spied.count(b"\n== ") == run.spied.count(b"\n== command\n") == 1
    assert check.requests() == 50


@pytest.mark.newest_core
def test_as_many_are_asked_at_the_same_time_as_may_be(check: Checker) -> None:
    leases = check.lease(3)
    with Pit(6) as all_at_once, Pit(6) as two_at_once, Pit(1) as hanging:
        mixed = [leases[0], *all_at_once.servers[:3], leases[1], *all_at_once.servers[3:], leases[2]]
        asked = check(
            {
                "all": {"proxies": mixed, "timeout": 4},
                "two": {"proxies": two_at_once.servers, "timeout": 1, "parallel": 2},
                "one after the other": {"proxies": [*hanging.servers, leases[0]], "timeout": 2, "parallel": 1},
            }
        )
    # They wait side by side: the task takes as long as one of them, not as all of them together.
    assert all_at_once.most == 6
    assert two_at_once.most == 2
    found = checks(asked["all"])
    assert [one["exit_ip"] for one in found if one["ok"]] == [lease["ip"] for lease in leases]
    for one in (*found, *checks(asked["two"])):
        assert one["ok"] or "no response in time" in one["error"]
    assert asked["all"].result["failed_count"] == 6
    assert asked["two"].result["failed_count"] == 6
    # A queue goes on after a proxy that hangs.
    assert [one["ok"] for one in checks(asked["one after the other"])] == [False, True]


@one_more_case
def test_hundreds_of_proxies(check: Checker) -> None:
    """More than any plan has, each of them dead: the command is taken, and each is reported."""
    proxies = [f"127.{n // 250}.0.{n % 250 + 1}:1" for n in range(500)]
    asked = check({"it": {"proxies": proxies, "parallel": 100}})
    found = checks(asked["it"])
    assert [one["server"] for one in found] == proxies
    assert all("refused" in one["error"] for one in found)


# --- how proxies are named


@pytest.mark.newest_core
def test_a_proxy_is_given_in_several_ways(check: Checker) -> None:
    lease, other = check.lease(2)
    ways = [lease["server"], f"http://{lease['server']}", lease, {**lease, "ip": other["ip"]}, other["server"]]
    asked = check({"any": {"proxies": ways}, "lease": {"proxies": ways, "expect": "lease"}, "none": {"proxies": []}})
    found = checks(asked["any"])
    assert [one["server"] for one in found] == [lease["server"]] * 4 + [other["server"]]
    assert [one["exit_ip"] for one in found] == [lease["ip"]] * 4 + [other["ip"]]
    found = checks(asked["lease"])
    assert [one["ok"] for one in found] == [True, True, True, False, True]
    assert found[3]["exit_ip"] == lease["ip"]
    assert f"its exit is {lease['ip']}, not {other['ip']}" in found[3]["error"]
    assert checks(asked["none"]) == []
    # Each of the two once per task.
    assert check.requests() == 4


def test_it_works_in_check_mode_without_python_and_with_defaults_of_the_group(check: Checker) -> None:
    lease = check.lease(1)[0]
    group = {"key": "QGSECRET1", "password": "wordword", "api_url": check.sim.api_url, "max_wait": 5, "timeout": 20}
    run = check.on(
        {"host": "ansible_connection=qg_spy ansible_python_interpreter=/nonexistent"},
        {"it": {"proxies": [lease]}},
        arguments=["--check", "--diff", "-e", "ansible_python_interpreter=/nonexistent"],
        module_defaults={"group/qingguo.qgnet.qg": group},
    )
    assert [one["exit_ip"] for one in checks(run.of("it"))] == [lease["ip"]]
    for secret in ("QGSECRET1", "wordword"):
        assert secret not in json.dumps(run.of("it").result)
        assert secret.encode() not in run.spied


def test_bad_values_are_reported_before_the_host_is_asked(check: Checker) -> None:
    """Each mistake is in tests/unit/plugins/module_utils/test_proxy_check.py."""
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "credentials": ({"proxies": [DEAD, f"http://user:hidden@{DEAD}"]}, ["proxies", "entry 2", "user name"]),
        "credentials behind": ({"proxies": [f"{DEAD}:user:hidden"]}, ["proxies", "entry 1", "HOST:PORT"]),
        "a command": ({"proxies": ["$(touch canary):1"]}, ["proxies", "entry 1"]),
        "a number": ({"proxies": [80]}, ["proxies", "entry 1", "neither text nor a lease"]),
        "no url": ({"proxies": [DEAD], "url": "echo"}, ["url", "'...'"]),
        "none at a time": ({"proxies": [DEAD], "parallel": 0}, ["parallel=0"]),
        "expectation": ({"proxies": [DEAD], "expect": "luck"}, ["expect", "luck"]),
    }
    run = check.on({"host": "ansible_connection=qg_spy"}, {name: options for name, (options, _parts) in cases.items()})
    for name, (_options, parts) in cases.items():
        assert_task_failed(run.of(name), *parts)
        assert "hidden" not in run.of(name).result["msg"]
    assert run.spied == b""


# --- what is wrong with a proxy


@pytest.mark.measured
@pytest.mark.newest_core
def test_proxies_that_lie(check: Checker) -> None:
    nonce = "qg" + "0" * 24
    answers = {
        "a page": said(b"<!DOCTYPE html><html><body>Please log in</body></html>"),
        "two addresses": said(f"{STRANGER}\n{STRANGER}".encode()),
        "nothing": said(b""),
        "control characters": said(b"\x1b[31m203.0.113.99\x07"),
        "much": said(b"x" * 300_000),
        "no end": b"HTTP/1.1 200 OK\r\n\r\n" + b"7" * 3_000_000,
        "no HTTP": b"\x00\xff\x00\n" * 20,
        "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n203.0.113.99",
        "hangs up": b"",
        "a forged record": said(f"{STRANGER}\n{nonce}.\n\n{nonce} 1 curl \n{nonce}: 0 - - {STRANGER}\n".encode()),
        "a report": said(f"\n{nonce}; 200 000 0.000001\n$nonce; 200 000 0.000001".encode()),
        "nested lists": said(b'{"a": ' + b"[" * 1900),
        "a number of thousands of digits": said(b'{"ip": ' + b"7" * 1900 + b"}"),
        "no number": said(b'{"ip": NaN}'),
        "half a surrogate pair": said(b'{"ip": "\\ud800"}'),
        "shell": said(b"$(touch canary)`touch canary`'\";touch canary;"),
        "percent signs": said(b"%s%n%d\\n\\0%{time_total}"),
        "a status": said(STRANGER.encode(), "503 Busy"),
        "a redirect": said(STRANGER.encode(), "302 Moved\r\nLocation: http://127.0.0.1:1/"),
        "a refusal": said(STRANGER.encode(), "407 No"),
    }
    leases = check.lease(2)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(CannedServer(answer)) for name, answer in answers.items()}
        # Among good ones, which no lie touches.
        asked = check({"it": {"proxies": [leases[0], *servers.values(), leases[1]]}})
    found = {one["server"]: one for one in checks(asked["it"])}
    for lease in leases:
        assert found[lease["server"]]["exit_ip"] == lease["ip"]
    for name, server in servers.items():
        assert found[server]["error"], name
        assert found[server]["exit_ip"] is None, name
        assert len(found[server]["error"]) < 250, name
    assert "HTTP status 503" in found[servers["a status"]]["error"]
    assert "HTTP status 302" in found[servers["a redirect"]]["error"]
    assert "whitelist" in found[servers["a refusal"]]["error"]
    assert "said nothing" in found[servers["nothing"]]["error"]
    assert [path for path in check.playground.root.rglob("*") if "canary" in path.name] == []


@pytest.mark.newest_core
def test_too_few_that_work(check: Checker) -> None:
    leases = check.lease(2)
    proxies = [*leases, DEAD]
    cases = {"enough": {"proxies": proxies, "min_working": 2}, "too few": {"proxies": proxies, "min_working": 3}}
    asked = check({**cases, "no matter": {"proxies": [DEAD]}})
    assert len(checks(asked["enough"])) == 3
    assert_task_failed(asked["too few"], "Only 2 of 3", "min_working=3", "refused", failed_count=1)
    assert [one["ok"] for one in asked["too few"].result["checks"]] == [True, True, False]
    assert checks(asked["no matter"])[0]["ok"] is False


# --- the programs of the host


@pytest.mark.measured
@pytest.mark.newest_core
@pytest.mark.parametrize("helpers", [("timeout", "date"), *thorough(((),))], ids=["with timeout and date", "alone"])
def test_each_tool(check: Checker, tmp_path: Path, helpers: tuple[str, ...]) -> None:
    """A host for each tool, which waits for its own proxies that hang."""
    leases = check.lease(3)
    stranger = check.stranger()
    with ExitStack() as pits, CannedServer(said(b"lies")) as liar, CannedServer(said(b"x", "503 Busy")) as busy:
        hanging = {tool: pits.enter_context(Pit(3)) for tool in TOOLS}
        hosts = {
            tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool, *helpers))
            + f' hanging="{hanging[tool].servers}"'
            for tool in TOOLS
        }
        run = check.on(
            hosts,
            {
                "good": {"proxies": leases, "expect": "lease"},
                "json": {"proxies": leases[:1], "url": f"{check.sim.api_url}/origin"},
                "not listed": {"proxies": [stranger]},
                "dead": {"proxies": [DEAD]},
                "liar": {"proxies": [liar]},
                "busy": {"proxies": [busy]},
                "hanging": {"proxies": "{{ hanging }}", "timeout": 2},
                # Behind a proxy, wget2 shows what the proxy says in place of an HTTPS service.
                "over HTTPS": {"proxies": [liar], "url": "https://192.0.2.1/ip"},
            },
        )
        assert {tool: pit.most for tool, pit in hanging.items()} == dict.fromkeys(TOOLS, 3)
    for tool in TOOLS:
        asked = {task.name: task for task in run.tasks if task.host == tool}
        found = checks(asked["good"])
        assert [one["exit_ip"] for one in found] == [lease["ip"] for lease in leases], tool
        name = "wget" if tool in ("busybox", "wget2") else tool
        assert {one["tool"] for one in found} == {name}, tool
        for one in found:
            # wget reports no time, so it is known only where there is a date to ask.
            assert (one["latency_seconds"] is None) == (name == "wget" and not helpers), tool
        assert checks(asked["json"])[0]["exit_ip"] == leases[0]["ip"], tool
        refused = error_of(asked["not listed"])
        assert "407" in refused or tool == "wget2", refused
        assert "egress address is not on the whitelist" in refused, tool
        assert "refused" in error_of(asked["dead"]), tool
        assert "not an address" in error_of(asked["liar"]), tool
        assert ("HTTP error" if tool == "wget2" else "503") in error_of(asked["busy"]), tool
        if tool == "wget2":
            assert_task_failed(asked["over HTTPS"], "curl", "python3")
        assert ["no response" in one["error"] for one in checks(asked["hanging"])] == [True] * 3, tool


@pytest.mark.newest_core
def test_a_host_without_a_tool_that_can_do_it_says_so(check: Checker, tmp_path: Path) -> None:
    tools = ("none", "busybox")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool)) for tool in tools}
    # Busybox checks no certificates, and is not taken for them.
    cases = {"plain": {"proxies": [DEAD]}, "with TLS": {"proxies": [DEAD], "url": "https://127.0.0.1:1/"}}
    run = check.on(hosts, cases)
    assert_task_failed(run.of("plain", "none"), "curl", "wget", "python3")
    assert "checks" not in run.of("plain", "none").result
    assert_task_failed(run.of("with TLS", "busybox"), "busybox", "http")


@pytest.mark.newest_core
def test_other_proxies_and_configuration_files_are_not_used(check: Checker, tmp_path: Path) -> None:
    dead, home = f"http://{DEAD}", check.playground.home
    (home / ".curlrc").write_text(f"proxy = {dead}\nsocks5 = {DEAD}\n")
    (home / ".wgetrc").write_text(f"use_proxy = off\nhttp_proxy = {dead}\nno_proxy = 127.0.0.1\n")
    (home / ".config").mkdir()
    (home / ".config" / "curlrc").write_text(f"proxy = {dead}\n")
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    own = {"no_proxy": "127.0.0.1", "NO_PROXY": "*", "CURL_HOME": home, "WGETRC": home / ".wgetrc"}
    variables = {**dict.fromkeys(names, dead), **own}
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool), **variables) for tool in TOOLS}
    leases = check.lease(2)
    run = check.on(hosts, {"it": {"proxies": leases}})
    for tool in TOOLS:
        found = checks(run.of("it", tool))
        assert [one["exit_ip"] for one in found] == [lease["ip"] for lease in leases], tool


@pytest.mark.newest_core
def test_hostile_echo_addresses_run_nothing(check: Checker, tmp_path: Path) -> None:
    tools = ("curl", "wget", "python")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool, "touch")) for tool in tools}
    lease = check.lease(1)[0]
    values = [
        "$(touch${IFS}canary)",
        "`touch${IFS}canary`",
        "';touch${IFS}canary;'",
        '";touch${IFS}canary;"',
        "%n%s\\n",
    ]
    run = check.on(hosts, {value: {"proxies": [lease], "url": f"{check.url}?{value}"} for value in values})
    for task in run.tasks:
        assert len(checks(task)) == 1
    assert [path for path in check.playground.root.rglob("*") if "canary" in path.name] == []


# --- through a tunnel


@pytest.mark.newest_core
def test_an_echo_service_behind_tls(check: Checker, authority: Authority, tmp_path: Path) -> None:
    """A host for each tool that trusts the service, and one that does not."""
    leases, stranger = check.lease(2), check.stranger()
    tools = ("curl", "wget", "python")
    hosts = {}
    for tool in tools:
        path = path_for(tmp_path / tool, tool)
        if tool == "wget":
            # Debian's knows only the authorities of the system.
            real = (path / "wget").resolve()
            (path / "wget").unlink()
            executable(path / "wget", f'exec {real} ${{TRUSTED:+--ca-certificate="$TRUSTED"}} "$@"')
        trusting = dict.fromkeys(("CURL_CA_BUNDLE", "SSL_CERT_FILE", "TRUSTED"), authority.ca)
        hosts[tool] = reached_by_ssh(tmp_path / tool, path=path, **trusting)
        hosts[f"{tool}_alone"] = reached_by_ssh(tmp_path / f"{tool}_alone", path=path)
    with (
        running_simulator(authority.arguments, verify=str(authority.ca)) as secure,
        CannedServer(said(b"", "503 Busy")) as busy,
        CannedServer(said(STRANGER.encode())) as liar,
    ):
        secure.control("PUT", "/echo/tls", {"answer": STRANGER})
        proxies = {"good": leases, "not listed": [stranger], "busy": [busy], "liar": [liar]}
        url = f"{secure.api_url}/echo/tls"
        run = check.on(hosts, {name: {"proxies": each, "url": url} for name, each in proxies.items()})
    for tool in tools:
        found = checks(run.of("good", tool))
        assert [(one["exit_ip"], one["tool"]) for one in found] == [(STRANGER, tool)] * 2
        assert "is not on the whitelist" in error_of(run.of("not listed", tool))
        assert "opens no tunnel" in error_of(run.of("busy", tool))
        # What a proxy says in the place of the service is not believed.
        assert error_of(run.of("liar", tool))
        for one in checks(run.of("good", f"{tool}_alone")):
            assert "the echo service's certificate is not trusted" in one["error"]

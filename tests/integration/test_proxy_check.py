# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check on a host: many proxies at once, good ones and all kinds of bad ones."""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from simulator.fixture import Simulator, running_simulator
from support.inventory_hosts import reached_by_ssh
from support.playbooks import Playground, Run, Task, assert_one_sentence, path_for

pytestmark = pytest.mark.measured

#: A port of this machine on which no process listens.
DEAD = "127.0.0.1:1"
STRANGER = "203.0.113.99"
TOOLS = ["curl", "wget", "busybox", "python"]
Cases = Mapping[str, Mapping[str, Any]]


class Checker:
    """Runs one playbook for several checks."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim = sim
        self.playground = playground
        self.url = f"{sim.api_url}/ip"

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

    def play(
        self,
        cases: Cases,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        host: str = "ansible_connection=local",
        hosts: Mapping[str, str] | None = None,
        **play: Any,
    ) -> Run:
        """Run the cases on each host; their options may be templates with variables of the host."""
        common = {"url": self.url}
        tasks = [
            {"name": name, "qingguo.qgnet.qg_proxy_check": {**common, **options}, "ignore_errors": True}
            for name, options in cases.items()
        ]
        text = json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}], indent=1)
        # Over a local connection, the host's environment is the one of ansible-playbook.
        hosts = hosts or {"host": host}
        inventory = "".join(f"{name} {variables}\n" for name, variables in hosts.items())
        run = self.playground.play(text, inventory=inventory, arguments=arguments, environment=environment).ok()
        for name in hosts:
            assert [task.name for task in run.tasks if task.host == name] == list(cases), name
        return run

    def __call__(self, cases: Cases, **changes: Any) -> dict[str, Task]:
        return {task.name: task for task in self.play(cases, **changes).tasks}


@pytest.fixture
def check(sim: Simulator, playground: Playground) -> Checker:
    return Checker(sim, playground)


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


def assert_refuses(task: Task, *parts: str) -> None:
    assert task.status == "failed", task.result
    assert_one_sentence(task.result["msg"])
    for part in parts:
        assert part in task.result["msg"]


class Pit:
    """Proxies that take connections and never answer; it knows how many were open at the same time."""

    def __init__(self, count: int) -> None:
        self.most = 0
        self._open: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _number in range(count)]
        self.servers = ["{}:{}".format(*listening.getsockname()) for listening in self._listening]
        for listening in self._listening:
            listening.setblocking(False)
            self._selector.register(listening, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            ready = [key.fileobj for key, _events in self._selector.select(0.05)]
            for listening in self._listening:
                if listening in ready:
                    # A client that hung up before this call is gone by now.
                    self._drop_the_gone()
                    connection, _address = listening.accept()
                    connection.setblocking(False)
                    self._open.add(connection)
                    self.most = max(self.most, len(self._open))

    def _drop_the_gone(self) -> None:
        for connection in list(self._open):
            try:
                while connection.recv(4096):
                    pass
            except BlockingIOError:
                continue
            except OSError:
                pass
            self._open.remove(connection)
            connection.close()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for each in (*self._listening, *self._open):
            each.close()
        self._selector.close()


@contextmanager
def pit(count: int) -> Iterator[Pit]:
    made = Pit(count)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def proxy_that_says(answer: bytes) -> Iterator[str]:
    """A proxy that gives every caller this answer, and hangs up."""
    ended = threading.Event()

    def serve() -> None:
        while True:
            connection, _address = listening.accept()
            with connection:
                if ended.is_set():
                    return
                connection.settimeout(5)
                request = b""
                while b"\r\n\r\n" not in request and (part := connection.recv(4096)):
                    request += part
                try:
                    connection.sendall(answer)
                except OSError:
                    # Some tools hang up when they have heard enough.
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "{}:{}".format(*listening.getsockname())
        finally:
            ended.set()
            socket.create_connection(listening.getsockname()).close()
            thread.join()


def said(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


# --- many at once


@pytest.mark.newest_core
def test_50_leases_are_checked_by_one_task_with_one_command(check: Checker) -> None:
    leases = check.lease(50)
    cases = {"all": {"proxies": leases, "expect": "lease", "min_working": 50}}
    run = check.play(cases, host="ansible_connection=qg_spy")
    found = checks(run.of("all"))
    assert [one["server"] for one in found] == [lease["server"] for lease in leases]
    assert [one["exit_ip"] for one in found] == [lease["ip"] for lease in leases]
    assert all(one["ok"] and one["tool"] == "curl" and one["latency_seconds"] > 0 for one in found)
    times = {one["server"]: one["latency_seconds"] for one in found}
    ranked = [times[server] for server in run.of("all").result["working"]]
    assert ranked == sorted(ranked)
    # One command, and nothing of Ansible's before or after.
    assert run.spied.count(b"\n== ") == run.spied.count(b"\n== command\n") == 1
    assert check.sim.control("GET", "/echo/ip")["calls"] == 50


@pytest.mark.newest_core
def test_as_many_are_asked_at_the_same_time_as_may_be(check: Checker) -> None:
    leases = check.lease(3)
    with pit(6) as all_at_once, pit(6) as two_at_once:
        mixed = [leases[0], *all_at_once.servers[:3], leases[1], *all_at_once.servers[3:], leases[2]]
        asked = check(
            {
                "all": {"proxies": mixed, "timeout": 4},
                "two": {"proxies": two_at_once.servers, "timeout": 1, "parallel": 2},
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


@pytest.mark.newest_core
def test_a_queue_goes_on_after_a_proxy_that_hangs(check: Checker) -> None:
    (lease,) = check.lease(1)
    with pit(1) as hanging:
        asked = check({"it": {"proxies": [hanging.servers[0], lease], "timeout": 2, "parallel": 1}})
    assert [one["ok"] for one in checks(asked["it"])] == [False, True]


@pytest.mark.newest_core
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
    assert check.sim.control("GET", "/echo/ip")["calls"] == 4


def test_it_works_in_check_mode_without_python_and_with_defaults_of_the_group(check: Checker) -> None:
    lease = check.lease(1)[0]
    group = {"key": "QGSECRET1", "pwd": "wordword", "api_url": check.sim.api_url, "max_wait": 5, "timeout": 20}
    run = check.play(
        {"it": {"proxies": [lease]}},
        host="ansible_connection=qg_spy ansible_python_interpreter=/nonexistent",
        arguments=["--check", "--diff", "-e", "ansible_python_interpreter=/nonexistent"],
        module_defaults={"group/qingguo.qgnet.qg": group},
    )
    assert [one["exit_ip"] for one in checks(run.of("it"))] == [lease["ip"]]
    for secret in ("QGSECRET1", "wordword"):
        assert secret not in json.dumps(run.of("it").result)
        assert secret.encode() not in run.spied


def test_bad_values_are_reported_before_the_host_is_asked(check: Checker) -> None:
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "credentials": ({"proxies": [DEAD, f"http://user:hidden@{DEAD}"]}, ["proxies", "entry 2", "user name"]),
        "credentials behind": ({"proxies": [f"{DEAD}:user:hidden"]}, ["proxies", "entry 1", "HOST:PORT"]),
        "no port": ({"proxies": ["127.0.0.1"]}, ["proxies", "'127.0.0.1'", "HOST:PORT"]),
        "another kind": ({"proxies": ["socks5://127.0.0.1:1"]}, ["proxies", "socks5"]),
        "a command": ({"proxies": ["$(touch canary):1"]}, ["proxies", "entry 1"]),
        "no server": ({"proxies": [{"ip": STRANGER}]}, ["proxies", "entry 1", "server"]),
        "a number": ({"proxies": [80]}, ["proxies", "entry 1", "neither text nor a lease"]),
        "no address": ({"proxies": [{"server": DEAD, "ip": "x"}], "expect": "lease"}, ["entry 1", "'...'"]),
        "no url": ({"proxies": [DEAD], "url": "echo"}, ["url", "'...'"]),
        "no time": ({"proxies": [DEAD], "timeout": 0}, ["timeout=0"]),
        "none at a time": ({"proxies": [DEAD], "parallel": 0}, ["parallel=0"]),
        "fewer than none": ({"proxies": [DEAD], "min_working": -1}, ["min_working=-1"]),
        "expectation": ({"proxies": [DEAD], "expect": "luck"}, ["expect", "luck"]),
    }
    run = check.play({name: options for name, (options, _parts) in cases.items()}, host="ansible_connection=qg_spy")
    for name, (_options, parts) in cases.items():
        assert_refuses(run.of(name), *parts)
        assert "hidden" not in run.of(name).result["msg"]
    assert run.spied == b""


# --- what is wrong with a proxy


@pytest.mark.newest_core
def test_a_host_that_is_not_on_the_whitelist(check: Checker) -> None:
    lease = check.lease(1)[0]
    check.sim.configure(whitelist=[])
    error = error_of(check({"it": {"proxies": [lease]}})["it"])
    assert "407" in error
    assert "egress address is not on the whitelist" in error
    assert check.sim.control("GET", "/echo/ip")["calls"] == 0


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
        servers = {name: stack.enter_context(proxy_that_says(answer)) for name, answer in answers.items()}
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
    asked = check(
        {
            "enough": {"proxies": [*leases, DEAD], "min_working": 2},
            "too few": {"proxies": [*leases, DEAD], "min_working": 3},
            "one twice": {"proxies": [leases[0], leases[0]], "min_working": 2},
            "none": {"proxies": [DEAD, DEAD], "min_working": 1},
            "nothing asked": {"proxies": [], "min_working": 1},
            "no matter": {"proxies": [DEAD]},
        }
    )
    assert len(checks(asked["enough"])) == 3
    assert_refuses(asked["too few"], "Only 2 of 3", "min_working=3", "refused")
    assert asked["too few"].result["failed_count"] == 1
    assert [one["ok"] for one in asked["too few"].result["checks"]] == [True, True, False]
    assert_refuses(asked["one twice"], "The only proxy works", "min_working=2")
    assert_refuses(
        asked["none"], "The only proxy does not work, but min_working=1. Reasons:", "refused", "for 1 proxy."
    )
    assert_refuses(asked["nothing asked"], "No proxy is given", "min_working=1")
    assert checks(asked["no matter"])[0]["ok"] is False


# --- the programs of the host


@pytest.mark.newest_core
@pytest.mark.parametrize("helpers", [(), ("timeout", "date")], ids=["alone", "with timeout and date"])
def test_each_tool(check: Checker, tmp_path: Path, helpers: tuple[str, ...]) -> None:
    """A host for each tool, which waits for its own proxies that hang."""
    if shutil.which("busybox", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip("busybox is not installed: its wget cannot be tried")
    leases = check.lease(3)
    check.sim.configure("OTHER001", proxy=True)
    stranger = check.sim.state()["keys"]["OTHER001"]["proxy_url"]
    with (
        ExitStack() as pits,
        proxy_that_says(said(b"lies")) as liar,
        proxy_that_says(said(b"x", "503 Busy")) as busy,
    ):
        hanging = {tool: pits.enter_context(pit(3)) for tool in TOOLS}
        hosts = {
            tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool, *helpers))
            + f' hanging="{hanging[tool].servers}"'
            for tool in TOOLS
        }
        run = check.play(
            {
                "good": {"proxies": leases, "expect": "lease"},
                "json": {"proxies": leases[:1], "url": f"{check.sim.api_url}/origin"},
                "not listed": {"proxies": [stranger]},
                "dead": {"proxies": [DEAD]},
                "liar": {"proxies": [liar]},
                "busy": {"proxies": [busy]},
                "hanging": {"proxies": "{{ hanging }}", "timeout": 2},
            },
            hosts=hosts,
        )
        assert {tool: pit.most for tool, pit in hanging.items()} == dict.fromkeys(TOOLS, 3)
    for tool in TOOLS:
        asked = {task.name: task for task in run.tasks if task.host == tool}
        found = checks(asked["good"])
        assert [one["exit_ip"] for one in found] == [lease["ip"] for lease in leases], tool
        name = "wget" if tool == "busybox" else tool
        assert {one["tool"] for one in found} == {name}, tool
        for one in found:
            # wget reports no time, so it is known only where there is a date to ask.
            assert (one["latency_seconds"] is None) == (name == "wget" and not helpers), tool
        assert checks(asked["json"])[0]["exit_ip"] == leases[0]["ip"], tool
        assert "is not on the whitelist" in error_of(asked["not listed"]), tool
        assert "refused" in error_of(asked["dead"]), tool
        assert "not an address" in error_of(asked["liar"]), tool
        assert "503" in error_of(asked["busy"]), tool
        assert ["no response in time" in one["error"] for one in checks(asked["hanging"])] == [True] * 3, tool


@pytest.mark.newest_core
def test_wget2_checks_proxies_over_http_alone(check: Checker, tmp_path: Path) -> None:
    """Behind a proxy it shows what the proxy says in place of an HTTPS service."""
    path = path_for(tmp_path, "wget2")
    leases = check.lease(2)
    check.sim.configure("OTHER001", proxy=True)
    stranger = check.sim.state()["keys"]["OTHER001"]["proxy_url"]
    with pit(1) as hanging, proxy_that_says(said(b"x", "503 Busy")) as busy, proxy_that_says(said(b"8.8.4.4")) as liar:
        asked = check(
            {
                "good": {"proxies": leases, "expect": "lease"},
                "not listed": {"proxies": [stranger]},
                "dead": {"proxies": [DEAD]},
                "busy": {"proxies": [busy]},
                "hanging": {"proxies": hanging.servers, "timeout": 1},
                "over HTTPS": {"proxies": [liar], "url": "https://192.0.2.1/ip"},
            },
            environment={"PATH": str(path)},
        )
    found = checks(asked["good"])
    assert [(one["exit_ip"], one["tool"]) for one in found] == [(lease["ip"], "wget") for lease in leases]
    assert "is not on the whitelist" in error_of(asked["not listed"])
    assert "refused" in error_of(asked["dead"])
    assert "HTTP error" in error_of(asked["busy"])
    assert "no response" in error_of(asked["hanging"])
    assert_refuses(asked["over HTTPS"], "curl", "python3")


@pytest.mark.newest_core
def test_no_tool_at_all(check: Checker, tmp_path: Path) -> None:
    asked = check({"it": {"proxies": [DEAD]}}, environment={"PATH": str(path_for(tmp_path, "none"))})
    assert_refuses(asked["it"], "curl", "wget", "python3")
    assert "checks" not in asked["it"].result


@pytest.mark.newest_core
@pytest.mark.parametrize("tool", TOOLS)
def test_other_proxies_and_configuration_files_are_not_used(check: Checker, tmp_path: Path, tool: str) -> None:
    dead, home = f"http://{DEAD}", check.playground.home
    (home / ".curlrc").write_text(f"proxy = {dead}\nsocks5 = {DEAD}\n")
    (home / ".wgetrc").write_text(f"use_proxy = off\nhttp_proxy = {dead}\nno_proxy = 127.0.0.1\n")
    (home / ".config").mkdir()
    (home / ".config" / "curlrc").write_text(f"proxy = {dead}\n")
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    variables = {
        **dict.fromkeys(names, dead),
        "no_proxy": "127.0.0.1",
        "NO_PROXY": "*",
        "CURL_HOME": str(home),
        "WGETRC": str(home / ".wgetrc"),
    }
    path = path_for(tmp_path, tool)
    leases = check.lease(2)
    asked = check({"it": {"proxies": leases}}, environment={**variables, "PATH": str(path)})
    assert [one["exit_ip"] for one in checks(asked["it"])] == [lease["ip"] for lease in leases]


@pytest.mark.newest_core
@pytest.mark.parametrize("tool", ["curl", "wget", "python"])
def test_hostile_echo_addresses_run_nothing(check: Checker, tmp_path: Path, tool: str) -> None:
    lease = check.lease(1)[0]
    values = [
        "$(touch${IFS}canary)",
        "`touch${IFS}canary`",
        "';touch${IFS}canary;'",
        '";touch${IFS}canary;"',
        "%n%s\\n",
    ]
    cases = {value: {"proxies": [lease], "url": f"{check.url}?{value}"} for value in values}
    asked = check(cases, environment={"PATH": str(path_for(tmp_path, tool, "touch"))})
    for value in values:
        assert len(checks(asked[value])) == 1
    assert [path for path in check.playground.root.rglob("*") if "canary" in path.name] == []


# --- through a tunnel


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a certificate authority that no program trusts, and of a server's certificate."""
    folder = tmp_path_factory.mktemp("tls")
    ours = trustme.CA()
    server = ours.issue_cert("127.0.0.1")
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    ours.cert_pem.write_to_path(str(paths["ca"]))
    server.private_key_pem.write_to_path(str(paths["key"]))
    for part in server.cert_chain_pems:
        part.write_to_path(str(paths["cert"]), append=True)
    return paths


@pytest.fixture(scope="module")
def secure(authority: dict[str, Path]) -> Iterator[Simulator]:
    """A simulator whose echo services are served by HTTPS."""
    arguments = ["--tls-cert", str(authority["cert"]), "--tls-key", str(authority["key"])]
    with running_simulator(arguments, verify=str(authority["ca"])) as running:
        yield running


@pytest.mark.newest_core
@pytest.mark.parametrize("tool", ["curl", "wget", "python"])
def test_an_echo_service_behind_tls(
    check: Checker, secure: Simulator, authority: dict[str, Path], tmp_path: Path, tool: str
) -> None:
    leases = check.lease(2)
    check.sim.configure("OTHER001", proxy=True)
    stranger = check.sim.state()["keys"]["OTHER001"]["proxy_url"]
    url = f"{secure.api_url}/echo/tls"
    secure.control("PUT", "/echo/tls", {"answer": STRANGER})
    path = path_for(tmp_path, tool)
    # Settings of the whole host: which authorities it trusts. Debian's wget knows only those of the system.
    trusting = {"CURL_CA_BUNDLE": str(authority["ca"]), "SSL_CERT_FILE": str(authority["ca"])}
    if tool == "wget":
        real = (path / "wget").resolve()
        (path / "wget").unlink()
        (path / "wget").write_text(f'#!/bin/sh\nexec {real} ${{TRUSTED:+--ca-certificate="$TRUSTED"}} "$@"\n')
        (path / "wget").chmod(0o700)
        trusting["TRUSTED"] = str(authority["ca"])
    cases = {"good": {"proxies": leases, "url": url}, "not listed": {"proxies": [stranger], "url": url}}
    with proxy_that_says(said(b"", "503 Busy")) as busy, proxy_that_says(said(STRANGER.encode())) as liar:
        cases |= {"busy": {"proxies": [busy], "url": url}, "liar": {"proxies": [liar], "url": url}}
        asked = check(cases, environment={"PATH": str(path), **trusting})
    found = checks(asked["good"])
    assert [one["exit_ip"] for one in found] == [STRANGER] * 2
    assert {one["tool"] for one in found} == {tool}
    assert "is not on the whitelist" in error_of(asked["not listed"])
    assert "opens no tunnel" in error_of(asked["busy"])
    # What a proxy says in the place of the service is not believed.
    assert error_of(asked["liar"])
    asked = check({"untrusted": {"proxies": leases[:1], "url": url}}, environment={"PATH": str(path)})
    assert "the echo service's certificate is not trusted" in error_of(asked["untrusted"])


@pytest.mark.newest_core
def test_busybox_checks_no_certificates_and_is_not_taken_for_them(check: Checker, tmp_path: Path) -> None:
    path = path_for(tmp_path, "busybox")
    asked = check({"it": {"proxies": [DEAD], "url": "https://127.0.0.1:1/"}}, environment={"PATH": str(path)})
    assert_refuses(asked["it"], "busybox", "http")

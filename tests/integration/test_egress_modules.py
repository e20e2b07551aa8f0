# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info on a host: what it believes, what it runs, and which inputs cannot misuse it."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from simulator.fixture import Simulator, running_simulator
from support.inventory_hosts import forging_path, reached_by_ssh
from support.playbooks import Playground, Task, assert_one_sentence, path_for

SOURCE, ADDRESS = "127.0.0.11", "203.0.113.11"
OTHER_SOURCE, OTHER_ADDRESS = "127.0.0.12", "203.0.113.12"
STRANGER = "203.0.113.99"
MODULE_UTILS = "ansible_collections.qingguo.qgnet.plugins.module_utils"
#: A port of this machine on which no process listens.
DEAD = "http://127.0.0.1:1"

Cases = Mapping[str, Mapping[str, Any]]


class Asker:
    """Runs one playbook for several questions."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim = sim
        self.playground = playground

    def urls(self, *names: str) -> list[str]:
        return [f"{self.sim.api_url}/{name}" for name in names]

    def says(self, name: str, answer: str | None = None, **fields: Any) -> str:
        """A source that gives this answer."""
        self.sim.control("PUT", f"/echo/{name}", {"answer": answer, **fields})
        return f"{self.sim.api_url}/echo/{name}"

    def __call__(
        self,
        cases: Cases,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        host: str = "ansible_connection=local",
    ) -> dict[str, Task]:
        """The results of the cases on one host."""
        return self.of_hosts({"host": host}, cases, environment=environment, arguments=arguments)["host"]

    def of_hosts(
        self,
        hosts: Mapping[str, str],
        cases: Cases,
        *,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> dict[str, dict[str, Task]]:
        """The results of the cases on each host; an option may be a template with variables of the host."""
        common = {"source_address": SOURCE, "allow_non_global": True}
        tasks = [
            {
                "name": name,
                "qingguo.qgnet.qg_egress_ip_info": {
                    option: value for option, value in {**common, **options}.items() if value is not None
                },
                "ignore_errors": True,
            }
            for name, options in cases.items()
        ]
        text = json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}], indent=1)
        # Over a local connection, the host's environment is the one of ansible-playbook.
        inventory = "".join(f"{host} {variables}\n" for host, variables in hosts.items())
        run = self.playground.play(text, inventory=inventory, arguments=arguments, environment=environment).ok()
        answered = {host: {task.name: task for task in run.tasks if task.host == host} for host in hosts}
        assert {host: list(tasks) for host, tasks in answered.items()} == {host: list(cases) for host in hosts}
        return answered


@pytest.fixture
def ask(sim: Simulator, playground: Playground) -> Asker:
    return Asker(sim, playground)


def assert_says(task: Task, *ips: str) -> None:
    assert task.status == "ok", (task.host, task.name, task.result["msg"])
    assert task.result["ips"] == list(ips), (task.host, task.name)
    assert task.result["ip"] == ips[0]
    assert task.result["changed"] is False


def assert_refuses(task: Task, *parts: str) -> None:
    """One clear error, and no address that anybody could use by mistake."""
    assert task.status == "failed", task
    assert_one_sentence(task.result["msg"])
    for part in parts:
        assert part in task.result["msg"], (task.host, task.name)
    assert "ips" not in task.result
    assert "ip" not in task.result


@pytest.mark.newest_core
def test_an_address_is_reported_by_several_sources(ask: Asker) -> None:
    urls = ask.urls("ip", "json", "origin")
    asked = ask(
        {
            "three": {"sources": urls},
            "another address of the host": {"sources": urls, "source_address": OTHER_SOURCE},
            "one": {"sources": urls[:1]},
            "all of three": {"sources": urls, "quorum": 3},
            "the same one twice": {"sources": [urls[0], urls[0]]},
        }
    )
    assert_says(asked["three"], ADDRESS)
    assert_says(asked["another address of the host"], OTHER_ADDRESS)
    assert_says(asked["one"], ADDRESS)
    assert_says(asked["all of three"], ADDRESS)
    assert_says(asked["the same one twice"], ADDRESS)
    expected = [{"source": url, "tool": "curl", "ip": ADDRESS, "error": None} for url in urls]
    assert asked["three"].result["source_replies"] == expected


def test_it_works_in_check_mode(ask: Asker) -> None:
    assert_says(ask({"it": {"sources": ask.urls("ip", "json")}}, arguments=["--check", "--diff"])["it"], ADDRESS)


def test_the_host_needs_no_python(ask: Asker) -> None:
    host = "ansible_connection=local ansible_python_interpreter=/nonexistent"
    arguments = ["-e", "ansible_python_interpreter=/nonexistent"]
    assert_says(ask({"it": {"sources": ask.urls("ip", "json")}}, host=host, arguments=arguments)["it"], ADDRESS)


@pytest.mark.newest_core
def test_answers_in_json(ask: Asker) -> None:
    good = {
        "like myip": json.dumps({"ip": ADDRESS, "area": "\u798f\u5efa", "timestamp": 1}, ensure_ascii=False),
        "upper case": json.dumps({"IP": ADDRESS, "Isp": "x"}),
        "pretty": json.dumps({"origin": ADDRESS}, indent=4) + "\r\n",
        "blanks around": f"  \t{ADDRESS} \r\n\r\n",
    }
    bad = {
        "two in one": json.dumps({"origin": f"{ADDRESS}, {OTHER_ADDRESS}"}),
        "nothing that is known": json.dumps({"result": ADDRESS}),
        "null": json.dumps({"ip": None}),
        "a number": json.dumps({"ip": 3405803787}),
        "nested": json.dumps({"ip": {"ip": ADDRESS}}),
        "cut off": '{"ip": "203.0.113.1',
        "a list": json.dumps([ADDRESS]),
        "quoted": json.dumps(ADDRESS),
    }
    texts = {**good, **bad}
    asked = ask({name: {"sources": [ask.says(f"json{n}", text)]} for n, (name, text) in enumerate(texts.items())})
    for name in good:
        assert_says(asked[name], ADDRESS)
    for name in bad:
        assert_refuses(asked[name], "/echo/json", "not an address")


@pytest.mark.newest_core
def test_what_is_no_address_is_an_error_that_says_who_said_it(ask: Asker) -> None:
    texts = {
        "a page": "<!DOCTYPE html><html><body>Please log in</body></html>",
        "a page with an address": f"<p>Your address is {ADDRESS}</p>",
        "words": "unknown",
        "two lines": f"{ADDRESS}\n{OTHER_ADDRESS}\n",
        "a list": f"{ADDRESS},{OTHER_ADDRESS}",
        "a port": f"{ADDRESS}:80",
        "a network": f"{ADDRESS}/32",
        "leading zeros": "203.0.113.011",
        "too few parts": "203.0.113",
        "too large": "203.0.113.256",
        "IPv6": "2001:db8::1",
        "a mapped address": f"::ffff:{ADDRESS}",
        "nothing": "",
        "blanks": " \n \n",
        "control characters": "\x1b[31m203.0.113.11\x07",
        "much": "x" * 300_000,
        "percent signs": "%s%n%d\\n\\0",
        "shell": "$(touch /tmp/x)`id`';\"",
    }
    good = ask.urls("ip", "json")
    asked = ask({name: {"sources": [*good, ask.says(f"odd{n}", text)]} for n, (name, text) in enumerate(texts.items())})
    for number, (name, task) in enumerate(asked.items()):
        assert_refuses(task, f"/echo/odd{number}")
        assert len(task.result["msg"]) < 600, name
        assert task.result["msg"].isprintable(), name
        answers = task.result["source_replies"]
        assert [answer["ip"] for answer in answers] == [ADDRESS, ADDRESS, None]
        assert answers[2]["error"]


@pytest.mark.newest_core
def test_addresses_that_are_not_public_are_refused(ask: Asker) -> None:
    ips = ["10.1.2.3", "192.168.0.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "0.0.0.0", "224.0.0.1", ADDRESS]
    asked = ask({ip: {"sources": [ask.says(f"private{n}", ip)], "allow_non_global": False} for n, ip in enumerate(ips)})
    for ip, task in asked.items():
        assert_refuses(task, f"said {ip}", "/echo/private")


@pytest.mark.newest_core
def test_a_contradiction_is_an_error_that_names_each_source(ask: Asker) -> None:
    good, stranger = ask.urls("ip", "json"), ask.says("stranger", STRANGER)
    asked = ask(
        {
            "one against one": {"sources": [good[0], stranger]},
            "one against two": {"sources": [*good, stranger]},
            "quorum of three": {"sources": [*good, stranger], "quorum": 3},
            "each is believed": {"sources": [*good, stranger], "quorum": 1},
            "each is believed, and there may be two": {"sources": [*good, stranger], "quorum": 1, "samples": 2},
        }
    )
    for name in ("one against one", "one against two", "quorum of three"):
        assert_refuses(asked[name], STRANGER, stranger, ADDRESS)
    assert_refuses(asked["each is believed"], STRANGER, ADDRESS, "samples=1")
    assert_says(asked["each is believed, and there may be two"], ADDRESS, STRANGER)


@pytest.mark.newest_core
def test_silent_sources(ask: Asker) -> None:
    good = ask.urls("ip", "json")
    slow = ask.says("slow", ADDRESS, delay=20)
    broken = ask.says("broken", ADDRESS, status=500)
    missing = f"{ask.sim.api_url}/nowhere"
    dead = f"{DEAD}/ip"
    asked = ask(
        {
            "two others": {"sources": [dead, broken, missing, *good]},
            "one other": {"sources": [dead, broken, good[0]]},
            "one other is enough": {"sources": [dead, broken, good[0]], "quorum": 1},
            "no other": {"sources": [dead, broken, missing]},
            "a slow one": {"sources": [slow, *good], "timeout": 4},
            "slow alone": {"sources": [slow], "timeout": 1},
        }
    )
    assert_says(asked["two others"], ADDRESS)
    assert_says(asked["one other is enough"], ADDRESS)
    assert_says(asked["a slow one"], ADDRESS)
    assert_refuses(asked["one other"], dead, broken)
    assert_refuses(asked["no other"], dead, broken, missing)
    assert_refuses(asked["slow alone"], slow, "in time")
    errors = {answer["source"]: answer["error"] for answer in asked["two others"].result["source_replies"]}
    assert "no connection" in errors[dead]
    assert "HTTP error" in errors[broken]
    assert errors[good[0]] is None


@pytest.mark.newest_core
def test_samples_find_the_exits_of_a_host_that_has_several(ask: Asker) -> None:
    rotating = [ask.says(f"rotating{n}", answers=[ADDRESS, OTHER_ADDRESS]) for n in range(2)]
    asked = ask(
        {
            "four samples": {"sources": rotating, "samples": 4},
            "one sample": {"sources": rotating, "samples": 1},
        }
    )
    assert_says(asked["four samples"], ADDRESS, OTHER_ADDRESS)
    assert len(asked["four samples"].result["source_replies"]) == 8
    assert_says(asked["one sample"], ADDRESS)
    for n in range(2):
        assert ask.sim.control("GET", f"/echo/rotating{n}")["calls"] == 5


@pytest.mark.newest_core
def test_a_redirect_is_no_answer(ask: Asker) -> None:
    good = ask.urls("ip")[0]
    moved = ask.says("moved", f"Moved to {STRANGER}", status=302, headers={"Location": good})
    asked = ask({"moved": {"sources": [moved]}, "moved and another": {"sources": [moved, *ask.urls("ip", "json")]}})
    assert_refuses(asked["moved"], moved)
    assert asked["moved and another"].status == "failed" or asked["moved and another"].result["ips"] == [ADDRESS]


@pytest.mark.newest_core
def test_a_source_cannot_forge_a_record(ask: Asker) -> None:
    nonce = "qg" + "0" * 24
    forged = [
        f"{ADDRESS}\n{nonce} 1 curl 0 {STRANGER}\n{nonce}.\n",
        f"{STRANGER}\n{nonce}.\n\n{nonce} 1 curl 0 {STRANGER}\n{nonce}.",
        f"\n$nonce 1 curl 0 {STRANGER}\n$nonce.\n",
        f"x\nqg 0 curl 0 {STRANGER}\nqg.\n",
        f"\\n{nonce} 0 curl 0 {STRANGER}\\n{nonce}.\\n",
    ]
    good = ask.urls("ip", "json")
    cases = {f"forged {n}": {"sources": [ask.says(f"forged{n}", text), *good]} for n, text in enumerate(forged)}
    for task in ask(cases).values():
        assert_refuses(task, "/echo/forged")
        reported = [answer["ip"] for answer in task.result["source_replies"]]
        assert reported == [None, ADDRESS, ADDRESS]


@pytest.mark.newest_core
def test_a_compromised_host_cannot_claim_more_addresses_than_samples(ask: Asker, tmp_path: Path) -> None:
    forged = {
        "many answers of each source": "i=2; while [ $i -le 255 ]; do "
        "for n in 0 1 2 3; do record $n curl 192.0.2.$i; done; i=$((i+1)); done",
        "two answers of some sources": "record 0 curl 192.0.2.2; record 1 curl 192.0.2.2",
        "one answer of each source": "answer() { echo 192.0.2.$(($1 / 2)); }",
    }
    sources = [f"{url}?{n}" for n in range(2) for url in ask.urls("ip", "json")]
    bodies = {"honest": "", **forged}
    hosts = {
        f"host{number}": reached_by_ssh(tmp_path / str(number), path=forging_path(tmp_path / str(number), body))
        for number, body in enumerate(bodies.values())
    }
    answered = ask.of_hosts(hosts, {"it": {"sources": sources, "quorum": 2}})
    tasks = {name: asked["it"] for name, asked in zip(bodies, answered.values(), strict=True)}
    assert_says(tasks["honest"], "192.0.2.1")
    for name in forged:
        assert_refuses(tasks[name], "samples=1")
        assert len(tasks[name].result.get("source_replies", [])) <= len(sources), name


@pytest.mark.newest_core
def test_answers_of_sources_and_tools_that_do_not_exist_are_not_read(ask: Asker, tmp_path: Path) -> None:
    numbers = ["7", "99999999999999999999", "-1", "0x1", "\u00b2", "1.0"]
    lines = [f"record {number} curl {STRANGER}" for number in numbers]
    lines += [f"record 0 '\x1b[31m' {STRANGER}", f"record 1 wget9 {STRANGER}"]
    environment = {"PATH": str(forging_path(tmp_path, "\n".join(lines)))}
    asked = ask({"it": {"sources": ask.urls("ip", "json")}}, environment=environment)
    assert_says(asked["it"], "192.0.2.1")
    assert [answer["tool"] for answer in asked["it"].result["source_replies"]] == ["curl"] * 2


# --- values that may be meant to run a command on the host

CANARY = "canary"
HOSTILE = [
    "$(touch${IFS}canary)",
    "`touch${IFS}canary`",
    "';touch${IFS}canary;'",
    '";touch${IFS}canary;"',
    "'$(touch${IFS}canary)'",
    "';touch\tcanary;'",
    "|touch${IFS}canary",
    "&touch${IFS}canary&",
    ">canary",
    "${IFS}-o${IFS}canary",
    "\\';touch${IFS}canary;\\'",
    "%27;touch${IFS}canary",
    "{nonce}{0}",
    "\n\ttouch canary\n",
    ";touch canary",
    "\u2019;touch${IFS}canary",
]


#: A hostile value alone, and one after an address.
PREFIXES = (("alone", ""), ("after an address", SOURCE))


def parts(values: Sequence[str], size: int) -> list[Sequence[str]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def assert_no_canary(ask: Asker) -> None:
    assert [found for found in ask.playground.root.rglob("*") if CANARY in found.name] == []


def accepted(urls: Sequence[str]) -> list[str]:
    """The addresses that are not refused on the control node, with an error that a person can read."""
    check_url = importlib.import_module(f"{MODULE_UTILS}._core.validation").check_url
    error = importlib.import_module(f"{MODULE_UTILS}._core.errors").OptionError
    left = []
    for url in urls:
        try:
            left.append(check_url("sources, entry 1,", url))
        except error as refusal:
            assert_one_sentence(str(refusal))
    return left


@pytest.mark.newest_core
@pytest.mark.parametrize("tool", ["curl", "wget", "python"])
def test_hostile_values_run_nothing(ask: Asker, tmp_path: Path, tool: str) -> None:
    """One task has all values of a kind as its sources, and one reply of each."""
    path = path_for(tmp_path, tool, "touch", "sh", "id")
    good = ask.urls("ip")[0]
    sources = {
        "query": accepted([f"{good}?{value}" for value in HOSTILE]),
        "path": accepted([f"{ask.sim.api_url}/{value}" for value in HOSTILE]),
    }
    assert accepted([f"http://127.0.0.1{value}/" for value in HOSTILE]) == []
    assert accepted([f"http://{value}@127.0.0.1:1/" for value in HOSTILE]) == []
    # Up to six sources are for one curl together.
    sources |= {f"query, part {n}": list(part) for n, part in enumerate(parts(sources["query"], 6))}
    proxies = accepted([f"{DEAD}/{value}" for value in HOSTILE])
    cases: dict[str, dict[str, Any]] = {
        **{name: {"sources": urls} for name, urls in sources.items()},
        **{f"proxy {url}": {"sources": [good], "through_proxy": url, "timeout": 1} for url in proxies},
    }
    asked = ask(cases, environment={"PATH": str(path)})
    for name, task in asked.items():
        assert "Traceback" not in str(task.result), name
        if task.status == "ok":
            assert_says(task, ADDRESS)
    for name, urls in sources.items():
        replies = asked[name].result["source_replies"]
        assert len(replies) == len(urls), name
        # A query that a source does not look at is no reason to doubt its answer.
        assert {reply["ip"] for reply in replies} <= {ADDRESS, None}, name
        assert all((reply["ip"] is None) != (reply["error"] is None) for reply in replies), name
    assert sum(reply["ip"] == ADDRESS for reply in asked["query"].result["source_replies"]) >= 5
    assert_no_canary(ask)


@pytest.mark.newest_core
def test_hostile_source_addresses_run_nothing(ask: Asker) -> None:
    """They are refused before the host is asked, whatever tools it has."""
    good = ask.urls("ip")
    values = {f"{number} {kind}": prefix + value for number, value in enumerate(HOSTILE) for kind, prefix in PREFIXES}
    asked = ask({name: {"sources": good, "source_address": value} for name, value in values.items()})
    for task in asked.values():
        assert_refuses(task, "source_address")
    assert ask.sim.control("GET", "/echo/ip")["calls"] == 0
    assert_no_canary(ask)


@pytest.mark.newest_core
def test_an_address_is_asked_for_as_it_was_given(ask: Asker, tmp_path: Path) -> None:
    """No tool makes several addresses of one with braces or brackets."""
    for tool in ("curl", "wget", "python"):
        ask.sim.control("DELETE", "/echo")
        path = path_for(tmp_path / tool, tool)
        braces = {"sources": [f"{ask.sim.api_url}/echo/{{x,y}}"]}
        brackets = {"sources": [f"{ask.sim.api_url}/echo/z[1-3]"]}
        ask({"braces": braces, "brackets": brackets}, environment={"PATH": str(path)})
        for name in ("x", "y", "z1", "z2", "z3"):
            assert ask.sim.control("GET", f"/echo/{name}")["calls"] == 0, (tool, name)


def test_bad_values_are_reported_before_the_host_is_asked(ask: Asker) -> None:
    good = ask.urls("ip")
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "no source": ({"sources": []}, ["sources", "at least one"]),
        "a file": ({"sources": ["file:///etc/hostname"]}, ["sources, entry 1", "scheme and host"]),
        "a name": ({"sources": ["echo.example"]}, ["sources", "echo.example"]),
        "an option": ({"sources": ["-o/tmp/x"]}, ["sources, entry 1", "scheme and host"]),
        "a blank": ({"sources": ["http://127.0.0.1/a b"]}, ["sources"]),
        "quorum 0": ({"sources": good, "quorum": 0}, ["quorum=0"]),
        "quorum 2 of 1": ({"sources": good, "quorum": 2}, ["quorum=2"]),
        "no sample": ({"sources": good, "samples": 0}, ["samples=0"]),
        "many samples": ({"sources": good, "samples": 1000}, ["samples=1000"]),
        "no time": ({"sources": good, "timeout": 0}, ["timeout=0"]),
        "much time": ({"sources": good, "timeout": 1e9}, ["timeout="]),
        "a name as address": ({"sources": good, "source_address": "eth0"}, ["source_address", "eth0"]),
        "an address of the other family": ({"sources": good, "source_address": "::1"}, ["source_address", "::1"]),
        "a proxy with a password": (
            {"sources": good, "through_proxy": "http://user:word@127.0.0.1:1"},
            ["proxy", "user name"],
        ),
        "a proxy without scheme": ({"sources": good, "through_proxy": "127.0.0.1:8080"}, ["proxy"]),
        "a proxy of another kind": ({"sources": good, "through_proxy": "socks5://127.0.0.1:1"}, ["proxy", "socks5"]),
        "another family": ({"sources": good, "family": "ipx"}, ["family", "ipx"]),
    }
    asked = ask({name: options for name, (options, _parts) in cases.items()})
    for name, (_options, parts) in cases.items():
        assert_refuses(asked[name], *parts)
    assert ask.sim.control("GET", "/echo/ip")["calls"] == 0


#: What spoils an answer: a proxy that is not there, and the headers of the response before it.
WGETRC = f"use_proxy = on\nhttp_proxy = {DEAD}\nhttps_proxy = {DEAD}\nsave_headers = on\n"


@pytest.mark.newest_core
def test_proxies_of_the_environment_and_of_configuration_files_are_not_used(ask: Asker, tmp_path: Path) -> None:
    home = ask.playground.home
    (home / ".curlrc").write_text(f"proxy = {DEAD}\nsocks5 = 127.0.0.1:1\n")
    (home / ".wgetrc").write_text(WGETRC)
    (home / ".config").mkdir()
    (home / ".config" / "curlrc").write_text(f"proxy = {DEAD}\n")
    (home / ".config" / "wget").mkdir()
    (home / ".config" / "wget" / "wget2rc").write_text(WGETRC)
    (home / ".netrc").write_text("default login somebody password word\n")
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    files = ("WGETRC", "SYSTEM_WGETRC", "WGET2RC", "SYSTEM_WGET2RC")
    variables = {
        **dict.fromkeys(names, DEAD),
        **dict.fromkeys(files, str(home / ".wgetrc")),
        "no_proxy": "",
        "CURL_HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    for tool in ("curl", "wget", "wget2", "python"):
        path = path_for(tmp_path / tool, tool)
        sources = ask.urls("ip", "json")
        asked = ask({"it": {"sources": sources}}, environment={**variables, "PATH": str(path)})
        assert_says(asked["it"], ADDRESS)
        assert {answer["tool"] for answer in asked["it"].result["source_replies"]} == {tool.rstrip("2")}


# --- the programs of the host


#: Busybox's wget cannot ask from a given address, so its hosts ask from the address of the machine.
ADDRESSES = {"busybox": "127.0.0.1", **dict.fromkeys(("curl", "wget", "wget2", "python"), ADDRESS)}


@pytest.mark.newest_core
@pytest.mark.parametrize("helper", [(), ("timeout",)], ids=["alone", "with timeout"])
def test_each_tool(ask: Asker, tmp_path: Path, helper: tuple[str, ...]) -> None:
    """A host for each tool, which waits for its slow source beside the others."""
    if shutil.which("busybox", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip("busybox is not installed: its wget cannot be tried")
    good = ask.urls("ip", "json")
    broken = ask.says("broken", STRANGER, status=500)
    slow = ask.says("slow", ADDRESS, delay=20)
    proxy = ask.sim.configure(whitelist=[ADDRESS, "127.0.0.1"], exit="198.51.100.200")["proxy_url"]
    source = {"source_address": "{{ source | default(omit) }}"}
    hosts = {
        tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool, *helper))
        + (f" source={SOURCE}" if ADDRESSES[tool] == ADDRESS else "")
        for tool in ADDRESSES
    }
    answered = ask.of_hosts(
        hosts,
        {
            "good": {"sources": good, **source},
            "broken": {"sources": [broken], **source},
            "dead": {"sources": [f"{DEAD}/ip"], **source},
            # Enough for an interpreter to start on a machine that has much else to do.
            "slow": {"sources": [slow, *good], "timeout": 4, **source},
            "proxy": {"sources": good[:1], "through_proxy": proxy, **source},
            "dead proxy": {"sources": good[:1], "through_proxy": DEAD, **source},
        },
        arguments=["--forks", str(len(hosts))],
    )
    for tool, asked in answered.items():
        here = ADDRESSES[tool]
        assert_says(asked["good"], here)
        name = "wget" if tool in ("busybox", "wget2") else tool
        assert {answer["tool"] for answer in asked["good"].result["source_replies"]} == {name}, tool
        assert_refuses(asked["broken"], broken)
        assert_refuses(asked["dead"], DEAD)
        assert_says(asked["slow"], here)
        assert_says(asked["proxy"], "198.51.100.200")
        assert_refuses(asked["dead proxy"])


@pytest.mark.newest_core
def test_a_tool_that_cannot_do_it_is_not_taken(ask: Asker, tmp_path: Path) -> None:
    """Busybox's wget would ask from another address than the one that was named."""
    path = path_for(tmp_path, "busybox")
    asked = ask({"it": {"sources": ask.urls("ip")}}, environment={"PATH": str(path)})
    assert_refuses(asked["it"])
    (path / "python3").symlink_to(Path(sys.executable).resolve())
    asked = ask({"it": {"sources": ask.urls("ip")}}, environment={"PATH": str(path)})
    assert_says(asked["it"], ADDRESS)


@pytest.mark.newest_core
def test_a_timeout_with_the_syntax_of_an_old_busybox_is_not_used(ask: Asker, tmp_path: Path) -> None:
    path = path_for(tmp_path, "wget")
    # As busybox 1.29 has it: timeout [-t SECONDS] [-s SIGNAL] PROGRAM ARGUMENTS
    (path / "timeout").write_text('#!/bin/sh\nexec "$@"\n', encoding="utf-8")
    (path / "timeout").chmod(0o755)
    asked = ask({"it": {"sources": ask.urls("ip", "json")}}, environment={"PATH": str(path)})
    assert_says(asked["it"], ADDRESS)


@pytest.mark.newest_core
def test_an_address_among_many_other_details_is_read(ask: Asker) -> None:
    details = {"ip": ADDRESS, "hostname": "h" * 253, "org": "AS64496 " + "o" * 300, "readme": "https://example.com"}
    text = json.dumps(details, indent=2)
    assert len(text) > 600
    assert_says(ask({"it": {"sources": [ask.says("details", text), *ask.urls("ip")]}})["it"], ADDRESS)


def test_a_network_device_is_not_asked(ask: Asker) -> None:
    """Its connection would run the command on the control node."""
    sources = {"sources": ask.urls("ip", "json")}
    done = ask({"it": sources}, host="ansible_connection=qg_network")["it"]
    assert_refuses(done, "no POSIX shell", "network device", "its egress address cannot be detected")
    assert ask.sim.control("GET", "/echo/ip")["calls"] == 0


@pytest.mark.newest_core
def test_no_tool_at_all(ask: Asker, tmp_path: Path) -> None:
    path = path_for(tmp_path, "none")
    asked = ask({"it": {"sources": ask.urls("ip", "json")}}, environment={"PATH": str(path)})
    assert_refuses(asked["it"], "curl", "wget", "python3")


@pytest.mark.newest_core
def test_wget2_writes_nothing_on_the_host(ask: Asker, tmp_path: Path) -> None:
    """Without a home it would make one, as root even at the top of the file system."""
    path, home = path_for(tmp_path, "wget2"), tmp_path / "nothing" / "here"
    environment = {"PATH": str(path), "XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    before = set(Path("/").iterdir())
    assert_says(ask({"it": {"sources": ask.urls("ip", "json")}}, environment=environment)["it"], ADDRESS)
    assert not home.parent.exists()
    assert set(Path("/").iterdir()) == before


#: How csh, tcsh and fish differ from a POSIX shell in what they make of a quoted command: line feeds, exclamation marks
#: and backslashes. All of them are in the command, the sources bring more.
@pytest.mark.newest_core
@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_a_host_whose_login_shell_is_not_a_posix_shell(ask: Asker, tmp_path: Path, shell: str) -> None:
    good = ask.urls("ip", "json")
    odd = "?a='b'&c=!!&d=\\\\e\\n&f=%21$HOME`id`&g=~{x,y}*"
    asked = ask(
        {
            "plain": {"sources": good},
            "odd": {"sources": [f"{url}{odd}" for url in good]},
            "two samples": {"sources": good, "samples": 2},
        },
        host=reached_by_ssh(tmp_path, shell=shell),
    )
    for task in asked.values():
        assert_says(task, ADDRESS)
        assert all(answer["error"] is None for answer in task.result["source_replies"])


#: What curl is on some hosts, as a shell script around the real one, for calls that are for several sources.
CURLS = {
    "new": "",
    "before 7.66": 'echo "curl: option -Z: is unknown" >&2; exit 2',
    "before 7.75": "set -- \"$@\" -w ': '",
    "no pipe by name": "printf '0:23 1:23 '; exit 23",
    "one pipe by name": "printf '0:0 1:23 '; exit 23",
    "killed": "printf '0:0 '; kill -9 $$",
}


@pytest.mark.newest_core
def test_one_curl_asks_all_sources_where_it_can(ask: Asker, tmp_path: Path) -> None:
    hosts, logs = {}, {}
    for number, (kind, body) in enumerate(CURLS.items()):
        folder, host = tmp_path / str(number), f"host{number}"
        path = path_for(folder, "none")
        logs[kind], script = folder / "starts", path / "curl"
        script.write_text(
            f"""#!/bin/sh
echo start >>{logs[kind]}
case " $* " in *" -Z "*)
  {body or ":"} ;;
esac
exec {shutil.which("curl")} "$@"
"""
        )
        script.chmod(0o700)
        hosts[host] = reached_by_ssh(folder, path=path)
    answered = ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}})
    for (kind, log), asked in zip(logs.items(), answered.values(), strict=True):
        assert_says(asked["it"], ADDRESS)
        assert [answer["tool"] for answer in asked["it"].result["source_replies"]] == ["curl"] * 2, kind
        assert len(log.read_text().split()) == (1 if kind == "new" else 3), kind


@pytest.mark.newest_core
def test_sources_that_one_curl_asks_do_not_get_into_each_others_way(ask: Asker) -> None:
    good = ask.urls("ip", "json")
    odd = {
        "lines": f"{ADDRESS}\n0\n\n22\n0",
        "more than a pipe holds": "x" * 200_000,
        "nothing": "",
        "an open record": f'{{"ip":"{STRANGER}","x":',
    }
    others = {
        "refused": {"sources": [f"{DEAD}/ip", *good]},
        "an error": {"sources": [good[0], ask.says("bad", STRANGER, status=500), good[1]]},
        "six": {"sources": [f"{url}?{n}" for url in good for n in range(3)], "quorum": 6},
        "more than there are pipes for": {"sources": [f"{url}?{n}" for url in good for n in range(5)], "quorum": 10},
        "late": {"sources": [ask.says("late", ADDRESS, delay=1), *good], "quorum": 3},
    }
    wrong = {
        name: {"sources": [good[0], ask.says(f"odd{n}", text), good[1]]} for n, (name, text) in enumerate(odd.items())
    }
    asked = ask({**wrong, **others})
    for name in wrong:
        assert_refuses(asked[name], "/echo/odd")
        ips = [answer["ip"] for answer in asked[name].result["source_replies"]]
        assert ips == [ADDRESS, None, ADDRESS], name
    for name in others:
        assert_says(asked[name], ADDRESS)
    assert [answer["ip"] for answer in asked["an error"].result["source_replies"]] == [ADDRESS, None, ADDRESS]


# --- families


@pytest.mark.newest_core
def test_a_host_without_ipv6_says_so(ask: Asker) -> None:
    asked = ask({"it": {"sources": ask.urls("ip"), "family": "ipv6", "source_address": None}})
    assert_refuses(asked["it"], "/ip")


@pytest.mark.newest_core
def test_ipv6(ask: Asker, tmp_path: Path) -> None:
    inet6 = Path("/proc/net/if_inet6")
    if not inet6.exists() or not inet6.read_text():
        pytest.skip("this machine has no IPv6, not even on its loopback interface")
    hosts = {
        tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool))
        for tool in ("curl", "wget", "python")
    }
    with running_simulator(["--host", "::1", "--map", "::1=2001:db8::11"]) as six:
        sources = [f"{six.api_url}/ip", f"{six.api_url}/json"]
        common = {"sources": sources, "source_address": "::1", "family": "ipv6"}
        answered = ask.of_hosts(hosts, {"six": common, "four": {**common, "family": "ipv4", "source_address": None}})
    for tool, asked in answered.items():
        assert_says(asked["six"], "2001:db8::11")
        assert asked["four"].status == "failed", tool

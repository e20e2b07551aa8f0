# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info on a host: which answers it believes, what it runs, and which options it
refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from integration.inventory_hosts import path_for, reached_by_ssh
from integration.module_tasks import play, task
from integration.playground import Playground, Task, assert_task_failed
from qgnet_simulator.running import Simulator
from support import phrases

pytestmark = pytest.mark.newest

ADDRESS = "203.0.113.11"
OTHER_ADDRESS = "203.0.113.12"
STRANGER = "203.0.113.99"
#: A port of this machine on which no process listens.
DEAD = "http://127.0.0.1:1"
LOCAL = "ansible_connection=local"
Cases = Mapping[str, Mapping[str, Any]]


@pytest.fixture(autouse=True)
def address(sim: Simulator) -> None:
    """Let QG.net and the sources know this machine by its address."""
    sim.control("PUT", "/map", {"127.0.0.1": ADDRESS})


def urls(sim: Simulator, *names: str) -> list[str]:
    """Sources that report the address of who asks."""
    return [f"{sim.api_url}/{name}" for name in names]


def says(sim: Simulator, name: str, answer: str | None = None, **fields: Any) -> str:
    """A source that gives this answer."""
    sim.control("PUT", f"/echo/{name}", {"answer": answer, **fields})
    return f"{sim.api_url}/echo/{name}"


def requests(sim: Simulator, source: str) -> int:
    """How often a source was asked."""
    return int(sim.control("GET", f"/echo/{source}")["calls"])


def ask(
    playground: Playground,
    cases: Cases,
    hosts: Mapping[str, str],
    *,
    arguments: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Task]]:
    """The results of the cases on each host, which has these variables of the inventory."""
    tasks = [task(name, "qg_egress_ip_info", options) for name, options in cases.items()]
    run = playground.play(
        play(*tasks, hosts="all", ignore_errors=True),
        inventory="".join(f"{name} {variables}\n" for name, variables in hosts.items()),
        arguments=["--forks", str(len(hosts)), *arguments],
        environment=environment,
    ).ok()
    results = {host: {done.name: done for done in run.tasks if done.host == host} for host in hosts}
    for host in hosts:
        assert list(results[host]) == list(cases)
    return results


def assert_reports(done: Task, *ips: str) -> None:
    assert done.status == "ok", (done.host, done.name, done.result["msg"])
    assert done.result["ips"] == list(ips), (done.host, done.name)
    assert done.result["ip"] == ips[0]
    assert done.result["changed"] is False


def assert_refuses(done: Task, *parts: str) -> None:
    """One clear error, and no address that anybody could use by mistake."""
    assert_task_failed(done, *parts)
    assert not {"ip", "ips"} & done.result.keys()


def replies(done: Task) -> list[str | None]:
    """The address that each source reported."""
    return [reply["ip"] for reply in done.result["source_replies"]]


def test_neither_check_mode_nor_a_host_without_python_hinders_it(
    sim: Simulator, playground: Playground
) -> None:
    """The connection of a network device would run the command on the control node, so it is not
    asked.
    """
    source = says(sim, "counted", ADDRESS)
    cases: Cases = {"good": {"sources": [source]}, "bad": {"sources": [source], "quorum": 2}}
    hosts = {"bare": LOCAL, "device": "ansible_connection=qg_network"}
    arguments = ("--check", "--diff", "-e", "ansible_python_interpreter=/nonexistent")

    results = ask(playground, cases, hosts, arguments=arguments)

    assert_reports(results["bare"]["good"], ADDRESS)
    assert_refuses(results["bare"]["bad"], "quorum=2")
    assert_refuses(results["device"]["good"], phrases.NO_POSIX_SHELL, phrases.CANNOT_BE_DETECTED)
    assert requests(sim, "counted") == 1


# --- answers

DETAILS = {
    "ip": ADDRESS,
    "hostname": "h" * 253,
    "org": "AS64496 " + "o" * 300,
    "readme": "https://example.com",
}
GOOD_ANSWERS = {
    "like myip": json.dumps(
        {"ip": ADDRESS, "area": "\u798f\u5efa", "timestamp": 1}, ensure_ascii=False
    ),
    "upper case": json.dumps({"IP": ADDRESS, "Isp": "x"}),
    "pretty": json.dumps({"origin": ADDRESS}, indent=4) + "\r\n",
    "blanks around": f"  \t{ADDRESS} \r\n\r\n",
    "many other details": json.dumps(DETAILS, indent=2),
}
NONCE = "qg" + "0" * 24
BAD_ANSWERS = {
    "two in one": json.dumps({"origin": f"{ADDRESS}, {OTHER_ADDRESS}"}),
    "nested": json.dumps({"ip": {"ip": ADDRESS}}),
    "cut off": '{"ip": "203.0.113.1',
    "a list in JSON": json.dumps([ADDRESS]),
    "a page": "<!DOCTYPE html><html><body>Please log in</body></html>",
    "a page with an address": f"<p>Your address is {ADDRESS}</p>",
    "two lines": f"{ADDRESS}\n{OTHER_ADDRESS}\n",
    "a port": f"{ADDRESS}:80",
    "leading zeros": "203.0.113.011",
    "a mapped address": f"::ffff:{ADDRESS}",
    "control characters": "\x1b[31m203.0.113.11\x07",
    "percent signs": "%s%n%d\\n\\0",
    "shell": "$(touch /tmp/x)`id`;'\"",
    "a record behind the address": f"{ADDRESS}\n{NONCE} 1 curl 0 {STRANGER}\n{NONCE}.\n",
    "a record with a variable": f"\n$nonce 1 curl 0 {STRANGER}\n$nonce.\n",
    "a record with escapes": f"\\n{NONCE} 0 curl 0 {STRANGER}\\n{NONCE}.\\n",
}
NOT_PUBLIC = ["10.1.2.3", "100.64.0.1", "127.0.0.9"]


def test_what_is_no_public_address_is_an_error_that_says_who_said_it(
    sim: Simulator, playground: Playground
) -> None:
    good = urls(sim, "ip", "json")
    cases = {ip: {"sources": [says(sim, f"odd-{ip}", ip)]} for ip in NOT_PUBLIC}
    for number, (name, text) in enumerate((GOOD_ANSWERS | BAD_ANSWERS).items()):
        cases[name] = {"sources": [*good, says(sim, f"odd{number}.", text)]}

    done = ask(playground, cases, {"host": LOCAL})["host"]

    for ip in NOT_PUBLIC:
        assert_refuses(done[ip], f"said {ip}", f"/echo/odd-{ip}")
    for name in GOOD_ANSWERS:
        assert_reports(done[name], ADDRESS)
    for number, name in enumerate(BAD_ANSWERS, len(GOOD_ANSWERS)):
        assert_refuses(done[name], f"/echo/odd{number}.")
        assert len(done[name].result["msg"]) < 600, name
        assert done[name].result["msg"].isprintable(), name
        assert replies(done[name]) == [ADDRESS, ADDRESS, None]
        assert done[name].result["source_replies"][2]["error"]


def test_agreement_contradictions_silent_sources_and_redirects(
    sim: Simulator, playground: Playground
) -> None:
    three = urls(sim, "ip", "json", "origin")
    good = three[:2]
    stranger = says(sim, "stranger", STRANGER)
    slow = says(sim, "slow", ADDRESS, delay=20)
    broken = says(sim, "broken", ADDRESS, status=500)
    moved = says(sim, "moved", f"Moved to {STRANGER}", status=302, headers={"Location": good[0]})
    turns = [says(sim, f"turns{n}", answers=[ADDRESS, OTHER_ADDRESS]) for n in range(2)]
    missing = f"{sim.api_url}/nowhere"
    dead = f"{DEAD}/ip"
    silent = [dead, broken, missing]
    against = [*good, stranger]
    #: The sources, other options, and the addresses that are believed.
    believed: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
        "three": (three, {}, [ADDRESS]),
        "one": (three[:1], {}, [ADDRESS]),
        "all of three": (three, {"quorum": 3}, [ADDRESS]),
        "there may be two": (against, {"quorum": 1, "samples": 2}, [ADDRESS, STRANGER]),
        "two of five answer": ([*silent, *good], {}, [ADDRESS]),
        "one of three is enough": ([dead, broken, good[0]], {"quorum": 1}, [ADDRESS]),
        "a slow one": ([slow, *good], {"timeout": 6}, [ADDRESS]),
        "samples": (turns, {"samples": 4}, [ADDRESS, OTHER_ADDRESS]),
        "no sample of the second": (turns, {"samples": 1}, [ADDRESS]),
    }
    #: The sources, other options, and what the error names.
    refused: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
        "one against one": ([good[0], stranger], {}, [STRANGER, stranger, ADDRESS]),
        "one against two": (against, {}, [STRANGER, stranger, ADDRESS]),
        "each is believed": (against, {"quorum": 1}, [STRANGER, ADDRESS, "samples=1"]),
        "one of three answers": ([dead, broken, good[0]], {}, [dead, broken]),
        "none answers": (silent, {}, [dead, broken, missing]),
        "slow alone": ([slow], {"timeout": 1}, [slow, phrases.IN_TIME]),
        "a redirect": ([moved], {}, [moved]),
    }
    table = believed | refused
    cases = {name: {"sources": sources, **more} for name, (sources, more, _) in table.items()}

    done = ask(playground, cases, {"host": LOCAL})["host"]

    for name, (_sources, _options, ips) in believed.items():
        assert_reports(done[name], *ips)
    for name, (_sources, _options, parts) in refused.items():
        assert_refuses(done[name], *parts)
    expected = [{"source": url, "ip": ADDRESS, "error": None} for url in three]
    assert done["three"].result["source_replies"] == expected
    reasons = done["two of five answer"].result["source_replies"]
    errors = {reply["source"]: reply["error"] for reply in reasons}
    assert phrases.NO_CONNECTION in errors[dead]
    assert phrases.HTTP_ERROR in errors[broken]
    assert errors[good[0]] is None
    assert len(replies(done["samples"])) == 8
    assert [requests(sim, f"turns{n}") for n in range(2)] == [5, 5]


# --- the programs and shells of a host

TOOLS = ("curl", "wget", "wget2", "python")


def host_with(folder: Path, tool: str) -> str:
    """Inventory variables of a host with one of the tools."""
    return reached_by_ssh(folder / tool, path=path_for(folder / tool, tool))


def test_each_tool(sim: Simulator, playground: Playground, tmp_path: Path) -> None:
    """A host for each tool, which waits for its slow source beside the others."""
    good = urls(sim, "ip", "json")
    broken = says(sim, "broken", STRANGER, status=500)
    slow = says(sim, "slow", ADDRESS, delay=20)
    proxy = sim.configure(whitelist=[ADDRESS, "127.0.0.1"], exit="198.51.100.200")["proxy_url"]
    cases: Cases = {
        "good": {"sources": good},
        "broken": {"sources": [broken]},
        "dead": {"sources": [f"{DEAD}/ip"]},
        # Enough for an interpreter to start on a machine that has much else to do.
        "slow": {"sources": [slow, *good], "timeout": 8},
        "proxy": {"sources": good[:1], "through_proxy": proxy},
        "dead proxy": {"sources": good[:1], "through_proxy": DEAD},
    }

    results = ask(playground, cases, {tool: host_with(tmp_path, tool) for tool in TOOLS})

    for tool in TOOLS:
        assert_reports(results[tool]["good"], ADDRESS)
        assert_refuses(results[tool]["broken"], broken)
        assert_refuses(results[tool]["dead"], DEAD)
        assert_reports(results[tool]["slow"], ADDRESS)
        assert_reports(results[tool]["proxy"], "198.51.100.200")
        assert_refuses(results[tool]["dead proxy"])


#: What spoils an answer: a proxy that is not there, and the headers of the response before it.
WGETRC = f"use_proxy = on\nhttp_proxy = {DEAD}\nhttps_proxy = {DEAD}\nsave_headers = on\n"
CONFIGURATION = {".curlrc": f"proxy = {DEAD}\n", ".wgetrc": WGETRC, ".config/wget/wget2rc": WGETRC}
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def test_proxies_of_the_environment_and_of_configuration_files_are_not_used(
    sim: Simulator, playground: Playground, tmp_path: Path
) -> None:
    home = playground.home
    for name, text in CONFIGURATION.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    variables = {**dict.fromkeys(PROXIES, DEAD), "no_proxy": "", "CURL_HOME": str(home)}
    hosts = {tool: host_with(tmp_path, tool) for tool in TOOLS}
    cases: Cases = {"it": {"sources": urls(sim, "ip", "json")}}

    results = ask(playground, cases, hosts, environment=variables)

    for tool in TOOLS:
        assert_reports(results[tool]["it"], ADDRESS)


def test_a_login_shell_may_be_no_posix_shell_but_some_program_must_verify_certificates(
    sim: Simulator, playground: Playground, tmp_path: Path
) -> None:
    """They take exclamation marks, quotes and backslashes of a quoted command differently."""
    plain = urls(sim, "ip", "json")
    odd = [f"{url}?a='b'&c=!!&d=\\\\e\\n&f=%21$HOME`id`&g=~{{1..3}}*" for url in plain]
    cases: Cases = {"plain": {"sources": plain}, "odd": {"sources": odd, "samples": 2}}
    shells = {name: reached_by_ssh(tmp_path / name, shell=name) for name in ("tcsh", "fish")}
    lacking = {name: host_with(tmp_path, name) for name in ("busybox", "none")}

    results = ask(playground, cases, shells | lacking)

    for shell in shells:
        assert_reports(results[shell]["plain"], ADDRESS)
        assert_reports(results[shell]["odd"], ADDRESS)
    for host in lacking:
        assert_refuses(results[host]["plain"], phrases.NO_PROGRAM)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info on a host: which answers it believes, what it runs, and which options it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from integration.shell_tools import path_for
from support.egress_questions import (
    ADDRESS,
    DEAD,
    OTHER_ADDRESS,
    STRANGER,
    Asker,
    assert_refuses,
    assert_reports,
    replies,
)
from integration.inventory_hosts import reached_by_ssh

pytestmark = pytest.mark.newest


def test_an_address_is_reported_by_several_sources(ask: Asker) -> None:
    urls = ask.urls("ip", "json", "origin")
    asked = ask(
        {
            "three": {"sources": urls},
            "one": {"sources": urls[:1]},
            "all of three": {"sources": urls, "quorum": 3},
            "the same one twice": {"sources": [urls[0], urls[0]]},
        }
    )
    for task in asked.values():
        assert_reports(task, ADDRESS)
    expected = [{"source": url, "ip": ADDRESS, "error": None} for url in urls]
    assert asked["three"].result["source_replies"] == expected


def test_it_works_in_check_mode_and_the_host_needs_no_python(ask: Asker) -> None:
    host = "ansible_connection=local ansible_python_interpreter=/nonexistent"
    arguments = ["--check", "--diff", "-e", "ansible_python_interpreter=/nonexistent"]
    assert_reports(ask.one(host, arguments=arguments), ADDRESS)


def test_a_network_device_is_not_asked(ask: Asker) -> None:
    """Its connection would run the command on the control node."""
    done = ask.one("ansible_connection=qg_network")
    assert_refuses(done, "no POSIX shell", "its egress address cannot be detected")
    assert ask.requests() == 0


# --- answers

DETAILS = {"ip": ADDRESS, "hostname": "h" * 253, "org": "AS64496 " + "o" * 300, "readme": "https://example.com"}
GOOD_ANSWERS = {
    "like myip": json.dumps({"ip": ADDRESS, "area": "\u798f\u5efa", "timestamp": 1}, ensure_ascii=False),
    "upper case": json.dumps({"IP": ADDRESS, "Isp": "x"}),
    "pretty": json.dumps({"origin": ADDRESS}, indent=4) + "\r\n",
    "blanks around": f"  \t{ADDRESS} \r\n\r\n",
    "many other details": json.dumps(DETAILS, indent=2),
}
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
    "shell": "$(touch /tmp/x)`id`';\"",
}
NOT_PUBLIC = ["10.1.2.3", "100.64.0.1", "127.0.0.9"]


def test_what_is_no_public_address_is_an_error_that_says_who_said_it(ask: Asker) -> None:
    urls = ask.urls("ip", "json")
    texts = {**GOOD_ANSWERS, **BAD_ANSWERS}
    asked = ask(
        {name: {"sources": [*urls, ask.says(f"odd{n}", text)]} for n, (name, text) in enumerate(texts.items())}
        | {ip: {"sources": [ask.says(f"odd-{ip}", ip)]} for ip in NOT_PUBLIC}
        | {"simulated": {"sources": [ask.says("example", ADDRESS)]}}
    )
    assert_reports(asked["simulated"], ADDRESS)
    for number, name in enumerate(texts):
        task = asked[name]
        if name in GOOD_ANSWERS:
            assert_reports(task, ADDRESS)
            continue
        assert_refuses(task, f"/echo/odd{number}")
        assert len(task.result["msg"]) < 600, name
        assert task.result["msg"].isprintable(), name
        assert replies(task) == [ADDRESS, ADDRESS, None]
        assert task.result["source_replies"][2]["error"]
    for ip in NOT_PUBLIC:
        assert_refuses(asked[ip], f"said {ip}", f"/echo/odd-{ip}")


def test_contradictions_silent_sources_and_redirects(ask: Asker) -> None:
    good, stranger = ask.urls("ip", "json"), ask.says("stranger", STRANGER)
    slow = ask.says("slow", ADDRESS, delay=20)
    broken = ask.says("broken", ADDRESS, status=500)
    moved = ask.says("moved", f"Moved to {STRANGER}", status=302, headers={"Location": good[0]})
    missing, dead = f"{ask.sim.api_url}/nowhere", f"{DEAD}/ip"
    silent = [dead, broken, missing]
    #: The sources, other options, and the addresses that are believed, or what the error names.
    cases: dict[str, tuple[list[str], dict[str, Any], list[str] | tuple[str, ...]]] = {
        "one against one": ([good[0], stranger], {}, (STRANGER, stranger, ADDRESS)),
        "one against two": ([*good, stranger], {}, (STRANGER, stranger, ADDRESS)),
        "quorum of three": ([*good, stranger], {"quorum": 3}, (STRANGER, stranger, ADDRESS)),
        "each is believed": ([*good, stranger], {"quorum": 1}, (STRANGER, ADDRESS, "samples=1")),
        "and there may be two": ([*good, stranger], {"quorum": 1, "samples": 2}, [ADDRESS, STRANGER]),
        "two of five answer": ([*silent, *good], {}, [ADDRESS]),
        "one of three answers": ([dead, broken, good[0]], {}, (dead, broken)),
        "which is enough": ([dead, broken, good[0]], {"quorum": 1}, [ADDRESS]),
        "none answers": (silent, {}, (dead, broken, missing)),
        "a slow one": ([slow, *good], {"timeout": 4}, [ADDRESS]),
        "slow alone": ([slow], {"timeout": 1}, (slow, "in time")),
        "a redirect": ([moved], {}, (moved,)),
    }
    asked = ask({name: {"sources": sources, **options} for name, (sources, options, _found) in cases.items()})
    for name, (_sources, _options, found) in cases.items():
        if isinstance(found, list):
            assert_reports(asked[name], *found)
        else:
            assert_refuses(asked[name], *found)
    errors = {reply["source"]: reply["error"] for reply in asked["two of five answer"].result["source_replies"]}
    assert "no connection" in errors[dead]
    assert "HTTP error" in errors[broken]
    assert errors[good[0]] is None


def test_samples_find_the_exits_of_a_host_that_has_several(ask: Asker) -> None:
    rotating = [ask.says(f"rotating{n}", answers=[ADDRESS, OTHER_ADDRESS]) for n in range(2)]
    asked = ask({"four": {"sources": rotating, "samples": 4}, "one": {"sources": rotating, "samples": 1}})
    assert_reports(asked["four"], ADDRESS, OTHER_ADDRESS)
    assert len(replies(asked["four"])) == 8
    assert_reports(asked["one"], ADDRESS)
    assert [ask.requests(f"rotating{n}") for n in range(2)] == [5, 5]


# --- forged answers


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
        assert replies(task) == [None, ADDRESS, ADDRESS]


# --- options


def test_bad_values_are_reported_before_the_host_is_asked(ask: Asker) -> None:
    good = ask.urls("ip")
    login, socks = "http://user:word@127.0.0.1:1", "socks5://127.0.0.1:1"
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "a file": ({"sources": ["file:///etc/hostname"]}, ["sources, entry 1", "scheme and host"]),
        "an option": ({"sources": ["-o/tmp/x"]}, ["sources, entry 1", "scheme and host"]),
        "quorum 2 of 1": ({"quorum": 2}, ["quorum=2"]),
        "many samples": ({"samples": 1000}, ["samples=1000"]),
        "much time": ({"timeout": 1e9}, ["timeout="]),
        "a proxy with a password": ({"through_proxy": login}, ["proxy", "user name"]),
        "a proxy of another kind": ({"through_proxy": socks}, ["proxy", "scheme and host"]),
    }
    asked = ask({name: {"sources": good, **options} for name, (options, _parts) in cases.items()})
    for name, (_options, parts) in cases.items():
        assert_refuses(asked[name], *parts)
    assert ask.requests() == 0


# --- the programs and shells of a host


def test_each_tool(ask: Asker, tmp_path: Path) -> None:
    """A host for each tool, which waits for its slow source beside the others."""
    good = ask.urls("ip", "json")
    broken, slow = ask.says("broken", STRANGER, status=500), ask.says("slow", ADDRESS, delay=20)
    proxy = ask.sim.configure(whitelist=[ADDRESS, "127.0.0.1"], exit="198.51.100.200")["proxy_url"]
    tools = ("curl", "wget", "wget2", "python")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool)) for tool in tools}
    cases: dict[str, dict[str, Any]] = {
        "good": {"sources": good},
        "broken": {"sources": [broken]},
        "dead": {"sources": [f"{DEAD}/ip"]},
        # Enough for an interpreter to start on a machine that has much else to do.
        "slow": {"sources": [slow, *good], "timeout": 4},
        "proxy": {"sources": good[:1], "through_proxy": proxy},
        "dead proxy": {"sources": good[:1], "through_proxy": DEAD},
    }
    for asked in ask.of_hosts(hosts, cases, arguments=["--forks", str(len(hosts))]).values():
        assert_reports(asked["good"], ADDRESS)
        assert_refuses(asked["broken"], broken)
        assert_refuses(asked["dead"], DEAD)
        assert_reports(asked["slow"], ADDRESS)
        assert_reports(asked["proxy"], "198.51.100.200")
        assert_refuses(asked["dead proxy"])


def test_a_host_without_a_program_that_verifies_certificates_is_refused(ask: Asker, tmp_path: Path) -> None:
    hosts = {
        name: reached_by_ssh(tmp_path / name, path=path_for(tmp_path / name, name)) for name in ("busybox", "none")
    }
    for asked in ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}}).values():
        assert_refuses(asked["it"], "neither curl nor wget nor python3")


#: What spoils an answer: a proxy that is not there, and the headers of the response before it.
WGETRC = f"use_proxy = on\nhttp_proxy = {DEAD}\nhttps_proxy = {DEAD}\nsave_headers = on\n"
CONFIGURATION = {".curlrc": f"proxy = {DEAD}\n", ".wgetrc": WGETRC, ".config/wget/wget2rc": WGETRC}


def test_proxies_of_the_environment_and_of_configuration_files_are_not_used(ask: Asker, tmp_path: Path) -> None:
    home = ask.playground.home
    for name, text in CONFIGURATION.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    variables = {**dict.fromkeys(names, DEAD), "no_proxy": "", "CURL_HOME": str(home)}
    tools = ("curl", "wget", "wget2", "python")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool)) for tool in tools}
    answered = ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}}, environment=variables)
    for asked in answered.values():
        assert_reports(asked["it"], ADDRESS)


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_a_login_shell_may_be_no_posix_shell(ask: Asker, tmp_path: Path, shell: str) -> None:
    """They take exclamation marks, quotes and backslashes of a quoted command differently."""
    odd = "?a='b'&c=!!&d=\\\\e\\n&f=%21$HOME`id`&g=~{1..3}*"
    sources = [f"{url}{odd}" for url in ask.urls("ip", "json")]
    cases = {"plain": {"sources": ask.urls("ip", "json")}, "odd": {"sources": sources, "samples": 2}}
    for task in ask(cases, host=reached_by_ssh(tmp_path, shell=shell)).values():
        assert_reports(task, ADDRESS)

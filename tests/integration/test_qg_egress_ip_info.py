# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info on a host: which answers it believes, and which options it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.egress_questions import (
    ADDRESS,
    DEAD,
    OTHER_ADDRESS,
    OTHER_SOURCE,
    STRANGER,
    Asker,
    assert_refuses,
    assert_reports,
    replies,
)
from support.inventory_hosts import forging_path, reached_by_ssh


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
    for name, task in asked.items():
        assert_reports(task, OTHER_ADDRESS if name == "another address of the host" else ADDRESS)
    expected = [{"source": url, "tool": "curl", "ip": ADDRESS, "error": None} for url in urls]
    assert asked["three"].result["source_replies"] == expected


def test_it_works_in_check_mode_and_the_host_needs_no_python(ask: Asker) -> None:
    host = "ansible_connection=local ansible_python_interpreter=/nonexistent"
    arguments = ["--check", "--diff", "-e", "ansible_python_interpreter=/nonexistent"]
    assert_reports(ask.one(host, arguments=arguments), ADDRESS)


def test_a_network_device_is_not_asked(ask: Asker) -> None:
    """Its connection would run the command on the control node."""
    done = ask.one("ansible_connection=qg_network")
    assert_refuses(done, "no POSIX shell", "network device", "its egress address cannot be detected")
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
#: More of them are in tests/unit/plugins/module_utils/test_egress.py.
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
    "nothing": "",
    "control characters": "\x1b[31m203.0.113.11\x07",
    "much": "x" * 300_000,
    "percent signs": "%s%n%d\\n\\0",
    "shell": "$(touch /tmp/x)`id`';\"",
}
NOT_PUBLIC = ["10.1.2.3", "100.64.0.1", "127.0.0.9"]


@pytest.mark.newest_core
def test_what_is_no_public_address_is_an_error_that_says_who_said_it(ask: Asker) -> None:
    urls = ask.urls("ip", "json")
    texts = {**GOOD_ANSWERS, **BAD_ANSWERS}
    asked = ask(
        {name: {"sources": [*urls, ask.says(f"odd{n}", text)]} for n, (name, text) in enumerate(texts.items())}
        | {ip: {"sources": [ask.says(f"odd-{ip}", ip)], "allow_non_global": False} for ip in NOT_PUBLIC}
        | {"simulated": {"sources": [ask.says("example", ADDRESS)], "allow_non_global": False}}
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


@pytest.mark.newest_core
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


@pytest.mark.newest_core
def test_samples_find_the_exits_of_a_host_that_has_several(ask: Asker) -> None:
    rotating = [ask.says(f"rotating{n}", answers=[ADDRESS, OTHER_ADDRESS]) for n in range(2)]
    asked = ask({"four": {"sources": rotating, "samples": 4}, "one": {"sources": rotating, "samples": 1}})
    assert_reports(asked["four"], ADDRESS, OTHER_ADDRESS)
    assert len(replies(asked["four"])) == 8
    assert_reports(asked["one"], ADDRESS)
    assert [ask.requests(f"rotating{n}") for n in range(2)] == [5, 5]


# --- forged answers


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
        assert replies(task) == [None, ADDRESS, ADDRESS]


@pytest.mark.newest_core
def test_a_compromised_host_cannot_claim_more_addresses_than_samples(ask: Asker, tmp_path: Path) -> None:
    numbers = ["7", "99999999999999999999", "-1", "0x1", "\u00b2", "1.0"]
    unknown = [f"record {number} curl {STRANGER}" for number in numbers]
    unknown += [f"record 0 '\x1b[31m' {STRANGER}", f"record 1 wget9 {STRANGER}"]
    bodies = {
        "honest": "",
        # They are not read.
        "sources and tools that do not exist": "\n".join(unknown),
        "many answers of each source": "i=2; while [ $i -le 255 ]; do "
        "for n in 0 1 2 3; do record $n curl 192.0.2.$i; done; i=$((i+1)); done",
        "two answers of some sources": "record 0 curl 192.0.2.2; record 1 curl 192.0.2.2",
        "one answer of each source": "answer() { echo 192.0.2.$(($1 / 2)); }",
    }
    sources = [f"{url}?{n}" for n in range(2) for url in ask.urls("ip", "json")]
    hosts = {
        f"host{number}": reached_by_ssh(tmp_path / str(number), path=forging_path(tmp_path / str(number), body))
        for number, body in enumerate(bodies.values())
    }
    answered = ask.of_hosts(hosts, {"it": {"sources": sources, "quorum": 2}})
    tasks = [asked["it"] for asked in answered.values()]
    for task in tasks[:2]:
        assert_reports(task, "192.0.2.1")
        assert [reply["tool"] for reply in task.result["source_replies"]] == ["curl"] * len(sources)
    for task in tasks[2:]:
        assert_refuses(task, "samples=1")
        assert len(task.result.get("source_replies", [])) <= len(sources), task


# --- options


def test_bad_values_are_reported_before_the_host_is_asked(ask: Asker) -> None:
    """Each mistake is in tests/unit/plugins/module_utils/test_egress.py."""
    good = ask.urls("ip")
    login, socks = "http://user:word@127.0.0.1:1", "socks5://127.0.0.1:1"
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "a file": ({"sources": ["file:///etc/hostname"]}, ["sources, entry 1", "scheme and host"]),
        "an option": ({"sources": ["-o/tmp/x"]}, ["sources, entry 1", "scheme and host"]),
        "quorum 2 of 1": ({"quorum": 2}, ["quorum=2"]),
        "many samples": ({"samples": 1000}, ["samples=1000"]),
        "much time": ({"timeout": 1e9}, ["timeout="]),
        "an address of the other family": ({"source_address": "::1"}, ["source_address", "::1"]),
        "a proxy with a password": ({"through_proxy": login}, ["proxy", "user name"]),
        "a proxy of another kind": ({"through_proxy": socks}, ["proxy", "socks5"]),
        "another family": ({"family": "ipx"}, ["family", "ipx"]),
    }
    asked = ask({name: {"sources": good, **options} for name, (options, _parts) in cases.items()})
    for name, (_options, parts) in cases.items():
        assert_refuses(asked[name], *parts)
    assert ask.requests() == 0

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info and the programs of a host: what it runs, and which inputs cannot misuse it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_url
from simulator.fixture import running_simulator
from support.egress_questions import ADDRESS, DEAD, SOURCE, STRANGER, Asker, assert_refuses, assert_reports, replies
from support.inventory_hosts import executable, reached_by_ssh
from support.playbooks import assert_one_sentence, path_for
from support.thorough import thorough

pytestmark = pytest.mark.newest_core

#: Busybox's wget cannot ask from a given address, so its hosts ask from the address of the machine.
ADDRESSES = {"busybox": "127.0.0.1", **dict.fromkeys(("curl", "wget", "wget2", "python"), ADDRESS)}


@pytest.mark.parametrize("helper", [("timeout",), *thorough(((),))], ids=["with timeout", "alone"])
def test_each_tool(ask: Asker, tmp_path: Path, helper: tuple[str, ...]) -> None:
    """A host for each tool, which waits for its slow source beside the others."""
    good = ask.urls("ip", "json")
    broken = ask.says("broken", STRANGER, status=500)
    slow = ask.says("slow", ADDRESS, delay=20)
    proxy = ask.sim.configure(whitelist=[ADDRESS, "127.0.0.1"], exit="198.51.100.200")["proxy_url"]
    hosts = {
        tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool, *helper))
        + (f" source={SOURCE}" if ADDRESSES[tool] == ADDRESS else "")
        for tool in ADDRESSES
    }
    cases: dict[str, dict[str, Any]] = {
        "good": {"sources": good},
        "broken": {"sources": [broken]},
        "dead": {"sources": [f"{DEAD}/ip"]},
        # Enough for an interpreter to start on a machine that has much else to do.
        "slow": {"sources": [slow, *good], "timeout": 4},
        "proxy": {"sources": good[:1], "through_proxy": proxy},
        "dead proxy": {"sources": good[:1], "through_proxy": DEAD},
    }
    source = {"source_address": "{{ source | default(omit) }}"}
    answered = ask.of_hosts(
        hosts, {name: {**options, **source} for name, options in cases.items()}, arguments=["--forks", str(len(hosts))]
    )
    for tool, asked in answered.items():
        here = ADDRESSES[tool]
        assert_reports(asked["good"], here, tool="wget" if tool in ("busybox", "wget2") else tool)
        assert_refuses(asked["broken"], broken)
        assert_refuses(asked["dead"], DEAD)
        assert_reports(asked["slow"], here)
        assert_reports(asked["proxy"], "198.51.100.200")
        assert_refuses(asked["dead proxy"])


def test_a_tool_that_cannot_do_it_is_not_taken(ask: Asker, tmp_path: Path) -> None:
    """Busybox's wget would ask from another address than the one that was named."""
    busybox, nothing, old = (path_for(tmp_path / name, name) for name in ("busybox", "none", "wget"))
    # As busybox 1.29 has it: timeout [-t SECONDS] [-s SIGNAL] PROGRAM ARGUMENTS
    executable(old / "timeout", 'exec "$@"')
    helped = path_for(tmp_path / "helped", "busybox")
    (helped / "python3").symlink_to(Path(sys.executable).resolve())
    paths = {"busybox": busybox, "helped": helped, "nothing": nothing, "old timeout": old}
    hosts = {f"host{n}": reached_by_ssh(tmp_path / f"host{n}", path=path) for n, path in enumerate(paths.values())}
    answered = ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}})
    tasks = dict(zip(paths, (asked["it"] for asked in answered.values()), strict=True))
    assert_refuses(tasks["busybox"])
    assert_reports(tasks["helped"], ADDRESS, tool="python")
    assert_refuses(tasks["nothing"], "curl", "wget", "python3")
    assert_reports(tasks["old timeout"], ADDRESS, tool="wget")


@pytest.mark.thorough
def test_wget2_writes_nothing_on_the_host(ask: Asker, tmp_path: Path) -> None:
    """Without a home it would make one, as root even at the top of the file system."""
    path, home = path_for(tmp_path, "wget2"), tmp_path / "nothing" / "here"
    environment = {"PATH": str(path), "XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    before = set(Path("/").iterdir())
    assert_reports(ask.one(environment=environment), ADDRESS)
    assert not home.parent.exists()
    assert set(Path("/").iterdir()) == before


#: What spoils an answer: a proxy that is not there, and the headers of the response before it.
WGETRC = f"use_proxy = on\nhttp_proxy = {DEAD}\nhttps_proxy = {DEAD}\nsave_headers = on\n"
CONFIGURATION = {
    ".curlrc": f"proxy = {DEAD}\nsocks5 = 127.0.0.1:1\n",
    ".wgetrc": WGETRC,
    ".config/curlrc": f"proxy = {DEAD}\n",
    ".config/wget/wget2rc": WGETRC,
    ".netrc": "default login somebody password word\n",
}


def test_proxies_of_the_environment_and_of_configuration_files_are_not_used(ask: Asker, tmp_path: Path) -> None:
    home = ask.playground.home
    for name, text in CONFIGURATION.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    files = ("WGETRC", "SYSTEM_WGETRC", "WGET2RC", "SYSTEM_WGET2RC")
    variables = {
        **dict.fromkeys(names, DEAD),
        **dict.fromkeys(files, str(home / ".wgetrc")),
        "no_proxy": "",
        "CURL_HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    tools = ("curl", "wget", "wget2", "python")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool)) for tool in tools}
    answered = ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}}, environment=variables)
    for tool, asked in answered.items():
        assert_reports(asked["it"], ADDRESS, tool=tool.rstrip("2"))


@pytest.mark.parametrize("shell", ["tcsh", "fish"])
def test_a_host_whose_login_shell_is_not_a_posix_shell(ask: Asker, tmp_path: Path, shell: str) -> None:
    """They take line feeds, exclamation marks and backslashes of a quoted command differently.

    All of them are in the command, the sources bring more.
    """
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
        assert_reports(task, ADDRESS)
        assert set(replies(task)) == {ADDRESS}


# --- one curl for several sources

#: What curl is on some hosts, as a shell script around the real one, for calls that are for several sources.
CURLS = {
    "new": ":",
    "before 7.66": 'echo "curl: option -Z: is unknown" >&2; exit 2',
    "before 7.75": "set -- \"$@\" -w ': '",
    "no pipe by name": "printf '0:23 1:23 '; exit 23",
    "one pipe by name": "printf '0:0 1:23 '; exit 23",
    "killed": "printf '0:0 '; kill -9 $$",
}


def test_one_curl_asks_all_sources_where_it_can(ask: Asker, tmp_path: Path) -> None:
    hosts, logs = {}, {}
    for number, (kind, body) in enumerate(CURLS.items()):
        folder = tmp_path / str(number)
        logs[kind] = folder / "starts"
        path = path_for(folder, "none")
        several = f'case " $* " in *" -Z "*)\n  {body} ;;\nesac'
        executable(path / "curl", f'echo start >>{logs[kind]}\n{several}\nexec {shutil.which("curl")} "$@"')
        hosts[f"host{number}"] = reached_by_ssh(folder, path=path)
    answered = ask.of_hosts(hosts, {"it": {"sources": ask.urls("ip", "json")}})
    for (kind, log), asked in zip(logs.items(), answered.values(), strict=True):
        assert_reports(asked["it"], ADDRESS)
        assert [answer["tool"] for answer in asked["it"].result["source_replies"]] == ["curl"] * 2, kind
        assert len(log.read_text().split()) == (1 if kind == "new" else 3), kind


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
        assert replies(asked[name]) == [ADDRESS, None, ADDRESS], name
    for name in others:
        assert_reports(asked[name], ADDRESS)
    assert replies(asked["an error"]) == [ADDRESS, None, ADDRESS]


# --- values that may be meant to run a command on the host

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


def assert_no_canary(ask: Asker) -> None:
    assert [found for found in ask.playground.root.rglob("*") if "canary" in found.name] == []


def accepted(urls: Sequence[str]) -> list[str]:
    """The addresses that are not refused on the control node, with an error that a person can read."""
    left = []
    for url in urls:
        try:
            left.append(check_url("sources, entry 1,", url))
        except OptionError as refusal:
            assert_one_sentence(str(refusal))
    return left


@pytest.mark.parametrize("tool", ["curl", *thorough("wget", "python")])
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
    for start in range(0, len(sources["query"]), 6):
        sources[f"query, from {start}"] = sources["query"][start : start + 6]
    proxies = accepted([f"{DEAD}/{value}" for value in HOSTILE])
    cases: dict[str, dict[str, Any]] = {
        **{name: {"sources": urls} for name, urls in sources.items()},
        **{f"proxy {url}": {"sources": [good], "through_proxy": url, "timeout": 1} for url in proxies},
    }
    asked = ask(cases, environment={"PATH": str(path)})
    for name, task in asked.items():
        assert "Traceback" not in str(task.result), name
        if task.status == "ok":
            assert_reports(task, ADDRESS)
    for name, urls in sources.items():
        found = asked[name].result["source_replies"]
        assert len(found) == len(urls), name
        # A query that a source does not look at is no reason to doubt its answer.
        assert {reply["ip"] for reply in found} <= {ADDRESS, None}, name
        assert all((reply["ip"] is None) != (reply["error"] is None) for reply in found), name
    assert replies(asked["query"]).count(ADDRESS) >= 5
    assert_no_canary(ask)


@pytest.mark.thorough
def test_hostile_source_addresses_run_nothing(ask: Asker) -> None:
    """They are refused before the host is asked, whatever tools it has."""
    values = [prefix + value for value in HOSTILE for prefix in ("", SOURCE)]
    cases = {f"{number}": {"sources": ask.urls("ip"), "source_address": value} for number, value in enumerate(values)}
    for task in ask(cases).values():
        assert_refuses(task, "source_address")
    assert ask.requests() == 0
    assert_no_canary(ask)


def test_an_address_is_asked_for_as_it_was_given(ask: Asker, tmp_path: Path) -> None:
    """No tool makes several addresses of one with braces or brackets."""
    tools = ("curl", "wget", "python")
    hosts = {tool: reached_by_ssh(tmp_path / tool, path=path_for(tmp_path / tool, tool)) for tool in tools}
    names = {"braces": "{x,y}", "brackets": "z[1-3]"}
    ask.of_hosts(hosts, {case: {"sources": [f"{ask.sim.api_url}/echo/{name}"]} for case, name in names.items()})
    assert {name: ask.requests(name) for name in ("x", "y", "z1", "z2", "z3")} == dict.fromkeys(
        ("x", "y", "z1", "z2", "z3"), 0
    )


# --- families


def test_families(ask: Asker, tmp_path: Path) -> None:
    without = ask({"it": {"sources": ask.urls("ip"), "family": "ipv6", "source_address": None}})["it"]
    assert_refuses(without, "/ip")
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
        assert_reports(asked["six"], "2001:db8::11")
        assert asked["four"].status == "failed", tool

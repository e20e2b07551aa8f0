# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of many proxies let a host through: the questions, and the judgement of the answers.

This file is private to the collection. A host asks an echo service through all of the proxies by one shell command.
Nothing but their addresses goes to it, so what would let somebody else in is refused here.
"""

from __future__ import annotations

import collections
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._api.parsing import duration, integer
from .._core.addresses import parse_address
from .._core.errors import OptionError, QgError
from .._core.text import describe
from .._core.validation import check_range, check_url
from .detect import read_address
from .shell import (
    NO_TOOL,
    Asking,
    Record,
    ended,
    new_nonce,
    records,
    script,
)

#: Characters of one command that name proxies: some 2000 of them. Linux takes 131072 in one argument, and each of the
#: shells that the command is handed through adds quotes.
MAX_LIST = 60_000

# What a record holds: what the tool complained of, its exit code, the moments before and after (for a tool that does
# not tell how long it took), and its answer. A record has less than the 4096 bytes that a pipe takes in one piece, so
# that no other comes between; an honest answer is far shorter.
_PROBE = r"""
moment() {
  now=-
  if [ "$tool" = wget ]; then
    now=$(date +%s%N 2>/dev/null)
    # Not every date knows nanoseconds.
    case $now in *[!0-9]*) now=$(date +%s 2>/dev/null) ;; esac
  fi
}
told() {
  moment; began=$now
  answer=$(ask_$tool "$echo_url" 2>&3 3>&- </dev/null); code=$?
  moment
  printf '\n%s: %s %s %s %.2000s' "$nonce" "$code" "${began:--}" "${now:--}" "$answer"
}
probe() {
  proxy=http://$2
  said=$(told 3>&1)
  printf '\n%s %s %s %.3500s\n%s.\n' "$nonce" "$1" "$tool" "$said" "$nonce"
}
"""

_NOT_LISTED = (
    "the proxy does not let this host in (HTTP status 407): the host's egress address is not on the whitelist of the "
    "proxy's key"
)
#: Whose name or certificate it is that is wrong.
_ECHO = "the echo service's"
#: What wget says, and what it means; the exit codes of wget say less.
_COMPLAINTS = {
    "authentication required": _NOT_LISTED,
    "proxy tunneling failed": "the proxy opens no tunnel; perhaps the host is not on the whitelist of the proxy's key",
    "connection refused": "the connection was refused",
    "failed to connect": "no connection, refused or unreachable",
    "timed out": "no answer in time",
    "unable to resolve": "the proxy's name is unknown",
    "bad address": "the proxy's name is unknown",
    "certificate": f"{_ECHO} certificate is not trusted",
    "unable to establish ssl": "no TLS",
    "no data received": "an empty answer",
    "redirect": "a redirect",
}


@dataclass(frozen=True)
class Proxy:
    """A proxy as HOST:PORT, and the address that it must come out at, if there is one."""

    server: str
    exit_ip: str | None = None


@dataclass(frozen=True)
class Probe:
    """What is asked, and what counts as good."""

    proxies: tuple[Proxy, ...]
    url: str
    timeout: float = 10.0
    parallel: int = 50
    min_working: int | None = None


@dataclass(frozen=True)
class Command:
    """One shell command, the word that marks its records, and the proxies that it numbers."""

    script: str
    nonce: str
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Reply:
    """What came back through one proxy: an answer, or the reason why there is none."""

    tool: str | None = None
    answer: str | None = None
    seconds: float | None = None
    error: str | None = None


def probe_from(params: Mapping[str, Any]) -> Probe:
    """What the options ask for; every mistake in them is found here, before the host is asked."""
    leased = params["expect"] == "lease"
    proxies = tuple(_proxy(number, entry, leased) for number, entry in enumerate(params["proxies"], 1))
    check_url("url", params["url"])
    least = params["min_working"]
    if least is not None and least < 0:
        raise OptionError(f"min_working={least} is out of range: give 0 or more.")
    return Probe(
        proxies=proxies,
        url=params["url"],
        timeout=check_range("timeout", params["timeout"], 1, 300),
        parallel=int(check_range("parallel", params["parallel"], 1, 500)),
        min_working=least,
    )


def _proxy(number: int, entry: object, leased: bool) -> Proxy:
    if isinstance(entry, Mapping):
        server, told = entry.get("server"), entry.get("ip") if leased else None
        if not isinstance(server, str) or not server:
            raise OptionError(
                f"proxies, entry {number}, is a lease without a server: leave out leases that cannot be used yet, and "
                "give the others as the modules return them."
            )
        try:
            exit_ip = str(parse_address(str(told))) if told else None
        except ValueError:
            raise OptionError(
                f"proxies, entry {number}, is a lease whose ip {describe(told)} is not an address: give the lease as "
                "the modules return it."
            ) from None
        return Proxy(_server(number, server), exit_ip)
    if not isinstance(entry, str):
        raise OptionError(
            f"proxies, entry {number}, is neither text nor a lease: give HOST:PORT or a lease as the modules return it."
        )
    return Proxy(_server(number, entry))


def _server(number: int, text: str) -> str:
    """HOST:PORT without scheme, of such characters alone as no shell takes for anything else."""
    if "@" in text:
        raise OptionError(
            f"proxies, entry {number}, holds a user name or a password: leave it out, since it must never reach a "
            "host, and the whitelist is what lets the host in."
        )
    server = text.strip().removeprefix("http://").removesuffix("/")
    try:
        parts = urlsplit(f"//{server}")
        good = server.isascii() and parts.netloc == server and _is_host(parts.hostname or "", server)
        good = good and bool(parts.port)
    except ValueError:
        good = False
    if not good:
        # Lists of proxies are also sold as HOST:PORT:USER:PASSWORD, and a password is not to be quoted.
        raise OptionError(
            f"proxies, entry {number}, holds {describe(text)}: give HOST:PORT, http://HOST:PORT, or a "
            "lease as the modules return it."
        )
    return server


def _is_host(host: str, server: str) -> bool:
    if server.startswith("["):
        return parse_address(host).version == 6
    if re.fullmatch(r"[0-9.]+", host):
        return parse_address(host).version == 4
    return len(host) < 254 and bool(re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", host))


def commands(probe: Probe) -> Iterator[Command]:
    """The shell commands that ask: one, or some more where a list is too long for one. Each proxy is asked once."""
    room = MAX_LIST
    servers: list[str] = []
    for server in dict.fromkeys(proxy.server for proxy in probe.proxies):
        size = len(_job(len(servers), server))
        if servers and size > room:
            yield _command(probe, servers)
            room, servers = MAX_LIST, []
        servers.append(server)
        room -= size
    if servers:
        yield _command(probe, servers)


def _job(number: int, server: str) -> str:
    return f"probe {number} {shlex.quote(server)}; "


def _command(probe: Probe, servers: Sequence[str]) -> Command:
    nonce = new_nonce()
    jobs = [_job(number, server) for number, server in enumerate(servers)]
    # Lanes side by side, so that one slow proxy holds up those behind it alone.
    lanes = ["{ " + "".join(jobs[start :: probe.parallel]) + "} &" for start in range(min(probe.parallel, len(jobs)))]
    # Busybox's wget does not check certificates.
    plain = probe.url.startswith("http://")
    asking = Asking(timeout=probe.timeout, plain=plain, secure=not plain)
    report = rf"\n{nonce}; %{{http_code}} %{{http_connect}} %{{time_total}}"
    return Command(script(nonce, asking, _PROBE, lanes, echo_url=probe.url, report=report), nonce, tuple(servers))


def parse(output: str, command: Command) -> dict[str, Reply]:
    """The replies in what the command printed, by proxy."""
    found = records(output, command.nonce, len(command.servers))
    return {command.servers[record.number]: _reply(record, command.nonce) for record in found}


def _reply(record: Record, nonce: str) -> Reply:
    complaint, _mark, told = f"\n{record.text}".partition(f"\n{nonce}: ")
    code, began, end, answer = [*told.split(" ", 3), "", "", ""][:4]
    ended_with = integer(code)
    if not record.complete or ended_with is None:
        return Reply(record.tool, error="its answer was cut off")
    tunnel, status, seconds = False, 0, None
    if record.tool == "curl":
        answer, _mark, report = answer.rpartition(f"\n{nonce}; ")
        if numbers := re.fullmatch(r"([0-9]{3}) ([0-9]{3}) ([0-9.]+)", report):
            status, connect, seconds = int(numbers[1]), int(numbers[2]), duration(numbers[3])
            if connect and not 200 <= connect < 300:
                tunnel, status = True, connect
    elif record.tool == "python":
        if numbers := re.search(r"(?<![0-9])([0-9]{1,3}) ([0-9.]{1,20})\s*$", complaint):
            tunnel, status, seconds = ended_with == 56, int(numbers[1]), duration(numbers[2])
    else:
        seconds = _seconds(began, end)
        if numbers := re.search(r"(?:ERROR|HTTP/1\.[01]) ([0-9]{3})\b", complaint):
            status = int(numbers[1])
    error = _reason(record.tool, ended_with, status, tunnel, complaint)
    if not error and record.tool == "wget" and not answer.strip():
        # wget2 ends with 0 also when it gave up.
        error = "no answer (wget printed nothing)"
    return Reply(record.tool, None if error else answer.strip(), seconds, error)


def _seconds(began: str, end: str) -> float | None:
    """The time between two moments, in nanoseconds or in seconds as their length tells; None where date is missing."""
    first, last = _nanoseconds(began), _nanoseconds(end)
    if first is None or last is None or len(began) != len(end):
        return None
    # The host's clock may have been set back meanwhile.
    return max(0.0, (last - first) / 1e9)


def _nanoseconds(time: str) -> int | None:
    """A Unix time of the program date in nanoseconds, also if it printed seconds; None if it printed neither."""
    if not re.fullmatch(r"[0-9]{1,20}", time):
        return None
    return int(time) if len(time) > 12 else int(time) * 10**9


def _reason(tool: str, code: int, status: int, tunnel: bool, complaint: str) -> str | None:
    """In words, why there is no answer; None where there is one."""
    if status == 407:
        return _NOT_LISTED
    if status and tunnel:
        return f"the proxy opens no tunnel (HTTP status {status})"
    if status and not 200 <= status < 300:
        return f"HTTP status {status} instead of an address"
    if not code:
        return None
    if tool == "wget":
        said = complaint.lower()
        for sign, words in _COMPLAINTS.items():
            if sign in said:
                return words
        # wget2 does not say it in words.
        if code == 6:
            return _NOT_LISTED
    return ended(tool, code, _ECHO)


def judge(probe: Probe, replies: Mapping[str, Reply]) -> dict[str, Any]:
    """The result: what each proxy did, and which of them work."""
    if any(reply.tool == "none" for reply in replies.values()):
        raise QgError(f"No proxy can be checked: {NO_TOOL}{_busybox(probe)}. Install one of them.")
    checks = [_check(proxy, replies[proxy.server]) for proxy in probe.proxies]
    good = {check["server"]: check["latency_seconds"] for check in checks if check["ok"]}
    # One whose time is not known comes last.
    working = sorted(good, key=lambda server: (good[server] is None, good[server]))
    return {
        "checks": checks,
        "working": working,
        "failed_count": sum(not check["ok"] for check in checks),
        "fastest": working[0] if working else None,
    }


def _busybox(probe: Probe) -> str:
    return "" if probe.url.startswith("http://") else " (a wget of busybox serves only for a url with http)"


def _check(proxy: Proxy, reply: Reply) -> dict[str, Any]:
    exit_ip, error = None, reply.error
    if error is None:
        try:
            exit_ip = read_address(reply.answer or "", None, True)
        except ValueError as problem:
            error = f"the echo service, or the proxy in its place, {problem}"
        else:
            if proxy.exit_ip not in (None, exit_ip):
                error = f"it comes out at {exit_ip}, not at {proxy.exit_ip} as its lease says"
    return {
        "server": proxy.server,
        "exit_ip": exit_ip,
        # How soon a proxy refused says nothing about how fast it is.
        "latency_seconds": None if exit_ip is None or reply.seconds is None else round(reply.seconds, 6),
        "ok": error is None,
        "error": error,
        "tool": reply.tool,
    }


def too_few(probe: Probe, result: Mapping[str, Any]) -> str | None:
    """What is wrong where fewer proxies work than there must."""
    working, least = len(result["working"]), probe.min_working
    if least is None or working >= least:
        return None
    errors = collections.Counter(check["error"] for check in result["checks"] if not check["ok"])
    reasons = "; ".join(f"{count} x {error}" for error, count in errors.most_common(3))
    return (
        f"Only {working} of {len({proxy.server for proxy in probe.proxies})} proxies work, which is less than "
        f"min_working={least}{f': {reasons}' if reasons else ''}."
    )

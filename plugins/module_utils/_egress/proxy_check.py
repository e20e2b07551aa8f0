# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of many proxies from a host: the commands, and the evaluation of the replies.

A host contacts an echo service through all proxies with one shell command. Only addresses of proxies are sent to the
host: this file refuses credentials.
"""

from __future__ import annotations

import collections
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .._api.echo import read_address
from .._api.parsing import duration, integer
from .._core.addresses import AddressScope, parse_address
from .._core.errors import OptionError, QgError
from .._core.text import describe, quote_word
from .._core.validation import MAX_TUNNEL_TTL, TUNNEL_LABEL, check_range, check_url
from .shell import NO_TOOL, Record, build_script, explain_exit_code, new_nonce, parse_records

#: The maximum length of the list of proxies in one command, enough for about 2000. Linux allows 131072 characters in
#: one argument, and each shell that passes the command on adds quotes.
MAX_LIST = 60_000

# A record contains the errors of the tool, its exit code, the times before and after (for a tool that does not report
# the duration), and the response. It is shorter than 4096 bytes, which a pipe writes atomically, so that records are
# not mixed. A correct response is much shorter.
_CHECK_PROXY = r"""
read_clock() {
  now=-
  if [ "$tool" = wget ]; then
    now=$(date +%s%N 2>/dev/null)
    # Not every date supports nanoseconds.
    case $now in *[!0-9]*) now=$(date +%s 2>/dev/null) ;; esac
  fi
}
fetch_timed() {
  read_clock; started=$now
  response=$(fetch_$tool "$echo_url" 2>&3 3>&- </dev/null); code=$?
  read_clock
  printf '\n%s: %s %s %s %.2000s' "$nonce" "$code" "${started:--}" "${now:--}" "$response"
}
check() {
  proxy=http://$2 label=${3-} ttl=${4-}
  result=$(fetch_timed 3>&1)
  printf '\n%s %s %s %.3500s\n%s.\n' "$nonce" "$1" "$tool" "$result" "$nonce"
}
"""

#: The maximum number of different reasons in a message.
_MAX_REASONS = 3
_NOT_LISTED = (
    "the proxy does not let this host in (HTTP status 407): the host's egress address is not on the whitelist of the "
    "proxy's key"
)
#: The owner of a name or certificate in messages.
_ECHO = "the echo service's"
#: The texts of wget and their meanings; its exit codes are less precise.
_COMPLAINTS = {
    "authentication required": _NOT_LISTED,
    "proxy tunneling failed": "the proxy opens no tunnel; perhaps the host is not on the whitelist of the proxy's key",
    "connection refused": "the connection was refused",
    "failed to connect": "no connection, refused or unreachable",
    "timed out": "no response in time",
    "unable to resolve": "the proxy's name is unknown",
    "bad address": "the proxy's name is unknown",
    "certificate": f"{_ECHO} certificate is not trusted",
    "unable to establish ssl": "no TLS",
    "no data received": "an empty response",
    "redirect": "a redirect",
}


@dataclass(frozen=True)
class Proxy:
    """A proxy as HOST:PORT, and its expected exit address, if there is one.

    For a tunnel, ``label`` is the name of the exit, and ``ttl`` the seconds for which it is kept.
    """

    server: str
    exit_ip: str | None = None
    label: str = ""
    ttl: str = ""

    @property
    def target(self) -> str:
        """The subject of a check: the server, the label and its time to live, separated by blanks."""
        return " ".join(filter(None, (self.server, self.label, self.ttl)))


@dataclass(frozen=True)
class ProxyCheckRequest:
    """The proxies to check, how to check them, and how many must work."""

    proxies: tuple[Proxy, ...]
    url: str
    timeout: float = 10.0
    parallel: int = 50
    min_working: int | None = None

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> ProxyCheckRequest:
        """Check and return the options; raises OptionError for every mistake in them."""
        leased = params["expect"] == "lease"
        proxies = tuple(_proxy(number, entry, leased) for number, entry in enumerate(params["proxies"], 1))
        check_url("url", params["url"])
        minimum = params["min_working"]
        if minimum is not None and minimum < 0:
            raise OptionError(f"min_working={minimum} is out of range: give 0 or more.")
        return cls(
            proxies=proxies,
            url=params["url"],
            timeout=check_range("timeout", params["timeout"], 1, 300),
            parallel=int(check_range("parallel", params["parallel"], 1, 500)),
            min_working=minimum,
        )

    def max_seconds(self, command: Command) -> float:
        """Return the maximum duration of a command: each lane checks its proxies one by one.

        The timeout is doubled, since starting many programs at once takes time on a small host.
        """
        return 2 * self.timeout * math.ceil(len(command.targets) / self.parallel)


@dataclass(frozen=True)
class Command:
    """One shell command, the nonce that marks its records, and its targets in the order of their numbers."""

    script: str
    nonce: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class ProxyReply:
    """The reply through one proxy: a response, or the reason why there is none."""

    tool: str | None = None
    response: str | None = None
    seconds: float | None = None
    error: str | None = None


def _proxy(number: int, entry: object, leased: bool) -> Proxy:
    if isinstance(entry, Mapping):
        server, ip = entry.get("server"), entry.get("ip") if leased else None
        if not isinstance(server, str) or not server:
            raise OptionError(
                f"proxies, entry {number}, is a lease without a server: leave out leases that cannot be used yet, and "
                "give the others as the modules return them."
            )
        try:
            exit_ip = str(parse_address(str(ip))) if ip else None
        except ValueError:
            raise OptionError(
                f"proxies, entry {number}, is a lease whose ip {describe(ip)} is not an address: give the lease as "
                "the modules return it."
            ) from None
        return Proxy(_server(number, server), exit_ip, *_label(number, entry))
    if not isinstance(entry, str):
        raise OptionError(
            f"proxies, entry {number}, is neither text nor a lease: give HOST:PORT or a lease as the modules return it."
        )
    return Proxy(_server(number, entry))


def _label(number: int, entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the label and the time to live of a tunnel's exit, as text; both are empty for any other proxy."""
    label, ttl = ("" if entry.get(name) is None else str(entry[name]) for name in ("label", "ttl"))
    if label and not TUNNEL_LABEL.fullmatch(label):
        raise OptionError(
            f"proxies, entry {number}, has the label {quote_word(label)}: give 1 to 64 letters, digits, "
            "underscores, hyphens and dots."
        )
    if ttl and not (label and re.fullmatch(r"[1-9][0-9]{0,4}", ttl) and int(ttl) <= MAX_TUNNEL_TTL):
        raise OptionError(
            f"proxies, entry {number}, has the ttl {quote_word(ttl)}: give whole seconds from 1 to {MAX_TUNNEL_TTL} "
            "beside a label."
        )
    return label, ttl


def _server(number: int, text: str) -> str:
    """Return HOST:PORT without scheme; refuse characters with a meaning in a shell."""
    if "@" in text:
        raise OptionError(
            f"proxies, entry {number}, contains a user name or a password: leave it out, since it must never reach a "
            "host, and the whitelist admits the host."
        )
    server = text.strip().removeprefix("http://").removesuffix("/")
    try:
        parts = urlsplit(f"//{server}")
        is_valid = server.isascii() and parts.netloc == server and _is_host(parts.hostname or "", server)
        is_valid = is_valid and bool(parts.port)
    except ValueError:
        is_valid = False
    if not is_valid:
        # Lists of proxies are also sold as HOST:PORT:USER:PASSWORD, and a password must not be quoted.
        raise OptionError(
            f"proxies, entry {number}, contains {describe(text)}: give HOST:PORT, http://HOST:PORT, or a "
            "lease as the modules return it."
        )
    return server


def _is_host(host: str, server: str) -> bool:
    if server.startswith("["):
        return parse_address(host).version == 6
    if re.fullmatch(r"[0-9.]+", host):
        return parse_address(host).version == 4
    return len(host) < 254 and bool(re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", host))


def build_commands(request: ProxyCheckRequest) -> Iterator[Command]:
    """Yield the shell commands: one, or several for a long list. Each proxy is checked once."""
    room = MAX_LIST
    targets: list[str] = []
    for target in dict.fromkeys(proxy.target for proxy in request.proxies):
        size = len(_job(len(targets), target))
        if targets and size > room:
            yield _build_command(request, targets)
            room, targets = MAX_LIST, []
        targets.append(target)
        room -= size
    if targets:
        yield _build_command(request, targets)


def _job(number: int, target: str) -> str:
    return f"check {number} {shlex.join(target.split(' '))}; "


def _build_command(request: ProxyCheckRequest, targets: Sequence[str]) -> Command:
    nonce = new_nonce()
    jobs = [_job(number, target) for number, target in enumerate(targets)]
    # Parallel lanes, so that a slow proxy delays only the later ones of its lane.
    number = request.parallel
    lanes = ["{ " + "".join(jobs[first::number]) + "} &" for first in range(min(number, len(jobs)))]
    # Busybox's wget does not verify certificates.
    protocol = "plain" if request.url.startswith("http://") else "secure"
    report = rf"\n{nonce}; %{{http_code}} %{{http_connect}} %{{time_total}}"
    labels = "yes" if any(" " in target for target in targets) else ""
    variables = {protocol: "yes", "echo_url": request.url, "report": report, "labels": labels}
    script = build_script(nonce, _CHECK_PROXY, lanes, timeout=request.timeout, **variables)
    return Command(script, nonce, tuple(targets))


def parse_replies(output: str, command: Command) -> dict[str, ProxyReply]:
    """Return the replies in the output of a command, by target."""
    found = parse_records(output, command.nonce, len(command.targets))
    return {command.targets[record.number]: _reply(record, command.nonce) for record in found}


def _reply(record: Record, nonce: str) -> ProxyReply:
    complaint, _mark, rest = f"\n{record.text}".partition(f"\n{nonce}: ")
    code, started, ended, response = [*rest.split(" ", 3), "", "", ""][:4]
    ended_with = integer(code)
    if not record.complete or ended_with is None:
        return ProxyReply(record.tool, error="its response was cut off")
    tunnel, status, seconds = False, 0, None
    if record.tool == "curl":
        response, _mark, report = response.rpartition(f"\n{nonce}; ")
        if numbers := re.fullmatch(r"([0-9]{3}) ([0-9]{3}) ([0-9.]+)", report):
            status, connect, seconds = int(numbers[1]), int(numbers[2]), duration(numbers[3])
            if connect and not 200 <= connect < 300:
                tunnel, status = True, connect
    elif record.tool == "python":
        if numbers := re.search(r"(?<![0-9])([0-9]{1,3}) ([0-9.]{1,20})\s*$", complaint):
            tunnel, status, seconds = ended_with == 56, int(numbers[1]), duration(numbers[2])
    else:
        seconds = _seconds(started, ended)
        if numbers := re.search(r"(?:ERROR|HTTP/1\.[01]) ([0-9]{3})\b", complaint):
            status = int(numbers[1])
    error = _reason(record.tool, ended_with, status, tunnel, complaint)
    if not error and record.tool == "wget" and not response.strip():
        # wget2 also ends with 0 after a failure.
        error = "no response (wget printed nothing)"
    return ProxyReply(record.tool, None if error else response.strip(), seconds, error)


def _seconds(started: str, ended: str) -> float | None:
    """Return the seconds between two Unix times that the program ``date`` printed, in nanoseconds or in seconds.

    Returns None if the host has no ``date``.
    """
    if len(started) != len(ended) or not all(re.fullmatch("[0-9]{1,20}", text) for text in (started, ended)):
        return None
    # The clock of the host may have been set back.
    return max(0.0, (int(ended) - int(started)) / (1e9 if len(ended) > 12 else 1))


def _reason(tool: str, code: int, status: int, tunnel: bool, complaint: str) -> str | None:
    """Return the reason why there is no response; None if there is one."""
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
        for phrase, words in _COMPLAINTS.items():
            if phrase in said:
                return words
        # wget2 prints no text for it.
        if code == 6:
            return _NOT_LISTED
    return explain_exit_code(tool, code, _ECHO)


def evaluate(request: ProxyCheckRequest, replies: Mapping[str, ProxyReply]) -> dict[str, Any]:
    """Return the result: the check of each proxy, and the working ones."""
    if any(reply.tool == "none" for reply in replies.values()):
        labels = any(proxy.label for proxy in request.proxies)
        busybox = (
            "" if request.url.startswith("http://") else " (the wget of busybox is sufficient only for a url with http)"
        )
        needed = "the label of a tunnel needs curl or python3 on the host" if labels else f"{NO_TOOL}{busybox}"
        raise QgError(f"No proxy can be checked: {needed}. Install one of them.")
    checks = [_check(proxy, replies[proxy.target]) for proxy in request.proxies]
    # Proxies without a known duration come last.
    good = sorted(
        (check for check in checks if check["ok"]),
        key=lambda check: (check["latency_seconds"] is None, check["latency_seconds"]),
    )
    working = list(dict.fromkeys(check["server"] for check in good))
    return {
        "checks": checks,
        "working": working,
        "failed_count": sum(not check["ok"] for check in checks),
        "fastest": working[0] if working else None,
    }


def _check(proxy: Proxy, reply: ProxyReply) -> dict[str, Any]:
    exit_ip, error = None, reply.error
    if error is None:
        try:
            exit_ip = read_address(reply.response or "", None, AddressScope.ANY)
        except ValueError as cause:
            error = f"the echo service, or the proxy in its place, {cause}"
        else:
            if proxy.exit_ip not in (None, exit_ip):
                error = f"its exit is {exit_ip}, not {proxy.exit_ip} as in its lease"
    return {
        "server": proxy.server,
        "label": proxy.label or None,
        "exit_ip": exit_ip,
        # The time until a refusal does not show how fast a proxy is.
        "latency_seconds": None if exit_ip is None or reply.seconds is None else round(reply.seconds, 6),
        "ok": error is None,
        "error": error,
        "tool": reply.tool,
    }


def describe_shortage(request: ProxyCheckRequest, result: Mapping[str, Any]) -> str | None:
    """Return the error if fewer proxies work than min_working requires, or None. Each proxy counts once."""
    checks = {(check["server"], check["label"]): check for check in result["checks"]}
    # If several leases have the same proxy, its exit can match only one of them.
    checks |= {(check["server"], check["label"]): check for check in result["checks"] if check["ok"]}
    errors = collections.Counter(check["error"] for check in checks.values() if not check["ok"])
    failed, total, minimum = errors.total(), len(checks), request.min_working
    if minimum is None or total - failed >= minimum:
        return None
    if not failed:
        working = (
            f"All of {total} proxies work" if total > 1 else "The only proxy works" if total else "No proxy is given"
        )
        return f"{working}, but min_working={minimum}: give more proxies, or lower min_working."
    if failed == total:
        working = f"None of {total} proxies works" if total > 1 else "The only proxy does not work"
    else:
        working = f"Only {total - failed} of {total} proxies work{'s' if total - failed == 1 else ''}"
    reasons = [f"{error}, for {_proxies(count)}" for error, count in errors.most_common(_MAX_REASONS)]
    others = failed - sum(count for _error, count in errors.most_common(_MAX_REASONS))
    if others:
        reasons.append(f"other reasons, for {_proxies(others)}")
    return f"{working}, but min_working={minimum}. Reasons: {'; '.join(reasons)}."


def _proxies(count: int) -> str:
    return "1 proxy" if count == 1 else f"{count} proxies"

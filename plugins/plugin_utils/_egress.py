# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The detection of the egress addresses of a host: one shell command, and the quorum of its
sources.

A host needs only a shell and one of curl, wget or Python. The evaluation is strict, since a wrong
address would admit a stranger. A host can print anything, so it can claim at most ``samples``
addresses, and more responses than were requested are refused.
"""

from __future__ import annotations

import itertools
import math
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from socket import inet_aton
from typing import Any
from urllib.parse import quote

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import NetworkConnectionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import USER_AGENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import (
    check_proxy,
    check_range,
    check_sources,
    read_address,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    counted,
    format_sample,
    one_line,
)

# The script is one line without an exclamation mark, so that every login shell passes it on to
# /bin/sh unchanged. Only GNU wget has --version; other ones do not verify certificates.
_SCRIPT = (
    "unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY; "
    "{export}fetch() {{ if command -v curl >/dev/null; then exec curl -q -gfs -m {limit} "
    "--max-filesize 65536 {curl} "
    '-A {agent} -- "$1"; fi; if wget --version >/dev/null 2>&1; then '
    # Its own limit begins anew with each byte, as Python's does.
    "limited=$(command -v timeout >/dev/null && echo timeout {limit}); "
    "exec $limited wget --no-config -q -O - -t 1 -T {limit} --max-redirect=0 {wget} -U {agent} "
    '-- "$1"; fi; '
    "for python in python3 /usr/libexec/platform-python; do if command -v $python >/dev/null; then "
    'exec $python -I -c {python} "$1" {limit} {proxy}; fi; done; exit 127; }}; '
    'record() {{ text=$(fetch "$2" 2>/dev/null </dev/null); '
    "printf '\\n%s %s %s %.2000s\\n%s.\\n' {nonce} $1 $? \"$text\" {nonce}; }}; "
    "records=$({jobs} wait); printf '%s\\n' \"$records\""
)
_PYTHON = (
    "import signal, socket, sys, urllib.request as r; signal.alarm(int(sys.argv[2])); "
    "find = socket.getaddrinfo; "
    "socket.getaddrinfo = lambda h, p, f=0, *a, **k: find(h, p, socket.AF_INET, *a, **k); "
    "proxy = sys.argv[3:] and dict.fromkeys(('http', 'https'), sys.argv[3]) or {}; "
    "request = r.Request(sys.argv[1], headers={'User-Agent': 'AGENT'}); "
    "response = r.build_opener(r.ProxyHandler(proxy)).open(request, timeout=float(sys.argv[2])); "
    "sys.stdout.write(response.read(4096).decode('latin-1'))"
).replace("AGENT", USER_AGENT)
_RECORD = re.compile(r"([0-9]{1,2}) ([0-9]{1,3}) ?(.*)", re.DOTALL)
#: The exit codes of curl, that of a shell without any of the programs, and those of timeout and of
#: a Python that its alarm has ended.
_EXIT_CODES = {
    6: "its name is unknown",
    7: "no connection, refused or unreachable",
    22: "an HTTP error",
    28: "no response in time",
    124: "no response in time",
    142: "no response in time",
    60: "its certificate is not trusted",
    127: "the host has neither curl nor wget nor python3",
}


@dataclass(frozen=True)
class DetectionRequest:
    """The parameters of a detection.

    With ``proxy``, the requests use it, and its exits are detected.
    """

    sources: tuple[str, ...]
    quorum: int
    samples: int = 1
    timeout: float = 10.0
    proxy: str = ""

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> DetectionRequest:
        """Check and return the options; raises OptionError for every mistake in them."""
        sources = tuple(check_sources(params["sources"]))
        quorum = params["quorum"]
        if quorum is None:
            quorum = min(2, len(sources))
        if not 1 <= quorum <= len(sources):
            problem = f"={quorum} cannot be met by {counted(len(sources), 'source')}"
            fix = f"give a number from 1 to {len(sources)}, or name more sources"
            raise OptionError("quorum", problem, fix)
        proxy = params.get("through_proxy") or ""
        if proxy:
            check_proxy("through_proxy", proxy)
        samples = int(check_range("samples", params["samples"], 1, 20))
        timeout = check_range("timeout", params["timeout"], 1, 300)
        return cls(sources, quorum, samples, timeout, proxy)

    def label(self, number: int) -> str:
        """Return a source for messages: without the query, which may contain a token."""
        urls = [source.partition("?")[0] for source in self.sources]
        label = urls[number]
        if "?" in self.sources[number]:
            label += "?..."
        if urls[number] in urls[:number]:
            label += f" ({number + 1})"
        return label


def detect_egress(action: ActionBase, request: DetectionRequest) -> dict[str, Any]:
    """Return the egress addresses of the host of an action, and the reply of each source."""
    connection = action._connection
    family = getattr(getattr(connection, "_shell", None), "SHELL_FAMILY", "sh")
    # A network connection would run the command on the control node, whose address would pass as
    # that of the host.
    if family in ("powershell", "cmd") or isinstance(connection, NetworkConnectionBase):
        raise QgError(
            "The host has no POSIX shell, so its egress address cannot be detected: give the "
            "address in ips."
        )
    command, nonce = build_command(request)
    result = action._low_level_execute_command(command, executable="/bin/sh")
    replies = parse_replies(result["stdout"], nonce, request)
    if not replies:
        printed = one_line((result.get("stderr") or result["stdout"])[-4000:])[-200:]
        printed = printed or "it printed nothing"
        raise QgError(f"The host's shell ended with {result['rc']} and no response: {printed}.")
    return {"ips": evaluate_quorum(replies, request), "source_replies": replies}


def build_command(request: DetectionRequest) -> tuple[str, str]:
    """Return the shell command, and the nonce that marks its records: no source can forge one."""
    nonce = f"qg{secrets.token_hex(12)}"
    jobs = []
    for number, url in enumerate(request.sources):
        jobs += [f"record {number} {_in_quotes(url)} &"] * request.samples
    proxy = ""
    curl = "-4 --noproxy '*'"
    wget = "-4 --no-proxy"
    export = ""
    if request.proxy:
        # IPv4 (-4) would be asked for the connection to the proxy, and not for its exit.
        proxy = _in_quotes(request.proxy)
        curl = f"-x {proxy}"
        wget = ""
        export = f"http_proxy={proxy} https_proxy={proxy}; export http_proxy https_proxy; "
    script = _SCRIPT.format(
        limit=math.ceil(request.timeout),
        curl=curl,
        export=export,
        wget=wget,
        agent=shlex.quote(USER_AGENT),
        python=shlex.quote(_PYTHON),
        proxy=proxy,
        nonce=nonce,
        jobs=" ".join(jobs),
    )
    return script, nonce


def _in_quotes(url: str) -> str:
    """Quote a URL, which is percent-encoded: a login shell then changes no character of it."""
    return shlex.quote(quote(url, safe="/:?&=%#[]@$,;+~*()"))


def parse_replies(output: str, nonce: str, request: DetectionRequest) -> list[dict[str, Any]]:
    """Return the replies in the output of the command.

    Raises QgError if a source has more than requested.
    """
    replies: dict[int, list[dict[str, Any]]] = {}
    for part in f"\n{output}".replace("\r", "").split(f"\n{nonce} ")[1:]:
        text, end, _rest = part.partition(f"\n{nonce}.")
        record = _RECORD.fullmatch(text)
        if not record or int(record[1]) >= len(request.sources):
            continue
        number = int(record[1])
        code = int(record[2])
        response = record[3].strip()
        reply: dict[str, Any] = {"source": request.label(number), "ip": None, "error": None}
        replies.setdefault(number, []).append(reply)
        if code or not end or not response:
            reason = "no response" if end else "its response was cut off"
            reply["error"] = _EXIT_CODES.get(code, f"{reason} (exit code {code})")
            continue
        try:
            reply["ip"] = read_address(response)
        except ValueError as error:
            reply |= {"error": str(error), "wrong": True}
    if any(len(of_source) > request.samples for of_source in replies.values()):
        raise QgError(
            "The host printed more responses than requested: none of its addresses is accepted."
        )
    return list(itertools.chain.from_iterable(replies[number] for number in sorted(replies)))


def evaluate_quorum(replies: Sequence[dict[str, Any]], request: DetectionRequest) -> list[str]:
    """Return the addresses, each of which ``quorum`` sources have reported.

    Raises QgError if there is any other address. A source without a response is tolerated if the
    others are sufficient.
    """
    reported: dict[str, set[str]] = {}
    for reply in replies:
        if reply["ip"]:
            reported.setdefault(reply["ip"], set()).add(reply["source"])
    doubt = _doubt(reported, replies, request)
    if doubt:
        raise QgError(one_line(doubt), source_replies=list(replies))
    return sorted(reported, key=inet_aton)


def _doubt(
    reported: Mapping[str, set[str]], replies: Sequence[dict[str, Any]], request: DetectionRequest
) -> str:
    """Return why the addresses that sources have reported cannot be used; empty if they can."""
    doubtful = [ip for ip, sources in reported.items() if len(sources) < request.quorum]
    wrong: dict[str, None] = {}
    silent: dict[str, None] = {}
    for reply in replies:
        if reply["error"]:
            silent[f"{reply['source']}: {reply['error']}"] = None
        if reply.pop("wrong", False):
            wrong[f"{reply['source']} {reply['error']}"] = None
    said = [f"{ip} by {', '.join(sorted(sources))}" for ip, sources in sorted(reported.items())]
    if wrong:
        return (
            f"The egress address is uncertain: {'; '.join(wrong)}. Remove a source that is not an "
            "echo service, or check what is between the host and it."
        )
    if len(doubtful) > 1 or 0 < len(doubtful) < len(reported):
        return (
            f"The sources disagree on the egress address: {'; '.join(said)}. If the host has "
            "several egress addresses, raise samples; otherwise remove the source that is wrong."
        )
    if doubtful or not reported:
        count = len(reported[doubtful[0]]) if doubtful else 0
        return (
            f"Only {count} of the {request.quorum} required sources reported an egress address: "
            f"{'; '.join(silent) or 'no source responded'}. Set sources (environment QG_SOURCES) "
            "to services that the host can reach, or lower quorum."
        )
    if len(reported) > request.samples:
        ips = sorted(reported, key=inet_aton)
        return (
            f"The host reports {len(reported)} egress addresses, but samples={request.samples} "
            f"allows only {request.samples}: {format_sample(ips)}. If it has several egress "
            "addresses, raise samples to their number."
        )
    return ""

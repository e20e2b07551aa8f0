# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The detection of the egress addresses of a host: the command, and the quorum of its sources.

The command is one POSIX shell command, so that a host needs only a shell and one of curl, wget or Python. The
evaluation is strict, since a wrong address would admit a stranger.

A host can print anything, including forged responses of sources. It can therefore claim at most ``samples`` addresses,
and no more responses than requested are accepted.

A host that is registered already needs the same quorum as a new one. If one source with the recorded address were
enough, that source, or a proxy in front of it, could hide a change of the address: the new address would never be
added, and the former one would stay on the whitelist. The saving would be small, since one curl contacts all sources.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._api.echo import read_address
from .._core.addresses import AddressScope, numeric_order, parse_address
from .._core.errors import OptionError, QgError
from .._core.text import counted, format_sample, quote_word
from .._core.validation import check_range, check_url
from .shell import build_script, explain_exit_code, new_nonce, parse_records

#: The maximum length of a response that the host prints, in characters. Some services return many details of the
#: network in addition to the address.
MAX_RESPONSE = 2000

_FETCH_SOURCE = r"""
print_record() { printf "\n%s %s %s %s %.${max_response}s\n%s.\n" "$nonce" "$1" "$tool" "$2" "$3" "$nonce"; }
fetch_source() { response=$(fetch_$tool "$2" 2>/dev/null </dev/null); print_record "$1" $? "$response"; }
"""

# One curl for all sources, since starting it takes most of the time. Each response has its own pipe, so that no source
# can change the response of another one, and ends with a line that contains curl's exit code for it. If curl is too old
# for this (before 7.75), or cannot open a pipe by its name, "fetch_source" fetches the sources one by one.
_FETCH_TOGETHER = r"""
append_exit_codes() {
  for number in $numbers; do
    code=${exit_codes#*" $number:"}
    case $code in "$exit_codes") return 1 ;; esac
    code=${code%% *}
    case $code in '' | 23 | *[!0-9]*) return 1 ;; esac
    printf '\n%s' "$code" >&$((number + 3))
  done
}
fetch_all() { run_curl -Z --parallel-immediate -w '%{urlnum}:%{exitcode} ' "$@" 2>/dev/null </dev/null; }
print_response() { print_record "$1" "${2##*"$line_feed"}" "${2%"$line_feed"*}" >&9; }
"""
#: The maximum number of pipes: some shells support only descriptors of one digit, and one of these is for the records.
_MAX_TOGETHER = 6
_EXIT_CODE = re.compile("[0-9]{1,3}")


@dataclass(frozen=True)
class DetectionRequest:
    """The parameters of a detection. With ``proxy``, the requests use this proxy, and its exits are detected.

    Without a ``family``, IPv4 and IPv6 addresses are accepted.
    """

    sources: tuple[str, ...]
    quorum: int
    samples: int = 1
    family: str | None = "ipv4"
    source_address: str | None = None
    timeout: float = 10.0
    proxy: str | None = None
    scope: AddressScope = AddressScope.PUBLIC

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> DetectionRequest:
        """Check and return the options; raises OptionError for every mistake in them."""
        sources = tuple(
            dict.fromkeys(
                check_url(f"sources, entry {n},", url, "https://api.ipify.org")
                for n, url in enumerate(params["sources"], 1)
            )
        )
        if not sources:
            raise OptionError("sources is empty: name at least one echo service.")
        quorum = min(2, len(sources)) if params["quorum"] is None else params["quorum"]
        if quorum < 1:
            raise OptionError(f"quorum={quorum} is out of range: give a number from 1 to {len(sources)}.")
        if quorum > len(sources):
            raise OptionError(
                f"quorum={quorum} cannot be met by {counted(len(sources), 'source')}: name more, or lower quorum."
            )
        check_range("samples", params["samples"], 1, 20)
        family, address = params.get("family", "ipv4"), params["source_address"]
        if address and not _is_of_family(address, family):
            raise OptionError(
                f"source_address {quote_word(address)} is not an {family or 'IP'} address: give one of the host itself."
            )
        proxy = params.get("through_proxy")
        if proxy:
            check_url("through_proxy", proxy, "http://192.0.2.1:3128")
        return cls(
            sources=sources,
            quorum=quorum,
            samples=params["samples"],
            family=family,
            source_address=address,
            timeout=check_range("timeout", params["timeout"], 1, 300),
            proxy=proxy,
            # A source on the host itself is a simulator, unless the addresses are for an API elsewhere.
            scope=AddressScope.of(
                params["allow_non_global"], *([params["api_url"]] if "api_url" in params else sources)
            ),
        )


def _is_of_family(text: str, family: str | None) -> bool:
    try:
        version = parse_address(text).version
    except ValueError:
        return False
    return not family or version == (6 if family == "ipv6" else 4)


@dataclass(frozen=True)
class SourceReply:
    """The reply of one source: a response, or the reason why there is none."""

    source: str
    tool: str
    response: str | None
    error: str | None


def build_command(request: DetectionRequest) -> tuple[str, str]:
    """Return the shell command, and the nonce that marks its records: no source can forge one."""
    nonce = new_nonce()
    urls = [shlex.quote(url) for url in request.sources]
    jobs = [f"fetch_source {n} {url} &" for n, url in enumerate(urls) for _sample in range(request.samples)]
    functions, unless = _FETCH_SOURCE, "false"
    # Each sample needs its own connection, but one curl would reuse the same connection.
    if request.samples == 1 and 1 < len(urls) <= _MAX_TOGETHER:
        functions += _FETCH_TOGETHER + _fetch_together(urls)
        unless = "[ $tool = curl ] && fetch_together 9>&1"
    is_secure = not all(url.startswith("http://") for url in request.sources)
    # Busybox's wget does not verify certificates and supports neither family nor source address.
    is_plain = not is_secure and request.family != "ipv6" and not request.source_address
    script = build_script(
        nonce,
        functions,
        jobs,
        timeout=request.timeout,
        unless=unless,
        # With a proxy, curl's option would apply to the connection to the proxy, and not to its exit.
        family=request.family[-1] if request.family and not request.proxy else "",
        address=request.source_address or "",
        proxy=request.proxy or "",
        plain="yes" if is_plain else "",
        secure="yes" if is_secure else "",
        max_response=str(MAX_RESPONSE),
        line_feed="\n",
        numbers=" ".join(map(str, range(len(urls)))),
    )
    return script, nonce


def _fetch_together(urls: Sequence[str]) -> str:
    """Return the shell function that fetches all sources at once: nested subshells that each read one pipe."""
    outputs = " ".join(f"-o /dev/fd/{n + 3} {url}" for n, url in enumerate(urls))
    lines = [f'exit_codes=" $(fetch_all {outputs})"', "append_exit_codes"]
    for n in range(len(urls)):
        fail = "return 1" if n == len(urls) - 1 else "exit 1"
        lines = ["response=$(", f"exec {n + 3}>&1", *lines, f") || {fail}", f'print_response {n} "$response"']
    return "\n".join(["fetch_together() {", *lines, "}"])


def parse_replies(output: str, nonce: str, request: DetectionRequest) -> list[SourceReply]:
    """Return the replies in the output of the command; raises QgError if a source has more than requested."""
    replies = []
    found = parse_records(output, nonce, len(request.sources))
    # Not a Counter: creating one examines all classes of the process, in the process of each host.
    numbers = [record.number for record in found]
    for number in range(len(request.sources)):
        if (count := numbers.count(number)) > request.samples:
            raise QgError(
                f"The host printed {count} responses of source {number + 1}, although samples={request.samples} were "
                "requested: none of its addresses is accepted. Check its shell, curl, wget and python3."
            )
    # Records come in the order of the responses, and are sorted by source.
    for record in sorted(found, key=lambda record: record.number):
        text, response = [*record.text.split(" ", 1), ""][:2]
        code = int(text) if _EXIT_CODE.fullmatch(text) else None
        error = None
        if code:
            error = explain_exit_code(record.tool, code)
        elif code is None or not record.complete:
            error = "its response was cut off"
        elif record.tool == "wget" and not response.strip():
            # wget2 also ends with 0 after a failure.
            error = "no response (wget printed nothing)"
        source = request.sources[record.number]
        replies.append(SourceReply(source, record.tool, None if error else response.strip(), error))
    return replies


@dataclass(frozen=True)
class DetectionResult:
    """The addresses that enough sources reported, sorted by number, and the reply of each source."""

    ips: list[str]
    source_replies: list[dict[str, Any]]


def evaluate_quorum(replies: Sequence[SourceReply], request: DetectionRequest) -> DetectionResult:
    """Accept each address that ``quorum`` sources reported; raise QgError if there is any other address.

    A source without a response is tolerated if the others are sufficient. More than ``samples`` addresses are an error
    as well, so that a compromised host cannot claim more.
    """
    reported: dict[str, set[str]] = {}
    wrong, silent = [], []
    source_replies: list[dict[str, Any]] = []
    for reply in _labelled(replies, request):
        ip, error = None, reply.error
        if reply.error is not None:
            silent.append(f"{reply.source}: {reply.error}")
        else:
            try:
                ip = read_address(reply.response or "", request.family, request.scope)
                reported.setdefault(ip, set()).add(reply.source)
            except ValueError as cause:
                error = str(cause)
                wrong.append(f"{reply.source} {error}")
        source_replies.append({"source": reply.source, "tool": reply.tool, "ip": ip, "error": error})
    doubtful = [ip for ip, sources in reported.items() if len(sources) < request.quorum]
    is_accepted = len(reported) > len(doubtful)
    if wrong:
        error = (
            f"The egress address is uncertain: {_list(wrong)}. Remove a source that is not an echo service, or check "
            "what is between the host and it."
        )
    elif len(doubtful) > 1 or (doubtful and is_accepted):
        said = [f"{ip} by {', '.join(sorted(sources))}" for ip, sources in sorted(reported.items())]
        error = (
            f"The sources disagree on the egress address: {_list(said)}. If the host has several egress "
            "addresses, raise samples; otherwise remove the source that is wrong."
        )
    elif not is_accepted:
        count = len(reported[doubtful[0]]) if doubtful else 0
        error = (
            f"Only {count} of the {request.quorum} required sources reported an egress address: "
            f"{_list(silent or ['no source responded'])}. Name sources that the host can reach, or lower quorum."
        )
    elif len(reported) > request.samples:
        error = (
            f"The host reports {len(reported)} egress addresses, but samples={request.samples} allows only "
            f"{request.samples}: {format_sample(numeric_order(reported))}. If it "
            "has several egress addresses, raise samples to their number."
        )
    else:
        return DetectionResult(numeric_order(reported), source_replies)
    raise QgError(error, source_replies=source_replies)


def _labelled(replies: Sequence[SourceReply], request: DetectionRequest) -> list[SourceReply]:
    """Return the replies with labels of the sources for messages: without the query, which may contain a token."""
    labels: dict[str, str] = {}
    for url in request.sources:
        label = url.partition("?")[0] + ("?..." if "?" in url else "")
        # Each source needs a unique label, by which it is counted.
        labels[url] = f"{label} ({len(labels) + 1})" if label in labels.values() else label
    return [replace(reply, source=labels[reply.source]) for reply in replies]


def _list(parts: Collection[str]) -> str:
    return "; ".join(dict.fromkeys(parts))

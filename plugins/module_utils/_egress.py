# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 3: under which addresses a host reaches the internet: the question, and the judgement of the answers.

This file is private to the collection. The question is one POSIX shell command, so that a host needs nothing but a
shell and one of curl, wget or Python. The judgement is strict, since a wrong address would let a stranger in.
"""

from __future__ import annotations

import ipaddress
import json
import math
import secrets
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._checks import check_range, check_url
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import USER_AGENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import is_public, one_line

#: Characters of an answer that travel back. An address has at most 45; the rest is for the error message.
LONGEST_ANSWER = 300

# Asks one URL with the standard library alone; http.client knows no proxy but the one it is told. The exit codes are
# those of curl, where it has the like.
_PYTHON = """
import http.client, socket, sys, urllib.parse
url, family, address, limit, proxy, agent = sys.argv[1:]
socket.setdefaulttimeout(float(limit))
kind = {"4": socket.AF_INET, "6": socket.AF_INET6}.get(family, 0)
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, port, f=0, *rest, **named: resolve(host, port, kind, *rest, **named)
target = urllib.parse.urlsplit(url)
first = urllib.parse.urlsplit(proxy) if proxy else target
tls = target.scheme == "https"
make = http.client.HTTPSConnection if tls else http.client.HTTPConnection
port = first.port or (80 if proxy else None)
try:
    connection = make(first.hostname, port, source_address=(address, 0) if address else None)
    if proxy and tls:
        connection.set_tunnel(target.hostname, target.port or 443)
    path = (target.path or "/") + ("?" + target.query if target.query else "")
    connection.request("GET", url if proxy and not tls else path, headers={"Host": target.netloc, "User-Agent": agent})
    answer = connection.getresponse()
    body = answer.read(4096)
except socket.timeout:
    sys.exit(28)
except Exception:
    sys.exit(7)
if answer.status >= 400:
    sys.exit(22)
sys.stdout.write(body.decode("latin-1"))
"""

# One function per tool; $1 is the URL. Proxies of the environment and of configuration files are not to be used.
_SCRIPT = r"""
unset http_proxy https_proxy ftp_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY
LC_ALL=C; export LC_ALL
nonce={nonce} family={family} address={address} limit={limit} agent={agent} proxy={proxy} python={python}
has() {{ command -v "$1" >/dev/null 2>&1; }}
ask_curl() {{
  url=$1
  if [ "$proxy" ]; then set -- -x "$proxy"; else set -- --noproxy '*'; fi
  curl -q -g -f -s -m "$limit" --proto '=http,https' ${{family:+-$family}} ${{address:+--interface "$address"}} \
    "$@" -A "$agent" -- "$url"
}}
ask_wget() {{
  direct=--no-proxy
  if [ "$proxy" ]; then
    direct= http_proxy=$proxy https_proxy=$proxy
    export http_proxy https_proxy
  fi
  # Without a home there is no configuration file of the user.
  HOME=/nonexistent $total wget -q -O - -T "$limit" -U "$agent" ${{gnu:+-t 1 --max-redirect=0 $direct}} \
    ${{family:+${{gnu:+-$family}}}} ${{address:+--bind-address="$address"}} "$1"
}}
ask_python() {{ $total "$python3" -c "$python" "$1" "$family" "$address" "$limit" "$proxy" "$agent"; }}
tool=none gnu= total= python3=
if has curl; then tool=curl
else
  if has timeout; then total="timeout $limit"; fi
  if has wget; then
    if wget --version >/dev/null 2>&1; then gnu=yes tool=wget
    elif [ {plain} = yes ]; then tool=wget
    fi
  fi
  for candidate in python3 /usr/libexec/platform-python; do
    if [ "$tool" = none ] && has "$candidate"; then tool=python python3=$candidate; fi
  done
fi
ask() {{
  if [ "$tool" = none ]; then answer= code=127
  else answer=$(ask_$tool "$2" 2>/dev/null </dev/null); code=$?
  fi
  printf '\n%s %s %s %s %.{longest}s\n%s.\n' "$nonce" "$1" "$tool" "$code" "$answer" "$nonce"
}}
{questions}
wait
"""


@dataclass(frozen=True)
class Question:
    """What a host is asked. ``proxy`` sends the calls through a proxy; the answers are then the proxy's exits."""

    sources: tuple[str, ...]
    quorum: int
    samples: int = 1
    family: str = "ipv4"
    source_address: str | None = None
    timeout: float = 10.0
    proxy: str | None = None
    allow_non_global: bool = False


@dataclass(frozen=True)
class Reply:
    """What came back from one source: an answer, or the reason why there is none."""

    source: str
    tool: str
    answer: str | None
    error: str | None


def question_from(params: Mapping[str, Any]) -> Question:
    """The question that the options describe; every mistake in them is found here, before the host is asked."""
    sources = tuple(dict.fromkeys(check_url("sources", url) for url in params["sources"]))
    if not sources:
        raise OptionError("sources is empty: name at least one echo service.")
    quorum = min(2, len(sources)) if params["quorum"] is None else params["quorum"]
    if not 1 <= quorum <= len(sources):
        raise OptionError(f"quorum={quorum} cannot be met by {len(sources)} sources: name more, or lower quorum.")
    check_range("samples", params["samples"], 1, 20)
    family, address = params.get("family") or "ipv4", params["source_address"]
    if address:
        try:
            right = ipaddress.ip_address(address).version == (6 if family == "ipv6" else 4)
        except ValueError:
            right = False
        if not right:
            raise OptionError(f"source_address {address!r} is not an {family} address of the host.")
    proxy = params.get("proxy")
    if proxy and "@" in check_url("proxy", proxy):
        raise OptionError("proxy holds a user name: leave it out, the whitelist is what lets the host in.")
    return Question(
        sources=sources,
        quorum=quorum,
        samples=params["samples"],
        family=family,
        source_address=address,
        timeout=check_range("timeout", params["timeout"], 1, 300),
        proxy=proxy,
        allow_non_global=params["allow_non_global"],
    )


def command(question: Question) -> tuple[str, str]:
    """The shell command that asks, and the word that marks its records: no source can forge one."""
    nonce = f"qg{secrets.token_hex(12)}"
    calls = [
        f"ask {n} {shlex.quote(url)} &" for n, url in enumerate(question.sources) for _again in range(question.samples)
    ]
    values = {
        "nonce": nonce,
        # Through a proxy, the family is that of the way to the proxy, which is not what was asked.
        "family": "" if question.proxy else question.family[-1],
        "address": question.source_address or "",
        # Whole seconds: not every wget and timeout takes a fraction.
        "limit": str(math.ceil(question.timeout)),
        "agent": USER_AGENT,
        "proxy": question.proxy or "",
        "python": _PYTHON.strip(),
        # Busybox's wget does not check certificates and knows neither family nor source address.
        "plain": "yes" if _needs_no_more_than_http(question) else "no",
        "longest": str(LONGEST_ANSWER),
    }
    quoted = {name: value if name == "longest" else shlex.quote(value) for name, value in values.items()}
    return _SCRIPT.format(questions="\n".join(calls), **quoted).strip(), nonce


def _needs_no_more_than_http(question: Question) -> bool:
    return (
        all(url.startswith("http://") for url in question.sources)
        and question.family == "ipv4"
        and not question.source_address
    )


def parse(output: str, nonce: str, question: Question) -> list[Reply]:
    """The replies in what the command printed; a terminal's line ends and a login banner do no harm."""
    replies: list[tuple[int, Reply]] = []
    for record in output.replace("\r", "").split(f"\n{nonce} ")[1:]:
        text, end, _rest = record.partition(f"\n{nonce}.")
        index, tool, code, answer = [*text.split(" ", 3), ""][:4]
        source = question.sources[int(index)]
        error = None if end else "its answer was cut off"
        if int(code):
            error = _exit_code(tool, int(code))
        replies.append((int(index), Reply(source, tool, None if error else answer.strip(), error)))
    # They come as the sources answer; they are told as the sources were named.
    return [reply for _index, reply in sorted(replies, key=lambda numbered: numbered[0])]


def _exit_code(tool: str, code: int) -> str:
    if tool == "none":
        return "the host has neither curl, nor GNU wget, nor python3"
    known = {
        "curl": {5: "the proxy's name is unknown", 6: "its name is unknown", 7: "no connection", 22: "an HTTP error"},
        "wget": {4: "no connection", 5: "its certificate is not trusted", 8: "an HTTP error or a redirect"},
        "python": {7: "no connection", 22: "an HTTP error"},
    }
    common = {28: "no answer in time", 35: "no TLS", 60: "its certificate is not trusted", 124: "no answer in time"}
    words = known.get(tool, {}).get(code) or common.get(code) or "no answer"
    return f"{words} ({tool} ended with {code})"


def read_address(answer: str, family: str, allow_non_global: bool) -> str:
    """The address that a source told, in canonical form; ValueError says what else it was."""
    text = answer
    if answer.startswith("{"):
        try:
            fields = {str(name).lower(): value for name, value in json.loads(answer).items()}
        except ValueError:
            fields = {}
        text = next((str(fields[name]) for name in ("ip", "origin", "address", "query") if fields.get(name)), "")
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        shown = one_line(answer)[:60]
        raise ValueError(f'said "{shown}", which is no address' if shown else "said nothing") from None
    if address.version != (6 if family == "ipv6" else 4):
        raise ValueError(f"said {address}, which is not {family}")
    if not is_public(address) and not allow_non_global:
        raise ValueError(f"said {address}, which is no address of the public internet")
    return str(address)


@dataclass(frozen=True)
class Verdict:
    """The addresses that enough sources told, by number, and what each source said."""

    ips: list[str]
    answers: list[dict[str, Any]]


def judge(replies: Sequence[Reply], question: Question) -> Verdict:
    """Believe an address that ``quorum`` sources told; anything else that was said is an error.

    A source that gave no answer is no contradiction, as long as the others are enough.
    """
    told: dict[str, set[str]] = {}
    wrong, silent = [], []
    answers: list[dict[str, Any]] = []
    for reply in replies:
        ip, error = None, reply.error
        if reply.error is not None:
            silent.append(f"{reply.source}: {reply.error}")
        else:
            try:
                ip = read_address(reply.answer or "", question.family, question.allow_non_global)
                told.setdefault(ip, set()).add(reply.source)
            except ValueError as problem:
                error = str(problem)
                wrong.append(f"{reply.source} {error}")
        answers.append({"source": reply.source, "tool": reply.tool, "ip": ip, "error": error})
    doubtful = [ip for ip, sources in told.items() if len(sources) < question.quorum]
    believed = len(told) > len(doubtful)
    if wrong:
        raise QgError(
            f"The egress address is uncertain: {_list(wrong)}. Remove a source that is not an echo service, or see "
            "what stands between the host and it.",
            answers=answers,
        )
    if len(doubtful) > 1 or (doubtful and believed):
        said = [f"{ip} by {', '.join(sorted(sources))}" for ip, sources in sorted(told.items())]
        raise QgError(
            f"The sources disagree on the egress address: {_list(said)}. Where the host leaves through several "
            "addresses, raise samples; otherwise remove the source that is wrong.",
            answers=answers,
        )
    if not believed:
        count = len(told[doubtful[0]]) if doubtful else 0
        raise QgError(
            f"Only {count} of the {question.quorum} sources that are needed told an egress address: "
            f"{_list(silent or ['no source answered'])}. Name sources that the host can reach, or lower quorum.",
            answers=answers,
        )
    return Verdict(sorted(told, key=lambda ip: int(ipaddress.ip_address(ip))), answers)


def _list(parts: Collection[str]) -> str:
    return "; ".join(dict.fromkeys(parts))

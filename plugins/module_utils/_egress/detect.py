# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Under which addresses a host reaches the internet: the question, and the judgement of the answers.

This file is private to the collection. The question is one POSIX shell command, so that a host needs nothing but a
shell and one of curl, wget or Python. The judgement is strict, since a wrong address would let a stranger in.

A host can print whatever it likes, also the answers of sources that it did not ask. It can therefore claim no more
addresses than ``samples``, and no more answers than it was asked for are accepted.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._api.parsing import parse_json
from .._core.addresses import is_public, numeric_order, parse_address
from .._core.errors import OptionError, QgError
from .._core.text import one_line, quote_word
from .._core.validation import check_range, check_url
from .shell import (
    Asking,
    ended,
    exit_code,
    new_nonce,
    records,
    script,
)

#: Characters of an answer that travel back. An address has at most 45; the rest is for the error message.
MAX_RESPONSE = 300

_ASK = r"""
say() { printf "\n%s %s %s %s %.${longest}s\n%s.\n" "$nonce" "$1" "$tool" "$2" "$3" "$nonce"; }
ask() { answer=$(ask_$tool "$2" 2>/dev/null </dev/null); say "$1" $? "$answer"; }
"""

# One curl for all sources, since its start is most of what a question costs. Each answer comes through a pipe of its
# own, so that no source can meddle with what another one said, and with curl's code for it on a last line.
# A curl that is too old for this (7.75), or that cannot open a pipe by its name, leaves the rest to "ask".
_TOGETHER = r"""
end_lines() {
  for n in $numbers; do
    code=${codes#*" $n:"}
    case $code in "$codes") return 1 ;; esac
    code=${code%% *}
    case $code in '' | 23 | *[!0-9]*) return 1 ;; esac
    printf '\n%s' "$code" >&$((n + 3))
  done
}
all_at_once() { run_curl -Z --parallel-immediate -w '%{urlnum}:%{exitcode} ' "$@" 2>/dev/null </dev/null; }
say_last() { say "$1" "${2##*"$line_feed"}" "${2%"$line_feed"*}" >&9; }
"""
#: Answers that there are pipes for: a shell need not know a descriptor of two digits, and one is for the records.
_MAX_TOGETHER = 6


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
    sources = tuple(dict.fromkeys(check_url(f"sources, entry {n},", url) for n, url in enumerate(params["sources"], 1)))
    if not sources:
        raise OptionError("sources is empty: name at least one echo service.")
    quorum = min(2, len(sources)) if params["quorum"] is None else params["quorum"]
    if not 1 <= quorum <= len(sources):
        raise OptionError(f"quorum={quorum} cannot be met by {len(sources)} sources: name more, or lower quorum.")
    check_range("samples", params["samples"], 1, 20)
    family, address = params.get("family") or "ipv4", params["source_address"]
    if address:
        try:
            right = parse_address(address).version == (6 if family == "ipv6" else 4)
        except ValueError:
            right = False
        if not right:
            raise OptionError(f"source_address {quote_word(address)} is not an {family} address of the host.")
    proxy = params.get("proxy")
    if proxy:
        check_url("proxy", proxy)
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
    nonce = new_nonce()
    urls = [shlex.quote(url) for url in question.sources]
    calls = [f"ask {n} {url} &" for n, url in enumerate(urls) for _again in range(question.samples)]
    functions, unless = _ASK, "false"
    # Samples need connections of their own, which curl would share.
    if question.samples == 1 and 1 < len(urls) <= _MAX_TOGETHER:
        functions += _TOGETHER + _together(urls)
        unless = "[ $tool = curl ] && together 9>&1"
    asking = Asking(
        timeout=question.timeout,
        # Through a proxy, the family is that of the way to the proxy, which is not what was asked.
        family="" if question.proxy else question.family[-1],
        address=question.source_address or "",
        proxy=question.proxy or "",
        # Busybox's wget does not check certificates and knows neither family nor source address.
        plain=_needs_no_more_than_http(question),
        secure=not all(url.startswith("http://") for url in question.sources),
    )
    settings = {
        "longest": str(MAX_RESPONSE),
        "line_feed": "\n",
        "numbers": " ".join(map(str, range(len(urls)))),
    }
    return script(nonce, asking, functions, calls, unless=unless, **settings), nonce


def _together(urls: Sequence[str]) -> str:
    """The shell function that asks all at once: a subshell in another for each answer, that reads its pipe."""
    outputs = " ".join(f"-o /dev/fd/{n + 3} {url}" for n, url in enumerate(urls))
    lines = [f'codes=" $(all_at_once {outputs})"', "end_lines"]
    for n in range(len(urls)):
        outermost = n == len(urls) - 1
        give_up = ") || return 1" if outermost else ") || exit 1"
        lines = ["answer=$(", f"exec {n + 3}>&1", *lines, give_up, f'say_last {n} "$answer"']
    return "\n".join(["together() {", *lines, "}"])


def _needs_no_more_than_http(question: Question) -> bool:
    return (
        all(url.startswith("http://") for url in question.sources)
        and question.family == "ipv4"
        and not question.source_address
    )


def parse(output: str, nonce: str, question: Question) -> list[Reply]:
    """The replies in what the command printed; QgError if there are more of a source than were asked for."""
    replies = []
    found = records(output, nonce, len(question.sources))
    numbers = [record.number for record in found]
    for number in dict.fromkeys(numbers):
        count = numbers.count(number)
        if count > question.samples:
            raise QgError(
                f"The host printed {count} answers of source {number + 1}, although samples={question.samples} is how "
                "often it was asked: none of its addresses is accepted. Check its shell, curl, wget and python3."
            )
    # They come as the sources answer; they are told as the sources were named.
    for record in sorted(found, key=lambda record: record.number):
        text, answer = [*record.text.split(" ", 1), ""][:2]
        code = exit_code(text)
        error = None if record.complete and code is not None else "its answer was cut off"
        if code:
            error = ended(record.tool, code)
        elif not error and record.tool == "wget" and not answer.strip():
            # wget2 ends with 0 also when it gave up.
            error = "no answer (wget printed nothing)"
        replies.append(Reply(question.sources[record.number], record.tool, None if error else answer.strip(), error))
    return replies


def read_address(answer: str, family: str | None, allow_non_global: bool) -> str:
    """The address that a source told, in canonical form, of this family or of any; ValueError says what else it was."""
    text = answer
    if answer.startswith("{"):
        try:
            fields = {str(name).lower(): value for name, value in parse_json(answer).items()}
        except ValueError:
            fields = {}
        text = next((str(fields[name]) for name in ("ip", "origin", "address", "query") if fields.get(name)), "")
    try:
        address = parse_address(text.strip())
    except ValueError:
        shown = one_line(answer)[:60]
        raise ValueError(f'said "{shown}", which is not an address' if shown else "said nothing") from None
    if family and address.version != (6 if family == "ipv6" else 4):
        raise ValueError(f"said {address}, which is not {family}")
    if not is_public(address) and not allow_non_global:
        raise ValueError(f"said {address}, which is not an address of the public internet")
    return str(address)


@dataclass(frozen=True)
class Verdict:
    """The addresses that enough sources told, by number, and what each source said."""

    ips: list[str]
    answers: list[dict[str, Any]]


def judge(replies: Sequence[Reply], question: Question) -> Verdict:
    """Believe an address that ``quorum`` sources told; anything else that was said is an error.

    A source that gave no answer is no contradiction, as long as the others are enough. More addresses than ``samples``
    are an error as well, so that this is all that a compromised host can claim.
    """
    told: dict[str, set[str]] = {}
    wrong, silent = [], []
    answers: list[dict[str, Any]] = []
    for reply in _labelled(replies, question):
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
            source_replies=answers,
        )
    if len(doubtful) > 1 or (doubtful and believed):
        said = [f"{ip} by {', '.join(sorted(sources))}" for ip, sources in sorted(told.items())]
        raise QgError(
            f"The sources disagree on the egress address: {_list(said)}. Where the host leaves through several "
            "addresses, raise samples; otherwise remove the source that is wrong.",
            source_replies=answers,
        )
    if not believed:
        count = len(told[doubtful[0]]) if doubtful else 0
        raise QgError(
            f"Only {count} of the {question.quorum} sources that are needed told an egress address: "
            f"{_list(silent or ['no source answered'])}. Name sources that the host can reach, or lower quorum.",
            source_replies=answers,
        )
    if len(told) > question.samples:
        raise QgError(
            f"The host reports {len(told)} egress addresses, but samples={question.samples} allows only "
            f"{question.samples}: {', '.join(numeric_order(told)[:10])}{' and more' if len(told) > 10 else ''}. If it "
            "leaves through several addresses, raise samples to their number.",
            source_replies=answers,
        )
    return Verdict(numeric_order(told), answers)


def _labelled(replies: Sequence[Reply], question: Question) -> list[Reply]:
    """The replies with sources as messages and results name them: without the query, which may hold a token."""
    labels: dict[str, str] = {}
    for url in question.sources:
        label = url.partition("?")[0] + ("?..." if "?" in url else "")
        # Each keeps a name of its own, since it is counted by it.
        labels[url] = f"{label} ({len(labels) + 1})" if label in labels.values() else label
    return [replace(reply, source=labels[reply.source]) for reply in replies]


def _list(parts: Collection[str]) -> str:
    return "; ".join(dict.fromkeys(parts))

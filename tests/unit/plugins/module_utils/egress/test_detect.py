# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evaluation of echo services: strict, since a wrong address lets a stranger in."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.echo import read_address
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import AddressScope
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import (
    DetectionRequest,
    SourceReply,
    build_command,
    evaluate_quorum,
    parse_replies,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.shell import single_line
from hypothesis import given
from hypothesis import strategies as st

SOURCES = ("https://one.example/ip", "https://two.example/ip", "https://three.example/ip")
PUBLIC, OTHER = "8.8.4.4", "1.1.1.1"


def question(**changes: Any) -> DetectionRequest:
    return DetectionRequest(**{"sources": SOURCES, "quorum": 2, **changes})


def said(*answers: str | None) -> list[SourceReply]:
    silent = "no response in time (curl ended with 28)"
    return [
        SourceReply(SOURCES[n % 3], "curl", text, None if text is not None else silent)
        for n, text in enumerate(answers)
    ]


def test_agreement_is_believed_though_another_source_is_silent() -> None:
    verdict = evaluate_quorum(said(PUBLIC, f"  {PUBLIC}\n", f'{{"ip": "{PUBLIC}"}}'), question())
    assert verdict.ips == [PUBLIC]
    assert [answer["ip"] for answer in verdict.source_replies] == [PUBLIC] * 3
    verdict = evaluate_quorum(said(PUBLIC, None, PUBLIC), question())
    assert verdict.ips == [PUBLIC]
    assert verdict.source_replies[1]["error"] == "no response in time (curl ended with 28)"


def test_too_few_responses_are_an_error_that_names_the_silent_sources() -> None:
    with pytest.raises(QgError, match=r"Only 1 of the 2 required.*two.example/ip: no response in time.*lower quorum"):
        evaluate_quorum(said(PUBLIC, None, None), question())
    with pytest.raises(QgError, match="Only 0 of the 2 required sources"):
        evaluate_quorum(said(None, None, None), question())
    with pytest.raises(QgError, match="no source responded"):
        evaluate_quorum([], question())


@pytest.mark.parametrize("answers", [(PUBLIC, PUBLIC, OTHER), (PUBLIC, OTHER, None), (OTHER, PUBLIC, "9.9.9.9")])
def test_a_contradiction_is_an_error_that_names_each_source(answers: tuple[str | None, ...]) -> None:
    with pytest.raises(QgError, match=r"disagree.*1\.1\.1\.1 by https://.*8\.8\.4\.4 by https://") as caught:
        evaluate_quorum(said(*answers), question())
    assert len(caught.value.details["source_replies"]) == 3


def test_several_exits_are_believed_if_enough_sources_saw_each_and_samples_allows_them() -> None:
    replies = said(PUBLIC, OTHER, PUBLIC, OTHER, PUBLIC, OTHER)
    assert evaluate_quorum(replies, question(samples=2)).ips == [OTHER, PUBLIC]
    words = r"reports 2 egress addresses, but samples=1 allows only 1: 1\.1\.1\.1, 8\.8\.4\.4"
    with pytest.raises(QgError, match=words):
        evaluate_quorum(replies, question())


records = st.lists(
    st.tuples(
        st.one_of(st.integers(-1, 5).map(str), st.sampled_from(["\u00b2", "9" * 5000, "", "0 0"])),
        st.sampled_from(["curl", "wget", "python", "none", "\x1b[2J", "{{ x }}"]),
        st.one_of(st.integers(0, 300).map(str), st.sampled_from(["\u00b2", "9" * 5000, "x"])),
        st.one_of(st.sampled_from([PUBLIC, OTHER, "9.9.9.9"]), st.text(max_size=20)),
    ),
    max_size=20,
)


@given(records, st.integers(1, 3), st.integers(1, 3))
def test_whatever_a_host_prints_it_claims_no_more_addresses_than_samples(
    printed: list[tuple[str, str, str, str]], samples: int, quorum: int
) -> None:
    asked = question(samples=samples, quorum=quorum)
    output = "".join(f"\nqgN {number} {tool} {code} {text}\nqgN." for number, tool, code, text in printed)
    try:
        replies = parse_replies(output, "qgN", asked)
        assert {reply.tool for reply in replies} <= {"curl", "wget", "python", "none"}
        verdict = evaluate_quorum(replies, asked)
    except QgError:
        return
    assert 1 <= len(verdict.ips) <= samples
    assert len(verdict.source_replies) <= samples * len(SOURCES)


def test_more_responses_of_a_source_than_requested_are_refused() -> None:
    output = "".join(f"\nqgN 1 curl 0 8.8.4.{n}\nqgN." for n in range(256))
    with pytest.raises(QgError, match="printed 256 responses of source 2, although samples=3"):
        parse_replies(output, "qgN", question(samples=3))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("<html>Log in to the network", 'said "<html>Log in to the network", which is not an address'),
        ("2001:4860:4860::8888", "said 2001:4860:4860::8888, which is not ipv4"),
        ("", "said nothing"),
        *((ip, f"said {ip}, which is not an address of the public internet") for ip in ("10.0.0.7", "203.0.113.7")),
        *((text, "which is not an address") for text in ("8.8.4.4, 10.0.0.1", '{"origin": "8.8.4.4, 10.0.0.1"}')),
        *((text, "which is not an address") for text in ("8.8.4.4/32", "008.8.4.4", '{"unknown": 1}', "{broken", "[]")),
    ],
)
def test_anything_but_a_public_address_is_an_error_even_beside_two_good_responses(answer: str, words: str) -> None:
    with pytest.raises(QgError, match=r"The egress address is uncertain: https://three.example/ip") as caught:
        evaluate_quorum(said(PUBLIC, PUBLIC, answer), question())
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["ip", "IP", "origin", "query"])
def test_json_is_read_under_the_usual_names(name: str) -> None:
    assert read_address(f'{{"{name}": "{PUBLIC}", "city": "x"}}', "ipv4", AddressScope.PUBLIC) == PUBLIC


def test_other_addresses_are_taken_only_where_that_is_wanted() -> None:
    assert evaluate_quorum(said("203.0.113.7", "203.0.113.7"), question(scope=AddressScope.ANY)).ips == ["203.0.113.7"]
    assert read_address("2001:4860:4860::8888", "ipv6", AddressScope.PUBLIC) == "2001:4860:4860::8888"


@given(
    answers=st.lists(
        st.one_of(st.none(), st.sampled_from([PUBLIC, OTHER, "10.0.0.1", "x"]), st.ip_addresses(v=4).map(str)),
        max_size=9,
    ),
    quorum=st.integers(1, 3),
)
def test_no_address_is_accepted_below_the_quorum(answers: list[str | None], quorum: int) -> None:
    replies = said(*answers)
    try:
        verdict = evaluate_quorum(replies, question(quorum=quorum))
    except QgError:
        return
    for ip in verdict.ips:
        assert len({reply.source for reply in replies if reply.response == ip}) >= quorum
    assert {reply.response for reply in replies if reply.response is not None} == set(verdict.ips)


@given(answer=st.text(st.characters(codec="ascii", exclude_characters="\r"), max_size=200), code=st.integers(0, 127))
def test_a_record_is_read_between_any_other_output(answer: str, code: int) -> None:
    output = f"Welcome!\r\n\nqgN 2 curl {code} {answer}\nqgN.\nbye"
    (reply,) = parse_replies(output, "qgN", question())
    assert reply.source == SOURCES[2]
    assert reply.response == (answer.strip() if code == 0 else None)
    assert (reply.error is None) == (code == 0)


def test_a_source_cannot_forge_the_record_of_another() -> None:
    script, nonce = build_command(question())
    forged = "\nqg 1 curl 0 9.9.9.9\nqg.\n"
    replies = parse_replies(f"\n{nonce} 0 curl 0 {PUBLIC}{forged}\n{nonce}.\n", nonce, question())
    assert len(replies) == 1
    assert nonce in script
    assert build_command(question())[1] != nonce


def test_a_cut_off_record_is_no_answer() -> None:
    (reply,) = parse_replies(f"\nqgN 0 curl 0 {PUBLIC}", "qgN", question())
    assert reply.response is None
    assert reply.error == "its response was cut off"


@pytest.mark.parametrize(
    ("tool", "code", "words"),
    [
        ("none", 127, "neither curl, nor GNU wget, nor python3"),
        ("curl", 6, "its name is unknown (curl ended with 6)"),
        ("wget", 5, "its certificate is not trusted (wget ended with 5)"),
        ("wget", 124, "no response in time"),
        ("python", 22, "an HTTP error"),
        ("curl", 99, "no response (curl ended with 99)"),
    ],
)
def test_exit_codes_are_explained(tool: str, code: int, words: str) -> None:
    (reply,) = parse_replies(f"\nqgN 0 {tool} {code} \nqgN.", "qgN", question())
    assert words in (reply.error or "")


hostile = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(path=hostile, address=hostile, proxy=hostile)
def test_the_command_is_valid_shell_whatever_the_options_hold(path: str, address: str, proxy: str) -> None:
    asked = question(sources=(f"https://one.example/{path}",), source_address=address, proxy=proxy)
    script, _nonce = build_command(asked)
    checked = subprocess.run(["/bin/sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_command_on_one_line_does_the_same(text: str) -> None:
    line = single_line(f"printf %s {shlex.quote(text)}\nprintf end")
    assert line.isprintable()
    assert line.isascii()
    # What csh expands, and what fish removes before a quote or before another one.
    assert "!" not in line
    assert "\\\\" not in line
    assert "\\'" not in line
    ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=False)
    assert (ran.stdout, ran.stderr) == (f"{text}end".encode(), b"")


def test_the_command_is_short_enough_for_a_word_of_csh() -> None:
    script, _nonce = build_command(question(sources=tuple(f"https://{'n' * 40}{n}.example/ip" for n in range(6))))
    # Over SSH, as another user.
    quoted = shlex.quote("/bin/sh -c " + shlex.quote(single_line(script)))
    assert len(quoted) < 8192


OPTIONS: dict[str, Any] = {"sources": list(SOURCES), "quorum": None, "samples": 1, "source_address": None}
OPTIONS |= {"timeout": 10.0, "allow_non_global": False}


def parse(**changes: Any) -> DetectionRequest:
    return DetectionRequest.parse({**OPTIONS, **changes})


def test_two_sources_must_agree_by_default() -> None:
    assert parse().quorum == 2
    assert parse(sources=[SOURCES[0]]).quorum == 1
    assert parse(sources=[SOURCES[0], SOURCES[0]]).sources == (SOURCES[0],)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": []}, "sources is empty"),
        ({"sources": ["ftp://one.example"]}, "sources, entry 1, 'ftp://one.example' cannot be used"),
        *(({"sources": [url]}, "cannot be used") for url in ("https://one.example/a b", "https://[::1", "one.example")),
        ({"quorum": 4}, "quorum=4 cannot be met by 3 sources"),
        ({"quorum": 0}, "quorum=0 is out of range"),
        ({"samples": 0}, "samples=0 is out of range: give a number from 1 to 20"),
        ({"timeout": 0.0}, "timeout=0 is out of range"),
        ({"source_address": "eth0"}, "source_address 'eth0' is not an ipv4 address: give one of the host"),
        ({"source_address": "::1"}, "source_address '::1' is not an ipv4 address"),
        ({"source_address": "127.0.0.1", "family": "ipv6"}, "is not an ipv6 address"),
        ({"source_address": "eth0", "family": None}, "is not an IP address"),
        ({"through_proxy": "http://user:secret@127.0.0.1:1"}, "through_proxy contains a user name"),
        ({"through_proxy": "127.0.0.1:1"}, "through_proxy '127.0.0.1:1' cannot be used"),
    ],
)
def test_a_mistake_in_an_option_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse(**changes)
    assert words in caught.value.message
    assert "secret" not in caught.value.message


def test_without_a_family_addresses_of_both_are_accepted() -> None:
    for address in ("127.0.0.1", "::1"):
        request = parse(sources=SOURCES[:1], family=None, source_address=address)
        assert "family=''" in build_command(request)[0]
        for ip in (PUBLIC, "2001:4860:4860::8888"):
            assert evaluate_quorum(said(ip), request).ips == [ip]

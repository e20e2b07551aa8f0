# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The quorum of the sources, and the records in the output of a host, which can print anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._egress import (
    DetectionRequest,
    build_command,
    evaluate_quorum,
    parse_replies,
)
from hypothesis import given
from hypothesis import strategies as st

SOURCES = ("https://one.example/ip", "https://two.example/ip", "https://three.example/ip")
A = "203.0.113.1"
B = "203.0.113.2"


def question(**changes: Any) -> DetectionRequest:
    return DetectionRequest(**{"sources": SOURCES, "quorum": 2, **changes})


def found(*answers: str | None, **changes: Any) -> list[str]:
    """The addresses that are accepted if the sources say this in turn; None is no response in
    time.
    """
    asked = question(**changes)
    records = (
        f"\nqgN {n % 3} {28 if text is None else 0} {text or ''}\nqgN.\n"
        for n, text in enumerate(answers)
    )
    return evaluate_quorum(parse_replies("".join(records), "qgN", asked), asked)


@pytest.mark.parametrize(
    ("answers", "changes", "ips"),
    [
        ([A, f"  {A}\r\n", f'{{"ip": "{A}"}}'], {}, [A]),
        ([A, None, A], {}, [A]),
        ([A, "", A], {}, [A]),
        ([A, None, None], {"quorum": 1}, [A]),
        ([B, A, B, A, B, A], {"samples": 2}, [A, B]),
    ],
)
def test_an_address_is_accepted(
    answers: list[str | None], changes: dict[str, Any], ips: list[str]
) -> None:
    assert found(*answers, **changes) == ips


@pytest.mark.parametrize(
    ("answers", "changes", "says"),
    [
        ([A, None, None], {}, "Only 1 of the 2 required .*two.example/ip: no response in time"),
        ([None, None, None], {}, "Only 0 of the 2 required"),
        ([], {}, "no source responded"),
        ([A, A, B], {}, r"disagree.*203.0.113.1 by https://one.*203.0.113.2 by https://three"),
        ([A, B, None], {}, "disagree"),
        ([A, B, A, B, A, B], {}, "samples=1 allows only 1|more responses than requested"),
        (
            [A, A, "<html>"],
            {},
            r'uncertain: https://three.example/ip said "<html>", which is not an address',
        ),
        ([A, A, "10.0.0.1"], {}, "said 10.0.0.1, which is not an address of the public internet"),
        ([A, A, "2001:4860:4860::8888"], {}, "which is not an IPv4 address"),
        ([A, A, "203.0.113.1/32"], {}, "which is not an address"),
        ([A] * 4, {}, "more responses than requested"),
    ],
)
def test_anything_else_is_an_error(
    answers: list[str | None], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(QgError, match=says):
        found(*answers, **changes)


records = st.lists(
    st.tuples(
        st.one_of(st.integers(-1, 5).map(str), st.sampled_from(["\u00b2", "9" * 5000, "", "0 0"])),
        st.one_of(st.integers(0, 300).map(str), st.sampled_from(["\u00b2", "9" * 5000, "x"])),
        st.one_of(st.sampled_from([A, B, "9.9.9.9"]), st.text(max_size=20)),
    ),
    max_size=20,
)


@given(records, st.integers(1, 3), st.integers(1, 3))
def test_whatever_a_host_prints_it_claims_no_more_addresses_than_samples(
    printed: list[tuple[str, str, str]], samples: int, quorum: int
) -> None:
    asked = question(samples=samples, quorum=quorum)
    output = "".join(f"\nqgN {number} {code} {text}\nqgN." for number, code, text in printed)
    replies: list[dict[str, Any]] = []
    ips: list[str] = []
    is_refused = False
    try:
        replies = parse_replies(output, "qgN", asked)
        ips = evaluate_quorum(replies, asked)
    except QgError:
        is_refused = True
    assert is_refused is not bool(ips)
    assert len(ips) <= samples
    assert len(replies) <= samples * len(SOURCES)


def test_a_source_cannot_forge_the_record_of_another() -> None:
    script, nonce = build_command(question())
    forged = "\nqg 1 0 9.9.9.9\nqg.\n"
    (reply,) = parse_replies(
        f"Welcome!\r\n\n{nonce} 0 0 {A}{forged}\n{nonce}.\nbye", nonce, question()
    )
    assert reply["source"] == SOURCES[0]
    assert reply["ip"] is None
    assert nonce in script
    assert build_command(question())[1] != nonce


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (f"\nqgN 0 0 {A}", "its response was cut off"),
        ("\nqgN 0 127 \nqgN.", "neither curl nor wget nor python3"),
        ("\nqgN 0 60 \nqgN.", "its certificate is not trusted"),
        ("\nqgN 0 99 \nqgN.", "no response (exit code 99)"),
    ],
)
def test_a_failure_is_explained(record: str, error: str) -> None:
    (reply,) = parse_replies(record, "qgN", question())
    assert reply["ip"] is None
    assert error in reply["error"]


def test_the_query_of_a_source_is_not_shown() -> None:
    asked = question(
        sources=("https://a.example/ip?token=S3cret", "https://a.example/ip?token=Other")
    )
    assert [asked.label(0), asked.label(1)] == [
        "https://a.example/ip?...",
        "https://a.example/ip?... (2)",
    ]


hostile = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(path=hostile, proxy=hostile)
def test_the_command_is_one_line_of_valid_shell_whatever_the_options_hold(
    path: str, proxy: str
) -> None:
    script, _nonce = build_command(question(sources=(f"https://one.example/{path}",), proxy=proxy))
    assert "\n" not in script
    assert "!" not in script
    checked = subprocess.run(
        ["/bin/sh", "-n"], input=script, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0
    assert checked.stderr == ""


class Dripping(BaseHTTPRequestHandler):
    """Answers a letter at a time, each within the limit, and never ends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _letter in range(1200):
                self.wfile.write(b"1")
                time.sleep(0.1)

    def log_message(self, *_arguments: Any) -> None:
        """Print nothing."""


@pytest.mark.parametrize("tool", ["curl", "wget", "python3"])
def test_a_source_that_never_ends_is_given_up_in_time(tool: str, tmp_path: Path) -> None:
    # The python3 of a developer may be a script that needs other programs.
    programs = {"python3": os.path.realpath(sys.executable)}
    for name in (tool, "timeout"):
        program = programs.get(name) or shutil.which(name)
        if program is None:
            pytest.skip(f"this machine has no {name}")
        (tmp_path / name).symlink_to(program)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked = question(sources=(f"http://127.0.0.1:{server.server_port}/",), timeout=2.0)
    script, nonce = build_command(asked)

    with server:
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        server.shutdown()

    (reply,) = parse_replies(done.stdout, nonce, asked)
    assert reply["error"] == "no response in time"


OPTIONS: dict[str, Any] = {"sources": list(SOURCES), "quorum": None, "samples": 1, "timeout": 10.0}


def test_the_quorum_is_two_unless_there_is_only_one_source() -> None:
    assert DetectionRequest.parse(OPTIONS).quorum == 2
    assert DetectionRequest.parse({**OPTIONS, "sources": SOURCES[:1]}).quorum == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sources": []}, "sources is empty"),
        ({"sources": ["file:///etc/passwd"]}, "sources, entry 1"),
        ({"quorum": 0}, "quorum=0"),
        ({"quorum": 4}, "quorum=4 cannot be met by 3 sources"),
        ({"samples": 0}, "samples=0 is out of range"),
        ({"timeout": 0.5}, "timeout=0.5 is out of range"),
        ({"through_proxy": "socks5://127.0.0.1:1"}, "through_proxy"),
        # curl would connect to port 1080, and wget to port 80.
        ({"through_proxy": "http://192.0.2.1"}, "through_proxy has no port"),
    ],
)
def test_a_wrong_option_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        DetectionRequest.parse({**OPTIONS, **changes})

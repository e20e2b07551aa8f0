# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host prints about its gateway: which exits work, why others do not, and nothing that
raises.
"""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import (
    Look,
    merge,
    read_look,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.policy import Cause, Exit
from hypothesis import example, given

NOW = 1_900_000_000.0
FIRST = "192.0.2.1:2001"
SECOND = "192.0.2.2:2002"
FILE = """\
installation 0123456789abcdef
a s1 192.0.2.1:2001 1900000000 ready
a s2 192.0.2.2:2002 1900000000 drain
b s1 192.0.2.1:2001 - ready
"""


def printed(*rows: str, flags: str = "root\n", end: str = "serves\n", file: str = FILE) -> str:
    """Return what the script of a look prints, with these lines of ``show exits``."""
    reported = "".join(f"{line}\n" for line in rows)
    return f"{flags}--- exits\n{reported}{end}--- file\n{file}"


def row(
    status: str = "UP",
    check: str = "L7OK",
    code: str = "200",
    seconds: object = 7,
    passed: object = 0,
    last: object = "-",
    pool: str = "a",
    server: str = FIRST,
) -> str:
    return f"{pool} s1 {server} {status} {check} {code} {seconds} {passed} {last}"


def first(*rows: str) -> Exit:
    """Return what a look with these rows says of the first exit of pool a."""
    return read_look(printed(*rows), NOW, has_reports=True).exits_of("a")[FIRST]


def test_a_look_has_flags_identifier_and_servers() -> None:
    look = read_look(printed(row()), NOW)

    assert look.flags == {"root", "serves"}
    assert look.identifier == "0123456789abcdef"
    assert [
        (server.pool, server.server, server.drained, server.number) for server in look.servers
    ] == [
        ("a", FIRST, False, 1),
        ("a", SECOND, True, 2),
        ("b", FIRST, False, 1),
    ]


def test_a_process_that_does_not_serve_its_files_is_told() -> None:
    assert "serves" not in read_look(printed(row(), end=""), NOW).flags


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (row("UP", "L7OK"), Exit(FIRST, works=True)),
        (row("UP", "L4OK", "-"), Exit(FIRST, works=True)),
        (row("UP", "INI"), Exit(FIRST, works=None)),
        (row("UP", "-"), Exit(FIRST, works=None)),
        (row("no", "L7OK"), Exit(FIRST, works=None)),
        (row("MAINT", "L7OK"), Exit(FIRST, works=None)),
        (row("DRAIN", "L7OK"), Exit(FIRST, works=True)),
        (row("DOWN", "L7STS", "407"), Exit(FIRST, False, Cause.REJECTED, 7.0)),
        (row("DOWN", "L7STS", "502"), Exit(FIRST, False, Cause.FAILING, 7.0)),
        (row("DOWN", "L4CON", "-"), Exit(FIRST, False, Cause.REFUSED, 7.0)),
        (row("DOWN", "L4TOUT", "-"), Exit(FIRST, False, Cause.SILENT, 7.0)),
        (row("DOWN", "L6TOUT", "-"), Exit(FIRST, False, Cause.SILENT, 7.0)),
        (row("DOWN", "L7TOUT", "-"), Exit(FIRST, False, Cause.SILENT, 7.0)),
        (row("DOWN", "L7RSP", "-"), Exit(FIRST, False, Cause.FAILING, 7.0)),
        (row("DOWN", "SOCKERR", "-"), Exit(FIRST, False, Cause.FAILING, 7.0)),
        (row("REPORTED", "L7OK"), Exit(FIRST, False, Cause.REPORTED)),
        (row("DOWN", "L4CON", seconds="-"), Exit(FIRST, False, Cause.REFUSED, 0.0)),
        (row("DOWN", "L4CON", seconds="-5"), Exit(FIRST, False, Cause.REFUSED, 0.0)),
    ],
)
def test_a_line_says_what_an_exit_does(line: str, expected: Exit) -> None:
    assert first(line) == expected


def test_a_report_is_believed_only_of_a_gateway_that_has_them() -> None:
    assert read_look(printed(row("REPORTED")), NOW).exits_of("a") == {}


def test_a_report_holds_when_checks_do_not_any_more() -> None:
    look = read_look(
        printed(row("REPORTED"), row("DOWN", "L4CON", pool="b")), NOW, has_reports=True
    )

    look.forget_exits()

    assert look.exits_of("a") == {FIRST: Exit(FIRST, False, Cause.REPORTED)}
    assert look.exits_of("b") == {FIRST: Exit(FIRST, None)}


def test_an_exit_that_haproxy_does_not_name_is_not_known() -> None:
    assert first(row(server="192.0.2.9:2009")) == Exit(FIRST, works=None)


def test_an_exit_that_is_drained_is_not_judged() -> None:
    assert SECOND not in read_look(printed(row("DOWN", "L4CON", server=SECOND)), NOW).exits_of("a")


@pytest.mark.parametrize(
    ("line", "works"),
    [
        (row("DOWN", "L7STS", "503", passed=5, last=60), True),
        (row("DOWN", "L7TOUT", "-", passed=1, last=0), True),
        (row("DOWN", "L7STS", "503", passed=5, last=61), False),
        (row("DOWN", "L7STS", "503", passed=5, last="-"), False),
        (row("DOWN", "L7STS", "503", passed=0, last=5), False),
        (row("DOWN", "L7STS", "503", passed="-", last=5), False),
    ],
)
def test_an_exit_that_fails_the_check_works_while_traffic_passes(line: str, works: bool) -> None:
    """The target of the check may be what is down."""
    assert first(line).works is works


def test_pools_with_the_same_server_have_an_exit_each() -> None:
    """A name of HAProxy says which pool a row is about, and one server may have different
    credentials in two pools.
    """
    look = read_look(printed(row("UP"), row("DOWN", "L7STS", "407", pool="b")), NOW)

    assert look.exits_of("a") == {FIRST: Exit(FIRST, works=True)}
    assert look.exits_of("b") == {FIRST: Exit(FIRST, False, Cause.REJECTED, 7.0)}
    assert look.exits_of("c") == {}


def test_a_look_is_the_same_after_it_was_a_variable() -> None:
    look = read_look(printed(row("DOWN", "L7STS", "407")), NOW)

    assert Look.from_json(json.loads(json.dumps(look.as_json()))) == look


@pytest.mark.parametrize(
    ("printed_time", "ahead"),
    [
        ("time 1900000090", 90.0),
        ("time 1899999910", -90.0),
        # To ask takes a moment.
        ("time 1900000002", 0.0),
        ("time 1900000003", 3.0),
        ("time 99999999999999999999", 0.0),
        ("time soon", 0.0),
        ("", 0.0),
    ],
)
def test_a_host_tells_the_time_of_its_clock(printed_time: str, ahead: float) -> None:
    assert read_look(printed(printed_time, row()), NOW).clock_ahead == ahead


# What a host may print.


HOSTILE = {
    "nothing": "",
    "no report": printed().replace("--- exits", "---"),
    "no file": printed(row()).replace("--- file", "---"),
    "a report of something else": printed("<html>", "a" * 100_000),
    "too many words": printed(row() + " 1" * 5000),
    "too few words": printed("a s1"),
    "blanks": printed("        "),
    "a long word": printed(row("x" * 300_000)),
    "a null byte": printed(row("UP\0")),
    "a long number": printed(row("DOWN", "L4CON", seconds="9" * 5000, passed="9" * 5000)),
    "digits of another script": printed(row("DOWN", "L4CON", seconds="٣", last="²")),
    "a long deadline": printed(row(), file=f"a s1 {FIRST} {'9' * 5000} ready\n"),
    "carriage returns": printed(row()).replace("\n", "\r\n"),
    "a long identifier": printed(file="installation " + "x" * 100_000),
    "many servers": printed(
        file="".join(f"a s{number} {FIRST} - ready\n" for number in range(20_000))
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_output_of_a_host_raises(case: str) -> None:
    look = read_look(HOSTILE[case], NOW)

    assert Look.from_json(json.loads(json.dumps(look.as_json()))) == look


def test_a_down_time_of_a_host_is_bounded() -> None:
    """It decides which exit is replaced first."""
    assert first(row("DOWN", "L4CON", seconds="9" * 30)).down_for < 1e8


@given(st.text())
@example("a s1 192.0.2.1:2001 UP L7OK 200 \x1c 1 1")
def test_no_text_of_a_host_raises(text: str) -> None:
    for output in (text, printed(text), printed(file=text)):
        look = read_look(output, NOW)
        assert Look.from_json(look.as_json()) == look


def test_lines_for_servers_that_the_file_lacks_are_not_believed() -> None:
    look = read_look(printed(row("DOWN", "L4CON", server="192.0.2.9:2009"), row(pool="c")), NOW)

    assert set(look.exits_of("a")) == {FIRST}
    assert look.exits_of("c") == {}


# What all hosts know together.


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([Exit(FIRST, True), Exit(FIRST, False, Cause.SILENT, 60.0)], Exit(FIRST, True)),
        ([Exit(FIRST, False, Cause.SILENT, 60.0), Exit(FIRST, True)], Exit(FIRST, True)),
        ([Exit(FIRST, None), Exit(FIRST, False, Cause.SILENT, 60.0)], Exit(FIRST, None)),
        ([Exit(FIRST, None), Exit(FIRST, True)], Exit(FIRST, True)),
        (
            [Exit(FIRST, False, Cause.SILENT, 60.0), Exit(FIRST, False, Cause.REFUSED, 5.0)],
            Exit(FIRST, False, Cause.REFUSED, 5.0),
        ),
        (
            [Exit(FIRST, True), Exit(FIRST, False, Cause.REPORTED)],
            Exit(FIRST, False, Cause.REPORTED),
        ),
        (
            [Exit(FIRST, False, Cause.REPORTED), Exit(FIRST, True)],
            Exit(FIRST, False, Cause.REPORTED),
        ),
    ],
)
def test_an_exit_works_if_it_works_for_one_host(reports: list[Exit], expected: Exit) -> None:
    assert merge({FIRST: report} for report in reports) == {FIRST: expected}


def test_hosts_with_different_exits_are_put_together() -> None:
    merged = merge([{FIRST: Exit(FIRST, True)}, {SECOND: Exit(SECOND, None)}, {}])

    assert merged == {FIRST: Exit(FIRST, True), SECOND: Exit(SECOND, None)}

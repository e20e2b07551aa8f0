# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""proxy_squid, and what it has in common with proxy_haproxy: a line for each server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import assume, given
from hypothesis import strategies as st
from support.proxy_leases import (
    ALL,
    EXAMPLE,
    MANY,
    SECRET,
    haproxy,
    lease_of,
    leases,
    refused,
    server_of,
    servers,
    squid,
    unsafe,
    users,
    with_login,
    words,
)


def as_squid_reads(text: str) -> str:
    """What Squid makes of a login, by the rules that its documentation gives: %% is %, and %XX a byte."""
    raw = re.sub(
        rb"%(%|[0-9A-Fa-f]{2})", lambda m: b"%" if m[1] == b"%" else bytes([int(m[1], 16)]), text.encode("ascii")
    )
    return raw.decode()


@pytest.mark.parametrize("lease", [EXAMPLE, lease_of(EXAMPLE), {**lease_of(EXAMPLE), "proxy_url": None}])
def test_the_line_of_a_server(lease: Any) -> None:
    assert haproxy(lease) == "server qg-198.51.100.8-21504 198.51.100.8:21504 check"
    assert haproxy([lease], prefix="web.1", options="") == "server web.1-198.51.100.8-21504 198.51.100.8:21504"
    peer = "cache_peer 198.51.100.8 parent 21504 0 no-query round-robin name=qg-198.51.100.8-21504"
    assert squid([lease]) == peer
    assert squid((lease,), options="no-digest weight=2\n") == f"{peer} no-digest weight=2"


def test_squid_gets_the_credentials_of_the_proxy_url_and_haproxy_does_not() -> None:
    lease = lease_of("Tunnel.QG.example:3434", "http://QGDEMO01:p%40ss%25@Tunnel.QG.example:3434/")
    assert haproxy(lease) == "server qg-tunnel.qg.example-3434 tunnel.qg.example:3434 check"
    assert squid(lease, "no-digest") == (
        "cache_peer tunnel.qg.example parent 3434 0 no-query round-robin name=qg-tunnel.qg.example-3434 "
        "login=QGDEMO01:p%40ss%25 no-digest"
    )
    assert " login=QGDEMO01:a%2Cb" in squid(f"http://QGDEMO01:a,b@{EXAMPLE}")
    assert squid(lease_of(EXAMPLE, f"http://QGDEMO01@{EXAMPLE}")).endswith(" login=QGDEMO01:")
    assert "login" not in squid(lease_of(EXAMPLE, f"http://{EXAMPLE}"))


@given(servers, users, words)
def test_squid_reads_the_credentials_that_the_lease_has(server: str, user: str, password: str) -> None:
    login = squid(with_login(server, user, password)).split(" ")[-1].removeprefix("login=")
    assert as_squid_reads(login) == f"{user}:{password}"
    assert re.fullmatch(r"[A-Za-z0-9._~%:-]+", login)


def test_a_server_with_and_without_credentials_gets_them() -> None:
    secret = with_login(EXAMPLE, "QGDEMO01", "word")
    assert squid([EXAMPLE, secret]) == squid([secret, EXAMPLE]) == squid([secret, secret]) == squid(secret)


def test_a_server_with_two_different_credentials_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"proxy_squid cannot use two leases of '198\.51\.100\.8:21504' with"):
        squid([with_login(EXAMPLE, "QGDEMO01", "word"), with_login(EXAMPLE, "QGDEMO02", "word")])


@pytest.mark.parametrize("user", ["*", "*QG", "NEGOTIATE", "NEGOTIATED"])
def test_a_key_with_a_special_meaning_for_squid_is_refused(user: str) -> None:
    message = refused(lambda: squid(with_login(EXAMPLE, user, SECRET)))
    assert message.startswith(f"proxy_squid cannot use the proxy_url of '{EXAMPLE}': its key begins with '*'")
    assert SECRET not in message


def test_lines_are_sorted_by_number_and_then_by_name() -> None:
    given_order = ["b.example:1", "198.51.100.10:2", "a.example:1", "198.51.100.9:2", "198.51.100.10:1"]
    sorted_order = ["198.51.100.9:2", "198.51.100.10:1", "198.51.100.10:2", "a.example:1", "b.example:1"]
    assert [line.split()[2] for line in haproxy(given_order).splitlines()] == sorted_order


@given(st.lists(leases, max_size=8).flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_order_does_not_matter_and_each_server_has_one_line(orders: tuple[list[Any], list[Any]]) -> None:
    given_order, other = orders
    logins: dict[str, set[str]] = {}
    for lease in given_order:
        if isinstance(lease, dict) and "proxy_url" in lease:
            logins.setdefault(lease["server"], set()).add(lease["proxy_url"])
    assume(all(len(urls) == 1 for urls in logins.values()))
    expected = set(map(server_of, given_order))
    for name in MANY:
        text = ALL[name](given_order)
        assert text == ALL[name](other)
        lines = text.splitlines()
        assert len(lines) == len(expected)
        assert len({re.findall(r"server (\S+)|name=(\S+)", line)[0] for line in lines}) == len(expected)
    assert {line.split()[2] for line in haproxy(given_order).splitlines()} == expected
    assert squid(given_order).count(" login=") == len(logins)


@given(leases)
def test_a_name_does_not_depend_on_the_other_leases(lease: Any) -> None:
    assert haproxy(lease) in haproxy([EXAMPLE, lease]).splitlines()


@given(unsafe)
def test_no_option_adds_a_line_to_a_file(options: str) -> None:
    for make in (haproxy, squid):
        try:
            text = make([EXAMPLE, "198.51.100.9:1"], options=options)
        except AnsibleFilterError:
            continue
        assert len(text.splitlines()) == 2
        assert "\\" not in {line[-1] for line in text.splitlines()}


@pytest.mark.parametrize(
    ("make", "arguments", "words_of_message"),
    [
        (haproxy, {"prefix": "a b"}, "the prefix 'a b'"),
        (haproxy, {"prefix": ""}, "the prefix ''"),
        (haproxy, {"prefix": "qg\n"}, r"the prefix 'qg\n'"),
        (haproxy, {"prefix": 7}, "a prefix that is a number"),
        (haproxy, {"options": None}, "options that are null"),
        (haproxy, {"options": ["check"]}, "options that are a list"),
        (squid, {"options": "a\nhttp_access allow all"}, r"options='a\nhttp_access allow all'"),
        (squid, {"options": "no-digest \\"}, "options='no-digest"),
        (squid, {"options": f"login=QGDEMO01:{SECRET}\nweight=2"}, r"options='login=...\nweight=...'"),
    ],
)
def test_a_bad_argument_is_refused(make: Callable[..., Any], arguments: dict[str, Any], words_of_message: str) -> None:
    message = refused(lambda: make(EXAMPLE, **arguments))
    assert words_of_message in message
    assert SECRET not in message
    assert "give " in message

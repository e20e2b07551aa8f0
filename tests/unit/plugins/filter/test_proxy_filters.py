# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that turn leases into configuration: what they make, and that nothing gets past them into a file."""

from __future__ import annotations

import importlib
import re
import shlex
import string
from collections.abc import Callable
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import assume, given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from support.parameters import spread

FOLDER = Path(__file__).resolve().parents[4] / "plugins" / "filter"
NAMES = ("proxy_curl", "proxy_environment", "proxy_haproxy", "proxy_squid", "proxy_tunnel")
PACKAGE = "ansible_collections.qingguo.qgnet.plugins.filter"
PAGE = "https://d.qg.net/ip"
EXAMPLE = "198.51.100.8:21504"
SECRET = "Hush4Hush"
VISIBLE = string.ascii_letters + string.digits + string.punctuation


def filter_of(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = importlib.import_module(f"{PACKAGE}.{name}").FilterModule().filters()[name]
    return found


curl = filter_of("proxy_curl")
environment = filter_of("proxy_environment")
haproxy = filter_of("proxy_haproxy")
squid = filter_of("proxy_squid")
tunnel = filter_of("proxy_tunnel")
#: Each filter as a function of the lease alone.
ALL: dict[str, Callable[[Any], Any]] = {
    "proxy_curl": lambda lease: curl(lease, PAGE, "config"),
    "proxy_environment": environment,
    "proxy_haproxy": haproxy,
    "proxy_squid": squid,
    "proxy_tunnel": lambda lease: tunnel(lease, key="QGDEMO01", pwd="Wisp4Wisp"),
}
MANY = ("proxy_haproxy", "proxy_squid")


def lease_of(server: str, proxy_url: str | None = None) -> dict[str, Any]:
    """A lease as the modules return it."""
    lease = {
        "ip": "192.0.2.10",
        "port": 21504,
        "server": server,
        "deadline": "2030-01-02 03:04:05",
        "expires_at": "2030-01-02T03:04:05+08:00",
        "remaining_seconds": 3600,
        "region": None,
        "task_id": "",
        "vendor": {"proxy_ip": "192.0.2.10"},
    }
    return lease if proxy_url is None else {**lease, "proxy_url": proxy_url}


def with_login(server: str, user: str, password: str) -> dict[str, Any]:
    return lease_of(server, f"http://{quote(user, safe='')}:{quote(password, safe='')}@{server}")


def as_squid_reads(text: str) -> str:
    """What Squid makes of a login, by the rules that its documentation gives: %% is %, and %XX a byte."""
    raw = re.sub(
        rb"%(%|[0-9A-Fa-f]{2})", lambda m: b"%" if m[1] == b"%" else bytes([int(m[1], 16)]), text.encode("ascii")
    )
    return raw.decode()


addresses = st.ip_addresses(v=4).filter(lambda address: not address.is_unspecified).map(str)
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,5}){0,2}", fullmatch=True)
servers = st.builds(lambda host, port: f"{host}:{port}", addresses | names, st.integers(1, 65535))
words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
users = words.filter(lambda user: ":" not in user and not user.startswith(("*", "NEGOTIATE")))
leases = servers | st.builds(lease_of, servers) | st.builds(with_login, servers, users, words)
unsafe = st.text(st.sampled_from("a1.:-_@/ \t\r\n\0#\\'\"%${};\u2028é"), max_size=30) | st.text(max_size=30)


@pytest.mark.parametrize("lease", [EXAMPLE, lease_of(EXAMPLE), {**lease_of(EXAMPLE), "proxy_url": None}])
def test_what_the_filters_make(lease: Any) -> None:
    proxy = {
        "http_proxy": "http://198.51.100.8:21504",
        "https_proxy": "http://198.51.100.8:21504",
        "no_proxy": "localhost,127.0.0.1,::1",
    }
    assert environment(lease) == {**proxy, **{name.upper(): value for name, value in proxy.items()}}
    assert curl(lease, PAGE) == (
        f"curl --fail --silent --show-error --globoff --noproxy '' --proxy http://198.51.100.8:21504 {PAGE}"
    )
    assert haproxy(lease) == "server qg-198.51.100.8-21504 198.51.100.8:21504 check"
    assert haproxy([lease], prefix="web.1", options="") == "server web.1-198.51.100.8-21504 198.51.100.8:21504"
    peer = "cache_peer 198.51.100.8 parent 21504 0 no-query round-robin name=qg-198.51.100.8-21504"
    assert squid([lease]) == peer
    assert squid((lease,), options="no-digest weight=2\n") == f"{peer} no-digest weight=2"


def test_what_the_filters_make_with_credentials() -> None:
    url = "http://QGDEMO01:p%40ss%25@Tunnel.QG.example:3434/"
    lease = lease_of("Tunnel.QG.example:3434", url)
    assert {environment(lease)[name] for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")} == {url}
    assert f'\nproxy = "{url}"\n' in curl(lease, PAGE, "config")
    assert haproxy(lease) == "server qg-tunnel.qg.example-3434 tunnel.qg.example:3434 check"
    assert squid(lease, "no-digest") == (
        "cache_peer tunnel.qg.example parent 3434 0 no-query round-robin name=qg-tunnel.qg.example-3434 "
        "login=QGDEMO01:p%40ss%25 no-digest"
    )
    assert " login=QGDEMO01: " in squid(lease_of(EXAMPLE, f"http://QGDEMO01@{EXAMPLE}")) + " "
    assert "login" not in squid(lease_of(EXAMPLE, f"http://{EXAMPLE}"))


@pytest.mark.parametrize(
    ("given_value", "text"),
    [
        ([], ""),
        ("", ""),
        ("a.example, ,192.0.2.0/24,a.example", "a.example,192.0.2.0/24"),
        (["a.example", " b.example,c.example "], "a.example,b.example,c.example"),
        ("*", "*"),
    ],
)
def test_no_proxy(given_value: Any, text: str) -> None:
    variables = environment(EXAMPLE, no_proxy=given_value)
    assert variables["no_proxy"] == variables["NO_PROXY"] == text


def test_no_proxy_can_be_left_to_the_host() -> None:
    assert set(environment(EXAMPLE, None)) == {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("nothing", [[], ()])
def test_no_leases_give_no_lines(name: str, nothing: Any) -> None:
    assert ALL[name](nothing) == ""


URLS = [f"http://QGDEMO01:a,b@{EXAMPLE}", "http://QGDEMO02:c@198.51.100.9:1"]
#: What query() returns, and what lookup() makes of it.
SEVERAL = [
    pytest.param([EXAMPLE, "198.51.100.9:1"], f"{EXAMPLE},198.51.100.9:1", id="server"),
    pytest.param(URLS, ",".join(URLS), id="url"),
    pytest.param([lease_of(EXAMPLE), lease_of("198.51.100.9:1", URLS[1])], None, id="lease"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("queried", "looked_up"), SEVERAL)
def test_a_filter_takes_what_query_and_what_lookup_returns(name: str, queried: list[Any], looked_up: Any) -> None:
    assert ALL[name](queried[:1]) == ALL[name](queried[0])
    several = [queried] if looked_up is None else [queried, looked_up]
    if name in MANY:
        assert len(ALL[name](queried).splitlines()) == 2
        assert all(ALL[name](found) == ALL[name](queried) for found in several)
        assert ALL[name]("") == "", "lookup() before ansible-core 2.19"
    else:
        for found in several:
            message = refused(partial(ALL[name], found))
            assert message.startswith(
                f"{name} cannot use a list of 2 leases: give one lease, for example with limit=1 "
            )
        assert refused(partial(ALL[name], [])).startswith(f"{name} cannot use a list without leases: ")


def test_a_proxy_url_is_used_with_its_credentials() -> None:
    assert environment(URLS[0])["http_proxy"] == URLS[0]
    assert f'\nproxy = "{URLS[0]}"\n' in curl(URLS[0], PAGE, "config")
    assert " login=QGDEMO01:a%2Cb" in squid(URLS[0])
    assert "in a command line, which every user of a host can read" in refused(lambda: curl(URLS[0], PAGE))


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
    expected = {lease if isinstance(lease, str) else lease["server"] for lease in given_order}
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


@given(servers, users, words)
def test_squid_reads_the_credentials_that_the_lease_has(server: str, user: str, password: str) -> None:
    words_of_line = squid(with_login(server, user, password)).split(" ")
    assert as_squid_reads(words_of_line[-1].removeprefix("login=")) == f"{user}:{password}"
    assert re.fullmatch(r"[A-Za-z0-9._~%:-]+", words_of_line[-1].removeprefix("login="))


def test_a_server_with_and_without_credentials_gets_them() -> None:
    secret = with_login(EXAMPLE, "QGDEMO01", "word")
    assert squid([EXAMPLE, secret]) == squid([secret, EXAMPLE]) == squid([secret, secret]) == squid(secret)


def test_a_server_with_two_different_credentials_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"proxy_squid cannot use two leases of '198\.51\.100\.8:21504' with"):
        squid([with_login(EXAMPLE, "QGDEMO01", "word"), with_login(EXAMPLE, "QGDEMO02", "word")])


@given(leases, st.sampled_from(["http", "https"]), names, st.text(VISIBLE, max_size=40))
def test_a_shell_reads_what_was_meant(lease: Any, scheme: str, host: str, rest: str) -> None:
    url = f"{scheme}://{host}/{rest}"
    lease = lease if isinstance(lease, str) else {**lease, "proxy_url": None}
    arguments = shlex.split(curl(lease, url))
    assert arguments[0] == "curl"
    assert arguments[-1] == url
    assert arguments[-3] == "--proxy"
    parts = urlsplit(arguments[-2])
    assert f"{parts.hostname}:{parts.port}" == (lease if isinstance(lease, str) else lease["server"])
    assert arguments[-5:-3] == ["--noproxy", ""]


@pytest.mark.parametrize("url", [PAGE, f"http://me:{SECRET}@d.qg.net/ip"])
def test_a_command_line_of_curl_holds_no_credentials(url: str) -> None:
    lease = with_login(EXAMPLE, "QGDEMO01", SECRET) if url == PAGE else EXAMPLE
    message = refused(lambda: curl(lease, url))
    assert message.endswith("give form='config', and pass the result to curl --config - as standard input.")
    assert SECRET not in message
    assert SECRET in curl(lease, url, "config")


@given(leases, st.sampled_from(["http", "https"]), names, st.text(VISIBLE, max_size=40))
def test_curl_reads_in_a_configuration_what_was_meant(lease: Any, scheme: str, host: str, rest: str) -> None:
    url = f"{scheme}://{host}/{rest}"
    lines = curl(lease, url, "config").splitlines()
    assert lines[:5] == ["fail", "silent", "show-error", "globoff", 'noproxy = ""']
    proxy, page = (re.fullmatch(r'(?:proxy|url) = "((?:[^"\\]|\\["\\])*)"', line) for line in lines[5:])
    assert proxy
    assert page
    assert re.sub(r"\\(.)", r"\1", page[1]) == url
    assert f"@{proxy[1].removeprefix('http://')}".rstrip("/").endswith(
        f"@{lease if isinstance(lease, str) else lease['server']}"
    )


@given(unsafe)
def test_no_url_adds_a_word_or_a_line_to_the_command(url: str) -> None:
    try:
        line = curl(EXAMPLE, url)
    except AnsibleFilterError:
        return
    assert shlex.split(line)[-1] == url
    assert len(line.splitlines()) == 1


@given(unsafe | st.builds(lambda server, tail: f"{server}{tail}", servers, unsafe))
def test_no_server_adds_a_word_or_a_line_to_a_file(server: str) -> None:
    for lease in (server, {"server": server}):
        try:
            lines = {name: make(lease) for name, make in ALL.items()}
        except AnsibleFilterError:
            continue
        assert re.fullmatch(r"[a-zA-Z0-9_.-]+:[0-9]{1,5}", server)
        assert len(lines["proxy_haproxy"].split(" ")) == 4
        assert len(lines["proxy_squid"].split(" ")) == 8
        assert lines["proxy_environment"]["http_proxy"] == f"http://{server.lower()}"


@given(unsafe)
def test_no_proxy_url_adds_a_word_or_a_line_to_a_file(userinfo: str) -> None:
    lease = lease_of(EXAMPLE, f"http://{userinfo}@{EXAMPLE}")
    for name, make in ALL.items():
        try:
            made = make(lease)
        except AnsibleFilterError:
            continue
        text = made["http_proxy"] if isinstance(made, dict) else made
        assert len(text.splitlines()) == {"proxy_curl": 7}.get(name, 1)
        assert len(text.split(" ")) == {"proxy_squid": 9, "proxy_curl": 7, "proxy_haproxy": 4}.get(name, 1)


@given(unsafe)
def test_no_option_adds_a_line_to_a_file(options: str) -> None:
    for make in (haproxy, squid):
        try:
            text = make([EXAMPLE, "198.51.100.9:1"], options=options)
        except AnsibleFilterError:
            continue
        assert len(text.splitlines()) == 2
        assert "\\" not in {line[-1] for line in text.splitlines()}


@given(unsafe | st.lists(unsafe, max_size=4))
def test_no_proxy_stays_one_line(no_proxy: Any) -> None:
    try:
        text = environment(EXAMPLE, no_proxy)["no_proxy"]
    except AnsibleFilterError:
        return
    assert not re.search(r"\s|\0|,,|^,|,$", text)


SERVERS = [
    (" ", "give a lease"),
    ("198.51.100.8:21504,", "give a lease"),
    ("198.51.100.8", "give a lease"),
    ("198.51.100.8:", "give a lease"),
    (":21504", "give a lease"),
    ("198.51.100.8:http", "give a lease"),
    ("198.51.100.8:0", "the port must be"),
    ("198.51.100.8:65536", "the port must be"),
    ("198.51.100.8:021504", "the port must be"),
    ("198.51.100.8:-1", "give a lease"),
    ("198.51.100.8: 21504", "give a lease"),
    ("198.51.100.8:21504 backup", "give a lease"),
    ("198.51.100.8:21504\nserver evil 203.0.113.9:1", "give a lease"),
    ("198.51.100.8:21504\n", "give a lease"),
    ("https://198.51.100.8:21504", "give a lease"),
    ("198.51.100:21504", "the host must be"),
    ("198.51.100.256:21504", "the host must be"),
    ("198.51.100.08:21504", "the host must be"),
    ("0.0.0.0:21504", "the host must be"),
    ("0x7f000001:21504", "the host must be"),
    ("proxy.2:21504", "the host must be"),
    (".".join(["a" * 60] * 5) + ":21504", "the host must be"),
    ("-proxy.example:21504", "give a lease"),
    ("proxy..example:21504", "give a lease"),
    ("代理.example:21504", "give a lease"),
    ("[2001:db8::1]:21504", "give a lease"),
    ("198.51.100.8:\u0662\u0661", "give a lease"),
]


def refused(make: Callable[[], Any]) -> str:
    """The sentence of a refusal."""
    with pytest.raises(AnsibleFilterError) as caught:
        make()
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message.split()) >= 8
    return message


@pytest.mark.parametrize(("server", "remedy", "name"), spread(starmap(pytest.param, SERVERS), NAMES))
def test_a_bad_server_is_refused(name: str, server: str, remedy: str) -> None:
    for lease in (server, lease_of(server)):
        message = refused(partial(ALL[name], lease))
        assert message.startswith(f"{name} cannot use '")
        assert remedy in message


NO_LEASES = [
    pytest.param(None, "null"),
    pytest.param(True, "a boolean"),
    pytest.param(21504, "a number"),
    pytest.param(2.5, "a number"),
    pytest.param(b"198.51.100.8:21504", "a value of type bytes"),
    pytest.param({}, "a dictionary without server"),
    pytest.param({"leases": []}, "a dictionary without server"),
    pytest.param({"server": None}, "a dictionary without server"),
    pytest.param({"server": 21504}, "a lease whose server is a number"),
    pytest.param({"server": EXAMPLE, "proxy_url": 1}, "a lease whose proxy_url is a number"),
]


@pytest.mark.parametrize(("value", "kind", "name"), spread(NO_LEASES, NAMES))
def test_what_is_no_lease_is_refused(name: str, value: Any, kind: str) -> None:
    assert refused(lambda: ALL[name](value)).startswith(f"{name} cannot use {kind}: give ")
    if name in MANY:
        message = refused(lambda: ALL[name]([EXAMPLE, value]))
        assert message.startswith(f"{name} cannot use {kind} (item 2): give ")
        assert refused(lambda: ALL[name]([[EXAMPLE]])).startswith(f"{name} cannot use a list (item 1): ")
    else:
        assert refused(lambda: ALL[name]([value])).startswith(f"{name} cannot use {kind}: give ")


PROXY_URLS = [
    *("", f"http://QGDEMO01:{SECRET}@", f"http://QGDEMO01:{SECRET}@{EXAMPLE}/path"),
    *(f"http://QGDEMO01:{SECRET}@{EXAMPLE}?query", f"http://QGDEMO01:{SECRET}@203.0.113.1:21504"),
    *(f"http://QGDEMO01:{SECRET} @{EXAMPLE}", f"http://QGDEMO01:{SECRET}\n@{EXAMPLE}"),
    *(f"http://QGDEMO01:{SECRET}%0A@{EXAMPLE}", f"http://QGDEMO01%00:{SECRET}@{EXAMPLE}"),
    *(f"http://QGDEMO01:{SECRET}%@{EXAMPLE}", f"http://QGDEMO01:{SECRET}@@{EXAMPLE}", f"http://:{SECRET}@{EXAMPLE}"),
    *(f"socks5://QGDEMO01:{SECRET}@{EXAMPLE}", f"QGDEMO01:{SECRET}@{EXAMPLE}"),
]


@pytest.mark.parametrize(("proxy_url", "name"), spread(PROXY_URLS, NAMES))
def test_a_bad_proxy_url_is_refused_and_not_shown(name: str, proxy_url: str) -> None:
    message = refused(lambda: ALL[name](lease_of(EXAMPLE, proxy_url)))
    assert message.startswith(f"{name} cannot use ")
    assert repr(EXAMPLE) in message
    assert SECRET not in message
    assert "QGDEMO01" not in message


@pytest.mark.parametrize("user", ["*", "*QG", "NEGOTIATE", "NEGOTIATED"])
def test_what_squid_takes_for_a_word_of_its_own_is_refused(user: str) -> None:
    message = refused(lambda: squid(with_login(EXAMPLE, user, SECRET)))
    assert message.startswith(f"proxy_squid cannot use the proxy_url of '{EXAMPLE}': its key begins with '*'")
    assert SECRET not in message


SHOWN = [
    pytest.param(f"QGDEMO01:{SECRET}", "'...'"),
    pytest.param(f"QGDEMO01:{SECRET}.x", "'...'"),
    pytest.param("QGDEMO01", "'...'"),
    pytest.param(f"QGDEMO01:{SECRET}@{EXAMPLE}", f"'...@{EXAMPLE}'"),
    pytest.param(f"https://QGDEMO01:{SECRET}@{EXAMPLE}/", f"'...@{EXAMPLE}/'"),
    pytest.param(f"QGDEMO01:a,{SECRET}.b:80", "'...'"),
    pytest.param(f"http://QGDEMO01:a@{SECRET}@{EXAMPLE}", f"'...@{EXAMPLE}'"),
    pytest.param(f"http://QGDEMO01:a@{SECRET}.b/c", "'...'"),
    pytest.param("https://198.51.100.8:21504", "'https://198.51.100.8:21504'"),
    pytest.param("localhost", "'localhost'"),
    pytest.param("198.51.100.8:21504\nserver evil", "'198.51.100.8...'"),
    pytest.param("198.51.100.8:21x", "'198.51.100.8...'"),
]


@pytest.mark.parametrize(("text", "visible", "name"), spread(SHOWN, NAMES))
def test_a_refusal_shows_no_more_than_an_address(name: str, text: str, visible: str) -> None:
    assert refused(lambda: ALL[name](text)).startswith(f"{name} cannot use {visible}: ")


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        ("", "''"),
        ("d.qg.net/ip", "'d.qg.net/...'"),
        ("ftp://d.qg.net/ip", "'ftp://d.qg.net/...'"),
        ("--output=/etc/passwd", "'...'"),
        ("https://", "'...'"),
        ("https://d.qg.net:0/", "'https://d.qg.net:0/'"),
        ("https://d.qg.net:99999/", "'https://d.qg.net:99999/'"),
        (f"https://d.qg.net/ip?Key={SECRET} x", "'https://d.qg.net/...'"),
        (f"https://me:{SECRET}@d.qg.net /ip", "'...'"),
        (f"https://me:{SECRET} @d.qg.net", "'...'"),
        ("https://d.qg.net/\n", "'https://d.qg.net/'"),
        ("https://[::1/", "'...'"),
    ],
)
def test_a_bad_url_is_refused(url: str, visible: str) -> None:
    message = refused(lambda: curl(EXAMPLE, url))
    assert message.startswith(f"proxy_curl cannot use url={visible}: give scheme and host")


@pytest.mark.parametrize(
    ("make", "words_of_message"),
    [
        (lambda: curl(EXAMPLE, None), "a url that is null"),
        (lambda: curl(EXAMPLE, PAGE, "lines"), "a form that is '...'"),
        (lambda: curl(EXAMPLE, PAGE, None), "a form that is '...'"),
        (lambda: environment(EXAMPLE, 5), "no_proxy that is a number"),
        (lambda: environment(EXAMPLE, {"a": 1}), "no_proxy that is a dictionary"),
        (lambda: environment(EXAMPLE, [None]), "null in no_proxy"),
        (lambda: environment(EXAMPLE, "a.example b.example"), "'...' in no_proxy"),
        (lambda: environment(EXAMPLE, [f"http://me:{SECRET}@a.example b"]), "'...' in no_proxy"),
        (lambda: haproxy(EXAMPLE, prefix="a b"), "the prefix 'a b'"),
        (lambda: haproxy(EXAMPLE, prefix=""), "the prefix ''"),
        (lambda: haproxy(EXAMPLE, prefix="qg\n"), r"the prefix 'qg\n'"),
        (lambda: haproxy(EXAMPLE, prefix=7), "a prefix that is a number"),
        (lambda: haproxy(EXAMPLE, options=None), "options that are null"),
        (lambda: haproxy(EXAMPLE, options=["check"]), "options that are a list"),
        (lambda: squid(EXAMPLE, "a\nhttp_access allow all"), r"options='a\nhttp_access allow all'"),
        (lambda: squid(EXAMPLE, "no-digest \\"), "options='no-digest"),
        (lambda: squid(EXAMPLE, f"login=QGDEMO01:{SECRET}\nweight=2"), r"options='login=...\nweight=...'"),
    ],
)
def test_a_bad_argument_is_refused(make: Callable[[], Any], words_of_message: str) -> None:
    message = refused(make)
    assert words_of_message in message
    assert SECRET not in message
    assert "give " in message


class Vaulted:
    """A vaulted text, as the oldest ansible-core hands it to filters."""

    __ENCRYPTED__ = True

    def __init__(self, plain: str) -> None:
        self.plain = plain

    def __str__(self) -> str:
        return self.plain


def test_vaulted_texts_are_decrypted() -> None:
    lease = with_login(EXAMPLE, "QGDEMO01", "word")
    vaulted = {"server": Vaulted(lease["server"]), "proxy_url": Vaulted(lease["proxy_url"])}
    for make in ALL.values():
        assert make(vaulted) == make(lease)
        assert make(Vaulted(EXAMPLE)) == make(EXAMPLE)


@pytest.mark.parametrize("name", NAMES)
def test_an_undefined_lease_is_reported(name: str) -> None:
    missing = StrictUndefined(name="missing")
    values: list[Any] = [missing, {"server": missing}, {"server": EXAMPLE, "proxy_url": missing}]
    for value in [*values, *([[EXAMPLE, value] for value in values] if name in MANY else [])]:
        with pytest.raises(UndefinedError, match="'missing' is undefined"):
            ALL[name](value)


@pytest.mark.parametrize(
    "make",
    [
        lambda missing: curl(EXAMPLE, missing),
        lambda missing: environment(EXAMPLE, missing),
        lambda missing: environment(EXAMPLE, [missing]),
        lambda missing: haproxy(EXAMPLE, missing),
        lambda missing: haproxy(EXAMPLE, options=missing),
        lambda missing: squid(EXAMPLE, missing),
    ],
)
def test_an_undefined_argument_is_reported(make: Callable[[Any], Any]) -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        make(StrictUndefined(name="missing"))


def test_every_file_is_one_filter_of_its_name() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == list(NAMES)
    for name in NAMES:
        assert list(importlib.import_module(f"{PACKAGE}.{name}").FilterModule().filters()) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_lists_the_arguments_and_their_defaults(name: str) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["name"] == name
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)["_value"]["type"] in ("str", "dict", "raw")
    function = getattr(module, name)
    code = function.__code__
    positional = code.co_varnames[1 : code.co_argcount]
    by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    options = documentation["options"]
    assert documentation["positional"] == ", ".join(positional)
    assert list(options) == ["_input", *positional, *by_name]
    optional = [option for option in positional if not options[option].get("required")]
    assert [options[option].get("default") for option in optional] == list(function.__defaults__ or ())
    assert {option: options[option].get("default") for option in by_name} == (function.__kwdefaults__ or {})

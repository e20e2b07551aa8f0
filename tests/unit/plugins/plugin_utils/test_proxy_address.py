# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every filter accepts as a lease, what it refuses, and that nothing gets past it into a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from support.documents import plugin, plugin_names
from support.parameters import spread
from support.proxy_leases import (
    ALL,
    EXAMPLE,
    MANY,
    NAMES,
    SECRET,
    environment,
    haproxy,
    lease_of,
    refused,
    servers,
    unsafe,
    with_login,
)

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
    make = ALL[name]
    assert make(queried[:1]) == make(queried[0])
    several = [queried] if looked_up is None else [queried, looked_up]
    if name in MANY:
        assert len(make(queried).splitlines()) == 2
        assert all(make(found) == make(queried) for found in several)
        assert make([]) == make(()) == ""
        assert make("") == "", "lookup() before ansible-core 2.19"
        return
    for found in several:
        message = refused(partial(make, found))
        assert message.startswith(f"{name} cannot use a list of 2 leases: give one lease, for example with limit=1 ")
    assert refused(partial(make, [])).startswith(f"{name} cannot use a list without leases: ")


@given(unsafe | st.builds(lambda server, tail: f"{server}{tail}", servers, unsafe))
def test_no_server_adds_a_word_or_a_line_to_a_file(server: str) -> None:
    for lease in (server, {"server": server}):
        try:
            lines = {name: make(lease) for name, make in ALL.items()}
        except AnsibleFilterError:
            continue
        assert re.fullmatch(r"[a-zA-Z0-9_.-]+:[0-9]{1,5}", server)
        assert len(lines["proxy_haproxy"].split(" ")) == 4
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
        assert len(text.splitlines()) == 1
        assert len(text.split(" ")) == {"proxy_haproxy": 4}.get(name, 1)


LONG_NAME = ".".join(["a" * 60] * 5)
SERVERS = {
    "give a lease": [
        *(" ", "198.51.100.8:21504,", "198.51.100.8", "198.51.100.8:", ":21504", "198.51.100.8:http"),
        *("198.51.100.8:-1", "198.51.100.8: 21504", "198.51.100.8:21504 backup", "198.51.100.8:21504\n"),
        *("198.51.100.8:21504\nserver evil 203.0.113.9:1", "https://198.51.100.8:21504", "-proxy.example:21504"),
        *("proxy..example:21504", "代理.example:21504", "[2001:db8::1]:21504", "198.51.100.8:\u0662\u0661"),
    ],
    "the port must be": ["198.51.100.8:0", "198.51.100.8:65536", "198.51.100.8:021504"],
    "the host must be": [
        *("198.51.100:21504", "198.51.100.256:21504", "198.51.100.08:21504", "0.0.0.0:21504", "0x7f000001:21504"),
        *("proxy.2:21504", f"{LONG_NAME}:21504"),
    ],
}
BAD_SERVERS = [pytest.param(server, remedy) for remedy, found in SERVERS.items() for server in found]


@pytest.mark.parametrize(("server", "remedy", "name"), spread(BAD_SERVERS, NAMES))
def test_a_bad_server_is_refused(name: str, server: str, remedy: str) -> None:
    for lease in (server, lease_of(server)):
        message = refused(partial(ALL[name], lease))
        assert message.startswith(f"{name} cannot use ")
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
def test_a_value_that_is_no_lease_is_refused(name: str, value: Any, kind: str) -> None:
    assert refused(lambda: ALL[name](value)).startswith(f"{name} cannot use {kind}: give ")
    if name in MANY:
        message = refused(lambda: ALL[name]([EXAMPLE, value]))
        assert message.startswith(f"{name} cannot use {kind} (item 2): give ")
        assert refused(lambda: ALL[name]([[EXAMPLE]])).startswith(f"{name} cannot use a list (item 1): ")
    else:
        assert refused(lambda: ALL[name]([value])).startswith(f"{name} cannot use {kind}: give ")


#: Before and after the credentials and the host.
PROXY_URLS = [
    "",
    *(f"http://QGDEMO01:{SECRET}{end}" for end in ("@", f"@{EXAMPLE}/path", f"@{EXAMPLE}?query", "@203.0.113.1:21504")),
    *(f"http://QGDEMO01:{SECRET}{end}@{EXAMPLE}" for end in (" ", "\n", "%0A", "%", "@")),
    *(f"{start}:{SECRET}@{EXAMPLE}" for start in ("http://QGDEMO01%00", "http://", "socks5://QGDEMO01", "QGDEMO01")),
]


@pytest.mark.parametrize(("proxy_url", "name"), spread(PROXY_URLS, NAMES))
def test_a_bad_proxy_url_is_refused_and_not_shown(name: str, proxy_url: str) -> None:
    message = refused(lambda: ALL[name](lease_of(EXAMPLE, proxy_url)))
    assert message.startswith(f"{name} cannot use ")
    assert repr(EXAMPLE) in message
    assert SECRET not in message
    assert "QGDEMO01" not in message


NO_ADDRESS = [
    "QGDEMO01",
    f"QGDEMO01:{SECRET}@{EXAMPLE}",
    f"http://QGDEMO01:a@{SECRET}.b/c",
    "https://198.51.100.8:21504",
    "198.51.100.8:21504\nserver evil",
]


@pytest.mark.parametrize(("text", "name"), spread(NO_ADDRESS, NAMES))
def test_text_that_is_no_address_is_not_quoted(name: str, text: str) -> None:
    assert refused(lambda: ALL[name](text)).startswith(f"{name} cannot use text that is no address: ")


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
        lambda missing: environment(EXAMPLE, missing),
        lambda missing: environment(EXAMPLE, [missing]),
        lambda missing: haproxy(EXAMPLE, missing),
        lambda missing: haproxy(EXAMPLE, options=missing),
    ],
)
def test_an_undefined_argument_is_reported(make: Callable[[Any], Any]) -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        make(StrictUndefined(name="missing"))


def test_every_file_is_one_filter_of_its_name() -> None:
    assert plugin_names("filter") == list(NAMES)
    for name in NAMES:
        assert list(plugin("filter", name).FilterModule().filters()) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_lists_the_arguments_and_their_defaults(name: str) -> None:
    module = plugin("filter", name)
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

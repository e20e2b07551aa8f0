# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters: what they take, and that nothing in a lease adds a word or a line to a file."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_environment import proxy_environment
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_haproxy import proxy_haproxy
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_tunnel import proxy_tunnel
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from support import phrases

SERVER = "198.51.100.8:21504"
OTHER = "proxy.qg.example:1"
LOGIN = "QGDEMO01:Hush4%40,Hush4"
URL = f"http://{LOGIN}@{SERVER}"
LINE = f"server qg-198.51.100.8-21504 {SERVER} check"
TUNNEL = {"key": "QGDEMO01", "password": "Hush4"}


def refused(function: Any, *given: Any, **options: Any) -> str:
    """The sentence of a refusal, which shows no password."""
    with pytest.raises(AnsibleFilterError) as caught:
        function(*given, **options)
    message = str(caught.value)
    assert re.fullmatch(r"proxy_[a-z]+ cannot use [^\n]+: [^\n]+\.", message), message
    assert "Hush4" not in message
    return message


class Vaulted:
    """A vaulted text, as the oldest ansible-core hands it to filters."""

    __ENCRYPTED__ = True

    def __init__(self, plain: str) -> None:
        self.plain = plain

    def __str__(self) -> str:
        return self.plain


@pytest.mark.parametrize(
    "lease",
    [
        *(
            SERVER,
            [SERVER],
            (SERVER,),
            {"server": SERVER},
            {"server": SERVER, "proxy_url": None},
            URL,
            f"{URL}/",
        ),
        *(
            {"server": SERVER, "proxy_url": URL},
            Vaulted(URL),
            {"server": Vaulted(SERVER), "proxy_url": Vaulted(URL)},
        ),
    ],
)
def test_each_form_of_a_lease(lease: Any) -> None:
    assert proxy_haproxy(lease) == LINE
    login = f"{LOGIN}@" if "Vaulted" in repr(lease) or "http" in str(lease) else ""
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    for scheme in ("http", "socks5", "socks5h"):
        assert proxy_environment(lease, None, scheme=scheme) == dict.fromkeys(
            names, f"{scheme}://{login}{SERVER}"
        )


def test_several_leases_are_lines_in_one_order() -> None:
    lines = f"{LINE}\nserver qg-proxy.qg.example-1 {OTHER} check"
    leases = [OTHER, URL, {"server": SERVER}]
    for several in (leases, leases[::-1], f"{OTHER},{SERVER}", f"{URL},http://{OTHER}"):
        assert proxy_haproxy(several) == lines
        assert "a list of" in refused(proxy_environment, several)
    assert (
        proxy_haproxy(SERVER, prefix="a.b", options="") == f"server a.b-198.51.100.8-21504 {SERVER}"
    )
    # Before ansible-core 2.19, lookup() returns empty text for an empty list.
    assert proxy_haproxy([]) == proxy_haproxy("") == ""


@pytest.mark.parametrize(
    ("no_proxy", "text"),
    [
        ([], ""),
        ("a.example, ,192.0.2.0/24", "a.example,192.0.2.0/24"),
        (["a", " b,c "], "a,b,c"),
        ("*", "*"),
    ],
)
def test_no_proxy(no_proxy: Any, text: str) -> None:
    variables = proxy_environment(SERVER, no_proxy)
    assert variables["no_proxy"] == variables["NO_PROXY"] == text


_unsafe = st.text(st.sampled_from("a1.:-_@/ \t\r\n\0#\\'\"%${};\u2028\xe9"), max_size=30) | st.text(
    max_size=30
)


@given(_unsafe, _unsafe, _unsafe)
def test_nothing_in_a_lease_adds_a_word_or_a_line(server: str, login: str, no_proxy: str) -> None:
    for lease in (
        server,
        {"server": server},
        f"http://{login}@{SERVER}",
        {"server": SERVER, "proxy_url": login},
    ):
        try:
            line = proxy_haproxy([lease])
            url = proxy_environment([lease], [no_proxy])["http_proxy"]
        except AnsibleFilterError:
            continue
        assert re.fullmatch(r"server qg-[a-z0-9_.-]+ [a-z0-9_.-]+:[0-9]{1,5} check", line)
        assert re.fullmatch(r"http://([A-Za-z0-9._~!$&'()*+,;=:%-]+@)?[a-z0-9_.-]+:[0-9]{1,5}", url)


@pytest.mark.parametrize(
    "lease",
    [None, True, 21504, b"198.51.100.8:21504", {}, {"server": None}, {"server": 21504}, [[SERVER]]]
    + [
        "",
        " ",
        "198.51.100.8",
        "198.51.100.8:",
        ":21504",
        "198.51.100.8:http",
        "198.51.100.8:0",
        "198.51.100.8:70000",
    ]
    + [
        "198.51.100.8:21504\nserver evil 203.0.113.9:1",
        "198.51.100:1",
        "0.0.0.0:1",
        "0x7f000001:1",
        "a..b:1",
    ]
    + [
        "https://198.51.100.8:21504",
        "[2001:db8::1]:21504",
        "QGDEMO01:Hush4",
        f"QGDEMO01:Hush4@{SERVER}",
    ]
    + [
        {"server": SERVER, "proxy_url": f"http://QGDEMO01:Hush4@{end}"}
        for end in ("", OTHER, f"{SERVER}/path")
    ]
    + [
        {"server": SERVER, "proxy_url": f"http://a:Hush4{end}@{SERVER}"}
        for end in (" ", "\n", "%0A", "%7f", "%", "@")
    ],
)
def test_what_is_no_lease_is_refused_and_not_shown(lease: Any) -> None:
    for function in (proxy_haproxy, proxy_environment):
        refused(function, [lease])


@pytest.mark.parametrize(
    ("function", "options"),
    [(proxy_haproxy, {"prefix": each}) for each in ("", "a b", "x" * 65)]
    + [(proxy_haproxy, {"options": each}) for each in ("a\nb", "login Hush4\nserver", "check \\")]
    + [
        (proxy_environment, {"scheme": "https"}),
        (proxy_environment, {"scheme": ""}),
    ]
    + [(proxy_environment, {"no_proxy": each}) for each in ("a b", ["http://me:Hush4@a\nb"], 5)]
    + [(proxy_environment, {"no_proxy": each}) for each in ("a;b", "*.example.com", "http://a")]
    + [(proxy_haproxy, {"options": each}) for each in (["check"], None)]
    + [
        (proxy_tunnel, {**TUNNEL, "label": each})
        for each in ("", "a b", "a-S-b", "x" * 65, ["a", "b:T60"])
    ]
    + [
        (proxy_tunnel, {**TUNNEL, "form": "headers", "label": "a\r\nb"}),
        (proxy_tunnel, {**TUNNEL, "form": "text"}),
    ]
    + [(proxy_tunnel, {**TUNNEL, "ttl": each}) for each in (0, 86401, "soon", True)]
    + [(proxy_tunnel, {**TUNNEL, "area": each}) for each in ("Japan", "1", True)]
    + [
        (proxy_tunnel, {"form": "headers", "area": "JP"}),
        (proxy_tunnel, {"key": "QGDEMO01"}),
        (proxy_tunnel, {}),
    ]
    + [(proxy_tunnel, {**TUNNEL, "key": each}) for each in (7, "", "Hush4\n")],
)
def test_an_option_that_cannot_be_used_is_refused(function: Any, options: dict[str, Any]) -> None:
    refused(function, SERVER, **options)


@pytest.mark.parametrize(
    ("function", "value", "options", "words"),
    [
        (proxy_environment, SERVER, {"no_proxy": "a.example，b.example"}, "'，' (U+FF0C)"),
        (proxy_environment, "198.51.100.8\uff1a21504", {}, "(U+FF1A): write ':'"),
        (proxy_haproxy, f"{SERVER}，{OTHER}", {}, "'，' (U+FF0C): write ','"),
        (proxy_tunnel, SERVER, {**TUNNEL, "key": "\u201cHush4\u201d"}, "(U+201C): write '\"'"),
        (proxy_tunnel, SERVER, {**TUNNEL, "label": "\uff41"}, "(U+FF41): write 'a'"),
    ],
)
def test_a_full_width_character_is_named(
    function: Any, value: str, options: dict[str, Any], words: str
) -> None:
    assert words in refused(function, value, **options)


def test_what_is_undefined_is_reported_as_elsewhere() -> None:
    missing = StrictUndefined(name="missing")
    for lease in (
        missing,
        {"server": missing},
        {"server": SERVER, "proxy_url": missing},
        [SERVER, missing],
    ):
        with pytest.raises(UndefinedError, match=phrases.MISSING_IS_UNDEFINED):
            proxy_haproxy(lease)
    for options in ({"no_proxy": missing}, {"no_proxy": [missing]}, {"scheme": missing}):
        with pytest.raises(UndefinedError, match=phrases.MISSING_IS_UNDEFINED):
            proxy_environment(SERVER, **options)


def test_the_user_name_or_a_header_chooses_the_exit_of_a_tunnel() -> None:
    tunnel = "tunnel.qg.example:19702"
    login = "http://QGDEMO01-A-110100-T-600-S-crawler7:Hush4"
    assert proxy_tunnel(tunnel, "crawler7", area=110100, ttl=600, **TUNNEL) == f"{login}@{tunnel}"
    assert proxy_tunnel(tunnel, area="jp", **TUNNEL) == f"http://QGDEMO01-A-JP:Hush4@{tunnel}"
    labeled = [f"http://QGDEMO01-S-{label}:Hush4@{tunnel}" for label in "a7"]
    assert proxy_tunnel(tunnel, ["a", 7], **TUNNEL) == labeled
    assert proxy_environment(labeled[0])["https_proxy"] == labeled[0]
    assert proxy_tunnel(tunnel, [], **TUNNEL) == []
    assert proxy_tunnel(tunnel, "web-1", ttl=60, form="headers") == {
        "Proxy-TunnelID": "web-1",
        "Proxy-TTL": "60",
    }
    assert proxy_tunnel(tunnel, ["web-1"], form="headers") == [{"Proxy-TunnelID": "web-1"}]
    assert proxy_tunnel(tunnel, form="headers") == {}


_words = st.text(st.characters(exclude_categories=["C"]), min_size=1)


@given(_words, _words)
def test_any_key_and_password_arrive_unchanged(key: str, password: str) -> None:
    parts = urlsplit(proxy_tunnel("tunnel.qg.example:19702", "x", key=key, password=password))
    assert unquote(parts.username or "") == f"{key}-S-x"
    assert unquote(parts.password or "") == password
    assert parts.hostname == "tunnel.qg.example"
    assert parts.port == 19702

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""proxy_environment: the variables of a proxy, and those of its exceptions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st
from support.proxy_leases import EXAMPLE, OTHER_SCHEMES, SECRET, environment, lease_of, refused, unsafe

PROXIES = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}


@pytest.mark.parametrize("lease", [EXAMPLE, lease_of(EXAMPLE), {**lease_of(EXAMPLE), "proxy_url": None}])
def test_the_variables(lease: Any) -> None:
    exceptions = dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1,::1")
    assert environment(lease) == dict.fromkeys(PROXIES, "http://198.51.100.8:21504") | exceptions


@pytest.mark.parametrize("url", [f"http://QGDEMO01:a,b@{EXAMPLE}", "http://QGDEMO01:p%40ss%25@Tunnel.QG.example:3434/"])
def test_the_variables_have_the_credentials_of_the_proxy_url(url: str) -> None:
    assert environment(url, None) == dict.fromkeys(PROXIES, url)
    server = url.rstrip("/").rpartition("@")[2]
    assert environment(lease_of(server, url), None) == dict.fromkeys(PROXIES, url)


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_the_variables_have_the_scheme(scheme: str) -> None:
    assert environment(EXAMPLE, None, scheme=scheme) == dict.fromkeys(PROXIES, f"{scheme}://{EXAMPLE}")
    url = f"QGDEMO01:p%40ss@{EXAMPLE}"
    assert environment(f"http://{url}", None, scheme=scheme) == dict.fromkeys(PROXIES, f"{scheme}://{url}")


@pytest.mark.parametrize("scheme", OTHER_SCHEMES)
def test_another_scheme_is_refused(scheme: Any) -> None:
    assert ": give http, socks5 or socks5h" in refused(lambda: environment(EXAMPLE, scheme=scheme))


@pytest.mark.parametrize(
    ("exceptions", "text"),
    [
        ([], ""),
        ("", ""),
        ("a.example, ,192.0.2.0/24,a.example", "a.example,192.0.2.0/24"),
        (["a.example", " b.example,c.example "], "a.example,b.example,c.example"),
        ("*", "*"),
    ],
)
def test_no_proxy(exceptions: Any, text: str) -> None:
    variables = environment(EXAMPLE, no_proxy=exceptions)
    assert variables["no_proxy"] == variables["NO_PROXY"] == text


@given(unsafe | st.lists(unsafe, max_size=4))
def test_no_proxy_stays_one_line(no_proxy: Any) -> None:
    try:
        text = environment(EXAMPLE, no_proxy)["no_proxy"]
    except AnsibleFilterError:
        return
    assert not re.search(r"\s|\0|,,|^,|,$", text)


@pytest.mark.parametrize(
    ("no_proxy", "words"),
    [
        (5, "no_proxy that is a number"),
        ({"a": 1}, "no_proxy that is a dictionary"),
        ([None], "null in no_proxy"),
        ("a.example b.example", "'a.example b.example' in no_proxy"),
        ([f"http://me:{SECRET}@a.example b"], "'...' in no_proxy"),
    ],
)
def test_a_bad_argument_is_refused(no_proxy: Any, words: str) -> None:
    message = refused(lambda: environment(EXAMPLE, no_proxy))
    assert words in message
    assert SECRET not in message
    assert "give " in message

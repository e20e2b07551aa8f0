# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""proxy_curl: a command line without credentials, or a configuration with them."""

from __future__ import annotations

import re
import shlex
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from support.proxy_leases import (
    EXAMPLE,
    OTHER_SCHEMES,
    PAGE,
    SECRET,
    curl,
    lease_of,
    leases,
    refused,
    server_of,
    unsafe,
    urls,
    with_login,
)


@pytest.mark.parametrize("lease", [EXAMPLE, lease_of(EXAMPLE), {**lease_of(EXAMPLE), "proxy_url": None}])
def test_a_command_line(lease: Any) -> None:
    assert curl(lease, PAGE) == (
        f"curl --fail --silent --show-error --globoff --noproxy '' --proxy http://198.51.100.8:21504 {PAGE}"
    )


@pytest.mark.parametrize("url", [f"http://QGDEMO01:a,b@{EXAMPLE}", "http://QGDEMO01:p%40ss%25@Tunnel.QG.example:3434/"])
def test_a_configuration_has_the_credentials_of_the_proxy_url(url: str) -> None:
    assert f'\nproxy = "{url}"\n' in curl(url, PAGE, "config")
    assert f'\nproxy = "{url}"\n' in curl(lease_of(urlsplit(url).netloc.rpartition("@")[2], url), PAGE, "config")


@pytest.mark.parametrize("url", [PAGE, f"http://me:{SECRET}@d.qg.net/ip"])
def test_a_command_line_holds_no_credentials(url: str) -> None:
    lease = with_login(EXAMPLE, "QGDEMO01", SECRET) if url == PAGE else EXAMPLE
    message = refused(lambda: curl(lease, url))
    assert "in a command line, which every user of a host can read" in message
    assert message.endswith("give form='config', and pass the result to curl --config - as standard input.")
    assert SECRET not in message
    assert SECRET in curl(lease, url, "config")


@given(leases, urls)
def test_a_shell_reads_the_url_and_the_server(lease: Any, url: str) -> None:
    lease = lease if isinstance(lease, str) else {**lease, "proxy_url": None}
    arguments = shlex.split(curl(lease, url))
    assert (arguments[0], arguments[-5:-2], arguments[-1]) == ("curl", ["--noproxy", "", "--proxy"], url)
    parts = urlsplit(arguments[-2])
    assert f"{parts.hostname}:{parts.port}" == server_of(lease)


@given(leases, urls)
def test_curl_reads_the_url_and_the_server_in_a_configuration(lease: Any, url: str) -> None:
    lines = curl(lease, url, "config").splitlines()
    assert lines[:5] == ["fail", "silent", "show-error", "globoff", 'noproxy = ""']
    proxy, page = (re.fullmatch(r'(?:proxy|url) = "((?:[^"\\]|\\["\\])*)"', line) for line in lines[5:])
    assert proxy
    assert page
    assert re.sub(r"\\(.)", r"\1", page[1]) == url
    assert f"@{proxy[1].removeprefix('http://')}".rstrip("/").endswith(f"@{server_of(lease)}")


@given(unsafe)
def test_no_url_adds_a_word_or_a_line_to_the_command(url: str) -> None:
    try:
        line = curl(EXAMPLE, url)
    except AnsibleFilterError:
        return
    assert shlex.split(line)[-1] == url
    assert len(line.splitlines()) == 1


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
    ("arguments", "words"),
    [
        ((None,), "a url that is null"),
        ((PAGE, "lines"), "a form that is '...'"),
        ((PAGE, None), "a form that is '...'"),
    ],
)
def test_a_bad_argument_is_refused(arguments: tuple[Any, ...], words: str) -> None:
    message = refused(lambda: curl(EXAMPLE, *arguments))
    assert words in message
    assert "give " in message


def test_headers_are_sent_to_the_proxy() -> None:
    headers = {"Proxy-TunnelID": "crawler7"}
    assert f" --proxy-header 'Proxy-TunnelID: crawler7' {PAGE}" in curl(EXAMPLE, PAGE, headers=headers)
    assert '\nproxy-header = "Proxy-TunnelID: crawler7"\n' in curl(EXAMPLE, PAGE, "config", headers)


@pytest.mark.parametrize("headers", ["text", {"a b": "c"}, {"a": "b\r\nc"}, {"a": None}, {"a": 7}])
def test_headers_that_are_not_one_line_each_are_refused(headers: object) -> None:
    with pytest.raises(AnsibleFilterError, match="proxy_curl cannot use"):
        curl(EXAMPLE, PAGE, headers=headers)


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_curl_uses_the_scheme(scheme: str) -> None:
    assert f" --proxy {scheme}://{EXAMPLE} " in curl(EXAMPLE, PAGE, scheme=scheme)
    configuration = curl(f"http://QGDEMO01:p%40ss@{EXAMPLE}", PAGE, "config", scheme=scheme)
    assert f'proxy = "{scheme}://QGDEMO01:p%40ss@{EXAMPLE}"' in configuration.splitlines()


@pytest.mark.parametrize("scheme", OTHER_SCHEMES)
def test_another_scheme_is_refused(scheme: Any) -> None:
    assert ": give http, socks5 or socks5h" in refused(lambda: curl(EXAMPLE, PAGE, scheme=scheme))


def test_headers_for_a_socks_proxy_are_refused() -> None:
    headers = {"Proxy-TunnelID": "channel-1"}
    assert "--proxy-header" in curl(EXAMPLE, PAGE, headers=headers)
    assert "headers with SOCKS5, which has none: give scheme='http'" in refused(
        lambda: curl(EXAMPLE, PAGE, headers=headers, scheme="socks5h")
    )

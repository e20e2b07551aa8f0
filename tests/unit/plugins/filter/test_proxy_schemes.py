# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The schemes of proxy_environment and proxy_curl: a lease speaks HTTP and SOCKS5 at one port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_curl import proxy_curl
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_environment import proxy_environment

SERVER = "198.51.100.8:21504"
PAGE = "https://d.qg.net/ip"
WITH_LOGIN = f"http://QGDEMO01:p%40ss@{SERVER}"


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_the_variables_have_the_scheme(scheme: str) -> None:
    variables = proxy_environment(SERVER, scheme=scheme)
    assert {variables[name] for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")} == {
        f"{scheme}://{SERVER}"
    }
    assert proxy_environment(WITH_LOGIN, scheme=scheme)["http_proxy"] == f"{scheme}://QGDEMO01:p%40ss@{SERVER}"


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
def test_curl_uses_the_scheme(scheme: str) -> None:
    assert f" --proxy {scheme}://{SERVER} " in proxy_curl(SERVER, PAGE, scheme=scheme)
    configuration = proxy_curl(WITH_LOGIN, PAGE, "config", scheme=scheme)
    assert f'proxy = "{scheme}://QGDEMO01:p%40ss@{SERVER}"' in configuration.splitlines()


def test_headers_for_a_socks_proxy_are_refused() -> None:
    headers = {"Proxy-TunnelID": "channel-1"}
    assert "--proxy-header" in proxy_curl(SERVER, PAGE, headers=headers)
    with pytest.raises(AnsibleFilterError, match="headers with SOCKS5, which has none: give scheme='http'"):
        proxy_curl(SERVER, PAGE, headers=headers, scheme="socks5h")


@pytest.mark.parametrize("make", [proxy_environment, lambda lease, **options: proxy_curl(lease, PAGE, **options)])
@pytest.mark.parametrize("scheme", ["https", "socks4", "", None, 5, "socks5h\n"])
def test_another_scheme_is_refused(make: Callable[..., Any], scheme: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"scheme=.*: give http, socks5 or socks5h"):
        make(SERVER, scheme=scheme)

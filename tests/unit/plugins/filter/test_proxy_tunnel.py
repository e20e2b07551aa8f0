# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that chooses the exit of a tunnel."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_environment import proxy_environment
from ansible_collections.qingguo.qgnet.plugins.filter.proxy_tunnel import proxy_tunnel
from hypothesis import given
from hypothesis import strategies as st

TUNNEL = "tunnel.qg.example:19702"
LOGIN = {"key": "QGDEMO01", "password": "Hush4Hush"}


def test_the_choice_of_an_exit_is_in_the_user_name() -> None:
    assert proxy_tunnel(TUNNEL, "crawler7", areas=110100, ttl=600, **LOGIN) == (
        f"http://QGDEMO01-A-110100-T-600-S-crawler7:Hush4Hush@{TUNNEL}"
    )
    assert proxy_tunnel(TUNNEL, **LOGIN) == f"http://QGDEMO01:Hush4Hush@{TUNNEL}"
    for country in ("JP", "jp"):
        assert proxy_tunnel(TUNNEL, areas=country, **LOGIN) == f"http://QGDEMO01-A-JP:Hush4Hush@{TUNNEL}"


def test_the_choice_of_an_exit_can_be_after_the_password() -> None:
    host, by_password = "web-1.example.com", {**LOGIN, "style": "password"}
    assert proxy_tunnel(TUNNEL, host, areas=990100, ttl=60, **by_password) == (
        f"http://QGDEMO01:Hush4Hush:C{host}:T60:A990100@{TUNNEL}"
    )
    assert proxy_tunnel(TUNNEL, **by_password) == proxy_tunnel(TUNNEL, **LOGIN)
    for country in ("JP", "jp"):
        assert proxy_tunnel(TUNNEL, areas=country, **by_password) == f"http://QGDEMO01:Hush4Hush:AJP@{TUNNEL}"


def test_each_label_of_a_list_gives_a_proxy() -> None:
    assert proxy_tunnel(TUNNEL, ["a", 7], **LOGIN) == [
        f"http://QGDEMO01-S-a:Hush4Hush@{TUNNEL}",
        f"http://QGDEMO01-S-7:Hush4Hush@{TUNNEL}",
    ]
    assert proxy_tunnel(TUNNEL, [], **LOGIN) == []


def test_headers_choose_an_exit_without_a_password() -> None:
    headers = {"Proxy-TunnelID": "crawler7", "Proxy-TTL": "60"}
    assert proxy_tunnel(TUNNEL, "crawler7", ttl=60, form="headers") == headers
    assert proxy_tunnel(TUNNEL, form="headers") == {}
    assert proxy_tunnel(TUNNEL, ["web-1.example.com"], form="headers") == [{"Proxy-TunnelID": "web-1.example.com"}]


def test_a_lease_goes_into_the_other_filters() -> None:
    lease = proxy_tunnel(TUNNEL, "crawler7", **LOGIN, form="lease")
    assert proxy_environment(lease)["https_proxy"] == f"http://QGDEMO01-S-crawler7:Hush4Hush@{TUNNEL}"
    lease = proxy_tunnel(TUNNEL, "web-1", areas="JP", **LOGIN, form="lease", style="password")
    assert proxy_environment(lease)["https_proxy"] == f"http://QGDEMO01:Hush4Hush:Cweb-1:AJP@{TUNNEL}"


@given(
    st.text(st.characters(exclude_categories=["C"]), min_size=1),
    st.text(st.characters(exclude_categories=["C"]), min_size=1),
)
def test_any_key_and_password_arrive_unchanged(key: str, password: str) -> None:
    for style, login in (("user_name", (f"{key}-S-x", password)), ("password", (key, f"{password}:Cx"))):
        parts = urlsplit(proxy_tunnel(TUNNEL, "x", key=key, password=password, style=style))
        assert (unquote(parts.username or ""), unquote(parts.password or "")) == login
        assert (parts.hostname, parts.port) == ("tunnel.qg.example", 19702)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"label": "web-1.example"},
            "a label that is 'web-1.example' in a user name, where a hyphen ends the label: give style='password'",
        ),
        ({"label": ["a", "a-S-b"], "form": "lease"}, "a label that is 'a-S-b' in a user name"),
        ({"label": "a b"}, "a label that is 'a b': give 1 to 64 letters, digits, underscores and dots."),
        ({"label": "a:T60", "style": "password"}, "a label that is '...': give 1 to 64 letters"),
        ({"label": "a\r\nb", "form": "headers"}, "1 to 64 letters, digits, underscores, dots and hyphens"),
        ({"label": "x" * 65}, "a label that is "),
        ({"style": "header"}, "a style that is 'header': give 'user_name' or 'password'"),
        ({"form": "headers", "style": "password"}, "style='password' with form='headers'"),
        ({"label": ""}, "a label that is ''"),
        ({"label": True}, "a label that is a boolean"),
        ({"label": ["a", None]}, "a label that is null"),
        ({"areas": "Japan"}, "areas with 'Japan': give a country code such as 'JP'"),
        ({"ttl": 0}, "a ttl that is '0': give whole seconds from 1 to 86400"),
        ({"ttl": "soon"}, "a ttl that is 'soon'"),
        ({"form": "text"}, "a form that is 'text': give 'url', 'lease' or 'headers'"),
        ({"form": "headers", "areas": "JP"}, "areas with form='headers': there is no header for it"),
        ({"password": None}, "a tunnel without password: give password, or form='headers' for a host on the whitelist"),
        ({"key": 7}, "key that is a number"),
        ({"key": "a\nb"}, "key with a control character"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_fix(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        proxy_tunnel(TUNNEL, **{**LOGIN, **options})
    message = str(caught.value)
    assert message.startswith("proxy_tunnel cannot use ")
    assert words in message
    assert "Hush4Hush" not in message


def test_a_tunnel_without_a_port_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"proxy_tunnel cannot use text that is no address"):
        proxy_tunnel("tunnel.qg.example", **LOGIN)

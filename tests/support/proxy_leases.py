# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases for the filters, the filters by name, and text that must not get past them into a file."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import strategies as st
from support.documents import plugin

NAMES = ("proxy_environment", "proxy_haproxy", "proxy_tunnel")
#: Those that make a line for each of several leases.
MANY = ("proxy_haproxy",)
EXAMPLE = "198.51.100.8:21504"
SECRET = "Hush4Hush"
#: What no lease speaks.
OTHER_SCHEMES = ("https", "socks4", "", None, 5, "socks5h\n")

environment, haproxy, tunnel = (plugin("filter", name).FilterModule().filters()[name] for name in NAMES)
#: Each filter as a function of the lease alone.
ALL: dict[str, Callable[[Any], Any]] = {
    "proxy_environment": environment,
    "proxy_haproxy": haproxy,
    "proxy_tunnel": lambda lease: tunnel(lease, key="QGDEMO01", password="Wisp4Wisp"),
}


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


def server_of(lease: Any) -> str:
    server: str = lease if isinstance(lease, str) else lease["server"]
    return server


def refused(make: Callable[[], Any]) -> str:
    """The sentence of a refusal."""
    with pytest.raises(AnsibleFilterError) as caught:
        make()
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message.split()) >= 8
    return message


addresses = st.ip_addresses(v=4).filter(lambda address: not address.is_unspecified).map(str)
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,5}){0,2}", fullmatch=True)
servers = st.builds(lambda host, port: f"{host}:{port}", addresses | names, st.integers(1, 65535))
words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
users = words.filter(lambda user: ":" not in user and not user.startswith(("*", "NEGOTIATE")))
leases = servers | st.builds(lease_of, servers) | st.builds(with_login, servers, users, words)
unsafe = st.text(st.sampled_from("a1.:-_@/ \t\r\n\0#\\'\"%${};\u2028é"), max_size=30) | st.text(max_size=30)
urls = st.builds(
    "{}://{}/{}".format,
    st.sampled_from(["http", "https"]),
    names,
    st.text(string.ascii_letters + string.digits + string.punctuation, max_size=40),
)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients of the simulator: HTTP sessions, a SOCKS5 client that shows each reply, and calls as
documents write them.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from urllib.parse import parse_qsl

import requests
from support.vendor import Answer, Vendor

#: The password of a key of the simulator.
PASSWORD = "0123456789ab"


def new_session(proxy: str | None = None, *, verify: bool | str = True) -> requests.Session:
    """Return a session that ignores the proxies and the netrc file of the machine, and uses this
    proxy if any.
    """
    session = requests.Session()
    session.trust_env = False
    session.verify = verify
    if proxy is not None:
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        session.proxies = {"http": proxy, "https": proxy}
    return session


def text_through(proxy: str, url: str) -> str:
    """Return what a server says to a client of this proxy."""
    return new_session(proxy).get(url, timeout=60).text.strip()


def fetch(vendor: Vendor, call: str) -> Answer:
    """Make a call that is written with its query."""
    target, _mark, query = call.partition("?")
    return vendor.response(target, **dict(parse_qsl(query, keep_blank_values=True)))


class Socks5Client:
    """A connection to a proxy, which makes one request by hand."""

    def __init__(self, server: str) -> None:
        host, _colon, port = server.rpartition(":")
        self.connection: socket.socket = socket.create_connection((host, int(port)), timeout=60)

    def exchange(self, data: bytes, size: int) -> bytes:
        """Send bytes, and return so many of the reply."""
        self.connection.sendall(data)
        return self.read(size)

    def read(self, size: int) -> bytes:
        """Return so many bytes, or fewer if the proxy closes the connection."""
        data = b""
        while len(data) < size and (chunk := self.connection.recv(size - len(data))):
            data += chunk
        return data

    def greet(self, *methods: int) -> int:
        """Offer methods of logging in; returns the one that the proxy chooses."""
        return self.exchange(bytes([5, len(methods), *methods]), 2)[1]

    def log_in(self, user: str, password: str) -> int:
        """Send user name and password; returns the status."""
        text = b"\x01"
        for item in (user, password):
            text += bytes([len(item)]) + item.encode()
        return self.exchange(text, 2)[1]

    def connect(self, target: bytes, port: int, command: int = 1) -> int:
        """Ask for a connection to a target; returns the reply."""
        return self.exchange(bytes([5, command, 0]) + target + port.to_bytes(2, "big"), 10)[1]

    def start_tls(self, context: ssl.SSLContext, host: str = "d.qg.net") -> None:
        """Begin TLS over the open tunnel."""
        self.connection = context.wrap_socket(self.connection, server_hostname=host)

    def fetch(self, host: str = "d.qg.net") -> str:
        """Request the public address by HTTP over the open tunnel."""
        self.connection.sendall(f"GET /ip HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return self.read(65536).decode().rpartition("\r\n\r\n")[2].strip()


def name(host: str) -> bytes:
    """Return a target that is a name."""
    return bytes([3, len(host)]) + host.encode()


def ipv4(address: str) -> bytes:
    """Return a target that is an address."""
    return b"\x01" + ipaddress.ip_address(address).packed

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward proxies that let in whitelisted callers only.

The HTTP side of a proxy (absolute-form requests and CONNECT) is proxy.py's. Its own servers are processes; here its
protocol handler runs in threads of this process instead, where it sees the whitelists and ends with the simulator.
"""

from __future__ import annotations

import argparse
import base64
import ipaddress
import secrets
import socket
import socketserver
import tempfile
import threading
from collections.abc import Container
from typing import Any

from proxy.common.flag import FlagParser
from proxy.http.exception import HttpRequestRejected
from proxy.http.handler import HttpProtocolHandler
from proxy.http.proxy import HttpProxyPlugin

from .accounts import Vendor


def _base_flags() -> argparse.Namespace:
    # proxy.py makes folders for certificates and a cache, which nothing here uses.
    with tempfile.TemporaryDirectory() as unused:
        options = ["--threaded", "--log-level", "CRITICAL", "--data-dir", unused, "--cache-dir", unused]
        flags = FlagParser.initialize(options)
    flags.plugins = {b"HttpProtocolHandlerPlugin": [Forward]}
    return flags


class Gate:
    """Who may use the proxy of one key, and to where."""

    def __init__(self, vendor: Vendor, key: str) -> None:
        self._vendor = vendor
        self._key = key

    def admits(self, source: str, port: int, authorization: bytes | None) -> bool:
        account = self._vendor.accounts.get(self._key)
        if account is None:
            return False
        if self._vendor.public_address(source, port) in account.whitelist:
            return True
        if account.pwd is None or authorization is None:
            return False
        expected = base64.b64encode(f"{account.key}:{account.pwd}".encode())
        scheme, given = authorization[:6], authorization[6:]
        return scheme.lower() == b"basic " and secrets.compare_digest(given.strip(), expected)

    @staticmethod
    def reaches(host: str, own: str) -> bool:
        """Loopback and the simulator's own address only. A name would need a look-up outside, so none is taken."""
        if host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or host == own

    def register(self, local: tuple[str, int]) -> None:
        self._vendor.through_proxy[local] = self._key

    def forget(self, local: tuple[str, int]) -> None:
        self._vendor.through_proxy.pop(local, None)


class Forward(HttpProxyPlugin):
    """proxy.py's proxy, with the gate before each connection to a target."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate: Gate = self.flags.gate
        self._local: tuple[str, int] | None = None

    def connect_upstream(self) -> None:
        source, port = self.client.addr or ("", 0)
        header = b"proxy-authorization"
        authorization = self.request.header(header) if self.request.has_header(header) else None
        if not self._gate.admits(source, port, authorization):
            challenge = {b"Proxy-Authenticate": b'Basic realm="proxy"'}
            raise HttpRequestRejected(407, b"Proxy Authentication Required", challenge, b"not on the whitelist\n")
        own = self.client.connection.getsockname()[0]
        if not self._gate.reaches((self.request.host or b"").decode("ascii", "replace"), own):
            raise HttpRequestRejected(403, b"Forbidden", {}, b"this test proxy reaches its own machine only\n")
        if not self.request.is_https_tunnel:
            # One request per connection, so that each is judged by the whitelist of its own moment.
            self.request.add_header(b"Connection", b"close")
        super().connect_upstream()
        if self.upstream is not None:
            address = self.upstream.connection.getsockname()
            self._local = (address[0], address[1])
            self._gate.register(self._local)

    def on_client_connection_close(self) -> None:
        if self._local is not None:
            self._gate.forget(self._local)
        super().on_client_connection_close()


class Forwarder(socketserver.ThreadingTCPServer):
    """One listening proxy."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, flags: argparse.Namespace, gate: Gate) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.flags = argparse.Namespace(**vars(flags), gate=gate)
        super().__init__((host, port), Connection)


class Connection(socketserver.BaseRequestHandler):
    server: Forwarder

    def handle(self) -> None:
        client = HttpProtocolHandler.create(self.request, self.client_address)
        HttpProtocolHandler(client, flags=self.server.flags).run()


class Forwarders:
    """All listening proxies, by key."""

    def __init__(self, vendor: Vendor, host: str) -> None:
        self._vendor = vendor
        self._host = host
        self._flags: argparse.Namespace | None = None
        self._open: dict[str, Forwarder] = {}

    def open(self, key: str, port: int = 0) -> str:
        """Start the proxy of a key; its URL."""
        if self._flags is None:
            self._flags = _base_flags()
        forwarder = self._open[key] = Forwarder(self._host, port, self._flags, Gate(self._vendor, key))
        threading.Thread(target=forwarder.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return url("http", self._host, forwarder.server_address[1])

    def keep_only(self, keys: Container[str]) -> None:
        """Stop the proxies of all other keys."""
        for key in [key for key in self._open if key not in keys]:
            forwarder = self._open.pop(key)
            forwarder.shutdown()
            forwarder.server_close()


def url(scheme: str, host: str, port: int) -> str:
    """The URL of a listener; one that listens everywhere is named by its loopback address."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{host}:{port}"

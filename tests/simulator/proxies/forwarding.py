# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward proxies that let in whitelisted callers only.

The HTTP side of a proxy (absolute-form requests and CONNECT) is proxy.py's. Its own servers are processes; here its
protocol handler runs in threads of this process instead, where it sees the whitelists and ends with the simulator.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
from collections.abc import Container
from typing import Any

from proxy.common.flag import FlagParser
from proxy.http.exception import HttpRequestRejected
from proxy.http.handler import HttpProtocolHandler
from proxy.http.proxy import HttpProxyPlugin

from ..classic.leases import Lease
from ..classic.state import Ends, Vendor
from .access import Gate
from .listeners import Address, Listeners


def _base_flags() -> argparse.Namespace:
    # proxy.py makes folders for certificates and a cache, which nothing here uses.
    with tempfile.TemporaryDirectory() as unused:
        options = ["--threaded", "--log-level", "CRITICAL", "--data-dir", unused, "--cache-dir", unused]
        flags = FlagParser.initialize(options)
    flags.plugins = {b"HttpProtocolHandlerPlugin": [Forward]}
    return flags


class Forward(HttpProxyPlugin):
    """proxy.py's proxy, with the gate before each connection to a target."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate: Gate = self.flags.gate
        self._onward: Ends | None = None

    def connect_upstream(self) -> None:
        own = self.client.connection.getsockname()[:2]
        header = b"proxy-authorization"
        authorization = self.request.header(header) if self.request.has_header(header) else None
        if not self._gate.admits((self.client.addr or ("", 0), own), authorization):
            challenge = {b"Proxy-Authenticate": b'Basic realm="proxy"'}
            raise HttpRequestRejected(407, b"Proxy Authentication Required", challenge, b"not on the whitelist\n")
        if not self._gate.reaches((self.request.host or b"").decode("ascii", "replace"), own[0]):
            raise HttpRequestRejected(403, b"Forbidden", {}, b"this test proxy reaches its own machine only\n")
        if not self.request.is_https_tunnel:
            # One request per connection, so that each is judged by the whitelist of its own moment.
            self.request.add_header(b"Connection", b"close")
        super().connect_upstream()
        if self.upstream is not None:
            connection = self.upstream.connection
            self._onward = connection.getsockname()[:2], connection.getpeername()[:2]
            self._gate.register(self._onward)

    def on_client_connection_close(self) -> None:
        if self._onward is not None:
            self._gate.forget(self._onward)
        super().on_client_connection_close()


class Forwarders:
    """All listening proxies: of keys, by their names, and of leases."""

    def __init__(self, vendor: Vendor, host: str) -> None:
        self._vendor = vendor
        self._host = host
        self.host = reachable(host)
        self._flags: argparse.Namespace | None = None
        self._listeners: Listeners[str | Lease] = Listeners()

    def _listen(self, name: str | Lease, gate: Gate, port: int) -> int:
        if self._flags is None:
            self._flags = _base_flags()
        flags = argparse.Namespace(**vars(self._flags), gate=gate)

        def serve(connection: socket.socket, address: Address) -> None:
            HttpProtocolHandler(HttpProtocolHandler.create(connection, address), flags=flags).run()

        return self._listeners.open(name, self._host, port, serve)

    def open_proxy(self, key: str, port: int = 0) -> str:
        """Start the proxy of a key; its URL."""
        return url("http", self._host, self._listen(key, Gate(self._vendor, key), port))

    def open(self, key: str, lease: Lease) -> int:
        """Start the proxy of a lease; its port."""
        return self._listen(lease, Gate(self._vendor, key, lease), 0)

    def close(self, lease: Lease) -> None:
        self._listeners.close(lease)

    def keep_only(self, keys: Container[str]) -> None:
        """Stop the proxies of all other keys, and of all leases."""
        for name in self._listeners.names():
            if name not in keys:
                self._listeners.close(name)


def reachable(host: str) -> str:
    """How a caller names a listener; one that listens everywhere is named by its loopback address."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{reachable(host)}:{port}"

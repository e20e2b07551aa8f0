# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward proxies that serve authorized clients only.

proxy.py implements the HTTP side of a proxy (absolute-form requests and CONNECT). Its own servers are processes. Here,
its protocol handler runs in threads of this process, so that it uses the current whitelists and ends with it.
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

from ..clock import Clock
from ..network import Connection, Network
from .access import KeyLookup, LeaseAccess, ProxyAccess
from .listeners import Address, ListenerPool


def _base_flags() -> argparse.Namespace:
    # proxy.py creates directories for certificates and a cache, which are not used here.
    with tempfile.TemporaryDirectory() as unused:
        options = ["--threaded", "--log-level", "CRITICAL", "--data-dir", unused, "--cache-dir", unused]
        flags = FlagParser.initialize(options)
    flags.plugins = {b"HttpProtocolHandlerPlugin": [AccessControlPlugin]}
    return flags


class AccessControlPlugin(HttpProxyPlugin):
    """The proxy of proxy.py, which checks the access before it connects to a target."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._access: ProxyAccess = self.flags.access
        self._upstream_connection: Connection | None = None

    def connect_upstream(self) -> None:
        own = self.client.connection.getsockname()[:2]
        header = b"proxy-authorization"
        authorization = self.request.header(header) if self.request.has_header(header) else None
        if not self._access.authorizes((self.client.addr or ("", 0), own), authorization):
            challenge = {b"Proxy-Authenticate": b'Basic realm="proxy"'}
            raise HttpRequestRejected(407, b"Proxy Authentication Required", challenge, b"not on the whitelist\n")
        if not self._access.allows_target((self.request.host or b"").decode("ascii", "replace"), own[0]):
            raise HttpRequestRejected(403, b"Forbidden", {}, b"this test proxy reaches its own machine only\n")
        if not self.request.is_https_tunnel:
            # One request per connection, so that each request is checked against the current whitelist.
            self.request.add_header(b"Connection", b"close")
        super().connect_upstream()
        if self.upstream is not None:
            connection = self.upstream.connection
            self._upstream_connection = connection.getsockname()[:2], connection.getpeername()[:2]
            self._access.register_upstream(self._upstream_connection)

    def on_client_connection_close(self) -> None:
        if self._upstream_connection is not None:
            self._access.unregister_upstream(self._upstream_connection)
        super().on_client_connection_close()


class ForwardProxies:
    """All listening proxies: those of keys, identified by name, and those of leases."""

    def __init__(self, network: Network, clock: Clock, find_key: KeyLookup, bind_host: str) -> None:
        self._network = network
        self._clock = clock
        self._find_key = find_key
        self._bind_host = bind_host
        self.host = reachable_host(bind_host)
        self._flags: argparse.Namespace | None = None
        self._listeners: ListenerPool[str | LeaseAccess] = ListenerPool()

    def _listen(self, key: str, lease: LeaseAccess | None, port: int) -> int:
        if self._flags is None:
            self._flags = _base_flags()
        access = ProxyAccess(self._network, self._clock, self._find_key, key, lease)
        flags = argparse.Namespace(**vars(self._flags), access=access)

        def serve(connection: socket.socket, address: Address) -> None:
            HttpProtocolHandler(HttpProtocolHandler.create(connection, address), flags=flags).run()

        return self._listeners.open(key if lease is None else lease, self._bind_host, port, serve)

    def open_for_key(self, key: str, port: int = 0) -> str:
        """Start the proxy of a key and return its URL."""
        return url("http", self._bind_host, self._listen(key, None, port))

    def open(self, key: str, lease: LeaseAccess) -> int:
        """Start the proxy of a lease and return its port."""
        return self._listen(key, lease, 0)

    def close(self, lease: LeaseAccess) -> None:
        self._listeners.close(lease)

    def close_all_except(self, keys: Container[object]) -> None:
        """Stop the proxies of all other keys, and of all leases."""
        for owner in self._listeners.owners():
            if owner not in keys:
                self._listeners.close(owner)


def reachable_host(host: str) -> str:
    """Return the host under which a client reaches a listener; for a wildcard address, the loopback address."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{reachable_host(host)}:{port}"

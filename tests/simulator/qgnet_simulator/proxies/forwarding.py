# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward proxies that serve authorized clients only, by HTTP and by SOCKS5 on the same port.

proxy.py implements the HTTP side of a proxy (absolute-form requests and CONNECT). Its own servers are processes. Here,
its protocol handler runs in threads of this process, so that it uses the current whitelists and ends with it.
"""

from __future__ import annotations

import argparse
import ipaddress
import socket
import ssl
import sys
import tempfile
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from proxy.common.flag import FlagParser
from proxy.http.exception import HttpRequestRejected
from proxy.http.handler import HttpProtocolHandler
from proxy.http.proxy import HttpProxyPlugin

from ..clock import Clock
from ..network import Connection, Network
from . import socks5
from .access import KeyLookup, LeaseProxyAccess, NoExitError, OptionError, ProxyAccess, ProxyRequest
from .listeners import Address, ListenerPool
from .relay import unwrap
from .targets import REFUSAL, Targets
from .tunnels import TUNNEL_HEADERS, TunnelProxyAccess

if TYPE_CHECKING:
    from ..keys.leases import Lease

TLS_HANDSHAKE = b"\x16"
"""The first byte of a client that speaks TLS."""


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
        self._targets: Targets = self.flags.targets
        self._upstream_connection: Connection | None = None

    def connect_upstream(self) -> None:
        own: Address = self.flags.own
        exit_address = self._exit_address((self.client.addr or ("", 0), own))
        host = (self.request.host or b"").decode("ascii", "replace")
        port = self.request.port or 0
        target = self._targets.resolve(host, port, own[0])
        if target is None:
            raise HttpRequestRejected(403, b"Forbidden", {}, f"{REFUSAL.format(host, port)}\n".encode())
        if not self.request.is_https_tunnel:
            # One request per connection, so that each request is checked against the current whitelist.
            self.request.add_header(b"Connection", b"close")
        self._connect_to(target)
        if self.upstream is not None:
            connection = self.upstream.connection
            self._upstream_connection = connection.getsockname()[:2], connection.getpeername()[:2]
            self._access.network.register_proxied(self._upstream_connection, exit_address)

    def _exit_address(self, connection: Connection) -> str:
        """Return the exit address for the request; a client that may not use the proxy gets an error."""
        headers = {}
        for name, (_original, value) in (self.request.headers or {}).items():
            headers[name.decode()] = value.decode("latin-1")
        try:
            exit_address = self._access.exit_for(ProxyRequest.from_http(connection, headers))
        except OptionError as error:
            raise HttpRequestRejected(400, b"Bad Request", {}, f"{error}\n".encode()) from None
        except NoExitError:
            raise HttpRequestRejected(503, b"Service Unavailable", {}, b"no exit address\n") from None
        if exit_address is None:
            challenge = {b"Proxy-Authenticate": b'Basic realm="proxy"'}
            raise HttpRequestRejected(
                407,
                b"Proxy Authentication Required",
                challenge,
                b"neither whitelisted nor with a password\n",
            )
        self.request.del_headers([name.encode() for name in TUNNEL_HEADERS])
        return exit_address

    def _connect_to(self, target: Address) -> None:
        requested = self.request.host, self.request.port
        self.request.host = target[0].encode()
        self.request.port = target[1]
        try:
            super().connect_upstream()
        finally:
            self.request.host, self.request.port = requested

    def on_client_connection_close(self) -> None:
        if self._upstream_connection is not None:
            self._access.network.unregister_proxied(self._upstream_connection)
        super().on_client_connection_close()


class ForwardProxies:
    """All listening proxies: those of keys and of their tunnels, identified by name, and those of leases."""

    def __init__(self, network: Network, clock: Clock, find_key: KeyLookup, bind_host: str) -> None:
        self._key_access = network, clock, find_key
        self._bind_host = bind_host
        self.host = reachable_host(bind_host)
        # Linux has all of 127.0.0.0/8, and others that can reach this simulator have no part of it.
        self.has_loopback = sys.platform == "linux" and bind_host == "127.0.0.1"
        self.targets = Targets()
        self.tls: ssl.SSLContext | None = None
        """What a client gets that speaks TLS to a proxy, on the same port as the others."""
        self._flags: argparse.Namespace | None = None
        self._listeners: ListenerPool[str | Lease] = ListenerPool()

    def _listen(self, owner: str | Lease, access: ProxyAccess, host: str, port: int = 0) -> int:
        if self._flags is None:
            self._flags = _base_flags()
        base = vars(self._flags)

        def serve(connection: socket.socket, address: Address) -> None:
            own = connection.getsockname()[:2]

            def serve_plain(client: socket.socket) -> None:
                if client.recv(1, socket.MSG_PEEK) == bytes([socks5.VERSION]):
                    socks5.serve(client, (address, own), access, self.targets)
                else:
                    flags = argparse.Namespace(**base, access=access, targets=self.targets, own=own)
                    HttpProtocolHandler(HttpProtocolHandler.create(client, address), flags=flags).run()

            if self.tls is not None and connection.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                unwrap(connection, self.tls, serve_plain)
            else:
                serve_plain(connection)

        return self._listeners.open(owner, host, port, serve)

    def open_for_key(self, key: str, port: int = 0) -> str:
        """Start the proxy of a key and return its URL."""
        port = self._listen(key, ProxyAccess(*self._key_access, key), self._bind_host, port)
        return url("http", self._bind_host, port)

    def open_tunnel(self, key: str, port: int = 0) -> str:
        """Start the tunnel of a key and return its URL."""
        access = TunnelProxyAccess(*self._key_access, key)
        port = self._listen(tunnel_owner(key), access, self._bind_host, port)
        return url("http", self._bind_host, port)

    def open(self, key: str, lease: Lease) -> int:
        """Start the proxy of a lease and return its port."""
        # A lease whose exit is an address of loopback listens on that address.
        host = self._bind_host
        if ipaddress.ip_address(lease.ip).is_loopback:
            host = lease.ip
        return self._listen(lease, LeaseProxyAccess(*self._key_access, key, lease), host)

    def close(self, lease: Lease) -> None:
        self._listeners.close(lease)

    def close_all_except(self, owners: Container[object]) -> None:
        """Stop the proxies of all other owners, and of all leases."""
        for owner in self._listeners.owners():
            if owner not in owners:
                self._listeners.close(owner)


def tunnel_owner(key: str) -> str:
    """Return the name that identifies the tunnel of a key among the listeners."""
    return f"tunnel {key}"


def reachable_host(host: str) -> str:
    """Return the host under which a client reaches a listener; for a wildcard address, the loopback address."""
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    if ":" in host:
        return f"[{host}]"
    return host


def url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{reachable_host(host)}:{port}"

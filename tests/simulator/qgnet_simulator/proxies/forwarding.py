# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forward proxies that serve authorized clients only, by HTTP and by SOCKS5 on the same port."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import sys
from collections import deque
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ..clock import Clock
from ..keys.tunnel import tunnel_owner
from ..network import Network
from . import http, socks5
from .access import KeyLookup, LeaseProxyAccess, ProxyAccess
from .listeners import Address, ListenerPool
from .relay import unwrap
from .targets import Targets
from .tunnels import TunnelProxyAccess

if TYPE_CHECKING:
    from ..keys.leases import Lease

TLS_HANDSHAKE = b"\x16"
"""The first byte of a client that speaks TLS."""


class ForwardProxies:
    """All listening proxies: those of keys and of their tunnels, identified by name, and those of
    leases.
    """

    def __init__(
        self,
        network: Network,
        clock: Clock,
        find_key: KeyLookup,
        bind_host: str,
        advertised: str | None = None,
        lease_ports: Iterable[int] = (),
    ) -> None:
        self._key_access = network, clock, find_key
        self._bind_host = bind_host
        self.host = reachable_host(advertised or bind_host)
        """What clients connect to, as a part of a URL."""
        self._lease_ports = deque(lease_ports)
        """The ports of leases, the one that has been unused for longest first; if there are none,
        a lease gets any free port.
        """
        # Each address of 127.0.0.0/8 works on Linux, and only if all clients are on this machine.
        self.has_loopback = (
            sys.platform == "linux"
            and bind_host == "127.0.0.1"
            and not advertised
            and not lease_ports
        )
        self.targets = Targets()
        self.tls: Mapping[str, ssl.SSLContext] = {}
        """The TLS for clients that speak it to a proxy, on the same port as other clients: by which
        certificate it shows.
        """
        self._listeners: ListenerPool[str | Lease] = ListenerPool()

    def _listen(self, owner: str | Lease, access: ProxyAccess, host: str, port: int = 0) -> int:
        def serve(connection: socket.socket, address: Address) -> None:
            ends = address, connection.getsockname()[:2]

            def serve_plain(client: socket.socket) -> None:
                serve_dialect = http.serve
                if client.recv(1, socket.MSG_PEEK) == bytes([socks5.VERSION]):
                    serve_dialect = socks5.serve
                serve_dialect(client, ends, access, self.targets)

            if self.tls and connection.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                unwrap(connection, self.tls[access.key.options.certificate], serve_plain)
            else:
                serve_plain(connection)

        return self._listeners.open(owner, host, port, serve)

    def open_for_key(self, key: str, port: int = 0) -> str:
        """Start the proxy of a key and return its URL."""
        port = self._listen(key, ProxyAccess(*self._key_access, key), self._bind_host, port)
        return self.url("http", port)

    def open_tunnel(self, key: str, port: int = 0) -> str:
        """Start the tunnel of a key and return its URL."""
        access = TunnelProxyAccess(*self._key_access, key)
        port = self._listen(tunnel_owner(key), access, self._bind_host, port)
        return self.url("http", port)

    def url(self, scheme: str, port: int) -> str:
        return f"{scheme}://{self.host}:{port}"

    def open(self, key: str, lease: Lease) -> int:
        """Start the proxy of a lease, on its port if it has one already, and return the port."""
        # A lease whose exit is an address of loopback listens on that address.
        host = self._bind_host
        if ipaddress.ip_address(lease.ip).is_loopback:
            host = lease.ip
        access = LeaseProxyAccess(*self._key_access, key, lease)
        if lease.port or not self._lease_ports:
            return self._listen(lease, access, host, lease.port)
        for _attempt in range(len(self._lease_ports)):
            self._lease_ports.rotate(-1)
            with suppress(OSError):
                return self._listen(lease, access, host, self._lease_ports[-1])
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    def close(self, lease: Lease) -> None:
        self._listeners.close(lease)

    def close_all_except(self, owners: Container[object]) -> None:
        """Stop the proxies of all other owners, and of all leases."""
        for owner in self._listeners.owners():
            if owner not in owners:
                self._listeners.close(owner)


def reachable_host(host: str) -> str:
    """Return the host under which a client reaches a listener; for a wildcard address, the loopback
    address.
    """
    if host in ("", "0.0.0.0"):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    if ":" in host:
        return f"[{host}]"
    return host

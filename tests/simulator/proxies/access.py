# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control of forward proxies: authorized clients, and allowed targets."""

from __future__ import annotations

import base64
import ipaddress
import secrets
from collections.abc import Callable
from typing import Protocol

from ..clock import Clock
from ..network import Connection, Network


class KeyAccess(Protocol):
    """The part of a key that decides who may use its proxies."""

    key: str
    whitelist: list[str]
    pwd: str | None
    exit: str


class LeaseAccess(Protocol):
    """The part of a lease that its proxy needs."""

    ip: str

    def is_active(self, now: float) -> bool:
        """Return whether the lease has not ended."""


KeyLookup = Callable[[str], KeyAccess | None]


class ProxyAccess:
    """Access to the proxy of one key, or of one of its leases."""

    def __init__(
        self, network: Network, clock: Clock, find_key: KeyLookup, key: str, lease: LeaseAccess | None = None
    ) -> None:
        self._network = network
        self._clock = clock
        self._find_key = find_key
        self._key = key
        self._lease = lease

    def authorizes(self, connection: Connection, authorization: bytes | None) -> bool:
        """Return whether a client may use the proxy: by its whitelisted address, or by Proxy-Authorization."""
        key = self._find_key(self._key)
        if key is None:
            return False
        if self._lease is not None and not self._lease.is_active(self._clock.now()):
            return False
        if self._network.public_address(connection) in key.whitelist:
            return True
        if key.pwd is None or authorization is None:
            return False
        expected = base64.b64encode(f"{key.key}:{key.pwd}".encode())
        scheme, given = authorization[:6], authorization[6:]
        return scheme.lower() == b"basic " and secrets.compare_digest(given.strip(), expected)

    @staticmethod
    def allows_target(host: str, own: str) -> bool:
        """Return whether the target is loopback or the simulator's own address.

        Other names are refused, because they would need a DNS lookup outside of this machine.
        """
        if host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or host == own

    def register_upstream(self, connection: Connection) -> None:
        """Let the vendor see a connection of the proxy with the exit address of the lease or the key."""
        key = self._find_key(self._key)
        if self._lease is not None:
            self._network.register_proxied(connection, self._lease.ip)
        elif key is not None:
            self._network.register_proxied(connection, key.exit)

    def unregister_upstream(self, connection: Connection) -> None:
        self._network.unregister_proxied(connection)

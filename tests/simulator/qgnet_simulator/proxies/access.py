# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control of forward proxies: who may use a proxy, and the address that a connection leaves
through.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..clock import Clock
from ..network import Connection, Network

if TYPE_CHECKING:
    from ..keys.key import ProxyKey
    from ..keys.leases import Lease


KeyLookup = Callable[[str], "ProxyKey | None"]


class Reason(Enum):
    """Why a client of a proxy is not connected."""

    NOT_AUTHORIZED = "neither whitelisted nor with a password"
    BAD_OPTIONS = "malformed options of a tunnel"
    NO_EXIT = "no exit address"
    NO_TARGET = "not a target of this proxy"
    UNREACHABLE = "the target does not answer"


class Refused(Exception):
    """A proxy does not connect a client."""

    def __init__(self, reason: Reason, text: str = "") -> None:
        super().__init__(text or reason.value)
        self.reason = reason


@dataclass(frozen=True)
class ProxyRequest:
    """What a client of a proxy sent before the proxy connects to the target."""

    connection: Connection
    user: str | None = None
    password: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers in lower case, of HTTP only."""

    @classmethod
    def from_http(cls, connection: Connection, headers: Mapping[str, str]) -> ProxyRequest:
        scheme, _blank, encoded = headers.get("proxy-authorization", "").partition(" ")
        try:
            user, colon, password = (
                base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
            )
        except ValueError:
            return cls(connection, headers=headers)
        if scheme.lower() != "basic" or not colon:
            return cls(connection, headers=headers)
        return cls(connection, user, password, headers)


class ProxyAccess:
    """Access to the proxy of one key."""

    def __init__(self, network: Network, clock: Clock, find_key: KeyLookup, key: str) -> None:
        self.network = network
        self._clock = clock
        self._find_key = find_key
        self._name = key
        self._due = 0
        """Hundredths of a connection that is to fail."""

    @property
    def key(self) -> ProxyKey:
        key = self._find_key(self._name)
        if key is None:
            raise Refused(Reason.NOT_AUTHORIZED)
        return key

    def authorizes(self, request: ProxyRequest) -> bool:
        """Return whether a client may use the proxy: by its whitelisted address, or by its
        credentials.
        """
        return self._authorizes(request, request.user)

    def exit_for(self, request: ProxyRequest) -> str:
        """Return the exit address for a request, or refuse it."""
        if not self.authorizes(request):
            raise Refused(Reason.NOT_AUTHORIZED)
        self._due += self.key.options.failing
        if self._due >= 100:
            self._due -= 100
            raise Refused(Reason.UNREACHABLE)
        return self._exit(request)

    def admits(self, connection: Connection) -> bool:
        """Return whether the address of a client is on the whitelist, so that the proxy asks for no
        credentials.
        """
        return self.network.public_address(connection) in self.key.whitelist

    def _exit(self, request: ProxyRequest) -> str:
        return self.key.exit

    def _authorizes(self, request: ProxyRequest, user: str | None) -> bool:
        if self.admits(request.connection):
            return True
        given = f"{user}:{request.password}".encode()
        expected = f"{self.key.key}:{self.key.pwd}".encode()
        return user is not None and secrets.compare_digest(given, expected)


class LeaseProxyAccess(ProxyAccess):
    """Access to the proxy of one lease of a key."""

    def __init__(
        self, network: Network, clock: Clock, find_key: KeyLookup, key: str, lease: Lease
    ) -> None:
        super().__init__(network, clock, find_key, key)
        self._lease = lease

    def authorizes(self, request: ProxyRequest) -> bool:
        return self._lease.is_active(self._clock.now()) and super().authorizes(request)

    def _exit(self, request: ProxyRequest) -> str:
        if self.key.plan.forwarding:
            return self._lease.exit_behind(self._clock.now())
        return self._lease.ip

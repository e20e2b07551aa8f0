# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as QG.net sees it: the public source address of each connection."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

Connection = tuple[tuple[str, int], tuple[str, int]]
"""Local address of the client, and address of the server. Several connections may have the first in
common.
"""


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """Return the connection of a request, from its ASGI scope."""
    client = scope.get("client") or ("", 0)
    server = scope.get("server") or ("", 0)
    return tuple(client), tuple(server)


class Network:
    """Maps the source address of a connection to its public address, as a NAT gateway or a forward
    proxy does.
    """

    def __init__(self, public_addresses: Mapping[str, str]) -> None:
        self._initial = dict(public_addresses)
        self.public_addresses: dict[str, str] = {}
        """Public address by source address."""
        self._proxied: dict[Connection, str] = {}
        """Exit address of each connection that a forward proxy has opened."""
        self.reset()

    def reset(self) -> None:
        # Open connections of forward proxies outlive a reset.
        self.public_addresses = dict(self._initial)

    def register_proxied(self, connection: Connection, exit_address: str) -> None:
        """Let QG.net see a connection of a proxy with an exit address."""
        self._proxied[connection] = exit_address

    def unregister_proxied(self, connection: Connection) -> None:
        self._proxied.pop(connection, None)

    def public_address(self, connection: Connection) -> str:
        """Return the source address of a connection as QG.net sees it."""
        source = connection[0][0]
        return self._proxied.get(connection) or self.public_addresses.get(source, source)

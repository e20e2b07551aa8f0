# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exit addresses of leases (for documentation or of loopback, each used by one lease at a time)
and of tunnels.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Container

DOCUMENTATION = ("198.51.100.0/24", "192.0.2.0/24", "198.19.64.0/22")
LOOPBACK = ("127.64.1.0/24", "127.64.2.0/23", "127.64.4.0/22")
"""Networks on which this machine really listens, without any configuration (on Linux)."""
TUNNEL = ("198.19.128.0/20",)


@functools.cache
def hosts(networks: tuple[str, ...]) -> dict[str, None]:
    """Return all addresses, in order; the unit tests make thousands of simulators."""
    addresses: dict[str, None] = {}
    for network in networks:
        addresses |= dict.fromkeys(map(str, ipaddress.ip_network(network).hosts()))
    return addresses


class ExitAddressPool:
    def __init__(self, networks: tuple[str, ...] = DOCUMENTATION) -> None:
        self._hosts = hosts(networks)
        self._unused: list[str] = []
        self.freed: list[str] = []
        self.reset()

    def __contains__(self, address: str) -> bool:
        return address in self._hosts

    def reset(self) -> None:
        # The first address is the default exit of a key's own proxy.
        self._unused = list(self._hosts)[1:]
        self.freed = []

    def choose(
        self, count: int, freed_first: bool = False, avoid: Container[str] = ()
    ) -> list[str] | None:
        """Return ``count`` free addresses, or None if there are fewer.

        Never used addresses come before freed ones. With ``freed_first``, freed addresses come
        first, the latest ahead. Addresses in ``avoid`` come last.
        """
        order = [*self._unused, *self.freed]
        if freed_first:
            order = [*reversed(self.freed), *self._unused]
        if avoid:
            order.sort(key=lambda address: address in avoid)
        if count > len(order):
            return None
        return order[:count]

    def take(self, address: str) -> None:
        if address in self._unused:
            self._unused.remove(address)
        else:
            self.freed.remove(address)

    def free(self, address: str) -> None:
        self.freed.append(address)

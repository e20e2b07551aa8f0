# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that leases leave through: documentation addresses, no two leases the same."""

from __future__ import annotations

import ipaddress
from collections.abc import Container

NETWORKS = ("198.51.100.0/24", "192.0.2.0/24")
HOSTS = tuple(str(host) for network in NETWORKS for host in ipaddress.ip_network(network).hosts())


class Addresses:
    def __init__(self) -> None:
        self._fresh: list[str] = []
        self._freed: list[str] = []
        self.reset()

    def reset(self) -> None:
        # The first one is the usual exit of a key's own proxy.
        self._fresh = list(HOSTS[1:])
        self._freed = []

    def choose(self, number: int, freed_first: bool = False, avoid: Container[str] = ()) -> list[str] | None:
        """So many free addresses, or none if there are too few.

        Those to avoid come last. Freed addresses come after all that were never used, or, where they are wanted
        first, before them with the latest freed ahead.
        """
        order = [*reversed(self._freed), *self._fresh] if freed_first else [*self._fresh, *self._freed]
        if avoid:
            order.sort(key=lambda address: address in avoid)
        return order[:number] if number <= len(order) else None

    def take(self, address: str) -> None:
        (self._fresh if address in self._fresh else self._freed).remove(address)

    def free(self, address: str) -> None:
        self._freed.append(address)

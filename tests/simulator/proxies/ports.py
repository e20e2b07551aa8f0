# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of leases. Without a network, ports are numbers on which nothing listens."""

from __future__ import annotations

from itertools import count
from typing import Protocol

from .access import LeaseAccess


class PortAllocator(Protocol):
    host: str
    """Host under which a client reaches the ports."""
    has_loopback: bool
    """Whether a lease can listen on any address of loopback."""

    def open(self, key: str, lease: LeaseAccess) -> int:
        """Listen for a lease of a key and return the port."""

    def close(self, lease: LeaseAccess) -> None:
        """Stop listening for a lease, if it has a port."""


class UnboundPorts:
    """Assigns port numbers without listening."""

    host = "127.0.0.1"
    has_loopback = False
    FIRST, LAST = 20000, 59999

    def __init__(self) -> None:
        self._numbers = count()

    def open(self, key: str, lease: LeaseAccess) -> int:
        return self.FIRST + next(self._numbers) % (self.LAST - self.FIRST + 1)

    def close(self, lease: LeaseAccess) -> None:
        pass

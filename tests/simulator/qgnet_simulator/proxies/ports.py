# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of leases where there is no network: numbers on which nothing listens."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..keys.leases import Lease


class UnboundPorts:
    """Assigns port numbers without listening."""

    host = "127.0.0.1"
    has_loopback = False
    """Whether a lease can listen on any address of loopback."""

    def __init__(self) -> None:
        self._numbers = count()

    def open(self, key: str, lease: Lease) -> int:
        return lease.port or 20000 + next(self._numbers) % 40000

    def close(self, lease: Lease) -> None:
        pass

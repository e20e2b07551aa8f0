# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where leases listen. Without the network there is nothing to open: ports are numbers then."""

from __future__ import annotations

from itertools import count
from typing import Protocol

from ..classic.leases import Lease


class Doors(Protocol):
    host: str
    """Where a caller finds them."""

    def open(self, key: str, lease: Lease) -> int:
        """Listen for a lease of a key; the port."""

    def close(self, lease: Lease) -> None:
        """Listen no longer, if it was listened at all."""


class NoDoors:
    host = "127.0.0.1"
    FIRST, LAST = 20000, 59999

    def __init__(self) -> None:
        self._numbers = count()

    def open(self, key: str, lease: Lease) -> int:
        return self.FIRST + next(self._numbers) % (self.LAST - self.FIRST + 1)

    def close(self, lease: Lease) -> None:
        pass

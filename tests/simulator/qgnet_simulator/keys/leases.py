# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases, and everything that a key holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..clock import beijing
from ..proxies.exit_addresses import TUNNEL, hosts
from .plans import ISPS, Area

if TYPE_CHECKING:
    from .monopolies import Monopoly


ENTRY_SECONDS = 1800
"""For how long an entry of a tunnel keeps its exit."""


@dataclass(eq=False)
class Lease:
    """One exit address that a key may use until a deadline."""

    ip: str
    area: Area
    task_id: str
    at: float
    ends: float
    port: int = 0
    host: str = ""
    closed: bool = False

    def is_active(self, now: float) -> bool:
        return not self.closed and now < self.ends

    def exit_behind(self, now: float) -> str:
        """Return the exit of now, if this is an entry of a tunnel."""
        exits = tuple(hosts(TUNNEL))
        return exits[(self.port + 64 * int((now - self.at) // ENTRY_SECONDS)) % len(exits)]

    def describe(self) -> dict[str, Any]:
        return {
            "ip": self.ip,
            "port": str(self.port),
            "host": self.host,
            "task_id": self.task_id,
            "deadline": beijing(self.ends),
            "ends": self.ends,
            "area_id": self.area.area_id,
            "area": self.area.area,
            "isp": self.area.isp,
            "isp_name": ISPS[self.area.isp],
        }


@dataclass
class Holdings:
    """The leases, pool addresses and monopolies of a key, its channels, and every lease that it has
    paid for.
    """

    leases: list[Lease] = field(default_factory=list)
    pool: list[Lease] = field(default_factory=list)
    """Addresses that were returned by extract calls. They use no channel."""
    monopolies: list[Monopoly] = field(default_factory=list)
    channels_free_at: list[float] = field(default_factory=list)
    """When the channel of each released lease becomes free."""
    paid: list[dict[str, Any]] = field(default_factory=list)
    """Every lease ever allocated; entries are never removed."""
    paid_addresses: set[str] = field(default_factory=set)
    monopolies_paid: int = 0
    """The number of monopolies that were ever applied for."""

    @property
    def channels_in_use(self) -> int:
        return len(self.leases) + len(self.channels_free_at)

    def record_payment(self, lease: Lease) -> None:
        self.paid.append(
            {"ip": lease.ip, "port": str(lease.port), "task_id": lease.task_id, "at": lease.at}
        )
        self.paid_addresses.add(lease.ip)

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "leases": [lease.describe() for lease in self.leases],
            "pool": [lease.describe() for lease in self.pool],
            "channels_free_at": list(self.channels_free_at),
            "paid": list(self.paid),
            "monopolies": [monopoly.describe(now) for monopoly in self.monopolies],
        }

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases, and the books that are kept of them for each key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..clock import beijing
from .plans import ISPS, Area

if TYPE_CHECKING:
    from .monopolies import Monopoly


@dataclass(eq=False)
class Lease:
    """One address that a key holds until a moment."""

    ip: str
    area: Area
    task_id: str
    at: float
    ends: float
    port: int = 0
    host: str = ""
    live: bool = True

    def runs(self, now: float) -> bool:
        return self.live and now < self.ends

    def item(self, detail: bool) -> dict[str, Any]:
        """The lease in an answer of the vendor."""
        found = {"IP": self.ip, "port": str(self.port), "deadline": beijing(self.ends), "host": self.host}
        if detail:
            found["region"] = self.area.region
        return found

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
class Books:
    """What one key holds and has paid for."""

    leases: list[Lease] = field(default_factory=list)
    pool: list[Lease] = field(default_factory=list)
    """Addresses seen with an extract call: they take no channel."""
    monopolies: list[Monopoly] = field(default_factory=list)
    freeing: list[float] = field(default_factory=list)
    """When each channel becomes free whose lease was released."""
    paid: list[dict[str, Any]] = field(default_factory=list)
    """Every lease ever given. Nothing is ever taken out."""
    paid_addresses: set[str] = field(default_factory=set)

    @property
    def busy(self) -> int:
        """Channels in use."""
        return len(self.leases) + len(self.freeing)

    def pay(self, lease: Lease) -> None:
        self.paid.append({"ip": lease.ip, "port": str(lease.port), "task_id": lease.task_id, "at": lease.at})
        self.paid_addresses.add(lease.ip)

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "leases": [lease.describe() for lease in self.leases],
            "pool": [lease.describe() for lease in self.pool],
            "freeing": list(self.freeing),
            "paid": list(self.paid),
            "monopolies": [monopoly.describe(now) for monopoly in self.monopolies],
        }

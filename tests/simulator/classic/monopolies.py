# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of exclusive occupancy: each is dialled, and dialled again, in its own time."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clock import beijing
from .codes import Refusal
from .leases import Lease
from .plans import ISPS, Area

if TYPE_CHECKING:
    from .keys import Account
    from .lease_service import Lessor

ONLINE, OFFLINE, DIALLING = "在线", "离线", "重拨中"
ENDLESS = 10.0**10


@dataclass(eq=False)
class Monopoly:
    uuid: str
    area: Area
    since: float
    dial_at: float
    """When its latest dialling begins: until then it stands in the queue."""
    online_at: float
    offline: bool = False
    """A test cut it off."""
    lease: Lease | None = None
    """Its exit while it is online."""

    def state(self, now: float) -> str:
        if self.offline:
            return OFFLINE
        if now < self.dial_at:
            return f"排队中(等待秒数{math.ceil(self.dial_at - now)})"
        # Online without an address is no more than the moment before the books are settled.
        return ONLINE if self.lease is not None else DIALLING

    def dial(self, now: float, seconds: float) -> None:
        self.dial_at, self.online_at, self.offline = now, now + seconds, False

    def item(self, now: float) -> dict[str, Any]:
        """It in an answer of the vendor."""
        found = {
            "uuid": self.uuid,
            "area": self.area.area,
            "isp": ISPS[self.area.isp],
            "state": self.state(now),
            "monopolize_time": beijing(self.since),
            "last_dial_time": beijing(self.dial_at) if self.dial_at <= now else "",
        }
        if found["state"] == ONLINE and self.lease is not None:
            found |= {"ip": self.lease.host, "heartbeat": beijing(now)}
        return found

    def describe(self, now: float) -> dict[str, Any]:
        return {**self.item(now), "exit": self.lease.ip if self.lease else None, "since": self.since}

    def hang_up(self, lessor: Lessor) -> None:
        if self.lease is not None:
            lessor.end([self.lease])
            self.lease = None


def settle(lessor: Lessor, account: Account) -> None:
    """Bring the monopolies of a key up to the present."""
    now = lessor.clock.now()
    for monopoly in account.books.monopolies:
        if monopoly.offline:
            monopoly.hang_up(lessor)
        elif monopoly.lease is None and monopoly.online_at <= now:
            # Without an address or a port it goes on dialling.
            with suppress(Refusal):
                for address in lessor.addresses.choose(1) or []:
                    monopoly.lease = lessor.lease(account, address, monopoly.area, monopoly.uuid, ENDLESS)

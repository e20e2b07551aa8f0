# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reserved lines, which the API calls monopolies. Each is dialed and redialed separately."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clock import beijing
from ..exchange import Refusal
from .leases import Lease
from .plans import ISPS, Area

if TYPE_CHECKING:
    from .key import ProxyKey
    from .lease_service import LeaseService

ONLINE = "在线"
OFFLINE = "离线"
DIALING = "重拨中"
NO_DEADLINE = 3.0 * 10**9


@dataclass(eq=False)
class Monopoly:
    uuid: str
    area: Area
    since: float
    dial_at: float
    """When the latest dialing starts; until then the monopoly is queued."""
    online_at: float
    offline: bool = False
    """Set by a control call."""
    lease: Lease | None = None
    """The exit address while the monopoly is online."""

    def state(self, now: float) -> str:
        if self.offline:
            return OFFLINE
        if now < self.dial_at:
            return f"排队中(等待秒数{math.ceil(self.dial_at - now)})"
        # A monopoly that is due but has no lease yet goes online when due events are processed.
        if self.lease is None:
            return DIALING
        return ONLINE

    def dial(self, now: float, seconds: float) -> None:
        self.dial_at = now
        self.online_at = now + seconds
        self.offline = False

    def list_item(self, now: float) -> dict[str, Any]:
        """Return the monopoly as an item of QG.net's list."""
        item = {
            "uuid": self.uuid,
            "area": self.area.area,
            "isp": ISPS[self.area.isp],
            "state": self.state(now),
            "monopolize_time": beijing(self.since),
            "last_dial_time": "",
        }
        if self.dial_at <= now:
            item["last_dial_time"] = beijing(self.dial_at)
        if item["state"] == ONLINE and self.lease is not None:
            item |= {"ip": self.lease.host, "heartbeat": beijing(now)}
        return item

    def describe(self, now: float) -> dict[str, Any]:
        return {**self.list_item(now), "exit": self.lease and self.lease.ip, "since": self.since}

    def hang_up(self, lease_service: LeaseService) -> None:
        if self.lease is not None:
            lease_service.close([self.lease])
            self.lease = None


def process_due_monopolies(lease_service: LeaseService, key: ProxyKey) -> None:
    """Disconnect the offline monopolies of a key, and connect those whose dialing is over."""
    now = lease_service.clock.now()
    for monopoly in key.holdings.monopolies:
        if monopoly.offline:
            monopoly.hang_up(lease_service)
        elif monopoly.lease is None and monopoly.online_at <= now:
            # Without a free address or a port, dialing continues.
            with suppress(Refusal):
                for address in lease_service.exit_addresses(key).choose(1) or []:
                    monopoly.lease = lease_service.open(
                        key, address, monopoly.area, monopoly.uuid, NO_DEADLINE
                    )

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel of a key: its settings, and the exits that are in use."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Literal

from ..clock import beijing
from ..proxies.access import Reason, Refused
from ..proxies.exit_addresses import TUNNEL, hosts
from ..proxies.tunnels import ExitOptions

PER_REQUEST = "request"
LOCK = threading.Lock()
"""Held while a tunnel looks for an exit: the threads of proxies and the API use them."""
ADDRESSES = zip(cycle(hosts(TUNNEL)), cycle(range(20000, 60000)))
"""The exits of all tunnels, one after the other."""


@dataclass(frozen=True)
class TunnelSettings:
    mode: Literal["timed", "request"] = "timed"
    """A request without a label leaves through the tunnel's exit (timed), or each through a new one
    (request).
    """
    ttl: float = 300
    """Seconds that an exit stays, unless the client asks for another time."""
    areas: list[str] | None = None
    """The areas that have exits; None for all."""
    exits: int = 1000
    """Maximum number of exits at a time."""


@dataclass(frozen=True)
class TunnelExit:
    ip: str
    port: int
    area: str | None
    label: str | None
    ends: float

    def describe(self) -> dict[str, Any]:
        return {**vars(self), "deadline": beijing(self.ends)}


@dataclass
class Tunnel:
    settings: TunnelSettings = field(default_factory=TunnelSettings)
    url: str | None = None
    exits: list[TunnelExit] = field(default_factory=list)
    """The exits in use: one for each label and area."""

    def exit_address(self, now: float, options: ExitOptions) -> str:
        with LOCK:
            self._expire(now)
            areas = self.settings.areas
            if areas is not None and options.area not in (None, *map(str.upper, areas)):
                raise Refused(Reason.NO_EXIT)
            if options.label is None and self.settings.mode == PER_REQUEST:
                return self._new_exit(now, options).ip
            for item in self.exits:
                if (item.label, item.area) == (options.label, options.area):
                    return item.ip
            self.exits.append(self._new_exit(now, options))
            return self.exits[-1].ip

    def change(self, now: float) -> TunnelExit | None:
        """Give the tunnel another exit for requests without a label, and return it; None if there
        is none.
        """
        with LOCK:
            self._expire(now)
            others = [item for item in self.exits if (item.label, item.area) != (None, None)]
            if len(others) >= self.settings.exits:
                return None
            self.exits = others
            self.exits.append(self._new_exit(now, ExitOptions()))
            return self.exits[-1]

    def _expire(self, now: float) -> None:
        self.exits = [item for item in self.exits if item.ends > now]

    def _new_exit(self, now: float, options: ExitOptions) -> TunnelExit:
        if len(self.exits) >= self.settings.exits:
            raise Refused(Reason.NO_EXIT)
        ttl = options.ttl
        if ttl is None:
            ttl = self.settings.ttl
        ip, port = next(ADDRESSES)
        return TunnelExit(ip, port, options.area, options.label, now + ttl)

    def describe(self, now: float) -> dict[str, Any]:
        with LOCK:
            exits = [item.describe() for item in self.exits if item.ends > now]
        return {**vars(self.settings), "url": self.url, "in_use": exits}


def tunnel_owner(key: str) -> str:
    """Return the name that identifies the tunnel of a key among the listeners."""
    return f"tunnel {key}"

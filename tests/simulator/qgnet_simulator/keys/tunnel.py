# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel of a key: its settings, and the exits that are in use."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal

from ..clock import beijing
from ..proxies.access import NoExitError
from ..proxies.exit_addresses import TUNNEL, hosts
from ..proxies.tunnels import ExitOptions

PER_REQUEST = "request"


@dataclass(frozen=True)
class TunnelSettings:
    mode: Literal["timed", "request"] = "timed"
    """A request without a label leaves through the tunnel's exit (timed), or each through a new one (request)."""
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


class TunnelAddresses:
    """Hands out the exit addresses of all tunnels, one after the other. Several threads use it."""

    def __init__(self) -> None:
        self._addresses = zip(cycle(hosts(TUNNEL)), cycle(range(20000, 60000)))
        self._lock = threading.Lock()

    def next(self) -> tuple[str, int]:
        with self._lock:
            return next(self._addresses)


class Tunnel:
    """The exits of a tunnel. The threads of the proxy and the API use it."""

    def __init__(self, addresses: TunnelAddresses) -> None:
        self.settings = TunnelSettings()
        self.url: str | None = None
        self._addresses = addresses
        self._exits: dict[tuple[str | None, str | None], TunnelExit] = {}
        """Exit in use by label and area."""
        self._lock = threading.Lock()

    def exit_address(self, now: float, options: ExitOptions) -> str:
        with self._lock:
            self._expire(now)
            areas = self.settings.areas
            if areas is not None and options.area not in (None, *map(str.upper, areas)):
                raise NoExitError
            place = options.label, options.area
            if options.label is None and self.settings.mode == PER_REQUEST:
                return self._new_exit(now, options).ip
            if place not in self._exits:
                self._exits[place] = self._new_exit(now, options)
            return self._exits[place].ip

    def change(self, now: float) -> TunnelExit | None:
        """Give the tunnel another exit for requests without a label, and return it; None if there is none."""
        with self._lock:
            self._expire(now)
            others = dict(self._exits)
            others.pop((None, None), None)
            if len(others) >= self.settings.exits:
                return None
            self._exits = others
            new = self._new_exit(now, ExitOptions())
            self._exits[(None, None)] = new
            return new

    def _expire(self, now: float) -> None:
        self._exits = {place: item for place, item in self._exits.items() if item.ends > now}

    def _new_exit(self, now: float, options: ExitOptions) -> TunnelExit:
        if len(self._exits) >= self.settings.exits:
            raise NoExitError
        ttl = options.ttl
        if ttl is None:
            ttl = self.settings.ttl
        ip, port = self._addresses.next()
        return TunnelExit(ip, port, options.area, options.label, now + ttl)

    def describe(self, now: float) -> dict[str, Any]:
        with self._lock:
            exits = [item.describe() for item in self._exits.values() if item.ends > now]
        return {**vars(self.settings), "url": self.url, "in_use": exits}

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel of a key: its settings, and the exits that are in use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import validation
from ..clock import beijing
from ..proxies.access import NoExitError
from ..proxies.exit_addresses import TUNNEL, hosts
from ..proxies.tunnels import ExitOptions
from ..validation import ValidationError, Validator

TIMED, PER_REQUEST = "timed", "request"
VALIDATORS: dict[str, Validator] = {
    "mode": (lambda value: value in (TIMED, PER_REQUEST), f"{TIMED} or {PER_REQUEST}"),
    "ttl": (lambda value: validation.is_duration(value) and value > 0, "seconds"),
    "areas": (lambda value: value is None or validation.is_string_list(value), "a list of areas or null"),
    "exits": (validation.is_integer, "a number from 0"),
}


@dataclass(frozen=True)
class TunnelSettings:
    mode: str = TIMED
    """A request without a label leaves through the tunnel's exit (timed), or each through a new one (request)."""
    ttl: float = 300
    """Seconds that an exit stays, unless the client asks for another time."""
    areas: list[str] | None = None
    """The areas that have exits; None for all."""
    exits: int = 1000
    """Maximum number of exits at a time."""

    def with_changes(self, values: Mapping[str, Any]) -> TunnelSettings:
        for name, value in values.items():
            if name not in VALIDATORS:
                raise ValidationError(f"tunnel: no field {name}")
            if not VALIDATORS[name][0](value):
                raise ValidationError(f"tunnel {name}: {VALIDATORS[name][1]} expected")
        return replace(self, **values)


@dataclass(frozen=True)
class TunnelExit:
    ip: str
    port: int
    area: str | None
    label: str | None
    ends: float

    @property
    def deadline(self) -> str:
        return beijing(self.ends)

    def describe(self) -> dict[str, Any]:
        return {**vars(self), "deadline": self.deadline}


class TunnelAddresses:
    """Hands out the exit addresses of all tunnels, one after the other. Several threads use it."""

    def __init__(self) -> None:
        self._hosts = hosts(TUNNEL)
        self._count = 0
        self._lock = threading.Lock()

    def next(self) -> tuple[str, int]:
        with self._lock:
            self._count += 1
            return self._hosts[self._count % len(self._hosts)], 20000 + self._count % 40000


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
            if areas is not None and options.area not in (None, *(area.upper() for area in areas)):
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
            previous = self._exits.pop((None, None), None)
            try:
                new = self._exits[(None, None)] = self._new_exit(now, ExitOptions())
            except NoExitError:
                if previous is not None:
                    self._exits[(None, None)] = previous
                return None
            return new

    def _expire(self, now: float) -> None:
        self._exits = {place: item for place, item in self._exits.items() if item.ends > now}

    def _new_exit(self, now: float, options: ExitOptions) -> TunnelExit:
        if len(self._exits) >= self.settings.exits:
            raise NoExitError
        ttl = self.settings.ttl if options.ttl is None else options.ttl
        ip, port = self._addresses.next()
        return TunnelExit(ip, port, options.area, options.label, now + ttl)

    def describe(self, now: float) -> dict[str, Any]:
        with self._lock:
            exits = [item.describe() for item in self._exits.values() if item.ends > now]
        return {**vars(self.settings), "url": self.url, "in_use": exits}

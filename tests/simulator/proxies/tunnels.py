# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels: forward proxies whose client chooses the exit by its user name or by headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..clock import Clock
from ..network import Network
from .access import KeyLookup, ProxyAccess, ProxyRequest

LABEL_HEADER, TTL_HEADER = "proxy-tunnelid", "proxy-ttl"
TUNNEL_HEADERS = (LABEL_HEADER, TTL_HEADER)
VALUES = {
    "A": re.compile(r"[A-Z]{2}|[0-9]{6}"),
    "T": re.compile(r"[1-9][0-9]{0,5}"),
    "S": re.compile(r"[A-Za-z0-9_]{1,64}"),
}
"""Allowed values by option: area, seconds, and label."""


@dataclass(frozen=True)
class ExitOptions:
    """What a client asks of its exit."""

    area: str | None = None
    ttl: float | None = None
    label: str | None = None


class TunnelExits(Protocol):
    """The part of a tunnel that chooses exits."""

    def exit_address(self, now: float, options: ExitOptions) -> str:
        """Return the exit address for a request; raises ``NoExitError`` if there is none."""


TunnelLookup = Callable[[str], TunnelExits | None]


def parse_user(user: str, key: str) -> Mapping[str, str] | None:
    """Return the options in a user name (``KEY-A-440100-T-60-S-label``, in any order); None if it has another form."""
    if user == key:
        return {}
    if not user.startswith(f"{key}-"):
        return None
    parts = user.removeprefix(f"{key}-").split("-")
    options = dict(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) != 2 * len(options):
        return None
    return options if _are_valid(options) else None


def _are_valid(options: Mapping[str, str]) -> bool:
    return all(name in VALUES and VALUES[name].fullmatch(value) for name, value in options.items())


def parse_headers(headers: Mapping[str, str]) -> Mapping[str, str] | None:
    names = {"S": LABEL_HEADER, "T": TTL_HEADER}
    options = {option: headers[name].strip() for option, name in names.items() if name in headers}
    return options if _are_valid(options) else None


class TunnelProxyAccess(ProxyAccess):
    """Access to the tunnel of one key."""

    def __init__(
        self, network: Network, clock: Clock, find_key: KeyLookup, key: str, find_tunnel: TunnelLookup
    ) -> None:
        super().__init__(network, clock, find_key, key)
        self._find_tunnel = find_tunnel

    def authorizes(self, request: ProxyRequest) -> bool:
        key = self._find_key(self._key)
        if key is None or self._options(request) is None:
            return False
        return self._authorizes(key, request, None if request.user is None else key.key)

    def exit_for(self, request: ProxyRequest) -> str | None:
        options, tunnel = self._options(request), self._find_tunnel(self._key)
        if options is None or tunnel is None or not self.authorizes(request):
            return None
        return tunnel.exit_address(self._clock.now(), options)

    def _options(self, request: ProxyRequest) -> ExitOptions | None:
        """Return the options of a request. Where both forms name one, that of the user name counts."""
        by_user = {} if request.user is None else parse_user(request.user, self._key)
        by_header = parse_headers(request.headers)
        if by_user is None or by_header is None:
            return None
        options = {**by_header, **by_user}
        return ExitOptions(options.get("A"), float(options["T"]) if "T" in options else None, options.get("S"))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protects the page and the control calls from pages of other sites in a browser.

A page of any site can make a browser send requests to this machine. ``Origin`` identifies such a request; after DNS
rebinding, the name in ``Host`` does. The vendor's calls are not restricted: the vendor ignores these headers, and
programs may call it by any name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/_sim"
MAX_SHOWN = 100
"""Maximum number of characters of a header in an error message."""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    address = _address(host)
    return address is not None and address.is_loopback


def _host_of(authority: str) -> str:
    """Return the host of ``host:port`` in lower case, without brackets; nothing if it is not of that form."""
    try:
        parts = urlsplit(f"//{authority}")
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return host if parts.netloc == authority and parts.username is None else ""


class SameOriginMiddleware:
    """Responds with 403 to requests for the page and control calls whose Host or Origin is not the simulator's."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._addresses = {address for host in hosts if (address := _address(host))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        error = self.check(scope) if path == PREFIX or path.startswith(f"{PREFIX}/") else None
        if error is None:
            await self._app(scope, receive, send)
        else:
            response = JSONResponse({"error": error}, 403, {"X-Content-Type-Options": "nosniff"})
            await response(scope, receive, send)

    def check(self, scope: Scope) -> str | None:
        """Return the error message for a request that is not allowed, or None."""
        headers: dict[bytes, list[str]] = {b"host": [], b"origin": []}
        for name, value in scope["headers"]:
            if name.lower() in headers:
                headers[name.lower()].append(value.decode("latin-1"))
        hosts, server_address = headers[b"host"], (scope.get("server") or ("", 0))[0]
        for host in hosts:
            if not self._is_own_host(_host_of(host), server_address):
                return (
                    f"Host {host[:MAX_SHOWN]!r} is not the simulator's: use 127.0.0.1, localhost or the address that "
                    "it listens on, or start it with --allow-host and that name"
                )
        for origin in headers[b"origin"]:
            if [origin] != [f"{scope['scheme']}://{host}" for host in hosts]:
                return (
                    f"Origin {origin[:MAX_SHOWN]!r} is another site's: of all pages in a browser, only the "
                    "simulator's own may make control calls"
                )
        return None

    def _is_own_host(self, host: str, server_address: str) -> bool:
        address = _address(host)
        if address is None:
            return host in self._hosts
        return address.is_loopback or address in self._addresses or address == _address(server_address)

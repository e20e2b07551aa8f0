# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests may reach the page and the control calls: not those that another site's page makes in a browser.

A page of any site can make a browser send requests to this machine. Its ``Origin`` gives it away; or, if its name was
made to resolve to this machine (DNS rebinding), the name in ``Host``. The vendor's calls are not restricted: the vendor
does not look at these headers, and programs call it by any name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/_sim"
MAX_SHOWN = 100
"""Characters of a header that a refusal quotes."""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(host: str) -> bool:
    """Return whether this is an address that only this machine reaches."""
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


class SameOrigin:
    """Answers 403 to a request for the page or a control call whose Host or Origin is not the simulator's."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._addresses = {address for host in hosts if (address := _address(host))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        reason = self.refusal(scope) if path == PREFIX or path.startswith(f"{PREFIX}/") else None
        if reason is None:
            await self._app(scope, receive, send)
        else:
            answer = JSONResponse({"error": reason}, 403, {"X-Content-Type-Options": "nosniff"})
            await answer(scope, receive, send)

    def refusal(self, scope: Scope) -> str | None:
        """Return why a request is refused, in one sentence, or None."""
        headers: dict[bytes, list[str]] = {b"host": [], b"origin": []}
        for name, value in scope["headers"]:
            if name.lower() in headers:
                headers[name.lower()].append(value.decode("latin-1"))
        own, reached = headers[b"host"], (scope.get("server") or ("", 0))[0]
        for host in own:
            if not self._is_own(_host_of(host), reached):
                return (
                    f"Host {host[:MAX_SHOWN]!r} is not the simulator's: use 127.0.0.1, localhost or the address that "
                    "it listens on, or start it with --allow-host and that name"
                )
        for origin in headers[b"origin"]:
            if [origin] != [f"{scope['scheme']}://{host}" for host in own]:
                return (
                    f"Origin {origin[:MAX_SHOWN]!r} is another site's: of all pages in a browser, only the "
                    "simulator's own may make control calls"
                )
        return None

    def _is_own(self, host: str, reached: str) -> bool:
        address = _address(host)
        if address is None:
            return host in self._hosts
        return address.is_loopback or address in self._addresses or address == _address(reached)

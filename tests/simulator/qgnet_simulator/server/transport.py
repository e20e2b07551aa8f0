# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the connection (resets, early closes, slow responses), and the Date header of
responses.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_transports: dict[tuple[Any, Any], asyncio.Transport] = {}
"""Transports by the addresses of client and server: a client can use one port for several servers.
"""


class TrackingProtocol(H11Protocol):
    """The HTTP protocol of the server, which keeps its transports, so that a response can break its
    connection.
    """

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        _transports[self.client, self.server] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _transports.pop((self.client, self.server), None)
        super().connection_lost(exc)


class DateHeaderMiddleware:
    """Sets the Date header from the clock of the simulator instead of the real time."""

    def __init__(self, app: ASGIApp, date: Callable[[], str]) -> None:
        self._app = app
        self._date = date

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                if all(name.lower() != b"date" for name, value in headers):
                    message["headers"] = [(b"date", self._date().encode()), *headers]
            await send(message)

        await self._app(scope, receive, send_with_date)


class BrokenResponse(Response):
    """The end of the connection (``close`` or ``reset``) instead of a response, or after half of
    its body.

    A half has the Content-Length of the whole. A client that has closed the connection already does
    not matter.
    """

    def __init__(self, whole: Response, ending: str) -> None:
        self._whole = whole
        self._ending = ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        whole = self._whole
        if self._ending == "truncate":
            await send(
                {
                    "type": "http.response.start",
                    "status": whole.status_code,
                    "headers": whole.raw_headers,
                }
            )
            half = bytes(whole.body)[: len(whole.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        transport = _transports.get((scope["client"], scope["server"]))
        if transport is not None and self._ending == "reset":
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        elif transport is not None:
            transport.close()
        # uvicorn would respond with 500 if this request ended before the server notices the
        # disconnect.
        while (await receive())["type"] != "http.disconnect":
            pass

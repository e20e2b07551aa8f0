# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens on the connection itself: resets, early ends, slow answers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

DATE = "simulator.date"
"""In a call's scope: what tells the Date header of its answer, or that there is none."""
_transports: dict[tuple[str, int], asyncio.Transport] = {}


class Protocol(H11Protocol):
    """The HTTP server's protocol, with its transports on record so that an answer can break one."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.client is not None:
            _transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            _transports.pop(self.client, None)
        super().connection_lost(exc)


class Dated:
    """Gives answers the Date header of the simulator's clock, which the server's own would contradict."""

    def __init__(self, app: ASGIApp, date: Callable[[], str]) -> None:
        self._app = app
        self._date = date

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                date: str | None = scope.get(DATE, self._date)()
                if date is not None and all(name.lower() != b"date" for name, value in headers):
                    message["headers"] = [(b"date", date.encode("latin-1", "replace")), *headers]
            await send(message)

        await self._app(scope, receive, dated)


async def _end(scope: Scope, receive: Receive, abruptly: bool) -> None:
    """End the connection, unless the caller has done so already."""
    transport = _transports.get(tuple(scope["client"]))
    if transport is not None and abruptly:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif transport is not None:
        transport.close()
    # The server must notice the end before this call is over: it would answer 500 otherwise.
    while (await receive())["type"] != "http.disconnect":
        pass


class Reset(Response):
    """A real TCP reset instead of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _end(scope, receive, abruptly=True)


class Close(Response):
    """An orderly end of the connection instead of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _end(scope, receive, abruptly=False)


class Truncated(Response):
    """Half of the body, although the headers promise all of it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _end(scope, receive, abruptly=False)


async def _one_by_one(body: bytes, seconds: float, total: float | None) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    end = None if total is None else clock() + total
    for position in range(len(body)):
        if position:
            await asyncio.sleep(seconds)
        if end is not None and clock() >= end:
            yield body[position:]
            return
        yield body[position : position + 1]


def trickle(answer: Response, seconds: float, total: float | None) -> Response:
    """The same answer, a byte at a time; after ``total`` seconds the rest comes at once."""
    body = bytes(answer.body)
    slow = StreamingResponse(_one_by_one(body, seconds, total), status_code=answer.status_code)
    slow.raw_headers = answer.raw_headers
    return slow

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application and the server that runs it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from ..clock import http_date
from ..control.api import ControlApi
from ..core import Core
from ..proxies.echo import EchoServices
from ..proxies.forwarding import ForwardProxies
from ..proxies.listeners import family_of
from .api_routes import ApiRoutes
from .transport import DateHeaderMiddleware, TrackingProtocol


def build_app(core: Core, forward_proxies: ForwardProxies, authority: bytes) -> ASGIApp:
    """Return the application; ``authority`` is the PEM of the authority of all certificates."""
    echo = EchoServices(core.network)
    app = Starlette(
        routes=[
            *ControlApi(core, echo, forward_proxies, authority).routes(),
            *echo.routes(),
            *ApiRoutes(core).routes(),
        ],
    )
    # QG.net does not redirect a path with an additional slash.
    app.router.redirect_slashes = False
    return DateHeaderMiddleware(app, lambda: http_date(core.clock.now()))


def server_config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=TrackingProtocol,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


class Server(uvicorn.Server):
    """A server that writes a ready file once it listens, and calls ``update`` ten times a
    second.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        update: Callable[[], None],
        ready: Mapping[str, object],
        ready_file: Path | None,
        secure: socket.socket,
        tls: ssl.SSLContext,
    ) -> None:
        super().__init__(config)
        self._update = update
        self._ready = ready
        self._ready_file = ready_file
        self._secure = secure
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # All of uvicorn's own sockets have one scheme.
        loop = asyncio.get_running_loop()
        self.servers.append(
            await loop.create_server(self._protocol, sock=self._secure, ssl=self._tls)
        )
        if self._ready_file is not None:
            # Readers poll for the file, so it must never be visible while it is incomplete.
            partial = self._ready_file.with_name(f"{self._ready_file.name}.{os.getpid()}")
            partial.write_text(json.dumps(self._ready), encoding="utf-8")
            partial.replace(self._ready_file)

    def _protocol(self) -> asyncio.Protocol:
        return TrackingProtocol(self.config, self.server_state, self.lifespan.state)

    async def on_tick(self, counter: int) -> bool:
        """Go on until the server has to end; uvicorn calls this ten times a second."""
        self._update()
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only if the protocol is given. Without it, each response would take
    # 40 ms longer.
    listener = socket.socket(family_of(host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(512)
    return listener

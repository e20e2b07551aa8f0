# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many listening sockets, one thread that accepts for all of them, and a thread for each connection."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Address = tuple[str, int]
Serve = Callable[[socket.socket, Address], None]
Name = TypeVar("Name")
BACKLOG = 64


@dataclass
class _Listener:
    bound: socket.socket
    serve: Serve
    open: set[socket.socket] = field(default_factory=set)
    """Its connections."""

    def accept(self) -> None:
        # A caller may have gone again already.
        with suppress(OSError):
            connection, address = self.bound.accept()
            connection.setblocking(True)
            self.open.add(connection)
            threading.Thread(target=self._handle, args=(connection, address[:2]), daemon=True).start()

    def _handle(self, connection: socket.socket, address: Address) -> None:
        try:
            with connection:
                self.serve(connection, address)
        finally:
            self.open.discard(connection)


class Listeners(Generic[Name]):
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._listeners: dict[Name, _Listener] = {}
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def open(self, name: Name, host: str, port: int, serve: Serve) -> int:
        """Listen under a name; the port."""
        six = ":" in host
        # Bound here, so that a taken port is the caller's error.
        bound = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if six else socket.AF_INET,
            backlog=BACKLOG,
            dualstack_ipv6=six and socket.has_dualstack_ipv6(),
        )
        bound.setblocking(False)
        listener = self._listeners[name] = _Listener(bound, serve)
        self._do(self._loop.add_reader, bound, listener.accept)
        number: int = bound.getsockname()[1]
        return number

    def close(self, name: Name) -> None:
        """Listen no longer, and cut the connections; nothing if the name does not listen."""
        listener = self._listeners.pop(name, None)
        if listener is None:
            return
        self._do(self._loop.remove_reader, listener.bound)
        listener.bound.close()
        for connection in list(listener.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def names(self) -> list[Name]:
        return list(self._listeners)

    def _do(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Do it in the accepting thread, and wait for it."""
        done: Future[None] = Future()

        def act() -> None:
            action(*arguments)
            done.set_result(None)

        self._loop.call_soon_threadsafe(act)
        done.result()

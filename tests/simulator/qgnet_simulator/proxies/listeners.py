# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets that share one accepting thread, with one thread per connection."""

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
ConnectionHandler = Callable[[socket.socket, Address], None]
Owner = TypeVar("Owner")
BACKLOG = 64


@dataclass
class _Listener:
    bound: socket.socket
    handler: ConnectionHandler
    connections: set[socket.socket] = field(default_factory=set)
    """The open connections."""

    def accept(self) -> None:
        # The client may have disconnected already.
        with suppress(OSError):
            connection, address = self.bound.accept()
            connection.setblocking(True)
            self.connections.add(connection)
            threading.Thread(
                target=self._handle, args=(connection, address[:2]), daemon=True
            ).start()

    def _handle(self, connection: socket.socket, address: Address) -> None:
        try:
            with connection:
                self.handler(connection, address)
        finally:
            self.connections.discard(connection)


def family_of(host: str) -> socket.AddressFamily:
    """Return whether an address is one of IPv4 or of IPv6."""
    if ":" in host:
        return socket.AF_INET6
    return socket.AF_INET


class ListenerPool(Generic[Owner]):
    """Listeners by owner."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._listeners: dict[Owner, _Listener] = {}
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def open(self, owner: Owner, host: str, port: int, handler: ConnectionHandler) -> int:
        """Listen for an owner and return the port."""
        family = family_of(host)
        # Bound in this thread, so that the caller gets the error if the port is in use.
        bound = socket.create_server(
            (host, port),
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
        )
        bound.setblocking(False)
        listener = self._listeners[owner] = _Listener(bound, handler)
        self._run_in_loop(self._loop.add_reader, bound, listener.accept)
        number: int = bound.getsockname()[1]
        return number

    def close(self, owner: Owner) -> None:
        """Close the listener of an owner and its connections; does nothing if the owner has no
        listener.
        """
        listener = self._listeners.pop(owner, None)
        if listener is None:
            return
        self._run_in_loop(self._loop.remove_reader, listener.bound)
        listener.bound.close()
        for connection in list(listener.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def owners(self) -> list[Owner]:
        return list(self._listeners)

    def _run_in_loop(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Run an action in the accepting thread and wait for its end."""
        done: Future[None] = Future()

        def run() -> None:
            action(*arguments)
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result()

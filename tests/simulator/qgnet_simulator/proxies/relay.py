# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are passed on: between two ends, and out of the TLS that a client speaks to the
proxy itself.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

CHUNK = 65536


def relay(client: socket.socket, upstream: socket.socket) -> None:
    """Copy in both directions until one end closes the connection."""
    other = {client: upstream, upstream: client}
    with selectors.DefaultSelector() as selector:
        for end in other:
            selector.register(end, selectors.EVENT_READ)
        while True:
            for event, _mask in selector.select():
                source = event.fileobj
                assert isinstance(source, socket.socket)
                while True:
                    data = source.recv(CHUNK)
                    if not data:
                        return
                    other[source].sendall(data)
                    # What TLS has read already makes no socket readable.
                    if not (isinstance(source, ssl.SSLSocket) and source.pending()):
                        break


def unwrap(
    connection: socket.socket, context: ssl.SSLContext, serve: Callable[[socket.socket], None]
) -> None:
    """Serve what a client says within TLS."""
    # A copy, so that whoever closes the connection itself ends it.
    with suppress(OSError), context.wrap_socket(connection.dup(), server_side=True) as secure:
        outer, inner = socket.socketpair()
        thread = threading.Thread(target=_serve_and_close, args=(inner, serve), daemon=True)
        with outer:
            thread.start()
            with suppress(OSError):
                relay(secure, outer)
        with suppress(OSError):
            secure.unwrap()


def _serve_and_close(connection: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with connection:
        serve(connection)

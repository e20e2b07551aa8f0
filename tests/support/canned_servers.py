# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers on loopback that misbehave: one with the same response for everybody, and many that never respond."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading


class CannedServer:
    """Sends each connection the same response to its first request, and hangs up."""

    def __init__(self, response: bytes, context: ssl.SSLContext | None = None) -> None:
        self._response, self._context = response, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, name="canned", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), name="canned", daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        wrap = self._context
        # Some clients hang up when they have heard enough.
        with contextlib.suppress(OSError), connection, contextlib.ExitStack() as stack:
            channel = stack.enter_context(wrap.wrap_socket(connection, server_side=True)) if wrap else connection
            channel.recv(65536)
            if self._response:
                channel.sendall(self._response)
                # The rest of a request must not make the response get lost.
                channel.shutdown(socket.SHUT_WR)
                channel.recv(65536)

    def __enter__(self) -> str:
        return self.address

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def said(body: bytes, status: str = "200 OK") -> bytes:
    """A response with this body."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Pit:
    """Servers that take connections and never answer; it knows how many were open at the same time."""

    def __init__(self, count: int) -> None:
        self.most = 0
        self._open: set[socket.socket] = set()
        self._selector = selectors.DefaultSelector()
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _number in range(count)]
        self.servers = ["{}:{}".format(*listening.getsockname()) for listening in self._listening]
        for listening in self._listening:
            listening.setblocking(False)
            self._selector.register(listening, selectors.EVENT_READ)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            ready = [key.fileobj for key, _events in self._selector.select(0.05)]
            for listening in self._listening:
                if listening in ready:
                    # A client that hung up before this call is gone by now.
                    self._drop_the_gone()
                    connection, _address = listening.accept()
                    connection.setblocking(False)
                    self._open.add(connection)
                    self.most = max(self.most, len(self._open))

    def _drop_the_gone(self) -> None:
        for connection in list(self._open):
            try:
                while connection.recv(4096):
                    pass
            except BlockingIOError:
                continue
            except OSError:
                pass
            self._open.remove(connection)
            connection.close()

    def __enter__(self) -> Pit:
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        for each in (*self._listening, *self._open):
            each.close()
        self._selector.close()

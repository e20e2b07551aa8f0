# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exchange ends at its deadline, with its thread and its connection, whatever the server sends."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import MAX_RESPONSE, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError
from support.vendor_faults import brief

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Serve = Callable[[socket.socket], None]


class Server:
    """Accepts connections on loopback and does with each what the test says; remembers what it was sent."""

    def __init__(self, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.connections = 0
        #: How many connections the client has ended.
        self.ended = threading.Semaphore(0)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="server", daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _peer = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._speak, args=(connection,), name="server", daemon=True).start()

    def _speak(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            channel = self._context.wrap_socket(connection, server_side=True) if self._context else connection
            with channel:
                self.requests.append(channel.recv(65536))
                with contextlib.suppress(OSError):
                    self._serve(channel)
                with contextlib.suppress(OSError):
                    while channel.recv(65536):
                        pass
        self.ended.release()

    def close(self) -> None:
        """Accept nothing more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Starts servers."""
    with contextlib.ExitStack() as stack:

        def start(serve: Serve, context: ssl.SSLContext | None = None) -> Server:
            running = Server(serve, context)
            stack.callback(running.close)
            return running

        yield start


def silent(_channel: socket.socket) -> None:
    """Send nothing."""


def forever(*parts: bytes, pause: float = 0.0) -> Serve:
    """Send the first part, then the second again and again."""

    def serve(channel: socket.socket) -> None:
        channel.sendall(parts[0])
        while True:
            channel.sendall(parts[-1])
            time.sleep(pause)

    return serve


def once(data: bytes) -> Serve:
    """Send this."""
    return lambda channel: channel.sendall(data)


SLOW = {
    "silence": silent,
    "bytes_of_a_body": forever(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", pause=0.01),
    "bytes_of_a_last_body": forever(HEAD + b"Connection: close\r\n\r\n", b" ", pause=0.01),
    "headers": forever(HEAD, b"X: 1\r\n", pause=0.01),
    "interim_responses": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
    "trailers": forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: 1\r\n", pause=0.01),
}
ENDLESS = {
    "body": forever(HEAD + b"\r\n", b"x" * 65536),
    "chunk": forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1" * 65536),
    "interim_responses": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "trailers": forever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: 1\r\n" * 10000),
}


def client_threads() -> int:
    return sum(thread.name != "server" for thread in threading.enumerate())


def open_sockets() -> int:
    """The file descriptors of this process, less those that a server still has in hand."""
    return len(os.listdir("/proc/self/fd"))


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true, on a machine that is busy with something else, too."""
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("kind", brief(SLOW, "bytes_of_a_body"))
def test_threads_and_connections_do_not_grow_over_20_timed_out_polls(kind: str, server: Callable[..., Server]) -> None:
    slow = server(SLOW[kind])
    threads, descriptors = client_threads(), open_sockets()
    effects = set()
    for _poll in range(20):
        # As in the event source: each poll has a client of its own.
        with pytest.raises(TransportError, match=r"it took longer than 0.1 seconds") as caught:
            Transport(timeout=0.1).send("GET", f"{slow.url}/x", {}, "/x")
        effects.add(caught.value.effect)
    # On a busy machine, the time may be over before a request is sent, or even before there is a connection.
    assert Effect.IN_FLIGHT in effects
    # An error may keep its connection until it is collected.
    del caught
    gc.collect()
    assert all(slow.ended.acquire(timeout=20) for _poll in range(slow.connections)), "a connection is still open"
    assert eventually(lambda: client_threads() <= threads), threading.enumerate()
    assert eventually(lambda: open_sockets() <= descriptors)


def test_a_client_is_of_use_again_after_a_deadline(server: Callable[..., Server]) -> None:
    slow, quick = server(silent), server(once(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    transport = Transport(timeout=0.2)
    with pytest.raises(TransportError):
        transport.send("GET", f"{slow.url}/x", {}, "/x")
    assert transport.send("GET", f"{quick.url}/x", {}, "/x").text == "{}"


@pytest.mark.parametrize("kind", brief(ENDLESS, "body"))
def test_a_response_without_end_is_given_up_long_before_the_deadline(kind: str, server: Callable[..., Server]) -> None:
    with pytest.raises(TransportError) as caught:
        Transport(timeout=600).send("GET", f"{server(ENDLESS[kind]).url}/x", {}, "/x")
    assert caught.value.effect is Effect.UNKNOWN


def test_a_compressed_response_is_refused_before_it_is_read(server: Callable[..., Server]) -> None:
    bomb = gzip.compress(gzip.compress(b" " * 10 * MAX_RESPONSE))
    head = HEAD + b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    running = server(once(head + bomb))
    with pytest.raises(TransportError, match="a compressed response, which was not requested") as caught:
        Transport(timeout=20).send("GET", f"{running.url}/x", {}, "/x")
    assert (caught.value.effect, caught.value.retryable) == (Effect.UNKNOWN, False)
    assert b"Accept-Encoding: identity\r\n" in running.requests[0]


def test_the_body_of_a_redirect_is_not_decoded(server: Callable[..., Server]) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    running = server(once(head + b"bad"))
    with pytest.raises(TransportError, match="a compressed response"):
        Transport(timeout=20).send("GET", f"{running.url}/x", {}, "/x")
    assert len(running.requests) == 1


def test_a_server_that_does_not_speak_tls_is_named(server: Callable[..., Server]) -> None:
    running = server(once(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
    with pytest.raises(TransportError, match=r"does not use TLS, which https in api_url requires") as caught:
        Transport(timeout=20).send("GET", f"{running.url.replace('http:', 'https:')}/x", {}, "/x")
    assert (caught.value.effect, caught.value.retryable) == (Effect.NOT_SENT, False)


def test_a_handshake_that_never_ends_was_not_sent_to_the_vendor(server: Callable[..., Server]) -> None:
    running = server(silent)
    with pytest.raises(TransportError, match=r"it took longer than 0.3 seconds") as caught:
        Transport(timeout=0.3).send("GET", f"{running.url.replace('http:', 'https:')}/x", {}, "/x")
    assert caught.value.effect is Effect.NOT_SENT
    assert running.ended.acquire(timeout=20)


def test_a_slow_server_with_tls_is_left_at_the_deadline(server: Callable[..., Server], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    running = server(SLOW["trailers"], context)
    threads = client_threads()
    with pytest.raises(TransportError, match=r"it took longer than 1 second\."):
        Transport(timeout=1, ca_path=str(tmp_path / "ca.pem")).send("GET", f"{running.url}/x", {}, "/x")
    assert running.ended.acquire(timeout=20)
    assert eventually(lambda: client_threads() <= threads)

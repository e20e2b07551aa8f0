# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A session of ``requests`` whose exchanges have a deadline and a maximum size.

``requests`` limits each wait for bytes, but neither the sum of the waits nor the bytes before, between and after the
body: a server can send headers, chunk sizes and trailers without end. Here every read of the connection, with and
without TLS, first checks the limits of the exchange.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import shlex
import socket
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from .._core.clock import elapsed

try:
    from requests import Session
    from requests.adapters import HTTPAdapter
    from requests.utils import should_bypass_proxies
    from urllib3.connection import HTTPConnection
except ImportError:
    REQUESTS_IMPORT_ERROR: str | None = traceback.format_exc()
    if not TYPE_CHECKING:
        Session = HTTPAdapter = HTTPConnection = object
else:
    REQUESTS_IMPORT_ERROR = None

#: The error without requests, which names the very Python that needs it.
MISSING_REQUESTS = (
    "The Python library requests is missing where this runs: install it with "
    f"`{shlex.quote(sys.executable or 'python3')} -m pip install requests`."
)


class ResponseTooLarge(Exception):
    """The server sent more than the maximum size of a response."""


class Limits:
    """The limits of the current exchange; one object per session."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._end = 0.0
        self._bytes_left = 0
        self._sent = False
        self.is_cut = False
        #: Whether a proxy is being asked to connect to the server, and whether a connection goes beyond the proxy.
        self.in_tunnel_request = False
        self.is_past_proxy = False
        self.connection: weakref.ref[HTTPConnection] | None = None

    def start(self, timeout: float) -> None:
        """Begin an exchange with this maximum duration in seconds."""
        # This clock includes suspensions: another machine may have taken over and paid, so nothing must be sent later.
        self._end = elapsed() + timeout
        self._bytes_left = self._max_bytes
        self._sent = self.is_past_proxy = False

    def remaining(self) -> float:
        """Return the remaining seconds; raises TimeoutError if there are none."""
        seconds = self._end - elapsed()
        if self.is_cut or seconds <= 0:
            raise TimeoutError
        return seconds

    def count(self, size: int) -> None:
        """Count received bytes; raises ResponseTooLarge if there are too many."""
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise ResponseTooLarge

    def begin_to_send(self) -> None:
        """Record that a request is sent from now on; raises TimeoutError if the deadline has passed."""
        with self._lock:
            self.remaining()
            self._sent = True

    @property
    def is_sent(self) -> bool:
        """Whether a part of the request may have been sent."""
        with self._lock:
            return self._sent

    def cut(self) -> None:
        """End the exchange from another thread: nothing more is sent or read, and a waiting reader wakes up."""
        with self._lock:
            self.is_cut = True
        connection = self.connection and self.connection()
        channel = connection.sock if connection else None
        if isinstance(channel, socket.socket):
            # Not the method of a TLS socket, which would first remove TLS while another thread reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(channel, socket.SHUT_RDWR)


class _LimitedReader(io.RawIOBase):
    """Reads from a connection within the limits of the exchange."""

    def __init__(self, channel: socket.socket, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        # Unbuffered. The socket stays open until this object is closed.
        self._raw: Any = channel.makefile("rb", 0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._channel.settimeout(self._limits.remaining())
        size: int | None = self._raw.readinto(buffer)
        self._limits.count(size or 0)
        return size

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()


class _LimitedResponse(http.client.HTTPResponse):
    """A response that is read within the limits of the exchange, from the status line to the trailers."""

    limits: ClassVar[Limits]

    def __init__(self, channel: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(channel, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_LimitedReader(channel, self.limits))


class _SocketOptions:
    """Socket options that check the limits when they are read: urllib3 reads them before each attempt to connect."""

    def __init__(self, options: Any, limits: Limits) -> None:
        self._options = tuple(options or ())
        self._limits = limits

    def __iter__(self) -> Iterator[Any]:
        self._limits.remaining()
        return iter(self._options)


class _LimitedConnection(HTTPConnection):
    """Connects, sends and receives within the limits of the exchange."""

    limits: ClassVar[Limits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.socket_options = cast(Any, _SocketOptions(self.socket_options, self.limits))

    def _new_conn(self) -> socket.socket:
        self.timeout = self.limits.remaining()
        channel = super()._new_conn()
        # For the TLS handshake, which is next.
        channel.settimeout(self.limits.remaining())
        # A SOCKS proxy has connected to the server by now.
        self.limits.is_past_proxy = hasattr(self, "_socks_options")
        return channel

    def _tunnel(self) -> None:
        self.limits.in_tunnel_request = True
        try:
            super()._tunnel()
        finally:
            self.limits.in_tunnel_request = False
        self.limits.is_past_proxy = True

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.limits.connection = weakref.ref(self)
        if self.limits.in_tunnel_request:
            # This is the request to the proxy, and not the request itself.
            self.limits.remaining()
        else:
            self.limits.begin_to_send()
        super().send(data)


def _limited(pool: Any, limits: Limits) -> Any:
    """Return a subclass of a connection pool whose connections observe the limits."""
    if issubclass(pool.ConnectionCls, _LimitedConnection):
        return pool
    response = type("LimitedResponse", (_LimitedResponse,), {"limits": limits})
    names = {"limits": limits, "response_class": response}
    connection = type("LimitedConnection", (_LimitedConnection, pool.ConnectionCls), names)
    return type("LimitedPool", (pool,), {"ConnectionCls": connection})


class _LimitedAdapter(HTTPAdapter):
    """Applies the limits to every connection, including those through an HTTP or SOCKS proxy of the environment."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self._limit(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        self._limit(manager)
        return manager

    def _limit(self, manager: Any) -> None:
        pools = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: _limited(pool, self._limits) for scheme, pool in pools.items()}


class LimitedSession(Session):
    """A session that observes ``limits``, follows no redirects, and ignores proxies and .netrc of the environment."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__()
        self.trust_env = False
        self.limits = Limits(max_bytes)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _LimitedAdapter(self.limits))

    def get_redirect_target(self, resp: Any) -> str | None:
        """Return None: requests would read and decode the whole body of a redirect even if it does not follow it."""
        return None


def bypasses_proxy(url: str) -> bool:
    """Whether NO_PROXY excludes a URL; call this only if the environment names a proxy.

    Without such a proxy, requests would read the settings of macOS, which crashes forked processes such as Ansible's
    workers.
    """
    found: bool = should_bypass_proxies(url, no_proxy=None)
    return found

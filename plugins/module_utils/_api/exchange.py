# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange: its deadline, its proxy and its response."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .._core.runtime import current


class UnusableResponse(Exception):
    """The response is not read to its end, for this reason."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, and the ``origin`` of its URL, such as an option, for messages."""

    url: str = field(repr=False)
    origin: str

    @property
    def is_of_environment(self) -> bool:
        """Whether a variable of the environment contains the URL, and not an option."""
        return self.origin.startswith("environment")

    @property
    def setting(self) -> str:
        """The name of the variable or option with the URL."""
        return self.origin.rpartition(" ")[2]

    @property
    def name(self) -> str:
        """The proxy in messages.

        A mistyped URL is not quoted, since any part of it may be a password.
        """
        address = ""
        with contextlib.suppress(ValueError):
            parts = urlsplit(self.url if "//" in self.url else f"//{self.url}")
            if parts.hostname and parts.port:
                address = f" {parts.hostname}:{parts.port}"
        return f"the proxy{address} ({self.origin})"


def environment_authorities() -> tuple[str, str]:
    """Return the environment variable that names certificate authorities, and its value.

    Both are empty if there is none.
    """
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if value := os.environ.get(name):
            return name, value
    return "", ""


@dataclass(frozen=True)
class HttpResponse:
    """A complete HTTP response with any status."""

    status: int
    text: str
    headers: Mapping[str, str]


class Exchange:
    """One request: until when it may be sent, and whether a part of it may have been sent."""

    def __init__(self, timeout: float) -> None:
        # This clock includes suspensions: another machine may have taken over and paid, so nothing
        # must be sent later.
        self._elapsed = current().clock.elapsed
        self.timeout = timeout
        self._end = self._elapsed() + timeout
        self._channel: socket.socket | None = None
        self.is_sent = False
        self.is_past_proxy = False

    def before_send(self, channel: socket.socket | None) -> None:
        """Allow the request to be sent through a connection.

        Raises TimeoutError after the deadline.
        """
        # First, so that whoever gives up in this moment reckons with the request.
        self.is_sent = True
        self._channel = channel
        if self._elapsed() >= self._end:
            self.is_sent = False
            raise TimeoutError

    def close(self) -> None:
        """Let nothing be sent any more, and wake up a thread that reads."""
        self._end = 0.0
        if isinstance(self._channel, socket.socket):
            # Not the method of a TLS socket, which would first remove TLS while another thread
            # reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._channel, socket.SHUT_RDWR)

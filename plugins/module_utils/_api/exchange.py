# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One exchange with QG.net: what is called and within which limits, until when and through which
proxy, and what a response says.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from .._core.errors import Reason
from .._core.runtime import current

T = TypeVar("T")
#: Reads the data of a response; raises ResponseShapeError.
Reader = Callable[[Any], T]
#: A context manager that is entered around each request of a call.
Sending = Callable[[], contextlib.AbstractContextManager[None]]
#: The limit per minute of plans that are billed by volume, and of the calls whose limit does not
#: depend on channels.
COMMON_LIMIT = 60


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


class Code(NamedTuple):
    """One row of an error table: what the code means, and what the user can do about it."""

    reason: Reason
    meaning: str
    fix: str


class Refusal(NamedTuple):
    """A refusal of QG.net: its code with the meaning, and its words.

    ``number`` is what the code counts.
    """

    code: int | str | None
    row: Code
    said: object = None
    request_id: object = None
    number: str = "code"


#: Returns the data of a response, and the refusal in it, if any; raises ResponseShapeError if it is
#: not QG.net's.
Dialect = Callable[[HttpResponse], "tuple[Any, Refusal | None]"]
#: Returns a text of QG.net for a message, without secrets; None for other values and empty
#: text.
Quoted = Callable[[object], "str | None"]


@dataclass(frozen=True)
class Call:
    """One call.

    ``per_minute`` is its limit per key, to which ``per_channel`` is added for each channel of the
    plan. ``repeatable`` says whether a call whose response was lost may simply be sent again;
    otherwise the caller must first find out its effect. ``dialect`` reads its responses.
    """

    path: str
    per_minute: int = COMMON_LIMIT
    per_channel: int = 0
    method: str = "GET"
    repeatable: bool = False
    dialect: Dialect = field(kw_only=True)

    @property
    def name(self) -> str:
        """The name in messages and limits: the path, after the method if that is not GET."""
        return self.path if self.method == "GET" else f"{self.method} {self.path}"

    def limit(self, channels: int | None) -> int:
        """Return the limit in calls per minute: without a number of channels, that of one channel.

        It is never above COMMON_LIMIT, which is that of plans by volume: the API does not show
        which plans those are.
        """
        if not self.per_channel:
            return self.per_minute
        return min(COMMON_LIMIT, self.per_minute + self.per_channel * (channels or 1))

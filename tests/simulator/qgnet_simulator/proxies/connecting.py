# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a client of a proxy to its target, which is the same by HTTP and by SOCKS5."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

from .access import NoExitError, OptionError, ProxyAccess, ProxyRequest
from .targets import REFUSAL, Targets

CONNECT_SECONDS = 10.0


class Reason(Enum):
    """Why a client is not connected."""

    NOT_AUTHORIZED = "neither whitelisted nor with a password"
    BAD_OPTIONS = "malformed options of a tunnel"
    NO_EXIT = "no exit address"
    NO_TARGET = "not a target of this proxy"
    UNREACHABLE = "the target does not answer"


class Refused(Exception):
    def __init__(self, reason: Reason, text: str = "") -> None:
        super().__init__(text or reason.value)
        self.reason = reason


@contextmanager
def connected(
    request: ProxyRequest, host: str, port: int, access: ProxyAccess, targets: Targets
) -> Iterator[socket.socket]:
    """Connect to a target. While the connection is open, QG.net sees it with the exit address of the client."""
    try:
        exit_address = access.exit_for(request)
    except OptionError as error:
        raise Refused(Reason.BAD_OPTIONS, str(error)) from None
    except NoExitError:
        raise Refused(Reason.NO_EXIT) from None
    if exit_address is None:
        raise Refused(Reason.NOT_AUTHORIZED)
    target = targets.resolve(host, port, request.connection[1][0])
    if target is None:
        raise Refused(Reason.NO_TARGET, REFUSAL.format(host, port))
    try:
        upstream = socket.create_connection(target, CONNECT_SECONDS)
    except (OSError, OverflowError, UnicodeError) as error:
        raise Refused(Reason.UNREACHABLE, f"{host}:{port}: {error}") from None
    with upstream:
        upstream.settimeout(None)
        onward = upstream.getsockname()[:2], upstream.getpeername()[:2]
        access.network.register_proxied(onward, exit_address)
        try:
            yield upstream
        finally:
            access.network.unregister_proxied(onward)

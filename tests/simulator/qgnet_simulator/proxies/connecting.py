# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a client of a proxy to its target, which is the same by HTTP and by SOCKS5."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .access import ProxyAccess, ProxyRequest, Reason, Refused
from .listeners import Address
from .targets import REFUSAL, Targets

CONNECT_SECONDS = 10.0


def _source(exit_address: str, target: Address) -> Address | None:
    """Return where a connection to this machine comes from, so that a site can tell exits apart.

    It is 127 and the last three numbers of the exit, of which Linux has all.
    """
    if sys.platform != "linux" or not target[0].startswith("127."):
        return None
    _first, _point, others = exit_address.partition(".")
    return f"127.{others}", 0


@contextmanager
def connected(
    request: ProxyRequest, host: str, port: int, access: ProxyAccess, targets: Targets
) -> Iterator[socket.socket]:
    """Connect to a target.

    While the connection is open, QG.net sees it with the exit address of the client.
    """
    exit_address = access.exit_for(request)
    target = targets.resolve(host, port, request.connection[1][0])
    if target is None:
        raise Refused(Reason.NO_TARGET, REFUSAL.format(host, port))
    try:
        upstream = socket.create_connection(target, CONNECT_SECONDS, _source(exit_address, target))
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

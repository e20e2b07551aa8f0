# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SOCKS5 side of a forward proxy (RFC 1928, RFC 1929): CONNECT, with or without user and
password.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

from ..network import Connection
from .access import ProxyAccess, ProxyRequest, Reason, Refused
from .connecting import connected
from .listeners import Address
from .relay import relay
from .targets import Targets

VERSION = 5
NO_AUTHENTICATION = 0
USER_AND_PASSWORD = 2
NO_METHOD = 0xFF
CONNECT = 1
IPV4 = 1
NAME = 3
IPV6 = 4
ADDRESS_BYTES = {IPV4: 4, IPV6: 16}
SUCCESS = 0
FAILURE = 1
NOT_ALLOWED = 2
REFUSED = 5
UNKNOWN_COMMAND = 7
UNKNOWN_TYPE = 8
REPLIES = {
    Reason.NOT_AUTHORIZED: NOT_ALLOWED,
    Reason.BAD_OPTIONS: FAILURE,
    Reason.NO_EXIT: FAILURE,
    Reason.NO_TARGET: NOT_ALLOWED,
    Reason.UNREACHABLE: REFUSED,
}


class _UnknownError(Exception):
    """The client asks for what this proxy does not have."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def serve(
    client: socket.socket, connection: Connection, access: ProxyAccess, targets: Targets
) -> None:
    """Serve one connection until one of its ends closes it."""
    with suppress(OSError, EOFError):
        try:
            request = _authenticate(client, connection, access)
            if request is None:
                return
            host, port = _read_target(client)
            with connected(request, host, port, access, targets) as upstream:
                client.sendall(_reply(SUCCESS))
                relay(client, upstream)
        except Refused as error:
            client.sendall(_reply(REPLIES[error.reason]))
        except _UnknownError as error:
            client.sendall(_reply(error.code))


def _reply(code: int) -> bytes:
    return bytes([VERSION, code, 0, IPV4]) + bytes(6)


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = client.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _read_text(client: socket.socket) -> str:
    return _read(client, _read(client, 1)[0]).decode("utf-8", "replace")


def _authenticate(
    client: socket.socket, connection: Connection, access: ProxyAccess
) -> ProxyRequest | None:
    """Agree on a method and return who the client is; None if no method suits."""
    _version, count = _read(client, 2)
    methods = _read(client, count)
    if USER_AND_PASSWORD in methods:
        # Also for a client on the whitelist: the user name can have the options of a tunnel.
        client.sendall(bytes([VERSION, USER_AND_PASSWORD]))
        _read(client, 1)
        request = ProxyRequest(connection, _read_text(client), _read_text(client))
        if not access.authorizes(request):
            client.sendall(bytes([1, 1]))
            return None
        client.sendall(bytes([1, 0]))
        return request
    if NO_AUTHENTICATION in methods and access.admits(connection):
        client.sendall(bytes([VERSION, NO_AUTHENTICATION]))
        return ProxyRequest(connection)
    client.sendall(bytes([VERSION, NO_METHOD]))
    return None


def _read_target(client: socket.socket) -> Address:
    _version, command, _reserved, kind = _read(client, 4)
    if kind == NAME:
        host = _read_text(client)
    elif kind in ADDRESS_BYTES:
        host = str(ipaddress.ip_address(_read(client, ADDRESS_BYTES[kind])))
    else:
        raise _UnknownError(UNKNOWN_TYPE)
    port = int.from_bytes(_read(client, 2), "big")
    if command != CONNECT:
        raise _UnknownError(UNKNOWN_COMMAND)
    return host, port

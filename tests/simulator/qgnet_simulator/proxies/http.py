# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side of a forward proxy: CONNECT, and one request in absolute form for each connection
(RFC 9110, 9112).
"""

from __future__ import annotations

import socket
from contextlib import suppress
from urllib.parse import urlsplit

from ..network import Connection
from .access import ProxyAccess, ProxyRequest, Reason, Refused
from .connecting import connected
from .relay import CHUNK, relay
from .targets import Targets
from .tunnels import TUNNEL_HEADERS

MAX_HEAD = 65536
HTTP_PORT = 80
OWN_HEADERS = (
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    *TUNNEL_HEADERS,
)
"""Headers that are for the proxy and do not reach the target."""
STATUS = {
    Reason.NOT_AUTHORIZED: (
        '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"'
    ),
    Reason.BAD_OPTIONS: "400 Bad Request",
    Reason.NO_EXIT: "503 Service Unavailable",
    Reason.NO_TARGET: "403 Forbidden",
    Reason.UNREACHABLE: "502 Bad Gateway",
}
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
DRAIN_SECONDS = 1.0


def serve(
    client: socket.socket, connection: Connection, access: ProxyAccess, targets: Targets
) -> None:
    """Serve one connection until one of its ends closes it."""
    with suppress(OSError, EOFError):
        head, rest = _read_head(client)
        try:
            _serve(client, connection, access, targets, head, rest)
        except Refused as error:
            _answer(client, STATUS[error.reason], str(error))
        except ValueError:
            _answer(
                client,
                STATUS[Reason.BAD_OPTIONS],
                "this port is a proxy: CONNECT, or a URL with http:// expected",
            )


def _read_head(client: socket.socket) -> tuple[list[str], bytes]:
    """Return the lines before the body, and what has been read of the body."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(CHUNK)
        if not chunk or len(data) > MAX_HEAD:
            raise EOFError
        data += chunk
    head, _blank, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1").split("\r\n"), rest


def _serve(
    client: socket.socket,
    connection: Connection,
    access: ProxyAccess,
    targets: Targets,
    head: list[str],
    rest: bytes,
) -> None:
    """Serve a request; a ``ValueError`` says that it is not one for a proxy."""
    method, target, version = head[0].split()
    headers = {}
    onward = []
    for line in head[1:]:
        name, _colon, value = line.partition(":")
        headers[name.lower()] = value.strip()
        if name.lower() not in OWN_HEADERS:
            onward.append(line)
    request = ProxyRequest.from_http(connection, headers)
    if method == "CONNECT":
        host, _colon, port = target.rpartition(":")
        with connected(request, host.strip("[]"), int(port), access, targets) as upstream:
            client.sendall(ESTABLISHED)
            upstream.sendall(rest)
            relay(client, upstream)
        return
    url = urlsplit(target)
    if url.scheme != "http" or not url.hostname:
        raise ValueError
    path = target[len("http://") + len(url.netloc) :]
    if not path.startswith("/"):
        path = f"/{path}"
    # One request for each connection, so that each is checked against the whitelist of now.
    lines = [f"{method} {path} {version}", *onward, "Connection: close", "", ""]
    with connected(request, url.hostname, url.port or HTTP_PORT, access, targets) as upstream:
        upstream.sendall("\r\n".join(lines).encode("latin-1") + rest)
        relay(client, upstream)


def _answer(client: socket.socket, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: "
        f"{len(body)}\r\nConnection: close\r\n\r\n"
    )
    client.sendall(head.encode() + body)
    # A body that nobody has read would reset the connection before the client has the answer.
    client.shutdown(socket.SHUT_WR)
    client.settimeout(DRAIN_SECONDS)
    while client.recv(CHUNK):
        pass

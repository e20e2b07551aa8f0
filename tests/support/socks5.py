# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of SOCKS5 that shows each reply."""

from __future__ import annotations

import ipaddress
import socket
import ssl


class Socks5Client:
    """A connection to a proxy, which makes one request by hand."""

    def __init__(self, server: str) -> None:
        host, _colon, port = server.rpartition(":")
        self.connection: socket.socket = socket.create_connection((host, int(port)), timeout=10)

    def exchange(self, data: bytes, size: int) -> bytes:
        self.connection.sendall(data)
        return self.read(size)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (chunk := self.connection.recv(size - len(data))):
            data += chunk
        return data

    def greet(self, *methods: int) -> int:
        return self.exchange(bytes([5, len(methods), *methods]), 2)[1]

    def log_in(self, user: str, password: str) -> int:
        text = b"".join(bytes([len(item)]) + item.encode() for item in (user, password))
        return self.exchange(b"\x01" + text, 2)[1]

    def connect(self, target: bytes, port: int, command: int = 1) -> int:
        return self.exchange(bytes([5, command, 0]) + target + port.to_bytes(2, "big"), 10)[1]

    def start_tls(self, context: ssl.SSLContext, host: str = "d.qg.net") -> None:
        """Begin TLS over the open tunnel."""
        self.connection = context.wrap_socket(self.connection, server_hostname=host)

    def fetch(self, host: str = "d.qg.net") -> str:
        """Request the public address by HTTP over the open tunnel."""
        self.connection.sendall(f"GET /ip HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        return self.read(65536).decode().rpartition("\r\n\r\n")[2].strip()


def name(host: str) -> bytes:
    return bytes([3, len(host)]) + host.encode()


def ipv4(address: str) -> bytes:
    return b"\x01" + ipaddress.ip_address(address).packed

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exits that fail in the ways of real ones, sites, and clients that use them through a gateway."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Server = TypeVar("Server", "Exit", "Site")
#: What a gateway asks its exits to connect to, to see whether they work.
CHECKED = "d.qg.net:443"
_LOGIN = "proxy-authorization: basic "


def free_ports(number: int) -> int:
    """Return the first of so many free ports that follow each other, of those that no connection
    gets meanwhile.
    """
    while True:
        first = random.SystemRandom().randrange(12000, 32000)
        with contextlib.ExitStack() as taken, contextlib.suppress(OSError):
            for port in range(first, first + number):
                taken.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


@dataclass
class Exit:
    """A forward proxy. ``mode`` is ``good``, ``reset``, ``close``, ``silent``, or the status of all
    its answers.

    Like some real ones, it binds a connection to the first site. It had ``most`` clients at a time,
    and was sent these ``logins``.
    """

    mode: str = "good"
    passes_check: bool = True
    port: int = 0
    served: int = 0
    clients: int = 0
    most: int = 0
    sites: set[str] = field(default_factory=set)
    logins: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, rest = await _head(reader)
        for header in rest.split("\r\n"):
            if header.lower().startswith(_LOGIN):
                self.logins.append(base64.b64decode(header[len(_LOGIN) :]).decode())
        if self.mode == "silent":
            await reader.read()
        elif self.mode == "reset":
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
        elif self.mode.isdigit():
            head = "Content-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(f"HTTP/1.1 {self.mode} Bad\r\n{head}".encode())
        elif self.mode == "good":
            method, target, _version = line.split()
            if target == CHECKED:
                status = "200 OK" if self.passes_check else "502 Bad"
                writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
                return
            self.served += 1
            authority = target if method == "CONNECT" else target.split("/")[2]
            self.sites.add(authority)
            host, _colon, port = authority.partition(":")
            site_reader, site_writer = await asyncio.open_connection(host, int(port))
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                site_writer.write(
                    f"{method} /{target.split('/', 3)[3]} HTTP/1.1\r\n{rest}\r\n\r\n".encode(
                        "latin-1"
                    )
                )
            await asyncio.gather(
                self._count(_copy(reader, site_writer)), _copy(site_reader, writer)
            )

    async def _count(self, client: Coroutine[Any, Any, None]) -> None:
        """Count a client until it has closed its connection."""
        self.clients += 1
        self.most = max(self.most, self.clients)
        try:
            await client
        finally:
            self.clients -= 1


@dataclass
class Site:
    """A site that keeps each connection, and answers with its name after ``pause`` seconds."""

    name: str
    status: int = 200
    pause: float = 0.0
    port: int = 0
    seen: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            line, rest = await _head(reader)
            self.seen.append(f"{line}\n{rest}")
            body = self.name.encode()
            await asyncio.sleep(self.pause)
            writer.write(
                b"HTTP/1.1 %d Answer\r\nContent-Length: %d\r\n\r\n%b"
                % (self.status, len(body), body)
            )


async def _head(reader: asyncio.StreamReader) -> tuple[str, str]:
    line, _break, rest = (
        (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().partition("\r\n")
    )
    return line, rest


def _length(head: str) -> int:
    return next(
        int(each[15:]) for each in head.lower().split("\r\n") if each.startswith("content-length:")
    )


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@dataclass
class Answer:
    """What a client received: the status of gateway or site, 0 for a broken connection, and the
    time it took.
    """

    status: int
    body: str
    seconds: float


@dataclass
class Load:
    """The answers to many requests."""

    answers: list[Answer]

    @property
    def failures(self) -> int:
        return sum(answer.status != 200 for answer in self.answers)

    @property
    def longest(self) -> float:
        return max(answer.seconds for answer in self.answers)


class Upstreams:
    """Exits and sites, and clients that reach them, in a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(300)

    def exits(self, number: int) -> list[Exit]:
        return [self._started(Exit()) for _exit in range(number)]

    def site(self, name: str, status: int = 200, pause: float = 0.0) -> Site:
        return self._started(Site(name, status, pause))

    def _started(self, server: Server) -> Server:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await server.serve(reader, writer)
            writer.close()

        listening = self.run(asyncio.start_server(serve, "127.0.0.1", 0))
        server.port = listening.sockets[0].getsockname()[1]
        return server

    def ask(
        self,
        gateway: int,
        method: str,
        target: str,
        label: str = "",
        head: str = "",
        path: str = "/",
    ) -> Answer:
        """Request a page through a gateway, by ``CONNECT`` or with the full URL."""
        return self.run(_ask(gateway, method, target, label, head, path))

    def talk(self, gateway: int, *sites: Site) -> list[str]:
        """Request pages one after the other on one connection, as a browser does."""

        async def talk() -> list[str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway)
            bodies = []
            for site in sites:
                writer.write(
                    f"GET http://{site.address}/ HTTP/1.1\r\nHost: {site.address}\r\n\r\n".encode()
                )
                _line, rest = await _head(reader)
                bodies.append((await reader.readexactly(_length(rest))).decode())
            writer.close()
            return bodies

        return self.run(talk())

    def load(
        self,
        gateway: int,
        site: Site,
        count: int,
        workers: int,
        methods: Sequence[str] = ("CONNECT",),
    ) -> Load:
        async def work(number: int) -> list[Answer]:
            return [
                await _ask(gateway, methods[each % len(methods)], site.address)
                for each in range(number, count, workers)
            ]

        async def all_of_them() -> Load:
            found = await asyncio.gather(*(work(number) for number in range(workers)))
            return Load([answer for each in found for answer in each])

        return self.run(all_of_them())

    def stop(self) -> None:
        async def cancel() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _ask(
    gateway: int, method: str, target: str, label: str = "", head: str = "", path: str = "/"
) -> Answer:
    began = time.monotonic()
    status = 0
    body = ""
    if label:
        head += f"Proxy-Authorization: Basic {base64.b64encode(f'{label}:x'.encode()).decode()}\r\n"
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway)
        try:
            page = f"{method} http://{target}{path} HTTP/1.1\r\nHost: {target}\r\n"
            if method == "CONNECT":
                writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{head}\r\n".encode())
                line, _rest = await _head(reader)
                if (refused := int(line.split()[1])) != 200:
                    return Answer(refused, "", time.monotonic() - began)
                head = ""
                page = f"GET {path} HTTP/1.1\r\nHost: {target}\r\n"
            writer.write(f"{page}{head}\r\n".encode())
            line, rest = await _head(reader)
            body = (await reader.readexactly(_length(rest))).decode()
            status = int(line.split()[1])
        finally:
            writer.close()
    return Answer(status, body, time.monotonic() - began)


@contextlib.contextmanager
def running_upstreams() -> Iterator[Upstreams]:
    """Exits, sites and clients for one test."""
    upstreams = Upstreams()
    try:
        yield upstreams
    finally:
        upstreams.stop()

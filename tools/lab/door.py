# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A door into a lab: a loopback port out here that leads to one address inside a network namespace.

usage: door.py NAMESPACE ADDRESS PORT READY_FILE

A socket stays in the namespace that it was made in. So this program makes the listening socket
first, starts itself anew inside the namespace with that socket in its hand, and every connection
that it makes from then on starts there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path


def enter(namespace: str, arguments: list[str]) -> None:
    """Listen out here, go on inside the namespace."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    command = [
        "nsenter",
        f"--net={namespace}",
        sys.executable,
        __file__,
        f"--socket={listener.fileno()}",
        *arguments,
    ]
    os.execvp(command[0], command)


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on all bytes, then the end of the stream."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def serve(listener: socket.socket, address: str, port: int, ready_file: Path) -> None:
    """Lead every connection to the address, for as long as this program runs."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(address, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        inner_writer.close()
        writer.close()

    server = await asyncio.start_server(lead, sock=listener)
    draft = ready_file.with_suffix(".tmp")
    draft.write_text(f"http://127.0.0.1:{listener.getsockname()[1]}\n", encoding="utf-8")
    draft.replace(ready_file)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Start outside, or go on inside."""
    if not sys.argv[1].startswith("--socket="):
        enter(sys.argv[1], sys.argv[2:])
    listener = socket.socket(fileno=int(sys.argv[1].partition("=")[2]))
    address, port, ready_file = sys.argv[2:]
    asyncio.run(serve(listener, address, int(port), Path(ready_file)))


if __name__ == "__main__":
    main()

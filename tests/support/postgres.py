# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL servers of Debian's package for tests, and the fixture ``database_url``: an empty
database for one test.

A server's processes are those of the user ``postgres`` if the caller is root, whom they refuse. A
session has one server for all workers of pytest-xdist, kept by a process that waits for its end:
this file, run as a program.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

if TYPE_CHECKING:
    from typing_extensions import Self

ROLE = "qgnet"
#: Below the ports that the kernel gives to clients: none of these can take the port of a server
#: that is stopped.
PORTS = (15000, 32000)
SECONDS = 120.0
SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "log_line_prefix": "%m [%p] %u@%d ",
    "shared_buffers": "16MB",
    "unix_socket_directories": "",
}


class Databases:
    """The way into a running server, which may be handed on to other processes."""

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self._password = password
        self.url = self._url(ROLE, ROLE)

    def _url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Connect as the superuser; each statement is a transaction."""
        with psycopg.connect(
            self._url("postgres", database), autocommit=True, connect_timeout=60
        ) as connection:
            yield connection

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, yield its URL, and drop it with the connections that it still
        has.
        """
        fresh = f"qg_{secrets.token_hex(6)}"
        name = sql.Identifier(fresh)
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER qgnet STRATEGY FILE_COPY").format(
                    sql.Identifier(fresh)
                )
            )
        try:
            yield self._url(ROLE, fresh)
        finally:
            for attempt in range(12):
                try:
                    with self.admin() as connection:
                        connection.execute(
                            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
                        )
                    break
                except psycopg.errors.ObjectInUse:
                    if attempt == 11:
                        raise

    def terminate_backends(self) -> None:
        """End the connections of all clients."""
        with self.admin() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )


class PostgresServer(Databases):
    """A server with the role ``qgnet``, which owns a database of this name; ``settings`` are its
    parameters.
    """

    def __init__(self, **settings: str | int) -> None:
        super().__init__(_free_port(), secrets.token_hex(12))
        self._settings = {**SETTINGS, **settings, "port": self.port}
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._folder or "", ignore_errors=True)
        self._folder = None

    def start(self) -> None:
        """Start it, the first time with an empty database, and return when it takes connections."""
        fresh = self._folder is None
        if self._folder is None:
            self._folder = Path(
                tempfile.mkdtemp(
                    prefix="qg-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None
                )
            )
            secret = self._folder / "password"
            secret.write_text(self._password, encoding="ascii")
            if os.geteuid() == 0:
                shutil.chown(self._folder, "postgres", "postgres")
            options = [
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
                "--username=postgres",
            ]
            if self._run(
                "initdb", f"--pgdata={self._folder}/data", f"--pwfile={secret}", *options
            ).wait():
                raise RuntimeError((self._folder / "log").read_text(errors="replace"))
        options = [
            word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")
        ]
        self._process = self._run("postgres", "-D", f"{self._folder}/data", *options)
        end = time.monotonic() + SECONDS
        while True:
            try:
                with self.admin() as admin:
                    if fresh:
                        admin.execute(
                            sql.SQL("CREATE ROLE qgnet LOGIN PASSWORD {}").format(self._password)
                        )
                        admin.execute("CREATE DATABASE qgnet OWNER qgnet")
                return
            except psycopg.OperationalError:
                if time.monotonic() > end or not self.is_running():
                    raise RuntimeError((self._folder / "log").read_text(errors="replace")) from None
                time.sleep(0.02)

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        places = os.pathsep.join(
            map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
        )
        program = shutil.which(name, path=f"{places}{os.pathsep}{os.environ['PATH']}") or name
        user: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []}
            if os.geteuid() == 0
            else {}
        )
        with (self._folder or Path()).joinpath("log").open("ab") as log:
            environment = {"HOME": "/", "LC_ALL": "C", "PATH": os.environ["PATH"], "TZ": "UTC"}
            return subprocess.Popen(
                [program, *arguments], stdout=log, stderr=log, cwd="/", env=environment, **user
            )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it as an administrator does: clients are disconnected, the data stay for the next
        start.
        """
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it at once; the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def pause(self) -> None:
        """Stop its processes like those of a frozen virtual machine: it takes connections, but
        answers nothing.
        """
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            pid = self._process.pid
            for each in (
                pid,
                *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()),
            ):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, number)

    def _end(self, number: int) -> None:
        if self._process is not None and self.is_running():
            self._process.send_signal(number)
            self.resume()
            self._process.wait(SECONDS)


def _free_port() -> int:
    while True:
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind(("127.0.0.1", port := random.randrange(*PORTS)))
            return port


@pytest.fixture(scope="session")
def database_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Databases:
    """The server of this session, started by the first test that asks for it."""
    folder = tmp_path_factory.getbasetemp()
    pid = os.getpid()
    if hasattr(request.config, "workerinput"):
        # The workers of pytest-xdist are processes of the one that the user has started.
        folder = folder.parent
        pid = os.getppid()
    ready = folder / "postgres.json"
    with (folder / "postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            # It outlives the session by a moment, when the figures of coverage are being read.
            # Ctrl-C is for pytest.
            plain = {
                name: value
                for name, value in os.environ.items()
                if not name.startswith("COVERAGE_")
            }
            command = [sys.executable, __file__, str(ready), str(pid)]
            keeper = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, start_new_session=True, env=plain
            )
            while not ready.exists():
                if keeper.poll() is not None:
                    raise RuntimeError("PostgreSQL did not start; its message is above")
                time.sleep(0.02)
    return Databases(*json.loads(ready.read_text("utf-8")))


@pytest.fixture
def database_url(database_server: Databases) -> Iterator[str]:
    """The URL of an empty database, which is dropped after the test."""
    with database_server.database() as url:
        yield url


def keep(ready: Path, pid: int) -> None:
    """Run a server until another process has ended."""
    with PostgresServer() as server:
        draft = ready.with_suffix(".tmp")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps([server.port, server._password]), encoding="utf-8")
        draft.replace(ready)
        with contextlib.suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])


if __name__ == "__main__":
    keep(Path(sys.argv[1]), int(sys.argv[2]))

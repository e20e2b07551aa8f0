# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL as the distribution has it, on a port of its own, and the ways in which a server fails."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from pathlib import Path

from lab.access import Access
from lab.daemon import Daemon, LabError, Service, free_port, wait_until
from lab.data_directory import DataDirectory
from lab.template import tool

SETTINGS = {
    # The crash of a server loses nothing for lack of it, only that of the machine does.
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "log_line_prefix": "%m [%p] %u@%d ",
    "max_connections": "100",
    "max_wal_size": "64MB",
    "shared_buffers": "16MB",
    "unix_socket_directories": "",
    "wal_keep_size": "16MB",
}
#: Another process may take the port before the server does.
START_ATTEMPTS = 3
PORT_TAKEN = "could not bind"


class PostgresServer(Service):
    """A PostgreSQL server with the role ``qgnet``, which owns a database of this name.

    ``directory`` is made, and removed with the server. ``settings`` are parameters of postgresql.conf. ``small_disk``
    puts the data on a small disk; that needs root. It ends with the thread that starts it.
    """

    def __init__(self, directory: Path | None = None, *, small_disk: bool = False, **settings: str | int) -> None:
        super().__init__()
        self._directory, self._small_disk = directory, small_disk
        self._settings = {**SETTINGS, **{name: str(value) for name, value in settings.items()}}
        self._passwords = "", ""
        self._primary: PostgresServer | None = None
        self._files: DataDirectory | None = None

    @property
    def access(self) -> Access:
        """The way in, which may be handed on to other processes."""
        return Access(self._port, *self._passwords)

    @property
    def url(self) -> str:
        return self.access.url_of()

    @property
    def files(self) -> DataDirectory:
        if self._files is None:
            raise LabError("the server has not been started")
        return self._files

    def start(self) -> None:
        """Start it, the first time with an empty database, and return when it takes connections."""
        if self._files is not None:
            self._launch()
            return
        try:
            self._files = DataDirectory(self._directory, self._small_disk)
            if self._primary is not None:
                self._files.copy(self._primary.access)
            else:
                self._passwords = self._files.create(self._settings)
            self._launch_on_a_free_port()
        except BaseException:
            self.close()
            raise

    def _launch_on_a_free_port(self) -> None:
        for attempt in range(START_ATTEMPTS):
            self._port = free_port()
            try:
                self._launch()
                return
            except LabError as error:
                if PORT_TAKEN not in str(error) or attempt == START_ATTEMPTS - 1:
                    raise

    def _launch(self) -> None:
        if self.is_running():
            self.wait_until_ready()
            return
        # What a crash has left says "ready", too.
        self.files.status.unlink(missing_ok=True)
        command = [tool("postgres"), "-D", str(self.files.data), "-c", f"port={self._port}"]
        self._daemon = Daemon(command, self.files.log)
        self._daemon.wait_until(self.files.is_ready)

    def wait_until_ready(self) -> None:
        """Wait until it takes connections again, such as after a process of it has crashed and all have restarted."""
        wait_until(self.access.is_ready)

    def stop(self) -> None:
        """Stop it as an administrator does: clients are disconnected, the data stay for the next start."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """End it at once; the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stop it and remove all that it has made."""
        self._end(signal.SIGQUIT)
        if self._files is not None:
            self._files.remove()
            self._files = None

    def terminate_backends(self) -> None:
        """End the connections of all clients."""
        self.access.terminate_backends()

    def database(self) -> AbstractContextManager[str]:
        """Make an empty database for as long as the context lasts, which yields its URL."""
        return self.access.database()

    def standby(self, directory: Path | None = None) -> PostgresServer:
        """Return a server that follows this one and answers queries; it is to be started like any other."""
        standby = PostgresServer(directory)
        standby._primary, standby._passwords = self, self._passwords
        return standby

    def wait_for_standbys(self) -> None:
        """Wait until all standbys show what has been written so far."""
        behind = "SELECT 1 FROM pg_stat_replication WHERE replay_lsn IS NULL OR replay_lsn < %s"
        with self.access.admin() as connection:
            written = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
            wait_until(lambda: connection.execute(behind, written).fetchone() is None)

    def promote(self) -> None:
        """Let a standby take writes."""
        self.access.value("SELECT pg_promote()")

    def fill_disk(self) -> None:
        """Fill the small disk."""
        self.files.fill()

    def free_disk(self) -> None:
        """Remove what fills the disk."""
        self.files.free()

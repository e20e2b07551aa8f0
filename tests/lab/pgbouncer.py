# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PgBouncer, which gives its clients connections to a PostgreSQL server in turn."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal

from lab.access import ADMIN, ROLE, Access
from lab.daemon import Daemon, Service, free_port, give, is_listening, new_folder, program, remove
from psycopg.conninfo import conninfo_to_dict

PACKAGE = "pgbouncer"
SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "scram-sha-256",
    "admin_users": ADMIN,
    "default_pool_size": "20",
}


class PgBouncer(Service):
    """PgBouncer in front of a server, for all its databases.

    With the mode "transaction", a client has a connection of the server for one transaction at a time: session state
    such as advisory locks, LISTEN and SET goes wrong there. ``settings`` are those of the section [pgbouncer].
    """

    def __init__(
        self,
        target: Access,
        mode: Literal["session", "transaction"] = "session",
        directory: Path | None = None,
        **settings: str | int,
    ) -> None:
        super().__init__()
        self._target, self._directory = target, directory
        self._settings = {**SETTINGS, "pool_mode": mode, **{name: str(value) for name, value in settings.items()}}
        self._folder: Path | None = None

    @property
    def access(self) -> Access:
        """The way in; the superuser's database "pgbouncer" is the console."""
        return self._target.through(self._port)

    @property
    def url(self) -> str:
        return self.access.url_of()

    def url_to(self, url: str) -> str:
        """Return the URL that leads through it to the database of another URL of the same server."""
        return self.access.url_of(str(conninfo_to_dict(url)["dbname"]))

    def start(self) -> None:
        """Start it and return when it takes connections."""
        if self.is_running():
            return
        try:
            if self._folder is None:
                self._folder = new_folder(self._directory)
                self._port = free_port()
                self._configure(self._folder)
            self._daemon = Daemon([program("pgbouncer", PACKAGE), self._folder / "ini"], self._folder / "log")
            self._daemon.wait_until(lambda: is_listening(self._port))
        except BaseException:
            self.close()
            raise

    def _configure(self, folder: Path) -> None:
        target = self._target
        users = folder / "users"
        passwords = {ROLE: target.password, ADMIN: target.admin_password}
        users.touch(mode=0o600)
        users.write_text("".join(f'"{name}" "{word}"\n' for name, word in passwords.items()), encoding="ascii")
        tls = {"server_tls_sslmode": "verify-full", "server_tls_ca_file": target.ca_file} if target.ca_file else {}
        own = {"listen_port": str(self._port), "auth_file": str(give(users)), **tls}
        lines = [f"{name} = {value}" for name, value in {**self._settings, **own}.items()]
        databases = f"[databases]\n* = host=127.0.0.1 port={target.port}\n\n"
        (folder / "ini").write_text(databases + "\n".join(["[pgbouncer]", *lines, ""]), encoding="utf-8")

    def stop(self) -> None:
        """End it with the connections through it."""
        # SIGTERM would wait for the clients.
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """Stop it and remove all that it has made."""
        self.stop()
        if self._folder is not None:
            remove(self._folder)
            self._folder = None

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
    such as advisory locks, LISTEN and SET goes wrong there.
    """

    def __init__(self, target: Access, mode: Literal["session", "transaction"]) -> None:
        super().__init__()
        self._target = target
        self._settings = {**SETTINGS, "pool_mode": mode}
        self._folder: Path | None = None

    def url_to(self, url: str) -> str:
        """Return the URL that leads through it to the database of another URL of the same server."""
        return self._target.through(self._port).url_of(str(conninfo_to_dict(url)["dbname"]))

    def start(self) -> None:
        """Start it and return when it takes connections."""
        try:
            self._folder = new_folder(None)
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
        own = {"listen_port": str(self._port), "auth_file": str(give(users))}
        lines = [f"{name} = {value}" for name, value in {**self._settings, **own}.items()]
        databases = f"[databases]\n* = host=127.0.0.1 port={target.port}\n\n"
        (folder / "ini").write_text(databases + "\n".join(["[pgbouncer]", *lines, ""]), encoding="utf-8")

    def close(self) -> None:
        """Stop it, with the connections through it, and remove all that it has made."""
        # SIGTERM would wait for the clients.
        self._end(signal.SIGQUIT)
        if self._folder is not None:
            remove(self._folder)
            self._folder = None

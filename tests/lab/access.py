# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a PostgreSQL server of the lab, for processes that did not start it, too."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from typing_extensions import LiteralString

ROLE = "qgnet"
ADMIN = "postgres"
#: A server that does not answer ends a test instead of holding it up. One on a busy machine takes many seconds.
CONNECT_SECONDS = 120
#: How often a database is dropped whose last connections take longer to end than the 5 s that the server gives them.
DROP_ATTEMPTS = 12


@dataclass(frozen=True)
class Access:
    """Address and passwords of a server, and what SQL does there."""

    port: int
    password: str = field(repr=False)
    admin_password: str = field(repr=False)

    def url_of(self, database: str = ROLE) -> str:
        """Return the URL of a database for the role that owns it."""
        return self._url(ROLE, self.password, database)

    def admin_url_of(self, database: str = ADMIN) -> str:
        """Return the URL of a database for the superuser."""
        return self._url(ADMIN, self.admin_password, database)

    def _url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def through(self, port: int) -> Access:
        """Return the way in through a program that takes connections at another port."""
        return replace(self, port=port)

    @contextmanager
    def admin(self, database: str = ADMIN) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Connect as the superuser; each statement is a transaction."""
        url = self.admin_url_of(database)
        with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            yield connection

    def value(self, query: LiteralString) -> Any:
        """Return the one value of a query of the superuser."""
        with self.admin() as connection:
            row = connection.execute(query).fetchone()
        return row and row[0]

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        try:
            return self.value("SELECT true") is True
        except psycopg.OperationalError:
            return False

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, yield its URL, and drop it with the connections that it still has."""
        name = sql.Identifier(fresh := f"qg_{secrets.token_hex(6)}")
        with self.admin() as connection:
            # Since 15, a database is copied through the log by default, which takes longer.
            copied = "STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""
            create = sql.SQL(f"CREATE DATABASE {{}} OWNER {{}} {copied}")
            connection.execute(create.format(name, sql.Identifier(ROLE)))
        try:
            yield self.url_of(fresh)
        finally:
            self._drop(name)

    def _drop(self, name: sql.Identifier) -> None:
        for attempt in range(DROP_ATTEMPTS):
            try:
                with self.admin() as connection:
                    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
                return
            except psycopg.errors.ObjectInUse:
                if attempt == DROP_ATTEMPTS - 1:
                    raise

    def terminate_backends(self) -> None:
        """End the connections of all clients."""
        self.value(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )

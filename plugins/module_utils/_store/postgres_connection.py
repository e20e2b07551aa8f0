# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection of a process to the PostgreSQL server, which is reopened after a loss.

Imported only if ``store`` is used, since psycopg is optional.
"""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from .._core.clock import elapsed
from .._core.digests import short_digest
from .._core.errors import OptionError
from .._core.failed_waits import FailedWaits
from .._core.processes import process_namespace
from .._core.waiting import Announcer, Wait
from .directory import StateError
from .postgres_errors import ServerAddress, describe_error, is_permanent, unusable
from .postgres_schema import SCHEMA_NAME

try:
    import psycopg
    from psycopg import Connection
except ImportError:
    # ServerAddress.parse reports the missing library.
    if not TYPE_CHECKING:
        Connection = list

T = TypeVar("T")

#: Seconds after which the server ends a statement.
STATEMENT_TIMEOUT = 30
#: Seconds between two attempts to connect: at first, and at most.
MIN_RETRY, MAX_RETRY = 0.1, 1.0

#: A setting of the session, which shows that a statement runs in the session that this process has begun.
SESSION_MARK = "qgnet.session"


@functools.lru_cache
def _machine() -> str:
    """Identify the PID namespace of this process; containers may share the name of a host."""
    return short_digest(process_namespace(), 4).hex()


@dataclass(frozen=True)
class ConnectionPolicy:
    """The timeouts of a connection in seconds, and how the process that uses it appears to others."""

    connect_timeout: float = 10.0
    #: The maximum wait for a response of the server: longer than the server lets a statement run.
    answer_timeout: float = STATEMENT_TIMEOUT + 5.0
    #: How long the server waits for a lock of the database before it reports that to the client.
    lock_timeout: float = 1.0
    #: How long a session may be idle within a transaction before the server ends it.
    transaction_timeout: float = 30.0
    #: Each side detects a crash of the other one after this time without traffic, and these probes without a response.
    keepalive_idle: int = 10
    keepalive_interval: int = 5
    keepalive_count: int = 4
    detects_poolers: bool = True
    #: Identifies the PID namespace of the process.
    machine: str = field(default_factory=_machine)

    @property
    def loss_timeout(self) -> int:
        """The seconds within which each side detects that the other one has crashed."""
        return self.keepalive_idle + self.keepalive_interval * self.keepalive_count

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of libpq that a user may replace in the URL."""
        return {
            "connect_timeout": round(self.connect_timeout),
            "keepalives_idle": self.keepalive_idle,
            "keepalives_interval": self.keepalive_interval,
            "keepalives_count": self.keepalive_count,
            "tcp_user_timeout": self.loss_timeout * 1000,
            # Of several hosts, choose the primary: replicas are read-only.
            "target_session_attrs": "read-write",
        }

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the session on the server."""
        return {
            "lock_timeout": f"{self.lock_timeout * 1000:.0f}ms",
            "statement_timeout": f"{STATEMENT_TIMEOUT}s",
            "idle_in_transaction_session_timeout": f"{self.transaction_timeout * 1000:.0f}ms",
            "tcp_keepalives_idle": str(self.keepalive_idle),
            "tcp_keepalives_interval": str(self.keepalive_interval),
            "tcp_keepalives_count": str(self.keepalive_count),
            # TCP sends no probes while data is unacknowledged.
            "tcp_user_timeout": f"{self.loss_timeout}s",
            "search_path": SCHEMA_NAME,
        }


class _Connection(Connection[Any]):
    """A connection that fails if the server does not respond, for example because it is stopped."""

    answer_timeout: float

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """Run an exchange with the server."""
        return super().wait(self._limited(gen), *args, **options)

    def _limited(self, exchange: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        end = elapsed() + self.answer_timeout
        try:
            waits_for = next(exchange)
            while True:
                ready = yield waits_for
                if not ready and elapsed() > end:
                    # A late response must not be mistaken for that of another statement.
                    self.close()
                    raise psycopg.OperationalError(f"the server has not answered for {self.answer_timeout:.0f} seconds")
                waits_for = exchange.send(ready)
        except StopIteration as finished:
            result: T = finished.value
            return result


@dataclass(frozen=True)
class Session:
    """A connection, and the mark by which it is recognised."""

    connection: _Connection
    mark: str

    @property
    def is_usable(self) -> bool:
        """Whether the connection is not known to be lost."""
        return not (self.connection.closed or self.connection.broken)


class Connector:
    """Keeps one session. ``unreachable`` is the wait for a server that cannot be reached; a failed one is not repeated.

    ``machine`` identifies the PID namespace of this process.
    """

    def __init__(
        self,
        address: ServerAddress,
        unreachable: Wait,
        announcer: Announcer,
        policy: ConnectionPolicy,
        failed_waits: FailedWaits,
    ) -> None:
        self.address = address
        self.announcer = announcer
        self.machine = policy.machine
        self._unreachable = unreachable
        self._policy = policy
        self._failed_waits = failed_waits
        self._session: Session | None = None
        #: The number of sessions so far: locks end with the session in which they were acquired.
        self.number = 0

    @property
    def is_connected(self) -> bool:
        """Whether the current session is not known to be lost."""
        return self._session is not None and self._session.is_usable

    def session(self) -> Session:
        """Return the session, a new one if there is none. Raises OptionError for the first one, then StateError."""
        if self._session is None or not self._session.is_usable:
            self.close()
            self._session = self._retried(self._open)
            self.number += 1
        return self._session

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            session.connection.close()

    def _retried(self, connect: Callable[[float], Session]) -> Session:
        """Connect; after a timeout, the next attempt gets twice the time, since the machine may be busy."""
        began, interval, timeout = elapsed(), MIN_RETRY, self._policy.connect_timeout
        wait = self._unreachable
        if self._failed_waits.has_failed(wait.reason):
            wait = replace(wait, allowed=0)
        while True:
            before = elapsed()
            try:
                return connect(timeout)
            except psycopg.Error as error:
                left = wait.after(elapsed() - began)
                if isinstance(error, psycopg.errors.ConnectionTimeout):
                    timeout = max(timeout, min(2 * timeout, left.allowed))
                if left.allowed <= 0 or is_permanent(error):
                    self._failed_waits.record(wait.reason)
                    kind = StateError if self.number else OptionError
                    raise kind(describe_error(self.address.place, error)) from None
            self.announcer.passed(elapsed() - before, left)
            self.announcer.sleep(min(interval, left.allowed), left)
            interval = min(interval * 1.5, MAX_RETRY)

    def _open(self, timeout: float) -> Session:
        connection = self._connect(timeout)
        try:
            mark = secrets.token_hex(8)
            found, process = self._begin_session(connection, mark)
            # A pooler gives the client a process number that is not the server's.
            is_pooled = process != connection.info.backend_pid
            if found or (is_pooled and self._policy.detects_poolers and self._loses_session(connection, timeout)):
                raise OptionError(
                    unusable(
                        self.address.place,
                        "a connection pooler in front of it gives each transaction another session",
                        "Use session pooling (pool_mode = session in PgBouncer), or connect to the server itself.",
                    )
                )
            return Session(connection, mark)
        except BaseException:
            connection.close()
            raise

    def _connect(self, timeout: float) -> _Connection:
        defaults = replace(self._policy, connect_timeout=timeout).parameters
        more = {name: value for name, value in defaults.items() if name not in self.address.parameters}
        name = process_name(self.machine)
        connection = _Connection.connect(
            self.address.url, autocommit=True, prepare_threshold=None, application_name=name, **more
        )
        connection.answer_timeout = self._policy.answer_timeout
        return connection

    def _begin_session(self, connection: _Connection, mark: str) -> tuple[str, int]:
        """Set up the session; return the mark that it had already, and its process on the server."""
        settings = "; ".join(f"SET {name} = '{value}'" for name, value in self._policy.settings.items())
        cursor = connection.execute(
            f"SELECT coalesce(current_setting('{SESSION_MARK}', true), ''), pg_backend_pid(); {settings}; "
            f"SET {SESSION_MARK} = '{mark}'"
        )
        return cursor.fetchone() or ("", 0)

    def _loses_session(self, connection: _Connection, timeout: float) -> bool:
        """Whether a pooler assigns the session of one connection to another one between transactions."""
        with self._connect(timeout) as other:
            connection.execute("BEGIN")
            first = connection.execute("SELECT pg_backend_pid()").fetchone()
            other.execute("SELECT 1")
            connection.execute("COMMIT")
            return bool(other.execute("SELECT pg_backend_pid()").fetchone() == first)


#: The Unix time of the server, as SQL.
SERVER_TIME = "extract(epoch FROM clock_timestamp())::double precision"
#: SQL for whether a statement runs in another session than the one that this process has begun, with its mark.
FOREIGN_SESSION = f"coalesce(current_setting('{SESSION_MARK}', true), '') != '{{}}'"


def process_name(machine: str) -> str:
    """Return the name of this process for others (application_name, at most 63 bytes)."""
    host = "".join(sign for sign in os.uname().nodename if sign.isascii() and sign.isprintable() and sign != " ")
    return f"qgnet {os.getpid()} {machine} {host[:36]}"


def describe_process(name: str, machine: str) -> tuple[str, int | None]:
    """Return a description of the process with this application_name, and its PID if it runs on this machine."""
    parts = name.split(" ")
    if len(parts) != 4 or parts[0] != "qgnet" or not parts[1].isdigit():
        return "another process", None
    number = int(parts[1])
    if parts[2] == machine:
        return f"process {number}", number
    return f"process {number} of {parts[3] or 'another machine'}", None

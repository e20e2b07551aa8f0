# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection of a process to the PostgreSQL server, which is reopened after a loss.

Imported only if ``state_url`` is used, since psycopg is optional.
"""

from __future__ import annotations

import functools
import os
import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .._core.clock import elapsed
from .._core.digests import short_digest
from .._core.errors import OptionError
from .._core.waiting import Announcer, Wait
from .directory import PATIENCE_BOUNDS, StateError
from .postgres_errors import ServerAddress, describe_error, is_permanent, unusable
from .runs import process_namespace
from .vain_waits import remember, was_in_vain

try:
    import psycopg
    from psycopg import Connection
except ImportError:
    # ServerAddress.parse reports the missing library.
    if not TYPE_CHECKING:
        Connection = list

T = TypeVar("T")

SCHEMA_NAME = "qgnet"
#: Seconds for which the server waits for a lock of the database before it reports that to the client.
LOCK_TIMEOUT = 1
#: Seconds after which the server ends a session that is idle within a transaction, and a statement.
TRANSACTION_TIMEOUT = STATEMENT_TIMEOUT = 30
#: The maximum seconds to wait for a response of the server: longer than the server lets a statement run.
ANSWER_TIMEOUT = STATEMENT_TIMEOUT + 5.0
#: Seconds within which each side detects that the other one has crashed: KEEPALIVE_IDLE without traffic, and
#: KEEPALIVE_COUNT probes without a response.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 10, 5, 4
LOSS_TIMEOUT = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT
#: Seconds between two attempts to connect: at first, and at most.
MIN_RETRY, MAX_RETRY = 0.1, 1.0

_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": KEEPALIVE_IDLE,
    "keepalives_interval": KEEPALIVE_INTERVAL,
    "keepalives_count": KEEPALIVE_COUNT,
    "tcp_user_timeout": LOSS_TIMEOUT * 1000,
    # Of several hosts, choose the primary: replicas are read-only.
    "target_session_attrs": "read-write",
}
#: A setting of the session, which shows that a statement runs in the session that this process has begun.
_MARK = "qgnet.session"
_SETTINGS = {
    "lock_timeout": f"{LOCK_TIMEOUT}s",
    "statement_timeout": f"{STATEMENT_TIMEOUT}s",
    "idle_in_transaction_session_timeout": f"{TRANSACTION_TIMEOUT}s",
    "tcp_keepalives_idle": str(KEEPALIVE_IDLE),
    "tcp_keepalives_interval": str(KEEPALIVE_INTERVAL),
    "tcp_keepalives_count": str(KEEPALIVE_COUNT),
    # TCP sends no probes while data is unacknowledged.
    "tcp_user_timeout": f"{LOSS_TIMEOUT}s",
    "search_path": SCHEMA_NAME,
}


class _Connection(Connection[Any]):
    """A connection that fails if the server does not respond, for example because it is stopped."""

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """Run an exchange with the server."""
        return super().wait(self._limited(gen), *args, **options)

    def _limited(self, exchange: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        end = elapsed() + ANSWER_TIMEOUT
        try:
            waits_for = next(exchange)
            while True:
                ready = yield waits_for
                if not ready and elapsed() > end:
                    # A late response must not be mistaken for that of another statement.
                    self.close()
                    raise psycopg.OperationalError(f"the server has not answered for {ANSWER_TIMEOUT:.0f} seconds")
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
    """Keeps one session. ``max_wait`` limits the wait for a server that cannot be reached, in seconds."""

    def __init__(self, address: ServerAddress, max_wait: float, announcer: Announcer) -> None:
        self.address = address
        self.announcer = announcer
        self._max_wait = max_wait
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
        began, interval, timeout = elapsed(), MIN_RETRY, float(_DEFAULTS["connect_timeout"])
        place = self.address.place
        reason = f"the database of state_url ({place}) cannot be reached"
        wait = Wait(reason, 0 if was_in_vain(reason) else self._max_wait, option=PATIENCE_BOUNDS)
        while True:
            before = elapsed()
            try:
                return connect(timeout)
            except psycopg.Error as error:
                left = wait.after(elapsed() - began)
                if isinstance(error, psycopg.errors.ConnectionTimeout):
                    timeout = max(timeout, min(2 * timeout, left.allowed))
                if left.allowed <= 0 or is_permanent(error):
                    remember(reason)
                    kind = StateError if self.number else OptionError
                    raise kind(describe_error(place, error)) from None
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
            if found or (is_pooled and self._loses_session(connection, timeout)):
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
        defaults = {**_DEFAULTS, "connect_timeout": round(timeout)}
        more = {name: value for name, value in defaults.items() if name not in self.address.parameters}
        return _Connection.connect(
            self.address.url, autocommit=True, prepare_threshold=None, application_name=process_name(), **more
        )

    def _begin_session(self, connection: _Connection, mark: str) -> tuple[str, int]:
        """Set up the session; return the mark that it had already, and its process on the server."""
        settings = "; ".join(f"SET {name} = '{value}'" for name, value in _SETTINGS.items())
        cursor = connection.execute(
            f"SELECT coalesce(current_setting('{_MARK}', true), ''), pg_backend_pid(); {settings}; "
            f"SET {_MARK} = '{mark}'"
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
FOREIGN_SESSION = f"coalesce(current_setting('{_MARK}', true), '') != '{{}}'"


@functools.lru_cache
def _machine() -> str:
    """Identify the PID namespace of this process; containers may share the name of a host."""
    return short_digest(process_namespace(), 4).hex()


def process_name() -> str:
    """Return the name of this process for others (application_name, at most 63 bytes)."""
    host = "".join(
        character
        for character in os.uname().nodename
        if character.isascii() and character.isprintable() and character != " "
    )
    return f"qgnet {os.getpid()} {_machine()} {host[:36]}"


def describe_process(name: str) -> tuple[str, int | None]:
    """Return a description of the process with this application_name, and its PID if it runs on this machine."""
    parts = name.split(" ")
    if len(parts) != 4 or parts[0] != "qgnet" or not parts[1].isdigit():
        return "another process", None
    number = int(parts[1])
    if parts[2] == _machine():
        return f"process {number}", number
    return f"process {number} of {parts[3] or 'another machine'}", None

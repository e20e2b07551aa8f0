# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state that several control nodes share: a schema and locks in a PostgreSQL database.

Imported only if ``store`` is used, since psycopg is optional.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .._core.clock import elapsed
from .._core.digests import salted_digest
from .._core.errors import OptionError
from .._core.failed_waits import FAILED_WAITS, FailedWaits
from .._core.waiting import SILENT, Announcer, Wait
from .directory import DEFAULT_BUSY_POLICY, BusyPolicy, StateError
from .postgres_connection import (
    FOREIGN_SESSION,
    SERVER_TIME,
    ConnectionPolicy,
    Connector,
    Session,
)
from .postgres_errors import ServerAddress, describe_error, unusable
from .postgres_locks import AdvisoryLocks, lock_number
from .postgres_schema import READ_IDENTITY, SCHEMA_NAME, prepare_postgres, salt_of

# ServerAddress.parse reports a missing library.
with contextlib.suppress(ImportError):
    import psycopg

if TYPE_CHECKING:
    from psycopg import Cursor as PsycopgCursor

#: The lock that a process holds during a transaction, so that there is only one at a time, as with SQLite.
WRITE_LOCK = "transaction"
#: State time, which never falls below the last recorded time, even if the server's clock is set back. A transaction
#: records it.
_NOW = f"SELECT greatest(last, {SERVER_TIME} + ahead) FROM {SCHEMA_NAME}.clock"
_TICK = (
    f"UPDATE {SCHEMA_NAME}.clock AS known SET ahead = greatest(known.ahead, known.last - server.time), "
    f"last = greatest(known.last, server.time + known.ahead) FROM (SELECT {SERVER_TIME} AS time) AS server "
    "RETURNING known.last"
)
_WALL_AHEAD = f"SELECT -ahead FROM {SCHEMA_NAME}.clock"
#: An address without a server, which overrides the environment variables of libpq.
NOWHERE = "host=/nonexistent hostaddr=''"


class PostgresState(AdvisoryLocks):
    """The state in a database. Raises OptionError if it cannot be used, and StateError if that happens later.

    ``max_wait`` limits the wait for a server that cannot be reached, and for another process that writes, within the
    limits of ``policy``. ``announcer`` announces these waits. ``failed_waits`` are not repeated.
    """

    def __init__(
        self,
        url: str,
        max_wait: float,
        announcer: Announcer = SILENT,
        policy: BusyPolicy = DEFAULT_BUSY_POLICY,
        connection: ConnectionPolicy | None = None,
        failed_waits: FailedWaits = FAILED_WAITS,
    ) -> None:
        self._policy, self._busy_timeout = policy, policy.timeout(max_wait)
        address = ServerAddress.parse(url)
        unreachable = Wait(
            f"the database of store ({address.place}) cannot be reached", self._busy_timeout, option=policy.bounds
        )
        connector = Connector(address, unreachable, announcer, connection or ConnectionPolicy(), failed_waits)
        super().__init__(connector, announcer)
        self._place = address.place
        #: While a transaction is open, the seconds by which state time is ahead of elapsed().
        self._ahead: float | None = None
        #: Whether the tables exist.
        self._has_clock = False
        try:
            self._salt = self._open_schema()
            self._has_clock = True
        except (OptionError, StateError) as error:
            self._connector.close()
            raise OptionError(error.message) from None
        except BaseException:
            self._connector.close()
            raise

    def _open_schema(self) -> bytes:
        with self._translated(), contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            if row := self._connector.session().connection.execute(READ_IDENTITY).fetchone():
                return salt_of(row, self._place)
        with self.transaction() as database:
            # Another process may have been quicker.
            return prepare_postgres(database, self._place)

    def now(self) -> float:
        """Return the state time, which is never earlier than a time that another process has recorded.

        In a transaction, it is calculated from the time at which the transaction began. Outside, the server is queried:
        a calculated time could be late by the duration of the response.
        """
        if self._ahead is not None:
            return elapsed() + self._ahead
        return float(self._query(_NOW)[0][0])

    def moment(self) -> Callable[[], float]:
        """Return a function that gives the present moment as state time: the server's clock has no gap."""
        now = self.now()
        return lambda: now

    def wall_ahead(self) -> float:
        """Return the seconds by which the server's clock is ahead of state time."""
        return float(self._query(_WALL_AHEAD)[0][0])

    def gap_is_unknown(self) -> bool:
        """Return False: the server's clock shows all of the time."""
        return False

    def close_gap(self, _vendor_gap: float) -> float:
        """Return the state time."""
        return self.now()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """Run the body as one transaction, and one process at a time."""
        with self._translated():
            session = self._begin()
            try:
                with _rolled_back(session):
                    yield _Transaction(session)
                    session.connection.execute("COMMIT")
            finally:
                self._ahead = None

    def _begin(self) -> Session:
        """Begin a transaction once no other process is in one; reconnect first if the connection is lost."""
        began = elapsed()
        reason = "another process writes to the database of store"
        wait = Wait(reason, self._busy_timeout, option=self._policy.bounds, examine=self._examine_writer)
        was_lost = False
        while True:
            before, session = elapsed(), self._connector.session()
            try:
                with _rolled_back(session):
                    self._lock_transaction(session)
                    self.confirm_locks()
                return session
            except psycopg.errors.LockNotAvailable:
                left = wait.after(elapsed() - began)
                if left.allowed <= 0:
                    raise StateError(
                        unusable(
                            self._place,
                            f"{self.holder(WRITE_LOCK)} has been writing to it for {self._busy_timeout:.0f} seconds",
                            "End or continue that process, and run again.",
                        )
                    ) from None
                self.announcer.passed(elapsed() - before, left)
            except psycopg.OperationalError:
                # The transaction had no effect yet, so it can be repeated on a new connection.
                if was_lost or session.is_usable:
                    raise
                was_lost = True

    def _lock_transaction(self, session: Session) -> None:
        cursor = session.connection.execute(
            f"BEGIN; SELECT pg_advisory_xact_lock({lock_number(WRITE_LOCK)}); "
            f"{_TICK if self._has_clock else f'SELECT {SERVER_TIME}'}, {FOREIGN_SESSION.format(session.mark)}"
        )
        while cursor.nextset():
            pass
        now, is_foreign = cursor.fetchone() or (0.0, True)
        if is_foreign:
            # Another process's session must not stay in this transaction.
            self._connector.close()
            raise StateError(
                unusable(self._place, "a connection pooler has changed the session", "Use session pooling.")
            )
        self._ahead = now - elapsed()

    def _examine_writer(self, wait: Wait) -> Wait:
        return replace(wait, detail=self.describe_holder(WRITE_LOCK))

    def execute(self, sql: str, *values: object) -> int:
        """Run one statement as a transaction; returns the number of rows that it has changed."""
        with self.transaction() as database:
            return database.execute(sql, values).rowcount

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query without waiting for a process that writes."""
        return self._query(_translate(query), _adapted(values))

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._translated():
            session = self._connector.session()
            try:
                return _fetched(session.connection.execute(sql, parameters))
            except psycopg.OperationalError:
                if self._ahead is not None or session.is_usable:
                    raise
            # A query changes only locks, which are lost with the connection, so it can be repeated.
            return _fetched(self._connector.session().connection.execute(sql, parameters))

    def decoded(self, text: str) -> Any:
        """Return the value of a column that contains JSON."""
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise StateError(
                unusable(self._place, "a value in it cannot be read", "Restore a backup, or drop the schema qgnet.")
            ) from None

    def digest(self, *parts: str) -> str:
        """Return a name for a secret that reveals nothing to a reader who lacks the salt of this database."""
        return salted_digest(self._salt, parts)

    def close(self) -> None:
        """End the session, which releases all of its locks. Call this before the process creates children."""
        self._connector.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise StateError for an error of the server."""
        try:
            yield
        except psycopg.Error as error:
            raise StateError(describe_error(self._place, error)) from None


@contextlib.contextmanager
def _rolled_back(session: Session) -> Iterator[None]:
    """End the transaction of the session if the body fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            session.connection.execute("ROLLBACK")
        raise


def warm_up() -> None:
    """Load OpenSSL and the modules of psycopg without a connection, for the processes that this one forks.

    Loading them takes a third of the processor time of a first connection.
    """
    with contextlib.suppress(psycopg.Error):
        unconnected = psycopg.pq.PGconn.connect_start(NOWHERE.encode())
        unconnected.encrypt_password(b"password", b"user", b"scram-sha-256")
        unconnected.finish()
    with contextlib.suppress(psycopg.Error):
        psycopg.connect(NOWHERE).close()


class _Cursor:
    """The result of a statement, as SQLite shows it."""

    def __init__(self, cursor: PsycopgCursor[Any]) -> None:
        self._cursor = cursor
        self.rowcount = cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number that the last insertion has generated."""
        row = self._cursor.connection.execute("SELECT lastval()").fetchone()
        return None if row is None else int(row[0])

    def fetchone(self) -> Any:
        """Return the next row; None if there is no more."""
        return self._cursor.fetchone()

    def __iter__(self) -> Iterator[Any]:
        """Return the rows."""
        return iter(self._cursor)


class _Transaction:
    """The database within a transaction."""

    def __init__(self, session: Session) -> None:
        self._connection = session.connection

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> _Cursor:
        """Run one statement."""
        return _Cursor(self._connection.execute(_translate(sql), _adapted(parameters)))

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> None:
        """Run one statement for each of the parameters."""
        rows = [_adapted(row) for row in parameters]
        if rows:
            self._connection.cursor().executemany(_translate(sql), rows)


def _fetched(cursor: PsycopgCursor[Any]) -> list[tuple[Any, ...]]:
    return cursor.fetchall() if cursor.description else []


@functools.lru_cache(maxsize=256)
def _translate(sql: str) -> str:
    """Return a statement with the placeholders of psycopg."""
    return sql.replace("%", "%%").replace("?", "%s")


def _adapted(values: Iterable[Any]) -> list[Any]:
    """Return values with integers in place of booleans, as the columns have them."""
    return [int(value) if isinstance(value, bool) else value for value in values]

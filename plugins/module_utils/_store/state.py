# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of one control node: a small SQLite database and file locks in the state directory.

The database contains keys only as digests that are salted per directory. The kernel releases a lock when the process
that holds it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from .._core.clock import SYSTEM_CLOCK, Clock, elapsed
from .._core.digests import salted_digest
from .._core.errors import OptionError
from .._core.processes import describe_holder, describe_state, is_stopped, lock_holder
from .._core.waiting import SILENT, Announcer, Wait
from . import schema
from .clocks import StateClock, move_rows, tick
from .directory import (
    DAMAGED,
    DATABASE_NAME,
    DEFAULT_BUSY_POLICY,
    MAX_BUSY_TIMEOUT,
    BusyPolicy,
    StateError,
    create_file,
    describe_failure,
    make_private,
    open_directory,
    read_salt,
    resolve_directory,
)

__all__ = ["State", "StateError"]
T = TypeVar("T")

#: SQLite's words for a database that another process has locked (SQLITE_BUSY).
BUSY = "database is locked"
#: Seconds between two attempts to acquire a lock, at first.
MIN_POLL_INTERVAL = 0.02


class FileLocks:
    """The locks of one state directory, each a file with mode 0600. ``announcer`` announces the waits for them."""

    #: Seconds between two attempts to acquire a lock, at most.
    poll_interval = 0.2

    def __init__(self, directory: Path, busy_timeout: float, announcer: Announcer = SILENT) -> None:
        self.directory = directory
        self.announcer = announcer
        self._busy_timeout = busy_timeout

    @contextlib.contextmanager
    def try_lock(
        self,
        name: str,
        *,
        wait: Wait | None = None,
        unless: Callable[[], bool] = lambda: False,
    ) -> Iterator[bool]:
        """Hold the lock ``name`` if no other process does, and yield whether it is held.

        With ``wait``, wait for another holder to release it, until ``wait`` is over or ``unless`` returns true.
        """
        try:
            descriptor = self._open(name)
        except OSError as error:
            raise StateError(describe_failure(self.directory, error, self._busy_timeout)) from None
        try:
            wait = wait and replace(wait, examine=lambda wait: replace(wait, detail=self.describe_holder(name)))
            yield self._acquire(descriptor, wait, unless)
        finally:
            os.close(descriptor)

    def confirm_locks(self) -> None:
        """Do nothing: a process does not lose a file lock while it runs."""

    def holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, for a message."""
        return describe_holder(self._path(name))

    def describe_holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, and say if it is stopped, for the announcement of a wait."""
        return describe_state(self._path(name))

    def is_holder_stopped(self, name: str) -> bool:
        """Whether the process that holds the lock ``name`` is known to be stopped (SIGSTOP, a debugger)."""
        process = lock_holder(self._path(name))
        return process is not None and is_stopped(process)

    def _acquire(self, descriptor: int, wait: Wait | None, unless: Callable[[], bool]) -> bool:
        """Lock an open file by polling, since a blocking lock would wait forever for a stopped process."""
        began, interval = elapsed(), MIN_POLL_INTERVAL
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                left = wait and wait.after(elapsed() - began)
                if left is None or left.allowed <= 0 or unless():
                    return False
                self.announcer.sleep(min(interval, left.allowed), left)
                interval = min(interval * 1.2, self.poll_interval)
            else:
                return True

    def _open(self, name: str) -> int:
        descriptor = os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_mode & 0o777 != 0o600:
                os.fchmod(descriptor, 0o600)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.lock"


class State(FileLocks):
    """The state directory: mode 0700, all of its files 0600. It is refused if others own it or may write to it.

    ``max_wait`` limits the wait for another process that has locked the database, within the limits of ``policy``.
    ``announcer`` announces the wait. ``clock`` replaces the machine's.
    """

    def __init__(
        self,
        directory: str,
        max_wait: float = MAX_BUSY_TIMEOUT,
        announcer: Announcer = SILENT,
        clock: Clock = SYSTEM_CLOCK,
        policy: BusyPolicy = DEFAULT_BUSY_POLICY,
    ) -> None:
        super().__init__(resolve_directory(directory), policy.timeout(max_wait), announcer)
        self._clock = clock
        self._policy = policy
        self._database_path = self.directory / DATABASE_NAME
        try:
            open_directory(self.directory)
            self._salt = read_salt(self.directory)
            self._create_database()
            timeout = min(self._busy_timeout, policy.unannounced)
            self._database = sqlite3.connect(self._database_path, timeout=timeout, isolation_level=None)
            try:
                # Safe if a process is killed. A power failure may lose the last transactions, which is harmless.
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._prepare()
                self._state_clock = self._open_clock()
            except BaseException:
                self._database.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise OptionError(describe_failure(self.directory, error, self._busy_timeout)) from None

    def _create_database(self) -> None:
        for suffix in ("-wal", "-shm"):
            make_private(self.directory / f"{DATABASE_NAME}{suffix}")
        if not make_private(self._database_path):
            create_file(self._database_path, b"")

    def _prepare(self) -> None:
        if self._is_prepared():
            return
        # SQLite does not wait for a lock to change the journal mode, so only one process prepares at a time.
        wait = Wait("another process is preparing store", self._busy_timeout, option=self._policy.bounds)
        with self.try_lock("prepare", wait=wait) as acquired:
            if not acquired:
                raise OptionError(
                    f"store {self.directory} cannot be used: {self.holder('prepare')} has been preparing it for "
                    f"{self._busy_timeout:.0f} seconds. End or continue that process, and run again."
                )
            if self._is_prepared():
                return
            self._retry_while_locked(lambda: self._database.execute("PRAGMA journal_mode = WAL"))
            with self._write(lambda: None) as database:
                if not self._is_prepared():
                    schema.prepare_sqlite(database)

    def _is_prepared(self) -> bool:
        """Whether the database has this schema; raises OptionError for one that must not be touched."""
        try:
            return self._retry_while_locked(lambda: schema.is_current_sqlite(self._database))
        except OptionError as error:
            raise OptionError(f"store {self.directory} cannot be used: {error.message}") from None

    def now(self) -> float:
        """Return the state time. Outside of a transaction, a gap that another process has closed may be missing."""
        return self._clock.elapsed() + self._state_clock.ahead

    def moment(self) -> Callable[[], float]:
        """Return a function that gives the present moment as state time, also once a gap before it was closed."""
        elapsed = self._clock.elapsed()
        return lambda: elapsed + self._state_clock.ahead

    def wall_ahead(self) -> float:
        """Return the seconds by which the wall clock is ahead of state time."""
        return self._clock.wall() - self.now()

    def gap_is_unknown(self) -> bool:
        """Whether the time for which the machine was off before this boot is missing from state time."""
        return self._state_clock.gap_at is not None

    def close_gap(self, vendor_gap: float) -> float:
        """Add the missing time, at most what the vendor's clock shows; returns the state time now."""
        with self.transaction() as database:
            before = self._state_clock
            # Another process may have been quicker.
            if before.gap_at is not None:
                self._state_clock = before.without_gap(self._clock.wall(), vendor_gap)
                self._state_clock.record(database)
                move_rows(database, schema.MOMENTS, before.gap_at, self._state_clock.ahead - before.ahead)
        return self.now()

    def _open_clock(self) -> StateClock:
        known = self._retry_while_locked(lambda: StateClock.read(self._database))
        if known is None or known.boot != self._clock.boot():
            # Recorded at once, so that all processes go on from the same moment.
            with self.transaction():
                return self._state_clock
        return self._tick(known)

    def _tick(self, known: StateClock | None) -> StateClock:
        """Return the state clock as of now, after the one that is recorded."""
        clock = self._clock
        return tick(known, clock.boot(), clock.elapsed(), clock.wall())

    def _record_time(self) -> None:
        self._state_clock = self._tick(StateClock.read(self._database))
        self._state_clock.record(self._database)

    def transaction(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """Run the body as one transaction, and one process at a time.

        Raises StateError if the database cannot be used.
        """
        return self._write(self._record_time)

    @contextlib.contextmanager
    def _write(self, begin: Callable[[], None]) -> Iterator[sqlite3.Connection]:
        """Run ``begin`` and then the body as one transaction."""
        with self._translated():
            self._retry_while_locked(lambda: self._database.execute("BEGIN IMMEDIATE"))
            try:
                begin()
                yield self._database
                self._retry_while_locked(lambda: self._database.execute("COMMIT"))
            except BaseException:
                # After some errors, such as a full disk, SQLite has done so already.
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    def execute(self, sql: str, *values: object) -> int:
        """Run one statement as a transaction; returns the number of rows that it has changed."""
        with self.transaction() as database:
            return database.execute(sql, values).rowcount

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query without waiting for a process that writes."""
        with self._translated():
            return self._retry_while_locked(lambda: self._database.execute(query, values).fetchall())

    def _retry_while_locked(self, use: Callable[[], T]) -> T:
        """Use the database, and retry while another process has locked it."""
        began = before = elapsed()
        while True:
            try:
                return use()
            except sqlite3.OperationalError as error:
                now = elapsed()
                left = self._busy_timeout - (now - began)
                if left <= 0 or BUSY not in str(error):
                    raise
                wait = self._wait_for_database(left)
                self.announcer.passed(now - before, wait)
                if now - before < MIN_POLL_INTERVAL:
                    # SQLite returns at once if waiting could cause a deadlock.
                    self.announcer.sleep(MIN_POLL_INTERVAL, wait)
                before = elapsed()

    def _wait_for_database(self, left: float) -> Wait:
        reason = "another process has locked the database in store"
        path, option = self.directory / f"{DATABASE_NAME}-shm", self._policy.bounds
        return Wait(reason, left, option=option, examine=lambda wait: replace(wait, detail=describe_state(path)))

    def wait_for_change(self, seconds: float, wait: Wait) -> None:
        """Sleep for this time: SQLite does not report the changes of other processes."""
        self.announcer.sleep(seconds, wait)

    def decoded(self, text: str) -> Any:
        """Return the value of a column that contains JSON."""
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError):
            raise StateError(
                f"store {self.directory} cannot be used: a value in its database cannot be read. {DAMAGED}"
            ) from None

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise StateError for an error of SQLite, once the database is open."""
        try:
            yield
        except sqlite3.Error as error:
            raise StateError(describe_failure(self.directory, error, self._busy_timeout)) from None

    def digest(self, *parts: str) -> str:
        """Return a name for a secret that reveals nothing to a reader who lacks the salt of this directory."""
        return salted_digest(self._salt, parts)

    def close(self) -> None:
        """Close the database.

        Call this before the process creates children: an open SQLite database must not be carried across a fork.
        """
        with self._translated():
            self._database.close()

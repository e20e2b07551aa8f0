# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks on the PostgreSQL server. The server releases a lock when the session that holds it ends.

A lock is an advisory lock of the database: its number is a digest of its name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from .._core.clock import elapsed
from .._core.digests import short_digest
from .._core.processes import is_stopped
from .._core.waiting import Announcer, Wait
from .directory import StateError
from .postgres_connection import Connector, describe_process
from .postgres_errors import unusable
from .postgres_schema import SCHEMA_NAME

# ServerAddress.parse reports a missing library.
with contextlib.suppress(ImportError):
    import psycopg

#: The channel on which a process that releases a lock notifies the processes that wait for the lock or its results.
CHANNEL = "qgnet"


def lock_number(name: str) -> int:
    """Return the number of a lock, a signed integer of 64 bits."""
    return int.from_bytes(short_digest(f"{SCHEMA_NAME}\0{name}", 8), "big", signed=True)


class AdvisoryLocks:
    """The locks that one process acquires. ``announcer`` announces the waits for them."""

    #: Seconds between two attempts to acquire a lock: a holder that ended does not notify the others.
    poll_interval = 0.5

    def __init__(self, connector: Connector, announcer: Announcer) -> None:
        self.announcer = announcer
        self._connector = connector
        #: The locks that this process holds, with the number of the session in which it acquired each.
        self._held: dict[str, int] = {}
        self._listening = 0

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query outside a transaction."""
        raise NotImplementedError

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
        wait = wait and replace(wait, examine=lambda wait: replace(wait, detail=self.describe_holder(name)))
        if not self._acquire(name, wait, unless):
            yield False
            return
        try:
            yield True
        finally:
            self._release(name)

    def confirm_locks(self) -> None:
        """Raise StateError if a lock that this process has acquired was lost with the connection.

        Another process may have acquired it since, so this process must stop. Call it within a transaction: outside, a
        loss may remain unnoticed.
        """
        lost = [name for name, number in self._held.items() if number != self._connector.number]
        if lost or (self._held and not self._connector.is_connected):
            raise StateError(
                unusable(
                    self._connector.address.place,
                    "the connection was lost, and with it a lock that keeps other processes from the same work",
                    "Nothing more was sent. Run again.",
                )
            )

    def holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, for a message."""
        return self._holder(name)[0]

    def describe_holder(self, name: str) -> str:
        """Name the process that holds the lock ``name``, and say if it is stopped, for the announcement of a wait."""
        described, process = self._holder(name)
        return f"{described}{', which is stopped' if process and is_stopped(process) else ''}"

    def is_holder_stopped(self, name: str) -> bool:
        """Whether the process that holds the lock ``name`` is known to be stopped: one of this machine."""
        process = self._holder(name)[1]
        return process is not None and is_stopped(process)

    def wait_for_change(self, seconds: float, wait: Wait) -> None:
        """Sleep for this time, or less if another process releases a lock."""
        began = elapsed()
        connection = self._connector.session().connection
        if self._listening != self._connector.number:
            self._query(f"LISTEN {CHANNEL}")
            self._listening = self._connector.number
        # After a loss of the connection, there may be a change as well. The next use reconnects.
        with contextlib.suppress(psycopg.Error):
            list(connection.notifies(timeout=seconds, stop_after=1))
        self.announcer.passed(elapsed() - began, wait)

    def _acquire(self, name: str, wait: Wait | None, unless: Callable[[], bool]) -> bool:
        began = elapsed()
        while True:
            # The server would grant a lock to a session that holds it already.
            if name not in self._held and self._query("SELECT pg_try_advisory_lock(%s)", [lock_number(name)])[0][0]:
                self._held[name] = self._connector.number
                return True
            left = wait and wait.after(elapsed() - began)
            if left is None or left.allowed <= 0 or unless():
                return False
            self.wait_for_change(min(self.poll_interval, left.allowed), left)

    def _release(self, name: str) -> None:
        number = self._held.pop(name)
        if self._connector.is_connected and number == self._connector.number:
            # If this fails, the connection is lost, which releases the lock as well.
            with contextlib.suppress(StateError):
                self._query(f"SELECT pg_advisory_unlock(%s), pg_notify('{CHANNEL}', '')", [lock_number(name)])

    def _holder(self, name: str) -> tuple[str, int | None]:
        rows = self._query(
            "SELECT coalesce(application_name, '') FROM pg_locks LEFT JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND pg_locks.objsubid = 1 "
            "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND (classid::bigint << 32) | objid::bigint = %s",
            [lock_number(name)],
        )
        return describe_process(rows[0][0], self._connector.machine) if rows else ("another process", None)

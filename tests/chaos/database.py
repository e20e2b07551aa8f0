# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that several control nodes share, which fails at times, and the locks in it of processes that are gone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import psycopg
from lab.access import ROLE, Access

#: Seconds for which the server is down.
DOWN = 2.0
#: Seconds after which a lock of a process that is gone counts as stuck.
LOSS_NOTICED = 30.0
WATCH_INTERVAL = 0.1
#: The locks that processes of the collection hold, by their numbers, which are in the name of each session.
HELD = (
    "SELECT split_part(application_name, ' ', 2)::int, pg_locks.pid || ' ' || classid || ' ' || objid FROM pg_locks"
    " JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted AND application_name LIKE 'qgnet %'"
    " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended, and whose parent has not noticed yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Database:
    """A database on the server."""

    def __init__(self, access: Access, name: str = ROLE) -> None:
        self._access, self._name = access, name
        self.url = access.url_of(name)
        #: When the server was back again, or None as long as it is down.
        self._back: list[float | None] = []
        #: By process and lock, since when the process is known to be gone.
        self._orphaned: dict[tuple[int, str], float] = {}
        self.longest = 0.0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="locks")
        self._watcher.start()

    @property
    def restarts(self) -> int:
        return len(self._back)

    def restart(self, end: Callable[[], None], start: Callable[[], None]) -> None:
        """Let the server end in this way, and start it again. It must be the thread that has started the server."""
        self._back.append(None)
        end()
        time.sleep(DOWN)
        start()
        self._back[-1] = time.monotonic()

    def has_failed_since(self, moment: float) -> bool:
        """Whether the server was down at any time since then."""
        return any(back is None or back > moment for back in list(self._back))

    def held(self, pids: Collection[int] | None = None) -> list[str]:
        """The locks that are held, by these processes or by any."""
        try:
            with self._access.admin(self._name) as connection:
                rows = connection.execute(HELD).fetchall()
        except psycopg.Error:
            # It is down, and holds nothing.
            return []
        return [f"{pid}: {lock}" for pid, lock in rows if pids is None or pid in pids]

    def _watch(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(psycopg.Error), self._access.admin(self._name) as connection:
                while not self._over.wait(WATCH_INTERVAL):
                    self._note({(pid, lock) for pid, lock in connection.execute(HELD) if not is_alive(pid)})
            self._over.wait(WATCH_INTERVAL)

    def _note(self, orphaned: Collection[tuple[int, str]]) -> None:
        now = time.monotonic()
        self._orphaned = {one: self._orphaned.get(one, now) for one in orphaned}
        self.longest = max([self.longest, *(now - since for since in self._orphaned.values())])

    def end(self) -> list[str]:
        """Wait until nothing is held any more, and return what still is after the longest time that this may take."""
        end = time.monotonic() + LOSS_NOTICED
        while (left := self.held()) and time.monotonic() < end:
            time.sleep(WATCH_INTERVAL)
        self._over.set()
        self._watcher.join()
        return left

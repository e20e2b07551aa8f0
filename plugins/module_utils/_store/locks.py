# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File locks in the state directory. The kernel releases a lock when the process that holds it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .._core.clock import elapsed
from .._core.processes import describe_holder, describe_state, is_stopped, lock_holder
from .._core.waiting import SILENT, Announcer, Wait
from .directory import StateError, describe_failure

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
            descriptor = self._open(name, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StateError(describe_failure(self.directory, error, self._busy_timeout)) from None
        try:
            wait = wait and replace(wait, examine=lambda wait: replace(wait, detail=self.describe_holder(name)))
            yield self._acquire(descriptor, wait, unless)
        finally:
            os.close(descriptor)

    def confirm_locks(self) -> None:
        """Do nothing: a process does not lose a file lock while it runs."""

    def holder_of(self, name: str) -> str:
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

    def _open(self, name: str, flags: int) -> int:
        descriptor = os.open(self._path(name), flags | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(descriptor).st_mode & 0o777 != 0o600:
                os.fchmod(descriptor, 0o600)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _path(self, name: str) -> Path:
        return self.directory / f"{name}.lock"

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File locks in the state directory. The kernel releases a lock when the process that holds it ends.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .directory import StateError, describe_failure
from .lock_holders import describe_holder, is_stopped, lock_holder

#: Seconds between two attempts to acquire a lock: at first, and at most.
MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = 0.02, 0.2


class FileLocks:
    """The locks of one state directory, each a file with mode 0600."""

    def __init__(self, directory: Path, busy_timeout: float) -> None:
        self.directory = directory
        self._busy_timeout = busy_timeout

    @contextlib.contextmanager
    def try_lock(self, name: str, *, wait: float = 0.0, unless: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold the lock ``name`` if no other process does, and yield whether it is held.

        Another holder is waited for up to ``wait`` seconds, but no longer once ``unless`` is true.
        """
        try:
            descriptor = self._open(name, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StateError(describe_failure(self.directory, error, self._busy_timeout)) from None
        try:
            yield _acquire(descriptor, wait, unless)
        finally:
            os.close(descriptor)

    def is_held(self, name: str) -> bool:
        """Whether a living process holds the lock ``name``."""
        try:
            descriptor = self._open(name, os.O_RDONLY)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(describe_failure(self.directory, error, self._busy_timeout)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holder_of(self, name: str) -> str:
        """Name the process that holds the lock ``name``, for a message."""
        return describe_holder(self._path(name))

    def is_holder_stopped(self, name: str) -> bool:
        """Whether the process that holds the lock ``name`` is known to be stopped (SIGSTOP, a debugger)."""
        process = lock_holder(self._path(name))
        return process is not None and is_stopped(process)

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


def _acquire(descriptor: int, wait: float, unless: Callable[[], bool]) -> bool:
    """Lock an open file by polling, since the kernel would wait for a stopped process without end."""
    deadline, interval = time.monotonic() + wait, MIN_POLL_INTERVAL
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0 or unless():
                return False
            time.sleep(min(interval, left))
            interval = min(interval * 1.2, MAX_POLL_INTERVAL)
        else:
            return True

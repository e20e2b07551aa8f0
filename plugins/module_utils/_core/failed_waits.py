# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The waits that have timed out, so that the other hosts of a run do not repeat them, one after the other.

A process remembers its own; those of one run share a directory.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from .clock import elapsed
from .digests import short_digest

#: Seconds for which a wait is not repeated.
MEMORY_TTL = 60.0


class FailedWaits:
    """The failed waits of one process, and of those that share a ``directory`` with it."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._own: dict[str, float] = {}

    def share_in(self, directory: str) -> None:
        """Share the failed waits with the processes that this one forks, in a directory that ends with the run."""
        self._directory = Path(directory)

    def record(self, wait: str) -> None:
        """Record that this wait timed out. A directory that cannot be used records nothing."""
        self._own[wait] = elapsed()
        if self._directory is not None:
            with contextlib.suppress(OSError):
                descriptor = os.open(_file(self._directory, wait), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                try:
                    os.pwrite(descriptor, f"{elapsed():<32.6f}".encode(), 0)
                finally:
                    os.close(descriptor)

    def has_failed(self, wait: str) -> bool:
        """Whether this wait timed out a moment ago, in any process of the run."""
        times = [self._own.get(wait, -math.inf)]
        if self._directory is not None:
            with contextlib.suppress(OSError, ValueError):
                descriptor = os.open(_file(self._directory, wait), os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    times.append(float(os.pread(descriptor, 32, 0)))
                finally:
                    os.close(descriptor)
        return any(elapsed() - at < MEMORY_TTL for at in times)


#: The failed waits of this process.
FAILED_WAITS = FailedWaits()


def _file(directory: Path, wait: str) -> Path:
    return directory / f"qgnet-failed-wait-{short_digest(wait, 8).hex()}"

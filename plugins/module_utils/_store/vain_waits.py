# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits that were in vain, so that the other hosts of a run do not wait for the same, one after the other.

A process remembers its own; those of one run share a directory.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from .._core.clock import elapsed
from .._core.digests import short_digest

#: Seconds for which a wait is not repeated.
MEMORY_TTL = 60.0

_own: dict[str, float] = {}
_directory: Path | None = None


def share_in(directory: str) -> None:
    """Share what this process and those that it forks remember, in a directory that ends with the run."""
    global _directory
    _directory = Path(directory)


def remember(wait: str) -> None:
    """Keep that this was waited for in vain. A directory that cannot be used keeps nothing."""
    _own[wait] = elapsed()
    if _directory is not None:
        with contextlib.suppress(OSError):
            descriptor = os.open(_file(_directory, wait), os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                os.pwrite(descriptor, f"{elapsed():<32.6f}".encode(), 0)
            finally:
                os.close(descriptor)


def was_in_vain(wait: str) -> bool:
    """Whether a process of the run has waited for this in vain, a moment ago."""
    times = [_own.get(wait, -math.inf)]
    if _directory is not None:
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(_file(_directory, wait), os.O_RDONLY | os.O_NOFOLLOW)
            try:
                times.append(float(os.pread(descriptor, 32, 0)))
            finally:
                os.close(descriptor)
    return any(elapsed() - at < MEMORY_TTL for at in times)


def _file(directory: Path, wait: str) -> Path:
    return directory / f"qgnet-vain-{short_digest(wait, 8).hex()}"

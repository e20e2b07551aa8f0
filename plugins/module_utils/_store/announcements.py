# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the processes of a run announces a wait, so that those that wait for the same thing do it once.

It does not use the database, which may be what is waited for.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .._core.clock import elapsed
from .._core.digests import short_digest
from .._core.errors import OptionError
from .._core.waiting import AnnouncementPolicy
from .rate_limiter import minute_seconds

#: Seconds until the next attempt, if another process is just about to announce the same wait.
RETRY_DELAY = 0.1


def announcement_policy() -> AnnouncementPolicy:
    """Return when waits are announced: with a simulator's shorter minute, correspondingly earlier."""
    try:
        return AnnouncementPolicy().scaled(minute_seconds() / 60)
    except OptionError:
        # Whatever waits for the minute reports the error.
        return AnnouncementPolicy()


class Announcements:
    """When each wait was announced last: a file per wait, in a directory that only the processes of one run share.

    Nothing is written before the first wait is to be announced. The run removes the directory.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def claim(self, wait: str, interval: float) -> float:
        """Return 0 if this process may announce the wait now, else the seconds until one may.

        An announcement too many is better than none, so a directory that cannot be used permits all.
        """
        name = short_digest(wait, 8).hex()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(self._directory / f"qgnet-wait-{name}", flags, 0o600)
        except OSError:
            return 0.0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # This clock is the same for all processes of a machine since its start.
            now, last = elapsed(), os.pread(descriptor, 32, 0)
            rest = float(last) + interval - now if last else 0.0
            if 0 < rest <= interval:
                return rest
            os.pwrite(descriptor, f"{now:<32.6f}".encode(), 0)
        except BlockingIOError:
            return RETRY_DELAY
        except (OSError, ValueError):
            return 0.0
        finally:
            os.close(descriptor)
        return 0.0

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice of the process that announces a wait, so that the processes of a run announce it only once.

It does not use the database, since the wait may be for the database.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .._core.clock import elapsed
from .._core.digests import short_digest
from .._core.errors import OptionError
from .._core.waiting import AnnouncementPolicy
from .._store.rate_limiter import minute_seconds

#: Seconds until the next attempt, if another process is announcing the same wait.
RETRY_DELAY = 0.1


def announcement_policy() -> AnnouncementPolicy:
    """Return the intervals of announcements, scaled to the length of the minute."""
    try:
        return AnnouncementPolicy().scaled(minute_seconds() / 60)
    except OptionError:
        # The rate limiter reports the error.
        return AnnouncementPolicy()


class Announcements:
    """The time of the last announcement of each wait: a file per wait, in a directory of one run.

    Only claim() writes to the directory, which Ansible removes at the end of the run.
    """

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def claim(self, wait: str, interval: float) -> float:
        """Return 0 if this process may announce the wait now, else the seconds until one may.

        If the directory cannot be used, each process may announce: a duplicate is better than no announcement.
        """
        name = short_digest(wait, 8).hex()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(self._directory / f"qgnet-wait-{name}", flags, 0o600)
        except OSError:
            return 0.0
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # All processes of a machine share this clock.
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

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A clock that is never set, and that goes on while the machine is suspended.

This file is private to the collection.
"""

from __future__ import annotations

import time

#: On Linux, the monotonic clock stops while the machine is suspended. On macOS it does not, but time.monotonic() does.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds since some moment, for differences only."""
    return time.clock_gettime(_CLOCK)

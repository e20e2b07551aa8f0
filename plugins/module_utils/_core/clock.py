# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clocks of this machine. No other file of the collection reads a clock.

Ages and deadlines are measured in state time (``_store/clocks.py``), which is based on :func:`elapsed`. The wall
clock may be set at any moment. It serves only for display, and for comparison with Unix times from a server or a user.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

#: On Linux, the monotonic clock stops while the machine is suspended. On macOS it does not, but time.monotonic() does.
_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Return the seconds since an arbitrary moment, for differences only. They include the time of a suspension."""
    return time.clock_gettime(_CLOCK)


def wall_time() -> float:
    """Return the Unix time, which may be set at any moment."""
    return time.time()


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    """Identify what :func:`elapsed` counts from: the boot, and the time namespace of a container. Empty if unknown."""
    parts = []
    with contextlib.suppress(OSError):
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            parts.append(file.read().strip())
        parts.append(os.readlink("/proc/self/ns/time"))
    return " ".join(parts)


@dataclass(frozen=True)
class Clock:
    """The clocks of a machine; tests pass in others."""

    elapsed: Callable[[], float] = elapsed
    wall: Callable[[], float] = wall_time
    boot: Callable[[], str] = boot_id


SYSTEM_CLOCK = Clock()

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clocks of the machine that the present task runs on.

Ages and deadlines are measured in state time (``_store/clocks.py``), which is based on :func:`elapsed`. The wall
clock may be set at any moment. It serves only for display, and for comparison with Unix times from a server or a user.
"""

from __future__ import annotations

from .runtime import Clock, current

__all__ = ["SYSTEM_CLOCK", "Clock", "boot_id", "elapsed", "wall_time"]


def elapsed() -> float:
    """Return the seconds since an arbitrary moment, for differences only. They include the time of a suspension."""
    return current().clock.elapsed()


def wall_time() -> float:
    """Return the Unix time, which may be set at any moment."""
    return current().clock.wall()


def boot_id() -> str:
    """Identify what :func:`elapsed` counts from: the boot, and the time namespace of a container. Empty if unknown."""
    return current().clock.boot()


#: The clocks of the runtime of the task that reads them.
SYSTEM_CLOCK = Clock(elapsed, wall_time, boot_id)

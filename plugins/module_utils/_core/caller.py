# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who calls the vendor: the user of this process, and the host and the inventory that its task is for."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Caller:
    """A user, and the host and inventory of a task; empty if unknown, as in a module that was delegated."""

    user: str = ""
    host: str = ""
    inventory: str = ""


_current = Caller()


def set_caller(*, host: str, inventory: str) -> None:
    """Say which host and inventory the task of this process is for."""
    global _current
    _current = replace(_current, host=host, inventory=inventory)


def current_caller() -> Caller:
    """Return the caller of this process."""
    global _current
    if not _current.user:
        try:
            _current = replace(_current, user=getpass.getuser())
        except (KeyError, OSError, ImportError):
            # A container may run as a user without a name.
            _current = replace(_current, user="unknown")
    return _current

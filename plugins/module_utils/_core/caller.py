# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who calls the vendor: the user of this process, and the host and the inventory that its task is for."""

from __future__ import annotations

import getpass
from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """A user, and the host and inventory of a task; empty if unknown, as in a module that was delegated."""

    user: str = ""
    host: str = ""
    inventory: str = ""


_host = _inventory = ""


def set_caller(*, host: str, inventory: str) -> None:
    """Say which host and inventory the task of this process is for."""
    global _host, _inventory
    _host, _inventory = host, inventory


def current_caller() -> Caller:
    """Return the caller of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run as a user without a name.
        user = "unknown"
    return Caller(user, _host, _inventory)

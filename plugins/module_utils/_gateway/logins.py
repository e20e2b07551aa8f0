# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of pools with their passwords, which nothing records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.runtime import digest_in_run

#: Where the password of a pool is set that has a key of its own.
OWN_PASSWORD = "The password of a pool with a key of its own is the one in its entry."


@dataclass(frozen=True)
class Login:
    """The key of a pool and its password; None if there is none. Both are secret."""

    key: str | None
    password: str | None

    @property
    def digest(self) -> str:
        """What tells the login from others within the run."""
        return digest_in_run(self.key or "", self.password or "")


def login_of(pool: str, entries: Iterable[Any], key: str | None, password: str | None) -> Login:
    """Return the login of a pool: that of its entry, or ``key`` and ``password`` of pools without
    their own.

    The password belongs to the key, so that an entry with a key has its own password or none.
    """
    for entry in entries:
        if not isinstance(entry, Mapping) or entry.get("name") != pool:
            continue
        password_of_entry = str(entry.get("password") or "") or None
        if "key" in entry:
            return Login(str(entry["key"] or ""), password_of_entry)
        return Login(key, password_of_entry or password)
    return Login(key, password)

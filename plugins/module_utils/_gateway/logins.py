# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of pools with their passwords, which nothing records."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: Made before Ansible forks its workers, so that a digest of a key means nothing outside of the
#: run.
_SALT = secrets.token_bytes(16)


@dataclass(frozen=True)
class Login:
    """The key of a pool and its password; None if there is none. Both are secret."""

    key: str | None
    password: str | None

    @property
    def digest(self) -> str:
        """What tells the login from others within the run."""
        text = "\0".join((self.key or "", self.password or ""))
        return hashlib.blake2b(text.encode(), key=_SALT, digest_size=8).hexdigest()


def login_of(pool: str, entries: Iterable[Any], key: str | None, password: str | None) -> Login:
    """Return the login of a pool: that of its entry, or ``key`` and ``password`` of pools without
    their own.

    The password belongs to the key, so that an entry with a key has its own password or none.
    """
    for entry in entries:
        if not isinstance(entry, Mapping) or entry.get("name") != pool:
            continue
        own = str(entry.get("password") or "") or None
        if "key" in entry:
            return Login(str(entry["key"] or ""), own)
        return Login(key, own or password)
    return Login(key, password)

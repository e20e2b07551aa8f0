# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Digests that stand for secrets or long texts in names.

All are of the SHA family: a system in FIPS mode has no others.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def salted_digest(salt: bytes, parts: Iterable[str]) -> str:
    """Return 128 bits of a keyed hash, in hexadecimal, that reveal nothing to a reader who lacks the salt."""
    return hmac.new(salt, "\0".join(parts).encode(), hashlib.sha256).hexdigest()[:32]


def short_digest(text: str | bytes, size: int) -> bytes:
    """Return a hash of this many bytes, for a name that need not be secret."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()[:size]

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that QG.net, or a server before it, repeats in its responses: none of them gets into
the store.

All that the store keeps of a response goes through here, right where the response is read. What
only informs is masked. A name is not: runs know by it what they have paid for, and a release names
it. With a part of it masked, two names could become one, or it would name nothing. So a response
with a secret in a name is refused as unreadable, as one of an unknown shape is, and nothing is paid
for until a list can be read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.text import without_secrets
from .parsing import ResponseShapeError, parse_vendor_time


def masked(item: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """Return an object of QG.net with its secrets masked.

    A time is none: a short password may be its year.
    """
    kept: dict[str, Any] = without_secrets({"vendor": item}, secrets)["vendor"]
    for name, value in item.items():
        if name in kept and parse_vendor_time(value):
            kept[name] = value
    return kept


def has_secret(value: Any, secrets: Collection[str]) -> bool:
    """Whether a text, or a list of texts and numbers, contains a secret."""
    return bool(without_secrets(value, secrets) != value)


def check_names(names: list[Any], kept: list[Any]) -> None:
    """Refuse the names of an object, of which these are left when it is masked."""
    if names != kept:
        raise ResponseShapeError("a name in it contains the key or the password")

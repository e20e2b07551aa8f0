# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Split sequences into chunks, for calls that take a maximum number of entries."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> list[list[T]]:
    """Return the items in lists of ``size``, in their order; the last one may be shorter."""
    rest = iter(items)
    return list(iter(lambda: list(islice(rest, size)), []))

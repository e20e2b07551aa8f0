# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of each product host: path, limit per minute, and whether each may be repeated after a lost response.

Vendor docs 1861, 1863, 2143 to 2145, 2255 and 2713. If no limit is documented, that of the same call of another product
applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..exchange import Endpoint
from .errors import FAILED_OPERATION, INTERNAL_ERROR

#: The codes of refusals after which a call may have been carried out.
_UNKNOWN = (INTERNAL_ERROR, FAILED_OPERATION)


@dataclass(frozen=True)
class ProductCalls:
    """The calls of one product. A call is None if the product does not have it.

    ``has_tasks`` says that each lease belongs to a task, which distinguishes it from a later lease of the same address.
    """

    allocate: Endpoint
    query: Endpoint
    areas: Endpoint
    channels: Endpoint | None = None
    balance: Endpoint | None = None
    pool: Endpoint | None = None
    replace: Endpoint | None = None
    release: Endpoint | None = None
    has_tasks: bool = False


_read = partial(Endpoint, per_minute=60, repeatable=True, doc=None, unknown_effect=_UNKNOWN)
_lease = partial(Endpoint, per_minute=10, per_channel=5, repeatable=False, doc=None, unknown_effect=_UNKNOWN)
_QUERY, _AREAS, _CHANNELS = _read("/query"), _read("/resources"), _read("/channels")
_RELEASE = _lease("/delete")

#: By the value of the option ``product``: short-lived, long-lived, dedicated, and global addresses.
PRODUCTS: dict[str, ProductCalls] = {
    "share": ProductCalls(
        allocate=_lease("/get", doc=2255),
        query=_QUERY,
        areas=_AREAS,
        channels=_CHANNELS,
        balance=_read("/balance"),
        # Two pages of the vendor state 60 and 45; the lower one applies.
        pool=_lease("/pool", per_minute=45, per_channel=0),
    ),
    "longterm": ProductCalls(
        allocate=_lease("/get", doc=1863),
        query=_read("/query", doc=1861),
        areas=_AREAS,
        channels=_CHANNELS,
        release=_RELEASE,
        has_tasks=True,
    ),
    "exclusive": ProductCalls(
        allocate=_lease("/get"),
        query=_QUERY,
        areas=_AREAS,
        channels=_CHANNELS,
        replace=_lease("/replace"),
        release=_RELEASE,
        has_tasks=True,
    ),
    "overseas": ProductCalls(
        allocate=_lease("/get", doc=6637, per_minute=60, per_channel=0), query=_QUERY, areas=_AREAS
    ),
}

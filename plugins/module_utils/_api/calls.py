# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of QG.net for a key, as rows of tables: path, limit per minute, and whether each may be
repeated.

Limits: QG.net's page on limits, and docs 174 to 181, 297, 1861, 1863, 2143 to 2145, 2255, 2713
and 6637. If none is documented, that of the same call of another product applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from . import responses
from .exchange import Call

_classic = partial(Call, dialect=responses.classic)
_read = partial(_classic, repeatable=True)
_lease = partial(_classic, per_minute=10, per_channel=5)
_monopoly = partial(_lease, dialect=responses.by_status)

WHITELIST = _read("/whitelist/query")
WHITELIST_ADD = _classic("/whitelist/add", 20)
WHITELIST_DELETE = _classic("/whitelist/del", 20)
EXTRACT = _read("/extract", 45)
#: Not a call: the addresses that may be released in a minute.
RELEASED_ADDRESSES = _classic("/release addresses", 0, 2)
MONOPOLIES = _read("/monopolies", dialect=responses.by_status)
MONOPOLIES_IDLE = _read("/monopolies/idle", dialect=responses.by_status)
MONOPOLIES_APPLY = _monopoly("/monopolies", method="POST")
MONOPOLIES_REDIAL = _monopoly("/monopolies/ips", method="PUT")
MONOPOLIES_RELEASE = _monopoly("/monopolies", method="DELETE")


@dataclass(frozen=True)
class Product:
    """The calls for the leases of one product. A call is None if the product does not have it."""

    allocate: Call
    query: Call
    areas: Call
    quota: Call | None = None
    balance: Call | None = None
    replace: Call | None = None
    release: Call | None = None


CLASSIC = "classic"
_share = partial(Call, dialect=responses.product)
_read_share = partial(_share, repeatable=True)
_lease_share = partial(_share, per_minute=10, per_channel=5)
_QUERY = _read_share("/query")
_AREAS = _read_share("/resources")
_CHANNELS = _read_share("/channels")
_GET = _lease_share("/get")
_DELETE = _lease_share("/delete")

#: By the value of the option ``product``: the classic API; short-lived, long-lived, dedicated, and
#: global addresses.
PRODUCTS: dict[str, Product] = {
    CLASSIC: Product(
        allocate=_lease("/allocate"),
        query=_read("/query", 10, 5),
        areas=_read("/resources"),
        quota=_read("/info/quota"),
        replace=_lease("/replace"),
        release=_lease("/release", per_minute=0),
    ),
    "share": Product(_GET, _QUERY, _AREAS, _CHANNELS, balance=_read_share("/balance")),
    "longterm": Product(_GET, _QUERY, _AREAS, _CHANNELS, release=_DELETE),
    "exclusive": Product(
        _GET, _QUERY, _AREAS, _CHANNELS, replace=_lease_share("/replace"), release=_DELETE
    ),
    "overseas": Product(_share("/get"), _QUERY, _AREAS),
}

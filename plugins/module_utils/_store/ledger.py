# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: the rows of paid calls in the journal, which are kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .interface import Store

#: In the order of the fields of an entry.
_COLUMNS = "id, key, kind, product, endpoint, buys, received, state, wall_at, run_user, run, host, inventory, request"


@dataclass(frozen=True)
class LedgerEntry:
    """A paid call. ``at`` is Unix time.

    ``received`` are the names of what it has paid for, with their ends in the vendor's words; None while that is
    unknown, and after a refusal.
    """

    id: int
    key: str
    kind: str
    product: str
    endpoint: str
    asked: int
    received: Mapping[str, str | None] | None
    state: str
    at: float
    user: str
    run: str
    host: str
    inventory: str
    request: Mapping[str, Any]


def ledger(
    store: Store,
    keys: Collection[str] | None = None,
    since: float = 0.0,
    until: float = math.inf,
    run: str | None = None,
) -> list[LedgerEntry]:
    """Return the paid calls, of these keys or of all, of a run or of all, the earliest first.

    They were sent at the Unix time ``since`` or later, and before ``until``.
    """
    marks = ", ".join("?" * len(keys or ()))
    query = (
        f"SELECT {_COLUMNS} FROM journal WHERE buys > 0 AND wall_at >= ? AND wall_at < ? AND run = coalesce(?, run)"
        f"{'' if keys is None else f' AND key IN ({marks})'} ORDER BY id"
    )
    rows = store.rows(query, since, min(until, 1e12), run, *(keys or ()))
    names = [field.name for field in fields(LedgerEntry)]
    texts = {"received": "null", "request": "{}"}
    return [
        LedgerEntry(
            **{
                name: store.decoded(value or texts[name]) if name in texts else value
                for name, value in zip(names, row, strict=True)
            }
        )
        for row in rows
    ]

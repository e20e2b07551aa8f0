# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ledger: the paid calls of the journal."""

from __future__ import annotations

import base64
import datetime
import zlib
from collections.abc import Collection, Iterator
from typing import Any

from .._api.parsing import BEIJING
from .._store.store import Store
from .journal import mapping, reading

#: What the ledger shows of a call.
_ENTRY = (
    *("id", "endpoint", "product", "buys", "state", "received", "wall_at"),
    *("run_user", "run", "host", "inventory"),
)


def received_names(packed: str | None) -> dict[str, str | None]:
    """Return the names of what a call has received, with their ends."""
    return mapping(zlib.decompress(base64.b64decode(packed, validate=True))) if packed else {}


def ledger(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time, the earliest first, by the columns of the journal.

    What they have ``received`` are names with their ends in ISO 8601, and ``wall_at`` is a time in Beijing.
    """
    any_key = ", ".join("?" * len(keys))
    query = (
        f"SELECT {', '.join(_ENTRY)} FROM journal WHERE key IN ({any_key}) AND buys > 0 AND sent_at >= ? ORDER BY id"
    )
    for row in store.rows(query, *keys, since - store.wall_ahead()):
        entry = dict(zip(_ENTRY, row, strict=True))
        with reading(store, entry["id"]):
            entry["received"] = received_names(entry["received"])
            entry["wall_at"] = datetime.datetime.fromtimestamp(entry["wall_at"], BEIJING)
        yield entry

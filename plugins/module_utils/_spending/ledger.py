# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was paid for: the rows of the journal that buy something, and how their texts are written
and read.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._api.parsing import BEIJING, iso_time, parse_vendor_time
from .._store.store import Store, mapping_in
from .caps import AMOUNT

#: What the ledger shows of a call beside its time.
_ENTRY = (
    "endpoint",
    "product",
    "buys",
    "state",
    "received",
    "run_user",
    "run",
    "host",
    "inventory",
)


def ledger(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time as columns, the earliest first.

    What they have ``received`` are names with their ends in ISO 8601, and ``wall_at`` is a time in
    Beijing.
    """
    for number, moment, values in _paid_calls(store, keys, since, _ENTRY):
        entry = dict(zip(_ENTRY, values, strict=True))
        with reading(store, number):
            entry["received"] = _unpacked(entry["received"])
            entry["buys"] = int(entry["buys"])
        entry["wall_at"] = moment
        yield entry


def spending(store: Store, keys: Collection[str], since: float) -> Iterator[dict[str, Any]]:
    """Yield the paid calls of these keys since a Unix time, with the numbers of what was ``asked``
    for, of what is known to be ``received``, and of what may have been as well (``unknown``).

    That is quicker than :func:`ledger`, which also reads what it was.
    """
    columns = ("product", "run_user", "host", "buys", "got", f"{AMOUNT} - got")
    for number, moment, (product, user, host, *amounts) in _paid_calls(store, keys, since, columns):
        with reading(store, number):
            asked, received, unknown = map(int, amounts)
        yield {
            "at": moment,
            "day": str(moment.date()),
            "product": product,
            "user": user,
            "host": host,
            "asked": asked,
            "received": received,
            "unknown": unknown,
        }


def sums(
    calls: Iterable[Mapping[str, Any]], by: Sequence[str], numbers: Sequence[str]
) -> list[dict[str, Any]]:
    """Return how many calls have the same values in the columns ``by``, and the sums of their
    ``numbers``, in the order of these values.
    """
    groups: dict[tuple[Any, ...], dict[str, int]] = {}
    for call in calls:
        values = tuple(call[name] for name in by)
        group = groups.setdefault(values, dict.fromkeys(("calls", *numbers), 0))
        group["calls"] += 1
        for name in numbers:
            group[name] += call[name]
    return [{**dict(zip(by, values, strict=True)), **groups[values]} for values in sorted(groups)]


def _paid_calls(
    store: Store, keys: Collection[str], since: float, columns: Iterable[str]
) -> Iterator[tuple[int, datetime.datetime, list[Any]]]:
    """Yield the number of each paid call, its time, and the values of these columns."""
    any_key = ", ".join("?" * len(keys))
    query = (
        f"SELECT id, wall_at, {', '.join(columns)} FROM journal "
        f"WHERE key IN ({any_key}) AND buys > 0 AND sent_at >= ? ORDER BY id"
    )
    for number, wall_at, *values in store.rows(query, *keys, since - store.wall_ahead()):
        with reading(store, number):
            moment = datetime.datetime.fromtimestamp(wall_at, BEIJING)
        yield number, moment, values


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def packed(held: Iterable[tuple[str, str | None]]) -> str:
    """Return names with their ends in ISO 8601.

    They are compressed, since a busy key buys tens of thousands a day, and without the task, which
    only distinguishes a lease from a later one.
    """
    received = {}
    for name, ends in held:
        received[name.rpartition(" ")[2]] = iso_time(parse_vendor_time(ends))
    return base64.b64encode(zlib.compress(compact(received).encode())).decode()


def _unpacked(text: str | None) -> dict[str, str | None]:
    if text is None:
        return {}
    return mapping_in(zlib.decompress(base64.b64decode(text, validate=True)))


def reading(store: Store, call: int) -> contextlib.AbstractContextManager[None]:
    """Raise StateError if the body cannot read the row of a call, or of one of its effects."""
    return store.reading("journal", call, "the ledger and caps then lack this call")

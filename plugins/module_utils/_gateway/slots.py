# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lease serves at which slot of a pool: a slot is a port with one exit.

The store remembers it for a set of leases, so that a slot has the same exit on all hosts that share
the set. A lease keeps its slot until its end, and its successor waits beside it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .._paid.snapshot import MISSING_APART


@dataclass(frozen=True)
class SlotLease:
    """A lease at a slot, from 1; 0 if it has none yet.

    ``name`` tells it apart among the leases of the key, ``server`` is its HOST:PORT. ``until`` is
    its end in QG.net's time (Unix time), and None if it may last longer than QG.net's list says.
    ``missing_since`` is when a run first found that the key does not hold it any more.
    """

    slot: int
    name: str
    server: str
    until: float | None
    missing_since: float | None = None


def slots_as_json(slots: Iterable[SlotLease]) -> dict[str, Any]:
    """Return slots for the store."""
    return {"slots": [asdict(entry) for entry in slots]}


def slots_from_json(data: Mapping[str, Any]) -> list[SlotLease]:
    """Return the slots in the store; none of an empty mapping."""
    return [SlotLease(**entry) for entry in data.get("slots", ())]


def assign(
    recorded: Iterable[SlotLease],
    leases: Iterable[SlotLease],
    *,
    held: Collection[str],
    count: int,
    bad: Collection[str],
    now: float,
) -> list[SlotLease]:
    """Return all leases that live with their slots, those of a slot in the order in which they
    serve.

    ``leases`` are those that last long enough, without slots, and ``held`` the names of all that
    the key holds. A recorded one that ends soon keeps its slot until its end. One that is not held
    was released, unless another run has bought it just now: it keeps its slot for a minute. ``bad``
    servers leave at once. A new lease goes to a slot up to ``count`` that has none of ``leases``:
    first to an empty one, and then to the one whose lease ends first.
    """
    lasting = {lease.name: lease for lease in leases}
    kept = []
    for entry in recorded:
        lease = lasting.get(entry.name)
        if lease is not None:
            kept.append(replace(lease, slot=entry.slot))
        elif entry.server not in bad and (entry.until is None or entry.until > now):
            since = None
            if entry.name not in held and entry.until is not None:
                since = entry.missing_since or now
            if since is None or now - since < MISSING_APART:
                kept.append(replace(entry, missing_since=since))
    names = {entry.name for entry in kept}
    free = vacant(kept, lasting, count)
    free.sort(key=lambda slot: _end(slot, kept))
    for lease in sorted(lasting.values(), key=lambda each: each.name):
        if lease.name in names or not free:
            continue
        # If QG.net leases the address of a slot again, it stays there.
        here = [slot for slot in free if _has(slot, kept, lease.server)]
        slot = (here or free)[0]
        free.remove(slot)
        kept.append(replace(lease, slot=slot))
    kept = [entry for entry in kept if not _is_replaced(entry, kept, lasting)]
    return sorted(kept, key=lambda entry: entry.slot)


def vacant(slots: Iterable[SlotLease], lasting: Collection[str], count: int) -> list[int]:
    """Return the slots up to ``count`` that have none of the leases that last, by their names."""
    filled = {entry.slot for entry in slots if entry.name in lasting}
    return [slot for slot in range(1, count + 1) if slot not in filled]


def of_slot(slots: Iterable[SlotLease], number: int) -> Sequence[SlotLease]:
    """Return the leases of a slot in the order in which they serve."""
    return [entry for entry in slots if entry.slot == number]


def _end(slot: int, slots: Iterable[SlotLease]) -> float:
    """Return when the last lease of a slot ends; 0 if it has none."""
    ends = [math.inf if entry.until is None else entry.until for entry in of_slot(slots, slot)]
    return max(ends, default=0.0)


def _has(slot: int, slots: Iterable[SlotLease], server: str) -> bool:
    return any(entry.server == server for entry in of_slot(slots, slot))


def _is_replaced(entry: SlotLease, slots: Iterable[SlotLease], lasting: Collection[str]) -> bool:
    """Whether a lease without an end, which is no longer leased, has a successor."""
    if entry.until is not None or entry.name in lasting:
        return False
    return any(other.name in lasting for other in of_slot(slots, entry.slot))

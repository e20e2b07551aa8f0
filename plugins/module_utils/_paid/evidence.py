# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the evidence about a key proves: what it holds, what became of a call, and what contradicts
a payment.

These are pure functions over a :class:`.snapshot.Snapshot`. :mod:`.holdings` collects it,
:mod:`.reconciling` waits, and :mod:`.paying` pays; they decide nothing that is not said here. A
single list may be wrong, so two have to agree that something is not held. There are three witnesses
beside the lists, each with a time of its own:

* A call without a known result may still be carried out until
  :attr:`.snapshot.OpenCall.settles_at`.
* The quota counts what is held, also what the list lacks, for as long as it counts more.
* The journal knows what was bought. What the list lacks is missing, and counts as held until two
  lists, far enough apart, have lacked it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .snapshot import OpenCall, Record, Snapshot, State, has_ended


def states(snapshot: Snapshot) -> dict[str, State]:
    """Return what is held or missing: the list, corrected by what it may not show; what is gone is
    left out.
    """
    over = snapshot.over()
    found = {name: State.HELD for name in snapshot.listed if name not in over}
    records = {}
    if snapshot.earlier is not None:
        # Nothing is recorded of what another buyer has bought, so the list before counts.
        for name in snapshot.earlier.listed:
            records[name] = Record(name, 0, -math.inf)
    records.update(snapshot.last())
    for name, record in records.items():
        if record.gone_at is not None:
            if snapshot.may_lag(record):
                found.pop(name, None)
        elif name not in snapshot.listed and name not in over:
            found[name] = State.HELD if snapshot.may_lag(record) else State.MISSING
    return found


def held(snapshot: Snapshot) -> list[str]:
    """Return what is held for certain, and not missing."""
    return [name for name, state in states(snapshot).items() if state is State.HELD]


def counted(snapshot: Snapshot) -> list[str]:
    """Return what counts as held: also what is missing, unless an open call may have removed it."""
    may_be_removed = set[str]()
    for call in snapshot.calls:
        if call.removes:
            may_be_removed |= call.before
    counted = []
    for name, state in states(snapshot).items():
        if state is State.HELD or name not in may_be_removed:
            counted.append(name)
    return counted


def changed_by_list(snapshot: Snapshot) -> list[Record]:
    """Return new records of what the list lacks and should show, or shows again."""
    now = states(snapshot)
    changed = []
    for name, record in snapshot.last().items():
        if record.gone_at is None and now.get(name) is State.MISSING:
            if record.missing_since is None:
                changed.append(dataclasses.replace(record, missing_since=snapshot.read_at))
            elif snapshot.read_at >= record.missing_until:
                gone = dataclasses.replace(record, gone_at=snapshot.read_at, gone_by_list=True)
                changed.append(gone)
        elif record.missing_since is not None and name in snapshot.listed:
            # It is held after all, also if it was gone, and is protected as before.
            there = dataclasses.replace(record, missing_since=None, gone_at=None)
            changed.append(dataclasses.replace(there, gone_by_list=False))
    return changed


class Outcome(Enum):
    """What became of a call."""

    #: It may still be carried out, or the list may still lack its effect.
    OPEN = auto()
    #: The list shows its whole effect.
    DONE = auto()
    #: Its time is over, and the list does not show its whole effect.
    LOST = auto()


@dataclass(frozen=True)
class Verdict:
    """What became of a call, and the names that it has added and removed, as the list shows."""

    outcome: Outcome
    added: Sequence[str] = ()
    removed: frozenset[str] = frozenset()


def verdict(call: OpenCall, snapshot: Snapshot) -> Verdict:
    """Return what became of a call whose result is not known."""
    added = _added(call, snapshot)
    removed = frozenset[str]()
    left = call.removes
    if call.removes:
        # What another call has removed is no effect of this one.
        before = call.before - _gone(snapshot)
        removed = _removed(call, snapshot, before, added)
        if not call.adds:
            left = len(before)
    # While a release is in flight, it would also release a new resource that gets the same address.
    may_be_done = call.adds > 0 or call.answered_at is not None
    outcome = Outcome.OPEN
    if may_be_done and len(added) == call.adds and len(removed) >= left:
        outcome = Outcome.DONE
    elif snapshot.earlier is not None and snapshot.earlier.read_at >= call.settles_at:
        # A single list may be wrong, so two have to lack its effect.
        outcome = Outcome.LOST
    return Verdict(outcome, added, removed)


def _added(call: OpenCall, snapshot: Snapshot) -> list[str]:
    """Return the new names that no other call has added, those of its own response first."""
    bought = [record for record in snapshot.records if record.is_bought]
    named = {record.name for record in bought if record.call == call.id}
    lasting = {record.name for record in bought if not has_ended(record.ends, snapshot.now)}
    of_others = lasting - named
    new = [name for name in held(snapshot) if name not in call.before | of_others]
    new.sort(key=lambda name: name not in named)
    return new[: call.adds]


def _gone(snapshot: Snapshot) -> set[str]:
    return {name for name, record in snapshot.last().items() if record.gone_at is not None}


def _removed(
    call: OpenCall, snapshot: Snapshot, before: frozenset[str], added: Collection[str]
) -> frozenset[str]:
    """Return what of this lists show to be gone: two, or a single one that cannot be an old one."""
    unlisted = before.difference(snapshot.listed)
    # A list with all successors is a later one than the records of what it lacks, whichever QG.net
    # has chosen.
    if added and snapshot.listed.keys() >= set(added) and len(unlisted) == call.removes:
        return unlisted
    if snapshot.earlier is None:
        return frozenset()
    earlier = dataclasses.replace(snapshot.earlier, records=snapshot.records, now=snapshot.now)
    gone = before.difference(held(snapshot), held(earlier))
    if len(gone) > call.removes:
        # It has not removed what has ended by itself.
        gone -= snapshot.over()
    if len(gone) > call.removes:
        # Lists that lack more than the call can remove are wrong, and do not say which of it.
        return frozenset()
    return gone


class Witness(Enum):
    """What contradicts that a payment is necessary."""

    #: A single list, which may be wrong.
    LIST = auto()
    QUOTA = auto()


def contradiction(snapshot: Snapshot) -> Witness | None:
    """Return what forbids to pay for anything once no call is open; None if nothing does."""
    if snapshot.quota_used is None and snapshot.earlier is None:
        return Witness.LIST
    if excess(snapshot) > 0:
        return Witness.QUOTA
    return None


def excess(snapshot: Snapshot) -> int:
    """Return how many more channels the quota counts as used than the list shows.

    In doubt, a resource has ended, so that it hides none that the list lacks, and so does what the
    list lacks itself.
    """
    if snapshot.quota_used is None:
        return 0
    ends = snapshot.ends()
    lasting = [name for name in held(snapshot) if (ends[name] or math.inf) > snapshot.latest]
    return snapshot.quota_used - len(lasting)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the evidence about a key proves: what it holds, what became of a call, and what contradicts
a payment.

These are pure functions over a :class:`.snapshot.Snapshot`. :class:`.books.Books` collects it,
waits and pays; it decides nothing that is not said here. A single list may be wrong, so two have to
agree that something is not held. There are three witnesses beside the lists, each with a time of
its own:

* A call without a known result may still be carried out until
  :attr:`.snapshot.OpenCall.settles_at`.
* The quota counts what is held, also what the list lacks, for as long as it counts more.
* The journal knows what was bought. What the list lacks counts as held until it was missed twice,
  far enough apart.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from .snapshot import OpenCall, Report, Says, Snapshot, has_ended


class Held(Enum):
    """Why a resource counts as held."""

    #: The list shows it, or may not show it yet.
    CERTAIN = auto()
    #: It was held, and the list lacks it: the list is wrong, or it was taken away early.
    MISSED = auto()


def view(snapshot: Snapshot) -> dict[str, Held]:
    """Return what counts as held, and why: the list, corrected by what it may not show."""
    over = snapshot.over()
    held = {name: Held.CERTAIN for name in snapshot.listed if name not in over}
    reports = {}
    if snapshot.earlier is not None:
        # Nothing is reported of what another buyer has bought, so the list before counts.
        for name in snapshot.earlier.listed:
            reports[name] = Report(name, 0, Says.HELD, -math.inf)
    reports.update(snapshot.last_reports())
    may_be_removed = set[str]()
    for call in snapshot.calls:
        if call.removes:
            may_be_removed |= call.before
    for name, report in reports.items():
        if report.says is not Says.HELD:
            if snapshot.may_lag(report):
                held.pop(name, None)
        elif name not in snapshot.listed and name not in over:
            if snapshot.may_lag(report):
                held[name] = Held.CERTAIN
            elif name not in may_be_removed:
                held[name] = Held.MISSED
    return held


def certain(snapshot: Snapshot) -> list[str]:
    """Return what is held for certain: what the list lacks may have been released or replaced."""
    return [name for name, reason in view(snapshot).items() if reason is Held.CERTAIN]


def new_misses(snapshot: Snapshot) -> list[Report]:
    """Return new reports of what the list lacks and should show, or shows again."""
    states = view(snapshot)
    changed = []
    for name, report in snapshot.last_reports().items():
        if report.says is Says.HELD and states.get(name) is Held.MISSED:
            if report.missed_at is None:
                changed.append(dataclasses.replace(report, missed_at=snapshot.read_at))
            elif snapshot.read_at >= report.gone_at:
                changed.append(dataclasses.replace(report, says=Says.ENDED, at=snapshot.read_at))
        elif report.missed_at is not None and name in snapshot.listed:
            # It is held after all, also if it counted as gone, and is protected as before.
            changed.append(dataclasses.replace(report, says=Says.HELD, missed_at=None))
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
    if call.removes:
        removed = _removed(call, snapshot, added)
    # While a release is in flight, it would also release a new resource that gets the same address.
    may_be_done = call.adds > 0 or call.answered_at is not None
    outcome = Outcome.OPEN
    if may_be_done and len(added) == call.adds and len(removed) >= call.removes:
        outcome = Outcome.DONE
    elif snapshot.earlier is not None and snapshot.earlier.read_at >= call.settles_at:
        # A single list may be wrong, so two have to lack its effect.
        outcome = Outcome.LOST
    return Verdict(outcome, added, removed)


def _added(call: OpenCall, snapshot: Snapshot) -> list[str]:
    """Return the new names that no other call has added, those of its own response first."""
    purchases = [report for report in snapshot.reports if report.is_purchase]
    named = {report.name for report in purchases if report.call == call.id}
    lasting = {each.name for each in purchases if not has_ended(each.ends, snapshot.now)}
    of_others = lasting - named
    new = [name for name in certain(snapshot) if name not in call.before | of_others]
    new.sort(key=lambda name: name not in named)
    return new[: call.adds]


def _removed(call: OpenCall, snapshot: Snapshot, added: Collection[str]) -> frozenset[str]:
    """Return what lists show to be gone: two, or a single one that cannot be an old one."""
    unlisted = call.before.difference(snapshot.listed)
    # A list with all successors is a later one than the reports of what it lacks, whichever QG.net
    # has chosen.
    if added and snapshot.listed.keys() >= set(added) and len(unlisted) == call.removes:
        return unlisted
    if snapshot.earlier is None:
        return frozenset()
    earlier = dataclasses.replace(snapshot.earlier, reports=snapshot.reports, now=snapshot.now)
    gone = call.before.difference(certain(snapshot), certain(earlier))
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
    lasting = [name for name in certain(snapshot) if (ends[name] or math.inf) > snapshot.latest]
    return snapshot.quota_used - len(lasting)

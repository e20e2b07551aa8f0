# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the evidence about a key proves: what it holds, what became of a call, and what contradicts a payment.

These are pure functions over data. :class:`.books.Books` collects the data, waits and pays; it decides nothing that is
not said here. A single list may be wrong, so two have to agree that something is not held. There are three witnesses
beside the lists, each with a time of its own:

* A call without a known result may still be carried out until :attr:`OpenCall.settles_at`.
* The quota counts what is held, also what the list lacks, for as long as it counts more.
* The journal knows what was bought. What the list lacks counts as held until it was missed twice, far enough apart.

Times called "state time" are those of the store. Ends of resources are Unix times of QG.net's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

#: The maximum seconds by which a list of QG.net may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: The maximum seconds between two readings of the list that lack a resource, before the resource counts as gone.
MISSED_APART = 60.0
#: The share of its life that lies at least between two such readings, if the resource has a short life.
MISSED_SHARE = 0.25


class Says(str, Enum):
    """What the journal says about a resource; the value is that of the store."""

    HELD = "held"
    GONE = "gone"
    #: A list has shown that a call has released it, and no response.
    UNLISTED = "unlisted"
    #: It was bought by this call, and is not held any more.
    ENDED = "ended"
    #: A call without a known result may release it.
    MAYBE_GONE = "maybe gone"


@dataclass(frozen=True)
class Expected:
    """What a call should change: how many resources it adds, and which it removes.

    Of a call that lets QG.net choose what to remove, only the number is known.
    """

    adds: int = 0
    removes: frozenset[str] = frozenset()
    removes_count: int = 0

    @property
    def removes_something(self) -> bool:
        """Whether something that was held may be gone."""
        return bool(self.removes) or self.removes_count > 0


@dataclass(frozen=True)
class OpenCall:
    """A call whose whole result is not known. ``before`` are the names that were held before it.

    ``answered_at`` is the state time at which its exchange has ended; None if it has not.
    """

    id: int
    endpoint: str
    expected: Expected
    before: frozenset[str]
    sent_at: float
    timeout: float
    answered_at: float | None

    @property
    def settles_at(self) -> float:
        """When the call can no longer be carried out, and a list must show its effect."""
        if self.answered_at is not None:
            return self.answered_at + LIST_LAG
        return self.sent_at + max(self.timeout, MAX_EXECUTION_DELAY) + LIST_LAG


@dataclass(frozen=True)
class Report:
    """What the journal says about a resource because of a call, and since when (state time).

    ``life`` are the seconds that the resource was to last when it was recorded, and ``ends`` is when it ends; both are
    None if that is unknown. ``missed_at`` is the state time of the first of the readings of the list that have lacked
    it without a break. ``data`` is the resource itself, and ``request`` what the call requested.
    """

    name: str
    call: int
    says: Says
    at: float
    ends: float | None = None
    life: float | None = None
    missed_at: float | None = None
    data: Any = None
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def may_be_unlisted_for(self) -> float:
        """The seconds for which the list may lack it before it counts as gone."""
        if self.life is None:
            return MISSED_APART
        return min(MISSED_APART, MISSED_SHARE * self.life)


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment.

    ``listed`` are the names in QG.net's list with their ends, and ``read_at`` is the state time at which that list was
    requested; ``listed_before`` and ``read_before`` are those of the list before it in this run, and None for the first
    one. ``reports`` are in the order of their times.
    QG.net's clock shows a time between ``now`` and ``latest``. ``quota_used`` is the number of channels that the quota
    counts as used; None if there is no such quota, or if it is to be ignored.
    """

    listed: Mapping[str, float | None] = field(default_factory=dict)
    read_at: float = 0.0
    now: float = 0.0
    latest: float = 0.0
    reports: Sequence[Report] = ()
    calls: Sequence[OpenCall] = ()
    listed_before: Mapping[str, float | None] | None = None
    read_before: float | None = None
    quota_used: int | None = None

    def last_reports(self) -> dict[str, Report]:
        """Return what was reported last about each resource, apart from what is unknown."""
        last: dict[str, Report] = {}
        for report in self.reports:
            before = last.get(report.name)
            # That a list shows what a response has reported says nothing new.
            is_known = before is not None and before.says is Says.GONE and report.says is Says.UNLISTED
            if report.says is not Says.MAYBE_GONE and not is_known:
                last[report.name] = report
        return last

    def may_lag(self, report: Report) -> bool:
        """Whether the list may have been written before this was reported."""
        return report.at > self.read_at - LIST_LAG

    def has_ended(self, ends: float | None) -> bool:
        """Whether what was to end then has ended by itself."""
        return ends is not None and ends <= self.now


class Held(Enum):
    """Why a resource counts as held."""

    #: The list shows it.
    LISTED = "listed"
    #: It was reported lately, and the list may not show it yet.
    REPORTED = "reported"
    #: The journal knows it, and the list lacks it: either the list is wrong, or it was taken away early.
    MISSED = "missed"


def view(snapshot: Snapshot) -> dict[str, Held]:
    """Return what counts as held, and why: the list, corrected by what it may not show."""
    held = dict.fromkeys(snapshot.listed, Held.LISTED)
    may_be_removed = _may_be_removed(snapshot.calls)
    reports = snapshot.last_reports()
    for name, ends in (snapshot.listed_before or {}).items():
        is_missed = name not in held and name not in may_be_removed
        if is_missed and name not in reports and not snapshot.has_ended(ends):
            held[name] = Held.MISSED
    for name, report in reports.items():
        if report.says is Says.GONE:
            if snapshot.may_lag(report):
                held.pop(name, None)
        elif report.says is not Says.HELD:
            # One list has shown this, so a later one may contradict it.
            if report.at > snapshot.read_at:
                held.pop(name, None)
        elif name not in held and not snapshot.has_ended(report.ends):
            if snapshot.may_lag(report):
                held[name] = Held.REPORTED
            elif name not in may_be_removed:
                held[name] = Held.MISSED
    return held


def _may_be_removed(calls: Iterable[OpenCall]) -> set[str]:
    """Return what open calls may remove, or have removed."""
    names = set[str]()
    for call in calls:
        names |= call.expected.removes
        if call.expected.removes_count:
            names |= call.before
    return names


def certain(snapshot: Snapshot) -> list[str]:
    """Return what is held for certain: whatever the list lacks may have been released, or replaced by QG.net."""
    return [name for name, reason in view(snapshot).items() if reason is not Held.MISSED]


class Missing(Enum):
    """What a list says about a resource that the journal knows."""

    FIRST = "it lacks the resource, and the list before did not"
    TWICE = "it lacks the resource, as a list long enough before did"
    BACK = "it shows the resource again"


def missed(snapshot: Snapshot) -> dict[str, Missing]:
    """Return what has to be recorded about resources that the list lacks, or shows again."""
    states = view(snapshot)
    changes = {}
    for name, report in snapshot.last_reports().items():
        if report.says is Says.HELD and states.get(name) is Held.MISSED:
            if report.missed_at is None:
                changes[name] = Missing.FIRST
            elif snapshot.read_at - report.missed_at >= report.may_be_unlisted_for:
                changes[name] = Missing.TWICE
        elif report.missed_at is not None and name in snapshot.listed:
            changes[name] = Missing.BACK
    return changes


class Outcome(Enum):
    """What became of a call."""

    OPEN = "it may still be carried out, or the list may still lack its effect"
    DONE = "the list shows its whole effect"
    LOST = "its time is over, and the list does not show its whole effect"


@dataclass(frozen=True)
class Verdict:
    """What became of a call: the names that it has added and removed as far as the list shows them."""

    outcome: Outcome
    added: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()


def verdict(call: OpenCall, snapshot: Snapshot) -> Verdict:
    """Return what became of a call whose result is not known."""
    held = certain(snapshot)
    added = _added(call, snapshot, held)
    removed = _removed(call, snapshot, held, added)
    outcome = Outcome.OPEN
    if _is_whole(call, held, added, removed):
        outcome = Outcome.DONE
    elif _is_over(call, snapshot):
        outcome = Outcome.LOST
    return Verdict(outcome, added, removed)


def _added(call: OpenCall, snapshot: Snapshot, held: Collection[str]) -> tuple[str, ...]:
    """Return the new names that no other call has added; those that its own response has named come first."""
    named = set()
    of_others = set()
    for report in snapshot.reports:
        if report.says not in (Says.HELD, Says.ENDED):
            continue
        if report.call == call.id:
            named.add(report.name)
        elif not snapshot.has_ended(report.ends):
            of_others.add(report.name)
    known = of_others - named
    new = [name for name in held if name not in call.before and name not in known]
    new.sort(key=lambda name: name not in named)
    return tuple(new[: call.expected.adds])


def _removed(call: OpenCall, snapshot: Snapshot, held: Collection[str], added: Collection[str]) -> frozenset[str]:
    if not call.expected.removes_count:
        return _lacked_twice(call.expected.removes.difference(held), snapshot)
    # A list with all successors is a later one than the reports of what it lacks, whichever QG.net has chosen.
    unlisted = call.before.difference(snapshot.listed)
    is_complete = bool(added) and snapshot.listed.keys() >= set(added)
    if is_complete and len(unlisted) == call.expected.removes_count:
        return unlisted
    return _lacked_twice(call.before.difference(held), snapshot)


def _lacked_twice(names: frozenset[str], snapshot: Snapshot) -> frozenset[str]:
    """Return those of names that are not held which the list before should have shown, and lacked as well."""
    if snapshot.listed_before is None or snapshot.read_before is None:
        return frozenset()
    reports = snapshot.last_reports()
    lacked = set[str]()
    for name in names - snapshot.listed_before.keys():
        report = reports.get(name)
        might_lag = report is not None and report.says is Says.HELD and report.at > snapshot.read_before - LIST_LAG
        if not might_lag:
            lacked.add(name)
    return frozenset(lacked)


def _is_whole(call: OpenCall, held: Collection[str], added: Collection[str], removed: Collection[str]) -> bool:
    if len(added) < call.expected.adds or len(removed) < call.expected.removes_count:
        return False
    if not call.expected.removes:
        return True
    # While a release is in flight, it would also release a new resource that gets the same address.
    return call.answered_at is not None and removed == call.expected.removes


def _is_over(call: OpenCall, snapshot: Snapshot) -> bool:
    """Whether the time of a call is over. A single list may be wrong, so two have to lack its effect."""
    return snapshot.read_before is not None and snapshot.read_before >= call.settles_at


class Witness(Enum):
    """What contradicts that a payment is necessary."""

    CALL = "a call without a known result"
    LIST = "a single list"
    QUOTA = "the quota"


@dataclass(frozen=True)
class Contradiction:
    """A witness that says that more may be held than the list shows, and how many more."""

    witness: Witness
    number: int


def contradictions(snapshot: Snapshot) -> list[Contradiction]:
    """Return what forbids to pay for anything now."""
    # What the list lacks must not hide another one that it lacks.
    held = certain(snapshot)
    doubts = []
    for call in snapshot.calls:
        number = max(call.expected.adds, call.expected.removes_count, len(call.expected.removes))
        doubts.append(Contradiction(Witness.CALL, number))
    if snapshot.quota_used is not None:
        number = snapshot.quota_used - in_use(snapshot, held)
        if number > 0:
            doubts.append(Contradiction(Witness.QUOTA, number))
    elif snapshot.listed_before is None:
        doubts.append(Contradiction(Witness.LIST, 0))
    return doubts


def in_use(snapshot: Snapshot, held: Iterable[str]) -> int:
    """Return how many of these use a channel. In doubt one has ended, so that it hides none that the list lacks."""
    reports = snapshot.last_reports()
    listed = {**(snapshot.listed_before or {}), **snapshot.listed}
    number = 0
    for name in held:
        ends = listed[name] if name in listed else reports[name].ends
        if ends is None or ends > snapshot.latest:
            number += 1
    return number

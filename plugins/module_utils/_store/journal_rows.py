# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the journal, and the rules by which they change. Pure functions.

The journal has one row for each call that changes something at the vendor, from before it is sent. A process may end
after a call and before its result is known, and the vendor's lists lag behind its responses. The rows keep later runs
from paying again, from undoing what is under way, and from believing a list that cannot show it yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

#: The maximum seconds by which a list of the vendor may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect at the vendor, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: Seconds after which a call without a known result is ignored: from then on, only the list counts.
UNRESOLVED_TTL = 600.0
#: Seconds for which a row is kept, and by default a row of a paid call.
MEMORY_TTL, LEDGER_TTL = 86400.0, 400 * 86400.0

#: The kinds of resources.
LEASES, MONOPOLIES = "leases", "monopolies"

#: The states of a row. A call is ``SENT`` until its exchange has ended. If that shows no result, it is ``UNKNOWN``. The
#: vendor has ``REPORTED`` a result that the run has not finished with. The row is ``SETTLED`` once it has, and ``LOST``
#: if its time is over and its result never became known. ``REFUSED`` calls certainly had no effect.
SENT, UNKNOWN, REPORTED, REFUSED, SETTLED, LOST = "sent", "unknown", "reported", "refused", "settled", "lost"
#: The states of a call that is not over.
OPEN = (SENT, UNKNOWN, REPORTED)

#: What a row says of a resource: it is held, or gone, by a response; or it may become so by a call without one.
HELD, GONE, MAYBE_HELD, MAYBE_GONE = "held", "gone", "maybe held", "maybe gone"
_MAYBE = (MAYBE_HELD, MAYBE_GONE)


@dataclass(frozen=True)
class Call:
    """A call that is about to be sent.

    ``asked`` is the number of resources that the change asks for. A paid call ``buys`` at most this many: fewer than
    were asked for if earlier calls of the same change have bought the others. ``effect`` is what becomes of the
    ``names``, MAYBE_HELD or MAYBE_GONE; empty if it does not name what it changes.
    """

    operation: str
    endpoint: str
    names: Collection[str] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    asked: int = 0
    witness: int | None = None
    timeout: float = 0.0
    buys: int = 0
    effect: str = ""

    @property
    def marks(self) -> dict[str, str]:
        """What becomes of the names."""
        return dict.fromkeys(self.names, self.effect) if self.effect else {}


@dataclass(frozen=True)
class JournalRow:
    """A row that a decision may depend on.

    ``witness`` is a figure of the quota and the list before the call: it decreases when the quota counts a resource
    that the list does not show. It is None if the quota is not known.
    """

    id: int
    operation: str
    endpoint: str
    names: frozenset[str]
    asked: int
    request: Mapping[str, Any]
    witness: int | None
    sent_at: float
    timeout: float
    state: str
    answered_at: float | None
    marks: Mapping[str, str]
    items: Mapping[str, Any]
    buys: int = 0
    received: Mapping[str, str | None] | None = None

    def age(self, now: float) -> float:
        """Seconds since the call was sent."""
        return now - self.sent_at

    def settles_in(self, now: float) -> float:
        """Seconds until the call can no longer be carried out, and a list must show its effect."""
        return max(self.timeout, MAX_EXECUTION_DELAY) + LIST_LAG - self.age(now)

    def marked(self, *marks: str) -> frozenset[str]:
        """Return the names with one of these marks."""
        return frozenset(name for name, own in self.marks.items() if own in marks)

    @property
    def is_open(self) -> bool:
        """Whether the call is not over."""
        return self.state in OPEN

    @property
    def leaves_open(self) -> bool:
        """Whether it may still change what it names."""
        return bool(self.marked(*_MAYBE))

    def is_recent(self, read_at: float) -> bool:
        """Whether a list that was read at this state time may not show the call yet."""
        return self.is_open or (self.answered_at is not None and self.answered_at > read_at - LIST_LAG)


def reported(
    row: JournalRow,
    now: float,
    held: Mapping[str, Any],
    gone: Collection[str],
    received: Mapping[str, str | None] | None,
    known: Collection[str],
) -> JournalRow:
    """Return a call whose response reports what is held now, with its data, and what is gone.

    What the response does not name may have been changed, or not. What is ``known`` to be paid for, a run may have
    found on the list, and attributed to another call.
    """
    marks = {**row.marks, **dict.fromkeys(held, HELD), **dict.fromkeys(gone, GONE)}
    answered = replace(row, marks=marks, items={**row.items, **held}, answered_at=now)
    answered = replace(answered, state=UNKNOWN if answered.leaves_open else REPORTED)
    if received is None:
        return answered
    new = {name: end for name, end in received.items() if name not in known}
    return replace(answered, received={**(row.received or {}), **new})


def decided(rows: Iterable[JournalRow], operation: str, names: Collection[str]) -> list[JournalRow]:
    """Return the ended calls of an operation that no longer may change these names: settled if that was all."""
    found = []
    for row in rows:
        if row.operation == operation and row.state == UNKNOWN and not row.marked(*_MAYBE).isdisjoint(names):
            marks = {name: mark for name, mark in row.marks.items() if mark not in _MAYBE or name not in names}
            left = replace(row, marks=marks)
            found.append(left if left.leaves_open else replace(left, state=SETTLED))
    return found


def shown(row: JournalRow, listed: Collection[str]) -> set[str]:
    """Return the names of an ended call whose effect a complete list shows."""
    if row.state != UNKNOWN:
        return set()
    return {name for name, mark in row.marks.items() if mark == (MAYBE_HELD if name in listed else MAYBE_GONE)}


def unmarked(rows: Iterable[JournalRow], dropped: Mapping[int, Collection[str]]) -> list[JournalRow]:
    """Return the rows without what was reported of the names that are ``dropped``, by row."""
    found = []
    for row in rows:
        names = row.marked(HELD, GONE).intersection(dropped.get(row.id, ()))
        if names:
            found.append(replace(row, marks={name: mark for name, mark in row.marks.items() if name not in names}))
    return found


def lost(row: JournalRow, now: float, *, ended: bool) -> JournalRow:
    """Return a call whose response was lost. Its time starts anew: it may have been sent late."""
    return replace(row, sent_at=now, state=UNKNOWN if ended else SENT)


def refused(row: JournalRow) -> JournalRow:
    """Return a call that certainly had no effect."""
    return replace(row, state=REFUSED, marks={})


def distributed(
    rows: Sequence[JournalRow], found: Mapping[str, str | None], known: Collection[str]
) -> list[JournalRow]:
    """Return the paid calls with what they have received: what was ``found``, except what other calls have received.

    A response may omit a part of what its call has paid for, and no call receives more than it buys.
    """
    left = [item for item in found.items() if item[0] not in known]
    changed = []
    for row in rows:
        room = max(0, row.buys - len(row.received or ()))
        if row.buys and (row.received is None or (left and room)):
            changed.append(replace(row, received={**(row.received or {}), **dict(left[:room])}))
            left = left[room:]
    return changed

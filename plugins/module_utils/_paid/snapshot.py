# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about a key at one moment: the list, the calls that are open, what the journal
has recorded, and the quota.

Times called "state time" are those of the store. Ends of resources are Unix times of QG.net's
clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from .._api.leases import Terms

#: The maximum seconds by which a list of QG.net may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: The seconds that two readings of the list which lack a resource have to lie apart, before the
#: resource is gone.
MISSING_APART = 60.0
#: The share of its life that lies at least between two such readings, if the resource has a short
#: life.
MISSING_SHARE = 0.25


class State(Enum):
    """Whether a key has a resource."""

    #: The list shows it, or may not show it yet.
    HELD = auto()
    #: The list should show it, and does not: the list is wrong, or it was taken away early. It
    #: counts as held until two lists, far enough apart, have lacked it.
    MISSING = auto()
    #: A call has released it, it has ended, or lists have lacked it for long enough.
    GONE = auto()


@dataclass(frozen=True)
class OpenCall:
    """A call whose whole result is not known.

    It ``adds`` and ``removes`` so many resources. ``before`` are the names that were held before a
    purchase or a replacement by QG.net, which removes those of its choice. Of a release, they are
    what it removes. ``answered_at`` is the state time of its response, whatever that says; None
    without a response.
    """

    id: int
    endpoint: str
    adds: int
    removes: int
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
class Record:
    """What is recorded of a resource.

    ``call`` has bought it ``at`` this state time. Of what another buyer has bought, only its
    release is recorded, and ``call`` is that release. ``missing_since`` is the state time of the
    first of the lists that have lacked it without a break, and ``gone_at`` the one at which a
    response, or else a list (``gone_by_list``), has shown that it is gone.

    ``life`` are the seconds that the resource was to last when it was recorded, and ``ends`` is
    when it ends; both are None if that is unknown. Of what was over when it was recorded, ``life``
    is not positive, and ``ends`` is None: clocks differ, and its end says nothing. ``data`` is the
    resource itself, and ``terms`` are what it was requested with.
    """

    name: str
    call: int
    at: float
    is_bought: bool = True
    ends: float | None = None
    life: float | None = None
    missing_since: float | None = None
    gone_at: float | None = None
    gone_by_list: bool = False
    data: Any = None
    terms: Terms = field(default_factory=Terms)

    @property
    def was_over(self) -> bool:
        """Whether it was over when it was recorded, so that clocks differ."""
        return self.life is not None and self.life <= 0

    @property
    def missing_until(self) -> float:
        """The state time from which on a list that still lacks it shows that it is gone; not a
        number if no list has lacked it.
        """
        if self.missing_since is None:
            return math.nan
        apart = MISSING_APART
        if self.life is not None and not self.was_over:
            apart = min(MISSING_APART, MISSING_SHARE * self.life)
        return self.missing_since + apart


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment.

    ``listed`` are the names in QG.net's list with their ends, and ``read_at`` is the state time at
    which that list was requested; ``earlier`` has the list before it in this run, if there was one.
    ``records`` are in the order of their times. QG.net's clock shows a time between ``now`` and
    ``latest``. What is not known yet of these times is not a number. ``quota_used`` is the number
    of channels that the quota counts as used; None if there is no such quota, or if it is to be
    ignored.
    """

    listed: Mapping[str, float | None] = field(default_factory=dict)
    read_at: float = math.nan
    now: float = math.nan
    latest: float = math.nan
    records: Sequence[Record] = ()
    calls: Sequence[OpenCall] = ()
    earlier: Snapshot | None = None
    quota_used: int | None = None

    def last(self) -> dict[str, Record]:
        """Return what was recorded last of each name: an address may be leased again."""
        return {record.name: record for record in self.records}

    def past(self, old: float) -> list[Record]:
        """Return the records that matter no more: no list shows the resource, or only an old one.

        ``old`` is the state time before which a list is an old one.
        """
        past = []
        for record in self.records:
            if record.gone_at is not None:
                is_past = record.gone_at < old
            else:
                is_past = record.ends is not None and record.ends + LIST_LAG <= self.now
            if is_past:
                past.append(record)
        return past

    def may_lag(self, record: Record) -> bool:
        """Whether the list may have been written before what was recorded last."""
        if record.gone_at is None:
            return record.at > self.read_at - LIST_LAG
        # A list does not lag behind an earlier one.
        lag = 0.0 if record.gone_by_list else LIST_LAG
        return record.gone_at > self.read_at - lag

    def ends(self) -> dict[str, float | None]:
        """Return when each resource ends, as the list shows it, or else as was recorded; None if
        that is unknown, and if clocks differ: then its end says nothing.
        """
        ends: dict[str, float | None] = {}
        if self.earlier is not None:
            ends.update(self.earlier.ends())
        last = self.last()
        for name, record in last.items():
            ends[name] = record.ends
        for name, end in self.listed.items():
            was_over = name in last and last[name].was_over
            # No list is a minute old.
            is_shown_too_long = end is not None and end + LIST_LAG <= self.now
            ends[name] = None if was_over or is_shown_too_long else end
        return ends

    def over(self) -> set[str]:
        """Return what has ended by itself, whether an old list still shows it or not."""
        return {name for name, end in self.ends().items() if has_ended(end, self.now)}


def has_ended(end: float | None, now: float) -> bool:
    """Whether what ends then has ended by itself."""
    return end is not None and end <= now

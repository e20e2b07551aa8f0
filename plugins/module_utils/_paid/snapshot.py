# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known about a key at one moment: the list, the calls that are open, what the journal
reports, and the quota.

Times called "state time" are those of the store. Ends of resources are Unix times of QG.net's
clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .._api.leases import Terms

#: The maximum seconds by which a list of QG.net may lag behind a response or a change.
LIST_LAG = 60.0
#: The maximum seconds between the sending of a call and its effect, unless its timeout is longer.
MAX_EXECUTION_DELAY = 30.0
#: The seconds that two readings of the list which lack a resource have to lie apart, before the
#: resource counts as gone.
MISSED_APART = 60.0
#: The share of its life that lies at least between two such readings, if the resource has a short
#: life.
MISSED_SHARE = 0.25


class Says(str, Enum):
    """What the journal says about a resource; the value is that of the store."""

    #: Its call has bought it.
    HELD = "held"
    #: A response has reported that its call has released it.
    GONE = "gone"
    #: A list, and no response, has shown that its call has released it.
    UNLISTED = "unlisted"
    #: Its call has bought it, and it is not held any more.
    ENDED = "ended"


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
class Report:
    """What the journal says about a resource because of a call, and since when (state time).

    ``life`` are the seconds that the resource was to last when it was recorded, and ``ends`` is
    when it ends; both are None if that is unknown. Of what was over when it was recorded, ``life``
    is not positive, and ``ends`` is None: clocks differ, and its end says nothing. ``missed_at`` is the state time of the first of
    the readings of the list that have lacked it without a break. ``data`` is the resource itself,
    and ``terms`` are what it was requested with.
    """

    name: str
    call: int
    says: Says
    at: float
    ends: float | None = None
    life: float | None = None
    missed_at: float | None = None
    data: Any = None
    terms: Terms = field(default_factory=Terms)

    @property
    def is_purchase(self) -> bool:
        """Whether its call has bought the resource."""
        return self.says in (Says.HELD, Says.ENDED)

    @property
    def may_be_unlisted_for(self) -> float:
        """The seconds for which the list may lack it before it counts as gone."""
        if self.life is None or self.life <= 0:
            return MISSED_APART
        return min(MISSED_APART, MISSED_SHARE * self.life)

    @property
    def gone_at(self) -> float:
        """The state time from which on a list that still lacks it shows that it is gone; not a
        number if no list has lacked it.
        """
        if self.missed_at is None:
            return math.nan
        return self.missed_at + self.may_be_unlisted_for


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment.

    ``listed`` are the names in QG.net's list with their ends, and ``read_at`` is the state time at
    which that list was requested; ``earlier`` has the list before it in this run, if there was one.
    ``reports`` are in the order of their times. QG.net's clock shows a time between ``now`` and
    ``latest``. What is not known yet of these times is not a number. ``quota_used`` is the number
    of channels that the quota counts as used; None if there is no such quota, or if it is to be
    ignored.
    """

    listed: Mapping[str, float | None] = field(default_factory=dict)
    read_at: float = math.nan
    now: float = math.nan
    latest: float = math.nan
    reports: Sequence[Report] = ()
    calls: Sequence[OpenCall] = ()
    earlier: Snapshot | None = None
    quota_used: int | None = None

    def last_reports(self) -> dict[str, Report]:
        """Return what was reported last about each resource."""
        last: dict[str, Report] = {}
        for report in self.reports:
            before = last.get(report.name)
            # That a list shows what a response has reported says nothing new.
            if before is None or before.says is not Says.GONE or report.says is not Says.UNLISTED:
                last[report.name] = report
        return last

    def past(self, old: float) -> list[Report]:
        """Return the reports that matter no more: no list shows the resource, or only an old one.

        ``old`` is the state time before which a list is an old one.
        """
        past = []
        for report in self.reports:
            is_past = report.at < old
            if report.says is Says.HELD:
                is_past = report.ends is not None and report.ends + LIST_LAG <= self.now
            if is_past:
                past.append(report)
        return past

    def may_lag(self, report: Report) -> bool:
        """Whether the list may have been written before a response or a list has shown this."""
        # A list does not lag behind an earlier one.
        lag = LIST_LAG
        if report.says in (Says.UNLISTED, Says.ENDED):
            lag = 0.0
        return report.at > self.read_at - lag

    def ends(self) -> dict[str, float | None]:
        """Return when each resource ends, as the list shows it, or else as was reported; None if
        that is unknown, and if clocks differ: then its end says nothing.
        """
        ends: dict[str, float | None] = {}
        if self.earlier is not None:
            ends.update(self.earlier.ends())
        reports = self.last_reports()
        for name, report in reports.items():
            ends[name] = report.ends
        for name, end in self.listed.items():
            reported = reports.get(name)
            was_over = reported is not None and reported.life is not None and reported.life <= 0
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

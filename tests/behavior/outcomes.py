# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of outcomes: what can become of a call, and what a run has to come to for each kind of
call.

A row of FAULTS states facts about QG.net alone: whether the call is carried out, what its response
says, and from when on list and quota show it. The rules below derive from these what a run does,
what it costs, and what a second run does. They know the promises of the collection and nothing of
its code. What is not as a rule says is in EXCEPTIONS, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from behavior.paid_calls import Changes, Kind
from support.node import Node
from support.vendor import CLASSIC, PATHS, books

#: Seconds after a call for which the list may lack its effect.
LIST_LAG = 60
#: Seconds after it was sent until which a call without an end may be carried out and must be on the
#: list.
SILENCE_LAG = 90
#: Seconds for which all processes wait after a refusal for too many calls: a minute, and 5 for
#: QG.net's clock.
BUSY_WAIT = 65
#: Seconds between two looks at the list.
POLL = 5
#: For how long the whitelist is read after a change, and the pause before the change is sent again.
READING = 30
EDIT_PAUSE = 1
#: How long runs may wait: as by default, or not at all.
PATIENT = 300
IMPATIENT = 0


class Says(Enum):
    """What the end of an exchange tells the caller."""

    ALL = "a success that names what was done"
    SUCCESS = "a success that names nothing"
    NOTHING = "an end without a response that can be used"
    SILENCE = "no end: the call may still be carried out"
    REFUSAL = "a status that another attempt would get again"
    BUSY = "a request for fewer calls"


class Result(Enum):
    """What a run tells its user."""

    OK = "ok"
    REFUSED = "failed for a reason that is known"
    UNKNOWN = "failed, since the outcome is unknown"


@dataclass(frozen=True)
class Fault:
    """What becomes of one call; times are seconds after it was sent.

    ``plan`` are the fields of the simulator's fault. The call is carried out at ``carried_out``, or
    never (None); the caller gives up after ``lasts``. List and quota show it ``list_lag`` and
    ``quota_lag`` seconds after that.
    """

    name: str
    says: Says
    carried_out: float | None = None
    plan: Mapping[str, Any] = field(default_factory=dict)
    lasts: float = 0
    list_lag: float = 0
    quota_lag: float = 0
    has_quota: bool = True

    @property
    def shown_at(self) -> float:
        """From when on the list shows the effect."""
        if self.carried_out is None:
            return math.inf
        return self.carried_out + self.list_lag

    @property
    def is_carried_out_in_time(self) -> bool:
        """Whether it is carried out before the caller gives up."""
        return self.carried_out is not None and self.carried_out <= self.lasts

    @property
    def is_success(self) -> bool:
        return self.says in (Says.ALL, Says.SUCCESS)

    def happens_to(self, node: Node, call: str) -> None:
        """Let it become of the next such call."""
        vendor = node.vendor
        if self.list_lag:
            lags = {"list_lag": self.list_lag, "quota_lag": self.quota_lag}
            vendor.configure(options=lags)
            books(vendor)
        if not self.has_quota:
            for paths in PATHS.values():
                if paths.quota:
                    vendor.fault(paths.quota, "status", http_status=500, times=-1)
        if self.carried_out:
            vendor.late = (call, self.carried_out)
            vendor.is_reset_if_late = self.plan == _LOST
        elif self.plan:
            vendor.fault(call, **self.plan)


def _status(number: int, **fields: Any) -> dict[str, Any]:
    return {"kind": "status", "http_status": number, **fields}


_LOST = {"kind": "reset_after"}
_DONE = {"executed": True}
_TERSE = {"kind": "replace", "body": {"Code": 0, "code": "SUCCESS"}, **_DONE}

_ROWS = (
    Fault("answered", Says.ALL, 0),
    Fault("texts", Says.ALL, 0, {"kind": "strings"}),
    Fault("null", Says.SUCCESS, 0, {"kind": "data_null"}),
    Fault("absent", Says.SUCCESS, 0, {"kind": "data_absent"}),
    Fault("terse", Says.SUCCESS, 0, _TERSE),
    Fault("no object", Says.NOTHING, 0, {"kind": "replace", "body": [], **_DONE}),
    Fault("reset before", Says.SILENCE, None, {"kind": "reset_before"}),
    Fault("reset after", Says.SILENCE, 0, _LOST),
    # A proxy on the way gives up, and QG.net works on.
    Fault("reset and carried out 28 s later", Says.SILENCE, 28, _LOST, list_lag=50),
    Fault("truncated", Says.SILENCE, 0, {"kind": "truncate"}),
    Fault("garbage", Says.NOTHING, 0, {"kind": "garbage"}),
    Fault("garbage before", Says.NOTHING, None, {"kind": "garbage", "executed": False}),
    Fault("500", Says.NOTHING, None, _status(500)),
    Fault("500 after", Says.NOTHING, 0, _status(500, **_DONE)),
    # QG.net's own code for "unknown error" proves nothing.
    Fault("code -1", Says.NOTHING, None, {"kind": "code", "code": -1}),
    Fault("302 after", Says.REFUSAL, 0, _status(302, **_DONE)),
    Fault("403", Says.REFUSAL, None, _status(403)),
    Fault("403 after", Says.REFUSAL, 0, _status(403, **_DONE)),
    Fault("429", Says.BUSY, None, _status(429)),
    Fault("429 after", Says.BUSY, 0, _status(429, **_DONE)),
    Fault("502", Says.SILENCE, None, _status(502)),
    Fault("502 after", Says.SILENCE, 0, _status(502, **_DONE)),
    Fault("504", Says.SILENCE, None, _status(504)),
    Fault("too late", Says.SILENCE, 0, {"kind": "hang_after", "seconds": 20}, lasts=20),
    Fault("carried out 14 s later", Says.SILENCE, 14, lasts=10),
    Fault("carried out 28 s later", Says.SILENCE, 28, lasts=10),
    Fault("list 8 s late", Says.ALL, 0, list_lag=8),
    Fault("list 50 s late", Says.ALL, 0, list_lag=50),
    Fault("lost and list 50 s late", Says.SILENCE, 0, _LOST, list_lag=50),
    Fault("lost and list and quota 30 s late", Says.SILENCE, 0, _LOST, list_lag=30, quota_lag=30),
    Fault("lost and list and quota 55 s late", Says.SILENCE, 0, _LOST, list_lag=55, quota_lag=55),
    Fault("no quota", Says.SILENCE, 0, _LOST, has_quota=False),
)
FAULTS = {fault.name: fault for fault in _ROWS}
#: What a fault is for some kinds of calls, and why.
EXCEPTIONS: dict[tuple[str, str], tuple[Says, str]] = {
    (product, "code -1"): (
        Says.REFUSAL,
        "the product API documents no such code: a gateway may have sent it",
    )
    for product in ("share", "longterm", "exclusive", "overseas")
}


@dataclass(frozen=True)
class Run:
    """What a run comes to.

    ``calls`` is how often it sends the call; ``changed`` is what it says.
    """

    result: Result
    calls: int = 0
    changed: bool = False


class Books(Enum):
    """What QG.net has on its books after the first run."""

    UNTOUCHED = "nothing of what the run is for"
    BEFORE = "what the run has done before the call"
    CARRIED_OUT = "that, and the effect of the call"
    WANTED = "all that the run is for"


@dataclass(frozen=True)
class Outcome:
    """What the first run comes to, and the one that follows at once, without a fault and with
    patience.

    ``second`` is None for what each run does anew. ``resent_after`` is how many seconds after the
    first call the second one is sent.
    """

    first: Run
    books: Books
    second: Run | None
    resent_after: float | None = None

    def held_and_paid(self, kind: Kind) -> tuple[int, int]:
        """Return what is held and paid for after the first run."""
        states = {
            Books.UNTOUCHED: kind.untouched,
            Books.BEFORE: kind.before,
            Books.CARRIED_OUT: kind.carried_out,
        }
        state = kind.wanted if self.books is Books.WANTED else states[self.books]
        return state or kind.untouched


_UNCHANGED = Run(Result.OK)
_DOES_IT = Run(Result.OK, calls=1, changed=True)


def outcome(kind: Kind, fault: Fault, max_wait: float) -> Outcome:
    """Return what has to come of a run to whose call the fault happens."""
    fault = _excepted(kind, fault)
    if not fault.has_quota and kind.needs_quota:
        return Outcome(Run(Result.REFUSED), Books.UNTOUCHED, _DOES_IT)
    result = _RULES[kind.changes](kind, fault, max_wait)
    if kind.changes is Changes.REDIALS:
        return replace(result, second=None)
    if not kind.can_repeat and result.first.result is Result.OK:
        # What was to be replaced is not there any more.
        return replace(result, second=Run(Result.REFUSED))
    return result


def _excepted(kind: Kind, fault: Fault) -> Fault:
    exception = EXCEPTIONS.get((kind.name, fault.name))
    return replace(fault, says=exception[0]) if exception else fault


def _purchase(kind: Kind, fault: Fault, max_wait: float) -> Outcome:
    """A purchase is sent again only when the call can have no effect any more that the list does
    not show.
    """
    patience = fault.lasts + max_wait
    is_named = fault.says is Says.ALL
    if fault.shown_at <= patience or (is_named and not kind.waits_for_list):
        return Outcome(_DOES_IT, Books.WANTED, _UNCHANGED)
    failed = Run(Result.UNKNOWN, calls=1, changed=kind.has_changed or is_named)
    if fault.carried_out is not None:
        books = Books.WANTED if fault.is_carried_out_in_time else Books.BEFORE
        return Outcome(failed, books, _UNCHANGED)
    waits = {Says.SILENCE: SILENCE_LAG, Says.BUSY: BUSY_WAIT}.get(fault.says, LIST_LAG)
    if max_wait < waits:
        return Outcome(failed, Books.BEFORE, _DOES_IT)
    if fault.says is Says.REFUSAL:
        return Outcome(replace(failed, result=Result.REFUSED), Books.BEFORE, _DOES_IT)
    again = Run(Result.OK, calls=2, changed=True)
    return Outcome(again, Books.WANTED, _UNCHANGED, resent_after=waits)


def _release(kind: Kind, fault: Fault, max_wait: float) -> Outcome:
    """A release may be sent again, since a second one does no harm; one that is reported is
    believed.

    A lease of the last minute counts as held until a list of a minute later lacks it.
    """
    done = Outcome(_DOES_IT, Books.WANTED, _UNCHANGED)
    if fault.is_success:
        return done
    next_look = fault.lasts + min(POLL, max_wait)
    if not kind.is_young and fault.shown_at <= next_look:
        return done
    waits = {Says.REFUSAL: LIST_LAG, Says.BUSY: BUSY_WAIT}.get(fault.says, POLL)
    if max_wait < waits:
        failed = Run(Result.UNKNOWN, calls=1)
        books = Books.CARRIED_OUT if fault.is_carried_out_in_time else Books.BEFORE
        if kind.has_successor and fault.carried_out is not None:
            # Before it pays for the successor, it waits until the list shows what became of the
            # release.
            return Outcome(failed, books, Run(Result.OK, changed=True))
        if not fault.is_carried_out_in_time:
            return Outcome(failed, books, _DOES_IT)
        return Outcome(failed, Books.WANTED, replace(_DOES_IT, changed=kind.is_young))
    if fault.says is not Says.REFUSAL:
        again = Run(Result.OK, calls=2, changed=True)
        return replace(done, first=again, resent_after=fault.lasts + waits)
    if fault.carried_out is not None:
        return done
    return Outcome(Run(Result.REFUSED, calls=1), Books.BEFORE, _DOES_IT)


def _redial(_kind: Kind, fault: Fault, max_wait: float) -> Outcome:
    """A redial is never sent again: it would cut off a connection that has just come up."""
    is_seen = fault.carried_out is not None and fault.carried_out <= fault.lasts + POLL
    if fault.is_success or (max_wait and is_seen):
        return Outcome(_DOES_IT, Books.WANTED, None)
    result = Result.REFUSED if max_wait else Result.UNKNOWN
    return Outcome(Run(result, calls=1), Books.BEFORE, None)


def _edit(_kind: Kind, fault: Fault, max_wait: float) -> Outcome:
    """A change of the whitelist costs nothing: it is sent again until the list shows it."""
    if fault.shown_at <= fault.lasts:
        return Outcome(_DOES_IT, Books.WANTED, _UNCHANGED)
    books = Books.WANTED if fault.is_carried_out_in_time else Books.BEFORE
    if not max_wait:
        # What QG.net has reported is not unknown, although the list lags.
        result = Result.REFUSED if fault.is_success else Result.UNKNOWN
        second = replace(_DOES_IT, calls=_sendings(fault.list_lag))
        return Outcome(Run(result, calls=1, changed=fault.is_success), books, second)
    if fault.is_success:
        return Outcome(replace(_DOES_IT, calls=_sendings(fault.list_lag)), books, _UNCHANGED)
    if fault.says is Says.REFUSAL:
        return Outcome(Run(Result.UNKNOWN, calls=1), books, _DOES_IT)
    waits = BUSY_WAIT if fault.says is Says.BUSY else fault.lasts + EDIT_PAUSE
    again = replace(_DOES_IT, calls=1 + _sendings(fault.list_lag - waits))
    return Outcome(again, Books.WANTED, _UNCHANGED, resent_after=waits)


def _sendings(lag: float) -> int:
    """Return how often a change is sent of which the list shows nothing for so long."""
    return 1 if lag <= READING else 2


_RULES: dict[Changes, Callable[[Kind, Fault, float], Outcome]] = {
    Changes.BUYS: _purchase,
    Changes.RELEASES: _release,
    Changes.REDIALS: _redial,
    Changes.EDITS: _edit,
}


def read_outcome(kind: Kind, read: Fault, write: Fault, *, is_before: bool) -> Run | None:
    """Return what comes of a purchase of which a reading of the list fails: one before the call, or
    the one after it.

    None for calls that pay for nothing. A reading is repeated, since it does no harm, unless that
    would be useless.
    """
    if kind.changes is not Changes.BUYS or kind.has_changed:
        return None
    expected = outcome(kind, write, PATIENT).first
    is_read_again = write.says is not Says.ALL or kind.waits_for_list
    is_final = _excepted(kind, read).says is Says.REFUSAL
    is_final |= _is_unreadable(kind, read, is_empty=is_before or write.carried_out is None)
    if not is_final or not (is_before or is_read_again):
        return expected
    if is_before:
        return Run(Result.REFUSED)
    return Run(Result.UNKNOWN, calls=1, changed=write.says is Says.ALL)


def _is_unreadable(kind: Kind, read: Fault, *, is_empty: bool) -> bool:
    """Whether a success without data is no list: a list of resources has data, and a classic one
    counts its tasks.
    """
    if kind.name == "monopoly":
        return read.name in ("absent", "terse")
    return kind.name == CLASSIC and read.name in ("null", "absent") and not is_empty

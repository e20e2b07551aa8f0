# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events of a watcher: pure functions from a state and a new snapshot to the next state and the events.

Each change causes one event. The first snapshot shows no changes. It causes ``watch_started`` for the leases and the
whitelist, and no other events except for thresholds that are crossed already.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .._api.account.models import Amount
from .._api.leases import Lease, Quota, is_same, oldest_first
from .._core.addresses import numeric_order
from .._core.errors import QgError

if TYPE_CHECKING:
    from .._store.caps import RefusedPurchase

#: The subjects that can be watched, each with one call of the vendor's API, except for the caps, which the state shows.
QUOTA, LEASES, WHITELIST, BALANCE, CAPS = "quota", "leases", "whitelist", "balance", "caps"
#: The share of its threshold by which a number must exceed it to have recovered: without this hysteresis, a number near
#: the threshold would cause many events.
RECOVERY_MARGIN = Decimal("0.1")
#: The maximum number of different codes that are reported for one failure, in case a server sends arbitrary ones.
MAX_CODES = 20
#: The maximum backoff of a failing subject in seconds, unless the interval is longer.
MAX_BACKOFF = 900.0
#: The fields of ``watch_failed`` that are taken from the error, if it has them.
_DETAILS = ("code", "meaning", "endpoint", "http_status", "request_id")

Event = dict[str, Any]
Identity = tuple[str, str, str]
#: The addresses that are missing on a whitelist, and those that are unexpected.
Drift = tuple[frozenset[str], frozenset[str]]
NO_DRIFT: Drift = (frozenset(), frozenset())


@dataclass(frozen=True)
class Rules:
    """The conditions to watch for. ``expires_within`` is in minutes, ``balance_below`` in yuan.

    ``whitelist`` reports each entry that appears or disappears, ``expected`` all differences from the expected list,
    and ``caps`` purchases that a cap does not allow.
    """

    quota_below: int | None = None
    leases: bool = False
    expires_within: float | None = None
    leases_below: int | None = None
    whitelist: bool = False
    expected: frozenset[str] | None = None
    balance_below: Decimal | None = None
    caps: bool = False

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects to poll. The quota comes first: the rate limits of later calls depend on its channels."""
        wanted = {
            QUOTA: self.quota_below is not None,
            LEASES: self.leases or self.expires_within is not None or self.leases_below is not None,
            WHITELIST: self.whitelist or self.expected is not None,
            BALANCE: self.balance_below is not None,
            CAPS: self.caps,
        }
        return tuple(subject for subject, watched in wanted.items() if watched)


@dataclass(frozen=True)
class Snapshot:
    """The results of one poll: a value, or the error that prevented it, for each subject that was polled.

    ``vendor_time`` is the vendor's time (Unix time) when the leases were read. ``caps`` are the purchases that a cap
    does not allow, at most one.
    """

    quota: Quota | None = None
    leases: Collection[Lease] | None = None
    whitelist: Collection[str] | None = None
    balance: Amount | None = None
    caps: Collection[RefusedPurchase] | None = None
    vendor_time: float | None = None
    failed: Mapping[str, QgError] = field(default_factory=dict)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects that have a value."""
        return tuple(name for name in (QUOTA, LEASES, WHITELIST, BALANCE, CAPS) if getattr(self, name) is not None)


@dataclass(frozen=True)
class FailureState:
    """A failing subject: its consecutive failures, and the vendor's codes that were reported for it."""

    count: int
    codes: frozenset[object] = frozenset()


@dataclass(frozen=True)
class WatchState:
    """The state from earlier polls. ``leases`` and ``whitelist`` are None before their first snapshot.

    ``expiring`` contains the leases that were reported as expiring, each with its deadline: a new deadline is reported
    again.
    """

    quota_low: bool = False
    leases: Mapping[Identity, Lease] | None = None
    expiring: frozenset[tuple[Identity, str | None]] = frozenset()
    leases_low: bool = False
    whitelist: frozenset[str] | None = None
    drift: Drift = NO_DRIFT
    balance_low: bool = False
    refused: RefusedPurchase | None = None
    failing: Mapping[str, FailureState] = field(default_factory=dict)


Step = tuple[WatchState, list[Event]]


def step(state: WatchState, rules: Rules, snapshot: Snapshot, now: float) -> Step:
    """Return the state after a poll, and the events of the poll."""
    events: list[Event] = []
    for subject, error in snapshot.failed.items():
        state, new = _record_failure(state, subject, error)
        events += new
    for subject in snapshot.subjects:
        state, new = _record_success(state, subject)
        events += new
    for subject in snapshot.subjects:
        state, new = _COMPARISONS[subject](state, rules, getattr(snapshot, subject), now)
        events += new
    return state, events


def _compare_quota(state: WatchState, rules: Rules, quota: Quota, _now: float) -> Step:
    """Report when the free channels fall below the threshold, and when they are well above it again."""
    below = rules.quota_below
    if below is None:
        return state, []
    # A plan may have fewer channels than the threshold plus its margin: it has recovered once all are free. The total
    # of a plan by volume is its remaining volume, so it does not limit the number.
    most = quota.total if quota.balance is None else math.inf
    recovered_at = max(below, min(below + max(1, math.ceil(below * RECOVERY_MARGIN)), most))
    low = quota.available < (recovered_at if state.quota_low else below)
    data = {**quota.described(), "below": below}
    return dataclasses.replace(state, quota_low=low), _crossing(QUOTA, state.quota_low, low, data)


def _compare_balance(state: WatchState, rules: Rules, balance: Amount, _now: float) -> Step:
    """Report when the balance crosses its threshold; exactly, since the vendor writes decimals."""
    below = rules.balance_below
    if below is None:
        return state, []
    low = balance.exact < (below * (1 + RECOVERY_MARGIN) if state.balance_low else below)
    data = {"balance": balance.text, "amount": float(balance.exact), "below": float(below)}
    return dataclasses.replace(state, balance_low=low), _crossing(BALANCE, state.balance_low, low, data)


def _crossing(subject: str, was_low: bool, is_low: bool, data: Mapping[str, Any]) -> list[Event]:
    return [] if is_low == was_low else [_event(f"{subject}_low" if is_low else f"{subject}_recovered", data)]


def _compare_leases(state: WatchState, rules: Rules, leases: Collection[Lease], now: float) -> Step:
    """Report leases that are gone, leases that are new, and leases that expire soon."""
    current = {lease.identity: lease for lease in leases}
    before = current if state.leases is None else state.leases
    events = _started(LEASES, state.leases, current)
    gone = [lease for identity, lease in before.items() if identity not in current]
    new = [lease for identity, lease in current.items() if identity not in before]
    same = _same_leases(gone, new)
    renamed = {lease.identity for pair in same for lease in pair}
    within = -math.inf if rules.expires_within is None else rules.expires_within * 60
    left = {_end_of(lease): lease.remaining(now) for lease in current.values()}
    reported = state.expiring | {
        _end_of(later)
        for earlier, later in same
        if _end_of(earlier) in state.expiring and earlier.expires == later.expires
    }
    near = {end for end, seconds in left.items() if end in reported or (seconds is not None and seconds <= within)}
    expiring = [lease for lease in current.values() if _end_of(lease) in near - reported]
    for lease in oldest_first(lease for lease in gone if lease.identity not in renamed):
        remaining = lease.remaining(now)
        # None if the deadline cannot be parsed.
        expired = None if remaining is None else remaining <= 0
        events.append(_event("lease_gone", {**lease.described(now), "expired": expired}))
    new = [lease for lease in new if lease.identity not in renamed]
    events += [_event("lease_new", lease.described(now)) for lease in oldest_first(new)]
    events += [_event("lease_expiring", lease.described(now)) for lease in oldest_first(expiring)]
    low = rules.leases_below is not None and len(current) < rules.leases_below
    events += _crossing(LEASES, state.leases_low, low, {"count": len(current), "below": rules.leases_below})
    return dataclasses.replace(state, leases=current, expiring=frozenset(near), leases_low=low), events


def _started(subject: str, before: Collection[Any] | None, current: Collection[Any]) -> list[Event]:
    """Report the first snapshot of a list, for rules that restore entries lost before the start."""
    return [_event("watch_started", {"watched": subject, "count": len(current)})] if before is None else []


def _end_of(lease: Lease) -> tuple[Identity, str | None]:
    return lease.identity, lease.deadline


def _same_leases(gone: Iterable[Lease], new: Iterable[Lease]) -> list[tuple[Lease, Lease]]:
    """Return the pairs of leases that are the same with another identity.

    Until the list of a product host shows a new lease, the data of its allocation is used, which may contain a task or
    a deadline that the list omits.
    """
    unpaired, found = oldest_first(gone), []
    for later in oldest_first(new):
        earlier = next((lease for lease in unpaired if is_same(lease, later)), None)
        if earlier is not None:
            unpaired.remove(earlier)
            found.append((earlier, later))
    return found


def _compare_whitelist(state: WatchState, rules: Rules, ips: Collection[str], _now: float) -> Step:
    """Report entries that appear or disappear, and how the list differs from the expected one."""
    current = frozenset(ips)
    before = current if state.whitelist is None else state.whitelist
    events = _started(WHITELIST, state.whitelist, current)
    if rules.whitelist:
        for kind, changed in (("whitelist_removed", before - current), ("whitelist_added", current - before)):
            events += [_event(kind, {"ip": ip, "count": len(current)}) for ip in numeric_order(changed)]
    drift = NO_DRIFT if rules.expected is None else (rules.expected - current, current - rules.expected)
    if drift != state.drift:
        missing, unexpected = (numeric_order(part) for part in drift)
        kind = "whitelist_recovered" if drift == NO_DRIFT else "whitelist_drift"
        events.append(_event(kind, {"missing": missing, "unexpected": unexpected, "count": len(current)}))
    return dataclasses.replace(state, whitelist=current, drift=drift), events


def _compare_caps(state: WatchState, _rules: Rules, caps: Collection[RefusedPurchase], _now: float) -> Step:
    """Report when a cap does not allow a purchase, and when it would allow it: once for each cap, and for each run."""
    before, refused = state.refused, next(iter(caps), None)
    events: list[Event] = []
    if refused and (before is None or _cap_of(before) != _cap_of(refused)):
        events.append(_event("cap_reached", vars(refused)))
    elif before and not refused:
        events.append(_event("cap_recovered", vars(before)))
    return dataclasses.replace(state, refused=refused), events


def _cap_of(refused: RefusedPurchase) -> tuple[object, ...]:
    return refused.option, refused.limit, refused.run if refused.option == "max_new_per_run" else ""


#: The function that compares the value of each subject with the state.
_COMPARISONS: Mapping[str, Callable[[WatchState, Rules, Any, float], Step]] = {
    QUOTA: _compare_quota,
    LEASES: _compare_leases,
    WHITELIST: _compare_whitelist,
    BALANCE: _compare_balance,
    CAPS: _compare_caps,
}


def _record_failure(state: WatchState, subject: str, error: QgError) -> Step:
    """Report a subject that could not be read: once, and again only if the vendor returns a new code."""
    before, code = state.failing.get(subject), error.details.get("code")
    codes = before.codes if before else frozenset()
    is_news = before is None or (code is not None and code not in codes and len(codes) < MAX_CODES)
    after = FailureState(before.count + 1 if before else 1, codes | {code} if is_news and code is not None else codes)
    details = {name: error.details.get(name) for name in _DETAILS}
    events = [_event("watch_failed", {"watched": subject, "msg": error.message, **details})] if is_news else []
    return dataclasses.replace(state, failing={**state.failing, subject: after}), events


def _record_success(state: WatchState, subject: str) -> Step:
    if subject not in state.failing:
        return state, []
    data = {"watched": subject, "failures": state.failing[subject].count}
    others = {other: failure for other, failure in state.failing.items() if other != subject}
    return dataclasses.replace(state, failing=others), [_event("watch_recovered", data)]


def polls_to_skip(failures: int, interval: float) -> int:
    """Return the number of polls to skip after this many consecutive failures: none, 1, 3, 7 and so on."""
    return min((1 << min(failures - 1, 30)) - 1, max(0, int(MAX_BACKOFF / interval) - 1))


def _event(kind: str, data: Mapping[str, Any]) -> Event:
    # ansible-rulebook adds the source and the time of the event to meta. It would also take hosts from there.
    return {"type": kind, **data, "meta": {}}

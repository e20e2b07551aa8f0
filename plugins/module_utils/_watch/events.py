# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a watcher tells: pure functions from what was known and what is seen now to events.

This file is private to the collection. An event tells a change, once. What is seen for the first time changes nothing,
unless it is on the wrong side of a threshold already.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from .._api.account.models import Amount
from .._api.classic.models import Lease, Quota
from .._core.addresses import numeric_order
from .._core.errors import QgError
from .._leases.plan import oldest_first

#: What can be watched, each by one call of the vendor.
QUOTA, LEASES, WHITELIST, BALANCE = "quota", "leases", "whitelist", "balance"
#: How far above its threshold a number has to be before it has recovered: one that swings around the threshold is no
#: news each time.
MARGIN = Decimal("0.1")
#: Different codes of one failure that are told; a server that makes them up is not told for ever.
MAX_CODES = 20
#: Seconds after which something that fails is looked at again at the latest, unless the interval is longer.
MAX_BLOCK = 900.0
#: What ``watch_failed`` tells of a failure, where it is known.
_DETAILS = ("code", "meaning", "endpoint", "http_status", "request_id")

Event = dict[str, Any]
Identity = tuple[str, str, str]
#: Addresses that are missing on a whitelist, and those that should not be there.
Drift = tuple[frozenset[str], frozenset[str]]
IN_STEP: Drift = (frozenset(), frozenset())


@dataclass(frozen=True)
class Rules:
    """What is watched. ``expires_within`` is in minutes, ``balance_below`` in yuan.

    ``whitelist`` tells every entry that comes or goes, ``expected`` how the list as a whole differs from what it shall
    be.
    """

    quota_below: int | None = None
    leases: bool = False
    expires_within: int | None = None
    whitelist: bool = False
    expected: frozenset[str] | None = None
    balance_below: Decimal | None = None

    @property
    def things(self) -> tuple[str, ...]:
        """What has to be looked at, in an order that lets the number of channels be known before it is needed."""
        wanted = {
            QUOTA: self.quota_below is not None,
            LEASES: self.leases or self.expires_within is not None,
            WHITELIST: self.whitelist or self.expected is not None,
            BALANCE: self.balance_below is not None,
        }
        return tuple(thing for thing, watched in wanted.items() if watched)


@dataclass(frozen=True)
class Seen:
    """What one poll brought: a value, or the reason why there is none, for each thing that was looked at."""

    quota: Quota | None = None
    leases: Collection[Lease] | None = None
    whitelist: Collection[str] | None = None
    balance: Amount | None = None
    failed: Mapping[str, QgError] = field(default_factory=dict)

    @property
    def things(self) -> tuple[str, ...]:
        """What there is a value of."""
        return tuple(thing for thing in (QUOTA, LEASES, WHITELIST, BALANCE) if getattr(self, thing) is not None)


@dataclass(frozen=True)
class Failing:
    """Something that could not be looked at, so many times in a row, and the vendor's codes that were told."""

    times: int
    codes: frozenset[object] = frozenset()


@dataclass(frozen=True)
class Known:
    """What earlier polls have left. ``held`` and ``listed`` are None until they were seen for the first time.

    ``expiring`` names the leases that were told to end soon, each with its deadline: another one would be news.
    """

    quota_low: bool = False
    held: Mapping[Identity, Lease] | None = None
    expiring: frozenset[tuple[Identity, str | None]] = frozenset()
    listed: frozenset[str] | None = None
    drift: Drift = IN_STEP
    balance_low: bool = False
    failing: Mapping[str, Failing] = field(default_factory=dict)


Step = tuple[Known, list[Event]]


def step(known: Known, rules: Rules, seen: Seen, now: float) -> Step:
    """What is known after a poll, and the events that it makes."""
    events: list[Event] = []
    for thing, problem in seen.failed.items():
        known, told = failed(known, thing, problem)
        events += told
    for thing in seen.things:
        known, told = worked(known, thing)
        events += told
    if seen.quota is not None:
        known, told = saw_quota(known, rules, seen.quota)
        events += told
    if seen.leases is not None:
        known, told = saw_leases(known, rules, seen.leases, now)
        events += told
    if seen.whitelist is not None:
        known, told = saw_whitelist(known, rules, seen.whitelist)
        events += told
    if seen.balance is not None:
        known, told = saw_balance(known, rules, seen.balance)
        events += told
    return known, events


def saw_quota(known: Known, rules: Rules, quota: Quota) -> Step:
    """Whether the free channels have fallen below the threshold, or are well above it again."""
    below = rules.quota_below
    if below is None:
        return known, []
    # A plan may have no more channels than the threshold and its margin: all free is as well as it can be.
    recovered_at = max(below, min(below + max(1, math.ceil(below * MARGIN)), quota.total))
    low = quota.available < (recovered_at if known.quota_low else below)
    data = {**quota.described(), "below": below}
    return dataclasses.replace(known, quota_low=low), _crossing(QUOTA, known.quota_low, low, data)


def saw_balance(known: Known, rules: Rules, balance: Amount) -> Step:
    """The same for the money in the account; exact, since the vendor writes decimals."""
    below = rules.balance_below
    if below is None:
        return known, []
    low = balance.exact < (below * (1 + MARGIN) if known.balance_low else below)
    data = {"balance": balance.text, "amount": float(balance.exact), "below": float(below)}
    return dataclasses.replace(known, balance_low=low), _crossing(BALANCE, known.balance_low, low, data)


def _crossing(thing: str, was_low: bool, is_low: bool, data: Mapping[str, Any]) -> list[Event]:
    return [] if is_low == was_low else [_event(f"{thing}_low" if is_low else f"{thing}_recovered", data)]


def saw_leases(known: Known, rules: Rules, leases: Collection[Lease], now: float) -> Step:
    """Which leases are gone, which are new, and which end soon."""
    held = {lease.identity: lease for lease in leases}
    before = held if known.held is None else known.held
    gone = [lease for identity, lease in before.items() if identity not in held]
    new = [lease for identity, lease in held.items() if identity not in before]
    near = {
        (identity, lease.deadline)
        for identity, lease in held.items()
        if (identity, lease.deadline) in known.expiring or _ends_soon(lease, rules, now)
    }
    told = [lease for lease in held.values() if (lease.identity, lease.deadline) in near - known.expiring]
    events = [
        _event("lease_gone", {**lease.described(now), "expired": _has_ended(lease, now)})
        for lease in oldest_first(gone)
    ]
    events += [_event("lease_new", lease.described(now)) for lease in oldest_first(new)]
    events += [_event("lease_expiring", lease.described(now)) for lease in oldest_first(told)]
    return dataclasses.replace(known, held=held, expiring=frozenset(near)), events


def _ends_soon(lease: Lease, rules: Rules, now: float) -> bool:
    remaining = lease.remaining(now)
    return rules.expires_within is not None and remaining is not None and remaining <= rules.expires_within * 60


def _has_ended(lease: Lease, now: float) -> bool | None:
    """Whether it ended by itself; None where its deadline cannot be read."""
    remaining = lease.remaining(now)
    return None if remaining is None else remaining <= 0


def saw_whitelist(known: Known, rules: Rules, ips: Collection[str]) -> Step:
    """Which entries came and went, and how the list differs from what is expected."""
    listed = frozenset(ips)
    before = listed if known.listed is None else known.listed
    events: list[Event] = []
    if rules.whitelist:
        for kind, changed in (("whitelist_removed", before - listed), ("whitelist_added", listed - before)):
            events += [_event(kind, {"ip": ip, "count": len(listed)}) for ip in numeric_order(changed)]
    drift = IN_STEP if rules.expected is None else (rules.expected - listed, listed - rules.expected)
    if drift != known.drift:
        missing, unexpected = (numeric_order(part) for part in drift)
        kind = "whitelist_recovered" if drift == IN_STEP else "whitelist_drift"
        events.append(_event(kind, {"missing": missing, "unexpected": unexpected, "count": len(listed)}))
    return dataclasses.replace(known, listed=listed, drift=drift), events


def failed(known: Known, thing: str, problem: QgError) -> Step:
    """Something could not be looked at. It is told once, and again only where the vendor gives a code that is new."""
    before, code = known.failing.get(thing), problem.details.get("code")
    codes = before.codes if before else frozenset()
    news = before is None or (code is not None and code not in codes and len(codes) < MAX_CODES)
    after = Failing(before.times + 1 if before else 1, codes | {code} if news and code is not None else codes)
    details = {name: problem.details.get(name) for name in _DETAILS}
    events = [_event("watch_failed", {"watched": thing, "msg": problem.message, **details})] if news else []
    return dataclasses.replace(known, failing={**known.failing, thing: after}), events


def worked(known: Known, thing: str) -> Step:
    """Something could be looked at, perhaps again."""
    if thing not in known.failing:
        return known, []
    data = {"watched": thing, "failures": known.failing[thing].times}
    others = {other: failing for other, failing in known.failing.items() if other != thing}
    return dataclasses.replace(known, failing=others), [_event("watch_recovered", data)]


def polls_left_out(times: int, interval: float) -> int:
    """For how many polls something rests that has failed so many times in a row: none, 1, 3, 7 and so on."""
    return min((1 << min(times - 1, 30)) - 1, max(0, int(MAX_BLOCK / interval) - 1))


def _event(kind: str, data: Mapping[str, Any]) -> Event:
    # ansible-rulebook fills in where and when the event came from; it would take hosts from there for its actions.
    return {"type": kind, **data, "meta": {}}

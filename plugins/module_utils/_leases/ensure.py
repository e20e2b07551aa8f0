# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a number of live leases: allocate only missing ones, and release a surplus."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Sequence
from functools import partial

from .._api.leases import AllocationParams, Lease, Quota, oldest_first
from .._core.errors import CallError, OptionError, QgError, UncertainOutcomeError
from .._core.text import counted
from .._store.store import after_the_call
from .allocate import allocate
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy
from .earlier_calls import lease_session, resolve_earlier
from .plan import DesiredLeases, LeaseMatch, Plan, classify, codes_by_name, format_leases, plan
from .purchases import requested_terms
from .release import release
from .session import LeaseResult, LeaseSession

#: The advice for quotas that count more than leases.
IGNORE = "Set on_uncertain=ignore if these channels carry no lease, as with a plan that is billed by volume. "


def ensure_leases(
    backend: LeaseBackend,
    desired: DesiredLeases,
    *,
    check: bool = False,
    policy: LeasePolicy = DEFAULT_POLICY,
) -> LeaseResult:
    """Allocate only the missing leases and release a surplus; with ``check``, only read."""
    with lease_session(backend, policy, check=check) as session:
        return _Ensuring(session, _applicable(session, desired)).run(check=check)


class _Ensuring:
    """The changes of one run."""

    def __init__(self, session: LeaseSession, desired: DesiredLeases) -> None:
        self._session = session
        self._desired = desired
        self._first = self._plan()
        self._result = LeaseResult()
        #: The new leases of calls of earlier runs.
        self._adopted = frozenset[str]()

    def run(self, *, check: bool) -> LeaseResult:
        """Make the changes, unless this is a ``check``."""
        session, desired, quota = self._session, self._desired, None
        if self._first.missing:
            self._check_lifetime()
            quota = session.wait_for_channels(self._first.missing - len(self._first.surplus), wait=not check)
            if session.unlisted(quota):
                listed, ignored = session.names, desired.on_uncertain == "ignore"
                if not check and not ignored:
                    quota = self._confirm_list(quota)
                elif not listed or not ignored:
                    session.refresh()
                if session.names != listed:
                    resolve_earlier(session, wait=not check)
                    self._first = self._plan()
        first = self._first
        result = LeaseResult(session.before, session.before, first.keep, missing=first.missing, quota=quota)
        self._result = result
        self._check_channels(quota)
        session.journal.check_caps(first.missing)
        if check:
            result.released = first.surplus
        else:
            self._apply()
        # A failure must not hide what was paid for.
        with contextlib.suppress(QgError):
            self._warn_of_others()
        return result

    def _warn_of_others(self) -> None:
        """Add a warning of leases that count although the vendor lists them otherwise than they were requested."""
        found = _classify(self._session, self._desired, all_of_them=True)
        shown = {lease.name for group in vars(found).values() for lease in group}
        others = [lease for lease in self._result.leases if lease.name not in shown]
        if others:
            text = (
                f"QG.net lists {format_leases(others)} in another area or with another ISP than was requested. They "
                "count for this request until they end, since another lease would be paid for and be no better."
            )
            self._result.warnings += (text,)

    def _plan(self) -> Plan:
        session, desired, terms = self._session, self._desired, self._desired.params
        found = _classify(session, desired)
        if len(found.matching) < desired.count and (terms.areas or terms.exclude_areas or terms.isp):
            old = requested_terms(session, list(session.held.values()))
            same = {name for name, one in old.items() if _place(one) == _place(terms)}
            found = _classify(session, desired, requested=same)
        return plan(found, desired)

    def _confirm_list(self, quota: Quota | None) -> Quota | None:
        """Wait until list and quota agree. If they do not, report a lack of channels rather than the difference."""
        try:
            return self._session.confirm_list(quota, advice=IGNORE)
        except UncertainOutcomeError:
            self._check_channels(quota)
            raise

    def _check_lifetime(self) -> None:
        """Refuse a min_remaining that new leases cannot meet: each run would pay for further leases."""
        desired, features = self._desired, self._session.features
        seen = self._session.facts.lifetime(desired.params.keep_alive)
        lasts, source = seen, "the last new lease of this key had"
        if seen is None and desired.params.keep_alive is None and features.lifetime:
            # A new lease has less left as soon as the response arrives.
            lasts, source = features.lifetime - 1, "a new lease of this product has"
        if desired.min_remaining and lasts is not None and lasts < desired.min_remaining * 60:
            raise OptionError(
                f"min_remaining of {_duration(desired.min_remaining)} cannot be met: {source} {_lifetime(lasts)} left. "
                "Lower min_remaining, or raise keep_alive if the plan allows it."
            )

    def _check_channels(self, quota: Quota | None) -> None:
        """Raise QgError, before the first change, if the plan has too few channels for the missing leases."""
        first, held = self._first, len(self._session.before)
        if quota is None:
            return
        if quota.balance is None:
            free = quota.available + len(first.surplus)
            limit = (
                f"only {free} of the plan's {counted(quota.total, 'channel')} can be had. Lower count, release leases "
                "that are not needed, or buy channels."
            )
        else:
            free = quota.balance
            limit = f"only {free} more can be leased within the plan's volume. Lower count, or buy more volume."
        if first.missing <= free:
            return
        raise QgError(
            f"count={self._desired.count} needs {counted(first.missing, 'more lease')} ({len(first.keep)} of the "
            f"{held} held ones match), but {limit}",
            quota=quota.described(),
            held=held,
            missing=first.missing,
        )

    def _apply(self) -> None:
        session, desired, first, result = self._session, self._desired, self._first, self._result
        # If there are enough channels, allocate before releasing.
        short = result.quota if result.quota and result.quota.available < first.missing else None
        # Leases of earlier calls may not match; those that do are in first.keep.
        self._adopted = frozenset(session.new)
        with result.completed(session, first.surplus):
            if short:
                _make_room(session, first.surplus, short)
            allocate(session, first.missing, desired.params)
            self._replace_ended()
            if not short:
                release(session, first.surplus)
            self._check_lifetimes()
        ended: set[str] = set()
        # The state time may come from a database. If it fails, paid leases must still be returned.
        with after_the_call():
            ended = {lease.name for lease in session.ended(session.held.values())}
        wanted = {lease.name for lease in first.keep} | (session.new.keys() - self._adopted)
        live = [lease for name, lease in session.held.items() if name in wanted - ended]
        excluded = [lease for lease in live if desired.excludes(lease)]
        found = [lease for lease in live if lease not in excluded]
        result.leases = tuple(oldest_first(found))
        result.missing = max(0, desired.count - len(found))
        if result.missing and not result.error:
            result.error = self._missing_error(excluded, len(wanted) - len(found))

    def _missing_error(self, excluded: Sequence[Lease], ended: int) -> QgError:
        """Return the error for leases that are still missing."""
        missing = self._result.missing
        are_missing = f"so {missing} of count={self._desired.count} {'is' if missing == 1 else 'are'} missing."
        if excluded:
            return QgError(
                f"{counted(len(excluded), 'new lease', 'have')} an address that exclude_ips contains or that no "
                f"program can use ({format_leases(excluded)}), {are_missing} To lease others, which are paid for, too, "
                "run it again."
            )
        return QgError(
            f"{counted(ended, 'lease')} ended while this task waited, {are_missing} Run it again, or raise keep_alive "
            "if the plan allows it."
        )

    def _new(self) -> list[Lease]:
        """Return the leases that this run has paid for."""
        return [lease for name, lease in self._session.new.items() if name not in self._adopted]

    def _replace_ended(self) -> None:
        """Replace leases that ended while this task waited, as far as the desired count requires it."""
        keep, desired = self._first.keep, self._desired
        spare = max(0, len(keep) - desired.count)
        replaced = 0
        while (ended := len(self._session.ended(keep)) - spare) > replaced:
            allocate(self._session, ended - replaced, desired.params)
            replaced = ended

    def _check_lifetimes(self) -> None:
        """Raise QgError if new leases end too soon."""
        least, now = self._desired.min_remaining, self._session.api.caller.vendor_clock.now()
        if not least:
            # Any lifetime is accepted, even one that seems over by the clock of this control node.
            return
        short = [lease for lease in self._new() if (left := lease.remaining(now)) is not None and left < least * 60]
        if short:
            raise QgError(
                f"{counted(len(short), 'new lease', 'have')} less than min_remaining={_duration(least)} left: "
                f"{format_leases(short)}. Lower min_remaining, or raise keep_alive if the plan allows it."
            )


def _make_room(session: LeaseSession, surplus: Sequence[Lease], before: Quota) -> None:
    """Release leases to free their channels.

    Release one first: a plan by volume gets no channel back, and the API does not show which plans those are.
    """
    release(session, surplus[:1])
    quota = session.wait_for_channels(before.available + 1, wait=True)
    if quota and quota.available <= before.available:
        raise QgError(
            f"{format_leases(surplus[:1])} was released, but no channel came free for it, so the other leases were "
            f"kept. A plan that is billed by volume pays for every new lease: it has {quota.available} left.",
            quota=quota.described(),
        )
    release(session, surplus[1:])


def _applicable(session: LeaseSession, desired: DesiredLeases) -> DesiredLeases:
    """Leave out ``min_remaining`` where the deadline of a lease is not its end."""
    return desired if session.features.ends_at_deadline else dataclasses.replace(desired, min_remaining=0)


def matching_leases(
    backend: LeaseBackend, desired: DesiredLeases, *, max_age: float, policy: LeasePolicy = DEFAULT_POLICY
) -> tuple[Lease, ...]:
    """Return the held leases that match, from a list that is at most ``max_age`` seconds old."""
    session = LeaseSession(backend, policy)
    _load_cached(session, max_age)
    desired = _applicable(session, desired)
    return plan(_classify(session, desired, all_of_them=True), desired).keep


def _load_cached(session: LeaseSession, max_age: float) -> None:
    """Use a list that any run read at most ``max_age`` seconds ago; otherwise read it, and cache it for others."""
    api, facts = session.api, session.facts
    cached = facts.cached_leases(max_age)
    if cached is None:
        with api.caller.key_lock("reading"):
            # Another run may have read it while this one waited.
            cached = facts.cached_leases(max_age)
            if cached is None:
                began = session.now()
                rows = [(lease.task_id, lease.vendor) for lease in session.listed.read()]
                facts.cache_leases(rows, began)
                cached = session.now(), rows
    at, rows = cached
    session.held = {lease.name: lease for lease in (Lease.from_item(vendor, task_id) for task_id, vendor in rows)}
    for lease in session.ended(session.held.values(), at):
        del session.held[lease.name]


def _place(terms: AllocationParams) -> tuple[object, ...]:
    return terms.areas, terms.exclude_areas, terms.isp


def _classify(
    session: LeaseSession, desired: DesiredLeases, *, all_of_them: bool = False, requested: Collection[str] = ()
) -> LeaseMatch:
    """Classify the held leases. Read the vendor's names of areas only if they are needed for a decision.

    If enough leases match, the others stay undetermined, except with ``all_of_them``.
    """
    held, now, origins = session.held.values(), session.api.caller.vendor_clock.now(), session.facts.origins()
    match = partial(classify, held, desired, now, origins, requested=requested)
    found = match({})
    undetermined = found.undetermined or (found.undetermined_expiring if desired.exact else ())
    enough = len(found.matching) >= desired.count and not desired.exact and not all_of_them
    terms = desired.params
    if not (terms.areas or terms.exclude_areas) or not undetermined or enough:
        return found
    try:
        return match(codes_by_name(session.api.named_areas()))
    except CallError:
        # Without the names, the leases stay undetermined.
        return found


def _duration(minutes: float) -> str:
    return counted(minutes, "minute") if isinstance(minutes, int) else counted(minutes * 60, "second")


def _lifetime(seconds: float) -> str:
    """Return a lifetime for a message; rounded down, so that it never equals the requested one."""
    return counted(int(seconds), "second") if seconds < 120 else counted(int(seconds // 60), "minute")

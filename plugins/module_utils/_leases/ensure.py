# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a number of live leases: allocate only missing ones, and release a surplus."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from functools import partial

from .._api.leases import Lease, Quota, oldest_first
from .._core.durations import format_minutes
from .._core.errors import CallError, OptionError, QgError, UncertainOutcomeError
from .._core.text import counted
from .._store.directory import after_the_call
from .allocate import allocate
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy
from .confirmed_list import IGNORE, confirm_list
from .earlier_calls import lease_session, resolve_earlier
from .plan import DesiredLeases, LeaseMatch, Plan, classify, codes_by_name, format_leases, plan
from .release import release
from .session import LeaseResult, LeaseSession
from .verification import Verification, Verifier


def ensure_leases(
    api: LeaseBackend,
    desired: DesiredLeases,
    *,
    check: bool = False,
    policy: LeasePolicy = DEFAULT_POLICY,
    verification: Verification | None = None,
) -> LeaseResult:
    """Allocate only the missing leases and release a surplus; with ``check``, only read.

    With a ``verification``, held and new leases that do not work do not count.
    """
    with lease_session(api, policy, check=check) as session:
        desired = _applicable(session, desired)
        verifier = Verifier(verification, session) if verification else None
        first, quota = _plan(session, desired, verifier), None
        if first.missing:
            _check_lifetime(session, desired)
            quota = session.wait_for_channels(first.missing - len(first.surplus), wait=not check)
            if session.unlisted(quota):
                listed, ignored = session.names, desired.undetermined == "ignore"
                if not check and not ignored:
                    quota = _confirm_list(session, quota, first, desired)
                elif not listed or not ignored:
                    session.refresh()
                if session.names != listed:
                    resolve_earlier(session, wait=not check)
                    first = _plan(session, desired, verifier)
        result = LeaseResult(session.before, session.before, first.keep, missing=first.missing, quota=quota)
        _check_channels(first, desired, result)
        result.purchase_limit = verifier.limit if verifier and first.missing else first.missing
        session.journal.check_caps(result.purchase_limit, check=check)
        if check:
            result.released = first.surplus
        else:
            _apply(session, first, desired, result, verifier)
        if verifier:
            result.unusable, result.reasons = tuple(verifier.failed), verifier.reasons
            result.warnings += tuple(verifier.warnings)
        return result


def _applicable(session: LeaseSession, desired: DesiredLeases) -> DesiredLeases:
    """Leave out ``min_remaining`` where the deadline of a lease is not its end."""
    return desired if session.features.ends_at_deadline else dataclasses.replace(desired, min_remaining=0)


def _plan(session: LeaseSession, desired: DesiredLeases, verifier: Verifier | None) -> Plan:
    """Plan the changes. With a ``verifier``, only held leases that work count, and the purchases are limited."""
    found = plan(_classify(session, desired), desired)
    if verifier is None:
        return found
    verifier.check(found.keep)
    working = verifier.without_failed(desired)
    return verifier.limited(found, plan(_classify(session, working), working))


def _confirm_list(session: LeaseSession, quota: Quota | None, first: Plan, desired: DesiredLeases) -> Quota | None:
    """Wait until list and quota agree. If they do not, report a lack of channels rather than the difference."""
    try:
        return confirm_list(session, quota, advice=IGNORE)
    except UncertainOutcomeError:
        _check_channels(first, desired, LeaseResult(session.before, quota=quota))
        raise


def matching_leases(
    api: LeaseBackend, desired: DesiredLeases, *, max_age: float, policy: LeasePolicy = DEFAULT_POLICY
) -> tuple[Lease, ...]:
    """Return the held leases that match, from a list that is at most ``max_age`` seconds old."""
    session = LeaseSession(api, policy)
    _load_cached(session, max_age)
    desired = _applicable(session, desired)
    return plan(_classify(session, desired, all_of_them=True), desired).keep


def _load_cached(session: LeaseSession, max_age: float) -> None:
    """Use a list that any run read at most ``max_age`` seconds ago; otherwise read it, and cache it for others."""
    api, facts = session.api, session.facts
    cached = facts.cached_leases(max_age)
    if cached is None:
        with api.key_lock("reading"):
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


def _classify(session: LeaseSession, desired: DesiredLeases, *, all_of_them: bool = False) -> LeaseMatch:
    """Classify the held leases. Read the vendor's names of areas only if they are needed for a decision.

    If enough leases match, the others stay undetermined, except with ``all_of_them``.
    """
    held, now, origins = session.held.values(), session.api.vendor_clock.now(), session.facts.origins()
    match = partial(classify, held, desired, now, origins)
    found = match({})
    undetermined = found.undetermined or (found.undetermined_expiring if desired.exact else ())
    enough = len(found.matching) >= desired.count and not desired.exact and not all_of_them
    terms = desired.params
    if not (terms.accepted_areas or terms.exclude_areas) or not undetermined or enough:
        return found
    try:
        return match(codes_by_name(session.api.named_areas()))
    except CallError:
        # Without the names, the leases stay undetermined.
        return found


def _check_lifetime(session: LeaseSession, desired: DesiredLeases) -> None:
    """Refuse a min_remaining that new leases cannot meet: each run would pay for further leases."""
    seen = session.facts.lifetime(desired.params.keep_alive)
    if desired.min_remaining and seen is not None and seen < desired.min_remaining * 60:
        raise OptionError(
            f"min_remaining={format_minutes(desired.min_remaining)} cannot be met: the last new lease of this key had "
            f"{_lifetime(seen)} left. Lower min_remaining, or raise keep_alive if the plan allows it."
        )


def _duration(minutes: float) -> str:
    return counted(minutes, "minute") if isinstance(minutes, int) else counted(minutes * 60, "second")


def _lifetime(seconds: float) -> str:
    """Return a lifetime for a message; rounded down, so that it never equals the requested one."""
    return counted(int(seconds), "second") if seconds < 120 else counted(int(seconds // 60), "minute")


def _check_channels(first: Plan, desired: DesiredLeases, result: LeaseResult) -> None:
    """Raise QgError, before the first change, if the plan has too few channels for the missing leases."""
    quota = result.quota
    if quota is None:
        return
    if quota.balance is None:
        free = quota.available + len(first.surplus)
        limit = (
            f"only {free} of the plan's {counted(quota.total, 'channel')} can be had. Lower count, release leases that "
            "are not needed, or buy channels."
        )
    else:
        free = quota.balance
        limit = f"only {free} more can be leased within the plan's volume. Lower count, or buy more volume."
    if first.missing <= free:
        return
    raise QgError(
        f"count={desired.count} needs {counted(first.missing, 'more lease')} ({len(first.keep)} of the "
        f"{len(result.before)} held ones match), but {limit}",
        quota=quota.described(),
        held=len(result.before),
        missing=first.missing,
    )


def _apply(
    session: LeaseSession, first: Plan, desired: DesiredLeases, result: LeaseResult, verifier: Verifier | None
) -> None:
    # If there are enough channels, allocate before releasing.
    short = result.quota if result.quota and result.quota.available < first.missing else None
    # Leases of earlier calls may not match; those that do are in first.keep.
    adopted = frozenset(session.new)
    candidates = list(first.surplus)
    with result.completed(session, candidates):
        if short:
            _make_room(session, first.surplus, short)
        allocate(session, first.missing, desired.params, desired.task_ids)
        _replace_ended(session, first.keep, desired)
        if verifier:
            _verify_new(session, first, desired, verifier, adopted, candidates)
        if not short:
            release(session, first.surplus)
        fresh = [lease for name, lease in session.new.items() if name not in adopted]
        _check_lifetimes(fresh, session.api.vendor_clock.now(), desired)
    ended: set[str] = set()
    # The state time may come from a database. If it fails, paid leases must still be returned.
    with after_the_call():
        ended = {lease.name for lease in session.ended(session.held.values())}
    wanted = {lease.name for lease in first.keep} | (session.new.keys() - adopted)
    live = [lease for name, lease in session.held.items() if name in wanted - ended]
    if verifier:
        live = [lease for lease in live if lease.name not in verifier.reasons]
    excluded = [lease for lease in live if desired.excludes(lease)]
    found = [lease for lease in live if lease not in excluded]
    result.leases = tuple(oldest_first(found))
    result.missing = max(0, desired.count - len(found))
    if result.missing and excluded and not result.error:
        result.error = QgError(
            f"{counted(len(excluded), 'new lease', 'have')} an address that exclude_ips contains "
            f"({format_leases(excluded)}), so {result.missing} of count={desired.count} "
            f"{'is' if result.missing == 1 else 'are'} missing. To lease others, which are paid for, too, run it again."
        )
    if result.missing and verifier and verifier.failed and not result.error:
        result.error = QgError(
            f"Through {counted(len(verifier.failed), 'lease')}, verify_url is not reached ({verifier.sample()}), so "
            f"{result.missing} of count={desired.count} {'is' if result.missing == 1 else 'are'} missing. This run may "
            f"buy {verifier.verification.extra} more than the key lacks: raise verify_extra, or run it again."
        )
    if result.missing and not result.error:
        result.error = QgError(
            f"{counted(len(wanted) - len(found), 'lease')} ended while this task waited, so {result.missing} of "
            f"count={desired.count} {'is' if result.missing == 1 else 'are'} missing. Run it again, or raise "
            "keep_alive if the plan allows it."
        )


def _verify_new(
    session: LeaseSession,
    first: Plan,
    desired: DesiredLeases,
    verifier: Verifier,
    adopted: Collection[str],
    candidates: list[Lease],
) -> None:
    """Verify new leases, and buy others. Those that do not work become ``candidates`` of a release."""
    params = dataclasses.replace(desired.params, distinct=True)

    def wanted() -> int:
        new = session.new.keys() - adopted
        counting = {lease.name for lease in first.keep} | new
        return desired.count - len((counting & session.held.keys()) - verifier.reasons.keys())

    try:
        verifier.verify_new(
            [lease for name, lease in session.new.items() if name not in adopted],
            wanted,
            lambda number: allocate(session, number, params, desired.task_ids),
        )
    finally:
        candidates += verifier.failed


def _replace_ended(session: LeaseSession, keep: Sequence[Lease], desired: DesiredLeases) -> None:
    """Replace leases that ended while this task waited, as far as the desired count requires it."""
    spare = max(0, len(keep) - desired.count)
    replaced = 0
    while (ended := len(session.ended(keep)) - spare) > replaced:
        allocate(session, ended - replaced, desired.params, desired.task_ids)
        replaced = ended


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


def _check_lifetimes(fresh: Sequence[Lease], now: float, desired: DesiredLeases) -> None:
    if not desired.min_remaining:
        # Any lifetime is accepted, even one that seems over by the clock of this control node.
        return
    short = [
        lease for lease in fresh if (left := lease.remaining(now)) is not None and left < desired.min_remaining * 60
    ]
    if short:
        raise QgError(
            f"{counted(len(short), 'new lease', 'have')} less than "
            f"min_remaining={_duration(desired.min_remaining)} left: "
            f"{format_leases(short)}. Lower min_remaining, or raise keep_alive if the plan allows it."
        )

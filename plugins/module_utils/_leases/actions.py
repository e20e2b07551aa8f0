# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task does with leases: hold as many as are desired, release some, replace some.

This file is private to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .._api.classic.models import AllocationParams, Lease, Quota, oldest_first
from .._core.errors import CallError, OptionError, QgError, UncertainOutcomeError
from .backend import LeaseBackend, LeasePolicy
from .manager import LeaseManager
from .plan import DesiredLeases, LeaseMatch, Plan, area_numbers, classify, format_leases, plan


@dataclass
class LeaseResult:
    """What a run found, changed and left. ``error`` is set if it failed; the rest is correct even then.

    ``allocated`` are all leases that came since the first reading, ``released`` those that this run released.
    ``missing`` is how many leases are lacking in the end, or would be without the calls that check mode omits.
    """

    before: tuple[Lease, ...] = ()
    after: tuple[Lease, ...] = ()
    leases: tuple[Lease, ...] = ()
    allocated: tuple[Lease, ...] = ()
    released: tuple[Lease, ...] = ()
    missing: int = 0
    quota: Quota | None = None
    error: QgError | None = None


def reconcile(
    api: LeaseBackend,
    desired: DesiredLeases,
    *,
    check: bool = False,
    now: Callable[[], float] = time.time,
    policy: LeasePolicy | None = None,
) -> LeaseResult:
    """Allocate only the missing leases and release a surplus; with ``check``, only read."""
    with api.key_lock():
        manager = LeaseManager(api, now, policy)
        manager.load_initial(wait=not check)
        first, quota = plan(_classify(manager, desired), desired), None
        if first.missing:
            _check_lifetime(manager, desired)
            quota = manager.wait_for_channels(first.missing - len(first.surplus), wait=not check)
            if quota and quota.used and not manager.held:
                # An empty list is read again if the quota shows leases.
                manager.load_initial(wait=not check)
                first = plan(_classify(manager, desired), desired)
        result = LeaseResult(manager.before, manager.before, first.keep, missing=first.missing, quota=quota)
        _check_channels(first, desired, result)
        if check:
            result.released = first.surplus
        else:
            _apply(manager, first, desired, result)
        return result


def _classify(manager: LeaseManager, desired: DesiredLeases, *, all_of_them: bool = False) -> LeaseMatch:
    """Classify what is held; the vendor's names of areas are read only if a lease is undetermined without them.

    Leases beyond the desired count may stay undetermined, except with ``all_of_them``.
    """
    held, now, origins = list(manager.held.values()), manager.now(), manager.origins()
    found = classify(held, desired, now, origins, {})
    undetermined = found.undetermined or (found.undetermined_expiring if desired.exact else ())
    enough = len(found.matching) >= desired.count and not desired.exact and not all_of_them
    if desired.params.area_id is None or not undetermined or enough:
        return found
    names = manager.store.area_names()
    if names is None:
        try:
            names = area_numbers(manager.api.areas())
        except CallError:
            # Without the names, the leases stay undetermined.
            return found
        manager.store.save_area_names(names)
    return classify(held, desired, now, origins, names)


def matching_leases(
    api: LeaseBackend,
    desired: DesiredLeases,
    *,
    max_age: float,
    now: Callable[[], float] = time.time,
    policy: LeasePolicy | None = None,
) -> tuple[Lease, ...]:
    """Return the matching held leases, from a list that is at most ``max_age`` seconds old; changes nothing."""
    manager = LeaseManager(api, now, policy)
    manager.load_cached(max_age)
    return plan(_classify(manager, desired, all_of_them=True), desired).keep


def _check_lifetime(manager: LeaseManager, desired: DesiredLeases) -> None:
    """Refuse a min_remaining that new leases cannot meet: each run would pay for others."""
    seen = manager.store.lifetime(desired.params.keep_alive)
    if desired.min_remaining and seen is not None and seen < desired.min_remaining * 60:
        raise OptionError(
            f"min_remaining={desired.min_remaining} cannot be met: the last new lease of this key had {seen / 60:.0f} "
            "minutes left. Lower min_remaining, or raise keep_alive if the plan allows it."
        )


def _check_channels(first: Plan, desired: DesiredLeases, result: LeaseResult) -> None:
    """Refuse, before the first change, more leases than the plan has channels for."""
    quota = result.quota
    free = None if quota is None else quota.available + len(first.surplus)
    if quota is None or free is None or first.missing <= free:
        return
    raise QgError(
        f"count={desired.count} needs {first.missing} more leases ({len(first.keep)} of the {len(result.before)} held "
        f"ones match), but only {free} of the plan's {quota.total} channels can be had. Lower count, release leases "
        "that are not needed, or buy channels.",
        quota=quota.described(),
        held=len(result.before),
        missing=first.missing,
    )


def _apply(manager: LeaseManager, first: Plan, desired: DesiredLeases, result: LeaseResult) -> None:
    # If there is room for both, nothing is released before its successor is there.
    short = result.quota if result.quota and result.quota.available < first.missing else None
    try:
        if short:
            _make_room(manager, first.surplus, short.available)
        manager.allocate(first.missing, desired.params, desired.task_ids)
        if not short:
            manager.release(first.surplus)
        _check_new(manager, desired)
    except QgError as error:
        result.error = error
    _complete_result(manager, result, first.surplus)
    held = manager.held
    result.leases = tuple(
        oldest_first(
            lease
            for lease in {lease.identity: lease for lease in (*first.keep, *manager.new.values())}.values()
            if lease.identity in held
        )
    )
    result.missing = max(0, desired.count - len(result.leases))


def _make_room(manager: LeaseManager, surplus: Sequence[Lease], available: int) -> None:
    """Release leases to free their channels: only one at first, since a plan by volume gets nothing back for it.

    The API does not show which plans are billed by volume.
    """
    manager.release(surplus[:1])
    quota = manager.wait_for_channels(available + 1, wait=True)
    if quota and quota.available <= available:
        raise QgError(
            f"{format_leases(surplus[:1])} was released, but no channel came free for it, so the other leases were "
            f"kept. A plan that is billed by volume pays for every new lease: it has {quota.available} left.",
            quota=quota.described(),
        )
    manager.release(surplus[1:])


def _check_new(manager: LeaseManager, desired: DesiredLeases) -> None:
    short = [
        lease
        for lease in manager.new.values()
        if (left := lease.remaining(manager.now())) is not None and left < desired.min_remaining * 60
    ]
    if short:
        raise QgError(
            f"{len(short)} new leases have less than min_remaining={desired.min_remaining} minutes left: "
            f"{format_leases(short)}. Lower min_remaining, or raise keep_alive if the plan allows it."
        )


def _complete_result(manager: LeaseManager, result: LeaseResult, surplus: Collection[Lease]) -> None:
    result.after = tuple(manager.held.values())
    result.allocated = tuple(oldest_first(manager.new.values()))
    result.released = tuple(oldest_first(manager.gone(surplus)))


def release(
    api: LeaseBackend,
    chosen: Callable[[Lease], bool],
    *,
    check: bool = False,
    now: Callable[[], float] = time.time,
    policy: LeasePolicy | None = None,
) -> LeaseResult:
    """Release the held leases that are ``chosen``."""
    with api.key_lock():
        manager = LeaseManager(api, now, policy)
        manager.load_initial(wait=not check)
        leases = [lease for lease in manager.held.values() if chosen(lease)]
        result = LeaseResult(manager.before, manager.before, tuple(leases))
        if check:
            result.released = tuple(oldest_first(leases))
            return result
        try:
            manager.release(leases)
        except QgError as error:
            result.error = error
        _complete_result(manager, result, leases)
        return result


def replace(
    api: LeaseBackend,
    chosen: Callable[[Lease], bool] | None,
    number: int | None,
    params: AllocationParams,
    *,
    check: bool = False,
    now: Callable[[], float] = time.time,
    policy: LeasePolicy | None = None,
) -> LeaseResult:
    """Replace the ``chosen`` leases by release and allocation, or let the vendor replace ``number`` of its choice.

    With neither, replace all. Afterwards the key holds as many as before.
    """
    with api.key_lock():
        manager = LeaseManager(api, now, policy)
        manager.load_initial(wait=not check)
        owed, successors = manager.interrupted_replacements(chosen, params) if chosen else (0, frozenset[str]())
        held = [lease for lease in manager.held.values() if lease.name not in successors]
        named = [lease for lease in held if chosen(lease)] if chosen else held
        count = len(named) + owed if number is None else number
        result = LeaseResult(manager.before, manager.before, missing=count)
        if count > len(named) + owed:
            raise OptionError(f"count={count} leases cannot be replaced: the key holds {len(named)}. Lower count.")
        if check:
            result.released = tuple(oldest_first(named)) if count == len(named) else ()
            return result
        try:
            if chosen is None:
                manager.replace(count, number, params)
            else:
                manager.allocate(owed, params)
                if named:
                    manager.record_replacement(named, params)
                    _replace_named(manager, named, params)
            manager.finish()
        except QgError as error:
            result.error = error
        _complete_result(manager, result, manager.before)
        result.missing = max(0, len(manager.before) - len(manager.held))
        return result


def _replace_named(manager: LeaseManager, named: Sequence[Lease], params: AllocationParams) -> None:
    """Release, and allocate as many: only one at first, so that the others are kept if there is no successor.

    It is the oldest, since the vendor may refuse to release young leases.
    """
    named = oldest_first(named)
    first, rest = named[:1], named[1:]
    quota = manager.wait_for_channels(0, wait=False) if rest else None
    _renew(manager, first, params)
    if quota and quota.available < len(named):
        _check_channel_returned(manager, first, rest, quota.available)
    _renew(manager, rest, params)


def _check_channel_returned(
    manager: LeaseManager, first: Sequence[Lease], rest: Sequence[Lease], available: int
) -> None:
    """Keep the other leases if the successor of the first did not take its channel, but one of those that were left.

    A plan by volume gets nothing back for a release, and the API does not show which plans those are.
    """
    quota = manager.wait_for_channels(available, wait=True)
    if quota and quota.available < min(available, len(rest)):
        raise QgError(
            f"{format_leases(first)} was replaced, but its channel did not come free, so the other {len(rest)} leases "
            f"were kept. A plan that is billed by volume pays for every new lease: it has {quota.available} left.",
            quota=quota.described(),
        )


def _renew(manager: LeaseManager, leases: Sequence[Lease], params: AllocationParams) -> None:
    """Release these, and allocate as many as are gone."""
    try:
        manager.release(leases)
    except UncertainOutcomeError:
        # How many are gone is unknown: a successor could be one too many.
        raise
    except QgError:
        # What is gone gets a successor, also if not all could be released.
        manager.allocate(len(manager.gone(leases)), params)
        raise
    manager.allocate(len(manager.gone(leases)), params)

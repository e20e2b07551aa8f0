# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task does with leases: hold as many as are wanted, give some up, swap some.

This file is private to the collection.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .._api.classic.client import ProxyApi
from .._api.classic.errors import ApiError
from .._api.classic.models import Lease, Quota
from .._core.errors import OptionError, QgError, TransportError, UncertainOutcomeError
from .manager import Holder
from .plan import (
    Plan,
    Sorted,
    Terms,
    Wish,
    names_of,
    oldest_first,
    plan,
    some,
    sort,
)


@dataclass
class Outcome:
    """What a run found, did and left. ``error`` is set where the wish was not reached; the rest is true even then.

    ``allocated`` are all leases that are new since the first look, ``released`` those that this run gave up.
    ``missing`` are how many the wish lacks in the end, or would lack without the calls that check mode leaves out.
    """

    before: tuple[Lease, ...] = ()
    after: tuple[Lease, ...] = ()
    leases: tuple[Lease, ...] = ()
    allocated: tuple[Lease, ...] = ()
    released: tuple[Lease, ...] = ()
    missing: int = 0
    quota: Quota | None = None
    error: QgError | None = None


def bring_about(api: ProxyApi, wish: Wish, *, check: bool = False, now: Callable[[], float] = time.time) -> Outcome:
    """Hold what the wish wants: look, lease only what is missing, give up a surplus; with ``check`` look alone."""
    with api.alone():
        holder = Holder(api, now)
        holder.first_look(wait=not check)
        first, quota = plan(_sorted(holder, wish), wish), None
        if first.missing:
            _check_lifetime(holder, wish)
            quota = holder.room(first.missing - len(first.surplus), wait=not check)
            if quota and quota.used and not holder.held:
                # A list without anything is not believed at once, where there should be something.
                holder.first_look(wait=not check)
                first = plan(_sorted(holder, wish), wish)
        outcome = Outcome(holder.before, holder.before, first.keep, missing=first.missing, quota=quota)
        _check_room(first, wish, outcome)
        if check:
            outcome.released = first.surplus
        else:
            _carry_out(holder, first, wish, outcome)
        return outcome


def _sorted(holder: Holder, wish: Wish, *, all_of_them: bool = False) -> Sorted:
    """Sort what is held; the vendor's names of areas are read only where a lease cannot be told without them.

    A lease beyond what is wanted needs not be told, unless ``all_of_them`` are.
    """
    held, now, origins = list(holder.held.values()), holder.now(), holder.memory.origins()
    found = sort(held, wish, now, origins, {})
    doubtful = found.unsure or (found.unsure_stale if wish.exact else ())
    enough = len(found.fit) >= wish.count and not wish.exact and not all_of_them
    if wish.terms.area_id is None or not doubtful or enough:
        return found
    names = holder.memory.area_names()
    if names is None:
        try:
            names = names_of(holder.api.areas())
        except (ApiError, TransportError):
            # The names are a help, not a need: without them the leases stay undetermined.
            return found
        holder.memory.saw_area_names(names)
    return sort(held, wish, now, origins, names)


def find(api: ProxyApi, wish: Wish, *, max_age: float, now: Callable[[], float] = time.time) -> tuple[Lease, ...]:
    """The held leases that match a wish, from a list that is at most ``max_age`` seconds old; changes nothing."""
    holder = Holder(api, now)
    holder.glance(max_age)
    return plan(_sorted(holder, wish, all_of_them=True), wish).keep


def _check_lifetime(holder: Holder, wish: Wish) -> None:
    """Refuse a wish that new leases cannot meet, since it would be paid for at every run."""
    seen = holder.memory.lifetime(wish.terms.keep_alive)
    if wish.min_remaining and seen is not None and seen < wish.min_remaining * 60:
        raise OptionError(
            f"min_remaining={wish.min_remaining} cannot be met: the last new lease of this key had {seen / 60:.0f} "
            "minutes left. Lower min_remaining, or raise keep_alive if the plan allows it."
        )


def _check_room(first: Plan, wish: Wish, outcome: Outcome) -> None:
    """Refuse, before anything is written, a wish that the plan has no room for."""
    quota = outcome.quota
    free = None if quota is None else quota.available + len(first.surplus)
    if quota is None or free is None or first.missing <= free:
        return
    raise QgError(
        f"count={wish.count} needs {first.missing} more leases ({len(first.keep)} of the {len(outcome.before)} held "
        f"ones match), but only {free} of the plan's {quota.total} channels can be had. Lower count, release leases "
        "that are not needed, or buy channels.",
        quota=quota.described(),
        held=len(outcome.before),
        missing=first.missing,
    )


def _carry_out(holder: Holder, first: Plan, wish: Wish, outcome: Outcome) -> None:
    # What is kept is never cut, and nothing is given up before its successor is there, if there is room for both.
    short = outcome.quota if outcome.quota and outcome.quota.available < first.missing else None
    try:
        if short:
            _make_room(holder, first.surplus, short.available)
        holder.lease(first.missing, wish.terms, wish.task_ids)
        if not short:
            holder.release(first.surplus)
        _check_new(holder, wish)
    except QgError as problem:
        outcome.error = problem
    _conclude(holder, outcome, first.surplus)
    held = holder.held
    outcome.leases = tuple(
        oldest_first(
            lease
            for lease in {lease.identity: lease for lease in (*first.keep, *holder.new.values())}.values()
            if lease.identity in held
        )
    )
    outcome.missing = max(0, wish.count - len(outcome.leases))


def _make_room(holder: Holder, surplus: Sequence[Lease], available: int) -> None:
    """Give leases up for the sake of their channels: one alone first, since a plan by volume gets nothing back for it.

    The vendor does not tell which plans those are.
    """
    holder.release(surplus[:1])
    quota = holder.room(available + 1, wait=True)
    if quota and quota.available <= available:
        raise QgError(
            f"{some(surplus[:1])} was released, but no channel came free for it, so the other leases were kept. A plan "
            f"that is billed by volume pays for every new lease: it has {quota.available} left.",
            quota=quota.described(),
        )
    holder.release(surplus[1:])


def _check_new(holder: Holder, wish: Wish) -> None:
    short = [
        lease
        for lease in holder.new.values()
        if (left := lease.remaining(holder.now())) is not None and left < wish.min_remaining * 60
    ]
    if short:
        raise QgError(
            f"{len(short)} new leases have less than min_remaining={wish.min_remaining} minutes left: {some(short)}. "
            "Lower min_remaining, or raise keep_alive if the plan allows it."
        )


def _conclude(holder: Holder, outcome: Outcome, given_up: Collection[Lease]) -> None:
    outcome.after = tuple(holder.held.values())
    outcome.allocated = tuple(oldest_first(holder.new.values()))
    outcome.released = tuple(oldest_first(holder.gone(given_up)))


def give_up(
    api: ProxyApi, chosen: Callable[[Lease], bool], *, check: bool = False, now: Callable[[], float] = time.time
) -> Outcome:
    """Release the held leases that are ``chosen``."""
    with api.alone():
        holder = Holder(api, now)
        holder.first_look(wait=not check)
        leases = [lease for lease in holder.held.values() if chosen(lease)]
        outcome = Outcome(holder.before, holder.before, tuple(leases))
        if check:
            outcome.released = tuple(oldest_first(leases))
            return outcome
        try:
            holder.release(leases)
        except QgError as problem:
            outcome.error = problem
        _conclude(holder, outcome, leases)
        return outcome


def swap(
    api: ProxyApi,
    chosen: Callable[[Lease], bool] | None,
    number: int | None,
    terms: Terms,
    *,
    check: bool = False,
    now: Callable[[], float] = time.time,
) -> Outcome:
    """Replace leases: the ``chosen`` ones, by release and allocation, or as many as ``number`` of the vendor's choice.

    With neither, all. Afterwards the key holds as many as before.
    """
    with api.alone():
        holder = Holder(api, now)
        holder.first_look(wait=not check)
        owed, successors = holder.interrupted_swaps(chosen, terms) if chosen else (0, frozenset[str]())
        held = [lease for lease in holder.held.values() if lease.name not in successors]
        named = [lease for lease in held if chosen(lease)] if chosen else held
        count = len(named) + owed if number is None else number
        outcome = Outcome(holder.before, holder.before, missing=count)
        if count > len(named) + owed:
            raise OptionError(f"count={count} leases cannot be replaced: the key holds {len(named)}. Lower count.")
        if check:
            outcome.released = tuple(oldest_first(named)) if count == len(named) else ()
            return outcome
        try:
            if chosen is None:
                holder.replace(count, number, terms)
            else:
                holder.lease(owed, terms)
                if named:
                    holder.record_swap(named, terms)
                    _swap_named(holder, named, terms)
            holder.finish()
        except QgError as problem:
            outcome.error = problem
        _conclude(holder, outcome, holder.before)
        outcome.missing = max(0, len(holder.before) - len(holder.held))
        return outcome


def _swap_named(holder: Holder, named: Sequence[Lease], terms: Terms) -> None:
    """Release, and lease as many anew: one alone first, so that the others are kept where no successor can be had.

    It is the oldest, since a vendor that refuses young leases may let that one go.
    """
    named = oldest_first(named)
    first, rest = named[:1], named[1:]
    quota = holder.room(0, wait=False) if rest else None
    _renew(holder, first, terms)
    if quota and quota.available < len(named):
        _check_returned(holder, first, rest, quota.available)
    _renew(holder, rest, terms)


def _check_returned(holder: Holder, first: Sequence[Lease], rest: Sequence[Lease], available: int) -> None:
    """Refuse to give the others up where the first got its successor from what was left, and not from its own channel.

    A plan by volume gets nothing back for a release, and the vendor does not tell which plans those are.
    """
    quota = holder.room(available, wait=True)
    if quota and quota.available < min(available, len(rest)):
        raise QgError(
            f"{some(first)} was replaced, but its channel did not come free, so the other {len(rest)} leases were "
            f"kept. A plan that is billed by volume pays for every new lease: it has {quota.available} left.",
            quota=quota.described(),
        )


def _renew(holder: Holder, leases: Sequence[Lease], terms: Terms) -> None:
    """Release these, and lease as many anew as are gone."""
    try:
        holder.release(leases)
    except UncertainOutcomeError:
        # What is gone is not known: a successor could be one too many.
        raise
    except QgError:
        # What is gone gets a successor, also where not all could be released.
        holder.lease(len(holder.gone(leases)), terms)
        raise
    holder.lease(len(holder.gone(leases)), terms)

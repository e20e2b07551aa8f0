# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release leases: a call that may be repeated, as a lease that is gone stays gone.

This file is private to the collection.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial

from .._api.classic.models import Lease, oldest_first
from .._core.errors import CallError, Effect, QgError, WaitBudgetExceeded
from .._reconcile.converge import converge
from .._reconcile.lost_response import ACCEPTED
from .._store.reported import LIST_LAG
from .backend import is_refused
from .plan import format_leases
from .view import LeaseView, uncertain


def release(view: LeaseView, leases: Collection[Lease]) -> None:
    """Release leases, and read the list until it shows that they are gone."""
    work = Release(view, leases)
    converge(work, view.policy.max_repeats)
    work.finish()


class Release:
    """The release of some leases, as :func:`converge` carries it out."""

    def __init__(self, view: LeaseView, leases: Collection[Lease]) -> None:
        self._view = view
        if len(leases) > view.api.release_batch():
            # The limit depends on the channels of the plan, which the quota contains.
            view.wait_for_channels(0, wait=False)
        # If the vendor refuses young leases, the old ones come first.
        self._leases = oldest_first(leases)
        self._max_batch = view.api.release_batch()
        self._rested = False
        #: The names of leases that were reported as released, and when.
        self._reported: dict[str, float] = {}
        #: Whether the list has shown each result.
        self._verified = True

    def remaining(self) -> list[Lease]:
        """The leases that are still held."""
        return [lease for lease in self._leases if lease.identity in self._view.held]

    def send(self, todo: Sequence[Lease]) -> None:
        """Send the calls, and keep what they report."""
        view, name = self._view, self._view.features.release
        for batch, by_task in batches(todo, list(view.held.values()), self._max_batch):
            view.store.invalidate()
            sending = partial(view.recorded, name, 0, [lease.name for lease in batch], {})
            released = view.api.release(batch, by_task=by_task, sending=sending)
            # At once, so that a later error does not hide what was done; the list has the last word.
            for lease in released:
                view.held.pop(lease.identity, None)
                self._reported[lease.name] = view.now()

    def verify(self, todo: Sequence[Lease], error: QgError | None) -> None:
        """Read what the calls did."""
        view = self._view
        view.release_in_flight |= isinstance(error, CallError) and error.effect is Effect.IN_FLIGHT
        reported = [lease.name for lease in todo if lease.name in self._reported]
        self._verified &= self._read_back(error, reported, len(todo))
        recent = {name for name, at in self._reported.items() if view.now() - at < LIST_LAG}
        if error and all(lease.name in recent for lease in self.remaining()):
            # What the list still shows was reported as released: the refusal, or the wait, is about that.
            self._verified = False
            view.refresh()

    def _read_back(self, error: QgError | None, reported: Collection[str], number: int) -> bool:
        """Read the list, after a success until it shows the reported releases, as long as it may lag.

        Returns False if there is no time to wait, so that the report has to do.
        """
        view = self._view
        try:
            view.refresh(doubted=reported)
            try:
                for delay in view.policy.lag_delays[1:] if error is None else ():
                    if view.names.isdisjoint(reported):
                        break
                    view.wait_for_list(delay)
                    view.refresh(doubted=reported)
            except WaitBudgetExceeded:
                view.refresh()
                return False
            return True
        except QgError as second:
            first = error or QgError(ACCEPTED, **second.details)
            what, reason = f"{number} leases were released", f"{{list}} cannot be read: {second.message}"
            raise uncertain(first, what, reason) from None

    def adapt(self, error: QgError | None, left: Sequence[Lease]) -> bool:
        """After a refusal of too many, release fewer at a time; if one is too many, wait a minute, once."""
        if not is_refused(error, self._view.features.too_many):
            return False
        size = min(self._max_batch, len(left))
        if size > 1:
            self._max_batch = math.ceil(size / 2)
            return True
        if self._rested:
            raise self.failure(error, left)
        self._rested = True
        api = self._view.api
        try:
            api.budget.wait(api.rate_limiter.minute, "the release limit is reached", self._view.features.release)
        except WaitBudgetExceeded:
            raise self.failure(error, left) from None
        return True

    def failure(self, error: QgError | None, left: Sequence[Lease]) -> QgError:
        """The error that names the leases that are still held."""
        error, features = error or QgError(ACCEPTED), self._view.features
        rules = f" {features.release_rules}" if is_refused(error, features.too_many | features.forbidden) else ""
        return QgError(
            f"{error.message} {len(left)} leases are still held: {format_leases(left)}.{rules}", **error.details
        )

    def pause(self, attempt: int) -> None:
        """Wait before the next attempt."""
        delay = self._view.policy.backoff(attempt - 1)
        self._view.api.budget.wait(delay, "the list still shows released leases", self._view.features.release)

    def finish(self) -> None:
        """Resolve the calls if their results are known."""
        if self._verified and not self._view.release_in_flight:
            self._view.resolve(self._view.features.release)


def batches(todo: Sequence[Lease], held: Sequence[Lease], max_batch: int) -> list[tuple[list[Lease], bool]]:
    """The calls that release: by address, or by task if the address alone would release another lease, too."""
    chosen = {lease.identity for lease in todo}
    kept_ips = {lease.ip for lease in held if lease.identity not in chosen}
    kept_tasks = {lease.task_id for lease in held if lease.identity not in chosen}
    shared = [lease for lease in todo if lease.ip in kept_ips]
    inseparable = [lease for lease in shared if lease.task_id in kept_tasks]
    if inseparable:
        raise QgError(
            f"{format_leases(inseparable)}: another lease that must stay has the same address, and the vendor releases "
            "by address. Release both.",
            endpoint="/release",
        )
    tasks = dict.fromkeys(lease.task_id for lease in shared)
    by_address = [lease for lease in todo if lease.task_id not in tasks]
    calls = [(by_address[start : start + max_batch], False) for start in range(0, len(by_address), max_batch)]
    return calls + [([lease for lease in todo if lease.task_id == task], True) for task in tasks]

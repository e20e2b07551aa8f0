# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds, as the list and the responses of this run show it, and the records of its paid calls.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from .._api.classic.models import AllocationParams, Lease, Quota
from .._core.errors import QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._reconcile.lost_response import recorded, uncertain_outcome
from .._store.lease_store import LeaseStore
from .._store.paid_calls import PaidCalls
from .backend import CLASSIC, LeaseBackend, LeaseFeatures, LeasePolicy
from .plan import Origin

#: Identifies a lease.
Identity = tuple[str, str, str]
#: How a user finds out what is held.
ADVICE = "Check with `ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before you run this again."


class LeaseView:
    """The leases of a key. Use it under :meth:`LeaseBackend.key_lock`.

    ``held`` is what the key holds as far as is known, ``before`` what it held at first. ``new`` are the leases that
    came since then.
    """

    def __init__(
        self,
        api: LeaseBackend,
        now: Callable[[], float] = time.time,
        policy: LeasePolicy | None = None,
        features: LeaseFeatures = CLASSIC,
    ) -> None:
        self.api = api
        self.now = now
        self.policy = policy or LeasePolicy()
        self.features = features
        self.store = LeaseStore(api.rate_limiter.state, api.key_digest, now)
        self.calls = PaidCalls(api.rate_limiter.state, api.key_digest, now)
        self.held: dict[Identity, Lease] = {}
        self.new: dict[Identity, Lease] = {}
        self.before: tuple[Lease, ...] = ()
        #: Whether a release may still be carried out, which would hit a new lease of the same address.
        self.release_in_flight = False
        #: The numbers of the recorded calls of this run whose result is unknown, by the names of the calls.
        self.pending: dict[str, list[int]] = {features.allocate: [], features.replace: [], features.release: []}
        #: Channels that are free or carry a listed lease, by the quota when room was last checked.
        self._accounted: int | None = None

    @property
    def names(self) -> frozenset[str]:
        """The names of the held leases."""
        return frozenset(lease.name for lease in self.held.values())

    def refresh(self, doubted: Collection[str] = ()) -> None:
        """Read what is held now. For ``doubted`` leases, whose release was reported, the vendor's list decides."""
        self.held = {lease.identity: lease for lease in self.api.leases(doubted=doubted)}

    def load_cached(self, max_age: float) -> None:
        """Use a list that any run read at most ``max_age`` seconds ago, or read it for all later ones."""
        rows = self.store.cached_leases(max_age)
        if rows is None:
            with self.api.key_lock("reading"):
                # Another run may have read it while this one waited.
                rows = self.store.cached_leases(max_age)
                if rows is None:
                    rows = [(lease.task_id, lease.vendor) for lease in self.api.leases()]
                    self.store.cache_leases(rows)
        leases = [Lease.from_item(item, task) for task, item in rows]
        self.held = {lease.identity: lease for lease in leases}

    def origins(self) -> dict[str, Origin]:
        """The origin of each task that was leased by this control node."""
        return {task: Origin(*row) for task, row in self.store.origins().items()}

    def gone(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that are no longer held."""
        return [lease for lease in leases if lease.identity not in self.held]

    def is_new(self, known: Collection[Identity]) -> bool:
        """Whether the last reading shows leases beside the known ones."""
        return any(identity not in known for identity in self.held)

    def take(self, leases: Iterable[Lease]) -> None:
        """Keep leases that a response reported as new."""
        taken = {lease.identity: lease for lease in leases}
        # At once, so that an error of the state store does not hide what was paid for.
        self.new.update(taken)
        self.held.update(taken)
        self.store.invalidate()

    def adopt(self, known: Collection[Identity], asked: int, origin: Origin, params: AllocationParams) -> int:
        """Adopt what the last reading shows beside the known leases, and save its origin; returns how many."""
        fresh = [lease for identity, lease in self.held.items() if identity not in known]
        self.new.update({lease.identity: lease for lease in fresh})
        self.save_origin(fresh, asked, origin)
        remaining = [seconds for lease in fresh if (seconds := lease.remaining(self.now())) is not None]
        if remaining:
            self.store.save_lifetime(params.keep_alive, max(remaining))
        return len(fresh)

    def save_origin(self, fresh: Iterable[Lease], asked: int, origin: Origin) -> None:
        """Save what new leases were requested with."""
        tasks = Counter(lease.task_id for lease in fresh)
        # A task with more leases than were requested belongs to another client.
        own = [task for task, size in tasks.items() if size <= asked]
        self.store.save_origin(own, origin.area_id, origin.isp, origin.successor_of)

    def recorded(
        self, name: str, wanted: int, known: Collection[str], request: dict[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Record a call in the state store from before it is sent until its result is known."""
        return recorded(
            self.calls,
            self.pending[name],
            name,
            wanted=wanted,
            known=known,
            request=request,
            in_use=self._accounted,
            timeout=self.api.timeout,
        )

    def resolve(self, name: str) -> None:
        """Resolve all calls of this run with this name: their results are known."""
        self.calls.resolve(*self.pending[name])
        self.pending[name].clear()

    def report_replaced(self, number: int, known: Collection[str]) -> bool:
        """Record that the known leases are gone if as many were replaced. Of fewer, the vendor does not say which."""
        if number < len(known):
            return False
        self.api.report_released(known)
        return True

    def wait_for_channels(self, wanted: int, *, wait: bool) -> Quota | None:
        """Return the quota, with ``wait`` once it has room for N more leases, or when it certainly will not.

        None if the vendor does not report the quota of this plan.
        """
        until = self.now() + self.policy.channel_wait
        while True:
            quota = self.api.lease_quota()
            if quota is None:
                return None
            self._accounted = quota.available + len(self.held)
            # No channel that becomes free makes room for more than there are beside those that are held.
            hopeless = wanted > quota.total - len(self.held) or not self.api.released_recently() or self.now() >= until
            if quota.available >= wanted or not wait or hopeless:
                return quota
            try:
                self.wait_for_channel()
            except WaitBudgetExceeded:
                return quota

    def wait_for_channel(self) -> None:
        """Wait before the next check for a free channel."""
        interval = self.policy.channel_poll_interval
        self.api.budget.wait(interval, "a released channel is not free yet", self.features.allocate)

    def quota_exceeds_list(self, accounted: int | None) -> bool:
        """Whether channels are taken by leases that the list does not show; False if that is unknown."""
        if accounted is None:
            return False
        quota = self.api.lease_quota()
        return quota is not None and quota.available + len(self.held) < accounted

    def quota_shows_unlisted(self, known: Collection[Identity]) -> bool:
        """Whether channels stay taken by leases that the list does not show, for as long as the list may lag.

        False as soon as the list shows something new, or accounts for all channels. Without a quota, only the list can
        show anything, and is polled for as long.
        """
        for delay in self.policy.lag_delays:
            if delay and self.poll_until_changed(known, [delay]):
                return False
            quota = self.api.lease_quota()
            if quota is None:
                self.poll_until_changed(known, self.policy.lag_delays[1:])
                return False
            accounted = quota.total if self._accounted is None else self._accounted
            if quota.available + len(self.held) >= accounted:
                return False
        return True

    def poll_until_changed(
        self, known: Collection[Identity], delays: Iterable[float], *, or_gone: bool = False
    ) -> bool:
        """Read the list after each delay until it shows something new, or with ``or_gone`` until it differs."""
        for delay in delays:
            if delay:
                self.wait_for_list(delay)
            self.refresh()
            if self.is_new(known) or (or_gone and self.held.keys() != set(known)):
                return True
        return False

    def wait_for_list(self, delay: float) -> None:
        """Give the list time to show what the vendor has done."""
        self.api.budget.wait(delay, "the list of leases may lag", self.features.listing)


def uncertain(error: QgError | None, what: str, reason: str) -> UncertainOutcomeError:
    """The error for a call with leases whose effect is unknown."""
    return uncertain_outcome(error, what, reason, listing="the list of leases", advice=ADVICE)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run for the leases of a key: what is held as far as is known, and what came since the run began."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .._api.leases import AllocationParams, Lease, Quota, oldest_first
from .._core.errors import QgError, WaitBudgetExceeded
from .._reconcile.session import Session
from .._store.directory import StateError
from .._store.lease_store import LeaseStore
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy
from .plan import Origin, format_leases


class LeaseSession(Session[Lease]):
    """The leases of a key. Use it under :meth:`LeaseBackend.key_lock`.

    ``held`` is what the key holds as far as is known, ``before`` what it held at first. ``new`` are the leases that
    came since then.
    """

    api: LeaseBackend
    policy: LeasePolicy
    listing = "the list of leases"
    advice = "Check with `ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before you run this again."

    def __init__(self, api: LeaseBackend, policy: LeasePolicy = DEFAULT_POLICY) -> None:
        super().__init__(api, policy, api.features.list)
        self.features = api.features
        self.store = LeaseStore(api.rate_limiter.state, api.key_digest)
        self.new: dict[str, Lease] = {}
        self.has_written = False
        self.before: tuple[Lease, ...] = ()
        self.by_volume = False
        #: Whether a release may still be carried out, which would hit a new lease of the same address.
        self.release_in_flight = False
        #: The names of leases that were reported as released, and that the vendor's list still showed at the end.
        self.unconfirmed: set[str] = set()
        self._began = self.now()

    @property
    def names(self) -> frozenset[str]:
        """The names of the held leases."""
        return frozenset(self.held)

    def refresh(self, doubted: Collection[str] = ()) -> None:
        """Read what is held now. For ``doubted`` leases, whose release was reported, the vendor's list decides."""
        self.held = {lease.name: lease for lease in self.api.list(doubted=doubted)}

    def load_cached(self, max_age: float) -> None:
        """Use a list that any run read at most ``max_age`` seconds ago, or read it for all later ones."""
        cached = self.store.cached_leases(max_age)
        if cached is None:
            with self.api.key_lock("reading"):
                # Another run may have read it while this one waited.
                cached = self.store.cached_leases(max_age)
                if cached is None:
                    began = self.now()
                    rows = [(lease.task_id, lease.vendor) for lease in self.api.list()]
                    self.store.cache_leases(rows, began)
                    cached = self.now(), rows
        at, rows = cached
        self.held = {lease.name: lease for lease in (self.api.restore(vendor, task_id) for task_id, vendor in rows)}
        for lease in self.ended(self.held.values(), at):
            del self.held[lease.name]

    def ended(self, leases: Iterable[Lease], since: float | None = None, now: float | None = None) -> list[Lease]:
        """Those that were held at a time (default: when this run began), and ended by themselves after it until now."""
        if not self.features.ends_at_deadline:
            return []
        clock = self.api.vendor_clock
        since, now = clock.at(self._began if since is None else since), clock.now() if now is None else now
        return [lease for lease in leases if lease.has_ended_since(since, now)]

    @contextlib.contextmanager
    def recorded(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """The same; no other run uses a list that it read before the call has ended."""
        self.has_written = True
        self.store.invalidate()
        try:
            with super().recorded(*args, **kwargs):
                yield
        finally:
            self.discard_cache()

    def discard_cache(self) -> None:
        """Discard the cached list after a call. A failure of the state store must not hide what was paid for."""
        with contextlib.suppress(StateError):
            self.store.invalidate()

    def gone(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that are no longer held."""
        return [lease for lease in leases if lease.name not in self.held]

    def add_new(self, leases: Iterable[Lease]) -> None:
        """Keep leases that a response reported as new."""
        taken = {lease.name: lease for lease in leases}
        # At once, so that an error of the state store does not hide what was paid for.
        self.new.update(taken)
        self.held.update(taken)

    def adopt(self, known: Collection[str], asked: int, origin: Origin, params: AllocationParams) -> int:
        """Adopt what the last reading shows beside the known leases, and save its origin; returns how many."""
        fresh = [self.held[name] for name in self.new_since(known)]
        self.new.update({lease.name: lease for lease in fresh})
        self.save_origin(fresh, asked, origin)
        clock = self.api.vendor_clock
        remaining = [seconds for lease in fresh if (seconds := lease.remaining(clock.now())) is not None]
        if remaining:
            self.store.save_lifetime(params.keep_alive, max(remaining), is_certain=clock.is_known)
        return len(fresh)

    @contextlib.contextmanager
    def adopting(self, known: Collection[str], asked: int, origin: Origin, params: AllocationParams) -> Iterator[None]:
        """Adopt what the list has shown in the body, also if it cannot be read again: what is paid for is returned."""
        try:
            yield
        finally:
            self.adopt(known, asked, origin, params)

    def origins(self) -> dict[str, Origin]:
        """The origin of each task that was leased by this control node."""
        return {task: Origin(*row) for task, row in self.store.origins().items()}

    def save_origin(self, fresh: Iterable[Lease], asked: int, origin: Origin) -> None:
        """Save what new leases were requested with."""
        tasks = Counter(lease.task_id for lease in fresh)
        # A task with more leases than were requested belongs to another client.
        own = [task for task, size in tasks.items() if task and size <= asked]
        self.store.save_origin(own, origin.area_id, origin.isp, origin.successor_of)

    def report_replaced(self, number: int, known: Collection[str]) -> bool:
        """Record that the known leases are gone if as many were replaced. Of fewer, the vendor does not say which."""
        if number < len(known):
            return False
        self.api.report_released(known)
        return True

    def finish_replacement(self, continued: Collection[int]) -> None:
        """Record that the replacement of this run, and those with these records that it continued, are complete."""
        if self.features.replace:
            self.calls.mark_reported(*self.pending.pop(self.features.replace, []))
        self.calls.resolve(*continued)

    def quota(self) -> Quota | None:
        return self.api.quota()

    @property
    def in_use(self) -> int:
        # What has ended gave its channel back, also if the list still shows it. What may have must hide no lost lease.
        return len(self.held) - len(self.ended(self.held.values(), now=self.api.vendor_clock.latest()))

    def balance(self, quota: Quota) -> int:
        """The channels that are free or carry a listed lease; of a plan by volume, what was left before this run."""
        if quota.balance is None:
            return quota.available + self.in_use
        return quota.available + len(self.new.keys() | self.new_since({lease.name for lease in self.before}))

    def wait_for_channels(self, wanted: int, *, wait: bool) -> Quota | None:
        """Return the quota, with ``wait`` once it has room for N more leases, or when it certainly will not."""
        until = self.now() + self.policy.channel_wait
        while True:
            quota = self.quota()
            if quota is None:
                return None
            self.balance_before = self.balance(quota)
            self.by_volume = quota.balance is not None
            # No channel that becomes free makes room for more than there are beside those that are held.
            hopeless = wanted > quota.total - len(self.held) or not self.may_free_channels() or self.now() >= until
            if quota.available >= wanted or not wait or hopeless:
                return quota
            try:
                self.wait_for_channel()
            except WaitBudgetExceeded:
                return quota

    def may_free_channels(self) -> bool:
        """Whether a channel may become free soon: leases were released, or have ended since this run began."""
        return self.api.released_recently() or bool(self.ended(self.before))

    def wait_for_channel(self) -> None:
        """Wait before the next check for a free channel."""
        interval = self.policy.channel_poll_interval
        self.api.budget.wait(interval, "a released channel is not free yet", self.features.get)

    @property
    def lasting_balance(self) -> int | None:
        """Of a plan by volume, the balance does not show later which of its leases have ended since."""
        return None if self.by_volume else self.balance_before

    def quota_shows_unlisted(self, known: Collection[str], asked: int) -> bool:
        """Whether channels stay taken by leases that the list does not show, for as long as the list may lag.

        False as soon as the list shows all that were asked for, or accounts for all channels. Without a quota, only the
        list can show anything, and is polled for as long.
        """
        for delay in self.policy.lag_delays:
            if delay and self.poll_new(known, asked, [delay]):
                return False
            quota = self.quota()
            if quota is None:
                self.poll_new(known, asked, self.policy.lag_delays[1:])
                return False
            expected = quota.total if self.balance_before is None else self.balance_before
            if self.balance(quota) >= expected:
                return False
        return True

    def poll_new(self, known: Collection[str], asked: int, delays: Iterable[float]) -> bool:
        """Read the list after each delay until it shows all that were asked for; whether it does.

        It may show one after the other, and a lease of another client before them.
        """
        return self.poll(lambda: len(self.new_since(known)) >= asked, delays)


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
    warnings: tuple[str, ...] = ()
    error: QgError | None = None

    @contextlib.contextmanager
    def completed(self, session: LeaseSession, candidates: Collection[Lease]) -> Iterator[None]:
        """Complete the result with what the calls in the body did, also if they fail.

        The ``candidates`` are the leases that may have been released.
        """
        try:
            yield
        except QgError as error:
            self.error = error
        self.after = tuple(session.held.values())
        self.allocated = tuple(oldest_first(session.new.values()))
        self.released = tuple(oldest_first(session.gone(candidates)))
        unconfirmed = [lease for lease in self.released if lease.name in session.unconfirmed]
        if unconfirmed:
            text = (
                f"The vendor reported the release of {format_leases(unconfirmed)}, its list still shows them, and "
                "max_wait leaves no time to read it again. Raise max_wait to have the release confirmed."
            )
            self.warnings = (text,)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run for the leases of a key: the held leases, and those that are new since the run began."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease, Quota, oldest_first
from .._core.errors import QgError, WaitBudgetExceeded
from .._reconcile.held_leases import ends, is_among
from .._reconcile.session import Session
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy
from .lease_facts import LeaseFacts
from .plan import Origin, format_leases

#: The operations in the journal. An interrupted replacement whose result is known is continued by a run with the same
#: request. A finished one was reported to the user.
ALLOCATE, REPLACE, RELEASE = "allocate", "replace", "release"
INTERRUPTED_REPLACE, FINISHED_REPLACE = "interrupted replace", "finished replace"


class LeaseSession(Session[Lease]):
    """The leases of a key. Use it under :meth:`.KeyClient.key_lock`.

    ``held`` are the leases of the last list, with reported changes, ``before`` those of the first list. ``new`` are the
    leases that were added since then.
    """

    api: Leases
    policy: LeasePolicy
    noun = "leases"
    listing = "the list of leases"
    advice = "Check with `ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before you run this again."

    def __init__(self, backend: LeaseBackend, policy: LeasePolicy = DEFAULT_POLICY) -> None:
        super().__init__(backend.client, policy, backend.features.list, backend.held.journal)
        self.features = backend.features
        #: The vendor's list, corrected by the journal.
        self.listed = backend.held
        self.facts = LeaseFacts(backend.client.caller.host_facts)
        self.new: dict[str, Lease] = {}
        self.has_written = False
        self.before: tuple[Lease, ...] = ()
        self.by_volume = False
        #: Whether a release is in flight, which would also release a new lease with the same address.
        self.release_in_flight = False
        #: The names of leases that were reported as released, and that the vendor's list still showed at the end.
        self.unconfirmed: set[str] = set()
        self._began = self.now()

    @property
    def names(self) -> frozenset[str]:
        """The names of the held leases."""
        return frozenset(self.held)

    def refresh(self, doubted: Collection[str] = ()) -> None:
        """Read the held leases. For ``doubted`` leases, ignore reported releases: only the vendor's list counts."""
        self.read_at = self.now()
        self.held = {lease.name: lease for lease in self.listed.read(doubted=doubted)}

    def ended(self, leases: Iterable[Lease], since: float | None = None, now: float | None = None) -> list[Lease]:
        """Return the leases whose deadline has passed between ``since`` (default: the start of the run) and ``now``."""
        if not self.features.ends_at_deadline:
            return []
        clock = self.api.caller.vendor_clock
        since, now = clock.at(self._began if since is None else since), clock.now() if now is None else now
        return [lease for lease in leases if lease.has_ended_since(since, now)]

    def invalidate(self) -> None:
        """Discard cached lists, and those that are being read."""
        self.has_written = True
        self.facts.invalidate()

    def gone(self, leases: Iterable[Lease]) -> list[Lease]:
        """Return the leases that are no longer held."""
        return [lease for lease in leases if lease.name not in self.held]

    def new_since(self, known: Collection[str], before: int | None = None) -> list[str]:
        """Leave out what was paid for ``before`` a call, by default the first open one: a list may have lacked it."""
        fresh = super().new_since(known)
        doubted = {self.held[name].server for name in fresh if name not in self.new}
        if not doubted:
            return fresh
        first = min((number for numbers in self.pending.values() for number in numbers), default=None)
        earlier = self.journal.read().received_before(first if before is None else before, doubted)
        return [name for name in fresh if name in self.new or not is_among(self.held[name], earlier)]

    def add_new(self, operation: str, leases: Sequence[Lease]) -> None:
        """Add leases that the response to the last call of an operation reported as new."""
        added = {lease.name: lease for lease in leases}
        # Before the state is used, since its failure must not hide paid leases.
        self.new.update(added)
        self.held.update(added)
        self.listed.report_new(self.last(operation), leases)

    def settle_paid(self, operation: str, known: Collection[str]) -> None:
        """Settle all calls of an operation of this run, which have paid for the leases that are not ``known``."""
        self.settle(operation, ends(self.held[name] for name in self.new_since(known)))

    def adopt(self, known: Collection[str], asked: int, origin: Origin, params: AllocationParams) -> int:
        """Add the unknown leases of the last reading to ``new``, and store their origin; returns their number."""
        fresh = [self.held[name] for name in self.new_since(known)]
        self.new.update({lease.name: lease for lease in fresh})
        self.save_origin(fresh, asked, origin)
        clock = self.api.caller.vendor_clock
        remaining = [seconds for lease in fresh if (seconds := lease.remaining(clock.now())) is not None]
        if remaining:
            self.facts.save_lifetime(params.keep_alive, max(remaining), is_certain=clock.is_known)
        return len(fresh)

    @contextlib.contextmanager
    def adopting(self, known: Collection[str], asked: int, origin: Origin, params: AllocationParams) -> Iterator[None]:
        """Adopt new leases after the body, even if it raises: paid leases must be returned."""
        try:
            yield
        finally:
            self.adopt(known, asked, origin, params)

    def save_origin(self, fresh: Iterable[Lease], asked: int, origin: Origin) -> None:
        """Store the parameters of new leases."""
        tasks = Counter(lease.task_id for lease in fresh)
        # A task with more leases than were requested belongs to another client.
        own = [task for task, size in tasks.items() if task and size <= asked]
        self.facts.save_origin(own, origin)

    def report_replaced(self, call: int, number: int, known: Collection[str]) -> bool:
        """Record the known leases as released if all were replaced: otherwise the response does not show which."""
        if number < len(known):
            return False
        self.listed.report_gone(call, known)
        return True

    def finish_replacement(self, continued: Collection[int]) -> None:
        """Record that this run has reported its replacement, and settle the records of those that it ``continued``.

        A list may still show the old leases, so later runs wait for it.
        """
        for number in self.pending.pop(REPLACE, []):
            self.journal.rename(number, FINISHED_REPLACE)
        self.journal.settle(*continued)

    def confirm_list(self, quota: Quota | None = None, *, advice: str = "") -> Quota | None:
        quota = super().confirm_list(quota or self.quota(), advice=advice)
        if quota is not None:
            self.balance_before = self.balance(quota)
        return quota

    def quota(self) -> Quota | None:
        return self.api.lease_quota()

    @property
    def in_use(self) -> int:
        # An ended lease uses no channel, even if it is still listed. In doubt it has ended, so that it hides no lease.
        return len(self.held) - len(self.ended(self.held.values(), now=self.api.caller.vendor_clock.latest()))

    def balance(self, quota: Quota) -> int:
        """Return the channels that are free or have a listed lease; for a plan by volume, that before this run."""
        if quota.balance is None:
            return quota.available + self.in_use
        return quota.available + len(self.new.keys() | self.new_since({lease.name for lease in self.before}))

    def wait_for_channels(self, wanted: int, *, wait: bool) -> Quota | None:
        """Return the quota; with ``wait``, wait until N channels are free, or until none can become free."""
        until = self.now() + self.policy.channel_wait
        while True:
            quota = self.quota()
            if quota is None:
                return None
            self.balance_before = self.balance(quota)
            self.by_volume = quota.balance is not None
            # The channels of held leases do not become free.
            hopeless = wanted > quota.total - len(self.held) or not self.may_free_channels() or self.now() >= until
            if quota.available >= wanted or not wait or hopeless:
                return quota
            try:
                self.wait_for_channel()
            except WaitBudgetExceeded:
                return quota

    def may_free_channels(self) -> bool:
        """Whether a channel may become free soon: leases were released recently, or have ended during this run."""
        return self.api.released_recently() or bool(self.ended(self.before))

    def wait_for_channel(self) -> None:
        """Wait before the next check for a free channel."""
        interval = self.policy.channel_poll_interval
        self.api.caller.budget.wait(interval, "a released channel is not free yet", self.features.allocate)

    @property
    def lasting_balance(self) -> int | None:
        """The balance before this run; None for a plan by volume, since leases end without changing its balance."""
        return None if self.by_volume else self.balance_before

    def counts_unlisted(self) -> bool:
        """Whether the quota counts more leases than the last list shows."""
        quota = self.quota()
        if quota is None:
            return False
        expected = quota.total if self.balance_before is None else self.balance_before
        return self.balance(quota) < expected

    def poll_new(self, known: Collection[str], asked: int, delays: Iterable[float]) -> bool:
        """Read the list after each delay until it shows all requested leases; returns whether it does.

        New leases may appear one after the other, and a lease of another client may appear before them.
        """
        return self.poll(lambda: len(self.new_since(known)) >= asked, delays)


@dataclass
class LeaseResult:
    """The leases before and after a run, and its changes. With an ``error``, the other fields are still correct.

    ``allocated`` are all leases that are new since the first reading, ``released`` those that this run released.
    ``missing`` is the number of leases that are still missing, or that a run without check mode would allocate.
    """

    before: tuple[Lease, ...] = ()
    after: tuple[Lease, ...] = ()
    leases: tuple[Lease, ...] = ()
    allocated: tuple[Lease, ...] = ()
    released: tuple[Lease, ...] = ()
    missing: int = 0
    quota: Quota | None = None
    warnings: tuple[str, ...] = ()
    #: The leases whose interrupted replacement this run continued.
    continued: tuple[Lease, ...] = ()
    error: QgError | None = None

    @contextlib.contextmanager
    def completed(self, session: LeaseSession, candidates: Collection[Lease]) -> Iterator[None]:
        """Add the effects of the calls in the body to the result, even if they fail.

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

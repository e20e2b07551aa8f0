# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One run for one key: what the key holds, and the paid calls whose result is unknown."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from .._api.leases import Quota
from .._core.errors import CallError, QgError, UncertainOutcomeError
from .._core.waiting import WaitBudget
from .._store.paid_calls import UNRESOLVED_TTL, PaidCall, PaidCalls
from .._store.rate_limiter import RateLimiter
from .._store.vendor_clock import VendorClock
from .lost_response import uncertain_outcome
from .retry_policy import RetryPolicy

R = TypeVar("R")


class KeyApi(Protocol):
    """What the client of any API offers for a key."""

    budget: WaitBudget
    rate_limiter: RateLimiter
    key_digest: str
    max_attempts: int
    vendor_clock: VendorClock

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""


class Session(abc.ABC, Generic[R]):
    """One run for one key. ``held`` are the resources that the key holds by name, as far as is known."""

    #: How messages name the vendor's list, and how a user finds out what the key holds.
    listing = "the list"
    advice = ""

    def __init__(self, api: KeyApi, policy: RetryPolicy, list_call: str) -> None:
        self.api = api
        self.policy = policy.limited_to(api.max_attempts)
        self.list_call = list_call
        self.now = api.rate_limiter.state.now
        self.calls = PaidCalls(api.rate_limiter.state, api.key_digest)
        self.held: dict[str, R] = {}
        #: The numbers of the recorded calls of this run whose result is unknown, by the names of the calls.
        self.pending: dict[str, list[int]] = {}
        #: The balance of the quota and the list before this run pays.
        self.balance_before: int | None = None

    @abc.abstractmethod
    def refresh(self) -> None:
        """Read what is held now."""

    @abc.abstractmethod
    def quota(self) -> Quota | None:
        """Read the quota; None if the plan has none."""

    @abc.abstractmethod
    def balance(self, quota: Quota) -> int:
        """A figure that decreases when the quota counts a resource that the last list does not show."""

    @property
    def in_use(self) -> int:
        """How many channels the listed resources take."""
        return len(self.held)

    def unlisted(self, quota: Quota | None) -> int:
        """How many channels the quota counts in use beyond the listed resources; 0 for a plan without channels."""
        # The quota of such a plan is a balance, or counts something else.
        has_channels = quota is not None and quota.balance is None and quota.total > 0
        return max(0, quota.used - self.in_use) if quota and has_channels else 0

    @property
    def lasting_balance(self) -> int | None:
        """The balance before this run pays, if a later run can compare its own with it."""
        return self.balance_before

    def exceeds_list(self, balance: int | None) -> bool:
        """Whether the quota counts more than the list shows, compared with this balance; False if that is unknown."""
        quota = None if balance is None else self.quota()
        return quota is not None and balance is not None and self.balance(quota) < balance

    def new_since(self, known: Collection[str]) -> list[str]:
        """The names of the held resources beside the known ones."""
        return [name for name in self.held if name not in known]

    def wait(
        self,
        seconds: float,
        reason: str,
        call: str,
        *,
        remaining: float | None = None,
        examine: Callable[[], str] | None = None,
    ) -> float:
        """Wait, but only for the rest of max_wait if that is less; returns for how long.

        So the last read comes when max_wait is used up, and not one interval before. ``remaining`` and ``examine`` are
        those of :meth:`WaitBudget.wait`.
        """
        rest = self.api.budget.max_wait - self.api.budget.waited
        seconds = min(seconds, rest) if rest > 0 else seconds
        self.api.budget.wait(seconds, reason, call, remaining=remaining, examine=examine)
        return seconds

    def poll(
        self, is_shown: Callable[[], bool], delays: Iterable[float], read: Callable[[], None] | None = None
    ) -> bool:
        """Read the list after each delay until ``is_shown``, which is returned; ``read`` replaces :meth:`refresh`."""
        read = read or self.refresh
        for delay in delays:
            if delay:
                self.wait(delay, f"{self.listing} may lag", self.list_call)
            read()
            if is_shown():
                return True
        return False

    @contextlib.contextmanager
    def recorded(
        self,
        call: str,
        wanted: int,
        known: Collection[str],
        request: Mapping[str, Any],
        may_have_effect: Callable[[CallError], bool] = lambda error: error.may_have_effect,
    ) -> Iterator[None]:
        """Record a paid call from before it is sent until its result is known, to keep later runs from paying again.

        Only a call that certainly had no effect is resolved at once. The others are, by :meth:`resolve`, as soon as
        their effect is known.
        """
        number = self.calls.record(
            call,
            wanted=wanted,
            known=known,
            request=request,
            balance=self.lasting_balance,
            timeout=self.api.timeout,
        )
        pending = self.pending.setdefault(call, [])
        pending.append(number)
        try:
            yield
        except CallError as error:
            if not may_have_effect(error):
                pending.remove(number)
                self.calls.resolve(number)
            raise

    def resolve(self, call: str) -> None:
        """Resolve all calls of this run with this name: their results are known."""
        self.calls.resolve(*self.pending.pop(call, []))

    def wait_until_settled(
        self, call: PaidCall, is_shown: Callable[[], bool], read: Callable[[], None] | None = None
    ) -> None:
        """Wait until the list shows what a call of an earlier run did, or must show it."""
        while not is_shown() and (left := call.settles_in(self.now())) > 0:
            seconds = min(self.policy.poll_interval, left)
            self.wait(seconds, "a call of an earlier run is under way", call.endpoint, remaining=left)
            (read or self.refresh)()

    def is_recent(self, call: PaidCall) -> bool:
        """Whether a call of an earlier run still counts beside what the list shows."""
        return call.age(self.now()) < UNRESOLVED_TTL

    def uncertain(
        self, error: QgError | None, what: str, reason: str, *, advice: str | None = None, **details: Any
    ) -> UncertainOutcomeError:
        """The error for a call whose effect is unknown."""
        return uncertain_outcome(error, what, reason, listing=self.listing, advice=advice or self.advice, **details)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of a run for one key: the held resources, and the calls that are not over."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from .._api.lease_client import Leases
from .._api.leases import Quota
from .._api.monopolies import Monopolies
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._store.journal import Journal
from .._store.journal_rows import UNRESOLVED_TTL, Call, JournalRow
from .lost_response import uncertain_outcome
from .recording import Recorded
from .retry_policy import RetryPolicy

R = TypeVar("R")


class Session(abc.ABC, Generic[R]):
    """One run for one key. ``held`` are the known resources of the key, by name."""

    #: The names of resources and of their list in messages, and the advice how to check the resources of the key.
    noun = "resources"
    listing = "the list"
    advice = ""

    def __init__(self, api: Leases | Monopolies, policy: RetryPolicy, list_call: str, journal: Journal) -> None:
        self.api = api
        self.policy = policy.limited_to(api.caller.max_attempts)
        self.list_call = list_call
        self.now = api.caller.rate_limiter.state.now
        self.journal = dataclasses.replace(journal, caps=policy.caps)
        self.held: dict[str, R] = {}
        #: The state time at which the last list was requested.
        self.read_at = self.now()
        #: The numbers of the recorded calls of this run that are not over, by their operations.
        self.pending: dict[str, list[int]] = {}
        #: The balance (see :meth:`balance`) before this run pays.
        self.balance_before: int | None = None

    @abc.abstractmethod
    def refresh(self) -> None:
        """Read the held resources."""

    @abc.abstractmethod
    def quota(self) -> Quota | None:
        """Read the quota; None if the plan has none."""

    @abc.abstractmethod
    def balance(self, quota: Quota) -> int:
        """Return a number that decreases if the quota counts a resource that the last list does not show."""

    @property
    def in_use(self) -> int:
        """The number of channels that the listed resources use."""
        return len(self.held)

    def unlisted(self, quota: Quota | None) -> int:
        """Return the number of used channels without a listed resource; 0 for a plan without channels."""
        # The quota of a plan without channels is a balance, or counts something else.
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

    def confirm_list(self, quota: Quota | None = None, *, advice: str = "") -> Quota | None:
        """Read list and quota until they agree, and return the quota, before anything is paid for.

        The vendor's list may lag or be wrong, and resources that it omits would be paid for again. They have as long as
        the list may lag, but no longer than max_wait. Otherwise it raises UncertainOutcomeError, with this ``advice``.
        """
        delays = list(self.policy.lag_delays)
        limit = f"this has not changed for {sum(delays):.0f} seconds"
        while (excess := self.unlisted(quota)) and delays:
            try:
                if delay := delays.pop(0):
                    self.wait(delay, f"the quota counts more {self.noun} than {self.listing}", self.list_call)
                self.refresh()
                if self.unlisted(quota):
                    quota = self.quota()
            except WaitBudgetExceeded:
                limit = "max_wait ends before they must agree"
                break
        if excess:
            raise UncertainOutcomeError(
                f"Whether the key holds {excess} more {self.noun} than {self.listing} shows is unknown: the quota "
                f"counts {excess} more in use, and {limit}. Nothing was paid for. {advice}{self.advice}",
                endpoint=self.list_call,
            )
        return quota

    def new_since(self, known: Collection[str]) -> list[str]:
        """Return the names of the held resources that are not ``known``."""
        return [name for name in self.held if name not in known]

    def wait(
        self,
        seconds: float,
        reason: str,
        call: str,
        *,
        examine: Callable[[], str] | None = None,
    ) -> float:
        """Wait, at most for the remaining max_wait, so that the last read is at its end; returns the seconds waited.

        ``examine`` is that of :meth:`WaitBudget.wait`.
        """
        rest = self.api.caller.budget.max_wait - self.api.caller.budget.waited
        seconds = min(seconds, rest) if rest > 0 else seconds
        self.api.caller.budget.wait(seconds, reason, call, examine=examine)
        return seconds

    def poll(
        self, is_shown: Callable[[], bool], delays: Iterable[float], read: Callable[[], None] | None = None
    ) -> bool:
        """Read the list after each delay until ``is_shown``; returns whether it is. ``read`` replaces ``refresh``."""
        read = read or self.refresh
        for delay in delays:
            if delay:
                self.wait(delay, f"{self.listing} may lag", self.list_call)
            read()
            if is_shown():
                return True
        return False

    def recorded(
        self, call: Call, may_have_effect: Callable[[CallError], bool] = lambda error: error.may_have_effect
    ) -> AbstractContextManager[None]:
        """Record a call before it is sent, so that later runs know of it.

        If it certainly had no effect, it is over at once. Otherwise, call :meth:`settle` once its effect is known.
        """
        pending = self.pending.setdefault(call.operation, [])
        call = dataclasses.replace(call, timeout=self.api.caller.timeout)
        return Recorded(self.journal, call, pending, may_have_effect, self.invalidate)

    def invalidate(self) -> None:
        """Discard what other processes have read: a call may have changed it, or is about to."""

    def last(self, operation: str) -> int:
        """Return the number of the last call of this operation, which was answered."""
        return self.pending[operation][-1]

    def settle(self, operation: str, found: Mapping[str, str | None] | None = None) -> None:
        """Settle all calls of an operation of this run, which have paid for what was ``found``."""
        self.journal.settle(*self.pending.pop(operation, []), found=found)

    def receive(self, operation: str, found: Mapping[str, str | None]) -> None:
        """Record what the calls of an operation of this run have paid for; they are not over."""
        self.journal.receive(self.pending.get(operation, []), found)

    def wait_until_settled(
        self, call: JournalRow, is_shown: Callable[[], bool], read: Callable[[], None] | None = None
    ) -> None:
        """Wait until the list shows the effect of an earlier run's call, or can no longer lag behind it."""
        # A process may be suspended after it has read the list.
        while not is_shown() and (left := call.settles_in(self.read_at)) > 0:
            seconds = min(self.policy.poll_interval, left)
            self.wait(seconds, "a call of an earlier run is under way", call.endpoint)
            (read or self.refresh)()

    def is_recent(self, call: JournalRow) -> bool:
        """Whether a call of an earlier run still counts in addition to the list."""
        return call.age(self.now()) < UNRESOLVED_TTL

    def uncertain(
        self, error: QgError | None, what: str, reason: str, *, advice: str | None = None, **details: Any
    ) -> UncertainOutcomeError:
        """Return the error for a call whose effect is unknown."""
        return uncertain_outcome(error, what, reason, listing=self.listing, advice=advice or self.advice, **details)

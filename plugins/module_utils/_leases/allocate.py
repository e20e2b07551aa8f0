# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Allocate leases: a paid call, which is not repeated while its effect is unknown."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager
from functools import partial

from .._api.leases import AllocationParams
from .._core.errors import CallError, Effect, QgError, UncertainOutcomeError
from .._core.text import counted
from .._reconcile.lost_response import PARTIAL, Creation
from .._store.journal_rows import Call
from .backend import is_refused
from .plan import Origin
from .session import ALLOCATE, LeaseSession


def allocate(session: LeaseSession, number: int, params: AllocationParams) -> None:
    """Allocate N more leases. ``session.new`` contains the allocated ones, even if this raises."""
    if session.release_in_flight:
        params = dataclasses.replace(params, distinct=True)
    until, missing = session.now() + session.policy.channel_wait, number
    while missing > 0:
        asked = min(missing, session.features.max_per_call)
        allocation = Allocation(session, asked, params, Origin(params.areas, params.isp), until)
        allocation.converge(session.policy.max_attempts - 1)
        session.settle_paid(ALLOCATE, allocation.known)
        missing -= allocation.found


@dataclasses.dataclass
class Allocation(Creation):
    """One call for ``asked`` leases, which may wait ``until`` then for a released channel."""

    session: LeaseSession
    asked: int
    params: AllocationParams
    origin: Origin
    until: float

    def __post_init__(self) -> None:
        self.known = self.session.names

    @property
    def found(self) -> int:
        """The number of new leases since the call was first sent."""
        return len(self.session.new_since(self.known))

    def pay(self) -> None:
        """Send the call; repeat it while a released channel is not free yet."""
        session = self.session
        while True:
            try:
                self._send()
                return
            except CallError as error:
                # After a lost response, the state is not asked: its failure would hide the call.
                if not is_refused(error, session.features.no_free_channel):
                    raise
                if session.now() >= self.until or not session.may_free_channels():
                    raise
            session.wait_for_channel()

    def _send(self) -> None:
        session = self.session
        request = {"origin": vars(self.origin), "terms": self.params.as_json()}
        call = Call(
            *(ALLOCATE, session.features.allocate, session.names, request, self.asked),
            witness=session.lasting_balance,
            buys=self.asked,
        )
        leases = session.api.allocate(self.asked, self.params, sending=partial(session.recorded, call))
        session.add_new(ALLOCATE, leases)
        self.adopt_new()
        if self.found < self.asked:
            # The response may omit leases that were allocated, and must not be allocated again.
            session.refresh()
            balance = session.balance_before
            # Without a quota, only the list can show them, as soon as it no longer lags.
            has_more = self.found < self.asked and (balance is None or session.exceeds_list(balance))
            if has_more and not self._shows_all() and session.counts_unlisted():
                raise self.uncertain(None, PARTIAL)
            self.adopt_new()
        session.settle_paid(ALLOCATE, self.known)

    def is_verifiable(self, error: CallError) -> bool:
        """Whether to verify the effect: the vendor did not refuse the call."""
        return error.may_have_effect

    def find_new(self, error: CallError | None) -> bool:
        """After a failure, read the list until it shows all requested leases. A success may return fewer.

        The list has as long as it may lag. A quota proves nothing before: it may lag as the list does.
        """
        if error is None:
            return self.adopt_new()
        with self._adopting():
            return self._shows_all()

    def _shows_all(self) -> bool:
        return self.session.poll_new(self.known, self.asked, self.session.policy.lag_delays)

    def adopt_new(self) -> bool:
        return bool(self.session.adopt(self.known, self.asked, self.origin, self.params))

    def _adopting(self) -> AbstractContextManager[None]:
        return self.session.adopting(self.known, self.asked, self.origin, self.params)

    def has_unlisted(self, error: CallError) -> bool:
        unlisted = self.session.counts_unlisted()
        if 0 < self.found < self.asked and (unlisted or error.effect is Effect.IN_FLIGHT):
            raise self.uncertain(error, PARTIAL)
        return unlisted

    def is_lost(self, error: CallError) -> bool:
        """Whether the call may have allocated leases: not if the vendor reported that the allocation failed."""
        return error.may_have_effect and not is_refused(error, self.session.features.failed)

    def may_follow_lost(self, error: CallError) -> bool:
        return is_refused(error, self.session.features.maybe_own_effect)

    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        return self.session.uncertain(error, f"{counted(self.asked, 'address', 'were')} leased", reason)

    def exhausted(self, error: CallError, attempts: int) -> QgError:
        sent = counted(attempts, "attempt") if attempts > 1 else "it"
        return QgError(f"{error.message} After {sent}, the list of leases shows nothing new.", **error.details)

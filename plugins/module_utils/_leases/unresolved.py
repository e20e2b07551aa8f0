# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paid calls of earlier runs that ended before their results were known.

This file is private to the collection. A later run waits until the list must show what such a call has done, adopts
it, and continues an interrupted replacement instead of paying again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._api.classic.models import AllocationParams, Lease
from .._core.errors import QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._reconcile.lost_response import UNLISTED
from .._store.paid_calls import UNRESOLVED_TTL, PaidCall
from .plan import Origin
from .view import LeaseView, uncertain

#: The name in the state store of a replacement by release and allocation.
_RELEASE_AND_ALLOCATE = "release and allocate"
#: The name of an interrupted replacement whose result is known: a run that requests the same continues it.
_INTERRUPTED_REPLACE = "replace, interrupted"


class EarlierCalls:
    """The recorded calls of earlier runs, and those that this run continues."""

    def __init__(self, view: LeaseView) -> None:
        self._view = view
        #: The numbers of the records of replacements that this run has begun or continues.
        self._continued: list[int] = []

    def resolve(self, *, wait: bool) -> None:
        """Determine the results of all calls of earlier runs, with ``wait`` once none can be under way any more."""
        features = self._view.features
        for call in self._view.calls.unresolved(features.allocate, features.replace, features.release):
            self._resolve(call, wait)

    def _resolve(self, call: PaidCall, wait: bool) -> None:
        view = self._view
        is_release = call.endpoint == view.features.release
        doubted = call.known if is_release else ()
        if doubted:
            view.refresh(doubted)
        # Counted by the waits, which no change of the clock makes longer.
        left = call.settles_in(view.now())
        while not self._shows_result(call) and left > 0:
            if not wait:
                return
            delay = min(view.policy.poll_interval, left)
            try:
                view.api.budget.wait(delay, "a call of an earlier run is under way", call.endpoint)
            except WaitBudgetExceeded:
                reason = f"{{list}} may show it within {left:.0f} seconds, but max_wait ends before that."
                raise self._uncertain(call, reason) from None
            left -= delay
            view.refresh(doubted)
        if doubted:
            # The list has had its time, and decides.
            view.api.forget_leases(doubted)
        fresh = [lease for lease in view.held.values() if lease.name not in call.known]
        recent = call.age(view.now()) < UNRESOLVED_TTL
        if recent and not self._shows_result(call) and view.quota_exceeds_list(call.in_use):
            raise self._uncertain(call, UNLISTED)
        if not is_release and not call.finished:
            known = view.store.origins()
            view.save_origin([one for one in fresh if one.task_id not in known], call.wanted, _origin(call))
            first = {lease.identity for lease in view.before}
            view.new.update({lease.identity: lease for lease in fresh if lease.identity not in first})
        if call.endpoint == view.features.replace and recent and not call.finished:
            # A run that requests the same continues it, and does not pay again.
            view.calls.rename(call.id, _INTERRUPTED_REPLACE)
        else:
            view.calls.resolve(call.id)

    def _shows_result(self, call: PaidCall) -> bool:
        """Whether the list shows all that a call may have done."""
        view = self._view
        if call.endpoint == view.features.release:
            return view.names.isdisjoint(call.known)
        if len(view.names - call.known) < call.wanted:
            return False
        if call.endpoint == view.features.allocate:
            return True
        if call.known & view.names and view.report_replaced(call.wanted, call.known):
            view.refresh()
        return len(call.known - view.names) >= min(call.wanted, len(call.known))

    def _uncertain(self, call: PaidCall, reason: str) -> UncertainOutcomeError:
        what = (
            f"{len(call.known)} leases were released"
            if call.endpoint == self._view.features.release
            else f"{call.wanted} addresses were leased"
        )
        age = call.age(self._view.now())
        error = QgError(
            f"An earlier run sent {call.endpoint} {age:.0f} seconds ago and ended before its result was known.",
            endpoint=call.endpoint,
        )
        return uncertain(error, what, reason)

    def record_replacement(self, named: Sequence[Lease], params: AllocationParams) -> None:
        """Record which leases are about to be replaced one by one, for a later run that has to continue."""
        view = self._view
        request = {"terms": vars(params), "named": [[lease.task_id, dict(lease.vendor)] for lease in named]}
        number = view.calls.record(
            _RELEASE_AND_ALLOCATE, wanted=len(named), known=view.names, request=request, in_use=None, timeout=0
        )
        self._continued.append(number)

    def interrupted_replacements(
        self, chosen: Callable[[Lease], bool], params: AllocationParams
    ) -> tuple[int, frozenset[str]]:
        """Continue the interrupted runs that replaced such leases by release and allocation.

        Returns how many successors are missing, and the names of those that are held. Every lease that came since then
        counts as a successor, so that none is paid for twice.
        """
        view = self._view
        missing, successors = 0, frozenset[str]()
        for call in self._recent(_RELEASE_AND_ALLOCATE):
            named = [Lease.from_item(item, task) for task, item in call.request["named"]]
            own = [lease for lease in named if chosen(lease) and (lease.remaining(view.now()) or 1) > 0]
            if own and call.request["terms"] == vars(params):
                fresh = view.names - call.known
                missing += max(0, len(view.gone(own)) - len(fresh))
                successors |= fresh
                self._continued.append(call.id)
        return missing, successors

    def interrupted_replace_calls(self, number: int | None, params: AllocationParams) -> list[PaidCall]:
        """Continue the interrupted runs that let the vendor replace as many leases; returns their calls."""
        earlier = [
            call
            for call in self._recent(_INTERRUPTED_REPLACE)
            if (call.request["number"], call.request["terms"]) == (number, vars(params))
        ]
        self._continued += [call.id for call in earlier]
        return earlier

    def _recent(self, name: str) -> list[PaidCall]:
        """The replacements of earlier runs that this one may continue."""
        view = self._view
        calls = view.calls.unresolved(name)
        view.calls.resolve(*(call.id for call in calls if call.age(view.now()) >= UNRESOLVED_TTL))
        return [call for call in calls if call.age(view.now()) < UNRESOLVED_TTL]

    def finish(self) -> None:
        """Record that the replacement of this run, and those that it has continued, are complete."""
        view = self._view
        replaced = view.pending[view.features.replace]
        view.calls.finish(*replaced)
        view.calls.resolve(*self._continued)
        replaced.clear()
        self._continued.clear()


def _origin(call: PaidCall) -> Origin:
    origin = call.request["origin"]
    return Origin(origin["area_id"], origin["isp"], frozenset(origin["successor_of"]))


def described(origin: Origin) -> dict[str, object]:
    """An origin as the record of a call contains it."""
    return {**vars(origin), "successor_of": sorted(origin.successor_of)}

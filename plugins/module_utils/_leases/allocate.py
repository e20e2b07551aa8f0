# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Allocate leases: a paid call that is never repeated while its effect is unknown.

This file is private to the collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from functools import partial

from .._api.classic.models import AllocationParams
from .._core.errors import CallError, QgError, UncertainOutcomeError
from .._reconcile.converge import may_pass
from .._reconcile.lost_response import create_once
from .backend import is_refused
from .plan import Origin
from .unresolved import described
from .view import LeaseView, uncertain


def allocate(view: LeaseView, number: int, params: AllocationParams, successor_of: Collection[str] = ()) -> None:
    """Allocate N more leases. What was allocated is in ``view.new``, also if this raises."""
    origin = Origin(params.area_id, params.isp, frozenset(successor_of))
    if view.release_in_flight:
        params = dataclasses.replace(params, distinct=True)
    until, missing = view.now() + view.policy.channel_wait, number
    while missing > 0:
        allocation = Allocation(view, min(missing, view.features.max_per_call), params, origin, until)
        create_once(allocation, view.policy.max_attempts)
        missing -= allocation.found


class Allocation:
    """One call for ``asked`` leases. ``until`` is how long a released channel is waited for."""

    def __init__(self, view: LeaseView, asked: int, params: AllocationParams, origin: Origin, until: float) -> None:
        self._view = view
        self._asked = asked
        self._params = params
        self._origin = origin
        self._until = until
        self._known = set(view.held)
        #: How many leases came.
        self.found = 0

    def send(self) -> None:
        """Send the call, and again for as long as a released channel is not free yet."""
        view = self._view
        while True:
            try:
                self._send()
                return
            except CallError as error:
                is_waiting = view.api.released_recently() and view.now() < self._until
                if not is_waiting or not is_refused(error, view.features.no_free_channel):
                    raise
            view.wait_for_channel()

    def _send(self) -> None:
        view, name = self._view, self._view.features.allocate
        sending = partial(view.recorded, name, self._asked, view.names, {"origin": described(self._origin)})
        view.take(view.api.allocate(self._asked, self._params, sending=sending))
        view.resolve(name)
        self.adopt_new()
        if self.found < self._asked:
            # The response may have left some out, which must not be leased again.
            view.refresh()

    def is_verifiable(self, error: CallError) -> bool:
        """Whether the effect is looked for: the vendor did not refuse the call, and a later one may succeed."""
        return may_pass(error)

    def find_new(self, error: CallError | None) -> bool:
        """After a failure, read the list until it shows something new."""
        if error is not None:
            self._view.store.invalidate()
            self._view.poll_until_changed(self._known, self._view.policy.verify_delays)
        return self.adopt_new()

    def adopt_new(self) -> bool:
        """Adopt what the last reading shows."""
        self.found = self._view.adopt(self._known, self._asked, self._origin, self._params)
        if self.found:
            self._view.resolve(self._view.features.allocate)
        return bool(self.found)

    def has_unlisted(self, error: CallError) -> bool:
        """Whether the quota shows leases that the list does not."""
        return self._view.quota_shows_unlisted(self._known)

    def is_lost(self, error: CallError) -> bool:
        """Whether the call may have leased something; not if the vendor reported that it failed."""
        return error.may_have_effect and not is_refused(error, self._view.features.failed)

    def may_follow_lost(self, error: CallError) -> bool:
        """Whether the leases of a lost call may be the reason for a refusal."""
        return is_refused(error, self._view.features.taken)

    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        """The error if the effect is unknown."""
        return uncertain(error, f"{self._asked} addresses were leased", reason)

    def exhausted(self, error: CallError, attempts: int) -> QgError:
        """The error if all attempts leased nothing."""
        return QgError(
            f"{error.message} After {attempts} attempts, the list of leases shows nothing new.", **error.details
        )

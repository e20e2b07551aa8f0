# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace leases that the vendor chooses, in one call, and make up for what it lost on the way.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from functools import partial
from typing import Any

from .._api.classic.models import AllocationParams
from .._core.errors import CallError, Effect, QgError, UncertainOutcomeError
from .._reconcile.converge import may_pass
from .._reconcile.lost_response import ACCEPTED, NOTHING_NEW, UNLISTED, try_call, verifying
from .allocate import allocate
from .plan import Origin
from .unresolved import EarlierCalls, described
from .view import Identity, LeaseView, uncertain

_WHAT = "leases were replaced"
_NOTHING_GONE = "{list} still shows the old ones."


def replace(view: LeaseView, earlier: EarlierCalls, count: int, number: int | None, params: AllocationParams) -> None:
    """Let the vendor replace ``count`` leases of its choice; afterwards as many are held as before.

    ``number`` is what the user asked for, None for all. A run that was interrupted is continued.
    """
    request = {"number": number, "terms": vars(params), "count": count}
    calls = earlier.interrupted_replace_calls(number, params)
    if calls:
        request["count"] = count = calls[0].request["count"]
    size = view.features.max_per_call
    for start in range(0, count, size):
        known = [call.known for call in calls if call.request["start"] == start]
        old = known[0] if known else view.names
        Replacement(view, params, old, {**request, "start": start}).carry_out(min(size, count - start))


class Replacement:
    """The replacement of at most 100 of the ``old`` leases (their names)."""

    def __init__(
        self,
        view: LeaseView,
        params: AllocationParams,
        old: frozenset[str],
        request: dict[str, Any],
    ) -> None:
        self._view = view
        self._params = params
        self._origin = Origin(params.area_id, params.isp)
        self._old = old
        self._request = {**request, "origin": described(self._origin)}

    def carry_out(self, number: int) -> None:
        """Replace N leases.

        The list decides how far a failed call got: leases that are gone without a successor are allocated anew.
        """
        view, attempts, paid = self._view, 0, 0
        while True:
            known, names = set(view.held), view.names
            fresh, lost = len(names - self._old), len(self._old - names)
            if lost > fresh:
                allocate(view, lost - fresh, self._params)
                paid += lost - fresh
                continue
            # Each new lease replaces an old one, also one that the list still shows. The vendor may replace a new one
            # again, so everything that this run has paid for counts.
            left = number - max(lost, fresh, paid)
            if left <= 0:
                return
            error = self._send(number, left, known, names)
            self._verify(error, known)
            paid += view.adopt(known, left, self._origin, self._params)
            if error and known == set(view.held):
                attempts += 1
                if attempts >= view.policy.max_attempts or not may_pass(error):
                    raise error

    def _send(self, number: int, left: int, known: set[Identity], names: frozenset[str]) -> CallError | None:
        view, name = self._view, self._view.features.replace
        sending = partial(view.recorded, name, number, self._old, self._request)
        reported = 0

        def send() -> None:
            nonlocal reported
            leases = view.api.replace(left, self._params, sending=sending)
            reported = len(leases)
            view.take(leases)
            view.report_replaced(left, names)
            view.adopt(known, left, self._origin, self._params)

        error = try_call(send)
        if error is None and not self._wait_until_gone(known, reported, left):
            raise uncertain(QgError(ACCEPTED, endpoint=name), _WHAT, _NOTHING_GONE)
        return error

    def _wait_until_gone(self, known: Collection[Identity], reported: int, requested: int) -> bool:
        """After a success, wait until the list shows that the requested leases are gone, as long as it may lag.

        The vendor may have replaced only the reported ones; returns False if the list shows less than that. If the list
        cannot be read for so long, the response counts.
        """
        view, gone = self._view, 0
        with contextlib.suppress(QgError):
            for delay in view.policy.lag_delays:
                if delay:
                    view.wait_for_list(delay)
                view.refresh()
                gone = len(set(known) - view.held.keys())
                if gone >= min(requested, len(known)):
                    return True
            return gone >= min(reported, len(known))
        return True

    def _verify(self, error: CallError | None, known: Collection[Identity]) -> None:
        """Read how far it got: a response names only the new leases, and a refusal may come when the old ones are gone.

        Returns when the list shows something new, or when what is missing may be allocated, or replaced, again.
        """
        view = self._view
        code = error.details.get("code") if error else None
        if error and code is not None and code not in view.features.half_way:
            raise error
        view.store.invalidate()
        first = error or QgError(ACCEPTED, endpoint=view.features.replace)
        may_have_effect = error is None or error.may_have_effect
        in_flight = error is not None and error.effect is Effect.IN_FLIGHT
        unlisted = False
        with verifying(first, _uncertain):
            if view.poll_until_changed(known, view.policy.verify_delays[: None if may_have_effect else 1]):
                return
            # While the call may still be carried out, a lease that is gone may have expired: only new ones count.
            if may_have_effect and not in_flight:
                # No quota shows a replacement of which the list shows nothing, so the list has more time.
                delays = view.policy.lag_delays[1:]
                gone = view.held.keys() != set(known) or view.poll_until_changed(known, delays, or_gone=True)
                unlisted = gone and not view.is_new(known) and view.quota_shows_unlisted(known)
        if unlisted:
            raise _uncertain(first, UNLISTED)
        # Never sent again: what has succeeded, and what may still be carried out.
        if in_flight or (error is None and view.held.keys() == set(known)):
            raise _uncertain(first, NOTHING_NEW)


def _uncertain(error: QgError | None, reason: str) -> UncertainOutcomeError:
    return uncertain(error, _WHAT, reason)

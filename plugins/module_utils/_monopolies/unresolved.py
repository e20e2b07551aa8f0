# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applications of earlier runs whose result is unknown.

This file is private to the collection. A run that was killed, or whose response was lost, may have applied for
resources. The next run counts what the list shows of them, or waits until the list must show them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import partial

from .._api.parsing import BEIJING
from .._core.errors import QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._store.paid_calls import UNRESOLVED_TTL, PaidCall
from .application import AllocationSession
from .matching import ApplicationParams
from .session import CHECK_COMMAND, application_params, sample


class UnresolvedApplications:
    """Finds out what earlier applications led to."""

    def __init__(self, session: AllocationSession) -> None:
        self._session = session

    def adopt_shown(self, check: bool) -> list[PaidCall]:
        """Adopt what the list shows; returns the applications of which it does not show everything."""
        session = self._session
        unresolved: list[PaidCall] = []
        predicted: dict[str, ApplicationParams] = {}
        for call in session.unresolved():
            if not self._is_shown(call):
                unresolved.append(call)
            elif check:
                predicted.update(dict.fromkeys(self._new_since(call), _params_of(call)))
            else:
                self._adopt(call)
        session.matcher.params = {**predicted, **application_params(session.api)}
        return unresolved

    def wait(self, calls: Sequence[PaidCall]) -> None:
        """Wait until the list shows what these calls applied for, or must show it, and resolve them."""
        session = self._session
        for call in calls:
            seconds = max(0.0, call.settles_in(session.api.rate_limiter.now()))
            error = session.poll_until(partial(self._is_shown, call), seconds, call.endpoint)
            if error:
                raise self._undecided(call, error)
            self._decide(call)

    def warn(self, calls: Sequence[PaidCall]) -> None:
        """Add a warning for each call that a run without check mode would wait for."""
        self._session.result.warnings += [
            f"{self._describe(call)}. Without check mode, the task waits until the list must show them, and then "
            "applies for the missing ones."
            for call in calls
        ]

    def _new_since(self, call: PaidCall) -> list[str]:
        """The listed resources that were not held when a call was sent."""
        return [uuid for uuid in self._session.by_uuid if uuid not in call.known]

    def _is_shown(self, call: PaidCall) -> bool:
        return len(self._new_since(call)) >= call.wanted

    def _adopt(self, call: PaidCall) -> None:
        """Attribute the new resources since a call to it, and resolve it."""
        session, new = self._session, self._new_since(call)
        session.save_origin(new, _params_of(call))
        session.calls.resolve(call.id)
        if new:
            session.result.warnings.append(
                f"An earlier run applied for {call.wanted} resources and did not learn the result: {sample(new)} are "
                "held."
            )

    def _decide(self, call: PaidCall) -> None:
        """Resolve a call that can no longer be in flight by what the list and the quota show."""
        session = self._session
        if (
            not self._is_shown(call)
            and call.age(session.api.rate_limiter.now()) < UNRESOLVED_TTL
            and session.has_unlisted(call.in_use, len(call.known))
        ):
            raise UncertainOutcomeError(
                f"{self._describe(call)}, but the quota has more in use than the list accounts for, so whether they "
                f'are held is unknown. Nothing was applied for. Check with "{CHECK_COMMAND}"; from '
                f"{_iso(call.sent + UNRESOLVED_TTL)} on, only the list counts.",
                endpoint=call.endpoint,
            )
        self._adopt(call)

    def _undecided(self, call: PaidCall, error: QgError) -> UncertainOutcomeError:
        api = self._session.api
        now = api.rate_limiter.now()
        if not isinstance(error, WaitBudgetExceeded):
            return UncertainOutcomeError(
                f"{self._describe(call)}, and whether more will be held is unknown, because the list cannot be read: "
                f"{error.message}",
                **error.details,
            )
        return UncertainOutcomeError(
            f"{self._describe(call)}, and whether more will be held is unknown until "
            f"{_iso(now + max(0.0, call.settles_in(now)))}. Nothing was applied for. Run the task again after that, or "
            f"raise max_wait ({api.budget.max_wait:g} seconds).",
            endpoint=call.endpoint,
        )

    def _describe(self, call: PaidCall) -> str:
        return (
            f"{call.wanted} resources were applied for at {_iso(call.sent)} without a known result; the list shows "
            f"{len(self._new_since(call))} of them"
        )


def _params_of(call: PaidCall) -> ApplicationParams:
    return ApplicationParams(call.request.get("area_code"), call.request.get("isp"))


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, BEIJING).isoformat(timespec="seconds")

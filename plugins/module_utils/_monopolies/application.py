# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application for resources: a paid call that is never repeated while the one before it may have had an effect.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.errors import INVALID_PARAMETER, NO_PERMISSION, UNKNOWN, StatusError
from .._api.classic.models import Monopoly
from .._core.errors import CallError, Effect, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._reconcile.lost_response import EARLIER_ATTEMPT, NOTHING_NEW, create_once, recorded, uncertain_outcome
from .._store.paid_calls import PaidCall, PaidCalls
from .._store.reported import LIST_LAG
from .matching import ApplicationParams, DesiredMonopolies, Matcher
from .session import CHECK_COMMAND, LISTING, MAX_ATTEMPTS, OnProgress, Session, application_params, sample

#: Refusals of the quota that only mean that this plan has none.
NO_QUOTA = (UNKNOWN, INVALID_PARAMETER, NO_PERMISSION)
ENDPOINT = endpoints.MONOPOLIES_APPLY.name
#: The advice after an application, which is recorded for the next run.
RUN_AGAIN = f'Run the task again: it waits until that is known. "{CHECK_COMMAND}" shows the resources of the key.'


class AllocationSession(Session):
    """A run that ensures a minimum number of resources."""

    def __init__(self, api: ProxyApi, desired: DesiredMonopolies, on_progress: OnProgress | None) -> None:
        super().__init__(api, on_progress)
        self.desired = desired
        self.matcher = Matcher(desired, {})
        self.calls = PaidCalls(api.rate_limiter.state, api.key_digest, api.rate_limiter.now)
        #: How many resources the quota counts as in use before the application, if it counts them.
        self.in_use: int | None = None

    def unresolved(self) -> list[PaidCall]:
        """The applications whose result is unknown."""
        return self.calls.unresolved(ENDPOINT)

    def expects_resources(self) -> bool:
        """Whether the key probably holds resources, also those of an application whose result is unknown."""
        return super().expects_resources() or bool(self.unresolved())

    @property
    def counted(self) -> list[Monopoly]:
        """The resources that count for the desired state."""
        return self.matcher.classify(self.held)[0]

    def save_origin(self, new: Collection[str], params: ApplicationParams) -> None:
        """Keep the parameters of the application for new resources, unless the list shows that they do not match."""
        by_uuid = self.by_uuid
        desired = DesiredMonopolies(len(new), params.area_code, params.isp)
        matcher = Matcher(desired, application_params(self.api), self.matcher.codes)
        matching = [uuid for uuid in new if matcher.matches(by_uuid[uuid]) is not False]
        self.store.save_origin(matching, params.area_code, params.isp, listed=set(by_uuid))

    def has_unlisted(self, in_use: int | None, known: int) -> bool:
        """Whether the quota counts more resources that the list does not show than before a call."""
        if in_use is None:
            return False
        quota = self.api.quota_or_none(*NO_QUOTA)
        return quota is not None and quota.used - len(self.held) > in_use - known


class Application:
    """One application, and how its effect is verified: the paid call for :func:`create_once`."""

    def __init__(self, session: AllocationSession) -> None:
        self._session = session
        self._result = session.result
        self._missing = session.result.missing
        self._known = frozenset(session.by_uuid)
        self._params = ApplicationParams(session.desired.area_code, session.desired.isp)
        self._attempts = 0
        self._recorded: list[int] = []
        self._reading_error: QgError | None = None

    def run(self) -> None:
        """Apply for the missing resources, and keep what the list shows of them."""
        session, result = self._session, self._result
        try:
            error = create_once(self, MAX_ATTEMPTS)
        except StatusError as refusal:
            advice = "Nothing was applied for. Ask for less, for another area or provider, or extend the plan."
            raise QgError(f"{refusal.message} {advice}", **refusal.details) from None
        # No other run of this control node can have applied for them, as the key is locked.
        session.save_origin(result.applied, self._params)
        session.matcher.params = application_params(session.api)
        if len(result.applied) < self._missing:
            # The call stays recorded, so that the next run does not apply again for what the list does not show yet.
            raise self._incomplete(error or self._reading_error)
        session.calls.resolve(*self._recorded)
        if len(session.counted) < session.desired.count:
            raise QgError(
                f"{self._missing} resources were applied for, and not all of the new ones match: "
                f"{sample(result.applied)}. Check them in the result before running the task again.",
                endpoint=ENDPOINT,
            )

    def send(self) -> None:
        """Send the application once."""
        self._attempts += 1
        session = self._session
        session.api.apply_for_monopolies(
            self._missing,
            area_code=self._params.area_code,
            isp=self._params.isp,
            sending=partial(
                recorded,
                session.calls,
                self._recorded,
                ENDPOINT,
                wanted=self._missing,
                known=self._known,
                request={"area_code": self._params.area_code, "isp": self._params.isp},
                in_use=session.in_use,
                timeout=session.api.timeout,
            ),
        )
        self._result.accepted = True

    def is_verifiable(self, error: CallError) -> bool:
        """Whether the effect is looked for: also after a refusal to which a lost attempt may have led."""
        return error.may_have_effect or self._attempts > 1

    def find_new(self, error: CallError | None) -> bool:
        """Read the list until it shows all new resources, or for as long as it usually lags."""
        session = self._session
        reading_error = session.poll_until(self._shows_all, sum(session.lag_delays), ENDPOINT)
        if error is None and not reading_error and not self._shows_all() and self._may_be_unlisted():
            reading_error = self._poll_for_maximum_lag()
        self._reading_error = reading_error
        if self._result.applied:
            return True
        if reading_error:
            raise reading_error
        if error is not None and not error.may_have_effect:
            raise self.uncertain(error, EARLIER_ATTEMPT)
        return False

    def adopt_new(self) -> bool:
        """Whether the last list shows new resources."""
        self._shows_all()
        return bool(self._result.applied)

    def has_unlisted(self, error: CallError) -> bool:
        """Whether the quota shows that a lost application had an effect; without a quota, wait for the list."""
        # The quota is not needed if the call is not sent again in any case.
        if error.effect is Effect.IN_FLIGHT or self._attempts >= MAX_ATTEMPTS:
            return False
        session, unlisted = self._session, False
        if session.in_use is not None:
            try:
                unlisted = session.has_unlisted(session.in_use, len(self._known))
            except (CallError, WaitBudgetExceeded) as second:
                raise self.uncertain(error, f"the quota cannot be read: {second.message}") from None
            if not unlisted:
                return False
        reading_error = self._poll_for_maximum_lag()
        if reading_error and not self._result.applied:
            raise reading_error
        return unlisted and not self._result.applied

    def is_lost(self, error: CallError) -> bool:
        """Whether a refusal of a later attempt may be due to this attempt."""
        return error.may_have_effect

    def may_follow_lost(self, error: CallError) -> bool:
        """Whether a lost attempt may be the reason for this refusal, which can always be."""
        return True

    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        """The error for an application whose effect is unknown."""
        what = f"{self._missing} resources were applied for"
        return uncertain_outcome(error, what, reason, listing=LISTING, advice=RUN_AGAIN, endpoint=ENDPOINT)

    def exhausted(self, error: CallError, attempts: int) -> QgError:
        """The error after the last attempt, whose effect was not looked for as long as the list may lag."""
        return self.uncertain(error, NOTHING_NEW)

    def _shows_all(self) -> bool:
        self._result.applied = [uuid for uuid in self._session.by_uuid if uuid not in self._known]
        return len(self._result.applied) >= self._missing

    def _may_be_unlisted(self) -> bool:
        """Whether the list may yet show more after a success. Only the quota can exclude that."""
        session = self._session
        if session.in_use is None:
            return True
        try:
            return session.has_unlisted(session.in_use, len(self._known))
        except (CallError, WaitBudgetExceeded):
            return True

    def _poll_for_maximum_lag(self) -> QgError | None:
        session = self._session
        return session.poll_until(self._shows_all, LIST_LAG - sum(session.lag_delays), ENDPOINT)

    def _incomplete(self, error: QgError | None) -> UncertainOutcomeError:
        new = self._result.applied
        reason = f" ({error.message.rstrip('.')})" if error else ""
        return UncertainOutcomeError(
            f"{self._missing} resources were applied for, and the list shows {len(new)} new: {sample(new)}{reason}. "
            f"{RUN_AGAIN}",
            endpoint=ENDPOINT,
        )

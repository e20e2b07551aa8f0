# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application for resources: a paid call, which is not repeated while its effect is unknown."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from functools import partial

from .._api import calls
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError, Effect, Kind, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._reconcile.lost_response import EARLIER_ATTEMPT, Creation
from .._store.facts import MONOPOLY_ORIGIN
from .._store.journal_rows import Call, JournalRow
from .matching import ApplicationParams, DesiredMonopolies, Matcher
from .session import APPLY, CHECK_COMMAND, MonopolyPolicy, MonopolySession, application_params, sample

ENDPOINT = calls.MONOPOLIES_APPLY.name


class AllocationSession(MonopolySession):
    """A run that ensures a minimum number of resources."""

    #: The application is recorded, so that the next run waits for its result.
    advice = f'Run the task again: it waits until that is known. "{CHECK_COMMAND}" shows the resources of the key.'

    def __init__(self, api: Monopolies, policy: MonopolyPolicy, desired: DesiredMonopolies) -> None:
        super().__init__(api, policy)
        self.desired = desired
        self.matcher = Matcher(desired, {})

    def unresolved(self) -> list[JournalRow]:
        """Return the applications whose result is unknown."""
        return self.journal.unsettled(APPLY)

    @property
    def counted(self) -> list[Monopoly]:
        """The resources that count for the desired state."""
        return self.matcher.classify(self.monopolies)[0]

    def save_origin(self, new: Collection[str], params: ApplicationParams) -> None:
        """Store the parameters of the application for new resources."""
        self.api.caller.facts.save(MONOPOLY_ORIGIN, json.dumps([params.area_code, params.isp]), new)


class Application(Creation):
    """One application, and the verification of its effect, for :meth:`.converge.Change.converge`."""

    def __init__(self, session: AllocationSession) -> None:
        self._session = session
        self._result = session.result
        self._missing = session.result.missing
        self._known = frozenset(session.held)
        self._params = ApplicationParams(session.desired.area_code, session.desired.isp)
        self._attempts = 0
        self._reading_error: QgError | None = None

    def run(self) -> None:
        """Apply for the missing resources, and store those that the list shows."""
        session, result = self._session, self._result
        try:
            self.converge(session.policy.max_attempts - 1)
        except CallError as refusal:
            if refusal.kind is not Kind.REFUSED:
                raise
            advice = "Nothing was applied for. Ask for less, for another area or provider, or extend the plan."
            raise QgError(f"{refusal.message} {advice}", **refusal.details) from None
        # The key is locked, so no other run with the same state can have applied for them.
        session.save_origin(result.applied, self._params)
        session.matcher.params = application_params(session.api)
        if len(result.applied) < self._missing:
            # The call stays recorded, so that the next run does not apply again for resources that the list lacks yet.
            raise self._incomplete(self.error or self._reading_error)
        session.settle(APPLY, dict.fromkeys(result.applied))

    def pay(self) -> None:
        """Send the application once."""
        self._attempts += 1
        request = vars(self._params)
        witness = self._session.lasting_balance
        call = Call(APPLY, ENDPOINT, self._known, request, self._missing, witness=witness, buys=self._missing)
        sending = partial(self._session.recorded, call)
        self._session.api.apply_for_monopolies(self._missing, **request, sending=sending)
        self._result.accepted = True

    def is_verifiable(self, error: CallError) -> bool:
        """Whether to verify the effect: also after a refusal, of which a lost attempt may be the reason."""
        return error.may_have_effect or self._attempts > 1

    def find_new(self, error: CallError | None) -> bool:
        """Read the list until it shows all new resources: after a lost response for as long as it may lag."""
        self._reading_error, policy = None, self._session.policy
        is_lost = error is not None and error.may_have_effect and error.effect is not Effect.IN_FLIGHT
        shows_all = self._poll(policy.lag_delays if is_lost else policy.apply_delays)
        if error is None and not self._reading_error and not shows_all and self._may_be_unlisted():
            self._poll_for_maximum_lag()
        if self._result.applied:
            return True
        if error is not None and not error.may_have_effect:
            raise self.uncertain(error, EARLIER_ATTEMPT)
        return False

    def adopt_new(self) -> bool:
        self._shows_all()
        return bool(self._result.applied)

    def has_unlisted(self, error: CallError) -> bool:
        """Whether the quota shows the effect of a lost application, which the list does not show."""
        session = self._session
        # If the call is not sent again in any case, the quota is not needed.
        is_last = not error.retryable or self._attempts >= session.policy.max_attempts
        if error.effect is Effect.IN_FLIGHT or is_last:
            return False
        try:
            return session.exceeds_list(session.balance_before)
        except (CallError, WaitBudgetExceeded) as second:
            raise self.uncertain(error, f"the quota cannot be read: {second.message}") from None

    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        """Return the error for an application whose effect is unknown."""
        what = f"{self._missing} resources were applied for"
        return self._session.uncertain(error, what, reason, endpoint=ENDPOINT)

    def _shows_all(self) -> bool:
        self._result.applied = self._session.new_since(self._known)
        return len(self._result.applied) >= self._missing

    def _may_be_unlisted(self) -> bool:
        """Whether the list may later show more resources after a success. Only the quota can exclude that."""
        session = self._session
        if session.balance_before is None:
            return True
        try:
            return session.exceeds_list(session.balance_before)
        except (CallError, WaitBudgetExceeded):
            return True

    def _poll_for_maximum_lag(self) -> None:
        policy = self._session.policy
        polled = len(policy.apply_delays)
        self._poll(policy.lag_delays[polled:])

    def _poll(self, delays: Sequence[float]) -> bool:
        """Read the list until it shows all new resources. After an error, those that it has shown before count."""
        try:
            return self._session.poll(self._shows_all, delays)
        except (CallError, WaitBudgetExceeded) as error:
            if not self._result.applied:
                raise
            self._reading_error = error
            return False

    def _incomplete(self, error: QgError | None) -> UncertainOutcomeError:
        new = self._result.applied
        reason = f" ({error.message.rstrip('.')})" if error else ""
        return UncertainOutcomeError(
            f"{self._missing} resources were applied for, and the list shows {len(new)} new: {sample(new)}{reason}. "
            f"{self._session.advice}",
            endpoint=ENDPOINT,
        )

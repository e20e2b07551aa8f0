# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release resources."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Sequence
from functools import partial

from .._api import calls
from .._api.monopolies import Monopolies
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._reconcile.converge import is_worth_retrying
from .._reconcile.lost_response import verifying
from .._store.facts import MONOPOLY_ORIGIN
from .._store.journal_rows import MAYBE_GONE, Call
from .batches import Batch, change_in_batches, reasons
from .session import (
    DEFAULT_POLICY,
    RELEASE,
    MonopolyPolicy,
    MonopolyResult,
    MonopolySession,
    Refused,
    releasable_from,
    sample,
)

ENDPOINT = calls.MONOPOLIES_RELEASE.name


def release(
    api: Monopolies, uuids: Collection[str] | None, *, check: bool = False, policy: MonopolyPolicy = DEFAULT_POLICY
) -> MonopolyResult:
    """Release these resources, or all. A resource that is not held counts as released."""
    session = MonopolySession(api, policy)
    result = session.result
    with contextlib.nullcontext() if check else api.caller.key_lock():
        session.load_initial()
        result.before = session.monopolies
        try:
            _release(session, uuids, check)
        except QgError as error:
            result.error = error
    result.after = [one for one in session.monopolies if one.uuid not in result.released]
    return result


def _release(session: MonopolySession, uuids: Collection[str] | None, check: bool) -> None:
    """Release the resources that the vendor may already release, and raise QgError if there are others."""
    result, now = session.result, session.vendor_time()
    selected = [monopoly for monopoly in session.monopolies if uuids is None or monopoly.uuid in uuids]
    releasable = []
    for monopoly in selected:
        when = releasable_from(monopoly)
        # The list shows whole seconds, so the application may be up to one second later.
        if when is None or when + datetime.timedelta(seconds=1) <= now:
            releasable.append(monopoly.uuid)
        else:
            reason = "The vendor does not release a resource within 12 hours of its application."
            result.refused.append(Refused(monopoly.uuid, reason, when))
    if check:
        result.released = releasable
    else:
        change_in_batches(partial(_Release, session), releasable, result, session.policy.max_repeats)
        session.api.caller.facts.forget(MONOPOLY_ORIGIN, result.released)
        session.settle(RELEASE)
    if result.refused:
        texts = [
            f"{one.uuid} (possible from {one.possible_from.isoformat()} on)" if one.possible_from else one.uuid
            for one in result.refused
        ]
        raise QgError(
            f"{len(texts)} of {len(selected)} resources cannot be released: {sample(texts)}. {reasons(result.refused)}",
            endpoint=ENDPOINT,
        )


class _Release(Batch):
    def __init__(self, session: MonopolySession, uuids: list[str]) -> None:
        super().__init__(session, uuids)
        self._repeats = 0
        self._lost = False

    def remaining(self) -> list[str]:
        return [uuid for uuid in self.uuids if uuid not in self.session.result.released]

    def send(self, todo: Sequence[str]) -> None:
        """Release the resources in one call; those in the response count as released.

        If the response contains no names, the list decides, once it can no longer lag.
        """
        session, result = self.session, self.session.result
        call = Call(RELEASE, ENDPOINT, todo, effect=MAYBE_GONE)
        named = session.api.release_monopolies(todo, sending=partial(session.recorded, call))
        # Stored at once, so that a later error does not hide it.
        result.released += todo if named is None else named
        session.journal.report(session.last(RELEASE), gone=todo if named is None else named)
        if named is not None:
            return
        shown = set(todo)

        def read() -> None:
            # The vendor's list, without the reported changes; an answer without a list shows nothing.
            listed = session.api.monopolies()
            if listed is not None:
                shown.intersection_update(monopoly.uuid for monopoly in listed)

        with contextlib.suppress(CallError, WaitBudgetExceeded):
            if session.poll(lambda: not shown, session.policy.lag_delays, read):
                return
            result.released = [uuid for uuid in result.released if uuid not in shown]
            session.journal.forget(shown)

    def verify(self, todo: Sequence[str], error: QgError | None) -> None:
        """Count resources as released that the list does not show any more."""
        left = self.remaining()
        self._note_progress(todo)
        if left and not isinstance(error, WaitBudgetExceeded):
            with verifying(error, partial(self._uncertain, left)):
                self.session.poll(self._are_gone, self._delays(error))
        self._note_progress(todo)

    def _uncertain(self, left: Sequence[str], error: QgError | None, reason: str) -> UncertainOutcomeError:
        what = f"the release of {sample(left)} took effect"
        return self.session.uncertain(error, what, reason, endpoint=ENDPOINT)

    def _note_progress(self, todo: Sequence[str]) -> None:
        """Reset the number of repetitions, as converge() does, if a call released something."""
        if len(self.remaining()) < len(todo):
            self._repeats = 0

    def _delays(self, error: QgError | None) -> Sequence[float]:
        """Return the delays before reads of the list: its maximum lag, if a lost call is not going to be repeated."""
        policy = self.session.policy
        rejected = isinstance(error, CallError) and not error.may_have_effect
        self._lost = self._lost or (error is not None and not rejected)
        if self._lost and (not is_worth_retrying(error) or self._repeats == policy.max_repeats):
            return policy.lag_delays
        return (0.0,) if rejected else policy.verify_delays

    def _are_gone(self) -> bool:
        """Whether the list shows none of the remaining resources."""
        self.session.result.released += [uuid for uuid in self.remaining() if uuid not in self.session.held]
        return not self.remaining()

    def failure(self, error: QgError | None, left: Sequence[str]) -> QgError:
        """Return the error for the resources that are still held; a refusal unchanged, so that the batch is split."""
        if isinstance(error, WaitBudgetExceeded) or (isinstance(error, CallError) and not error.may_have_effect):
            return error
        reason = error or QgError("The vendor reports success, but its list still shows them.")
        return QgError(
            f"{len(left)} resources could not be released: {sample(left)}. {reason.message}", **reason.details
        )

    def pause(self, attempt: int) -> None:
        self._repeats = attempt

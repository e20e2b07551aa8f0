# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release resources.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Sequence

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.errors import StatusError
from .._core.errors import CallError, QgError, WaitBudgetExceeded
from .._reconcile.converge import converge, may_pass
from .._store.reported import LIST_LAG
from .session import (
    MAX_ATTEMPTS,
    MonopolyResult,
    Refused,
    Session,
    batches,
    releasable_from,
    sample,
    unverified,
    vendor_time,
)

ENDPOINT = endpoints.MONOPOLIES_RELEASE.name


def release(api: ProxyApi, uuids: Collection[str] | None, *, check: bool = False) -> MonopolyResult:
    """Release these resources, or all. A resource that is not held counts as released."""
    releaser = _Releaser(api)
    result = releaser.result
    with contextlib.nullcontext() if check else api.key_lock():
        releaser.load_initial()
        result.before = releaser.held
        try:
            releaser.release(uuids, check)
        except QgError as error:
            result.error = error
    result.after = [one for one in releaser.held if one.uuid not in result.released]
    return result


class _Releaser(Session):
    def release(self, uuids: Collection[str] | None, check: bool) -> None:
        """Release the resources that the vendor releases by now, and fail if there are others."""
        result, now = self.result, vendor_time(self.api, self.held)
        selected = [monopoly for monopoly in self.held if uuids is None or monopoly.uuid in uuids]
        releasable = []
        for monopoly in selected:
            when = releasable_from(monopoly)
            # The list shows whole seconds, so the application may be almost one second younger.
            if when is None or when + datetime.timedelta(seconds=1) <= now:
                releasable.append(monopoly.uuid)
            else:
                reason = "The vendor does not release a resource within 12 hours of its application."
                result.refused.append(Refused(monopoly.uuid, reason, when))
        if check:
            result.released = releasable
        else:
            self._release_all(releasable)
            self.store.forget(result.released)
        if result.refused:
            texts = [
                f"{one.uuid} (possible from {one.possible_from.isoformat()} on)" if one.possible_from else one.uuid
                for one in result.refused
            ]
            reasons = " ".join(dict.fromkeys(one.reason for one in result.refused))
            raise QgError(
                f"{len(texts)} of {len(selected)} resources cannot be released: {sample(texts)}. {reasons}",
                endpoint=ENDPOINT,
            )

    def _release_all(self, uuids: Sequence[str]) -> None:
        """Release resources in batches; a batch that the vendor refuses is split."""
        queue = batches(uuids)
        while queue:
            batch = _Batch(self, queue.pop(0))
            try:
                converge(batch, MAX_ATTEMPTS - 1)
            except StatusError as refusal:
                left = batch.remaining()
                if len(batch.uuids) > 1:
                    queue += [[uuid] for uuid in left]
                else:
                    self.result.refused += [Refused(uuid, refusal.message) for uuid in left]


class _Batch:
    """The release of some resources, for :func:`converge`."""

    def __init__(self, session: Session, uuids: list[str]) -> None:
        self.uuids = uuids
        self._session = session
        self._repeats = 0
        self._lost = False

    def remaining(self) -> list[str]:
        """The resources that are not known to be released."""
        return [uuid for uuid in self.uuids if uuid not in self._session.result.released]

    def send(self, todo: Sequence[str]) -> None:
        """Release the resources in one call. Only those that the response names count as released.

        If it names none at all, the list decides as soon as it must show the release.
        """
        session, result = self._session, self._session.result
        named = session.api.release_monopolies(todo)
        # Kept at once, so that no later error hides it.
        result.released += todo if named is None else named
        if named is not None:
            return
        shown = set(todo)

        def read() -> None:
            # The vendor's list, without the correction by what the vendor reported.
            shown.intersection_update(monopoly.uuid for monopoly in session.api.listed_monopolies())

        if session.poll_until(lambda: not shown, LIST_LAG, ENDPOINT, read):
            return
        session.api.reported_monopolies.forget(shown)
        result.released = [uuid for uuid in result.released if uuid not in shown]

    def verify(self, todo: Sequence[str], error: QgError | None) -> None:
        """Count the resources as released that the list does not show any more."""
        left = self.remaining()
        self._note_progress(todo)
        if left and not isinstance(error, WaitBudgetExceeded):
            reading_error = self._session.poll_until(self._are_gone, self._seconds_to_verify(error), ENDPOINT)
            if reading_error:
                raise unverified(error, f"the release of {sample(left)} took effect", reading_error)
            self._are_gone()
        self._note_progress(todo)

    def _note_progress(self, todo: Sequence[str]) -> None:
        """Restart the count of repetitions, as converge() does, if a call released something."""
        if len(self.remaining()) < len(todo):
            self._repeats = 0

    def _seconds_to_verify(self, error: QgError | None) -> float:
        """How long to read the list: as long as it may lag if a lost call is not followed by another one."""
        rejected = isinstance(error, CallError) and not error.may_have_effect
        self._lost = self._lost or (error is not None and not rejected)
        if self._lost and (not may_pass(error) or self._repeats == MAX_ATTEMPTS - 1):
            return LIST_LAG
        return 0.0 if rejected else sum(self._session.verify_delays)

    def _are_gone(self) -> bool:
        """Whether the list shows none of the remaining resources."""
        by_uuid = self._session.by_uuid
        self._session.result.released += [uuid for uuid in self.remaining() if uuid not in by_uuid]
        return not self.remaining()

    def adapt(self, error: QgError | None, left: Sequence[str]) -> bool:
        """Whether another way of sending can help: not within one batch."""
        return False

    def failure(self, error: QgError | None, left: Sequence[str]) -> QgError:
        """The error for the resources that are still held; a refusal itself, so that the batch can be split."""
        if isinstance(error, WaitBudgetExceeded) or (isinstance(error, CallError) and not error.may_have_effect):
            return error
        reason = error or QgError("The vendor reports success, but its list still shows them.")
        return QgError(
            f"{len(left)} resources could not be released: {sample(left)}. {reason.message}", **reason.details
        )

    def pause(self, attempt: int) -> None:
        """Count a repetition. It needs no delay, as the list was read for some seconds."""
        self._repeats = attempt

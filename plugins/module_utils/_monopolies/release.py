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
from functools import partial

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._core.errors import CallError, QgError
from .._store.reported import LIST_LAG
from .session import (
    MAX_ATTEMPTS,
    MonopolyResult,
    Refused,
    Session,
    batches,
    is_refused,
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
    with contextlib.nullcontext() if check else api.alone():
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
            batch = queue.pop(0)
            left, error = self._release_batch(batch)
            if left and is_refused(error) and len(batch) > 1:
                queue += [[uuid] for uuid in left]
            elif left and error is not None and is_refused(error):
                self.result.refused += [Refused(uuid, error.message) for uuid in left]

    def _release_batch(self, batch: list[str]) -> tuple[list[str], CallError | None]:
        """Release a batch; returns the resources that are still held after a refusal, and that refusal."""
        left: list[str] = batch
        error: CallError | None = None
        lost = False
        for _attempt in range(MAX_ATTEMPTS):
            try:
                named = self.api.release_monopolies(left)
            except CallError as failure:
                error = failure
            else:
                error, left = None, self._unacknowledged(left, named)
                if not left:
                    return [], None
            rejected = error is not None and not error.may_have_effect
            # A refusal may be due to an earlier call whose response was lost.
            seconds = LIST_LAG if rejected and lost else 0.0 if rejected else sum(self.verify_delays)
            left = self._still_held(left, error, seconds)
            if not left or is_refused(error):
                return left, error
            if rejected and error is not None:
                raise error
            lost = lost or error is not None
        if lost:
            left = self._still_held(left, error, LIST_LAG - sum(self.verify_delays))
            if not left:
                return [], None
        reason = error or QgError("The vendor reports success, but its list still shows them.")
        raise QgError(
            f"{len(left)} resources could not be released: {sample(left)}. {reason.message}", **reason.details
        )

    def _still_held(self, uuids: list[str], error: CallError | None, seconds: float) -> list[str]:
        """Return the resources that the list still shows after this time; the others are released."""
        reading_error = self.poll_until(partial(self._are_gone, uuids), seconds, ENDPOINT)
        if reading_error:
            raise unverified(error, f"the release of {sample(uuids)} took effect", reading_error)
        self._are_gone(uuids)
        return [uuid for uuid in uuids if uuid in self.by_uuid]

    def _unacknowledged(self, uuids: list[str], named: list[str] | None) -> list[str]:
        """Return the resources that a successful call has not released: those that its response does not name.

        If it names none at all, the list decides as soon as it must show the release.
        """
        result = self.result
        # Kept at once, so that no later error hides it.
        result.released += uuids if named is None else named
        if named is not None:
            return [uuid for uuid in uuids if uuid not in named]
        shown = set(uuids)

        def read() -> None:
            # The vendor's list, without the correction by what the vendor reported.
            shown.intersection_update(monopoly.uuid for monopoly in self.api.listed_monopolies())

        if self.poll_until(lambda: not shown, LIST_LAG, ENDPOINT, read):
            return []
        self.api.reported_monopolies.forget(shown)
        result.released = [uuid for uuid in result.released if uuid not in shown]
        return [uuid for uuid in uuids if uuid in shown]

    def _are_gone(self, uuids: Collection[str]) -> bool:
        """Whether the list shows none of these resources."""
        gone = [uuid for uuid in uuids if uuid not in self.by_uuid]
        self.result.released += [uuid for uuid in gone if uuid not in self.result.released]
        return len(gone) == len(uuids)

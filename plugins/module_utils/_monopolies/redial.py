# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redial resources, so that they get new addresses.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from functools import partial

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.models import Monopoly
from .._core.errors import CallError, QgError
from .._reconcile.create import try_call
from .session import (
    CHECK_COMMAND,
    MAX_ATTEMPTS,
    TRANSITIONAL_STATES,
    MonopolyResult,
    OnProgress,
    Redial,
    Refused,
    Session,
    batches,
    is_refused,
    sample,
    summary,
    unverified,
    vendor_time,
)

#: Seconds between two dials of a resource: the vendor's ten, and one because the list shows whole seconds.
MIN_REDIAL_INTERVAL = 11.0
ENDPOINT = endpoints.MONOPOLIES_REDIAL.name


def redial(
    api: ProxyApi,
    uuids: Collection[str] | None,
    *,
    wait: bool = True,
    check: bool = False,
    on_progress: OnProgress | None = None,
) -> MonopolyResult:
    """Redial these resources, or all. Those that are about to get a new address are not redialled."""
    redialler = _Redialler(api, on_progress)
    result = redialler.result
    with contextlib.nullcontext() if check else api.alone():
        redialler.load_initial()
        redialler.select(uuids)
        try:
            redialler.redial(check)
        except QgError as error:
            result.error = error
    if result.error is None and not check:
        try:
            redialler.wait_online(wait)
        except QgError as error:
            result.error = error
    redialler.finish()
    return result


class _Redialler(Session):
    def __init__(self, api: ProxyApi, on_progress: OnProgress | None) -> None:
        super().__init__(api, on_progress)
        self._before: dict[str, Monopoly] = {}
        self._moved: set[str] = set()

    def select(self, uuids: Collection[str] | None) -> None:
        """Select the resources to redial. A resource that is not held is an error."""
        result, by_uuid = self.result, self.by_uuid
        unknown = [uuid for uuid in uuids or () if uuid not in by_uuid]
        if unknown:
            raise QgError(
                f"uuids contains resources that this key does not hold: {sample(unknown)}. Nothing was redialled. "
                f'Remove them, or check with "{CHECK_COMMAND}".'
            )
        result.before = [one for one in self.held if uuids is None or one.uuid in uuids]
        result.pending = [one for one in result.before if one.state in TRANSITIONAL_STATES]
        self._before = {one.uuid: one for one in result.before if one.state not in TRANSITIONAL_STATES}

    def redial(self, check: bool) -> None:
        """Redial the selected resources as soon as the vendor allows it for all of them."""
        if check:
            self._mark_redialled(self._before)
            return
        now = vendor_time(self.api, self.held)
        delays = [
            MIN_REDIAL_INTERVAL - (now - one.dialled).total_seconds() for one in self._before.values() if one.dialled
        ]
        delay = max(delays, default=0.0)
        if delay > 0:
            self.api.budget.wait(delay, "the vendor requires 10 seconds between two dials", ENDPOINT)
        queue = batches(list(self._before))
        while queue:
            batch = queue.pop(0)
            left, error = self._redial_batch(batch)
            if left and is_refused(error) and len(batch) > 1:
                queue += [[uuid] for uuid in left]
            elif left and error is not None:
                self.result.refused += [Refused(uuid, error.message) for uuid in left]

    def _redial_batch(self, batch: list[str]) -> tuple[list[str], CallError | None]:
        """Redial a batch; returns the resources that the list shows to be unchanged, and the error."""
        left: list[str] = batch
        error: CallError | None = None
        for _attempt in range(MAX_ATTEMPTS):
            error = try_call(partial(self.api.redial_monopolies, left))
            if error is None:
                self._mark_redialled(left)
                return [], None
            rejected = not error.may_have_effect
            if rejected and not is_refused(error):
                raise error
            seconds = 0.0 if rejected else sum(self.verify_delays)
            reading_error = self.poll_until(partial(self._have_moved, left), seconds, ENDPOINT)
            self._mark_redialled([uuid for uuid in left if uuid in self._moved])
            left = [uuid for uuid in left if uuid not in self._moved]
            if left and reading_error:
                raise unverified(error, f"the redial of {sample(left)} took effect", reading_error)
            if not left or rejected:
                break
        return left, error

    def _mark_redialled(self, uuids: Collection[str]) -> None:
        self.result.redialled += [Redial(uuid, self._before[uuid].server) for uuid in uuids]

    def _have_moved(self, uuids: Collection[str]) -> bool:
        """Whether a list has shown each of these resources to be redialled."""
        by_uuid = self.by_uuid
        self._moved |= {
            uuid for uuid in self._before if uuid in by_uuid and has_moved(self._before[uuid], by_uuid[uuid])
        }
        return all(uuid in self._moved for uuid in uuids)

    def wait_online(self, wait: bool) -> None:
        """Read the list, or wait until each resource is online with its new address; then report refusals."""
        sent = [one.uuid for one in self.result.redialled]
        selected = [*sent, *(one.uuid for one in self.result.pending)]

        def not_redialled() -> set[str]:
            return {uuid for uuid in sent if uuid not in self._moved}

        def unready() -> list[str]:
            self._have_moved(sent)
            waiting = not_redialled()
            return [
                one.uuid for one in self.held if one.uuid in selected and (one.uuid in waiting or one.state != "online")
            ]

        def progress() -> str:
            waiting = not_redialled()
            states = (
                "not redialled yet" if one.uuid in waiting else one.state for one in self.held if one.uuid in selected
            )
            return summary(states, len(selected))

        if sent:
            self.refresh()
        if wait and selected:
            advice = "Check them again later, raise max_wait, or set wait to false."
            self.wait_until_ready(unready, progress, advice)
        gone = [uuid for uuid in selected if uuid not in self.by_uuid]
        if gone:
            raise QgError(f"The list no longer contains: {sample(gone)}.")
        refused = self.result.refused
        if refused:
            reasons = " ".join(dict.fromkeys(one.reason for one in refused))
            raise QgError(
                f"{len(refused)} of {len(self.result.before)} resources could not be redialled: "
                f"{sample([one.uuid for one in refused])}. {reasons}",
                endpoint=ENDPOINT,
            )

    def finish(self) -> None:
        """Complete the result. An address counts as new only if the list shows the redial."""
        self._have_moved(())
        now = {uuid: one.server for uuid, one in self.by_uuid.items() if uuid in self._moved}
        self.result.redialled = [Redial(one.uuid, one.before, now.get(one.uuid)) for one in self.result.redialled]
        selected = {one.uuid for one in self.result.before}
        self.result.after = [one for one in self.held if one.uuid in selected]


def has_moved(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was dialled, or began to be, between two lists."""
    return (
        after.state in TRANSITIONAL_STATES
        or (before.state == "offline" and after.state == "online")
        or (after.dialled is not None and after.dialled != before.dialled)
        or (after.server is not None and after.server != before.server)
    )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redial resources, so that they get new addresses.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from functools import partial

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.models import Monopoly
from .._core.errors import CallError, QgError
from .._reconcile.converge import converge
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
    with contextlib.nullcontext() if check else api.key_lock():
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
        self.moved: set[str] = set()

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
            self.mark_redialled(self._before)
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
            batch = _Batch(self, queue.pop(0))
            try:
                converge(batch, MAX_ATTEMPTS - 1)
            except CallError as error:
                left = batch.remaining()
                if is_refused(error) and len(batch.uuids) > 1:
                    queue += [[uuid] for uuid in left]
                elif is_refused(error) or error.may_have_effect:
                    self.result.refused += [Refused(uuid, error.message) for uuid in left]
                else:
                    raise

    def mark_redialled(self, uuids: Collection[str]) -> None:
        """Add resources to the result: the vendor accepted their redial, or the list shows it."""
        self.result.redialled += [Redial(uuid, self._before[uuid].server) for uuid in uuids]

    def have_moved(self, uuids: Collection[str]) -> bool:
        """Whether a list has shown each of these resources to be redialled."""
        by_uuid = self.by_uuid
        self.moved |= {
            uuid for uuid in self._before if uuid in by_uuid and has_moved(self._before[uuid], by_uuid[uuid])
        }
        return all(uuid in self.moved for uuid in uuids)

    def wait_online(self, wait: bool) -> None:
        """Read the list, or wait until each resource is online with its new address; then report refusals."""
        sent = [one.uuid for one in self.result.redialled]
        selected = [*sent, *(one.uuid for one in self.result.pending)]

        def not_redialled() -> set[str]:
            return {uuid for uuid in sent if uuid not in self.moved}

        def unready() -> list[str]:
            self.have_moved(sent)
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
        self.have_moved(())
        now = {uuid: one.server for uuid, one in self.by_uuid.items() if uuid in self.moved}
        self.result.redialled = [Redial(one.uuid, one.before, now.get(one.uuid)) for one in self.result.redialled]
        selected = {one.uuid for one in self.result.before}
        self.result.after = [one for one in self.held if one.uuid in selected]


class _Batch:
    """The redial of some resources, for :func:`converge`: repeated only for those that the list shows as before."""

    def __init__(self, redialler: _Redialler, uuids: list[str]) -> None:
        self.uuids = uuids
        self._redialler = redialler
        self._redialled: set[str] = set()

    def remaining(self) -> list[str]:
        """The resources that are not known to be redialled."""
        return [uuid for uuid in self.uuids if uuid not in self._redialled]

    def send(self, todo: Sequence[str]) -> None:
        """Redial the resources in one call. A success counts for all of them."""
        self._redialler.api.redial_monopolies(todo)
        self._mark(todo)

    def verify(self, todo: Sequence[str], error: QgError | None) -> None:
        """After an error, look for resources that were redialled all the same."""
        if not isinstance(error, CallError) or not (error.may_have_effect or is_refused(error)):
            return
        redialler = self._redialler
        seconds = sum(redialler.verify_delays) if error.may_have_effect else 0.0
        reading_error = redialler.poll_until(partial(redialler.have_moved, todo), seconds, ENDPOINT)
        self._mark([uuid for uuid in todo if uuid in redialler.moved])
        left = self.remaining()
        if left and reading_error:
            raise unverified(error, f"the redial of {sample(left)} took effect", reading_error)

    def _mark(self, uuids: Sequence[str]) -> None:
        self._redialled.update(uuids)
        self._redialler.mark_redialled(uuids)

    def adapt(self, error: QgError | None, left: Sequence[str]) -> bool:
        """Whether another way of sending can help: not within one batch."""
        return False

    def failure(self, error: QgError | None, left: Sequence[str]) -> QgError:
        """The error of the call itself, by which the batch is split or the resources are reported as refused."""
        return error or QgError(f"{sample(left)} could not be redialled.", endpoint=ENDPOINT)

    def pause(self, attempt: int) -> None:
        """A repetition needs no delay, as the list was read for some seconds."""


def has_moved(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was dialled, or began to be, between two lists."""
    return (
        after.state in TRANSITIONAL_STATES
        or (before.state == "offline" and after.state == "online")
        or (after.dialled is not None and after.dialled != before.dialled)
        or (after.server is not None and after.server != before.server)
    )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Redial resources, so that they get new addresses."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from functools import partial

from .._api import calls
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError, QgError, UncertainOutcomeError
from .._reconcile.lost_response import verifying
from .._store.journal_rows import Call
from .batches import Batch, change_in_batches, is_refused, reasons
from .session import (
    CHECK_COMMAND,
    DEFAULT_POLICY,
    REDIAL,
    TRANSITIONAL_STATES,
    MonopolyPolicy,
    MonopolyResult,
    MonopolySession,
    Redial,
    sample,
    summary,
)

#: Seconds between two dials of a resource: the vendor's ten, and one because the list shows whole seconds.
MIN_REDIAL_INTERVAL = 11.0
ENDPOINT = calls.MONOPOLIES_REDIAL.name


def redial(
    api: Monopolies,
    uuids: Collection[str] | None,
    *,
    wait: bool = True,
    check: bool = False,
    policy: MonopolyPolicy = DEFAULT_POLICY,
) -> MonopolyResult:
    """Redial these resources, or all, except those that are being redialed or queued already."""
    session = RedialSession(api, policy)
    result = session.result
    with contextlib.nullcontext() if check else api.caller.key_lock():
        session.load_initial()
        session.select(uuids)
        try:
            session.redial(check)
        except QgError as error:
            result.error = error
    if result.error is None and not check:
        try:
            session.wait_online(wait)
        except QgError as error:
            result.error = error
    session.complete_result()
    return result


class RedialSession(MonopolySession):
    """One run that redials resources.

    ``selected`` are the resources as they were before the redial, by name, and ``shown_redialed`` the names of those
    that a list has shown to be redialed.
    """

    def __init__(self, api: Monopolies, policy: MonopolyPolicy) -> None:
        super().__init__(api, policy)
        self.selected: dict[str, Monopoly] = {}
        self.shown_redialed: set[str] = set()

    def select(self, uuids: Collection[str] | None) -> None:
        """Select the resources to redial; raises QgError for a resource that is not held."""
        result = self.result
        unknown = [uuid for uuid in uuids or () if uuid not in self.held]
        if unknown:
            raise QgError(
                f"uuids contains resources that this key does not hold: {sample(unknown)}. Nothing was redialed. "
                f'Remove them, or check with "{CHECK_COMMAND}".'
            )
        result.before = [one for one in self.monopolies if uuids is None or one.uuid in uuids]
        result.pending = [one for one in result.before if one.state in TRANSITIONAL_STATES]
        self.selected = {one.uuid: one for one in result.before if one.state not in TRANSITIONAL_STATES}

    def redial(self, check: bool) -> None:
        """Redial the selected resources as soon as the vendor allows it for all of them."""
        if check:
            self.mark_redialed(self.selected)
            return
        now = self.vendor_time()
        delays = [
            MIN_REDIAL_INTERVAL - (now - one.dialled).total_seconds() for one in self.selected.values() if one.dialled
        ]
        delay = max(delays, default=0.0)
        if delay > 0:
            reason = "the vendor requires 10 seconds between two dials"
            self.api.caller.budget.wait(delay, reason, ENDPOINT)
        change_in_batches(partial(_Redial, self), list(self.selected), self.result, self.policy.max_repeats)
        self.settle(REDIAL)

    def mark_redialed(self, uuids: Collection[str]) -> None:
        """Add resources to the result whose redial the vendor accepted, or the list shows."""
        self.result.redialed += [Redial(uuid, self.selected[uuid].server) for uuid in uuids]

    def are_redialed(self, uuids: Collection[str]) -> bool:
        """Whether a list has shown each of these resources to be redialed."""
        self.shown_redialed |= {
            uuid
            for uuid, before in self.selected.items()
            if uuid in self.held and was_redialed(before, self.held[uuid])
        }
        return self.shown_redialed.issuperset(uuids)

    def wait_online(self, wait: bool) -> None:
        """Read the list, with ``wait`` until each resource is online with its new address; then report refusals."""
        sent = [one.uuid for one in self.result.redialed]
        concerned = [*sent, *(one.uuid for one in self.result.pending)]

        def states() -> dict[str, str]:
            """Return the state of each resource, or that its redial is not visible yet."""
            self.are_redialed(sent)
            waiting = set(sent) - self.shown_redialed
            return {
                one.uuid: "not redialed yet" if one.uuid in waiting else one.state
                for one in self.monopolies
                if one.uuid in concerned
            }

        if sent:
            self.refresh()
        if wait and concerned:
            self.wait_until_ready(
                lambda: [uuid for uuid, state in states().items() if state != "online"],
                lambda: summary(states().values(), len(concerned)),
                "Check them again later, raise max_wait, or set wait to false.",
            )
        gone = [uuid for uuid in concerned if uuid not in self.held]
        if gone:
            raise QgError(f"The list no longer contains: {sample(gone)}.")
        refused = self.result.refused
        if refused:
            raise QgError(
                f"{len(refused)} of {len(self.result.before)} resources could not be redialed: "
                f"{sample([one.uuid for one in refused])}. {reasons(refused)}",
                endpoint=ENDPOINT,
            )

    def complete_result(self) -> None:
        """Complete the result. An address counts as new only if the list shows the redial."""
        self.are_redialed(())
        now = {uuid: one.server for uuid, one in self.held.items() if uuid in self.shown_redialed}
        self.result.redialed = [Redial(one.uuid, one.before, now.get(one.uuid)) for one in self.result.redialed]
        selected = {one.uuid for one in self.result.before}
        self.result.after = [one for one in self.monopolies if one.uuid in selected]


class _Redial(Batch):
    """The redial of a batch, repeated only for the resources that the list shows unchanged."""

    def __init__(self, session: RedialSession, uuids: list[str]) -> None:
        super().__init__(session, uuids)
        self._session = session
        self._redialed: set[str] = set()

    def remaining(self) -> list[str]:
        return [uuid for uuid in self.uuids if uuid not in self._redialed]

    def send(self, todo: Sequence[str]) -> None:
        """Redial the resources in one call; a success applies to all of them."""
        call = Call(REDIAL, ENDPOINT, todo)
        self._session.api.redial_monopolies(todo, sending=partial(self._session.recorded, call))
        self._mark(todo)

    def verify(self, todo: Sequence[str], error: QgError | None) -> None:
        """After an error, look for resources that were redialed nevertheless."""
        if not isinstance(error, CallError) or not (error.may_have_effect or is_refused(error)):
            return
        session = self._session
        delays = session.policy.verify_delays if error.may_have_effect else (0.0,)
        try:
            with verifying(error, self._uncertain):
                session.poll(partial(session.are_redialed, todo), delays)
        finally:
            self._mark([uuid for uuid in todo if uuid in session.shown_redialed])

    def _uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        what = f"the redial of {sample(self.remaining())} took effect"
        return self._session.uncertain(error, what, reason, endpoint=ENDPOINT)

    def _mark(self, uuids: Sequence[str]) -> None:
        self._redialed.update(uuids)
        self._session.mark_redialed(uuids)

    def failure(self, error: QgError | None, left: Sequence[str]) -> QgError:
        """Return the error of the call, by which change_in_batches() splits the batch or reports the refusal."""
        return error or QgError(f"{sample(left)} could not be redialed.", endpoint=ENDPOINT)


def was_redialed(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was redialed, or its redial began, between two lists."""
    if after.state in TRANSITIONAL_STATES or (before.state, after.state) == ("offline", "online"):
        return True
    dialled_again = after.dialled is not None and after.dialled != before.dialled
    return dialled_again or (after.server is not None and after.server != before.server)

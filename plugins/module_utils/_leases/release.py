# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release leases, and read the list until it shows that they are gone."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial

from .._api.leases import Lease, oldest_first
from .._core.chunks import chunks
from .._core.errors import CallError, Effect, OptionError, QgError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .._reconcile.converge import Change
from .._reconcile.lost_response import ACCEPTED
from .._store.journal_rows import LIST_LAG, MAYBE_GONE, Call
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy, is_refused
from .earlier_calls import lease_session
from .plan import format_leases
from .session import RELEASE, LeaseResult, LeaseSession

#: What a release may name: an address, and a task or none.
_ADDRESS, _TASK = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"), re.compile(r"[\w-]*")


def release_leases(
    api: LeaseBackend,
    chosen: Callable[[Lease], bool],
    *,
    check: bool = False,
    policy: LeasePolicy = DEFAULT_POLICY,
) -> LeaseResult:
    """Release the held leases that are ``chosen``."""
    with lease_session(api, policy, check=check) as session:
        leases = [lease for lease in session.held.values() if chosen(lease)]
        check_addresses(leases)
        result = LeaseResult(session.before, session.before, tuple(leases))
        if check:
            result.released = tuple(oldest_first(leases))
        else:
            with result.completed(session, leases):
                release(session, leases)
        return result


def release(session: LeaseSession, leases: Collection[Lease], reported: set[str] | None = None) -> None:
    """Release leases, and read the list until it shows that they are gone.

    The names of the leases that the vendor reported as released are added to ``reported``, even if this raises.
    """
    if not leases:
        return
    if session.features.release is None:
        raise OptionError("The product of this key does not release leases before they end.")
    check_addresses(leases)
    work = Release(session, leases, session.features.release)
    try:
        work.converge(session.policy.max_repeats)
    finally:
        if reported is not None:
            reported.update(work.reported)
    if work.is_verified and not session.release_in_flight:
        session.settle(RELEASE)


def check_addresses(leases: Collection[Lease]) -> None:
    """Refuse leases whose exit or task is no plain name: a call without a name, or with ``*``, might release all."""
    nameless = [
        lease.server for lease in leases if not (_ADDRESS.fullmatch(lease.ip) and _TASK.fullmatch(lease.task_id))
    ]
    if nameless:
        raise QgError(
            f"QG.net's list does not name the exit address of {format_sample(nameless)}, and leases are released by "
            "address. Change the exit in the user centre, or wait until the leases end."
        )


class Release(Change[Lease]):
    """The release of some leases by ``call``."""

    def __init__(self, session: LeaseSession, leases: Collection[Lease], call: str) -> None:
        self._session = session
        self._call = call
        if len(leases) > session.api.release_batch():
            # The limit depends on the channels of the plan. Reading the quota stores their number.
            session.wait_for_channels(0, wait=False)
        # Oldest first, since the vendor may refuse to release young leases.
        self._leases = oldest_first(leases)
        self._max_batch = session.api.release_batch()
        self._has_waited = False
        #: The names of leases that were reported as released, each with the time of the report.
        self._reported: dict[str, float] = {}
        #: Whether the list has shown each result.
        self.is_verified = True

    @property
    def reported(self) -> Collection[str]:
        """The names of leases that were reported as released."""
        return self._reported

    def remaining(self) -> list[Lease]:
        return [lease for lease in self._leases if lease.name in self._session.held]

    def send(self, todo: Sequence[Lease]) -> None:
        """Send the calls, and store the releases that they report."""
        session = self._session
        for batch, by_task in batches(todo, list(session.held.values()), self._max_batch):
            call = Call(RELEASE, self._call, [lease.name for lease in batch], effect=MAYBE_GONE)
            call = dataclasses.replace(call, witness=session.lasting_balance)
            released = session.api.release(batch, by_task=by_task, sending=partial(session.recorded, call))
            session.listed.report_gone(session.last(RELEASE), [lease.name for lease in released])
            # Stored at once, so that a later error does not hide it. verify() compares it with the list.
            for lease in released:
                session.held.pop(lease.name, None)
                self._reported[lease.name] = session.now()

    def verify(self, todo: Sequence[Lease], error: QgError | None) -> None:
        """Read the effect of the calls."""
        session = self._session
        session.release_in_flight |= isinstance(error, CallError) and error.effect is Effect.IN_FLIGHT
        reported = [lease.name for lease in todo if lease.name in self._reported]
        self.is_verified &= self._read_back(error, reported, len(todo))
        recent = {name for name, at in self._reported.items() if session.now() - at < LIST_LAG}
        if error and all(lease.name in recent for lease in self.remaining()):
            # The list still shows only leases that were reported as released: the error is due to these.
            self.is_verified = False
            session.unconfirmed.update(lease.name for lease in self.remaining())
            session.refresh()

    def _read_back(self, error: QgError | None, reported: Collection[str], number: int) -> bool:
        """Read the list once after an error, or after a success until it shows the reported releases.

        Returns False if max_wait is too short for that, so that the reported releases count, with a warning.
        """
        session = self._session
        delays = session.policy.lag_delays if error is None else (0.0,)
        try:
            try:
                session.poll(
                    lambda: session.names.isdisjoint(reported), delays, partial(session.refresh, doubted=reported)
                )
            except WaitBudgetExceeded:
                session.unconfirmed.update(session.names.intersection(reported))
                session.refresh()
                return False
            session.unconfirmed.difference_update(reported)
            return True
        except QgError as second:
            first = error or QgError(ACCEPTED, **second.details)
            reason = f"{{list}} cannot be read: {second.message}"
            raise session.uncertain(first, f"{counted(number, 'lease', 'were')} released", reason) from None

    def adapt(self, error: QgError | None, left: Sequence[Lease]) -> bool:
        """After a refusal of too many, release fewer at a time; if one is too many, wait a minute, once."""
        session = self._session
        if not is_refused(error, session.features.too_many):
            return False
        size = min(self._max_batch, len(left))
        if size > 1:
            self._max_batch = math.ceil(size / 2)
            return True
        if self._has_waited:
            raise self.failure(error, left)
        self._has_waited = True
        try:
            minute = session.api.caller.rate_limiter.minute
            session.api.caller.budget.wait(minute, "the release limit is reached", self._call)
        except WaitBudgetExceeded:
            raise self.failure(error, left) from None
        return True

    def failure(self, error: QgError | None, left: Sequence[Lease]) -> QgError:
        error, features = error or QgError(ACCEPTED), self._session.features
        # The rule explains the refusal better than the vendor's code.
        rules = f"{features.release_rules} " if is_refused(error, features.too_many | features.forbidden) else ""
        return QgError(
            f"{rules}{error.message} {counted(len(left), 'lease', 'are')} still held: {format_leases(left)}.",
            **error.details,
        )

    def pause(self, attempt: int) -> None:
        delay = self._session.policy.backoff(attempt - 1)
        self._session.api.caller.budget.wait(delay, "the list still shows released leases", self._call)


def batches(todo: Sequence[Lease], held: Sequence[Lease], max_batch: int) -> list[tuple[list[Lease], bool]]:
    """Return the leases of each call, and whether it releases by task.

    It does if a release by address would also release another lease with the same address.
    """
    chosen = {lease.name for lease in todo}
    kept_ips = {lease.ip for lease in held if lease.name not in chosen}
    kept_tasks = {lease.task_id for lease in held if lease.name not in chosen}
    shared = [lease for lease in todo if lease.ip in kept_ips]
    inseparable = [lease for lease in shared if lease.task_id in kept_tasks]
    if inseparable:
        raise QgError(
            f"{format_leases(inseparable)}: another lease that must stay has the same address, and the vendor releases "
            "by address. Release both."
        )
    tasks = dict.fromkeys(lease.task_id for lease in shared)
    by_address = [lease for lease in todo if lease.task_id not in tasks]
    calls = [(batch, False) for batch in chunks(by_address, max_batch)]
    return calls + [([lease for lease in todo if lease.task_id == task], True) for task in tasks]

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace leases: named ones by release and allocation, or a number that the vendor chooses by the call /replace.

An interrupted replacement is recorded. A run that requests the same continues it, so that the key holds as many leases
as before, and none is paid for twice.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from .._api.leases import AllocationParams, Lease, oldest_first
from .._core.errors import CallError, Effect, OptionError, QgError, UncertainOutcomeError
from .._core.text import counted
from .._reconcile.converge import Change
from .._reconcile.held_leases import ends
from .._reconcile.lost_response import NOTHING_NEW, PARTIAL, UNLISTED, verifying
from .._store.journal_rows import Call, JournalRow
from .allocate import allocate
from .backend import DEFAULT_POLICY, LeaseBackend, LeasePolicy, is_refused
from .earlier_calls import lease_session, recent_calls, resolve_earlier
from .plan import Origin, format_leases
from .purchases import successor_terms
from .release import check_addresses, release
from .session import INTERRUPTED_REPLACE, REPLACE, LeaseResult, LeaseSession

#: The name in the state store of a replacement by release and allocation.
_RELEASE_AND_ALLOCATE = "release and allocate"
_NOTHING_GONE = "{list} still shows the old ones."


def replace_leases(
    api: LeaseBackend,
    chosen: Callable[[Lease], bool] | None,
    number: int | None,
    params: AllocationParams,
    *,
    check: bool = False,
    policy: LeasePolicy = DEFAULT_POLICY,
) -> LeaseResult:
    """Replace the ``chosen`` leases by release and allocation, or let the vendor replace ``number`` of its choice.

    With neither, replace all. Afterwards the key holds as many leases as before, and the new ones are as the old ones
    in what ``params`` leave open.
    """
    with lease_session(api, policy, check=check) as session:
        if not check and (recent_calls(session, _RELEASE_AND_ALLOCATE) or recent_calls(session, INTERRUPTED_REPLACE)):
            # Missing leases are going to be paid for, so the list must be right.
            listed = session.names
            session.confirm_list()
            if session.names != listed:
                resolve_earlier(session, wait=True)
        replacement = NamedReplacement(session, params)
        missing_successors, earlier = replacement.continue_interrupted(chosen) if chosen else (0, frozenset[str]())
        held = [lease for lease in session.held.values() if lease.name not in earlier]
        named = [lease for lease in held if chosen(lease)] if chosen else held
        count = len(named) + missing_successors if number is None else number
        interrupted = [] if chosen else _interrupted(session, number, params)
        if interrupted:
            count = interrupted[0].request["count"]
        result = LeaseResult(session.before, session.before, missing=count, continued=tuple(replacement.continued))
        if count > len(named) + missing_successors and not interrupted:
            raise OptionError(
                f"count={counted(count, 'lease')} cannot be replaced: the key holds {len(named)}. Lower count."
            )
        terms = params if interrupted else successor_terms(session, named, params)
        if chosen:
            check_addresses(named)
        if not interrupted:
            # Before the first release: a lease must not be released if its successor must not be bought.
            session.journal.check_caps(count)
        if check:
            result.released = tuple(oldest_first(named)) if count == len(named) else ()
            return result
        with result.completed(session, session.before):
            if chosen is None:
                replace_unnamed(session, interrupted, count, number, params, terms)
            else:
                replacement.carry_out(named, terms)
        result.missing = max(0, len(session.before) - len(session.held))
        return result


class NamedReplacement:
    """The replacement of named leases by release and allocation."""

    def __init__(self, session: LeaseSession, params: AllocationParams) -> None:
        self._session = session
        #: The parameters that were asked for, and the numbers and parameters of successors that earlier runs lack.
        self._asked = params.as_json()
        self._missing: list[tuple[int, AllocationParams]] = []
        #: The record numbers of replacements that this run has begun or continues.
        self._recorded: list[int] = []
        #: The leases that the continued replacements were to replace.
        self.continued: list[Lease] = []

    def continue_interrupted(self, chosen: Callable[[Lease], bool]) -> tuple[int, frozenset[str]]:
        """Return the number of successors that interrupted runs did not allocate, and the names of those they did.

        These are runs that replaced ``chosen`` leases by release and allocation. Every lease that is new since then
        counts as a successor, so that none is paid for twice, but at most as many as calls since then may have bought.
        """
        session = self._session
        missing, successors, counted = 0, frozenset[str](), set[str]()
        # A run that continues others allocates their successors before it records its own leases. So if several runs
        # were to replace a lease, it belongs to the last of them.
        for call in reversed(recent_calls(session, _RELEASE_AND_ALLOCATE)):
            named = [Lease.from_item(vendor, task) for task, vendor in call.request["named"]]
            ended = session.ended(named, call.sent_at)
            own = [lease for lease in named if chosen(lease) and lease not in ended]
            if own and call.request["asked"] == self._asked:
                fresh = session.new_since(call.names, call.id)
                gone = {lease.name for lease in session.gone(own)} - counted
                bought = sum(row.buys for row in session.journal.since(call.sent_at))
                left = max(0, len(gone) - min(len(fresh), bought))
                missing += left
                self._missing.append((left, AllocationParams.from_json(call.request["terms"])))
                counted |= gone
                successors = successors.union(fresh)
                self._recorded.append(call.id)
                self.continued += own
        return missing, successors

    def carry_out(self, named: Sequence[Lease], terms: AllocationParams) -> None:
        """Allocate the missing successors of earlier runs, and replace the leases by new ones with these terms."""
        session = self._session
        for number, earlier in self._missing:
            allocate(session, number, earlier)
        if named:
            self._record(named, terms)
            self._replace(oldest_first(named), terms)
        session.finish_replacement(self._recorded)

    def _record(self, named: Sequence[Lease], terms: AllocationParams) -> None:
        """Record the leases that are about to be replaced, for a later run that has to continue."""
        session = self._session
        names = [[lease.task_id, dict(lease.vendor)] for lease in named]
        request = {"asked": self._asked, "terms": terms.as_json(), "named": names}
        call = Call(_RELEASE_AND_ALLOCATE, "", session.names, request, len(named))
        self._recorded.append(session.journal.record(call))

    def _replace(self, named: Sequence[Lease], terms: AllocationParams) -> None:
        """Release leases and allocate their successors.

        Replace one first, so that the others are kept if there is no successor. It is the oldest, since the vendor may
        refuse to release young leases.
        """
        first, rest = named[:1], named[1:]
        quota = self._session.wait_for_channels(0, wait=False) if rest else None
        self._release_and_allocate(first, terms)
        if quota and quota.available < len(named):
            self._check_channel_returned(first, rest, quota.available)
        self._release_and_allocate(rest, terms)

    def _check_channel_returned(self, first: Sequence[Lease], rest: Sequence[Lease], available: int) -> None:
        """Raise QgError, to keep the other leases, if the channel of the first lease did not become free.

        Its successor has then taken another channel. A plan by volume gets no channel back for a release, and the API
        does not show which plans those are.
        """
        quota = self._session.wait_for_channels(available, wait=True)
        if quota and quota.available < min(available, len(rest)):
            raise QgError(
                f"{format_leases(first)} was replaced, but its channel did not come free, so the other {len(rest)} "
                "leases were kept. A plan that is billed by volume pays for every new lease: it has "
                f"{quota.available} left.",
                quota=quota.described(),
            )

    def _release_and_allocate(self, leases: Sequence[Lease], terms: AllocationParams) -> None:
        """Release leases, and allocate a successor for each that is gone."""
        session, reported = self._session, set[str]()
        try:
            release(session, leases, reported)
        except UncertainOutcomeError:
            # It is unknown how many are gone, so a successor could be one too many.
            raise
        except QgError:
            # Allocate successors for the released ones, even if not all could be released.
            self._allocate_successors(leases, reported, terms)
            raise
        self._allocate_successors(leases, reported, terms)

    def _allocate_successors(self, leases: Sequence[Lease], reported: Collection[str], terms: AllocationParams) -> None:
        """Allocate a successor for each lease that is gone; confirm the list first if a release was not reported."""
        session = self._session
        if any(lease.name not in reported for lease in session.gone(leases)):
            session.confirm_list()
        allocate(session, len(session.gone(leases)), terms)


def _interrupted(session: LeaseSession, number: int | None, params: AllocationParams) -> list[JournalRow]:
    """Return the interrupted calls with the same request."""
    request = (number, params.as_json())
    calls = recent_calls(session, INTERRUPTED_REPLACE)
    return [call for call in calls if (call.request["number"], call.request["asked"]) == request]


def replace_unnamed(
    session: LeaseSession,
    interrupted: Sequence[JournalRow],
    count: int,
    number: int | None,
    asked: AllocationParams,
    terms: AllocationParams,
) -> None:
    """Let the vendor replace ``count`` leases of its choice; continue the ``interrupted`` calls.

    ``number`` is the requested number, None for all. ``terms`` are the parameters of the new leases, of which the user
    has ``asked`` for some. Afterwards the key holds as many leases as before.
    """
    if interrupted:
        terms = AllocationParams.from_json(interrupted[0].request["terms"])
    call = session.features.replace
    if call is None:
        raise OptionError("The product of this key replaces no leases of its choice: name them in ips or task_ids.")
    request = {"number": number, "asked": asked.as_json(), "terms": terms.as_json(), "count": count}
    continued, size = [one.id for one in interrupted], session.features.max_per_call
    for start in range(0, count, size):
        earlier = next((one for one in interrupted if one.request["start"] == start), None)
        request |= {"start": start}
        replacement = VendorReplacement(session, call, terms, earlier, request, min(size, count - start))
        replacement.carry_out()
        continued += replacement.interrupted
    session.finish_replacement(continued)


class VendorReplacement(Change[None]):
    """The replacement of N, at most 100, leases by a ``call`` of the vendor, or the rest of an ``earlier`` one."""

    def __init__(
        self,
        session: LeaseSession,
        call: str,
        params: AllocationParams,
        earlier: JournalRow | None,
        request: dict[str, Any],
        number: int,
    ) -> None:
        self._session = session
        self._call = call
        self._params = params
        self._origin = Origin(params.areas, params.isp)
        #: The names of the leases before the replacement, and the number of its first call, if an earlier run sent it.
        self._old = earlier.names if earlier else session.names
        self._began = earlier.id if earlier else None
        self._request = {**request, "origin": vars(self._origin)}
        self._number = number
        #: The leases that this run has paid for, those before the last call, and the numbers of the calls before it.
        self._paid = 0
        self._known = frozenset[str]()
        self._earlier: tuple[int, ...] = ()
        #: The record numbers of refused calls that released old leases without a successor.
        self.interrupted: list[int] = []

    def carry_out(self) -> None:
        """Replace the leases; successors are allocated for those that a failed call only released."""
        self._allocate_successors()
        self.converge(self._session.policy.max_attempts - 1)

    def remaining(self) -> Sequence[None]:
        # Each new lease replaces an old one, even one that the list still shows. The vendor may replace a new lease
        # again, so all leases that this run has paid for count.
        return (None,) * (self._number - max(*self._changed(), self._paid))

    def _changed(self) -> tuple[int, int]:
        """Return how many of the old leases are gone, and how many are new."""
        return len(self._old - self._session.names), len(self._session.new_since(self._old, self._began))

    def send(self, todo: Sequence[None]) -> None:
        session, left = self._session, len(todo)
        self._known, self._earlier = session.names, tuple(session.pending.get(REPLACE, ()))
        call = Call(
            *(REPLACE, self._call, self._old, self._request, self._number),
            witness=session.lasting_balance,
            buys=left,
        )
        sending = partial(session.recorded, call, self._may_have_effect)
        leases = session.api.replace(left, self._params, sending=sending)
        session.add_new(REPLACE, leases)
        session.report_replaced(session.last(REPLACE), left, self._known)
        session.adopt(self._known, left, self._origin, self._params)
        if not self._wait_until_gone(self._known, len(leases), left):
            raise self._uncertain(None, _NOTHING_GONE)

    def verify(self, todo: Sequence[None], error: QgError | None) -> None:
        """Read the effect of a call, and allocate the successors that it lacks."""
        if not isinstance(error, CallError | None):
            # It was not sent.
            return
        session, known = self._session, self._known
        self._read_back(error, known, len(todo))
        fresh = session.new_since(known)
        session.receive(REPLACE, ends(session.held[name] for name in fresh))
        if error and not error.may_have_effect:
            with verifying(error, self._uncertain):
                self._await_release(known)
            self._resolve_refusal(self._earlier, known)
        self._paid += len(fresh)
        self._allocate_successors()

    def _allocate_successors(self) -> None:
        session = self._session
        while (missing := operator.sub(*self._changed())) > 0:
            known = session.names
            session.confirm_list()
            if session.names == known:
                allocate(session, missing, self._params)
                self._paid += missing

    def failure(self, error: QgError | None, left: Sequence[None]) -> QgError:
        return error or self._uncertain(None, NOTHING_NEW)

    def _may_have_effect(self, error: CallError) -> bool:
        """Whether a failed call may have had an effect: the vendor may refuse it after releasing the old leases."""
        return error.may_have_effect or is_refused(error, self._session.features.partial_replacement)

    def _await_release(self, known: frozenset[str]) -> None:
        """After a refusal, wait for a list that shows what the vendor released, if the quota shows that it did."""
        session = self._session
        quota = session.quota() if session.names == known else None
        if quota is not None and quota.balance is None and quota.total > 0 and quota.used < session.in_use:
            session.poll(lambda: session.names != known, session.policy.lag_delays)

    def _resolve_refusal(self, earlier: Sequence[int], known: frozenset[str]) -> None:
        """Resolve a refused call if the list shows that it released nothing; otherwise mark it for a later run.

        ``earlier`` are the record numbers of other calls of this run.
        """
        journal, pending = self._session.journal, self._session.pending.get(REPLACE, [])
        for number in [number for number in pending if number not in earlier]:
            pending.remove(number)
            if self._session.names == known:
                journal.settle(number)
            else:
                journal.rename(number, INTERRUPTED_REPLACE)
                self.interrupted.append(number)

    def _wait_until_gone(self, known: frozenset[str], reported: int, requested: int) -> bool:
        """After a success, wait until the list shows that the requested leases are gone, for as long as it may lag.

        The vendor may have replaced only the ``reported`` number. Returns False if fewer than that are gone. If
        max_wait is too short, or the list cannot be read, the response counts.
        """
        session = self._session

        def are_gone(number: int) -> bool:
            return len(known - session.held.keys()) >= min(number, len(known))

        with contextlib.suppress(QgError):
            return session.poll(lambda: are_gone(requested), session.policy.lag_delays) or are_gone(reported)
        return True

    def _read_back(self, error: CallError | None, known: frozenset[str], left: int) -> None:
        """Read the effect of a call: a response contains only the new leases, and a refusal may follow a release.

        Returns once the list shows all ``left`` new leases, or if the missing ones may be requested again.
        """
        session, policy = self._session, self._session.policy
        may_have_effect = error is None or error.may_have_effect
        refused = error is not None and error.details.get("code") is not None and not may_have_effect
        if error and refused and not is_refused(error, session.features.partial_replacement):
            raise error
        in_flight = error is not None and error.effect is Effect.IN_FLIGHT
        # A success may return fewer leases.
        asked, unlisted = left if error else 1, False
        adopting = session.adopting(known, left, self._origin, self._params)
        with verifying(error, self._uncertain), adopting:
            shows_all = session.poll_new(known, asked, policy.verify_delays[: None if may_have_effect else 1])
            # If the call is still in flight, only new leases prove its effect: a lease that is gone may have expired.
            if not shows_all and may_have_effect and not in_flight:
                # The quota does not change in a replacement, so only the list can show it, and gets more time.
                shows_all = session.poll_new(known, asked, policy.lag_delays[1:])
                unlisted = not shows_all and session.names != known and session.counts_unlisted()
        new = session.new_since(known)
        if unlisted:
            raise self._uncertain(error, PARTIAL if new else UNLISTED)
        # A call that succeeded, or that is still in flight, is never sent again.
        if (in_flight and not shows_all) or (error is None and session.names == known):
            raise self._uncertain(error, PARTIAL if new else NOTHING_NEW)

    def _uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        return self._session.uncertain(error, "leases were replaced", reason, endpoint=self._call)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of a key, and the calls that change them without paying twice.

This file is private to the collection. What is and what is not known of the calls: vendor docs 174 to 176 and 297.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.errors import (
    ALLOCATION_FAILED,
    COUNT_LIMIT,
    INVALID_PARAMETER,
    NO_FREE_CHANNEL,
    NO_PERMISSION,
    RESOURCES_SHORT,
    UNKNOWN,
    ApiError,
)
from .._api.classic.models import Lease, Quota
from .._core.errors import CallError, Effect, QgError, TransportError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.waiting import backoff
from .._store.lease_store import LeaseMemory, Origin
from .._store.paid_calls import (
    UNRESOLVED_TTL,
    PaidCall,
    PaidCalls,
)
from .._store.reported import LIST_LAG
from .plan import MAX_PER_CALL, Terms, oldest_first, some

#: Seconds before each look at the list after a lost answer: the vendor's list may lag behind what was done.
SETTLING = (0.0, 2.0, 3.0)
#: The same where nothing but the list can tell, or where the quota tells of more: as long as the list may lag.
LAGGING = (0.0, 5.0, 10.0, 20.0, 25.0)
#: Seconds between looks at the list for the result of a call of an earlier run.
POLL_INTERVAL = 5.0
#: Seconds between looks for a channel that is being freed, and for how long it is waited for. Clients of the vendor saw
#: 3 to 6 seconds after a release and 30 after a failed replacement.
FREEING_NAP, FREEING_LIMIT = 3.0, 45.0
#: Why it cannot be told where max_wait is used up.
NO_TIME = "the list of leases shows nothing so far, and max_wait leaves no time to look again."
#: The same where the call may still be carried out, or the list may still lag behind.
NOTHING_NEW = "the list of leases shows nothing new so far."
#: The same where the quota tells of more than the list.
HIDDEN = "the quota has fewer free channels than the list of leases accounts for."
#: The same where a replacement was reported.
NOTHING_GONE = "the list of leases still shows the old ones."
#: Times that a call is repeated after it surely, or very likely, did nothing.
MAX_REPEATS = 3


class Holder:
    """The leases of a key, and the calls that change them. Use it under :meth:`ProxyApi.alone`.

    ``held`` is what the key holds as far as is known. ``new`` are leases that came since the first look.
    """

    def __init__(self, api: ProxyApi, now: Callable[[], float] = time.time) -> None:
        self.api = api
        self.now = now
        self.memory = LeaseMemory(api.rate_limiter.state, api.key_digest, now)
        self.held: dict[tuple[str, str, str], Lease] = {}
        self.new: dict[tuple[str, str, str], Lease] = {}
        self.before: tuple[Lease, ...] = ()
        self.calls = PaidCalls(api.rate_limiter.state, api.key_digest, now)
        #: The numbers of the recorded calls of this run whose result is not known, and of what they are a part of.
        self._unresolved: dict[str, list[int]] = {_ALLOCATE: [], _REPLACE: [], _RELEASE: []}
        self._continued: list[int] = []
        #: Whether a release may still be carried out, which would hit a new lease of the same address.
        self.release_under_way = False
        #: Channels that are free or carry a lease on the list, as the quota told when it was last asked for room.
        self._accounted: int | None = None

    def first_look(self, *, wait: bool = True) -> None:
        """Read what is held before anything is done, with ``wait`` once earlier runs have nothing under way."""
        self.look()
        self.before = tuple(self.held.values())
        for call in self.calls.unresolved(_ALLOCATE, _REPLACE, _RELEASE):
            self._settle(call, wait)
        self.memory.still_held({lease.task_id for lease in self.held.values()})

    @property
    def _names(self) -> frozenset[str]:
        """The names of the leases that are held."""
        return frozenset(lease.name for lease in self.held.values())

    def look(self, doubted: Collection[str] = ()) -> None:
        """Read what is held now. For ``doubted`` leases, whose release was reported, the list alone decides."""
        self.held = {lease.identity: lease for lease in self.api.leases(doubted=doubted)}

    def _settle(self, call: PaidCall, wait: bool) -> None:
        """Determine the result of a call of an earlier run, which ended before the result was known."""
        doubted = call.known if call.endpoint == _RELEASE else ()
        if doubted:
            self.look(doubted)
        # Counted by the waits, which no change of the clock makes longer.
        left = call.settles_in(self.now())
        while not self._shows_result(call) and left > 0:
            if not wait:
                return
            pause = min(POLL_INTERVAL, left)
            try:
                self.api.budget.wait(pause, "a call of an earlier run is under way", call.endpoint)
            except WaitBudgetExceeded:
                why = f"the list of leases may show it within {left:.0f} seconds, but max_wait ends before that."
                raise _uncertain(*_interrupted(call, self.now()), why) from None
            left -= pause
            self.look(doubted)
        if doubted:
            # The list has had its time, and decides.
            self.api.forget_leases(doubted)
        fresh = [lease for lease in self.held.values() if lease.name not in call.known]
        young = call.age(self.now()) < UNRESOLVED_TTL
        if young and not self._shows_result(call) and self._quota_shows_unlisted(call.in_use):
            raise _uncertain(*_interrupted(call, self.now()), HIDDEN)
        if call.endpoint != _RELEASE and not call.finished:
            known = self.memory.origins()
            self._remember_origin([one for one in fresh if one.task_id not in known], call.wanted, _origin(call))
            first = {lease.identity for lease in self.before}
            self.new.update({lease.identity: lease for lease in fresh if lease.identity not in first})
        if call.endpoint == _REPLACE and young and not call.finished:
            # A run that asks for the same continues it, and does not pay again.
            self.calls.rename(call.id, _CONTINUE)
        else:
            self.calls.resolve(call.id)

    def record_swap(self, named: Sequence[Lease], terms: Terms) -> None:
        """Keep which leases are about to be replaced one by one, for a later run that has to continue."""
        request = {"terms": vars(terms), "named": [[lease.task_id, dict(lease.vendor)] for lease in named]}
        number = self.calls.record(_SWAP, wanted=len(named), known=self._names, request=request, in_use=None, timeout=0)
        self._continued.append(number)

    def interrupted_swaps(self, chosen: Callable[[Lease], bool], terms: Terms) -> tuple[int, frozenset[str]]:
        """What interrupted runs that replaced such leases have left to do.

        Returns how many successors are missing, and the names of those that are held. Every lease that came since then
        counts as a successor, so that none is paid for twice.
        """
        missing, successors = 0, frozenset[str]()
        for call in self._recent(_SWAP):
            named = [Lease.from_item(item, task) for task, item in call.request["named"]]
            mine = [lease for lease in named if chosen(lease) and (lease.remaining(self.now()) or 1) > 0]
            if mine and call.request["terms"] == vars(terms):
                fresh = self._names - call.known
                missing += max(0, len(self.gone(mine)) - len(fresh))
                successors |= fresh
                self._continued.append(call.id)
        return missing, successors

    def finish(self) -> None:
        """Record that the replacement of this run, and those that it has continued, are complete."""
        self.calls.finish(*self._unresolved[_REPLACE])
        self.calls.resolve(*self._continued)
        self._unresolved[_REPLACE].clear()
        self._continued.clear()

    def _recent(self, endpoint: str) -> list[PaidCall]:
        """The replacements of earlier runs that this one may continue."""
        calls = self.calls.unresolved(endpoint)
        self.calls.resolve(*(call.id for call in calls if call.age(self.now()) >= UNRESOLVED_TTL))
        return [call for call in calls if call.age(self.now()) < UNRESOLVED_TTL]

    def _shows_result(self, call: PaidCall) -> bool:
        """Whether the list shows all that a call may have done."""
        if call.endpoint == _RELEASE:
            return self._names.isdisjoint(call.known)
        if len(self._names - call.known) < call.wanted:
            return False
        if call.endpoint == _ALLOCATE:
            return True
        if call.known & self._names and self._report_replaced(call.wanted, call.known):
            self.look()
        return len(call.known - self._names) >= min(call.wanted, len(call.known))

    def _report_replaced(self, number: int, known: Collection[str]) -> bool:
        """Record that the known leases are gone if as many were replaced. Of fewer, the vendor does not say which."""
        if number < len(known):
            return False
        self.api.report_released(known)
        return True

    def _quota_shows_unlisted(self, accounted: int | None) -> bool:
        """Whether channels are taken by leases that the list does not show; False if that is not known."""
        if accounted is None:
            return False
        quota = self._quota()
        return quota is not None and quota.available + len(self.held) < accounted

    @contextlib.contextmanager
    def _recorded(self, endpoint: str, wanted: int, known: Collection[str], request: dict[str, Any]) -> Iterator[None]:
        """Keep a call in the state store from before it is sent until its result is known."""
        number = self.calls.record(
            endpoint,
            wanted=wanted,
            known=known,
            request=request,
            in_use=self._accounted,
            timeout=self.api.timeout,
        )
        self._unresolved[endpoint].append(number)
        try:
            yield
        except (ApiError, TransportError) as error:
            if not error.may_have_effect:
                self._unresolved[endpoint].remove(number)
                self.calls.resolve(number)
            raise

    def _resolve(self, endpoint: str) -> None:
        """Record that the results of all calls of this run to an endpoint are known."""
        self.calls.resolve(*self._unresolved[endpoint])
        self._unresolved[endpoint].clear()

    def glance(self, seconds: float) -> None:
        """Take what was read so few seconds ago by whichever run, or read it for all that come after."""
        leases = self.memory.recent(seconds)
        if leases is None:
            with self.api.alone("reading"):
                # Somebody else may have read it while this run waited.
                leases = self.memory.recent(seconds)
                if leases is None:
                    leases = self.api.leases()
                    self.memory.saw(leases)
        self.held = {lease.identity: lease for lease in leases}

    def gone(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that are no longer held."""
        return [lease for lease in leases if lease.identity not in self.held]

    def room(self, wanted: int, *, wait: bool) -> Quota | None:
        """The quota, with ``wait`` once it has room for so many more leases, or when it surely has not.

        None where the vendor does not tell the quota of this plan.
        """
        until = self.now() + FREEING_LIMIT
        while True:
            quota = self._quota()
            if quota is None:
                return None
            self._accounted = quota.available + len(self.held)
            # No channel that comes free makes room for more than there are beside those that are held.
            hopeless = wanted > quota.total - len(self.held) or not self.api.released_recently() or self.now() >= until
            if quota.available >= wanted or not wait or hopeless:
                return quota
            try:
                self._wait_for_channel()
            except WaitBudgetExceeded:
                return quota

    def _quota(self) -> Quota | None:
        return self.api.quota_or_none(NO_PERMISSION, INVALID_PARAMETER)

    def _wait_for_channel(self) -> None:
        self.api.budget.wait(FREEING_NAP, "a released channel is not free yet", "/allocate")

    def lease(self, number: int, terms: Terms, successor_of: Collection[str] = ()) -> None:
        """Lease so many more. What was leased stands in ``new``, also where this raises.

        A call whose answer was lost is not repeated before the list was read, and never while it may be under way.
        """
        origin = Origin(terms.area_id, terms.isp, frozenset(successor_of))
        request = {"origin": {**vars(origin), "successor_of": sorted(successor_of)}}
        if self.release_under_way:
            terms = dataclasses.replace(terms, distinct=True)
        repeats, until, missing, lost = 0, self.now() + FREEING_LIMIT, number, False
        while missing > 0:
            known, asked = set(self.held), min(missing, MAX_PER_CALL)
            sending = partial(self._recorded, _ALLOCATE, asked, self._names, request)
            last: QgError = QgError("The vendor reports success.")
            try:
                self._take(self.api.allocate(asked, **vars(terms), sending=sending))
                self._resolve(_ALLOCATE)
                if self._adopt(known, asked, origin, terms) < asked:
                    # Before anything is leased again, what the answer may have left out.
                    self.look()
            except ApiError as problem:
                if problem.code == NO_FREE_CHANNEL and self.api.released_recently() and self.now() < until:
                    self._wait_for_channel()
                    continue
                if lost and problem.code in _MAY_FOLLOW:
                    what = f"whether {asked} addresses were leased cannot be told"
                    raise _uncertain(problem, what, "an earlier try whose answer was lost may be why.") from None
                self._find_out(problem, known, asked)
                # -104 reports a failure, so it does not explain a later refusal.
                last, lost = problem, lost or (problem.may_have_effect and problem.code != ALLOCATION_FAILED)
            except TransportError as problem:
                self._find_out(problem, known, asked)
                last, lost = problem, lost or problem.may_have_effect
            fresh = self._adopt(known, asked, origin, terms)
            if fresh:
                self._resolve(_ALLOCATE)
            missing -= fresh
            repeats, lost = (0, False) if fresh else (repeats + 1, lost)
            if repeats >= MAX_REPEATS:
                raise QgError(
                    f"{last.message} That was try {repeats}, and the list of leases shows nothing new.", **last.details
                )

    def _take(self, leases: Iterable[Lease]) -> None:
        taken = {lease.identity: lease for lease in leases}
        # At once, so that an error of the state store does not hide what was paid for.
        self.new.update(taken)
        self.held.update(taken)
        self.memory.changed()

    def _adopt(self, known: Collection[tuple[str, str, str]], asked: int, origin: Origin, terms: Terms) -> int:
        """Take what is new on the list for ours, and remember what it was asked for with."""
        fresh = [lease for identity, lease in self.held.items() if identity not in known]
        self.new.update({lease.identity: lease for lease in fresh})
        self._remember_origin(fresh, asked, origin)
        lived = [seconds for lease in fresh if (seconds := lease.remaining(self.now())) is not None]
        if lived:
            self.memory.saw_lifetime(terms.keep_alive, max(lived))
        return len(fresh)

    def _remember_origin(self, fresh: Iterable[Lease], asked: int, origin: Origin) -> None:
        tasks = Counter(lease.task_id for lease in fresh)
        # A task with more leases than were asked for is somebody else's.
        self.memory.remember([task for task, size in tasks.items() if size <= asked], origin)

    def _find_out(
        self, problem: ApiError | TransportError, known: Collection[tuple[str, str, str]], asked: int
    ) -> None:
        """After a failure: return when the list shows something new, or when the call may be sent again."""
        if not _passing(problem):
            raise problem
        self.memory.changed()
        what = f"whether {asked} addresses were leased cannot be told"
        with _unless_read(problem, what):
            if self._shows(known, SETTLING):
                return
            hidden = self._may_hide(known)
        if hidden:
            raise _uncertain(problem, what, HIDDEN)
        if problem.effect is Effect.IN_FLIGHT:
            raise _uncertain(problem, what, NOTHING_NEW)

    def _shows(self, known: Collection[tuple[str, str, str]], pauses: Iterable[float], *, less: bool = False) -> bool:
        """Read the list after each of the pauses until it shows something new, or with ``less`` until it is another."""
        for pause in pauses:
            if pause:
                self.api.budget.wait(pause, "the list of leases may lag behind", "/query")
            self.look()
            if self._is_new(known) or (less and self.held.keys() != set(known)):
                return True
        return False

    def _is_new(self, known: Collection[tuple[str, str, str]]) -> bool:
        return any(identity not in known for identity in self.held)

    def _may_hide(self, known: Collection[tuple[str, str, str]]) -> bool:
        """Whether there may be leases that the list does not show, because channels are taken that it knows nothing of.

        False as soon as the list shows something new, or all channels are accounted for.
        """
        for pause in LAGGING:
            if pause and self._shows(known, [pause]):
                return False
            quota = self._quota()
            if quota is None:
                # Nothing but the list can tell then, and it has its time to do so.
                self._shows(known, LAGGING[1:])
                return False
            accounted = quota.total if self._accounted is None else self._accounted
            if quota.available + len(self.held) >= accounted:
                return False
        return True

    def release(self, leases: Collection[Lease]) -> None:
        """Give leases up, and read back. Repeating is sanitize here: a lease that is gone stays gone."""
        if len(leases) > self.api.release_batch():
            self.room(0, wait=False)
        # Where the vendor refuses young leases, the old ones come first.
        leases, largest, repeats, rested = oldest_first(leases), self.api.release_batch(), 0, False
        reported: dict[str, float] = {}
        verified = True
        while todo := [lease for lease in leases if lease.identity in self.held]:
            problem: QgError | None = None
            try:
                self._release_once(todo, largest, reported)
            except (ApiError, TransportError, WaitBudgetExceeded) as found:
                problem = found
                self.release_under_way |= isinstance(found, CallError) and found.effect is Effect.IN_FLIGHT
            verified &= self._look_back(problem, [lease.name for lease in todo if lease.name in reported], len(todo))
            recent = {name for name, at in reported.items() if self.now() - at < LIST_LAG}
            if problem and all(lease.name in recent for lease in todo if lease.identity in self.held):
                # What the list still shows was reported as released: the refusal, or the wait, is about that.
                verified = False
                self.look()
            left = [lease for lease in todo if lease.identity in self.held]
            if left and isinstance(problem, WaitBudgetExceeded):
                raise _still_held(problem, left)
            if len(left) < len(todo):
                repeats = 0
            elif isinstance(problem, ApiError) and problem.code == COUNT_LIMIT:
                # Fewer at a time may still be allowed; for one alone, a minute of rest may help, once.
                if min(largest, len(todo)) > 1:
                    largest = math.ceil(min(largest, len(todo)) / 2)
                elif rested:
                    raise _still_held(problem, left, _RELEASE_RULES)
                else:
                    rested = True
                    self._rest_a_minute(problem, left)
            else:
                repeats += 1
                if repeats > MAX_REPEATS or not _passing(problem):
                    refused = isinstance(problem, ApiError) and problem.code == NO_PERMISSION
                    rules = _RELEASE_RULES if refused else ""
                    raise _still_held(problem or QgError("The vendor reports success."), left, rules)
                self.api.budget.wait(backoff(repeats - 1), "the release does not show in the list", "/release")
        if verified and not self.release_under_way:
            self._resolve(_RELEASE)

    def _look_back(self, problem: QgError | None, reported: Collection[str], number: int) -> bool:
        """Read what a release did; what was reported as released is waited for, as long as the list may lag.

        Returns whether the list shows it, or whether the report has to do, since there is no time to wait.
        """
        what = f"whether {number} leases were released cannot be told"
        try:
            self.look(doubted=reported)
            try:
                for pause in LAGGING[1:] if problem is None else ():
                    if self._names.isdisjoint(reported):
                        break
                    self.api.budget.wait(pause, "the list of leases may lag behind", "/query")
                    self.look(doubted=reported)
            except WaitBudgetExceeded:
                self.look()
                return False
            return True
        except QgError as second:
            first = problem or QgError("The vendor reports success.", **second.details)
            raise _uncertain(first, what, f"the list of leases cannot be read: {second.message}") from None

    def _release_once(self, todo: Sequence[Lease], largest: int, reported: dict[str, float]) -> None:
        """Send the calls, and keep the names of leases that were reported as released, and when."""
        for batch, by_task in _batches(todo, list(self.held.values()), largest):
            self.memory.changed()
            sending = partial(self._recorded, _RELEASE, 0, [lease.name for lease in batch], {})
            released = self.api.release(batch, by_task=by_task, sending=sending)
            # So that an error later on does not hide what was done; the look back has the last word.
            for lease in released:
                self.held.pop(lease.identity, None)
                reported[lease.name] = self.now()

    def _rest_a_minute(self, problem: ApiError, left: Sequence[Lease]) -> None:
        try:
            self.api.budget.wait(self.api.rate_limiter.minute, "the release limit is reached", "/release")
        except WaitBudgetExceeded:
            raise _still_held(problem, left, _RELEASE_RULES) from None

    def replace(self, count: int, number: int | None, terms: Terms) -> None:
        """Let the vendor replace ``count`` leases of its own choice; afterwards as many are held as before.

        ``number`` is what the user asked for, None for all. A run that was interrupted is continued.
        """
        request = {"number": number, "terms": vars(terms), "count": count}
        earlier = [
            call
            for call in self._recent(_CONTINUE)
            if (call.request["number"], call.request["terms"]) == (number, vars(terms))
        ]
        self._continued += [call.id for call in earlier]
        if earlier:
            request["count"] = count = earlier[0].request["count"]
        for start in range(0, count, MAX_PER_CALL):
            known = [call.known for call in earlier if call.request["start"] == start]
            old = known[0] if known else self._names
            self._replace_batch(min(MAX_PER_CALL, count - start), terms, old, {**request, "start": start})

    def _replace_batch(self, number: int, terms: Terms, old: frozenset[str], request: dict[str, Any]) -> None:
        """Replace up to 100 of the ``old`` leases.

        What the list shows decides how far a failed call got: leases that are gone without a new one are leased anew.
        """
        origin = Origin(terms.area_id, terms.isp)
        request = {**request, "origin": {**vars(origin), "successor_of": []}}
        repeats = 0
        while True:
            known, names = set(self.held), self._names
            fresh, lost = len(names - old), len(old - names)
            if lost > fresh:
                self.lease(lost - fresh, terms)
                continue
            # Each new one stands for an old one, also for one that the list still has.
            left = number - max(lost, fresh)
            if left <= 0:
                return
            problem: ApiError | TransportError | None = None
            sending = partial(self._recorded, _REPLACE, number, old, request)
            try:
                reported = self.api.replace(left, **vars(terms), sending=sending)
                self._take(reported)
                self._report_replaced(left, names)
                self._adopt(known, left, origin, terms)
            except (ApiError, TransportError) as found:
                problem = found
            if problem is None and not self._wait_until_gone(known, len(reported)):
                success = QgError("The vendor reports success.", endpoint=_REPLACE)
                raise _uncertain(success, "whether leases were replaced cannot be told", NOTHING_GONE)
            self._after_replace(problem, known)
            self._adopt(known, left, origin, terms)
            if problem and known == set(self.held):
                repeats += 1
                if repeats >= MAX_REPEATS or not _passing(problem):
                    raise problem

    def _wait_until_gone(self, known: Collection[tuple[str, str, str]], number: int) -> bool:
        """After a success, wait until the list shows that N leases are gone, as long as it may lag.

        Returns False if it does not. If it cannot be read for so long, the response counts.
        """
        with contextlib.suppress(QgError):
            for pause in LAGGING:
                if pause:
                    self.api.budget.wait(pause, "the list of leases may lag behind", "/query")
                self.look()
                if len(set(known) - self.held.keys()) >= min(number, len(known)):
                    return True
            return False
        return True

    def _after_replace(
        self, problem: ApiError | TransportError | None, known: Collection[tuple[str, str, str]]
    ) -> None:
        """Look how far it got: an answer names only the new leases, and a refusal may come when the old ones are gone.

        Return when the list shows something new, or when what is missing may be leased, or replaced, again.
        """
        if isinstance(problem, ApiError) and problem.code not in _HALF_WAY:
            raise problem
        self.memory.changed()
        told = problem or QgError("The vendor reports success.", endpoint="/replace")
        what = "whether leases were replaced cannot be told"
        doubtful = problem is None or problem.may_have_effect
        under_way = problem is not None and problem.effect is Effect.IN_FLIGHT
        hidden = False
        with _unless_read(told, what):
            if self._shows(known, SETTLING if doubtful else SETTLING[:1]):
                return
            # While the call may be under way, a lease that is gone may have ended by itself: only new ones tell.
            if doubtful and not under_way:
                # No quota tells of a swap that the list does not show at all, so the list has more time.
                gone = self.held.keys() != set(known) or self._shows(known, LAGGING[1:], less=True)
                hidden = gone and not self._is_new(known) and self._may_hide(known)
        if hidden:
            raise _uncertain(told, what, HIDDEN)
        # Never asked for again: what has succeeded, and what may still be under way.
        if under_way or (problem is None and self.held.keys() == set(known)):
            raise _uncertain(told, what, NOTHING_NEW)


#: The name in the state store of a replacement by release and allocation.
_SWAP = "release and allocate"
#: The name of an interrupted replacement whose result is known: a run that asks for the same continues it.
_CONTINUE = "replace, interrupted"
_ALLOCATE, _REPLACE, _RELEASE = endpoints.ALLOCATE.name, endpoints.REPLACE.name, endpoints.RELEASE.name
#: Refusals of an allocation that one before it may be the reason of, where nobody heard its answer.
_MAY_FOLLOW = (NO_FREE_CHANNEL, RESOURCES_SHORT, COUNT_LIMIT)
#: Refusals of a replacement that may come when the old leases are gone already.
_HALF_WAY = (UNKNOWN, NO_FREE_CHANNEL, RESOURCES_SHORT, ALLOCATION_FAILED, COUNT_LIMIT)
_RELEASE_RULES = (
    " A dynamic dedicated plan may release channels*2 addresses a minute; a static one 2 a week, each more than a day "
    "after it was leased; a shared one never releases."
)


def _origin(call: PaidCall) -> Origin:
    origin = call.request["origin"]
    return Origin(origin["area_id"], origin["isp"], frozenset(origin["successor_of"]))


def _interrupted(call: PaidCall, now: float) -> tuple[QgError, str]:
    """What is known of a call of an earlier run, and what is not."""
    what = (
        f"{len(call.known)} leases were released"
        if call.endpoint == _RELEASE
        else f"{call.wanted} addresses were leased"
    )
    problem = QgError(
        f"An earlier run sent {call.endpoint} {call.age(now):.0f} seconds ago and ended before its result was known.",
        endpoint=call.endpoint,
    )
    return problem, f"whether {what} cannot be told"


def _passing(problem: QgError | None) -> bool:
    """Whether the same call may do better the next time."""
    return problem is None or (isinstance(problem, CallError) and problem.retryable and problem.may_have_effect)


@contextlib.contextmanager
def _unless_read(problem: QgError, what: str) -> Iterator[None]:
    """After a failure: where the list cannot be read until it tells what was done, nobody can."""
    try:
        yield
    except WaitBudgetExceeded:
        raise _uncertain(problem, what, NO_TIME) from None
    except QgError as second:
        raise _uncertain(problem, what, f"the list of leases cannot be read: {second.message}") from None


def _uncertain(problem: QgError, what: str, why: str) -> UncertainOutcomeError:
    return UncertainOutcomeError(
        f"{problem.message} {what[0].upper()}{what[1:]}: {why} Look with "
        "`ansible localhost -m qingguo.qgnet.qg_proxy_info` in a minute, before this is run again.",
        **problem.details,
    )


def _still_held(problem: QgError, left: Sequence[Lease], rules: str = "") -> QgError:
    return QgError(f"{problem.message} {len(left)} leases are still held: {some(left)}.{rules}", **problem.details)


def _batches(todo: Sequence[Lease], held: Sequence[Lease], largest: int) -> list[tuple[list[Lease], bool]]:
    """The calls that release: by address, or by task where an address alone would take another lease with it."""
    chosen = {lease.identity for lease in todo}
    kept_ips = {lease.ip for lease in held if lease.identity not in chosen}
    kept_tasks = {lease.task_id for lease in held if lease.identity not in chosen}
    shared = [lease for lease in todo if lease.ip in kept_ips]
    stuck = [lease for lease in shared if lease.task_id in kept_tasks]
    if stuck:
        raise QgError(
            f"{some(stuck)}: another lease that shall stay has the same address, and the vendor releases by address. "
            "Release both.",
            endpoint="/release",
        )
    tasks = dict.fromkeys(lease.task_id for lease in shared)
    alone = [lease for lease in todo if lease.task_id not in tasks]
    by_ip = [(alone[start : start + largest], False) for start in range(0, len(alone), largest)]
    return by_ip + [([lease for lease in todo if lease.task_id == task], True) for task in tasks]

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loops that hold, release and redial exclusive-occupancy resources.

This file is private to the collection. The vendor carries out an application and a redial some time after its answer,
and neither answer has a documented shape, so what counts is what the list of resources shows before and after.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .._api.classic import endpoints
from .._api.classic.client import ProxyApi
from .._api.classic.errors import INVALID_PARAMETER, NO_PERMISSION, UNKNOWN, ApiError, StatusError
from .._api.classic.models import BEIJING, Area, Monopoly, parse_vendor_time
from .._api.parsing import integer
from .._core.errors import Effect, QgError, TransportError, UncertainOutcomeError, WaitBudgetExceeded
from .._store.paid_calls import (
    UNRESOLVED_TTL,
    PaidCall,
    PaidCalls,
)
from .._store.reported import LIST_LAG
from .matching import (
    Asked,
    Matcher,
    Wish,
    forget,
    inside,
    recall,
    remember,
)

#: How long the vendor keeps a resource from being released, from its application on.
HOLD = datetime.timedelta(hours=12)
#: Seconds between two dials of a resource: the vendor's ten, and one because it tells times in whole seconds.
REST = 11.0
#: How often a call is sent at most that looks as if it was not carried out.
MAX_ATTEMPTS = 3
#: Seconds between looks at the list, after an answer that was lost, for what was done all the same.
SETTLE = (2.0, 3.0)
#: The same after an application, accepted or lost: more patience, since what does not show yet would be paid for twice.
PATIENCE = (2.0, 3.0, 5.0, 10.0)
#: Seconds between two reads of the list at most, while it may lag behind.
MAX_POLL_INTERVAL = 10.0
#: Seconds between looks while resources come online: the first, how it grows, and the longest.
FIRST_NAP, GROWTH, MAX_SLEEP_SHARE = 1.0, 1.5, 5.0
#: Resources named in one call, so that the query stays short.
BATCH = 50
#: States that lead to a new address by themselves.
ON_THE_WAY = ("queued", "redialling")
#: Refusals of the quota that mean no more than that this plan has none.
NO_QUOTA = (UNKNOWN, INVALID_PARAMETER, NO_PERMISSION)
#: How a user sees what the key holds.
LOOK = "ansible localhost -m qingguo.qgnet.qg_monopoly_info"
LOOK_FIRST = f'Look with "{LOOK}" before running the task again.'
#: The same after an application, which is recorded.
RUN_AGAIN = f'Run the task again: it waits until that is known. "{LOOK}" shows what is held.'

#: Hears how far things are.
Tell = Callable[[str], None]


def silent(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Redial:
    """A resource that was redialled, and what it was reached under before and is since, if that is known."""

    uuid: str
    before: str | None
    after: str | None = None


@dataclass(frozen=True)
class Refused:
    """A resource with which the wish could not be done, why, and from when on it can, if that is known."""

    uuid: str
    reason: str
    possible_from: datetime.datetime | None = None


@dataclass
class Outcome:
    """What a run found, did and left. ``error`` is set where the wish was not reached; the rest is true even then.

    ``before`` and ``after`` are the resources that the wish is about. ``missing`` is how many had to be applied for,
    and ``accepted`` that the vendor took the application.
    """

    before: list[Monopoly] = field(default_factory=list)
    after: list[Monopoly] = field(default_factory=list)
    missing: int = 0
    accepted: bool = False
    applied: list[str] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    redialled: list[Redial] = field(default_factory=list)
    left_alone: list[Monopoly] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    undetermined: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: QgError | None = None

    @property
    def changed(self) -> bool:
        """Whether anything is different from before."""
        return bool(self.accepted or self.applied or self.released or self.redialled)


# --- what all loops have in common ----------------------------------------------------------------------------------


def some(texts: Collection[str], most: int = 20) -> str:
    """A list for a message."""
    shown = list(texts)[:most]
    return ", ".join(shown) + (f" and {len(texts) - len(shown)} more" if len(texts) > len(shown) else "")


def summary(states: Iterable[str], total: int) -> str:
    """How far they are: ``3 of 5 online, 1 redialling, 1 queued``."""
    numbers = Counter(states)
    online = numbers.pop("online", 0)
    others = [f", {number} {state or 'in no known state'}" for state, number in numbers.most_common()]
    return f"{online} of {total} online" + "".join(others)


def releasable_from(monopoly: Monopoly) -> datetime.datetime | None:
    """When the vendor lets it be released, where the list tells when it was applied for."""
    return None if monopoly.since is None else monopoly.since + HOLD


def vendor_time(api: ProxyApi, held: Sequence[Monopoly]) -> datetime.datetime:
    """The time of day here, or the latest that the vendor's list tells, where a clock is behind."""
    stamps = [
        stamp
        for one in held
        for stamp in (one.since, one.dialled, parse_vendor_time(one.vendor.get("heartbeat")))
        if stamp
    ]
    return max([datetime.datetime.fromtimestamp(api.rate_limiter.now(), BEIJING), *stamps])


def _attempt(call: Callable[..., None], *arguments: Any, **named: Any) -> ApiError | TransportError | None:
    try:
        call(*arguments, **named)
    except (ApiError, TransportError) as problem:
        return problem
    return None


def _refuses_one(problem: ApiError | TransportError | None) -> bool:
    """Whether the call was refused for what it names, of which the vendor refuses all for the sake of one."""
    return isinstance(problem, StatusError) and not problem.may_have_effect


def _batches(uuids: Sequence[str]) -> list[list[str]]:
    return [list(uuids[start : start + BATCH]) for start in range(0, len(uuids), BATCH)]


class _Run:
    """One run for one key. ``held`` is what the list showed last."""

    def __init__(self, api: ProxyApi, tell: Tell) -> None:
        self.api = api
        self.outcome = Outcome()
        self.held: list[Monopoly] = []
        self._tell = tell

    def first_look(self) -> None:
        """Read the list for the first time; a key of another product is refused here."""
        try:
            self.look()
        except StatusError as problem:
            raise QgError(
                f"{problem.message} Check that the key's product is one of exclusive occupancy.", **problem.details
            ) from None

    def look(self) -> None:
        """Read the list. One that is empty is not believed at once if something is expected on it."""
        held = self.api.monopolies()
        self.held = held or (self.api.monopolies() if self.expects_some() else held)

    def expects_some(self) -> bool:
        """Whether there is a reason to believe that the key holds something."""
        return bool(self.held or recall(self.api))

    @property
    def by_uuid(self) -> dict[str, Monopoly]:
        """What the key holds, by name."""
        return {monopoly.uuid: monopoly for monopoly in self.held}

    def look_for(self, shows: Callable[[], bool], pauses: Sequence[float], endpoint: str) -> QgError | None:
        """Look until the list shows something, a few times at most; what kept it from being looked at, if anything."""
        try:
            self.look()
            for pause in pauses:
                if shows():
                    return None
                self.api.budget.wait(pause, "the list has to show what was done", endpoint)
                self.look()
        except (ApiError, TransportError, WaitBudgetExceeded) as trouble:
            return None if shows() else trouble
        shows()
        return None

    def poll_until(
        self, shows: Callable[[], bool], seconds: float, endpoint: str, read: Callable[[], None] | None = None
    ) -> QgError | None:
        """Read the list until it shows something, for so many seconds at most; what kept it from being read."""
        budget, left, read = self.api.budget, seconds, read or self.look
        try:
            read()
            for interval in itertools.chain(PATIENCE, itertools.repeat(MAX_POLL_INTERVAL)):
                if shows() or left <= 0:
                    return None
                # The last read comes when max_wait is used up, and not one interval before.
                remaining = budget.max_wait - budget.waited
                pause = min(interval, left, remaining) if remaining > 0 else min(interval, left)
                budget.wait(pause, "the list may lag behind", endpoint)
                left -= pause
                read()
        except (ApiError, TransportError, WaitBudgetExceeded) as trouble:
            return None if shows() else trouble
        return None

    def wait(self, pending: Callable[[], Collection[str]], told: Callable[[], str], advice: str) -> None:
        """Look until nothing is pending, or until max_wait is used up."""
        nap, budget = FIRST_NAP, self.api.budget
        while True:
            left = pending()
            self._tell(told())
            if not left:
                return
            remaining = budget.max_wait - budget.waited
            try:
                # The last look comes when the time is over, and not one nap before.
                pause = min(nap, remaining) if remaining > 0 else nap
                budget.wait(pause, "resources are not online yet", endpoints.MONOPOLIES.name)
                self.look()
            except WaitBudgetExceeded:
                raise QgError(
                    f"{told()}, and max_wait ({budget.max_wait:g} seconds) is used up; not ready: {some(left)}. "
                    f"{advice}",
                    endpoint=endpoints.MONOPOLIES.name,
                ) from None
            nap = min(nap * GROWTH, MAX_SLEEP_SHARE)


def _uncertain(
    problem: QgError | None,
    what: str,
    trouble: QgError | None,
    sign: str = "the list shows no sign of it",
    advice: str = LOOK_FIRST,
) -> UncertainOutcomeError:
    said = problem.message if problem else "The vendor accepted the call."
    why = f"since the list cannot be looked at: {trouble.message}" if trouble else f"and {sign}."
    return UncertainOutcomeError(
        f"{said} Whether {what} cannot be told, {why} {advice}",
        **(problem or trouble or QgError("")).details,
    )


def _asked_with(call: PaidCall) -> Asked:
    return Asked(call.request.get("area_code"), call.request.get("isp"))


def _iso(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, BEIJING).isoformat(timespec="seconds")


# --- holding --------------------------------------------------------------------------------------------------------


def hold(api: ProxyApi, wish: Wish, *, wait: bool = True, check: bool = False, tell: Tell = silent) -> Outcome:
    """Hold at least what is wished; apply for what is missing in one call, and wait for it to come online."""
    run = _Holding(api, wish, tell)
    try:
        with contextlib.nullcontext() if check else api.key_lock():
            run.first_look()
            run.fill(check)
        if wait and not check:
            run.wait_online()
    except QgError as problem:
        if not run.looked:
            raise
        run.outcome.error = problem
    run.finish()
    return run.outcome


class _Holding(_Run):
    def __init__(self, api: ProxyApi, wish: Wish, tell: Tell) -> None:
        super().__init__(api, tell)
        self._wish = wish
        self._matcher = Matcher(wish, {})
        self._rows: list[Any] | None = None
        self._used = 0
        self._in_use: int | None = None
        self._calls = PaidCalls(api.rate_limiter.state, api.key_digest, api.rate_limiter.now)
        self._sent: list[int] = []
        self.looked = False

    def expects_some(self) -> bool:
        return super().expects_some() or bool(self._unresolved())

    @property
    def _counted(self) -> list[Monopoly]:
        return self._matcher.sort(self.held)[0]

    def finish(self) -> None:
        """What is there in the end."""
        self.outcome.after = self._counted

    def fill(self, check: bool) -> None:
        """Find out what is missing, and apply for it."""
        wish, outcome, matcher = self._wish, self.outcome, self._matcher
        self.looked = True
        unresolved = self._adopt_shown(check)
        matcher.learn(self.held)
        counted, unknown = matcher.sort(self.held)
        if wish.area_code is not None and unknown and len(counted) < wish.count:
            matcher.learn(self.held, self._idle())
            counted, unknown = matcher.sort(self.held)
        outcome.before = counted
        outcome.undetermined = [monopoly.uuid for monopoly in unknown]
        outcome.missing = max(0, wish.count - len(counted))
        if not outcome.missing:
            return
        if unresolved and not check:
            self._await_earlier(unresolved)
            self.fill(check)
            return
        if unknown and wish.undetermined == "fail":
            raise QgError(
                f"{outcome.missing} of {wish.count} resources are missing, and {len(unknown)} are held of which cannot "
                f"be told whether they match: {some(outcome.undetermined)}. Set undetermined to match if they count, "
                "or to ignore if more shall be paid for."
            )
        self._check_quota()
        if not self.held and self._used:
            # A list without anything is not believed at once, where there should be something.
            self.look()
            if self.held:
                self.fill(check)
                return
        if check:
            self._warn_of(unresolved)
            self._check_stock()
        else:
            self._apply()

    # What earlier runs applied for without learning the result.

    def _unresolved(self) -> list[PaidCall]:
        return self._calls.unresolved(endpoints.MONOPOLIES_APPLY.name)

    def _new_since(self, call: PaidCall) -> list[str]:
        """The resources on the list that were not held when a call was sent."""
        return [uuid for uuid in self.by_uuid if uuid not in call.known]

    def _shows_all_of(self, call: PaidCall) -> bool:
        return len(self._new_since(call)) >= call.wanted

    def _adopt_shown(self, check: bool) -> list[PaidCall]:
        """Adopt what the list shows of earlier applications; those of which it does not show all."""
        unresolved, predicted = [], {}
        for call in self._unresolved():
            if not self._shows_all_of(call):
                unresolved.append(call)
            elif check:
                predicted.update(dict.fromkeys(self._new_since(call), _asked_with(call)))
            else:
                self._adopt_earlier(call)
        self._matcher.asked = {**predicted, **recall(self.api)}
        return unresolved

    def _adopt_earlier(self, call: PaidCall) -> None:
        """Take what is new since a call for what it applied for, and resolve it."""
        new = self._new_since(call)
        self._remember(new, _asked_with(call))
        self._calls.resolve(call.id)
        if new:
            text = (
                f"An earlier run applied for {call.wanted} resources without learning the result: {some(new)} are held."
            )
            self.outcome.warnings.append(text)

    def _await_earlier(self, calls: Sequence[PaidCall]) -> None:
        """Wait until the list shows what these calls applied for, or must show it, and resolve them."""
        for call in calls:
            seconds = max(0.0, call.settles_in(self.api.rate_limiter.now()))
            trouble = self.poll_until(partial(self._shows_all_of, call), seconds, call.endpoint)
            if trouble:
                raise self._unsettled(call, trouble)
            self._decide(call)

    def _decide(self, call: PaidCall) -> None:
        """Resolve a call that can no longer be under way by what the list and the quota show."""
        lacks = not self._shows_all_of(call)
        if (
            lacks
            and call.age(self.api.rate_limiter.now()) < UNRESOLVED_TTL
            and self._hides_more(call.in_use, len(call.known))
        ):
            raise UncertainOutcomeError(
                f"{self._earlier(call)}, but the quota has more in use than the list accounts for, so that whether they"
                f' are held cannot be told. Nothing was applied for. Look with "{LOOK}"; from '
                f"{_iso(call.sent + UNRESOLVED_TTL)} on, the list alone counts.",
                endpoint=call.endpoint,
            )
        self._adopt_earlier(call)

    def _unsettled(self, call: PaidCall, trouble: QgError) -> UncertainOutcomeError:
        now = self.api.rate_limiter.now()
        if not isinstance(trouble, WaitBudgetExceeded):
            return UncertainOutcomeError(
                f"{self._earlier(call)}, and whether more will be held cannot be told, since the list cannot be read: "
                f"{trouble.message}",
                **trouble.details,
            )
        return UncertainOutcomeError(
            f"{self._earlier(call)}, and whether more will be held cannot be told before "
            f"{_iso(now + max(0.0, call.settles_in(now)))}. Nothing was applied for. Run the task again after that, or "
            f"raise max_wait ({self.api.budget.max_wait:g} seconds).",
            endpoint=call.endpoint,
        )

    def _earlier(self, call: PaidCall) -> str:
        return (
            f"{call.wanted} resources were applied for at {_iso(call.sent)} without a known result; the list shows "
            f"{len(self._new_since(call))} of them"
        )

    def _warn_of(self, calls: Sequence[PaidCall]) -> None:
        """Say in check mode what a run would wait for."""
        self.outcome.warnings += [
            f"{self._earlier(call)}. A run without check mode waits until the list must show them, and applies for "
            "what is missing then."
            for call in calls
        ]

    def _hides_more(self, in_use: int | None, known: int) -> bool:
        """Whether the quota has more in use beside what the list shows than before."""
        if in_use is None:
            return False
        quota = self.api.quota_or_none(*NO_QUOTA)
        return quota is not None and quota.used - len(self.held) > in_use - known

    def _idle(self) -> list[Any]:
        if self._rows is None:
            # What it looks like is not documented, so nothing depends on it.
            try:
                self._rows = self.api.idle_monopolies()
            except (ApiError, TransportError):
                self._rows = []
        return self._rows

    def _check_quota(self) -> None:
        """Refuse more than the plan has free, and keep how much of it is in use."""
        quota, missing = self.api.quota_or_none(*NO_QUOTA), self.outcome.missing
        if quota is None:
            return
        self._used = quota.used
        self._in_use = quota.used if quota.total else None
        # A plan of no channels at all is one whose quota counts something else.
        if quota.total and missing > quota.available:
            raise QgError(
                f"{missing} more resources are needed to hold {self._wish.count}, and the plan has {quota.available} "
                f"of {quota.total} free. Ask for less, release some, or extend the plan."
            )

    def _look_on(self, shows: Callable[[], bool], problem: QgError, before: int, what: str, endpoint: str) -> None:
        """After a lost response, wait as long as the list may lag, unless the quota says that nothing was done."""
        hides = False
        if self._in_use is not None:
            try:
                hides = self._hides_more(self._in_use, before)
            except (ApiError, TransportError, WaitBudgetExceeded) as second:
                reason = f"the quota cannot be read: {second.message.rstrip('.')}"
                raise _uncertain(problem, what, None, reason, RUN_AGAIN) from None
            if not hides:
                return
        trouble = self.poll_until(shows, LIST_LAG - sum(PATIENCE), endpoint)
        if not self.outcome.applied and (hides or trouble):
            raise _uncertain(problem, what, trouble, "the quota has more in use than before", RUN_AGAIN)

    def _look_on_accepted(self, shows: Callable[[], bool], before: int, endpoint: str) -> QgError | None:
        """The same after a success, which is never repeated."""
        with contextlib.suppress(ApiError, TransportError, WaitBudgetExceeded):
            if self._in_use is not None and not self._hides_more(self._in_use, before):
                return None
        return self.poll_until(shows, LIST_LAG - sum(PATIENCE), endpoint)

    @contextlib.contextmanager
    def _recorded(self, wanted: int, known: Collection[str]) -> Iterator[None]:
        """Record an application while it is sent. Only one that certainly was not carried out is forgotten at once."""
        number = self._calls.record(
            endpoints.MONOPOLIES_APPLY.name,
            wanted=wanted,
            known=known,
            request={"area_code": self._wish.area_code, "isp": self._wish.isp},
            in_use=self._in_use,
            timeout=self.api.timeout,
        )
        try:
            yield
        except (ApiError, TransportError) as problem:
            if not problem.may_have_effect:
                self._calls.resolve(number)
                raise
            self._sent.append(number)
            raise
        self._sent.append(number)

    def _check_stock(self) -> None:
        """Warn where the idle stock can be read and is too small."""
        wish, left = self._wish, 0
        for row in self._idle():
            fields = {str(name).lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
            number = next((integer(fields[name]) for name in ("num", "count", "number") if name in fields), None)
            area = Area.from_item(fields)
            if number is None or number < 0 or area.area_id is None or area.isp is None:
                return
            here = wish.area_code is None or inside(area.area_id, wish.area_code)
            left += number if here and wish.isp in (None, area.isp) else 0
        if left < self.outcome.missing:
            self.outcome.warnings.append(
                f"{self.outcome.missing} resources would be applied for, and the vendor's idle stock shows {left}."
            )

    def _apply(self) -> None:
        wish, outcome, missing = self._wish, self.outcome, self.outcome.missing
        before, endpoint = set(self.by_uuid), endpoints.MONOPOLIES_APPLY.name

        def shows() -> bool:
            outcome.applied = [uuid for uuid in self.by_uuid if uuid not in before]
            return len(outcome.applied) >= missing

        what = f"{missing} resources were applied for"
        for number in range(1, MAX_ATTEMPTS + 1):
            problem = _attempt(
                self.api.apply_for_monopolies,
                missing,
                area_code=wish.area_code,
                isp=wish.isp,
                sending=partial(self._recorded, missing, before),
            )
            outcome.accepted = problem is None
            if problem is not None and number == 1 and not problem.may_have_effect:
                raise self._not_applied(problem)
            trouble = self.poll_until(shows, sum(PATIENCE), endpoint)
            if problem is None and not trouble and not shows():
                trouble = self._look_on_accepted(shows, len(before), endpoint)
            if problem is None or outcome.applied:
                break
            # A server that has not ended the exchange may carry it out yet; and a refusal that follows a lost answer
            # may be due to what that one did.
            in_flight = problem.effect is Effect.IN_FLIGHT
            if trouble or in_flight or not problem.may_have_effect or number == MAX_ATTEMPTS:
                raise _uncertain(problem, what, trouble, advice=RUN_AGAIN)
            self._look_on(shows, problem, len(before), what, endpoint)
            if outcome.applied:
                break
        self._adopt()
        if len(outcome.applied) < missing:
            # What the list does not show yet stays recorded, so that the next run does not apply for it again.
            raise self._too_few(problem, trouble)
        self._calls.resolve(*self._sent)
        if len(self._counted) < wish.count:
            raise QgError(
                f"{missing} resources were applied for, and the new ones are not all as wished: "
                f"{some(outcome.applied)}. Look at them in the result before running the task again.",
                endpoint=endpoint,
            )

    @staticmethod
    def _not_applied(problem: ApiError | TransportError) -> QgError:
        if isinstance(problem, StatusError):
            remedy = "Nothing was applied for. Ask for less, for another area or provider, or extend the plan."
            return QgError(f"{problem.message} {remedy}", **problem.details)
        return problem

    def _adopt(self) -> None:
        """Take what is new for what was applied for, as nobody else on this control node could do so meanwhile."""
        self._remember(self.outcome.applied, Asked(self._wish.area_code, self._wish.isp))
        self._matcher.asked = recall(self.api)

    def _remember(self, new: Collection[str], asked: Asked) -> None:
        """Keep what new resources were applied for with, unless the list shows that they are others."""
        by_uuid = self.by_uuid
        matcher = Matcher(Wish(len(new), asked.area_code, asked.isp), recall(self.api), self._matcher.codes)
        fitting = [uuid for uuid in new if matcher.verdict(by_uuid[uuid]) is not False]
        remember(self.api, fitting, asked, set(by_uuid))

    def _too_few(self, problem: ApiError | TransportError | None, trouble: QgError | None) -> QgError:
        missing, new = self.outcome.missing, self.outcome.applied
        shown = f"the list shows {len(new)} new: {some(new)}" if new else "the list shows none that is new"
        if problem is not None:
            shown = f"{shown} ({problem.message.rstrip('.')})"
        elif trouble is not None:
            shown = f"{shown} ({trouble.message.rstrip('.')})"
        return UncertainOutcomeError(
            f"{missing} resources were applied for, and {shown}. {RUN_AGAIN}",
            endpoint=endpoints.MONOPOLIES_APPLY.name,
        )

    def wait_online(self) -> None:
        """Wait for what was applied for, and for what is on its way anyway where too few are online."""
        wish, applied = self._wish, self.outcome.applied

        def pending() -> list[str]:
            counted = self._counted
            if sum(monopoly.state == "online" for monopoly in counted) >= wish.count:
                return []
            return [
                monopoly.uuid
                for monopoly in counted
                if monopoly.state != "online" and (monopoly.uuid in applied or monopoly.state in ON_THE_WAY)
            ]

        if applied or pending():
            advice = (
                "They are held and paid for: run the task again to go on waiting, raise max_wait, or set wait to false."
            )
            total = max(wish.count, len(self._counted))
            self.wait(pending, lambda: summary((one.state for one in self._counted), total), advice)
        gone = set(applied) - set(self.by_uuid)
        if gone:
            raise QgError(f"The list does not show any more what was applied for: {some(sorted(gone))}.")


# --- releasing ------------------------------------------------------------------------------------------------------


def give_up(api: ProxyApi, uuids: Collection[str] | None, *, check: bool = False) -> Outcome:
    """Release these, or all; those that are not held are released already."""
    run = _Releasing(api, silent)
    with contextlib.nullcontext() if check else api.key_lock():
        run.first_look()
        run.outcome.before = run.held
        try:
            run.release(uuids, check)
        except QgError as problem:
            run.outcome.error = problem
    run.outcome.after = [one for one in run.held if one.uuid not in run.outcome.released]
    return run.outcome


class _Releasing(_Run):
    def release(self, uuids: Collection[str] | None, check: bool) -> None:
        """Release what may be released, and tell what may not."""
        outcome, now = self.outcome, vendor_time(self.api, self.held)
        named = [monopoly for monopoly in self.held if uuids is None or monopoly.uuid in uuids]
        ripe = []
        for monopoly in named:
            when = releasable_from(monopoly)
            # The vendor tells whole seconds, so that it may have been applied for almost one later.
            if when is None or when + datetime.timedelta(seconds=1) <= now:
                ripe.append(monopoly.uuid)
            else:
                reason = "The vendor releases nothing within 12 hours after it was applied for."
                outcome.refused.append(Refused(monopoly.uuid, reason, when))
        if check:
            outcome.released = ripe
        else:
            self._release(ripe)
            forget(self.api, outcome.released)
        if outcome.refused:
            texts = [
                f"{one.uuid} (possible from {one.possible_from.isoformat()} on)" if one.possible_from else one.uuid
                for one in outcome.refused
            ]
            reasons = " ".join(dict.fromkeys(one.reason for one in outcome.refused))
            raise QgError(
                f"{len(texts)} of {len(named)} resources cannot be released: {some(texts)}. {reasons}",
                endpoint=endpoints.MONOPOLIES_RELEASE.name,
            )

    def _release(self, uuids: Sequence[str]) -> None:
        queue = _batches(uuids)
        while queue:
            batch = queue.pop(0)
            left, problem = self._release_batch(batch)
            if left and _refuses_one(problem) and len(batch) > 1:
                queue += [[uuid] for uuid in left]
            elif left and problem is not None and _refuses_one(problem):
                self.outcome.refused += [Refused(uuid, problem.message) for uuid in left]

    def _release_batch(self, batch: list[str]) -> tuple[list[str], ApiError | TransportError | None]:
        """Release some; those that are still there, if that is due to a refusal of one of them."""
        left, problem, lost = batch, None, False
        for _try in range(MAX_ATTEMPTS):
            try:
                named = self.api.release_monopolies(left)
            except (ApiError, TransportError) as refusal:
                problem = refusal
            else:
                problem, left = None, self._acknowledged(left, named)
                if not left:
                    return [], None
            final = problem is not None and not problem.may_have_effect
            # A refusal may be due to what an earlier call did whose response was lost.
            seconds = LIST_LAG if final and lost else 0.0 if final else sum(SETTLE)
            left = self._still_held(left, problem, seconds)
            if not left or _refuses_one(problem):
                return left, problem
            if final and problem is not None:
                raise problem
            lost = lost or problem is not None
        if lost:
            left = self._still_held(left, problem, LIST_LAG - sum(SETTLE))
            if not left:
                return [], None
        reason = problem or QgError("The vendor reports success, but its list still shows them.")
        raise QgError(f"{len(left)} resources could not be released: {some(left)}. {reason.message}", **reason.details)

    def _still_held(self, uuids: list[str], problem: ApiError | TransportError | None, seconds: float) -> list[str]:
        """Those that the list still shows after so many seconds; the others are released."""
        trouble = self.poll_until(partial(self._gone, uuids), seconds, endpoints.MONOPOLIES_RELEASE.name)
        if trouble:
            raise _uncertain(problem, f"{some(uuids)} were released", trouble)
        self._gone(uuids)
        return [uuid for uuid in uuids if uuid in self.by_uuid]

    def _acknowledged(self, uuids: list[str], named: list[str] | None) -> list[str]:
        """Those that a successful call has not released: all but those that its response names.

        If it names none at all, the list has the last word, as soon as it cannot lag behind any more.
        """
        outcome = self.outcome
        # Kept at once, so that an error later on does not hide it.
        outcome.released += uuids if named is None else named
        if named is not None:
            return [uuid for uuid in uuids if uuid not in named]
        shown = set(uuids)

        def read() -> None:
            # As the vendor shows it, whatever the vendor reported.
            shown.intersection_update(monopoly.uuid for monopoly in self.api.listed_monopolies())

        if self.poll_until(lambda: not shown, LIST_LAG, endpoints.MONOPOLIES_RELEASE.name, read):
            return []
        self.api.reported_monopolies.forget(shown)
        outcome.released = [uuid for uuid in outcome.released if uuid not in shown]
        return [uuid for uuid in uuids if uuid in shown]

    def _gone(self, uuids: Collection[str]) -> bool:
        """Whether the list shows none of them any more."""
        gone = [uuid for uuid in uuids if uuid not in self.by_uuid]
        self.outcome.released += [uuid for uuid in gone if uuid not in self.outcome.released]
        return len(gone) == len(uuids)


# --- redialling -----------------------------------------------------------------------------------------------------


def redial(
    api: ProxyApi, uuids: Collection[str] | None, *, wait: bool = True, check: bool = False, tell: Tell = silent
) -> Outcome:
    """Give these new addresses, or all; those that are about to get one anyway are left alone."""
    run = _Redialling(api, tell)
    outcome = run.outcome
    with contextlib.nullcontext() if check else api.key_lock():
        run.first_look()
        run.choose(uuids)
        try:
            run.redial(check)
        except QgError as problem:
            outcome.error = problem
    if outcome.error is None and not check:
        try:
            run.wait_online(wait)
        except QgError as problem:
            outcome.error = problem
    run.finish()
    return outcome


class _Redialling(_Run):
    def __init__(self, api: ProxyApi, tell: Tell) -> None:
        super().__init__(api, tell)
        self._before: dict[str, Monopoly] = {}
        self._moved: set[str] = set()

    def choose(self, uuids: Collection[str] | None) -> None:
        """What is to be redialled; a name that is not held is a mistake."""
        outcome, by_uuid = self.outcome, self.by_uuid
        unknown = [uuid for uuid in uuids or () if uuid not in by_uuid]
        if unknown:
            raise QgError(
                f"uuids holds what this key does not hold: {some(unknown)}. Nothing was redialled; take them out, or "
                f'look with "{LOOK}".'
            )
        outcome.before = [one for one in self.held if uuids is None or one.uuid in uuids]
        outcome.left_alone = [one for one in outcome.before if one.state in ON_THE_WAY]
        self._before = {one.uuid: one for one in outcome.before if one.state not in ON_THE_WAY}

    def redial(self, check: bool) -> None:
        """Redial them, once each has had its rest."""
        if check:
            self._mark(self._before)
            return
        now = vendor_time(self.api, self.held)
        rests = [REST - (now - one.dialled).total_seconds() for one in self._before.values() if one.dialled]
        longest = max(rests, default=0.0)
        endpoint = endpoints.MONOPOLIES_REDIAL.name
        if longest > 0:
            self.api.budget.wait(longest, "the vendor wants 10 seconds between two dials", endpoint)
        queue = _batches(list(self._before))
        while queue:
            batch = queue.pop(0)
            left, problem = self._redial_batch(batch)
            if left and _refuses_one(problem) and len(batch) > 1:
                queue += [[uuid] for uuid in left]
            elif left and problem is not None:
                self.outcome.refused += [Refused(uuid, problem.message) for uuid in left]

    def _redial_batch(self, batch: list[str]) -> tuple[list[str], ApiError | TransportError | None]:
        """Redial some; those that show no sign of it, and why."""
        left, problem = batch, None
        for _try in range(MAX_ATTEMPTS):
            problem = _attempt(self.api.redial_monopolies, left)
            if problem is None:
                self._mark(left)
                return [], None
            final = not problem.may_have_effect
            if final and not _refuses_one(problem):
                raise problem
            pauses = () if final else SETTLE
            trouble = self.look_for(partial(self._all_moved, left), pauses, endpoints.MONOPOLIES_REDIAL.name)
            self._mark([uuid for uuid in left if uuid in self._moved])
            left = [uuid for uuid in left if uuid not in self._moved]
            if left and trouble:
                raise _uncertain(problem, f"{some(left)} were redialled", trouble)
            if not left or final:
                break
        return left, problem

    def _mark(self, uuids: Collection[str]) -> None:
        self.outcome.redialled += [Redial(uuid, self._before[uuid].server) for uuid in uuids]

    def _all_moved(self, uuids: Collection[str]) -> bool:
        """Whether the list shows of each that it was redialled. What it showed once stays true."""
        by_uuid = self.by_uuid
        self._moved |= {
            uuid for uuid in self._before if uuid in by_uuid and has_moved(self._before[uuid], by_uuid[uuid])
        }
        return all(uuid in self._moved for uuid in uuids)

    def wait_online(self, wait: bool) -> None:
        """Look, or wait until each is online again under an address that is the new one; then tell what was refused."""
        sent = [one.uuid for one in self.outcome.redialled]
        all_of_them = [*sent, *(one.uuid for one in self.outcome.left_alone)]

        def pending() -> list[str]:
            self._all_moved(sent)
            there = [one for one in self.held if one.uuid in all_of_them]
            idle = {uuid for uuid in sent if uuid not in self._moved}
            return [one.uuid for one in there if one.uuid in idle or one.state != "online"]

        def told() -> str:
            there = [one for one in self.held if one.uuid in all_of_them]
            idle = {uuid for uuid in sent if uuid not in self._moved}
            return summary(("not redialled yet" if one.uuid in idle else one.state for one in there), len(all_of_them))

        if sent:
            self.look()
        if wait and all_of_them:
            advice = "Look at them again later, raise max_wait, or set wait to false."
            self.wait(pending, told, advice)
        gone = [uuid for uuid in all_of_them if uuid not in self.by_uuid]
        if gone:
            raise QgError(f"The list does not show any more: {some(gone)}.")
        refused = self.outcome.refused
        if refused:
            reasons = " ".join(dict.fromkeys(one.reason for one in refused))
            raise QgError(
                f"{len(refused)} of {len(self.outcome.before)} resources could not be redialled: "
                f"{some([one.uuid for one in refused])}. {reasons}",
                endpoint=endpoints.MONOPOLIES_REDIAL.name,
            )

    def finish(self) -> None:
        """What is there in the end; an address counts as new only where the list shows that it is."""
        self._all_moved(())
        now = {uuid: one.server for uuid, one in self.by_uuid.items() if uuid in self._moved}
        self.outcome.redialled = [Redial(one.uuid, one.before, now.get(one.uuid)) for one in self.outcome.redialled]
        concerned = {one.uuid for one in self.outcome.before}
        self.outcome.after = [one for one in self.held if one.uuid in concerned]


def has_moved(before: Monopoly, after: Monopoly) -> bool:
    """Whether a resource was dialled between two looks, or is being dialled."""
    return (
        after.state in ON_THE_WAY
        or (before.state == "offline" and after.state == "online")
        or (after.dialled is not None and after.dialled != before.dialled)
        or (after.server is not None and after.server != before.server)
    )

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the whitelist shall be, what has to change for that, and the loop that makes it so.

This file is private to the collection. What is and what is not known of the vendor's whitelist: vendor docs 178 to
180; whether adding a present address or removing an absent one is an error is not documented, so neither is sent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from .._api.classic.client import (
    PostRejected,
    ProxyApi,
    WhitelistReading,
)
from .._api.classic.errors import BOUND_TO_OTHER_KEY, WHITELIST_FULL, ApiError
from .._core.addresses import numeric_order
from .._core.errors import CallError, OptionError, QgError, TransportError, WaitBudgetExceeded
from .._core.waiting import backoff
from .._store.whitelist_writes import WhitelistWrite

#: Rounds that change nothing before the run gives up.
MAX_STALLS = 3
#: Seconds between the reads of a list that does not show yet what the vendor reported: together, for as long as a list
#: may lag (LIST_LAG).
LAG_DELAYS = (0.5, 1.0, 2.0, 4.0, 7.5, 15.0, 15.0, 15.0)
#: Longest of the waits, in seconds, for an earlier change whose response was lost.
SETTLE_POLL = 5.0
_NOT_SHOWN = "The vendor reports success, but the whitelist does not show the change."


@dataclass(frozen=True)
class Wish:
    """What the whitelist shall be.

    ``present`` and ``absent`` speak of ``ips`` alone; ``exact`` means these and no others. ``replaces`` are removed
    once ``ips`` are on the list. ``keep`` are never removed. ``capacity`` is the size of the list, where it is known.
    ``divisible`` says that some of ``ips`` are better than none, since they belong to different tasks.
    ``unconfirmed`` are those of the addresses to be removed for which there is only a host's word: of ``ips`` if
    ``absent``, and of ``replaces`` if ``present``. If more than ``max_removals`` of them are on the list, all of them
    stay.
    """

    state: str
    ips: tuple[str, ...]
    keep: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    max_removals: int | None = None
    capacity: int | None = None
    divisible: bool = False
    unconfirmed: tuple[str, ...] = ()

    @property
    def solitary(self) -> bool:
        """Whether it depends on the whole list, so that no other wish may be brought about at the same time."""
        return self.state == "exact" or self.capacity is not None or bool(self.replaces or self.unconfirmed)


@dataclass(frozen=True)
class Plan:
    """The changes that lead from a list to a wish; each tuple in numeric order.

    ``withheld`` are addresses that stay because too many of them would be removed.
    """

    add: tuple[str, ...]
    remove: tuple[str, ...]
    settled: tuple[str, ...]
    size: int
    withheld: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything has to be written."""
        return bool(self.add or self.remove)

    def overflow(self, capacity: int | None) -> int:
        """How many addresses too many the list would hold in the end."""
        return 0 if capacity is None else max(0, self.size - capacity)


def plan(current: Collection[str], wish: Wish, refused: Collection[str] = ()) -> Plan:
    """The difference between ``current`` and the wish, without addresses that the vendor has ``refused``."""
    have, wanted, keep = set(current), set(wish.ips), set(wish.keep)
    unconfirmed = have & set(wish.unconfirmed) - keep - (set() if wish.state == "absent" else wanted)
    too_many = wish.max_removals is not None and len(unconfirmed) > wish.max_removals
    withheld = unconfirmed if too_many else set()
    if wish.state == "absent":
        add: set[str] = set()
        remove = have & wanted - withheld
        settled = wanted - have
    else:
        add = wanted - have - set(refused)
        remove = set(have)
        if wish.state == "present":
            # What was to be replaced stays, as long as what replaces it is not there.
            remove = set() if refused else have & set(wish.replaces) - withheld
        remove -= wanted
        settled = wanted & have
    remove -= keep
    return Plan(
        add=tuple(numeric_order(add)),
        remove=tuple(numeric_order(remove)),
        settled=tuple(numeric_order(settled)),
        size=len(have | add) - len(remove),
        withheld=tuple(numeric_order(withheld)),
    )


def guard(first: Plan, wish: Wish) -> None:
    """Refuse, before anything is written, a plan that removes too much or cannot fit."""
    if wish.state == "exact" and wish.max_removals is not None and len(first.remove) > wish.max_removals:
        raise OptionError(
            f"state=exact would remove {len(first.remove)} addresses, more than max_removals={wish.max_removals}: "
            f"{_some(first.remove)}. Add those that shall stay to ips or keep, or raise max_removals."
        )
    over = first.overflow(wish.capacity)
    if over and first.add:
        raise OptionError(
            f"{len(first.add)} more addresses do not fit: the whitelist would hold {first.size}, its capacity is "
            f"{wish.capacity}. Remove {over} addresses first.",
            code=WHITELIST_FULL,
        )


def _some(ips: Collection[str]) -> str:
    shown = numeric_order(ips)[:10]
    return ", ".join(shown) + (f" and {len(ips) - len(shown)} more" if len(ips) > len(shown) else "")


@dataclass
class Outcome:
    """What a run found, did and left. ``error`` is set where the wish was not reached; the rest is true even then.

    ``after`` is ``confirmed`` when it was read, and not only put together from what the vendor acknowledged.
    ``reading`` is the last one, None where nothing was read.
    """

    wish: Wish
    before: frozenset[str]
    after: frozenset[str]
    first: Plan
    refused: dict[str, QgError] = field(default_factory=dict)
    error: QgError | None = None
    confirmed: bool = True
    reading: WhitelistReading | None = None

    @property
    def added(self) -> list[str]:
        """Wanted addresses that were not on the list before."""
        return numeric_order((self.after - self.before) & set(self.wish.ips))

    @property
    def removed(self) -> list[str]:
        """Addresses that this run was to remove and that are gone."""
        return numeric_order((self.before - self.after) & set(self.first.remove))


def _silent(_outcome: Outcome) -> None:
    """Tell nobody."""


def bring_about(
    api: ProxyApi, wish: Wish, *, check: bool = False, announce: Callable[[Outcome], None] = _silent
) -> Outcome:
    """Read, plan, write only the difference, read back; with ``check``, read and plan alone.

    ``announce`` hears what was found, before anything is written.
    """
    if not check:
        _settle(api, wish)
    reading = api.read_whitelist()
    before = reading.ips
    first = plan(before, wish)
    guard(first, wish)
    outcome = Outcome(wish, before, before, first, reading=reading)
    if check:
        outcome.after = before.union(first.add).difference(first.remove)
    elif first.changes:
        announce(outcome)
        _Writer(api, wish, outcome).run()
    return outcome


def _settle(api: ProxyApi, wish: Wish) -> None:
    """Wait until no earlier change that was to do the opposite can be under way, or be hidden by a list that lags."""

    def conflicts(write: WhitelistWrite) -> bool:
        return contradicts(wish, write)

    while (seconds := api.settles_in(conflicts)) > 0:
        reason = "the response to an earlier change of the same addresses was lost, and it may still take effect"
        api.budget.require(seconds, reason, "/whitelist")
        api.budget.wait(min(seconds, SETTLE_POLL), reason, "/whitelist")


def contradicts(wish: Wish, write: WhitelistWrite) -> bool:
    """Whether a change whose result is not known may undo a wish after the list has shown it as fulfilled."""
    wanted = set() if wish.state == "absent" else set(wish.ips)
    if not write.present:
        return not wanted.isdisjoint(write.ips)
    if wish.state == "exact":
        return bool(write.ips - wanted - set(wish.keep))
    unwanted = set(wish.ips if wish.state == "absent" else wish.replaces)
    return bool((unwanted - wanted - set(wish.keep)) & write.ips)


def company(wishes: Sequence[Wish]) -> list[int]:
    """Which of these wishes may be brought about together with the first of them, and in one go."""
    first = wishes[0]
    if first.solitary:
        return [0]
    return [n for n, wish in enumerate(wishes) if wish.state == first.state and not wish.solitary]


def joined(wishes: Sequence[Wish]) -> Wish:
    """One wish for all of those that may be brought about together."""
    if len(wishes) == 1:
        return wishes[0]
    state = wishes[0].state
    ips = {ip: None for wish in wishes for ip in wish.ips if state == "present" or ip not in wish.keep}
    return Wish(state, tuple(ips), divisible=True)


def shares(
    outcome: Outcome, wishes: Sequence[Wish], seen: Sequence[Collection[str]], *, check: bool = False
) -> list[Outcome]:
    """What came of each of the wishes that were joined, as if they had been brought about one after the other.

    ``seen`` are, for each wish, addresses that somebody found to be in need of change for it and may have changed,
    before he died or gave up. What was changed is told once: to the first who wanted it.
    """
    if len(wishes) == 1 and not seen[0]:
        return [outcome]
    told: set[str] = set()
    parts = []
    for wish, earlier in zip(wishes, seen, strict=True):
        found = plan(outcome.before, wish)
        if check:
            after = outcome.before.union(found.add).difference(found.remove)
            parts.append(Outcome(wish, outcome.before, after, found))
            continue
        wanted = set() if wish.state == "absent" else set(wish.ips)
        added = (wanted & {*found.add, *earlier} & outcome.after) - told
        removed = {*found.remove, *earlier} - wanted - set(wish.keep) - outcome.after - told
        told |= added | removed
        before = (outcome.after - added) | removed
        part = Outcome(
            wish,
            before,
            outcome.after,
            plan(before, wish),
            confirmed=outcome.confirmed,
            reading=outcome.reading,
        )
        part.refused = {ip: problem for ip, problem in outcome.refused.items() if ip in wish.ips}
        left = plan(part.after, wish)
        if left.changes if outcome.confirmed else found.changes:
            part.error = outcome.error if len(wishes) == 1 else _own_error(part, left, outcome.error)
        parts.append(part)
    return parts


def _own_error(part: Outcome, left: Plan, whole: QgError | None) -> QgError:
    """Why one of several wishes was not reached."""
    full = next((why for why in part.refused.values() if why.details.get("code") == WHITELIST_FULL), None)
    if full:
        return _full(full, part.after, left.add)
    if part.refused and set(left.add) <= set(part.refused):
        return _refusal(part)
    return whole or QgError(_NOT_SHOWN)


def _refusal(outcome: Outcome) -> QgError:
    refused = numeric_order(outcome.refused)
    reasons = " ".join(sorted({problem.message for problem in outcome.refused.values()}))
    return QgError(
        f"{len(refused)} of {len(outcome.wish.ips)} addresses were refused: {_some(refused)}. {reasons}",
        code=next(iter(outcome.refused.values())).details.get("code"),
    )


def _full(reason: QgError, have: Collection[str], missing: Collection[str]) -> QgError:
    return QgError(
        f"{reason.message} It holds {len(have)} addresses and needs {len(missing)} more slots for {_some(missing)}.",
        **reason.details,
    )


def _size(todo: Plan) -> int:
    return len(todo.add) + len(todo.remove)


class _Writer:
    """Writes in rounds: what is still missing is sent, then the list is read again, and only what it says counts.

    A lost answer, a garbled one or a partial success therefore needs no case of its own: the next round sends what
    is still missing, and nothing else.
    """

    def __init__(self, api: ProxyApi, wish: Wish, outcome: Outcome) -> None:
        self._api = api
        self._wish = wish
        self._outcome = outcome
        self._largest: int | None = None
        self._remove_first = wish.capacity is not None and len(outcome.before) + len(outcome.first.add) > wish.capacity
        self._last: QgError | None = None
        self._sent: set[str] = set()
        #: Whether the response to a change was lost, perhaps by an earlier run that was ended: the list may lag behind.
        changes = {*outcome.first.add, *outcome.first.remove}
        self._lost = api.settles_in(lambda write: not changes.isdisjoint(write.ips)) > 0

    def run(self) -> None:
        outcome = self._outcome
        try:
            self._rounds()
        except QgError as problem:
            outcome.error = problem
            return
        if outcome.refused:
            outcome.error = _refusal(outcome)

    def _rounds(self) -> None:
        outcome, stalls, delays = self._outcome, 0, list(LAG_DELAYS)
        todo = outcome.first
        while todo.changes and stalls < MAX_STALLS:
            sent_alone = self._largest
            outcome.confirmed = False
            final = self._write(todo)
            self._rest()
            left = self._read_back()
            moved = _size(left) < _size(todo) or self._largest != sent_alone
            # A refusal of something that has changed since is no answer to what is left.
            if final is not None and not moved:
                raise self._verdict(final, left)
            stalls = 0 if moved else stalls + 1
            if 0 < stalls < MAX_STALLS:
                self._pause(backoff(stalls - 1), "the change does not show in the whitelist")
            if not left.changes or (stalls >= MAX_STALLS and self._last is None and self._lost):
                # What the vendor reported counts. It is not sent again, but waited for; and so is what was done by a
                # call whose response was lost, if the vendor then has nothing left to do.
                left, stalls = self._wait_for_list(left, delays), 0
                if left.changes and not delays:
                    stalls = MAX_STALLS
            todo = left
        if todo.changes:
            self._give_up(todo)

    def _read_back(self) -> Plan:
        """Read the whitelist; what is left to be done then."""
        outcome = self._outcome
        outcome.reading = self._api.read_whitelist(may_be_empty=not outcome.after)
        outcome.after = outcome.reading.ips
        outcome.confirmed = not self._late()
        left = plan(outcome.after, self._wish, outcome.refused)
        guard(left, self._wish)
        return left

    def _late(self) -> set[str]:
        """What this run has changed, as the vendor reported, and the list does not show yet."""
        return set() if self._outcome.reading is None else self._sent & self._outcome.reading.late

    def _wait_for_list(self, left: Plan, delays: list[float]) -> Plan:
        """Read again, after each of the delays that are left, until the list shows what is to come; what it lacks."""
        before = _size(left)
        while delays and (_size(left) == before if left.changes else self._late()):
            self._pause(delays.pop(0), "the list does not show yet what the vendor has reported")
            left = self._read_back()
        outcome, late = self._outcome, self._late()
        if late and not delays and outcome.reading is not None:
            self._api.distrust(late)
            outcome.reading = outcome.reading.without(late)
            outcome.after, outcome.confirmed = outcome.reading.ips, True
            left = plan(outcome.after, self._wish, outcome.refused)
        return left

    def _rest(self) -> None:
        """Leave a server alone for as long as it asked for, before it is asked again."""
        if isinstance(self._last, TransportError) and self._last.retry_after:
            self._pause(self._last.retry_after, "the server asks for a rest")

    def _pause(self, seconds: float, reason: str) -> None:
        try:
            self._api.budget.wait(seconds, reason, "/whitelist")
        except WaitBudgetExceeded as too_long:
            # Why there is something to wait for says more than that there is no time for it.
            raise (self._last or too_long) from None

    def _write(self, todo: Plan) -> QgError | None:
        """One round of calls; the error that no further round can cure, if there was one."""
        self._last = None
        steps = [(True, todo.add), (False, todo.remove)]
        for adding, ips in reversed(steps) if self._remove_first else steps:
            failed = False
            for batch in self._api.batches(ips, self._largest if adding else None):
                try:
                    self._acknowledge(adding, batch)
                except (ApiError, TransportError, PostRejected) as problem:
                    self._last, failed = problem, True
                    self._lost |= problem.may_have_effect
                    if not self._curable(problem, adding, batch, todo):
                        return problem
                    if not self._one_address_at_fault(problem):
                        break
            if failed:
                break
        return None

    def _acknowledge(self, adding: bool, batch: list[str]) -> None:
        # Kept at once, so that an error later on does not hide what was done; the read back has the last word.
        self._sent.update(batch)
        if adding:
            self._outcome.after |= set(self._api.add(batch)) & set(batch)
        else:
            self._outcome.after -= set(self._api.remove(batch)) & set(batch)

    @staticmethod
    def _one_address_at_fault(problem: QgError) -> bool:
        return isinstance(problem, ApiError) and problem.code == BOUND_TO_OTHER_KEY

    def _curable(self, problem: CallError, adding: bool, batch: list[str], todo: Plan) -> bool:
        """Whether another round can get further, and what it has to do differently."""
        if isinstance(problem, TransportError):
            # What surely was not carried out has been tried again already.
            return problem.retryable and problem.may_have_effect
        if isinstance(problem, PostRejected):
            return True
        if self._one_address_at_fault(problem) and adding:
            # The vendor does not say which address it means: halve until it stands alone.
            if len(batch) == 1:
                self._outcome.refused[batch[0]] = problem
            else:
                self._halve(batch)
            return True
        code = problem.details.get("code")
        if code == WHITELIST_FULL and adding and self._wish.divisible and len(batch) > 1:
            self._halve(batch)
            return True
        if code == WHITELIST_FULL and adding and todo.remove and not self._remove_first:
            # What is replaced goes first only where it surely makes room enough; else it would go for nothing.
            self._remove_first = self._wish.state == "exact" or len(todo.remove) >= len(todo.add)
            return self._remove_first
        return problem.may_have_effect

    def _halve(self, batch: Collection[str]) -> None:
        self._largest = min(self._largest or len(batch), math.ceil(len(batch) / 2))

    def _verdict(self, final: QgError, left: Plan) -> QgError:
        if final.details.get("code") != WHITELIST_FULL:
            return final
        self._outcome.refused.update(dict.fromkeys(left.add, final))
        return _full(final, self._outcome.after, left.add)

    def _give_up(self, left: Plan) -> None:
        reason = self._last or QgError(_NOT_SHOWN)
        self._outcome.refused.update(dict.fromkeys(left.add, reason))
        if left.remove:
            raise QgError(f"{len(left.remove)} addresses could not be removed: {_some(left.remove)}. {reason.message}")

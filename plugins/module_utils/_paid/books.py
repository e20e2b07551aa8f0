# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds and pays for: looks, waits, records calls, pays and releases, as
:mod:`.evidence` decides.

A response may be lost after QG.net has carried out the call, and QG.net's list may lag behind it,
or be wrong once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from .._api.leases import Quota, Terms
from .._api.model import Sending
from .._core.errors import CallError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted
from .._store.store import after_the_call
from .caps import check_cap
from .evidence import (
    LIST_LAG,
    OpenCall,
    Outcome,
    Verdict,
    Witness,
    contradiction,
    excess,
    missed,
    unlisted,
    verdict,
)
from .holdings import Holdings
from .journal import HOUR
from .paid_api import BUY, DROP, SWAP, Item, NewCall, PaidApi
from .uncertainty import explaining, unknown

R = TypeVar("R")
#: Seconds between two looks at what may change.
POLL = 5.0


@contextlib.contextmanager
def locked_books(
    api: PaidApi[R],
    *,
    cap: int | None = None,
    ignore_quota: bool = False,
    releases: bool = False,
) -> Iterator[Books[R]]:
    """Lock the key, read what it holds, and end the earlier calls whose effect the list shows.

    With ``releases``, wait for the effect of earlier releases: what they name may be held no more.
    """
    with api.caller.key_lock():
        books = Books(api, cap=cap, ignore_quota=ignore_quota)
        books.look()
        books.settle(purchases=False, releases=releases)
        yield books


class Books(Holdings[R]):
    """What a key holds, within the lock of the key: nobody else writes to its journal.

    ``bought`` is what calls of this run have paid for, and ``quota`` the last one that was read.
    """

    def __init__(
        self, api: PaidApi[R], *, cap: int | None = None, ignore_quota: bool = False
    ) -> None:
        super().__init__(api)
        self.cap = cap
        self.budget = api.caller.budget
        self.ignore_quota = ignore_quota
        self.bought: dict[str, R] = {}
        #: Whether QG.net has reported a purchase of this run as a success, whatever the response
        #: names.
        self.is_accepted = False
        #: The calls that pay of which this run does not know what they did, by their numbers.
        self.unanswered: dict[int, str] = {}
        self.quota: Quota | None = None
        #: What calls of this run may have released.
        self._dropped: dict[str, R] = {}
        #: What QG.net may have replaced.
        self._swapped: dict[str, Item] = {}
        self._has_warned = False
        #: Whether list and quota have agreed, and all calls since have reported their whole effect.
        self._is_clear = False

    @property
    def released(self) -> dict[str, R]:
        """What calls of this run have released."""
        released = {}
        for name, resource in self._dropped.items():
            if name not in self.held:
                released[name] = resource
        for name, item in self._swapped.items():
            if name not in self.held and (self._is_removed(name) or not self.has_ended(name, item)):
                released[name] = self.api.from_item(item)
        return released

    def has_ended(self, name: str, item: Item) -> bool:
        """Whether something that was held has ended by itself, or would have by now."""
        span = self.api.span(item)
        if span.was_over:
            # An old list has shown it, or clocks differ: then only a release takes it away.
            return not self._is_removed(name)
        return self.snapshot.has_ended(span.ends)

    def _is_removed(self, name: str) -> bool:
        report = self.snapshot.last_reports().get(name)
        return name in self._dropped or (report is not None and not report.is_purchase)

    def look(self) -> None:
        """Read what is held, and record what the list lacks, since lists are in order here."""
        super().look()
        changed = missed(self.snapshot)
        if changed:
            self.journal.note_missing(changed)
            self.use_reports()
        reports = self.snapshot.last_reports()
        lacked = [self.held[name] for name in self.missed if name in reports]
        if lacked and not self._has_warned:
            self._has_warned = True
            self.warnings.append(
                f"{self.api.listing.capitalize()} lacks what this store has bought and what has "
                f"not ended: {self.sample(lacked)}. It counts as held, and is not bought again, "
                "until readings that are a minute apart have lacked it."
            )

    def look_without_lock(self) -> None:
        """Read what is held after the lock of the key has ended.

        What the list lacks is looked for once more within the lock, so that it can be recorded.
        """
        super().look()
        if self.missed:
            with self.api.caller.key_lock():
                self.look()

    def look_for_missed(self) -> None:
        """Look again if the list lacks something: a single one may be wrong."""
        if self.missed:
            self.look()

    def settle(self, *, purchases: bool = True, releases: bool = True) -> None:
        """End the open calls whose effect is known.

        Wait for the effect of ``purchases`` and of ``releases``, or raise UncertainOutcomeError.
        """
        for number in [call.id for call in self.snapshot.calls]:
            # Another run, which has lost its lock, may have ended it.
            while call := self._open_call(number):
                result = verdict(call, self.snapshot)
                if result.outcome is not Outcome.OPEN:
                    self._close(call, result)
                    break
                seconds_left = call.settles_at - self.snapshot.read_at
                if seconds_left > 0:
                    is_awaited = (purchases and call.adds) or (releases and call.removes)
                    if not is_awaited:
                        break
                    self._wait_for(call, result, seconds_left)
                self.look()

    def _open_call(self, number: int) -> OpenCall | None:
        return next((call for call in self.snapshot.calls if call.id == number), None)

    def _close(self, call: OpenCall, result: Verdict) -> None:
        """Record what an open call has done; from now on, the journal names its effect."""
        is_whole = result.outcome is Outcome.DONE or len(result.added) >= call.adds
        added = self._note(call, result.added)
        self.journal.close(call.id, self.items(added), result.removed, whole=is_whole)
        self._see(calls=[other for other in self.snapshot.calls if other is not call])
        if is_whole:
            self.unanswered.pop(call.id, None)
        self.use_reports()

    def _note(self, call: OpenCall, added: Collection[str]) -> dict[str, R]:
        """Return what a call has added, which the result of this run names or a warning does."""
        resources = {name: self.held[name] for name in added}
        if call.id in self.journal.of_run:
            self.bought.update(resources)
        elif resources:
            asked = counted(call.adds, self.api.noun)
            names = self.sample(resources.values())
            self.warnings.append(
                f"An earlier run asked for {asked} and did not learn the result: {names} are held."
            )
        return resources

    def _wait_for(self, call: OpenCall, result: Verdict, seconds_left: float) -> None:
        pause = min(POLL, seconds_left)
        try:
            self.wait(pause, "the effect of a call is not known yet", call.endpoint)
        except WaitBudgetExceeded:
            self._note(call, result.added)
            age = counted(round(self.now() - call.sent_at), "second")
            raise unknown(
                self.api,
                call.endpoint,
                f"it was sent {age} ago, {self.api.listing} may show its effect for another "
                f"{seconds_left:.0f} seconds, and max_wait ends before that",
            ) from None

    def read_quota(self) -> bool:
        """Read the quota; returns whether something contradicts a payment then.

        With ``ignore_quota``, the channels in use contradict nothing; that too few are free does.
        """
        self.quota = self.api.quota()
        used = None
        if self.quota is not None and self.quota.has_channels and not self.ignore_quota:
            used = self.quota.used
        self._see(quota_used=used)
        return contradiction(self.snapshot) is not None

    def confirm(self, number: int = 0) -> None:
        """Wait until nothing contradicts a payment for so many resources.

        Raises UncertainOutcomeError if something still does in the end. ``number`` only decides
        whether a quota that has shown fewer channels is read again.
        """
        has_room = self.quota is None or self.quota.available >= number
        if self._is_clear and has_room and not self.snapshot.calls:
            return
        self.settle()
        until = self.now() + LIST_LAG
        self.read_quota()
        while witness := contradiction(self.snapshot):
            if witness is Witness.QUOTA:
                self._wait_for_quota(until)
            self.look()
            self.settle()
            if witness is Witness.QUOTA:
                self.read_quota()
        self._is_clear = True

    def _wait_for_quota(self, until: float) -> None:
        number = excess(self.snapshot)
        reason = f"the quota counts {number} more in use than {self.api.listing} shows"
        limit = f"this has not changed for {LIST_LAG:.0f} seconds"
        if self.now() < until:
            try:
                self.wait(POLL, reason, self.api.list_call)
                return
            except WaitBudgetExceeded:
                limit = "max_wait ends before they must agree"
        raise UncertainOutcomeError(
            f"Whether the key holds {counted(number, f'more {self.api.noun}')} than "
            f"{self.api.listing} shows is unknown: the quota counts {number} more in use, and "
            f"{limit}. {self.payments()} {self.api.ignoring} {self.api.advice}",
            endpoint=self.api.list_call,
        )

    def buy(self, number: int, terms: Terms, operation: str = BUY) -> CallError | None:
        """Pay for resources with one call.

        Returns the error of a call whose effect, if any, is in ``bought`` nevertheless.
        """
        endpoint = self.api.calls[operation]
        before = frozenset(self.held)
        if operation == SWAP:
            # QG.net may release them even if it refuses to replace them.
            self._swapped.update(self.items(self.held))
        call = NewCall(operation, endpoint, number, before, {"terms": terms.as_json()}, self.cap)
        failure = None
        is_whole = False
        self._is_clear = False
        sent_at = self.now()
        try:
            named = self.api.pay(operation, number, terms, self._recorded(call))
        except CallError as error:
            if not error.may_have_effect:
                if operation == SWAP:
                    self._note_released(number, before, sent_at)
                raise
            failure = error
            self.unanswered[self.journal.of_run[-1]] = endpoint
        else:
            repeated = [named[name] for name in before.intersection(named)]
            # Of a replacement by QG.net, only the list shows what is gone.
            is_whole = operation == BUY and len(named) >= number and not repeated
            self._use_answer(named, is_whole)
            self._is_clear = is_whole
            if repeated and operation == BUY:
                reason = f"its response names what the key held before: {self.sample(repeated)}"
                raise unknown(self.api, endpoint, reason)
        if not is_whole:
            with explaining(self.api, endpoint, failure):
                self.look()
                self.settle()
        return failure

    def _note_released(self, number: int, before: frozenset[str], sent_at: float) -> None:
        """Record what QG.net has released before it refused to replace it."""
        call = OpenCall(
            id=self.journal.of_run[-1],
            endpoint=self.api.calls[SWAP],
            adds=0,
            removes=number,
            before=before,
            sent_at=sent_at,
            timeout=self.api.caller.timeout,
            answered_at=self.now(),
        )
        self.look()
        while True:
            # A single list may be wrong.
            self.look()
            result = verdict(call, self.snapshot)
            seconds_left = call.settles_at - self.snapshot.read_at
            if seconds_left <= 0 or result.removed >= unlisted(call, self.snapshot):
                break
            self._wait_for(call, result, seconds_left)
        if result.removed:
            self.journal.note_removed(call.id, result.removed)
            self.use_reports()

    def _use_answer(self, named: Mapping[str, R], is_whole: bool) -> None:
        """Record what the response to a purchase names, and whether that is its whole result."""
        # Before the store is used, since its failure must not hide what was paid for.
        self.is_accepted = True
        self.bought.update(named)
        items = self.items(named)
        lives = [self.api.span(item).life or 0.0 for item in items.values()]
        self.journal.answer(items, whole=is_whole, life=max(lives, default=0.0))
        with after_the_call():
            self.use_reports()
        # What could not be recorded is held nevertheless.
        self.held.update(named)

    def check_cap(self, number: int) -> None:
        """Raise CapReachedError if the cap does not allow to buy this many."""
        if number and self.cap is not None:
            caller = self.api.caller
            check_cap(caller.store, caller.key_digest, self.cap, number, self.api.kind)

    def check_drop(self, going: Collection[str]) -> None:
        """Raise QgError if no call releases these held ones, and spares the others."""
        leaving = [self.held[name] for name in going if name in self.held]
        self.api.check_release(leaving, self._without(going))

    def _without(self, going: Collection[str]) -> list[R]:
        return [resource for name, resource in self.held.items() if name not in going]

    def drop(self, names: Collection[str], going: Collection[str]) -> CallError | None:
        """Release these with one call. ``going`` are all that this run releases: others must stay.

        Returns the error of a call that may have been carried out nevertheless.
        """
        endpoint = self.api.calls[DROP]
        resources = [self.held[name] for name in names]
        call = NewCall(DROP, endpoint, before=names)
        gone: Collection[str] = ()
        failure = None
        try:
            gone = self.api.drop(resources, self._without(going), self._recorded(call))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
        self._dropped.update(zip(names, resources, strict=True))
        for name in gone:
            self.held.pop(name, None)
        is_whole = set(gone).issuperset(names)
        if failure is None:
            self.journal.answer({}, gone, whole=is_whole)
        if not is_whole:
            with explaining(
                self.api, endpoint, failure, "QG.net reports that only a part was done."
            ):
                self.look()
        return failure

    def _recorded(self, call: NewCall) -> Sending:
        """Return what records a call while it is sent, and forgets what no longer matters."""
        past = self.snapshot.past(self.now() - HOUR)
        return partial(self.journal.sending, call, self.api.caller.timeout, past)

    def payments(self) -> str:
        """Return what this run has paid for, or may have paid for, in whole sentences."""
        sentences = []
        if self.bought:
            number = counted(len(self.bought), self.api.noun, "were")
            sentences.append(f"{number} bought by this run: {self.sample(self.bought.values())}.")
        if self.unanswered:
            calls = " and ".join(dict.fromkeys(self.unanswered.values()))
            sentences.append(f"What {calls} did is not known for sure.")
        return " ".join(sentences) or "This run has paid for nothing."

    def wait(
        self, seconds: float, reason: str, call: str, examine: Callable[[], str] | None = None
    ) -> None:
        """Wait, at most for the remaining max_wait, so that the last look is at its end."""
        rest = self.budget.max_wait - self.budget.waited
        if rest > 0:
            seconds = min(seconds, rest)
        self.budget.wait(seconds, reason, call, examine=examine)

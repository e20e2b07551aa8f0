# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds and pays for. The only place that decides whether something may be paid for.

A response may be lost after the vendor has carried out the call, and the vendor's list may lag behind it. Nothing is
paid for while a call is open, of whichever run, or while the quota counts more than the list shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import Generic, TypeVar

from .._api.caller import Sending
from .._api.leases import AllocationParams, Quota
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .._store.store import after_the_call
from .journal import HELD, HOUR, LIST_LAG, MAYBE_GONE, UNKNOWN, NewCall, OpenCall, ResourceEffect
from .kind import BUY, DROP, SWAP, ResourceKind, listed, view
from .matching import Traits, codes_by_name

R = TypeVar("R")
#: Seconds between two looks at what may change.
POLL = 5.0


@contextlib.contextmanager
def opened(kind: ResourceKind[R], *, releases: bool = False) -> Iterator[Books[R]]:
    """Lock the key, and read what it holds; calls of earlier runs end if the list shows their effect.

    With ``releases``, wait for that of releases: what they name may not be held.
    """
    with kind.caller.key_lock():
        books = Books(kind)
        books.look()
        books.settle(purchases=False, releases=releases)
        yield books


class Books(Generic[R]):
    """What a key holds, within the lock of the key.

    ``first`` is what was held at first, and ``bought`` what calls of this run have paid for. ``quota`` is the last one
    that was read, ``read_at`` the state time at which the last list was requested, and ``effects`` what the journal
    contained then, or since a call of this run was over: nobody else writes to it within the lock.
    """

    def __init__(self, kind: ResourceKind[R]) -> None:
        self.kind, self.journal, self.budget = kind, kind.journal, kind.caller.budget
        self.held: dict[str, R] = {}
        #: The names in the last list itself.
        self._listed = frozenset[str]()
        self.first: dict[str, R] | None = None
        self.bought: dict[str, R] = {}
        #: Whether the vendor has reported a purchase of this run as a success, whatever the response names.
        self.is_accepted = False
        #: The calls that pay of which this run got no response that says what they did.
        self.unanswered: list[str] = []
        #: What calls of this run may have released.
        self._dropped: set[str] = set()
        self.quota: Quota | None = None
        self.tolerated = 0
        self.read_at = 0.0
        self.open: list[OpenCall] = []
        self.effects: list[ResourceEffect] = []
        self.warnings: list[str] = []
        self.now = self.journal.store.now

    @property
    def released(self) -> frozenset[str]:
        """The names that calls of this run have released."""
        return frozenset(self._dropped.difference(self.held))

    def look(self) -> None:
        """Read what is held."""
        # Nobody else ends a call within the lock. Without it, what was reported meanwhile corrects the list.
        self.open = self.journal.open()
        read_at = self.now()
        self.take(listed(self.kind), read_at)

    def take(self, shown: Mapping[str, R], read_at: float) -> None:
        """Take what is held from a list that was requested then, corrected by what calls have reported."""
        self.effects = self.journal.effects()
        self.read_at = read_at
        self._listed = frozenset(shown)
        self.held = view(shown, self.effects, read_at, self.kind)
        if self.first is None:
            self.first = dict(self.held)

    def traits(self) -> dict[str, Traits]:
        """Return what decides whether held resources match, by name, without those that have ended."""
        terms = self.terms()
        found = {name: self.kind.traits(one, terms.get(name)) for name, one in self.held.items()}
        return {name: one for name, one in found.items() if one}

    def areas(self) -> dict[str, str]:
        """Return the codes of areas by name; none if they cannot be read: it then stays unclear what matches."""
        try:
            return codes_by_name(self.kind.named_areas())
        except (CallError, WaitBudgetExceeded):
            return {}

    def terms(self) -> dict[str, AllocationParams]:
        """Return what held resources were requested with, by name, as far as that is recorded."""
        bought = (one for one in self._paid_for() if self._is_same(one))
        return {one.name: AllocationParams.from_json(one.request["terms"]) for one in bought}

    def settle(self, *, purchases: bool = True, releases: bool = True) -> None:
        """End the open calls whose effect is known.

        Wait for the effect of ``purchases`` and of ``releases``, or raise UncertainOutcomeError.
        """
        for number in [call.id for call in self.open]:
            has_looked = False
            # Another run, which has lost its lock, may have ended it.
            while call := next((one for one in self.open if one.id == number), None):
                found, left = self._found(call), call.settles_at - self.read_at
                is_shown = self._is_shown(call, found)
                if is_shown or (left <= 0 and (has_looked or not call.buys)):
                    self._close(call, found, is_shown)
                    break
                if left <= 0:
                    # A single list may be wrong.
                    has_looked = True
                elif purchases if call.buys else releases:
                    self._wait_for(call, found, left)
                else:
                    break
                self.look()

    def _found(self, call: OpenCall) -> list[str]:
        """Return the names that may be the effect of a paid call; those that its response has named come first."""
        new = [name for name in self.held if call.buys and name not in call.before]
        bought = self._paid_for()
        own = {one.name for one in bought if one.call == call.id}
        # A list may have lacked for a moment what another call has paid for.
        others = {one.name for one in bought if one.call != call.id and self._is_same(one)} - own
        return sorted((name for name in new if name not in others), key=lambda name: name not in own)[: call.buys]

    def _paid_for(self) -> list[ResourceEffect]:
        return [one for one in self.effects if one.effect == HELD]

    def _dropped_by(self, call: OpenCall) -> set[str]:
        """Return the names that an open call may have released."""
        return {one.name for one in self.effects if (one.call, one.effect) == (call.id, MAYBE_GONE)}

    def _gone_by(self, call: OpenCall, found: Collection[str]) -> frozenset[str]:
        """Return the names that an open call has released: a list with the successors of a swap lacks just these."""
        if call.operation != SWAP:
            return frozenset(() if call.buys else self._dropped_by(call).difference(self.held))
        unlisted = call.before - self._listed
        is_late = len(unlisted) == call.buys and found and self._listed.issuperset(found)
        return unlisted if is_late else call.before.difference(self.held)

    def _is_same(self, one: ResourceEffect) -> bool:
        """Whether what a call has paid for is what is held by this name now, and not a later one."""
        if one.name not in self.held:
            return False
        ends = self.kind.to_item(self.held[one.name]).ends
        return ends == one.item.ends or not ends or not one.item.ends

    def _is_shown(self, call: OpenCall, found: Collection[str]) -> bool:
        """Whether the list shows the whole effect of a call."""
        if call.operation == SWAP:
            return len(found) >= call.buys and len(self._gone_by(call, found)) >= call.buys
        if call.buys:
            return len(found) >= call.buys
        # A release that is still in flight would also release a new resource of the same address.
        return call.state == UNKNOWN and self._dropped_by(call).isdisjoint(self.held)

    def _close(self, call: OpenCall, found: Collection[str], is_shown: bool) -> None:
        items = {name: self.kind.to_item(self.held[name]) for name in found}
        # A list that was read before, for a lookup, still shows what is gone.
        gone = self._gone_by(call, found)
        self.held = {name: one for name, one in self.held.items() if name not in gone}
        self.journal.close(call.id, items, gone, whole=is_shown or len(found) >= call.buys)
        self.effects = self.journal.effects()
        self.open = [one for one in self.open if one.id != call.id]
        self._note(call, found)

    def _note(self, call: OpenCall, found: Collection[str]) -> None:
        """Keep what a call has paid for, for the result."""
        if call.id in self.journal.own:
            self.bought.update({name: self.held[name] for name in found})
        elif found:
            names = format_sample([self.kind.label(self.held[name]) for name in found])
            asked = counted(call.buys, self.kind.noun)
            self.warnings.append(f"An earlier run asked for {asked} and did not learn the result: {names} are held.")

    def _wait_for(self, call: OpenCall, found: Collection[str], left: float) -> None:
        try:
            self.wait(min(POLL, left), "the effect of a call is not known yet", call.endpoint)
        except WaitBudgetExceeded:
            self._note(call, found)
            age = counted(round(self.now() - call.sent_at), "second")
            raise self._unknown(
                call.endpoint,
                f"it was sent {age} ago, {self.kind.listing} may show its effect for another {left:.0f} seconds, and "
                "max_wait ends before that",
            ) from None

    def excess(self) -> int:
        """Return how many more resources the quota counts than the list shows, beyond those that are ``tolerated``.

        It is 0 for a plan without channels.
        """
        quota = self.quota
        if quota is None or quota.balance is not None or not quota.total:
            return 0
        return max(0, quota.used - self.kind.in_use(self.held.values()) - self.tolerated)

    def confirm(self, *, ignore_quota: bool = False) -> None:
        """Return when something may be paid for; raises UncertainOutcomeError if that does not become clear."""
        self.settle()
        until, has_looked = self.now() + LIST_LAG, False
        while True:
            self.quota = self.kind.quota()
            excess = self.excess()
            if not excess or (ignore_quota and (self.held or has_looked)):
                return
            if not ignore_quota:
                self._wait_for_quota(excess, until)
            # An empty list is read again even if the quota counts something else.
            has_looked = True
            self.look()
            self.settle()

    def _wait_for_quota(self, excess: int, until: float) -> None:
        reason = f"the quota counts {excess} more in use than {self.kind.listing} shows"
        limit = "max_wait ends before they must agree"
        try:
            if self.now() < until:
                self.wait(POLL, reason, self.kind.list_call)
                return
            limit = f"this has not changed for {LIST_LAG:.0f} seconds"
        except WaitBudgetExceeded:
            pass
        if self.now() >= until and self.quota and self.kind.counts_volume(self.quota, self.held):
            self.warnings.append(
                f"The quota of this key counts what was ever paid for, and not the channels in use: "
                f"{self.kind.listing} alone decides what is missing."
            )
            return
        raise UncertainOutcomeError(
            f"Whether the key holds {counted(excess, f'more {self.kind.noun}')} than {self.kind.listing} shows is "
            f"unknown: the quota counts {excess} more in use, and {limit}. Nothing was paid for. {self.kind.ignoring} "
            f"{self.kind.advice}",
            endpoint=self.kind.list_call,
        )

    def buy(self, number: int, terms: AllocationParams, operation: str = BUY) -> CallError | None:
        """Pay for resources once; returns the error of a call whose effect, if any, is in ``bought`` nevertheless."""
        kind, failure, endpoint, whole = self.kind, None, self.kind.calls[operation], False
        before = frozenset(self.held)
        call = NewCall(operation, endpoint, number, before, request={"terms": terms.as_json()})
        # QG.net may release them even if it refuses to replace them.
        self._dropped |= before if operation == SWAP else set()
        try:
            named = kind.pay(operation, number, terms, self._sending(call))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
            self.unanswered.append(endpoint)
        else:
            # Before the state is used, since its failure must not hide what was paid for.
            self.is_accepted = True
            self.held.update(named)
            self.bought.update(named)
            # Of a swap, only the list shows what is gone.
            whole = len(named) >= number and (operation == BUY or number >= len(before))
            gone = before - named.keys() if operation == SWAP and whole else frozenset()
            self.journal.answer({name: kind.to_item(one) for name, one in named.items()}, gone, whole=whole)
            with after_the_call():
                self.effects = self.journal.effects()
            for name in gone:
                self.held.pop(name, None)
        if not whole:
            with self.naming(endpoint, failure):
                self.look()
                self.settle()
        kind.paid(self.quota if operation == BUY else None, number, self.held)
        return failure

    def drop(self, names: Collection[str]) -> CallError | None:
        """Release resources once; returns the error of a call that may have been carried out nevertheless."""
        kind, endpoint, failure, gone = self.kind, self.kind.calls[DROP], None, list[str]()
        resources = [self.held[name] for name in names]
        try:
            gone += kind.drop(resources, self._sending(NewCall(DROP, endpoint, drops=names)))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
        self._dropped.update(names)
        for name in gone:
            self.held.pop(name, None)
        whole = set(gone) >= set(names)
        if not failure:
            self.journal.answer({}, gone, whole=whole)
        if not whole:
            with self.naming(endpoint, failure, "the vendor reports that only a part was done."):
                self.look()
        return failure

    def _sending(self, call: NewCall) -> Sending:
        old = self.now() - HOUR
        past = [one for one in self.effects if self._is_past(one, old)]
        return partial(self.journal.sending, call, self.kind.caller.timeout, past)

    def _is_past(self, one: ResourceEffect, old: float) -> bool:
        """Whether an effect no longer matters: it is not held, and no list, or none after that time, shows it."""
        if one.effect == HELD and one.name in self.held:
            return False
        has_ended = one.effect == HELD and self.kind.from_item(one.item, ago=LIST_LAG) is None
        return has_ended or one.at < old

    @contextlib.contextmanager
    def naming(self, endpoint: str, failure: CallError | None, otherwise: str = "") -> Iterator[None]:
        """Name the call whose effect the body was to find out, if that fails."""
        first, details = failure.message if failure else otherwise, failure.details if failure else {}
        try:
            yield
        except UncertainOutcomeError as second:
            # It names the call already.
            raise UncertainOutcomeError(f"{first} {second.message}".strip(), **{**second.details, **details}) from None
        except QgError as second:
            raise self._unknown(endpoint, f"{first} {second.message}".strip(), failure) from None

    def wait(self, seconds: float, reason: str, call: str, examine: Callable[[], str] | None = None) -> None:
        """Wait, at most for the remaining max_wait, so that the last look is at its end."""
        rest = self.budget.max_wait - self.budget.waited
        self.budget.wait(min(seconds, rest) if rest > 0 else seconds, reason, call, examine=examine)

    def unseen(self, operation: str) -> UncertainOutcomeError:
        """Return the error for a call that was reported as a success without an effect that shows."""
        reason = f"it was reported as a success, and {self.kind.listing} shows nothing new"
        return self._unknown(self.kind.calls[operation], reason)

    def _unknown(self, endpoint: str, reason: str, failure: CallError | None = None) -> UncertainOutcomeError:
        text = f"What {endpoint} has done is unknown: {reason.rstrip('.')}. {self.kind.advice}"
        return UncertainOutcomeError(text, **{"endpoint": endpoint, **(failure.details if failure else {})})

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls that pay for what a key holds, or release it: each is recorded before it is sent."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from .._api.exchange import Sending
from .._api.leases import Terms
from .._core.errors import CallError
from .._spending.caps import check_cap
from .._store.store import after_the_call
from .holdings import ListRead
from .journal_reader import HOUR
from .paid_api import BUY, DROP, SWAP, Item, NewCall, PaidApi, leaves_open
from .reconciling import Reconciled
from .snapshot import has_ended
from .uncertainty import explaining, unknown

R = TypeVar("R")


@contextlib.contextmanager
def locked_books(
    api: PaidApi[R],
    *,
    cap: int | None = None,
    ignore_quota: bool = False,
    await_releases: bool = False,
    earlier: ListRead[R] | None = None,
) -> Iterator[Books[R]]:
    """Lock the key, read what it holds, and end the earlier calls whose effect the list shows.

    ``earlier`` is a list that the run has read lately.

    With ``await_releases``, wait for the effect of earlier releases: what they name may be held no
    more.
    """
    with api.caller.key_lock():
        books = Books(api, cap=cap, ignore_quota=ignore_quota)
        books.look(earlier)
        books.settle(await_purchases=False, await_releases=await_releases)
        yield books


class Books(Reconciled[R]):
    """What a key holds, pays for and releases, within the lock of the key."""

    def __init__(self, api: PaidApi[R], *, cap: int | None, ignore_quota: bool) -> None:
        super().__init__(api, ignore_quota=ignore_quota)
        self.cap = cap
        #: Whether QG.net has reported a purchase of this run as a success, whatever the response
        #: names.
        self.is_accepted = False
        #: What calls of this run may have released.
        self._dropped: dict[str, R] = {}

    @property
    def released(self) -> dict[str, R]:
        """What calls of this run have released."""
        return {name: each for name, each in self._dropped.items() if name not in self.held}

    def is_lost(self, name: str, item: Item) -> bool:
        """Whether what was held is gone before it would have ended by itself."""
        if name in self.held or has_ended(self.api.span(item).ends, self.snapshot.now):
            return False
        record = self.snapshot.last().get(name)
        return name in self._dropped or (record is not None and record.gone_at is not None)

    def buy(self, number: int, terms: Terms, operation: str = BUY) -> CallError | None:
        """Pay for resources with one call.

        Returns the error of a call whose effect, if any, is known nevertheless.
        """
        endpoint = self.api.calls[operation]
        before = frozenset(self.held)
        if operation == SWAP:
            # QG.net may release them even if it refuses to replace them.
            self._dropped.update(self.held)
        else:
            # What is over may be listed for another moment, and is no effect of this call.
            before |= self.snapshot.listed.keys()
        call = NewCall(operation, endpoint, number, before, {"terms": terms.as_json()}, self.cap)
        failure = None
        is_whole = False
        self._is_clear = False
        try:
            named = self.api.pay(operation, number, terms, self._recorded(call))
        except CallError as error:
            if not leaves_open(operation, error):
                raise
            failure = error
            if error.may_have_effect:
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

    def _use_answer(self, named: Mapping[str, R], is_whole: bool) -> None:
        """Record what the response to a purchase names, and whether that is its whole result."""
        # Before the store is used, since its failure must not hide what was paid for.
        self.is_accepted = True
        new = {name: resource for name, resource in named.items() if name not in self.held}
        self.bought.update(new)
        spans = map(self.api.span, self.items(new).values())
        lives = [span.life for span in spans if span.life is not None and span.life > 0]
        life = min(lives, default=None)
        self.journal.answer(self.items(named), whole=is_whole, life=life)
        with after_the_call():
            self.use_records()
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
        resources = {name: self.held[name] for name in names}
        call = NewCall(DROP, endpoint, before=names)
        gone: Collection[str] = ()
        failure = None
        try:
            gone = self.api.drop(resources.values(), self._without(going), self._recorded(call))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
        self._dropped.update(resources)
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

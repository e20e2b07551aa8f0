# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes of what a key holds: buy what is missing, release, and replace."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._core.errors import CallError, Kind, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted
from .._store.facts import REPLACEMENT, Facts
from .._store.store import after_the_call
from .books import BUY, DROP, POLL, SWAP, Books
from .journal import Item

R = TypeVar("R")
#: The attempts of a call that fails transiently.
ATTEMPTS = 3
#: Seconds for which a released channel may stay in use; clients have observed 3 to 6, and once 30.
CHANNEL_WAIT = 45.0
#: The refusals of a release that may concern only some of the resources.
_SEPARABLE = (Kind.COUNT, Kind.TOO_EARLY)


@dataclass
class Purchase(Generic[R]):
    """What is bought in a run: with these terms, which are recorded as ``request``, at most so many in a call."""

    books: Books[R]
    terms: Any
    request: Mapping[str, Any]
    most: int
    attempts: int
    ignore_quota: bool = False

    def buy_missing(self, missing: Callable[[], int], *, is_confirmed: bool = False) -> None:
        """Pay until nothing is missing; a call is sent again only when it is known to have had no effect."""
        books, failed, until = self.books, 0, self.books.now() + CHANNEL_WAIT
        while number := missing():
            if not is_confirmed:
                books.confirm(ignore_quota=self.ignore_quota)
            is_confirmed = False
            if missing() != number:
                continue
            known = len(books.bought)
            try:
                error = books.buy(min(number, self.most), self.terms, self.request)
            except CallError as refusal:
                # A released channel is not free at once, and not every plan has a quota that shows it.
                if refusal.kind is not Kind.CHANNELS or not books.released or books.now() >= until:
                    raise
                books.wait(POLL, "a released channel is not free yet", books.kind.calls[BUY])
                continue
            if len(books.bought) > known:
                continue
            failed += 1
            if error is None:
                raise UncertainOutcomeError(
                    f"{books.kind.calls[BUY]} was reported as a success, and {books.kind.listing} shows nothing "
                    f"new, so what was paid for is unknown. {books.kind.advice}",
                    endpoint=books.kind.calls[BUY],
                )
            if not error.retryable or failed >= self.attempts:
                # The quota may show what the list does not.
                books.confirm(ignore_quota=self.ignore_quota)
                if missing() == number:
                    raise _without_effect(error, failed, books.kind.listing)


def _without_effect(error: CallError, attempts: int, listing: str) -> CallError:
    sent = counted(attempts, "attempt") if attempts > 1 else "it"
    error.message += f" After {sent}, {listing} shows nothing new."
    return error


def release(books: Books[Any], names: Collection[str], *, size: int, attempts: int = ATTEMPTS, rules: str = "") -> None:
    """Release resources, at most so many in a call. That may be repeated without harm: only a purchase has to wait."""
    error: CallError | None = None
    failure: QgError | None = None
    try:
        for attempt in range(attempts):
            left = [name for name in names if name in books.held]
            if attempt and left:
                books.wait(POLL, f"{books.kind.listing} still shows what was released", books.kind.calls[DROP])
                books.look()
                left = [name for name in left if name in books.held]
            for first in range(0, len(left), size):
                error = _release_batch(books, left[first : first + size]) or error
            if error and not error.retryable:
                break
    except UncertainOutcomeError:
        raise
    except (CallError, WaitBudgetExceeded) as stopped:
        failure = None if error and isinstance(stopped, WaitBudgetExceeded) else stopped
    if books.open and not books.held.keys().isdisjoint(names):
        # An earlier attempt without a response may be the reason of a refusal.
        books.look()
        books.settle()
    if left := [books.kind.label(books.held[name]) for name in names if name in books.held]:
        raise _still_held(books, failure or error, left, rules)


def _release_batch(books: Books[Any], batch: Collection[str]) -> CallError | None:
    try:
        return books.drop(batch)
    except CallError as refusal:
        if refusal.kind not in _SEPARABLE or len(batch) == 1:
            raise
    # One of them may be the reason.
    error: CallError | None = None
    for name in batch:
        error = books.drop([name]) or error
    return error


def _still_held(books: Books[Any], error: QgError | None, left: Collection[str], rules: str) -> QgError:
    kind = error.kind if isinstance(error, CallError) else None
    message = error.message if error else "The vendor reports success, but its list still shows them."
    # The rule explains the refusal better than the vendor's code.
    first = f"{rules} " if rules and kind in (*_SEPARABLE, Kind.PERMISSION) else ""
    held = f"{counted(len(left), books.kind.noun, 'are')} still held: {', '.join(left)}."
    return QgError(f"{first}{message} {held}", **(error.details if error else {"endpoint": books.kind.calls[DROP]}))


@dataclass
class Replacement(Generic[R]):
    """A replacement after which the key holds as many resources as before.

    What it began with is remembered for ten minutes, so that a run with the same ``request`` continues an interrupted
    one, and nothing is paid for twice. Lists of held resources decide, and no successor is attributed to what it
    replaces: the error is at most one too few, and never one too many. ``old`` are the names that are to go.
    ``tolerated`` is how many more the quota has counted than the list, which are not missing then.
    """

    books: Books[R]
    facts: Facts
    request: str
    before: dict[str, Item]
    old: list[str]
    terms: Any
    tolerated: int = 0
    continues: bool = False

    @classmethod
    def begin(cls, books: Books[R], facts: Facts, request: str, old: Collection[str], terms: Any) -> Replacement[R]:
        """Return the interrupted replacement with this request, or a new one; ``terms`` (JSON) are those of purchases.

        It is stored by :meth:`store`, before the first change.
        """
        if begun := facts.get(REPLACEMENT, request):
            before, names, known, books.tolerated = facts.store.decoded(begun)
            items = {name: Item(*item) for name, item in before.items()}
            return cls(books, facts, request, items, names, known, books.tolerated, True)
        items = {name: books.kind.to_item(one) for name, one in books.held.items()}
        return cls(books, facts, request, items, list(old), terms)

    def store(self) -> None:
        """Remember what is about to be replaced."""
        if not self.continues:
            text = json.dumps([self.before, self.old, self.terms, self.tolerated])
            self.facts.save(REPLACEMENT, text, (self.request,))

    def missing(self) -> int:
        """Return how many fewer are held than before, apart from those that have ended by themselves."""
        lasting = sum(self.books.kind.from_item(item) is not None for item in self.before.values())
        return max(0, lasting - len(self.books.held))

    def finish(self) -> None:
        """Forget the replacement, which is over."""
        self.facts.forget(REPLACEMENT, (self.request,))

    def give_up(self) -> None:
        """Forget a replacement that has failed, unless it has changed something, or may have."""
        if not self.books.open and self.books.held.keys() == self.before.keys():
            with after_the_call():
                self.finish()

    def swap(self, purchase: Purchase[R], number: int) -> None:
        """Let the vendor replace so many, and buy successors for those that it has only released."""
        books, failed, known = self.books, 0, len(self.books.bought)
        while (left := number - self._swapped(known)) > 0:
            books.settle()
            if left != number - self._swapped(known):
                continue
            new = len(books.bought)
            try:
                error = books.buy(min(left, purchase.most), purchase.terms, purchase.request, SWAP)
            except CallError:
                # The vendor may have released the old ones before it refused.
                books.look()
                purchase.buy_missing(self.missing)
                raise
            if len(books.bought) > new:
                continue
            failed += 1
            if error is None or not error.retryable or failed >= purchase.attempts:
                purchase.buy_missing(self.missing)
                raise error or self._unseen()
        purchase.buy_missing(self.missing)
        if number and books.held.keys() == self.before.keys():
            raise self._unseen()

    def _unseen(self) -> UncertainOutcomeError:
        call, kind = self.books.kind.calls[SWAP], self.books.kind
        return UncertainOutcomeError(
            f"{call} was reported as a success, and {kind.listing} shows nothing new, so what was replaced is unknown. "
            f"{kind.advice}",
            endpoint=call,
        )

    def _swapped(self, known: int) -> int:
        """Return how many were replaced; lists may show the old ones longer, or the new ones later."""
        held, before = self.books.held.keys(), self.before.keys()
        return max(len(before - held), len(held - before), len(self.books.bought) - known)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace resources, so that the key holds as many as before."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._api.leases import AllocationParams
from .._core.errors import CallError, QgError, UncertainOutcomeError
from .._store.facts import REPLACEMENT
from .._store.store import after_the_call
from .books import Books
from .change import ATTEMPTS, buy_missing, check_room, release
from .journal import Item
from .kind import SWAP

R = TypeVar("R")


@dataclass
class Replacement(Generic[R]):
    """A replacement after which the key holds as many resources as before.

    What it began with is remembered for ten minutes, so that a run with the same ``request`` continues an interrupted
    one, and nothing is paid for twice. Lists of held resources decide, and no successor is attributed to what it
    replaces: the error is at most one too few, and never one too many. ``old`` are the names that are to go.
    ``tolerated`` is how many more the quota has counted than the list, which are not missing then.
    """

    books: Books[R]
    request: str
    before: dict[str, Item]
    old: list[str]
    terms: AllocationParams
    tolerated: int = 0
    continues: bool = False

    @classmethod
    def begin(cls, books: Books[R], request: Any, old: Collection[str], terms: AllocationParams) -> Replacement[R]:
        """Return the interrupted replacement with this request (JSON), or a new one."""
        facts, text = books.kind.caller.facts, json.dumps(request, sort_keys=True)
        if begun := facts.get(REPLACEMENT, text):
            before, names, known, tolerated = json.loads(begun)
            items = {name: Item(*item) for name, item in before.items()}
            return cls(books, text, items, names, AllocationParams.from_json(known), tolerated, continues=True)
        items = {name: books.kind.to_item(one) for name, one in books.held.items()}
        return cls(books, text, items, list(old), terms)

    def missing(self) -> int:
        """Return how many fewer are held than before, apart from those that have ended by themselves."""
        lasting = sum(self.books.kind.from_item(item) is not None for item in self.before.values())
        return max(0, lasting - len(self.books.held))

    def by_name(self) -> None:
        """Release the old ones, and buy successors; one first, so that the others are kept if there is no successor."""
        books = self.books
        books.settle()
        if not self.continues:
            # Others may use channels, too: a release must not wait for those to become free.
            books.quota = books.kind.quota()
            self.tolerated = books.excess()
        books.tolerated = self.tolerated
        old, quota = [name for name in self.old if name in books.held], books.quota
        is_short = quota is not None and quota.available < len(old)
        with self._remembered():
            buy_missing(books, self.missing, self.terms)
            for batch in (old[:1], old[1:]):
                try:
                    release(books, [name for name in batch if name in books.held])
                except UncertainOutcomeError:
                    raise
                except QgError:
                    # Successors for the released ones, even if not all could be released.
                    buy_missing(books, self.missing, self.terms)
                    raise
                # List and quota have been compared before the release, which was reported.
                buy_missing(books, self.missing, self.terms, is_confirmed=not books.open and not is_short)
                if is_short and batch == old[:1]:
                    check_room(books, quota, len(old) - 1, needed=len(old) - 1, used=1)

    def by_vendor(self, number: int) -> None:
        """Let the vendor replace so many, and buy successors for those that it has only released."""
        books = self.books
        books.settle()
        with self._remembered():
            try:
                self._swap(number)
            except CallError:
                # The vendor may have released the old ones before it refused.
                books.look()
                buy_missing(books, self.missing, self.terms)
                raise
            buy_missing(books, self.missing, self.terms)
            if number and books.held.keys() == self.before.keys():
                raise books.unseen(SWAP)

    def _swap(self, number: int) -> None:
        books, failed, known = self.books, 0, len(self.books.bought)
        while (left := number - self._swapped(known)) > 0:
            books.settle()
            if left != number - self._swapped(known):
                continue
            new = len(books.bought)
            error = books.buy(min(left, books.kind.most), self.terms, SWAP)
            if len(books.bought) > new:
                continue
            failed += 1
            if error is None:
                return
            if not error.retryable or failed >= ATTEMPTS:
                raise error

    def _swapped(self, known: int) -> int:
        """Return how many were replaced; lists may show the old ones longer, or the new ones later."""
        held, before = self.books.held.keys(), self.before.keys()
        return max(len(before - held), len(held - before), len(self.books.bought) - known)

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        """Remember what the body replaces, until it is over, or has failed without a change."""
        facts, books = self.books.kind.caller.facts, self.books
        if not self.continues:
            text = json.dumps([self.before, self.old, self.terms.as_json(), self.tolerated])
            facts.save(REPLACEMENT, text, self.request)
        try:
            yield
        except QgError:
            if not books.open and books.held.keys() == self.before.keys():
                with after_the_call():
                    facts.forget(REPLACEMENT, self.request)
            raise
        facts.forget(REPLACEMENT, self.request)

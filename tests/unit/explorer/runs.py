# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs of a process, for the explorer: the collection's own rules, over resources that are numbers.

The response to a purchase of leases names them; that of exclusive occupancy does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.books import BUY, DROP, SWAP, Books
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.change import Purchase, Replacement, release
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import Item, Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import REPLACEMENT, Facts
from explorer.engine import Outcome
from explorer.memory import TIMEOUT, MemoryApi, Process

WANTED, CHANNELS, ATTEMPTS = 2, 9, 3


class NumberKind:
    """Resources that are numbers, and the calls of a process for them."""

    noun, listing, advice, ignoring, list_call = "number", "the list", "Look.", "Ignore it.", "/list"
    calls: Mapping[str, str] = {BUY: "/buy", SWAP: "/swap", DROP: "/drop"}
    timeout = TIMEOUT

    def __init__(self, process: Process, *, names_new: bool = True) -> None:
        self._process = process
        self._names_new = names_new

    def read(self) -> dict[str, int]:
        return {f"L{number}": number for number in self._process.ask("list")}

    def quota(self) -> Quota | None:
        used = self._process.ask("quota")
        return None if used is None else Quota(CHANNELS, CHANNELS - used, used, {})

    def in_use(self, held: Iterable[int]) -> int:
        return len(list(held))

    def counts_volume(self, quota: Quota, held: Collection[str]) -> bool:
        return False

    def paid(self, quota: Quota | None, number: int, held: Mapping[str, int]) -> None:
        pass

    def _call(self, what: str, argument: Any, sending: Any) -> Any:
        with sending():
            return self._process.ask("change", (what, argument, self._process.inserted[-1]))

    def buy(self, number: int, terms: Any, sending: Any) -> dict[str, int]:
        new = self._call("buy", number, sending)
        return {f"L{number}": number for number in new} if self._names_new else {}

    def swap(self, number: int, terms: Any, sending: Any) -> dict[str, int]:
        return {f"L{number}": number for number in self._call("swap", number, sending)}

    def drop(self, resources: Collection[int], sending: Any) -> list[str]:
        self._call("drop", tuple(resources), sending)
        return [f"L{number}" for number in resources]

    def label(self, resource: int) -> str:
        return str(resource)

    def to_item(self, resource: int) -> Item:
        return Item(None, resource)

    def from_item(self, item: Item) -> int:
        return int(item.data)


def run(process: Process, work: Callable[[Books[int], MemoryApi], None], *, names_new: bool = True) -> Outcome:
    """Do the work under the lock of the key."""
    api, kind = MemoryApi(process), NumberKind(process, names_new=names_new)
    books = Books(kind, Journal(api.store, "key", "leases"), api.budget)
    error = None
    try:
        with api.key_lock():
            books.look()
            books.settle(purchases=False)
            work(books, api)
    except QgError as raised:
        error = raised
    return Outcome(error, frozenset(books.bought), api.budget.waited)


def _purchase(books: Books[int]) -> Purchase[int]:
    return Purchase(books, None, {}, CHANNELS, ATTEMPTS)


def _ensure(books: Books[int], _api: MemoryApi) -> None:
    _purchase(books).buy_missing(lambda: max(0, WANTED - len(books.held)))


def _replace(books: Books[int], api: MemoryApi, *, by_vendor: bool, only_continue: bool = False) -> None:
    facts = Facts(api.store, "key")
    if only_continue and facts.get(REPLACEMENT, "request") is None:
        return
    work = Replacement.begin(books, facts, "request", ["L1"], None)
    books.settle()
    work.store()
    try:
        if by_vendor:
            work.swap(_purchase(books), 1)
        else:
            for old in ([], work.old):
                release(books, [name for name in old if name in books.held], size=CHANNELS)
                _purchase(books).buy_missing(work.missing)
    except QgError:
        work.give_up()
        raise
    work.finish()


ensure = partial(run, work=_ensure)
apply = partial(run, work=_ensure, names_new=False)
replace_named = partial(run, work=partial(_replace, by_vendor=False))
replace_by_vendor = partial(run, work=partial(_replace, by_vendor=True))
#: As a user who runs it again because it was interrupted: otherwise, it would be one more replacement.
continue_by_vendor = partial(run, work=partial(_replace, by_vendor=True, only_continue=True))

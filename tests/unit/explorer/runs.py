# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The runs of a process, for the explorer: the collection's own rules, over resources that are numbers.

The response to a purchase of leases names them; that of exclusive occupancy does not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams, NamedArea, Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.books import Books, opened
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.change import buy_missing
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import Item, Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.kind import BUY, DROP, SWAP, ResourceKind
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Traits
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.replacement import Replacement
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import REPLACEMENT
from explorer.engine import Outcome
from explorer.memory import MemoryCaller, Process

WANTED = 2
CHANNELS = 9
TERMS = AllocationParams()


class NumberKind(ResourceKind[int]):
    """Resources that are numbers, and the calls of a process for them."""

    noun = "number"
    listing = "the list"
    advice = "Look."
    ignoring = "Ignore it."
    rules = ""
    list_call = "/list"
    calls: Mapping[str, str] = {BUY: "/buy", SWAP: "/swap", DROP: "/drop"}
    most = CHANNELS

    def __init__(self, process: Process, *, names_new: bool = True) -> None:
        self._process = process
        self._names_new = names_new
        self.caller: Any = MemoryCaller(process)
        self.journal = Journal(self.caller.store, "key", "leases")

    def read(self) -> dict[str, int]:
        return {f"L{number}": number for number in self._process.ask("list")}

    def quota(self) -> Quota | None:
        used = self._process.ask("quota")
        return None if used is None else Quota(CHANNELS, CHANNELS - used, used, {})

    def in_use(self, held: Iterable[int]) -> int:
        return len(list(held))

    def _call(self, what: str, argument: Any, sending: Any) -> Any:
        with sending():
            return self._process.ask("change", (what, argument, self._process.inserted[-1]))

    def named_areas(self) -> list[NamedArea]:
        return []

    def pay(self, operation: str, number: int, terms: AllocationParams, sending: Any) -> dict[str, int]:
        new = self._call(operation, number, sending)
        return {f"L{number}": number for number in new} if self._names_new else {}

    def release_size(self, number: int) -> int:
        return CHANNELS

    def drop(self, resources: Collection[int], sending: Any) -> list[str]:
        self._call("drop", tuple(resources), sending)
        return [f"L{number}" for number in resources]

    def label(self, resource: int) -> str:
        return str(resource)

    def traits(self, resource: int, terms: AllocationParams | None) -> Traits:
        return Traits(str(resource), None, None, None)

    def to_item(self, resource: int) -> Item:
        return Item(None, resource)

    def from_item(self, item: Item, ago: float = 0.0) -> int:
        return int(item.data)


def run(process: Process, work: Callable[[Books[int]], None], *, names_new: bool = True) -> Outcome:
    """Do the work under the lock of the key."""
    kind = NumberKind(process, names_new=names_new)
    bought = frozenset[str]()
    error = None
    try:
        with opened(kind) as books:
            try:
                work(books)
            finally:
                bought = frozenset(books.bought)
    except QgError as raised:
        error = raised
    return Outcome(error, bought, kind.caller.budget.waited)


def _ensure(books: Books[int]) -> None:
    buy_missing(books, lambda: max(0, WANTED - len(books.held)), TERMS)


def _replace(books: Books[int], *, by_vendor: bool, only_continue: bool = False) -> None:
    if only_continue and books.kind.caller.facts.get(REPLACEMENT, '"request"') is None:
        return
    work = Replacement.begin(books, "request", ["L1"], TERMS)
    if by_vendor:
        work.by_vendor(1)
    else:
        work.by_name()


def _ensure_and_replace(books: Books[int], **how: bool) -> None:
    _ensure(books)
    _replace(books, by_vendor=True, **how)


ensure = partial(run, work=_ensure)
apply = partial(run, work=_ensure, names_new=False)
replace_named = partial(run, work=partial(_replace, by_vendor=False))
replace_by_vendor = partial(run, work=partial(_replace, by_vendor=True))
#: As a user who runs it again because it was interrupted: otherwise, it would be one more replacement.
continue_by_vendor = partial(run, work=partial(_replace, by_vendor=True, only_continue=True))
ensure_and_replace = partial(run, work=_ensure_and_replace)
ensure_and_continue = partial(run, work=partial(_ensure_and_replace, only_continue=True))

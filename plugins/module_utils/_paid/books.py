# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds and pays for: records calls, pays and releases, once :mod:`.clearing` says that it may.

A response may be lost after QG.net has carried out the call, and QG.net's list may lag behind it, or be wrong once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TypeVar

from .._api.leases import Terms
from .._api.model import Sending
from .._core.errors import CallError
from .._core.text import format_sample
from .._store.store import after_the_call
from .clearing import Clearing
from .evidence import LIST_LAG, Expected, Report, Says
from .journal import HOUR
from .paid_api import BUY, DROP, SWAP, NewCall, PaidApi

R = TypeVar("R")


@contextlib.contextmanager
def locked_books(
    api: PaidApi[R], *, cap: int | None = None, ignore_quota: bool = False, releases: bool = False
) -> Iterator[Books[R]]:
    """Lock the key, and read what it holds; calls of earlier runs end if the list shows their effect.

    With ``releases``, wait for that of releases: what they name may not be held.
    """
    with api.caller.key_lock():
        books = Books(api, cap=cap, ignore_quota=ignore_quota)
        books.look()
        books.settle(purchases=False, releases=releases)
        yield books


class Books(Clearing[R]):
    """What a key holds, within the lock of the key: nobody else writes to its journal."""

    def __init__(self, api: PaidApi[R], *, cap: int | None = None, ignore_quota: bool = False) -> None:
        super().__init__(api, cap=cap, ignore_quota=ignore_quota)
        #: What calls of this run may have released.
        self._dropped: dict[str, R] = {}

    @property
    def released(self) -> dict[str, R]:
        """What calls of this run have released."""
        return {name: resource for name, resource in self._dropped.items() if name not in self.held}

    def buy(self, number: int, terms: Terms, operation: str = BUY) -> CallError | None:
        """Pay for resources once; returns the error of a call whose effect, if any, is in ``bought`` nevertheless."""
        api = self.api
        endpoint = api.calls[operation]
        before = frozenset(self.held)
        expected = Expected(adds=number)
        if operation == SWAP:
            expected = Expected(adds=number, removes_count=number)
            # QG.net may release them even if it refuses to replace them.
            self._dropped.update(self.held)
        call = NewCall(operation, endpoint, expected, before, request={"terms": terms.as_json()})
        failure = None
        is_whole = False
        try:
            named = api.pay(operation, number, terms, self._recorded(call))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
            self.unanswered[self.journal.own[-1]] = endpoint
        else:
            is_whole = self._take_answer(named, expected, before)
            repeated = [api.label(named[name]) for name in before.intersection(named)]
            if repeated and operation == BUY:
                reason = f"its response names what the key held before: {format_sample(repeated)}"
                raise self.unknown(endpoint, reason)
        if not is_whole:
            with self.explaining(endpoint, failure):
                self.look()
                self.settle()
        return failure

    def _take_answer(self, named: Mapping[str, R], expected: Expected, before: frozenset[str]) -> bool:
        """Record what the response to a purchase names; returns whether that is its whole result."""
        # Before the store is used, since its failure must not hide what was paid for.
        self.is_accepted = True
        self.held.update(named)
        self.bought.update(named)
        # Of a replacement by QG.net, only the list shows what is gone, unless that is all there was.
        is_whole = len(named) >= expected.adds and before.isdisjoint(named)
        if expected.removes_count:
            is_whole = is_whole and expected.removes_count >= len(before)
        gone = frozenset[str]()
        if is_whole and expected.removes_count:
            gone = before.difference(named)
        items = {name: self.api.to_item(resource) for name, resource in named.items()}
        lasts = max((self.api.span(item).life or 0.0 for item in items.values()), default=0.0)
        self.journal.answer(items, gone, whole=is_whole, lasts=lasts)
        for name in gone:
            self.held.pop(name, None)
        with after_the_call():
            self.use_reports()
            # What could not be recorded is held nevertheless.
            self.held.update({name: resource for name, resource in named.items() if name not in self.held})
        return is_whole

    def check_drop(self, going: Collection[str]) -> None:
        """Raise QgError if no call releases these and spares the others."""
        self.api.check_release(*self._split(going))

    def _split(self, going: Collection[str]) -> tuple[list[R], list[R]]:
        """Return the held resources that are to go, and the others."""
        leaving = [self.held[name] for name in going if name in self.held]
        staying = [resource for name, resource in self.held.items() if name not in going]
        return leaving, staying

    def drop(self, names: Collection[str], going: Collection[str]) -> CallError | None:
        """Release resources once, of all that are ``going``, and spare the others.

        Returns the error of a call that may have been carried out nevertheless.
        """
        endpoint = self.api.calls[DROP]
        resources = [self.held[name] for name in names]
        staying = self._split(going)[1]
        call = NewCall(DROP, endpoint, Expected(removes=frozenset(names)))
        gone: list[str] = []
        failure = None
        try:
            gone += self.api.drop(resources, staying, self._recorded(call))
        except CallError as error:
            if not error.may_have_effect:
                raise
            failure = error
        self._dropped.update(zip(names, resources, strict=True))
        for name in gone:
            self.held.pop(name, None)
        is_whole = set(gone) >= set(names)
        if failure is None:
            self.journal.answer({}, gone, whole=is_whole)
        if not is_whole:
            with self.explaining(endpoint, failure, "QG.net reports that only a part was done."):
                self.look()
        return failure

    def _recorded(self, call: NewCall) -> Sending:
        """Return what records a call while it is sent, and forgets what no longer matters."""
        old = self.now() - HOUR
        past = [report for report in self.snapshot.reports if self._is_past(report, old)]
        return partial(self.journal.sending, call, self.api.caller.timeout, past)

    def _is_past(self, report: Report, old: float) -> bool:
        """Whether a report no longer matters: no list, or none after that time, shows its resource."""
        if report.says is Says.HELD:
            return report.ends is not None and report.ends + LIST_LAG <= self.snapshot.now
        return report.at < old

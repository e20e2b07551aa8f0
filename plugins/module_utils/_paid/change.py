# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The changes of what a key holds: buy what is missing, release, and ensure a number; and what a run has done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .._api.leases import AllocationParams, Quota
from .._core.errors import CallError, Kind, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .._store.store import StateError
from .._task.operation import Mode
from .books import POLL, Books
from .kind import BUY, DROP
from .matching import Desired, Plan

R = TypeVar("R")

#: The attempts of a call that fails transiently.
ATTEMPTS = 3
#: Seconds for which a released channel may stay in use; clients have observed 3 to 6, and once 30.
CHANNEL_WAIT = 45.0
#: The refusals of a release that may concern only some of the resources.
_SEPARABLE = (Kind.COUNT, Kind.TOO_EARLY)


def buy_missing(
    books: Books[Any],
    missing: Callable[[], int],
    terms: AllocationParams,
    *,
    is_confirmed: bool = False,
    ignore_quota: bool = False,
) -> None:
    """Pay until nothing is missing; a call is sent again only when it is known to have had no effect."""
    failed, until = 0, books.now() + CHANNEL_WAIT
    while number := missing():
        if not is_confirmed:
            books.confirm(ignore_quota=ignore_quota)
        is_confirmed = False
        if missing() != number:
            continue
        known = len(books.bought)
        try:
            error = books.buy(min(number, books.kind.most), terms)
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
            raise books.unseen(BUY)
        if not error.retryable or failed >= ATTEMPTS:
            # The quota may show what the list does not.
            books.confirm(ignore_quota=ignore_quota)
            if missing() == number:
                sent = counted(failed, "attempt") if failed > 1 else "it"
                error.message += f" After {sent}, {books.kind.listing} shows nothing new."
                raise error


def check_room(books: Books[Any], before: Quota | None, others: int, *, needed: int, used: int = 0) -> None:
    """Keep the others if a released resource has freed no channel, as with a plan by volume, and so many are needed.

    Of the channels that the quota has shown since the release, so many are ``used``.
    """
    quota = books.quota
    if not others or before is None or quota is None or quota.available > before.available:
        return
    left = quota.available - used
    if left < needed:
        noun = books.kind.noun
        raise QgError(
            f"A {noun} was released, but no channel came free for it, so the other {counted(others, noun)} were kept. "
            f"A plan that is billed by volume pays for every new {noun}: it has {left} left.",
            quota=quota.described(),
        )


def release(books: Books[Any], names: Sequence[str]) -> None:
    """Release resources, the first ones first, since the vendor may refuse to release young ones.

    That may be repeated without harm: only a purchase has to wait.
    """
    error: QgError | None = None
    size = books.kind.release_size(len(names))
    try:
        for attempt in range(ATTEMPTS):
            left = [name for name in names if name in books.held]
            if attempt and left:
                books.wait(POLL, f"{books.kind.listing} still shows what was released", books.kind.calls[DROP])
                books.look()
                left = [name for name in left if name in books.held]
            for first in range(0, len(left), size):
                error = _release_batch(books, left[first : first + size]) or error
            if isinstance(error, CallError) and not error.retryable:
                break
    except UncertainOutcomeError:
        raise
    except (CallError, WaitBudgetExceeded) as stopped:
        error = error if error and isinstance(stopped, WaitBudgetExceeded) else stopped
    if books.open and not books.held.keys().isdisjoint(names):
        # An earlier attempt without a response may be the reason of a refusal.
        books.look()
        books.settle()
    if left := [books.kind.label(books.held[name]) for name in names if name in books.held]:
        raise _still_held(books, error, left)


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


def _still_held(books: Books[Any], error: QgError | None, left: Collection[str]) -> QgError:
    kind = error.kind if isinstance(error, CallError) else None
    message = error.message if error else "The vendor reports success, but its list still shows them."
    # The rule explains the refusal better than the vendor's code.
    first = f"{books.kind.rules} " if kind in (*_SEPARABLE, Kind.PERMISSION) else ""
    held = f"{counted(len(left), books.kind.noun, 'are')} still held: {', '.join(left)}."
    details = error.details if error else {"endpoint": books.kind.calls[DROP]}
    return QgError(f"{first}{message} {held}".lstrip(), **details)


@dataclass
class Result(Generic[R]):
    """What the key held before and after a run, and its changes. With an ``error``, the other fields are still correct.

    ``allocated`` and ``released`` are the effects of this run's own calls. ``missing`` is the number of resources that
    are still missing, or that a run without check mode would buy.
    """

    books: Books[R]
    before: list[R] = field(default_factory=list)
    after: list[R] = field(default_factory=list)
    allocated: list[R] = field(default_factory=list)
    released: list[R] = field(default_factory=list)
    missing: int = 0
    error: QgError | None = None

    def __post_init__(self) -> None:
        self.before = self.after = list((self.books.first or {}).values())

    @property
    def warnings(self) -> list[str]:
        """The warnings of the run."""
        return self.books.warnings

    def told(self, result: dict[str, Any], mode: Mode, what: str, before: str, after: str) -> dict[str, Any]:
        """Return the result of a task with the warnings, the error and in diff mode the difference of the run."""
        if self.warnings:
            result["warnings"] = self.warnings
        if mode.diff:
            result["diff"] = {"before_header": what, "before": before, "after_header": what, "after": after}
        return {"failed": True, **result, **self.error.as_result()} if self.error else result

    @contextlib.contextmanager
    def completed(self) -> Iterator[None]:
        """Keep the error of the body, and add the effects of its calls, even if they fail."""
        books = self.books
        try:
            yield
        except StateError as error:
            self.error = StateError(f"{error.message} {_payments(books)}".rstrip(), **error.details)
        except QgError as error:
            self.error = error
        self.after = list(books.held.values())
        self.allocated = list(books.bought.values())
        self.released = [one for name, one in (books.first or {}).items() if name in books.released]


def _payments(books: Books[Any]) -> str:
    """Return what is known of the calls of this run that paid, for a failure that does not name them."""
    sentences = []
    if books.bought:
        names = format_sample([books.kind.label(resource) for resource in books.bought.values()])
        sentences.append(f"{counted(len(books.bought), books.kind.noun, 'were')} bought before that: {names}.")
    if books.unanswered:
        sentences.append(f"What {' and '.join(dict.fromkeys(books.unanswered))} did is not known for sure.")
    if sentences:
        sentences.append("With the same store, the next run counts what was bought, and does not buy it again.")
    return " ".join(sentences)


class Ensuring(Generic[R]):
    """A run that ensures a number of resources."""

    def __init__(self, books: Books[R], desired: Desired) -> None:
        self.books = books
        self.desired = desired
        self.ignores_quota = desired.on_uncertain == "ignore"
        #: What has to change before the first change of this run.
        self.first = self.plan()

    def plan(self) -> Plan:
        """Return what has to change, with what is held now."""
        return self.desired.plan(self.books.traits(), self.books.areas, self.books.bought)

    def prepare(self, *, check: bool) -> None:
        """Have list and quota agree on what has to change; raises QgError if it is not clear, or not possible."""
        books = self.books
        if not self.first.decided().missing:
            return
        books.kind.check_new(self.desired.min_remaining, self.desired.params)
        if check:
            books.quota = books.kind.quota()
            if books.excess() and not (books.held and self.ignores_quota):
                books.look()
                books.settle(purchases=False, releases=False)
        else:
            try:
                books.confirm(ignore_quota=self.ignores_quota)
            except UncertainOutcomeError:
                # A lack of channels is reported rather than a difference.
                self._check_channels()
                raise
        self.first = self.plan()
        self._check_channels()
        books.journal.check_cap(self.first.decided().missing)

    def buy(self, *, is_confirmed: bool = True) -> None:
        """Buy what is missing."""
        terms, ignores_quota = self.desired.params, self.ignores_quota
        buy_missing(self.books, self._missing, terms, is_confirmed=is_confirmed, ignore_quota=ignores_quota)

    def _missing(self) -> int:
        """Return how many are missing; what this run has bought is not bought again, even if it has ended since."""
        found = self.plan().decided()
        return max(0, found.missing - len(self.books.bought.keys() - found.keep))

    def _check_channels(self) -> None:
        """Raise QgError if the plan has too few channels for what is missing."""
        books, quota, first = self.books, self.books.quota, self.first.decided()
        if quota is None or (quota.balance is None and not quota.total):
            return
        noun, free, limit = books.kind.noun, quota.balance, "more within the plan's volume"
        if free is None:
            free, limit = quota.available + len(first.surplus), f"of the plan's {counted(quota.total, 'channel')}"
        if first.missing > free:
            raise QgError(
                f"count={self.desired.count} needs {counted(first.missing, f'more {noun}')} ({len(first.keep)} of the "
                f"{len(books.held)} held ones match), but only {free} {limit} can be had. Lower count, release {noun}s "
                "that are not needed, or extend the plan.",
                quota=quota.described(),
                held=len(books.held),
                missing=first.missing,
            )

    def matching(self) -> list[R]:
        """Return the resources that count now."""
        return [self.books.held[name] for name in self.plan().keep]

    def warn(self) -> None:
        """Warn of resources that count, and are listed elsewhere."""
        books = self.books
        if elsewhere := self.plan().elsewhere:
            names = format_sample([books.kind.label(books.held[name]) for name in elsewhere])
            books.warnings.append(
                f"QG.net lists {names} in another area or with another ISP than was requested. They count for this "
                f"request until they end, since another {books.kind.noun} would be paid for and be no better."
            )

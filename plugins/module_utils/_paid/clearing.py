# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until it is clear what calls have done, and that something is missing, as :mod:`.evidence` decides."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from .._api.leases import Quota
from .._core.errors import CallError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .evidence import (
    LIST_LAG,
    Contradiction,
    OpenCall,
    Outcome,
    Verdict,
    Witness,
    contradictions,
    missed,
    verdict,
)
from .holdings import Holdings
from .paid_api import PaidApi

R = TypeVar("R")
#: Seconds between two looks at what may change.
POLL = 5.0


class Clearing(Holdings[R]):
    """What a key holds, and what becomes clear about its calls within the lock of the key.

    ``bought`` is what calls of this run have paid for, and ``quota`` the last one that was read.
    """

    def __init__(self, api: PaidApi[R], *, cap: int | None = None, ignore_quota: bool = False) -> None:
        super().__init__(api, cap=cap)
        self.budget = api.caller.budget
        self.ignore_quota = ignore_quota
        self.bought: dict[str, R] = {}
        #: Whether QG.net has reported a purchase of this run as a success, whatever the response names.
        self.is_accepted = False
        #: The calls that pay of which this run does not know what they did, by their numbers.
        self.unanswered: dict[int, str] = {}
        self.quota: Quota | None = None
        self._has_warned = False

    def look(self) -> None:
        """Read what is held, and record what the list lacks: only within the lock, lists are in an order."""
        super().look()
        last_reports = self.snapshot.last_reports()
        changes = [(last_reports[name], missing) for name, missing in missed(self.snapshot).items()]
        if changes:
            self.journal.note_missing(changes, self.snapshot.read_at)
            self.use_reports()
        labels = [self.api.label(self.held[name]) for name in self.missed if name in last_reports]
        if labels and not self._has_warned:
            self._has_warned = True
            self.warnings.append(
                f"{self.api.listing.capitalize()} lacks what this store has bought and what has not ended: "
                f"{format_sample(labels)}. It counts as held, and is not bought again, until the list has lacked it "
                "twice within a minute."
            )

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
                left = call.settles_at - self.snapshot.read_at
                if left > 0:
                    adds = purchases and call.expected.adds > 0
                    removes = releases and call.expected.removes_something
                    if not adds and not removes:
                        break
                    self._wait_for(call, result, left)
                self.look()

    def _open_call(self, number: int) -> OpenCall | None:
        for call in self.snapshot.calls:
            if call.id == number:
                return call
        return None

    def _close(self, call: OpenCall, result: Verdict) -> None:
        is_whole = result.outcome is Outcome.DONE or len(result.added) >= call.expected.adds
        added = {name: self.api.to_item(self.held[name]) for name in result.added}
        self._note(call, result.added)
        self.journal.close(call.id, added, result.removed, whole=is_whole)
        self.snapshot = dataclasses.replace(
            self.snapshot, calls=[other for other in self.snapshot.calls if other.id != call.id]
        )
        if is_whole:
            self.unanswered.pop(call.id, None)
        self.use_reports()

    def _note(self, call: OpenCall, added: Collection[str]) -> None:
        """Keep what a call has paid for, for the result."""
        resources = {name: self.held[name] for name in added}
        if call.id in self.journal.own:
            self.bought.update(resources)
        elif resources:
            names = format_sample([self.api.label(resource) for resource in resources.values()])
            asked = counted(call.expected.adds, self.api.noun)
            self.warnings.append(f"An earlier run asked for {asked} and did not learn the result: {names} are held.")

    def _wait_for(self, call: OpenCall, result: Verdict, left: float) -> None:
        try:
            self.wait(min(POLL, left), "the effect of a call is not known yet", call.endpoint)
        except WaitBudgetExceeded:
            self._note(call, result.added)
            age = counted(round(self.now() - call.sent_at), "second")
            raise self.unknown(
                call.endpoint,
                f"it was sent {age} ago, {self.api.listing} may show its effect for another {left:.0f} seconds, and "
                "max_wait ends before that",
            ) from None

    def read_quota(self) -> list[Contradiction]:
        """Read the quota, and return what contradicts a payment then."""
        self.quota = self.api.quota()
        used = None
        # A plan without channels counts none.
        if self.quota is not None and self.quota.balance is None and self.quota.total and not self.ignore_quota:
            used = self.quota.used
        clock = self.api.caller.vendor_clock
        self.snapshot = dataclasses.replace(self.snapshot, quota_used=used, now=clock.now(), latest=clock.latest())
        return contradictions(self.snapshot)

    def confirm(self) -> None:
        """Return when something may be paid for; raises UncertainOutcomeError if that does not become clear."""
        self.settle()
        until = self.now() + LIST_LAG
        doubts = self.read_quota()
        while doubts:
            is_quota = doubts[0].witness is Witness.QUOTA
            if is_quota:
                self._wait_for_quota(doubts[0].number, until)
            self.look()
            self.settle()
            doubts = contradictions(self.snapshot)
            if is_quota:
                doubts = self.read_quota()

    def _wait_for_quota(self, excess: int, until: float) -> None:
        reason = f"the quota counts {excess} more in use than {self.api.listing} shows"
        limit = f"this has not changed for {LIST_LAG:.0f} seconds"
        if self.now() < until:
            try:
                self.wait(POLL, reason, self.api.list_call)
                return
            except WaitBudgetExceeded:
                limit = "max_wait ends before they must agree"
        raise UncertainOutcomeError(
            f"Whether the key holds {counted(excess, f'more {self.api.noun}')} than {self.api.listing} shows is "
            f"unknown: the quota counts {excess} more in use, and {limit}. {self.payments()} {self.api.ignoring} "
            f"{self.api.advice}",
            endpoint=self.api.list_call,
        )

    def payments(self) -> str:
        """Return what this run has paid for, or may have paid for, in whole sentences."""
        sentences = []
        if self.bought:
            names = format_sample([self.api.label(resource) for resource in self.bought.values()])
            sentences.append(f"{counted(len(self.bought), self.api.noun, 'were')} bought by this run: {names}.")
        if self.unanswered:
            calls = " and ".join(dict.fromkeys(self.unanswered.values()))
            sentences.append(f"What {calls} did is not known for sure.")
        return " ".join(sentences) or "This run has paid for nothing."

    @contextlib.contextmanager
    def explaining(self, endpoint: str, failure: CallError | None, otherwise: str = "") -> Iterator[None]:
        """Name the call whose effect the body was to find out, if that fails."""
        first = otherwise
        details = {}
        if failure is not None:
            first = failure.message
            details = failure.details
        try:
            yield
        except UncertainOutcomeError as second:
            # It names the call already.
            raise UncertainOutcomeError(f"{first} {second.message}".strip(), **{**second.details, **details}) from None
        except QgError as second:
            raise self.unknown(endpoint, f"{first} {second.message}".strip(), failure) from None

    def wait(self, seconds: float, reason: str, call: str, examine: Callable[[], str] | None = None) -> None:
        """Wait, at most for the remaining max_wait, so that the last look is at its end."""
        rest = self.budget.max_wait - self.budget.waited
        if rest > 0:
            seconds = min(seconds, rest)
        self.budget.wait(seconds, reason, call, examine=examine)

    def unseen(self, operation: str) -> UncertainOutcomeError:
        """Return the error for a call that was reported as a success without an effect that shows."""
        reason = f"it was reported as a success, and {self.api.listing} shows nothing new"
        return self.unknown(self.api.calls[operation], reason)

    def unknown(self, endpoint: str, reason: str, failure: CallError | None = None) -> UncertainOutcomeError:
        """Return the error for a call of which it is unknown what it has done, for this reason."""
        details = {"endpoint": endpoint}
        if failure is not None:
            details.update(failure.details)
        text = f"What {endpoint} has done is unknown: {reason.rstrip('.')}. {self.api.advice}"
        return UncertainOutcomeError(text, **details)

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds, reconciled with its journal and its quota: looks and waits, as :mod:`.evidence`
decides.

A response may be lost after QG.net has carried out the call, and QG.net's list may lag behind it,
or be wrong once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from .._api.leases import Quota
from .._core.errors import UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted
from .evidence import (
    Outcome,
    Verdict,
    Witness,
    changed_by_list,
    contradiction,
    excess,
    verdict,
)
from .holdings import Holdings, ListRead
from .paid_api import PaidApi
from .snapshot import LIST_LAG, OpenCall
from .uncertainty import unknown

R = TypeVar("R")
#: Seconds between two looks at what may change.
POLL = 5.0


class Reconciled(Holdings[R]):
    """What a key holds, within the lock of the key: nobody else writes to its journal.

    ``bought`` is what calls of this run have paid for, and ``quota`` the last one that was read.
    """

    def __init__(self, api: PaidApi[R], *, ignore_quota: bool) -> None:
        super().__init__(api)
        self.budget = api.caller.budget
        self.ignore_quota = ignore_quota
        self.bought: dict[str, R] = {}
        #: The calls that pay of which this run does not know what they did, by their numbers.
        self.unanswered: dict[int, str] = {}
        self.quota: Quota | None = None
        self._has_warned = False
        #: Whether list and quota have agreed, and all calls since have reported their whole effect.
        self._is_clear = False

    def look(self, earlier: ListRead[R] | None = None) -> None:
        """Read what is held, and record what the list lacks, since lists are in order here."""
        super().look(earlier)
        changed = changed_by_list(self.snapshot)
        if changed:
            self.journal.update(changed)
            self.use_records()
        self._warn_of_missing()

    def _warn_of_missing(self) -> None:
        last = self.snapshot.last()
        lacked = [self.held[name] for name in self.missing if name in last]
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
        if self.missing:
            with self.api.caller.key_lock():
                self.look()

    def find(
        self, is_chosen: Callable[[R], bool], are_found: Callable[[Collection[R]], bool]
    ) -> None:
        """Look until it is certain which of the chosen ones are held: a single list that shows less
        proves nothing.

        ``are_found`` says whether all that are chosen by name are among these. What a list should
        show is waited for, until one shows it or it counts as gone.
        """
        if not are_found(self.certain.values()):
            self.look()
        while missing := [name for name in self.missing if is_chosen(self.held[name])]:
            self._wait_for_missing(missing)
            self.look()
        self.first = dict(self.held)

    def _wait_for_missing(self, names: Sequence[str]) -> None:
        last = self.snapshot.last()
        moments = [last[name].missing_until for name in names if name in last]
        until = max(moments, default=self.snapshot.read_at)
        pause = min(POLL, until - self.snapshot.read_at)
        if pause <= 0:
            # The next look decides.
            return
        reason = f"{self.api.listing} lacks what should be held"
        try:
            self.wait(pause, reason, self.api.list_call)
        except WaitBudgetExceeded:
            lacked = self.sample(self.held[name] for name in names)
            raise UncertainOutcomeError(
                f"Whether the key still holds {lacked} is unknown: {self.api.listing} lacks "
                "that, and should show it. Nothing was done. Run the task again in a minute, or "
                "raise max_wait.",
                endpoint=self.api.list_call,
            ) from None

    def settle(self, *, await_purchases: bool = True, await_releases: bool = True) -> None:
        """End the open calls whose effect is known.

        Wait for the effect of purchases and of releases, or raise UncertainOutcomeError.
        """
        for number in [call.id for call in self.snapshot.calls]:
            # Another run, which has lost its lock, may have ended it.
            while call := self._open_call(number):
                result = verdict(call, self.snapshot)
                if result.outcome is not Outcome.OPEN:
                    self._close(call, result)
                    break
                if self.snapshot.read_at < call.settles_at:
                    is_purchase = await_purchases and call.adds
                    is_release = await_releases and call.removes
                    if not is_purchase and not is_release:
                        break
                    self._wait_for(call, result)
                self.look()

    def _open_call(self, number: int) -> OpenCall | None:
        return next((call for call in self.snapshot.calls if call.id == number), None)

    def _close(self, call: OpenCall, result: Verdict) -> None:
        """Record what an open call has done; from now on, the journal names its effect."""
        is_whole = len(result.added) == call.adds
        added = self._note(call, result.added)
        self.journal.close(call.id, self.items(added), result.removed, whole=is_whole)
        self._see(calls=[other for other in self.snapshot.calls if other is not call])
        if is_whole:
            self.unanswered.pop(call.id, None)
        self.use_records()
        # What the call may have removed, and has not, counts again.
        self._warn_of_missing()

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

    def _wait_for(self, call: OpenCall, result: Verdict) -> None:
        seconds_left = call.settles_at - self.snapshot.read_at
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

    def confirm_again(self, number: int) -> None:
        """Wait as :meth:`confirm` does, unless nothing has contradicted a payment since it did.

        A quota that has shown fewer channels than this ``number`` is read again.
        """
        is_short = self.quota is not None and self.quota.available < number
        if is_short or not self._is_clear or self.snapshot.calls:
            self.confirm()

    def confirm(self) -> None:
        """Wait until nothing contradicts a payment.

        Raises UncertainOutcomeError if something still does in the end.
        """
        self.settle()
        until = self.now() + LIST_LAG
        self.read_quota()
        while witness := contradiction(self.snapshot):
            if witness is Witness.QUOTA:
                self._wait_for_quota(until)
            self.look()
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

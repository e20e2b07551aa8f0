# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buy what is missing, and ensure a number of resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._api.leases import Quota, Terms
from .._core.errors import (
    CallError,
    QgError,
    Reason,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from .._core.text import counted, format_sample
from .holdings import Holdings
from .lifetime import check_min_remaining
from .matching import Desired, Match, Plan
from .paid_api import BUY
from .paying import buy, check_cap
from .reconciling import POLL, confirm, confirm_again, look, read_quota, settle
from .release import ATTEMPTS
from .uncertainty import unseen

R = TypeVar("R")

#: Seconds for which a released channel may stay in use; clients have observed 3 to 6, and once 30.
CHANNEL_WAIT = 45.0


def buy_needed(
    holdings: Holdings[Any],
    needed: Callable[[], int],
    terms: Terms,
    *,
    at_once: Callable[[], int] | None = None,
) -> None:
    """Pay until no more are needed; a call is repeated only if it certainly had no effect.

    ``at_once`` returns how many one call may buy now; without it, as many as a call can.
    """
    failed = 0
    until = holdings.now() + CHANNEL_WAIT
    while number := needed():
        confirm_again(holdings, number)
        if needed() != number:
            continue
        bought = len(holdings.effects.bought)
        size = min(number, holdings.api.max_per_call)
        if at_once is not None:
            size = min(size, at_once())
        try:
            error = buy(holdings, size, terms)
        except CallError as refusal:
            if refusal.reason is Reason.FAILED and not failed:
                failed += 1
                _pause_after(holdings, refusal)
                continue
            # A released channel is not free at once, and not every plan has a quota that shows it.
            if (
                refusal.reason is not Reason.CHANNELS
                or not holdings.released
                or holdings.now() >= until
            ):
                raise
            holdings.wait(POLL, "a released channel is not free yet", holdings.api.calls[BUY])
            continue
        if len(holdings.effects.bought) > bought:
            continue
        failed += 1
        if error is None and needed() == number:
            raise unseen(holdings.api, BUY)
        if error is not None and (not error.retryable or failed >= ATTEMPTS):
            # The quota may show what the list does not.
            confirm(holdings)
            if needed() == number:
                sent = counted(failed, "attempt")
                error.message += (
                    f" After {sent}, {holdings.api.listing} shows nothing new. "
                    f"{holdings.payments()}"
                )
                raise error


def _pause_after(holdings: Holdings[Any], refusal: CallError) -> None:
    """Wait and read the list before QG.net is asked once more for what it could not allocate."""
    try:
        holdings.wait(POLL, "QG.net could not allocate", holdings.api.calls[BUY])
    except WaitBudgetExceeded:
        raise refusal from None
    look(holdings)


def check_room(holdings: Holdings[Any], before: Quota | None, others: int, *, needed: int) -> None:
    """Keep the others if a released resource has freed no channel, as with a plan by volume.

    So many channels are ``needed`` since the release.
    """
    quota = holdings.quota
    if not others or before is None or quota is None or quota.available > before.available:
        return
    if quota.available < needed:
        noun = holdings.api.noun
        raise QgError(
            f"A {noun} was released, but no channel came free for it, so the other "
            f"{counted(others, noun)} were kept. A plan that is billed by volume pays for every "
            f"new {noun}.",
            quota=quota.described(),
        )


class Ensuring(Generic[R]):
    """A run that ensures a number of resources."""

    def __init__(self, holdings: Holdings[R], desired: Desired) -> None:
        self.holdings = holdings
        self.desired = desired
        #: What has to change before the first change of this run.
        self.first = self.plan()

    def plan(self) -> Plan:
        """Return what has to change, with what is held now."""
        holdings = self.holdings
        return self.desired.plan(
            holdings.traits(), holdings.areas, holdings.effects.bought, holdings.missing
        )

    def prepare(self, *, check: bool) -> None:
        """Have list and quota agree on what has to change.

        Raises QgError if it is not clear, or not possible.
        """
        holdings = self.holdings
        if not holdings.has_own_list and (self.first.needed or self.first.surplus):
            # What is bought or released rests on a list of its own.
            look(holdings)
            settle(holdings, await_purchases=False, await_releases=not check)
            self.first = self.plan()
        if not self.first.decided().needed:
            return
        self._check_life()
        if check:
            # A prediction need not be certain, and waits for nothing.
            if read_quota(holdings):
                look(holdings)
        else:
            try:
                confirm(holdings)
            except UncertainOutcomeError:
                # A lack of channels is reported rather than a difference.
                self._check_channels()
                raise
        self.first = self.plan()
        self._check_channels()
        check_cap(holdings, self.first.decided().needed)

    def buy(self) -> None:
        """Buy what is missing."""
        buy_needed(self.holdings, self._needed, self.desired.terms, at_once=self._at_once)

    def _needed(self) -> int:
        """Return how many more are needed; what this run has bought counts, also if it is over."""
        plan = self.plan().decided()
        return max(0, plan.needed - len(self.holdings.effects.bought.keys() - plan.keep))

    def _at_once(self) -> int:
        """Return how many may be bought at once: one, until it is known how long new ones last."""
        holdings = self.holdings
        life = self._check_life()
        if self.desired.min_remaining and life is None and not holdings.effects.bought:
            return 1
        return holdings.api.max_per_call

    def _life(self) -> float | None:
        """Return the seconds that new ones last: as responses have shown, or else a list."""
        holdings = self.holdings
        life = holdings.journal.lifetime(self.desired.terms.keep_alive)
        if life is not None:
            return life
        # What a list has shown to be bought had at least as much left.
        lives = []
        for record in holdings.snapshot.records:
            is_new = record.is_bought and record.call in holdings.journal.of_run
            if is_new and record.life is not None and not record.was_over:
                lives.append(record.life)
        return max(lives, default=None)

    def _check_life(self) -> float | None:
        """Return the seconds that new ones last, if that matters and is known.

        Raises ShortLifeError if they would hardly last as long as desired.
        """
        if not self.desired.min_remaining:
            return None
        life = self._life()
        if life is not None:
            check_min_remaining(self.desired.min_remaining, life)
        return life

    def check_new(self) -> None:
        """Raise QgError if what this run has bought ends too soon."""
        if self.holdings.effects.bought:
            self._check_life()
        short = []
        for name, traits in self.holdings.traits().items():
            if name in self.holdings.effects.bought and self.desired.lasts(traits) is Match.NO:
                short.append(traits.label)
        if short:
            raise QgError(
                f"{counted(len(short), f'new {self.holdings.api.noun}', 'have')} too little time "
                "left, since this task has waited or the plan was changed: "
                f"{format_sample(short)}. Run it again."
            )

    def _check_channels(self) -> None:
        """Raise QgError if the plan has too few channels for what is missing."""
        holdings = self.holdings
        quota = holdings.quota
        plan = self.first.decided()
        if quota is None or (quota.balance is None and not quota.has_channels):
            return
        noun = holdings.api.noun
        free = quota.available
        limit = f"of the plan's {counted(quota.total, 'channel')}"
        if quota.balance is not None:
            limit = "more within the plan's volume"
        elif not holdings.ignore_quota:
            # A release frees a channel, unless the quota counts something else.
            free += len(plan.surplus)
        if plan.needed > free:
            most = len(plan.keep) + free
            fix = f"Set count={most}" if most else f"Wait until {noun}s end"
            raise QgError(
                f"count={self.desired.count} needs {counted(plan.needed, f'more {noun}')} "
                f"({len(plan.keep)} of the {len(holdings.held)} held ones match), but only {free} "
                f"{limit} can be had. {fix}, release {noun}s that are not needed, or extend the "
                "plan.",
                quota=quota.described(),
                held=len(holdings.held),
                missing=plan.needed,
            )

    def matching(self) -> list[R]:
        """Return the resources that count now."""
        return [self.holdings.held[name] for name in self.plan().keep]

    def warn(self) -> None:
        """Warn of resources that count, and are listed elsewhere."""
        holdings = self.holdings
        elsewhere = self.plan().elsewhere
        if elsewhere:
            names = holdings.sample(holdings.held[name] for name in elsewhere)
            holdings.warnings.append(
                f"QG.net lists {names} in another area or with another ISP than was requested. "
                "They count for this request until they end, since another "
                f"{holdings.api.noun} would be paid for and be no better."
            )

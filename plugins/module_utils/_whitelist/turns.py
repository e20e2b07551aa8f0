# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose turn it is to change a whitelist: one process, the leader, works for the claims of all waiting processes.

It holds a lock that is released when the process ends. What it has found in the end decides all these claims: it is
stored once, and each process computes its own result from it (see :mod:`.status`).

A leader works for a claim of another run only if that was renewed after the leader had acquired the lock. So it never
works for a process that has ended before, in any container, and whatever the clocks show. The leader waits until all
waiting processes have renewed their claims, which they do within the batch window, if there is one.

Decisions:

- A waiter has one deadline: ``max_wait`` plus the duration of a few calls, whether the leader works or pauses for the
  vendor's limits. The time counts towards the waiter's own ``max_wait``. If the leader is stopped (SIGSTOP), the wait
  ends at ``max_wait``, because the leader may never continue.
- A process that is killed while it waits delays the next leader for :attr:`TurnPolicy.renew_timeout` at most.
- If a process does not renew its claim in time, a later leader works for it, or it becomes the leader itself.
- A reading decides the claim that the leader has read from the store, and not one that the host has made since.
- Each leader reports its own API usage.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._core.clock import elapsed
from .._core.errors import WaitBudgetExceeded
from .._core.waiting import Wait
from .._store.claims import Claim, Claims
from .._store.directory import after_the_call
from .._store.readings import Readings

#: Seconds between two attempts to become the leader, at first.
MIN_POLL = 0.02


@dataclass(frozen=True)
class TurnPolicy:
    """Times in seconds."""

    #: Between two renewals of a claim, and for which a leader waits for them at most.
    renew_interval: float = 0.5
    renew_timeout: float = 3.0
    #: After max_wait, for which a leader may be stopped, and between two checks.
    grace: float = 1.0
    #: The calls of a leader that a waiter allows for beside max_wait, and the minimum timeout that counts for each.
    max_calls: int = 10
    min_timeout: float = 3.0


DEFAULT_POLICY = TurnPolicy()


@dataclass(frozen=True)
class Decision:
    """What a leader has found, as JSON for the store, and the ``claims`` that this decides."""

    content: Any
    claims: Collection[Claim]


#: Works for the first claim, and for all others that are compatible with it.
Work = Callable[[list[Claim]], Decision]


class Turns:
    """The turns for some claims. ``clock`` returns the seconds since some moment."""

    def __init__(
        self, claims: Claims, policy: TurnPolicy = DEFAULT_POLICY, clock: Callable[[], float] = elapsed
    ) -> None:
        self.claims = claims
        self.readings = Readings(claims)
        self.policy, self.clock = policy, clock
        #: Seconds that the last call of take() waited, and the part of them that it spent as the leader on collecting.
        self.waited = self.collected = 0.0

    def take(self, claim: Claim, work: Work, batch_window: Callable[[], float] = lambda: 0.0) -> Any:
        """Return what another leader found that decides the claim; None if this process was the leader, and has worked.

        ``batch_window`` returns the seconds to wait for more claims if some are waiting already. The claim of a single
        task is in the store only during this call.
        """
        self.waited = self.collected = 0.0
        return _Turn(self, claim, work, batch_window).take()

    def purge(self) -> None:
        """Delete what ended processes and finished runs have left."""
        self.claims.purge()
        self.readings.purge()


class _Turn:
    """The turn of one claim."""

    def __init__(self, turns: Turns, claim: Claim, work: Work, batch_window: Callable[[], float]) -> None:
        self._turns, self._claim, self._work, self._batch_window = turns, claim, work, batch_window
        self._claims, self._readings, self._store = turns.claims, turns.readings, turns.claims.store
        self._policy, self._clock = turns.policy, turns.clock

    def take(self) -> Any:
        """Return what another leader found, or None after this process was the leader."""
        claim, claims = self._claim, self._claims
        is_over, found = self._attempt(stored=bool(claim.run))
        if is_over:
            return found
        if claim.exclusive:
            return self._wait()
        claims.renew(claim)
        try:
            found = self._wait()
        finally:
            if found is None or not claim.run:
                # A claim that remains is deleted later: a failure here must not hide the result.
                with after_the_call():
                    claims.withdraw(claim)
        return found

    def _decided(self) -> Any:
        number = self._claims.decided_by(self._claim)
        return None if number is None else self._readings.get(number).get(number)

    def _attempt(self, *, stored: bool) -> tuple[bool, Any]:
        """Become the leader if there is none. Return whether the claim is decided, and what another leader found."""
        if stored and (found := self._decided()) is not None:
            return True, found
        with self._store.try_lock(self._claims.lock) as leading:
            if not leading:
                return False, None
            # Another leader may have stored it before it released the lock.
            if stored and (found := self._decided()) is not None:
                return True, found
            self._lead(stored=stored)
            return True, None

    def _wait(self) -> Any:
        """Return what another leader found, or None after this process was the leader."""
        claim, policy = self._claim, self._policy
        began = renewed = self._clock()
        # The leader's calls take time, however short max_wait is.
        longest = claim.max_wait + policy.max_calls * max(claim.timeout, policy.min_timeout)
        next_check, interval = began + claim.max_wait + policy.grace, MIN_POLL
        while True:
            now = self._clock()
            self._turns.waited = now - began
            is_over, found = self._attempt(stored=not claim.exclusive)
            if is_over:
                return found
            if self._turns.waited > longest:
                raise WaitBudgetExceeded(
                    f"Other processes have been writing to the same whitelist for {longest:.0f} seconds, at last "
                    f"{self._store.holder_of(self._claims.lock)}: run again later, or end that process if it hangs."
                )
            if now > next_check:
                next_check = now + policy.grace
                self._check_leader()
            if now > renewed + policy.renew_interval and not claim.exclusive:
                renewed = now
                self._claims.renew(claim)
            interval = min(interval * 1.2, self._store.poll_interval)
            self._store.wait_for_change(interval, self._wait_for_leader(longest - self._turns.waited))

    def _wait_for_leader(self, left: float) -> Wait:
        def examine(wait: Wait) -> Wait:
            found = replace(wait, detail=self._store.describe_holder(self._claims.lock))
            if not self._store.is_holder_stopped(self._claims.lock):
                return found
            # _check_leader ends the wait.
            allowed = self._claim.max_wait + self._policy.grace - self._turns.waited
            return replace(found, allowed=allowed, option="max_wait")

        reason = "another process is writing to the same whitelist"
        return Wait(reason, left, option="max_wait and timeout", examine=examine)

    def _check_leader(self) -> None:
        """Raise WaitBudgetExceeded if the leader is stopped."""
        if self._store.is_holder_stopped(self._claims.lock):
            raise WaitBudgetExceeded(
                f"The whitelist cannot be changed: {self._store.holder_of(self._claims.lock)}, which writes to it, is "
                f"stopped for longer than max_wait ({self._claim.max_wait:g} seconds). Continue it (kill -CONT) or end "
                "it, and run again."
            )

    def _lead(self, *, stored: bool) -> None:
        claim = self._claim
        claims = [] if claim.exclusive else self._collect()
        own = next((other for other in claims if other.id == claim.id), claim)
        others = [other for other in claims if other.id != claim.id]
        decision = self._work([own, *others])
        if others or stored:
            self._readings.decide(decision.claims, decision.content)
            self._turns.purge()

    def _collect(self) -> list[Claim]:
        """Return the claims to work for: those of the own run and inventory, and all others that wait."""
        claim, turns = self._claim, self._turns
        began, before = self._clock(), self._claims.waiting(claim)
        if before:
            window = self._batch_window()
            reason = "further changes are collected, so that the vendor's limit lasts for all of them"
            self._store.announcer.sleep(window, Wait(reason, window))
            self._await_renewals(before)
        turns.collected = self._clock() - began
        turns.waited += turns.collected
        waiting = self._claims.waiting(claim)
        ids = {claim.id, *(name for name, at in waiting.items() if at != before.get(name))}
        group = (claim.run, claim.inventory) if claim.run else None
        return [other for other in self._claims.open() if other.id in ids or (other.run, other.inventory) == group]

    def _await_renewals(self, before: Mapping[str, float]) -> None:
        """Wait until the others have renewed their claims. If one is not renewed, its process has ended."""
        deadline, oldest = self._clock() + self._policy.renew_timeout, self._store.now() - self._policy.renew_timeout
        while self._clock() < deadline:
            waiting = self._claims.waiting(self._claim, of_others=True)
            if not any(at == before.get(name) and at > oldest for name, at in waiting.items()):
                return
            left = deadline - self._clock()
            self._store.wait_for_change(MIN_POLL, Wait("other processes are renewing their claims", left))

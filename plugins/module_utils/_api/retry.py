# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the clients of the vendor's APIs share: tries, what they cost, and when to stop.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .._core.errors import CallError, Effect, TransportError, UnexpectedError, WaitBudgetExceeded
from .._core.waiting import WaitBudget, backoff
from .transport import Transport

T = TypeVar("T")
#: Tries of one call, waits for a turn not counted.
MAX_ATTEMPTS = 6


class Client:
    """``calls`` and ``retries`` count what was sent; ``budget.waited`` what was waited."""

    def __init__(self, transport: Transport, budget: WaitBudget) -> None:
        self.budget = budget
        self.calls = 0
        self.retries = 0
        self._transport = transport

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""
        return self._transport.timeout

    def usage(self) -> dict[str, Any]:
        """What the run cost: vendor calls, how many of them were retries, and seconds waited."""
        return {"calls": self.calls, "retries": self.retries, "waited_seconds": round(self.budget.waited, 1)}

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        """Try until there is an answer to read, or a reason to stop. The last error is the one that is raised.

        ``repeatable`` says that to carry the call out twice is no different from once.
        """
        tries = 0
        last: CallError | None = None
        while True:
            try:
                return attempt()
            except WaitBudgetExceeded as late:
                # Why there was something to wait for says more than that there is no time for it.
                raise last or late from None
            except CallError as problem:
                last = problem
                tries += self._counts(problem)
                if tries >= MAX_ATTEMPTS or not _may_be_sent_again(problem, repeatable):
                    raise
                try:
                    self._rest(problem, tries, name)
                except WaitBudgetExceeded:
                    raise problem from None
            self.retries += 1

    def _counts(self, problem: CallError) -> bool:
        """Whether a failure is one of the tries that a call has."""
        return True

    def _rest(self, problem: CallError, tries: int, name: str) -> None:
        """Wait as long as the failure asks for."""
        self.budget.wait(backoff(tries - 1, problem.retry_after), "the last try failed", name)


def unreadable(problem: Exception, endpoint: str) -> TransportError:
    """The error for a response that a reader failed on: whether the call was carried out is unknown."""
    cause = UnexpectedError(problem, endpoint).cause
    return TransportError(
        f"{endpoint}: the answer cannot be read: {cause}. This is a defect of the collection.",
        endpoint=endpoint,
        effect=Effect.UNKNOWN,
        retryable=False,
    )


def _may_be_sent_again(problem: CallError, repeatable: bool) -> bool:
    """Whether the same call may follow: it surely was not carried out, or doing it twice is no different from once."""
    return problem.retryable and (repeatable or not problem.may_have_effect)

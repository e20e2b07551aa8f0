# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients of the vendor's APIs: attempts, their usage, and when to stop.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .._core.errors import CallError, Effect, TransportError, UnexpectedError, WaitBudgetExceeded
from .._core.waiting import WaitBudget, backoff
from .transport import Transport

T = TypeVar("T")
#: The maximum number of attempts of one call; waiting for the rate limit does not count.
MAX_ATTEMPTS = 6


class Client:
    """``calls`` and ``retries`` count the requests that were sent; ``budget.waited`` is the time waited."""

    def __init__(self, transport: Transport, budget: WaitBudget) -> None:
        self.budget = budget
        self.calls = 0
        self.retries = 0
        self._transport = transport

    @property
    def timeout(self) -> float:
        """The maximum duration of one call in seconds."""
        return self._transport.timeout

    def usage(self) -> dict[str, Any]:
        """Return the usage of the run: vendor calls, how many of them were retries, and seconds waited."""
        return {"calls": self.calls, "retries": self.retries, "waited_seconds": round(self.budget.waited, 1)}

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        """Attempt a call until there is a response, or a reason to stop; then raise the last error.

        ``repeatable`` says that carrying the call out twice has the same effect as once.
        """
        attempts = 0
        last: CallError | None = None
        while True:
            try:
                return attempt()
            except WaitBudgetExceeded as late:
                # The reason for the wait is more useful than the lack of time for it.
                raise last or late from None
            except CallError as error:
                last = error
                attempts += self._counts(error)
                if attempts >= MAX_ATTEMPTS or not _may_be_sent_again(error, repeatable):
                    raise
                try:
                    self._rest(error, attempts, name)
                except WaitBudgetExceeded:
                    raise error from None
            self.retries += 1

    def _counts(self, error: CallError) -> bool:
        """Whether a failure counts as an attempt."""
        return True

    def _rest(self, error: CallError, attempts: int, name: str) -> None:
        """Wait before the next attempt, for as long as the server asked for."""
        self.budget.wait(backoff(attempts - 1, error.retry_after), "the last attempt failed", name)


def unreadable(error: Exception, endpoint: str) -> TransportError:
    """Return the error for a response on which a parser failed: it is unknown whether the call was carried out."""
    cause = UnexpectedError(error, endpoint).cause
    return TransportError(
        f"{endpoint}: the response cannot be read: {cause}. This is a defect of the collection.",
        endpoint=endpoint,
        effect=Effect.UNKNOWN,
        retryable=False,
    )


def _may_be_sent_again(error: CallError, repeatable: bool) -> bool:
    """Whether the call may be sent again: it was certainly not carried out, or it may be carried out twice."""
    return error.retryable and (repeatable or not error.may_have_effect)

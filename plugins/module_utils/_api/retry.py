# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients of the vendor's APIs: exchanges, retries and usage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .._core.errors import CallError, Effect, QgError, TransportError, UnexpectedError, WaitBudgetExceeded
from .._core.waiting import WaitBudget, backoff
from .parsing import ResponseShapeError
from .transport import HttpResponse, Transport

T = TypeVar("T")


@dataclass
class Count:
    """The number of calls of a run, and how many of them were retries."""

    calls: int = 0
    retries: int = 0


class Client:
    """Sends calls with retries. ``count`` is that of the requests; ``budget.waited`` is the time waited."""

    #: Whether to retry after a success whose data cannot be read.
    rereads = True
    #: Whether the caller decides on the next attempt, so that there are no retries here.
    single_attempt = False

    def __init__(self, transport: Transport, budget: WaitBudget) -> None:
        self.budget = budget
        self.count = Count()
        self._transport = transport
        #: The maximum number of attempts of one call; waiting for the rate limit does not count.
        self.max_attempts = transport.retries + 1

    @property
    def timeout(self) -> float:
        """The maximum duration of one call in seconds."""
        return self._transport.timeout

    def usage(self) -> dict[str, Any]:
        """Return the usage of the run: vendor calls, how many of them were retries, and seconds waited, by reason."""
        usage = {**vars(self.count), "waited_seconds": round(self.budget.waited, 1)}
        waits = {reason: round(seconds, 1) for reason, seconds in self.budget.reasons.items() if seconds >= 0.05}
        return {**usage, "waits": waits} if waits else usage

    def follow(self, other: Client) -> None:
        """Continue a run of the ``other`` client with this one: share its budget and its count."""
        self.budget, self.count, self.single_attempt = other.budget, other.count, other.single_attempt

    def _exchange(
        self, method: str, url: str, parameters: Mapping[str, str], name: str, read: Callable[[HttpResponse], T]
    ) -> T:
        """Send one request, and read its response; turn every exception of ``read`` into a QgError."""
        self.count.calls += 1
        response = self._transport.send(method, url, parameters, name)
        try:
            return read(response)
        except QgError:
            raise
        except ResponseShapeError as error:
            reason, retryable = str(error), self.rereads
        except Exception as error:
            reason, retryable = f"{UnexpectedError(error, name).cause}. This is a defect of the collection", False
        raise TransportError(
            f"{name}: the response cannot be read: {reason}.",
            endpoint=name,
            effect=Effect.UNKNOWN,
            retryable=retryable,
        )

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        """Attempt a call until it succeeds; raise the last error if it must not or cannot be repeated.

        ``repeatable`` says that carrying the call out twice has the same effect as once.
        """
        attempts = 0
        last: CallError | None = None
        while True:
            try:
                return attempt()
            except WaitBudgetExceeded as late:
                # The error that made the wait necessary is more useful than the lack of time.
                raise last or late from None
            except CallError as error:
                last = error
                attempts += self._counts_as_attempt(error)
                if attempts >= self.max_attempts or not _may_be_sent_again(error, repeatable):
                    raise
                try:
                    self._pause_before_retry(error, attempts, name)
                except WaitBudgetExceeded:
                    raise error from None
            self.count.retries += 1

    def _counts_as_attempt(self, error: CallError) -> bool:
        """Whether a failure counts as an attempt."""
        return True

    def _pause_before_retry(self, error: CallError, attempts: int, name: str) -> None:
        """Wait before the next attempt: for the time that the server asked for, or by the backoff."""
        if self.single_attempt:
            raise error
        delay = backoff(attempts - 1, error.retry_after)
        self.budget.wait(delay, "the last attempt failed", name, remaining=delay)


def as_texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters that have a value, as text."""
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _may_be_sent_again(error: CallError, repeatable: bool) -> bool:
    """Whether the call may be sent again: it certainly had no effect, or a second effect would do no harm."""
    return error.retryable and (repeatable or not error.may_have_effect)

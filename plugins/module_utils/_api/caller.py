# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caller: sends the calls of one run, with retries, and counts them.

What a call is, and what a response to it says, is the same for all APIs of QG.net.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .._core.errors import (
    CallError,
    Effect,
    QgError,
    Reason,
    TransportError,
    UnexpectedError,
    WaitBudgetExceeded,
)
from .._core.runtime import WaitBudget, backoff
from .._core.text import sentence
from .exchange import Call, Reader, Sending, T
from .parsing import ResponseShapeError
from .responses import data_of
from .transport import RETRIES, Transport, encode

#: The maximum length of a query that is sent by GET, in characters. QG.net requires POST "when
#: the parameters are too long", without a number; servers commonly accept a request line of 8 kB.
MAX_QUERY = 4000


class Caller:
    """Sends calls to one API.

    ``credentials`` returns the parameters that identify the caller, anew for each request.
    """

    #: Whether the next attempt is decided elsewhere, so that there are no retries here.
    single_attempt = False
    #: What stands behind the name of a call in messages.
    label = ""

    def __init__(
        self,
        transport: Transport,
        budget: WaitBudget,
        *,
        url: str,
        credentials: Callable[[], Mapping[str, str]],
        secrets: Sequence[str],
    ) -> None:
        self.budget = budget
        #: The number of calls of a run, and how many of them were retries.
        self.count = {"calls": 0, "retries": 0}
        self.secrets = secrets
        self.url = url.rstrip("/")
        self._transport = transport
        self._credentials = credentials

    @property
    def timeout(self) -> float:
        """The maximum duration of one call in seconds."""
        return self._transport.timeout

    def usage(self) -> dict[str, Any]:
        """Return the numbers of calls and retries of the run, and the seconds waited, by reason."""
        usage: dict[str, Any] = {**self.count, "waited_seconds": round(self.budget.waited, 1)}
        for reason, seconds in self.budget.reasons.items():
            if seconds >= 0.05:
                usage.setdefault("waits", {})[reason] = round(seconds, 1)
        return usage

    def call(
        self,
        call: Call,
        parameters: Mapping[str, object],
        read: Reader[T],
        sending: Sending = contextlib.nullcontext,
    ) -> T:
        """Send a call until there is a response that can be used.

        Raises CallError or WaitBudgetExceeded.

        It is sent again only if it certainly had no effect, or a second effect would do no harm.
        ``sending`` is entered around each request.
        """
        texts = {name: str(value) for name, value in parameters.items() if value is not None}
        attempts = 0
        began = self.budget.elapsed()
        last_error: CallError | None = None
        while True:
            try:
                with self.slot(call), sending():
                    return self._once(call, texts, read)
            except WaitBudgetExceeded as late:
                # The error that made the wait necessary is more useful than the lack of time.
                raise last_error or late from None
            except CallError as error:
                is_blocked = False
                if error.reason is Reason.RATE:
                    is_repeated = last_error is not None and last_error.reason is Reason.RATE
                    is_blocked = self._block(call, error, is_repeated=is_repeated)
                last_error = error
                # While every process waits in slot(), max_wait limits the attempts.
                if not is_blocked or error.retry_after is not None:
                    attempts += 1
                if attempts > RETRIES or not self._may_repeat(call, error):
                    raise
                # An API that cannot be reached is most often a wrong URL: say so after one timeout.
                if (
                    error.details.get("option")
                    and self.budget.elapsed() - began + backoff(attempts) > self.timeout
                ):
                    raise
                if not is_blocked:
                    self._pause(call, error, attempts)
            self.count["retries"] += 1

    def _may_repeat(self, call: Call, error: CallError) -> bool:
        """Whether the call certainly had no effect, or a second effect would do no harm."""
        if self.single_attempt or not error.retryable:
            return False
        return call.repeatable or not error.may_have_effect

    def _pause(self, call: Call, error: CallError, attempts: int) -> None:
        """Wait before the next attempt, or raise the last error if the budget does not cover it."""
        try:
            self.budget.wait(
                backoff(attempts - 1, error.retry_after), "the last attempt failed", call.name
            )
        except WaitBudgetExceeded:
            raise error from None

    def _once(self, call: Call, texts: Mapping[str, str], read: Reader[T]) -> T:
        """Send one request, and read its response; every exception of ``read`` is a QgError."""
        self.count["calls"] += 1
        began = self.budget.elapsed()
        credentials = self._credentials()
        everything = {**credentials, **texts}
        method = call.method
        if method == "GET" and len(encode(everything)) > MAX_QUERY:
            method = "POST"
        response = self._transport.send(method, self.url + call.path, everything, call.name)

        def quoted(text: object) -> str | None:
            if not isinstance(text, str):
                return None
            return sentence(text, [*self.secrets, credentials.get("sign", "")]) or None

        try:
            data = data_of(
                response,
                call,
                quoted,
                name=call.name + self.label,
                url_option=self._transport.url_option,
            )
            result = read(data)
        except QgError:
            raise
        except ResponseShapeError as error:
            reason = str(error)
        except Exception as error:
            cause = UnexpectedError(error, call.name).cause
            reason = f"{cause}. This is a defect of the collection"
        else:
            self._note(response.headers, began)
            return result
        raise TransportError(
            f"{call.name}: the response cannot be read: {reason}.",
            endpoint=call.name,
            effect=Effect.UNKNOWN,
            retryable=False,
        )

    @contextlib.contextmanager
    def slot(self, call: Call) -> Iterator[None]:
        """Take a slot under QG.net's rate limit, if there is one."""
        yield

    def _block(self, call: Call, error: CallError, *, is_repeated: bool) -> bool:
        """Let no process make a call that was refused for its rate.

        Returns whether that is possible.
        """
        return False

    def _note(self, headers: Mapping[str, str], began: float) -> None:
        """Use the headers of a response of QG.net to a request that began then."""

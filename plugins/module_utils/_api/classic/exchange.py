# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The exchanges of the classic proxy API: credentials, rate limit, GET or POST, responses, and the lock of a key.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..._core.errors import CallError, Effect
from ..._core.waiting import WaitBudget
from ..._store.directory import StateError
from ..._store.rate_limiter import RateLimiter
from ..._store.reported import ReportedChanges
from ..parsing import ResponseShapeError, as_int
from ..responses import ResponseParser, parse_object
from ..retry import Client, T
from ..transport import HttpResponse, Transport, encode, service_of
from . import endpoints
from .endpoints import Endpoint
from .errors import RATE_LIMITED, ApiError, StatusError
from .models import Quota

#: Reads the JSON of a response; raises ResponseShapeError.
Reader = Callable[[dict[str, Any]], T]
#: Entered around each request of a call, from the moment that it is sent.
Sending = Callable[[], contextlib.AbstractContextManager[None]]

#: Longest query, in characters, that is sent by GET. The vendor wants POST "when the parameters are too long"
#: without a figure; servers commonly take a request line of 8 kB.
MAX_QUERY = 4000
#: Seconds between attempts to lock a key that another run has locked.
LOCK_POLL_INTERVAL = 0.2


class PostRejected(CallError):
    """The call was sent by POST and refused, though the same key was served by GET before."""


class ClassicResponseParser(ResponseParser):
    """Reads the responses to the calls of one key."""

    def body(self, response: HttpResponse, endpoint: Endpoint) -> dict[str, Any]:
        """Return the JSON of a success; the body counts whatever the status, since refusals come with 200 or 4xx.

        Raises ApiError or StatusError for a refusal, TransportError for a response that is not the vendor's.
        """
        status = response.status
        try:
            body = parse_object(response)
            # The calls that answer by status share the host, and what guards it, with those that do not.
            code = 0 if endpoint.by_status and "Code" not in body else as_int(body.get("Code"), "Code")
        except ResponseShapeError:
            raise self.unusable(response, endpoint.name) from None
        refusal, words = ApiError, "Msg"
        if not code and endpoint.by_status and status in (200, 400, 500) and body.get("error") and not body.get("data"):
            refusal, words, code = StatusError, "error", status
        if code:
            raise refusal(
                code,
                endpoint.name,
                effect=endpoint.effect(code),
                vendor_message=self.quoted(body.get(words)),
                http_status=status,
            )
        if status >= 400:
            raise self.unusable(response, endpoint.name)
        return body


class ClassicClient(Client):
    """Sends the calls of one key: credentials, rate limits, retries, and the lock of the key."""

    def __init__(
        self,
        transport: Transport,
        rate_limiter: RateLimiter,
        budget: WaitBudget,
        *,
        api_url: str,
        key: str,
        pwd: str | None = None,
    ) -> None:
        super().__init__(transport, budget)
        self.rate_limiter = rate_limiter
        self._api_url = api_url.rstrip("/")
        self._credentials = {"Key": key, **({"Pwd": pwd} if pwd else {})}
        self._parser = ClassicResponseParser(self._credentials.values())
        #: The name of the key in the state directory.
        self.key_digest = rate_limiter.state.digest("pacing", service_of(api_url), key)
        self._forms = True

    def _reported_changes(self, resource: str) -> ReportedChanges:
        """What the vendor reported about the resources of a kind that the key holds."""
        return ReportedChanges(self.rate_limiter.state, self.key_digest, resource, self.rate_limiter.now)

    def quota(self) -> Quota:
        """Return the plan's channels; for a plan by volume, the addresses that are left."""
        quota = self._call(endpoints.QUOTA, {}, Quota.from_answer)
        self.rate_limiter.learn_channels(self.key_digest, quota.total)
        return quota

    def quota_or_none(self, *refusals: int) -> Quota | None:
        """Return the quota; None if the vendor refuses with one of these codes, as for plans that have none."""
        try:
            return self.quota()
        except ApiError as error:
            if error.code in refusals:
                return None
            raise

    @contextlib.contextmanager
    def key_lock(self, work: str = "changing") -> Iterator[None]:
        """Keep other runs of this control node from changing (or from ``work``) what the key holds."""
        while True:
            with self.rate_limiter.state.try_lock(f"{work}.{self.key_digest}") as locked:
                if locked:
                    yield
                    return
            self.budget.wait(LOCK_POLL_INTERVAL, f"another run is {work} what this key holds", endpoints.QUERY.path)

    @property
    def _channels(self) -> int | None:
        return self.rate_limiter.channels(self.key_digest)

    def _call(
        self,
        endpoint: Endpoint,
        parameters: Mapping[str, str],
        read: Reader[T],
        sending: Sending = contextlib.nullcontext,
    ) -> T:
        """Send a call until there is a response. ``sending`` is entered around each request."""

        def attempt() -> T:
            limit = endpoint.limit(self._channels if endpoint.per_channel else None)
            with self._place(endpoint.name, limit), sending():
                return self._once(endpoint, parameters, read)

        return self._call_with_retries(endpoint.name, attempt, repeatable=endpoint.repeatable)

    @contextlib.contextmanager
    def _place(self, name: str, limit: int, amount: int = 1) -> Iterator[None]:
        """Take a place under the vendor's limit, from before the call until a minute after it."""
        place = self.rate_limiter.acquire(self.key_digest, name, limit, self._transport.timeout, self.budget, amount)
        try:
            yield
        finally:
            # If this cannot be recorded, the place stays taken for longer. That must not hide what the call did.
            with contextlib.suppress(StateError):
                self.rate_limiter.complete(place)

    def _counts(self, error: CallError) -> bool:
        """Whether an error counts as an attempt: refusals for the rate do not, as only max_wait limits them."""
        return not _for_the_rate(error) or error.retry_after is not None

    def _rest(self, error: CallError, attempts: int, name: str) -> None:
        """After a refusal for the rate, block the call for all processes that share the key."""
        if not _for_the_rate(error):
            super()._rest(error, attempts, name)
            return
        self.rate_limiter.block(self.key_digest, name, error.retry_after)
        if self.single_attempt:
            raise error

    def _once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        everything = {**self._credentials, **parameters}
        by_form = endpoint.method == "GET" and self._forms and len(encode(everything)) > MAX_QUERY
        method, url = "POST" if by_form else endpoint.method, self._api_url + endpoint.path
        try:
            return self._exchange(
                method, url, everything, endpoint.name, lambda response: read(self._parser.body(response, endpoint))
            )
        except CallError as error:
            if by_form and _refuses_forms(error):
                self._forms = False
                raise PostRejected(error.message, effect=Effect.REJECTED, **error.details) from None
            raise


def _for_the_rate(error: CallError) -> bool:
    """Whether the vendor refused a call for its rate."""
    return error.details.get("code") == RATE_LIMITED or error.details.get("http_status") == 429


def texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters that have a value, as text."""
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _refuses_forms(error: CallError) -> bool:
    """Whether the POST body may be the reason for a refusal: it was not understood, or read as no parameters."""
    if isinstance(error, ApiError):
        return error.code in (-10, -12, -14, -100)
    unsent = error.effect is Effect.NOT_SENT and not error.retryable
    return unsent and error.details.get("http_status") is not None

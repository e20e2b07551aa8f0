# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients for one key: rate limits that all processes share, retries, and the lock of the key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import CallError, Effect, TransportError
from .._core.waiting import WaitBudget
from .._store.clocks import VendorClock
from .._store.directory import after_the_call
from .._store.facts import CHANNELS, Facts
from .._store.rate_limiter import RateLimiter
from .parsing import http_time
from .responses import ResponseParser
from .retry import Client, T, as_texts
from .transport import HttpResponse, Transport, service_of

#: Reads the JSON of a response; raises ResponseShapeError.
Reader = Callable[[Any], T]
#: A context manager that is entered around each request of a call.
Sending = Callable[[], contextlib.AbstractContextManager[None]]

#: The limit per minute of plans that are billed by volume, and of the calls whose limit does not depend on channels.
COMMON_LIMIT = 60
#: Seconds between attempts to lock a key that another run has locked.
LOCK_POLL_INTERVAL = 0.2


@dataclass(frozen=True)
class Endpoint:
    """One call of the vendor.

    ``per_minute`` is its limit per key, to which ``per_channel`` is added for each channel of the plan. ``repeatable``
    says whether a call whose response was lost may simply be sent again; otherwise the caller must first find out its
    effect. ``by_status`` marks the calls that report success by HTTP status instead of a code of the vendor.
    ``unknown_effect`` are the codes (or statuses) of refusals after which the call may have been carried out.
    """

    path: str
    per_minute: int
    repeatable: bool
    doc: int | None
    per_channel: int = 0
    method: str = "GET"
    by_status: bool = False
    unknown_effect: tuple[int | str, ...] = ()

    def effect(self, code: int | str) -> Effect:
        """Return the effect of a call that was refused with this code or status."""
        return Effect.UNKNOWN if code in self.unknown_effect else Effect.REJECTED

    @property
    def name(self) -> str:
        """The name in messages and limits: the path, after the method if that is not GET."""
        return self.path if self.method == "GET" else f"{self.method} {self.path}"

    def limit(self, channels: int | None) -> int:
        """Return the limit in calls per minute; if the number of channels is unknown, that of one channel.

        It is never above COMMON_LIMIT, which is that of plans by volume: the API does not show which plans those are.
        """
        if not self.per_channel:
            return self.per_minute
        return min(COMMON_LIMIT, self.per_minute + self.per_channel * (channels or 1))


class KeyClient(Client):
    """Sends the calls of one key. A subclass implements how its API sends a call once."""

    #: The vendor's code for too many calls.
    rate_limited: int | str
    #: The call that announcements of the wait for the lock of the key name.
    list_path: str
    _parser: ResponseParser

    def __init__(
        self, transport: Transport, rate_limiter: RateLimiter, budget: WaitBudget, *, api_url: str, key: str
    ) -> None:
        super().__init__(transport, budget)
        self.rate_limiter = rate_limiter
        self._api_url = api_url.rstrip("/")
        #: The name of the key in the state directory.
        self.key_digest = rate_limiter.state.digest("pacing", service_of(api_url), key)
        #: What the responses have shown about the key, at this host and at any host of the vendor.
        self.host_facts = self.facts = Facts(rate_limiter.state, self.key_digest)
        #: The clock that the vendor's deadlines are compared with.
        self.vendor_clock = VendorClock(rate_limiter.state, self.key_digest)

    def _send_once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        """Send a call once, and read its response."""
        raise NotImplementedError

    def _exchange(
        self, method: str, url: str, parameters: Mapping[str, str], name: str, read: Callable[[HttpResponse], T]
    ) -> T:
        """Send one request, and read its response. The date of a response of the vendor sets the vendor's clock."""
        began = self.budget.elapsed()

        def read_dated(response: HttpResponse) -> T:
            try:
                result = read(response)
            except TransportError:
                raise
            except CallError:
                self._note_date(response, self.budget.elapsed() - began)
                raise
            self._note_date(response, self.budget.elapsed() - began)
            return result

        return super()._exchange(method, url, parameters, name, read_dated)

    def _note_date(self, response: HttpResponse, duration: float) -> None:
        date = http_time(response.headers.get("Date", ""))
        # A cache sends the date of an earlier response.
        if date is not None and "Age" not in response.headers:
            self.vendor_clock.observe(date, duration)

    @contextlib.contextmanager
    def key_lock(self, work: str = "changing") -> Iterator[None]:
        """Hold a lock that keeps other runs from the same ``work`` on the key."""
        state, lock = self.rate_limiter.state, f"{work}.{self.key_digest}"
        while True:
            with state.try_lock(lock) as locked:
                if locked:
                    yield
                    return
            reason = f"another run is {work} what this key holds"
            self.budget.wait(LOCK_POLL_INTERVAL, reason, self.list_path, examine=lambda: state.describe_holder(lock))

    @property
    def _channels(self) -> int | None:
        known = self.host_facts.get(CHANNELS)
        return None if known is None else int(known)

    def _call(
        self,
        endpoint: Endpoint,
        parameters: Mapping[str, object],
        read: Reader[T],
        sending: Sending = contextlib.nullcontext,
    ) -> T:
        """Send a call until there is a response. ``sending`` is entered around each request."""

        texts = as_texts(parameters)

        def attempt() -> T:
            limit = endpoint.limit(self._channels if endpoint.per_channel else None)
            try:
                with self._rate_slot(endpoint.name, limit), sending():
                    return self._send_once(endpoint, texts, read)
            except CallError as error:
                if error.may_have_effect and not endpoint.repeatable and self._is_rate_limited(error):
                    # The caller decides on the next attempt, once it has found out the effect of this one.
                    with after_the_call():
                        self.rate_limiter.block(self.key_digest, endpoint.name, error.retry_after)
                raise

        return self._call_with_retries(endpoint.name, attempt, repeatable=endpoint.repeatable)

    @contextlib.contextmanager
    def _rate_slot(self, name: str, limit: int, amount: int = 1) -> Iterator[None]:
        """Take a slot under the vendor's rate limit, from before the call until a minute after it."""
        slot = self.rate_limiter.acquire(self.key_digest, name, limit, self._transport.timeout, self.budget, amount)
        try:
            yield
        finally:
            # On failure, the slot only expires later. That must not hide the result of the call.
            with after_the_call():
                self.rate_limiter.complete(slot)

    def _counts_as_attempt(self, error: CallError) -> bool:
        """Whether an error counts as an attempt: rate-limit refusals do not, since max_wait limits them."""
        return not self._is_rate_limited(error) or error.retry_after is not None

    def _pause_before_retry(self, error: CallError, attempts: int, name: str) -> None:
        """Wait before the next attempt; after a rate-limit refusal, block the call for all processes instead."""
        if not self._is_rate_limited(error):
            super()._pause_before_retry(error, attempts, name)
            return
        self.rate_limiter.block(self.key_digest, name, error.retry_after)
        if self.single_attempt:
            raise error

    def _is_rate_limited(self, error: CallError) -> bool:
        """Whether the vendor refused a call because of its rate limit."""
        return error.details.get("code") == self.rate_limited or error.details.get("http_status") == 429

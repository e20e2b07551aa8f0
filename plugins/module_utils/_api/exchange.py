# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients: exchanges, retries and usage; for one key, with shared rate limits and a lock of the key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from .._core.errors import CallError, Effect, QgError, TransportError, UnexpectedError, WaitBudgetExceeded
from .._core.waiting import WaitBudget, backoff
from .._store.clocks import VendorClock
from .._store.facts import CHANNELS, Facts
from .._store.rate_limiter import RateLimiter
from .._store.store import after_the_call
from .parsing import ResponseShapeError, http_time
from .responses import ResponseParser
from .transport import RETRIES, HttpResponse, Transport, service_of

T = TypeVar("T")

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
        self.max_attempts = RETRIES + 1

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
        began = self.budget.elapsed()
        response = self._transport.send(method, url, parameters, name)
        try:
            result = read(response)
            self._note_date(response.headers, began)
            return result
        except TransportError:
            raise
        except QgError:
            self._note_date(response.headers, began)
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

    def _note_date(self, headers: Mapping[str, str], began: float) -> None:
        """Use the date in a response of the vendor to a request that began then."""

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        """Attempt a call until it succeeds; raise the last error if it must not or cannot be repeated.

        ``repeatable`` says that carrying the call out twice has the same effect as once.
        """
        attempts, began = 0, self.budget.elapsed()
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
                # An API that cannot be reached is most often a wrong URL: say so after one timeout.
                if "option" in error.details and self.budget.elapsed() - began + backoff(attempts) > self.timeout:
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
        self.budget.wait(delay, "the last attempt failed", name)


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

    def _note_date(self, headers: Mapping[str, str], began: float) -> None:
        """Set the vendor's clock."""
        date = http_time(headers.get("Date", ""))
        # A cache sends the date of an earlier response.
        if date is not None and "Age" not in headers:
            self.vendor_clock.observe(date, self.budget.elapsed() - began)

    @contextlib.contextmanager
    def key_lock(self, work: str = "changing", what: str = "what this key holds") -> Iterator[None]:
        """Hold a lock that keeps other runs from the same ``work`` on the key."""
        state, lock = self.rate_limiter.state, f"{work}.{self.key_digest}"
        while True:
            with state.try_lock(lock) as locked:
                if locked:
                    yield
                    return
            reason = f"another run is {work} {what}"
            self.budget.wait(LOCK_POLL_INTERVAL, reason, self.list_path, examine=lambda: state.holder(lock))

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
        with self.rate_limiter.slot(self.key_digest, name, limit, self._transport.timeout, self.budget, amount):
            yield

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


def as_texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """Return the parameters that have a value, as text."""
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _may_be_sent_again(error: CallError, repeatable: bool) -> bool:
    """Whether the call may be sent again: it certainly had no effect, or a second effect would do no harm."""
    return error.retryable and (repeatable or not error.may_have_effect)

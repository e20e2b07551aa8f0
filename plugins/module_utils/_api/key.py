# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The caller of one key, with rate limits, facts and a lock that all processes of a state share."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from .._core.errors import CallError
from .._core.runtime import WaitBudget
from .._store.facts import CHANNELS, Facts
from .._store.opening import preload
from .._store.rate_limiter import RateLimiter
from .._store.store import after_the_call
from .caller import Caller
from .calls import CLASSIC
from .exchange import Call
from .parsing import http_time
from .transport import Transport, service_of

preload()
#: The host of QG.net's classic API; each product has a host below it.
VENDOR_HOST = "proxy.qg.net"
#: The range of plausible dates (2020 to 2100): a server whose clock is not set sends others.
EARLIEST = 1577836800.0
LATEST = 4102444800.0
#: The resolution of a Date header in seconds.
RESOLUTION = 1.0
#: Seconds between attempts to lock a key that another run has locked.
LOCK_POLL_INTERVAL = 0.2


def product_url(url: str, product: str) -> str:
    """Return the URL of a product's API: a host of QG.net's own, or a path below another URL.

    A key of a simulator must not be sent to QG.net.
    """
    if product == CLASSIC:
        return url.rstrip("/")
    if urlsplit(url).hostname == VENDOR_HOST:
        return f"https://{product}.{VENDOR_HOST}"
    return f"{url.rstrip('/')}/{product}"


class VendorClock:
    """QG.net's clock, by the responses to this process; before the first one, the wall clock.

    It is between ``_min_ahead`` and ``_max_ahead`` seconds ahead of ``elapsed``.
    """

    def __init__(self, elapsed: Callable[[], float], wall: Callable[[], float]) -> None:
        self._elapsed = elapsed
        self._wall = wall
        self._min_ahead = -math.inf
        self._max_ahead = math.inf

    def now(self) -> float:
        """Return the earliest possible vendor's time (Unix time)."""
        return self._ahead_by(self._min_ahead)

    def latest(self) -> float:
        """Return the latest possible vendor's time: a date does not show fractions of a second."""
        return self._ahead_by(self._max_ahead)

    def _ahead_by(self, seconds: float) -> float:
        if math.isinf(seconds):
            return self._wall()
        return self._elapsed() + seconds

    def observe(self, date: float, duration: float) -> None:
        """Use the date (Unix time) of the response of an exchange that took ``duration`` seconds.

        The server wrote it during the exchange, in whole seconds.
        """
        if not EARLIEST <= date <= LATEST:
            return
        min_ahead = date - self._elapsed()
        max_ahead = min_ahead + RESOLUTION + duration
        self._min_ahead = max(self._min_ahead, min_ahead)
        self._max_ahead = min(self._max_ahead, max_ahead)
        if self._min_ahead > self._max_ahead:
            # A clock was set.
            self._min_ahead = min_ahead
            self._max_ahead = max_ahead


class KeyCaller(Caller):
    """Sends the calls of one key to one product's API at a time; ``url`` is the classic one."""

    #: The name of the key in the store, and what responses have shown about it, at the present
    #: host.
    key_digest: str
    host_facts: Facts
    #: The clock that QG.net's deadlines are compared with.
    vendor_clock: VendorClock

    def __init__(
        self,
        transport: Transport,
        rate_limiter: RateLimiter,
        budget: WaitBudget,
        *,
        url: str,
        key: str,
        password: str | None = None,
        product: str = CLASSIC,
    ) -> None:
        secrets = list(filter(None, (key, password)))
        super().__init__(transport, budget, url=url, credentials=self._login, secrets=secrets)
        self._classic_url = url
        self._key = key
        self._password = password
        self.rate_limiter = rate_limiter
        self.store = rate_limiter.store
        self.use_product(product)
        #: What responses have shown about the key, whichever product was used since.
        self.facts = self.host_facts

    def use_product(self, product: str) -> None:
        """Send further calls to the API of a product."""
        self.product = product
        self.url = product_url(self._classic_url, product)
        self.label = ""
        if product != CLASSIC:
            self.label = f" of product={product}"
        self.key_digest = self.store.digest("pacing", service_of(self.url), self._key)
        self.host_facts = Facts(self.store, self.key_digest)
        self.vendor_clock = VendorClock(self.budget.elapsed, self.store.wall_time)

    def _login(self) -> dict[str, str]:
        login = {"Key": self._key}
        if self._password:
            login["Pwd"] = self._password
        if self.product == CLASSIC:
            return login
        return {name.lower(): value for name, value in login.items()}

    @property
    def api_host(self) -> str:
        """The host of the API, whichever product is used: a name, or an address."""
        return urlsplit(self._classic_url).hostname or ""

    @property
    def channels(self) -> int | None:
        """The number of channels of the plan, if it is known."""
        return self.host_facts.read(CHANNELS, int)

    @contextlib.contextmanager
    def key_lock(self, work: str = "changing", what: str = "what this key holds") -> Iterator[None]:
        """Hold a lock that keeps other runs from the same ``work`` on the key."""
        lock = f"{work}.{self.key_digest}"
        while True:
            with self.store.try_lock(lock) as locked:
                if locked:
                    yield
                    return
            reason = f"another run is {work} {what}"
            self.budget.wait(
                LOCK_POLL_INTERVAL, reason, "/query", examine=lambda: self.store.holder(lock)
            )

    @contextlib.contextmanager
    def slot(self, call: Call, amount: int = 1) -> Iterator[None]:
        """Take a slot under the rate limit, from before the call until a minute after it."""
        limit = call.limit(self.channels if call.per_channel else None)
        with self.rate_limiter.slot(
            self.key_digest, call.name, limit, self.timeout, self.budget, amount
        ):
            yield

    def _block(self, call: Call, error: CallError, *, is_repeated: bool) -> bool:
        longest = self.rate_limiter.longest_block(is_repeated=is_repeated)
        if error.retry_after is not None and error.retry_after > longest:
            error.message += (
                f" It asks to wait for {error.retry_after:.0f} seconds, and all runs wait for "
                f"{longest:.0f}, since QG.net's limits are per minute."
            )
        # On failure, other processes are refused as well. That must not hide what this call may
        # have done.
        with after_the_call():
            self.rate_limiter.block(
                self.key_digest, call.name, error.retry_after, is_repeated=is_repeated
            )
        return True

    def _note(self, headers: Mapping[str, str], began: float) -> None:
        date = http_time(headers.get("Date", ""))
        # A cache sends the date of an earlier response.
        if date is not None and "Age" not in headers:
            self.vendor_clock.observe(date, self.budget.elapsed() - began)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes calls one after another: within the documented limits, on record, and never more paid ones than allowed."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from simulator.keys.plans import OVERSEAS, VOLUME
from simulator.product.endpoints import is_product_path

from .exchange import Call, Reply, Transport
from .transports import SLICE, Situation

RATE_LIMITED = (-11, "REQUEST_LIMIT_EXCEEDED")
#: Documented calls a minute; other paths depend on the channels.
LIMITS = {"/whitelist/add": 20, "/whitelist/del": 20} | dict.fromkeys(
    ("/whitelist/query", "/info/quota", "/resources", "/monopolies"), 60
)


class EndOfRun(Exception):
    """The run ends before its last probe; the text is the reason."""


class Interrupted(EndOfRun):
    """The user or the system stops the run."""


class NoReplyError(Exception):
    """A call has no reply, so the vendor may have executed it."""


class BudgetError(EndOfRun):
    """A call would exceed the number of leases that may be paid for."""


class StopSignals:
    """Signals take effect between two calls, so that the reply of a paid call is never lost to them."""

    def __init__(self) -> None:
        self.name = ""
        self.ignored = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        # The last one is sent when the connection of a terminal ends.
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        previous = [signal.signal(number, self._catch) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, previous, strict=True):
                signal.signal(number, handler)

    def _catch(self, number: int, _frame: object) -> None:
        self.name = signal.Signals(number).name

    def check(self) -> None:
        if self.name and not self.ignored:
            raise Interrupted(f"Interrupted by {self.name}.")


@dataclass
class Exchange:
    at: float
    call: Call
    reply: Reply


class Caller:
    def __init__(
        self,
        transport: Transport,
        situation: Situation,
        paid: int = 0,
        minute: float = 60.0,
        stop: StopSignals | None = None,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self.bought = 0
        """Leases that were asked for, whatever became of the calls."""
        self.stop = stop or StopSignals()
        self.situation = situation
        self._transport = transport
        self._paid = paid
        self.minute = minute
        self._begin = transport.now()
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def sleep(self, seconds: float) -> None:
        """Sleep in slices, so that a signal ends it."""
        end = self._transport.now() + seconds
        while (rest := end - self._transport.now()) > 0:
            self.stop.check()
            self._transport.sleep(min(rest, SLICE))

    def read(self, path: str, params: Mapping[str, str] | None = None, *, post: bool = False) -> Reply:
        """Make a call that may be repeated: after a refusal because of the limit, and once without a reply."""
        for _attempt in range(2):
            reply = self._send(Call("POST" if post else "GET", path, params or {}, in_body=post))
            if reply.code in RATE_LIMITED:
                self.sleep(self.minute)
            elif reply.status is None:
                self.sleep(1)
            else:
                break
        if reply.status is None:
            raise NoReplyError(f"{path}: {reply.error}")
        return reply

    def buy(self, path: str, count: int, params: Mapping[str, str]) -> Reply:
        """Make one call that allocates ``count`` leases. What was asked for counts, whatever the reply is."""
        if self.bought + count > self._paid:
            raise BudgetError(f"The limit of {self._paid} paid leases is reached.")
        call = Call("GET", path, params)
        self._wait_for_slot(call)
        # Counted before the call: nothing that happens from here on makes it free of charge.
        self.bought += count
        return self._send_now(call)

    def _send(self, call: Call) -> Reply:
        self._wait_for_slot(call)
        return self._send_now(call)

    def _send_now(self, call: Call) -> Reply:
        at = self._transport.now() - self._begin
        reply = self._transport.send(call)
        self.exchanges.append(Exchange(at, call, reply))
        return reply

    def _limit(self, path: str) -> int:
        situation = self.situation
        if is_product_path(path):
            fixed = path.rpartition("/")[2] in ("query", "channels", "balance", "resources")
            return 60 if fixed or situation.plan == OVERSEAS or situation.billing == VOLUME else self._by_channels()
        if path in LIMITS:
            return LIMITS[path]
        if situation.billing == VOLUME:
            return 60
        return situation.channels * 5 if path == "/release" else self._by_channels()

    def _by_channels(self) -> int:
        return self.situation.channels * 5 + 10

    def _wait_for_slot(self, call: Call) -> None:
        """Wait while the documented limit of an endpoint is used up: a window starts with its first call."""
        self.stop.check()
        name = (call.method, call.path)
        start, count = self._windows.get(name, (self._transport.now(), 0))
        # The vendor's window starts when the call arrives, so it ends a little later.
        end = start + self.minute * 1.02
        if self._transport.now() >= end:
            start, count = self._transport.now(), 0
        elif count >= max(1, self._limit(call.path)):
            self.sleep(end - self._transport.now())
            start, count = self._transport.now(), 0
        self._windows[name] = (start, count + 1)

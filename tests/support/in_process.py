# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client on top of the simulator's core, in one process: no sockets, and a clock that moves instead of sleeping.

:class:`Vendor` is the simulator's core with what tests do to it: they alter its account, plan faults, act before and
after a call, answer in its place, and kill the process that makes the call. :class:`InProcess` is the transport: calls
that are carried out late, processes that are killed after so many steps, and a control node whose clocks are wrong.
"""

from __future__ import annotations

import contextlib
import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import KeyCaller
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Connection, Store
from simulator.core import ConnectionLost, Core
from support.machine_clock import MachineClock
from support.stores import open_store
from support.vendor import (
    CLASSIC,
    KEY,
    NOW,
    PATHS,
    URL,
    Answer,
    Call,
    Hook,
    Killed,
    LateCall,
    Paths,
    Vendor,
    books,
    calls,
    configure,
    fault,
)

__all__ = [
    "CLASSIC",
    "KEY",
    "NOW",
    "PATHS",
    "URL",
    "Answer",
    "Call",
    "Hook",
    "InProcess",
    "Killed",
    "Paths",
    "Vendor",
    "books",
    "calls",
    "client",
    "configure",
    "fault",
    "lease_client",
    "product_client",
]


class InProcess(Transport):
    """Hands each exchange to the simulator's core.

    The clocks of the control node are those of ``machine``, of which by default none is wrong. Responses have the date
    of the vendor unless ``is_dated`` is false.

    With ``late`` set to a call, as :class:`Vendor` names it, and seconds, the next such call is not answered in time,
    and carried out so much later.
    With ``killed_in`` set to a number of steps, the process is killed after them: before a transaction of its store,
    before a request is sent, before its response is read, or during a pause. It does nothing more then: the next
    process begins when it opens the store. ``disturbance`` is what happens after a number of steps, except between the
    record of a request and the request, which no client can tell apart from a slow network.
    """

    def __init__(self, core: Core, timeout: float = 10.0) -> None:
        super().__init__(timeout=timeout)
        self.core = core
        self.machine = MachineClock(core.clock.now)
        self.is_dated = True
        self.late: tuple[str, float] | None = None
        self.under_way: list[LateCall] = []
        self.killed_in: int | None = None
        self.disturbance: tuple[int, Callable[[], object]] | None = None
        self.is_dead = self._is_other = False
        self._stores: weakref.WeakSet[Store] = weakref.WeakSet()

    def step(self, *, may_be_disturbed: bool = True) -> None:
        """One step of the process."""
        if self._is_other:
            return
        if self.is_dead:
            raise Killed
        if self.killed_in is not None:
            self.killed_in -= 1
            if self.killed_in < 0:
                self.die()
        if self.disturbance is not None and may_be_disturbed:
            left, act = self.disturbance
            self.disturbance = (left - 1, act) if left else None
            if not left:
                act()

    def die(self) -> NoReturn:
        """End the process."""
        self.is_dead, self.killed_in = True, None
        raise Killed

    @contextlib.contextmanager
    def other_process(self) -> Iterator[None]:
        """Let what follows be done by another process, to which nothing happens."""
        self._is_other = True
        try:
            yield
        finally:
            self._is_other = False

    def begin(self, store: Store) -> Store:
        """Begin a process that uses this store: each transaction is one of its steps."""
        if not self._is_other:
            self.is_dead = False
        if store in self._stores:
            return store
        self._stores.add(store)
        begin_transaction = store.transaction

        def transaction() -> contextlib.AbstractContextManager[Connection]:
            self.step()
            return begin_transaction()

        store.transaction = transaction  # type: ignore[method-assign]
        return store

    def send(self, method: str, url: str, parameters: Mapping[str, str], endpoint: str) -> HttpResponse:
        """Let the core answer."""
        path, sent = urlsplit(url).path, dict(parameters)
        self.step(may_be_disturbed=False)
        if self.late and self.late[0] in (path, f"{method} {path}"):
            self.under_way.append((self.core.clock.now() + self.late[1], method, path, sent))
            self.late = None
            self.step()
            self.advance(self.timeout)
            raise self._silence(endpoint)
        began, self.core.headers = self.core.clock.now(), {}
        try:
            status, body = self.core.handle(method, path, sent)
        except Killed:
            self.die()
        except ConnectionLost as lost:
            self.step()
            raise TransportError(f"{endpoint}: {lost}.", endpoint=endpoint, effect=Effect.UNKNOWN) from None
        self.step()
        if self.core.clock.now() - began > self.timeout:
            raise self._silence(endpoint)
        headers = self.core.headers if self.is_dated else {}
        return HttpResponse(status, "<html>" if body is None else json.dumps(body), headers)

    @staticmethod
    def _silence(endpoint: str) -> TransportError:
        return TransportError(f"{endpoint}: no answer in time.", endpoint=endpoint, effect=Effect.IN_FLIGHT)

    def advance(self, seconds: float) -> None:
        """Move the clock on, and let calls that are due be carried out on the way."""
        end = self.core.clock.now() + seconds
        for call in sorted(self.under_way, key=lambda waiting: waiting[0]):
            if call[0] <= end:
                self.under_way.remove(call)
                self.core.clock.advance(max(0.0, call[0] - self.core.clock.now()))
                self.carry_out_late(call)
        self.core.clock.advance(max(0.0, end - self.core.clock.now()))

    def carry_out_late(self, call: LateCall) -> None:
        """Carry out a call that is no longer waited for."""
        with contextlib.suppress(ConnectionLost):
            self.core.handle(*call[1:])


def client(
    core: Core,
    directory: Path,
    max_wait: float = 300.0,
    transport: InProcess | None = None,
    on_wait: Callable[[str], None] | None = None,
    store: Store | None = None,
) -> Leases:
    """A client of the core, whose runs share a state directory, or a store that is open.

    ``on_wait`` receives the reason and a detail of each wait.
    """
    api = Leases(KeyCaller(*_parts(core, directory, max_wait, transport, store), url=URL, key=KEY))
    if on_wait is not None:
        wait = api.caller.budget.wait

        def told(seconds: float, reason: str, endpoint: str, *, examine: Callable[[], str] | None = None) -> None:
            on_wait(f"{reason}: {examine()}" if examine else reason)
            wait(seconds, reason, endpoint, examine=examine)

        api.caller.budget.wait = told
    return api


def product_client(
    core: Core, directory: Path, product: str, max_wait: float = 300.0, transport: InProcess | None = None
) -> Leases:
    """The same of a product host."""
    parts = _parts(core, directory, max_wait, transport, None)
    return Leases(KeyCaller(*parts, product=product, url=f"{URL}/{product}", key=KEY))


def _parts(
    core: Core, directory: Path, max_wait: float, transport: InProcess | None, store: Store | None
) -> tuple[InProcess, RateLimiter, WaitBudget]:
    transport = transport or InProcess(core)
    store = transport.begin(store or open_store(directory, machine=transport.machine))
    rate_limiter = RateLimiter(store, minute=60.0)
    return transport, rate_limiter, WaitBudget(max_wait, sleep=transport.advance, elapsed=core.clock.now)


def lease_client(
    core: Core,
    directory: Path,
    max_wait: float = 300.0,
    transport: InProcess | None = None,
    product: str = CLASSIC,
    store: Store | None = None,
) -> Leases:
    """The same for leases, of any product."""
    if product == CLASSIC:
        return client(core, directory, max_wait, transport, store=store)
    return product_client(core, directory, product, max_wait, transport)

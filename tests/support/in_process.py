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
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.client import ProductApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import (
    AnnouncementPolicy,
    Announcer,
    WaitBudget,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.backend import LeaseBackend
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.product import lease_backend
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Connection, Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from simulator.clock import Clock
from simulator.core import ConnectionLost, Core
from support.machine_clock import MachineClock
from support.stores import open_store

KEY = "QGDEMO01"
CLASSIC = "classic"
URL = "http://vendor.example"
#: The time at which tests begin.
NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Paths:
    """The calls for the leases of a product, as the journal names them. A call is None if the product has none."""

    get: str
    query: str
    quota: str | None = None
    replace: str | None = None
    release: str | None = None

    @property
    def writing(self) -> tuple[str, ...]:
        return tuple(path for path in (self.get, self.replace, self.release) if path)


#: By product. The simulator serves the product hosts below a path.
PATHS = {
    CLASSIC: Paths("/allocate", "/query", "/info/quota", "/replace", "/release"),
    "share": Paths("/share/get", "/share/query", "/share/channels"),
    "longterm": Paths("/longterm/get", "/longterm/query", "/longterm/channels", release="/longterm/delete"),
    "exclusive": Paths(
        "/exclusive/get", "/exclusive/query", "/exclusive/channels", "/exclusive/replace", "/exclusive/delete"
    ),
    "overseas": Paths("/overseas/get", "/overseas/query"),
}
#: When a call is carried out, its method, path and parameters.
LateCall = tuple[float, str, str, dict[str, str]]


#: An HTTP status, and a JSON value or None.
Answer = tuple[int, Any]


class Killed(BaseException):
    """The process that makes the calls is killed."""


@dataclass(frozen=True)
class Call:
    """A call on its way to the vendor."""

    method: str
    path: str
    parameters: Mapping[str, str]
    handle: Callable[[str, str, Mapping[str, str]], Answer]

    def carry_out(self, **changed: str) -> Answer:
        """Let the vendor carry it out, with other values of some parameters."""
        return self.handle(self.method, self.path, {**self.parameters, **changed})


Hook = Callable[[Call], Answer]


class Vendor(Core):
    """The simulator's core for tests, with a plan of these fields.

    A call is named by its path, after the method if that is not GET: ``/query``, ``POST /monopolies``. A path alone
    stands for all of its methods.
    """

    def __init__(self, now: float = NOW, **plan: Any) -> None:
        super().__init__(clock=Clock(now), seed=1)
        #: What handles calls in the vendor's place, by the name of the call; the last one that concerns a call counts.
        self.hooks: list[tuple[str, Hook]] = []
        if plan:
            self.configure(plan=plan)

    def configure(self, **fields: Any) -> None:
        """Alter the key's account."""
        configure(self, **fields)

    def fault(self, call: str, kind: str, **fields: Any) -> None:
        """Plan a fault."""
        method, _blank, path = call.rpartition(" ")
        fault(self, {"path": path, "kind": kind, **({"method": method} if method else {}), **fields})

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Answer:
        """Make one call, unless a hook prevents that."""
        return self._handle(self.hooks, method, path, params)

    def _handle(self, hooks: list[tuple[str, Hook]], method: str, path: str, params: Mapping[str, str]) -> Answer:
        for place in range(len(hooks) - 1, -1, -1):
            name, hook = hooks[place]
            if name in (path, f"{method} {path}"):
                return hook(Call(method, path, params, partial(self._handle, hooks[:place])))
        return super().handle(method, path, params)

    def around(self, call: str, hook: Hook) -> None:
        """Let a hook handle each such call."""
        self.hooks.append((call, hook))

    def once(self, call: str, hook: Hook) -> None:
        """Let a hook handle the next such call."""

        def handle(sent: Call) -> Answer:
            self.hooks.remove((call, handle))
            return hook(sent)

        self.around(call, handle)

    def before(self, call: str, act: Callable[[], object]) -> None:
        """Act when the next such call has arrived, and before it is carried out."""

        def handle(sent: Call) -> Answer:
            act()
            return sent.carry_out()

        self.once(call, handle)

    def after(self, call: str, act: Callable[[], object]) -> None:
        """Act when the next such call was carried out, and before its response arrives."""

        def handle(sent: Call) -> Answer:
            answer = sent.carry_out()
            act()
            return answer

        self.once(call, handle)

    def alter(self, call: str, change: Callable[[Any], Any]) -> None:
        """Change the JSON value of each response to such a call."""

        def handle(sent: Call) -> Answer:
            status, body = sent.carry_out()
            return status, change(body) if body else body

        self.around(call, handle)

    def kill(self, call: str, *, carried_out: bool) -> None:
        """Kill the process that makes the next such call, before or after the vendor carries it out."""

        def handle(sent: Call) -> Answer:
            if carried_out:
                sent.carry_out()
            raise Killed

        self.once(call, handle)

    def calls(self, *paths: str) -> list[str]:
        """Return the paths of the calls so far; of the given ones alone, if any are given."""
        return calls(self, *paths)

    @property
    def paid(self) -> int:
        """How many leases the key has paid for."""
        return len(books(self).paid)

    @property
    def leases(self) -> list[Any]:
        """The leases that the key holds."""
        found: list[Any] = books(self).leases
        return found

    @property
    def ips(self) -> set[str]:
        """The addresses of the leases that the key holds."""
        return {lease.ip for lease in self.leases}

    @property
    def stock(self) -> list[Any]:
        """The areas of the plan, with what is available in each."""
        found: list[Any] = self.keys[KEY].plan.stock
        return found

    @property
    def uuids(self) -> list[str]:
        """The resources that the key holds."""
        return [monopoly.uuid for monopoly in books(self).monopolies]


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
) -> ProxyApi:
    """A client of the core, whose runs share a state directory, or a store that is open.

    ``on_wait`` receives what is announced, at once.
    """
    api = ProxyApi(*_parts(core, directory, max_wait, transport, store), api_url=URL, key=KEY)
    if on_wait is not None:
        api.budget.announcer = Announcer(on_wait, policy=AnnouncementPolicy(0.0, 1.0), now=core.clock.now)
    return api


def product_client(
    core: Core, directory: Path, product: str, max_wait: float = 300.0, transport: InProcess | None = None
) -> ProductApi:
    """The same of a product host."""
    parts = _parts(core, directory, max_wait, transport, None)
    return ProductApi(*parts, product=product, url=f"{URL}/{product}", key=KEY)


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
) -> LeaseBackend:
    """The same for leases, of any product."""
    if product == CLASSIC:
        return lease_backend(client(core, directory, max_wait, transport, store=store))
    return lease_backend(product_client(core, directory, product, max_wait, transport))


def configure(core: Core, **fields: Any) -> None:
    """Alter the key's account."""
    core.keys[KEY].configure(fields)


def books(core: Core) -> Any:
    """What the key holds and has paid for, now."""
    core.keys.process_due_events()
    return core.keys[KEY].holdings


def fault(core: Core, fields: Mapping[str, Any]) -> None:
    """Plan a fault."""
    core.faults.append([dict(fields)])


def calls(core: Core, *paths: str) -> list[str]:
    """The paths of the calls so far; of the given ones alone, if any are given."""
    return [record.path for record in core.journal if not paths or record.path in paths]

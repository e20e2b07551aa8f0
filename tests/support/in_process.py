# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client on top of the simulator's core, in one process: no sockets, and a clock that moves instead of sleeping."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.classic import ClassicLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.product import ProductLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from simulator.core import ConnectionLost, Core
from support.machine_clock import MachineClock
from support.stores import open_store

KEY = "QGDEMO01"
CLASSIC = "classic"
URL = "http://vendor.example"


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


class Killed(BaseException):
    """The process that makes the calls is killed."""


class InProcess(Transport):
    """Hands each exchange to the simulator's core.

    The clocks of the control node are those of ``machine``, of which by default none is wrong. Responses have the date
    of the vendor unless ``is_dated`` is false.

    With ``late`` set to a path and seconds, the next call to it is not answered in time, and carried out so much later.
    With ``killed_in`` set to a number of steps, the process is killed after them: before a request is sent, before its
    response is read, or during a pause.
    """

    def __init__(self, core: Core, timeout: float = 10.0) -> None:
        super().__init__(timeout=timeout)
        self.core = core
        self.machine = MachineClock(core.clock.now)
        self.is_dated = True
        self.late: tuple[str, float] | None = None
        self.under_way: list[LateCall] = []
        self.killed_in: int | None = None

    def step(self) -> None:
        """One step of the process."""
        if self.killed_in is not None:
            self.killed_in -= 1
            if self.killed_in < 0:
                self.killed_in = None
                raise Killed

    def _exchange(self, method: str, url: str, form: str | None, endpoint: str) -> HttpResponse:
        parts = urlsplit(url)
        parameters = dict(parse_qsl(form if form is not None else parts.query, keep_blank_values=True))
        self.step()
        if self.late and self.late[0] == parts.path:
            self.under_way.append((self.core.clock.now() + self.late[1], method, parts.path, parameters))
            self.late = None
            self.step()
            self.advance(self.timeout)
            raise self._silence(endpoint)
        began, self.core.headers = self.core.clock.now(), {}
        try:
            status, body = self.core.handle(method, parts.path, parameters)
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
) -> ProxyApi:
    """A client of the core, whose runs share a state directory. ``on_wait`` receives what is announced, at once."""
    api = ProxyApi(*_parts(core, directory, max_wait, transport), api_url=URL, key=KEY)
    if on_wait is not None:
        api.budget.announcer = Announcer(on_wait, policy=AnnouncementPolicy(0.0, 1.0), now=core.clock.now)
    return api


def product_client(
    core: Core, directory: Path, product: str, max_wait: float = 300.0, transport: InProcess | None = None
) -> ProductApi:
    """The same of a product host."""
    parts = _parts(core, directory, max_wait, transport)
    return ProductApi(*parts, product=product, url=f"{URL}/{product}", key=KEY)


def _parts(
    core: Core, directory: Path, max_wait: float, transport: InProcess | None
) -> tuple[InProcess, RateLimiter, WaitBudget]:
    transport = transport or InProcess(core)
    rate_limiter = RateLimiter(open_store(directory, machine=transport.machine), minute=60.0)
    return transport, rate_limiter, WaitBudget(max_wait, sleep=transport.advance, elapsed=core.clock.now)


def lease_client(
    core: Core,
    directory: Path,
    max_wait: float = 300.0,
    transport: InProcess | None = None,
    product: str = CLASSIC,
) -> LeaseBackend:
    """The same for leases, of any product."""
    if product == CLASSIC:
        return ClassicLeases(client(core, directory, max_wait, transport))
    return ProductLeases(product_client(core, directory, product, max_wait, transport))


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

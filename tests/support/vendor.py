# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendor in this process: the simulator's core, and what tests do to it.

They alter the key's account, plan faults, act before and after a call, answer in its place, and
read its books.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from qgnet_simulator.clock import Clock
from qgnet_simulator.core import ConnectionLost, Core

KEY = "QGDEMO01"
CLASSIC = "classic"
URL = "http://vendor.example"
#: The time at which tests begin.
NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Paths:
    """The calls for the leases of a product, as the journal names them.

    A call is None if the product has none.
    """

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
    "longterm": Paths(
        "/longterm/get", "/longterm/query", "/longterm/channels", release="/longterm/delete"
    ),
    "exclusive": Paths(
        "/exclusive/get",
        "/exclusive/query",
        "/exclusive/channels",
        "/exclusive/replace",
        "/exclusive/delete",
    ),
    "overseas": Paths("/overseas/get", "/overseas/query"),
}
#: When a call is carried out, its method, path and parameters.
LateCall = tuple[float, str, str, dict[str, str]]
#: An HTTP status, and a JSON value or None.
Answer = tuple[int, Any]


def plan_of(product: str | None, **plan: Any) -> dict[str, Any]:
    """Return the plan of a key for a product, with these fields; that of the classic API is an
    ordinary one.
    """
    if product in (None, CLASSIC):
        return plan
    return {"kind": product, **plan}


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

    A call is named by its path, after the method if that is not GET: ``/query``, ``POST
    /monopolies``. A path alone stands for all of its methods.
    """

    def __init__(self, now: float = NOW, **plan: Any) -> None:
        super().__init__(clock=Clock(now), seed=1)
        #: What handles calls in the vendor's place, by the name of the call; the last one that
        #: concerns a call counts.
        self.hooks: list[tuple[str, Hook]] = []
        #: The next such call is answered by nobody, and carried out so many seconds later.
        self.late: tuple[str, float] | None = None
        #: Whether its connection is lost at once, and does not stay silent.
        self.is_reset_if_late = False
        self.under_way: list[LateCall] = []
        #: How many leases and resources calls have paid for after their callers had given up.
        self.late_paid = 0
        #: What these calls have changed: ports of leases, resources, and addresses of the
        #: whitelist.
        self.late_changes: set[str] = set()
        if plan:
            self.configure(plan=plan)

    def configure(self, **fields: Any) -> None:
        """Alter the key's account."""
        self.keys[KEY].configure(fields)

    def fault(self, call: str, kind: str, **fields: Any) -> None:
        """Plan a fault."""
        method, _blank, path = call.rpartition(" ")
        if method:
            fields["method"] = method
        self.faults.append([{"path": path, "kind": kind, **fields}])

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> Answer:
        """Make one call, unless a hook prevents that."""
        return self._handle(self.hooks, method, path, params)

    def is_late(self, method: str, path: str, params: Mapping[str, str]) -> bool:
        """Whether a call is carried out later, after its caller has given up."""
        if self.late is None or self.late[0] not in (path, f"{method} {path}"):
            return False
        self.under_way.append((self.clock.now() + self.late[1], method, path, dict(params)))
        self.late = None
        return True

    def advance(self, seconds: float) -> None:
        """Move the clock on, and carry out the calls that are due on the way."""
        end = self.clock.now() + seconds
        for call in sorted(self.under_way, key=lambda waiting: waiting[0]):
            if call[0] <= end:
                self.under_way.remove(call)
                self.clock.advance(max(0.0, call[0] - self.clock.now()))
                before = self.all_paid
                known = self._known()
                with contextlib.suppress(ConnectionLost):
                    self.handle(*call[1:])
                self.late_paid += self.all_paid - before
                changes = known ^ self._known()
                self.late_changes |= {name for _place, name in changes}
        self.clock.advance(max(0.0, end - self.clock.now()))

    def _known(self) -> set[tuple[str, str]]:
        """What the key holds, has paid for and has whitelisted: places and names."""
        holdings = books(self)
        places = {
            "paid": [str(lease["port"]) for lease in holdings.paid],
            "held": [*(str(lease.port) for lease in holdings.leases), *self.uuids],
            "listed": self.whitelist,
        }
        return {(place, name) for place, names in places.items() for name in names}

    def _handle(
        self, hooks: list[tuple[str, Hook]], method: str, path: str, params: Mapping[str, str]
    ) -> Answer:
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
            if body:
                body = change(body)
            return status, body

        self.around(call, handle)

    def kill(self, call: str, *, carried_out: bool) -> None:
        """Kill the process that makes the next such call, before or after the vendor carries it
        out.
        """

        def handle(sent: Call) -> Answer:
            if carried_out:
                sent.carry_out()
            raise Killed

        self.once(call, handle)

    def response(self, call: str, **parameters: object) -> Answer:
        """Make a call past the collection, as another client does."""
        method, _blank, path = call.rpartition(" ")
        product = path.split("/")[1]
        name = "key" if product in PATHS else "Key"
        values = {parameter: str(value) for parameter, value in parameters.items()}
        return self.handle(method or "GET", path, {name: KEY, **values})

    def call(self, call: str, **parameters: object) -> Any:
        """Make a call past the collection; returns the JSON value of the response."""
        return self.response(call, **parameters)[1]

    def code(self, call: str, **parameters: object) -> Any:
        """Make a call past the collection; returns the code of the response."""
        body = self.call(call, **parameters)
        return body.get("Code", body.get("code"))

    def hold(self, *numbers: int, **parameters: object) -> list[Any]:
        """Lease past the collection, one task for each number; returns all leases, and forgets the
        calls.
        """
        for number in numbers:
            assert self.call("/allocate", Num=number, **parameters)["Code"] == 0
        self.forget()
        return self.leases

    def forget(self) -> None:
        """Forget all calls so far."""
        self.journal.clear()
        self.rate_limiter.clear()

    def calls(self, *paths: str) -> list[str]:
        """Return the paths of the calls so far; of the given ones alone, if any are given."""
        return [record.path for record in self.journal if not paths or record.path in paths]

    @property
    def paid(self) -> int:
        """How many leases the key has paid for."""
        return len(books(self).paid)

    @property
    def all_paid(self) -> int:
        """How many leases and resources the key has paid for."""
        holdings = books(self)
        return len(holdings.paid) + int(holdings.monopolies_paid)

    @property
    def leases(self) -> list[Any]:
        """The leases that the key holds."""
        leases: list[Any] = books(self).leases
        return leases

    @property
    def ips(self) -> set[str]:
        """The addresses of the leases that the key holds."""
        return ips(self.leases)

    @property
    def stock(self) -> list[Any]:
        """The areas of the plan, with what is available in each."""
        areas: list[Any] = self.keys[KEY].plan.stock
        return areas

    @property
    def whitelist(self) -> list[str]:
        """The whitelist of the key."""
        return list(self.keys[KEY].whitelist)

    @property
    def uuids(self) -> list[str]:
        """The resources that the key holds."""
        return [monopoly.uuid for monopoly in books(self).monopolies]


def ips(leases: Iterable[Any]) -> set[str]:
    """Return the addresses of leases, of a result or of the vendor's books."""
    return {lease["ip"] if isinstance(lease, dict) else lease.ip for lease in leases}


def books(core: Core) -> Any:
    """What the key holds and has paid for, now."""
    core.keys.process_due_events()
    return core.keys[KEY].holdings

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Worlds: what QG.net and the clock of a control node can be like, beside what the simulator is by
itself.

None of it is excluded by QG.net's documents, and the simulator alone is regular: one address for
each lease, areas that are honored, deadlines that are the same wherever they are shown, lists that
are whole. A :class:`World` has some of the :data:`IRREGULARITIES`; a test names them, or draws a
world by chance.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from support.node import Node
from support.vendor import CLASSIC, KEY, PATHS, Answer, Call, Vendor

Row = dict[str, Any]
_TIME = "%Y-%m-%d %H:%M:%S"
#: One reading of so many is wrong, where some are.
_WRONG_READING = 5
#: Servers that no program can use, or that are in the network of the host, by a rest of the port.
UNUSABLE = (
    "http://{host}",
    "[2001:db8::1]:{port}",
    "0203.00.113.09:{port}",
    "0.0.0.0:{port}",
    "127.0.0.1:{port}",
    "10.0.0.1:{port}",
    "169.254.169.254:{port}",
    "224.0.0.1:{port}",
)


def rows(body: Any) -> Iterator[Row]:
    """Yield the leases in a response, of whichever API."""
    if isinstance(body, list):
        for item in body:
            yield from rows(item)
    elif isinstance(body, dict):
        if "deadline" in body:
            yield body
        for item in body.values():
            yield from rows(item)


def when_opened(vendor: Vendor, act: Callable[[Any], None]) -> None:
    """Act on each new lease before anybody sees it."""
    service = vendor.keys.lease_service
    open_one = service.open

    def opened(*given: Any) -> Any:
        lease = open_one(*given)
        act(lease)
        return lease

    vars(service)["open"] = opened


def task_filter(product: str, tasks: str) -> dict[str, str]:
    """Return the parameter with which QG.net lists the leases of these tasks alone."""
    if product == CLASSIC:
        return {"TaskID": tasks}
    return {"task": tasks}


def _name_server(lease: Any, host: str) -> None:
    lease.host = f"{host}:{lease.port}"


def _exits_share_addresses(vendor: Vendor, _product: str) -> None:
    """Two leases after each other leave through one of two addresses."""

    def share(lease: Any) -> None:
        address = f"203.0.113.{9 + lease.port // 2 % 2}"
        if lease.host.startswith(lease.ip):
            _name_server(lease, address)
        lease.ip = address

    when_opened(vendor, share)


def _addresses_are_reused(vendor: Vendor, product: str) -> None:
    """A new lease has the address of the last one that is gone, and of the classic API its port,
    too.

    Of the product hosts, the collection asks for addresses that the key has not had.
    """
    seen: list[Any] = []

    def reuse(lease: Any) -> None:
        gone = [old for old in seen if old.closed]
        if gone:
            old = gone[-1]
            seen.remove(old)
            lease.ip = old.ip
            if product == CLASSIC:
                lease.port = old.port
                lease.host = old.host
        seen.append(lease)

    when_opened(vendor, reuse)


def _tasks_are_reused(vendor: Vendor, _product: str) -> None:
    vars(vendor.keys.lease_service)["create_task_id"] = lambda: "A000000000000001"


def _leases_share_a_host_name(vendor: Vendor, _product: str) -> None:
    when_opened(vendor, lambda lease: _name_server(lease, "exits.vendor.example"))


def _leases_share_a_server(vendor: Vendor, _product: str) -> None:
    def share(lease: Any) -> None:
        lease.port = 8000
        _name_server(lease, "exits.vendor.example")

    when_opened(vendor, share)


def _servers_are_unusable(vendor: Vendor, _product: str) -> None:
    def spoil(lease: Any) -> None:
        lease.host = UNUSABLE[lease.port % len(UNUSABLE)].format(host=lease.host, port=lease.port)

    when_opened(vendor, spoil)


def _names_are_repeated(vendor: Vendor, product: str) -> None:
    """Each response names its first lease instead of all others."""

    def repeat(body: Any) -> Any:
        first = next(rows(body), {})
        for row in rows(body):
            row.update(first)
        return body

    for path in (PATHS[product].get, PATHS[product].query):
        vendor.alter(path, repeat)


def _moved(body: Any, seconds: float) -> Any:
    for row in rows(body):
        moment = datetime.datetime.strptime(row["deadline"], _TIME)
        row["deadline"] = (moment + datetime.timedelta(seconds=seconds)).strftime(_TIME)
    return body


def _move_ends(vendor: Vendor, product: str, seconds: Callable[[], int]) -> None:
    vendor.alter(PATHS[product].query, lambda body: _moved(body, seconds()))


def _ends_are_wrong(seconds: float) -> Callable[[Vendor, str], None]:
    """Return what lets responses and lists show ends that are later by so many seconds."""

    def happen(vendor: Vendor, product: str) -> None:
        for path in (PATHS[product].get, PATHS[product].query):
            vendor.alter(path, lambda body: _moved(body, seconds))

    return happen


def _ends_are_missing(vendor: Vendor, product: str) -> None:
    def without(body: Any) -> Any:
        for row in list(rows(body)):
            del row["deadline"]
        return body

    for path in (PATHS[product].get, PATHS[product].query):
        vendor.alter(path, without)


def _ends_differ(vendor: Vendor, product: str) -> None:
    """The list shows deadlines that are a second later than those of responses."""
    _move_ends(vendor, product, lambda: 1)


def _ends_are_computed(vendor: Vendor, product: str) -> None:
    """Each reading of the list shows other deadlines, by a second."""
    shifts = itertools.cycle((-1, 0, 1))
    _move_ends(vendor, product, lambda: next(shifts))


def _areas_are_ignored(vendor: Vendor, product: str) -> None:
    name = "area"
    if product == CLASSIC:
        name = "AreaId"

    def ignore(call: Call) -> Answer:
        if name in call.parameters:
            return call.carry_out(**{name: ""})
        return call.carry_out()

    for path in (PATHS[product].get, PATHS[product].replace):
        if path:
            vendor.around(path, ignore)


def _spoil_readings(vendor: Vendor, product: str, tasks: Callable[[], str]) -> None:
    readings: list[Call] = []

    def read(call: Call) -> Answer:
        readings.append(call)
        if len(readings) % _WRONG_READING:
            return call.carry_out()
        return call.carry_out(**task_filter(product, tasks()))

    vendor.around(PATHS[product].query, read)


def _readings_lack_a_part(vendor: Vendor, product: str) -> None:
    """Some readings of the list show the leases of the first task alone."""

    def first_task() -> str:
        for lease in vendor.leases:
            return str(lease.task_id)
        return "none"

    _spoil_readings(vendor, product, first_task)


def _readings_are_empty(vendor: Vendor, product: str) -> None:
    _spoil_readings(vendor, product, lambda: "none")


def old_lists_show_what_has_ended(vendor: Vendor, _product: str) -> None:
    """A list that lags also shows leases whose deadline has passed since."""
    key = vendor.keys[KEY]
    visible_lists = key.visible_lists

    def visible_later(now: float) -> Any:
        lag = key.options.list_lag
        content = key.history.at(now - lag)
        if content is None:
            return visible_lists(now)
        leases = [lease for lease in content.leases if lease.ends > now - lag]
        return dataclasses.replace(content, leases=tuple(leases))

    vars(key)["visible_lists"] = visible_later


def _channels_are_used_elsewhere(vendor: Vendor, _product: str) -> None:
    """The quota counts a channel without a lease."""
    vendor.configure(used=1)


@dataclass(frozen=True)
class Irregularity:
    """How a vendor of a product becomes irregular, and how often a world is."""

    happens: Callable[[Vendor, str], None]
    weight: int = 4


#: What ends a walk soon, since the collection can do little there, is rare.
IRREGULARITIES: dict[str, Irregularity] = {
    "exits share addresses": Irregularity(_exits_share_addresses, 8),
    "addresses are reused": Irregularity(_addresses_are_reused),
    "tasks are reused": Irregularity(_tasks_are_reused),
    "leases share a host name": Irregularity(_leases_share_a_host_name),
    "leases share a server": Irregularity(_leases_share_a_server, 1),
    "servers are unusable": Irregularity(_servers_are_unusable, 1),
    "names are repeated": Irregularity(_names_are_repeated, 1),
    "ends differ by a second": Irregularity(_ends_differ),
    "ends are computed anew": Irregularity(_ends_are_computed),
    "areas are ignored": Irregularity(_areas_are_ignored, 6),
    "readings lack a part": Irregularity(_readings_lack_a_part, 3),
    "readings are empty": Irregularity(_readings_are_empty, 2),
    "old lists show what has ended": Irregularity(old_lists_show_what_has_ended),
    "channels are used elsewhere": Irregularity(_channels_are_used_elsewhere, 1),
    # Nobody has seen these, so that only tests name them.
    "ends are missing": Irregularity(_ends_are_missing, 0),
    "ends are of UTC": Irregularity(_ends_are_wrong(-8 * 3600), 0),
    "ends are of Tokyo": Irregularity(_ends_are_wrong(3600), 0),
    "ends are over": Irregularity(_ends_are_wrong(-86400), 0),
    "ends have just been": Irregularity(_ends_are_wrong(-330), 0),
    "ends are next year": Irregularity(_ends_are_wrong(365 * 86400), 0),
}
#: Those in which no end is the true one.
WRONG_ENDS = [name for name, each in IRREGULARITIES.items() if not each.weight]
#: Those under which a reading of the list may lack what is held.
WRONG_READINGS = ("readings lack a part", "readings are empty")
#: By product, more often what has more features: the minutes that its leases last.
_LIFETIMES: dict[str, tuple[int, ...]] = {
    CLASSIC: (2, 10, 60, 1440),
    "exclusive": (10, 1440),
    "overseas": (5, 10, 60),
    "share": (1, 2, 3, 5),
    "longterm": (30, 1440),
}
_PRODUCTS = (
    CLASSIC,
    CLASSIC,
    CLASSIC,
    "exclusive",
    "exclusive",
    "overseas",
    "overseas",
    "share",
    "longterm",
)
#: Seconds by which the list lags; of the long ones, only a quota can tell.
_LAGS = (0, 0, 0, 0, 2, 2, 20, 50)
_LONG_LAGS = (70, 70, 70, 400)
_QUOTA_LAGS = (0, 0, 0, 0, 30)
#: Seconds by which the clock of a control node is ahead.
_CLOCK_ERRORS = (0, 0, 0, 0, 3 * 3600, -3600)


@dataclass(frozen=True)
class World:
    """A key of this product and plan, at a QG.net with these irregularities, and the clock of a
    control node.
    """

    product: str = CLASSIC
    plan: Mapping[str, Any] = field(default_factory=dict)
    irregularities: tuple[str, ...] = ()
    list_lag: float = 0
    quota_lag: float = 0
    #: Whether responses have a Date.
    is_dated: bool = True
    #: Seconds by which the wall clock of the control node is ahead.
    clock_error: float = 0

    def __str__(self) -> str:
        plan = [f"{name} {value}" for name, value in self.plan.items()]
        parts = [f"{self.product} with {', '.join(plan)}", *self.irregularities]
        if self.list_lag:
            parts.append(f"the list lags by {self.list_lag} s")
        if self.quota_lag:
            parts.append(f"the quota lags by {self.quota_lag} s")
        if not self.is_dated:
            parts.append("no dates")
        if self.clock_error:
            parts.append(f"the clock is ahead by {self.clock_error} s")
        return "; ".join(parts)

    @property
    def knows_time(self) -> bool:
        """Whether a control node can know the time of QG.net."""
        return self.is_dated or not self.clock_error

    @classmethod
    def draw(cls, random: Random) -> World:
        """Return some world."""
        product = random.choice(_PRODUCTS)
        lags: tuple[int, ...] = _LAGS
        if PATHS[product].quota:
            lags += _LONG_LAGS
        weights = [irregularity.weight for irregularity in IRREGULARITIES.values()]
        names = random.choices(list(IRREGULARITIES), weights, k=random.choice((0, 1, 1, 1, 2)))
        return cls(
            product=product,
            plan={"channels": random.randint(3, 9), "lifetime": random.choice(_LIFETIMES[product])},
            irregularities=tuple(dict.fromkeys(names)),
            list_lag=random.choice(lags),
            quota_lag=random.choice(_QUOTA_LAGS),
            is_dated=random.random() < 0.8,
            clock_error=random.choice(_CLOCK_ERRORS),
        )

    @classmethod
    def draw_regular(cls, random: Random) -> World:
        """Return some world in which QG.net replaces leases, with no irregularity but a list that
        lags, and may show what has ended since.
        """
        product = random.choice((CLASSIC, CLASSIC, "exclusive"))
        return cls(
            product=product,
            plan={"channels": random.randint(3, 9), "lifetime": random.choice((10, 60, 1440))},
            list_lag=random.choice((0, 0, 0, 3, 20, 50)),
            irregularities=random.choice(((), ("old lists show what has ended",))),
        )

    def node(self, folder: Path) -> Node:
        """Return a control node in this world."""
        kind: dict[str, Any] = {}
        if self.product != CLASSIC:
            kind["kind"] = self.product
        vendor = Vendor(**kind, **self.plan)
        vendor.configure(options={"list_lag": self.list_lag, "quota_lag": self.quota_lag})
        for name in self.irregularities:
            IRREGULARITIES[name].happens(vendor, self.product)
        node = Node(folder / "store", vendor, product=self.product)
        self.place(node)
        return node

    def place(self, node: Node) -> None:
        """Let a control node have the clock of this world."""
        node.is_dated = self.is_dated
        node.machine.set_wall(self.clock_error)

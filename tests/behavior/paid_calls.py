# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of calls that pay or change something, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from support.node import Node
from support.vendor import CLASSIC, PATHS, Vendor, books, plan_of

ALLOCATE = "qg_proxy_allocate"
RELEASE = "qg_proxy_release"
REPLACE = "qg_proxy_replace"
MONOPOLY = "qg_monopoly"
WHITELIST = "qg_whitelist"
ADDRESSES = ["203.0.113.21", "203.0.113.22"]
Options = dict[str, Any]


class Changes(Enum):
    """What a call does."""

    BUYS = "buys"
    RELEASES = "releases"
    REDIALS = "redials"
    EDITS = "edits the whitelist"


@dataclass(frozen=True)
class Kind:
    """A call, the module that makes it, and what the vendor has in the end.

    ``untouched`` is what is held and paid for at first, and ``wanted`` when all is done. A
    replacement has two more: ``before`` the call, and when the call is ``carried_out``.
    """

    name: str
    changes: Changes
    module: str
    call: str
    #: Prepares the node, and returns the options of the run.
    prepare: Callable[[Node], Options]
    untouched: tuple[int, int]
    wanted: tuple[int, int]
    product: str | None = CLASSIC
    plan: Options | None = None
    #: Whether the same run may be repeated when it has succeeded.
    can_repeat: bool = True
    #: Whether it concerns leases of the last minute, which a list may still lack.
    is_young: bool = False
    #: Whether the run has changed something before this call, or pays for something after it.
    has_changed: bool = False
    has_successor: bool = False
    before: tuple[int, int] | None = None
    carried_out: tuple[int, int] | None = None
    #: Whether the run is over only when the list shows the effect, also of a call that was
    #: reported.
    waits_for_list: bool = False
    #: Options of a run that has no time to wait.
    at_once: Options | None = None

    @property
    def listing(self) -> str:
        """The call that lists what there is."""
        if self.module == WHITELIST:
            return "/whitelist/query"
        if self.module == MONOPOLY:
            return "GET /monopolies"
        return PATHS[self.product or CLASSIC].query

    @property
    def pays_by_quota(self) -> bool:
        """Whether the call pays, and a quota shows what is held."""
        return self.name in (CLASSIC, "share", "longterm", "exclusive", "monopoly")

    @property
    def needs_quota(self) -> bool:
        """Whether the run reads the quota, since it pays for something."""
        return self.pays_by_quota or self.module == REPLACE

    def node(self, folder: Path) -> Node:
        return Node(folder / "store", Vendor(**(self.plan or {})), product=self.product)

    def found(self, vendor: Vendor) -> tuple[int, int]:
        holdings = books(vendor)
        if self.module == MONOPOLY:
            return len(holdings.monopolies), holdings.monopolies_paid
        if self.module == WHITELIST:
            return len(vendor.whitelist), 0
        return len(holdings.leases), len(holdings.paid)

    def __str__(self) -> str:
        return self.name


def leases(product: str, **plan: Any) -> Kind:
    # No lease ends during a test.
    plan = plan_of(product, **plan)
    call = PATHS[product].get
    return Kind(product, Changes.BUYS, ALLOCATE, call, two_leases, (0, 0), (2, 2), product, plan)


def two_leases(_node: Node) -> Options:
    return {"count": 2}


def held(node: Node, count: int) -> list[str]:
    node.ok(ALLOCATE, count=count)
    return [lease.ip for lease in node.vendor.leases]


def one_of_three(node: Node) -> Options:
    return {"ips": held(node, 3)[:1]}


def one_of_two(node: Node) -> Options:
    return {"ips": held(node, 2)[:1]}


def two_resources(node: Node) -> Options:
    node.vendor.configure(options={"dial_seconds": 4, "queue_seconds": 2})
    return {"count": 2}


def old_resources(node: Node) -> Options:
    uuids = node.ok(MONOPOLY, **two_resources(node))["applied"]
    node.vendor.advance(13 * 3600)
    return {"state": "absent", "uuids": uuids[:1]}


def dialed_resources(node: Node) -> Options:
    uuids = node.ok(MONOPOLY, **two_resources(node))["applied"]
    node.vendor.advance(60)
    return {"state": "redialed", "uuids": uuids}


def unlisted(_node: Node) -> Options:
    return {"ips": ADDRESSES}


def listed(node: Node) -> Options:
    node.vendor.configure(whitelist=[*ADDRESSES, "203.0.113.1"])
    return {"ips": ADDRESSES, "state": "absent"}


#: A plan of each product host.
PLANS: dict[str, Options] = {
    "share": {"kind": "share", "channels": 8, "lifetime": 60},
    "longterm": {"kind": "longterm", "channels": 8, "static": True},
    "exclusive": {"kind": "exclusive", "channels": 8},
    "overseas": {"kind": "overseas", "channels": 8},
}
OCCUPANCY = {"kind": "exclusive_occupancy", "channels": 10}
AT_ONCE = {"wait": False}
KINDS = [
    leases(CLASSIC),
    leases("share", lifetime=600),
    leases("longterm", lifetime=600),
    leases("exclusive"),
    leases("overseas", lifetime=600),
    Kind(
        "monopoly",
        Changes.BUYS,
        MONOPOLY,
        "POST /monopolies",
        two_resources,
        untouched=(0, 0),
        wanted=(2, 2),
        product=None,
        plan=OCCUPANCY,
        waits_for_list=True,
        at_once=AT_ONCE,
    ),
    Kind(
        "release",
        Changes.RELEASES,
        RELEASE,
        "/release",
        one_of_three,
        untouched=(3, 3),
        wanted=(2, 3),
        is_young=True,
    ),
    Kind(
        "release of a resource",
        Changes.RELEASES,
        MONOPOLY,
        "DELETE /monopolies",
        old_resources,
        untouched=(2, 2),
        wanted=(1, 2),
        product=None,
        plan=OCCUPANCY,
    ),
    Kind(
        "redial",
        Changes.REDIALS,
        MONOPOLY,
        "PUT /monopolies/ips",
        dialed_resources,
        untouched=(2, 2),
        wanted=(2, 2),
        product=None,
        plan=OCCUPANCY,
        can_repeat=False,
        at_once=AT_ONCE,
    ),
    Kind(
        "release of a replacement",
        Changes.RELEASES,
        REPLACE,
        "/release",
        one_of_two,
        untouched=(2, 2),
        wanted=(2, 3),
        carried_out=(1, 2),
        can_repeat=False,
        is_young=True,
        has_successor=True,
    ),
    Kind(
        "order of a replacement",
        Changes.BUYS,
        REPLACE,
        "/allocate",
        one_of_two,
        untouched=(2, 2),
        wanted=(2, 3),
        before=(1, 2),
        can_repeat=False,
        has_changed=True,
    ),
    Kind(
        "add",
        Changes.EDITS,
        WHITELIST,
        "/whitelist/add",
        unlisted,
        untouched=(0, 0),
        wanted=(2, 0),
        product=None,
    ),
    Kind(
        "del",
        Changes.EDITS,
        WHITELIST,
        "/whitelist/del",
        listed,
        untouched=(3, 0),
        wanted=(1, 0),
        product=None,
    ),
]

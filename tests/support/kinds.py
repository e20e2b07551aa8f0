# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of calls that pay or change something, one row each, and what can become of a call, one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.node import Node
from support.vendor import CLASSIC, PATHS, Vendor, books

ALLOCATE, RELEASE, REPLACE, MONOPOLY = "qg_proxy_allocate", "qg_proxy_release", "qg_proxy_replace", "qg_monopoly"
ADDRESSES = ["203.0.113.21", "203.0.113.22"]
Options = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A call, the module that makes it, and what the vendor has in the end."""

    name: str
    module: str
    call: str
    #: Prepares the node, and returns the options of the run.
    prepare: Callable[[Node], Options]
    #: What is held and what was paid for when all is done.
    wanted: tuple[int, int]
    product: str | None = CLASSIC
    plan: Options | None = None
    #: Whether the same run may be repeated when it has succeeded.
    can_repeat: bool = True

    @property
    def listing(self) -> str:
        """The call that lists what there is."""
        if self.module == "qg_whitelist":
            return "/whitelist/query"
        return "GET /monopolies" if self.module == MONOPOLY else PATHS[self.product or CLASSIC].query

    @property
    def pays_by_quota(self) -> bool:
        """Whether the call pays, and a quota shows what is held."""
        return self.name in (CLASSIC, "share", "longterm", "exclusive", "monopoly")

    def node(self, folder: Path) -> Node:
        return Node(
            folder / "store", Vendor(**(self.plan or {})), **({"product": self.product} if self.product else {})
        )

    def found(self, vendor: Vendor) -> tuple[int, int]:
        own = books(vendor)
        if self.module == MONOPOLY:
            return len(own.monopolies), own.monopolies_paid
        if self.module == "qg_whitelist":
            return len(vendor.whitelist), 0
        return len(own.leases), len(own.paid)

    def __str__(self) -> str:
        return self.name


def leases(product: str, **plan: Any) -> Kind:
    plan |= {} if product == CLASSIC else {"kind": product}
    # No lease ends during a test.
    return Kind(product, ALLOCATE, PATHS[product].get, lambda _node: {"count": 2}, (2, 2), product, plan)


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
KINDS = [
    leases(CLASSIC),
    leases("share", lifetime=600),
    leases("longterm", lifetime=600),
    leases("exclusive"),
    leases("overseas", lifetime=600),
    Kind("monopoly", MONOPOLY, "POST /monopolies", two_resources, (2, 2), None, OCCUPANCY),
    Kind("release", RELEASE, "/release", one_of_three, (2, 3)),
    Kind("release of a resource", MONOPOLY, "DELETE /monopolies", old_resources, (1, 2), None, OCCUPANCY),
    Kind("redial", MONOPOLY, "PUT /monopolies/ips", dialed_resources, (2, 2), None, OCCUPANCY, can_repeat=False),
    Kind("release of a replacement", REPLACE, "/release", one_of_two, (2, 3), can_repeat=False),
    Kind("order of a replacement", REPLACE, "/allocate", one_of_two, (2, 3), can_repeat=False),
    Kind("add", "qg_whitelist", "/whitelist/add", lambda _node: {"ips": ADDRESSES}, (2, 0), None),
    Kind("del", "qg_whitelist", "/whitelist/del", listed, (1, 0), None),
]
#: What becomes of the call: a fault of the simulator, seconds by which it is late or the list lags, or no quota.
FAULTS: dict[str, Options] = {
    "answered": {},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "truncated": {"kind": "truncate"},
    "garbage": {"kind": "garbage"},
    "garbage before": {"kind": "garbage", "executed": False},
    "null": {"kind": "data_null"},
    "absent": {"kind": "data_absent"},
    "terse": {"kind": "replace", "body": {"Code": 0, "code": "SUCCESS"}, "executed": True},
    "no object": {"kind": "replace", "body": [], "executed": True},
    "texts": {"kind": "strings"},
    "500": {"kind": "status", "http_status": 500},
    "500 after": {"kind": "status", "http_status": 500, "executed": True},
    "302 after": {"kind": "status", "http_status": 302, "executed": True},
    "403": {"kind": "status", "http_status": 403},
    "403 after": {"kind": "status", "http_status": 403, "executed": True},
    "429": {"kind": "status", "http_status": 429},
    "429 after": {"kind": "status", "http_status": 429, "executed": True},
    "502": {"kind": "status", "http_status": 502},
    "502 after": {"kind": "status", "http_status": 502, "executed": True},
    "504": {"kind": "status", "http_status": 504},
    "code -1": {"kind": "code", "code": -1},
    "too late": {"kind": "hang_after", "seconds": 20},
    "carried out 14 s later": {"late": 14.0},
    "list 8 s late": {"lag": 8},
    "list 50 s late": {"lag": 50},
    "lost and list 50 s late": {"kind": "reset_after", "lag": 50},
    "lost and list and quota 30 s late": {"kind": "reset_after", "lag": 30, "quota_lag": 30},
    "lost and list and quota 55 s late": {"kind": "garbage", "lag": 55, "quota_lag": 55},
    "no quota": {"kind": "reset_after", "quota": False},
}


def happen(node: Node, call: str, fault: Options) -> None:
    """Let it happen to the next such call."""
    fields, vendor = dict(fault), node.vendor
    if lag := fields.pop("lag", 0):
        vendor.configure(options={"list_lag": lag, "quota_lag": fields.pop("quota_lag", 0)})
        books(vendor)
    if not fields.pop("quota", True):
        for path in {path.quota for path in PATHS.values()} - {None}:
            vendor.fault(str(path), "status", http_status=500, times=-1)
    if late := fields.pop("late", None):
        vendor.late = (call, late)
    elif fields:
        vendor.fault(call, **fields)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the calls for leases are named in the classic API and on the product hosts."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.keys.plans import DEDICATED, EXCLUSIVE, OVERSEAS, PRODUCTS, SHARE, VOLUME
from simulator.validation import is_integer

from .exchange import Reply, whole
from .transports import Situation


@dataclass(frozen=True)
class Dialect:
    query: str
    allocate: str
    release: str | None
    """None if leases of this plan cannot be released on the day of their allocation."""
    quota: str
    count: str
    ip: str
    minutes: dict[str, str]
    """The parameter of the lifetime, for plans that take one."""

    @classmethod
    def of(cls, situation: Situation) -> Dialect:
        plan = situation.plan
        if plan not in PRODUCTS:
            releases = "/release" if plan == DEDICATED else None
            minutes = {"KeepAlive": "10"} if plan == DEDICATED else {}
            return cls("/query", "/allocate", releases, "/info/quota", "Num", "IP", minutes)
        quota = f"/{plan}/balance" if situation.billing == VOLUME else f"/{plan}/channels"
        releases = f"/{plan}/delete" if plan == EXCLUSIVE else None
        minutes = {"keep_alive": "60"} if plan in (EXCLUSIVE, OVERSEAS) else {}
        if plan == SHARE:
            minutes = {"keep_alive": "1"}
        return cls(f"/{plan}/query", f"/{plan}/get", releases, quota, "num", "ip", minutes)


def used(reply: Reply) -> int | None:
    """Return the leases that a quota counts: channels in use, or the negative rest of a balance."""
    if not reply.succeeded:
        return None
    data = reply.fields.get("data")
    if not isinstance(data, dict):
        return whole(reply.fields.get("Used"))
    if "balance" in data:
        rest = whole(data["balance"])
        return None if rest is None else 0 - rest
    total, idle = whole(data.get("total")), whole(data.get("idle"))
    return None if total is None or idle is None else total - idle


def channels(reply: Reply) -> int | None:
    data = reply.fields.get("data")
    count = whole(data.get("total") if isinstance(data, dict) else reply.fields.get("Total"))
    return count if is_integer(count) else None

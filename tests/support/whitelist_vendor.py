# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A vendor in memory, in place of the client: it has all that the loop in _whitelist/applier.py needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import hypothesis.strategies as st
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ReportedChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.exchange import PostRejected
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_whitelist import WhitelistReading
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.view import OpenChange
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.applier import reconcile
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist, WhitelistResult

Ips = tuple[str, ...]
Script = list[str | Exception]
POOL = [f"203.0.113.{n}" for n in range(1, 25)]
#: What may go wrong with a write: it is lost before or after it was carried out, refused with an unknown effect,
#: carried out in part, refused as a form, or answered without the addresses.
FAULTS = ("none", "before", "after", "unknown", "partial", "form", "silent")

ips = st.lists(st.sampled_from(POOL), unique=True, max_size=12).map(tuple)
states = st.sampled_from(["present", "absent", "exact"])
faults = st.lists(st.sampled_from(FAULTS), max_size=6)


@dataclass
class MemoryVendor:
    """``script`` says, call by call, what goes wrong with a write: one of FAULTS, or an error in place of all else."""

    whitelist_now: set[str]
    script: Script = field(default_factory=list)
    capacity: int = 1000
    bound: frozenset[str] = frozenset()
    forms: bool = True
    budget: WaitBudget = field(default_factory=lambda: WaitBudget(10_000, sleep=lambda _seconds: None))
    calls: list[str] = field(default_factory=list)

    def read(self, *, may_be_empty: bool = False) -> WhitelistReading:
        self.calls.append("query")
        return WhitelistReading(frozenset(self.whitelist_now))

    def settles_in(self, _conflicts: Callable[[OpenChange], bool]) -> float:
        return 0.0

    def open_changes(self) -> list[OpenChange]:
        return []

    def add(self, batch: Sequence[str]) -> ReportedChange:
        assert not set(batch) & self.whitelist_now, "a present address was sent"
        return self.write("add", batch)

    def remove(self, batch: Sequence[str], _spellings: Mapping[str, Sequence[str]]) -> ReportedChange:
        return self.write("del", batch)

    def batch_size(self, most: int) -> int:
        return max(1, min(most, 5 if not self.forms else 1000))

    def write(self, kind: str, batch: Sequence[str]) -> ReportedChange:
        self.calls.append(kind)
        path = f"/whitelist/{kind}"
        fault = self.script.pop(0) if self.script else "none"
        if isinstance(fault, Exception):
            raise fault
        if fault == "before":
            raise TransportError("lost", endpoint=path, effect=Effect.UNKNOWN)
        if fault == "unknown":
            raise ApiError(-1, path, effect=Effect.UNKNOWN)
        if fault == "form" and self.forms:
            self.forms = False
            raise PostRejected("no forms", effect=Effect.REJECTED, code=-10)
        done = list(batch)[: len(batch) // 2] if fault == "partial" else list(batch)
        if kind == "del":
            self.whitelist_now -= set(done)
        else:
            if set(done) & self.bound:
                raise ApiError(-206, path)
            if len(self.whitelist_now) + len(done) > self.capacity:
                raise ApiError(-202, path)
            self.whitelist_now |= set(done)
        if fault == "after":
            raise TransportError("lost", endpoint=path, effect=Effect.UNKNOWN)
        return ReportedChange(frozenset() if fault == "silent" else frozenset(done))


def apply(vendor: MemoryVendor, desired: DesiredWhitelist, *, check: bool = False) -> WhitelistResult:
    return reconcile(cast(Any, vendor), desired, check=check)

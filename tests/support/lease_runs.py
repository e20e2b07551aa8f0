# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of a control node that manages leases, in this process, and lists of leases that are not up to date."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import UncertainOutcomeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.change import (
    NamedLeases,
    ensure_leases,
    release_leases,
    replace_leases,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.in_process import CLASSIC, PATHS, Answer, Call, InProcess, Vendor, lease_client

WRITING = PATHS[CLASSIC].writing
#: Responses to a call that pays, and whether the vendor carried it out.
LOST: list[tuple[dict[str, Any], bool]] = [
    ({"kind": "reset_before"}, False),
    ({"kind": "reset_after"}, True),
    ({"kind": "truncate"}, True),
    ({"kind": "garbage"}, True),
    ({"kind": "garbage", "executed": False}, False),
    ({"kind": "data_null"}, True),
    ({"kind": "data_absent"}, True),
    ({"kind": "status", "http_status": 500}, False),
    ({"kind": "status", "http_status": 500, "executed": True}, True),
    ({"kind": "status", "http_status": 502, "executed": True}, True),
    # A gateway may send these statuses, and codes of its own, before or after the work.
    ({"kind": "status", "http_status": 302, "executed": True}, True),
    ({"kind": "status", "http_status": 403, "executed": True}, True),
    ({"kind": "status", "http_status": 429, "executed": True}, True),
    ({"kind": "replace", "body": {"Code": 403}, "executed": True}, True),
    ({"kind": "code", "code": -1}, False),
    ({"kind": "hang_after", "seconds": 20}, True),
]
#: Seconds by which a list lags: for less and for more than a run looks at it at first.
LAGS = [pytest.param(3.0, marks=pytest.mark.slow), 8.0, pytest.param(30.0, marks=pytest.mark.slow)]
#: Wrong lists of the classic API: as if nothing was held, or without a number of leases.
WRONG_LISTS: dict[str, dict[str, Any]] = {
    "silent": {"Code": 0},
    "empty": {"Code": 0, "TaskList": [], "TaskNum": 0, "TotalNum": 0},
    "null": {"Code": 0, "TaskList": None, "TotalNum": 0},
    "contradictory": {"Code": 0, "Num": 2, "Data": None},
    "broken": {"Code": 0, "TaskList": [{}]},
}
#: The same of a product host.
WRONG_DATA: dict[str, Any] = {
    "silent": None,
    "empty": [],
    "null": {"ips": None},
    "contradictory": {"task_id": "T", "num": 2, "ips": []},
    "broken": [{}],
}
#: A list that omits every lease.
EMPTY = WRONG_LISTS["empty"]


def by_ip(*ips: str) -> NamedLeases:
    """Choose leases by their exits or servers."""
    return NamedLeases("ips", frozenset(ips))


class LeaseNode:
    """A control node. Each run has a client of its own, and all share the state directory and the transport."""

    def __init__(
        self, core: Vendor, directory: Path, product: str = CLASSIC, transport: InProcess | None = None
    ) -> None:
        self.core = core
        self.directory = directory
        self.product = product
        self.wire = transport or InProcess(core)
        #: A store that is used in place of the one in the directory.
        self.store: Store | None = None

    def other(self) -> LeaseNode:
        """Return a control node that knows nothing of this one."""
        return LeaseNode(self.core, self.directory / "other", self.product)

    def client(self, max_wait: float = 300.0) -> Leases:
        """Return a client, as each run has one."""
        return lease_client(self.core, self.directory, max_wait, self.wire, self.product, self.store)

    def ensure(self, count: int, *, max_wait: float = 300.0, check: bool = False, **desired: Any) -> Any:
        """Ensure a number of leases."""
        return ensure_leases(self.client(max_wait), Desired(count, **desired), check=check)

    def replace(
        self,
        number: int | None = None,
        chosen: NamedLeases | None = None,
        params: AllocationParams | None = None,
        max_wait: float = 300.0,
    ) -> Any:
        """Replace the chosen leases by release and allocation, or let the vendor replace a number of its choice."""
        return replace_leases(self.client(max_wait), chosen, number, params or AllocationParams())

    def release(self, chosen: NamedLeases | None = None, *, max_wait: float = 300.0) -> Any:
        """Release the chosen leases."""
        return release_leases(self.client(max_wait), chosen)


def uncertain(outcome: Any) -> str:
    """Return the message of a run that could not find out what a call did."""
    assert isinstance(outcome.error, UncertainOutcomeError)
    return outcome.error.message


def list_late(core: Vendor, seconds: float, at_once: Collection[int] = ()) -> None:
    """List leases only so many seconds after they were paid for, but a few at once (by their places)."""

    def without_new(body: Any) -> Any:
        now, leased = core.clock.now(), enumerate(core.leases)
        seen = {one.ip for place, one in leased if place in at_once or one.at + seconds <= now}
        tasks = [
            {**task, "Data": [item for item in task["Data"] if item["IP"] in seen]} for task in body.get("TaskList", [])
        ]
        tasks = [{**task, "Num": len(task["Data"])} for task in tasks if task["Data"]]
        total = sum(task["Num"] for task in tasks)
        return {**body, "TaskList": tasks, "TaskNum": len(tasks), "TotalNum": total}

    core.alter("/query", without_new)


def list_as_of(core: Vendor, seconds: float) -> None:
    """List what was held so many seconds ago, the leases that are gone and all."""
    lists = dict[float, Answer]()

    def earlier(call: Call) -> Answer:
        now = core.clock.now()
        lists.setdefault(now, call.carry_out())
        old = [seen for at, seen in lists.items() if at <= now - seconds]
        return old[-1] if old else lists[min(lists)]

    core.around("/query", earlier)


def without(data: Any, drop: list[int]) -> Any:
    """Return the data of a list without the leases with these numbers, and with the right numbers of the others."""
    numbers = itertools.count()

    def is_kept(item: Any) -> bool:
        is_lease = isinstance(item, dict) and ("server" in item or "IP" in item)
        return not is_lease or next(numbers) not in drop

    def kept(value: Any) -> Any:
        if isinstance(value, list):
            return [kept(item) for item in value if is_kept(item)]
        if not isinstance(value, dict):
            return value
        found = {name: kept(item) for name, item in value.items()}
        for name, total in (("TaskList", "TaskNum"), ("Data", "Num"), ("ips", "num")):
            if isinstance(found.get(name), list) and total in found:
                found[total] = len(found[name])
        if isinstance(found.get("TaskList"), list) and "TotalNum" in found:
            found["TotalNum"] = sum(len(task["Data"]) for task in found["TaskList"])
        return found

    return kept(data)

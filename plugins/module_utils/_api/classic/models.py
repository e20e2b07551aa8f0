# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models of the classic API's responses.

Shapes and quirks: vendor docs 178 to 181.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..areas import Area
from ..leases import PROVIDERS, Lease, Quota
from ..parsing import (
    ResponseShapeError,
    as_int,
    as_text,
    check_count,
    integer,
    objects,
    parse_vendor_time,
    required_text,
    texts_or_none,
)


def quota(body: Mapping[str, Any]) -> Quota:
    """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
    total, available, used = (as_int(body.get(name), name) for name in ("Total", "Available", "Used"))
    return Quota(total, available, used, body)


def task_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases of one task: ``{"TaskID": "...", "Num": 2, "Data": [...]}``."""
    task_id = body.get("TaskID")
    named = str(task_id) if task_id is not None else ""
    return [Lease.from_item(item, named) for item in objects(body.get("Data"), "Data")]


def new_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases in the response to an allocation; refuse a success without leases or without their task."""
    leases = task_leases(body)
    if not leases or not leases[0].task_id:
        raise ResponseShapeError("it reports success, but names no leases")
    check_count(body, "Num", len(leases), "leases")
    return leases


def all_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases of all tasks: ``{"TaskNum": 1, "TotalNum": 2, "TaskList": [{"TaskID": "...", ...}]}``.

    An empty list may be null or missing.
    """
    tasks, leases = objects(body.get("TaskList"), "TaskList"), list[Lease]()
    for task in tasks:
        found = task_leases(task)
        if not isinstance(task.get("Data"), list) and integer(task.get("Num")) != 0:
            raise ResponseShapeError("a task in TaskList lists no leases")
        check_count(task, "Num", len(found), "leases")
        leases += found
    check_count(body, "TaskNum", len(tasks), "tasks")
    for name in ("TotalNum", "Num"):
        check_count(body, name, len(leases), "leases")
    return leases


def all_leases_or_none(body: Mapping[str, Any]) -> list[Lease] | None:
    """Return the leases of all tasks; None if the response has neither a list nor a count.

    Many servers write an empty list in this way.
    """
    says_nothing = all(body.get(name) is None for name in ("TaskList", "TaskNum", "TotalNum", "Num"))
    return None if says_nothing else all_leases(body)


def areas(body: Mapping[str, Any]) -> list[Area]:
    """Return the areas in ``Data``."""
    return [Area.from_item(item) for item in objects(body.get("Data"), "Data")]


#: The prefixes of the vendor's words for the state of a monopoly, and the state in results.
STATES = {"在线": "online", "离线": "offline", "重拨": "redialling", "排队": "queued"}


@dataclass(frozen=True)
class Monopoly:
    """One exclusive-occupancy resource (vendor's page on monopolies).

    ``state`` is one of the values of :data:`STATES`, or an unknown word of the vendor. ``server`` is None unless it is
    online. ``since`` is the time of its application, ``dialled`` that of its last new address.
    """

    uuid: str
    area: str | None
    isp: str | None
    state: str
    server: str | None
    since: datetime.datetime | None
    dialled: datetime.datetime | None
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Monopoly:
        """Read ``{"uuid": "...", "area": "...", "isp": "...", "state": "...", "ip": "192.0.2.44:10800"}``."""
        word = as_text(item.get("state")) or ""
        state = next((name for prefix, name in STATES.items() if word.startswith(prefix)), word)
        return cls(
            uuid=required_text(item, "uuid", "a name"),
            area=as_text(item.get("area")),
            isp=PROVIDERS.get(str(item.get("isp")).strip().upper()),
            state=state,
            server=as_text(item.get("ip")) if state == "online" else None,
            since=parse_vendor_time(item.get("monopolize_time")),
            dialled=parse_vendor_time(item.get("last_dial_time")),
            vendor=item,
        )


def monopolies_or_none(body: Mapping[str, Any]) -> list[Monopoly] | None:
    """Return the resources in ``data``, which may not be missing; None if it is null."""
    if "data" not in body:
        raise ResponseShapeError("data is missing")
    if body["data"] is None:
        return None
    return [Monopoly.from_item(item) for item in objects(body.get("data"), "data")]


def idle_stock(body: Mapping[str, Any]) -> list[Any]:
    """Return the idle stock in ``data`` as received: its shape is not documented."""
    data = body.get("data")
    if not isinstance(data, list | None):
        raise ResponseShapeError("data is not a list")
    return data or []


def whitelist_entries(body: Mapping[str, Any]) -> list[str] | None:
    """Return the entries in ``Data``, a flat list; None if it is null or missing."""
    items = body.get("Data")
    if items is None:
        return None
    if not isinstance(items, list) or any(isinstance(item, list | dict) for item in items):
        raise ResponseShapeError("Data is not a list of addresses")
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


def whitelist_change(body: Mapping[str, Any], sent: Sequence[str]) -> frozenset[str]:
    """Return which of the ``sent`` addresses ``{"Code": 0, "Data": ["203.0.113.5"], "Num": 1}`` reports as changed.

    ``Data`` or ``Num`` may be missing. A success without either is one for all addresses.
    """
    data, number = body.get("Data"), integer(body.get("Num"))
    texts = [] if data is None else texts_or_none(data)
    if texts is None:
        raise ResponseShapeError("Data is not a list of addresses")
    if texts or number is None:
        return frozenset(sent if data is None else texts).intersection(sent)
    return frozenset(sent if number == len(sent) else ())

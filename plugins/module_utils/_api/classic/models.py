# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models of the classic API's responses.

Shapes and quirks: vendor docs 178 to 181.
"""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._core.addresses import canonical_ipv4
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


@dataclass(frozen=True)
class Entries:
    """The entries of the whitelist.

    ``spellings`` contains the texts of the entries for each address. ``unreadable`` are the texts of the entries that
    are not exactly one address. ``complete`` is False if the response contained no list.
    """

    spellings: Mapping[str, tuple[str, ...]]
    unreadable: tuple[str, ...]
    complete: bool


def whitelist_entries(body: Mapping[str, Any]) -> Entries:
    """Return the entries in ``Data``, a flat list or null; refuse entries that are lists or objects."""
    items = [] if body.get("Data") is None else body["Data"]
    if not isinstance(items, list) or any(isinstance(item, list | dict) for item in items):
        raise ResponseShapeError("Data is not a list of addresses")
    spellings: dict[str, dict[str, None]] = {}
    unreadable = []
    for item in items:
        ip = canonical_ipv4(item) if isinstance(item, str) else None
        if ip is None:
            unreadable.append(item if isinstance(item, str) else json.dumps(item))
        else:
            spellings.setdefault(ip, {})[item] = None
    texts = {ip: tuple(own) for ip, own in spellings.items()}
    return Entries(texts, tuple(unreadable), complete=body.get("Data") is not None)


@dataclass(frozen=True)
class ReportedChange:
    """What the response to a change of the whitelist reports.

    ``ips`` were changed. If ``unclear``, the response does not show which of the other addresses were changed.
    """

    ips: frozenset[str]
    unclear: bool = False


def whitelist_change(body: Mapping[str, Any], sent: Mapping[str, Sequence[str]]) -> ReportedChange:
    """Read ``{"Code": 0, "Data": ["203.0.113.5"], "Num": 1}``; ``Data`` or ``Num`` may be missing.

    ``sent`` contains the texts that were sent for each address. An address counts as changed if the response contains
    each of its texts, or if it contains no text and ``Num`` is the number of all texts.
    """
    data = body.get("Data")
    texts = [] if data is None else texts_or_none(data)
    if texts is None:
        raise ResponseShapeError("Data is not a list of addresses")
    if texts:
        named = Counter(canonical_ipv4(text) for text in texts)
        return ReportedChange(frozenset(ip for ip, own in sent.items() if named[ip] >= len(own)))
    number, asked = integer(body.get("Num")), sum(map(len, sent.values()))
    if number is None:
        return ReportedChange(frozenset(), unclear=data is None)
    return ReportedChange(frozenset(sent if number == asked else ()), unclear=number not in (0, asked))

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shapes of the data in responses, for each call its reader.

They depend on the product, and on the year in which it was bought: vendor docs 175, 178 to 181, 1839, 1861, 1863 and
2255, and public clients. An unknown shape is refused: it may be held leases, which would be bought again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .leases import Area, Lease, Quota
from .parsing import ResponseShapeError, as_int, check_count, integer, objects, texts_or_none

Body = Mapping[str, Any]


def held(body: Body) -> list[Lease] | None:
    """Read ``{"TaskNum": 1, "TotalNum": 2, "TaskList": [{"TaskID": "...", "Num": 2, "Data": [...]}]}``.

    Without a list and a count, it says nothing: many servers write an empty list in this way.
    """
    if all(body.get(name) is None for name in ("TaskList", "TaskNum", "TotalNum", "Num")):
        return None
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


def new(body: Body) -> list[Lease]:
    """Return the leases in the response to an allocation; refuse a success without leases or without their task."""
    leases = task_leases(body)
    if not leases or not leases[0].task_id:
        raise ResponseShapeError("it reports success, but names no leases")
    check_count(body, "Num", len(leases), "leases")
    return leases


def task_leases(body: Body) -> list[Lease]:
    """Return the leases of one task: ``{"TaskID": "...", "Num": 2, "Data": [...]}``."""
    return [Lease.from_item(item, _name(body.get("TaskID"))) for item in objects(body.get("Data"), "Data")]


def released(body: Body, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports as released: all if it does not name any."""
    named = texts_or_none(body.get("Data"))
    return [lease for lease in leases if named is None or lease.ip in named]


def areas(body: Body) -> list[Area]:
    """Return the areas in ``Data``."""
    return [Area.from_item(item) for item in objects(body.get("Data"), "Data")]


def quota(body: Body) -> Quota:
    """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
    total, available, used = (as_int(body.get(name), name) for name in ("Total", "Available", "Used"))
    return Quota(total, available, used, body)


def product_held(data: object) -> list[Lease] | None:
    """Return the leases in ``data`` of a product host, in any of these shapes; None for null or an empty object::

    {"task_id": "...", "num": 1, "ips": [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", ...}]}
    [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", "task_id": "...", ...}]
    [{"server": "tunpool-demo1.qg.net:19702", "area": "110100"}]
    {"tasks": [{"task_id": "...", "ips": [...]}]} or {"tasks": {"TASK": [...]}}

    A lone lease is an object with ``server``.
    """
    return None if data in (None, {}) else [Lease.from_item(item, task_id) for item, task_id in _items(data, "")]


def product_new(data: object) -> list[Lease]:
    """Return the leases in the response to an extraction; refuse a success without leases."""
    if found := product_held(data):
        return found
    raise ResponseShapeError("it reports success, but names no leases")


def product_released(data: object, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports as released by their number; none if that is too low."""
    number = integer(data)
    return list(leases) if number is None or number >= len(leases) else []


def product_areas(data: object) -> list[Area]:
    """Read ``[{"area": "...", "area_code": 350500, "isp": "...", "isp_code": 1, "available": true}]``."""
    return [Area.from_item(item) for item in objects(data, "data")]


def product_quota(data: object) -> Quota:
    """Read ``{"total": 10, "idle": 5}``: the channels of a plan by channels."""
    fields = _fields(data)
    total, idle = as_int(fields.get("total"), "total"), as_int(fields.get("idle"), "idle")
    return Quota(total=total, available=idle, used=total - idle, vendor=fields)


def balance(data: object) -> Quota:
    """Read ``{"balance": 950}``: the addresses that a plan by volume may still extract."""
    left = as_int(_fields(data).get("balance"), "balance")
    return Quota(left, left, 0, {"balance": left}, balance=left)


def _items(data: object, task_id: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each lease as the vendor wrote it, with its task, which may be empty."""
    if isinstance(data, list):
        for entry in data:
            if not isinstance(entry, dict):
                raise ResponseShapeError("data holds something else than objects")
            yield from _items(entry, task_id)
    elif isinstance(data, dict):
        task_id = _name(data.get("task_id")) or task_id
        if "server" in data:
            yield data, task_id
        elif "ips" in data:
            if not isinstance(data["ips"], list):
                raise ResponseShapeError("ips is not a list")
            items = list(_items(data["ips"], task_id))
            check_count(data, "num", len(items), "leases")
            yield from items
        elif isinstance(data.get("tasks"), dict):
            for name, entry in data["tasks"].items():
                yield from _items(entry, name)
        elif "tasks" in data:
            yield from _items(data["tasks"], task_id)
        elif data.get("num") is None or as_int(data["num"], "num"):
            raise ResponseShapeError("an object in data holds no leases")
    else:
        raise ResponseShapeError("data is not a list of leases")


def _name(value: object) -> str:
    return "" if value is None else str(value).strip()


def _fields(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ResponseShapeError("data is not an object")
    return data

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models of the product hosts' responses.

The shapes of a response depend on the product and on the year in which it was bought: vendor docs 1839, 1861, 1863 and
2255, and public clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..areas import Area
from ..leases import Lease, Quota
from ..parsing import ResponseShapeError, as_int, check_count, objects


def leases(data: object) -> list[Lease]:
    """Return the leases in ``data``, in any of these shapes::

    {"task_id": "...", "num": 1, "ips": [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", ...}]}
    [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", "task_id": "...", ...}]
    [{"server": "tunpool-demo1.qg.net:19702", "area": "110100"}]
    {"tasks": [{"task_id": "...", "ips": [...]}]} or {"tasks": {"TASK": [...]}}

    A lone lease is an object with ``server``. Null means none, and so does an empty object in place of the list.
    """
    return [] if data in (None, {}) else [Lease.from_item(item, task_id) for item, task_id in _items(data, "")]


def leases_or_none(data: object) -> list[Lease] | None:
    """Return the leases in ``data``, or None if that is null or an empty object."""
    return None if data in (None, {}) else leases(data)


def new_leases(data: object) -> list[Lease]:
    """Return the leases in the response to an extraction; refuse a success without leases."""
    found = leases(data)
    if not found:
        raise ResponseShapeError("it reports success, but names no leases")
    return found


def _items(data: object, task_id: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each lease as the vendor wrote it, with its task, which may be empty.

    Refuse any value that is neither a lease nor a list of leases: it may be held leases in an unknown shape.
    """
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
            yield from _complete(data, task_id)
        elif isinstance(data.get("tasks"), dict):
            for name, entry in data["tasks"].items():
                yield from _items(entry, name)
        elif "tasks" in data:
            yield from _items(data["tasks"], task_id)
        elif data.get("num") is None or as_int(data["num"], "num"):
            raise ResponseShapeError("an object in data holds no leases")
    else:
        raise ResponseShapeError("data is not a list of leases")


def _complete(task: Mapping[str, Any], task_id: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the leases of a task."""
    if not isinstance(task["ips"], list):
        raise ResponseShapeError("ips is not a list")
    items = list(_items(task["ips"], task_id))
    check_count(task, "num", len(items), "leases")
    yield from items


def _name(value: object) -> str:
    return "" if value is None else str(value).strip()


def areas(data: object) -> list[Area]:
    """Read ``[{"area": "...", "area_code": 350500, "isp": "...", "isp_code": 1, "available": true}]``."""
    return [Area.from_item(item) for item in objects(data, "data")]


def channels(data: object) -> Quota:
    """Read ``{"total": 10, "idle": 5}``: the channels of a plan by channels."""
    fields = _fields(data)
    total, idle = as_int(fields.get("total"), "total"), as_int(fields.get("idle"), "idle")
    return Quota(total=total, available=idle, used=total - idle, vendor=fields)


def balance(data: object) -> int:
    """Read ``{"balance": 950}``: the addresses that a plan by volume may still extract."""
    return as_int(_fields(data).get("balance"), "balance")


def released(data: object) -> int | None:
    """Return the number of released leases; None if the response has none."""
    try:
        return as_int(data, "data")
    except ResponseShapeError:
        return None


def _fields(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ResponseShapeError("data is not an object")
    return data

# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hosts of the products take and send for leases: the parameters of a purchase, and the
readers of the data of responses.

The shapes of the data depend on the product, and on the year in which it was bought: vendor docs
1839, 1861, 1863 and 2255, and public clients. An unknown shape is refused: it may be held leases,
which would be bought again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .leases import ISP_NUMBERS, Area, Lease, Quota, Terms
from .parsing import ResponseShapeError, as_int, check_count, integer, objects


def read_product_held(data: object) -> list[Lease] | None:
    """Return the leases in ``data`` of a product host, in any of these shapes.

    None for null or an empty object::

    {"task_id": "...", "num": 1, "ips": [{"proxy_ip": "192.0.2.30", "server": "...", ...}]}
    [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", "task_id": "...", ...}]
    [{"server": "tunpool-demo1.qg.net:19702", "area": "110100"}]
    {"tasks": [{"task_id": "...", "ips": [...]}]} or {"tasks": {"TASK": [...]}}

    A lone lease is an object with ``server``.
    """
    if data in (None, {}):
        return None
    return [Lease.from_item(item, task_id) for item, task_id in _items(data, "")]


def read_product_new(data: object) -> list[Lease]:
    """Return the leases in the response to an extraction; refuse a success without leases."""
    if leases := read_product_held(data):
        return leases
    raise ResponseShapeError("it reports success, but names no leases")


def read_product_released(data: object, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports by their number; none if that is too low."""
    number = integer(data)
    if number is not None and number < len(leases):
        return []
    return list(leases)


def read_product_areas(data: object) -> list[Area]:
    """Read ``[{"area": "...", "area_code": 350500, "isp": "...", "available": true}]``."""
    return [Area.from_item(item) for item in objects(data, "data")]


def read_product_quota(data: object) -> Quota:
    """Read ``{"total": 10, "idle": 5}``: the channels of a plan by channels."""
    fields = _fields(data)
    total = as_int(fields.get("total"), "total")
    idle = as_int(fields.get("idle"), "idle")
    return Quota(total=total, available=idle, used=total - idle, vendor=fields)


def read_balance(data: object) -> Quota:
    """Read ``{"balance": 950}``: the addresses that a plan by volume may still extract."""
    balance = as_int(_fields(data).get("balance"), "balance")
    return Quota(balance, balance, 0, {"balance": balance}, balance=balance)


def product_order(number: int, terms: Terms) -> dict[str, object]:
    """Return the parameters of a call of a product host for new leases."""
    return {
        "num": number,
        "area": joined(terms.areas),
        "area_ex": joined(terms.exclude_areas),
        "isp": ISP_NUMBERS.get(terms.isp or ""),
        # The server then distinguishes a lease from every other one that is held.
        "distinct": "true",
        "keep_alive": terms.keep_alive,
        "pool": terms.pool,
    }


def _items(data: object, task_id: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each lease as QG.net wrote it, with its task, which may be empty."""
    if isinstance(data, list):
        for entry in data:
            if not isinstance(entry, dict):
                raise ResponseShapeError("data holds something else than objects")
            yield from _items(entry, task_id)
    elif isinstance(data, dict):
        task_id = task_name(data.get("task_id")) or task_id
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


def _fields(data: object) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ResponseShapeError("data is not an object")
    return data


def task_name(value: object) -> str:
    """Return the name of a task, which may be empty."""
    return "" if value is None else str(value).strip()


def joined(areas: Sequence[str]) -> str | None:
    """Return codes of areas as a parameter; None without any."""
    return ",".join(areas) or None

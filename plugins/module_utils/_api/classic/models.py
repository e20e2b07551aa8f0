# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models of the classic API's responses.

This file is private to the collection. Shapes and quirks: vendor docs 178 to 181.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..parsing import (
    ResponseShapeError,
    as_int,
    as_text,
    integer,
    objects,
    parse_vendor_time,
    required_text,
    texts_or_none,
)


@dataclass(frozen=True)
class Quota:
    """Channels of a plan (vendor doc 181): numbers of channels, and the response as received."""

    total: int
    available: int
    used: int
    vendor: Mapping[str, Any]

    @classmethod
    def from_answer(cls, body: Mapping[str, Any]) -> Quota:
        """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
        total, available, used = (as_int(body.get(name), name) for name in ("Total", "Available", "Used"))
        return cls(total, available, used, body)

    def described(self) -> dict[str, int]:
        """Return the numbers for results and failures."""
        return {"total": self.total, "available": self.available, "used": self.used}


#: The end of the vendor's name of a region, and the name of the provider in options.
PROVIDERS = {"电信": "telecom", "移动": "mobile", "联通": "unicom", "BGP": "bgp"}
#: The vendor's numbers for the providers.
ISP_NUMBERS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}


@dataclass(frozen=True)
class AllocationParams:
    """What new leases are requested with; ``keep_alive`` in minutes."""

    keep_alive: int | None = None
    area_id: int | None = None
    isp: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Lease:
    """One leased proxy (vendor docs 174, 175).

    ``ip`` is the exit; ``server`` (``host:port``) is the address to connect to, which differs in the enterprise pool.
    ``deadline`` is as the vendor wrote it; ``expires`` is the same time, or None if it cannot be read.
    """

    ip: str
    port: int
    server: str
    deadline: str | None
    expires: datetime.datetime | None
    region: str | None
    task_id: str
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any], task_id: str) -> Lease:
        """Read ``{"IP": "192.0.2.10", "port": "21504", "deadline": "...", "host": "192.0.2.10:21504"}``."""
        port, ip = as_int(item.get("port"), "port"), required_text(item, "IP", "an address")
        deadline = as_text(item.get("deadline"))
        return cls(
            ip=ip,
            port=port,
            server=as_text(item.get("host")) or f"{ip}:{port}",
            deadline=deadline,
            expires=parse_vendor_time(deadline),
            region=as_text(item.get("region")),
            task_id=task_id,
            vendor=item,
        )

    @property
    def identity(self) -> tuple[str, str, str]:
        """What distinguishes the lease from every other one."""
        return self.task_id, self.ip, self.server

    @property
    def name(self) -> str:
        return json.dumps(self.identity)

    @property
    def isp(self) -> str | None:
        """The provider at the end of the region."""
        ends = (name for sign, name in PROVIDERS.items() if (self.region or "").upper().endswith(sign))
        return next(ends, None)

    def remaining(self, now: float) -> float | None:
        """Return the remaining seconds; None if the deadline cannot be read."""
        return None if self.expires is None else self.expires.timestamp() - now

    def described(self, now: float) -> dict[str, Any]:
        """Return the lease for results and events, with the remaining time in whole seconds, at least 0."""
        remaining = self.remaining(now)
        return {
            "ip": self.ip,
            "port": self.port,
            "server": self.server,
            "deadline": self.deadline,
            "expires_at": self.expires.isoformat() if self.expires else None,
            "remaining_seconds": None if remaining is None else max(0, int(remaining)),
            "region": self.region,
            "isp": self.isp,
            "task_id": self.task_id or None,
        }


def oldest_first(leases: Iterable[Lease]) -> list[Lease]:
    """Sort leases by deadline; those without a readable deadline come last."""

    def rank(lease: Lease) -> tuple[float, tuple[str, str, str]]:
        return (lease.expires.timestamp() if lease.expires else math.inf, lease.identity)

    return sorted(leases, key=rank)


def task_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases of one task: ``{"TaskID": "...", "Data": [...]}``."""
    task_id = body.get("TaskID")
    named = str(task_id) if task_id is not None else ""
    return [Lease.from_item(item, named) for item in objects(body.get("Data"), "Data")]


def new_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases in the response to an allocation; a success without leases or without their task is refused."""
    leases = task_leases(body)
    if not leases or not leases[0].task_id:
        raise ResponseShapeError("it reports success, but names no leases")
    return leases


def released_addresses(body: Mapping[str, Any]) -> list[str] | None:
    """Return the addresses in the response to a release; None if it reports only a success."""
    return texts_or_none(body.get("Data"))


def all_leases(body: Mapping[str, Any]) -> list[Lease]:
    """Return the leases of all tasks: ``{"TaskList": [{"TaskID": "...", "Data": [...]}]}``."""
    leases = [lease for task in objects(body.get("TaskList"), "TaskList") for lease in task_leases(task)]
    # An empty list may be null or missing. It counts only if TotalNum agrees, since mistaking a full list for an empty
    # one would buy all leases again.
    total = body.get("TotalNum")
    if total is not None and as_int(total, "TotalNum") > len(leases):
        raise ResponseShapeError(f"TotalNum is {total}, but {len(leases)} leases are listed")
    return leases


@dataclass(frozen=True)
class Area:
    """One row of the vendor's list of areas (vendor doc 177), whose shape is not documented.

    Each field is the value of a key with a similar name, or None; ``vendor`` is the row as received.
    """

    area_id: int | None
    name: str | None
    isp: str | None
    available: bool | None
    vendor: Mapping[str, Any]

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Area:
        """Read the known fields of a row."""
        fields = {name.replace("_", "").lower(): value for name, value in item.items()}

        def number(*names: str) -> int | None:
            found = (integer(fields.get(name)) for name in names)
            return next((value for value in found if value is not None and value >= 0), None)

        status = number("status", "available")
        name = next((fields[name] for name in ("areaname", "area", "name") if isinstance(fields.get(name), str)), None)
        isp = fields.get("isp")
        by_number = {str(number): known for known, number in ISP_NUMBERS.items()}
        return cls(
            area_id=number("areaid", "areacode", "areano"),
            name=name,
            isp=by_number.get(str(isp)) or PROVIDERS.get(str(isp).upper()),
            available=None if status is None else status > 0,
            vendor=item,
        )


def areas(body: Mapping[str, Any]) -> list[Area]:
    return [Area.from_item(item) for item in objects(body.get("Data"), "Data")]


#: The beginnings of the vendor's words for the state of a monopoly, and the state in results.
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
        state = next((name for sign, name in STATES.items() if word.startswith(sign)), word)
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


def monopolies(body: Mapping[str, Any]) -> list[Monopoly]:
    """Return the resources in ``data``, which every success has, but which may be null."""
    if "data" not in body:
        raise ResponseShapeError("data is missing")
    return [Monopoly.from_item(item) for item in objects(body.get("data"), "data")]


def released_monopolies(body: Mapping[str, Any]) -> list[str] | None:
    """Return the names of released resources in ``data``; None if the response has no list of names."""
    return texts_or_none(body.get("data"))


def idle_stock(body: Mapping[str, Any]) -> list[Any]:
    """Return the idle stock in ``data`` as received: its shape is not documented."""
    data = body.get("data")
    if not isinstance(data, list | None):
        raise ResponseShapeError("data is not a list")
    return data or []


def addresses(body: Mapping[str, Any]) -> list[str]:
    """Return the addresses in ``Data``: a flat list of text, or null."""
    found = [] if body.get("Data") is None else texts_or_none(body["Data"])
    if found is None:
        raise ResponseShapeError("Data is not a list of addresses")
    return found

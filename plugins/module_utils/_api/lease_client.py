# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of one key, through the API of its product: the calls, and for each of them the reader
of its data.

The shapes of the data depend on the product, and on the year in which it was bought: vendor docs
175, 178 to 181, 1839, 1861, 1863 and 2255, and public clients. An unknown shape is refused: it may
be held leases, which would be bought again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._core.errors import OF_OTHER_PRODUCT, CallError, QgError, Reason
from .._core.text import without_secrets
from .._store.facts import AREAS, CHANNELS, PRODUCT
from .._store.store import after_the_call
from . import calls
from .calls import CLASSIC, PRODUCTS
from .key import KeyCaller
from .leases import ISP_NUMBERS, Area, Lease, NamedArea, Quota, Terms
from .model import Call, Sending
from .parsing import (
    ResponseShapeError,
    as_int,
    check_count,
    check_unique,
    integer,
    objects,
    texts_or_none,
)
from .repeated import check_names, has_secret, masked

Body = Mapping[str, Any]
#: The names of parameters: of the classic API and of product hosts; None if an API does not have
#: it.
_NAMES = {
    "number": ("Num", "num"),
    "areas": ("AreaId", "area"),
    "exclude_areas": (None, "area_ex"),
    "isp": ("Isp", "isp"),
    "distinct": ("Distinct", "distinct"),
    "keep_alive": ("KeepAlive", "keep_alive"),
    "pool": (None, "pool"),
    "detail": ("Detail", None),
    "tasks": ("TaskID", "task"),
    "ips": ("IP", "ip"),
    "available": ("Status", None),
}
#: The refusals of a quota that a plan does not have.
_NO_QUOTA = frozenset({Reason.PERMISSION, Reason.PARAMETER})


class Leases:
    """The calls for the leases of one key.

    A method raises CallError if the vendor refuses or there is no usable response, and
    WaitBudgetExceeded if the wait for the rate limit exceeds the budget.
    """

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller
        self.product = caller.product
        self.calls = PRODUCTS[caller.product]
        self._is_classic = caller.product == CLASSIC
        #: Whether this run has found out that the plan is billed by volume, and has no channels.
        self._is_by_volume = False

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains.

        Raises CallError if this API does not serve the key.
        """
        self.caller.call(self.calls.query, {}, lambda _data: None)

    def leases(self) -> list[Lease] | None:
        """Return the vendor's list of the leases of the key; None if it says nothing."""
        read = read_held if self._is_classic else read_product_held

        def read_masked(data: Any) -> list[Lease] | None:
            listed = read(data)
            return None if listed is None else self._masked(listed)

        try:
            return self.caller.call(self.calls.query, self._named(detail=1), read_masked)
        except CallError as error:
            if error.reason in OF_OTHER_PRODUCT and self.caller.facts.get(PRODUCT) is not None:
                with after_the_call():
                    self.caller.facts.forget(PRODUCT)
            raise

    def allocate(
        self, number: int, terms: Terms, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        return self._new_leases(self.calls.allocate, number, terms, sending)

    def replace(
        self, number: int, terms: Terms, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        return self._new_leases(_offered(self.calls.replace), number, terms, sending)

    def _new_leases(self, call: Call, number: int, terms: Terms, sending: Sending) -> list[Lease]:
        distinct: object = None
        # The server then distinguishes a lease of a product host from every other one that is held.
        if terms.distinct or not self._is_classic:
            distinct = 1 if self._is_classic else "true"
        parameters = self._named(
            number=number,
            areas=",".join(terms.areas) or None,
            exclude_areas=",".join(terms.exclude_areas) or None,
            isp=ISP_NUMBERS.get(terms.isp or ""),
            distinct=distinct,
            keep_alive=terms.keep_alive,
            pool=terms.pool,
            detail=1,
        )
        read = read_new if self._is_classic else read_product_new
        return self.caller.call(call, parameters, lambda data: self._masked(read(data)), sending)

    def release(
        self,
        leases: Sequence[Lease],
        *,
        by_task: bool = False,
        sending: Sending = contextlib.nullcontext,
    ) -> list[Lease]:
        """Release leases, specified by their addresses or by their tasks.

        Returns those reported as released.

        If the result is incomplete, the caller must read the list.
        """
        names = dict.fromkeys(lease.task_id if by_task else lease.ip for lease in leases)
        call = _offered(self.calls.release)
        if not all(names):
            text = "The vendor's list does not name what would be released, so nothing is."
            raise QgError(text, endpoint=call.name)
        read = read_released if self._is_classic else read_product_released
        parameters = self._named(**{"tasks" if by_task else "ips": ",".join(names)})
        # The classic API limits the number of addresses in addition to the number of calls.
        is_limited = self._is_classic and leases
        with (
            self.caller.slot(calls.RELEASED_ADDRESSES, len(leases))
            if is_limited
            else contextlib.nullcontext()
        ):
            return self.caller.call(call, parameters, lambda data: read(data, leases), sending)

    def release_batch(self) -> int:
        """Return how many addresses may be released in one minute: that of the classic API, as it
        is documented.
        """
        return calls.RELEASED_ADDRESSES.limit(self.caller.channels)

    def quota(self) -> Quota:
        """Return the channels, or the remaining addresses of a plan by volume.

        Raises CallError if it shows neither.
        """
        read = read_quota if self._is_classic else read_product_quota
        try:
            if not self._is_by_volume:
                quota = self.caller.call(_offered(self.calls.quota), {}, read)
                self.caller.host_facts.save(CHANNELS, str(quota.total))
                return quota
        except CallError as error:
            if error.reason not in _NO_QUOTA or self.calls.balance is None:
                raise
        quota = self.caller.call(_offered(self.calls.balance), {}, read_balance)
        self._is_by_volume = True
        return quota

    def lease_quota(self) -> Quota | None:
        """Return the quota; None if the product or the plan shows none."""
        try:
            return self.quota() if self.calls.quota else None
        except CallError as error:
            if error.reason not in _NO_QUOTA:
                raise
        return None

    def pool(
        self,
        number: int | None,
        *,
        areas: Sequence[str] = (),
        isp: str | None = None,
        pool: int | None = None,
    ) -> list[Lease]:
        """Return addresses of the shared pool of the classic API, which take no channel."""
        place = {"AreaId": ",".join(areas) or None, "ISP": ISP_NUMBERS.get(isp or "")}
        return self.caller.call(
            calls.EXTRACT, {"Num": number, **place, "Pool": pool, "Detail": 1}, read_task
        )

    def areas(self, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        if not self._is_classic:
            listed = self.caller.call(self.calls.areas, {}, read_product_areas)
            return [
                area
                for area in listed
                if isp in (None, area.isp) and available in (None, area.available)
            ]
        status = None if available is None else int(available)
        parameters = self._named(isp=ISP_NUMBERS.get(isp or ""), available=status)
        return self.caller.call(self.calls.areas, parameters, read_areas)

    def named_areas(self) -> list[NamedArea]:
        """Return the areas that have a code, as the vendor listed them within the last hour."""
        facts = self.caller.host_facts
        if (known := facts.get(AREAS)) is not None:
            return [(str(code), name) for code, name in json.loads(known)]
        found = {(area.code, area.name) for area in self.areas() if area.code}
        kept = [area for area in found if not has_secret([*area], self.caller.secrets)]
        listed = sorted(kept, key=lambda area: (area[0], area[1] or ""))
        facts.save(AREAS, json.dumps(listed))
        return listed

    def _named(self, **values: object) -> dict[str, object]:
        """Return parameters with the names of this API; without those that it lacks."""
        found = {
            _NAMES[name][0 if self._is_classic else 1]: value for name, value in values.items()
        }
        return {name: value for name, value in found.items() if name}

    def _masked(self, leases: Iterable[Lease]) -> list[Lease]:
        """Return leases without secrets: the store will contain them.

        Raises ResponseShapeError for one in a name.
        """
        secrets = self.caller.secrets
        kept = []
        for lease in leases:
            shown = Lease.from_item(
                masked(lease.vendor, secrets), without_secrets(lease.task_id, secrets)
            )
            check_names(lease.names, shown.names)
            kept.append(shown)
        # Two that are taken for one would be too few, and be bought again.
        check_unique([lease.name for lease in kept], "lease")
        return kept


def _offered(call: Call | None) -> Call:
    if call is None:
        raise AssertionError("the features of the product exclude this call")
    return call


def read_held(body: Body) -> list[Lease] | None:
    """Read ``{"TaskNum": 1, "TotalNum": 2, "TaskList": [{"TaskID": "...", "Num": 2, "Data":
    [...]}]}``.

    Without a list and a count, it says nothing: many servers write an empty list in this way.
    """
    if all(body.get(name) is None for name in ("TaskList", "TaskNum", "TotalNum", "Num")):
        return None
    tasks = objects(body.get("TaskList"), "TaskList")
    leases = list[Lease]()
    for task in tasks:
        found = read_task(task)
        if not isinstance(task.get("Data"), list) and integer(task.get("Num")) != 0:
            raise ResponseShapeError("a task in TaskList lists no leases")
        check_count(task, "Num", len(found), "leases")
        leases += found
    check_count(body, "TaskNum", len(tasks), "tasks")
    for name in ("TotalNum", "Num"):
        check_count(body, name, len(leases), "leases")
    return leases


def read_new(body: Body) -> list[Lease]:
    """Return the leases in the response to an allocation.

    Refuse a success without leases or without their task.
    """
    leases = read_task(body)
    if not leases or not leases[0].task_id:
        raise ResponseShapeError("it reports success, but names no leases")
    check_count(body, "Num", len(leases), "leases")
    return leases


def read_task(body: Body) -> list[Lease]:
    """Return the leases of one task: ``{"TaskID": "...", "Num": 2, "Data": [...]}``."""
    return [
        Lease.from_item(item, _name(body.get("TaskID")))
        for item in objects(body.get("Data"), "Data")
    ]


def read_released(body: Body, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports as released: all if it does not name any."""
    named = texts_or_none(body.get("Data"))
    return [lease for lease in leases if named is None or lease.ip in named]


def read_areas(body: Body) -> list[Area]:
    """Return the areas in ``Data``."""
    return [Area.from_item(item) for item in objects(body.get("Data"), "Data")]


def read_quota(body: Body) -> Quota:
    """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
    total, available, used = (
        as_int(body.get(name), name) for name in ("Total", "Available", "Used")
    )
    return Quota(total, available, used, body)


def read_product_held(data: object) -> list[Lease] | None:
    """Return the leases in ``data`` of a product host, in any of these shapes.

    None for null or an empty object::

    {"task_id": "...", "num": 1, "ips": [{"proxy_ip": "192.0.2.30", "server": "...", ...}]}
    [{"proxy_ip": "192.0.2.30", "server": "192.0.2.30:22294", "task_id": "...", ...}]
    [{"server": "tunpool-demo1.qg.net:19702", "area": "110100"}]
    {"tasks": [{"task_id": "...", "ips": [...]}]} or {"tasks": {"TASK": [...]}}

    A lone lease is an object with ``server``.
    """
    return (
        None
        if data in (None, {})
        else [Lease.from_item(item, task_id) for item, task_id in _items(data, "")]
    )


def read_product_new(data: object) -> list[Lease]:
    """Return the leases in the response to an extraction; refuse a success without leases."""
    if found := read_product_held(data):
        return found
    raise ResponseShapeError("it reports success, but names no leases")


def read_product_released(data: object, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports as released by their number; none if that is too
    low.
    """
    number = integer(data)
    return list(leases) if number is None or number >= len(leases) else []


def read_product_areas(data: object) -> list[Area]:
    """Read ``[{"area": "...", "area_code": 350500, "isp": "...", "isp_code": 1, "available":
    true}]``.
    """
    return [Area.from_item(item) for item in objects(data, "data")]


def read_product_quota(data: object) -> Quota:
    """Read ``{"total": 10, "idle": 5}``: the channels of a plan by channels."""
    fields = _fields(data)
    total = as_int(fields.get("total"), "total")
    idle = as_int(fields.get("idle"), "idle")
    return Quota(total=total, available=idle, used=total - idle, vendor=fields)


def read_balance(data: object) -> Quota:
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

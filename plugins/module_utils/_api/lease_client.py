# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of one key, through the API of its product: the calls, and for the classic one the
readers of their data (vendor docs 175 and 178 to 181).

:mod:`.product_shapes` has those of the products. An unknown shape is refused.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OF_OTHER_PRODUCT, CallError, QgError, Reason
from .._core.text import without_secrets
from .._store.facts import AREAS, CHANNELS, PRODUCT
from .._store.store import after_the_call
from . import calls
from .calls import CLASSIC, PRODUCTS
from .exchange import Call, Sending
from .key import KeyCaller
from .leases import ISP_NUMBERS, Area, Lease, NamedArea, Quota, Terms
from .parsing import (
    ResponseShapeError,
    as_int,
    check_count,
    check_names,
    check_unique,
    has_secret,
    integer,
    masked,
    objects,
    texts_or_none,
)
from .product_shapes import (
    joined,
    product_order,
    read_balance,
    read_product_areas,
    read_product_held,
    read_product_new,
    read_product_quota,
    read_product_released,
    task_name,
)

Body = Mapping[str, Any]
#: The refusals of a quota that a plan does not have.
_NO_QUOTA = frozenset({Reason.PERMISSION, Reason.PARAMETER})


def _named_areas(text: str) -> list[NamedArea]:
    """Return the areas that :meth:`Leases.named_areas` has saved."""
    return [(str(code), name) for code, name in json.loads(text)]


class Leases:
    """The calls for the leases of one key.

    A method raises CallError if QG.net refuses or there is no usable response, and
    WaitBudgetExceeded if the wait for the rate limit exceeds the budget.
    """

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller
        self.product = caller.product
        self.calls = PRODUCTS[caller.product]
        self._shape = _CLASSIC if caller.product == CLASSIC else _PRODUCT
        #: Whether this run has found out that the plan is billed by volume, and has no channels.
        self._is_by_volume = False

    def is_usable(self, lease: Lease) -> bool:
        """Whether a program can use the server of a lease."""
        return lease.is_usable(self.caller.api_host)

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains.

        Raises CallError if this API does not serve the key.
        """
        self.caller.call(self.calls.query, {}, lambda _data: None)

    def leases(self) -> list[Lease] | None:
        """Return QG.net's list of the leases of the key; None if the response contains none."""

        def read(data: Any) -> list[Lease] | None:
            listed = self._shape.read_held(data)
            return None if listed is None else self._masked(listed)

        try:
            return self.caller.call(self.calls.query, self._shape.detail, read)
        except CallError as error:
            if error.reason in OF_OTHER_PRODUCT and self.caller.facts.get(PRODUCT) is not None:
                with after_the_call():
                    self.caller.facts.forget(PRODUCT)
            raise

    def allocate(self, number: int, terms: Terms, *, sending: Sending) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        return self._new_leases(self.calls.allocate, number, terms, sending)

    def replace(self, number: int, terms: Terms, *, sending: Sending) -> list[Lease]:
        """Replace N leases that QG.net chooses; returns the new ones."""
        return self._new_leases(_offered(self.calls.replace), number, terms, sending)

    def _new_leases(self, call: Call, number: int, terms: Terms, sending: Sending) -> list[Lease]:
        def read(data: Any) -> list[Lease]:
            return self._masked(self._shape.read_new(data))

        return self.caller.call(call, self._shape.order(number, terms), read, sending)

    def release(
        self,
        leases: Sequence[Lease],
        *,
        by_task: bool = False,
        sending: Sending,
    ) -> list[Lease]:
        """Release leases, named by their addresses or by their tasks.

        Returns those reported as released. If some are missing, the caller must read the list.
        """
        parameter = self._shape.ips
        names = dict.fromkeys(lease.ip for lease in leases)
        if by_task:
            parameter = self._shape.tasks
            names = dict.fromkeys(lease.task_id for lease in leases)
        call = _offered(self.calls.release)
        if not all(names):
            text = "QG.net's list does not name what would be released, so nothing was released."
            raise QgError(text, endpoint=call.name)

        def read(data: Any) -> list[Lease]:
            return self._shape.read_released(data, leases)

        with contextlib.ExitStack() as stack:
            # The classic API limits the number of addresses in addition to the number of calls.
            if self._shape is _CLASSIC and leases:
                stack.enter_context(self.caller.slot(calls.RELEASED_ADDRESSES, len(leases)))
            return self.caller.call(call, {parameter: ",".join(names)}, read, sending)

    def release_batch(self) -> int:
        """Return how many addresses may be released in a minute, as the classic API says."""
        return calls.RELEASED_ADDRESSES.limit(self.caller.channels)

    def quota(self) -> Quota:
        """Return the channels, or the remaining addresses of a plan by volume.

        Raises CallError if it shows neither.
        """
        if not self._is_by_volume:
            try:
                quota = self.caller.call(_offered(self.calls.quota), {}, self._shape.read_quota)
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
        if self.calls.quota is None:
            return None
        try:
            return self.quota()
        except CallError as error:
            if error.reason not in _NO_QUOTA:
                raise
        return None

    def pool(
        self,
        number: int | None,
        *,
        areas: Sequence[str],
        isp: str | None,
    ) -> list[Lease]:
        """Return addresses of the shared pool of the classic API, which take no channel."""
        parameters = {
            "Num": number,
            "AreaId": joined(areas),
            "ISP": ISP_NUMBERS.get(isp or ""),
            "Detail": 1,
        }
        return self.caller.call(calls.EXTRACT, parameters, read_task)

    def areas(self) -> list[Area]:
        """Return the areas that QG.net offers addresses in."""
        read = read_areas if self._shape is _CLASSIC else read_product_areas
        return self.caller.call(self.calls.areas, {}, read)

    def named_areas(self) -> list[NamedArea]:
        """Return the areas that have a code, as QG.net listed them within the last hour."""
        facts = self.caller.host_facts
        remembered = facts.read(AREAS, _named_areas)
        if remembered is not None:
            return remembered
        coded = {(area.code, area.name) for area in self.areas() if area.code}
        kept = [area for area in coded if not has_secret([*area], self.caller.secrets)]
        listed = sorted(kept, key=lambda area: (area[0], area[1] or ""))
        if listed:
            # An empty list may be a fault.
            facts.save(AREAS, json.dumps(listed))
        return listed

    def _masked(self, leases: Iterable[Lease]) -> list[Lease]:
        """Return leases without secrets, since the store will contain them.

        Raises ResponseShapeError if a name contains a secret.
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
        of_task = read_task(task)
        if not isinstance(task.get("Data"), list) and integer(task.get("Num")) != 0:
            raise ResponseShapeError("a task in TaskList lists no leases")
        check_count(task, "Num", len(of_task), "leases")
        leases += of_task
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
    task_id = task_name(body.get("TaskID"))
    return [Lease.from_item(item, task_id) for item in objects(body.get("Data"), "Data")]


def read_released(body: Body, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases that a release reports as released: all if it does not name any."""
    named = texts_or_none(body.get("Data"))
    return [lease for lease in leases if named is None or lease.ip in named]


def read_areas(body: Body) -> list[Area]:
    """Return the areas in ``Data``."""
    return [Area.from_item(item) for item in objects(body.get("Data"), "Data")]


def read_quota(body: Body) -> Quota:
    """Read ``{"Code": 0, "Total": 5, "Available": 3, "Used": 2}``."""
    return Quota(
        total=as_int(body.get("Total"), "Total"),
        available=as_int(body.get("Available"), "Available"),
        used=as_int(body.get("Used"), "Used"),
        vendor=body,
    )


def _classic_order(number: int, terms: Terms) -> dict[str, object]:
    """Return the parameters of a call of the classic API for new leases."""
    return {
        "Num": number,
        "AreaId": joined(terms.areas),
        "Isp": ISP_NUMBERS.get(terms.isp or ""),
        "Distinct": 1 if terms.distinct else None,
        "KeepAlive": terms.keep_alive,
        "Detail": 1,
    }


@dataclass(frozen=True)
class _Shape:
    """How an API wants its parameters, and what reads the data of its responses."""

    #: The parameters of a list, which is to show all that is known of a lease.
    detail: Mapping[str, object]
    order: Callable[[int, Terms], dict[str, object]]
    #: The parameters of a release.
    tasks: str
    ips: str
    read_held: Callable[[Any], list[Lease] | None]
    read_new: Callable[[Any], list[Lease]]
    read_released: Callable[[Any, Sequence[Lease]], list[Lease]]
    read_quota: Callable[[Any], Quota]


_CLASSIC = _Shape(
    detail={"Detail": 1},
    order=_classic_order,
    tasks="TaskID",
    ips="IP",
    read_held=read_held,
    read_new=read_new,
    read_released=read_released,
    read_quota=read_quota,
)
#: That of product hosts.
_PRODUCT = _Shape(
    detail={},
    order=product_order,
    tasks="task",
    ips="ip",
    read_held=read_product_held,
    read_new=read_product_new,
    read_released=read_product_released,
    read_quota=read_product_quota,
)

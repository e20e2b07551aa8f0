# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of one key, through the API of its product."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._core.errors import OF_OTHER_PRODUCT, CallError, Kind, QgError
from .._core.text import without_secrets
from .._store.facts import AREAS, CHANNELS, PRODUCT
from .._store.store import after_the_call
from . import calls, shapes
from .caller import Sending
from .calls import CLASSIC, PRODUCTS, Call
from .key import KeyCaller
from .leases import ISP_NUMBERS, AllocationParams, Area, Lease, NamedArea, Quota
from .responses import LEAVE_OUT, RUN_AGAIN

#: The names of parameters: of the classic API and of product hosts; None if an API does not have it.
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
_NO_QUOTA = frozenset({Kind.PERMISSION, Kind.PARAMETER})


class Leases:
    """The calls for the leases of one key.

    A method raises CallError if the vendor refuses or there is no usable response, and WaitBudgetExceeded if the wait
    for the rate limit exceeds the budget.
    """

    def __init__(self, caller: KeyCaller) -> None:
        self.caller = caller
        self.product = caller.product
        self.calls = PRODUCTS[caller.product]
        self._is_classic = caller.product == CLASSIC
        #: Whether this run has found out that the plan is billed by volume, and has no channels.
        self._is_by_volume = False

    def check_access(self) -> None:
        """Read the list of leases, whatever it contains; raises CallError if this API does not serve the key."""
        self.caller.call(self.calls.query, {}, lambda _data: None)

    def leases(self) -> list[Lease] | None:
        """Return the vendor's list of the leases of the key; None if it says nothing."""
        read = shapes.held if self._is_classic else shapes.product_held
        try:
            listed = self.caller.call(self.calls.query, self._named(detail=1), read)
        except CallError as error:
            if error.kind in OF_OTHER_PRODUCT and self.caller.facts.get(PRODUCT) is not None:
                error.message = error.message.replace(LEAVE_OUT, RUN_AGAIN)
                with after_the_call():
                    self.caller.facts.forget(PRODUCT)
            raise
        return None if listed is None else self._without_secrets(listed)

    def allocate(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Allocate up to 100 leases; returns them."""
        return self._new_leases(self.calls.allocate, number, params, sending)

    def replace(
        self, number: int, params: AllocationParams, *, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Replace N leases that the vendor chooses; returns the new ones."""
        return self._new_leases(_offered(self.calls.replace), number, params, sending)

    def _new_leases(self, call: Call, number: int, params: AllocationParams, sending: Sending) -> list[Lease]:
        # The server then distinguishes a lease of a product host from every other one that is held.
        is_distinct = params.distinct or not self._is_classic
        parameters = self._named(
            number=number,
            areas=",".join(params.areas) or None,
            exclude_areas=",".join(params.exclude_areas) or None,
            isp=ISP_NUMBERS.get(params.isp or ""),
            distinct=(1 if self._is_classic else "true") if is_distinct else None,
            keep_alive=params.keep_alive,
            pool=params.pool,
            detail=1,
        )
        found = self.caller.call(call, parameters, shapes.new if self._is_classic else shapes.product_new, sending)
        return self._without_secrets(found)

    def release(
        self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Release leases, specified by their addresses or by their tasks; returns those reported as released.

        If the result is incomplete, the caller must read the list.
        """
        names = dict.fromkeys(lease.task_id if by_task else lease.ip for lease in leases)
        call = _offered(self.calls.release)
        if not all(names):
            text = "The vendor's list does not name what would be released, so nothing is."
            raise QgError(text, endpoint=call.name)
        read = shapes.released if self._is_classic else shapes.product_released
        parameters = self._named(**{"tasks" if by_task else "ips": ",".join(names)})
        # The classic API limits the number of addresses in addition to the number of calls.
        is_limited = self._is_classic and leases
        with self.caller.slot(calls.RELEASED_ADDRESSES, len(leases)) if is_limited else contextlib.nullcontext():
            return self.caller.call(call, parameters, lambda data: read(data, leases), sending)

    def release_batch(self) -> int:
        """Return how many addresses may be released in one minute: that of the classic API, as it is documented."""
        return calls.RELEASED_ADDRESSES.limit(self.caller.channels)

    def quota(self) -> Quota:
        """Return the channels, or the remaining addresses of a plan by volume; raises CallError if it shows neither."""
        read = shapes.quota if self._is_classic else shapes.product_quota
        try:
            if not self._is_by_volume:
                quota = self.caller.call(_offered(self.calls.quota), {}, read)
                self.caller.host_facts.save(CHANNELS, str(quota.total))
                return quota
        except CallError as error:
            if error.kind not in _NO_QUOTA or self.calls.balance is None:
                raise
        quota = self.caller.call(_offered(self.calls.balance), {}, shapes.balance)
        self._is_by_volume = True
        return quota

    def lease_quota(self) -> Quota | None:
        """Return the quota; None if the product or the plan shows none."""
        try:
            return self.quota() if self.calls.quota else None
        except CallError as error:
            if error.kind not in _NO_QUOTA:
                raise
        return None

    def pool(
        self, number: int | None, *, areas: Sequence[str] = (), isp: str | None = None, pool: int | None = None
    ) -> list[Lease]:
        """Return addresses of the shared pool of the classic API, which take no channel."""
        place = {"AreaId": ",".join(areas) or None, "ISP": ISP_NUMBERS.get(isp or "")}
        return self.caller.call(calls.EXTRACT, {"Num": number, **place, "Pool": pool, "Detail": 1}, shapes.task_leases)

    def areas(self, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        if not self._is_classic:
            listed = self.caller.call(self.calls.areas, {}, shapes.product_areas)
            return [area for area in listed if isp in (None, area.isp) and available in (None, area.available)]
        status = None if available is None else int(available)
        parameters = self._named(isp=ISP_NUMBERS.get(isp or ""), available=status)
        return self.caller.call(self.calls.areas, parameters, shapes.areas)

    def named_areas(self) -> list[NamedArea]:
        """Return the areas that have a code, as the vendor listed them within the last hour."""
        facts = self.caller.host_facts
        if (known := facts.get(AREAS)) is not None:
            return [(str(code), name) for code, name in facts.store.decoded(known)]
        found = {(area.code, area.name) for area in self.areas() if area.code}
        listed = sorted(found, key=lambda area: (area[0], area[1] or ""))
        facts.save(AREAS, json.dumps(listed))
        return listed

    def _named(self, **values: object) -> dict[str, object]:
        """Return parameters with the names of this API; those that it does not have are left out."""
        found = {_NAMES[name][0 if self._is_classic else 1]: value for name, value in values.items()}
        return {name: value for name, value in found.items() if name}

    def _without_secrets(self, leases: Iterable[Lease]) -> list[Lease]:
        """Remove secrets from the vendor's fields, except the identifying ones: the state will contain them."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = without_secrets({"vendor": vendor}, self.caller.secrets)["vendor"]
            return {**cleaned, **{name: vendor[name] for name in Lease.NAMING_FIELDS if name in vendor}}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]


def _offered(call: Call | None) -> Call:
    if call is None:
        raise AssertionError("the features of the product exclude this call")
    return call

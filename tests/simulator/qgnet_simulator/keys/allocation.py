# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allocates and replaces leases of a key, whichever API asks for them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..exchange import Refusal
from .lease_service import LeaseService
from .leases import Lease
from .plans import Area

if TYPE_CHECKING:
    from .key import ProxyKey

MAX_PER_CALL = 100
"""Maximum number of addresses per call."""


@dataclass(frozen=True)
class Wanted:
    """What a call asks for."""

    count: int
    minutes: int
    matches: Callable[[Area], bool]
    distinct: bool = False
    """Whether addresses that the key has had are to be avoided."""


class Allocation:
    """One call that allocates leases. It allocates all or none."""

    def __init__(
        self, lease_service: LeaseService, key: ProxyKey, wanted: Wanted, drop: int = 0
    ) -> None:
        self._service = lease_service
        self._key = key
        self._wanted = wanted
        self._drop = drop
        """Effect of a fault: the number of addresses, from the last, that are left out."""
        self.task_id = ""
        """ID of the task, once leases were allocated or addresses of the pool were given."""

    def allocate(self) -> list[Lease]:
        self._check_capacity()
        areas = self._choose_areas()
        return self._allocate(areas, self._choose_addresses(len(areas)))

    def replace(self) -> list[Lease]:
        """Release as many leases as are wanted, which QG.net chooses, and allocate new ones.

        The new leases use the channels of the old ones without a delay.
        """
        key = self._key
        service = self._service
        candidates = list(key.holdings.leases)
        if key.options.replace_order == "random":
            service.random.shuffle(candidates)
        replaced = candidates[: self._wanted.count]
        self._check_capacity(len(replaced))
        try:
            areas = self._choose_areas(replaced)
            new_addresses = self._choose_addresses(len(areas))
        except Refusal as error:
            if key.options.replace_failure == "drop":
                service.release(key, replaced, key.plan.free_delay)
                raise Refusal(error.reason, executed=bool(replaced)) from None
            raise
        service.release(key, replaced)
        try:
            return self._allocate(areas, new_addresses)
        except Refusal as error:
            raise Refusal(error.reason, executed=bool(replaced)) from None

    def extract(self) -> list[Lease]:
        """Return addresses of the pool, which use no channel: first those that are still active,
        then new ones.

        If they must be distinct, all are new.
        """
        pool = self._key.holdings.pool
        wanted = self._wanted
        leases: list[Lease] = []
        if not wanted.distinct:
            leases = [lease for lease in pool if wanted.matches(lease.area)][: wanted.count]
        task_id = self._service.create_task_id()
        if missing := wanted.count - len(leases):
            candidates = self._stock()
            if not candidates and not leases:
                raise Refusal("no_stock")
            areas = self._service.random.sample(candidates, min(missing, len(candidates)))
            new = self._open(areas, self._choose_addresses(len(areas)), task_id)
            pool += new
            leases += new
        self.task_id = task_id
        return leases

    def _check_capacity(self, returned: int = 0) -> None:
        count = self._wanted.count
        plan = self._key.plan
        if plan.by_volume:
            if count > plan.balance:
                raise Refusal("balance")
        elif count > plan.channels:
            raise Refusal("over_plan")
        elif count > plan.channels - self._key.channels_in_use + returned:
            raise Refusal("no_channel")

    def _choose_areas(self, returned: Sequence[Lease] = ()) -> list[Area]:
        """Return the area of each address, chosen at random from the stock.

        Leases in ``returned`` count as stock of their area.
        """
        count = self._wanted.count
        candidates = self._stock(returned)
        partial = self._key.options.short_stock != "refuse"
        if not candidates or (len(candidates) < count and not partial):
            raise Refusal("no_stock")
        areas = self._service.random.sample(candidates, min(count, len(candidates)))
        return areas[: max(0, len(areas) - self._drop)]

    def _stock(self, returned: Sequence[Lease] = ()) -> list[Area]:
        """Return the area of each address that could be given, up to the maximum of a call for each
        area.
        """
        returned_per_area = Counter(id(lease.area) for lease in returned)
        areas: list[Area] = []
        for area in self._key.plan.stock:
            if self._wanted.matches(area):
                areas += [area] * min(MAX_PER_CALL, area.available + returned_per_area[id(area)])
        return areas

    def _choose_addresses(self, count: int) -> list[str]:
        """Return free exit addresses.

        If they must be distinct, those that the key has not had are preferred.
        """
        pool = self._service.exit_addresses(self._key)
        if self._wanted.distinct:
            addresses = pool.choose(count, avoid=self._key.holdings.paid_addresses)
        else:
            addresses = pool.choose(count, freed_first=self._key.options.address_reuse == "first")
        if addresses is None:
            raise Refusal("no_stock")
        return addresses

    def _allocate(self, areas: Sequence[Area], addresses: Sequence[str]) -> list[Lease]:
        key = self._key
        self.task_id = self._service.create_task_id()
        leases = self._open(areas, addresses, self.task_id)
        key.holdings.leases += leases
        for lease in leases:
            key.holdings.record_payment(lease)
        if key.plan.by_volume:
            key.plan.balance -= len(leases)
        return leases

    def _open(self, areas: Sequence[Area], addresses: Sequence[str], task_id: str) -> list[Lease]:
        ends = math.floor(self._service.clock.now()) + self._wanted.minutes * 60.0
        opened: list[Lease] = []
        try:
            for area, address in zip(areas, addresses, strict=True):
                opened.append(self._service.open(self._key, address, area, task_id, ends))
        except Refusal:
            self._service.close(opened)
            raise
        return opened

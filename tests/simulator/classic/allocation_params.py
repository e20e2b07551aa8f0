# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of a call that allocates addresses, and the selection of stock and addresses for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..keys.leases import Lease
from ..keys.plans import SHARED, STATIC, Area
from . import codes
from .codes import ApiError
from .request import ClassicRequest

MAX_PER_CALL = 100
"""Maximum number of addresses per call."""


@dataclass
class AllocationParams:
    count: int
    minutes: int
    area_id: int | None
    isp: int | None
    detail: bool
    distinct: bool

    @classmethod
    def parse(cls, request: ClassicRequest) -> AllocationParams:
        plan = request.key.plan
        count = request.integer("Num", low=1, high=MAX_PER_CALL)
        minutes = request.integer("KeepAlive", low=1, high=10**6)
        if minutes is None or plan.kind in (SHARED, STATIC):
            # The plan alone determines how long these leases last.
            minutes = plan.lease_minutes
        return cls(
            count=1 if count is None else count,
            minutes=minutes,
            area_id=request.integer("AreaId", low=1),
            # The vendor's pages spell some names in two ways.
            isp=request.integer("Isp", "ISP", low=1, high=4),
            detail=request.flag("Detail", "detail"),
            distinct=request.flag("Distinct"),
        )

    def choose_areas(self, request: ClassicRequest, returned: Sequence[Lease] = ()) -> list[Area]:
        """Return the area of each address, chosen at random from the stock.

        Leases in ``returned`` count as stock of their area.
        """
        returned_per_area = Counter(id(lease.area) for lease in returned)
        candidates: list[Area] = []
        for area in request.key.plan.stock:
            if area.matches(self.area_id, self.isp):
                candidates += [area] * min(MAX_PER_CALL, area.available + returned_per_area[id(area)])
        partial = request.key.options.short_stock != "refuse"
        if not candidates or (len(candidates) < self.count and not partial):
            raise ApiError(codes.NO_STOCK)
        return request.lease_service.random.sample(candidates, min(self.count, len(candidates)))

    def choose_addresses(self, request: ClassicRequest, count: int) -> list[str]:
        """Return free exit addresses; with ``Distinct``, those that the key has not had are preferred."""
        holdings, options = request.key.holdings, request.key.options
        avoid = holdings.paid_addresses if self.distinct else ()
        freed_first = options.address_reuse == "first" and not self.distinct
        addresses = request.lease_service.exit_addresses.choose(count, freed_first, avoid)
        if addresses is None:
            raise ApiError(codes.NO_STOCK)
        return addresses

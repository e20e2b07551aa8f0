# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call for addresses asks for, and what there is for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from . import codes
from .codes import Refusal
from .leases import Lease
from .plans import SHARED, STATIC, Area
from .request import Call

MOST = 100
"""Addresses per call."""


@dataclass
class Wish:
    number: int
    minutes: int
    area_id: int | None
    isp: int | None
    detail: bool
    distinct: bool

    @classmethod
    def read(cls, call: Call) -> Wish:
        plan = call.account.plan
        number = call.number("Num", low=1, high=MOST)
        minutes = call.number("KeepAlive", low=1, high=10**6)
        if minutes is None or plan.kind in (SHARED, STATIC):
            # The plan alone says how long these last.
            minutes = plan.minutes
        return cls(
            number=1 if number is None else number,
            minutes=minutes,
            area_id=call.number("AreaId", low=1),
            # The vendor's pages write some names in two ways.
            isp=call.number("Isp", "ISP", low=1, high=4),
            detail=call.flag("Detail", "detail"),
            distinct=call.flag("Distinct"),
        )

    def areas(self, call: Call, returned: Sequence[Lease] = ()) -> list[Area]:
        """Where the addresses are taken from, one row of stock for each; ``returned`` leases count as stock."""
        back = Counter(id(lease.area) for lease in returned)
        rows: list[Area] = []
        for area in call.account.plan.stock:
            if area.matches(self.area_id, self.isp):
                rows += [area] * min(MOST, area.available + back[id(area)])
        if not rows or (len(rows) < self.number and call.account.options.short_stock == "refuse"):
            raise Refusal(codes.NO_STOCK)
        return call.vendor.lessor.random.sample(rows, min(self.number, len(rows)))

    def addresses(self, call: Call, number: int) -> list[str]:
        books, options = call.account.books, call.account.options
        known = books.paid_addresses if self.distinct else ()
        freed_first = options.address_reuse == "first" and not self.distinct
        found = call.vendor.lessor.addresses.choose(number, freed_first, known)
        if found is None:
            raise Refusal(codes.NO_STOCK)
        return found

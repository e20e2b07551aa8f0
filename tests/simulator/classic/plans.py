# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a key has bought: the kind of product, its channels or balance, and the areas on offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import validation as checks
from ..validation import Invalid

DEDICATED, SHARED = "dynamic_dedicated", "dynamic_shared"
STATIC, OCCUPANCY = "static_dedicated", "exclusive_occupancy"
LIFETIMES: dict[str, int] = {DEDICATED: 1440, SHARED: 10, STATIC: 30 * 1440, OCCUPANCY: 30 * 1440}
"""Minutes that a lease of each kind lasts when nothing else is said."""

TIME, VOLUME = "time", "volume"
ISPS: dict[int, str] = {1: "电信", 2: "移动", 3: "联通", 4: "BGP"}
PLACES: dict[int, str] = {350500: "福建省泉州市", 320800: "江苏省淮安市", 440100: "广东省广州市"}


@dataclass(eq=False)
class Area:
    """One row of stock: the addresses of one provider in one place."""

    area_id: int
    area: str
    isp: int
    available: int

    @property
    def region(self) -> str:
        return self.area + ISPS[self.isp]

    def matches(self, area_id: int | None, isp: int | None) -> bool:
        return area_id in (None, self.area_id) and isp in (None, self.isp)

    @classmethod
    def parse(cls, values: object) -> Area:
        names = {"area_id", "area", "isp", "available"}
        if not isinstance(values, Mapping) or set(values) != names:
            raise Invalid(f"plan stock: an area has {', '.join(sorted(names))}")
        numbers = checks.whole(values["area_id"], 1, 10**9) and checks.whole(values["available"])
        if not numbers or not checks.text(values["area"]) or not checks.whole(values["isp"], 1, 4):
            raise Invalid(f"plan stock: {dict(values)!r} is no area")
        return cls(**values)


def _default_stock() -> list[Area]:
    return [Area(area_id, name, isp, 100) for area_id, name in PLACES.items() for isp in (1, 2, 3)]


def _stock(value: object) -> list[Area]:
    if not isinstance(value, Mapping) or list(value) != ["areas"] or not isinstance(value["areas"], list):
        raise Invalid('plan stock: {"areas": [...]} expected')
    return [Area.parse(item) for item in value["areas"]]


FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "kind": (lambda value: value in LIFETIMES, f"one of {', '.join(LIFETIMES)}"),
    "billing": (lambda value: value in (TIME, VOLUME), f"{TIME} or {VOLUME}"),
    "channels": (checks.whole, "a number from 0"),
    "balance": (checks.whole, "a number from 0"),
    "lifetime": (lambda value: value is None or checks.whole(value, 1), "minutes or null"),
    "enterprise_pool": (checks.flag, "true or false"),
    "free_delay": (checks.seconds, "seconds"),
}


@dataclass
class Plan:
    kind: str = DEDICATED
    billing: str = TIME
    channels: int = 5
    balance: int = 100
    lifetime: int | None = None
    enterprise_pool: bool = False
    free_delay: float = 0
    stock: list[Area] = field(default_factory=_default_stock)

    @property
    def minutes(self) -> int:
        """How long a lease lasts when the call does not say."""
        return LIFETIMES[self.kind] if self.lifetime is None else self.lifetime

    @property
    def by_volume(self) -> bool:
        return self.billing == VOLUME

    def changed(self, values: object) -> Plan:
        """The plan with some fields replaced."""
        if not isinstance(values, Mapping):
            raise Invalid("plan: an object expected")
        fresh: dict[str, Any] = {}
        for name, value in values.items():
            if name == "stock":
                fresh[name] = _stock(value)
                continue
            if name not in FIELDS:
                raise Invalid(f"plan: no field {name}")
            good, expected = FIELDS[name]
            if not good(value):
                raise Invalid(f"plan {name}: {expected} expected")
            fresh[name] = value
        return replace(self, **fresh)

    def describe(self) -> dict[str, Any]:
        areas = [dict(vars(area)) for area in self.stock]
        return {**vars(self), "lifetime": self.minutes, "stock": {"areas": areas}}

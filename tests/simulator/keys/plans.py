# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a key: the kind of product, its channels or balance, and its stock of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import validation
from ..validation import ValidationError, Validator

DEDICATED, SHARED = "dynamic_dedicated", "dynamic_shared"
STATIC, OCCUPANCY = "static_dedicated", "exclusive_occupancy"
CLASSIC_KINDS = (DEDICATED, SHARED, STATIC, OCCUPANCY)
SHARE, LONGTERM, EXCLUSIVE, OVERSEAS = "share", "longterm", "exclusive", "overseas"
PRODUCTS = (SHARE, LONGTERM, EXCLUSIVE, OVERSEAS)
"""The kinds of plan that the product hosts serve."""
TUNNEL = "tunnel"
LIFETIMES: dict[str, int] = {
    DEDICATED: 1440,
    SHARED: 10,
    STATIC: 30 * 1440,
    OCCUPANCY: 30 * 1440,
    SHARE: 1,
    LONGTERM: 30,
    EXCLUSIVE: 1440,
    OVERSEAS: 60,
    TUNNEL: 5,
}
"""Default lifetime of a lease in minutes, by kind of plan."""

TIME, VOLUME = "time", "volume"
ISPS: dict[int, str] = {1: "电信", 2: "移动", 3: "联通", 4: "BGP"}
AREA_NAMES: dict[int, str] = {350500: "福建省泉州市", 320800: "江苏省淮安市", 440100: "广东省广州市"}
OVERSEAS_AREA_NAMES: dict[int, str] = {990100: "美国", 990200: "日本", 990300: "中国香港"}
COUNTRIES: dict[int, str] = {990100: "US", 990200: "JP", 990300: "HK"}
"""The other spelling of an area of the overseas product."""


@dataclass(eq=False)
class Area:
    """The stock of one provider in one area."""

    area_id: int
    area: str
    isp: int
    available: int

    @property
    def region(self) -> str:
        return self.area + ISPS[self.isp]

    def matches(self, area_id: int | None, isp: int | None) -> bool:
        return area_id in (None, self.area_id) and isp in (None, self.isp)

    def is_in(self, code: str) -> bool:
        """Return whether this is the area with a code of six digits or of a country, or a part of it.

        The pairs of digits are those of the province, the city and the district; 00 stands for all of them.
        """
        stem = code
        while len(stem) > 2 and stem.endswith("00"):
            stem = stem[:-2]
        own = str(self.area_id)
        return COUNTRIES.get(self.area_id) == code or (len(own) == len(code) and own.startswith(stem))

    def item(self) -> dict[str, Any]:
        """Return the area as an item of the list of a product host."""
        return {
            "area": self.area,
            "area_code": self.area_id,
            "isp": ISPS[self.isp],
            "isp_code": self.isp,
            "available": self.available > 0,
        }

    @classmethod
    def parse(cls, values: object) -> Area:
        names = {"area_id", "area", "isp", "available"}
        if not isinstance(values, Mapping) or set(values) != names:
            raise ValidationError(f"plan stock: an area has {', '.join(sorted(names))}")
        numbers = validation.is_integer(values["area_id"], 1, 10**9) and validation.is_integer(values["available"])
        isp = validation.is_integer(values["isp"], 1, 4)
        if not numbers or not validation.is_string(values["area"]) or not isp:
            raise ValidationError(f"plan stock: {dict(values)!r} is no area")
        return cls(**values)


def _default_stock(kind: str = DEDICATED) -> list[Area]:
    names = OVERSEAS_AREA_NAMES if kind == OVERSEAS else AREA_NAMES
    return [Area(area_id, name, isp, 100) for area_id, name in names.items() for isp in (1, 2, 3)]


def _parse_stock(value: object) -> list[Area]:
    if not isinstance(value, Mapping) or list(value) != ["areas"] or not isinstance(value["areas"], list):
        raise ValidationError('plan stock: {"areas": [...]} expected')
    return [Area.parse(item) for item in value["areas"]]


VALIDATORS: dict[str, Validator] = {
    "kind": (lambda value: value in LIFETIMES, f"one of {', '.join(LIFETIMES)}"),
    "billing": (lambda value: value in (TIME, VOLUME), f"{TIME} or {VOLUME}"),
    "channels": (validation.is_integer, "a number from 0"),
    "balance": (validation.is_integer, "a number from 0"),
    "lifetime": (lambda value: value is None or validation.is_integer(value, 1), "minutes or null"),
    "enterprise_pool": (validation.is_boolean, "true or false"),
    "free_delay": (validation.is_duration, "seconds"),
    "static": (validation.is_boolean, "true or false"),
    "extract_limit": (lambda value: value is None or validation.is_integer(value), "a number or null"),
    "extract_period": (lambda value: value in ("day", "minute"), "day or minute"),
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
    static: bool = False
    extract_limit: int | None = None
    extract_period: str = "day"
    stock: list[Area] = field(default_factory=_default_stock)

    @property
    def lease_minutes(self) -> int:
        """Lifetime of a lease if the call does not specify one."""
        default = STATIC if self.kind == LONGTERM and self.static else self.kind
        return LIFETIMES[default] if self.lifetime is None else self.lifetime

    @property
    def by_volume(self) -> bool:
        return self.billing == VOLUME

    def with_changes(self, values: object) -> Plan:
        """Return a copy with some fields replaced."""
        if not isinstance(values, Mapping):
            raise ValidationError("plan: an object expected")
        changes: dict[str, Any] = {}
        for name, value in values.items():
            if name == "stock":
                changes[name] = _parse_stock(value)
                continue
            if name not in VALIDATORS:
                raise ValidationError(f"plan: no field {name}")
            accepts, expected = VALIDATORS[name]
            if not accepts(value):
                raise ValidationError(f"plan {name}: {expected} expected")
            changes[name] = value
        kind = changes.get("kind", self.kind)
        if "stock" not in changes and OVERSEAS in (kind, self.kind) and kind != self.kind:
            # Other products have other areas.
            changes["stock"] = _default_stock(kind)
        return replace(self, **changes)

    def describe(self) -> dict[str, Any]:
        areas = [dict(vars(area)) for area in self.stock]
        return {**vars(self), "lifetime": self.lease_minutes, "stock": {"areas": areas}}

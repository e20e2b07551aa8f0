# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a key: the kind of product, its channels or balance, and its stock of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ..settings import SettingError, changed

DEDICATED = "dynamic_dedicated"
SHARED = "dynamic_shared"
STATIC = "static_dedicated"
OCCUPANCY = "exclusive_occupancy"
CLASSIC_KINDS = (DEDICATED, SHARED, STATIC, OCCUPANCY)
SHARE = "share"
LONGTERM = "longterm"
EXCLUSIVE = "exclusive"
OVERSEAS = "overseas"
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
Kind = Annotated[str, LIFETIMES]

TIME = "time"
VOLUME = "volume"
ISPS: dict[int, str] = {1: "电信", 2: "移动", 3: "联通", 4: "BGP"}
AREA_NAMES: dict[int, str] = {
    350500: "福建省泉州市",
    320800: "江苏省淮安市",
    440100: "广东省广州市",
}
OVERSEAS_AREA_NAMES: dict[int, str] = {990100: "美国", 990200: "日本", 990300: "中国香港"}
COUNTRIES: dict[int, str] = {990100: "US", 990200: "JP", 990300: "HK"}
"""The other spelling of an area of the overseas product."""


@dataclass(eq=False)
class Area:
    """The stock of one provider in one area."""

    area_id: int
    area: str
    isp: Literal[1, 2, 3, 4]
    available: int

    @property
    def region(self) -> str:
        return self.area + ISPS[self.isp]

    def is_in(self, code: str) -> bool:
        """Return whether this is the area with a code of six digits or of a country, or a part of
        it.

        The pairs of digits are those of the province, the city and the district; 00 stands for all
        of them.
        """
        stem = code
        while len(stem) > 2 and stem.endswith("00"):
            stem = stem[:-2]
        area_code = str(self.area_id)
        return COUNTRIES.get(self.area_id) == code or (
            len(area_code) == len(code) and area_code.startswith(stem)
        )

    def item(self) -> dict[str, Any]:
        """Return the area as an item of the list of a product host."""
        return {
            "area": self.area,
            "area_code": self.area_id,
            "isp": ISPS[self.isp],
            "isp_code": self.isp,
            "available": self.available > 0,
        }


def _default_stock(kind: str = DEDICATED) -> list[Area]:
    names = AREA_NAMES
    if kind == OVERSEAS:
        names = OVERSEAS_AREA_NAMES
    return [Area(area_id, name, isp, 100) for area_id, name in names.items() for isp in (1, 2, 3)]


@dataclass
class Plan:
    kind: Kind = DEDICATED
    billing: Annotated[str, (TIME, VOLUME)] = TIME
    channels: int = 5
    balance: int = 100
    lifetime: int | None = None
    enterprise_pool: bool = False
    free_delay: float = 0
    static: bool = False
    forwarding: bool = False
    """Whether leases are entries of a tunnel, whose exits change."""
    stock: list[Area] = field(default_factory=_default_stock)

    @property
    def lease_minutes(self) -> int:
        """Lifetime of a lease if the call does not specify one."""
        if self.lifetime is not None:
            return self.lifetime
        if self.kind == LONGTERM and self.static:
            return LIFETIMES[STATIC]
        return LIFETIMES[self.kind]

    @property
    def by_volume(self) -> bool:
        return self.billing == VOLUME

    def parse_stock(self, value: object) -> list[Area]:
        if not isinstance(value, Mapping) or not isinstance(value.get("areas"), list):
            raise SettingError('plan stock: {"areas": [...]} expected')
        return [changed(Area(0, "", 1, 0), item) for item in value["areas"]]

    def with_changes(self, values: object) -> Plan:
        new = changed(self, values)
        if new.stock is self.stock and (new.kind == OVERSEAS) != (self.kind == OVERSEAS):
            # Other products have other areas.
            new.stock = _default_stock(new.kind)
        return new

    def describe(self) -> dict[str, Any]:
        areas = [dict(vars(area)) for area in self.stock]
        return {**vars(self), "lifetime": self.lease_minutes, "stock": {"areas": areas}}

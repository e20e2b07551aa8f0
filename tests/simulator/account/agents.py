# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State per agent: an account of the vendor with what it owns and what it is offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import validation as checks
from ..validation import Invalid
from . import catalog as cloud_data
from .catalog import Row
from .instances import generated
from .options import AgentOptions

DEFAULT = (("qgdemo01", "0123456789abcdef0123"),)
"""The agents of a simulator that is told of none: appid and appkey."""
MOST_INSTANCES = 50000


def _filled(value: object) -> bool:
    return checks.text(value) and value != ""


def _objects(value: object) -> bool:
    """A table of objects."""
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def _rows(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return False
    return all(checks.whole(item.get("productId", 1), 1) for item in value)


def _numbers(value: object) -> bool:
    """Instances to generate for each brand."""
    if not isinstance(value, dict) or not all(brand.isascii() and brand.isdigit() for brand in value):
        return False
    return all(checks.whole(item) for item in value.values()) and sum(value.values()) <= MOST_INSTANCES


def _plans(value: object) -> bool:
    return isinstance(value, dict) and _rows(list(value.values()))


def _instances(value: object) -> bool:
    return checks.whole(value, 0, MOST_INSTANCES) or _numbers(value) or _rows(value)


ROWS = "a list of objects, each with a number as productId or without one"
TABLE = "an object of objects"
FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "appkey": (_filled, "text"),
    "domain": (_filled, "text"),
    "balance": (checks.text, "text"),
    "tolerance": (checks.seconds, "seconds"),
    "instances": (_instances, f"a number to generate, an object of numbers by productId, or {ROWS},"),
    "packages": (_rows, ROWS),
    "lines": (_rows, ROWS),
    "prices": (_objects, TABLE),
    "proxy_plans": (_plans, TABLE),
    "systems": (checks.texts, "a list of texts"),
    "options": (lambda value: isinstance(value, dict), "an object"),
}


@dataclass
class Agent:
    """One account. What the vendor sells is there from the start; it owns nothing yet."""

    appid: str
    appkey: str = ""
    domain: str = "www.qg.net"
    balance: str = "0.00"
    tolerance: float = 300
    """Seconds that the time of a call may be off."""
    instances: list[Row] = field(default_factory=list)
    packages: list[Row] = field(default_factory=cloud_data.packages)
    lines: list[Row] = field(default_factory=cloud_data.lines)
    prices: dict[str, dict[str, Any]] = field(default_factory=cloud_data.prices)
    proxy_plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By resource_no; its productId is not part of the answer."""
    systems: list[str] = field(default_factory=cloud_data.systems)
    options: AgentOptions = field(default_factory=AgentOptions)

    @classmethod
    def of_the_examples(cls, appid: str, appkey: str) -> Agent:
        """One that owns what the vendor's pages show."""
        owned = cloud_data.instances()
        return cls(appid, appkey, balance="12.34", instances=owned, proxy_plans=cloud_data.proxy_plans())

    @property
    def brands(self) -> set[int]:
        """The product numbers that exist."""
        plans = {plan.get("productId", cloud_data.PROXY_BRAND) for plan in self.proxy_plans.values()}
        return {*cloud_data.BRANDS, *plans, *(row.brand for row in (*self.instances, *self.packages, *self.lines))}

    def change(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; nothing is changed when one of them is wrong."""
        for name, value in values.items():
            if name not in FIELDS:
                raise Invalid(f"{name}: no such field")
            good, expected = FIELDS[name]
            if not good(value):
                raise Invalid(f"{name}: {expected} expected")
        fresh = dict(values)
        fresh["options"] = self.options.changed(values.get("options", {}))
        for name, brand in (("packages", cloud_data.CLOUD_BRAND), ("lines", cloud_data.PHYSICAL_BRAND)):
            if name in values:
                fresh[name] = [Row.of(item, brand) for item in values[name]]
        if "instances" in values:
            wanted = values["instances"]
            if isinstance(wanted, int):
                wanted = {str(cloud_data.CLOUD_BRAND): wanted}
            listed = isinstance(wanted, list)
            brand = cloud_data.CLOUD_BRAND
            fresh["instances"] = [Row.of(item, brand) for item in wanted] if listed else generated(wanted)
        for name, value in fresh.items():
            setattr(self, name, value)

    def describe(self) -> dict[str, Any]:
        rows = {name: [row.described() for row in getattr(self, name)] for name in ("instances", "packages", "lines")}
        others = ("appid", "appkey", "domain", "balance", "tolerance", "prices", "proxy_plans", "systems")
        return {**{name: getattr(self, name) for name in others}, **rows, "options": asdict(self.options)}

    def summary(self) -> dict[str, Any]:
        """The same with the mere number of instances, of which there may be thousands."""
        return {**self.describe(), "instances": len(self.instances)}


class Agents:
    def __init__(self, first: Iterable[tuple[str, str]] = DEFAULT) -> None:
        self._first = list(first)
        self.by_appid: dict[str, Agent] = {}
        self.reset()

    def reset(self) -> None:
        self.by_appid = {appid: Agent.of_the_examples(appid, appkey) for appid, appkey in self._first}

    def describe(self) -> dict[str, Any]:
        return {appid: agent.summary() for appid, agent in self.by_appid.items()}

    def put(self, appid: str, values: Mapping[str, Any]) -> Agent:
        """Create or alter an agent."""
        agent = self.by_appid.get(appid) or Agent(appid)
        if not agent.appkey and "appkey" not in values:
            raise Invalid("appkey: a new agent needs one")
        agent.change(values)
        self.by_appid[appid] = agent
        return agent

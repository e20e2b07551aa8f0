# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of an agent: an account of the vendor, the services that it owns, and the products that it can buy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import validation
from ..validation import ValidationError, Validator
from . import catalog
from .catalog import Row
from .instances import generate_instances
from .options import AgentOptions

DEFAULT_CREDENTIALS = (("qgdemo01", "0123456789abcdef0123"),)
"""Appid and appkey of the agents of a simulator that is started without agents."""
MAX_INSTANCES = 50000


def _is_non_empty_string(value: object) -> bool:
    return validation.is_string(value) and value != ""


def _is_object_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())


def _is_row_list(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return False
    return all(validation.is_integer(item.get("productId", 1), 1) for item in value)


def _is_count_by_product(value: object) -> bool:
    """Return whether the value is the number of instances to generate for each product."""
    if not isinstance(value, dict) or not all(product.isascii() and product.isdigit() for product in value):
        return False
    return all(validation.is_integer(item) for item in value.values()) and sum(value.values()) <= MAX_INSTANCES


def _is_plan_mapping(value: object) -> bool:
    return isinstance(value, dict) and _is_row_list(list(value.values()))


def _is_instances(value: object) -> bool:
    return validation.is_integer(value, 0, MAX_INSTANCES) or _is_count_by_product(value) or _is_row_list(value)


_ROW_LIST = "a list of objects, each with a number as productId or without one"
_MAPPING = "an object of objects"
VALIDATORS: dict[str, Validator] = {
    "appkey": (_is_non_empty_string, "text"),
    "domain": (_is_non_empty_string, "text"),
    "balance": (validation.is_string, "text"),
    "tolerance": (validation.is_duration, "seconds"),
    "instances": (_is_instances, f"a number to generate, an object of numbers by productId, or {_ROW_LIST},"),
    "packages": (_is_row_list, _ROW_LIST),
    "lines": (_is_row_list, _ROW_LIST),
    "prices": (_is_object_mapping, _MAPPING),
    "proxy_plans": (_is_plan_mapping, _MAPPING),
    "systems": (validation.is_string_list, "a list of texts"),
    "options": (validation.is_object, "an object"),
}


@dataclass
class Agent:
    """One account. By default, it can buy the vendor's products and owns nothing."""

    appid: str
    appkey: str = ""
    domain: str = "www.qg.net"
    balance: str = "0.00"
    tolerance: float = 300
    """Maximum difference between the time of a call and the clock, in seconds."""
    instances: list[Row] = field(default_factory=list)
    packages: list[Row] = field(default_factory=catalog.packages)
    lines: list[Row] = field(default_factory=catalog.lines)
    prices: dict[str, dict[str, Any]] = field(default_factory=catalog.prices)
    proxy_plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Plans by resource_no. The productId of a plan is not part of a response."""
    systems: list[str] = field(default_factory=catalog.systems)
    options: AgentOptions = field(default_factory=AgentOptions)

    @classmethod
    def with_examples(cls, appid: str, appkey: str) -> Agent:
        """Return an agent that owns the services that the vendor's pages show, and a few servers."""
        instances = [*catalog.instances(), *generate_instances({str(catalog.CLOUD_PRODUCT): 4})]
        return cls(appid, appkey, balance="12.34", instances=instances, proxy_plans=catalog.proxy_plans())

    @property
    def product_ids(self) -> set[int]:
        """The product numbers that exist for the agent."""
        plans = {plan.get("productId", catalog.PROXY_PRODUCT) for plan in self.proxy_plans.values()}
        rows = (*self.instances, *self.packages, *self.lines)
        return {*catalog.PRODUCTS, *plans, *(row.product for row in rows)}

    def configure(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; if one of them is wrong, nothing is changed."""
        validation.validate_fields(values, VALIDATORS)
        changes = dict(values)
        changes["options"] = self.options.with_changes(values.get("options", {}))
        for name, product in (("packages", catalog.CLOUD_PRODUCT), ("lines", catalog.PHYSICAL_PRODUCT)):
            if name in values:
                changes[name] = [Row.parse(item, product) for item in values[name]]
        if "instances" in values:
            changes["instances"] = _parse_instances(values["instances"])
        for name, value in changes.items():
            setattr(self, name, value)

    def describe(self) -> dict[str, Any]:
        rows = {name: [row.describe() for row in getattr(self, name)] for name in ("instances", "packages", "lines")}
        others = ("appid", "appkey", "domain", "balance", "tolerance", "prices", "proxy_plans", "systems")
        return {**{name: getattr(self, name) for name in others}, **rows, "options": asdict(self.options)}

    def summarize(self) -> dict[str, Any]:
        """Return the description with the number of instances instead of the instances, which may be thousands."""
        return {**self.describe(), "instances": len(self.instances)}


def _parse_instances(value: Any) -> list[Row]:
    if isinstance(value, int):
        value = {str(catalog.CLOUD_PRODUCT): value}
    if isinstance(value, list):
        return [Row.parse(item, catalog.CLOUD_PRODUCT) for item in value]
    return generate_instances(value)


class AgentRegistry:
    def __init__(self, credentials: Iterable[tuple[str, str]] = DEFAULT_CREDENTIALS) -> None:
        self._initial_credentials = list(credentials)
        self.by_appid: dict[str, Agent] = {}
        self.reset()

    def reset(self) -> None:
        self.by_appid = {appid: Agent.with_examples(appid, appkey) for appid, appkey in self._initial_credentials}

    def describe(self) -> dict[str, Any]:
        return {appid: agent.summarize() for appid, agent in self.by_appid.items()}

    def put(self, appid: str, values: Mapping[str, Any]) -> Agent:
        """Create or change an agent."""
        agent = self.by_appid.get(appid) or Agent(appid)
        if not agent.appkey and "appkey" not in values:
            raise ValidationError("appkey: a new agent needs one")
        agent.configure(values)
        self.by_appid[appid] = agent
        return agent

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of an agent: an account of QG.net, the services that it owns, and the products that it
can buy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..settings import SettingError, accepts, changed
from . import catalog
from .catalog import Row
from .instances import generate_instances

DEFAULT_CREDENTIALS = (("qgdemo01", "0123456789abcdef0123"),)
"""Appid and appkey of the agents of a simulator that is started without agents."""
MAX_INSTANCES = 50000


@dataclass
class AgentOptions:
    """Behavior of the account API for one agent, where QG.net's pages leave it open or
    contradict themselves.
    """

    codes: dict[str, Any] = field(default_factory=dict)
    """Code of a failure by kind of refusal."""


@dataclass
class Agent:
    """One account. By default, it can buy QG.net's products and owns nothing."""

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
    systems: list[str] = field(default_factory=lambda: list(catalog.SYSTEMS))
    options: AgentOptions = field(default_factory=AgentOptions)

    @classmethod
    def with_examples(cls, appkey: str) -> Agent:
        """Return an agent that owns the services that QG.net's pages show, and a few
        servers.
        """
        shown = Row(catalog.CLOUD_PRODUCT, dict(catalog.EXAMPLES["instance"]))
        instances = [shown, *generate_instances({str(shown.product): 4})]
        return cls(appkey, balance="12.34", instances=instances, proxy_plans=catalog.proxy_plans())

    @property
    def product_ids(self) -> set[int]:
        """The product numbers that exist for the agent."""
        plans = {plan.get("productId", catalog.PROXY_PRODUCT) for plan in self.proxy_plans.values()}
        rows = (*self.instances, *self.packages, *self.lines)
        return {*catalog.PRODUCTS, *plans, *(row.product for row in rows)}

    def parse_instances(self, value: Any) -> list[Row]:
        """Return listed instances, or generate a number of them for each product."""
        if isinstance(value, list):
            return Row.parse_all(value, catalog.CLOUD_PRODUCT)
        counts = value
        if not isinstance(value, dict):
            counts = {str(catalog.CLOUD_PRODUCT): value}
        are_numbers = accepts(dict[str, int], counts) and all(map(str.isdigit, counts))
        if not are_numbers or sum(counts.values()) > MAX_INSTANCES:
            raise SettingError(
                "agent instances: a list of objects, a number, or an object of numbers by productId"
            )
        return generate_instances(counts)

    def parse_packages(self, value: Any) -> list[Row]:
        return Row.parse_all(value, catalog.CLOUD_PRODUCT)

    def parse_lines(self, value: Any) -> list[Row]:
        return Row.parse_all(value, catalog.PHYSICAL_PRODUCT)

    def describe(self, appid: str) -> dict[str, Any]:
        fields = {"appid": appid, **vars(self), "options": asdict(self.options)}
        for name in ("instances", "packages", "lines"):
            fields[name] = [row.describe() for row in fields[name]]
        return fields


class AgentRegistry:
    def __init__(self, credentials: Iterable[tuple[str, str]] = DEFAULT_CREDENTIALS) -> None:
        self._initial_credentials = list(credentials)
        self.by_appid: dict[str, Agent] = {}
        self.reset()

    def reset(self) -> None:
        self.by_appid = {
            appid: Agent.with_examples(appkey) for appid, appkey in self._initial_credentials
        }

    def describe(self) -> dict[str, Any]:
        """Return all agents, with the number of instances instead of the instances, which may be
        thousands.
        """
        agents = {}
        for appid, agent in self.by_appid.items():
            agents[appid] = {**agent.describe(appid), "instances": len(agent.instances)}
        return agents

    def put(self, appid: str, values: Mapping[str, Any]) -> Agent:
        """Create or change an agent."""
        agent = changed(self.by_appid.get(appid) or Agent(), values)
        if not agent.appkey:
            raise SettingError("agent appkey: a new agent needs one")
        self.by_appid[appid] = agent
        return agent

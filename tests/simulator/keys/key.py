# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy key: its settings, and what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import validation
from ..validation import Validator
from .leases import Holdings
from .list_history import ListHistory, ListSnapshot
from .options import KeyOptions
from .plans import Plan
from .tunnel import Tunnel

STATUSES = ("ok", "blocked", "unauthorised", "no_permission", "expired")

VALIDATORS: dict[str, Validator] = {
    "whitelist": (validation.is_string_list, "a list of addresses"),
    "capacity": (validation.is_integer, "a number from 0"),
    "channels": (validation.is_integer, "a number from 0"),
    "used": (validation.is_integer, "a number from 0"),
    "pwd": (lambda value: validation.is_string(value) and value != "", "text"),
    "api_auth": (validation.is_boolean, "true or false"),
    "status": (lambda value: value in STATUSES, f"one of {', '.join(STATUSES)}"),
    "exit": (lambda value: validation.is_string(value) and value != "", "an address"),
    "options": (validation.is_object, "an object"),
    "plan": (validation.is_object, "an object"),
    "offline": (validation.is_string_list, "a list of monopolies' uuids"),
}


@dataclass
class ProxyKey:
    key: str
    whitelist: list[str] = field(default_factory=list)
    capacity: int = 256
    """Maximum number of whitelisted addresses."""
    used: int = 0
    """Channels that are in use without a lease."""
    pwd: str = "0123456789ab"
    """The password of the proxy. Each key has one."""
    api_auth: bool = False
    """Whether the calls of the API must have the password as well."""
    status: str = "ok"
    options: KeyOptions = field(default_factory=KeyOptions)
    exit: str = "198.51.100.1"
    proxy_url: str | None = None
    plan: Plan = field(default_factory=Plan)
    tunnel: Tunnel | None = None
    holdings: Holdings = field(default_factory=Holdings)
    history: ListHistory = field(default_factory=ListHistory)

    @property
    def channels_in_use(self) -> int:
        return self.used + self.holdings.channels_in_use

    def counted_channels(self, now: float) -> int:
        """Return the channels that the quota counts as used."""
        since = now - self.options.quota_lag
        return self.channels_in_use - sum(lease.at > since for lease in self.holdings.leases)

    def record_lists(self, now: float) -> None:
        """Record the content of the lists, for lists with a lag."""
        self.history.record(now, self.options.list_lag, self._current_lists())

    def visible_lists(self, now: float) -> ListSnapshot:
        """Return the content of the lists as the API shows it. No list shows a lease after its deadline."""
        visible = self.history.at(now - self.options.list_lag) or self._current_lists()
        since = now - self.options.list_lag - self.options.list_spread
        leases = [lease for lease in visible.leases if lease.port % 2 == 0 or lease.at <= since]
        return replace(visible, leases=tuple(lease for lease in leases if lease.ends > now))

    def _current_lists(self) -> ListSnapshot:
        return ListSnapshot(tuple(self.whitelist), tuple(self.holdings.leases), tuple(self.holdings.monopolies))

    def configure(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; if one of them is wrong, nothing is changed."""
        validation.validate_fields(values, VALIDATORS)
        plan = self.plan.with_changes(values.get("plan", {}))
        self.options.change(values.get("options", {}))
        self.plan = plan
        if "channels" in values:
            plan.channels = values["channels"]
        if "whitelist" in values:
            self.whitelist = list(dict.fromkeys(values["whitelist"]))
        if "offline" in values:
            for monopoly in self.holdings.monopolies:
                monopoly.offline = monopoly.uuid in values["offline"]
        for name in ("capacity", "used", "pwd", "api_auth", "status", "exit"):
            if name in values:
                setattr(self, name, values[name])

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "whitelist": list(self.whitelist),
            "capacity": self.capacity,
            "channels": self.plan.channels,
            "used": self.used,
            "pwd": self.pwd,
            "api_auth": self.api_auth,
            "status": self.status,
            "options": asdict(self.options),
            "exit": self.exit,
            "proxy_url": self.proxy_url,
            "plan": self.plan.describe(),
            "tunnel": None if self.tunnel is None else self.tunnel.describe(now),
            **self.holdings.describe(now),
        }

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy key: its settings, and what it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from ..settings import SettingError, accepts, changed, hints
from .leases import Holdings
from .list_history import ListHistory, ListSnapshot
from .options import KeyOptions
from .plans import Plan
from .tunnel import Tunnel


@dataclass
class KeySettings:
    """What a control call can change."""

    whitelist: list[str] = field(default_factory=list)
    capacity: int = 256
    """Maximum number of whitelisted addresses."""
    used: int = 0
    """Channels that are in use without a lease."""
    pwd: str = "0123456789ab"
    """The password of the proxy. Each key has one."""
    api_auth: bool = False
    """Whether the calls of the API must have the password as well."""
    status: Literal["ok", "blocked", "unauthorized", "no_permission", "expired"] = "ok"
    exit: str = "198.51.100.1"
    options: KeyOptions = field(default_factory=KeyOptions)
    plan: Plan = field(default_factory=Plan)

    def parse_plan(self, values: object) -> Plan:
        return self.plan.with_changes(values)


@dataclass
class ProxyKey(KeySettings):
    key: str = ""
    proxy_url: str | None = None
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
        """Return the content of the lists as the API shows it.

        No list shows a lease after its deadline.
        """
        visible = self.history.at(now - self.options.list_lag) or self._current_lists()
        return replace(visible, leases=tuple(lease for lease in visible.leases if lease.ends > now))

    def _current_lists(self) -> ListSnapshot:
        return ListSnapshot(
            tuple(self.whitelist), tuple(self.holdings.leases), tuple(self.holdings.monopolies)
        )

    def configure(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; if one of them is wrong, nothing is changed."""
        values = dict(values)
        offline: list[str] | None = values.pop("offline", None)
        if not accepts(list[str] | None, offline):
            raise SettingError("offline: a list of the uuids of monopolies expected")
        if "channels" in values:
            values["plan"] = {**values.get("plan", {}), "channels": values.pop("channels")}
        settings = KeySettings(**{name: getattr(self, name) for name in hints(KeySettings)})
        self.__dict__.update(vars(changed(settings, values)))
        self.whitelist = list(dict.fromkeys(self.whitelist))
        if offline is not None:
            for monopoly in self.holdings.monopolies:
                monopoly.offline = monopoly.uuid in offline

    def describe(self, now: float) -> dict[str, Any]:
        names = ("whitelist", "capacity", "used", "pwd", "api_auth", "status", "exit", "proxy_url")
        return {
            **{name: getattr(self, name) for name in names},
            "channels": self.plan.channels,
            "options": asdict(self.options),
            "plan": self.plan.describe(),
            "tunnel": self.tunnel and self.tunnel.describe(now),
            **self.holdings.describe(now),
        }

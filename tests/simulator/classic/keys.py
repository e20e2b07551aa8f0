# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State per key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import validation as checks
from ..validation import Invalid
from . import codes
from .leases import Books
from .list_history import History, Listed
from .options import Options
from .plans import Plan

STATUS_CODES: dict[str, int] = {
    "ok": codes.OK,
    "blocked": codes.KEY_BLOCKED,
    "unauthorised": codes.SOURCE_NOT_AUTHORISED,
    "no_permission": codes.NO_PERMISSION,
    "expired": codes.NO_PLAN,
}

FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "whitelist": (checks.texts, "a list of addresses"),
    "capacity": (checks.whole, "a number from 0"),
    "channels": (checks.whole, "a number from 0"),
    "used": (checks.whole, "a number from 0"),
    "pwd": (lambda value: value is None or checks.text(value), "text or null"),
    "status": (lambda value: value in STATUS_CODES, f"one of {', '.join(STATUS_CODES)}"),
    "exit": (lambda value: checks.text(value) and value != "", "an address"),
    "options": (lambda value: isinstance(value, dict), "an object"),
    "plan": (lambda value: isinstance(value, dict), "an object"),
    "offline": (checks.texts, "a list of monopolies' uuids"),
}


@dataclass
class Account:
    """One key."""

    key: str
    whitelist: list[str] = field(default_factory=list)
    capacity: int = 256
    used: int = 0
    """Channels that are taken without a lease."""
    pwd: str | None = None
    status: str = "ok"
    options: Options = field(default_factory=Options)
    exit: str = "198.51.100.1"
    proxy_url: str | None = None
    plan: Plan = field(default_factory=Plan)
    books: Books = field(default_factory=Books)
    history: History = field(default_factory=History)

    @property
    def busy(self) -> int:
        """Channels in use."""
        return self.used + self.books.busy

    def record(self, now: float) -> None:
        """Keep what the lists hold now, for lists that lag behind."""
        self.history.record(now, self.options.list_lag, self._listed())

    def listed(self, now: float) -> Listed:
        """What the lists show now. No list shows a lease after its deadline."""
        shown = self.history.at(now - self.options.list_lag) or self._listed()
        return replace(shown, leases=tuple(lease for lease in shown.leases if lease.ends > now))

    def _listed(self) -> Listed:
        return Listed(tuple(self.whitelist), tuple(self.books.leases), tuple(self.books.monopolies))

    def change(self, values: Mapping[str, Any]) -> None:
        """Apply the fields of a control call; nothing is changed when one of them is wrong."""
        for name, value in values.items():
            if name not in FIELDS:
                raise Invalid(f"{name}: no such field")
            good, expected = FIELDS[name]
            if not good(value):
                raise Invalid(f"{name}: {expected} expected")
        plan = self.plan.changed(values.get("plan", {}))
        self.options.change(values.get("options", {}))
        self.plan = plan
        if "channels" in values:
            plan.channels = values["channels"]
        if "whitelist" in values:
            self.whitelist = list(dict.fromkeys(values["whitelist"]))
        for monopoly in self.books.monopolies:
            if "offline" in values:
                monopoly.offline = monopoly.uuid in values["offline"]
        for name in ("capacity", "used", "pwd", "status", "exit"):
            if name in values:
                setattr(self, name, values[name])

    def describe(self, now: float) -> dict[str, Any]:
        return {
            "whitelist": list(self.whitelist),
            "capacity": self.capacity,
            "channels": self.plan.channels,
            "used": self.used,
            "pwd": self.pwd,
            "status": self.status,
            "options": asdict(self.options),
            "exit": self.exit,
            "proxy_url": self.proxy_url,
            "plan": self.plan.describe(),
            **self.books.describe(now),
        }

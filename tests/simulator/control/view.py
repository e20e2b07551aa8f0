# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows, in one answer: it is asked for once a second, so whatever can be long is cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..account.agents import Agent
from ..classic.keys import Account
from ..classic.leases import Lease
from ..clock import beijing
from ..core import Core
from ..proxies.echo import Echo, Service
from ..routing import PATHS
from .faults import KINDS
from .journal import Entry

CALLS = 200
"""Calls of the journal."""
ITEMS = 300
"""Items of any other list."""
LETTERS = 300
"""Letters of a text that a caller sent."""
HIDDEN = ("Pwd", "sign")
"""Parameters whose values are not put on a screen."""


def choices() -> dict[str, Any]:
    """What a fault can be planned with."""
    kinds = {
        name: {"executes": kind.executes, "required": kind.required, "optional": kind.optional}
        for name, kind in KINDS.items()
    }
    paths = {
        path: sorted({method for endpoint in endpoints for method in endpoint.methods})
        for path, endpoints in PATHS.items()
    }
    return {"kinds": kinds, "paths": paths}


def view(core: Core, echo: Echo, path: str = "") -> dict[str, Any]:
    """The state, with those calls of the journal whose path holds a text."""
    core.vendor.settle()
    now = core.clock.now()
    calls, total = core.journal.latest(CALLS, path)
    return {
        "now": now,
        "beijing": beijing(now),
        "ahead": core.clock.ahead,
        "running": core.clock.running,
        "minute": core.windows.minute,
        "keys": _some([_key(account, now) for account in core.vendor.accounts.values()]),
        "windows": _some(_windows(core, now)),
        "faults": _some([_clipped(fault) for fault in core.faults.describe()]),
        "journal": {"count": total, "items": [_call(entry) for entry in calls]},
        "agents": _some([_agent(agent) for agent in core.agents.by_appid.values()]),
        "echo": _some([_service(name, service) for name, service in echo.services().items()]),
        "map": _some([{"source": source, "public": public} for source, public in core.vendor.map.items()]),
    }


def _some(items: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(items), "items": list(items[:ITEMS])}


def _text(value: str) -> str:
    return value if len(value) <= LETTERS else f"{value[:LETTERS]}…"


def _clipped(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(value) if isinstance(value, str) else value for name, value in values.items()}


def _left(end: float, now: float) -> float:
    return max(0.0, round(end - now, 1))


def _leases(leases: Iterable[Lease], now: float) -> dict[str, Any]:
    return _some([{**lease.describe(), "left": _left(lease.ends, now)} for lease in leases])


def _key(account: Account, now: float) -> dict[str, Any]:
    plan, books = account.plan, account.books
    return {
        "key": account.key,
        "status": account.status,
        "plan": {"kind": plan.kind, "billing": plan.billing, "channels": plan.channels, "balance": plan.balance},
        "busy": account.busy,
        "capacity": account.capacity,
        "exit": account.exit,
        "proxy_url": account.proxy_url,
        "whitelist": _some(account.whitelist),
        "leases": _leases(books.leases, now),
        "pool": _leases(books.pool, now),
        "freeing": _some([_left(moment, now) for moment in books.freeing]),
        "monopolies": _some([monopoly.describe(now) for monopoly in books.monopolies]),
    }


def _windows(core: Core, now: float) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "call": name,
            "count": window["count"],
            "limit": window["limit"],
            "left": _left(window["started"] + window["seconds"], now),
        }
        for key, windows in core.windows.describe().items()
        for name, window in windows.items()
    ]


def _call(entry: Entry) -> dict[str, Any]:
    params = list(entry.params.items())
    shown = [f"{_text(name)}={'…' if name in HIDDEN else _text(value)}" for name, value in params[:ITEMS]]
    return {
        "seq": entry.seq,
        "time": beijing(entry.at),
        "method": entry.method,
        "path": _text(entry.path),
        "key": None if entry.key is None else _text(entry.key),
        "params": _text("  ".join(shown)),
        "public": entry.public,
        "user_agent": _text(entry.user_agent),
        "http_status": entry.http_status,
        "code": entry.code,
        "executed": entry.executed,
        "fault": entry.fault,
        "refusal": entry.refusal,
    }


def _agent(agent: Agent) -> dict[str, Any]:
    return {"appid": agent.appid, "balance": agent.balance, "instances": len(agent.instances), "domain": agent.domain}


def _service(name: str, service: Service) -> dict[str, Any]:
    told: dict[str, Any] = {
        "answer": service.answer,
        "answers": service.answers or None,
        "headers": service.headers or None,
        "status": None if service.status == 200 else service.status,
        "delay": service.delay or None,
    }
    changed = {field: value for field, value in told.items() if value is not None}
    sources = Counter(service.sources).most_common(ITEMS)
    return {
        "name": name,
        "calls": len(service.sources),
        "sources": [{"source": source, "calls": calls} for source, calls in sources],
        "override": _clipped(changed),
    }

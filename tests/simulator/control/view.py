# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of the page in one response. The page polls it every second, so everything that can be long is truncated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..account.agents import Agent
from ..clock import beijing
from ..core import Core
from ..exchange import CallRecord
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.tunnel import Tunnel
from ..proxies.echo import EchoService, EchoServices
from ..routing import ENDPOINTS_BY_PATH
from .faults import FAULT_KINDS

MAX_CALLS = 200
"""Maximum number of calls of the journal."""
MAX_ITEMS = 300
"""Maximum number of items of any other list."""
MAX_CHARACTERS = 300
"""Maximum length of a text that a client sent."""
SECRET_PARAMETERS = ("Pwd", "pwd", "password", "sign")
"""Parameters whose values are not shown."""


def fault_choices() -> dict[str, Any]:
    """Return the kinds and paths that a fault can have."""
    kinds = {
        name: {"executes": kind.executes, "required": kind.required, "optional": kind.optional}
        for name, kind in FAULT_KINDS.items()
    }
    paths = {
        path: sorted({method for endpoint in endpoints for method in endpoint.methods})
        for path, endpoints in ENDPOINTS_BY_PATH.items()
    }
    return {"kinds": kinds, "paths": paths}


def build_view(core: Core, echo: EchoServices, path: str = "") -> dict[str, Any]:
    """Return the state, with the calls of the journal whose path contains a text."""
    core.keys.process_due_events()
    now = core.clock.now()
    calls, total = core.journal.latest(MAX_CALLS, path)
    public_addresses = core.network.public_addresses
    return {
        "now": now,
        "beijing": beijing(now),
        "ahead": core.clock.ahead,
        "running": core.clock.running,
        "minute": core.rate_limiter.minute,
        "paid": {
            "leases": sum(len(key.holdings.paid) for key in core.keys.by_name.values()),
            "monopolies": sum(key.holdings.monopolies_paid for key in core.keys.by_name.values()),
        },
        "keys": _truncated_list([_key(key, now) for key in core.keys.by_name.values()]),
        "windows": _truncated_list(_windows(core, now)),
        "faults": _truncated_list([_truncated_values(fault) for fault in core.faults.describe()]),
        "journal": {"count": total, "items": [_call(record) for record in calls]},
        "agents": _truncated_list([_agent(agent) for agent in core.agents.by_appid.values()]),
        "echo": _truncated_list([_echo_service(name, service) for name, service in echo.by_name().items()]),
        "map": _truncated_list([{"source": source, "public": public} for source, public in public_addresses.items()]),
    }


def _truncated_list(items: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(items), "items": list(items[:MAX_ITEMS])}


def _truncated_text(value: str) -> str:
    return value if len(value) <= MAX_CHARACTERS else f"{value[:MAX_CHARACTERS]}…"


def _truncated_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _truncated_text(value) if isinstance(value, str) else value for name, value in values.items()}


def _seconds_left(end: float, now: float) -> float:
    return max(0.0, round(end - now, 1))


def _leases(leases: Iterable[Lease], now: float) -> dict[str, Any]:
    return _truncated_list([{**lease.describe(), "left": _seconds_left(lease.ends, now)} for lease in leases])


def _key(key: ProxyKey, now: float) -> dict[str, Any]:
    plan, holdings = key.plan, key.holdings
    return {
        "key": key.key,
        "status": key.status,
        "plan": {"kind": plan.kind, "billing": plan.billing, "channels": plan.channels, "balance": plan.balance},
        "channels_in_use": key.channels_in_use,
        "paid": len(holdings.paid) + holdings.monopolies_paid,
        "capacity": key.capacity,
        "exit": key.exit,
        "proxy_url": key.proxy_url,
        "tunnel": None if key.tunnel is None else _tunnel(key.tunnel, now),
        "whitelist": _truncated_list(key.whitelist),
        "leases": _leases(holdings.leases, now),
        "pool": _leases(holdings.pool, now),
        "channels_free_in": _truncated_list([_seconds_left(time, now) for time in holdings.channels_free_at]),
        "monopolies": _truncated_list([monopoly.describe(now) for monopoly in holdings.monopolies]),
    }


def _tunnel(tunnel: Tunnel, now: float) -> dict[str, Any]:
    described = tunnel.describe(now)
    return {"url": described["url"], "mode": described["mode"], "exits": len(described["in_use"])}


def _windows(core: Core, now: float) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "call": name,
            "count": window["count"],
            "limit": window["limit"],
            "left": _seconds_left(window["started"] + window["seconds"], now),
        }
        for key, windows in core.rate_limiter.describe().items()
        for name, window in windows.items()
    ]


def _call(record: CallRecord) -> dict[str, Any]:
    params = list(record.params.items())[:MAX_ITEMS]
    shown = [
        f"{_truncated_text(name)}={'…' if name in SECRET_PARAMETERS else _truncated_text(value)}"
        for name, value in params
    ]
    return {
        "seq": record.seq,
        "time": beijing(record.at),
        "method": record.method,
        "path": _truncated_text(record.path),
        "key": None if record.key is None else _truncated_text(record.key),
        "params": _truncated_text("  ".join(shown)),
        "public": record.public,
        "user_agent": _truncated_text(record.user_agent),
        "http_status": record.http_status,
        "code": record.code,
        "executed": record.executed,
        "fault": record.fault,
        "refusal": record.refusal,
    }


def _agent(agent: Agent) -> dict[str, Any]:
    return {"appid": agent.appid, "balance": agent.balance, "instances": len(agent.instances), "domain": agent.domain}


def _echo_service(name: str, service: EchoService) -> dict[str, Any]:
    overrides: dict[str, Any] = {
        "answer": service.answer,
        "answers": service.answers or None,
        "headers": service.headers or None,
        "status": None if service.status == 200 else service.status,
        "delay": service.delay or None,
    }
    changed = {field: value for field, value in overrides.items() if value is not None}
    sources = Counter(service.sources).most_common(MAX_ITEMS)
    return {
        "name": name,
        "calls": len(service.sources),
        "sources": [{"source": source, "calls": calls} for source, calls in sources],
        "override": _truncated_values(changed),
    }

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor without the network: dispatches calls to the APIs, keeps the journal and applies planned faults.

The HTTP server passes its requests to ``accept`` and ``respond``. Tests that make many calls use ``Core.handle``, which
needs no sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .account.agents import DEFAULT_CREDENTIALS, AgentRegistry
from .account.calls import is_account_path
from .account.handler import AccountCall
from .api.endpoints import is_product_path
from .api.handler import Call
from .api.tunnel_control import TunnelCall
from .clock import Clock, http_date
from .control.faults import Fault, FaultPlan
from .control.journal import Journal
from .exchange import ApiRequest, ApiResponse, CallRecord, PendingCall, parse_json
from .keys.registry import KeyRegistry
from .network import Network
from .rate_limits import RateLimiter
from .routing import ROUTES, is_tunnel_path, reads_body


class ConnectionLost(Exception):
    """A planned fault broke the connection before a response was sent."""

    def __init__(self, fault: str, executed: bool) -> None:
        super().__init__(f"fault {fault}")
        self.executed = executed
        """Whether the call was executed nevertheless."""


class Core:
    def __init__(
        self,
        keys: Iterable[str] = ("QGDEMO01",),
        public_addresses: Mapping[str, str] | None = None,
        minute: float = 60.0,
        clock: Clock | None = None,
        seed: int | None = None,
        agents: Iterable[tuple[str, str]] = DEFAULT_CREDENTIALS,
    ) -> None:
        self.clock = Clock() if clock is None else clock
        self.network = Network(public_addresses or {})
        self.keys = KeyRegistry(keys, self.clock, seed)
        self.agents = AgentRegistry(agents)
        self.rate_limiter = RateLimiter(minute, self.clock)
        self.faults = FaultPlan()
        self.journal = Journal()
        self.headers: dict[str, str] = {}
        """Headers of the last response of ``handle``."""

    def reset(self) -> None:
        self.clock.reset()
        self.network.reset()
        self.keys.reset()
        self.agents.reset()
        self.rate_limiter.clear()
        self.faults.clear()
        self.journal.clear()

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> tuple[int, Any]:
        """Make one call and return its HTTP status and its JSON value, which is None if the body is not JSON.

        Planned faults have the same effect as over HTTP, except that delays advance the clock.
        """
        self.headers = {}
        fault = self.faults.take(path, method)
        call = self.accept(ApiRequest(method, path, params, "body" if reads_body(method, path) else "query"))
        record = call.record
        if path not in ROUTES:
            record.http_status = 404
            return 404, None
        record.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "delay":
            self.clock.advance(fault.get("seconds"))
        response = self.respond(call, fault)
        if fault is not None and not response.is_method_not_allowed:
            if fault.kind in ("refuse", "reset_before", "reset_after"):
                raise ConnectionLost(fault.kind, record.executed)
            if fault.kind == "hang_after":
                self.clock.advance(fault.get("seconds"))
            elif fault.kind in ("truncate", "garbage", "status", "redirect"):
                status = {"status": fault.get("http_status"), "redirect": 302}.get(fault.kind, 200)
                response = ApiResponse(status, parse_json(fault.get("body", "")))
        self.headers = {"Date": http_date(self.clock.now()), **(fault.get("headers", {}) if fault else {})}
        record.http_status = response.status
        return response.status, None if response.text is not None else response.body

    def accept(self, request: ApiRequest) -> PendingCall:
        """Record a request in the journal and look up its caller."""
        params = dict(request.params)
        is_account, is_tunnel = is_account_path(request.path), is_tunnel_path(request.path)
        proxy_key = "key" if is_product_path(request.path) else "Key"
        key = params.pop("appid" if is_account else "auth_key" if is_tunnel else proxy_key, None)
        record = CallRecord(
            seq=self.journal.next_seq(),
            at=self.clock.now(),
            method=request.method,
            path=request.path,
            key=key,
            params=params,
            param_source=request.param_source,
            source=request.connection[0][0],
            public=self.network.public_address(request.connection),
            ips=_listed_addresses(params),
        )
        self.journal.append(record)
        if is_account:
            return AccountCall(record, self.agents, self.clock)
        if is_tunnel:
            return TunnelCall(record, self.keys, self.clock)
        return Call(record, self.keys, self.rate_limiter)

    @staticmethod
    def respond(call: PendingCall, fault: Fault | None) -> ApiResponse:
        """Execute a call unless its fault prevents that, and apply the faults that change the JSON body."""
        response = ApiResponse(200, None)
        if fault is None or fault.executes:
            executed = call.execute(fault.kind, fault.get("drop", 0)) if fault else call.execute()
            if executed is None:
                return ApiResponse(405, None)
            response = executed
        if fault is not None and fault.kind == "code":
            call.record.code = fault.get("code")
            response = call.reject(fault.get("code"), fault.get("msg"))
            response.body.update(fault.get("body_extra", {}))
            response.status = fault.get("http_status", response.status)
        elif fault is not None and fault.kind == "replace":
            response = ApiResponse(200, fault.get("body"))
            call.record.code = _result_code(response.body)
        return response


def _result_code(body: Any) -> int | str | None:
    code = body.get("Code", body.get("code")) if isinstance(body, dict) else None
    return code if isinstance(code, (int, str)) else None


def _listed_addresses(params: Mapping[str, str]) -> list[str]:
    text = params.get("IP") or params.get("ip")
    return text.split(",") if text else []

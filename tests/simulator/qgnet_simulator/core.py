# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""QG.net without the network: dispatches calls to the APIs, keeps the journal, applies planned
faults.

The HTTP server passes its requests to ``accept`` and ``respond``. Tests that make many calls use
``Core.handle``, which needs no sockets.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .account.agents import DEFAULT_CREDENTIALS, AgentRegistry
from .account.calls import is_account_path
from .account.handler import CALLER_PARAMETER, AccountCall
from .api.endpoints import is_product_path
from .api.handler import Call
from .api.tunnel_control import TunnelCall
from .clock import Clock, http_date
from .control.faults import Fault, FaultPlan
from .control.journal import Journal
from .exchange import ApiRequest, ApiResponse, CallRecord, PendingCall
from .keys.registry import KeyRegistry
from .network import Network
from .rate_limits import RateLimiter
from .routing import ROUTES, is_tunnel_path, reads_body

HTML_ERROR = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>simulated</body></html>"
ENDINGS = {
    "refuse": "close",
    "reset_before": "reset",
    "reset_after": "reset",
    "truncate": "truncate",
}
"""How the connection ends by a kind of fault."""


def _html(status: int, text: str, **headers: str) -> ApiResponse:
    return ApiResponse(status, None, text, "text/html", headers)


def _json(text: str) -> Any:
    """Return the value of a text, or None if it is not JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None


class ConnectionLost(Exception):
    """A planned fault broke the connection before a response was sent."""


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
        self.clock = clock or Clock()
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
        """Make one call and return its HTTP status and its JSON value, which is None if the body is
        not JSON.

        Planned faults have the same effect as over HTTP, except that delays advance the clock.
        """
        fault = self.faults.take(path, method)
        request = ApiRequest(method, path, params)
        if reads_body(method, path):
            request.param_source = "body"
        call = self.accept(request, fault)
        self.clock.advance(fault.delay("delay"))
        response = self.respond(call, fault)
        self.clock.advance(fault.delay("hang_after"))
        if response.ending in ("close", "reset"):
            raise ConnectionLost(f"fault {fault.kind}")
        self.headers = {"Date": http_date(self.clock.now()), **response.headers}
        if response.ending == "truncate":
            return response.status, None
        if response.text is not None:
            return response.status, _json(response.text)
        return response.status, response.body

    def accept(self, request: ApiRequest, fault: Fault) -> PendingCall:
        """Record a request in the journal and look up its caller."""
        params = dict(request.params)
        key = params.pop(_key_parameter(request.path), None)
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
            fault=fault.kind or None,
        )
        self.journal.append(record)
        if is_account_path(request.path):
            return AccountCall(record, self.agents, self.clock)
        if is_tunnel_path(request.path):
            return TunnelCall(record, self.keys, self.clock)
        return Call(record, self.keys, self.rate_limiter)

    @classmethod
    def respond(cls, call: PendingCall, fault: Fault) -> ApiResponse:
        """Execute a call unless its fault prevents that, and apply what the fault does to the
        response.
        """
        response = cls._response(call, fault)
        if response.ending not in ("close", "reset"):
            call.record.http_status = response.status
        return response

    @staticmethod
    def _response(call: PendingCall, fault: Fault) -> ApiResponse:
        kind = fault.kind
        response = ApiResponse(200, None)
        if call.record.path not in ROUTES:
            return _html(404, HTML_ERROR.format("404 Not Found"))
        if fault.executes:
            executed = call.execute(kind, fault.drop)
            if executed is None:
                return _html(405, HTML_ERROR.format("405 Method Not Allowed"))
            response = executed
        if kind == "code":
            call.record.code = fault.code
            response = call.reject(fault.code, fault.msg)
            response.body.update(fault.body_extra)
            response.status = fault.http_status or response.status
        elif kind == "replace":
            response = ApiResponse(200, fault.body)
            call.record.code = _result_code(response.body)
        elif kind == "redirect":
            return _html(302, "", Location=fault.location)
        elif kind in ("status", "garbage"):
            status = fault.http_status or 200
            title = "Welcome" if kind == "garbage" else status
            text = fault.body
            if text is None:
                text = HTML_ERROR.format(title)
            return _html(status, text, **fault.headers)
        response.ending = ENDINGS.get(kind, "")
        return response


def _result_code(body: Any) -> int | str | None:
    if not isinstance(body, dict):
        return None
    code = body.get("Code", body.get("code"))
    if isinstance(code, (int, str)):
        return code
    return None


def _key_parameter(path: str) -> str:
    """Return the name of the parameter that says who calls."""
    if is_account_path(path):
        return CALLER_PARAMETER
    if is_tunnel_path(path):
        return "auth_key"
    if is_product_path(path):
        return "key"
    return "Key"


def _listed_addresses(params: Mapping[str, str]) -> list[str]:
    text = params.get("IP") or params.get("ip")
    if not text:
        return []
    return text.split(",")

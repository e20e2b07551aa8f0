# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control calls, which prepare the state for a test and return it afterwards, and the page that
shows it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..account.agents import Agent
from ..clock import beijing
from ..core import Core
from ..keys.key import KeySettings, ProxyKey
from ..keys.options import KeyOptions
from ..keys.plans import Plan
from ..keys.tunnel import TunnelSettings
from ..proxies.echo import EchoOverrides, EchoServices
from ..proxies.forwarding import ForwardProxies
from ..settings import Port, SettingError, accepts, changed, schema
from . import snapshot
from .faults import Fault

OPENAPI = Path(__file__).with_name("openapi.json")
TYPES = (KeySettings, KeyOptions, Plan, TunnelSettings, Agent, Fault, EchoOverrides)
"""What the description refers to."""
PAGE = Path(__file__).with_name("page.html")
PREFIX = "/_sim"
CALLS_SHOWN = 50
Parameters = Mapping[str, str]
ControlCall = Callable[[Any, Parameters], Any]
"""Gets the JSON of the body, and the parameters of path and query."""
DONE = {"ok": True}


def _object(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SettingError("the body must be a JSON object")
    return values


def _addresses(values: Any) -> dict[str, str]:
    if not accepts(dict[str, str], values):
        raise SettingError("map: source address to public address expected")
    return dict(values)


class ControlApi:
    def __init__(
        self, core: Core, echo: EchoServices, forward_proxies: ForwardProxies, authority: bytes
    ) -> None:
        self._core = core
        self._echo = echo
        self._forward_proxies = forward_proxies
        self._authority = authority

    def routes(self) -> list[Route]:
        core = self._core
        table: list[tuple[str, str, ControlCall]] = [
            ("GET", "/health", lambda *_call: DONE),
            ("GET", "/openapi.json", self.openapi),
            ("POST", "/reset", self.reset),
            ("GET", "/state", self.state),
            ("GET", "/snapshot", self.snapshot),
            ("PUT", "/snapshot", self.put_snapshot),
            ("PUT", "/keys/{key}", self.put_key),
            ("PUT", "/agents/{appid}", self.put_agent),
            ("GET", "/journal", self.journal),
            ("DELETE", "/journal", lambda *_call: core.journal.clear()),
            ("DELETE", "/windows", lambda *_call: core.rate_limiter.clear()),
            ("GET", "/clock", self.clock),
            ("PUT", "/clock", self.put_clock),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.add_faults),
            ("DELETE", "/faults", lambda *_call: core.faults.clear()),
            ("PUT", "/map", self.put_map),
            ("PATCH", "/map", self.patch_map),
            ("GET", "/echo/{name}", self.echo),
            ("PUT", "/echo/{name}", self.put_echo),
            ("DELETE", "/echo", lambda *_call: self._echo.clear()),
        ]
        return [
            *(
                Route(PREFIX + path, self._endpoint(call), methods=[method])
                for method, path, call in table
            ),
            Route("/_sim", lambda _request: RedirectResponse("/_sim/")),
            Route(
                "/_sim/", lambda _request: FileResponse(PAGE, headers={"Cache-Control": "no-store"})
            ),
            Route(
                "/_sim/ca.pem",
                lambda _request: Response(self._authority, media_type="application/x-pem-file"),
            ),
            # Without this route, a mistyped control call would be recorded as a call of the
            # vendor's API.
            Route(
                "/_sim/{rest:path}",
                self.not_found,
                methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            ),
        ]

    @staticmethod
    def _endpoint(call: ControlCall) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if "origin" in request.headers:
                return JSONResponse(
                    {"error": "control calls are for programs; a page in a browser sends Origin"},
                    403,
                )
            try:
                body = json.loads(await request.body() or "null")
                answer = call(body, {**request.query_params, **request.path_params})
            except SettingError as error:
                return JSONResponse({"error": str(error)}, 400)
            except ValueError:
                return JSONResponse({"error": "the body is not JSON"}, 400)
            if answer is None:
                answer = DONE
            return JSONResponse(answer)

        return endpoint

    async def not_found(self, request: Request) -> Response:
        return JSONResponse({"error": f"no control call {request.method} {request.url.path}"}, 404)

    def openapi(self, _values: Any, _params: Parameters) -> Any:
        """Return the description of these calls, in which the types are those that they take."""
        described = json.loads(OPENAPI.read_text("utf-8"))
        described["info"]["version"] = version("qgnet-simulator")
        described["components"]["schemas"] = {each.__name__: schema(each) for each in TYPES}
        return described

    def snapshot(self, _values: Any, _params: Parameters) -> Any:
        self._core.keys.process_due_events()
        return snapshot.take(self._core, self._echo)

    def put_snapshot(self, values: Any, _params: Parameters) -> None:
        state = snapshot.load(_object(values))
        snapshot.restore(self._core, self._echo, self._forward_proxies, state)

    def reset(self, _values: Any, _params: Parameters) -> None:
        self._core.reset()
        self._forward_proxies.close_all_except(self._core.keys.initial_owners())
        self._echo.clear()

    def state(self, _values: Any, _params: Parameters) -> Any:
        core = self._core
        now = core.clock.now()
        core.keys.process_due_events()
        return {
            "minute": core.rate_limiter.minute,
            "keys": {name: key.describe(now) for name, key in core.keys.by_name.items()},
            "map": core.network.public_addresses,
            "agents": core.agents.describe(),
            "faults": core.faults.describe(),
            "calls": core.journal.latest(CALLS_SHOWN),
        }

    def put_key(self, values: Any, params: Parameters) -> Any:
        values = _object(values)
        keys = self._core.keys
        name = params["key"]
        with_proxy = values.pop("proxy", False)
        tunnel = values.pop("tunnel", None)
        port = 0
        if isinstance(tunnel, dict):
            port = tunnel.pop("port", 0)
        if not accepts(bool, with_proxy) or not accepts(Port, port):
            raise SettingError("proxy: true or false expected; tunnel port: a port expected")
        if tunnel is not None:
            changed(TunnelSettings(), tunnel)
        key = keys.get(name) or ProxyKey(key=name)
        key.configure(values)
        keys.by_name[name] = key
        try:
            if with_proxy and key.proxy_url is None:
                key.proxy_url = self._forward_proxies.open_for_key(name)
            if tunnel is not None:
                opened = keys.create_tunnel(name)
                opened.settings = changed(opened.settings, tunnel)
                opened.url = opened.url or self._forward_proxies.open_tunnel(name, port)
        except OSError as error:
            raise SettingError(f"tunnel port {port}: {error.strerror}") from None
        keys.process_due_events()
        return {"key": name, **key.describe(self._core.clock.now())}

    def put_agent(self, values: Any, params: Parameters) -> Any:
        return self._core.agents.put(params["appid"], _object(values)).describe(params["appid"])

    def journal(self, _values: Any, params: Parameters) -> Any:
        since = params.get("since", "0")
        if not since.isdigit():
            raise SettingError("since: a number expected")
        return {"calls": self._core.journal.select(params.get("path"), int(since))}

    def clock(self, _values: Any, _params: Parameters) -> Any:
        now = self._core.clock.now()
        return {"now": now, "beijing": beijing(now), "running": self._core.clock.running}

    def put_clock(self, values: Any, params: Parameters) -> Any:
        clock = self._core.clock
        values = _object(values)
        seconds = values.get("advance", 0)
        running = values.get("running", clock.running)
        has_fields = bool(values) and values.keys() <= {"advance", "running"}
        if not has_fields or not accepts(float, seconds) or not isinstance(running, bool):
            raise SettingError('clock: {"advance": seconds} or {"running": true or false} expected')
        clock.run(running)
        clock.advance(seconds)
        self._core.keys.process_due_events()
        return self.clock(None, params)

    def faults(self, _values: Any, _params: Parameters) -> Any:
        return {"faults": self._core.faults.describe()}

    def add_faults(self, values: Any, params: Parameters) -> Any:
        self._core.faults.append(values)
        return self.faults(None, params)

    def put_map(self, values: Any, _params: Parameters) -> Any:
        self._core.network.public_addresses = _addresses(values)
        return self._core.network.public_addresses

    def patch_map(self, values: Any, _params: Parameters) -> Any:
        self._core.network.public_addresses.update(_addresses(values))
        return self._core.network.public_addresses

    def echo(self, _values: Any, params: Parameters) -> Any:
        sources = self._echo.get(params["name"]).sources
        return {"calls": len(sources), "sources": sources}

    def put_echo(self, values: Any, params: Parameters) -> None:
        self._echo.get(params["name"]).override(_object(values))

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control calls: they prepare the state for a test and return it afterwards."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .. import validation
from ..clock import beijing
from ..core import Core
from ..keys.tunnel import TunnelSettings
from ..proxies.echo import EchoServices
from ..proxies.forwarding import ForwardProxies, tunnel_owner
from ..validation import ValidationError

PAGE = Path(__file__).with_name("page.html")
PAGE_HEADERS = {
    # Text cannot become a program, and the page asks nobody else.
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
CALLS_SHOWN = 50
RequestHandler = Callable[[Request], Awaitable[Any]]


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise ValidationError("the body is not JSON") from None


async def _json_object(request: Request) -> dict[str, Any]:
    value = await _json(request)
    if not isinstance(value, dict):
        raise ValidationError("the body must be a JSON object")
    return value


async def _address_map(request: Request) -> dict[str, str]:
    values = await _json_object(request)
    if not validation.is_string_mapping(values):
        raise ValidationError("map: source address to public address expected")
    return values


class ControlApi:
    def __init__(self, core: Core, echo: EchoServices, forward_proxies: ForwardProxies, authority: bytes) -> None:
        self._core = core
        self._echo = echo
        self._forward_proxies = forward_proxies
        self._authority = authority

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, RequestHandler]] = [
            ("GET", "/health", self.get_health),
            ("POST", "/reset", self.reset),
            ("GET", "/state", self.get_state),
            ("PUT", "/keys/{key}", self.put_key),
            ("GET", "/agents/{appid}", self.get_agent),
            ("PUT", "/agents/{appid}", self.put_agent),
            ("GET", "/journal", self.get_journal),
            ("DELETE", "/journal", self.clear_journal),
            ("GET", "/windows", self.get_windows),
            ("DELETE", "/windows", self.clear_windows),
            ("GET", "/clock", self.get_clock),
            ("PUT", "/clock", self.put_clock),
            ("GET", "/faults", self.get_faults),
            ("POST", "/faults", self.add_faults),
            ("DELETE", "/faults", self.clear_faults),
            ("PUT", "/map", self.put_map),
            ("PATCH", "/map", self.patch_map),
            ("GET", "/echo/{name}", self.get_echo),
            ("PUT", "/echo/{name}", self.put_echo),
            ("DELETE", "/echo", self.clear_echo),
        ]
        routes = [Route(f"/_sim{path}", self._endpoint(handler), methods=[method]) for method, path, handler in table]
        routes += [
            Route("/_sim", self.redirect, methods=["GET"]),
            Route("/_sim/", self.get_page, methods=["GET"]),
            Route("/_sim/ca.pem", self.get_authority, methods=["GET"]),
        ]
        # Without this route, a mistyped control call would be recorded as a call of the vendor's API.
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [*routes, Route("/_sim/{rest:path}", self.not_found, methods=methods)]

    @staticmethod
    def _endpoint(handler: RequestHandler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if "origin" in request.headers:
                return JSONResponse({"error": "control calls are for programs; a page in a browser sends Origin"}, 403)
            try:
                return JSONResponse(await handler(request))
            except ValidationError as error:
                return JSONResponse({"error": str(error)}, 400)

        return endpoint

    async def not_found(self, request: Request) -> Response:
        return JSONResponse({"error": f"no control call {request.method} {request.url.path}"}, 404)

    async def redirect(self, request: Request) -> Response:
        return RedirectResponse("/_sim/")

    async def get_page(self, request: Request) -> Response:
        return FileResponse(PAGE, headers=PAGE_HEADERS)

    async def get_authority(self, request: Request) -> Response:
        return Response(self._authority, media_type="application/x-pem-file")

    async def get_health(self, request: Request) -> Any:
        return {"ok": True}

    async def reset(self, request: Request) -> Any:
        self._core.reset()
        keys = self._core.keys
        self._forward_proxies.close_all_except(
            {*keys.initial_proxy_urls, *(tunnel_owner(name) for name in keys.initial_tunnel_urls)}
        )
        self._echo.clear()
        return {"ok": True}

    async def get_state(self, request: Request) -> Any:
        core, now = self._core, self._core.clock.now()
        core.keys.process_due_events()
        return {
            "minute": core.rate_limiter.minute,
            "keys": {name: key.describe(now) for name, key in core.keys.by_name.items()},
            "map": core.network.public_addresses,
            "agents": core.agents.describe(),
            "faults": core.faults.describe(),
            "calls": core.journal.latest(CALLS_SHOWN),
        }

    async def put_key(self, request: Request) -> Any:
        values = await _json_object(request)
        with_proxy, tunnel = values.pop("proxy", False), values.pop("tunnel", None)
        port = tunnel.pop("port", 0) if isinstance(tunnel, dict) else 0
        if not validation.is_integer(port, 0, 65535):
            raise ValidationError("tunnel port: a port expected")
        if not isinstance(with_proxy, bool):
            raise ValidationError("proxy: true or false expected")
        if tunnel is not None and not isinstance(tunnel, dict):
            raise ValidationError("tunnel: an object expected")
        keys = self._core.keys
        name = request.path_params["key"]
        is_new = keys.get(name) is None
        key = keys.get_or_create(name)
        try:
            if tunnel is not None:
                TunnelSettings().with_changes(tunnel)
            key.configure(values)
        except ValidationError:
            if is_new:
                del keys.by_name[name]
            raise
        if with_proxy and key.proxy_url is None:
            key.proxy_url = self._forward_proxies.open_for_key(name)
        if tunnel is not None:
            self._open_tunnel(name, tunnel, port)
        keys.process_due_events()
        return {"key": name, **key.describe(self._core.clock.now())}

    def _open_tunnel(self, key: str, settings: dict[str, Any], port: int) -> None:
        """Change the tunnel of a key, which is opened on first use."""
        tunnel = self._core.keys.create_tunnel(key)
        tunnel.settings = tunnel.settings.with_changes(settings)
        if tunnel.url is None:
            try:
                tunnel.url = self._forward_proxies.open_tunnel(key, port)
            except OSError as error:
                raise ValidationError(f"tunnel port {port}: {error.strerror}") from None

    async def get_agent(self, request: Request) -> Any:
        agent = self._core.agents.by_appid.get(request.path_params["appid"])
        if agent is None:
            raise ValidationError("no such agent")
        return agent.describe()

    async def put_agent(self, request: Request) -> Any:
        return self._core.agents.put(request.path_params["appid"], await _json_object(request)).describe()

    async def get_journal(self, request: Request) -> Any:
        since = request.query_params.get("since", "0")
        if not since.isdigit():
            raise ValidationError("since: a number expected")
        return {"calls": self._core.journal.select(request.query_params.get("path"), int(since))}

    async def clear_journal(self, request: Request) -> Any:
        self._core.journal.clear()
        return {"ok": True}

    async def get_windows(self, request: Request) -> Any:
        return self._core.rate_limiter.describe()

    async def clear_windows(self, request: Request) -> Any:
        self._core.rate_limiter.clear()
        return {"ok": True}

    async def get_clock(self, request: Request) -> Any:
        clock, now = self._core.clock, self._core.clock.now()
        return {"now": now, "beijing": beijing(now), "running": clock.running}

    async def put_clock(self, request: Request) -> Any:
        values = await _json_object(request)
        clock, known = self._core.clock, bool(values) and values.keys() <= {"advance", "running"}
        seconds, running = values.get("advance", 0), values.get("running", clock.running)
        if not known or not validation.is_duration(seconds) or not isinstance(running, bool):
            raise ValidationError('clock: {"advance": seconds} or {"running": true or false} expected')
        clock.run(running)
        clock.advance(seconds)
        self._core.keys.process_due_events()
        return await self.get_clock(request)

    async def get_faults(self, request: Request) -> Any:
        return {"faults": self._core.faults.describe()}

    async def add_faults(self, request: Request) -> Any:
        self._core.faults.append(await _json(request))
        return await self.get_faults(request)

    async def clear_faults(self, request: Request) -> Any:
        self._core.faults.clear()
        return {"ok": True}

    async def put_map(self, request: Request) -> Any:
        self._core.network.public_addresses = await _address_map(request)
        return self._core.network.public_addresses

    async def patch_map(self, request: Request) -> Any:
        self._core.network.public_addresses.update(await _address_map(request))
        return self._core.network.public_addresses

    async def get_echo(self, request: Request) -> Any:
        sources = self._echo.get(request.path_params["name"]).sources
        return {"calls": len(sources), "sources": sources}

    async def put_echo(self, request: Request) -> Any:
        self._echo.get(request.path_params["name"]).override(await _json_object(request))
        return {"ok": True}

    async def clear_echo(self, request: Request) -> Any:
        self._echo.clear()
        return {"ok": True}

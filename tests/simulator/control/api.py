# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: what a test sets up, and what it reads afterwards."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .. import validation as checks
from ..clock import beijing
from ..core import Core
from ..proxies.echo import Echo
from ..proxies.forwarding import Forwarders
from ..validation import Invalid

Handler = Callable[[Request], Awaitable[Any]]


async def _object(request: Request) -> dict[str, Any]:
    value = await _json(request)
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    return value


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError:
        raise Invalid("the body is not JSON") from None


def _texts(values: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in values.values()):
        raise Invalid("map: source address to public address expected")
    return values


class Control:
    def __init__(self, core: Core, echo: Echo, forwarders: Forwarders) -> None:
        self._core = core
        self._echo = echo
        self._forwarders = forwarders

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/health", self.health),
            ("POST", "/reset", self.reset),
            ("GET", "/state", self.state),
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
        routes = [Route(f"/_sim{path}", self._answering(handler), methods=[verb]) for verb, path, handler in table]
        # Without these, a mistyped control call would reach the vendor API and its journal.
        everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        return [*routes, Route("/_sim/{rest:path}", self.nothing, methods=everything)]

    @staticmethod
    def _answering(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return JSONResponse(await handler(request))
            except Invalid as problem:
                return JSONResponse({"error": str(problem)}, 400)

        return answer

    async def nothing(self, request: Request) -> Response:
        return JSONResponse({"error": f"no control call {request.method} {request.url.path}"}, 404)

    async def health(self, request: Request) -> Any:
        return {"ok": True}

    async def reset(self, request: Request) -> Any:
        self._core.reset()
        self._forwarders.keep_only(self._core.vendor.first_proxies)
        self._echo.clear()
        return {"ok": True}

    async def state(self, request: Request) -> Any:
        vendor = self._core.vendor
        vendor.settle()
        now = self._core.clock.now()
        keys = {name: account.describe(now) for name, account in vendor.accounts.items()}
        return {
            "minute": self._core.windows.minute,
            "keys": keys,
            "map": vendor.map,
            "agents": self._core.agents.describe(),
        }

    async def put_key(self, request: Request) -> Any:
        values = await _object(request)
        wants_proxy = values.pop("proxy", False)
        if not isinstance(wants_proxy, bool):
            raise Invalid("proxy: true or false expected")
        vendor = self._core.vendor
        name = request.path_params["key"]
        new = name not in vendor.accounts
        account = vendor.account(name)
        try:
            account.change(values)
        except Invalid:
            if new:
                del vendor.accounts[name]
            raise
        if wants_proxy and account.proxy_url is None:
            account.proxy_url = self._forwarders.open_proxy(name)
        vendor.settle()
        return {"key": name, **account.describe(self._core.clock.now())}

    async def get_agent(self, request: Request) -> Any:
        agent = self._core.agents.by_appid.get(request.path_params["appid"])
        if agent is None:
            raise Invalid("no such agent")
        return agent.describe()

    async def put_agent(self, request: Request) -> Any:
        return self._core.agents.put(request.path_params["appid"], await _object(request)).describe()

    async def get_journal(self, request: Request) -> Any:
        since = request.query_params.get("since", "0")
        if not since.isdigit():
            raise Invalid("since: a number expected")
        return {"calls": self._core.journal.select(request.query_params.get("path"), int(since))}

    async def clear_journal(self, request: Request) -> Any:
        self._core.journal.clear()
        return {"ok": True}

    async def get_windows(self, request: Request) -> Any:
        return self._core.windows.describe()

    async def clear_windows(self, request: Request) -> Any:
        self._core.windows.clear()
        return {"ok": True}

    async def get_clock(self, request: Request) -> Any:
        clock, now = self._core.clock, self._core.clock.now()
        return {"now": now, "beijing": beijing(now), "running": clock.running}

    async def put_clock(self, request: Request) -> Any:
        values = await _object(request)
        clock, known = self._core.clock, bool(values) and values.keys() <= {"advance", "running"}
        seconds, running = values.get("advance", 0), values.get("running", clock.running)
        if not known or not checks.seconds(seconds) or not isinstance(running, bool):
            raise Invalid('clock: {"advance": seconds} or {"running": true or false} expected')
        clock.run(running)
        clock.advance(seconds)
        self._core.vendor.settle()
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
        self._core.vendor.map = _texts(await _object(request))
        return self._core.vendor.map

    async def patch_map(self, request: Request) -> Any:
        self._core.vendor.map.update(_texts(await _object(request)))
        return self._core.vendor.map

    async def get_echo(self, request: Request) -> Any:
        sources = self._echo.service(request.path_params["name"]).sources
        return {"calls": len(sources), "sources": sources}

    async def put_echo(self, request: Request) -> Any:
        self._echo.service(request.path_params["name"]).override(await _object(request))
        return {"ok": True}

    async def clear_echo(self, request: Request) -> Any:
        self._echo.clear()
        return {"ok": True}

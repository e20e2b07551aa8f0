# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor API over HTTP: reading a call, and what faults do to its answer on the way."""

from __future__ import annotations

import asyncio
from functools import partial
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..classic.state import Ends
from ..control.faults import Fault
from ..core import Core, Received
from ..routing import PATHS, reads_body
from . import transport as wire

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HTML_ERROR = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>simulated</body></html>"
FORM = "application/x-www-form-urlencoded"


def html(status: int, reason: str) -> Response:
    return HTMLResponse(HTML_ERROR.format(f"{status} {reason}"), status_code=status)


def ends_of(request: Request) -> Ends:
    """Those of the connection that a request came by."""
    caller, called = request.scope.get("client"), request.scope.get("server")
    return tuple(caller or ("", 0)), tuple(called or ("", 0))


class Api:
    """Everything between a vendor call on the network and the core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def routes(self) -> list[Route]:
        known = [Route(path, self.serve, methods=METHODS) for path in PATHS]
        return [*known, Route("/{path:path}", self.unknown, methods=METHODS)]

    async def unknown(self, request: Request) -> Response:
        taken = self._core.take(await self._read(request))
        taken.entry.http_status = 404
        return html(404, "Not Found")

    async def serve(self, request: Request) -> Response:
        fault = self._core.faults.take(request.url.path, request.method)
        # A connection closed at once is closed before the body is read.
        refuse = fault is not None and fault.kind == "refuse"
        taken = self._core.take(await self._read(request, with_body=not refuse))
        entry = taken.entry
        entry.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.get("seconds"))
        reply = self._core.respond(taken, fault)
        request.scope[wire.DATE] = partial(self._core.date, taken)
        if reply.no_method:
            entry.http_status = 405
            return html(405, "Method Not Allowed")
        response: Response = JSONResponse(reply.body, reply.status)
        if fault is not None:
            response = await self._break(fault, response)
        no_answer = isinstance(response, (wire.Reset, wire.Close))
        entry.http_status = None if no_answer else response.status_code
        return response

    async def _read(self, request: Request, with_body: bool = True) -> Received:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        form: dict[str, str] = {}
        if with_body and request.method == "POST":
            text = (await request.body()).decode("utf-8", "replace")
            if request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM:
                form = dict(parse_qsl(text, keep_blank_values=True))
        from_body = reads_body(request.method, request.url.path)
        params, origin = (form, "body") if from_body else (query, "query")
        if from_body:
            named = self._core.vendor.accounts.get(form.get("Key", query.get("Key", "")))
            if named is not None and named.options.post == "ignore_body":
                params, origin = query, "query"
        return Received(
            method=request.method,
            path=request.url.path,
            params=params,
            origin=origin,
            query_length=len(request.url.query),
            ends=ends_of(request),
            user_agent=request.headers.get("user-agent", ""),
        )

    @staticmethod
    async def _break(fault: Fault, response: Response) -> Response:
        """What a fault makes of an answer on its way."""
        if fault.kind == "refuse":
            return wire.Close()
        if fault.kind in ("reset_before", "reset_after"):
            return wire.Reset()
        if fault.kind == "hang_after":
            await asyncio.sleep(fault.get("seconds"))
        elif fault.kind == "status":
            status = fault.get("http_status")
            page = fault.get("body", HTML_ERROR.format(status))
            return HTMLResponse(page, status_code=status, headers=fault.get("headers", {}))
        elif fault.kind == "truncate":
            return wire.Truncated(bytes(response.body), response.status_code, media_type="application/json")
        elif fault.kind == "garbage":
            return HTMLResponse(fault.get("body", HTML_ERROR.format("Welcome")))
        elif fault.kind == "redirect":
            return RedirectResponse(fault.get("location"), status_code=302)
        elif fault.kind == "trickle":
            return wire.trickle(response, fault.get("seconds"), fault.get("total"))
        return response

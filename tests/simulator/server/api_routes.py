# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's APIs over HTTP: parses requests, and applies planned faults to the transport of responses."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..api.endpoints import path_of
from ..control.faults import Fault
from ..core import Core
from ..exchange import ApiRequest
from ..network import connection_of
from ..routing import ROUTES, reads_body
from .transport import CloseResponse, ResetResponse, TruncatedResponse

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HTML_ERROR = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>simulated</body></html>"
FORM = "application/x-www-form-urlencoded"


def _html_error(status: int, reason: str) -> Response:
    return HTMLResponse(HTML_ERROR.format(f"{status} {reason}"), status_code=status)


def _path_of(request: Request) -> str:
    """Return the path of a call, which starts with the product if the host is one of a product."""
    return path_of(request.headers.get("host", ""), request.url.path)


class ApiRoutes:
    """Passes HTTP requests to the core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def routes(self) -> list[Route]:
        return [Route("/{path:path}", self.serve, methods=METHODS)]

    async def serve(self, request: Request) -> Response:
        path = _path_of(request)
        if path not in ROUTES:
            call = self._core.accept(await self._parse(request))
            call.record.http_status = 404
            return _html_error(404, "Not Found")
        fault = self._core.faults.take(path, request.method)
        # The fault "refuse" closes the connection before the body is read.
        with_body = fault is None or fault.kind != "refuse"
        call = self._core.accept(await self._parse(request, with_body))
        record = call.record
        record.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.get("seconds"))
        api_response = self._core.respond(call, fault)
        if api_response.is_method_not_allowed:
            record.http_status = 405
            return _html_error(405, "Method Not Allowed")
        response: Response = JSONResponse(api_response.body, api_response.status)
        if api_response.text is not None:
            response = Response(api_response.text, api_response.status, media_type=api_response.media_type)
        if fault is not None:
            response = await self._apply_fault(fault, response)
        no_response = isinstance(response, (ResetResponse, CloseResponse))
        record.http_status = None if no_response else response.status_code
        return response

    async def _parse(self, request: Request, with_body: bool = True) -> ApiRequest:
        path, query = _path_of(request), dict(parse_qsl(request.url.query, keep_blank_values=True))
        form: dict[str, str] = {}
        text = ""
        if with_body and request.method in ("POST", "PUT"):
            text = (await request.body()).decode("utf-8", "replace")
            if request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM:
                form = dict(parse_qsl(text, keep_blank_values=True))
        # The vendor reads the query of a POST whose body is empty, although its page says that it never does.
        from_body = reads_body(request.method, path) and (text != "" or not query)
        params, param_source = (form, "body") if from_body else (query, "query")
        return ApiRequest(
            method=request.method,
            path=path,
            params=params,
            param_source=param_source,
            connection=connection_of(request.scope),
        )

    @staticmethod
    async def _apply_fault(fault: Fault, response: Response) -> Response:
        """Return the response as a fault of the transport delays, replaces or breaks it."""
        if fault.kind == "refuse":
            return CloseResponse()
        if fault.kind in ("reset_before", "reset_after"):
            return ResetResponse()
        if fault.kind == "hang_after":
            await asyncio.sleep(fault.get("seconds"))
        elif fault.kind == "status":
            status = fault.get("http_status")
            body = fault.get("body", HTML_ERROR.format(status))
            return HTMLResponse(body, status_code=status, headers=fault.get("headers", {}))
        elif fault.kind == "truncate":
            return TruncatedResponse(bytes(response.body), response.status_code, media_type=response.media_type)
        elif fault.kind == "garbage":
            return HTMLResponse(fault.get("body", HTML_ERROR.format("Welcome")))
        elif fault.kind == "redirect":
            return RedirectResponse(fault.get("location"), status_code=302)
        return response

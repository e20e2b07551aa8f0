# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""QG.net's APIs over HTTP: parses requests, and sends responses, or breaks them where a fault
is planned.
"""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..api.endpoints import path_of
from ..core import Core
from ..exchange import ApiRequest
from ..network import connection_of
from ..routing import reads_body
from .transport import BrokenResponse

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
FORM = "application/x-www-form-urlencoded"


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
        fault = self._core.faults.take(_path_of(request), request.method)
        # The fault "refuse" closes the connection before the body is read.
        call = self._core.accept(
            await self._parse(request, with_body=fault.kind != "refuse"), fault
        )
        await asyncio.sleep(fault.delay("delay"))
        answer = self._core.respond(call, fault)
        await asyncio.sleep(fault.delay("hang_after"))
        response: Response = JSONResponse(answer.body, answer.status, answer.headers)
        if answer.text is not None:
            response = Response(answer.text, answer.status, answer.headers, answer.media_type)
        if answer.ending:
            response = BrokenResponse(response, answer.ending)
        return response

    async def _parse(self, request: Request, *, with_body: bool) -> ApiRequest:
        path = _path_of(request)
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        form: dict[str, str] = {}
        text = ""
        if with_body and request.method in ("POST", "PUT"):
            text = (await request.body()).decode("utf-8", "replace")
            if request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM:
                form = dict(parse_qsl(text, keep_blank_values=True))
        # QG.net reads the query of a POST whose body is empty, although its page says that it
        # never does.
        connection = connection_of(request.scope)
        if reads_body(request.method, path) and (text or not query):
            return ApiRequest(request.method, path, form, "body", connection)
        return ApiRequest(request.method, path, query, "query", connection)

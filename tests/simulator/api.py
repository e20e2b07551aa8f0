# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor API over HTTP: reading a call, the common checks in their order, shaping the answer."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from . import codes, wire
from .accounts import STATUS_CODES, Account, Options, Vendor
from .codes import Refusal
from .endpoints import BY_PATH, Endpoint
from .faults import Fault, FaultPlan
from .journal import Entry, Journal
from .limits import Windows
from .whitelist import Answer, Call

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HTML_ERROR = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>simulated</body></html>"
FORM = "application/x-www-form-urlencoded"


def html(status: int, reason: str) -> Response:
    return HTMLResponse(HTML_ERROR.format(f"{status} {reason}"), status_code=status)


def as_strings(value: Any) -> Any:
    """The same answer with every number as text."""
    if isinstance(value, dict):
        return {name: as_strings(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def code_of(body: Any) -> int | None:
    code = body.get("Code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None


def peer(request: Request) -> tuple[str, int]:
    """The caller's address and port."""
    return (request.client.host, request.client.port) if request.client else ("", 0)


@dataclass
class Simulator:
    """Everything that a vendor call needs."""

    vendor: Vendor
    windows: Windows
    faults: FaultPlan
    journal: Journal

    def routes(self) -> list[Route]:
        known = [Route(path, self.serve, methods=METHODS) for path in BY_PATH]
        return [*known, Route("/{path:path}", self.unknown, methods=METHODS)]

    async def unknown(self, request: Request) -> Response:
        entry = (await self._open(request, read_body=True))[0]
        entry.http_status = 404
        return html(404, "Not Found")

    async def serve(self, request: Request) -> Response:
        endpoint = BY_PATH[request.url.path]
        fault = self.faults.take(endpoint.path)
        # A connection closed at once is closed before the body is read.
        refuse = fault is not None and fault.kind == "refuse"
        entry, account = await self._open(request, read_body=not refuse)
        entry.fault = fault.kind if fault else None
        options = account.options if account else Options()
        if fault is not None and fault.kind == "delay":
            await asyncio.sleep(fault.get("seconds"))
        response: Response
        body: Any = None
        if fault is None or fault.executes:
            if request.method not in ("GET", "POST") or (request.method == "POST" and options.post == "refuse"):
                entry.http_status = 405
                return html(405, "Method Not Allowed")
            drop = fault.get("drop", 0) if fault else 0
            body = self._answer(endpoint, account, entry, drop)
            entry.code = body["Code"]
        response = self._render(body, options, fault)
        if fault is not None:
            response = await self._break(fault, response, options, entry)
        no_answer = isinstance(response, (wire.Reset, wire.Close))
        entry.http_status = None if no_answer else response.status_code
        return response

    async def _open(self, request: Request, read_body: bool) -> tuple[Entry, Account | None]:
        """Write the call into the journal, and find its key."""
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        form: dict[str, str] = {}
        if read_body and request.method == "POST":
            text = (await request.body()).decode("utf-8", "replace")
            if request.headers.get("content-type", "").split(";")[0].strip().lower() == FORM:
                form = dict(parse_qsl(text, keep_blank_values=True))
        params, origin = (form, "body") if request.method == "POST" else (query, "query")
        if request.method == "POST":
            named = self.vendor.accounts.get(form.get("Key", query.get("Key", "")))
            if named is not None and named.options.post == "ignore_body":
                params, origin = query, "query"
        source, port = peer(request)
        key = params.get("Key")
        rest = {name: value for name, value in params.items() if name != "Key"}
        entry = Entry(
            seq=self.journal.next_seq(),
            at=time.time(),
            method=request.method,
            path=request.url.path,
            key=key,
            params=rest,
            param_source=origin,
            query_length=len(request.url.query),
            source=source,
            public=self.vendor.public_address(source, port),
            user_agent=request.headers.get("user-agent", ""),
            ips=rest["IP"].split(",") if rest.get("IP") else [],
        )
        self.journal.append(entry)
        return entry, self.vendor.accounts.get(key) if key else None

    def _answer(self, endpoint: Endpoint, account: Account | None, entry: Entry, drop: int) -> Answer:
        """The common checks in the vendor's order, then the operation."""
        try:
            if not entry.key:
                raise Refusal(codes.BAD_PARAMETER)
            if account is None:
                raise Refusal(codes.NO_PLAN)
            if account.pwd is not None and entry.params.get("Pwd") != account.pwd:
                raise Refusal(codes.BAD_PWD)
            if STATUS_CODES[account.status] != codes.OK:
                raise Refusal(STATUS_CODES[account.status])
            if not self.windows.admit(account.key, endpoint.path, endpoint.limit(account)):
                raise Refusal(codes.TOO_MANY_CALLS)
            answer = endpoint.operation(Call(self.vendor, account, entry.params, drop))
        except Refusal as refusal:
            return {"Code": refusal.code, "Msg": codes.MESSAGES[refusal.code]}
        entry.executed = True
        return answer

    @staticmethod
    def _render(body: Any, options: Options, fault: Fault | None) -> Response:
        """The answer as the key's options and a fault of its shape will have it."""
        if body is None:
            return Response()
        kind = fault.kind if fault else None
        answer = dict(body)
        failed = answer["Code"] != codes.OK
        if failed and not options.msg:
            answer.pop("Msg", None)
        if "Data" in answer:
            empty = not answer["Data"]
            if kind == "data_absent" or (empty and options.empty_data == "absent"):
                del answer["Data"]
            elif kind == "data_null" or (empty and options.empty_data == "null"):
                answer["Data"] = None
        if kind == "strings" or options.numbers == "string":
            answer = as_strings(answer)
        return JSONResponse(answer, status_code=options.error_status if failed else 200)

    @staticmethod
    async def _break(fault: Fault, response: Response, options: Options, entry: Entry) -> Response:
        """What a fault makes of the answer."""
        if fault.kind == "code":
            body: dict[str, Any] = {"Code": fault.get("code")}
            message = fault.get("msg", codes.MESSAGES.get(fault.get("code"), ""))
            if message and (options.msg or "msg" in fault.fields):
                body["Msg"] = message
            body.update(fault.get("body_extra", {}))
            entry.code = fault.get("code")
            return JSONResponse(body, status_code=fault.get("http_status", 200))
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
        elif fault.kind == "replace":
            entry.code = code_of(fault.get("body"))
            return JSONResponse(fault.get("body"))
        return response

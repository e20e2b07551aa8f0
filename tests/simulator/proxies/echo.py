# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that tell a caller its public address, several of them, each of which can be made to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..classic.state import Vendor
from ..server.api_routes import ends_of
from ..validation import Invalid

BUILT_IN = ("ip", "json", "origin")


@dataclass
class Service:
    """One echo service: how it answers, and who asked it."""

    answer: str | None = None
    status: int = 200
    delay: float = 0
    answers: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    served: int = 0
    """Answers given from the rotating list."""

    def override(self, values: Mapping[str, Any]) -> None:
        """Replace the way it answers; what is not named goes back to normal."""
        fresh = Service(sources=self.sources)
        for name, value in values.items():
            _check(name, value)
            setattr(fresh, name, value)
        self.__dict__.update(fresh.__dict__)

    def next_answer(self) -> str | None:
        if not self.answers:
            return self.answer
        self.served += 1
        return self.answers[(self.served - 1) % len(self.answers)]


def _check(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    good = {
        "answer": value is None or isinstance(value, str),
        "status": number and isinstance(value, int) and 200 <= value < 600,
        "delay": number and isinstance(value, (int, float)) and value >= 0,
        "answers": isinstance(value, list) and all(isinstance(item, str) for item in value),
        "headers": isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
    }
    if not good.get(name, False):
        raise Invalid(f"echo field {name}: {value!r} is not allowed" if name in good else f"no echo field {name}")


class Echo:
    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service:
        return self._services.setdefault(name, Service())

    def services(self) -> dict[str, Service]:
        """Those that were asked or overridden."""
        return dict(self._services)

    def clear(self) -> None:
        self._services.clear()

    def routes(self) -> list[Route]:
        built_in = [Route(f"/{name}", self.serve, methods=["GET"]) for name in BUILT_IN]
        return [*built_in, Route("/echo/{name}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        name = request.path_params.get("name", request.url.path[1:])
        service = self.service(name)
        ends = ends_of(request)
        service.sources.append(ends[0][0])
        text, status, headers = service.next_answer(), service.status, dict(service.headers)
        if service.delay:
            await asyncio.sleep(service.delay)
        media = "text/plain"
        if request.url.path in ("/json", "/origin"):
            media = "application/json"
        if text is None:
            address = self._vendor.public_address(ends)
            if request.url.path == "/json":
                return JSONResponse({"ip": address}, status, headers)
            if request.url.path == "/origin":
                return JSONResponse({"origin": address}, status, headers)
            text = f"{address}\n"
        return Response(text, status, headers, media)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo services, which return the public address of a client. Each service can be made to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..network import Network, connection_of
from ..validation import ValidationError

BUILT_IN_SERVICES = ("ip", "json", "origin")


@dataclass
class EchoService:
    """One echo service: its overrides, and the clients that called it."""

    answer: str | None = None
    status: int = 200
    delay: float = 0
    answers: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    answers_sent: int = 0
    """Number of responses that were taken from ``answers``."""

    def override(self, values: Mapping[str, Any]) -> None:
        """Replace all overrides; fields that are not given return to their defaults."""
        replacement = EchoService(sources=self.sources)
        for name, value in values.items():
            _validate(name, value)
            setattr(replacement, name, value)
        self.__dict__.update(replacement.__dict__)

    def next_answer(self) -> str | None:
        if not self.answers:
            return self.answer
        self.answers_sent += 1
        return self.answers[(self.answers_sent - 1) % len(self.answers)]


def _validate(name: str, value: object) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    valid = {
        "answer": value is None or isinstance(value, str),
        "status": number and isinstance(value, int) and 200 <= value < 600,
        "delay": number and isinstance(value, (int, float)) and value >= 0,
        "answers": isinstance(value, list) and all(isinstance(item, str) for item in value),
        "headers": isinstance(value, dict) and all(isinstance(item, str) for item in value.values()),
    }
    if name not in valid:
        raise ValidationError(f"no echo field {name}")
    if not valid[name]:
        raise ValidationError(f"echo field {name}: {value!r} is not allowed")


class EchoServices:
    def __init__(self, network: Network) -> None:
        self._network = network
        self._services: dict[str, EchoService] = {}

    def get(self, name: str) -> EchoService:
        """Return a service by name, created on first use."""
        return self._services.setdefault(name, EchoService())

    def by_name(self) -> dict[str, EchoService]:
        """Return the services that have been called or overridden."""
        return dict(self._services)

    def clear(self) -> None:
        self._services.clear()

    def routes(self) -> list[Route]:
        built_in = [Route(f"/{name}", self.serve, methods=["GET"]) for name in BUILT_IN_SERVICES]
        return [*built_in, Route("/echo/{name}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        path = request.url.path
        service = self.get(request.path_params.get("name", path[1:]))
        connection = connection_of(request.scope)
        service.sources.append(connection[0][0])
        text, status, headers = service.next_answer(), service.status, dict(service.headers)
        if service.delay:
            await asyncio.sleep(service.delay)
        if text is None:
            address = self._network.public_address(connection)
            if path == "/json":
                return JSONResponse({"ip": address}, status, headers)
            if path == "/origin":
                return JSONResponse({"origin": address}, status, headers)
            text = f"{address}\n"
        media_type = "application/json" if path in ("/json", "/origin") else "text/plain"
        return Response(text, status, headers, media_type)

# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo services, which return the public address of a client.

Each service can be made to misbehave.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..network import Network, connection_of
from ..settings import HttpStatus, changed

BUILT_IN_SERVICES = ("ip", "json", "origin")


@dataclass
class EchoOverrides:
    answer: str | None = None
    status: HttpStatus = 200
    delay: float = 0
    answers: list[str] = field(default_factory=list)
    """The answers that are given one after the other, instead of ``answer``."""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class EchoService:
    """One echo service: its overrides, and the clients that called it."""

    sources: list[str] = field(default_factory=list)
    overrides: EchoOverrides = field(default_factory=EchoOverrides)
    turn: int = 0
    """How many answers of the overrides were given."""

    def override(self, values: Mapping[str, Any]) -> None:
        """Replace all overrides; fields that are not given return to their defaults."""
        self.overrides = changed(EchoOverrides(), values)
        self.turn = 0

    def next_answer(self) -> str | None:
        answers = self.overrides.answers
        if not answers:
            return self.overrides.answer
        self.turn += 1
        return answers[(self.turn - 1) % len(answers)]


class EchoServices:
    def __init__(self, network: Network) -> None:
        self._network = network
        self.services: dict[str, EchoService] = {}

    def get(self, name: str) -> EchoService:
        """Return a service by name, created on first use."""
        return self.services.setdefault(name, EchoService())

    def clear(self) -> None:
        self.services.clear()

    def routes(self) -> list[Route]:
        built_in = [Route(f"/{name}", self.serve, methods=["GET"]) for name in BUILT_IN_SERVICES]
        return [*built_in, Route("/echo/{name}", self.serve, methods=["GET"])]

    async def serve(self, request: Request) -> Response:
        path = request.url.path
        service = self.get(request.path_params.get("name", path[1:]))
        connection = connection_of(request.scope)
        service.sources.append(connection[0][0])
        told = service.overrides
        text = service.next_answer()
        await asyncio.sleep(told.delay)
        address = self._network.public_address(connection)
        name = {"/json": "ip", "/origin": "origin"}.get(path)
        usual = f"{address}\n"
        media_type = "text/plain"
        if name is not None:
            usual = json.dumps({name: address}, separators=(",", ":"))
            media_type = "application/json"
        if text is None:
            text = usual
        return Response(text, told.status, told.headers, media_type)

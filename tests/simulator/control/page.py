# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page at ``/_sim/``: one document with its style and its program in it, and the calls that it makes itself."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..core import Core
from ..proxies.echo import Echo
from . import view as live

FOLDER = Path(__file__).resolve().parent


def _allowed(text: str) -> str:
    """How a policy names what stands between two tags."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Page:
    def __init__(self, core: Core, echo: Echo) -> None:
        self._core = core
        self._echo = echo
        style = (FOLDER / "page.css").read_text(encoding="utf-8")
        script = (FOLDER / "page.js").read_text(encoding="utf-8")
        frame = (FOLDER / "page.html").read_text(encoding="utf-8")
        self._document = frame.replace("/* page.css */", style).replace("/* page.js */", script)
        policy = {
            "default-src": "'none'",
            "style-src": _allowed(style),
            "script-src": _allowed(script),
            "img-src": "data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            # No text can become HTML, whatever the program does.
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }
        self._headers = {
            "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def routes(self) -> list[Route]:
        return [
            Route("/_sim", self.lead, methods=["GET"]),
            Route("/_sim/", self.document, methods=["GET"]),
            Route("/_sim/live", self.live, methods=["GET"]),
            Route("/_sim/choices", self.choices, methods=["GET"]),
        ]

    async def lead(self, request: Request) -> Response:
        return RedirectResponse("/_sim/")

    async def document(self, request: Request) -> Response:
        return HTMLResponse(self._document, headers=self._headers)

    async def live(self, request: Request) -> Response:
        shown = live.view(self._core, self._echo, request.query_params.get("path", ""))
        return JSONResponse(shown, headers={"Cache-Control": "no-store"})

    async def choices(self, request: Request) -> Response:
        return JSONResponse(live.choices())

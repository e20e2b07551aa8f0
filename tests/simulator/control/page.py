# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page at ``/_sim/``: one document with its style and script, and the calls that only the page makes."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..core import Core
from ..proxies.echo import EchoServices
from .view import build_view, fault_choices

DIRECTORY = Path(__file__).resolve().parent


def _hash_source(text: str) -> str:
    """Return the source expression of a Content-Security-Policy for an inline style or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Page:
    def __init__(self, core: Core, echo: EchoServices) -> None:
        self._core = core
        self._echo = echo
        style = (DIRECTORY / "page.css").read_text(encoding="utf-8")
        script = "".join((DIRECTORY / name).read_text(encoding="utf-8") for name in ("texts.js", "page.js"))
        template = (DIRECTORY / "page.html").read_text(encoding="utf-8")
        self._document = template.replace("/* page.css */", style).replace("/* texts.js, page.js */", script)
        policy = {
            "default-src": "'none'",
            "style-src": _hash_source(style),
            "script-src": _hash_source(script),
            "img-src": "data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
            # Text cannot become HTML, even if the script has a bug.
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
            Route("/_sim", self.redirect, methods=["GET"]),
            Route("/_sim/", self.get_document, methods=["GET"]),
            Route("/_sim/live", self.get_view, methods=["GET"]),
            Route("/_sim/choices", self.get_choices, methods=["GET"]),
        ]

    async def redirect(self, request: Request) -> Response:
        return RedirectResponse("/_sim/")

    async def get_document(self, request: Request) -> Response:
        return HTMLResponse(self._document, headers=self._headers)

    async def get_view(self, request: Request) -> Response:
        view = build_view(self._core, self._echo, request.query_params.get("path", ""))
        return JSONResponse(view, headers={"Cache-Control": "no-store"})

    async def get_choices(self, request: Request) -> Response:
        return JSONResponse(fault_choices())
